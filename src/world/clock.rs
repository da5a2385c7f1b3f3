//! The one reader of the system clock. A command or a tick reads it once, and hands the moment on.

use std::time::Instant;

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
