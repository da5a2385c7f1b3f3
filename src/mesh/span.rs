//! Lengths of time as the mesh file writes them: `90d`, `24h`, `1h30m`, `0s`.

use std::fmt;

use jiff::{Span, SpanRelativeTo};
use time::Duration;

/// Nothing in a mesh is planned further ahead: 100 years of 365.25 days.
const LONGEST: Duration = Duration::days(36_525);

/// The units, longest first, with their seconds. A day is always 24 hours: certificates know no local time.
const UNITS: [(&str, i64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Why a text is not a length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadSpan {
    /// It is not numbers with units, longest unit first and each unit once.
    Malformed,
    /// It counts in years or months, which have no fixed length.
    NoFixedLength,
    /// It counts in something shorter than a second.
    BelowASecond,
    /// It is below zero.
    Negative,
    /// It is more than 100 years.
    TooLong,
}

impl BadSpan {
    /// What to write instead.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            BadSpan::Malformed => "write numbers with the units w, d, h, m, s, longest first: `90d`, `24h`, `1h30m`",
            BadSpan::NoFixedLength => "write days: `3650d` for ten years, `90d` for three months",
            BadSpan::BelowASecond => "write whole seconds: `1s`",
            BadSpan::Negative => "write it without the sign",
            BadSpan::TooLong => "write at most 100 years: `36525d`",
        }
    }
}

impl fmt::Display for BadSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadSpan::Malformed => "is not a length of time",
            BadSpan::NoFixedLength => "counts in years or months, which have no fixed length",
            BadSpan::BelowASecond => "counts in less than a second",
            BadSpan::Negative => "is negative",
            BadSpan::TooLong => "is more than 100 years",
        })
    }
}

impl std::error::Error for BadSpan {}

/// The length of time that this text names: whole seconds, from zero to 100 years.
///
/// Only the compact form is taken (no blanks, no words, no ISO 8601), so that one length has few spellings.
///
/// # Errors
///
/// Where the text is anything else, with the reason.
///
/// ```
/// use meshca::mesh::span::{BadSpan, parse};
/// use time::Duration;
/// assert_eq!(parse("1h30m"), Ok(Duration::minutes(90)));
/// assert_eq!(parse("1y"), Err(BadSpan::NoFixedLength));
/// ```
pub fn parse(text: &str) -> Result<Duration, BadSpan> {
    let unsigned = text.trim_start_matches('-');
    if unsigned.len() < text.len() {
        return Err(parse(unsigned).err().unwrap_or(BadSpan::Negative));
    }
    if text.contains(|c: char| !c.is_ascii_alphanumeric()) {
        return Err(BadSpan::Malformed);
    }
    for unit in text.split(|c: char| c.is_ascii_digit()).filter(|unit| !unit.is_empty()) {
        match unit {
            "y" | "yr" | "mo" | "M" => return Err(BadSpan::NoFixedLength),
            "ms" | "us" | "ns" => return Err(BadSpan::BelowASecond),
            _ if UNITS.iter().any(|(known, _)| *known == unit) => {}
            _ => return Err(BadSpan::Malformed),
        }
    }
    // What jiff refuses now is either out of order or larger than its own bounds, which start beyond ours.
    let span = text.parse::<Span>().map_err(|_| if in_order(text) { BadSpan::TooLong } else { BadSpan::Malformed })?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| BadSpan::TooLong)?;
    let length = Duration::seconds(length.as_secs());
    if length > LONGEST { Err(BadSpan::TooLong) } else { Ok(length) }
}

/// Whether this is digits and units in turn, longest unit first and each once.
fn in_order(text: &str) -> bool {
    let mut rest = text;
    for (unit, _) in UNITS {
        let after_digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        if after_digits.len() < rest.len()
            && let Some(after_unit) = after_digits.strip_prefix(unit)
        {
            rest = after_unit;
        }
    }
    rest.is_empty() && !text.is_empty()
}

/// The one compact spelling of a length, which [`parse`] reads back: `90d`, `1h30m`, `0s`. Weeks are written in days.
///
/// A negative length, which [`parse`] never gives, has a sign in front.
///
/// ```
/// use meshca::mesh::span::format;
/// use time::Duration;
/// assert_eq!(format(Duration::hours(25)), "1d1h");
/// ```
#[must_use]
pub fn format(length: Duration) -> String {
    let mut left = length.whole_seconds().unsigned_abs();
    if left == 0 {
        return "0s".to_owned();
    }
    let mut text = if length.is_negative() { "-".to_owned() } else { String::new() };
    for (unit, seconds) in UNITS.into_iter().filter(|(unit, _)| *unit != "w") {
        let seconds = seconds.unsigned_abs();
        let count = left / seconds;
        left %= seconds;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_of_the_reference_file_are_read() {
        for (text, seconds) in [
            ("0s", 0),
            ("10m", 600),
            ("24h", 86_400),
            ("90d", 7_776_000),
            ("1h30m", 5_400),
            ("1w2d", 777_600),
            ("3650d", 315_360_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::seconds(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_length_is_refused_with_its_reason() {
        for (text, why) in [
            ("", BadSpan::Malformed),
            ("-", BadSpan::Malformed),
            ("90", BadSpan::Malformed),
            ("d", BadSpan::Malformed),
            ("d90", BadSpan::Malformed),
            ("1m1h", BadSpan::Malformed),
            ("1h1h", BadSpan::Malformed),
            ("1h30", BadSpan::Malformed),
            ("1 d", BadSpan::Malformed),
            ("1.5d", BadSpan::Malformed),
            ("P1D", BadSpan::Malformed),
            ("1D", BadSpan::Malformed),
            ("90days", BadSpan::Malformed),
            ("never", BadSpan::Malformed),
            ("１d", BadSpan::Malformed),
            ("1y", BadSpan::NoFixedLength),
            ("3mo", BadSpan::NoFixedLength),
            ("500ms", BadSpan::BelowASecond),
            ("-1d", BadSpan::Negative),
            ("-1y", BadSpan::NoFixedLength),
            ("--1d", BadSpan::Negative),
            ("36525d1s", BadSpan::TooLong),
            ("99999999d", BadSpan::TooLong),
            ("99999999999999999999999d", BadSpan::TooLong),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
        assert_eq!(parse("36525d"), Ok(LONGEST));
    }

    #[test]
    fn the_compact_spelling_is_read_back() {
        for (seconds, text) in [
            (0, "0s"),
            (1, "1s"),
            (5_400, "1h30m"),
            (86_400, "1d"),
            (90_061, "1d1h1m1s"),
            (604_800, "7d"),
            (3_155_760_000, "36525d"),
        ] {
            assert_eq!(format(Duration::seconds(seconds)), text);
            assert_eq!(parse(text), Ok(Duration::seconds(seconds)));
        }
        assert_eq!(format(Duration::seconds(-90)), "-1m30s");
    }
}
