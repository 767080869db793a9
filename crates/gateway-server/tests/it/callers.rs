//! Callers that leave, stall, send too much or too little.

use gateway_testkit::{Gate, RawClient, Script, Upstream, fixtures, request};
use serde_json::Value;

use crate::support::{STREAM, UNARY, before, messages, with};

fn hanging() -> Upstream {
    let start = fixtures::reply("reply-cut-midstream").bytes;
    Upstream::start(move |asked| {
        if asked.json()["stream"] == true {
            Script::event_stream().chunk(start.clone()).hang()
        } else {
            Script::new().hang()
        }
    })
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_the_upstream() {
    let upstream = hanging();
    let running = before(&upstream);
    let leave: [fn(RawClient); 2] = [drop, RawClient::reset];
    for (index, (body, leave)) in
        [(UNARY, leave[0]), (UNARY, leave[1]), (STREAM, leave[0]), (STREAM, leave[1])]
            .into_iter()
            .enumerate()
    {
        let mut client = running.client().await;
        client.send(&messages(body)).await;
        upstream.request(index).await;
        if body == STREAM {
            client.head().await;
            client.until("message_start").await;
        }
        leave(client);
        upstream.left(index).await;
    }
    let log = running.stop();
    assert_eq!(log.matches(r#""outcome":"abandoned""#).count(), 4, "{log}");
}

/// On HTTP/1.1 an end of stream from the caller means that it has left.
#[tokio::test]
async fn a_caller_that_half_closes_has_left() {
    let upstream = hanging();
    let running = before(&upstream);
    let mut client = running.client().await;
    client.send(&messages(STREAM)).await;
    client.head().await;
    client.until("message_start").await;
    client.half_close().await;
    upstream.left(0).await;
}

#[tokio::test]
async fn half_a_request_reaches_no_upstream() {
    let upstream = hanging();
    let running = before(&upstream);
    for cut in [10, 60, messages(UNARY).len() - 5] {
        let mut client = running.client().await;
        client.send(&messages(UNARY)[..cut]).await;
        client.half_close().await;
        if let Some(head) = client.try_head().await {
            assert_eq!(head.status, 400);
        }
    }
    assert!(upstream.requests().is_empty());
}

/// The caller sees its 413 although it is still writing.
#[tokio::test]
async fn an_upload_over_the_limit_is_a_413_that_the_caller_sees() {
    let upstream = hanging();
    let running = with(&upstream, "server: {max_request_size: 100000}\n", |_| {});
    let big = format!(r#"{{"model":"m","messages":[],"x":"{}"}}"#, "y".repeat(2_000_000));
    let chunked = {
        let mut bytes = request("POST", "/v1/messages", &[("transfer-encoding", "chunked")], b"");
        for piece in big.as_bytes().chunks(8192) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    };
    for bytes in [messages(&big), chunked] {
        let mut client = running.client().await;
        let _ = client.try_send(&bytes).await;
        let (head, got) = client.reply().await;
        let value: Value = serde_json::from_slice(&got.bytes).expect("JSON");
        assert_eq!((head.status, &value["error"]["type"]), (413, &"request_too_large".into()));
        assert!(value["error"]["message"].as_str().is_some_and(|m| m.contains("max_request_size")));
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn eight_megabytes_and_a_thousand_messages_arrive_whole() {
    let upstream = Upstream::start(|_| Script::json(200, r#"{"type":"message"}"#));
    let running = before(&upstream);
    let text = "é\\n\\\"".repeat(1_000_000);
    let big = format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}],"model":"m"}}"#);
    let turn = r#"{"role":"user","content":[{"type":"text","text":"hello {}[]"}]},"#.repeat(999);
    let long = format!(
        r#"{{"messages":[{turn}{{"role":"user","content":"x"}}],"model":"m","stream":false}}"#
    );
    for (index, body) in [big, long].into_iter().enumerate() {
        let mut client = running.client().await;
        let splits: Vec<usize> = (0..body.len()).step_by(100_003).collect();
        client.send_pieces(&messages(&body), &splits).await;
        assert_eq!(client.head().await.status, 200);
        assert_eq!(upstream.request(index).await.body, body.as_bytes());
    }
}

#[tokio::test]
async fn what_is_no_request_is_a_400_that_names_the_fault() {
    let upstream = hanging();
    let running = before(&upstream);
    for (body, wanted) in [
        ("", "JSON"),
        ("[]", "JSON"),
        (r#"{"messages":[]}"#, "model"),
        (r#"{"model":"a","model":"b"}"#, "model"),
        (r#"{"model":"a","stream":true,"str\u0065am":false}"#, "stream"),
        (r#"{"model":"a","max_tokens":1,"max_tokens":2}"#, "max_tokens"),
        (r#"{"model":"a","messages":[],"messages":[]}"#, "messages"),
    ] {
        let mut client = running.client().await;
        client.send(&request("POST", "/v1/messages", &[], body.as_bytes())).await;
        let (head, got) = client.reply().await;
        let value: Value = serde_json::from_slice(&got.bytes).expect("JSON");
        assert_eq!((head.status, &value["error"]["type"]), (400, &"invalid_request_error".into()));
        assert!(value["error"]["message"].as_str().is_some_and(|m| m.contains(wanted)), "{value}");
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn above_the_concurrency_cap_there_is_a_503_with_a_date() {
    let upstream = hanging();
    let running = with(&upstream, "server: {max_concurrent_requests: 2}\n", |_| {});
    let mut held = Vec::new();
    for index in 0..2 {
        let mut client = running.client().await;
        client.send(&messages(UNARY)).await;
        upstream.request(index).await;
        held.push(client);
    }
    let mut client = running.client().await;
    client.send(&messages(UNARY)).await;
    let (head, got) = client.reply().await;
    assert_eq!((head.status, head.header("retry-after")), (503, Some("1")));
    assert!(String::from_utf8_lossy(&got.bytes).contains("overloaded_error"));
    drop(held);
    upstream.left(0).await;
    upstream.left(1).await;
}

/// Pipelined and kept-alive requests on one connection are answered in turn.
#[tokio::test]
async fn one_connection_serves_many_requests_and_so_does_the_upstreams() {
    let upstream = Upstream::start(|_| Script::json(200, r#"{"type":"message"}"#));
    let running = before(&upstream);
    let mut client = running.client().await;
    for _ in 0..20 {
        client.send(&messages(UNARY)).await;
        assert_eq!(client.reply().await.0.status, 200);
    }
    assert_eq!(upstream.connections(), 1);
}

/// A pooled connection that the upstream has closed meanwhile costs the caller nothing.
#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() {
    let gone = Gate::new();
    let seen = gone.clone();
    let upstream = Upstream::start(move |asked| {
        let reply = Script::json(200, r#"{"type":"message"}"#);
        if asked.index == 0 { reply.close().open(&seen) } else { reply }
    });
    let running = before(&upstream);
    let mut client = running.client().await;
    client.send(&messages(UNARY)).await;
    assert_eq!(client.reply().await.0.status, 200);
    while upstream.open_connections() > 0 {
        tokio::task::yield_now().await;
    }
    client.send(&messages(UNARY)).await;
    assert_eq!(client.reply().await.0.status, 200);
    assert_eq!(upstream.connections(), 2);
}
