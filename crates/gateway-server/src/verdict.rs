//! What the caller is told when nobody answers.

use std::time::Duration;

use gateway_resilience::walk::Why;
use gateway_types::{ApiError, ErrorKind, Remedy};
use tokio::time::Instant;

use crate::asked::Leg;
use crate::desk::Worker;
use crate::failure::{Failed, Refusal, SOON, Weight};

/// Keeps the failure that helps the caller most; of equal ones the first.
pub(crate) fn offer(told: &mut Option<Failed>, failed: Failed) {
    let last_word = failed.remedy == Remedy::Final;
    if last_word || told.as_ref().is_none_or(|known| failed.weight() > known.weight()) {
        *told = Some(failed);
    }
}

/// What the caller is told: the best of the failures, unless somebody who was not asked at all can be asked
/// soon, which helps more than to know that a key is dead elsewhere.
pub(crate) fn refusal(
    why: Why,
    passed_over: Option<Why>,
    told: Option<Failed>,
    worker: &Worker,
    legs: &[Leg],
) -> Refusal {
    let soon = match passed_over {
        Some(Why::Resting(until)) if until <= Instant::now().into_std() + SOON => {
            Some(Weight::Passing)
        }
        Some(Why::Open(_)) => Some(Weight::Trouble),
        _ => None,
    };
    let why = match (told, passed_over) {
        (Some(failed), Some(passed_over))
            if failed.remedy != Remedy::Final && Some(failed.weight()) < soon =>
        {
            passed_over
        }
        (Some(failed), _) => return failed.refusal,
        (None, _) => why,
    };
    Refusal::Gateway(explained(why, worker, legs))
}

/// Why nobody was asked.
fn explained(why: Why, worker: &Worker, legs: &[Leg]) -> ApiError {
    let now = Instant::now();
    let wait = |until: std::time::Instant| {
        // Never nothing: the caller would be back before it is over.
        until.saturating_duration_since(now.into_std()).max(Duration::from_secs(1))
    };
    let mut names: Vec<&str> = Vec::new();
    names.extend(legs.iter().map(|leg| &*worker.runtime.providers[leg.provider].name));
    let names = names.join(", ");
    match why {
        Why::Resting(until) => {
            let text = format!("{names}: the limit that was met there is not over yet");
            ApiError::new(ErrorKind::RateLimited, text).with_retry_after(wait(until))
        }
        Why::Open(until) => {
            let text = format!(
                "{names}: failed several times in a row, and is left alone for a moment \
                 (resilience.circuit_breaker)"
            );
            ApiError::new(ErrorKind::Overloaded, text).with_retry_after(wait(until))
        }
        Why::Late => ApiError::new(ErrorKind::Timeout, format!("{names}: no time was left to ask")),
        Why::Failed | Why::Nobody => {
            ApiError::new(ErrorKind::Internal, format!("{names}: nobody could be asked"))
        }
    }
}
