//! Claude Code on kinds of upstreams that have their own ways: Ollama, Azure and OpenRouter, each as strict as
//! the real one.

use std::sync::Arc;

use gateway_testkit::ollama::{self, Model};
use gateway_testkit::openai::{Rules, Server, Turn, agent};
use serde_json::{Value, json};

use crate::claude::Claude;
use crate::harness::{Gateway, PROVIDER_KEY, provider_config};

const DONE: &str = "All done, ✓.";

/// Writes a file, reads it, and looks for what is not there; then two calls at once.
fn steps() -> [Turn; 3] {
    [
        Turn::reasoning(&["First a file."])
            .and_text("I write it.")
            .and_call("Write", &json!({"file_path": "a.txt", "content": "Grüße ✓\n"})),
        Turn::reasoning(&["Now read it."]).and_call("Read", &json!({"file_path": "a.txt"})),
        Turn::default()
            .and_call("Bash", &json!({"command": "echo one", "description": "Says one"}))
            .and_call("Bash", &json!({"command": "exit 3", "description": "Fails"})),
    ]
}

/// The text of the results of all steps, as the model saw them.
fn expect(results: &[String]) {
    let [write, read, one, failed] = results else { panic!("four results: {results:#?}") };
    assert!(write.contains("a.txt"), "{write}");
    assert!(read.contains("Grüße ✓"), "{read}");
    assert!(one.contains("one"), "{one}");
    assert!(failed.starts_with("Error: ") && failed.contains('3'), "{failed}");
}

fn gateway(kind: &str, base: &str, lines: &str) -> Gateway {
    let lines = format!("api_key_env_var: UP_KEY\n    {lines}");
    let config = provider_config("up", kind, base, &lines, "");
    Gateway::with(&config, &[&format!("UP_KEY={PROVIDER_KEY}")])
}

#[test]
fn r41_claude_code_works_on_ollama_and_its_model_is_loaded_once() {
    for model in [
        Model::new("qwen3-coder:30b"),
        Model::old("qwen3-coder:30b"),
        Model::gpt_oss("gpt-oss:20b"),
    ] {
        let name = model.name.clone();
        let old = model.capabilities.is_none();
        let server =
            Arc::new(ollama::Server::start(model, ollama::agent(steps(), Turn::text(DONE))));
        let lines = format!("default_model: \"{name}\"");
        let config = provider_config("up", "ollama", &server.url(), &lines, "");
        let gateway = Gateway::with(&config, &[]);
        let claude = Claude::at(gateway.url());
        claude.ask("Do it.", &[]).said(DONE);
        assert_eq!(claude.file("a.txt").as_deref(), Some("Grüße ✓\n"));
        assert_eq!(server.refusals(), vec![]);
        assert_eq!((server.harm(), server.leaks()), (vec![], vec![]));
        assert_eq!(server.loads().len(), 1, "{:?}", server.loads());
        let turns = server.turns();
        let last = turns.iter().rev().find(|seen| !seen.results().is_empty()).expect("a turn");
        let results: Vec<String> = last.results().into_iter().map(|(_, text)| text).collect();
        expect(&results);
        // The thinking of the turns before came back.
        let thoughts = last.messages().iter().filter(|message| message["thinking"].is_string());
        let thoughts: Vec<&Value> = thoughts.map(|message| &message["thinking"]).collect();
        assert_eq!(thoughts, [&json!("First a file."), &json!("Now read it.")], "old: {old}");
    }
}

/// The window is too small for the conversation, and for the request to compact it as well: the gateway says so
/// in the place of Ollama, which would cut in silence, and the client leaves out the oldest rounds until it fits.
#[test]
fn r41_claude_code_compacts_where_ollama_has_no_room() {
    let speaker = |seen: &ollama::Seen| {
        let holds = |text: &str| seen.body["messages"].to_string().contains(text);
        if seen.last_user_text().contains("<summary>") {
            return Turn::text("<analysis>short</analysis>\n<summary>SUMMARY-OF-IT</summary>");
        }
        if holds("SUMMARY-OF-IT") {
            return Turn::text("went on with the summary");
        }
        match seen.results().len() {
            n @ 0..3 if seen.has_tool("Bash") => {
                let command = format!("seq {n}1000 {n}4500");
                Turn::call("Bash", &json!({"command": command, "description": "work"}))
            }
            _ => Turn::text("worked"),
        }
    };
    let server = ollama::Server::start(Model::new("m"), speaker);
    let config = provider_config("up", "ollama", &server.url(), "default_model: m", "");
    let gateway = Gateway::with(&config, &[]);
    let claude = Claude::at(gateway.url());
    claude.ask("work", &[]).said("worked");
    let more = "and now more. ".repeat(2000);
    let tries = (0..6).map(|_| claude.ask(&more, &["--continue"]));
    let compacted = |run: &crate::claude::Run| run.result()["result"] == "went on with the summary";
    assert!(tries.into_iter().any(|run| compacted(&run)), "{}", gateway.log());
    assert_eq!((server.harm(), server.refusals()), (vec![], vec![]));
    assert_eq!(server.loads(), [65_536]);
}

#[test]
fn claude_code_works_on_azure_in_both_of_its_interfaces() {
    for (extra, model) in [
        ("{deployment: our-d}", "gpt-5.2"),
        ("{deployment: our-d, api_version: 2025-04-01-preview}", "gpt-5.2"),
        ("{deployment: our-d, api_version: 2024-10-21}", "gpt-4.1"),
    ] {
        let rules = Rules::azure("our-d", model).with_key(PROVIDER_KEY);
        let server = Server::start(rules, agent(steps(), Turn::text(DONE)));
        let gateway =
            gateway("azure", &server.url(), &format!("default_model: {model}\n    extra: {extra}"));
        let claude = Claude::at(gateway.url());
        claude.ask("Do it.", &[]).said(DONE);
        assert_eq!((server.refusals(), server.leaks()), (vec![], vec![]), "{extra}");
        let turns = server.turns();
        let last = turns.iter().rev().find(|seen| !seen.results().is_empty()).expect("a turn");
        expect(&last.results().into_iter().map(|(_, text)| text).collect::<Vec<_>>());
        assert_eq!(last.is_chat(), model == "gpt-4.1", "{}", last.path);
        assert!(last.header("api-key").is_some(), "{:?}", last.headers);
    }
}

#[test]
fn r18_r35_claude_code_works_on_openrouter_and_its_thinking_comes_back_signed() {
    let rules = Rules { window: 400_000, ..Rules::compatible("openrouter").with_key(PROVIDER_KEY) };
    let server = Server::start(rules, agent(steps(), Turn::text(DONE)));
    let base = format!("{}/api/v1", server.url());
    let gateway = gateway(
        "openrouter",
        &base,
        "default_model: \"anthropic/claude-sonnet-4.5:nitro\"\n    extra: {provider: {zdr: true}}",
    );
    let claude = Claude::at(gateway.url());
    claude.ask("Do it.", &[]).said(DONE);
    assert_eq!((server.refusals(), server.leaks()), (vec![], vec![]));
    let turns = server.turns();
    let last = turns.iter().rev().find(|seen| !seen.results().is_empty()).expect("a turn");
    expect(&last.results().into_iter().map(|(_, text)| text).collect::<Vec<_>>());
    assert_eq!(last.body["provider"], json!({"zdr": true}));
    let session = &last.body["session_id"];
    assert!(session.is_string() && turns.iter().all(|seen| seen.body["session_id"] == *session));
    let marks = last.body.to_string().matches("\"cache_control\"").count();
    assert!((1..=4).contains(&marks), "{marks}");
    let details = last.turns().iter().filter_map(|turn| turn["reasoning_details"].as_array());
    assert_eq!(details.count(), 2);
}
