//! HTTP/2 and TLS, on both sides.

use bytes::Bytes;
use gateway_testkit::{Protocol, Script, Upstream, fixtures};
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::{Running, STREAM, UNARY, before, custom, messages};

async fn http2(running: &Running) -> http2::SendRequest<Full<Bytes>> {
    let io = TcpStream::connect(running.gateway.addr()).await.expect("it listens");
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.expect("prior knowledge");
    tokio::spawn(async { drop(connection.await) });
    sender
}

fn ask(body: &'static str) -> Request<Full<Bytes>> {
    Request::post("http://localhost/v1/messages").body(Full::from(body)).expect("a request")
}

#[tokio::test]
async fn an_http2_caller_is_served_in_clear_text() {
    let stream = fixtures::reply("reply-parallel-tools").bytes;
    let sent = stream.clone();
    let upstream = Upstream::start(move |asked| {
        if asked.json()["stream"] == true {
            Script::sse(sent.clone(), &[100, 1000])
        } else {
            Script::json(200, r#"{"type":"message"}"#)
        }
    });
    let running = before(&upstream);
    let mut sender = http2(&running).await;
    let unary = sender.send_request(ask(UNARY)).await.expect("a reply");
    assert_eq!((unary.status().as_u16(), unary.version()), (200, Version::HTTP_2));
    assert_eq!(
        unary.into_body().collect().await.expect("whole").to_bytes(),
        r#"{"type":"message"}"#
    );
    let reply = sender.send_request(ask(STREAM)).await.expect("a reply");
    assert_eq!(reply.into_body().collect().await.expect("whole").to_bytes(), stream);
}

/// R4 on HTTP/2: a cut stream is reset, never ended.
#[tokio::test]
async fn r04_a_cut_stream_is_a_reset_on_http2() {
    let stream = fixtures::reply("reply-cut-in-tool-args").bytes;
    let upstream = Upstream::start(move |_| Script::sse(stream.clone(), &[]));
    let running = before(&upstream);
    let reply = http2(&running).await.send_request(ask(STREAM)).await.expect("a reply");
    assert!(reply.into_body().collect().await.is_err(), "must not look whole");
}

#[tokio::test]
async fn an_http2_caller_that_resets_cancels_the_upstream() {
    let start = fixtures::reply("reply-cut-midstream").bytes;
    let upstream = Upstream::start(move |_| Script::event_stream().chunk(start.clone()).hang());
    let running = before(&upstream);
    let mut sender = http2(&running).await;
    let reply = sender.send_request(ask(STREAM)).await.expect("a reply");
    drop(reply);
    upstream.left(0).await;
}

/// HTTP/2 towards the upstream by ALPN, with its certificate trusted by `ca_file`.
#[tokio::test]
async fn an_upstream_is_reached_over_tls_on_both_protocols() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let stream = fixtures::reply("reply-thinking-tool").bytes;
        let sent = stream.clone();
        let upstream = Upstream::builder().tls().protocol(protocol).start(move |asked| {
            if asked.json()["stream"] == true {
                Script::sse(sent.clone(), &[64])
            } else {
                Script::json(200, r#"{"type":"message"}"#)
            }
        });
        let dir = tempfile::tempdir().expect("a directory");
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, upstream.ca_pem()).expect("written");
        let url = upstream.url();
        let yaml = format!(
            "providers:\n  anthropic:\n    api_base: {url}\n    ca_file: {}\n",
            ca.display()
        );
        let running = custom(&yaml, &[], |_| {});
        for _ in 0..5 {
            let mut client = running.client().await;
            client.send(&messages(STREAM)).await;
            let (head, got) = client.reply().await;
            assert_eq!((head.status, got.bytes), (200, stream.clone()), "{protocol:?}");
            client.send(&messages(UNARY)).await;
            assert_eq!(client.reply().await.0.status, 200);
        }
        assert_eq!(upstream.connections(), 1, "connections are kept and shared");

        // Without the root nobody is trusted, and the message says what is wrong.
        let running =
            custom(&format!("providers:\n  anthropic:\n    api_base: {url}\n"), &[], |_| {});
        let mut client = running.client().await;
        client.send(&messages(UNARY)).await;
        let (head, got) = client.reply().await;
        let text = String::from_utf8_lossy(&got.bytes).into_owned();
        assert_eq!(head.status, 502, "{text}");
        assert!(text.contains("TLS"), "{text}");
    }
}
