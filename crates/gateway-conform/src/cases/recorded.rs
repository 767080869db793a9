//! Every request that was recorded from a client.

use super::tools::accepted_or_400;
use crate::case::Case;
use crate::judge::told;
use crate::recorded;

pub(super) fn cases() -> Vec<Case> {
    let messages = recorded::all().iter().filter(|recording| recording.is_message());
    messages
        .map(|recording| {
            let name = recording.name.as_str();
            let case = Case::new(
                format!("recorded.{name}"),
                format!("the recorded request {name} is served with a legal reply"),
                &["C1", "C4"],
            )
            .ask(|setting| recording.ask(setting));
            if MAY_REFUSE.contains(&name) {
                return case.judge(|_, x, j| accepted_or_400(x, "R13", j));
            }
            case.judge(|_, x, j| {
                if let Some(message) = told(x, j)
                    && message["content"].as_array().is_some_and(Vec::is_empty)
                    && message["stop_reason"] == "end_turn"
                {
                    j.inconclusive("the model said nothing");
                }
            })
        })
        .collect()
}

/// What Anthropic itself refuses from a model that did not write it, or does not know at all: opaque state
/// in the history, blocks that were invented, a tool that needs an account's consent.
const MAY_REFUSE: &[&str] = &[
    "thinking-history",
    "thinking-history-unsigned",
    "unknown-block-echo",
    "web-search-inner",
    "fast-mode",
];
