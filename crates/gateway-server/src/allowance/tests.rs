use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use gateway_models::Family;
use gateway_types::Usage;
use http::Method;
use tokio::time::advance;

use super::*;

const PERSON: Priority = Priority::Interactive;
const NOBODY: Priority = Priority::Background;
const SECOND: Duration = Duration::from_secs(1);

fn limits(limits: [Option<u64>; 3], queue: u64) -> UpstreamLimits {
    let [concurrent, requests_per_minute, tokens_per_minute] = limits;
    UpstreamLimits { concurrent, requests_per_minute, tokens_per_minute, queue }
}

fn of(concurrent: Option<u64>, requests: Option<u64>, tokens: Option<u64>) -> Arc<Allowance> {
    Arc::new(Allowance::new(&limits([concurrent, requests, tokens], 9)))
}

fn soon() -> Instant {
    Instant::now() + 100 * SECOND
}

/// A prompt of so many tokens, and an answer.
fn cost(prompt: usize, answer: u64) -> Cost {
    let never = || -> Family { panic!("a small body is not looked at") };
    Cost::of(&Bytes::from(vec![b'x'; prompt * 4]), Some(answer), never)
}

async fn enter(allowance: &Arc<Allowance>, who: Priority, tokens: u64) -> Result<Granted, Crowded> {
    allowance.enter(|| who, || cost(0, tokens), soon()).await
}

type Asking<'a> = Pin<Box<dyn Future<Output = Result<Granted, Crowded>> + 'a>>;

fn asking(allowance: &Arc<Allowance>, who: Priority, tokens: u64) -> Asking<'_> {
    Box::pin(enter(allowance, who, tokens))
}

async fn waits(asking: &mut Asking<'_>) -> bool {
    poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx).is_pending())).await
}

fn exchange(quality: UsageQuality, usage: Usage) -> Exchange {
    let mut exchange = Exchange::begun("req_1".to_owned(), Method::POST, String::new());
    (exchange.quality, exchange.usage) = (quality, usage);
    exchange
}

fn free(allowance: &Arc<Allowance>) -> u64 {
    let snapshot = allowance.books().rates.snapshot(Instant::now().into_std());
    snapshot.tokens.expect("a limit").remaining
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_place_waits_and_who_finds_no_queue_goes_on() {
    let allowance = Arc::new(Allowance::new(&limits([Some(1), None, None], 1)));
    let first = enter(&allowance, PERSON, 1).await.expect("a place");
    let mut waiting = asking(&allowance, PERSON, 1);
    assert!(waits(&mut waiting).await);
    assert_eq!(allowance.gauge(), (1, 1));
    assert!(matches!(enter(&allowance, PERSON, 1).await, Err(Crowded)));
    drop(first);
    drop(waiting.await.expect("the place"));
    assert_eq!(allowance.gauge(), (0, 0));
    let none = Arc::new(Allowance::new(&limits([Some(0), None, None], 0)));
    assert!(matches!(enter(&none, PERSON, 1).await, Err(Crowded)));
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_waited_for_as_long_as_there_is_time() {
    let allowance = of(None, Some(60), None);
    let began = Instant::now();
    for _ in 0..60 {
        drop(enter(&allowance, PERSON, 0).await.expect("within the rate"));
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    drop(enter(&allowance, PERSON, 0).await.expect("after a second"));
    assert!(began.elapsed() >= SECOND, "{:?}", began.elapsed());
    let at_once = Instant::now() + Duration::from_millis(10);
    let none = allowance.enter(|| PERSON, Cost::default, at_once).await;
    assert!(matches!(none, Err(Crowded)));
    assert_eq!(allowance.gauge(), (0, 0));
}

/// Those behind the first do not know when it is their turn, but not beyond their end.
#[tokio::test(start_paused = true)]
async fn no_wait_goes_beyond_its_end() {
    let allowance = of(Some(1), None, None);
    let held = enter(&allowance, PERSON, 0).await.expect("a place");
    let began = Instant::now();
    let mut first = asking(&allowance, PERSON, 0);
    assert!(waits(&mut first).await);
    let second = allowance.enter(|| PERSON, Cost::default, began + 7 * SECOND).await;
    assert!(matches!(second, Err(Crowded)));
    assert_eq!((began.elapsed(), allowance.gauge()), (7 * SECOND, (1, 1)));
    drop(held);
    drop(first.await.expect("the place"));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_rate_keeps_nobody_from_a_place() {
    let allowance = of(Some(1), None, Some(600));
    let settled = exchange(UsageQuality::Unknown, Usage::default());
    Box::new(enter(&allowance, NOBODY, 600).await.expect("all of it")).settle(&settled);
    let mut nobody = asking(&allowance, NOBODY, 500);
    assert!(waits(&mut nobody).await);
    assert_eq!(allowance.gauge(), (0, 1), "it waits, and has no place");
    // A person who comes later goes first, though it has to wait, too.
    let began = Instant::now();
    let mut person = asking(&allowance, PERSON, 100);
    assert!(waits(&mut person).await);
    let person = tokio::select! {
        person = &mut person => person.expect("its turn"),
        _ = &mut nobody => panic!("a person waits"),
    };
    assert_eq!(began.elapsed(), 10 * SECOND);
    Box::new(person).settle(&settled);
    drop(nobody.await.expect("its turn"));
    assert_eq!((began.elapsed(), allowance.gauge()), (60 * SECOND, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn small_ones_do_not_overtake_and_one_above_the_limit_is_served() {
    let allowance = of(None, None, Some(600));
    let settled = exchange(UsageQuality::Unknown, Usage::default());
    Box::new(enter(&allowance, PERSON, 600).await.expect("all of it")).settle(&settled);
    let began = Instant::now();
    let mut large = asking(&allowance, PERSON, 4000);
    assert!(waits(&mut large).await);
    let mut small = Vec::new();
    for _ in 0..8 {
        advance(SECOND).await;
        let mut one = asking(&allowance, PERSON, 1);
        assert!(waits(&mut one).await, "somebody is before it");
        small.push(one);
    }
    assert_eq!(allowance.gauge(), (0, 9));
    assert!(matches!(enter(&allowance, PERSON, 1).await, Err(Crowded)), "all of them count");
    let large = large.await.expect("a full bucket");
    assert_eq!(began.elapsed(), 60 * SECOND);
    Box::new(large)
        .settle(&exchange(UsageQuality::Reported, Usage { input: 9, ..Usage::default() }));
    for one in small {
        drop(one.await.expect("its turn"));
    }
    assert_eq!(began.elapsed(), 60 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_makes_way_for_the_next() {
    let allowance = of(None, None, Some(600));
    let settled = exchange(UsageQuality::Unknown, Usage::default());
    Box::new(enter(&allowance, PERSON, 600).await.expect("all of it")).settle(&settled);
    let began = Instant::now();
    let mut large = asking(&allowance, PERSON, 600);
    assert!(waits(&mut large).await);
    let mut small = asking(&allowance, NOBODY, 10);
    assert!(waits(&mut small).await);
    drop(large);
    drop(small.await.expect("its turn"));
    assert_eq!((began.elapsed(), allowance.gauge()), (SECOND, (0, 0)));
    // One that is let in and has left before it looks gives all of it back.
    let one = of(Some(1), Some(2), None);
    let held = enter(&one, PERSON, 0).await.expect("room");
    let (mut first, mut second) = (asking(&one, PERSON, 0), asking(&one, PERSON, 0));
    assert!(waits(&mut first).await && waits(&mut second).await);
    drop(held);
    drop(first);
    drop(second.await.expect("the second of two"));
    assert_eq!(one.gauge(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn other_limits_let_in_who_waits() {
    let allowance = of(None, None, Some(1));
    let _held = enter(&allowance, PERSON, 1).await.expect("all of it");
    let mut two = asking(&allowance, PERSON, 1);
    assert!(waits(&mut two).await);
    let began = Instant::now();
    allowance.set(&limits([None, None, None], 0));
    drop(two.await.expect("no limits"));
    assert_eq!((began.elapsed(), allowance.is_limited()), (Duration::ZERO, false));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_looked_at_unless_it_matters() {
    let no_priority = || -> Priority { panic!("nobody has to wait") };
    let no_cost = || -> Cost { panic!("tokens are not limited") };
    let allowance = of(Some(1), Some(60), None);
    let held = allowance.enter(no_priority, no_cost, soon()).await.expect("room");
    let mut waiting: Asking<'_> = Box::pin(allowance.enter(|| NOBODY, no_cost, soon()));
    assert!(waits(&mut waiting).await);
    drop(held);
    drop(waiting.await.expect("room"));
    let tokens = of(None, None, Some(600));
    drop(tokens.enter(no_priority, || cost(1, 1), soon()).await.expect("room"));
}

#[tokio::test(start_paused = true)]
async fn tokens_are_what_was_used_or_what_was_thought_where_nobody_says() {
    let usage = |input, output| Usage { input, output, cache_read: 9000, ..Usage::default() };
    let handed_over = |quality, usage, sent| {
        let mut exchange = exchange(quality, usage);
        exchange.sent = sent;
        exchange
    };
    for (exchange, used) in [
        (handed_over(UsageQuality::Reported, usage(100, 50), 4000), 150),
        (handed_over(UsageQuality::Estimated, usage(100, 50), 4000), 150),
        (handed_over(UsageQuality::Partial, usage(100, 1), 800), 300),
        (handed_over(UsageQuality::Partial, Usage::default(), 800), 800),
        (handed_over(UsageQuality::Unknown, Usage::default(), 800), 700),
        (handed_over(UsageQuality::Unknown, Usage::default(), 0), 700),
        (handed_over(UsageQuality::Reported, usage(u64::MAX, u64::MAX), 0), 1000),
    ] {
        let allowance = of(None, None, Some(1000));
        let granted = allowance.enter(|| PERSON, || cost(600, 100), soon()).await.expect("room");
        assert_eq!(free(&allowance), 300);
        let about = format!("{exchange:?}");
        Box::new(granted).settle(&exchange);
        assert_eq!((free(&allowance), allowance.gauge()), (1000 - used, (0, 0)), "{about}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_an_answer_gives_back_what_it_can_not_have_used() {
    let allowance = of(None, Some(9), Some(1000));
    let enter = async || {
        let granted = allowance.enter(|| PERSON, || cost(600, 100), soon()).await;
        granted.expect("room")
    };
    enter().await.failed(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(free(&allowance), 1000);
    // It was cancelled: the other one of two was faster, or the caller left.
    drop(enter().await);
    assert_eq!(free(&allowance), 400);
    advance(60 * SECOND).await;
    enter().await.failed(StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(free(&allowance), 400);
    advance(60 * SECOND).await;
    // It was never sent.
    let mut granted = enter().await;
    granted.sent = false;
    drop(granted);
    assert_eq!(free(&allowance), 1000);
    let requests = allowance.books().rates.snapshot(Instant::now().into_std()).requests;
    assert_eq!(requests.expect("a limit").remaining, 9);
}
