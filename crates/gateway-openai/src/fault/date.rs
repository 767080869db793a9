//! How long a server wants its caller to wait.

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// Longer than this is no waiting any more; also keeps numbers of any size out.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// `retry-after-ms`, else `retry-after` as seconds or as a date. A date is taken against the answer's
/// own `date`, so no clock is needed and theirs may be wrong.
pub(super) fn retry_after(head: &HeaderMap) -> Option<Duration> {
    let text = |value: &http::HeaderValue| value.to_str().ok().map(|text| text.trim().to_owned());
    let millis = head.get("retry-after-ms").and_then(text).and_then(|text| number(&text));
    if let Some(millis) = millis {
        return seconds(millis / 1000.0);
    }
    let after = head.get(RETRY_AFTER).and_then(text)?;
    if let Some(number) = number(&after) {
        return seconds(number);
    }
    let now = http_date(&head.get(DATE).and_then(text)?)?;
    let then = http_date(&after)?;
    Some(Duration::from_secs(then.saturating_sub(now)).min(LONGEST))
}

/// A waiting time as servers write one into their text: `try again in 1.2s`, `in 6m0s`,
/// `retry after 26 seconds`.
pub(super) fn in_text(text: &str) -> Option<Duration> {
    let lower = text.to_ascii_lowercase();
    let rest = ["try again in ", "retry after ", "retry in "]
        .into_iter()
        .find_map(|marker| lower.split_once(marker))?
        .1;
    let mut total = 0.0;
    let mut rest = rest.trim_start();
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
    if found { seconds(total) } else { None }
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
}

/// Seconds that are a waiting time at all.
pub(super) fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok().map(|after| after.min(LONGEST))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in seconds since 1970.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next().filter(|month| month.len() == 3)?;
    let month = MONTHS.find(month).filter(|at| at % 3 == 0)? as u64 / 3 + 1;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = words.next()?.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    // Days from civil: years begin in March, so that the odd day comes last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Sat, 21 Nov 2026 16:00:00 GMT"), Some(1_795_276_800));
        assert_eq!(http_date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        for odd in ["", "now", "Sat, 21 Nov", "Sat, 21 Foo 2026 16:00:00 GMT"] {
            assert_eq!(http_date(odd), None, "{odd}");
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
            assert_eq!(in_text(text).map(|d| d.as_millis()), millis, "{text}");
        }
    }
}
