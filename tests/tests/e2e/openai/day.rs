//! Answers, tools and thinking.

use std::sync::Arc;

use gateway_testkit::openai::{Rules, Seen, Style, Turn, Usage, Vendor, agent};
use serde_json::{Value, json};

use super::{CHAT, RESPONSES, Setup, both, heard};
use crate::claude::{Claude, Run};
use crate::tools::mcp_config;

fn bash(command: &str) -> Value {
    json!({"command": command, "description": "as told"})
}

#[test]
fn r24_r32_r33_a_plain_answer() {
    both(|dialect| {
        let usage = Usage { prompt: 1000, cached: 200, completion: 50, ..Usage::default() };
        let setup =
            Setup::new(dialect, move |_| Turn::text("Four, as ever – „vier“.").usage(usage));
        let run = setup.claude().ask("what is two and two", &[]);
        run.said("Four, as ever – „vier“.");
        setup.check(&run);
        let usage = &run.result()["usage"];
        let counted = ["input_tokens", "cache_read_input_tokens", "output_tokens"];
        assert_eq!(counted.map(|name| usage[name].as_u64()), [Some(800), Some(200), Some(50)]);
        let seen = &setup.server.turns()[0];
        assert!(seen.mentions("what is two and two") && seen.streams());
        let log = setup.gateway.log();
        assert!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
    });
}

#[test]
fn r01_r02_a_command_is_run_and_its_output_read() {
    both(|dialect| {
        let command = "printf 'tab\\there \"q\" ünï' > note.txt && cat note.txt";
        let setup = Setup::new(dialect, move |seen| match heard(seen) {
            text if text.is_empty() => Turn::text("I look.").and_call("Bash", &bash(command)),
            text => Turn::text(format!("it says: {text}")),
        });
        let claude = setup.claude();
        let run = claude.ask("write and read", &[]);
        run.said("it says: tab\there \"q\" ünï");
        setup.check(&run);
        assert_eq!(claude.file("note.txt").as_deref(), Some("tab\there \"q\" ünï"));
    });
}

/// Three calls in one answer, their pieces in whatever order a server may send them.
#[test]
fn r03_r12_three_tools_at_once() {
    both(|dialect| {
        let style = Style::named("interleaved");
        let setup = Setup::new(dialect, move |seen| {
            if seen.results().is_empty() {
                let start = Turn::text("All at once.").style(style.clone());
                return ["a", "b", "c"].into_iter().fold(start, |turn, n| {
                    turn.and_call("Bash", &bash(&format!("echo {n} > {n}.txt && echo made-{n}")))
                });
            }
            Turn::text(heard(seen))
        });
        let claude = setup.claude();
        let run = claude.ask("do three things", &[]);
        run.said("made-a + made-b + made-c");
        setup.check(&run);
        for n in ["a", "b", "c"] {
            assert_eq!(claude.file(&format!("{n}.txt")), Some(format!("{n}\n")));
        }
    });
}

/// Arguments a letter a piece, then a call whose arguments are nothing at all.
#[test]
fn r01_r02_arguments_in_letters_and_no_arguments() {
    both(|dialect| {
        let steps = [
            Turn::call("Bash", &bash("printf 'one \\\\ \"two\" ✓' > a.txt"))
                .style(Style::named("a-letter-a-piece")),
            Turn::default().and_raw_call("call_empty", "mcp__demo__ping", ""),
            Turn::default().and_raw_call("call_braces", "mcp__demo__ping", "{}"),
        ];
        let model = agent(steps, Turn::text("done"));
        let setup = Setup::new(dialect, move |seen| {
            let turn = model(seen);
            if turn.parts == Turn::text("done").parts { Turn::text(heard(seen)) } else { turn }
        });
        let mut claude = setup.claude();
        claude.set("ENABLE_TOOL_SEARCH", "0");
        let run = claude.ask("letters", &["--mcp-config", &mcp_config()]);
        run.said("pong with {}");
        setup.check(&run);
        assert_eq!(claude.file("a.txt").as_deref(), Some("one \\ \"two\" ✓"));
        let last = setup.server.turns().pop().expect("asked");
        let pongs = last.results().into_iter().filter(|(_, text)| text == "pong with {}");
        assert_eq!(pongs.count(), 2, "{run:?}");
    });
}

/// Thinking before each call, then text and two calls, then an answer; a second question.
fn thoughtful(style: Style) -> impl Fn(&Seen) -> Turn + Send + Sync + 'static {
    move |seen| {
        let turn = if seen.last_user_text().contains("second question") {
            Turn::reasoning(&["Again."]).and_text("second answer")
        } else {
            let think = Turn::reasoning(&["**Plan**\n\nFirst \"I\" look.", "Then \\ I act."]);
            match seen.results().len() {
                0 => think.and_call("Bash", &bash("echo one")),
                1 => think
                    .and_text("Now two.")
                    .and_call("Bash", &bash("echo two"))
                    .and_call("Bash", &bash("echo three")),
                _ => Turn::reasoning(&["Done."]).and_text("first answer"),
            }
        };
        turn.style(style.clone())
    }
}

/// Two questions of one session; gives the last run.
fn two_questions(setup: &Setup) -> Run {
    let claude = setup.claude();
    let run = claude.ask("first question", &[]);
    run.said("first answer");
    let shown = run.events.iter().filter(|event| {
        let blocks = event["message"]["content"].as_array();
        blocks.is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "thinking"))
    });
    assert!(shown.count() >= 3, "thinking is shown: {run:?}");
    let run = claude.ask("second question", &["--continue"]);
    run.said("second answer");
    let last = setup.server.turns().pop().expect("asked");
    assert_eq!(last.results().len(), 3, "{run:?}");
    run
}

/// Responses gets its encrypted reasoning back as it gave it: the server checks every item and its place.
#[test]
fn r13_r15_r22_encrypted_thinking_goes_through_a_loop_of_tools_and_comes_back() {
    let setup = Setup::new(RESPONSES, thoughtful(Style::default()));
    let run = two_questions(&setup);
    setup.check(&run);
    check_reasoning(&setup.server.turns().pop().expect("asked"));
}

/// A compatible server that shows its thinking and refuses tool turns that come back without.
#[test]
fn r13_r15_r22_plain_thinking_goes_through_a_loop_of_tools_and_comes_back() {
    let style = Style::of(Vendor::DeepSeek);
    let setup = Setup::with(CHAT, Rules::compatible("deepseek"), "", thoughtful(style));
    let run = two_questions(&setup);
    setup.check(&run);
    let last = setup.server.turns().pop().expect("asked").body.to_string();
    assert_eq!(last.matches("First \\\"I\\\" look.").count(), 2, "verbatim: {run:?}");
}

/// A server that shows its thinking and refuses it in a history: asked again without, once.
#[test]
fn r20_r22_thinking_that_a_server_refuses_in_a_history_is_left_out() {
    let style = Style::named("reasoning-content");
    let setup = Setup::with(CHAT, Rules::openai(CHAT.model), "", thoughtful(style));
    let run = two_questions(&setup);
    setup.check_wire(&run);
    let refused: Vec<_> = setup.server.refusals().into_iter().map(|r| r.message).collect();
    assert_eq!(refused, ["Unknown parameter: 'messages[2].reasoning_content'."], "{run:?}");
}

/// Three reasoning items, each right before what it led to, in the history of the second question.
fn check_reasoning(last: &Seen) {
    let kinds: Vec<&str> = last
        .turns()
        .iter()
        .map(|item| item["type"].as_str().unwrap_or("message"))
        .skip_while(|kind| *kind != "reasoning")
        .filter(|kind| *kind != "message")
        .collect();
    let call = "function_call";
    let output = "function_call_output";
    let wanted = ["reasoning", call, output, "reasoning", call, call, output, output, "reasoning"];
    assert_eq!(kinds, wanted);
    let sealed = last.turns().iter().filter(|item| item["encrypted_content"].is_string());
    assert_eq!(sealed.count(), 3);
}

/// The sealed state of a session opens at any gateway that has its key, and is left out at one that has not:
/// nothing is refused, and the answer is there all the same.
#[test]
fn r13_r15_a_session_goes_on_at_another_gateway() {
    let keys = |keys: &str| format!("\nserver: {{state_keys: [{keys}]}}");
    let model = agent([], Turn::reasoning(&["Thinking."]).and_text("answer"));
    let first = Setup::with(
        RESPONSES,
        Rules::openai(RESPONSES.model),
        &keys("the-first-key-of-all"),
        move |seen| model(seen),
    );
    let also = |list: &str| Setup::before(RESPONSES, Arc::clone(&first.server), &keys(list));
    let mut claude = first.claude();
    let ask = |claude: &Claude, options: &[&str]| {
        let run = claude.ask("question", options);
        run.said("answer");
        first.check(&run);
        let last = first.server.turns().pop().expect("asked");
        last.turns().iter().filter(|item| item["encrypted_content"].is_string()).count()
    };
    assert_eq!(ask(&claude, &[]), 0);
    // The same key behind a newer one, which seals from now on.
    let rotated = also("a-newer-key-for-all, the-first-key-of-all");
    claude.go_to(rotated.gateway.url());
    assert_eq!(ask(&claude, &["--continue"]), 1);
    // Only the newer one: what it sealed opens, the older does not.
    let newer = also("a-newer-key-for-all");
    claude.go_to(newer.gateway.url());
    assert_eq!(ask(&claude, &["--continue"]), 1);
    let stranger = Setup::before(RESPONSES, Arc::clone(&first.server), "");
    claude.go_to(stranger.gateway.url());
    assert_eq!(ask(&claude, &["--continue"]), 0);
}
