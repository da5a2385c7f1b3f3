//! DECIDE about certificates. No cluster, clock, disk, network or environment.

pub mod certificate;
pub mod distinguished_name;
pub mod fingerprint;
pub mod key_kind;
pub mod validity;
