//! The one reader of the system clock. A command or a tick reads it once, and hands the moment on.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

/// The present moment, UTC.
#[expect(clippy::disallowed_methods, reason = "this is the one file that may read the clock")]
#[must_use]
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// A clock for lengths of time, which nobody can set: what a Lease is held by.
#[expect(clippy::disallowed_methods, reason = "this is the one file that may read the clock")]
#[must_use]
pub fn steady() -> Instant {
    Instant::now()
}

/// An end to waiting for something outside. It runs with the machine and not with `--at`: no decision depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// `None`: further away than the machine can count.
    end: Option<Instant>,
}

impl Patience {
    /// Patience that ends this long from now.
    #[expect(clippy::disallowed_methods, reason = "this is the one file that may read the clock")]
    #[must_use]
    pub fn of(length: Duration) -> Self {
        Self { end: Instant::now().checked_add(length) }
    }

    /// How much of it is left; `None`: it is over.
    #[expect(clippy::disallowed_methods, reason = "this is the one file that may read the clock")]
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        let left = self.end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_and_may_be_endless() {
        assert_eq!(Patience::of(Duration::ZERO).left(), None);
        assert!(Patience::of(Duration::from_secs(3600)).left().is_some_and(|left| left <= Duration::from_secs(3600)));
        assert!(Patience::of(Duration::MAX).left().is_some());
    }
}
