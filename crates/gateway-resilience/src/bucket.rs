//! A token bucket whose takings can be corrected afterwards: what a request costs is only known at its end.

use std::time::{Duration, Instant};

/// So many per minute, and at most so many at once.
///
/// Counted in integers, so that nothing drifts. What is asked for beyond the whole bucket is granted when
/// the bucket is full and leaves a debt, that the following ones wait for: a request that is larger than a
/// minute's limit must not be refused for ever.
///
/// ```
/// use gateway_resilience::bucket::Bucket;
/// use std::time::Duration;
/// let now = std::time::Instant::now();
/// let mut bucket = Bucket::per_minute(60);
/// assert_eq!(bucket.take(now, 60), Ok(()));
/// assert_eq!(bucket.take(now, 2), Err(Duration::from_secs(2)));
/// bucket.correct(now, 60, 50);
/// assert_eq!(bucket.take(now, 2), Ok(()));
/// ```
#[derive(Debug, Clone)]
pub struct Bucket {
    limit: u64,
    /// In parts of [`WHOLE`]; below zero: a debt.
    level: i128,
    /// Up to when `level` has been refilled.
    at: Option<Instant>,
}

/// The parts of one: as many as a minute has nanoseconds, so that `limit` of them come back each nanosecond.
const WHOLE: i128 = 60_000_000_000;

/// No correction leaves a debt of more than so many minutes' limit: an upstream that reports an absurd usage
/// must not lock a caller out for ever.
const MAX_DEBT_MINUTES: i128 = 60;

/// What somebody is told who asks a bucket of nothing.
const NEVER: Duration = Duration::from_secs(3600);

impl Bucket {
    /// A full bucket of `limit`, that fills in a minute. A `limit` of 0 grants nothing.
    pub fn per_minute(limit: u64) -> Self {
        Self { limit, level: i128::from(limit) * WHOLE, at: None }
    }

    /// Takes `amount`.
    ///
    /// # Errors
    ///
    /// How long from now it would be granted if nobody else asked; nothing is taken then.
    pub fn take(&mut self, now: Instant, amount: u64) -> Result<(), Duration> {
        if let Some(wait) = self.wait(now, amount) {
            return Err(wait);
        }
        self.change(-i128::from(amount));
        Ok(())
    }

    /// How long it would be until `amount` is granted; `None`: it is now. Takes nothing.
    pub fn wait(&mut self, now: Instant, amount: u64) -> Option<Duration> {
        self.refill(now);
        if self.limit == 0 {
            return (amount > 0).then_some(NEVER);
        }
        let needed = i128::from(amount.min(self.limit)) * WHOLE;
        (self.level < needed).then(|| self.time_for(needed - self.level))
    }

    /// Puts back what was taken and not used.
    pub fn give_back(&mut self, now: Instant, amount: u64) {
        self.correct(now, amount, 0);
    }

    /// `reserved` had been taken, `used` was used: gives back the rest or takes more, if need be on credit.
    pub fn correct(&mut self, now: Instant, reserved: u64, used: u64) {
        self.refill(now);
        let most = (-self.capacity() * MAX_DEBT_MINUTES).min(self.level);
        self.change(i128::from(reserved) - i128::from(used));
        self.level = self.level.max(most);
    }

    /// Another limit from now on, of which as large a share is left as of the old one; a debt becomes one of a
    /// minute at most. What a much larger limit had granted must not be paid for out of a small one.
    pub fn set(&mut self, limit: u64) {
        let old = i128::from(self.limit);
        if i128::from(limit) == old {
            return;
        }
        self.limit = limit;
        let new = i128::from(limit);
        let share = |level: i128| match old {
            // Of nothing there is no share: as new.
            0 => new * WHOLE,
            // Where the product is too large, what the quotient loses is less than one of millions.
            _ => level.checked_mul(new).map_or_else(|| level / old * new, |level| level / old),
        };
        self.level = share(self.level).clamp(-self.capacity(), self.capacity());
    }

    /// What could be taken now.
    pub fn remaining(&mut self, now: Instant) -> u64 {
        self.refill(now);
        u64::try_from(self.level.max(0) / WHOLE).unwrap_or(u64::MAX)
    }

    /// How long until it is full, if nobody asked.
    pub fn full_in(&mut self, now: Instant) -> Duration {
        self.refill(now);
        self.time_for(self.capacity() - self.level)
    }

    /// What can be taken in a minute, and at once.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    fn capacity(&self) -> i128 {
        i128::from(self.limit) * WHOLE
    }

    fn change(&mut self, by: i128) {
        self.level = self.level.saturating_add(by * WHOLE).min(self.capacity());
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(*self.at.get_or_insert(now));
        // An instant from before the last one must not make the same time count twice.
        self.at = self.at.max(Some(now));
        let nanos = i128::try_from(passed.as_nanos()).unwrap_or(i128::MAX);
        let more = nanos.saturating_mul(i128::from(self.limit));
        self.level = self.level.saturating_add(more).min(self.capacity());
    }

    /// How long the bucket takes to fill by so many parts, rounded up: who comes then is let in.
    fn time_for(&self, parts: i128) -> Duration {
        if parts <= 0 {
            return Duration::ZERO;
        }
        if self.limit == 0 {
            return NEVER;
        }
        let limit = i128::from(self.limit);
        Duration::from_nanos(u64::try_from((parts + limit - 1) / limit).unwrap_or(u64::MAX))
    }
}
