//! Times as they stand in headers, of seconds since 1970.

/// `20261121T193000Z` as seconds since 1970.
pub(crate) fn seconds(stamp: &str) -> Option<i64> {
    let bytes = stamp.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| stamp.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days since 1970 of a date of the Gregorian calendar; years begin in March here, so that the day
/// that leaps is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + in_year - 719_468
}

/// The year, month, day of that day since 1970.
fn date(day: i64) -> (i64, i64, i64) {
    let mut year = 1970 + day / 366;
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days(year, *month, 1) <= day).unwrap_or(1);
    (year, month, day - days(year, month, 1) + 1)
}

/// `20261121T193000Z`
pub(crate) fn stamp(at: i64) -> String {
    let ((year, month, day), rest) = (date(at.div_euclid(86_400)), at.rem_euclid(86_400));
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// As the header `Date` has it: `Sat, 21 Nov 2026 19:30:00 GMT`.
pub(crate) fn http_date(at: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let since = at.div_euclid(86_400);
    let ((year, month, day), rest) = (date(since), at.rem_euclid(86_400));
    let index = |number: i64| usize::try_from(number).unwrap_or_default();
    let (name, month) = (DAYS[index(since.rem_euclid(7))], MONTHS[index(month - 1)]);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{name}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::{http_date, seconds, stamp};

    #[test]
    fn times_are_read_and_written() {
        for (text, at, http) in [
            ("19700101T000000Z", 0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("20000229T235959Z", 951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
            ("20261121T193000Z", 1_795_289_400, "Sat, 21 Nov 2026 19:30:00 GMT"),
            ("21001231T120000Z", 4_133_937_600, "Fri, 31 Dec 2100 12:00:00 GMT"),
        ] {
            assert_eq!(
                (seconds(text), stamp(at), http_date(at)),
                (Some(at), text.into(), http.into())
            );
        }
        assert_eq!(seconds("2026-11-21T19:30Z"), None);
    }
}
