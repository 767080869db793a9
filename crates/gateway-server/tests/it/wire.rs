//! HTTP/2 and TLS, on both sides.

use bytes::Bytes;
use gateway_testkit::{Protocol, Script, Upstream, fixtures};
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::{Running, STREAM, UNARY, before, custom, messages};

pub(crate) async fn http2(running: &Running) -> http2::SendRequest<Full<Bytes>> {
    let io = TcpStream::connect(running.gateway.addr()).await.expect("it listens");
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.expect("prior knowledge");
    tokio::spawn(async { drop(connection.await) });
    sender
}

pub(crate) fn ask(body: &'static str) -> Request<Full<Bytes>> {
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

/// The listener with TLS: HTTP/2 and HTTP/1.1 by ALPN.
#[tokio::test]
async fn a_caller_is_served_over_tls_on_both_protocols() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let dir = tempfile::tempdir().expect("a directory");
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let upstream = Upstream::start(|_| Script::json(200, r#"{"type":"message"}"#));
    let yaml = format!(
        "providers:\n  anthropic:\n    api_base: {}\nserver:\n  tls: {{cert: {}, key: {}}}\n",
        upstream.url(),
        cert.display(),
        key.display()
    );
    let running = custom(&yaml, &[], |_| {});
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    for protocol in [&b"h2"[..], b"http/1.1"] {
        let mut config = config.clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let io = TcpStream::connect(running.gateway.addr()).await.expect("it listens");
        let name = "localhost".try_into().expect("a name");
        let io = connector.connect(name, io).await.expect("a handshake");
        assert_eq!(io.get_ref().1.alpn_protocol(), Some(protocol));
        let io = TokioIo::new(io);
        let status = if protocol == b"h2" {
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
            tokio::spawn(async { drop(connection.await) });
            sender.send_request(ask(UNARY)).await.expect("a reply").status()
        } else {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(io).await.expect("HTTP/1.1");
            tokio::spawn(async { drop(connection.await) });
            let mut request = ask(UNARY);
            *request.uri_mut() = "/v1/messages".parse().expect("a path");
            request.headers_mut().insert("host", "localhost".parse().expect("a value"));
            sender.send_request(request).await.expect("a reply").status()
        };
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(protocol));
    }
}

/// A proxy gets plain requests in absolute form, with its own credential and not the caller's.
#[tokio::test]
async fn a_forward_proxy_is_used_where_one_is_configured() {
    let proxy = Upstream::start(|_| Script::json(200, r#"{"type":"message"}"#));
    let through = proxy.url().replace("http://", "http://user:secret@");
    let yaml = format!(
        "providers:\n  anthropic:\n    api_base: http://up.test:81/base\n    proxy: {through}\n"
    );
    let running = custom(&yaml, &[], |_| {});
    let mut client = running.client().await;
    client.send(&messages(UNARY)).await;
    assert_eq!(client.reply().await.0.status, 200);
    let asked = proxy.request(0).await;
    assert_eq!(asked.target, "http://up.test:81/base/v1/messages?beta=true");
    assert_eq!(asked.header("proxy-authorization"), Some("Basic dXNlcjpzZWNyZXQ="));
    assert_eq!(asked.header("host"), Some("up.test:81"));
}

/// TLS goes through a tunnel; a proxy that makes none is named as the culprit.
#[tokio::test]
async fn a_proxy_that_refuses_a_tunnel_is_a_502_that_says_so() {
    let proxy = Upstream::start(|_| Script::full(403, "text/plain", "no"));
    let yaml = format!(
        "providers:\n  anthropic:\n    api_base: https://up.test\n    proxy: {}\n",
        proxy.url()
    );
    let running = custom(&yaml, &[], |_| {});
    let mut client = running.client().await;
    client.send(&messages(UNARY)).await;
    let (head, got) = client.reply().await;
    let text = String::from_utf8_lossy(&got.bytes).into_owned();
    assert!(head.status == 502 && text.contains("proxy"), "{text}");
    assert_eq!(proxy.request(0).await.method, "CONNECT");
    assert_eq!(proxy.request(0).await.target, "up.test:443");
}

/// A base URL that leads back here, which no check of the configuration can see.
#[tokio::test]
async fn a_request_that_comes_back_is_stopped() {
    let upstream = Upstream::start(|_| Script::json(200, r#"{"type":"message"}"#));
    let running = before(&upstream);
    let mut client = running.client().await;
    client.send(&messages(UNARY)).await;
    client.reply().await;
    let hop = upstream.request(0).await.header("x-gateway-hop").expect("a hop").to_owned();
    let another = "0123456789abcdef";
    let back = [("x-gateway-hop", another), ("x-gateway-hop", hop.as_str())];
    let request = gateway_testkit::request("POST", "/v1/messages", &back, UNARY.as_bytes());
    client.send(&request).await;
    let (head, got) = client.reply().await;
    assert_eq!(head.status, 502);
    assert!(String::from_utf8_lossy(&got.bytes).contains("leads back"));
    // Another gateway's name is kept, so that a longer circle is found as well.
    let other = gateway_testkit::request("POST", "/v1/messages", &back[..1], UNARY.as_bytes());
    let mut client = running.client().await;
    client.send(&other).await;
    client.reply().await;
    assert_eq!(upstream.request(1).await.header_all("x-gateway-hop"), [another, hop.as_str()]);
}
