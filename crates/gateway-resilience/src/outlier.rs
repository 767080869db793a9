//! Which of several equal upstreams fails too often, though not always.

use std::time::Instant;

use crate::later;
use crate::settings::OutlierSettings;
use crate::slots::Slots;

/// One upstream's share of failures. A breaker sees failures in a row; this sees the upstream that fails
/// every second time and never five times in a row.
///
/// An ejected upstream is asked last, not never: it may be all there is.
#[derive(Debug, Clone)]
pub struct Outlier {
    settings: OutlierSettings,
    counts: Slots,
    ejected_until: Option<Instant>,
}

const GOOD: usize = 0;
const BAD: usize = 1;

impl Outlier {
    /// With nothing known.
    pub fn new(settings: OutlierSettings) -> Self {
        Self { settings, counts: Slots::new(settings.window), ejected_until: None }
    }

    /// Takes a result; `true` if the upstream is ejected by it. Starts afresh then: what was counted has
    /// been paid for.
    pub fn observe(&mut self, now: Instant, ok: bool) -> bool {
        self.counts.add(now, if ok { GOOD } else { BAD });
        let [good, bad] = self.counts.sums(now);
        if ok || good + bad < u64::from(self.settings.min_requests) || self.is_ejected(now) {
            return false;
        }
        let share = float(bad) / float(good + bad);
        let ejected = share >= self.settings.failure_ratio;
        if ejected {
            self.ejected_until = Some(later(now, self.settings.eject));
            self.counts.clear();
        }
        ejected
    }

    /// Whether it is asked last now.
    pub fn is_ejected(&self, now: Instant) -> bool {
        self.ejected_until.is_some_and(|until| now < until)
    }

    /// Forgets what was counted and an ejection, by command.
    pub fn reset(&mut self) {
        self.counts.clear();
        self.ejected_until = None;
    }
}

fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
