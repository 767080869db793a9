use std::time::Duration;

use gateway_resilience::bucket::Bucket;
use gateway_resilience::limits::{Gauge, Rates, TooMuch, What};
use proptest::prelude::*;

use crate::{config, ms, secs, start};

#[test]
fn it_fills_in_a_minute_to_the_nanosecond() {
    let now = start();
    // Seven a minute: no whole number of nanoseconds each.
    let mut bucket = Bucket::per_minute(7);
    assert_eq!(bucket.take(now, 7), Ok(()));
    assert_eq!(bucket.full_in(now), secs(60));
    let wait = bucket.take(now, 1).expect_err("it is empty");
    assert_eq!(wait, Duration::from_nanos(8_571_428_572));
    assert!(bucket.take(now + wait.saturating_sub(Duration::from_nanos(1)), 1).is_err());
    assert_eq!(bucket.take(now + wait, 1), Ok(()));
    assert_eq!(bucket.remaining(now + secs(60)), 6);
}

#[test]
fn a_request_larger_than_the_bucket_is_granted_when_it_is_full_and_leaves_a_debt() {
    let now = start();
    let mut bucket = Bucket::per_minute(60);
    assert_eq!(bucket.take(now, 180), Ok(()));
    assert_eq!(bucket.remaining(now), 0);
    assert_eq!(bucket.take(now, 1), Err(secs(121)));
    assert_eq!(bucket.take(now, 500), Err(secs(180)));
    assert_eq!(bucket.full_in(now), secs(180));
}

#[test]
fn a_correction_gives_back_or_leaves_a_debt_and_never_overfills() {
    let now = start();
    let mut bucket = Bucket::per_minute(60);
    assert_eq!(bucket.take(now, 10), Ok(()));
    bucket.correct(now, 10, 80);
    assert_eq!(bucket.take(now, 1), Err(secs(21)));
    bucket.give_back(now, 1000);
    assert_eq!(bucket.remaining(now), 60);
    bucket.correct(now, 0, u64::MAX);
    assert_eq!(
        bucket.full_in(now),
        secs(61 * 60),
        "an absurd usage locks out for an hour, not for ever"
    );
}

#[test]
fn another_limit_keeps_the_share_that_is_left() {
    let now = start();
    let mut bucket = Bucket::per_minute(60);
    assert_eq!(bucket.take(now, 45), Ok(()));
    for (limit, left) in [(100, 25), (30, 7), (30, 7), (u64::MAX, u64::MAX / 4), (60, 15)] {
        bucket.set(limit);
        let remaining = bucket.remaining(now);
        assert!(remaining.abs_diff(left) <= limit / 1_000_000, "{remaining} of {limit}");
        assert_eq!(bucket.limit(), limit);
    }
    // Out of nothing comes a whole one.
    bucket.set(0);
    assert_eq!(bucket.take(now, 1), Err(secs(3600)));
    bucket.set(50);
    assert_eq!(bucket.remaining(now), 50);
}

/// However much of the old limit was used, a new one is there within a minute; debts within two.
#[test]
fn another_limit_locks_nobody_out() {
    let now = start();
    for (old, taken, new, wait) in [
        (2_000_000, 2_000_000, 20_000, secs(60)),
        (2_000_000, 2_000_000, 2_000_000_000, secs(60)),
        (2_000_000, 3_000_000, 20_000, secs(90)),
        (20_000, 2_000_000, 40_000, secs(120)),
        (u64::MAX, u64::MAX, 1, secs(60)),
    ] {
        let mut bucket = Bucket::per_minute(old);
        assert_eq!(bucket.take(now, taken), Ok(()));
        bucket.set(new);
        assert_eq!(bucket.full_in(now), wait, "{old} to {new}");
    }
    // A reload that changes nothing forgives nothing.
    let mut bucket = Bucket::per_minute(60);
    assert_eq!(bucket.take(now, 300), Ok(()));
    bucket.set(60);
    assert_eq!(bucket.full_in(now), secs(300));
}

#[test]
fn a_limit_of_nought_grants_nothing_and_the_largest_one_does_not_overflow() {
    let now = start();
    assert_eq!(Bucket::per_minute(0).take(now, 1), Err(secs(3600)));
    let mut bucket = Bucket::per_minute(u64::MAX);
    assert_eq!(bucket.take(now, u64::MAX), Ok(()));
    bucket.correct(now, 0, u64::MAX);
    assert_eq!(bucket.remaining(now + secs(3600 * 24 * 365)), u64::MAX);
}

#[test]
fn time_that_goes_backwards_does_not_count_twice() {
    let now = start();
    let mut bucket = Bucket::per_minute(60);
    assert_eq!(bucket.take(now + secs(10), 60), Ok(()));
    assert_eq!(bucket.remaining(now), 0);
    assert_eq!(bucket.remaining(now + secs(10)), 0);
    assert_eq!(bucket.remaining(now + secs(11)), 1);
}

#[test]
fn rates_take_both_or_neither_and_name_what_takes_longer() {
    let now = start();
    let mut rates = Rates::new(Some(2), Some(600));
    let first = rates.take(now, 500).expect("nothing was taken yet");
    let refused = rates.take(now, 200).expect_err("a hundred tokens are left");
    assert_eq!(refused, TooMuch { wait: secs(10), what: What::Tokens, limit: 600 });
    let whole = Gauge { limit: 2, remaining: 1, full_in: secs(30) };
    assert_eq!(rates.snapshot(now).requests, Some(whole), "a refused one costs no request");
    rates.settle(now, first, 100);
    let second = rates.take(now, 200).expect("four hundred came back");
    let refused = rates.take(now, 400).expect_err("both are used up");
    assert_eq!(refused, TooMuch { wait: secs(30), what: What::Requests, limit: 2 });
    rates.give_back(now, second);
    let left = rates.snapshot(now);
    assert_eq!(left.requests.map(|gauge| gauge.remaining), Some(1));
    assert_eq!(left.tokens.map(|gauge| gauge.remaining), Some(500));
}

#[test]
fn rates_without_limits_grant_everything_and_can_get_some() {
    let now = start();
    let mut rates = Rates::new(None, None);
    let before = rates.take(now, u64::MAX).expect("there is no limit");
    assert_eq!((rates.snapshot(now).requests, rates.snapshot(now).tokens), (None, None));
    rates.set(Some(1), Some(10));
    rates.settle(now, before, 10_000);
    rates.take(now, 10).map(drop).expect("what was granted without a limit costs nothing of it");
    assert!(rates.take(now, 0).is_err());
    rates.set(None, Some(10));
    assert_eq!(rates.take(now, 1).expect_err("no tokens").what, What::Tokens);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Take(u64),
    Correct(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u64..150).prop_map(Step::Take),
        1 => (0u64..150).prop_map(Step::Correct),
        3 => (0u64..5000).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(config(2))]

    #[test]
    fn it_grants_what_comes_in_and_a_bucketful(
        limit in 1u64..200,
        steps in prop::collection::vec(step(), 0..100),
    ) {
        let begin = start();
        let mut bucket = Bucket::per_minute(limit);
        let mut now = begin;
        let mut used = 0u64;
        let mut reserved = None;
        for step in steps {
            let passed = u64::try_from((now - begin).as_millis()).expect("minutes");
            // In sixty-thousandths, so that this is exact, too.
            let came_in = (limit + limit * passed / 60_000 + 1) * 60_000;
            match step {
                Step::Wait(time) => now += ms(time),
                Step::Take(amount) => match bucket.take(now, amount) {
                    Ok(()) => {
                        // Beyond the bucket only what is larger than it, and that only when it is full.
                        let beyond = amount.saturating_sub(limit);
                        prop_assert!((used + amount - beyond) * 60_000 <= came_in);
                        used += amount;
                        reserved = Some(amount);
                    }
                    Err(wait) => {
                        prop_assert!(!wait.is_zero());
                        prop_assert!(bucket.clone().take(now + wait, amount).is_ok());
                        let almost = wait.saturating_sub(Duration::from_nanos(1));
                        prop_assert!(bucket.clone().take(now + almost, amount).is_err());
                    }
                },
                Step::Correct(amount) => {
                    // Less was used: the bucket has to believe that it was so from the beginning.
                    if let Some(taken) = reserved.take().filter(|taken| amount <= *taken) {
                        bucket.correct(now, taken, amount);
                        used -= taken - amount;
                    }
                }
            }
            prop_assert!(bucket.remaining(now) <= limit);
            let mut later = bucket.clone();
            let full_in = later.full_in(now);
            prop_assert_eq!(later.remaining(now + full_in), limit);
        }
    }
}
