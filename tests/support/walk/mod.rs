//! Fleets that walk from one root to the next with real processes: real API servers or folders, a scripted istiod beside
//! each set, a clock that leaps, and the record of whatever was published or loaded. A test brings it in with
//! `#[path = "support/walk/mod.rs"] mod walk;`, beside `clusters`, `faults`, `scripted_istiod` and `support`.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk and the clock")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a walk that cannot go on is a failed test")]

pub(crate) mod chance;
pub(crate) mod fleet;
pub(crate) mod gateway;
pub(crate) mod layout;
pub(crate) mod record;
pub(crate) mod times;
