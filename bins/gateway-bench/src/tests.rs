//! The load generator against its own upstream, and through the minimal proxies: that what it
//! counts is right, whatever the time it takes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::chat;
use crate::floor::{self, Work};
use crate::load::{Callers, Until, Want};
use crate::target::Target;
use crate::upstream::Upstream;
use crate::workload::{RENAMED_FROM, RENAMED_TO, Workload};

const EACH: usize = 3;

async fn through(
    addr: SocketAddr,
    upstream: &Upstream,
    target: &Target,
    all: impl IntoIterator<Item = Workload>,
) {
    for mut workload in all {
        workload.pattern.delays = true;
        let (ask, script) = workload.for_target(target).unwrap();
        upstream.play(script);
        let mut callers = Callers::connect(addr, 4).await.unwrap();
        callers.check(&ask).await.unwrap();
        let tally = callers.run(&ask, workload.pattern, Until::Count(EACH)).await.unwrap();
        upstream.check().unwrap();
        assert_eq!(tally.requests, 4 * EACH as u64);
        assert_eq!(tally.waits.len(), 4 * EACH);
        if let Want::Stream { events, .. } | Want::Deltas { events } = ask.want {
            assert_eq!(tally.events, (4 * EACH * events) as u64);
        }
    }
}

fn on_a_runtime(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

#[test]
fn the_configuration_of_a_decision_is_as_large_as_it_is_said_to_be() {
    let text = include_str!("ruled.yaml");
    let (before, rules) = text.split_once("\nroutes:\n").unwrap();
    assert_eq!(before.matches("http://{upstream}/").count(), 10);
    assert_eq!(rules.lines().count(), 50);
}

fn passed_on() -> [Workload; 4] {
    [
        Workload::unary_small(),
        Workload::unary_captured(),
        Workload::flood(),
        Workload::first_events(),
    ]
}

fn translated() -> [Workload; 2] {
    [Workload::chat_unary(), Workload::chat_bursts()]
}

#[test]
fn every_reply_is_counted_and_right() {
    on_a_runtime(async {
        let upstream = Upstream::start().unwrap();
        through(upstream.addr, &upstream, &Target::Direct, passed_on()).await;
        through(upstream.addr, &upstream, &Target::Direct, translated()).await;
        for (target, work) in [
            (Target::Floor, Work::Stream),
            (
                Target::FloorSplice,
                Work::Splice { from: RENAMED_FROM.to_owned(), to: RENAMED_TO.into() },
            ),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            tokio::task::spawn_local(floor::serve(listener, upstream.addr, work));
            through(addr, &upstream, &target, passed_on()).await;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let work = Work::Chat { model: chat::MODEL.to_owned() };
        tokio::task::spawn_local(floor::serve(listener, upstream.addr, work));
        through(addr, &upstream, &Target::FloorChat, translated()).await;
    });
}

#[test]
fn what_is_passed_on_untranslated_ends_the_run() {
    on_a_runtime(async {
        let upstream = Upstream::start().unwrap();
        for workload in translated() {
            let (ask, script) = workload.for_target(&Target::FloorChat).unwrap();
            upstream.play(script);
            let mut callers = Callers::connect(upstream.addr, 1).await.unwrap();
            assert!(callers.check(&ask).await.is_err());
            let fault = upstream.check().unwrap_err();
            assert!(format!("{fault:#}").contains("/v1/messages"), "{fault:#}");
        }
    });
}

#[test]
fn a_translation_that_lacks_a_piece_is_found_out() {
    let stream = chat::stream(1, Duration::from_millis(5));
    let mut events = floor::chat::Events::default();
    let mut body = Vec::new();
    for write in &stream.writes {
        // Heads, sizes and ends of HTTP's chunks stand on lines of their own.
        for line in write.bytes.split(|&byte| byte == b'\n') {
            if line.starts_with(b"data: ") {
                body.extend(events.push(&[line, b"\n\n"].concat()).unwrap());
            }
        }
    }
    chat::check_stream(&body).unwrap();
    let text = String::from_utf8(body).unwrap();
    let delta = "event: content_block_delta";
    let at = text.find(delta).unwrap();
    let end = at + text[at..].find("\n\n").unwrap() + 2;
    let without = format!("{}{}", &text[..at], &text[end..]);
    let renamed = text.replacen("end_turn", "max_tokens", 1);
    let other = text.replacen("and so", "and  o", 1);
    let cut = text.replace("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", "");
    for bad in [without, renamed, other, cut] {
        assert_ne!(bad, text);
        assert!(chat::check_stream(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn a_wrong_request_and_a_wrong_reply_end_the_run() {
    on_a_runtime(async {
        let upstream = Upstream::start().unwrap();
        let workload = Workload::unary_captured();
        // What a proxy that renames would have sent is not what comes.
        let (ask, script) = workload.for_target(&Target::FloorSplice).unwrap();
        upstream.play(script);
        let mut callers = Callers::connect(upstream.addr, 2).await.unwrap();
        assert!(callers.run(&ask, workload.pattern, Until::Count(1)).await.is_err());
        assert!(upstream.check().is_err());

        let (mut ask, script) = workload.for_target(&Target::Direct).unwrap();
        upstream.play(script);
        if let Want::Body(body) = &mut ask.want {
            let mut other = body.to_vec();
            other[5] ^= 1;
            *body = other.into();
        }
        let mut callers = Callers::connect(upstream.addr, 2).await.unwrap();
        let fault = callers.run(&ask, workload.pattern, Until::Count(1)).await.unwrap_err();
        assert!(format!("{fault:#}").contains("other bytes"), "{fault:#}");
    });
}
