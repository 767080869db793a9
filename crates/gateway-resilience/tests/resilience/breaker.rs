use std::time::{Duration, Instant};

use gateway_resilience::breaker::{Admission, Breaker, Change, End, Pass, State};
use gateway_resilience::settings::BreakerSettings;
use proptest::prelude::*;

use crate::{config, ms, secs, start};

const SETTINGS: BreakerSettings = BreakerSettings {
    failure_threshold: 3,
    success_threshold: 2,
    open: Duration::from_secs(30),
    half_open_max: 1,
};

fn free(breaker: &mut Breaker, now: Instant) -> Pass {
    match breaker.admit(now) {
        Admission::Free(pass) => pass,
        other => panic!("{other:?}"),
    }
}

fn probe(breaker: &mut Breaker, now: Instant) -> Pass {
    match breaker.admit(now) {
        Admission::Probe(pass) => pass,
        other => panic!("{other:?}"),
    }
}

fn opened(now: Instant) -> Breaker {
    let mut breaker = Breaker::new(SETTINGS);
    for _ in 0..3 {
        let pass = free(&mut breaker, now);
        breaker.ended(now, pass, End::Failure);
    }
    assert_eq!(breaker.state(now), State::Open { until: now + secs(30) });
    breaker
}

#[test]
fn the_last_of_so_many_failures_in_a_row_opens_it() {
    let now = start();
    let mut breaker = Breaker::new(SETTINGS);
    let ends = [End::Failure, End::Failure, End::Success, End::Failure, End::Neutral, End::Failure];
    for end in ends {
        let pass = free(&mut breaker, now);
        assert_eq!(breaker.ended(now, pass, end), None, "{end:?}");
    }
    let pass = free(&mut breaker, now);
    let until = now + secs(30);
    assert_eq!(breaker.ended(now, pass, End::Failure), Some(Change::Opened { until }));
    assert!(
        matches!(breaker.admit(now + ms(29_999)), Admission::Refused { until: at } if at == until)
    );
}

#[test]
fn one_probe_at_a_time_and_two_successes_close_it() {
    let now = start();
    let mut breaker = opened(now);
    let later = now + secs(30);
    assert_eq!(breaker.state(later), State::HalfOpen);
    let first = probe(&mut breaker, later);
    assert!(matches!(breaker.admit(later), Admission::Refused { until } if until > later));
    assert_eq!(breaker.ended(later, first, End::Success), None);
    let second = probe(&mut breaker, later);
    assert_eq!(breaker.ended(later, second, End::Success), Some(Change::Closed));
    assert_eq!(breaker.state(later), State::Closed);
}

/// One slow answer, or one that never comes, keeps nobody from an upstream that is well again.
#[test]
fn a_probe_holds_its_place_for_a_short_while_and_its_result_counts_all_the_same() {
    for (open, held) in [(30, 10), (4, 4), (0, 1)] {
        let settings = BreakerSettings { open: secs(open), half_open_max: 2, ..SETTINGS };
        let now = start();
        for end in [End::Success, End::Failure] {
            let mut breaker = opened(now);
            breaker.set(settings);
            let first = now + secs(open);
            let until = first + secs(held);
            let slow = probe(&mut breaker, first);
            let hung = probe(&mut breaker, first + ms(500));
            for asked in [ms(500), secs(held).saturating_sub(ms(1))] {
                let said = breaker.admit(first + asked);
                assert!(
                    matches!(said, Admission::Refused { until: at } if at == until),
                    "{said:?}"
                );
            }
            let next = probe(&mut breaker, until);
            let said = breaker.admit(until);
            let then = until + ms(500);
            assert!(matches!(said, Admission::Refused { until: at } if at == then), "{said:?}");
            assert_eq!(breaker.ended(until, next, End::Success), None);
            // One that lost its place frees nobody else's, and says what it found out.
            let other = probe(&mut breaker, until);
            let change = breaker.ended(until, slow, end);
            let opens = Change::Opened { until: until + secs(open) };
            assert_eq!(change, Some(if end == End::Success { Change::Closed } else { opens }));
            for (late, end) in [(hung, End::Failure), (other, End::Success)] {
                assert_eq!(breaker.ended(until + secs(300), late, end), None, "too late");
            }
        }
    }
}

#[test]
fn a_probe_that_ends_after_it_lost_its_place_frees_no_other() {
    let now = start();
    let mut breaker = opened(now);
    let first = now + secs(30);
    let slow = probe(&mut breaker, first);
    let held = probe(&mut breaker, first + secs(10));
    assert_eq!(breaker.ended(first + secs(12), slow, End::Neutral), None);
    let said = breaker.admit(first + secs(12));
    assert!(matches!(said, Admission::Refused { until } if until == first + secs(20)), "{said:?}");
    assert_eq!(breaker.ended(first + secs(13), held, End::Neutral), None);
    drop(probe(&mut breaker, first + secs(13)));
}

#[test]
fn a_failed_probe_opens_it_for_the_whole_time_again() {
    let now = start();
    let mut breaker = opened(now);
    let later = now + secs(40);
    let pass = probe(&mut breaker, later);
    let until = later + secs(30);
    assert_eq!(breaker.ended(later, pass, End::Failure), Some(Change::Opened { until }));
}

#[test]
fn a_neutral_probe_frees_its_place_and_says_nothing() {
    let now = start();
    let mut breaker = opened(now);
    let later = now + secs(30);
    for _ in 0..5 {
        let pass = probe(&mut breaker, later);
        assert_eq!(breaker.ended(later, pass, End::Neutral), None);
        assert_eq!(breaker.state(later), State::HalfOpen);
    }
}

#[test]
fn results_of_attempts_from_before_the_last_change_do_not_count() {
    let now = start();
    let mut breaker = Breaker::new(SETTINGS);
    let old: Vec<Pass> = (0..3).map(|_| free(&mut breaker, now)).collect();
    for _ in 0..3 {
        let pass = free(&mut breaker, now);
        breaker.ended(now, pass, End::Failure);
    }
    let later = now + secs(30);
    let held = probe(&mut breaker, later);
    for (pass, end) in old.into_iter().zip([End::Success, End::Success, End::Failure]) {
        assert_eq!(breaker.ended(later, pass, end), None);
    }
    assert_eq!(breaker.state(later), State::HalfOpen);
    assert!(matches!(breaker.admit(later), Admission::Refused { .. }), "the probe keeps its place");
    assert_eq!(breaker.ended(later, held, End::Success), None);
}

#[test]
fn a_threshold_of_nought_never_opens_and_closes_what_is_open() {
    let now = start();
    let mut breaker = opened(now);
    breaker.set(BreakerSettings { failure_threshold: 0, ..SETTINGS });
    for _ in 0..100 {
        let pass = free(&mut breaker, now);
        assert_eq!(breaker.ended(now, pass, End::Failure), None);
    }
}

#[test]
fn another_time_to_stay_open_counts_at_once_and_a_silly_one_does_not_panic() {
    let now = start();
    let mut breaker = opened(now);
    breaker.set(BreakerSettings { open: secs(5), ..SETTINGS });
    assert_eq!(breaker.state(now), State::Open { until: now + secs(5) });
    breaker.set(BreakerSettings { open: Duration::MAX, ..SETTINGS });
    assert!(matches!(breaker.admit(now + secs(3600)), Admission::Refused { .. }));
}

#[test]
fn a_reset_closes_it_and_forgets_what_is_under_way() {
    let now = start();
    let mut breaker = opened(now);
    let held = probe(&mut breaker, now + secs(30));
    assert_eq!(breaker.reset(), Some(Change::Closed));
    assert_eq!(breaker.reset(), None);
    assert_eq!(breaker.ended(now + secs(30), held, End::Failure), None);
    assert_eq!(breaker.state(now + secs(30)), State::Closed);
}

/// What one caller does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Admit,
    End(usize, End),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![
        2 => Just(End::Success),
        4 => Just(End::Failure),
        1 => Just(End::Neutral)
    ];
    prop_oneof![
        4 => Just(Step::Admit),
        4 => (any::<usize>(), end).prop_map(|(which, end)| Step::End(which, end)),
        1 => (0u64..2000).prop_map(Step::Wait),
    ]
}

/// The same rules written down plainly: the results since the last change, and nothing else.
#[derive(Debug)]
struct Model {
    round: u32,
    open_until: Option<Instant>,
    half_open: bool,
    in_a_row: u32,
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn it_does_what_the_rules_say(
        failure_threshold in 0u32..4,
        success_threshold in 1u32..4,
        half_open_max in 1u32..4,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let settings = BreakerSettings { failure_threshold, success_threshold, open: secs(1), half_open_max };
        let mut breaker = Breaker::new(settings);
        let mut now = start();
        let mut model = Model { round: 0, open_until: None, half_open: false, in_a_row: 0 };
        // Each with its round and when it began.
        let mut under_way: Vec<(u32, Instant, Pass)> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(time) => now += ms(time),
                Step::Admit => {
                    if model.open_until.is_some_and(|until| now >= until) {
                        model = Model { round: model.round + 1, open_until: None, half_open: true, in_a_row: 0 };
                    }
                    let of_now = under_way.iter().filter(|(round, ..)| *round == model.round);
                    let held = of_now.map(|(_, began, _)| *began + secs(1)).filter(|until| now < *until);
                    let held: Vec<Instant> = held.collect();
                    let probes = held.len();
                    match breaker.admit(now) {
                        Admission::Free(pass) => {
                            prop_assert!(!model.half_open && model.open_until.is_none());
                            under_way.push((model.round, now, pass));
                        }
                        Admission::Probe(pass) => {
                            prop_assert!(model.half_open);
                            prop_assert!(probes < half_open_max as usize);
                            under_way.push((model.round, now, pass));
                        }
                        Admission::Refused { until } => {
                            prop_assert!(until > now);
                            if model.half_open {
                                prop_assert_eq!(probes, half_open_max as usize);
                                prop_assert_eq!(Some(until), held.into_iter().min());
                            } else {
                                prop_assert_eq!(model.open_until, Some(until));
                            }
                        }
                    }
                }
                Step::End(which, end) => {
                    if under_way.is_empty() {
                        continue;
                    }
                    let (round, _, pass) = under_way.swap_remove(which % under_way.len());
                    let change = breaker.ended(now, pass, end);
                    let mut expected = None;
                    if round == model.round && end != End::Neutral {
                        let failed = end == End::Failure;
                        model.in_a_row = if failed == model.half_open { 0 } else { model.in_a_row + 1 };
                        let opens = failed && (model.half_open
                            || failure_threshold > 0 && model.in_a_row == failure_threshold);
                        let round = round + 1;
                        if opens {
                            let until = now + secs(1);
                            expected = Some(Change::Opened { until });
                            model = Model { round, open_until: Some(until), half_open: false, in_a_row: 0 };
                        } else if model.half_open && model.in_a_row == success_threshold {
                            expected = Some(Change::Closed);
                            model = Model { round, open_until: None, half_open: false, in_a_row: 0 };
                        }
                    }
                    prop_assert_eq!(change, expected);
                }
            }
            let legal = match breaker.state(now) {
                State::Closed => !model.half_open && model.open_until.is_none(),
                State::Open { until } => model.open_until == Some(until) && now < until,
                State::HalfOpen => model.half_open || model.open_until.is_some_and(|until| now >= until),
            };
            prop_assert!(legal, "{:?} where the model is {:?}", breaker.state(now), model);
        }
    }
}

/// Each of these replies began, which is a success; none came to its end.
#[test]
fn replies_that_break_off_in_a_row_open_it_though_they_began_well() {
    let now = start();
    let mut breaker = Breaker::new(SETTINGS);
    for (whole, opens) in [
        (false, false),
        (false, false),
        (true, false),
        (false, false),
        (false, false),
        (false, true),
    ] {
        let pass = free(&mut breaker, now);
        assert_eq!(breaker.ended(now, pass, End::Success), None);
        if whole {
            breaker.came_whole();
        } else {
            let change = opens.then_some(Change::Opened { until: now + secs(30) });
            assert_eq!(breaker.broke(now), change);
        }
    }
    assert_eq!(breaker.broke(now), None, "it is open already");
    // A probe that breaks off opens it anew.
    let later = now + secs(31);
    let pass = probe(&mut breaker, later);
    breaker.ended(later, pass, End::Success);
    assert_eq!(breaker.broke(later), Some(Change::Opened { until: later + secs(30) }));
    // Where the threshold is 0 nothing does.
    let mut never = Breaker::new(BreakerSettings { failure_threshold: 0, ..SETTINGS });
    assert!((0..99).all(|_| never.broke(now).is_none()));
}
