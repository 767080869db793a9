//! The scripted `OpenAI` of the test kit is a true one: the official SDK, which validates what it gets,
//! takes its answers, streams and errors for the service's own.

use std::process::Command;

use gateway_testkit::openai::{Fault, Finish, Refusal, Rules, Seen, Server, Style, Turn};
use serde_json::{Value, json};

use crate::claude::finish;
use crate::harness::{clients, path, scripts};

const TEXT: &str = "Grüße from 42 ✓";

/// A model that does what the last user message says.
fn obedient(seen: &Seen) -> Turn {
    let results = seen.new_results();
    if !results.is_empty() {
        let texts: Vec<&str> = results.iter().map(|(_, text)| text.as_str()).collect();
        return Turn::text(texts.join(", "));
    }
    let said = seen.last_user_text();
    if let Some(style) = said.strip_prefix("style ") {
        return calls().style(Style::named(style));
    }
    let fault = |code: &str| (code.to_owned(), "It broke".to_owned());
    match said.as_str() {
        "calls" => calls(),
        "json" => Turn::text(r#"{"city":"Köln","degrees":7}"#),
        "refusal" => Turn::default().and_refusal("I cannot help with that."),
        "long" => Turn::text("Once upon a").finish(Finish::Length),
        "search" => Turn::default()
            .and_search("weather", &["https://example.org/a", "https://example.org/b"])
            .and_cited_text("It rains.", "https://example.org/a", "A"),
        "quota" => Turn::error(Refusal::insufficient_quota()),
        "busy" => Turn::error(Refusal::rate_limit(7)),
        "overloaded" => Turn::error(Refusal::overloaded()),
        "broken" => Turn::error(Refusal::server_error()),
        "filtered" => Turn::error(Refusal::azure_content_filter()),
        "error" | "nested" => {
            let (code, message) = fault("server_error");
            let style = Style { nested_error: said == "nested", ..Style::default() };
            Turn::text(TEXT).fault(Fault::Error { code, message }).style(style)
        }
        "failed" => {
            let (code, message) = fault("rate_limit_exceeded");
            Turn::text(TEXT).fault(Fault::Failed { code, message })
        }
        "cut" => Turn::text(TEXT).fault(Fault::CutAt(700)),
        _ => Turn::reasoning(&["**Think**", "Then speak."]).and_text(TEXT),
    }
}

/// Thinking, text and two calls at once.
fn calls() -> Turn {
    Turn::reasoning(&["Two cities."])
        .and_text("Let me see.")
        .and_call("get_weather", &json!({"city": "Köln"}))
        .and_call("get_weather", &json!({"city": "a \"b\"\n\\"}))
}

#[test]
fn the_scripted_openai_satisfies_the_official_sdk() {
    let chat = Server::start(Rules::openai("gpt-4.1").with_key("key-of-the-test"), obedient);
    let rules = Rules::openai("gpt-5.6-terra").with_key("key-of-the-test");
    let responses = Server::start(rules, obedient);
    let mut command = Command::new(clients().join("python/bin/python"));
    command.arg(scripts().join("openai_sdk.py")).args([chat.url(), responses.url()]);
    command.env_clear().env("PATH", path()).env("HOME", "/nonexistent");
    let output = finish(command);
    let outcomes: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));

    let cities = "rain in Köln, rain in a \"b\"\n\\";
    let arguments = [r#"{"city":"Köln"}"#, r#"{"city":"a \"b\"\n\\"}"#];
    let two = json!([["get_weather", arguments[0]], ["get_weather", arguments[1]]]);
    let ok = |name: &str| {
        assert!(outcomes[name].get("ok").is_some(), "{name}: {:#}", outcomes[name]);
        &outcomes[name]["ok"]
    };
    let created = ok("chat_create");
    assert_eq!((&created["text"], &created["finish"]), (&json!(TEXT), &json!("stop")));
    assert_eq!((&created["model"], &created["cached"]), (&json!("gpt-4.1"), &json!(200)));
    assert_eq!(*ok("chat_loop"), json!({"finish": "tool_calls", "text": cities}));
    assert_eq!(ok("chat_stream_text")["text"], TEXT);
    assert_eq!(ok("chat_stream_text")["completion"], 50);
    assert_eq!(ok("chat_stream_refusal")["refusal"], "I cannot help with that.");
    for name in ["stream_calls", "crlf", "many-lines", "comments", "tight", "obfuscation"] {
        let streamed = ok(&format!("chat_{name}"));
        assert_eq!(streamed["calls"], two, "{name}");
        assert_eq!(streamed["text"], "Let me see.", "{name}");
        assert_eq!(streamed["finish"], "tool_calls", "{name}");
    }
    assert_eq!(*ok("chat_parse"), json!({"city": "Köln", "degrees": 7}));
    assert_eq!(*ok("chat_strict_tool"), json!([{"city": "Köln"}, {"city": "a \"b\"\n\\"}]));

    assert_eq!(
        *ok("responses_create"),
        json!({
            "text": TEXT, "status": "completed", "types": ["reasoning", "message"],
            "sealed": true, "reasoning": 20,
        })
    );
    let types = json!(["reasoning", "message", "function_call", "function_call"]);
    assert_eq!(*ok("responses_loop"), json!({"types": types, "text": cities}));
    for (name, types) in [
        ("text", json!(["reasoning", "message"])),
        ("calls", types),
        ("search", json!(["web_search_call", "message"])),
        ("refusal", json!(["message"])),
    ] {
        let streamed = ok(&format!("responses_stream_{name}"));
        assert_eq!(streamed["types"], types, "{name}");
        assert_eq!(streamed["status"], "completed", "{name}");
        assert_eq!(streamed["in_order"], true, "{name}");
        assert_eq!(streamed["as_whole"], true, "{name}");
        let kinds = streamed["kinds"].as_array().expect("a list");
        assert_eq!(kinds[0], "response.created", "{name}");
        assert_eq!(kinds[kinds.len() - 1], "response.completed", "{name}");
    }
    assert_eq!(
        *ok("responses_incomplete"),
        json!({
            "last": "response.incomplete", "text": "Once upon a", "reason": "max_output_tokens",
            "status": ["incomplete"],
        })
    );
    assert_eq!(
        *ok("responses_search"),
        json!({
            "query": "weather", "cited": ["https://example.org/a"],
            "sources": ["https://example.org/a", "https://example.org/b"],
        })
    );
    assert_eq!(*ok("responses_parse"), json!({"city": "Köln", "degrees": 7}));
    let failed = json!({"last": "response.failed", "error": "rate_limit_exceeded"});
    assert_eq!(*ok("responses_failed"), failed);
    assert_eq!(ok("responses_count")["object"], "response.input_tokens");
    assert_eq!(*ok("models"), json!(["gpt-4.1"]));

    for (name, class, status, code, param) in [
        ("unknown_field", "BadRequestError", 400, None, None),
        ("unknown_parameter", "BadRequestError", 400, Some("unknown_parameter"), Some("stop")),
        ("effort", "BadRequestError", 400, Some("unsupported_value"), Some("reasoning.effort")),
        ("chat_tools_of_a_reasoning_model", "BadRequestError", 400, None, Some("reasoning_effort")),
        (
            "too_few_tokens",
            "BadRequestError",
            400,
            Some("integer_below_min_value"),
            Some("max_output_tokens"),
        ),
        ("foreign_blob", "BadRequestError", 400, Some("invalid_encrypted_content"), None),
        ("not_persisted", "NotFoundError", 404, None, Some("input")),
        ("other_model", "NotFoundError", 404, Some("model_not_found"), None),
        ("too_long", "BadRequestError", 400, Some("context_length_exceeded"), Some("messages")),
        ("wrong_key", "AuthenticationError", 401, Some("invalid_api_key"), None),
        ("content_type", "APIStatusError", 415, Some("unsupported_content_type"), None),
        ("quota", "RateLimitError", 429, Some("insufficient_quota"), None),
        ("busy", "RateLimitError", 429, Some("rate_limit_exceeded"), None),
        ("overloaded", "InternalServerError", 503, Some("server_is_overloaded"), None),
        ("broken", "InternalServerError", 500, Some("server_error"), None),
        ("filtered", "BadRequestError", 400, Some("content_filter"), Some("prompt")),
    ] {
        let outcome = &outcomes[name];
        let found = (&outcome["raised"], &outcome["status"], &outcome["code"], &outcome["param"]);
        let wanted = (&json!(class), &json!(status), &json!(code), &json!(param));
        assert_eq!(found, wanted, "{name}: {outcome:#}");
    }
    // The SDK hands on the documented form and raises the other.
    assert_eq!(*ok("error_event"), "server_error");
    for broken in ["error_in_chunk", "nested_error"] {
        let outcome = &outcomes[broken];
        assert_eq!(outcome["raised"], "APIError", "{broken}: {outcome:#}");
        assert_eq!(outcome["code"], "server_error", "{broken}: {outcome:#}");
    }
    assert!(outcomes["cut"]["raised"].is_string(), "{:#}", outcomes["cut"]);
    assert_eq!(chat.refusals().len(), 5, "{:#?}", chat.refusals());
    assert_eq!(responses.refusals().len(), 6, "{:#?}", responses.refusals());
}
