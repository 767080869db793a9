//! How long a server wants its caller to wait: `retry-after`, the resets of limits, words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};

/// Longer than this is no waiting any more; also keeps numbers of any size out.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// The headers of an answer that say when to ask again.
#[derive(Debug, Clone, Copy)]
pub struct Waits<'h> {
    head: &'h HeaderMap,
    /// Seconds since 1970.
    now: Option<f64>,
}

impl<'h> Waits<'h> {
    /// Of an answer. A time of day is taken against the answer's own `date`, whatever the clock there
    /// says; where it has none, against `now`; without either, times of day say nothing.
    pub fn new(head: &'h HeaderMap, now: Option<SystemTime>) -> Self {
        let theirs = head.get(DATE).and_then(text).and_then(http_date);
        let ours = now.and_then(|now| now.duration_since(UNIX_EPOCH).ok());
        let now = theirs.or_else(|| ours.map(|ours| ours.as_secs_f64()));
        Self { head, now }
    }

    /// `retry-after-ms`, else `retry-after` as seconds or as a date.
    pub fn asked(&self) -> Option<Duration> {
        let millis = self.head.get("retry-after-ms").and_then(text).and_then(number);
        if let Some(millis) = millis {
            return waiting_seconds(millis / 1000.0);
        }
        let after = self.head.get(RETRY_AFTER).and_then(text)?;
        match number(after) {
            Some(seconds) => waiting_seconds(seconds),
            None => self.until(http_date(after)?),
        }
    }

    /// Until every limit that is used up has been refilled, by the pairs `…ratelimit-…remaining…` and
    /// `…ratelimit-…reset…` that vendors send: a time of day (RFC 3339, or seconds or milliseconds
    /// since 1970) or a time from now (`6m0s`, or seconds). A reset without its remainder counts as
    /// one of a limit that is used up. The limits of subscriptions (`unified`) are not looked at.
    pub fn reset(&self) -> Option<Duration> {
        let limits = self.head.iter().filter_map(|(name, value)| {
            let name = name.as_str();
            if !name.contains("ratelimit") || name.contains("unified") || !name.contains("reset") {
                return None;
            }
            let remaining = self.head.get(name.replace("reset", "remaining").as_str());
            let left = remaining.and_then(text).and_then(number);
            if left.is_some_and(|left| left >= 1.0) { None } else { self.at(text(value)?) }
        });
        limits.max()
    }

    /// Until a time of day, or for a time from now, as the header of that name says it.
    pub fn named(&self, name: &str) -> Option<Duration> {
        self.at(self.head.get(name).and_then(text)?)
    }

    /// Until a time of day, in seconds since 1970; nothing where it is over.
    pub fn until(&self, then: f64) -> Option<Duration> {
        waiting_seconds((then - self.now?).max(0.0))
    }

    fn at(&self, text: &str) -> Option<Duration> {
        match number(text) {
            // Nobody is told to wait for thirty years: it is a time of day, in some unit.
            Some(millis) if millis >= 1e12 => self.until(millis / 1000.0),
            Some(then) if then >= 1e9 => self.until(then),
            Some(seconds) => waiting_seconds(seconds),
            None => match rfc3339(text) {
                Some(then) => self.until(then),
                None => spelt(text),
            },
        }
    }
}

/// What an answer says of asking again, whatever its status says: `x-should-retry`.
pub fn should_retry(head: &HeaderMap) -> Option<bool> {
    match head.get("x-should-retry")?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().map(str::trim)
}

/// A waiting time as servers write one into their text: `try again in 1.2s`, `in 6m0s`,
/// `retry after 26 seconds`.
pub fn wait_in_text(text: &str) -> Option<Duration> {
    let lower = text.to_ascii_lowercase();
    let rest = ["try again in ", "retry after ", "retry in "]
        .into_iter()
        .find_map(|marker| lower.split_once(marker))?
        .1;
    spelt(rest)
}

/// `1h2m3.5s`, `120ms`, `26 seconds`: as far as it is that.
fn spelt(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text.trim_start();
    let mut found = false;
    loop {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let Ok(value) = rest[..end].trim_end_matches('.').parse::<f64>() else { break };
        rest = rest[end..].trim_start();
        let unit = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        total += value
            * match &rest[..unit] {
                "ms" | "milliseconds" => 0.001,
                "s" | "sec" | "second" | "seconds" => 1.0,
                "m" | "min" | "minute" | "minutes" => 60.0,
                "h" | "hour" | "hours" => 3600.0,
                "d" | "day" | "days" => 86400.0,
                _ => break,
            };
        found = true;
        rest = &rest[unit..];
    }
    if found { waiting_seconds(total) } else { None }
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
}

/// Seconds that are a waiting time at all; at most a year of them.
pub fn waiting_seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok().map(|after| after.min(LONGEST))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in seconds since 1970.
fn http_date(text: &str) -> Option<f64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next().filter(|month| month.len() == 3)?;
    let month = MONTHS.find(month).filter(|at| at % 3 == 0)? as u64 / 3 + 1;
    let year: u64 = words.next()?.parse().ok()?;
    Some(days(year, month, day)? * 86400.0 + seconds_of_day(words.next()?)?)
}

/// `2026-11-21T16:00:00Z` in seconds since 1970; also with a fraction or an offset.
pub fn rfc3339(text: &str) -> Option<f64> {
    let (date, clock) = text.split_at_checked(10)?;
    let mut date = date.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let clock = clock.strip_prefix(['T', 't', ' '])?;
    let end = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at(end);
    let offset = match zone {
        "Z" | "z" => 0.0,
        _ => {
            let sign = if zone.starts_with('-') { -1.0 } else { 1.0 };
            sign * seconds_of_day(&zone[1..])?
        }
    };
    Some(days(year, month, day)? * 86400.0 + seconds_of_day(clock)? - offset)
}

/// `08:49:37`, seconds with a fraction or left out.
fn seconds_of_day(text: &str) -> Option<f64> {
    let mut parts = text.splitn(3, ':').map(number);
    let (hours, minutes) = (parts.next()??, parts.next()??);
    Some((hours * 60.0 + minutes) * 60.0 + parts.next().unwrap_or(Some(0.0))?)
}

/// Days since 1970, of a date since then.
fn days(year: u64, month: u64, day: u64) -> Option<f64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that the odd day comes last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    let days = u32::try_from(days.checked_sub(719_468)?).ok()?;
    Some(f64::from(days))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_795_262_400;

    #[test]
    fn dates_are_read() {
        for (text, then) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0.0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777.0)),
            ("Sat, 21 Nov 2026 16:00:00 GMT", Some(1_795_276_800.0)),
            ("Thu, 29 Feb 2024 12:00:00 GMT", Some(1_709_208_000.0)),
            ("", None),
            ("now", None),
            ("Sat, 21 Nov", None),
            ("Sat, 21 Foo 2026 16:00:00 GMT", None),
        ] {
            assert_eq!(http_date(text), then, "{text}");
        }
        for (text, then) in [
            ("1970-01-01T00:00:00Z", Some(0.0)),
            ("2026-11-21T12:00:00Z", Some(1_795_262_400.0)),
            ("2026-11-21t12:00:00.5z", Some(1_795_262_400.5)),
            ("2026-11-21T13:30:00+01:30", Some(1_795_262_400.0)),
            ("2026-11-21T07:00:00-05:00", Some(1_795_262_400.0)),
            ("2026-11-21", None),
            ("2026-11-21T12", None),
            ("2026-13-21T12:00:00Z", None),
            ("2026-11-21T12:00:00+", None),
            ("21.11.2026 12:00:00Z", None),
            ("zwölf Uhr fünfzehnZ", None),
        ] {
            assert_eq!(rfc3339(text), then, "{text}");
        }
    }

    #[test]
    fn waiting_times_stand_in_texts() {
        for (text, millis) in [
            ("Please try again in 1.2s. Visit", Some(1200)),
            ("try again in 6m0s", Some(360_000)),
            ("Please try again in 1h2m3.5s.", Some(3_723_500)),
            ("Please retry after 26 seconds.", Some(26_000)),
            ("try again in 120ms", Some(120)),
            ("try again in 20s", Some(20_000)),
            ("try again in a while", None),
            ("try again later", None),
        ] {
            assert_eq!(wait_in_text(text).map(|d| d.as_millis()), millis, "{text}");
        }
    }

    #[test]
    fn r37_the_limits_that_are_used_up_say_how_long() {
        let now = UNIX_EPOCH + Duration::from_secs(NOON);
        let (requests, tokens) =
            ("anthropic-ratelimit-requests-reset", "anthropic-ratelimit-tokens-reset");
        for (headers, millis) in [
            (&[][..], None),
            (&[(tokens, "2026-11-21T12:00:07Z")], Some(7000)),
            (
                &[(tokens, "2026-11-21T12:00:07Z"), ("anthropic-ratelimit-tokens-remaining", "0")],
                Some(7000),
            ),
            (
                &[(tokens, "2026-11-21T12:00:07Z"), ("anthropic-ratelimit-tokens-remaining", "12")],
                None,
            ),
            (&[(tokens, "2026-11-21T11:00:07Z")], Some(0)),
            (&[(tokens, "2026-11-21T12:00:07Z"), (requests, "2026-11-21T12:00:09Z")], Some(9000)),
            (
                &[
                    (tokens, "2026-11-21T12:00:07Z"),
                    (requests, "2026-11-21T12:00:09Z"),
                    ("anthropic-ratelimit-requests-remaining", "3"),
                ],
                Some(7000),
            ),
            (
                &[
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", "6m0s"),
                    ("x-ratelimit-remaining-tokens", "149984"),
                    ("x-ratelimit-reset-tokens", "1s"),
                ],
                Some(360_000),
            ),
            (&[("x-ratelimit-reset", "1795262405")], Some(5000)),
            (&[("x-ratelimit-reset", "1795262405250")], Some(5250)),
            (&[("ratelimit-reset", "12")], Some(12_000)),
            (&[("x-ratelimit-reset", "soon")], None),
            (
                &[("date", "Sat, 21 Nov 2026 12:00:02 GMT"), (tokens, "2026-11-21T12:00:07Z")],
                Some(5000),
            ),
            (&[("anthropic-ratelimit-unified-reset", "1795262405")], None),
        ] {
            let head: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    (http::HeaderName::from_static(name), HeaderValue::from_static(value))
                })
                .collect();
            let waits = Waits::new(&head, Some(now));
            // Fractions of seconds since 1970 are not exact.
            let told = waits.reset().map(|wait| (wait + Duration::from_micros(500)).as_millis());
            assert_eq!(told, millis, "{headers:?}");
        }
        let mut head = HeaderMap::new();
        head.insert(tokens, HeaderValue::from_static("2026-11-21T12:00:07Z"));
        assert_eq!(Waits::new(&head, None).reset(), None, "no clock, no date");
    }
}
