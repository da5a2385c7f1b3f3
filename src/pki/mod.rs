//! DECIDE about certificates. No cluster, clock, disk, network or environment.

pub mod fingerprint;
pub mod key_kind;
