//! The gateway's own side of it: credentials, renaming, `run`, `--demo`, the list of models.

use std::process::Command;

use gateway_testkit::{Gate, Upstream};
use serde_json::{Value, json};

use crate::claude::{Claude, Run, finish, program};
use crate::harness::{CLIENT_KEY, Gateway, PROVIDER_KEY, binary, block_on, config};
use crate::model::{Ask, Reply, anthropic, error};

const BY_CLIENT: &str = "auth_type: client";
const BY_KEY: &str = "api_key_env_var: ANTHROPIC_API_KEY";

/// The credentials of every request to `/v1/messages`: `x-api-key` and `authorization`.
fn credentials(upstream: &Upstream) -> Vec<(Option<String>, Option<String>)> {
    let header = |r: &gateway_testkit::Recorded, name| r.header(name).map(ToOwned::to_owned);
    let posts = upstream.requests().into_iter().filter(|request| request.method == "POST");
    posts.map(|r| (header(&r, "x-api-key"), header(&r, "authorization"))).collect()
}

#[test]
fn c05_a_callers_own_bearer_is_passed_on() {
    let upstream = anthropic(|ask| Reply::text("yours").to(ask));
    let gateway = Gateway::with(&config(&upstream, BY_CLIENT, ""), &["ANTHROPIC_API_KEY="]);
    let mut claude = Claude::bare(gateway.url());
    claude.set("ANTHROPIC_AUTH_TOKEN", "the-login-of-a-subscriber");
    claude.ask("hi", &[]).said("yours");
    let bearer = Some("Bearer the-login-of-a-subscriber".to_owned());
    assert_eq!(credentials(&upstream), [(None, bearer)]);
}

#[test]
fn c05_both_credential_headers_are_replaced_by_the_providers_key() {
    let upstream = anthropic(|ask| Reply::text("ours").to(ask));
    let gateway = Gateway::to(&upstream);
    let mut claude = Claude::at(gateway.url());
    claude.set("ANTHROPIC_AUTH_TOKEN", "another-secret-of-the-client");
    claude.ask("hi", &[]).said("ours");
    assert_eq!(credentials(&upstream), [(Some(PROVIDER_KEY.to_owned()), None)]);
}

#[test]
fn c05_of_both_credentials_the_one_that_is_no_client_key_goes_up() {
    let upstream = anthropic(|ask| Reply::text("let in").to(ask));
    let gateway = Gateway::with(
        &config(&upstream, BY_CLIENT, ""),
        &["ANTHROPIC_API_KEY=", "GATEWAY_API_KEY=the-key-of-the-gateway"],
    );
    let mut claude = Claude::bare(gateway.url());
    claude.set("ANTHROPIC_AUTH_TOKEN", "the-key-of-the-gateway");
    claude.set("ANTHROPIC_API_KEY", "the-users-own-key");
    claude.ask("hi", &[]).said("let in");
    assert_eq!(credentials(&upstream), [(Some("the-users-own-key".to_owned()), None)]);
}

#[test]
fn a_refused_key_of_the_gateway_is_told_once_and_with_its_variable() {
    let upstream = anthropic(|_| error(401, "authentication_error", "invalid x-api-key"));
    let gateway = Gateway::to(&upstream);
    let run = Claude::at(gateway.url()).ask("hi", &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let told = run.result()["result"].as_str().unwrap_or_default();
    assert!(told.contains("ANTHROPIC_API_KEY") && told.contains("anthropic"), "{run:?}");
    assert_eq!(credentials(&upstream).len(), 1, "asking again would not help");
}

#[test]
fn c08_c11_nothing_is_added_for_a_client_that_wants_no_experiments() {
    let upstream = anthropic(|ask| Reply::text("plain").to(ask));
    let gateway = Gateway::to(&upstream);
    let mut claude = Claude::at(gateway.url());
    claude.set("CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS", "1");
    claude.ask("hi", &[]).said("plain");
    for request in upstream.requests().iter().filter(|request| request.method == "POST") {
        let betas = request.header_all("anthropic-beta").join(",");
        for absent in ["context-management", "fine-grained-tool-streaming", "advanced-tool-use"] {
            assert!(!betas.contains(absent), "{betas}");
        }
        assert!(betas.contains("effort-"), "{betas}");
        assert!(Ask::new(request).body["context_management"].is_null());
    }
}

#[test]
fn a_running_stream_is_finished_when_the_gateway_is_told_to_end() {
    let (reached, go_on) = (Gate::new(), Gate::new());
    let (here, waits) = (reached.clone(), go_on.clone());
    let upstream = anthropic(move |ask| {
        let rest = Reply::text("to the last word").stream(ask).last_chunk();
        // The head and the first events, then the pause.
        rest.pausing_after(3, &here, &waits)
    });
    let mut gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    let asking = std::thread::spawn(move || claude.ask("hi", &[]));
    block_on(reached.passed());
    gateway.terminate();
    // New callers are turned away by then, or soon; the one in mid-stream is not.
    go_on.open();
    asking.join().expect("the client's run").said("to the last word");
    assert_eq!(gateway.exit_code(), Some(0));
}

#[test]
fn r17_a_renamed_model_keeps_its_name_towards_the_client() {
    let upstream = anthropic(|ask| match ask.result("toolu_1") {
        Some(_) => Reply::text(&format!("I am {}", ask.body["model"])).to(ask),
        None => Reply::tool("toolu_1", "Bash", &json!({"command": "echo x"})).to(ask),
    });
    let rule = "routes:\n  - pattern: \"claude-*\"\n    provider: anthropic\n    model: upstream-model-7\n";
    let gateway = Gateway::with(&config(&upstream, BY_KEY, rule), &[]);
    let run = Claude::at(gateway.url()).ask("hi", &["--model", "claude-opus-4-8"]);
    run.said("I am \"upstream-model-7\"");
    let shown: Vec<&Value> = run
        .events
        .iter()
        .filter(|event| event["type"] == "assistant")
        .map(|event| &event["message"]["model"])
        .collect();
    assert!(shown.len() >= 2 && shown.iter().all(|model| **model == "claude-opus-4-8"), "{run:?}");
}

#[test]
fn r23_the_suffix_for_a_long_context_never_goes_up() {
    let upstream = anthropic(|ask| Reply::text("long").to(ask));
    let gateway = Gateway::to(&upstream);
    Claude::at(gateway.url()).ask("hi", &["--model", "claude-opus-4-8[1m]"]).said("long");
    for request in upstream.requests().iter().filter(|request| request.method == "POST") {
        assert_eq!(Ask::new(request).body["model"], "claude-opus-4-8");
    }
}

#[test]
fn c10_r40_the_client_discovers_the_models_of_the_gateway() {
    let upstream = anthropic(|ask| Reply::text("ok").to(ask));
    let models =
        "    models:\n      claude-house-model: {max_tokens: 64000, context_window: 200000}\n";
    let gateway = Gateway::with(&config(&upstream, &format!("{BY_KEY}\n{models}"), ""), &[]);
    let mut claude = Claude::at(gateway.url());
    claude.set("CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY", "1");
    claude.ask("hi", &[]).said("ok");
    let cache = claude.home().join(".claude/cache/gateway-models.json");
    let found =
        std::fs::read_to_string(&cache).unwrap_or_else(|e| panic!("{}: {e}", cache.display()));
    assert!(found.contains("claude-house-model"), "{found}");
    assert!(upstream.requests().iter().all(|r| r.method == "POST"), "answered from memory");
}

#[test]
fn run_gives_the_client_a_gateway_of_its_own() {
    let upstream = anthropic(|ask| {
        if let Some(result) = ask.result("toolu_env") {
            return Reply::text(&format!("env: {}", result["content"])).to(ask);
        }
        let command = "echo \"[$ANTHROPIC_BASE_URL] [$ANTHROPIC_API_KEY]\" > env.txt; echo ok";
        Reply::tool("toolu_env", "Bash", &json!({"command": command})).to(ask)
    });
    let mut claude = Claude::bare("http://127.0.0.1:9");
    // A proxy for everything, and nothing said about loopback addresses.
    claude.unset("NO_PROXY");
    let file = claude.home().join("gateway.yaml");
    std::fs::write(&file, config(&upstream, "api_key_env_var: HOUSE_KEY", "")).expect("writable");
    let mut command = Command::new(binary());
    claude.prepare(&mut command);
    command.arg("run").arg("--config").arg(&file).arg("--").arg(program());
    command.args(["-p", "hi", "--output-format", "stream-json", "--verbose"]);
    command.arg("--dangerously-skip-permissions").env("HOUSE_KEY", PROVIDER_KEY);
    let run = Run::of(&finish(command));
    run.said("env: \"ok\"");
    let env = claude.file("env.txt").expect("the command ran");
    assert!(env.starts_with("[http://127.0.0.1:"), "{env}");
    assert!(!env.contains(PROVIDER_KEY), "{env}");
    for (key, bearer) in credentials(&upstream) {
        assert_eq!((key.as_deref(), bearer), (Some(PROVIDER_KEY), None));
    }
    assert!(run.stderr.contains("request"), "one line at the end: {run:?}");
}

#[test]
fn connect_writes_what_the_client_reads_and_disconnect_takes_it_back() {
    let upstream = anthropic(|ask| Reply::text("connected").to(ask));
    let gateway = Gateway::to(&upstream);
    let mut claude = Claude::at("unused");
    claude.forget_base_url();
    let settings = claude.home().join(".claude/settings.json");
    let before = "{\n    \"env\": {\"EDITOR\": \"vi\"}\n}\n";
    std::fs::create_dir_all(settings.parent().expect("a directory")).expect("writable");
    std::fs::write(&settings, before).expect("writable");
    let gatewayctl = |args: &[&str]| {
        let mut command = Command::new(binary());
        claude.prepare(&mut command);
        let output = command.args(args).output().expect("the gateway's binary runs");
        assert!(output.status.success(), "{args:?}: {output:?}");
    };
    gatewayctl(&["connect", "claude", "--url", gateway.url()]);
    claude.ask("hi", &[]).said("connected");
    gatewayctl(&["disconnect", "claude"]);
    assert_eq!(std::fs::read_to_string(&settings).expect("still there"), before);
}

#[test]
fn run_passes_the_exit_code_on() {
    let upstream = anthropic(|_| {
        error(403, "permission_error", "not for you").header("x-should-retry", "false")
    });
    let claude = Claude::bare("http://127.0.0.1:9");
    let file = claude.home().join("gateway.yaml");
    std::fs::write(&file, config(&upstream, BY_KEY, "")).expect("writable");
    for (program, args, code) in [
        (program(), vec!["-p", "hi", "--output-format", "stream-json", "--verbose"], 1),
        ("sh".into(), vec!["-c", "exit 7"], 7),
    ] {
        let mut command = Command::new(binary());
        claude.prepare(&mut command);
        command.arg("run").arg("--config").arg(&file).arg("--").arg(program).args(args);
        command.env("ANTHROPIC_API_KEY", PROVIDER_KEY);
        let run = Run::of(&finish(command));
        assert_eq!(run.code, Some(code), "{run:?}");
    }
}

#[test]
fn the_demo_answers_the_real_client() {
    let gateway = Gateway::demo();
    let run = Claude::at(gateway.url()).ask("hello there", &[]);
    assert_eq!((run.code, &run.result()["is_error"]), (Some(0), &json!(false)), "{run:?}");
    let said = run.result()["result"].as_str().unwrap_or_default().to_lowercase();
    assert!(said.contains("demo"), "it says what it is: {run:?}");
}

#[test]
fn the_demo_has_the_real_client_run_a_tool() {
    let gateway = Gateway::demo();
    let claude = Claude::at(gateway.url());
    let run = claude.ask("Please use the Bash tool to run `echo from-the-demo > demo.txt`", &[]);
    assert_eq!((run.code, &run.result()["is_error"]), (Some(0), &json!(false)), "{run:?}");
    let calls = run.events.iter().filter(|event| {
        let content = event["message"]["content"].as_array();
        content.is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "tool_result"))
    });
    assert!(calls.count() >= 1, "a tool was run: {run:?}");
    assert_eq!(claude.file("demo.txt").as_deref(), Some("from-the-demo\n"));
}

#[test]
fn the_clients_key_is_no_part_of_what_goes_up() {
    let upstream = anthropic(|ask| Reply::text("ok").to(ask));
    let gateway = Gateway::to(&upstream);
    Claude::at(gateway.url()).ask("hi", &[]).said("ok");
    for request in upstream.requests() {
        let whole = [&request.raw_head[..], &request.body[..]].concat();
        assert!(!String::from_utf8_lossy(&whole).contains(CLIENT_KEY));
    }
}
