//! Bytes that pass through.

use gateway_testkit::{BodyEnd, Script, Upstream, fixtures};

use crate::support::{STREAM, UNARY, UPSTREAM_KEY, before, messages, with};

fn reply(name: &str) -> bytes::Bytes {
    fixtures::reply(name).bytes
}

#[tokio::test]
async fn a_unary_reply_comes_back_byte_for_byte() {
    let body = r#"{"type":"message","model":"claude-opus-5-5","usage":{"input_tokens":1,"output_tokens":2} }"#;
    let upstream = Upstream::start(move |_| Script::json(200, body).header("request-id", "req_up"));
    let running = before(&upstream);
    let mut client = running.client().await;
    client.send(&messages(UNARY)).await;
    let (head, got) = client.reply().await;
    assert_eq!((head.status, &got.bytes[..]), (200, body.as_bytes()));
    assert_eq!(head.header("request-id"), Some("req_up"));
    assert_eq!(head.header("x-gateway-provider"), Some("anthropic"));
    let asked = upstream.request(0).await;
    assert_eq!(asked.body, UNARY.as_bytes());
    assert_eq!(asked.target, "/v1/messages?beta=true");
    assert_eq!(asked.header("x-api-key"), Some(UPSTREAM_KEY));
    let log = running.stop();
    assert!(log.contains(r#""outcome":"ok""#), "{log}");
    assert!(!log.contains(UPSTREAM_KEY));
}

#[tokio::test]
async fn a_stream_comes_back_byte_for_byte() {
    let bytes = reply("reply-tool");
    let sent = bytes.clone();
    let upstream = Upstream::start(move |_| Script::sse(sent.clone(), &[10, 500]));
    let running = before(&upstream);
    let mut client = running.client().await;
    client.send(&messages(STREAM)).await;
    let (head, got) = client.reply().await;
    assert_eq!(head.status, 200);
    assert_eq!(got.bytes, bytes);
    assert_eq!(got.end, BodyEnd::Clean);
    assert!(running.stop().contains(r#""usage_quality":"reported""#));
}

#[tokio::test]
async fn r17_a_renamed_model_is_spliced_both_ways() {
    let bytes = reply("reply-text");
    let sent = bytes.clone();
    let upstream = Upstream::start(move |_| Script::sse(sent.clone(), &[]));
    let running = with(&upstream, "    model_map: {\"claude-opus-*\": other-name}\n", |_| {});
    let mut client = running.client().await;
    client.send(&messages(STREAM)).await;
    let (head, got) = client.reply().await;
    assert_eq!(head.header("x-gateway-model"), Some("other-name"));
    let asked = upstream.request(0).await;
    assert_eq!(asked.body, STREAM.replace("claude-opus-5-5", "other-name").as_bytes());
    let sent = String::from_utf8_lossy(&bytes);
    let name = sent.split(r#""model":"#).nth(1).and_then(|rest| rest.split('"').nth(1));
    let wanted = sent.replacen(name.expect("a model's name"), "claude-opus-5-5", 1);
    assert_eq!(String::from_utf8_lossy(&got.bytes), wanted);
}
