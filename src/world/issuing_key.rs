//! The private keys that the unattended side may open: the issuing CA's, and those that lie in stock.
//!
//! Whoever can read the issuing key and its passphrase can mint any identity of the mesh until that CA ends.

use crate::mesh::holdings::{Held, Prepared};
use crate::pki::certificate::Certificate;
use crate::pki::signing_key::SigningKey;
use crate::problem::Problem;
use crate::world::entropy::Entropy;
use crate::world::passphrase::PassphraseSource;
use crate::world::store::{Store, UPPER};
use crate::world::{files, key_seal};

/// Opens the private key of an issuing CA.
///
/// # Errors
/// As the seal: `wrong-passphrase`, `passphrase-needed`, `key-malformed`, `issuer-key-mismatch`,
/// `plaintext-key-refused`, `file-unreadable`.
pub fn open(
    store: &Store,
    issuing: &Held,
    passphrase: &PassphraseSource,
    lab: bool,
    entropy: &Entropy,
) -> Result<SigningKey, Problem> {
    key_seal::open(&store.issuing(issuing.generation), &issuing.certificate, passphrase, lab, entropy)
}

/// Opens the private key of a prepared intermediate.
///
/// # Errors
/// As [`open`].
pub fn open_prepared(
    store: &Store,
    prepared: &Prepared,
    passphrase: &PassphraseSource,
    lab: bool,
    entropy: &Entropy,
) -> Result<SigningKey, Problem> {
    let slot = store.prepared(&prepared.cluster, prepared.generation);
    key_seal::open(&slot, &prepared.signer, passphrase, lab, entropy)
}

/// Lays a prepared intermediate in stock: the sealed key, the tiers above, the certificate.
///
/// # Errors
/// `file-exists`, `file-unwritable`.
pub fn lay_in_stock(store: &Store, prepared: &Prepared, sealed_key: &str) -> Result<(), Problem> {
    let upper: String = prepared.upper.iter().map(Certificate::pem).collect();
    let slot = store.prepared(&prepared.cluster, prepared.generation);
    slot.write(Some(sealed_key.as_bytes()), &prepared.signer, &[(UPPER, upper.as_bytes())])
}

/// Forgets the private key of a prepared intermediate once its cluster has it: no second copy of a signing key is
/// kept. Where the material folder is read-only, nothing happens.
///
/// # Errors
/// `file-unwritable`, only where the folder can be written and the key is there.
pub fn forget(store: &Store, prepared: &Prepared) -> Result<(), Problem> {
    let path = store.prepared(&prepared.cluster, prepared.generation).key_path();
    if files::is_there(&path) { files::remove(&path) } else { Ok(()) }
}
