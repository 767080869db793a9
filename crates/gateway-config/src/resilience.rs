//! `resilience` and `max_retries`: what is done about failures.

use std::time::Duration;

use gateway_resilience::settings::{
    BreakerSettings, Budget, Jitter, OutlierSettings, Resilience, Retry,
};

use crate::keys::{BREAKER, BUDGET, OUTLIERS, RESILIENCE, RETRY};
use crate::read::{Cx, Section, Zero};
use crate::source::At;

pub(crate) fn read(cx: &mut Cx, top: &Section<'_>) -> Resilience {
    let default = Resilience::default();
    let section = &cx.inner(top, "resilience", &RESILIENCE);
    let retry = read_retry(cx, top, section);
    let budget = read_budget(cx, section, retry.max_retries);
    let breaker = read_breaker(cx, section);
    let outliers = read_outliers(cx, section);
    let hedge_after = cx.seconds(section, "hedge_after", Zero::Refused);
    cx.effective(section, "hedge_after", hedge_after.map(|time| time.as_secs_f64()));
    let keepalive_ping =
        seconds(cx, section, "keepalive_ping", Zero::Refused, default.keepalive_ping);
    let commit_after = seconds(cx, section, "commit_after", Zero::Allowed, default.commit_after);
    check_silence(cx, section, keepalive_ping, commit_after);
    Resilience { retry, budget, breaker, outliers, hedge_after, keepalive_ping, commit_after }
}

fn read_retry(cx: &mut Cx, top: &Section<'_>, section: &Section<'_>) -> Retry {
    let default = Retry::default();
    let retry = &cx.inner(section, "retry", &RETRY);
    let max_retries = read_max_retries(cx, top, retry, default.max_retries);
    let base_delay = seconds(cx, retry, "base_delay", Zero::Allowed, default.base_delay);
    let max_delay = seconds(cx, retry, "max_delay", Zero::Allowed, default.max_delay);
    if base_delay > max_delay {
        let message = format!(
            "`{}` ({}) is above `{}` ({})",
            retry.full("base_delay"),
            base_delay.as_secs_f64(),
            retry.full("max_delay"),
            max_delay.as_secs_f64(),
        );
        let said = if retry.get("base_delay").is_some() { "base_delay" } else { "max_delay" };
        let help = "no pause is longer than max_delay: lower base_delay, or raise max_delay";
        cx.error(&retry.place_of(said), message, "the other way round", help);
    }
    let jitter = match cx.word(retry, "jitter", &["full", "equal", "none"]) {
        Some("equal") => Jitter::Equal,
        Some("none") => Jitter::None,
        _ => Jitter::Full,
    };
    let word = match jitter {
        Jitter::Full => "full",
        Jitter::Equal => "equal",
        Jitter::None => "none",
    };
    cx.effective(retry, "jitter", word);
    let statuses = read_statuses(cx, retry).unwrap_or(default.statuses);
    cx.effective(retry, "statuses", statuses.clone());
    let respect_retry_after = truth(cx, retry, "respect_retry_after", default.respect_retry_after);
    Retry { max_retries, base_delay, max_delay, jitter, statuses, respect_retry_after }
}

/// The number is said at the top level or in `retry`, which is the nearer of the two; a variable or an option wins
/// over the file, whichever it is about.
fn read_max_retries(cx: &mut Cx, top: &Section<'_>, retry: &Section<'_>, default: u32) -> u32 {
    let near = amount(cx, retry, "max_retries", 0, MOST_RETRIES);
    let far = amount(cx, top, "max_retries", 0, MOST_RETRIES);
    let (near_at, far_at) = (retry.place_of("max_retries"), top.place_of("max_retries"));
    let of_far = near.is_none() || far_at.rank() > near_at.rank();
    let (counts, at) = match (near, far) {
        (_, Some(far)) if of_far => (far, far_at),
        (Some(near), far) => {
            if far.is_some_and(|far| far != near) && far_at.rank() == near_at.rank() {
                let message = format!(
                    "`max_retries` has no effect: `{}` ({}) says {near}",
                    retry.full("max_retries"),
                    cx.told(&near_at)
                );
                cx.warn(&far_at, message, "keep one of the two");
            }
            (near, near_at)
        }
        _ => (default, At::BuiltIn),
    };
    cx.effective_at(retry.full("max_retries"), counts, &at);
    counts
}

/// Statuses, each of them one that another try may change.
fn read_statuses(cx: &mut Cx, retry: &Section<'_>) -> Option<Vec<u16>> {
    let mut out: Vec<u16> = Vec::new();
    for (text, at) in cx.texts(retry, "statuses")? {
        let key = retry.full("statuses");
        let (message, label, help) = match text.trim().parse::<u16>() {
            Ok(status @ (408 | 429 | 500..=599)) => {
                if !out.contains(&status) {
                    out.push(status);
                }
                continue;
            }
            Ok(status @ 400..=499) => (
                format!("`{key}`: {status} is not worth another try"),
                "the caller's own",
                "what is wrong with a request does not get better: of the 4xx only 408 and 429 may stand here",
            ),
            Ok(status) => {
                (format!("`{key}`: {status} is no status of a failure"), "no failure", POSSIBLE)
            }
            Err(_) => (format!("`{key}` holds something that is no status"), "no status", POSSIBLE),
        };
        cx.error(&at, message, label, help);
    }
    Some(out)
}

fn read_budget(cx: &mut Cx, section: &Section<'_>, max_retries: u32) -> Budget {
    let default = Budget::default();
    let budget = &cx.inner(section, "retry_budget", &BUDGET);
    let mut number = |key: &str, wanted: &str, most: f64, default: f64| {
        let fits = |n| (0.0..=most).contains(&n);
        let n = cx.fraction(budget, key, ("a number", wanted), fits).unwrap_or(default);
        cx.effective(budget, key, n);
        n
    };
    let ratio = number("ratio", "a number from 0 to 10", 10.0, default.ratio);
    let min_per_second =
        number("min_per_second", "a number from 0 to 1000000", 1e6, default.min_per_second);
    let per_client = truth(cx, budget, "per_client", default.per_client);
    if max_retries > 0 && ratio <= 0.0 && min_per_second <= 0.0 {
        let message = format!(
            "`{}` allows no retry at all (`ratio` and `min_per_second` are 0)",
            budget.path
        );
        let help = "write `max_retries: 0` if that is meant, else raise one of the two";
        cx.warn(&budget.at, message, help);
    }
    Budget { ratio, min_per_second, per_client }
}

fn read_breaker(cx: &mut Cx, section: &Section<'_>) -> BreakerSettings {
    let default = BreakerSettings::default();
    let breaker = &cx.inner(section, "circuit_breaker", &BREAKER);
    BreakerSettings {
        failure_threshold: count(cx, breaker, "failure_threshold", 0, default.failure_threshold),
        success_threshold: count(cx, breaker, "success_threshold", 1, default.success_threshold),
        open: seconds(cx, breaker, "open_seconds", Zero::Refused, default.open),
        half_open_max: count(cx, breaker, "half_open_max", 1, default.half_open_max),
    }
}

fn read_outliers(cx: &mut Cx, section: &Section<'_>) -> Option<OutlierSettings> {
    let default = OutlierSettings::default();
    let outliers = &cx.inner(section, "outlier_ejection", &OUTLIERS);
    let enabled = truth(cx, outliers, "enabled", true);
    let wanted = ("a number", "a number above 0, at most 1");
    let failure_ratio = cx
        .fraction(outliers, "failure_ratio", wanted, |n| n > 0.0 && n <= 1.0)
        .unwrap_or(default.failure_ratio);
    cx.effective(outliers, "failure_ratio", failure_ratio);
    let settings = OutlierSettings {
        failure_ratio,
        min_requests: count(cx, outliers, "min_requests", 1, default.min_requests),
        window: seconds(cx, outliers, "window", Zero::Refused, default.window),
        eject: seconds(cx, outliers, "eject_seconds", Zero::Refused, default.eject),
    };
    enabled.then_some(settings)
}

/// What a caller hears of a silent upstream.
fn check_silence(cx: &mut Cx, section: &Section<'_>, ping: Duration, commit: Duration) {
    let said = |key: &str| section.get(key).is_some();
    for (key, time) in [("keepalive_ping", ping), ("commit_after", commit)] {
        if time > LONGEST_SILENCE {
            let message = format!(
                "`{}` is {}: Claude Code gives a silent stream up after 180 seconds",
                section.full(key),
                time.as_secs_f64()
            );
            cx.warn(&section.place_of(key), message, "write 180 or less");
        }
    }
    if commit < ping && !commit.is_zero() && (said("commit_after") || said("keepalive_ping")) {
        let key = if said("commit_after") { "commit_after" } else { "keepalive_ping" };
        let message = format!(
            "`{}` ({}) is below `{}` ({}): a stream is begun before there is a ping to send",
            section.full("commit_after"),
            commit.as_secs_f64(),
            section.full("keepalive_ping"),
            ping.as_secs_f64()
        );
        cx.warn(&section.place_of(key), message, "raise commit_after, or lower keepalive_ping");
    }
}

fn seconds(
    cx: &mut Cx,
    section: &Section<'_>,
    key: &str,
    zero: Zero,
    default: Duration,
) -> Duration {
    let time = cx.seconds(section, key, zero).unwrap_or(default);
    cx.effective(section, key, time.as_secs_f64());
    time
}

fn truth(cx: &mut Cx, section: &Section<'_>, key: &str, default: bool) -> bool {
    let truth = cx.truth(section, key).unwrap_or(default);
    cx.effective(section, key, truth);
    truth
}

fn count(cx: &mut Cx, section: &Section<'_>, key: &str, min: i128, default: u32) -> u32 {
    let n = amount(cx, section, key, min, MOST).unwrap_or(default);
    cx.effective(section, key, n);
    n
}

fn amount(cx: &mut Cx, section: &Section<'_>, key: &str, min: i128, most: i128) -> Option<u32> {
    cx.whole(section, key, min, most).and_then(|n| u32::try_from(n).ok())
}

const POSSIBLE: &str = "possible are 408, 429 and 500 to 599";
/// More is no patience but a storm.
const MOST_RETRIES: i128 = 100;
/// Above any number of requests that somebody counts to.
const MOST: i128 = 1_000_000;
/// After that the client has left.
const LONGEST_SILENCE: Duration = Duration::from_secs(180);
