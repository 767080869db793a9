//! `when` of a rule.

use gateway_router::{Agent, When};

use super::one_or_more;
use crate::keys::WHEN;
use crate::read::{Cx, Section};
use crate::source::At;

/// The conditions, and the place of each client.
pub(super) fn read(cx: &mut Cx, section: &Section<'_>) -> (When, Vec<At>) {
    let when = &cx.inner(section, "when", &WHEN);
    let mut flag = |key: &str| {
        let value = cx.truth(when, key)?;
        cx.effective(when, key, value);
        Some(value)
    };
    let thinking = flag("thinking");
    let has_images = flag("has_images");
    let has_tools = flag("has_tools");
    let web_search = flag("web_search");
    let background = flag("background");
    let least = cx.whole(when, "min_input_tokens", 1, i128::from(i64::MAX));
    let min_input_tokens = least.and_then(|n| u64::try_from(n).ok());
    if let Some(tokens) = min_input_tokens {
        cx.effective(when, "min_input_tokens", tokens);
    }
    let agent = cx.word(when, "agent", &["main", "subagent"]).map(|word| {
        cx.effective(when, "agent", word);
        if word == "subagent" { Agent::Subagent } else { Agent::Main }
    });
    let (client, places) = read_clients(cx, when).unzip();
    let conditions = When {
        thinking,
        min_input_tokens,
        has_images,
        has_tools,
        web_search,
        background,
        client,
        agent,
    };
    (conditions, places.unwrap_or_default())
}

fn read_clients(cx: &mut Cx, when: &Section<'_>) -> Option<(Vec<String>, Vec<At>)> {
    let given = one_or_more(cx, when, "client")?;
    let names: Vec<String> = given.iter().map(|(text, _)| text.trim().to_owned()).collect();
    if names.is_empty() {
        let message = format!("`{}` names no client: the rule never matches", when.full("client"));
        let help = "name one of `clients`, or remove the condition";
        cx.error(&when.place_of("client"), message, "empty", help);
    }
    cx.effective(when, "client", names.clone());
    Some((names, given.into_iter().map(|(_, at)| at).collect()))
}
