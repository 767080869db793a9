//! Callers that ask for more than anybody needs.

use gateway_testkit::{Script, Upstream, request};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{UNARY, before, messages, with};
use crate::wire::http2;

fn hanging() -> Upstream {
    Upstream::start(|_| Script::new().hang())
}

/// Exactly `max_concurrent_requests` are served, whoever asks and on whichever worker; what is refused takes
/// no place, and what ends gives its own back.
#[tokio::test]
async fn r42_the_cap_on_requests_at_once_is_exact() {
    let upstream = hanging();
    let cap = "server: {max_concurrent_requests: 8}\n";
    let running = with(&upstream, cap, |options| options.workers = Some(4));
    for round in 0..3 {
        let mut callers = JoinSet::new();
        for _ in 0..100 {
            let mut client = running.client().await;
            client.send(&messages(UNARY)).await;
            callers.spawn(async move {
                let head = client.head().await;
                (head.status, head.header("retry-after").map(ToOwned::to_owned))
            });
        }
        // Of a hundred, 92 are told at once; the rest is served, each by the upstream.
        for _ in 0..92 {
            let told = callers.join_next().await.expect("a hundred").expect("no panic");
            assert_eq!(told, (503, Some("1".to_owned())));
        }
        upstream.request(round * 8 + 7).await;
        assert_eq!(upstream.requests().len(), (round + 1) * 8);
        callers.shutdown().await;
        for index in round * 8..(round + 1) * 8 {
            upstream.left(index).await;
        }
        // An exchange is settled a moment after its upstream was let go.
        gateway_testkit::patient("every place to be free", async {
            while running.gateway.summary().in_flight > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn headers_that_are_too_large_are_a_431_in_words() {
    let upstream = hanging();
    let running = before(&upstream);
    let value = "v".repeat(70 << 10);
    let mut client = running.client().await;
    client.send(&request("GET", "/v1/models", &[("x-large", &value)], b"")).await;
    let (head, got) = client.reply().await;
    let said: Value = serde_json::from_slice(&got.bytes).expect("JSON");
    assert_eq!((head.status, &said["error"]["type"]), (431, &"invalid_request_error".into()));
    assert!(said["error"]["message"].as_str().is_some_and(|text| text.contains("headers")));
    assert_eq!(head.header("x-should-retry"), Some("false"));

    let ask = Request::get("http://localhost/v1/models").header("x-large", &value);
    let ask = ask.body(Full::default()).expect("a request");
    let reply = http2(&running).await.send_request(ask).await.expect("a reply");
    assert_eq!(reply.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let got = reply.into_body().collect().await.expect("whole").to_bytes();
    assert!(String::from_utf8_lossy(&got).contains("invalid_request_error"));

    // Far beyond, nobody listens any more: the status is all there is.
    let many: Vec<String> = (0..150).map(|n| format!("x-{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "v")).collect();
    let huge = "v".repeat(1 << 20);
    for headers in [&many[..], &[("x-large", &*huge)]] {
        let mut client = running.client().await;
        let _ = client.try_send(&request("GET", "/v1/models", headers, b"")).await;
        assert_eq!(client.head().await.status, 431);
    }
    // As large as a browser's cookies are fine.
    let mut client = running.client().await;
    let value = "v".repeat(60 << 10);
    client.send(&request("GET", "/v1/models", &[("x-large", &value)], b"")).await;
    assert_eq!(client.head().await.status, 200);
}

/// One HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// CVE-2023-44487: requests that are reset as soon as they are made cost the caller nothing. The connection ends
/// with `ENHANCE_YOUR_CALM`, others are served, and nothing stays behind.
#[tokio::test]
async fn r42_a_rapid_reset_ends_the_connection_and_holds_nothing() {
    let upstream = Upstream::start(|_| Script::json(200, r#"{"type":"message"}"#));
    let running = before(&upstream);
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    // POST, http, a path, an authority; END_HEADERS, the body is still to come.
    let mut head = vec![0x83, 0x86, 0x04, 12];
    head.extend(b"/v1/messages");
    head.extend([0x01, 9]);
    head.extend(b"localhost");
    for stream in (1..10_001).step_by(2) {
        bytes.extend(frame(1, 4, stream, &head));
        bytes.extend(frame(3, 0, stream, &[0, 0, 0, 8]));
    }
    let mut socket = TcpStream::connect(running.gateway.addr()).await.expect("it listens");
    let _ = socket.write_all(&bytes).await;
    let mut got = Vec::new();
    let ended = socket.read_to_end(&mut got);
    let _ = gateway_testkit::patient("the connection to end", ended).await;
    // GOAWAY: the last stream, the error.
    let goaway = frames(&got).into_iter().find(|(kind, _)| *kind == 7);
    assert_eq!(goaway.map(|(_, payload)| payload[4..8].to_vec()), Some(vec![0, 0, 0, 0x0b]));

    let mut client = running.client().await;
    client.send(&messages(UNARY)).await;
    assert_eq!(client.reply().await.0.status, 200);
    gateway_testkit::patient("every place to be free", async {
        while running.gateway.summary().in_flight > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(upstream.requests().len(), 1);
}

/// The kinds and payloads of whole frames.
fn frames(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let Some(([a, b, c, kind, ..], rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        frames.push((*kind, payload));
        bytes = rest;
    }
    frames
}
