//! The scripted Bedrock of the test kit is a true one: boto3, which has the service's own model, and
//! Anthropic's client take its answers, streams and errors for the service's, and it takes their signatures.

use std::process::Command;

use gateway_testkit::bedrock::{
    Citation, Fault, Finish, Location, Refusal, Rules, Seen, Server, Style, Turn,
};
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
        return calls(seen).style(Style::named(style));
    }
    let broken = |after, refusal| Turn::text(TEXT).fault(Fault::Exception { after, refusal });
    match said.as_str() {
        "calls" => calls(seen),
        "no-input" => Turn::call("get_time", &json!({})),
        "redacted" => Turn::default().and_redacted("hidden").and_text(TEXT),
        "cited" => Turn::default().and_cited_text(
            "It rains.",
            &[Citation {
                title: "A".to_owned(),
                cited: "rain".to_owned(),
                location: Location::Web { url: "https://example.org/a".to_owned() },
            }],
        ),
        "stop" => Turn::text("a").finish(Finish::StopSequence("END".to_owned())),
        "throttled" => Turn::error(Refusal::throttled()),
        "not-ready" => Turn::error(Refusal::not_ready()),
        "model-error" => Turn::error(Refusal::model_error(500)),
        "unavailable" => Turn::error(Refusal::unavailable()),
        "stream-throttled" => broken(0, Refusal::throttled()),
        "stream-broken" => broken(3, Refusal::model_stream_error(500)),
        "stream-error" => Turn::text(TEXT).fault(Fault::Error {
            after: 2,
            code: "InternalFailure".to_owned(),
            message: "It broke".to_owned(),
        }),
        "bad-checksum" => Turn::text(TEXT).fault(Fault::BadChecksum(2)),
        "bad-prelude" => Turn::text(TEXT).fault(Fault::BadPrelude(2)),
        "cut" => Turn::text(TEXT).fault(Fault::CutAt(300)),
        _ => thinking(seen, "Think.").and_text(TEXT),
    }
}

/// Thinking (of Claude alone), text and two calls at once.
fn calls(seen: &Seen) -> Turn {
    thinking(seen, "Two cities.")
        .and_text("Let me see.")
        .and_call("get_weather", &json!({"city": "Köln"}))
        .and_call("get_weather", &json!({"city": "a \"b\"\n\\"}))
}

fn thinking(seen: &Seen, text: &str) -> Turn {
    if seen.model.contains("claude") { Turn::reasoning(text) } else { Turn::default() }
}

fn guarded(rules: Rules) -> Rules {
    rules
        .with_key("AKIDOFTHETEST", "secret-of-the-test")
        .with_session("ASIAOFTHETEST", "session-secret", "session-token", false)
        .with_session("ASIAEXPIRED", "session-secret", "old-token", true)
        .with_bearer("key-of-the-test")
}

#[test]
fn the_scripted_bedrock_satisfies_boto3_and_anthropics_client() {
    let model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let claude = Server::start(guarded(Rules::bedrock(model)), obedient);
    let nova = Server::start(guarded(Rules::bedrock("amazon.nova-pro-v1:0")), obedient);
    let styles: Vec<&str> = Style::all().into_iter().map(|(name, _)| name).collect();
    let clock = |ahead| {
        let mut rules = guarded(Rules::bedrock("amazon.nova-pro-v1:0"));
        rules.ahead = ahead;
        Server::start(rules, obedient)
    };
    let (ahead, behind) = (clock(900), clock(-900));
    let mut command = Command::new(clients().join("python/bin/python"));
    command.arg(scripts().join("boto3_client.py"));
    command.args([claude.url(), nova.url(), ahead.url(), behind.url(), styles.join(",")]);
    command.env_clear().env("PATH", path()).env("HOME", "/nonexistent");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    let output = finish(command);
    let outcomes: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));

    answers(&outcomes);
    streams(&outcomes, &styles);
    errors(&outcomes);
    assert_eq!(claude.refusals().len(), 4, "{:#?}", claude.refusals());
    assert_eq!(nova.refusals().len(), 8, "{:#?}", nova.refusals());
    // Anthropic's client says who it is; a gateway must not.
    assert!(nova.leaks().is_empty(), "{:?}", nova.leaks());
    assert!(
        claude.leaks().iter().any(|leak| leak.contains("x-stainless-")),
        "{:?}",
        claude.leaks()
    );
}

fn ok<'a>(outcomes: &'a Value, name: &str) -> &'a Value {
    assert!(outcomes[name].get("ok").is_some(), "{name}: {:#}", outcomes[name]);
    &outcomes[name]["ok"]
}

fn answers(outcomes: &Value) {
    let ok = |name| ok(outcomes, name);
    let usage = json!({
        "inputTokens": 800, "outputTokens": 50, "totalTokens": 1050,
        "cacheReadInputTokens": 200, "cacheWriteInputTokens": 0,
    });
    assert_eq!(
        *ok("converse"),
        json!({
            "content": [{"text": TEXT}], "stop": "end_turn", "usage": usage, "request_id": 36,
        })
    );
    assert_eq!(*ok("converse_loop"), "rain in Köln, rain in a \"b\"\n\\");
    let sky = r#"{"sky":"blue"}, {"sky":"blue"}"#;
    assert_eq!(*ok("converse_thinking_loop"), json!([["reasoningContent"], sky]));
    assert_eq!(*ok("everything"), "taken");
    assert_eq!(*ok("stop_sequence"), json!(["stop_sequence", {"stop_sequence": "END"}]));
    assert_eq!(
        *ok("invoke"),
        json!({
            "types": ["thinking", "text"], "text": TEXT, "stop": "end_turn",
            "counts": ["800", "50"],
        })
    );
    let types = json!(["message_start", "content_block_start"]);
    assert_eq!(*ok("invoke_stream"), json!({"types": types, "metrics": 800}));
    assert_eq!(*ok("count_tokens"), json!([true, true]));
    let created = json!({"text": TEXT, "stop": "end_turn", "id": "msg_bdrk_"});
    assert_eq!(*ok("anthropic_create"), created);
    assert_eq!(
        *ok("anthropic_stream"),
        json!({
            "calls": [{"city": "Köln"}, {"city": "a \"b\"\n\\"}], "stop": "tool_use",
            "thinking": "Two cities.",
        })
    );
    assert_eq!(*ok("anthropic_bearer"), TEXT);
    assert_eq!(*ok("session"), "end_turn");
}

fn streams(outcomes: &Value, styles: &[&str]) {
    let ok = |name: &str| ok(outcomes, name);
    let plain = ok("stream_text");
    assert_eq!(plain["blocks"], json!([{"text": TEXT}]));
    assert_eq!((&plain["first"], &plain["last"]), (&json!("messageStart"), &json!("metadata")));
    assert_eq!(ok("stream_no_input")["blocks"][0]["input"], "");
    assert!(ok("stream_redacted")["blocks"][0]["redactedContent"].is_string());
    let citation = &ok("stream_cited")["blocks"][0]["citations"][0];
    assert_eq!(citation["location"]["web"]["url"], "https://example.org/a");
    let input = |city: &str| json!({"city": city}).to_string();
    let call = |city| json!({"name": "get_weather", "input": input(city)});
    let said = [json!({"text": "Let me see."}), call("Köln"), call("a \"b\"\n\\")];
    for name in styles {
        let told = ok(&format!("style_{name}"));
        let thought = ok(&format!("thinking_style_{name}"));
        let stop = if *name == "end-turn-for-calls" { "end_turn" } else { "tool_use" };
        for (streamed, thinks) in [(told, 0), (thought, 1)] {
            let mut blocks = streamed["blocks"].as_array().expect("blocks").clone();
            for block in &mut blocks {
                block.as_object_mut().expect("a block").remove("toolUseId");
            }
            assert_eq!(blocks[thinks..], said, "{name}");
            assert_eq!(streamed["stop"], stop, "{name}");
            assert_eq!(streamed["usage"].is_null(), *name == "no-metadata", "{name}");
        }
        assert_eq!(thought["blocks"][0]["text"], "Two cities.", "{name}");
        assert!(thought["blocks"][0]["signature"].is_string(), "{name}");
    }
}

fn errors(outcomes: &Value) {
    for (name, class, status, part) in [
        ("wrong_secret", "InvalidSignatureException", 403, "does not match the signature"),
        ("tampered", "InvalidSignatureException", 403, "does not match the signature"),
        ("wrong_region", "InvalidSignatureException", 403, "valid region, not 'eu-west-1'"),
        ("clock_ahead", "InvalidSignatureException", 403, "Signature expired: "),
        ("clock_behind", "InvalidSignatureException", 403, "Signature not yet current: "),
        (
            "unknown_key",
            "UnrecognizedClientException",
            403,
            "token included in the request is invalid",
        ),
        (
            "no_session",
            "UnrecognizedClientException",
            403,
            "token included in the request is invalid",
        ),
        ("expired", "ExpiredTokenException", 403, "is expired"),
        ("anthropic_wrong_bearer", "PermissionDeniedError", 403, "API Key is valid"),
        ("throttled", "ThrottlingException", 429, "Too many requests"),
        ("not_ready", "ModelNotReadyException", 429, "not ready"),
        ("model_error", "ModelErrorException", 424, "unexpected error"),
        ("unavailable", "ServiceUnavailableException", 503, "unable to process"),
        ("blank", "ValidationException", 400, "messages.0.content.0 is blank"),
        ("assistant_first", "ValidationException", 400, "must start with a user message"),
        ("on_demand", "ValidationException", 400, "on-demand throughput isn\u{2019}t supported"),
        ("unknown_model", "ValidationException", 400, "identifier is invalid"),
        ("count_of_a_profile", "ValidationException", 400, "doesn't support counting tokens"),
    ] {
        let outcome = &outcomes[name];
        let found = (&outcome["raised"], &outcome["status"]);
        assert_eq!(found, (&json!(class), &json!(status)), "{name}: {outcome:#}");
        assert!(
            outcome["message"].as_str().is_some_and(|m| m.contains(part)),
            "{name}: {outcome:#}"
        );
    }
    // Within a stream there is no status, and names begin small.
    for (name, class) in [
        ("stream_throttled", "throttlingException"),
        ("stream_broken", "modelStreamErrorException"),
        ("stream_error", "InternalFailure"),
        ("bad_checksum", "ChecksumMismatch"),
        ("bad_prelude", "ChecksumMismatch"),
    ] {
        assert_eq!(outcomes[name]["raised"], class, "{name}: {:#}", outcomes[name]);
    }
    assert!(outcomes["cut"]["raised"].is_string(), "{:#}", outcomes["cut"]);
}
