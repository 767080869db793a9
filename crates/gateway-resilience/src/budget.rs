//! How many retries an upstream in trouble gets: a share of its recent requests and a small reserve.
//!
//! Without it, every caller's retries together multiply the load just when there is too much of it (R38).

use std::time::{Duration, Instant};

use crate::settings::Budget;
use crate::slots::Slots;

/// How far back requests and retries count.
const WINDOW: Duration = Duration::from_secs(10);

/// The retries that are left for one upstream, or for one client.
///
/// ```
/// use gateway_resilience::{budget::RetryBudget, settings::Budget};
/// let now = std::time::Instant::now();
/// let mut budget = RetryBudget::new(Budget { ratio: 0.5, min_per_second: 0.0, per_client: false });
/// budget.deposit(now);
/// assert!(!budget.withdraw(now), "one request pays for half a retry");
/// budget.deposit(now);
/// assert!(budget.withdraw(now));
/// assert!(!budget.withdraw(now));
/// ```
#[derive(Debug, Clone)]
pub struct RetryBudget {
    settings: Budget,
    counts: Slots,
}

const REQUEST: usize = 0;
const RETRY: usize = 1;

impl RetryBudget {
    /// A budget with its reserve untouched.
    pub fn new(settings: Budget) -> Self {
        Self { settings, counts: Slots::new(WINDOW) }
    }

    /// A first attempt was made: it pays for a share of a retry.
    pub fn deposit(&mut self, now: Instant) {
        self.counts.add(now, REQUEST);
    }

    /// Whether a retry may be made; if so it is counted.
    pub fn withdraw(&mut self, now: Instant) -> bool {
        let granted = self.has_one(now);
        if granted {
            self.counts.add(now, RETRY);
        }
        granted
    }

    /// Whether a retry could be made.
    pub fn has_one(&mut self, now: Instant) -> bool {
        // Five fifths must be a whole one in floating point, too.
        self.balance(now) >= 1.0 - 1e-9
    }

    /// The retries that could be made now. Below zero after the settings were made tighter, or when the
    /// requests that paid for recent retries are out of the window.
    pub fn balance(&mut self, now: Instant) -> f64 {
        let [requests, retries] = self.counts.sums(now);
        let reserve = self.settings.min_per_second * WINDOW.as_secs_f64();
        float(requests) * self.settings.ratio + reserve - float(retries)
    }

    /// Other settings from now on; what was counted stays.
    pub fn set(&mut self, settings: Budget) {
        self.settings = settings;
    }
}

/// Counts within ten seconds: far from where a float stops being exact.
fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
