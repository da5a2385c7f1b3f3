//! ORDER: one file per command: read, decide, act, record, return.

#[cfg(feature = "ceremony")]
pub mod issue;
#[cfg(feature = "ceremony")]
pub mod issuing_create;
#[cfg(feature = "ceremony")]
pub mod root_create;
