//! A model for agent loops.

use super::seen::Seen;
use super::turn::{Part, Turn};

/// Says the steps one after another, each when all calls of those before have their results, and `last`
/// at the end. It goes by the results in the request and not by how many requests there were, so asking
/// again gives the same step. A request without the tool that the step would call (a side query, such as
/// for a title) is answered with `last`.
pub fn agent(
    steps: impl IntoIterator<Item = Turn>,
    last: Turn,
) -> impl Fn(&Seen) -> Turn + Send + Sync {
    let steps: Vec<Turn> = steps.into_iter().collect();
    move |seen| {
        let offered = |name: &str| seen.has_tool(name);
        let step = crate::agent::step(&steps, called, seen.results().len(), offered);
        step.unwrap_or(&last).clone()
    }
}

fn called(turn: &Turn) -> Vec<&str> {
    let mut names = Vec::new();
    for part in &turn.parts {
        if let Part::Call { name, .. } = part {
            names.push(name.as_str());
        }
    }
    names
}
