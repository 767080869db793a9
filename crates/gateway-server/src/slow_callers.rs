//! Tests of callers that take their time, on a clock that takes none.

use std::sync::Arc;
use std::time::Duration;

use gateway_config::{Config, LogLevel, Sources, load};
use gateway_models::Catalogue;
use gateway_resilience::places::Priority;
use gateway_resilience::settings::UpstreamLimits;
use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::desk::Desk;
use crate::house::House;
use crate::listener::{Phase, Spoken, serve};
use crate::log::{Log, LogSettings};
use crate::runtime::{Extras, Runtime};
use crate::seat::Cost;

/// A caller's end of a connection to a gateway before the demo.
pub(crate) fn connect(runtime: &Arc<Runtime>) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let desk = Arc::new(Desk::new(runtime.clone(), None, 1));
    let (phase, seen) = watch::channel(Phase::Serving);
    tokio::spawn(async move {
        serve(desk, theirs, Spoken::Http1, seen).await;
        drop(phase);
    });
    ours
}

pub(crate) fn runtime(change: impl FnOnce(&mut Config)) -> Arc<Runtime> {
    let mut sources = Sources::empty(".");
    sources.overrides.demo = true;
    let mut config = load(&sources).expect("the demo needs no file").config;
    change(&mut config);
    let settings = LogSettings { level: Some(LogLevel::Off), ..LogSettings::default() };
    let extras = Extras {
        anthropic_version: HeaderValue::from_static("2023-06-01"),
        passthrough: false,
        open: false,
        state_key: None,
        catalogue: Arc::new(Catalogue::builtin().clone()),
        router: None,
    };
    let house = Arc::new(House::new(Log::open(&settings).expect("no file")));
    let runtime = Runtime::compile(config, &extras, house, None).expect("the demo is ready");
    runtime.begin();
    Arc::new(runtime)
}

fn head(length: usize) -> String {
    format!("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n")
}

fn body(length: usize) -> Vec<u8> {
    let start =
        r#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[{"role":"user","content":""#;
    let end = r#""}]}"#;
    let filling = "y".repeat(length - start.len() - end.len());
    format!("{start}{filling}{end}").into_bytes()
}

/// Sends `pieces` with pauses between them; everything that came back, and when it ended.
async fn drip(
    stream: DuplexStream,
    pieces: impl Iterator<Item = Vec<u8>>,
    pause: Duration,
) -> (String, Duration) {
    let began = Instant::now();
    let (mut read, mut write) = tokio::io::split(stream);
    let sending = async {
        for piece in pieces {
            if write.write_all(&piece).await.is_err() {
                break;
            }
            sleep(pause).await;
        }
        std::future::pending::<()>().await;
    };
    let mut got = Vec::new();
    tokio::select! {
        _ = read.read_to_end(&mut got) => {}
        () = sending => {}
    }
    (String::from_utf8_lossy(&got).into_owned(), began.elapsed())
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_is_not_waited_for() {
    let runtime = runtime(|_| {});
    let bytes = head(9).into_bytes().into_iter().map(|byte| vec![byte]);
    let (got, took) = drip(connect(&runtime), bytes, 10 * SECOND).await;
    assert_eq!((got.as_str(), took.as_secs()), ("", 75));
    // Nor is one that never begins.
    let (got, took) = drip(connect(&runtime), std::iter::empty(), SECOND).await;
    assert_eq!((got.as_str(), took.as_secs()), ("", 75));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_or_drips_is_a_408_and_frees_its_place() {
    let runtime = runtime(|config| config.server.max_concurrent_requests = 1);
    let start = || head(9000).into_bytes();
    let stalls = vec![start(), body(9000)[..100].to_vec()];
    let drips = std::iter::once(start()).chain(body(9000).into_iter().map(|byte| vec![byte]));
    let (pause, all) = (30 * SECOND, [stalls, drips.collect()]);
    for pieces in all {
        let (got, took) = drip(connect(&runtime), pieces.into_iter(), pause).await;
        assert!(got.starts_with("HTTP/1.1 408 "), "{got}");
        assert!(got.contains(r#""type":"timeout_error""#), "{got}");
        assert!((60..=92).contains(&took.as_secs()), "{took:?}");
        assert_eq!(runtime.house.meters.served.inside(), 0);
    }
}

/// A narrow uplink is no attack.
#[tokio::test(start_paused = true)]
async fn a_body_that_comes_slowly_but_surely_is_taken() {
    let runtime = runtime(|_| {});
    let mut stream = connect(&runtime);
    let began = Instant::now();
    stream.write_all(head(200 << 10).as_bytes()).await.expect("written");
    for piece in body(200 << 10).chunks(1500) {
        stream.write_all(piece).await.expect("written");
        sleep(SECOND).await;
    }
    let mut got = [0; 15];
    stream.read_exact(&mut got).await.expect("an answer");
    assert_eq!(&got, b"HTTP/1.1 200 OK");
    assert!(began.elapsed() > 2 * 60 * SECOND);
}

/// What a request has waited in its caller's queue is part of the silence that a caller puts up with.
#[tokio::test(start_paused = true)]
async fn r08_a_wait_in_two_queues_is_no_longer_than_one() {
    let limited = UpstreamLimits { concurrent: Some(1), ..UpstreamLimits::default() };
    let runtime = runtime(|config| {
        config.providers[0].limits = limited;
        (config.limits.concurrent, config.limits.queue) = (Some(1), 1);
    });
    let soon = Instant::now() + 10_000 * SECOND;
    let allowance = &runtime.providers[0].live.allowance;
    let entered = allowance.enter(|| Priority::Interactive, Cost::default, soon).await;
    let _upstream_is_busy = entered.expect("it has a place");
    let everyone = &runtime.house.meters.everyone;
    let seat = everyone.places.enter(Priority::Interactive).await.expect("a place");
    let body = body(9000);
    let text = String::from_utf8(body).expect("text").replacen('{', r#"{"stream":true,"#, 1);
    let mut stream = connect(&runtime);
    let began = Instant::now();
    stream.write_all(head(text.len()).as_bytes()).await.expect("written");
    stream.write_all(text.as_bytes()).await.expect("written");
    tokio::spawn(async move {
        sleep(60 * SECOND).await;
        drop(seat);
    });
    let mut got = [0; 15];
    stream.read_exact(&mut got).await.expect("an answer");
    assert_eq!(&got, b"HTTP/1.1 200 OK");
    assert_eq!(began.elapsed().as_secs(), 100);
}
