//! How the limits of a caller stand, in the headers of its replies.

use gateway_resilience::limits::Gauge;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::meter::Meter;

/// Adds how the rates of a caller stand: of its own limits and everybody's the tighter ones. Nothing
/// where there are none.
pub(crate) fn tell(headers: &mut HeaderMap, client: &Meter, everyone: &Meter, clock: Timestamp) {
    headers.reserve(REQUESTS.len() + TOKENS.len());
    let now = Instant::now().into_std();
    let (own, all) = (client.snapshot(now), everyone.snapshot(now));
    for (names, gauge) in [
        (&REQUESTS, tighter(own.requests, all.requests)),
        (&TOKENS, tighter(own.tokens, all.tokens)),
    ] {
        let Some(Gauge { limit, remaining, full_in }) = gauge else { continue };
        let [limit_name, remaining_name, reset_name] = names;
        headers.insert(limit_name, limit.into());
        headers.insert(remaining_name, remaining.into());
        let reset =
            SignedDuration::try_from(full_in).ok().and_then(|by| clock.checked_add(by).ok());
        // In whole seconds, and not before it is so.
        let reset = reset.and_then(|at| {
            let up = i64::from(at.subsec_nanosecond() > 0);
            Timestamp::from_second(at.as_second() + up).ok()
        });
        if let Some(reset) = reset.and_then(|at| HeaderValue::try_from(at.to_string()).ok()) {
            headers.insert(reset_name, reset);
        }
    }
}

static REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-ratelimit-requests-limit"),
    HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
    HeaderName::from_static("anthropic-ratelimit-requests-reset"),
];
static TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
    HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
    HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
];

/// The one of two rates that leaves less room.
fn tighter(a: Option<Gauge>, b: Option<Gauge>) -> Option<Gauge> {
    a.into_iter().chain(b).min_by_key(|gauge| gauge.remaining)
}
