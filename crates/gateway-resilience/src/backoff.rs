//! The pause before a retry: exponential, capped, spread.

use std::time::Duration;

use crate::settings::{Jitter, Retry};

/// How long to wait before retry `nth` (0: the first one).
///
/// `luck` is any number, evenly drawn; it decides where within the spread of [`Jitter`] the pause falls.
/// No pause is longer than `max_delay`.
///
/// ```
/// use gateway_resilience::{backoff::pause, settings::{Jitter, Retry}};
/// use std::time::Duration;
///
/// let retry = Retry { jitter: Jitter::None, ..Retry::default() };
/// assert_eq!(pause(&retry, 0, 0), Duration::from_secs(1));
/// assert_eq!(pause(&retry, 3, 0), Duration::from_secs(8));
/// assert_eq!(pause(&retry, 9, 0), Duration::from_secs(30));
/// ```
pub fn pause(retry: &Retry, nth: u32, luck: u64) -> Duration {
    let factor = 2u32.checked_pow(nth).unwrap_or(u32::MAX);
    let whole = retry.base_delay.saturating_mul(factor).min(retry.max_delay);
    match retry.jitter {
        Jitter::None => whole,
        Jitter::Full => share(whole, luck),
        Jitter::Equal => whole.saturating_sub(share(whole / 2, luck)),
    }
}

/// From nothing to all but a nanosecond of `whole`, as `luck` goes from 0 to its maximum.
fn share(whole: Duration, luck: u64) -> Duration {
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    let part = (u128::from(nanos) * u128::from(luck)) >> 64;
    Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
}
