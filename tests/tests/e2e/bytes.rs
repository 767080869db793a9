//! The binary changes no byte: every recorded request and every reply, cut anywhere.

use std::sync::Mutex;

use bytes::Bytes;
use gateway_testkit::{Body, BodyEnd, RawClient, Script, Upstream, fixtures};

use crate::harness::{Gateway, PROVIDER_KEY, block_on, config};
use crate::model::Ask;

fn addr(gateway: &Gateway) -> std::net::SocketAddr {
    gateway.url().trim_start_matches("http://").parse().expect("an address")
}

/// Effort beside thinking, large `max_tokens`, `role: system` messages, odd blocks, `metadata`, unknown
/// fields: whatever it is, Anthropic gets it as it was sent.
#[test]
fn c02_c05_c07_c08_r14_r19_r22_r24_r26_r28_r30_r34_every_recorded_request_arrives_as_it_was() {
    let upstream = Upstream::start(|request| match request.path() {
        "/v1/messages/count_tokens" => Script::json(200, r#"{"input_tokens":1}"#),
        _ if Ask::new(request).streams() => Script::sse(fixtures::reply("reply-text").bytes, &[]),
        _ => Script::json(200, fixtures::reply("reply-text-nonstream").bytes),
    });
    let gateway = Gateway::to(&upstream);
    let recorded: Vec<_> = fixtures::requests()
        .into_iter()
        .filter(|fixture| fixture.path.starts_with("/v1/messages"))
        .collect();
    assert!(recorded.len() > 40, "{} requests", recorded.len());
    block_on(async {
        let mut client = RawClient::connect(addr(&gateway)).await;
        for (index, fixture) in recorded.iter().enumerate() {
            let what = &fixture.name;
            let host = addr(&gateway).to_string();
            let bytes = fixture.to_http1(&host);
            // Another cut for each: in the head, at its end, in the body.
            client.send_pieces(&bytes, &[index + 1, bytes.len() / 2, bytes.len() - 1]).await;
            let (head, body) = client.reply().await;
            assert_eq!((head.status, body.end), (200, BodyEnd::Clean), "{what}");

            let seen = upstream.request(index).await;
            assert_eq!(seen.target, fixture.target(), "{what}");
            assert!(seen.body == as_sent(fixture), "{what}: the body is another one");
            assert_eq!(seen.header_all("x-api-key"), [PROVIDER_KEY], "{what}");
            for (name, value) in &fixture.headers {
                let lower = name.to_ascii_lowercase();
                if lower.starts_with("anthropic-") || lower.starts_with("x-claude-code-") {
                    assert!(seen.header_all(name).contains(&value.as_str()), "{what}: {name}");
                }
            }
        }
    });
}

/// What goes up of a recorded request: the same bytes, but for the one whose thinking has no signature, which
/// no Claude takes back (R13).
fn as_sent(fixture: &fixtures::RequestFixture) -> Vec<u8> {
    const UNSIGNED: &str = r#"{"type":"thinking","thinking":"#;
    let text = String::from_utf8_lossy(&fixture.body);
    let Some(start) = text.find(UNSIGNED).filter(|_| fixture.name.contains("unsigned")) else {
        return fixture.body.to_vec();
    };
    let end = start + text[start..].find("},").expect("a block behind it") + "},".len();
    format!("{}{}", &text[..start], &text[end..]).into_bytes()
}

#[test]
fn c04_r02_r03_r04_r10_every_reply_arrives_as_it_was_however_it_is_cut() {
    let next = std::sync::Arc::new(Mutex::new(Script::new()));
    let script = std::sync::Arc::clone(&next);
    let upstream = Upstream::start(move |_| script.lock().expect("no panic while locked").clone());
    // Many are cut, one after the other.
    let patient = "resilience: {circuit_breaker: {failure_threshold: 0}}\n";
    let gateway =
        Gateway::with(&config(&upstream, "api_key_env_var: ANTHROPIC_API_KEY", patient), &[]);
    let request = fixtures::request("first-turn").to_http1(&addr(&gateway).to_string());
    block_on(async {
        for reply in fixtures::replies() {
            let whole = !reply.name.starts_with("reply-cut-");
            for step in [reply.bytes.len(), 97, 7, 1] {
                let what = format!("{} in pieces of {step}", reply.name);
                let splits: Vec<usize> = (0..reply.bytes.len()).step_by(step).collect();
                *next.lock().expect("no panic while locked") =
                    Script::sse(reply.bytes.clone(), &splits);
                let mut client = RawClient::connect(addr(&gateway)).await;
                client.send(&request).await;
                let head = client.head().await;
                if reply.name == "reply-error-midstream" && head.status == 529 {
                    // The error came before anything had gone out.
                    continue;
                }
                assert_eq!(head.status, 200, "{what}");
                let kind = head.header("content-type").unwrap_or_default();
                assert!(kind.starts_with("text/event-stream"), "{what}: {kind}");
                let Body { bytes, end } = client.rest().await;
                assert_eq!(text(&bytes), text(&reply.bytes), "{what}");
                assert_eq!(end == BodyEnd::Clean, whole, "{what} ended as {end:?}");
            }
        }
    });
}

fn text(bytes: &Bytes) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
