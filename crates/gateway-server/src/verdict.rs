//! What the caller is told when nobody answers.

use std::time::Duration;

use gateway_resilience::walk::Why;
use gateway_types::{ApiError, ErrorKind, Remedy};
use tokio::time::Instant;

use crate::asked::Leg;
use crate::desk::Worker;
use crate::failure::{Failed, Refusal, SOON, Weight};
use crate::seat::{self, HELD};

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

/// What somebody is told who waits for the end of a limit, in seconds. A crowd that waits for the same instant is
/// spread a little after it: by a tenth of the wait, and by up to three seconds where that is more. Nobody who
/// would hold its request (R36) gives up for that.
fn rest(wait: Duration, luck: u64) -> u64 {
    let wait = seat::retry_after(wait);
    if wait > HELD {
        return wait;
    }
    let most = (wait / 10).max(3);
    (wait + luck % (most + 1)).min(HELD)
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
            let err = ApiError::new(ErrorKind::RateLimited, text);
            let wait = rest(wait(until), worker.runtime.house.luck.next());
            let err = err.with_retry_after(Duration::from_secs(wait));
            // Other clients take a long wait for none, and ask again at once.
            if wait > HELD { err.with_should_retry(false) } else { err }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r36_who_waits_for_the_same_limit_comes_back_after_it_one_by_one() {
        for (millis, least, most) in [
            (1, 1, 4),
            (1000, 1, 4),
            (20_500, 21, 24),
            (50_000, 50, 55),
            (57_000, 57, 59),
            (59_000, 59, 59),
            // Beyond, the client gives up, and is not to be talked into holding on.
            (59_001, 61, 61),
            (3_600_000, 3600, 3600),
        ] {
            let told = |luck| rest(Duration::from_millis(millis), luck);
            let all: Vec<u64> = (0..100).map(told).collect();
            let (first, last) = (all.iter().min(), all.iter().max());
            assert_eq!((first, last), (Some(&least), Some(&most)), "{millis} ms");
        }
    }
}
