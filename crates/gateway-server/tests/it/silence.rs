//! Signs of life while an upstream is silent.

use std::time::Duration;

use gateway_testkit::{BodyEnd, Gate, Script, Upstream, fixtures};

use crate::support::{STREAM, UNARY, messages, with};

const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// Pings and commits soon.
const FAST: &str =
    "resilience: {keepalive_ping: 0.1, commit_after: 0.3, retry: {max_retries: 0}}\n";

/// R8: real ping frames, between frames only; everything else stays as it was.
#[tokio::test]
async fn r08_r10_a_silence_in_a_stream_is_filled_with_pings_between_frames() {
    let bytes = fixtures::reply("reply-text").bytes;
    let cut =
        bytes.windows(2).enumerate().filter(|(_, w)| w == b"\n\n").nth(2).map(|(at, _)| at + 2);
    let cut = cut.expect("three frames");
    let go_on = Gate::new();
    let (sent, gate) = (bytes.clone(), go_on.clone());
    let upstream = Upstream::start(move |_| {
        Script::event_stream()
            .chunk(sent.slice(..cut))
            .wait(&gate)
            .chunk(sent.slice(cut..))
            .last_chunk()
    });
    let running = with(&upstream, FAST, |_| {});
    let mut client = running.client().await;
    client.send(&messages(STREAM)).await;
    let head = client.head().await;
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    assert!(head.header("cache-control").is_some_and(|v| v.contains("no-transform")));
    let before = client.until(&PING.repeat(3)).await;
    go_on.open();
    let after = client.rest().await;
    let all = [&before[..], &after.bytes].concat();
    let text = String::from_utf8_lossy(&all).replace(PING, "");
    let wanted = String::from_utf8_lossy(&bytes).replace(PING, "");
    assert_eq!((text, after.end), (wanted, BodyEnd::Clean));
}

#[tokio::test]
async fn r08_no_ping_is_put_inside_a_frame() {
    let bytes = fixtures::reply("reply-text").bytes;
    let cut = bytes.len() - 20;
    let upstream = Upstream::start(move |_| {
        let gap = Duration::from_millis(350);
        Script::event_stream()
            .chunk(bytes.slice(..cut))
            .stall(gap)
            .chunk(bytes.slice(cut..))
            .last_chunk()
    });
    let running = with(&upstream, FAST, |_| {});
    let mut client = running.client().await;
    client.send(&messages(STREAM)).await;
    let (_, got) = client.reply().await;
    assert_eq!(got.bytes, fixtures::reply("reply-text").bytes);
}

/// R8: before the first event nothing goes out until `commit_after`; then 200 and pings, without an
/// invented `message_start`.
#[tokio::test]
async fn r08_a_stream_without_an_event_gets_its_200_and_pings_after_a_while() {
    let bytes = fixtures::reply("reply-text").bytes;
    let (sent, go_on) = (bytes.clone(), Gate::new());
    let gate = go_on.clone();
    let upstream = Upstream::start(move |_| {
        Script::new()
            .wait(&gate)
            .head(200)
            .header("content-type", "text/event-stream")
            .chunked()
            .chunk(sent.clone())
            .last_chunk()
    });
    let running = with(&upstream, FAST, |_| {});
    let mut client = running.client().await;
    client.send(&messages(STREAM)).await;
    assert_eq!(client.head().await.status, 200);
    let before = client.until(&PING.repeat(2)).await;
    assert_eq!(String::from_utf8_lossy(&before).replace(PING, ""), "");
    go_on.open();
    let after = client.rest().await;
    assert_eq!(
        String::from_utf8_lossy(&after.bytes).replace(PING, ""),
        String::from_utf8_lossy(&bytes).replace(PING, "")
    );
    assert_eq!(after.end, BodyEnd::Clean);
}

/// Once the 200 is out, an upstream's refusal can only be an `error` event.
#[tokio::test]
async fn a_refusal_after_the_200_is_an_error_event() {
    let said = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let go_on = Gate::new();
    let gate = go_on.clone();
    let upstream = Upstream::start(move |_| {
        Script::new()
            .wait(&gate)
            .head(529)
            .header("content-type", "application/json")
            .content_length(said.len() as u64)
            .bytes(said)
    });
    let running = with(&upstream, FAST, |_| {});
    let mut client = running.client().await;
    client.send(&messages(STREAM)).await;
    assert_eq!(client.head().await.status, 200);
    client.until(PING).await;
    go_on.open();
    let rest = client.rest().await;
    let text = String::from_utf8_lossy(&rest.bytes).replace(PING, "");
    assert_eq!((text, rest.end), (format!("event: error\ndata: {said}\n\n"), BodyEnd::Clean));
}

/// A unary reply is never committed early, however long it takes.
#[tokio::test]
async fn a_unary_reply_gets_no_pings() {
    let upstream = Upstream::start(|_| {
        Script::new()
            .stall(Duration::from_millis(500))
            .head(200)
            .header("content-type", "application/json")
            .content_length(2)
            .bytes("{}")
    });
    let running = with(&upstream, FAST, |_| {});
    let mut client = running.client().await;
    client.send(&messages(UNARY)).await;
    let (head, got) = client.reply().await;
    assert_eq!((head.status, &got.bytes[..]), (200, &b"{}"[..]));
}

/// After its terminal event a stream is whole, also when the upstream leaves its connection open.
#[tokio::test]
async fn a_whole_stream_ends_although_its_connection_stays_open() {
    let bytes = fixtures::reply("reply-text").bytes;
    let sent = bytes.clone();
    let upstream = Upstream::start(move |_| Script::event_stream().chunk(sent.clone()).hang());
    let running = with(&upstream, FAST, |_| {});
    let mut client = running.client().await;
    client.send(&messages(STREAM)).await;
    let (_, got) = client.reply().await;
    assert_eq!((got.bytes, got.end), (bytes, BodyEnd::Clean));
}
