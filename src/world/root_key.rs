//! The root's private key. Only ceremonies come here: the feature `ceremony` compiles this file, and a test holds
//! that no unattended command can name it.

use crate::mesh::holdings::Held;
use crate::pki::certificate::Certificate;
use crate::pki::signing_key::SigningKey;
use crate::problem::Problem;
use crate::world::entropy::Entropy;
use crate::world::key_seal;
use crate::world::passphrase::PassphraseSource;
use crate::world::store::Store;

/// Opens the private key of a root.
///
/// # Errors
/// `wrong-passphrase`, `passphrase-needed`, `key-malformed`, `issuer-key-mismatch`, `plaintext-key-refused`,
/// `file-unreadable`: the last where the root's key is elsewhere, as it should be.
pub fn open(
    store: &Store,
    root: &Held,
    passphrase: &PassphraseSource,
    lab: bool,
    entropy: &Entropy,
) -> Result<SigningKey, Problem> {
    key_seal::open(&store.root(root.generation), &root.certificate, passphrase, lab, entropy)
}

/// Writes a new root: folder, sealed key, certificate.
///
/// # Errors
/// `file-exists`, `file-unwritable`.
pub fn lay_down(store: &Store, generation: u32, sealed_key: &str, certificate: &Certificate) -> Result<(), Problem> {
    store.root(generation).write(sealed_key.as_bytes(), certificate, &[])
}

/// Writes a new issuing CA: folder, sealed key, certificate.
///
/// # Errors
/// `file-exists`, `file-unwritable`.
pub fn lay_down_issuing(
    store: &Store,
    generation: u32,
    sealed_key: &str,
    certificate: &Certificate,
) -> Result<(), Problem> {
    store.issuing(generation).write(sealed_key.as_bytes(), certificate, &[])
}
