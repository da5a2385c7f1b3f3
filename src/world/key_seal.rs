//! How private keys at rest are sealed and opened, whichever tier they belong to.

use std::path::Path;

use crate::pki::certificate::Certificate;
use crate::pki::sealed_key::{self, ROUNDS};
use crate::pki::secret::{Passphrase, Secret};
use crate::pki::signing_key::SigningKey;
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
use crate::world::files::{self, Readers};
use crate::world::passphrase::PassphraseSource;
use crate::world::store::Slot;

/// Seals a key for the disk: PBES2 with at least 600,000 rounds.
///
/// # Errors
/// `randomness-unavailable`, `key-malformed`.
pub fn seal(key: &SigningKey, passphrase: &Passphrase, entropy: &Entropy) -> Result<String, Problem> {
    sealed_key::seal(key.pkcs8(), passphrase, entropy.salt()?, ROUNDS)
}

/// Writes a passphrase into a new file that only its owner can read.
///
/// # Errors
/// `file-exists`, `file-unwritable`.
pub fn write_passphrase(path: &Path, passphrase: &Passphrase) -> Result<(), Problem> {
    files::create(path, passphrase.line().expose(), Readers::Owner)
}

/// Opens the key of a slot and compares it with its certificate: the cipher authenticates nothing by itself.
///
/// The passphrase is asked for only when the file is sealed. A plaintext key is refused outside a lab.
///
/// # Errors
/// `wrong-passphrase`, `passphrase-needed`, `key-malformed`, `issuer-key-mismatch`, `plaintext-key-refused`, each with
/// the path.
pub(in crate::world) fn open(
    slot: &Slot,
    certificate: &Certificate,
    source: &PassphraseSource,
    lab: bool,
    entropy: &Entropy,
) -> Result<SigningKey, Problem> {
    let plain = if lab { PlainKey::Taken } else { PlainKey::Refused };
    open_text(&slot.read_key()?, &slot.key_path(), certificate, source, plain, entropy)
}

/// What is done with a key that is not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::world) enum PlainKey {
    /// It is taken.
    Taken,
    /// It is refused: at rest in the material folder, only a lab may have one.
    Refused,
}

/// As [`open`], from the text of the file at this path.
///
/// # Errors
/// As [`open`].
pub(in crate::world) fn open_text(
    text: &Secret,
    path: &Path,
    certificate: &Certificate,
    source: &PassphraseSource,
    plain: PlainKey,
    entropy: &Entropy,
) -> Result<SigningKey, Problem> {
    let is_sealed = text.expose().windows(SEALED.len()).any(|window| window == SEALED);
    if !is_sealed && plain == PlainKey::Refused {
        return Err(Problem::new(
            Code::PlaintextKeyRefused,
            format!("{} is not sealed, and the mesh file does not say `lab: true`", path.display()),
        )
        .hint(format!(
            "openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -iter {ROUNDS} -in {}",
            path.display()
        )));
    }
    let passphrase = if is_sealed { Some(source.existing(&path.display().to_string())?) } else { None };
    let key = sealed_key::open(text, passphrase.as_ref())
        .and_then(|pkcs8| SigningKey::from_pkcs8(pkcs8, entropy.source()))
        .map_err(|problem| at(path, &problem))?;
    if key.spki() != certificate.spki() {
        return Err(Problem::new(
            Code::IssuerKeyMismatch,
            format!("{} does not belong to the certificate", path.display()),
        )
        .fact(format!("certificate  {}", certificate.subject()))
        .hint(
            "put back the key that was made with this certificate; in the material folder, the two lie side by side",
        ));
    }
    Ok(key)
}

const SEALED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";

fn at(path: &Path, problem: &Problem) -> Problem {
    let placed = Problem::new(problem.code(), format!("{}: {}", path.display(), problem.what()));
    match problem.advice() {
        Some(hint) => placed.hint(hint),
        None => placed,
    }
}
