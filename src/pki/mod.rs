//! DECIDE about certificates. No cluster, clock, disk, network or environment.

pub mod certificate;
pub mod certificate_pem;
pub mod distinguished_name;
pub mod draft;
pub mod endorsement;
pub mod extensions;
pub mod fingerprint;
#[cfg(test)]
mod fixture;
pub mod go_reading;
pub mod hexadecimal;
pub(in crate::pki) mod key_der;
pub mod key_file;
pub mod key_kind;
pub mod moment;
pub mod pem_block;
pub mod pem_blocks;
pub mod pem_boringssl;
pub mod pem_damage;
mod pem_go;
pub mod pem_lines;
pub mod plain_text;
pub mod profile;
pub mod published_keys;
pub mod read_pem;
pub mod rehearsal;
pub mod revocation_list;
pub mod sealed_key;
pub mod secret;
pub mod serial;
pub mod signature_check;
pub mod signing_key;
mod to_be_signed;
pub mod validity;
mod verified;
mod weak_digest;
pub mod weak_key;
