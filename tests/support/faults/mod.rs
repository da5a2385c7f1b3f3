//! Meshes on real API servers, and what can go wrong between the two. A test brings them in with
//! `#[path = "support/faults/mod.rs"] mod faults;`, beside `clusters` and `support`.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk and the clock")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a fault that does not come about is a failed test"
)]

pub(crate) mod fleet;
pub(crate) mod proxy;
pub(crate) mod watcher;
