//! The root's private key. Only ceremonies come here: the feature `ceremony` compiles this file, and a test holds
//! that no unattended command can name it.

use std::path::Path;

use crate::mesh::holdings::Held;
use crate::pki::certificate::Certificate;
use crate::pki::endorsement::Endorsement;
use crate::pki::signing_key::SigningKey;
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
use crate::world::files;
use crate::world::key_seal::{self, PlainKey};
use crate::world::passphrase::PassphraseSource;
use crate::world::store::{ENDORSEMENT, LARGEST_KEY, Store};

/// Opens the private key of a root.
///
/// # Errors
/// `root-key-elsewhere`, as it should be on most machines; `wrong-passphrase`, `passphrase-needed`, `key-malformed`,
/// `issuer-key-mismatch`, `plaintext-key-refused`, `file-unreadable`.
pub fn open(
    store: &Store,
    root: &Held,
    passphrase: &PassphraseSource,
    lab: bool,
    entropy: &Entropy,
) -> Result<SigningKey, Problem> {
    let slot = store.root(root.generation);
    if !files::is_there(&slot.key_path()) {
        let path = slot.key_path();
        return Err(Problem::new(
            Code::RootKeyElsewhere,
            format!("{} is not here: the root key lies elsewhere, as it should", path.display()),
        )
        .hint("do this where the root key is, or bring it here for the ceremony and take it away afterwards"));
    }
    key_seal::open(&slot, &root.certificate, passphrase, lab, entropy)
}

/// Opens the private key of a root that was made elsewhere, and is on its way here. It may lie unsealed.
///
/// # Errors
/// `wrong-passphrase`, `passphrase-needed`, `key-malformed`, `issuer-key-mismatch`, `file-unreadable`, `file-too-large`.
pub fn open_elsewhere(
    path: &Path,
    root: &Certificate,
    passphrase: &PassphraseSource,
    entropy: &Entropy,
) -> Result<SigningKey, Problem> {
    let text = files::read(path, LARGEST_KEY)?;
    key_seal::open_text(&text, path, root, passphrase, PlainKey::Taken, entropy)
}

/// Writes a new root in one step: folder, sealed key (if it is here), what the root before it said about it, certificate.
///
/// # Errors
/// `file-exists`, `file-unwritable`.
pub fn lay_down(
    store: &Store,
    generation: u32,
    sealed_key: Option<&str>,
    certificate: &Certificate,
    endorsement: Option<&Endorsement>,
) -> Result<(), Problem> {
    let text = endorsement.map(Endorsement::text);
    let more: Vec<(&str, &[u8])> = text.iter().map(|text| (ENDORSEMENT, text.as_bytes())).collect();
    store.root(generation).write(sealed_key.map(str::as_bytes), certificate, &more)
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
    store.issuing(generation).write(Some(sealed_key.as_bytes()), certificate, &[])
}
