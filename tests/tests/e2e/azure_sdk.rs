//! The scripted Azure of the test kit is a true one: the official SDK's Azure client asks it at its
//! addresses, takes its answers, and raises its errors as Azure's.

use std::process::Command;

use gateway_testkit::openai::{Refusal, Rules, Seen, Server, Turn};
use serde_json::{Value, json};

use crate::claude::finish;
use crate::harness::{clients, path, scripts};

const TEXT: &str = "Grüße from 42 ✓";

fn obedient(seen: &Seen) -> Turn {
    match seen.last_user_text().as_str() {
        "calls" => Turn::text("Let me see.").and_call("get_weather", &json!({"city": "Köln"})),
        "filtered" => Turn::error(Refusal::azure_content_filter()),
        "busy" => Turn::error(Refusal::rate_limit(7)),
        _ => Turn::text(TEXT),
    }
}

#[test]
fn the_scripted_azure_satisfies_the_official_sdk() {
    let rules = Rules::azure("our d", "gpt-4.1").with_key("key-of-the-test");
    let azure = Server::start(rules, obedient);
    let mut command = Command::new(clients().join("python/bin/python"));
    command.arg(scripts().join("azure_sdk.py")).args([&azure.url(), "our d"]);
    command.env_clear().env("PATH", path()).env("HOME", "/nonexistent");
    let output = finish(command);
    let outcomes: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let ok = |name: &str| {
        assert!(outcomes[name].get("ok").is_some(), "{name}: {:#}", outcomes[name]);
        &outcomes[name]["ok"]
    };
    for name in ["classic_create", "v1_create", "entra"] {
        assert_eq!(*ok(name), json!({"text": TEXT, "filter": "safe", "prompt": 1}), "{name}");
    }
    for name in ["classic_stream", "v1_stream"] {
        let wanted = json!({
            "text": "Let me see.", "calls": r#"{"city":"Köln"}"#, "empty": 1, "offsets": 1, "tokens": 50,
        });
        assert_eq!(*ok(name), wanted, "{name}");
    }
    for name in ["classic_responses", "v1_responses"] {
        assert_eq!(*ok(name), TEXT, "{name}");
    }
    for (name, class, status, code) in [
        ("old_version", "BadRequestError", 400, Some("BadRequest")),
        ("no_version", "NotFoundError", 404, Some("404")),
        ("no_deployment", "NotFoundError", 404, Some("DeploymentNotFound")),
        ("v1_no_deployment", "NotFoundError", 404, Some("DeploymentNotFound")),
        ("wrong_key", "AuthenticationError", 401, Some("401")),
        ("new_field", "BadRequestError", 400, None),
        ("filtered", "BadRequestError", 400, Some("content_filter")),
        ("busy", "RateLimitError", 429, Some("rate_limit_exceeded")),
    ] {
        let outcome = &outcomes[name];
        let found = (&outcome["raised"], &outcome["status"], &outcome["code"]);
        assert_eq!(found, (&json!(class), &json!(status), &json!(code)), "{name}: {outcome:#}");
    }
    assert_eq!(azure.refusals().len(), 6, "{:#?}", azure.refusals());
}
