//! Reasoning that the caller carries from one turn to the next.

use gateway_testkit::bedrock::{Turn, redacted, signature};
use gateway_translate::Keyring;
use gateway_types::Feature;
use serde_json::{Value, json};

use crate::support::{CLAUDE, DEEPSEEK, GPT_OSS, NOVA_2, Upstream, hello, losses, parse, tool};

fn first(display: &str) -> Value {
    hello(&json!({
        "stream": true, "tools": [tool("Bash")],
        "thinking": {"type": "enabled", "budget_tokens": 2000, "display": display},
    }))
}

/// The request that follows upon `message`: its content and the results of its calls.
fn next(message: &Value) -> Value {
    let content = message["content"].as_array().expect("blocks");
    let results: Vec<Value> = content
        .iter()
        .filter(|block| block["type"] == "tool_use")
        .map(|block| json!({"type": "tool_result", "tool_use_id": block["id"], "content": "ok"}))
        .collect();
    let mut request = first("summarized");
    let messages = request["messages"].as_array_mut().expect("messages");
    messages.push(json!({"role": "assistant", "content": content}));
    messages.push(json!({"role": "user", "content": results}));
    request
}

fn turn() -> Turn {
    Turn::reasoning("why \"so\"").and_call("Bash", &json!({"a": "b"}))
}

#[test]
fn r15_claudes_thinking_goes_back_with_its_own_signature() {
    let upstream = Upstream::of(CLAUDE);
    let message = upstream.ask(&first("summarized"), &turn().and_redacted("hush").and_text("x"));
    let signed = signature(&upstream.rules, "why \"so\"");
    assert_eq!(
        message["content"][0],
        json!({"type": "thinking", "thinking": "why \"so\"", "signature": signed})
    );
    assert_eq!(
        message["content"][2],
        json!({"type": "redacted_thinking", "data": redacted(&upstream.rules, "hush")})
    );
    let body = upstream.body(&next(&message));
    let said = &body["messages"][1]["content"];
    assert_eq!(said[0]["reasoningContent"]["reasoningText"]["signature"], signed);
    assert_eq!(said[2]["reasoningContent"]["redactedContent"], redacted(&upstream.rules, "hush"));
}

#[test]
fn r18_reasoning_goes_back_to_the_family_that_made_it() {
    for (model, text) in [(GPT_OSS, "why \"so\""), (NOVA_2, "why \"so\"")] {
        for display in ["summarized", "omitted"] {
            let mut upstream = Upstream::of(model);
            let message = upstream.ask(&first(display), &turn());
            let block = &message["content"][0];
            assert_eq!(block["type"], "thinking", "{model}");
            assert!(block["signature"].as_str().is_some_and(|text| text.starts_with("gw1.")));
            upstream.issued.insert(text.to_owned());
            let body = upstream.body(&next(&message));
            let back = &body["messages"][1]["content"][0]["reasoningContent"];
            assert_eq!(back["reasoningText"], json!({"text": text}), "{model} {display}");
        }
    }
}

#[test]
fn r13_r14_foreign_thinking_is_dropped_and_told() {
    let upstream = Upstream::of(GPT_OSS);
    let sealed = upstream.ask(&first("summarized"), &turn());
    let claude = Upstream::of(CLAUDE).ask(&first("summarized"), &turn());
    let elsewhere = Upstream { keys: Keyring::new(["another"]), ..Upstream::of(GPT_OSS) };
    for (to, message) in [
        (Upstream::of(CLAUDE), &sealed),
        (Upstream::of(NOVA_2), &sealed),
        (elsewhere, &sealed),
        (Upstream::of(GPT_OSS), &claude),
    ] {
        let encoded = to.sent(&next(message));
        assert!(!encoded.body.contains("reasoningContent"), "{}", to.model);
        assert!(losses(&encoded).contains(&"dropped messages[1].content[0]".into()));
        if to.model == CLAUDE {
            // A budget wants the open turn to begin with thinking; this one can't.
            assert!(losses(&encoded).contains(&"dropped thinking".into()));
        }
    }
    // A model that takes none back has lost nothing.
    let encoded = Upstream::of(DEEPSEEK).sent(&next(&claude));
    assert!(losses(&encoded).contains(&"hint messages[1].content[0]".into()));
}

#[test]
fn r15_a_signature_that_the_model_refuses_heals_with_the_next_request() {
    let mut upstream = Upstream::of(CLAUDE);
    let message = upstream.ask(&first("summarized"), &turn());
    // The same conversation at another model of Claude's.
    upstream.rules = upstream.rules.with_signer("another");
    let request = next(&message).to_string();
    let (encoded, taught) = upstream.taught(request.as_bytes()).expect("can be said");
    assert_eq!(taught, ["reasoning state"]);
    assert!(!encoded.body.contains("reasoningContent"));
    assert_eq!(upstream.without, [Feature::ReasoningState]);
    assert!(parse(&encoded)["additionalModelRequestFields"].is_null());
}

#[test]
fn thinking_that_was_not_asked_for_is_not_shown() {
    for model in [CLAUDE, GPT_OSS, DEEPSEEK] {
        let message = Upstream::of(model)
            .ask(&hello(&json!({"stream": true})), &Turn::reasoning("x").and_text("y"));
        assert_eq!(message["content"].as_array().map(Vec::len), Some(1), "{model}");
    }
}

#[test]
fn trailing_thinking_is_left_out() {
    let signed = signature(&Upstream::of(CLAUDE).rules, "x");
    let mut request = hello(&json!({}));
    request["messages"] = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{"type": "text", "text": "b"}, {"type": "thinking", "thinking": "x", "signature": signed}]},
        {"role": "user", "content": "c"},
    ]);
    let encoded = Upstream::of(CLAUDE).sent(&request);
    assert!(losses(&encoded).contains(&"dropped messages[1].content[1]".into()));
}
