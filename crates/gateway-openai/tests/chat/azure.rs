//! Azure: addresses, what is known of a deployment, what its answers and errors say.

use gateway_models::Catalogue;
use gateway_openai::{Api, Azure, OpenAi};
use gateway_testkit::openai::{Refusal, Rules, chat_rules};
use gateway_translate::{AttemptCx, BodyEnd::Clean, Egress as _, FaultCx};
use gateway_types::{Endpoint, ErrorKind, Remedy};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::support::{
    Upstream, delta, done, finish, frames, read_every_way, request, usage, whole,
};

fn azure(version: Option<&str>, deployment: Option<&str>, model: &str) -> Upstream {
    let own = |text: Option<&str>| text.map(str::to_owned);
    let azure = Azure { api_version: own(version), deployment: own(deployment) };
    let mut up = Upstream::with(azure.quirks(), model);
    up.egress = OpenAi { api: Api::Auto, azure: Some(azure), ..up.egress };
    up
}

/// Path and body.
fn asked(up: &Upstream, fields: Value, endpoint: Endpoint) -> (String, Value) {
    let body = request(fields);
    let request = gateway_anthropic::decode(body.as_bytes()).expect("a request");
    let encoded = up.egress.encode(&request, &AttemptCx { endpoint, ..up.cx() });
    let encoded = encoded.expect("is not refused");
    (encoded.path, serde_json::from_str(&encoded.body).expect("JSON"))
}

#[test]
fn the_interface_suits_the_model_and_the_version() {
    let classic = Some("2024-10-21");
    let preview = Some("2025-04-01-preview");
    let deployed = "/openai/deployments";
    for (version, deployment, model, path, name) in [
        (None, None, "gpt-5.2", "/openai/v1/responses".to_owned(), "gpt-5.2"),
        (None, None, "gpt-4.1", "/openai/v1/chat/completions".to_owned(), "gpt-4.1"),
        (None, Some("d"), "gpt-5.2", "/openai/v1/responses".to_owned(), "d"),
        // Nobody knows what it is: what every model is served on.
        (None, Some("d"), "claude-sonnet-5", "/openai/v1/chat/completions".to_owned(), "d"),
        (None, None, "team", "/openai/v1/chat/completions".to_owned(), "team"),
        (None, None, "DeepSeek-V4", "/openai/v1/chat/completions".to_owned(), "DeepSeek-V4"),
        (
            preview,
            None,
            "gpt-5.2",
            "/openai/responses?api-version=2025-04-01-preview".to_owned(),
            "gpt-5.2",
        ),
        (
            classic,
            Some("d"),
            "gpt-5.2",
            format!("{deployed}/d/chat/completions?api-version=2024-10-21"),
            "d",
        ),
        (
            preview,
            None,
            "gpt-4o",
            format!("{deployed}/gpt-4o/chat/completions?api-version=2025-04-01-preview"),
            "gpt-4o",
        ),
    ] {
        let up = azure(version, deployment, model);
        let (got, body) = asked(&up, json!({}), Endpoint::Messages);
        assert_eq!(
            (got, &body["model"]),
            (path, &json!(name)),
            "{version:?} {deployment:?} {model}"
        );
        assert!(!up.egress.counts(&up.model), "an estimate counts");
    }
}

#[test]
fn what_configuration_says_of_a_deployment_is_what_it_is() {
    let mut up = azure(None, None, "team");
    let rows = r#"{"id": "team", "like": "gpt-5.2"}"#;
    up.egress.catalogue = Catalogue::builtin().overlaid(rows).expect("a catalogue");
    let thinking = json!({"thinking": {"type": "adaptive"}, "metadata": {"user_id": "u"}});
    let (path, body) = asked(&up, thinking, Endpoint::Messages);
    assert_eq!(path, "/openai/v1/responses");
    assert_eq!(body["reasoning"], json!({"effort": "high", "summary": "auto"}));
    assert!(body["user"].is_string() && body.get("safety_identifier").is_none());
}

#[test]
fn an_old_version_gets_no_field_that_it_does_not_know() {
    let fields = json!({"metadata": {"user_id": "u"}, "service_tier": "standard_only", "tools":
        [{"name": "A", "input_schema": {"type": "object"}}], "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}});
    let keys = |version| {
        let (_, body) =
            asked(&azure(Some(version), None, "gpt-4o"), fields.clone(), Endpoint::Messages);
        let Value::Object(body) = body else { panic!("an object") };
        body.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys("2024-06-01"), "max_tokens messages model stream tools user");
    assert_eq!(
        keys("2024-10-21"),
        "max_completion_tokens messages model parallel_tool_calls stream stream_options tools user"
    );
    let (_, body) = asked(&azure(None, None, "gpt-4o"), fields.clone(), Endpoint::Messages);
    assert!(body["prompt_cache_key"].is_string() && body.get("service_tier").is_none());
    chat_rules::check(&body, &Rules::openai("gpt-4o")).expect("as OpenAI takes it");
}

fn first() -> Value {
    json!({"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results":
        {"hate": {"filtered": false, "severity": "safe"}}}], "id": "", "object": "", "model": "", "created": 0})
}

fn filtered(error: bool) -> Value {
    let results = if error {
        json!({"error": {"code": "content_filter_error", "message": "The contents are not filtered"}})
    } else {
        json!({"hate": {"filtered": false, "severity": "safe"}})
    };
    json!({"choices": [{"index": 0, "finish_reason": null, "content_filter_results": results,
        "content_filter_offsets": {"check_offset": 44, "start_offset": 44, "end_offset": 198}}],
        "id": "", "object": "", "model": "", "created": 0})
}

#[test]
fn words_of_filters_are_no_answer_and_no_error() {
    let up = azure(None, None, "gpt-4o");
    for error in [false, true] {
        let stream = done(&[
            first(),
            delta(json!({"role": "assistant", "content": ""})),
            filtered(error),
            delta(json!({"content": "Hi"})),
            finish("stop"),
            filtered(error),
            usage(10, 3),
        ]);
        let got = read_every_way(&up, &json!({}), &stream, Clean).short();
        assert_eq!(got, "[text text: Hi ] finish end_turn 10+0+0>3 Reported");
    }
    // The stream broke off behind it.
    let cut = frames(&[first()]);
    let got = read_every_way(&up, &json!({}), &cut, Clean).short();
    assert_eq!(got, "FAULT 502 Same: up sent no answer and closed the connection");
}

#[test]
fn r07_an_answer_that_the_filter_blocks_is_a_refusal() {
    let up = azure(None, None, "gpt-4o");
    let partial =
        done(&[first(), delta(json!({"content": "So"})), finish("content_filter"), usage(9, 1)]);
    let got = read_every_way(&up, &json!({}), &partial, Clean).short();
    assert_eq!(got, "[text text: So ] finish refusal 9+0+0>1 Reported");
    let body = json!({"choices": [{"index": 0, "finish_reason": "content_filter", "message": {"role": "assistant"},
        "content_filter_results": {"violence": {"filtered": true, "severity": "high"}}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 0}, "prompt_filter_results": []});
    let mut reader = up_reader(&up);
    let got = whole(&mut *reader, &body.to_string()).short();
    assert_eq!(got, "finish refusal 9+0+0>0 Reported");
}

fn up_reader(up: &Upstream) -> Box<dyn gateway_translate::ReplyReader> {
    let body = request(json!({}));
    let request = gateway_anthropic::decode(body.as_bytes()).expect("a request");
    up.egress.encode(&request, &up.cx()).expect("is not refused").reader
}

#[test]
fn errors_say_what_to_do() {
    let filter = Refusal::azure_content_filter().body().to_string();
    let missing = r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#;
    let nowhere = r#"{"error":{"code":"404","message": "Resource not found"}}"#;
    let key = Refusal::azure_wrong_key().body().to_string();
    let role = r#"{"error":{"code":"PermissionDenied","message":"The principal `x` lacks the required data action `Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action` to perform `POST`"}}"#;
    let busy = r#"{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 26 seconds."}}"#;
    let (final_, next) = (Remedy::Final, Remedy::NextProvider);
    for (deployment, version, status, body, kind, remedy, words) in [
        (None, None, 400, &*filter, ErrorKind::PolicyBlocked, final_, "management policy"),
        (
            None,
            None,
            404,
            missing,
            ErrorKind::NotFound,
            next,
            "no deployment `gpt-4o`. Look at the model's name, `gpt-4o`, at the names",
        ),
        (
            Some("d"),
            None,
            404,
            missing,
            ErrorKind::NotFound,
            next,
            "no deployment `d`. Look at the provider's `extra.deployment`, at the names",
        ),
        (
            None,
            None,
            404,
            nowhere,
            ErrorKind::NotFound,
            next,
            "an older resource may need an `extra.api_version`",
        ),
        (
            None,
            Some("2024-02-01"),
            404,
            nowhere,
            ErrorKind::NotFound,
            next,
            "`extra.api_version` (2024-02-01) may lack this interface",
        ),
        (
            None,
            None,
            401,
            &key,
            ErrorKind::Authentication,
            Remedy::NextKey,
            "refused the key that the gateway has",
        ),
        (
            None,
            None,
            401,
            role,
            ErrorKind::Authentication,
            Remedy::NextKey,
            "the role `Cognitive Services OpenAI User`",
        ),
        (
            None,
            None,
            429,
            busy,
            ErrorKind::RateLimited,
            Remedy::After(std::time::Duration::from_millis(1500)),
            "exceeded token rate limit",
        ),
    ] {
        let up = azure(version, deployment, "gpt-4o");
        let cx = FaultCx { provider: "az", model: "gpt-4o", prompt_estimate: 1 };
        let mut head = HeaderMap::new();
        if status == 429 {
            head.insert("retry-after", "26".parse().expect("a value"));
            head.insert("retry-after-ms", "1500".parse().expect("a value"));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        let fault = up.egress.fault(&cx, status, &head, body.as_bytes());
        assert_eq!((fault.error.kind(), fault.remedy), (kind, remedy), "{body}");
        assert!(fault.error.message().contains(words), "{}", fault.error.message());
    }
}
