//! When to try again, whom to leave alone, how much is too much.
//!
//! State machines over an injected clock: every method that needs the time takes an
//! [`Instant`], every one that needs luck takes a number. No I/O, no configuration,
//! no HTTP. The machines are plain `&mut self`; who shares one between tasks puts it into a mutex, and
//! may do so on the way of every request: each call costs the same whatever has happened before.
//!
//! ```
//! use gateway_resilience::breaker::{Admission, Breaker, End, State};
//! use gateway_resilience::settings::BreakerSettings;
//!
//! let mut breaker = Breaker::new(BreakerSettings { failure_threshold: 1, ..Default::default() });
//! let now = std::time::Instant::now();
//! let Admission::Free(pass) = breaker.admit(now) else { panic!("a new breaker is closed") };
//! breaker.ended(now, pass, End::Failure);
//! assert!(matches!(breaker.state(now), State::Open { .. }));
//! ```

pub mod backoff;
pub mod breaker;
pub mod bucket;
pub mod budget;
pub mod keys;
pub mod latency;
pub mod limits;
pub mod outlier;
pub mod places;
pub mod settings;
pub mod walk;

mod slots;

use std::time::{Duration, Instant};

/// `now + by`, and a year from now where that is more than an [`Instant`] can say: settings are typed
/// by people, and a silly one must not panic in the middle of a request.
fn later(now: Instant, by: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    now.checked_add(by).or_else(|| now.checked_add(YEAR)).unwrap_or(now)
}
