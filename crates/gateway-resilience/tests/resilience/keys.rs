use std::collections::HashSet;
use std::time::Duration;

use gateway_resilience::keys::{KeyPool, KeyStatus, MAX_REST, Pick};
use proptest::prelude::*;

use crate::{config, secs, start};

fn key(pick: Pick) -> usize {
    match pick {
        Pick::Key(key) => key,
        other => panic!("{other:?}"),
    }
}

/// Evenly spread numbers, as luck would have them.
fn lucks(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |nth| u64::MAX / count * nth + u64::MAX / count / 2)
}

#[test]
fn r35_a_session_stays_on_its_key_and_others_do_not_move_when_one_rests() {
    let now = start();
    let mut pool = KeyPool::new(&[1, 1, 1]);
    let sessions: Vec<String> = (0..300).map(|nth| format!("session-{nth}")).collect();
    let at =
        |pool: &KeyPool, session: &str, luck| key(pool.pick(now, "m", Some(session), luck, &[]));
    let before: Vec<usize> = sessions.iter().map(|session| at(&pool, session, 0)).collect();
    assert_eq!(before.iter().collect::<HashSet<_>>().len(), 3);
    for (session, key) in sessions.iter().zip(&before) {
        assert!(lucks(5).all(|luck| at(&pool, session, luck) == *key));
    }
    pool.limited(now, 1, Some("m"), secs(60));
    for (session, key) in sessions.iter().zip(&before) {
        let moved = at(&pool, session, 0);
        assert_ne!(moved, 1);
        assert!(*key == 1 || moved == *key, "{session} moved from {key} to {moved}");
    }
}

#[test]
fn weights_are_shares_by_session_and_by_luck() {
    let now = start();
    let pool = KeyPool::new(&[1, 3, 0]);
    let mut by_luck = [0; 3];
    for luck in lucks(400) {
        by_luck[key(pool.pick(now, "m", None, luck, &[]))] += 1;
    }
    assert_eq!(by_luck, [100, 300, 0]);
    let mut by_session = [0; 3];
    for nth in 0..4000 {
        by_session[key(pool.pick(now, "m", Some(&format!("s{nth}")), 0, &[]))] += 1;
    }
    assert!((900..1100).contains(&by_session[0]) && by_session[2] == 0, "{by_session:?}");
    assert_eq!(pool.pick(now, "m", None, 0, &[0, 1]), Pick::Key(2), "the spare one");
}

#[test]
fn r37_a_limit_is_for_this_key_and_model_unless_the_upstream_says_account() {
    let now = start();
    let mut pool = KeyPool::new(&[1, 1]);
    pool.limited(now, 0, Some("big"), secs(20));
    assert_eq!(pool.pick(now, "big", None, 0, &[]), Pick::Key(1));
    assert_eq!(pool.pick(now, "small", None, 0, &[]), Pick::Key(0));
    assert_eq!(pool.pick(now, "big", None, 0, &[1]), Pick::Resting { until: now + secs(20) });
    pool.limited(now, 1, None, secs(30));
    assert_eq!(pool.pick(now, "small", None, u64::MAX, &[]), Pick::Key(0));
    assert_eq!(pool.pick(now, "big", None, 0, &[]), Pick::Resting { until: now + secs(20) });
    assert_eq!(pool.pick(now + secs(20), "big", None, 0, &[]), Pick::Key(0));
    assert_eq!(pool.pick(now, "big", None, 0, &[0, 1]), Pick::None);
}

#[test]
fn r37_a_running_rest_is_shortened_but_never_extended_and_is_capped() {
    let now = start();
    let mut pool = KeyPool::new(&[1]);
    let until = |pool: &KeyPool, model: &str| pool.pick(now, model, None, 0, &[]);
    for model in [Some("m"), None] {
        pool.limited(now, 0, model, secs(20));
        for refused in 1..10 {
            pool.limited(now + secs(refused), 0, model, secs(20));
        }
        assert_eq!(until(&pool, "m"), Pick::Resting { until: now + secs(20) });
        pool.limited(now + secs(9), 0, model, secs(2));
        assert_eq!(until(&pool, "m"), Pick::Resting { until: now + secs(11) });
        pool.limited(now + secs(11), 0, model, secs(5));
        assert_eq!(until(&pool, "m"), Pick::Resting { until: now + secs(16) }, "a new one");
        pool.reset();
    }
    pool.limited(now, 0, Some("m"), secs(18 * 24 * 3600));
    assert_eq!(until(&pool, "m"), Pick::Resting { until: now + MAX_REST });
}

#[test]
fn r37_success_and_a_reset_clear_a_limit() {
    let now = start();
    let mut pool = KeyPool::new(&[1]);
    pool.limited(now, 0, Some("m"), secs(20));
    pool.limited(now, 0, Some("other"), secs(20));
    pool.succeeded(now + secs(1), 0, "m", now);
    assert_eq!(pool.pick(now, "m", None, 0, &[]), Pick::Key(0));
    assert!(matches!(pool.pick(now, "other", None, 0, &[]), Pick::Resting { .. }));
    pool.rejected(now, 0);
    pool.reset();
    assert_eq!(pool.pick(now, "other", None, 0, &[]), Pick::Key(0));
    assert_eq!(pool.status(now), [KeyStatus::default()]);
}

/// An answer that began before the limit was met knows nothing of it.
#[test]
fn r37_a_late_success_clears_nothing_that_was_said_since_it_began() {
    let now = start();
    let at = |seconds| now + secs(seconds);
    for (model, other) in [(Some("m"), "m"), (None, "other")] {
        for (began, rests) in [(0, true), (4, true), (5, false), (7, false)] {
            let mut pool = KeyPool::new(&[1]);
            pool.limited(at(3), 0, model, secs(20));
            // Met again: it ends when it did, and this is when it was last heard of.
            pool.limited(at(5), 0, model, secs(20));
            pool.succeeded(at(8), 0, "m", at(began));
            let expected = if rests { Pick::Resting { until: at(23) } } else { Pick::Key(0) };
            assert_eq!(pool.pick(at(8), other, None, 0, &[]), expected, "{model:?} from {began}");
            pool.reset();
            pool.rejected(at(5), 0);
            pool.succeeded(at(8), 0, "m", at(began));
            let expected =
                if rests { Pick::Rejected { key: 0, until: at(65) } } else { Pick::Key(0) };
            assert_eq!(pool.pick(at(8), "m", None, 0, &[]), expected, "rejected, from {began}");
        }
    }
}

#[test]
fn the_rejected_key_that_has_rested_longest_is_tried_first() {
    let now = start();
    let mut pool = KeyPool::new(&[1, 1, 1]);
    for (key, after) in [(0, 3), (1, 1), (2, 2)] {
        pool.rejected(now + secs(after), key);
    }
    let first = |tried: &[usize]| pool.pick(now + secs(9), "m", None, 0, tried);
    assert_eq!(first(&[]), Pick::Rejected { key: 1, until: now + secs(61) });
    assert_eq!(first(&[1]), Pick::Rejected { key: 2, until: now + secs(62) });
}

#[test]
fn a_rejected_key_rests_a_minute_and_is_told_from_a_limited_one() {
    let now = start();
    let mut pool = KeyPool::new(&[1, 1]);
    pool.rejected(now, 0);
    pool.rejected(now + secs(30), 0);
    assert_eq!(pool.pick(now, "m", None, 0, &[]), Pick::Key(1));
    assert_eq!(
        pool.pick(now, "m", None, 0, &[1]),
        Pick::Rejected { key: 0, until: now + secs(60) }
    );
    pool.limited(now, 1, None, secs(90));
    assert_eq!(pool.pick(now, "m", None, 0, &[]), Pick::Resting { until: now + secs(90) });
    assert_eq!(pool.pick(now + secs(60), "m", None, 0, &[]), Pick::Key(0));
    pool.rejected(now + secs(60), 0);
    pool.succeeded(now + secs(61), 0, "m", now + secs(60));
    assert_eq!(pool.pick(now + secs(61), "m", None, 0, &[]), Pick::Key(0));
}

#[test]
fn the_status_says_what_rests_for_how_long() {
    let now = start();
    let mut pool = KeyPool::new(&[1, 1]);
    pool.limited(now, 0, Some("m"), secs(20));
    pool.limited(now, 0, None, secs(10));
    pool.limited(now, 0, Some("over"), secs(1));
    pool.rejected(now, 1);
    let status = pool.status(now + secs(4));
    assert_eq!(status[0].limited, [(None, secs(6)), (Some("m".to_owned()), secs(16))]);
    assert_eq!(status[0].rejected_for, None);
    assert_eq!(status[1], KeyStatus { rejected_for: Some(secs(56)), limited: Vec::new() });
}

#[test]
fn callers_who_make_up_names_fill_no_memory_and_unknown_keys_do_no_harm() {
    let now = start();
    let mut pool = KeyPool::new(&[1]);
    pool.limited(now, 0, Some("short"), secs(1));
    for nth in 0..3000 {
        pool.limited(now, 0, Some(&format!("made-up-{nth}")), secs(20));
    }
    assert_eq!(pool.status(now)[0].limited.len(), 1024);
    assert_eq!(pool.pick(now, "short", None, 0, &[]), Pick::Key(0), "what ended first went first");
    pool.limited(now, 7, None, secs(1));
    pool.rejected(now, 7);
    pool.succeeded(now, 7, "m", now);
    assert_eq!(KeyPool::new(&[]).pick(now, "m", Some("s"), 0, &[]), Pick::None);
}

#[derive(Debug, Clone)]
enum Step {
    Limited(usize, Option<bool>, u64),
    Rejected(usize),
    /// A success for a model of an attempt that took so long.
    Succeeded(usize, bool, u64),
    Wait(u64),
    Pick(bool, Option<u8>, u64, Vec<usize>),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0usize..4;
    prop_oneof![
        (key.clone(), any::<Option<bool>>(), 0u64..8000)
            .prop_map(|(k, m, t)| Step::Limited(k, m, t)),
        key.clone().prop_map(Step::Rejected),
        (key.clone(), any::<bool>(), 0u64..300).prop_map(|(k, m, t)| Step::Succeeded(k, m, t)),
        (0u64..200).prop_map(Step::Wait),
        (any::<bool>(), any::<Option<u8>>(), any::<u64>(), prop::collection::vec(key, 0..4))
            .prop_map(|(m, s, l, t)| Step::Pick(m, s, l, t)),
    ]
}

fn name(big: bool) -> &'static str {
    if big { "big" } else { "small" }
}

proptest! {
    #![proptest_config(config(4))]

    /// Against a plain table of when each key may be used again.
    #[test]
    fn a_key_that_rests_is_not_chosen_and_one_that_does_not_is(steps in prop::collection::vec(step(), 0..120)) {
        let begin = start();
        let mut pool = KeyPool::new(&[1, 2, 0, 5]);
        let mut now = 1000u64;
        let mut rejected = [0u64; 4];
        // Big, small, account.
        let mut limited = [[0u64; 3]; 4];
        // When that was said; at 3: that it is rejected.
        let mut said = [[0u64; 4]; 4];
        for step in steps {
            let instant = begin + secs(now);
            match step {
                Step::Wait(time) => now += time,
                Step::Limited(key, model, time) => {
                    let model_at = model.map_or(2, usize::from);
                    said[key][model_at] = now;
                    let end = &mut limited[key][model_at];
                    let new = now + time.min(3600);
                    *end = if *end > now { new.min(*end) } else { new };
                    pool.limited(instant, key, model.map(|at| name(!at)), secs(time));
                }
                Step::Rejected(key) => {
                    said[key][3] = now;
                    if rejected[key] <= now {
                        rejected[key] = now + 60;
                    }
                    pool.rejected(instant, key);
                }
                Step::Succeeded(key, model, took) => {
                    let began = now - took.min(now);
                    for at in [usize::from(model), 2] {
                        if said[key][at] <= began {
                            limited[key][at] = 0;
                        }
                    }
                    if said[key][3] <= began {
                        rejected[key] = 0;
                    }
                    pool.succeeded(instant, key, name(!model), begin + secs(began));
                }
                Step::Pick(model, session, luck, tried) => {
                    let end = |key: usize| limited[key][usize::from(model)].max(limited[key][2]);
                    let left: Vec<usize> = (0..4).filter(|key| !tried.contains(key)).collect();
                    let valid: Vec<usize> = left.iter().copied().filter(|&key| rejected[key] <= now).collect();
                    let usable: Vec<usize> = valid.iter().copied().filter(|&key| end(key) <= now).collect();
                    let session = session.map(|nth| nth.to_string());
                    match pool.pick(instant, name(!model), session.as_deref(), luck, &tried) {
                        Pick::Key(key) => {
                            prop_assert!(usable.contains(&key));
                            prop_assert!(key != 2 || usable == [2]);
                        }
                        Pick::Resting { until } => {
                            prop_assert!(usable.is_empty());
                            let first = valid.iter().map(|&key| end(key)).min().expect("one is valid");
                            prop_assert_eq!(until, begin + secs(first));
                        }
                        Pick::Rejected { key, until } => {
                            prop_assert!(valid.is_empty());
                            prop_assert_eq!(until, begin + secs(rejected[key]));
                            prop_assert!(left.contains(&key));
                            let first = left.iter().map(|&key| rejected[key]).min().expect("one is left");
                            prop_assert_eq!(until, begin + secs(first));
                        }
                        Pick::None => prop_assert!(left.is_empty()),
                    }
                }
            }
            for status in pool.status(begin + secs(now)) {
                prop_assert!(status.rejected_for.is_none_or(|time| time <= secs(60)));
                prop_assert!(status.limited.iter().all(|(_, time)| (Duration::ZERO..=MAX_REST).contains(time)));
            }
        }
    }
}
