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
        let mut answered = seen.results().len();
        for step in &steps {
            let names: Vec<&str> = step.parts.iter().filter_map(called).collect();
            if names.len() > answered {
                let offered = names.iter().all(|name| seen.has_tool(name));
                return if offered { step.clone() } else { last.clone() };
            }
            answered -= names.len();
        }
        last.clone()
    }
}

fn called(part: &Part) -> Option<&str> {
    match part {
        Part::Call { name, .. } => Some(name),
        _ => None,
    }
}
