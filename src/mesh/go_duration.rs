//! Lengths of time as Go programs read them from their environment: `24h0m0s`, `2160h`, `1.5h`.

use time::Duration;

/// No program writes a longer one.
const LONGEST_TEXT: usize = 64;

/// The units, and how many nanoseconds each has. Both spellings of micro are Go's.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// What Go's `time.ParseDuration` makes of the text; `None`: an error there, and so is more than Go can count (292 years).
/// What is below a nanosecond is dropped.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    if text.len() > LONGEST_TEXT {
        return None;
    }
    let (is_negative, bare) = match text.strip_prefix('-') {
        Some(bare) => (true, bare),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if bare == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = bare;
    let mut nanoseconds: i128 = 0;
    while !rest.is_empty() {
        let (piece, after) = piece(rest)?;
        (nanoseconds, rest) = (nanoseconds.checked_add(piece)?, after);
    }
    let nanoseconds = i64::try_from(if is_negative { -nanoseconds } else { nanoseconds }).ok()?;
    (!bare.is_empty()).then(|| Duration::nanoseconds(nanoseconds))
}

/// One number with its unit, in nanoseconds, and what follows.
fn piece(text: &str) -> Option<(i128, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(end)?;
    let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let mut nanoseconds = if whole.is_empty() { 0 } else { whole.parse::<i128>().ok()?.checked_mul(size)? };
    let mut place = size;
    for digit in fraction.chars().filter_map(|digit| digit.to_digit(10)) {
        // Rounded down at each place, so that many places of a large unit may be off by as many nanoseconds.
        place /= 10;
        nanoseconds = nanoseconds.checked_add(place * i128::from(digit))?;
    }
    Some((nanoseconds, rest))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_reads_is_read_alike() {
        for (text, seconds) in [
            ("24h0m0s", 86_400),
            ("2160h", 7_776_000),
            ("2160h0m0s", 7_776_000),
            ("1h30m", 5_400),
            ("1.5h", 5_400),
            (".5m", 30),
            ("1.m", 60),
            ("90m90s", 5_490),
            ("+1s1h", 3_601),
            ("-1h", -3_600),
            ("0", 0),
            ("-0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::seconds(seconds)), "{text}");
        }
        assert_eq!(parse("1500ms2us3ns"), Some(Duration::nanoseconds(1_500_002_003)));
        assert_eq!((parse("7µs"), parse("7μs")), (Some(Duration::microseconds(7)), Some(Duration::microseconds(7))));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in ["", "-", "+", "h", ".h", "24", "1d", "1 h", " 1h", "1h ", "1H", "1h-1m", "1e3s", "$(TTL)", "1..5h"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn more_than_go_can_count_is_refused_and_no_length_of_text_makes_it_panic() {
        assert_eq!(parse("9223372036854775807ns"), Some(Duration::nanoseconds(i64::MAX)));
        for text in ["9223372036854775808ns", "2562048h", "99999999999999999999999999999999999999999999h"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"1h".repeat(LONGEST_TEXT / 2)), Some(Duration::hours(32)));
        assert_eq!(parse(&"1h".repeat(LONGEST_TEXT / 2 + 1)), None);
    }
}
