use gateway_resilience::budget::RetryBudget;
use gateway_resilience::settings::Budget;
use proptest::prelude::*;

use crate::{config, ms, secs, start};

fn settings(ratio: f64, min_per_second: f64) -> Budget {
    Budget { ratio, min_per_second, per_client: true }
}

#[test]
fn r38_five_hundred_callers_of_a_dead_upstream_get_a_fifth_and_the_reserve() {
    let now = start();
    let mut budget = RetryBudget::new(settings(0.2, 10.0));
    let mut retries = 0;
    for caller in 0..500u64 {
        let now = now + ms(caller);
        budget.deposit(now);
        retries += (0..2).filter(|_| budget.withdraw(now)).count();
    }
    assert_eq!(retries, 100 + 100);
    assert!(budget.balance(now + ms(500)) < 1.0);
}

#[test]
fn retries_and_requests_are_forgotten_after_ten_seconds() {
    let now = start();
    let mut budget = RetryBudget::new(settings(1.0, 0.1));
    assert!(budget.withdraw(now), "the reserve");
    assert!(!budget.withdraw(now + secs(8)));
    assert!(budget.withdraw(now + secs(10)), "the reserve again");
    budget.deposit(now + secs(11));
    assert!(budget.withdraw(now + secs(12)));
    budget.deposit(now + secs(12));
    assert!(budget.withdraw(now + secs(3600)));
    assert!(!budget.withdraw(now + secs(3600)), "the old request pays for nothing any more");
}

#[test]
fn shares_that_floats_cannot_say_add_up_to_whole_retries() {
    let now = start();
    let mut budget = RetryBudget::new(settings(0.1, 0.0));
    for _ in 0..30 {
        budget.deposit(now);
    }
    assert_eq!((0..9).filter(|_| budget.withdraw(now)).count(), 3);
}

#[test]
fn other_settings_keep_what_was_counted() {
    let now = start();
    let mut budget = RetryBudget::new(settings(0.0, 1.0));
    assert_eq!((0..20).filter(|_| budget.withdraw(now)).count(), 10);
    budget.set(settings(0.0, 1.5));
    assert_eq!((0..20).filter(|_| budget.withdraw(now)).count(), 5);
    budget.set(settings(0.0, 0.0));
    assert!((budget.balance(now) + 15.0).abs() < 1e-6);
}

proptest! {
    #![proptest_config(config(3))]

    #[test]
    fn in_no_nine_seconds_are_there_more_retries_than_paid_for(
        ratio in 0.0f64..1.0,
        min_per_second in 0.0f64..2.0,
        steps in prop::collection::vec((any::<bool>(), 0u64..1500), 1..150),
    ) {
        let mut now = start();
        let mut budget = RetryBudget::new(settings(ratio, min_per_second));
        let (mut requests, mut retries) = (Vec::new(), Vec::new());
        for (is_request, pause) in steps {
            now += ms(pause);
            if is_request {
                budget.deposit(now);
                requests.push(now);
                continue;
            }
            // The window is ten seconds wide and slides by the second: it covers nine for certain, ten at most.
            let within = |times: &[std::time::Instant], time| {
                u32::try_from(times.iter().filter(|at| now - **at < time).count()).expect("few")
            };
            let paid = |requests: u32| ratio * f64::from(requests) + min_per_second * 10.0;
            if budget.withdraw(now) {
                retries.push(now);
                let made = f64::from(within(&retries, secs(9)));
                prop_assert!(made <= paid(within(&requests, secs(10))) + 1e-6);
            } else {
                let made = f64::from(within(&retries, secs(10)));
                prop_assert!(made + 1.0 > paid(within(&requests, secs(9))) - 1e-6);
            }
        }
    }
}
