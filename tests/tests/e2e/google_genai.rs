//! The scripted Gemini and Vertex AI of the test kit are true ones: the official SDKs take their answers,
//! streams, errors and access tokens for the services' own.

use std::io::Write;
use std::process::{Command, Stdio};

use gateway_testkit::google::{
    Fault, Finish, Impersonate, PROJECT, Refusal, Rules, SUBJECT_TOKEN, Seen, Server, Style, Turn,
};
use serde_json::{Value, json};

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
    match said.as_str() {
        "calls" => calls(),
        "json" => Turn::text(r#"{"city":"Köln"}"#),
        "short" => Turn::text("Once upon a").finish(Finish::MaxTokens),
        "filtered" => Turn::default().finish(Finish::Word("SAFETY", "Not this.")),
        "blocked" => Turn::blocked("PROHIBITED_CONTENT"),
        "long" => Turn::text("Once upon").continued_by(Turn::text(" a time.")),
        "search" => Turn::default()
            .and_search("weather")
            .and_text("Grüße: ")
            .and_cited_text("Es schüttet.", "https://example.org/a", "A")
            .and_text(" Or so.")
            .and_cited_text(" ✓", "https://example.org/b", "B"),
        "code" => Turn::text("So:").and_code("print(6 * 7)", "42\n"),
        "quota" => Turn::error(Refusal::rate_limit("7")),
        "overloaded" => Turn::error(Refusal::overloaded()),
        "error" => Turn::text(TEXT).fault(Fault::Error(Refusal::internal())),
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
fn the_scripted_google_satisfies_the_official_sdks() {
    let rules = Rules::studio("gemini-3.6-flash").with_key("key-of-the-test");
    let more = ["gemini-3-flash-preview", "gemini-2.5-flash", "gemini-4-argon"];
    let rules = more.into_iter().fold(rules, Rules::and_model);
    let studio = Server::start(rules, obedient);
    let mut rules = Rules::vertex("gemini-3.1-pro").and_model("claude-opus-5-5");
    rules.project = Some(PROJECT.to_owned());
    let vertex = Server::start(rules, obedient);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).expect("a writable temporary directory");
        file.to_str().expect("a UTF-8 path").to_owned()
    };
    let subject = write("subject", SUBJECT_TOKEN);
    write("service-account.json", &vertex.service_account());
    write("user.json", &vertex.authorized_user());
    write("workload.json", &vertex.external_account(&subject, Impersonate::No));
    write("impersonated.json", &vertex.external_account(&subject, Impersonate::ServiceAccount));

    let mut command = Command::new(clients().join("python/bin/python"));
    command.arg(scripts().join("google_genai.py")).args([studio.url(), vertex.url()]);
    command.arg(dir.path()).env_clear().env("PATH", path()).env("HOME", "/nonexistent");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("Python runs");
    let styles: Vec<&str> = Style::all().into_iter().map(|(name, _)| name).collect();
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(styles.join(" ").as_bytes()).expect("the script reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let outcomes: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));

    let ok = |name: &str| {
        assert!(outcomes[name].get("ok").is_some(), "{name}: {:#}", outcomes[name]);
        &outcomes[name]["ok"]
    };
    let said = |name: &str, wanted: Value| {
        let found = ok(name);
        for (field, value) in wanted.as_object().expect("an object") {
            assert_eq!(&found[field], value, "{name}: {found:#}");
        }
    };
    let cities = "rain in Köln, rain in a \"b\"\n\\";
    let two = json!([["get_weather", {"city": "Köln"}], ["get_weather", {"city": "a \"b\"\n\\"}]]);
    let thought = json!({
        "thoughts": "**Think**Then speak.", "text": TEXT, "finish": "STOP", "tokens": 1050, "signed": 1,
    });
    for name in ["generate", "stream", "vertex"] {
        said(name, thought.clone());
    }
    for name in ["generate_quietly", "vertex_user", "vertex_workload", "vertex_impersonated"] {
        said(name, json!({"thoughts": "", "text": TEXT, "finish": "STOP"}));
    }
    let called = json!({"text": "Let me see.", "calls": two, "tokens": 1050});
    let plain = ["stream_calls".to_owned(), "vertex_stream".to_owned()];
    for name in styles.iter().map(|style| format!("style_{style}")).chain(plain) {
        said(&name, called.clone());
    }
    said("style_every-call-signed", json!({"signed": 2}));
    said("style_huge-signatures", json!({"signed": 1}));
    for name in ["loop", "vertex_loop"] {
        assert_eq!(ok(name)["first"]["calls"], two, "{name}");
        assert_eq!(ok(name)["first"]["signed"], 1, "{name}");
        assert_eq!(ok(name)["last"]["text"], cities, "{name}");
    }
    assert_eq!(ok("chat")["again"], TEXT);
    assert_eq!(*ok("image"), TEXT);
    let cited = json!([["Es schüttet.", "https://example.org/a"], [" ✓", "https://example.org/b"]]);
    assert_eq!(*ok("search"), json!({"queries": ["weather"], "cited": cited}));
    assert_eq!(*ok("code"), json!(["print(6 * 7)", "42\n"]));
    assert_eq!(*ok("blocked"), "PROHIBITED_CONTENT");
    said("filtered", json!({"finish": "SAFETY", "text": ""}));
    said("short", json!({"finish": "MAX_TOKENS", "text": "Once upon a"}));
    for name in ["continued", "continued_stream"] {
        assert_eq!(*ok(name), "Once upon a time.", "{name}");
    }
    for name in ["count", "vertex_count", "claude_count"] {
        assert!(
            ok(name).as_u64().is_some_and(|n| (1000..1020).contains(&n)),
            "{name}: {}",
            ok(name)
        );
    }
    assert_eq!(ok("models")[0], "models/gemini-3.6-flash");
    said("json", json!({"text": r#"{"city":"Köln"}"#}));
    said("claude", json!({"text": TEXT, "stop": "end_turn", "input": [800, 200, 50]}));
    let types = json!(["thinking", "text", "tool_use", "tool_use"]);
    for name in ["claude_loop", "claude_stream"] {
        said(name, json!({"types": types, "stop": "tool_use", "text": cities}));
    }

    for (name, class, status, word, part) in [
        ("claude_foreign", "BadRequestError", 400, Value::Null, "Invalid `signature`"),
        ("claude_sampling", "BadRequestError", 400, Value::Null, "temperature: Extra inputs"),
        ("claude_model", "NotFoundError", 404, Value::Null, "was not found"),
        ("wrong_key", "ClientError", 400, json!("INVALID_ARGUMENT"), "API_KEY_INVALID"),
        ("other_model", "ClientError", 404, json!("NOT_FOUND"), "models/gemini-9 is not found"),
        ("other_region", "ClientError", 404, json!("NOT_FOUND"), "locations/europe-west1"),
        ("unknown_field", "ClientError", 400, json!("INVALID_ARGUMENT"), "Unknown name \"top_k\""),
        ("sampling", "ClientError", 400, json!("INVALID_ARGUMENT"), "temperature is not supported"),
        ("level_of_the_old", "ClientError", 400, json!("INVALID_ARGUMENT"), "Thinking level"),
        ("without_signature", "ClientError", 400, json!("INVALID_ARGUMENT"), "missing a thought_"),
        ("quota", "ClientError", 429, json!("RESOURCE_EXHAUSTED"), "'retryDelay': '7s'"),
        ("overloaded", "ServerError", 503, json!("UNAVAILABLE"), "overloaded"),
        ("error_in_stream", "ServerError", 500, json!("INTERNAL"), "An internal error"),
    ] {
        let outcome = &outcomes[name];
        let found = (&outcome["raised"], &outcome["status"], &outcome["word"]);
        assert_eq!(found, (&json!(class), &json!(status), &word), "{name}: {outcome:#}");
        assert!(
            outcome["message"].to_string().replace("\\\"", "\"").contains(part),
            "{name}: {outcome:#}"
        );
    }
    assert_eq!(studio.refusals().len(), 6, "{:#?}", studio.refusals());
    assert_eq!(vertex.refusals().len(), 4, "{:#?}", vertex.refusals());
    let bypassed = studio.turns().iter().map(Seen::bypasses).sum::<usize>();
    assert_eq!((bypassed, studio.leaks()), (0, vec![]));
    // One for each credential: they are kept for as long as they live. Impersonation takes two.
    assert_eq!(vertex.tokens(), 8);
}
