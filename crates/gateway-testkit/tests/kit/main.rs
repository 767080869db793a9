//! The kit does on the wire what its scripts say, and tells the truth about what came.

mod bedrock_converse;
mod bedrock_invoke;
mod bedrock_server;
mod bedrock_styles;
mod google_claude;
mod google_gemini;
mod google_server;
mod google_tokens;
mod ollama;
mod openai_chat;
mod openai_hosts;
mod openai_models;
mod openai_responses;
mod openai_schemas;
mod openai_server;
mod openai_styles;

use std::time::Duration;

use bytes::Bytes;
use gateway_testkit::{
    Answer, BodyEnd, Framing, Gate, Left, Protocol, RawClient, Script, Upstream, fixtures, request,
};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};

async fn get(client: &mut RawClient) {
    client.send(&request("GET", "/a?b=c", &[], b"")).await;
}

#[tokio::test]
async fn a_request_is_recorded_as_it_came() {
    let upstream = Upstream::start(|_| Script::json(200, "{}"));
    let fixture = fixtures::request("first-turn");
    let bytes = fixture.to_http1("example.test");
    let mut client = RawClient::connect(upstream.addr()).await;
    client.send_pieces(&bytes, &[1, 17, 400, 401, bytes.len() - 1]).await;
    assert_eq!(client.reply().await.0.status, 200);

    let seen = upstream.request(0).await;
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/v1/messages?beta=true"));
    assert_eq!(seen.path(), "/v1/messages");
    assert_eq!(seen.body, fixture.body);
    assert_eq!(seen.framing, Framing::Length(fixture.body.len() as u64));
    assert_eq!(seen.headers[2].0, "User-Agent");
    assert_eq!(seen.header("host"), Some("example.test"));
    assert!(bytes.starts_with(&seen.raw_head));
    assert_eq!(seen.json()["model"], "claude-opus-5-5");
}

#[tokio::test]
async fn chunked_requests_are_read_and_connections_reused() {
    let upstream = Upstream::queue([Script::json(200, "{}"), Script::json(201, "[]")]);
    let mut client = RawClient::connect(upstream.addr()).await;
    let mut bytes = request("POST", "/", &[("transfer-encoding", "chunked")], b"");
    bytes.extend_from_slice(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\ntrailer: t\r\n\r\n");
    client.send_pieces(&bytes, &(0..bytes.len()).collect::<Vec<_>>()).await;
    assert_eq!(client.reply().await.0.status, 200);
    get(&mut client).await;
    let (head, body) = client.reply().await;
    assert_eq!((head.status, &body.bytes[..]), (201, &b"[]"[..]));
    get(&mut client).await;
    assert_eq!(client.reply().await.0.status, 500);

    assert_eq!(upstream.request(0).await.body, "abcde");
    assert_eq!(upstream.request(0).await.framing, Framing::Chunked);
    assert_eq!(upstream.requests().iter().map(|r| r.connection).collect::<Vec<_>>(), [0, 0, 0]);
    assert_eq!((upstream.connections(), upstream.open_connections()), (1, 1));
    drop(client);
    assert_eq!(upstream.left(2).await, Left::Closed);
    upstream.idle().await;
}

#[tokio::test]
async fn each_split_of_a_stream_arrives_as_a_chunk_of_its_own() {
    let reply = fixtures::reply("reply-tool").bytes;
    let splits = [5, 5, 600, 601, reply.len() + 9];
    let sent = reply.clone();
    let upstream = Upstream::start(move |_| Script::sse(sent.clone(), &splits));
    let mut client = RawClient::connect(upstream.addr()).await;
    get(&mut client).await;
    assert_eq!(
        client.head().await.header("Content-Type"),
        Some("text/event-stream; charset=utf-8")
    );
    let mut lengths = Vec::new();
    for _ in 0..4 {
        lengths.push(client.next_piece().await.expect("four pieces").len());
    }
    assert_eq!(lengths, [5, 595, 1, reply.len() - 601]);
    assert_eq!(client.next_piece().await, Err(BodyEnd::Clean));
}

#[tokio::test]
async fn endings_are_told_apart() {
    let table = [
        (Script::event_stream().chunk("a").last_chunk(), BodyEnd::Clean),
        (Script::event_stream().chunk("a").close(), BodyEnd::Cut),
        (Script::event_stream().chunk("a").half_close().hang(), BodyEnd::Cut),
        (Script::new().head(200).bytes("a").close(), BodyEnd::Clean),
        (Script::new().head(200).content_length(1).bytes("a"), BodyEnd::Clean),
        (Script::new().head(200).content_length(2).bytes("a").close(), BodyEnd::Cut),
        (Script::new().head(204), BodyEnd::Clean),
    ];
    for (script, end) in table {
        let shown = format!("{script:?}");
        let upstream = Upstream::queue([script]);
        let mut client = RawClient::connect(upstream.addr()).await;
        get(&mut client).await;
        client.head().await;
        assert_eq!(client.rest().await.end, end, "{shown}");
    }
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let gate = Gate::new();
    let held = gate.clone();
    let upstream = Upstream::start(move |_| Script::event_stream().chunk("a").wait(&held).reset());
    let mut client = RawClient::connect(upstream.addr()).await;
    get(&mut client).await;
    client.head().await;
    assert_eq!(client.next_piece().await.expect("a chunk"), "a");
    gate.open();
    assert_eq!(client.next_piece().await, Err(BodyEnd::Reset));
}

#[tokio::test]
async fn the_peers_leaving_is_noticed_while_the_script_waits() {
    let never = Gate::new();
    let reached = Gate::new();
    let (held, here) = (never.clone(), reached.clone());
    let upstream =
        Upstream::start(move |_| Script::event_stream().chunk("a").open(&here).wait(&held));
    let mut client = RawClient::connect(upstream.addr()).await;
    get(&mut client).await;
    client.head().await;
    client.until("a").await;
    reached.passed().await;
    assert_eq!(upstream.has_left(0), None);
    client.reset();
    assert_eq!(upstream.left(0).await, Left::Reset);
    upstream.idle().await;
}

#[tokio::test]
async fn a_pause_can_be_put_into_a_whole_script() {
    let (reached, go_on) = (Gate::new(), Gate::new());
    let script = Script::sse("abcdef", &[2, 4]).pausing_after(2, &reached, &go_on);
    let upstream = Upstream::queue([script]);
    let mut client = RawClient::connect(upstream.addr()).await;
    get(&mut client).await;
    client.head().await;
    assert_eq!(client.next_piece().await.expect("the first piece"), "ab");
    reached.passed().await;
    go_on.open();
    let rest = client.rest().await;
    assert_eq!((&rest.bytes[..], rest.end), (&b"cdef"[..], BodyEnd::Clean));
}

#[tokio::test]
async fn a_half_closed_peer_still_gets_its_answer() {
    let gate = Gate::new();
    let held = gate.clone();
    let upstream = Upstream::start(move |_| Script::new().wait(&held).json_later());
    let mut client = RawClient::connect(upstream.addr()).await;
    get(&mut client).await;
    client.half_close().await;
    assert_eq!(upstream.left(0).await, Left::Closed);
    gate.open();
    let (head, body) = client.reply().await;
    assert_eq!((head.status, body.end), (200, BodyEnd::Clean));
}

trait JsonLater {
    fn json_later(self) -> Script;
}

impl JsonLater for Script {
    fn json_later(self) -> Script {
        self.head(200).content_length(2).bytes("{}")
    }
}

#[tokio::test]
async fn a_flood_waits_for_its_reader() {
    let done = Gate::new();
    let finished = done.clone();
    let piece = Bytes::from(vec![b'x'; 1 << 20]);
    let upstream = Upstream::start(move |_| {
        Script::event_stream().repeat_chunk(piece.clone(), 100).open(&finished).last_chunk()
    });
    let mut client = RawClient::connect_narrow(upstream.addr()).await;
    get(&mut client).await;
    client.head().await;
    upstream.request(0).await;
    assert!(!done.is_open(), "100 MB do not fit into socket buffers");
    let mut total = 0;
    while let Ok(piece) = client.next_piece().await {
        total += piece.len();
    }
    assert_eq!(total, 100 << 20);
    done.passed().await;
}

#[tokio::test]
async fn an_answer_may_come_before_the_body_or_before_anything() {
    let early = Upstream::builder()
        .answer(Answer::AfterHead)
        .queue([Script::json(413, "{}").close(), Script::new().read_body().json_later()]);
    for (status, body) in [(413, &b"12"[..]), (200, &b"123456789"[..])] {
        let mut client = RawClient::connect(early.addr()).await;
        client.send(&request("POST", "/", &[("content-length", "9")], body)).await;
        assert_eq!(client.reply().await.0.status, status);
    }

    let connected = Gate::new();
    let script = Script::new().wait(&connected).reset();
    let rude = Upstream::builder().answer(Answer::OnConnect).queue([script]);
    let mut client = RawClient::connect(rude.addr()).await;
    connected.open();
    assert_eq!(client.hung_up().await, BodyEnd::Reset);
}

#[tokio::test]
async fn half_a_request_is_counted() {
    let upstream = Upstream::start(|_| Script::json(200, "{}"));
    for half in ["POST / HT", "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\n12"] {
        let mut client = RawClient::connect(upstream.addr()).await;
        client.send(half.as_bytes()).await;
        client.half_close().await;
        assert_eq!(client.hung_up().await, BodyEnd::Cut);
    }
    upstream.idle().await;
    assert_eq!((upstream.incomplete(), upstream.requests().len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_does_not_hurry_the_upstream() {
    let upstream = Upstream::start(|_| Script::json(200, "{}"));
    let mut client = RawClient::connect(upstream.addr()).await;
    get(&mut client).await;
    assert_eq!(client.reply().await.0.status, 200);
}

#[tokio::test]
async fn http2_streams_are_scripted_too() {
    let gate = Gate::new();
    let held = gate.clone();
    let upstream =
        Upstream::builder().protocol(Protocol::Http2).start(move |request| {
            match request.target.as_str() {
                "/whole" => Script::sse("data: 1\n\n", &[3]),
                "/reset" => Script::event_stream().chunk("data").wait(&held).reset(),
                _ => Script::event_stream().chunk("data").hang(),
            }
        });
    let stream = tokio::net::TcpStream::connect(upstream.addr()).await.expect("it listens");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2 by prior knowledge");
    let connection = tokio::spawn(connection);
    let mut ask = |path: &str| {
        let request = http::Request::get(format!("http://x{path}")).body(Empty::<Bytes>::new());
        sender.send_request(request.expect("a good request"))
    };

    let whole = ask("/whole").await.expect("a reply");
    assert_eq!(whole.into_body().collect().await.expect("whole").to_bytes(), "data: 1\n\n");

    let mut reset = ask("/reset").await.expect("a reply").into_body();
    assert!(reset.frame().await.expect("a frame").is_ok());
    gate.open();
    assert!(reset.frame().await.expect("an end").is_err());

    let mut hangs = ask("/hang").await.expect("a reply").into_body();
    assert!(hangs.frame().await.expect("a frame").is_ok());
    assert_eq!(upstream.has_left(2), None);
    drop(hangs);
    assert_eq!(upstream.left(2).await, Left::Reset);
    assert_eq!(upstream.connections(), 1);
    drop((sender, reset));
    connection.await.expect("no panic").expect("a clean end");
    upstream.idle().await;
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    use std::sync::Arc;

    #[tokio::test]
    async fn the_authority_is_to_be_trusted_and_alpn_is_said() {
        for (protocol, alpn) in [(Protocol::Http1, &b"http/1.1"[..]), (Protocol::Http2, b"h2")] {
            let upstream =
                Upstream::builder().protocol(protocol).tls().start(|_| Script::json(200, "{}"));
            assert!(upstream.url().starts_with("https://localhost:"));
            let mut roots = rustls::RootCertStore::empty();
            let ca = CertificateDer::from_pem_slice(upstream.ca_pem().as_bytes()).expect("PEM");
            roots.add(ca).expect("an authority");
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let mut config = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_root_certificates(roots)
                .with_no_client_auth();
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            let tcp = tokio::net::TcpStream::connect(upstream.addr()).await.expect("it listens");
            let name = ServerName::try_from("localhost").expect("a name");
            let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
                .connect(name, tcp)
                .await
                .expect("a trusted handshake");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
        }
    }
}

#[tokio::test]
async fn a_stall_is_silence_not_an_end() {
    let upstream = Upstream::start(|_| {
        Script::event_stream().chunk("a").stall(Duration::from_millis(20)).chunk("b").last_chunk()
    });
    let mut client = RawClient::connect(upstream.addr()).await;
    get(&mut client).await;
    client.head().await;
    let body = client.rest().await;
    assert_eq!((&body.bytes[..], body.end), (&b"ab"[..], BodyEnd::Clean));
}
