use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use gateway_resilience::settings::CallerLimits;
use gateway_types::Usage;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use tokio::time::advance;

use super::*;
use crate::gauges::tell;
use crate::record::Served;
use crate::slow_callers::runtime;

const PATIENCE: Duration = Duration::from_secs(100);

fn limits(change: impl FnOnce(&mut CallerLimits)) -> CallerLimits {
    let mut limits = CallerLimits::default();
    change(&mut limits);
    limits
}

fn alice(change: impl FnOnce(&mut CallerLimits)) -> Client {
    let client = gateway_config::Client::new("alice", [0; 32]);
    let client = Client::new(&client, Arc::default()).expect("no globs");
    client.meter.set(&limits(change));
    client
}

fn everyone(change: impl FnOnce(&mut CallerLimits)) -> Arc<Meter> {
    let meter = Meter::default();
    meter.set(&limits(change));
    Arc::new(meter)
}

async fn take(client: &Client, everyone: &Arc<Meter>, tokens: u64) -> Result<Seat, Over> {
    let cost = Cost { prompt: tokens, answer: 0 };
    Seat::take(client, everyone, cost, Priority::Interactive, PATIENCE).await
}

async fn waits<T>(mut future: Pin<&mut impl Future<Output = T>>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

fn exchange() -> Exchange {
    Exchange::begun("req_1".to_owned(), Method::POST, "/v1/messages".to_owned())
}

/// Settles with so many tokens, of which nothing is learnt.
fn used(seat: Seat, tokens: u64) {
    let mut exchange = exchange();
    exchange.quality = UsageQuality::Estimated;
    exchange.usage = Usage { output: tokens, ..Usage::default() };
    seat.settle(&exchange);
}

#[test]
fn r36_a_wait_is_told_so_that_the_client_holds_it_or_gives_up() {
    for (millis, told) in [
        (1, 1),
        (1000, 1),
        (1001, 2),
        (58_999, 59),
        (59_000, 59),
        (59_001, 61),
        (60_000, 61),
        (61_000, 61),
        (61_001, 62),
        (3_600_000, 3600),
    ] {
        assert_eq!(retry_after(Duration::from_millis(millis)), told, "{millis} ms");
    }
    let over = Over {
        by: LimitedBy::Server,
        kind: ErrorKind::RateLimited,
        text: String::new(),
        retry_after: 59,
    };
    assert_eq!(ApiError::from(over.clone()).should_retry(), None);
    assert_eq!(ApiError::from(Over { retry_after: 61, ..over }).should_retry(), Some(false));
}

/// Who comes back when it was told to is let in, and nobody is a second before.
#[tokio::test(start_paused = true)]
async fn r36_the_time_that_is_told_is_the_time_it_takes() {
    let all = everyone(|_| {});
    for (per_minute, taken) in [(60, 60), (7, 7), (100, 100), (2, 2)] {
        let alice = alice(|limits| limits.requests_per_minute = Some(per_minute));
        for _ in 0..taken {
            used(take(&alice, &all, 0).await.expect("within the limit"), 0);
        }
        let over = take(&alice, &all, 0).await.expect_err("over the limit");
        assert_eq!(over.by, LimitedBy::Client(Limit::Requests));
        advance(Duration::from_secs(over.retry_after - 1)).await;
        if over.retry_after > 1 {
            assert!(take(&alice, &all, 0).await.is_err(), "{per_minute}");
        }
        advance(Duration::from_secs(1)).await;
        used(take(&alice, &all, 0).await.expect("as it was told"), 0);
    }
}

/// A crowd that is told to wait comes back one after the other: all are served, none asks in vain so often that
/// it gives up, which Claude Code does after ten times.
#[tokio::test(start_paused = true)]
async fn r36_a_crowd_is_told_to_come_back_one_after_the_other() {
    let began = Instant::now();
    for (per_minute, crowd) in [(60, 60), (60, 200), (600, 1000), (7, 30)] {
        let all = everyone(|_| {});
        let alice = alice(|limits| limits.requests_per_minute = Some(per_minute));
        let mut coming: std::collections::BTreeMap<(u64, u32), u32> =
            (0..crowd).map(|who| ((0, who), 0)).collect();
        let (mut clock, mut most) = (0, 0);
        while let Some(((second, who), tries)) = coming.pop_first() {
            advance(Duration::from_secs(second - clock)).await;
            clock = second;
            match take(&alice, &all, 0).await {
                Ok(seat) => used(seat, 0),
                Err(over) => {
                    most = most.max(tries + 1);
                    coming.insert((second + over.retry_after, who), tries + 1);
                }
            }
        }
        let due = u64::from(crowd).saturating_sub(per_minute) * 60 / per_minute;
        assert!(clock <= due + due / 5 + 60, "{crowd} of {per_minute}: {clock} s, not {due} s");
        assert!(most <= 6, "{crowd} of {per_minute}: {most} tries");
    }
    assert!(began.elapsed() > Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn r36_tokens_that_were_not_used_let_the_next_one_in() {
    let (alice, all) = (alice(|_| {}), everyone(|limits| limits.tokens_per_minute = Some(6000)));
    let first = take(&alice, &all, 4000).await.expect("room");
    let over = take(&alice, &all, 4000).await.expect_err("no room");
    assert_eq!((over.by, over.retry_after), (LimitedBy::Everyone(Limit::Tokens), 20));
    assert!(over.text.contains("all callers") && over.text.contains("6000"), "{}", over.text);
    assert!(over.text.contains("about 4000"), "{}", over.text);
    used(first, 500);
    let second = take(&alice, &all, 4000).await.expect("room again");
    // One that cost more than was thought is paid for by those after it.
    used(second, 6500);
    let over = take(&alice, &all, 1000).await.expect_err("a debt");
    // It would be let in after 20 s, but somebody else was told to come then.
    assert_eq!(over.retry_after, 30);
    advance(Duration::from_secs(20)).await;
    assert!(take(&alice, &all, 1000).await.is_ok());
    // One that is larger than a minute's limit has to wait for a whole minute, and is let in then.
    advance(Duration::from_secs(60)).await;
    assert!(take(&alice, &all, 50_000).await.is_ok());
}

/// What is refused, whoever refuses it, and what leaves while it waits counts towards nothing.
#[tokio::test(start_paused = true)]
async fn what_is_refused_takes_nothing() {
    let alice = alice(|limits| {
        limits.requests_per_minute = Some(2);
        limits.concurrent = Some(1);
        limits.queue = 1;
    });
    let strict = everyone(|limits| limits.tokens_per_minute = Some(10));
    used(take(&alice, &strict, 10).await.expect("room"), 10);
    let over = take(&alice, &strict, 10).await.expect_err("everybody's tokens");
    assert_eq!(over.by, LimitedBy::Everyone(Limit::Tokens));

    let free = everyone(|_| {});
    let holds = take(&alice, &free, 0).await.expect("the second of two");
    assert_eq!(
        alice.meter.snapshot(Instant::now().into_std()).requests.expect("limited").remaining,
        0
    );
    advance(Duration::from_secs(30)).await;
    {
        let mut waiter = pin!(take(&alice, &free, 0));
        assert!(waits(waiter.as_mut()).await);
        let over = take(&alice, &free, 0).await.expect_err("the queue is full");
        assert_eq!((over.by, over.retry_after), (LimitedBy::Client(Limit::Concurrent), 1));
    }
    let remaining = alice.meter.snapshot(Instant::now().into_std()).requests.expect("limited");
    assert_eq!(remaining.remaining, 1, "neither the waiter nor the other one counts");
    assert_eq!((alice.meter.places.inside(), alice.meter.places.waiting()), (1, 0));
    drop(holds);
    assert_eq!(alice.meter.places.inside(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_has_an_end() {
    let (alice, all) = (
        alice(|_| {}),
        everyone(|limits| {
            limits.concurrent = Some(1);
            limits.queue = 9;
        }),
    );
    let holds = take(&alice, &all, 0).await.expect("room");
    let began = Instant::now();
    let over = take(&alice, &all, 0).await.expect_err("nobody leaves");
    assert_eq!((began.elapsed(), over.by), (PATIENCE, LimitedBy::Everyone(Limit::Concurrent)));
    assert!(over.text.contains("100 s"), "{}", over.text);
    assert_eq!((all.places.inside(), all.places.waiting()), (1, 0));
    drop(holds);
    assert!(take(&alice, &all, 0).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reports_is_charged_by_what_is_known() {
    let runtime = runtime(|_| {});
    let served = || Some(Served { provider: runtime.providers[0].clone(), model: "".into() });
    let usage = Usage { input: 1, output: 20, cache_write: 300, cache_read: 4000 };
    for (served, quality, outcome, tokens) in [
        (None, UsageQuality::Unknown, Outcome::Failed, 0),
        (None, UsageQuality::Unknown, Outcome::Abandoned, 0),
        (served(), UsageQuality::Unknown, Outcome::Failed, 0),
        (served(), UsageQuality::Unknown, Outcome::Abandoned, 7000),
        (served(), UsageQuality::Unknown, Outcome::Broken, 7000),
        (served(), UsageQuality::Unknown, Outcome::Delivered, 7050),
        (served(), UsageQuality::Reported, Outcome::Delivered, 321),
        (served(), UsageQuality::Partial, Outcome::Abandoned, 321),
        (served(), UsageQuality::Estimated, Outcome::Abandoned, 321),
    ] {
        let (alice, all) = (alice(|_| {}), everyone(|_| {}));
        let cost = Cost { prompt: 7000, answer: 50 };
        let seat = Seat::take(&alice, &all, cost, Priority::Interactive, PATIENCE).await;
        let mut exchange = exchange();
        (exchange.served, exchange.quality, exchange.outcome) = (served, quality, outcome);
        exchange.usage = usage;
        assert_eq!(seat.expect("no limits").used(&exchange), tokens, "{quality:?} {outcome:?}");
    }
}

/// `message_start` says that one token was written, and only `message_delta`, which comes last, how many.
#[tokio::test(start_paused = true)]
async fn who_leaves_just_before_the_usage_is_told_pays_for_what_it_got() {
    let runtime = runtime(|_| {});
    let usage = Usage { input: 10, output: 1, ..Usage::default() };
    for (usage, quality, outcome, tokens) in [
        (usage, UsageQuality::Partial, Outcome::Abandoned, 1010),
        (usage, UsageQuality::Partial, Outcome::Broken, 1010),
        (Usage { output: 2000, ..usage }, UsageQuality::Partial, Outcome::Abandoned, 2010),
        (Usage::default(), UsageQuality::Partial, Outcome::Abandoned, 8000),
        (Usage::default(), UsageQuality::Unknown, Outcome::Abandoned, 8000),
        (Usage::default(), UsageQuality::Unknown, Outcome::Broken, 8000),
        (Usage::default(), UsageQuality::Unknown, Outcome::Delivered, 8000),
        (usage, UsageQuality::Reported, Outcome::Delivered, 11),
    ] {
        let (alice, all) = (alice(|_| {}), everyone(|_| {}));
        let cost = Cost { prompt: 7000, answer: 50 };
        let seat = Seat::take(&alice, &all, cost, Priority::Interactive, PATIENCE).await;
        let mut open = crate::exchange::Open::new(runtime.clone(), Method::POST, String::new());
        open.sending(3000);
        open.sending(1000);
        let exchange = open.record();
        exchange.served = Some(Served { provider: runtime.providers[0].clone(), model: "".into() });
        (exchange.usage, exchange.quality, exchange.outcome) = (usage, quality, outcome);
        assert_eq!(seat.expect("no limits").used(exchange), tokens, "{quality:?} {outcome:?}");
    }
}

#[test]
fn images_are_not_counted_by_their_bytes() {
    let small = Bytes::from(vec![b'x'; 4000]);
    let never = || panic!("a small body is not looked at");
    assert_eq!(Cost::of(&small, Some(9), never), Cost { prompt: 1000, answer: 9 });
    assert_eq!(Cost::of(&small, None, never).answer, 4096);
    assert_eq!(Cost::of(&small, Some(64_000), never).answer, 4096);

    let words = "a word or two ".repeat(30_000);
    let text = format!(r#"{{"messages":[{{"role":"user","content":"{words}"}}]}}"#);
    let text = Cost::of(&Bytes::from(text), None, || Family::Claude).prompt;
    assert!((60_000..250_000).contains(&text), "{text}");
    let data = format!("iVBORw0KGgo{}", "A".repeat(3_000_000));
    let image = format!(r#"{{"messages":[{{"source":{{"type":"base64","data":"{data}"}}}}]}}"#);
    let image = Cost::of(&Bytes::from(image), None, || Family::Claude).prompt;
    assert!((500..5000).contains(&image), "{image}");
}

#[tokio::test(start_paused = true)]
async fn of_two_limits_the_tighter_is_told() {
    let clock: Timestamp = "2026-11-21T12:00:00.5Z".parse().expect("a time");
    let (client, all) = (
        alice(|limits| {
            limits.requests_per_minute = Some(60);
            limits.tokens_per_minute = Some(1000);
        }),
        everyone(|limits| limits.requests_per_minute = Some(30)),
    );
    used(take(&client, &all, 0).await.expect("room"), 400);
    let mut headers = HeaderMap::new();
    tell(&mut headers, &client.meter, &all, clock);
    for (name, value) in [
        ("anthropic-ratelimit-requests-limit", "30"),
        ("anthropic-ratelimit-requests-remaining", "29"),
        ("anthropic-ratelimit-requests-reset", "2026-11-21T12:00:03Z"),
        ("anthropic-ratelimit-tokens-limit", "1000"),
        ("anthropic-ratelimit-tokens-remaining", "600"),
        ("anthropic-ratelimit-tokens-reset", "2026-11-21T12:00:25Z"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    let mut headers = HeaderMap::new();
    tell(&mut headers, &alice(|_| {}).meter, &everyone(|_| {}), clock);
    assert!(headers.is_empty());
}

/// A long session reads nearly all of its prompt from a cache, so that a limit on tokens lets it go on.
#[tokio::test(start_paused = true)]
async fn what_of_a_prompt_counts_is_learnt() {
    let (alice, all) = (alice(|limits| limits.tokens_per_minute = Some(10_000)), everyone(|_| {}));
    let answered = |seat: Seat| {
        let mut exchange = exchange();
        exchange.quality = UsageQuality::Reported;
        exchange.usage = Usage { input: 100, cache_read: 9000, ..Usage::default() };
        seat.settle(&exchange);
    };
    let first = take(&alice, &all, 9000).await.expect("room");
    assert!(take(&alice, &all, 9000).await.is_err(), "nothing is known yet");
    answered(first);
    for _ in 0..12 {
        advance(Duration::from_secs(1)).await;
        answered(take(&alice, &all, 9000).await.expect("room"));
    }
    let at_once = [take(&alice, &all, 9000).await, take(&alice, &all, 9000).await];
    assert!(at_once.iter().all(Result::is_ok));
    // Others do not profit.
    assert_eq!(Meter::default().expected(9000), 9000);
    // It may be wrong, and is soon unlearnt.
    for _ in 0..12 {
        alice.meter.learn(9000, 18_000);
    }
    assert!(alice.meter.expected(9000) > 15_000);
    alice.meter.learn(0, 7);
}
