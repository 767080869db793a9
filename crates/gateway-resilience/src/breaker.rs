//! When an upstream is left alone: so many failures in a row, for so long, then probes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::later;
use crate::settings::BreakerSettings;

/// One upstream's (and model's) circuit breaker.
///
/// Every admission has to be [`ended`](Breaker::ended), also that of a request whose caller left: a probe
/// keeps its place until then, or until it is too old to be waited for. [`Pass`] is therefore neither `Clone`
/// nor `Copy`.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    /// Goes up with each change of state, so that results from before say nothing about what is now.
    epoch: u64,
    /// Replies in a row that broke off after they had begun.
    breaks: u32,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Closed {
        failures: u32,
    },
    // Since when, not until when: a new setting counts at once.
    Open {
        since: Instant,
    },
    HalfOpen {
        /// When those that hold a place began, the oldest first.
        probes: VecDeque<Instant>,
        successes: u32,
    },
}

/// Whether an upstream may be asked now.
#[derive(Debug)]
pub enum Admission {
    /// Yes.
    Free(Pass),
    /// Yes, and the answer decides whether others may.
    Probe(Pass),
    /// No, and asking again is no use before this time.
    Refused {
        /// When the breaker lets probes through; while they are under way, when the oldest one's place is
        /// free at the latest.
        until: Instant,
    },
}

/// Stands for one admitted attempt; to be given back with its result.
#[derive(Debug)]
#[must_use = "an attempt that was let in has to be ended"]
pub struct Pass {
    epoch: u64,
    /// When it began, if it is a probe.
    probe: Option<Instant>,
}

/// How an attempt ended, as far as the upstream's health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It answered.
    Success,
    /// It could not be reached, broke down, or fell silent.
    Failure,
    /// Nothing is known: the request was at fault, a rate limit said no, the caller left.
    Neutral,
}

/// What a result changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nobody is let through now.
    Opened {
        /// When probes are.
        until: Instant,
    },
    /// Everybody is let through again.
    Closed,
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everybody is let through.
    Closed,
    /// Nobody is.
    Open {
        /// When probes are.
        until: Instant,
    },
    /// Probes are, or would be if somebody came.
    HalfOpen,
}

/// A probe keeps its place for the time that the breaker stays open, within these bounds: an answer that takes
/// minutes, or that never comes, must not keep everybody from an upstream that is well again. And where the
/// breaker stays open for no time at all, probes are still fewer than requests.
const HELD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, epoch: 0, breaks: 0, phase: Phase::Closed { failures: 0 } }
    }

    /// Asks to be let through.
    pub fn admit(&mut self, now: Instant) -> Admission {
        if let Phase::Open { since } = self.phase {
            let until = later(since, self.settings.open);
            if now < until {
                return Admission::Refused { until };
            }
            self.turn(Phase::HalfOpen { probes: VecDeque::new(), successes: 0 });
        }
        let Phase::HalfOpen { probes, .. } = &mut self.phase else {
            return Admission::Free(Pass { epoch: self.epoch, probe: None });
        };
        let held = self.settings.open.clamp(HELD.0, HELD.1);
        probes.retain(|began| now < later(*began, held));
        let most = usize::try_from(self.settings.half_open_max.max(1)).unwrap_or(usize::MAX);
        match probes.front() {
            Some(oldest) if probes.len() >= most => {
                Admission::Refused { until: later(*oldest, held) }
            }
            _ => {
                // Clocks are read before the lock is had: the order of coming is not that of times.
                let place = probes.partition_point(|began| *began <= now);
                probes.insert(place, now);
                Admission::Probe(Pass { epoch: self.epoch, probe: Some(now) })
            }
        }
    }

    /// Takes the result of an attempt that was let through. A result from before the last change of state
    /// counts for nothing; that of a probe that has lost its place counts.
    #[expect(clippy::needless_pass_by_value, reason = "a pass is used up: it counts once")]
    pub fn ended(&mut self, now: Instant, pass: Pass, end: End) -> Option<Change> {
        if pass.epoch != self.epoch {
            return None;
        }
        match &mut self.phase {
            Phase::Closed { failures } => match end {
                End::Neutral => None,
                End::Success => {
                    *failures = 0;
                    None
                }
                End::Failure => {
                    *failures = failures.saturating_add(1);
                    let threshold = self.settings.failure_threshold;
                    (threshold > 0 && *failures >= threshold).then(|| self.open(now))
                }
            },
            Phase::HalfOpen { probes, successes } => {
                debug_assert!(pass.probe.is_some(), "of this epoch there are only probes");
                // Of those that began together it does not matter which one goes.
                let place = probes.iter().position(|began| Some(*began) == pass.probe);
                place.map(|place| probes.remove(place));
                match end {
                    End::Neutral => None,
                    End::Success => {
                        *successes = successes.saturating_add(1);
                        (*successes >= self.settings.success_threshold.max(1)).then(|| {
                            self.turn(Phase::Closed { failures: 0 });
                            Change::Closed
                        })
                    }
                    End::Failure => Some(self.open(now)),
                }
            }
            Phase::Open { .. } => None,
        }
    }

    /// A reply that had begun, and so was a success, broke off. So many in a row open it as well: somebody who
    /// begins every answer and ends none is of no use.
    pub fn broke(&mut self, now: Instant) -> Option<Change> {
        self.breaks = self.breaks.saturating_add(1);
        let threshold = self.settings.failure_threshold;
        match &mut self.phase {
            Phase::Closed { failures } => {
                *failures = failures.saturating_add(1);
                let opens = threshold > 0 && self.breaks.max(*failures) >= threshold;
                opens.then(|| self.open(now))
            }
            Phase::HalfOpen { .. } => Some(self.open(now)),
            Phase::Open { .. } => None,
        }
    }

    /// A reply came to its end.
    pub fn came_whole(&mut self) {
        self.breaks = 0;
    }

    /// Other settings from now on, also for a time that is already running. A threshold of 0 closes it.
    pub fn set(&mut self, settings: BreakerSettings) {
        self.settings = settings;
        if settings.failure_threshold == 0 {
            self.reset();
        }
    }

    /// Closes it, by command: what is under way no longer counts.
    pub fn reset(&mut self) -> Option<Change> {
        let was_closed = matches!(self.phase, Phase::Closed { .. });
        self.turn(Phase::Closed { failures: 0 });
        (!was_closed).then_some(Change::Closed)
    }

    /// Where it stands, without asking to be let through.
    pub fn state(&self, now: Instant) -> State {
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::HalfOpen { .. } => State::HalfOpen,
            Phase::Open { since } => {
                let until = later(since, self.settings.open);
                if now < until { State::Open { until } } else { State::HalfOpen }
            }
        }
    }

    fn open(&mut self, now: Instant) -> Change {
        self.turn(Phase::Open { since: now });
        Change::Opened { until: later(now, self.settings.open) }
    }

    fn turn(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
        self.breaks = 0;
    }
}
