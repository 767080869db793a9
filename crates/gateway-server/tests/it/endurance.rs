//! Many at once, and many in a row: nothing may be left behind.

use gateway_testkit::{Gate, Script, Upstream, fixtures};

use crate::support::{PATIENT, STREAM, UNARY, descriptors, is_alone, messages, with};

/// A thousand streams are open at once; each gets every byte, and afterwards nothing is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r42_a_thousand_streams_at_once_are_all_whole() {
    let bytes = fixtures::reply("reply-tool").bytes;
    let cut = bytes.len() / 2;
    let go_on = Gate::new();
    let (sent, gate) = (bytes.clone(), go_on.clone());
    let upstream = Upstream::start(move |_| {
        Script::event_stream()
            .chunk(sent.slice(..cut))
            .wait(&gate)
            .chunk(sent.slice(cut..))
            .last_chunk()
    });
    let running = with(&upstream, "server: {max_concurrent_requests: 2000}\n", |_| {});
    let mut clients = Vec::new();
    for _ in 0..1000 {
        let mut client = running.client().await;
        client.send(&messages(STREAM)).await;
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.head().await.status, 200);
    }
    assert_eq!(running.gateway.summary().in_flight, 1000);
    go_on.open();
    for mut client in clients {
        assert_eq!(client.rest().await.bytes, bytes);
    }
    assert_eq!(running.gateway.summary().in_flight, 0);
}

/// Ten thousand exchanges that go wrong in every way: descriptors, open exchanges and memory are
/// where they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r42_ten_thousand_bad_exchanges_leave_nothing_behind() {
    // Memory and descriptors are counted by process.
    if !is_alone("endurance::r42_ten_thousand_bad_exchanges_leave_nothing_behind") {
        return;
    }
    let start = fixtures::reply("reply-cut-midstream").bytes;
    let upstream = Upstream::builder().forget_bodies().start(move |asked| match asked.index % 8 {
        0 => Script::new().reset(),
        1 => Script::full(200, "text/html", "<html>"),
        2 => Script::event_stream().chunk(start.clone()).reset(),
        3 => Script::event_stream().chunk(start.clone()).last_chunk(),
        4 => Script::json(
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#,
        ),
        5 => Script::new().head(200).content_length(99).bytes("{").close(),
        6 => Script::event_stream().chunk(start.clone()).hang(),
        _ => Script::new().hang(),
    });
    let running = with(&upstream, PATIENT, |_| {});
    let mut seen = 0;
    let mut round = async |count: usize| {
        for _ in 0..count {
            let mut client = running.client().await;
            client.send(&messages(if seen % 2 == 0 { STREAM } else { UNARY })).await;
            upstream.request(seen).await;
            // Every third caller leaves without an answer, and so do those whose upstream hangs.
            if seen % 3 != 0 && !matches!(seen % 8, 6 | 7) && client.try_head().await.is_some() {
                client.rest().await;
            }
            seen += 1;
        }
    };
    round(500).await;
    settled(&running, &upstream).await;
    let (files, memory) = (descriptors(), resident());
    round(10_000).await;
    settled(&running, &upstream).await;
    let (files_after, memory_after) = (descriptors(), resident());
    assert!(files_after <= files + 20, "{files} descriptors before, {files_after} after");
    // The upstream records every request's head, which is the test's own memory: some 1 KB each.
    assert!(memory_after < memory + (60 << 20), "{memory} bytes before, {memory_after} after");
    let summary = running.gateway.summary();
    assert!(summary.total >= 10_000, "{summary:?}");
}

async fn settled(running: &crate::support::Running, upstream: &Upstream) {
    let waiting = async {
        while running.gateway.summary().in_flight > 0 || upstream.open_connections() > 12 {
            tokio::task::yield_now().await;
        }
    };
    gateway_testkit::patient("every exchange to end", waiting).await;
}

/// A large body's memory goes when its stream begins, not when it ends.
#[tokio::test]
async fn r42_request_bodies_are_not_held_while_streams_run() {
    let bytes = fixtures::reply("reply-cut-midstream").bytes;
    let upstream = Upstream::builder()
        .forget_bodies()
        .start(move |_| Script::event_stream().chunk(bytes.clone()).hang());
    // Room for two such bodies: five streams can only run if none is held.
    let running = with(&upstream, "server: {max_buffered_bytes: 5000000}\n", |_| {});
    let big = STREAM.replace("[]", &format!("[\"{}\"]", "x".repeat(2_000_000)));
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = running.client().await;
        client.send(&messages(&big)).await;
        assert_eq!(client.head().await.status, 200);
        client.until("message_start").await;
        clients.push(client);
    }
    assert_eq!(running.gateway.summary().in_flight, 5);
    let mut client = running.client().await;
    let huge = UNARY.replace("[]", &format!("[\"{}\"]", "x".repeat(6_000_000)));
    let _ = client.try_send(&messages(&huge)).await;
    let (head, got) = client.reply().await;
    assert_eq!(head.status, 503);
    assert!(got.bytes.windows(18).any(|w| w == b"max_buffered_bytes"));
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
