//! Whom a failure speaks against, and whom not.

use gateway_testkit::{Script, Upstream};
use serde_json::json;

use crate::legs::{answer, answering, ask, error, post, providers, saying, two};
use crate::support::{Running, UNARY, custom};

/// A single failure opens it, for as long as the test lasts.
const TOUCHY: &str = "resilience: {retry: {max_retries: 0}, \
                      circuit_breaker: {failure_threshold: 1, open_seconds: 600}}\n";

fn touchy(first: &Upstream, more: &str) -> Running {
    custom(&format!("{}{TOUCHY}", providers(&[("first", first, more)])), &[], |_| {})
}

/// Five requests of a hasty caller would leave everybody without the upstream.
#[tokio::test]
async fn a_caller_in_a_hurry_speaks_against_nobody_but_a_provider_over_its_own_limit_does() {
    let first = Upstream::start(|asked| {
        if asked.index < 5 { Script::new().hang() } else { answer(asked, "first") }
    });
    let running = touchy(&first, "");
    for _ in 0..5 {
        let hurry = [("x-stainless-timeout", "0.02")];
        assert_eq!(post(&running, "/v1/messages", &hurry, UNARY).await.status(), 504);
    }
    ask(&running, UNARY).await.is_whole("first");

    let slow = saying(|| Script::new().hang());
    let running = touchy(&slow, "timeouts: {unary: 0.05}");
    assert_eq!(ask(&running, UNARY).await.status(), 504);
    assert_eq!(ask(&running, UNARY).await.status(), 503, "its breaker is open");
    assert_eq!(slow.requests().len(), 1);
}

/// R31: counters have limits and troubles of their own.
#[tokio::test]
async fn r31_a_count_says_nothing_of_messages_and_is_an_estimate_where_nobody_counts() {
    let limited = || error(429, "rate_limit_error", "too many counts").header("retry-after", "60");
    let broken = || error(500, "api_error", "no counter today");
    for script in [limited as fn() -> Script, broken] {
        let first = Upstream::start(move |asked| {
            if asked.target.contains("count_tokens") { script() } else { answer(asked, "first") }
        });
        let running = touchy(&first, "");
        for _ in 0..2 {
            let told = post(&running, "/v1/messages/count_tokens", &[], UNARY).await;
            assert_eq!((told.status(), told.header("x-gateway-estimate")), (200, Some("1")));
            assert!(told.json()["input_tokens"].is_u64(), "{}", told.text);
            ask(&running, UNARY).await.is_whole("first");
        }
    }
    // And the other way round: messages that fail keep nobody from counting.
    let first = Upstream::start(|asked| {
        if asked.target.contains("count_tokens") {
            Script::json(200, r#"{"input_tokens":42}"#)
        } else {
            error(500, "api_error", "no messages today")
        }
    });
    let running = touchy(&first, "");
    assert_eq!(ask(&running, UNARY).await.status(), 500);
    assert_eq!(ask(&running, UNARY).await.status(), 503, "its breaker is open");
    let told = post(&running, "/v1/messages/count_tokens", &[], UNARY).await;
    assert_eq!((told.status(), &told.json()["input_tokens"]), (200, &json!(42)));
    assert_eq!(told.header("x-gateway-estimate"), None);
}

/// What nobody can pay for passes no sooner for being asked again; an overload does.
#[tokio::test]
async fn an_overload_is_told_rather_than_an_account_without_money_behind_it() {
    let busy = saying(|| error(529, "overloaded_error", "busy for a moment"));
    let unpaid = saying(|| error(402, "billing_error", "your credit balance is too low"));
    let running = custom(&format!("{}{TOUCHY}", two(&busy, &unpaid)), &[], |_| {});
    let told = ask(&running, UNARY).await;
    assert_eq!((told.status(), told.header("x-gateway-provider")), (529, Some("first")));
    assert_ne!(told.header("x-should-retry"), Some("false"));
}

/// `retry.statuses` is about what upstreams answer: a broken connection is no answer.
#[tokio::test]
async fn a_broken_connection_is_tried_again_whatever_statuses_are_listed() {
    let first = Upstream::start(|asked| {
        if asked.index == 0 { Script::new().reset() } else { answer(asked, "first") }
    });
    let listed = "resilience: {retry: {max_retries: 1, base_delay: 0.01, statuses: [429]}}\n";
    let all = providers(&[("first", &first, "")]);
    let running = custom(&format!("{all}{listed}"), &[], |_| {});
    ask(&running, UNARY).await.is_whole("first");
    assert_eq!(first.requests().len(), 2);

    let (busy, second) = (saying(|| error(503, "api_error", "busy")), answering("second"));
    let running = custom(&format!("{}{listed}", two(&busy, &second)), &[], |_| {});
    ask(&running, UNARY).await.is_whole("second");
    assert_eq!(busy.requests().len(), 1, "a 503 is not listed");
}
