//! The scripted Ollama of the test kit is a true one: the official client takes its answers, streams and
//! errors for the server's own.

use std::process::Command;

use gateway_testkit::ollama::{Fault, Finish, Model, Refusal, Seen, Server, Turn};
use serde_json::{Value, json};

use crate::claude::finish;
use crate::harness::{clients, path, scripts};

const TEXT: &str = "Grüße from 42 ✓";

fn obedient(seen: &Seen) -> Turn {
    let results = seen.results();
    if !results.is_empty() {
        let texts: Vec<&str> = results.iter().map(|(_, text)| text.as_str()).collect();
        return Turn::text(texts.join(", "));
    }
    match seen.last_user_text() {
        "calls" => Turn::text("Let me see.")
            .and_call("get_weather", &json!({"city": "Köln"}))
            .and_call("get_weather", &json!({"city": "a \"b\"\n\\"})),
        "json" => Turn::text("{}"),
        "long" => Turn::text("Once upon a").finish(Finish::Length),
        "error" => {
            let message = "it broke".to_owned();
            Turn::text(TEXT).fault(Fault::Error { code: String::new(), message })
        }
        "busy" => Turn::error(Refusal::new("server busy").status(503, "")),
        _ => Turn::reasoning(&["Think", "Then speak."]).and_text(TEXT),
    }
}

#[test]
fn r41_the_scripted_ollama_satisfies_the_official_client() {
    let model = Model { num_ctx: Some(32_768), ..Model::new("qwen3") };
    let server = Server::start(model, obedient);
    let mut command = Command::new(clients().join("python/bin/python"));
    command.arg(scripts().join("ollama_sdk.py")).args([&server.url(), "qwen3"]);
    command.env_clear().env("PATH", path()).env("HOME", "/nonexistent");
    let output = finish(command);
    let outcomes: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let ok = |name: &str| {
        assert!(outcomes[name].get("ok").is_some(), "{name}: {:#}", outcomes[name]);
        &outcomes[name]["ok"]
    };
    assert_eq!(
        *ok("plain"),
        json!({"text": TEXT, "thinking": null, "reason": "stop", "counts": [true, 50]})
    );
    let thinking = "Think\n\nThen speak.";
    assert_eq!(*ok("stream"), json!({"text": TEXT, "thinking": thinking, "reason": "stop"}));
    for name in ["loop", "loop_streamed"] {
        assert_eq!(*ok(name), "rain in Köln, rain in a \"b\"\n\\", "{name}");
    }
    for name in ["image", "level"] {
        assert_eq!(*ok(name), TEXT, "{name}");
    }
    assert_eq!((ok("format"), ok("short")), (&json!("{}"), &json!("length")));
    let shown = ok("show");
    assert_eq!(shown["capabilities"], json!(["completion", "tools", "vision", "thinking"]));
    assert_eq!(shown["length"], 262_144);
    assert!(shown["parameters"].as_str().is_some_and(|lines| lines.starts_with("num_ctx ")));
    assert_eq!(*ok("models"), json!(["qwen3"]));
    // In silence, as the real one does.
    assert_eq!(*ok("cut"), 2048);
    assert_eq!(server.harm().len(), 1, "{:?}", server.harm());
    for (name, status, message) in [
        ("other_model", json!(404), "model 'other' not found"),
        ("no_model", json!(404), "model 'other' not found"),
        ("busy", json!(503), "server busy"),
        ("error", json!(-1), "it broke"),
    ] {
        let outcome = &outcomes[name];
        let found = (&outcome["raised"], &outcome["status"], &outcome["message"]);
        assert_eq!(found, (&json!("ResponseError"), &status, &json!(message)), "{name}");
    }
    assert_eq!(server.refusals().len(), 2, "{:#?}", server.refusals());
}
