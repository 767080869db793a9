//! Bodies on their way to a host.

mod recorded;
mod rows;

use serde_json::{Value, json};

use super::*;

const SONNET_4: &str = "claude-sonnet-4@20250514";
const SONNET_4_5: &str = "claude-sonnet-4-5@20250929";
const OPUS_4_5: &str = "claude-opus-4-5@20251101";
const OPUS_4_6: &str = "claude-opus-4-6@default";
const OPUS_4_7: &str = "claude-opus-4-7@default";
const OPUS_5: &str = "claude-opus-5-5";

fn vertex() -> Host {
    Host::Vertex { project: "p".into(), location: "us-east5".into() }
}

fn value(json: &[u8]) -> Value {
    let text = String::from_utf8_lossy(json);
    serde_json::from_slice(json).unwrap_or_else(|fault| panic!("{fault}: {text}"))
}

/// What was lost, a line for each.
fn lost(losses: &Losses) -> Vec<String> {
    losses.iter().map(|loss| format!("{} {}", loss.what.as_str(), loss.path)).collect()
}

fn wrapped(host: &Host, body: &Value, cx: &HostCx<'_>) -> Wrapped {
    wrap(host, body.to_string().as_bytes(), cx).expect("no error")
}

fn refusal(host: &Host, body: &Value, cx: &HostCx<'_>) -> ApiError {
    wrap(host, body.to_string().as_bytes(), cx).expect_err("an error")
}

fn ask() -> Value {
    json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]})
}

#[test]
fn a_model_is_one_segment_of_the_path() {
    let policy = Policy::default();
    let arn = "arn:aws:bedrock:us-east-1:123:inference-profile/us.anthropic.claude-opus-4-6-v1";
    for (host, model, stream, path) in [
        (
            vertex(),
            SONNET_4_5,
            false,
            "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        ),
        (
            vertex(),
            OPUS_5,
            true,
            "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-opus-5-5:streamRawPredict",
        ),
        (
            Host::Bedrock,
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            false,
            "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke",
        ),
        (
            Host::Bedrock,
            arn,
            true,
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123%3Ainference-profile%2Fus.anthropic.claude-opus-4-6-v1/invoke-with-response-stream",
        ),
        (Host::Bedrock, "a b?#%é..", false, "/model/a%20b%3F%23%25%C3%A9../invoke"),
    ] {
        let cx = HostCx { stream, ..HostCx::new(model, &policy) };
        assert_eq!(wrapped(&host, &ask(), &cx).path, path);
    }
    for model in ["", ".", ".."] {
        let fault = refusal(&Host::Bedrock, &ask(), &HostCx::new(model, &policy));
        assert_eq!(fault.status(), 404, "{model}");
    }
    let nowhere = Host::Vertex { project: "..".into(), location: "x".into() };
    assert_eq!(refusal(&nowhere, &ask(), &HostCx::new("m", &policy)).status(), 404);
}

#[test]
fn each_host_wants_its_version_and_a_new_one_only_where_it_is_taken() {
    let policy = Policy::default();
    let new = "2026-10-21";
    for (host, model, version, sent) in [
        (vertex(), OPUS_4_7, "2023-06-01", "vertex-2023-10-16"),
        (vertex(), OPUS_4_7, "", "vertex-2023-10-16"),
        (vertex(), OPUS_4_7, new, new),
        (Host::Bedrock, "anthropic.claude-opus-4-7", "2023-06-01", "bedrock-2023-05-31"),
        (Host::Bedrock, "anthropic.claude-opus-4-7", new, new),
        (Host::Bedrock, "anthropic.claude-opus-4-6-v1", new, "bedrock-2023-05-31"),
        (
            Host::Bedrock,
            "arn:aws:bedrock:r:1:application-inference-profile/x",
            new,
            "bedrock-2023-05-31",
        ),
    ] {
        let cx = HostCx { version, ..HostCx::new(model, &policy) };
        let body = value(&wrapped(&host, &ask(), &cx).body);
        assert_eq!(body["anthropic_version"], sent, "{model} {version}");
        assert!(body.get("model").is_none() && body.get("stream").is_none());
    }
    let hinted = HostCx {
        version: new,
        hint: Some("claude-opus-4-7"),
        ..HostCx::new("arn:aws:bedrock:r:1:application-inference-profile/x", &policy)
    };
    assert_eq!(value(&wrapped(&Host::Bedrock, &ask(), &hinted).body)["anthropic_version"], new);
    // It is for names that say nothing: one provider has models of several versions.
    let named = HostCx { model: "anthropic.claude-opus-4-6-v1", ..hinted };
    assert_eq!(
        value(&wrapped(&Host::Bedrock, &ask(), &named).body)["anthropic_version"],
        "bedrock-2023-05-31"
    );
}

#[test]
fn no_more_is_asked_for_than_a_claude_has() {
    let policy = Policy::default();
    for (model, asked, sent) in [
        (SONNET_4_5, 128_000, 64_000),
        (SONNET_4_5, 64_000, 64_000),
        ("claude-opus-4-1@20250805", 64_000, 32_000),
        (OPUS_4_7, 128_000, 128_000),
        ("my-model", 128_000, 128_000),
    ] {
        let mut body = ask();
        body["max_tokens"] = json!(asked);
        body["thinking"] = json!({"type": "enabled", "budget_tokens": asked - 1});
        for host in [vertex(), Host::Bedrock] {
            let wrapped = wrapped(&host, &body, &HostCx::new(model, &policy));
            let up = value(&wrapped.body);
            assert_eq!(up["max_tokens"], sent, "{model}");
            let told = lost(&wrapped.losses).contains(&"clamped max_tokens".to_owned());
            assert_eq!(told, asked != sent, "{model}");
            let budget = up["thinking"]["budget_tokens"].as_u64();
            assert!(budget.is_none_or(|budget| budget < sent), "{model}: {budget:?}");
        }
    }
}

#[test]
fn streaming_is_said_in_the_body_on_vertex_and_by_the_path_on_bedrock() {
    let policy = Policy::default();
    for (said, stream) in
        [(None, false), (None, true), (Some(true), true), (Some(false), false), (Some(true), false)]
    {
        let mut body = ask();
        if let Some(said) = said {
            body["stream"] = json!(said);
        }
        let cx = HostCx { stream, ..HostCx::new(OPUS_5, &policy) };
        let on_vertex = value(&wrapped(&vertex(), &body, &cx).body);
        assert_eq!(on_vertex.get("stream"), stream.then_some(&json!(true)), "{said:?} {stream}");
        assert_eq!(value(&wrapped(&Host::Bedrock, &body, &cx).body).get("stream"), None);
    }
}

#[test]
fn tokens_are_counted_by_vertex_for_the_model_in_the_body_and_by_bedrock_for_a_whole_body() {
    let policy = Policy::default();
    let body = json!({"model": "mine", "messages": [{"role": "user", "content": "hi"}],
        "thinking": {"type": "enabled", "budget_tokens": 5000}});
    let count = |model| HostCx { endpoint: Endpoint::CountTokens, ..HostCx::new(model, &policy) };
    let on_vertex = wrapped(&vertex(), &body, &count(SONNET_4_5));
    let path =
        "/v1/projects/p/locations/us-east5/publishers/anthropic/models/count-tokens:rawPredict";
    assert_eq!(on_vertex.path, path);
    assert_eq!(value(&on_vertex.body)["model"], SONNET_4_5);

    let bare = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    for model in [bare, "us.anthropic.claude-sonnet-4-5-20250929-v1:0"] {
        assert!(counts(&Host::Bedrock, model));
        let sent = wrapped(&Host::Bedrock, &body, &count(model));
        assert_eq!(sent.path, "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens");
        let sent = value(&sent.body);
        let inner = sent["input"]["invokeModel"]["body"].as_str().expect("a text");
        let inner = value(&STANDARD.decode(inner).expect("base64"));
        assert_eq!(inner["max_tokens"], 5001);
        assert_eq!(inner["anthropic_version"], "bedrock-2023-05-31");
        assert_eq!(inner["messages"], body["messages"]);
        assert_eq!(inner.get("model"), None);
    }
    let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-4-6-v1";
    assert!(!counts(&Host::Bedrock, arn) && counts(&vertex(), arn));
    assert_eq!(refusal(&Host::Bedrock, &body, &count(arn)).status(), 500);
}

#[test]
fn bedrocks_own_messages_endpoint_gets_the_body_as_anthropic_would_without_what_bedrock_lacks() {
    let policy = Policy::default();
    let model = "anthropic.claude-opus-4-7";
    let mut body = ask();
    body["stream"] = json!(true);
    body["speed"] = json!("fast");
    for (version, sent) in
        [("2023-06-01", "2023-06-01"), ("2026-10-21", "2026-10-21"), ("", "2023-06-01")]
    {
        let betas = "claude-code-20250219,context-1m-2025-08-07";
        let cx = HostCx { stream: true, betas, version, ..HostCx::new(model, &policy) };
        let wrapped = wrapped(&Host::BedrockMessages, &body, &cx);
        assert_eq!(wrapped.path, "/anthropic/v1/messages");
        assert_eq!(wrapped.headers["anthropic-version"], sent);
        assert_eq!(wrapped.headers["anthropic-beta"], "context-1m-2025-08-07");
        let mut wanted = ask();
        wanted["model"] = json!(model);
        wanted["stream"] = json!(true);
        assert_eq!(value(&wrapped.body), wanted);
    }
    let cx = HostCx { endpoint: Endpoint::CountTokens, ..HostCx::new(model, &policy) };
    let counted = wrapped(&Host::BedrockMessages, &json!({"messages": []}), &cx);
    assert_eq!(counted.path, "/anthropic/v1/messages/count_tokens");
    assert_eq!(value(&counted.body), json!({"model": model, "messages": []}));
}

#[test]
fn what_is_no_request_is_refused() {
    let policy = Policy::default();
    for broken in [&b""[..], b"{", b"[]", b"7", b"{\"a\":\"\xff\"}", b"{} {}"] {
        for host in [vertex(), Host::Bedrock] {
            let fault = wrap(&host, broken, &HostCx::new("m", &policy)).expect_err("an error");
            assert_eq!(fault.status(), 400, "{broken:?}");
        }
    }
    let twice = br#"{"model":"a","output_config":{"effort":"x"},"model":"b","output_config":{"effort":"max"},"stream":true,"stream":false}"#;
    let cx = HostCx { stream: true, ..HostCx::new(OPUS_4_6, &policy) };
    let once = wrap(&Host::BedrockMessages, twice, &cx).expect("no error");
    assert_eq!(
        value(&once.body),
        json!({"model": OPUS_4_6, "output_config": {"effort": "max"}, "stream": true})
    );
    let empty = wrap(&Host::Bedrock, b" { } ", &HostCx::new("m", &policy)).expect("no error");
    assert_eq!(value(&empty.body), json!({"anthropic_version": "bedrock-2023-05-31"}));
}

#[test]
fn r20_betas_stand_in_the_header_of_vertex_and_in_the_body_of_bedrock() {
    let policy = Policy::default();
    let betas = "claude-code-20250219, interleaved-thinking-2025-05-14,oauth-2025-04-20,\
        advanced-tool-use-2025-11-20,fine-grained-tool-streaming-2025-05-14,never-heard-of-2030-01-01,\
        web-search-2025-03-05";
    let cx = HostCx { betas, ..HostCx::new(SONNET_4_5, &policy) };
    let on_vertex = wrapped(&vertex(), &ask(), &cx);
    assert_eq!(
        on_vertex.headers.get("anthropic-beta").expect("betas"),
        "interleaved-thinking-2025-05-14,tool-search-tool-2025-10-19,web-search-2025-03-05"
    );
    assert_eq!(value(&on_vertex.body).get("anthropic_beta"), None);
    let on_bedrock = wrapped(&Host::Bedrock, &ask(), &cx);
    assert!(on_bedrock.headers.is_empty());
    assert_eq!(
        value(&on_bedrock.body)["anthropic_beta"],
        json!([
            "interleaved-thinking-2025-05-14",
            "tool-search-tool-2025-10-19",
            "fine-grained-tool-streaming-2025-05-14"
        ])
    );
    let hints = ["claude-code-20250219", "oauth-2025-04-20", "never-heard-of-2030-01-01"];
    for beta in hints {
        assert!(lost(&on_vertex.losses).contains(&format!("hint anthropic-beta:{beta}")));
    }
    // A caller that speaks Bedrock's own way.
    let mut body = ask();
    body["anthropic_beta"] = json!(["context-1m-2025-08-07", "x"]);
    body["anthropic_version"] = json!("bedrock-2023-05-31");
    let on_vertex = wrapped(&vertex(), &body, &HostCx::new(SONNET_4_5, &policy));
    assert_eq!(on_vertex.headers.get("anthropic-beta").expect("one"), "context-1m-2025-08-07");
    assert_eq!(value(&on_vertex.body)["anthropic_version"], "vertex-2023-10-16");
}

#[test]
fn c09_what_was_learnt_goes_up_no_more() {
    let policy = Policy::default();
    let mut body = ask();
    body["metadata"] = json!({"user_id": "u"});
    body["output_config"] = json!({"effort": "low"});
    let betas = "context-management-2025-06-27,context-1m-2025-08-07";
    let cx = HostCx { betas, ..HostCx::new(OPUS_4_6, &policy) };
    let before = wrapped(&Host::Bedrock, &body, &cx);
    assert_eq!(value(&before.body)["metadata"]["user_id"], "u");
    let without = [
        Refused::Field("metadata"),
        Refused::Betas(vec!["context-1m-2025-08-07".into()]),
        Refused::Field("output_config.effort"),
    ];
    let after = wrapped(&Host::Bedrock, &body, &HostCx { without: &without, ..cx });
    assert_eq!(
        value(&after.body),
        json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9,
            "anthropic_beta": ["context-management-2025-06-27"],
            "messages": [{"role": "user", "content": "hi"}]})
    );
    assert_eq!(
        lost(&after.losses),
        [
            "hint metadata",
            "dropped output_config.effort",
            "hint anthropic-beta:context-1m-2025-08-07"
        ]
    );
    let all = wrapped(&Host::Bedrock, &body, &HostCx { without: &[Refused::SomeBeta], ..cx });
    assert_eq!(value(&all.body).get("anthropic_beta"), None);
    assert_eq!(value(&all.body)["output_config"]["effort"], "low");
}

#[test]
fn an_unknown_claude_that_refuses_what_is_new_is_asked_as_an_older_one() {
    let policy = Policy::default();
    let model = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/4x5y";
    let betas = "interleaved-thinking-2025-05-14,thinking-display-updates-2026-08-18";
    let body = json!({"max_tokens": 9000, "messages": [], "output_config": {"effort": "low"},
        "thinking": {"type": "adaptive", "display": "updates"}});
    let cx = HostCx { betas, ..HostCx::new(model, &policy) };
    let first = value(&wrapped(&Host::Bedrock, &body, &cx).body);
    assert_eq!(first["thinking"], body["thinking"]);
    assert_eq!(first["anthropic_beta"], json!(["thinking-display-updates-2026-08-18"]));
    for refused in
        [Refused::SomeBeta, Refused::Field("thinking"), Refused::Field("output_config.effort")]
    {
        let cx = HostCx { without: &[refused], ..cx };
        assert_eq!(
            value(&wrapped(&Host::Bedrock, &body, &cx).body),
            json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9000, "messages": [],
                "anthropic_beta": ["interleaved-thinking-2025-05-14"],
                "thinking": {"type": "enabled", "budget_tokens": 2048}})
        );
    }
    // One that is known is believed.
    let without = [Refused::Field("thinking")];
    let cx = HostCx { hint: Some("claude-opus-4-7"), without: &without, ..cx };
    assert_eq!(value(&wrapped(&Host::Bedrock, &body, &cx).body).get("thinking"), None);
}
