//! What goes wrong, and that the client gets over it or tells it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Setup;
use super::day::bash;
use super::kinds::Kind;
use super::say::Say;

/// The window becomes too small for the second question, and for the request to compact as well: the client
/// leaves out the oldest rounds of that until it fits, and goes on.
pub(super) fn an_overflow(kind: &'static Kind) {
    let mut setup = Setup::new(kind, |heard| {
        if heard.last_user_text.contains("<summary>") {
            return Say::text("<analysis>short</analysis>\n<summary>SUMMARY-OF-IT</summary>");
        }
        if heard.mentions("SUMMARY-OF-IT") {
            return Say::text("went on with the summary");
        }
        match heard.results.len() {
            3 => Say::text("worked"),
            n => Say::think("More.").and_call("Bash", &bash(&format!("seq {n}1000 {n}4500"))),
        }
    });
    let mut claude = setup.claude();
    claude.ask("work", &[]).said("worked");
    let window = setup.last().tokens + 100;
    setup.narrow(window, &mut claude);
    let run = claude.ask(&"and now more. ".repeat(100), &["--continue"]);
    run.said("went on with the summary");
    setup.check_wire(&run);
    let refused = setup.server.refusals();
    assert!(refused.len() <= 3, "each try is a bill: {kind:?}: {refused:?}");
}

/// The connection is cut in the middle of a call that would leave a file behind: it does not run, the answer
/// is asked for again.
pub(super) fn a_cut(kind: &'static Kind) {
    let cut = AtomicBool::new(false);
    let setup = Setup::new(kind, move |_| {
        if cut.swap(true, Ordering::Relaxed) {
            return Say::text("recovered");
        }
        // The cut is within the arguments in every dialect: little is said before them.
        let command = format!("touch half.txt # {}", "and so on ".repeat(800));
        Say::text("I begin.").and_call("Bash", &bash(&command)).cut_at(5000)
    });
    let claude = setup.claude();
    let run = claude.ask("go", &[]);
    let told = run.result()["result"].as_str().unwrap_or_default();
    assert!(told.ends_with("recovered"), "{kind:?}: {run:?}");
    assert_eq!(run.code, Some(0), "{kind:?}: {run:?}");
    assert_eq!(claude.file("half.txt"), None, "half a call was run: {kind:?}: {run:?}");
    assert_eq!(setup.server.refusals(), Vec::<String>::new(), "{kind:?}: {run:?}");
    setup.check_wire(&run);
}

/// No retry helps against it: one line, at once, that says whose credential it is and what to do.
pub(super) fn a_wrong_credential(kind: &'static Kind) {
    let setup = Setup::wrong(kind, |_| Say::text("never"));
    let run = setup.claude().ask("hi", &[]);
    let told = run.result()["result"].as_str().unwrap_or_default();
    assert_eq!(run.code, Some(1), "{kind:?}: {run:?}");
    assert_eq!(run.count("system", "api_retry"), 0, "{kind:?}: {run:?}");
    assert_eq!(told.lines().count(), 1, "{kind:?}: {told}");
    for word in kind.wrong.iter().chain(&["up"]) {
        assert!(told.contains(word), "{word} is not told: {kind:?}: {told}");
    }
}
