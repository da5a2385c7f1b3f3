//! The public half of a target's private key: the one thing that is kept of it.

use std::collections::BTreeMap;

use crate::mesh::cacerts::{CA_CERT, CA_KEY};
use crate::pki::key_file::{Belongs, KeyFile};
use crate::pki::pem_blocks::PemText;
use crate::pki::secret::Secret;
use crate::pki::signing_key::SigningKey;
use crate::pki::{pem_lines, read_pem, sealed_key};
use crate::world::entropy::Entropy;

/// The public half of `ca-key.pem` as a SubjectPublicKeyInfo; `None`: there is none, or it is not a key that istiod would
/// read. Of a key that is not of a kind that meshca makes (RSA, or in another form) it is known only where the certificate
/// beside it is its own: then it is that certificate's.
#[must_use]
pub(super) fn of(values: &BTreeMap<String, Secret>, entropy: &Entropy) -> Option<Vec<u8>> {
    let text = values.get(CA_KEY)?;
    if !pem_lines::are_clean(text.expose()) {
        return None;
    }
    let own = sealed_key::open(text, None).and_then(|pkcs8| SigningKey::from_pkcs8(pkcs8, entropy.source()));
    own.map_or_else(|_| of_another_kind(values, text), |key| Some(key.spki()))
}

fn of_another_kind(values: &BTreeMap<String, Secret>, key: &Secret) -> Option<Vec<u8>> {
    let text = PemText::read(key.expose()).ok()?;
    // A file with more than the key was damaged, or is somebody's riddle.
    let [block] = text.blocks.as_slice() else { return None };
    let key = KeyFile::of_block(block).ok()?;
    let signer = read_pem::certificates(values.get(CA_CERT)?.expose()).first().cloned()?;
    (key.belongs_to(&signer) == Belongs::Yes).then(|| signer.spki().to_vec())
}
