//! TOUCH: everything that can fail for reasons of its own.

pub mod clock;
pub mod core_dump;
pub mod entropy;
pub mod files;
pub mod lock;
pub mod passphrase;
