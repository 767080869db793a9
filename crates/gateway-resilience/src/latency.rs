//! How long an upstream takes until it says something.

use std::time::{Duration, Instant};

/// A moving average of the time to the first event that believes bad news at once and good news slowly:
/// a slow answer raises it to that answer's time, faster ones lower it over some seconds.
#[derive(Debug, Clone, Default)]
pub struct Latency {
    /// Seconds, and when they were right.
    last: Option<(f64, Instant)>,
}

/// How long ago something must be to count for a third only.
const MEMORY: Duration = Duration::from_secs(10);

/// An upstream that nobody asked for so long is expected to take a third of what it took: it must get a
/// chance to show that it has become better. Much longer than [`MEMORY`], because that chance costs
/// somebody a slow answer and a cold prompt cache.
const FORGIVENESS: Duration = Duration::from_secs(120);

impl Latency {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// It took `took` this time.
    pub fn observe(&mut self, now: Instant, took: Duration) {
        let took = took.as_secs_f64();
        let value = match self.last {
            Some((value, at)) if took < value => {
                let weight = fading(now, at, MEMORY);
                value * weight + took * (1.0 - weight)
            }
            _ => took,
        };
        let at = self.last.map_or(now, |(_, at)| at.max(now));
        self.last = Some((value, at));
    }

    /// How long it will probably take; `None`: it was never asked.
    pub fn expected(&self, now: Instant) -> Option<Duration> {
        let (value, at) = self.last?;
        Duration::try_from_secs_f64(value * fading(now, at, FORGIVENESS)).ok()
    }
}

/// From 1 at `since` towards 0, a third per `period`.
fn fading(now: Instant, since: Instant, period: Duration) -> f64 {
    (-now.saturating_duration_since(since).as_secs_f64() / period.as_secs_f64()).exp()
}
