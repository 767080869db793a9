//! Answers, tools, thinking, pictures, long conversations.

use serde_json::{Value, json};

use super::Setup;
use super::kinds::Kind;
use super::say::{Heard, Say};
use crate::claude::Run;
use crate::tools::{directory_in, png};

pub(super) fn bash(command: &str) -> Value {
    json!({"command": command, "description": "as told"})
}

/// A file of the client's directory.
fn place(heard: &Heard, name: &str) -> String {
    format!("{}/{name}", directory_in(&heard.body))
}

/// Two calls one after the other and two at once, each behind a thought; then one that changes what they left.
/// Another question is about a picture: the model gets it, or a word that it was there. The upstream looks at
/// every thought and call that comes back.
pub(super) fn a_day_of_work(kind: &'static Kind) {
    let setup = Setup::new(kind, |heard| {
        if heard.last_user_text.contains("second question") && heard.results.len() == 4 {
            let input = json!({"file_path": place(heard, "dot.png")});
            return Say::think("A picture?").and_call("Read", &input);
        }
        let note = place(heard, "note.txt");
        match heard.results.len() {
            0 => Say::think("**Plan**\n\nFirst \"I\" look, \\ then I act.")
                .and_text("I look.")
                .and_call(
                    "Bash",
                    &bash("printf 'tab\\there \"q\" ünï\\n' > note.txt && cat note.txt"),
                ),
            1 => Say::think("Both at once – „beides“.")
                .and_call("Read", &json!({"file_path": note}))
                .and_call("Bash", &bash("echo two > two.txt && cat two.txt")),
            3 => Say::think("Now I change it.").and_call(
                "Edit",
                &json!({"file_path": note, "old_string": "\"q\" ünï", "new_string": "\\ 'x' 🦀"}),
            ),
            4 => Say::think("Done.").and_text(format!("done: {}", heard.results[0].trim())),
            _ => Say::text(format!("„{}“ pictures", heard.pictures())),
        }
    });
    let claude = setup.claude();
    std::fs::write(claude.dir().join("dot.png"), png()).expect("writable");
    let run = claude.ask("first question", &[]);
    run.said("done: tab\there \"q\" ünï");
    setup.check(&run);
    assert_eq!(claude.file("note.txt").as_deref(), Some("tab\there \\ 'x' 🦀\n"), "{run:?}");
    assert_eq!(claude.file("two.txt").as_deref(), Some("two\n"), "{run:?}");
    let heard = setup.last();
    assert_eq!(heard.results.len(), 4, "{run:?}");
    assert!(heard.results[2].contains("two"), "in the order of the calls: {run:?}");
    check_thoughts(kind, &heard, 3, &run);
    if kind.thinks {
        assert!(shown(&run) >= 3, "thinking is shown: {run:?}");
    }
    let usage = &run.result()["usage"];
    for name in ["input_tokens", "output_tokens"] {
        assert!(usage[name].as_u64() > Some(0), "{kind:?}: {usage}");
    }

    let run = claude.ask("second question", &["--continue"]);
    run.said(if kind.sees { "„1“ pictures" } else { "„0“ pictures" });
    setup.check(&run);
    let heard = setup.last();
    assert_eq!(heard.results.len(), 5, "{run:?}");
    assert!(heard.mentions("first question") && heard.mentions("second question"), "{run:?}");
    check_thoughts(kind, &heard, 4, &run);
    if !kind.sees {
        assert!(heard.news().contains("image"), "{kind:?}: {:?}", heard.new_results);
    }
}

/// That the thoughts before so many rounds of tools came back.
fn check_thoughts(kind: &Kind, heard: &Heard, rounds: usize, run: &Run) {
    let thoughts = heard.thoughts();
    if kind.back {
        assert!(thoughts >= rounds, "{thoughts} of {rounds}: {kind:?}: {} {run:?}", heard.body);
    } else {
        assert_eq!(thoughts, 0, "{kind:?}: {run:?}");
    }
}

/// How many answers with thinking the client showed.
fn shown(run: &Run) -> usize {
    let thinks = |event: &&Value| {
        let blocks = event["message"]["content"].as_array();
        blocks.is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "thinking"))
    };
    run.events.iter().filter(thinks).count()
}

/// How many rounds of tools [`a_long_history`] has.
const ROUNDS: usize = 30;

/// A loop of many rounds, with a thought before each call.
pub(super) fn a_long_history(kind: &'static Kind) {
    let setup = Setup::new(kind, |heard| match heard.results.len() {
        ROUNDS => Say::think("Enough.").and_text("that was long"),
        n => {
            let input = json!({"file_path": place(heard, "a.txt"), "offset": n + 1, "limit": 1});
            Say::think(format!("Round {n}.")).and_call("Read", &input)
        }
    });
    let claude = setup.claude();
    let lines = (0..ROUNDS).fold(String::new(), |text, n| text + &format!("line-{n}-of-it\n"));
    std::fs::write(claude.dir().join("a.txt"), lines).expect("writable");
    let run = claude.ask("read on", &[]);
    run.said("that was long");
    setup.check(&run);
    let heard = setup.last();
    assert_eq!(heard.results.len(), ROUNDS, "{run:?}");
    for (n, result) in heard.results.iter().enumerate() {
        assert!(result.contains(&format!("line-{n}-of-it")), "{kind:?}: {n}: {result}");
    }
    check_thoughts(kind, &heard, ROUNDS, &run);
}
