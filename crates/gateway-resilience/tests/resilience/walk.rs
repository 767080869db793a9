//! Thousands of requests along random chains of random upstreams, over made-up time: whatever these do, the
//! rules of the walk hold.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use gateway_resilience::breaker::{Admission, Breaker, End, Pass};
use gateway_resilience::budget::RetryBudget;
use gateway_resilience::keys::{KeyPool, Pick};
use gateway_resilience::settings::{BreakerSettings, Budget, Jitter, Retry};
use gateway_resilience::walk::{Entry, Failure, Ground, Next, Walk, Why};
use gateway_types::Remedy;

use crate::{ms, start};

/// Luck that is the same in each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

const fn failure(remedy: Remedy, status: Option<u16>) -> Failure {
    Failure { remedy, status }
}

/// Whether the server is to blame, and neither request nor key.
fn of_server(failure: Failure) -> bool {
    match failure.remedy {
        Remedy::Same | Remedy::NextProvider => true,
        Remedy::After(_) => failure.status.is_some_and(|status| status >= 500),
        _ => false,
    }
}

/// One upstream: what is known of it, and how it behaves.
struct Upstream {
    breaker: Breaker,
    half_open_max: u32,
    keys: KeyPool,
    key_count: usize,
    budget: RetryBudget,
    window: Option<u64>,
    /// Weights of what it does: answers, and the failures in the order of [`FAILURES`].
    habits: [u64; FAILURES.len() + 1],
    /// Dead until then, whatever its habits.
    dead_until: Option<Instant>,
    probes: u32,
    asked: u64,
    requests: u64,
    retries: u64,
}

const FAILURES: [Failure; 9] = [
    failure(Remedy::Same, None),
    failure(Remedy::After(Duration::from_secs(2)), Some(429)),
    failure(Remedy::After(Duration::from_secs(90)), Some(429)),
    failure(Remedy::NextKey, None),
    failure(Remedy::NextProvider, None),
    failure(Remedy::Again, None),
    failure(Remedy::Larger, None),
    failure(Remedy::Final, None),
    failure(Remedy::After(Duration::from_secs(1)), Some(503)),
];

impl Upstream {
    fn random(dice: &mut Dice) -> Self {
        let key_count = 1 + usize::try_from(dice.below(3)).expect("small");
        let half_open_max = 1 + u32::try_from(dice.below(2)).expect("small");
        let settings = BreakerSettings { half_open_max, ..BreakerSettings::default() };
        let mut habits = [0; FAILURES.len() + 1];
        // Some always answer, some never, most do something of everything.
        habits[0] = dice.below(8);
        for habit in &mut habits[1..] {
            *habit = dice.below(5).saturating_sub(2);
        }
        if habits.iter().sum::<u64>() == 0 {
            habits[1] = 1;
        }
        Self {
            breaker: Breaker::new(settings),
            half_open_max,
            keys: KeyPool::new(&vec![1; key_count]),
            key_count,
            budget: RetryBudget::new(Budget::default()),
            window: (dice.below(3) > 0).then(|| 100 * (1 + dice.below(4))),
            habits,
            dead_until: None,
            probes: 0,
            asked: 0,
            requests: 0,
            retries: 0,
        }
    }

    /// What it does with an attempt: `None` is an answer.
    fn does(&self, now: Instant, dice: &mut Dice) -> Option<Failure> {
        if self.dead_until.is_some_and(|until| now < until) {
            return Some(FAILURES[0]);
        }
        let mut point = dice.below(self.habits.iter().sum());
        for (at, habit) in self.habits.iter().enumerate() {
            if point < *habit {
                return at.checked_sub(1).map(|at| FAILURES[at]);
            }
            point -= habit;
        }
        None
    }
}

/// What one request sees of the world.
struct View<'w> {
    world: &'w mut [Upstream],
    chain: &'w [usize],
    dice: &'w mut Dice,
    /// Of the attempt that was let in last.
    pass: Option<(Pass, bool)>,
    /// Whether a retry was granted.
    paid: bool,
}

impl View<'_> {
    fn admit(&mut self, leg: usize, now: Instant) -> Result<(), Instant> {
        let upstream = &mut self.world[self.chain[leg]];
        let (pass, probe) = match upstream.breaker.admit(now) {
            Admission::Free(pass) => (pass, false),
            Admission::Probe(pass) => (pass, true),
            Admission::Refused { until } => return Err(until),
        };
        upstream.probes += u32::from(probe);
        assert!(upstream.probes <= upstream.half_open_max, "no more probes than are allowed");
        self.pass = Some((pass, probe));
        Ok(())
    }
}

impl Ground for View<'_> {
    fn enter(&mut self, leg: usize, tried: &[usize], now: Instant) -> Entry {
        let luck = self.dice.next();
        let upstream = &mut self.world[self.chain[leg]];
        let key = match upstream.keys.pick(now, "m", None, luck, tried) {
            Pick::Key(key) => key,
            Pick::Resting { until } => return Entry::Resting(until),
            Pick::Rejected { key, .. } => return Entry::Rejected(key),
            Pick::None => return Entry::Exhausted,
        };
        assert!(!tried.contains(&key), "a key that is of no use is not asked with again");
        self.admit(leg, now).map_or_else(Entry::Open, |()| Entry::Key(key))
    }

    fn again(&mut self, leg: usize, _: usize, now: Instant) -> bool {
        self.admit(leg, now).is_ok()
    }

    fn may_retry(&mut self, leg: usize, now: Instant) -> bool {
        let upstream = &mut self.world[self.chain[leg]];
        let may = upstream.budget.withdraw(now);
        upstream.retries += u64::from(may);
        self.paid |= may;
        may
    }

    fn window(&mut self, leg: usize) -> Option<u64> {
        self.world[self.chain[leg]].window
    }

    fn luck(&mut self) -> u64 {
        self.dice.next()
    }
}

/// An attempt on its way.
struct Running {
    leg: usize,
    key: usize,
    began: Instant,
    /// And whether it is a probe's.
    pass: (Pass, bool),
    /// What will come of it; `None` is an answer.
    outcome: Option<Failure>,
}

/// One request on its way.
struct Request<'r> {
    walk: Walk<'r>,
    chain: Vec<usize>,
    began: Instant,
    running: Option<Running>,
    /// All that was asked, as leg and key.
    asked: Vec<(usize, usize)>,
    last: Option<Failure>,
    /// Whether a retry was granted since.
    paid: bool,
    above: Option<u64>,
    answers: u32,
    ended: Option<Why>,
}

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(60);

struct World<'r> {
    upstreams: Vec<Upstream>,
    requests: Vec<Request<'r>>,
    /// When something happens to whom.
    events: BinaryHeap<Reverse<(Instant, usize)>>,
    dice: Dice,
    retry: &'r Retry,
}

impl<'r> World<'r> {
    fn new(upstreams: Vec<Upstream>, retry: &'r Retry, dice: Dice) -> Self {
        Self { upstreams, requests: Vec::new(), events: BinaryHeap::new(), dice, retry }
    }

    fn request(&mut self, at: Instant, chain: Vec<usize>) {
        self.requests.push(Request {
            walk: Walk::new(chain.len(), self.retry, at + PATIENCE),
            chain,
            began: at,
            running: None,
            asked: Vec::new(),
            last: None,
            paid: false,
            above: None,
            answers: 0,
            ended: None,
        });
        self.events.push(Reverse((at, self.requests.len() - 1)));
    }

    fn run(&mut self) {
        while let Some(Reverse((now, id))) = self.events.pop() {
            self.happens(now, id);
        }
        for request in &self.requests {
            assert!(request.running.is_none(), "nothing is left on its way");
            let ends = request.answers + u32::from(request.ended.is_some());
            assert_eq!(ends, 1, "a request ends once: with an answer or without");
        }
    }

    fn happens(&mut self, now: Instant, id: usize) {
        let request = &mut self.requests[id];
        if request.asked.is_empty() && request.ended.is_none() {
            self.upstreams[request.chain[0]].budget.deposit(now);
            self.upstreams[request.chain[0]].requests += 1;
        }
        if let Some(Running { leg, key, began, pass, outcome }) = request.running.take() {
            let upstream = &mut self.upstreams[request.chain[leg]];
            let (pass, probe) = pass;
            upstream.probes -= u32::from(probe);
            let end = match outcome {
                None => End::Success,
                Some(failure) if of_server(failure) => End::Failure,
                Some(_) => End::Neutral,
            };
            upstream.breaker.ended(now, pass, end);
            let Some(failure) = outcome else {
                upstream.keys.succeeded(now, key, "m", began);
                request.answers += 1;
                return;
            };
            match failure.remedy {
                Remedy::After(rest) if !of_server(failure) => {
                    upstream.keys.limited(now, key, Some("m"), rest);
                }
                Remedy::NextKey => upstream.keys.rejected(now, key),
                Remedy::Larger => {
                    request.above = request.above.max(upstream.window).or(Some(0));
                }
                _ => {}
            }
            (request.last, request.paid) = (Some(failure), false);
            request.walk.failed(failure);
        }
        let mut view = View {
            world: &mut self.upstreams,
            chain: &request.chain,
            dice: &mut self.dice,
            pass: None,
            paid: false,
        };
        let next = request.walk.next(now, &mut view);
        request.paid |= view.paid;
        match next {
            Next::Ask { leg, key } => {
                let pass = view.pass.take().expect("whoever is asked was let in");
                check(request, leg, key, now, self.retry, &self.upstreams);
                request.asked.push((leg, key));
                let upstream = &mut self.upstreams[request.chain[leg]];
                upstream.asked += 1;
                let outcome = upstream.does(now, &mut self.dice);
                request.running = Some(Running { leg, key, began: now, pass, outcome });
                let took = ms(1 + self.dice.below(3000));
                self.events.push(Reverse((now + took, id)));
            }
            Next::Pause(pause) => {
                assert!(pause <= self.retry.max_delay, "no pause above max_delay");
                assert!(now + pause < request.began + PATIENCE, "no pause beyond the deadline");
                self.events.push(Reverse((now + pause, id)));
            }
            Next::Stop(why) => {
                assert_eq!(why == Why::Failed, !request.asked.is_empty(), "{why:?}");
                request.ended = Some(why);
            }
        }
    }
}

/// What must hold of an attempt that is about to begin.
fn check(
    request: &Request<'_>,
    leg: usize,
    key: usize,
    now: Instant,
    retry: &Retry,
    world: &[Upstream],
) {
    assert_eq!((request.answers, request.ended), (0, None), "nobody asks after the end");
    assert!(now < request.began + PATIENCE, "nobody asks after the deadline");
    let upstream = &world[request.chain[leg]];
    let here = request.asked.iter().filter(|(at, _)| *at == leg).count();
    // The first, the retries, once each for other keys, and once for an unlucky model.
    let most = (1 + retry.max_retries as usize) * upstream.key_count + 1;
    assert!(here < most, "{here} attempts at one upstream");
    let Some((last_leg, last_key)) = request.asked.last().copied() else { return };
    assert!(leg >= last_leg, "nobody goes back along the chain");
    let last = request.last.expect("it failed");
    assert!(
        leg != last_leg || request.paid || !of_server(last),
        "a server in trouble is asked again out of the budget"
    );
    match last.remedy {
        Remedy::Final => panic!("what is the caller's to change is not asked again"),
        Remedy::NextProvider => assert_ne!(leg, last_leg, "r38: the same is not asked again"),
        Remedy::NextKey => assert_ne!((leg, key), (last_leg, last_key), "the key is rejected"),
        Remedy::Larger => assert_ne!(leg, last_leg),
        _ => {}
    }
    if let Some(above) = request.above {
        let window = world[request.chain[leg]].window;
        assert!(window.is_some_and(|window| window > above), "{window:?} is not above {above}");
    }
}

#[test]
fn r36_r37_r38_whatever_upstreams_do_the_walk_keeps_its_rules() {
    let retry = Retry::default();
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let upstreams: Vec<_> = (0..5).map(|_| Upstream::random(&mut dice)).collect();
        let mut world = World::new(upstreams, &retry, dice);
        let begin = start();
        let mut at = begin;
        for _ in 0..400 {
            at += ms(world.dice.below(400));
            let mut chain: Vec<usize> = (0..5).collect();
            for place in (1..5).rev() {
                let other = usize::try_from(world.dice.below(place as u64 + 1)).expect("small");
                chain.swap(place, other);
            }
            chain.truncate(1 + usize::try_from(world.dice.below(4)).expect("small"));
            world.request(at, chain);
        }
        world.run();
        let seconds = (at + PATIENCE - begin).as_secs_f64();
        for upstream in &world.upstreams {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let most = 0.2 * upstream.requests as f64 + 10.0 * (seconds + 10.0);
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let retries = upstream.retries as f64;
            assert!(retries <= most, "{retries} retries with a budget of {most}");
        }
    }
}

/// An upstream of one key that has `habits`, with a breaker or without one.
fn plain(habits: [u64; FAILURES.len() + 1], breaker: bool) -> Upstream {
    let failure_threshold = if breaker { 5 } else { 0 };
    let settings = BreakerSettings { failure_threshold, ..BreakerSettings::default() };
    let mut upstream = Upstream::random(&mut Dice(0));
    upstream.breaker = Breaker::new(settings);
    upstream.half_open_max = 1;
    upstream.keys = KeyPool::new(&[1]);
    upstream.key_count = 1;
    upstream.habits = habits;
    upstream
}

/// Five hundred callers on a dead upstream: no more retries than the budget allows, with a breaker hardly
/// any; and the first probe after it has come back is answered.
#[test]
fn r38_a_storm_on_a_dead_upstream_stays_within_the_budget() {
    let always = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let retry = Retry { jitter: Jitter::Full, ..Retry::default() };
    for breaker in [false, true] {
        let mut upstream = plain(always, breaker);
        let begin = start();
        upstream.dead_until = Some(begin + Duration::from_secs(40));
        let mut world = World::new(vec![upstream], &retry, Dice(1));
        for caller in 0..500 {
            world.request(begin + ms(caller), vec![0]);
        }
        world.run();
        let dead = &world.upstreams[0];
        // A fifth of the requests, and the reserve of ten seconds.
        assert!(dead.asked <= 500 + 100 + 100 + 10 * 10, "{} attempts", dead.asked);
        assert!(world.requests.iter().all(|request| request.answers == 0));
        if breaker {
            // Those that were on their way when it opened, and nobody after.
            assert!(dead.retries == 0 || dead.asked < 600, "{} attempts", dead.asked);
        }
        let asked = dead.asked;
        world.requests.clear();
        world.request(begin + Duration::from_secs(80), vec![0]);
        world.run();
        assert_eq!(world.requests[0].answers, 1, "it is back with the first that asks");
        assert_eq!(world.upstreams[0].asked, asked + 1);
    }
}

/// A world of one request whose upstreams fail as told, one after the other.
struct Script<'s> {
    entries: &'s mut dyn FnMut(usize, &[usize]) -> Entry,
    budget: u32,
    windows: &'s [Option<u64>],
    /// Whether a leg lets in who comes with a key that is known.
    again: bool,
}

impl Ground for Script<'_> {
    fn enter(&mut self, leg: usize, tried: &[usize], _: Instant) -> Entry {
        (self.entries)(leg, tried)
    }

    fn again(&mut self, _: usize, _: usize, _: Instant) -> bool {
        self.again
    }

    fn may_retry(&mut self, _: usize, _: Instant) -> bool {
        let may = self.budget > 0;
        self.budget = self.budget.saturating_sub(1);
        may
    }

    fn window(&mut self, leg: usize) -> Option<u64> {
        self.windows.get(leg).copied().flatten()
    }

    fn luck(&mut self) -> u64 {
        u64::MAX
    }
}

const fn ask(leg: usize, key: usize) -> Next {
    Next::Ask { leg, key }
}

/// Walks through failures; gives what the walk said before each and at the end.
fn walked(
    retry: &Retry,
    failures: &[Failure],
    legs: usize,
    budget: u32,
    windows: &[Option<u64>],
    mut entries: impl FnMut(usize, &[usize]) -> Entry,
) -> Vec<Next> {
    let now = start();
    let mut ground = Script { entries: &mut entries, budget, windows, again: true };
    let mut walk = Walk::new(legs, retry, now + PATIENCE);
    let mut said = Vec::new();
    let mut failures = failures.iter();
    loop {
        let next = walk.next(now, &mut ground);
        said.push(next);
        match next {
            Next::Ask { .. } => match failures.next() {
                Some(failure) => walk.failed(*failure),
                None => return said,
            },
            Next::Pause(_) => {}
            Next::Stop(_) => return said,
        }
    }
}

fn first_key(_: usize, tried: &[usize]) -> Entry {
    if tried.is_empty() { Entry::Key(0) } else { Entry::Exhausted }
}

fn two_keys(_: usize, tried: &[usize]) -> Entry {
    (0..2).find(|key| !tried.contains(key)).map_or(Entry::Exhausted, Entry::Key)
}

/// `retry.max_retries`, `base_delay`, `max_delay`, `statuses`.
#[test]
fn a_failing_upstream_is_asked_again_as_often_as_is_set_and_then_the_next() {
    let retry = Retry { jitter: Jitter::None, ..Retry::default() };
    let same = Failure::new(Remedy::Same).with_status(529);
    let seconds = |n| Next::Pause(Duration::from_secs(n));
    let said = walked(&retry, &[same; 6], 2, 9, &[], first_key);
    let wanted = [
        ask(0, 0),
        seconds(1),
        ask(0, 0),
        seconds(2),
        ask(0, 0),
        ask(1, 0),
        seconds(1),
        ask(1, 0),
        seconds(2),
        ask(1, 0),
        Next::Stop(Why::Failed),
    ];
    assert_eq!(said, wanted);
    let unlisted = Failure::new(Remedy::Same).with_status(501);
    assert_eq!(walked(&retry, &[unlisted], 2, 9, &[], first_key), [ask(0, 0), ask(1, 0)]);
    let none = Retry { max_retries: 0, ..retry.clone() };
    assert_eq!(walked(&none, &[same], 2, 9, &[], first_key), [ask(0, 0), ask(1, 0)]);
    // Without a budget nobody is asked again.
    assert_eq!(walked(&retry, &[same], 2, 0, &[], first_key), [ask(0, 0), ask(1, 0)]);
}

/// R37, `retry.respect_retry_after`: another key at once; else a wait that is short enough; else the next.
#[test]
fn r37_a_limit_is_met_with_another_key_a_wait_or_another_provider() {
    let retry = Retry { jitter: Jitter::None, ..Retry::default() };
    let after = |n| Failure::new(Remedy::After(Duration::from_secs(n))).with_status(429);
    let pause = |n| Next::Pause(Duration::from_secs(n));
    assert_eq!(
        walked(&retry, &[after(20), after(9)], 2, 9, &[], two_keys),
        [ask(0, 0), ask(0, 1), pause(9), ask(0, 0)]
    );
    assert_eq!(walked(&retry, &[after(31)], 2, 9, &[], first_key), [ask(0, 0), ask(1, 0)]);
    assert_eq!(
        walked(&retry, &[after(30)], 2, 9, &[], first_key),
        [ask(0, 0), pause(30), ask(0, 0)]
    );
    // Never slept through, and nobody else: that answer.
    let alone = walked(&retry, &[after(31)], 1, 9, &[], first_key);
    assert_eq!(alone, [ask(0, 0), Next::Stop(Why::Failed)]);
    let deaf = Retry { respect_retry_after: false, ..retry };
    assert_eq!(walked(&deaf, &[after(31)], 2, 9, &[], first_key), [ask(0, 0), pause(1), ask(0, 0)]);
}

/// All its keys meet the same trouble: it is asked again after the pause and out of the budget, or not at all.
#[test]
fn r38_a_wait_that_a_broken_server_asks_for_is_a_retry_and_no_matter_of_keys() {
    let retry = Retry { jitter: Jitter::None, ..Retry::default() };
    let after = |n, status| Failure::new(Remedy::After(Duration::from_secs(n))).with_status(status);
    let pause = |n| Next::Pause(Duration::from_secs(n));
    for status in [500, 503, 529, 408] {
        let said = |retry: &Retry, seconds, budget| {
            walked(retry, &[after(seconds, status); 2], 2, budget, &[], two_keys)
        };
        let again = [ask(0, 0), pause(7), ask(0, 0), pause(7), ask(0, 0)];
        assert_eq!(said(&retry, 7, 9), again, "{status}");
        assert_eq!(said(&retry, 7, 0), [ask(0, 0), ask(1, 0), Next::Stop(Why::Failed)]);
        assert_eq!(said(&retry, 31, 9), [ask(0, 0), ask(1, 0), Next::Stop(Why::Failed)]);
        let deaf = Retry { respect_retry_after: false, ..retry.clone() };
        let again = [ask(0, 0), pause(1), ask(0, 0), pause(2), ask(0, 0)];
        assert_eq!(said(&deaf, 31, 9), again, "{status}");
    }
    // Not one of those that are worth it.
    let unlisted = walked(&retry, &[after(7, 501)], 2, 9, &[], two_keys);
    assert_eq!(unlisted, [ask(0, 0), ask(1, 0)]);
}

/// Who repeats a request, or comes with a rejected key for want of a better one, has to be let in, too.
#[test]
fn r38_a_repetition_and_a_last_resort_are_let_in_or_go_on() {
    let retry = Retry::default();
    let now = start();
    let mut entries = first_key;
    for again in [true, false] {
        for rewritten in [true, false] {
            let mut ground = Script { entries: &mut entries, budget: 0, windows: &[], again };
            let mut walk = Walk::new(2, &retry, now + PATIENCE);
            assert_eq!(walk.next(now, &mut ground), ask(0, 0));
            if rewritten {
                walk.rewritten();
            } else {
                walk.failed(Failure::new(Remedy::Again));
            }
            let next = if again { ask(0, 0) } else { ask(1, 0) };
            assert_eq!(walk.next(now, &mut ground), next);
            assert_eq!(walk.passed_over(), (!again).then_some(Why::Open(now)));
        }
        let mut rejected = |leg: usize, _: &[usize]| Entry::Rejected(leg + 1);
        let mut ground = Script { entries: &mut rejected, budget: 0, windows: &[], again };
        let mut walk = Walk::new(2, &retry, now + PATIENCE);
        let next = if again { ask(0, 1) } else { Next::Stop(Why::Open(now)) };
        assert_eq!(walk.next(now, &mut ground), next);
        assert_eq!(walk.attempts(), u32::from(again));
    }
}

/// It costs one retry, however many legs have to be asked whether they let it in, and goes nowhere where the
/// prompt is known not to fit.
#[test]
fn a_hedge_costs_one_retry_and_keeps_to_the_windows() {
    let retry = Retry::default();
    let now = start();
    let mut entries = |leg: usize, tried: &[usize]| {
        if leg == 2 || leg == 3 { Entry::Open(now) } else { first_key(leg, tried) }
    };
    let windows = [Some(100), Some(200), Some(300), Some(300), Some(150), None, Some(300)];
    let mut ground = Script { entries: &mut entries, budget: 1, windows: &windows, again: true };
    let mut walk = Walk::new(7, &retry, now + PATIENCE);
    assert_eq!(walk.next(now, &mut ground), ask(0, 0));
    walk.failed(Failure::new(Remedy::Larger));
    assert_eq!(walk.next(now, &mut ground), ask(1, 0));
    walk.failed(Failure::new(Remedy::Again));
    // Known to be above 100 only: 150 is worth asking.
    assert_eq!(walk.next(now, &mut ground), ask(1, 0));
    assert_eq!(walk.hedge(now, &mut ground), Some((4, 0)));
    assert_eq!(ground.budget, 0);
    assert_eq!(walk.hedge(now, &mut ground), None, "there is no retry left");
    ground.budget = 1;
    assert_eq!(walk.hedge(now, &mut ground), Some((6, 0)), "5 is of an unknown window");
    assert_eq!(ground.budget, 0);
}

#[test]
fn a_rejected_key_gives_way_to_the_next_and_the_last_to_the_next_provider() {
    let retry = Retry::default();
    let rejected = Failure::new(Remedy::NextKey).with_status(401);
    assert_eq!(
        walked(&retry, &[rejected; 2], 2, 0, &[], two_keys),
        [ask(0, 0), ask(0, 1), ask(1, 0)]
    );
    // Known to be rejected: asked only if there is nobody else.
    let known = |_: usize, _: &[usize]| Entry::Rejected(0);
    assert_eq!(walked(&retry, &[rejected], 2, 0, &[], known), [ask(0, 0), Next::Stop(Why::Failed)]);
    let other = |leg: usize, _: &[usize]| if leg == 0 { Entry::Rejected(0) } else { Entry::Key(0) };
    assert_eq!(walked(&retry, &[], 2, 0, &[], other), [ask(1, 0)]);
}

#[test]
fn a_prompt_that_is_too_long_goes_to_a_larger_window_or_back_to_the_caller() {
    let retry = Retry::default();
    let larger = Failure::new(Remedy::Larger).with_status(400);
    let windows = [Some(100), None, Some(100), Some(200), Some(150), Some(900)];
    assert_eq!(
        walked(&retry, &[larger; 3], 6, 0, &windows, first_key),
        [ask(0, 0), ask(3, 0), ask(5, 0), Next::Stop(Why::Failed)]
    );
    assert_eq!(
        walked(&retry, &[larger], 2, 0, &[None, None], first_key),
        [ask(0, 0), Next::Stop(Why::Failed)]
    );
}

#[test]
fn who_rests_or_is_left_alone_is_passed_over_and_said_until_when() {
    let retry = Retry::default();
    let soon = start() + Duration::from_secs(5);
    let later = soon + Duration::from_secs(5);
    let rests = |leg: usize, _: &[usize]| Entry::Resting(if leg == 0 { later } else { soon });
    assert_eq!(walked(&retry, &[], 2, 9, &[], rests), [Next::Stop(Why::Resting(soon))]);
    let open = |leg: usize, _: &[usize]| Entry::Open(if leg == 0 { soon } else { later });
    assert_eq!(walked(&retry, &[], 2, 9, &[], open), [Next::Stop(Why::Open(soon))]);
    let both = |leg: usize, _: &[usize]| {
        if leg == 0 { Entry::Open(soon) } else { Entry::Resting(later) }
    };
    assert_eq!(walked(&retry, &[], 2, 9, &[], both), [Next::Stop(Why::Resting(later))]);
    let nobody = |_: usize, _: &[usize]| Entry::Exhausted;
    assert_eq!(walked(&retry, &[], 2, 9, &[], nobody), [Next::Stop(Why::Nobody)]);
    assert_eq!(walked(&retry, &[], 0, 9, &[], first_key), [Next::Stop(Why::Nobody)]);
}

#[test]
fn a_hedge_goes_to_the_next_that_can_be_asked_and_the_walk_goes_on_from_there() {
    let retry = Retry::default();
    let now = start();
    let mut entries = |leg: usize, tried: &[usize]| {
        if leg == 1 { Entry::Open(now) } else { first_key(leg, tried) }
    };
    let mut ground = Script { entries: &mut entries, budget: 9, windows: &[], again: true };
    let mut walk = Walk::new(4, &retry, now + PATIENCE);
    assert_eq!(walk.hedge(now, &mut ground), None, "nothing is on its way yet");
    assert_eq!(walk.next(now, &mut ground), ask(0, 0));
    assert_eq!(walk.hedge(now, &mut ground), Some((2, 0)));
    assert_eq!(walk.attempts(), 2);
    walk.failed(Failure::new(Remedy::NextProvider));
    assert_eq!(walk.next(now, &mut ground), ask(3, 0));
    assert_eq!(walk.hedge(now, &mut ground), None, "nobody is left");
    walk.failed(Failure::new(Remedy::NextProvider));
    assert_eq!(walk.next(now, &mut ground), Next::Stop(Why::Failed));
}

#[test]
fn nothing_begins_after_the_deadline() {
    let retry = Retry::default();
    let now = start();
    let mut entries = first_key;
    let mut ground = Script { entries: &mut entries, budget: 9, windows: &[], again: true };
    let mut walk = Walk::new(2, &retry, now + PATIENCE);
    assert_eq!(walk.next(now, &mut ground), ask(0, 0));
    walk.failed(Failure::new(Remedy::NextProvider));
    assert_eq!(walk.next(now + PATIENCE, &mut ground), Next::Stop(Why::Failed));
    let mut late = Walk::new(2, &retry, now);
    assert_eq!(late.next(now, &mut ground), Next::Stop(Why::Late));
}
