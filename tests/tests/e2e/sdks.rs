//! The official SDKs: a newer API version, the key as a bearer token, errors by class.

use std::process::Command;
use std::sync::Arc;

use gateway_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::claude::finish;
use crate::harness::{Gateway, PROVIDER_KEY, clients, config, path, scripts};
use crate::model::{Ask, Reply, delta_event, error, event};

/// An upstream that does what the last user message says.
fn obedient() -> Arc<Upstream> {
    Arc::new(Upstream::start(|request| {
        let ask = Ask::new(request);
        if request.path() == "/v1/messages/count_tokens" {
            return Script::json(200, r#"{"input_tokens":2095}"#);
        }
        if request.path() == "/v1/messages/batches" {
            return Script::json(
                200,
                r#"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#,
            );
        }
        if request.method != "POST" || request.path() != "/v1/messages" {
            return error(404, "not_found_error", "no such path");
        }
        let said = ask.messages().last().and_then(|m| m["content"].as_str()).unwrap_or_default();
        let begun = || {
            Reply::opening(&ask)
                .chunk(event(
                    "content_block_start",
                    r#""index":0,"content_block":{"type":"text","text":""}"#,
                ))
                .chunk(delta_event(0, r#"{"type":"text_delta","text":"half"}"#))
        };
        match said {
            "plain" => Reply::text("Grüße from 42 ✓").to(&ask),
            "tool" => Reply::tool("toolu_1", "get_weather", &json!({"city": "Köln"})).to(&ask),
            "cut" => begun().close(),
            "unfinished" => begun().last_chunk(),
            "error-event" => begun()
                .chunk(event("error", r#""error":{"type":"overloaded_error","message":"Busy"}"#))
                .last_chunk(),
            "html" => Script::full(502, "text/html", "<html><h1>Bad Gateway</h1></html>"),
            _ => {
                let status: u16 =
                    said.strip_prefix("status ").and_then(|n| n.parse().ok()).unwrap_or(418);
                let body = gateway_testkit::fixtures::error_bodies();
                let body = body.into_iter().find(|(s, _)| *s == status).expect("a known status").1;
                Script::json(status, body).header("request-id", "req_of_the_upstream")
            }
        }
    }))
}

/// Runs all scenarios of an SDK and checks what is the same for both.
fn check(options: &[&str], sdk: impl Fn(&str) -> Command) -> Value {
    let upstream = obedient();
    let models =
        "api_key_env_var: ANTHROPIC_API_KEY\n    models: {claude-opus-4-8: {max_tokens: 64000}}";
    // Failures of every kind, one after the other, from one upstream.
    let patient = "resilience: {circuit_breaker: {failure_threshold: 0}}\n";
    let gateway = Gateway::with(&config(&upstream, models, patient), options);
    let output = finish(sdk(gateway.url()));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let outcomes: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}\n{stderr}", String::from_utf8_lossy(&output.stdout)));

    let text = "Grüße from 42 ✓";
    assert_eq!(
        outcomes["create"]["ok"],
        json!({"text": text, "stop": "end_turn", "model": "claude-opus-4-8", "id": "req_e2e"}),
        "{outcomes:#}"
    );
    assert_eq!(
        outcomes["stream"]["ok"],
        json!({"text": text, "stop": "end_turn", "deltas": 3, "output": 17})
    );
    assert_eq!(
        outcomes["tool"]["ok"],
        json!({"name": "get_weather", "input": {"city": "Köln"}, "stop": "tool_use"})
    );
    assert_eq!(outcomes["count"]["ok"]["input_tokens"], 2095);
    let models = outcomes["models"]["ok"].as_array().expect("a list of models");
    assert!(models.iter().any(|id| id == "claude-opus-4-8"), "{models:?}");
    assert_eq!(outcomes["model"]["ok"], "claude-opus-4-8");

    for (scenario, class) in [
        ("error_400", "BadRequestError"),
        ("error_403", "PermissionDeniedError"),
        ("error_404", "NotFoundError"),
        ("error_429", "RateLimitError"),
        ("error_500", "InternalServerError"),
    ] {
        assert_eq!(outcomes[scenario]["raised"], class, "{scenario}");
    }
    for broken in ["cut", "ends_without_stop", "error_event"] {
        assert!(outcomes[broken]["raised"].is_string(), "{broken}: {}", outcomes[broken]);
    }
    for (status, kind) in [
        (400, "invalid_request_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ] {
        let outcome = &outcomes[format!("error_{status}")];
        assert_eq!(outcome["status"], status, "{outcome}");
        assert_eq!(outcome["type"], kind, "{outcome}");
        assert_eq!(outcome["request_id"], "req_of_the_upstream", "{outcome}");
    }
    // An answer that is none of Anthropic's is wrapped: the status stays, the type is one they know.
    assert_eq!(outcomes["html"]["status"], 502, "{}", outcomes["html"]);
    assert_eq!(outcomes["html"]["type"], "api_error", "{}", outcomes["html"]);

    for request in upstream.requests() {
        assert_eq!(request.header_all("x-api-key"), [PROVIDER_KEY], "{request:?}");
        assert_eq!(request.header("authorization"), None, "{request:?}");
        assert_eq!(request.header("anthropic-version"), Some("2026-10-21"), "{request:?}");
        assert!(!request.target.contains('?'), "{request:?}");
    }
    outcomes
}

#[test]
fn c02_c05_r04_r29_r31_r40_the_javascript_sdk() {
    let outcomes = check(&["--passthrough-mode"], |url| {
        let mut command = Command::new("node");
        command.arg(scripts().join("sdk.mjs")).arg(url).arg(clients());
        command.env_clear().env("PATH", path()).env("HOME", "/nonexistent");
        command
    });
    // Forwarded, since the gateway was told to.
    assert_eq!(outcomes["batches"]["ok"], 0, "{}", outcomes["batches"]);
}

#[test]
fn c02_c05_r04_r29_r31_r40_the_python_sdk() {
    let outcomes = check(&[], |url| {
        let mut command = Command::new(clients().join("python/bin/python"));
        command.arg(scripts().join("sdk.py")).arg(url);
        command.env_clear().env("PATH", path()).env("HOME", "/nonexistent");
        command
    });
    // What the gateway does not serve is told in the form that the SDK knows.
    assert_eq!(outcomes["batches"]["raised"], "NotFoundError");
    assert_eq!(outcomes["batches"]["type"], "not_found_error", "{}", outcomes["batches"]);
}
