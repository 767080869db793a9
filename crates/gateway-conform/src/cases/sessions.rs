//! Several requests at once, and callers who leave.

use super::asks::{hello, hello_streamed, long_streamed};
use crate::case::Case;
use crate::exchange::{Ask, Exchange};
use crate::finding::Judgement;
use crate::judge::told;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("session.two-streams", "two streams at once do not mix", &["C4"])
            .ask_all(2, |setting| {
                vec![
                    Ask { turn: 1, ..long_streamed(setting) },
                    Ask { turn: 1, ..hello_streamed(setting) },
                ]
            })
            .judge_all(|_, done, j| mixed(done, j)),
        Case::new(
            "session.leaves",
            "after a caller left in the middle of a stream the next request is served",
            &["R42"],
        )
        .ask(|setting| Ask { leaves: true, turn: 2, ..long_streamed(setting) })
        .then(|setting, _| Some(Ask { turn: 2, ..hello(setting) }))
        .judge_all(|_, done, j| match done {
            [_, second] => drop(told(second, j)),
            _ => j.inconclusive("there was no stream to leave"),
        }),
    ]
}

fn mixed(done: &[Exchange], j: &mut Judgement) {
    let ids: Vec<String> = done
        .iter()
        .filter_map(|x| told(x, j))
        .filter_map(|message| Some(message["id"].as_str()?.to_owned()))
        .collect();
    if let [one, other] = ids.as_slice()
        && one == other
    {
        j.warning("C1", "two messages have one id", one, "an id of its own for each");
    }
}
