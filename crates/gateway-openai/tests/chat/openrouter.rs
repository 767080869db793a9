//! `OpenRouter`: what only it takes and says.

use gateway_openai::{Api, Quirks};
use gateway_testkit::openai::{Asked, Refusal, Rules, Style, Turn, Vendor, chat_reply};
use gateway_translate::{BodyEnd::Clean, Egress as _, FaultCx};
use gateway_types::{ErrorKind, Remedy};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::support::{Upstream, delta, finish, frames, read_every_way};

fn openrouter(model: &str) -> Upstream {
    let up = Upstream::with(Quirks::for_base("https://openrouter.ai/api/v1"), model);
    Upstream { rules: Some(Rules::compatible("openrouter")), ..up }
}

#[test]
fn names_go_up_as_they_are_and_chat_serves_them_all() {
    for model in [
        "anthropic/claude-sonnet-4.5:nitro",
        "openai/gpt-5.4:online",
        "~openai/gpt-latest",
        "@preset/ours",
        "openai/gpt-5.2@preset/ours",
        "a/b:free:online",
    ] {
        let mut up = openrouter(model);
        up.egress.api = Api::Auto;
        assert!(!up.egress.counts(&up.model));
        // `sent` asserts the path.
        assert_eq!(up.sent(json!({})).body["model"], model);
    }
}

#[test]
fn what_is_known_of_a_model_holds_under_its_name_there() {
    let known = |model: &str| {
        let up = openrouter(model);
        let facts = up.egress.catalogue.facts(model);
        (facts.is_listed(), facts.max_output)
    };
    assert_eq!(known("anthropic/claude-sonnet-4.5:nitro"), known("claude-sonnet-4-5"));
    assert_eq!(known("openai/gpt-4.1@preset/ours"), known("gpt-4.1"));
    assert!(known("anthropic/claude-sonnet-4.5").0 && !known("@preset/ours").0);
}

#[test]
fn the_provider_object_goes_up_as_it_was_written() {
    let rules = r#"{"order":["anthropic"],"zdr":true}"#;
    let up = openrouter("anthropic/claude-sonnet-4.5")
        .quirk(|q| q.extra_fields.push(("provider".to_owned(), rules.to_owned())));
    assert!(up.sent(json!({})).text.contains(&format!(r#""provider":{rules}"#)));
}

#[test]
fn r35_a_session_stays_where_its_prompt_is_cached() {
    let asked = |user: &str| {
        let sent = openrouter("openai/gpt-5.2").sent(json!({"metadata": {"user_id": user}}));
        (sent.body["session_id"].clone(), sent.body["prompt_cache_key"].clone())
    };
    let one = asked(r#"{"device_id":"a","session_id":"s"}"#);
    assert_eq!(one, asked(r#"{"device_id":"b","session_id":"s"}"#));
    assert_ne!(one, asked(r#"{"device_id":"a","session_id":"t"}"#));
    assert!(one.0.is_string() && one.0 == one.1);
    assert!(openrouter("a/b").sent(json!({})).body.get("session_id").is_none());
}

#[test]
fn cache_marks_go_up_for_models_that_need_them() {
    let marked = json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}});
    let asked = json!({"system": [marked], "messages": [{"role": "user", "content": [marked]}]});
    for (model, kept) in [
        ("anthropic/claude-sonnet-4.5", true),
        ("google/gemini-3-pro", true),
        ("qwen/qwen3-coder", true),
        ("~anthropic/claude-sonnet-latest", true),
        ("openai/gpt-5.2", false),
        ("deepseek/deepseek-v4", false),
    ] {
        let sent = openrouter(model).sent(asked.clone());
        let marks = sent.text.matches("cache_control").count();
        assert_eq!(marks, if kept { 2 } else { 0 }, "{model}");
        let lost = sent.losses.iter().any(|loss| loss == "hint cache_control");
        assert_eq!(lost, !kept, "{model}: {:?}", sent.losses);
        if !kept {
            assert_eq!(sent.body["messages"][1]["content"], "a", "as if there were none");
        }
    }
}

fn billed(usage: Value) -> Option<u64> {
    let up = openrouter("a/b");
    let mut reader = up.sent(json!({})).reader;
    let mut events = crate::support::Events::default();
    let stream = frames(&[
        delta(json!({"content": "x"})),
        finish("stop"),
        json!({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": null}], "usage": usage}),
    ]);
    reader.push((stream + "data: [DONE]\n\n").as_bytes(), &mut events).expect("a good reply");
    reader.usage().billed
}

#[test]
fn the_cost_that_is_told_is_the_cost() {
    let usage = |more: Value| {
        let mut usage = json!({"prompt_tokens": 5, "completion_tokens": 2});
        for (key, value) in more.as_object().expect("an object") {
            usage[key] = value.clone();
        }
        usage
    };
    for (more, nano) in [
        (json!({"cost": 0.001_234_5}), Some(1_234_500)),
        (json!({"cost": 0}), Some(0)),
        (json!({"cost": 1.5e-7, "cost_details": {"upstream_inference_cost": null}}), Some(150)),
        (
            json!({"cost": 0.01, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.2}}),
            Some(210_000_000),
        ),
        (
            json!({"cost": 0.01, "is_byok": false, "cost_details": {"upstream_inference_cost": 0.01}}),
            Some(10_000_000),
        ),
        (json!({"cost_in_usd_ticks": 37_756_000}), Some(3_775_600)),
        (json!({"cost": "0.1"}), None),
        (json!({"cost": {"total_cost": 0.1}}), None),
        (json!({"cost": -1}), None),
        (json!({"cost": 1e300}), Some(1_000_000_000_000_000)),
        (json!({}), None),
    ] {
        assert_eq!(billed(usage(more.clone())), nano, "{more}");
    }
}

#[test]
fn a_stream_with_all_its_words_reads_as_any() {
    let up = openrouter("anthropic/claude-sonnet-4.5");
    let body = json!({"model": up.model, "stream": true});
    let asked = Asked { body: &body, index: 0, account: "a" };
    let turn = Turn::reasoning(&["hm"]).and_text("Hi").style(Style::of(Vendor::OpenRouter));
    let stream: String = chat_reply::frames(&turn, asked).concat();
    assert!(stream.starts_with(": OPENROUTER PROCESSING"));
    let fields = json!({"thinking": {"type": "adaptive"}});
    let got = read_every_way(&up, &fields, &stream, Clean).short();
    assert_eq!(
        got,
        "[thinking thought: hm signed ] [text text: Hi ] finish end_turn 800+200+0>50 Reported t20 w0"
    );
}

#[test]
fn an_error_inside_a_200_is_an_error() {
    let up = openrouter("a/b");
    let failed = |code: Value, kind: &str| {
        json!({"id": "gen-1", "provider": "P", "error": {"code": code, "message": "Provider returned error",
            "metadata": {"error_type": kind, "provider_code": null}},
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]})
    };
    let said = delta(json!({"content": "So"}));
    for (chunk, wanted) in [
        (failed(json!(502), "provider_unavailable"), "502 Same: "),
        (failed(json!("provider_overloaded"), "provider_overloaded"), "529 Same: "),
        (failed(json!(429), "rate_limit_exceeded"), "429 Same: "),
        (failed(json!("server_error"), "server"), "500 Same: "),
        (
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "error",
            "error": {"code": 502, "message": "Provider disconnected"}}]}),
            "502 Same: ",
        ),
        (json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}), "529 Same: "),
    ] {
        for before in [vec![said.clone()], vec![]] {
            let stream = frames(&[before.clone(), vec![chunk.clone()]].concat());
            let got = read_every_way(&up, &json!({}), &stream, Clean).short();
            let begun = if before.is_empty() { "" } else { "[text text: So " };
            assert!(got.starts_with(&format!("{begun}FAULT {wanted}")), "{got} for {chunk}");
        }
    }
}

#[test]
fn errors_by_their_type() {
    let typed = |kind: &str, code: u16, message: &str| {
        json!({"error": {"code": code, "message": message, "metadata": {"error_type": kind}}})
            .to_string()
    };
    let moderation = json!({"error": {"code": 403, "message": "Your input was flagged", "metadata":
        {"reasons": ["violence"], "flagged_input": "…", "provider_name": "P"}}})
    .to_string();
    let (kept, next, other) = (Remedy::Final, Remedy::NextKey, Remedy::NextProvider);
    for (status, body, kind, remedy, words) in [
        (403, moderation, ErrorKind::PolicyBlocked, kept, "Your input was flagged: (violence)"),
        (402, Refusal::openrouter_credits().body().to_string(), ErrorKind::Billing, other, "add more credits"),
        (402, typed("payment_required", 402, "Insufficient credits"), ErrorKind::Billing, Remedy::UNPAID, "Insufficient"),
        (401, typed("authentication", 401, "User not found."), ErrorKind::Authentication, next, "refused the key"),
        (403, typed("permission_denied", 403, "Key limit exceeded (total limit)"), ErrorKind::Billing, Remedy::UNPAID, "Key limit"),
        (403, typed("permission_denied", 403, "This model is not available to you"), ErrorKind::Permission, other, "not available"),
        (400, typed("context_length_exceeded", 400, "This endpoint's maximum context length is 1000 tokens. However, you requested about 1200 tokens (1100 of text input, 100 in the output)."), ErrorKind::InvalidRequest, Remedy::Larger, "prompt is too long: 1100 tokens > 1000 maximum"),
        (400, typed("content_policy_violation", 400, "no"), ErrorKind::PolicyBlocked, kept, "no"),
        (404, typed("not_found", 404, "No endpoints found for a/b."), ErrorKind::NotFound, Remedy::NextProvider, "No endpoints"),
        (429, json!({"error": {"code": 429, "message": "limited", "metadata": {"error_type": "rate_limit_exceeded"}, "availability": {"code": "x", "retryable": true, "retry_after": 7}}}).to_string(), ErrorKind::RateLimited, Remedy::After(std::time::Duration::from_secs(7)), "limited"),
        (503, typed("provider_overloaded", 503, "busy"), ErrorKind::UpstreamOverloaded, Remedy::Same, "busy"),
        (502, typed("provider_unavailable", 502, "down"), ErrorKind::UpstreamFailed, Remedy::Same, "down"),
    ] {
        let up = openrouter("a/b");
        let cx = FaultCx { provider: "or", model: "a/b", prompt_estimate: 1 };
        let status = StatusCode::from_u16(status).expect("a status");
        let fault = up.egress.fault(&cx, status, &HeaderMap::new(), body.as_bytes());
        assert_eq!((fault.error.kind(), fault.remedy), (kind, remedy), "{body}: {}", fault.error.message());
        assert!(fault.error.message().contains(words), "{}", fault.error.message());
    }
}

#[test]
fn pdfs_images_and_searches_are_said_its_way() {
    let sent = openrouter("google/gemini-3-pro").sent(json!({
        "tools": [{"type": "web_search_20250305", "name": "web_search", "blocked_domains": ["a.b"]}],
        "messages": [{"role": "user", "content": [
            {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
            {"type": "document", "source": {"type": "url", "url": "https://a.b/c.pdf"}},
            {"type": "image", "source": {"type": "url", "url": "https://a.b/c.png"}}]}]}));
    let parts = &sent.body["messages"][0]["content"];
    assert_eq!(
        parts[0]["file"],
        json!({"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="})
    );
    assert_eq!(parts[1]["file"]["file_data"], "https://a.b/c.pdf");
    assert_eq!(parts[2]["image_url"]["url"], "https://a.b/c.png");
    assert_eq!(
        sent.body["tools"][0],
        json!({"type": "openrouter:web_search", "parameters": {"excluded_domains": ["a.b"]}})
    );
}
