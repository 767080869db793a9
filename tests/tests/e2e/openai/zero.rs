//! Nothing but variables: a key, a base URL, names for big and small.

use std::process::Command;
use std::sync::Arc;

use gateway_testkit::openai::{Rules, Seen, Server, Style, Turn, Vendor, agent};
use serde_json::json;

use super::clean;
use crate::claude::{Claude, Run, finish, program};
use crate::harness::{PROVIDER_KEY, binary};

/// `run -- claude` in an environment that has these variables and no file.
fn run_with(claude: &Claude, variables: &[(&str, &str)], options: &[&str]) -> Run {
    let mut command = Command::new(binary());
    claude.prepare(&mut command);
    command.args(["run", "--"]).arg(program());
    command.args(["-p", "go", "--output-format", "stream-json", "--verbose"]);
    command.arg("--dangerously-skip-permissions").args(options);
    command.env_remove("ANTHROPIC_BASE_URL").envs(variables.iter().copied());
    Run::of(&finish(command))
}

/// Runs a command, and ends.
fn worker(style: Style) -> impl Fn(&Seen) -> Turn + Send + Sync + 'static {
    let call = json!({"command": "echo hello > made.txt && env", "description": "make"});
    agent(
        [Turn::text("I make it.").and_call("Bash", &call).style(style.clone())],
        Turn::text("made").style(style),
    )
}

#[test]
fn c05_run_needs_a_key_and_a_base_url_and_nothing_else() {
    // It serves under any name: nothing says what stands for Claude's.
    let rules = Rules { model: None, ..Rules::openai("gpt-4.1").with_key(PROVIDER_KEY) };
    let server = Arc::new(Server::start(rules, worker(Style::default())));
    let claude = Claude::bare("http://127.0.0.1:9");
    let url = server.url();
    let variables = [("OPENAI_API_KEY", PROVIDER_KEY), ("OPENAI_BASE_URL", url.as_str())];
    let run = run_with(&claude, &variables, &[]);
    run.said("made");
    // Nothing said what the model can do either: the server did, and the client kept to it.
    let refused: Vec<_> = server.refusals().into_iter().map(|r| r.message).collect();
    let (lengths, fields): (Vec<_>, Vec<_>) = refused.iter().partition(|m| m.contains("too large"));
    assert_eq!(lengths.len(), 1, "{refused:?}");
    assert!(fields.iter().all(|m| m.contains("reasoning_effort")), "{refused:?}");
    clean(&server, &format!("{run:?}"));
    assert_eq!(claude.file("made.txt").as_deref(), Some("hello\n"));
    let environment = server.turns().pop().expect("asked").results().pop().expect("a result").1;
    assert!(environment.contains("ANTHROPIC_BASE_URL=http://127.0.0.1:"), "{environment}");
    assert!(!environment.contains(PROVIDER_KEY), "the tools of the client see the key");
}

/// A server that knows the oldest fields only. What it refuses is learnt by the first request.
#[test]
fn r20_an_unknown_server_works_from_its_base_url() {
    let server = Server::start(Rules::compatible("bare"), worker(Style::of(Vendor::Bare)));
    let claude = Claude::bare("http://127.0.0.1:9");
    let url = server.url();
    let variables = [("PREFERRED_PROVIDER", "custom"), ("CUSTOM_BASE_URL", url.as_str())];
    let run = run_with(&claude, &variables, &[]);
    run.said("made");
    clean(&server, &format!("{run:?}"));
    assert_eq!(claude.file("made.txt").as_deref(), Some("hello\n"));
    let refused: Vec<_> = server.refusals().into_iter().map(|r| r.message).collect();
    let unknown = |field| format!("Unrecognized request argument supplied: {field}");
    assert_eq!(refused, ["reasoning_effort", "stream_options"].map(unknown), "{run:?}");
    assert!(server.seen().iter().all(|seen| seen.header("authorization").is_none()));
    assert!(server.turns().iter().all(|seen| seen.body["model"] == "claude-opus-5-5"));
}

#[test]
fn r17_r23_big_and_small_models_have_their_names() {
    let server = Arc::new(Server::start(Rules::compatible("vllm_strict_template"), |seen| {
        Turn::text(format!("I am {}", seen.body["model"]))
    }));
    std::thread::scope(|scope| {
        for (asked, wanted) in [
            ("claude-opus-4-8", "house/big"),
            ("claude-opus-5-5[1m]", "house/big"),
            ("claude-sonnet-5", "house/big"),
            ("claude-haiku-4-5-20251001", "house/small"),
            ("house/third", "house/third"),
        ] {
            let server = Arc::clone(&server);
            scope.spawn(move || {
                let claude = Claude::bare("http://127.0.0.1:9");
                let url = server.url();
                let variables = [
                    ("PREFERRED_PROVIDER", "custom"),
                    ("CUSTOM_BASE_URL", url.as_str()),
                    ("BIG_MODEL", "house/big"),
                    ("SMALL_MODEL", "house/small"),
                ];
                let run = run_with(&claude, &variables, &["--model", asked]);
                run.said(&format!("I am \"{wanted}\""));
            });
        }
    });
    assert_eq!(server.refusals(), []);
    clean(&server, "big and small");
}
