//! How hard the model is told to think, where tools, limits and servers have a say in it.

use gateway_openai::{Quirks, UnthinkingTools};
use gateway_translate::{Egress as _, FaultCx};
use gateway_types::{Feature, Remedy};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::support::Upstream;

fn tools() -> Value {
    json!([{"name": "A", "input_schema": {"type": "object", "properties": {}}}])
}

fn openrouter(model: &str) -> Upstream {
    Upstream::new("https://openrouter.ai/api/v1", model)
}

#[test]
fn only_openais_own_interface_keeps_newer_models_from_thinking_with_tools() {
    let asked = json!({"tools": tools(), "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"}});
    let sent = openrouter("openai/gpt-5.6-sol").sent(asked.clone());
    assert_eq!((&sent.body["reasoning"]["effort"], sent.losses.len()), (&json!("high"), 0));
    let relay = Upstream::with(Quirks::compatible(), "gpt-5.6-sol");
    assert_eq!(relay.sent(asked.clone()).body["reasoning_effort"], "high");
    let azure = Upstream::new("https://r.openai.azure.com/openai/v1", "gpt-5.6-sol");
    let sent = azure.sent(asked);
    assert_eq!(sent.body["reasoning_effort"], "none");
    assert_eq!(sent.losses, ["clamped thinking"]);
}

#[test]
fn a_model_that_may_not_think_with_tools_is_told_so_and_so_is_the_caller() {
    let sol = || Upstream::openai("gpt-5.6-sol");
    for (fields, losses) in [
        // It thinks unless told not to.
        (json!({"tools": tools()}), vec!["clamped thinking"]),
        (json!({"tools": tools(), "thinking": {"type": "disabled"}}), vec![]),
    ] {
        let sent = sol().sent(fields.clone());
        assert_eq!(sent.body["reasoning_effort"], "none", "{fields}");
        assert_eq!(sent.losses, losses, "{fields}");
    }
    assert!(sol().sent(json!({})).body.get("reasoning_effort").is_none());
    // By default this one does not think.
    assert_eq!(Upstream::openai("gpt-5.4").sent(json!({"tools": tools()})).losses, [""; 0]);
}

#[test]
fn r20_an_effort_refused_beside_tools_becomes_none() {
    let body = br#"{"error":{"message":"Function tools with reasoning_effort are not supported for gpt-5.6-terra in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.","type":"invalid_request_error","param":"reasoning_effort","code":null}}"#;
    let cx = FaultCx { provider: "up", model: "m", prompt_estimate: 1 };
    let mut up = Upstream::with(Quirks::compatible(), "gpt-5.6-terra");
    let fault = up.egress.fault(&cx, StatusCode::BAD_REQUEST, &HeaderMap::new(), body);
    assert_eq!(fault.remedy, Remedy::Without(Feature::ThinkingWithTools));

    let asked = json!({"tools": tools(), "thinking": {"type": "adaptive"}});
    assert_ne!(up.sent(asked.clone()).body["reasoning_effort"], "none");
    up.without = vec![Feature::ThinkingWithTools];
    let sent = up.sent(asked);
    assert_eq!(sent.body["reasoning_effort"], "none");
    assert_eq!(sent.losses, ["clamped thinking"]);
    // Where no tool is offered it thinks as before.
    let sent = up.sent(json!({"output_config": {"effort": "high"}}));
    assert_eq!(sent.body["reasoning_effort"], "high");
    let all = Upstream::with(Quirks::compatible(), "my-model")
        .quirk(|q| q.unthinking_tools = UnthinkingTools::All);
    assert_eq!(all.sent(json!({"tools": tools()})).body["reasoning_effort"], "none");
}

#[test]
fn r22_the_budget_stays_below_the_clamped_limit() {
    for (most, asked, budget, losses) in [
        (8192, 31_999, 4096, vec!["clamped thinking.budget_tokens", "clamped max_tokens"]),
        (8192, 8191, 8191, vec!["clamped max_tokens"]),
        (1500, 2000, 1024, vec!["clamped thinking.budget_tokens", "clamped max_tokens"]),
        (64_000, 31_999, 31_999, vec![]),
    ] {
        let mut up = openrouter("anthropic/claude-sonnet-4.5");
        up.egress.overrides.max_output = Some(most);
        let sent = up.sent(json!({"max_tokens": 64_000,
            "thinking": {"type": "enabled", "budget_tokens": asked}}));
        assert_eq!(sent.body["reasoning"]["max_tokens"], budget, "{most} {asked}");
        let mut got = sent.losses;
        got.sort_by(|a, b| b.cmp(a));
        assert_eq!(got, losses, "{most} {asked}");
    }
    // No room for any.
    let sent = openrouter("anthropic/claude-sonnet-4.5")
        .sent(json!({"max_tokens": 1000, "thinking": {"type": "enabled", "budget_tokens": 2000}}));
    assert_eq!(sent.body["reasoning"], json!({"enabled": false}));
}
