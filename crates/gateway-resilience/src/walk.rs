//! The way of one request along its chain of upstreams: who is asked next, after which pause, and when it
//! is enough.
//!
//! A [`Walk`] decides and does nothing: its driver asks upstreams, sleeps and keeps the time. What is known
//! of upstreams beyond this request (breakers, keys, budgets) it reads through [`Ground`].
//!
//! ```
//! use std::time::{Duration, Instant};
//! use gateway_resilience::settings::{Jitter, Retry};
//! use gateway_resilience::walk::{Entry, Failure, Ground, Next, Walk};
//! use gateway_types::Remedy;
//!
//! struct Calm;
//! impl Ground for Calm {
//!     fn enter(&mut self, _leg: usize, tried: &[usize], _now: Instant) -> Entry {
//!         if tried.is_empty() { Entry::Key(0) } else { Entry::Exhausted }
//!     }
//!     fn may_retry(&mut self, _leg: usize, _now: Instant) -> bool {
//!         true
//!     }
//!     fn window(&mut self, _leg: usize) -> Option<u64> {
//!         None
//!     }
//!     fn luck(&mut self) -> u64 {
//!         u64::MAX
//!     }
//! }
//!
//! let start = Instant::now();
//! let retry = Retry { jitter: Jitter::None, ..Retry::default() };
//! let mut walk = Walk::new(2, &retry, start + Duration::from_secs(60));
//! assert_eq!(walk.next(start, &mut Calm), Next::Ask { leg: 0, key: 0 });
//! walk.failed(Failure::new(Remedy::Same));
//! assert_eq!(walk.next(start, &mut Calm), Next::Pause(Duration::from_secs(1)));
//! assert_eq!(walk.next(start + Duration::from_secs(1), &mut Calm), Next::Ask { leg: 0, key: 0 });
//! walk.failed(Failure::new(Remedy::NextProvider));
//! assert_eq!(walk.next(start, &mut Calm), Next::Ask { leg: 1, key: 0 });
//! ```

use std::time::{Duration, Instant};

use gateway_types::Remedy;

use crate::backoff;
use crate::settings::Retry;

/// What is known of the upstreams beyond this request.
pub trait Ground {
    /// Whether the upstream of a leg can be asked now, and with which key; `tried` are the keys that this
    /// request needs not try there again. Whoever gets [`Entry::Key`] asks.
    fn enter(&mut self, leg: usize, tried: &[usize], now: Instant) -> Entry;
    /// Whether the upstream of a leg can be asked at once with a key that [`enter`](Ground::enter) has named, for
    /// something else than a retry: the request written otherwise, or a key tried for want of anything better.
    /// Whoever gets a yes asks.
    fn again(&mut self, leg: usize, key: usize, now: Instant) -> bool {
        let _ = (leg, key, now);
        true
    }
    /// Takes a retry at that upstream out of the budgets, if they have one left.
    fn may_retry(&mut self, leg: usize, now: Instant) -> bool;
    /// The longest prompt that a leg's model takes, in tokens, where that is known.
    fn window(&mut self, leg: usize) -> Option<u64>;
    /// A fresh random number.
    fn luck(&mut self) -> u64;
}

/// Whether an upstream can be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// With this key.
    Key(usize),
    /// All keys that are left have met a limit; the first rests until then.
    Resting(Instant),
    /// The breaker is open until then.
    Open(Instant),
    /// All keys that are left were rejected a short while ago; this one may be tried for want of anything
    /// better.
    Rejected(usize),
    /// No key is left.
    Exhausted,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask this leg's upstream with this key, then say how it went ([`Walk::failed`]).
    Ask {
        /// Place in the chain.
        leg: usize,
        /// Place among the upstream's keys.
        key: usize,
    },
    /// Wait this long, then ask again what to do.
    Pause(Duration),
    /// Enough.
    Stop(Why),
}

/// Why a walk is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Somebody was asked: the best of the failures is the answer.
    Failed,
    /// Nobody could be asked: every upstream that was not skipped for another reason rests because of a
    /// limit, the first until then.
    Resting(Instant),
    /// Nobody could be asked: breakers are open, the first until then.
    Open(Instant),
    /// There is no time left.
    Late,
    /// Nobody can be asked at all.
    Nobody,
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What may help, as the dialect reads the answer.
    pub remedy: Remedy,
    /// The status that the upstream answered with, if it did.
    pub status: Option<u16>,
}

impl Failure {
    /// A failure without an answer.
    pub fn new(remedy: Remedy) -> Self {
        Self { remedy, status: None }
    }

    /// The status that the upstream answered with.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Whether the server is in trouble, rather than the request or the key. A 408 is not what it looks like:
    /// the upstream did not wait for the request, which is worth another try.
    fn is_of_server(&self) -> bool {
        self.status.is_some_and(|status| status == 408 || status >= 500)
    }
}

/// The state of one request's walk.
#[derive(Debug)]
pub struct Walk<'r> {
    /// How many there are.
    legs: usize,
    retry: &'r Retry,
    deadline: Instant,
    /// The leg that is asked now or next.
    at: usize,
    step: Step,
    /// At the current leg: retries, whether the same was asked once more at once, keys that are of no use,
    /// the key of the last attempt.
    retries: u32,
    repeated: bool,
    tried: Vec<usize>,
    key: usize,
    /// Attempts so far.
    attempts: u32,
    /// Only legs with a window above this are worth asking.
    above: Option<u64>,
    /// When the first of those that were skipped can be asked.
    resting: Option<Instant>,
    open: Option<Instant>,
    /// Where a rejected key may be tried for want of anything better.
    last_resort: Option<(usize, usize)>,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Ask at the current leg, if it lets us.
    Enter,
    /// An attempt is on its way.
    Asked,
    /// It failed.
    Failed(Failure),
    /// Ask with another key; without one again with this after a pause, if there is one.
    OtherKey(Option<Duration>),
    /// Ask again after a pause.
    Retry(Duration),
    /// The same request once more, at once, with the same key.
    Repeat,
    /// The next leg.
    Onwards,
    /// Nothing more.
    Over,
}

impl<'r> Walk<'r> {
    /// A walk along so many legs that begins no attempt after `deadline`.
    pub fn new(legs: usize, retry: &'r Retry, deadline: Instant) -> Self {
        Self {
            step: if legs == 0 { Step::Over } else { Step::Enter },
            legs,
            retry,
            deadline,
            at: 0,
            retries: 0,
            repeated: false,
            tried: Vec::new(),
            key: 0,
            attempts: 0,
            above: None,
            resting: None,
            open: None,
            last_resort: None,
        }
    }

    /// Attempts so far, the one on its way included.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// When the first of those who were passed over can be asked: [`Why::Resting`], else [`Why::Open`].
    pub fn passed_over(&self) -> Option<Why> {
        self.resting.map(Why::Resting).or_else(|| self.open.map(Why::Open))
    }

    /// The attempt that was asked for failed.
    pub fn failed(&mut self, failure: Failure) {
        debug_assert_eq!(self.step, Step::Asked, "only what was asked can fail");
        self.step = Step::Failed(failure);
    }

    /// The attempt was refused, but its request can be written otherwise: the same upstream is to be asked
    /// with the same key at once.
    pub fn rewritten(&mut self) {
        self.step = Step::Repeat;
    }

    /// What to do now.
    pub fn next(&mut self, now: Instant, ground: &mut dyn Ground) -> Next {
        loop {
            if !matches!(self.step, Step::Over | Step::Asked) && now >= self.deadline {
                self.step = Step::Over;
                return Next::Stop(if self.attempts == 0 { Why::Late } else { Why::Failed });
            }
            match self.step {
                Step::Over | Step::Asked => return Next::Stop(self.why()),
                Step::Failed(failure) => self.step = self.after(&failure, ground),
                Step::Repeat if ground.again(self.at, self.key, now) => return self.ask(self.key),
                // Until when is not known; who asks again a little later is told.
                Step::Repeat => self.skip(Entry::Open(now)),
                Step::Enter => match ground.enter(self.at, &self.tried, now) {
                    Entry::Key(key) => return self.ask(key),
                    blocked => self.skip(blocked),
                },
                Step::OtherKey(pause) => match (ground.enter(self.at, &self.tried, now), pause) {
                    (Entry::Key(key), _) => return self.ask(key),
                    (Entry::Open(until), _) => self.skip(Entry::Open(until)),
                    (_, Some(pause)) => self.step = Step::Retry(pause),
                    (_, None) => self.step = Step::Onwards,
                },
                Step::Retry(pause) => {
                    let in_time = now.checked_add(pause).is_some_and(|then| then < self.deadline);
                    if self.retries < self.retry.max_retries
                        && in_time
                        && ground.may_retry(self.at, now)
                    {
                        self.retries += 1;
                        // Whoever had to rest may have rested.
                        self.tried.clear();
                        self.step = Step::Enter;
                        if !pause.is_zero() {
                            return Next::Pause(pause);
                        }
                    } else {
                        self.step = Step::Onwards;
                    }
                }
                Step::Onwards => self.onwards(ground),
            }
        }
    }

    /// A second attempt beside the one on its way, at the next leg that lets us; the walk goes on from
    /// there. At most one is worth it, and it costs one retry, however many legs do not let us. `None`: nobody
    /// else can be asked, and the first goes on alone.
    pub fn hedge(&mut self, now: Instant, ground: &mut dyn Ground) -> Option<(usize, usize)> {
        if self.step != Step::Asked || now >= self.deadline {
            return None;
        }
        let mut is_paid = false;
        for leg in self.at + 1..self.legs {
            if !self.is_wide(leg, ground) {
                continue;
            }
            if !is_paid && !ground.may_retry(leg, now) {
                return None;
            }
            is_paid = true;
            if let Entry::Key(key) = ground.enter(leg, &[], now) {
                self.at = leg;
                (self.retries, self.repeated) = (0, false);
                self.tried.clear();
                self.ask(key);
                return Some((leg, key));
            }
        }
        None
    }

    fn after(&mut self, failure: &Failure, ground: &mut dyn Ground) -> Step {
        let listed = |status| status == 408 || self.retry.statuses.contains(&status);
        let listed = failure.status.is_none_or(listed);
        match failure.remedy {
            Remedy::Final | Remedy::Without(_) => Step::Over,
            Remedy::Larger => {
                let own = ground.window(self.at);
                self.above = self.above.max(own).or(Some(0));
                // A walk that finds no larger one ends with this answer, which the caller can act on.
                Step::Onwards
            }
            Remedy::Again if !self.repeated => {
                self.repeated = true;
                Step::Repeat
            }
            Remedy::Same if listed => {
                Step::Retry(backoff::pause(self.retry, self.retries, ground.luck()))
            }
            // A server in trouble is in trouble with every key: the pool is not walked, and each further try
            // comes out of the budget.
            Remedy::After(pause) if failure.is_of_server() => {
                if !listed {
                    Step::Onwards
                } else if !self.retry.respect_retry_after {
                    Step::Retry(backoff::pause(self.retry, self.retries, ground.luck()))
                } else if pause <= self.retry.max_delay {
                    Step::Retry(pause)
                } else {
                    Step::Onwards
                }
            }
            Remedy::After(pause) => {
                self.tried.push(self.key);
                if !listed {
                    Step::OtherKey(None)
                } else if !self.retry.respect_retry_after {
                    let pause = backoff::pause(self.retry, self.retries, ground.luck());
                    Step::OtherKey(Some(pause))
                } else {
                    Step::OtherKey((pause <= self.retry.max_delay).then_some(pause))
                }
            }
            Remedy::NextKey => {
                self.tried.push(self.key);
                Step::OtherKey(None)
            }
            Remedy::Again | Remedy::Same | Remedy::NextProvider => Step::Onwards,
        }
    }

    fn ask(&mut self, key: usize) -> Next {
        self.key = key;
        self.attempts += 1;
        self.step = Step::Asked;
        Next::Ask { leg: self.at, key }
    }

    /// The current leg can't be asked.
    fn skip(&mut self, blocked: Entry) {
        let sooner = |known: Option<Instant>, until| known.map_or(until, |k: Instant| k.min(until));
        match blocked {
            Entry::Resting(until) => self.resting = Some(sooner(self.resting, until)),
            Entry::Open(until) => self.open = Some(sooner(self.open, until)),
            Entry::Rejected(key) => {
                self.last_resort.get_or_insert((self.at, key));
            }
            Entry::Key(_) | Entry::Exhausted => {}
        }
        self.step = Step::Onwards;
    }

    fn onwards(&mut self, ground: &mut dyn Ground) {
        (self.retries, self.repeated) = (0, false);
        self.tried.clear();
        loop {
            self.at += 1;
            if self.at >= self.legs {
                break;
            }
            if self.is_wide(self.at, ground) {
                self.step = Step::Enter;
                return;
            }
        }
        self.step = match self.last_resort.take() {
            Some((leg, key)) if self.attempts == 0 => {
                (self.at, self.key) = (leg, key);
                // The end of the chain has been seen: nothing comes after it.
                self.legs = leg + 1;
                Step::Repeat
            }
            _ => Step::Over,
        };
    }

    /// Whether a leg's model may take the prompt. Of a window that nobody knows nothing can be hoped.
    fn is_wide(&self, leg: usize, ground: &mut dyn Ground) -> bool {
        let mut wide = |above| ground.window(leg).is_some_and(|window| window > above);
        self.above.is_none_or(&mut wide)
    }

    fn why(&self) -> Why {
        match self.passed_over() {
            Some(passed_over) if self.attempts == 0 => passed_over,
            None if self.attempts == 0 => Why::Nobody,
            _ => Why::Failed,
        }
    }
}
