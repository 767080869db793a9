//! The way of a translated request where upstreams and callers misbehave.

use gateway_testkit::{BodyEnd, Gate, ReplyHead, Script, Upstream, request};
use serde_json::{Value, json};

use crate::support::{Running, custom};

fn before(upstream: &Upstream, more: &str) -> Running {
    let yaml = format!(
        "providers:\n  up:\n    kind: openai\n    api_base: {}\n    api_key_env_var: UP_KEY\n    \
         extra: {{api: chat}}\n    model_map: {{\"claude-*\": gpt-4.1}}\n{more}",
        upstream.url()
    );
    custom(&yaml, &[("UP_KEY", "sk-planted-openai-key-0123456789")], |_| {})
}

async fn post(running: &Running, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut client = running.client().await;
    client.send(&request("POST", path, headers, body.as_bytes())).await;
    let (head, body) = client.reply().await;
    let text = String::from_utf8_lossy(&body.bytes).into_owned();
    Answer { head, text, end: body.end }
}

struct Answer {
    head: ReplyHead,
    text: String,
    end: BodyEnd,
}

async fn ask(running: &Running, headers: &[(&str, &str)], body: &Value) -> Answer {
    post(running, "/v1/messages", headers, &body.to_string()).await
}

fn hi(stream: bool) -> Value {
    json!({"model": "claude-opus-5-5", "max_tokens": 99, "stream": stream,
        "messages": [{"role": "user", "content": "hi"}]})
}

const HI: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
const END: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\
    \"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";
const WHOLE: &str =
    r#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}"#;
const STRICT: (&str, &str) = ("x-gateway-strict", "1");

fn refused(what: &str, param: &str, code: &str) -> Script {
    let error = json!({"error": {"message": what, "param": param, "code": code}});
    Script::json(400, error.to_string())
}

/// The upstream says no more and stays: what it said in its first piece has to be enough.
#[tokio::test]
async fn r04_a_fault_in_the_piece_that_begins_the_reply_is_told_at_once() {
    let never = Gate::new();
    let waits = never.clone();
    let error = "data: {\"error\":{\"message\":\"boom\",\"code\":\"server_error\"}}\n\n";
    let upstream =
        Upstream::start(move |_| Script::event_stream().chunk(format!("{HI}{error}")).wait(&waits));
    let running = before(&upstream, "");
    let answer = ask(&running, &[], &hi(true)).await;
    assert!(
        answer.text.contains("event: error") && answer.text.contains("boom"),
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("content_block_stop") && answer.end == BodyEnd::Clean);
    never.open();
}

#[tokio::test]
async fn r38_attempts_are_counted_also_where_all_of_them_failed() {
    let upstream = Upstream::start(|asked| match asked.index {
        0 => {
            refused("Unsupported parameter: 'temperature'.", "temperature", "unsupported_parameter")
        }
        _ => Script::json(503, r#"{"error":{"message":"busy"}}"#),
    });
    let running = before(&upstream, "");
    let mut body = hi(false);
    body["temperature"] = json!(0.3);
    let answer = ask(&running, &[], &body).await;
    assert_eq!((answer.head.status, answer.head.header("x-gateway-attempts")), (529, Some("2")));
    // A count that asks nobody is no attempt.
    let count = post(&running, "/v1/messages/count_tokens", &[], &hi(false).to_string()).await;
    assert_eq!(count.head.header("x-gateway-attempts"), Some("0"), "{}", count.text);
}

/// A lesson costs only those who asked for what it is about.
#[tokio::test]
async fn r20_a_lesson_is_a_loss_only_where_something_is_lost() {
    let upstream = Upstream::start(|asked| {
        if asked.json().get("temperature").is_some() {
            refused("Unsupported parameter: 'temperature'.", "temperature", "unsupported_parameter")
        } else {
            Script::json(200, WHOLE)
        }
    });
    let running = before(&upstream, "");
    let mut warm = hi(false);
    warm["temperature"] = json!(0.3);
    for (body, strict, status, fidelity) in [
        (&hi(false), true, 200, None),
        (&warm, false, 200, Some("dropped=temperature")),
        (&warm, false, 200, Some("dropped=temperature")),
        (&warm, true, 400, None),
        (&hi(false), true, 200, None),
        (&hi(false), false, 200, None),
    ] {
        let headers = if strict { vec![STRICT] } else { vec![] };
        let answer = ask(&running, &headers, body).await;
        assert_eq!(answer.head.status, status, "{}", answer.text);
        if status == 200 {
            assert_eq!(answer.head.header("x-gateway-fidelity"), fidelity, "{}", answer.text);
        }
    }
    // The refused field went up once in all.
    let warm = upstream.requests().iter().filter(|r| r.json().get("temperature").is_some()).count();
    assert_eq!(warm, 1);
}

#[tokio::test]
async fn r20_a_refused_value_is_no_lesson_for_others() {
    let upstream = Upstream::start(|asked| {
        if asked.json()["reasoning_effort"] == "high" {
            let text =
                "Unsupported value: 'reasoning_effort' does not support 'high' with this model.";
            refused(text, "reasoning_effort", "unsupported_value")
        } else {
            Script::json(200, WHOLE)
        }
    });
    let running = before(&upstream, "");
    for effort in ["low", "high", "low"] {
        let mut body = hi(false);
        body["model"] = json!("o3");
        body["max_tokens"] = json!(9000);
        body["output_config"] = json!({"effort": effort});
        let answer = ask(&running, &[], &body).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text);
    }
    let efforts: Vec<Value> =
        upstream.requests().iter().map(|r| r.json()["reasoning_effort"].clone()).collect();
    assert_eq!(efforts, [json!("low"), json!("high"), Value::Null, json!("low")]);
}

/// Hints are many; what matters is never pushed out by them.
#[tokio::test]
async fn what_is_lost_is_told_however_much_is_noted_beside_it() {
    let upstream = Upstream::start(|_| Script::json(200, WHOLE));
    let running = before(&upstream, "");
    let mut body = hi(false);
    body["top_k"] = json!(5);
    let schema = json!({"type": "object", "oneOf": [{"type": "object"}]});
    body["tools"] =
        (0..70).map(|i| json!({"name": format!("t{i}"), "input_schema": schema})).collect();
    let strict = ask(&running, &[STRICT], &body).await;
    assert!(strict.head.status == 400 && strict.text.contains("top_k"), "{}", strict.text);
}

#[tokio::test]
async fn a_unary_answer_that_is_streamed_is_bounded() {
    let piece = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        "x".repeat(60_000)
    );
    let upstream = Upstream::start(move |_| {
        Script::event_stream().repeat_chunk(piece.clone(), 1400).chunk(END).last_chunk()
    });
    let running = before(&upstream, "");
    let mut body = hi(false);
    body["stop_sequences"] = json!(["###"]);
    let answer = ask(&running, &[], &body).await;
    assert_eq!(answer.head.status, 502, "{} bytes", answer.text.len());
}

#[tokio::test]
async fn a_key_with_escapes_is_the_same_key() {
    let upstream = Upstream::start(|_| Script::json(200, WHOLE));
    let running = before(&upstream, "");
    let body = r#"{"model":"claude-opus-5-5","max_tokens":9,"syst\u0065m":"instructions","messages":[
        {"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"N","inp\u0075t":{"x":1}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"c","is_err\u006fr":true,"content":"r"}]}]}"#;
    let answer = post(&running, "/v1/messages", &[], body).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text);
    let sent = String::from_utf8_lossy(&upstream.requests()[0].body).into_owned();
    for part in ["instructions", r#"{\"x\":1}"#, "Error: r"] {
        assert!(sent.contains(part), "{part}: {sent}");
    }
}

/// What is no JSON in an upstream's string must not make the caller's frames no JSON.
#[tokio::test]
async fn a_string_that_is_none_does_not_spoil_the_callers_stream() {
    let bad = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\qb\tc\"}}]}\n\n";
    let upstream = Upstream::start(move |_| {
        Script::event_stream().chunk(format!("{HI}{bad}{END}")).last_chunk()
    });
    let running = before(&upstream, "");
    let answer = ask(&running, &[], &hi(true)).await;
    for data in answer.text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        assert!(serde_json::from_str::<Value>(data).is_ok(), "{data}");
    }
}

#[tokio::test]
async fn a_refused_credential_of_the_callers_own_is_told_as_that() {
    let upstream = Upstream::start(|_| {
        Script::json(401, r#"{"error":{"message":"no","code":"invalid_api_key"}}"#)
    });
    let yaml = format!(
        "providers:\n  up:\n    kind: openai\n    api_base: {}\n    auth_type: client\n    \
         model_map: {{\"claude-*\": gpt-4.1}}\n",
        upstream.url()
    );
    let running = custom(&yaml, &[], |_| {});
    let own = ("authorization", "Bearer sk-mine-1234567890");
    let answer =
        ask(&running, &[own, ("x-gateway-hop", "the caller's own words")], &hi(false)).await;
    assert!(answer.text.contains("credential that came with the request"), "{}", answer.text);
    let asked = upstream.requests();
    assert_eq!(asked[0].header("authorization"), Some(own.1));
    assert!(!asked[0].header_all("x-gateway-hop").contains(&"the caller's own words"));
}

/// A name that means a private provider never leads to another, also when that one is off.
#[tokio::test]
async fn a_name_of_a_private_provider_that_is_off_goes_nowhere() {
    let upstream = Upstream::start(|_| Script::json(200, WHOLE));
    let yaml = format!(
        "default_provider: up\nproviders:\n  up: {{kind: openai, api_base: {0}, default_model: gpt-4.1}}\n  \
         home:\n    kind: openai\n    api_base: {0}\n    private: true\n    enabled: false\n    \
         models: {{secret-1: {{}}}}\n",
        upstream.url()
    );
    let running = custom(&yaml, &[], |_| {});
    for model in ["claude-via-home--secret-1", "claude-via-typo--x", "secret-1"] {
        let mut body = hi(false);
        body["model"] = json!(model);
        let answer = ask(&running, &[], &body).await;
        assert_eq!(answer.head.status, 404, "{model}: {}", answer.text);
    }
    assert!(upstream.requests().is_empty());
}
