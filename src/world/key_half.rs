//! The public half of a target's private key: the one thing that is kept of it.

use std::collections::BTreeMap;

use crate::mesh::cacerts::CA_KEY;
use crate::pki::secret::Secret;
use crate::pki::signing_key::SigningKey;
use crate::pki::{pem_lines, sealed_key};
use crate::world::entropy::Entropy;

/// The public half of `ca-key.pem` as a SubjectPublicKeyInfo; `None`: there is none, or it is not a plain PKCS#8 key that
/// istiod would read.
#[must_use]
pub(super) fn of(values: &BTreeMap<String, Secret>, entropy: &Entropy) -> Option<Vec<u8>> {
    let text = values.get(CA_KEY)?;
    if !pem_lines::are_clean(text.expose()) {
        return None;
    }
    let pkcs8 = sealed_key::open(text, None).ok()?;
    SigningKey::from_pkcs8(pkcs8, entropy.source()).ok().map(|key| key.spki())
}
