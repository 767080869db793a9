use std::time::Duration;

use gateway_resilience::backoff::pause;
use gateway_resilience::latency::Latency;
use gateway_resilience::outlier::Outlier;
use gateway_resilience::settings::{Jitter, OutlierSettings, Retry};
use proptest::prelude::*;

use crate::{config, ms, secs, start};

#[test]
fn a_pause_is_spread_as_its_jitter_says() {
    let retry = |jitter| Retry { jitter, ..Retry::default() };
    let nearly = Duration::from_nanos(3_999_999_999);
    assert_eq!(pause(&retry(Jitter::Full), 2, 0), Duration::ZERO);
    assert_eq!(pause(&retry(Jitter::Full), 2, u64::MAX / 2 + 1), secs(2));
    assert_eq!(pause(&retry(Jitter::Full), 2, u64::MAX), nearly);
    assert_eq!(pause(&retry(Jitter::Equal), 2, 0), secs(4));
    assert_eq!(pause(&retry(Jitter::Equal), 2, u64::MAX), secs(2) + Duration::from_nanos(1));
    assert_eq!(pause(&retry(Jitter::None), 2, 12345), secs(4));
    assert_eq!(pause(&retry(Jitter::None), u32::MAX, 0), secs(30));
}

proptest! {
    #![proptest_config(config(6))]

    #[test]
    fn no_pause_is_longer_than_allowed_whatever_is_set(
        base in any::<Duration>(),
        max in any::<Duration>(),
        nth in any::<u32>(),
        luck in any::<u64>(),
    ) {
        for jitter in [Jitter::Full, Jitter::Equal, Jitter::None] {
            let retry = Retry { base_delay: base, max_delay: max, jitter, ..Retry::default() };
            let pause = pause(&retry, nth, luck);
            prop_assert!(pause <= max);
            prop_assert!(jitter != Jitter::Equal || pause >= base.min(max) / 2);
        }
    }
}

#[test]
fn a_slow_answer_counts_at_once_and_fast_ones_over_seconds() {
    let now = start();
    let mut latency = Latency::new();
    assert_eq!(latency.expected(now), None);
    latency.observe(now, ms(100));
    latency.observe(now, secs(3));
    assert_eq!(latency.expected(now), Some(secs(3)));
    latency.observe(now, ms(100));
    assert_eq!(latency.expected(now), Some(secs(3)), "of the same moment, the worst counts");
    latency.observe(now + secs(10), ms(100));
    let after = latency.expected(now + secs(10)).expect("it was asked");
    assert!((ms(1100)..ms(1250)).contains(&after), "{after:?}");
    latency.observe(now + secs(60), ms(100));
    let after = latency.expected(now + secs(60)).expect("it was asked");
    assert!((ms(100)..ms(120)).contains(&after), "{after:?}");
}

#[test]
fn who_is_not_asked_gets_another_chance_in_the_end() {
    let now = start();
    let (mut slow, mut fast) = (Latency::new(), Latency::new());
    slow.observe(now, secs(5));
    for second in 0..600 {
        let now = now + secs(second);
        fast.observe(now, secs(1));
        let preferred = slow.expected(now) < fast.expected(now);
        assert_eq!(preferred, second > 193, "after {second} seconds");
    }
}

fn outlier() -> Outlier {
    let (window, eject) = (secs(30), secs(60));
    Outlier::new(OutlierSettings { failure_ratio: 0.5, min_requests: 10, window, eject })
}

#[test]
fn every_second_failure_ejects_after_enough_requests() {
    let now = start();
    let mut outlier = outlier();
    for nth in 0..9 {
        assert!(!outlier.observe(now, nth % 2 == 0), "{nth}");
    }
    assert!(outlier.observe(now, false));
    assert!(outlier.is_ejected(now + ms(59_999)));
    assert!(!outlier.observe(now + secs(1), false), "it is already");
    assert!(!outlier.is_ejected(now + secs(60)));
    let mut other = self::outlier();
    assert!(!(0..100).any(|nth| other.observe(now, nth % 3 != 0)), "a third is not enough");
}

#[test]
fn failures_from_before_the_window_do_not_count_and_a_reset_forgets() {
    let now = start();
    let mut outlier = outlier();
    for _ in 0..9 {
        assert!(!outlier.observe(now, false));
    }
    assert!(!outlier.observe(now + secs(30), false));
    for _ in 0..8 {
        assert!(!outlier.observe(now + secs(30), false));
    }
    assert!(outlier.observe(now + secs(56), false));
    outlier.reset();
    assert!(!outlier.is_ejected(now + secs(56)));
}

#[test]
fn silly_settings_do_not_panic() {
    let settings = OutlierSettings {
        failure_ratio: f64::NAN,
        min_requests: 0,
        window: Duration::ZERO,
        eject: Duration::MAX,
    };
    let mut outlier = Outlier::new(settings);
    assert!(!outlier.observe(start(), false));
    let mut never = Outlier::new(OutlierSettings { failure_ratio: 0.0, ..settings });
    assert!(never.observe(start(), false));
}
