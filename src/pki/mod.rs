//! DECIDE about certificates. No cluster, clock, disk, network or environment.

pub mod certificate;
pub mod distinguished_name;
pub mod draft;
pub mod fingerprint;
pub mod key_kind;
pub mod pem_lines;
pub mod profile;
pub mod rehearsal;
pub mod sealed_key;
pub mod secret;
pub mod serial;
pub mod signing_key;
mod to_be_signed;
pub mod validity;
pub mod weak_key;
