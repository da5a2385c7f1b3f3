//! How a moment and a span of time are written: always UTC, always whole seconds, always the same few units.

use time::{Duration, OffsetDateTime, UtcOffset};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// A year of people, without leap days: these spans are for reading, not for reckoning.
const YEAR: u64 = 365 * DAY;
/// From here on hours say nothing any more.
const LONG: u64 = 100 * DAY;
/// From here on a rough span is told in days alone.
const ROUGH: u64 = 2 * DAY;

/// A moment as RFC 3339 in UTC, without a fraction: `2026-11-28T11:04:00Z`.
///
/// ```
/// use meshca::pki::moment::utc;
/// assert_eq!(utc(time::macros::datetime!(2026-11-28 12:04:00.5 +1)), "2026-11-28T11:04:00Z");
/// ```
#[must_use]
pub fn utc(moment: OffsetDateTime) -> String {
    let moment = moment.checked_to_offset(UtcOffset::UTC).unwrap_or(moment);
    let (hour, minute, second) = moment.to_hms();
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", day(moment))
}

/// The second that a moment lies in, in UTC.
///
/// ```
/// use meshca::pki::moment::whole;
/// let moment = time::macros::datetime!(2026-11-28 12:04:00.5 +1);
/// assert_eq!(whole(moment), time::macros::datetime!(2026-11-28 11:04:00 UTC));
/// ```
#[must_use]
pub fn whole(moment: OffsetDateTime) -> OffsetDateTime {
    moment.truncate_to_second().checked_to_offset(UtcOffset::UTC).unwrap_or(moment)
}

/// The day of a moment, in UTC: `2026-11-28`.
#[must_use]
pub fn day(moment: OffsetDateTime) -> String {
    let date = moment.checked_to_offset(UtcOffset::UTC).unwrap_or(moment).date();
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

/// A span for a column: `9y 240d`, `244d`, `5d 3h`, `3h 12m`, `41s`; with a minus where it is negative.
#[must_use]
pub fn span(span: Duration) -> String {
    let minus = if span.is_negative() { "-" } else { "" };
    let written: Vec<String> = parts(seconds(span)).iter().map(|(number, unit)| format!("{number}{unit}")).collect();
    format!("{minus}{}", written.join(" "))
}

/// A span as seen from now, roughly: `in 41d`, `in 7y 240d`, `in 3h 12m`, and `-9d` once it has passed.
#[must_use]
pub fn ahead(span: Duration) -> String {
    let left = seconds(span);
    let left = if (ROUGH..YEAR).contains(&left) { left - left % DAY } else { left };
    let sign = if span.is_negative() { "-" } else { "in " };
    let written: Vec<String> = parts(left).iter().map(|(number, unit)| format!("{number}{unit}")).collect();
    format!("{sign}{}", written.join(" "))
}

/// The size of a span within a sentence: `5 d 3 h`. Its sign is left to the sentence.
#[must_use]
pub fn prose(span: Duration) -> String {
    let written: Vec<String> = parts(seconds(span)).iter().map(|(number, unit)| format!("{number} {unit}")).collect();
    written.join(" ")
}

const fn seconds(span: Duration) -> u64 {
    span.whole_seconds().unsigned_abs()
}

/// The one or two greatest units; the second is left out where it is nothing.
fn parts(seconds: u64) -> Vec<(u64, char)> {
    let (great, small) = match seconds {
        YEAR.. => ((YEAR, 'y'), Some((DAY, 'd'))),
        LONG.. => ((DAY, 'd'), None),
        DAY.. => ((DAY, 'd'), Some((HOUR, 'h'))),
        HOUR.. => ((HOUR, 'h'), Some((MINUTE, 'm'))),
        MINUTE.. => ((MINUTE, 'm'), Some((1, 's'))),
        _ => ((1, 's'), None),
    };
    let first = (seconds / great.0, great.1);
    let second = small.map(|(size, unit)| ((seconds % great.0) / size, unit)).filter(|(number, _)| *number > 0);
    std::iter::once(first).chain(second).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_span_has_at_most_two_units_and_none_of_nothing() {
        let days = Duration::days;
        let cases = [
            (Duration::ZERO, "0s"),
            (Duration::seconds(41), "41s"),
            (Duration::seconds(60), "1m"),
            (Duration::seconds(3599), "59m 59s"),
            (Duration::minutes(192), "3h 12m"),
            (days(1), "1d"),
            (days(5) + Duration::hours(3) + Duration::minutes(59), "5d 3h"),
            (days(100) - Duration::SECOND, "99d 23h"),
            (days(244) + Duration::hours(5), "244d"),
            (days(365), "1y"),
            (days(9 * 365 + 240), "9y 240d"),
            (days(-9), "-9d"),
        ];
        for (value, wanted) in cases {
            assert_eq!(span(value), wanted);
        }
    }

    #[test]
    fn what_lies_ahead_is_rough_and_what_has_passed_has_a_minus() {
        assert_eq!(ahead(Duration::days(41) + Duration::hours(7)), "in 41d");
        assert_eq!(ahead(Duration::days(7 * 365 + 240)), "in 7y 240d");
        assert_eq!(ahead(Duration::hours(47)), "in 1d 23h");
        assert_eq!(ahead(-Duration::days(9) - Duration::hours(2)), "-9d");
        assert_eq!(ahead(Duration::minutes(192)), "in 3h 12m");
    }

    #[test]
    fn a_sentence_has_spaces_and_no_sign() {
        assert_eq!(prose(Duration::days(-5) - Duration::hours(3)), "5 d 3 h");
    }

    #[test]
    fn a_moment_is_written_in_utc_without_a_fraction() {
        assert_eq!(utc(datetime!(2026-11-28 11:04:00 UTC)), "2026-11-28T11:04:00Z");
        assert_eq!(utc(datetime!(2027-01-01 00:30:09.999 +1)), "2026-12-31T23:30:09Z");
        assert_eq!(day(datetime!(2027-01-01 00:30:09 +1)), "2026-12-31");
    }
}
