//! TOUCH: everything that can fail for reasons of its own.

pub mod clock;
pub mod core_dump;
pub mod entropy;
pub mod files;
pub mod issuing_key;
pub mod key_seal;
pub mod ledger_file;
pub mod lock;
pub mod passphrase;
#[cfg(feature = "ceremony")]
pub mod root_key;
pub mod store;
