//! How near an end must be to count: a length of time, or a share of a certificate's whole life.

use std::fmt;

use time::Duration;

use crate::mesh::deadline::{CRITICAL, WARNING};
use crate::mesh::span;
use crate::pki::validity::Validity;

/// One limit. An end that is less far away than this counts; one that is exactly as far away does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// A length of time.
    Length(Duration),
    /// Of its life from beginning to end, in hundredths.
    Share(u8),
}

impl Limit {
    /// The limit that a text names: `30d`, `720h`, `25%`; a number alone is days.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(number) = text.strip_suffix('%') {
            let share = number.parse::<u8>().ok().filter(|share| (1..=99).contains(share));
            let is_plain = number.chars().all(|c| c.is_ascii_digit());
            return share.filter(|_| is_plain).map(Limit::Share).ok_or_else(|| "a share is 1% to 99%".to_owned());
        }
        let is_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let whole = if is_number { format!("{text}d") } else { text.to_owned() };
        match span::parse(&whole) {
            Ok(length) => Ok(Limit::Length(length)),
            Err(bad) => Err(format!("it {bad}; {}, or `25%` of its life", bad.advice())),
        }
    }

    /// How far away the end of something with this window must be.
    #[must_use]
    pub fn of(self, window: Validity) -> Duration {
        match self {
            Limit::Length(length) => length,
            // In hundredths first: a life in seconds has room for that.
            Limit::Share(share) => (window.not_after() - window.not_before()) * i32::from(share) / 100,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Length(length) => f.write_str(&span::format(*length)),
            Limit::Share(share) => write!(f, "{share}%"),
        }
    }
}

/// What the ends of certificates are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nearer is a warning.
    pub warning: Limit,
    /// Nearer is critical.
    pub critical: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        Self { warning: Limit::Length(WARNING), critical: Limit::Length(CRITICAL) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::NOW;

    #[test]
    fn days_lengths_and_shares_are_read() {
        assert_eq!(Limit::parse("30d"), Ok(Limit::Length(Duration::days(30))));
        assert_eq!(Limit::parse("30"), Ok(Limit::Length(Duration::days(30))));
        assert_eq!(Limit::parse("720h"), Ok(Limit::Length(Duration::days(30))));
        assert_eq!(Limit::parse("0"), Ok(Limit::Length(Duration::ZERO)));
        for share in [1, 25, 99] {
            assert_eq!(Limit::parse(&format!("{share}%")), Ok(Limit::Share(share)));
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_to_write() {
        for text in ["", "%", "0%", "100%", "-1%", "+5%", "2.5%", "1y", "-1d", "soon", "1d 1h", "99999999999999999999"]
        {
            assert!(Limit::parse(text).is_err(), "{text}");
        }
        assert!(Limit::parse("soon").unwrap_err().ends_with("or `25%` of its life"));
    }

    #[test]
    fn a_share_is_of_the_whole_life_and_a_length_of_nothing() {
        let window = Validity::new(NOW, NOW + Duration::days(3650));
        assert_eq!(Limit::Share(99).of(window), Duration::days(3650) * 99 / 100);
        assert_eq!(Limit::Share(50).of(window), Duration::days(1825));
        assert_eq!(Limit::Length(Duration::days(7)).of(window), Duration::days(7));
        assert_eq!(
            (Limit::Share(25).to_string(), Limit::Length(Duration::days(7)).to_string()),
            ("25%".into(), "7d".into())
        );
    }
}
