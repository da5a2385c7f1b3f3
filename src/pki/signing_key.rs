//! A private key that can sign.

use std::fmt;

use rcgen::PublicKeyData;
use ring::rand::SecureRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};

use crate::pki::key_kind::KeyKind;
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};

/// How ring says that it is not the key that it could not take: it draws random bytes for later signatures.
const WITHOUT_RANDOM_BYTES: &str = "RNG failed";

/// A private key with its public half. `Debug` shows only what kind it is; the PKCS#8 bytes are wiped on drop. (The
/// copy of the scalar that ring holds cannot be wiped.)
pub struct SigningKey {
    pair: Pair,
    pkcs8: Secret,
}

enum Pair {
    Ecdsa(KeyKind, Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

impl SigningKey {
    /// A fresh key.
    ///
    /// # Errors
    /// `randomness-unavailable`, when the source of random bytes fails.
    pub fn generate(kind: KeyKind, random: &dyn SecureRandom) -> Result<Self, Problem> {
        let document = EcdsaKeyPair::generate_pkcs8(ecdsa(kind), random)
            .map_err(|_| Problem::new(Code::RandomnessUnavailable, "no random bytes for a new key"))?;
        Self::from_pkcs8(Secret::new(document.as_ref().to_vec()), random)
    }

    /// Reads a key from unencrypted PKCS#8, DER: ECDSA on P-256 or P-384, or RSA from 2048 bits.
    ///
    /// The public half is checked against the private one. Nothing is checked about which certificate it belongs to.
    ///
    /// # Errors
    /// `key-malformed` for anything else; `randomness-unavailable`. The text never holds a part of the key.
    pub fn from_pkcs8(pkcs8: Secret, random: &dyn SecureRandom) -> Result<Self, Problem> {
        for kind in KeyKind::ALL {
            match EcdsaKeyPair::from_pkcs8(ecdsa(*kind), pkcs8.expose(), random) {
                Ok(pair) => return Ok(Self { pair: Pair::Ecdsa(*kind, Box::new(pair)), pkcs8 }),
                Err(why) if why.to_string() == WITHOUT_RANDOM_BYTES => {
                    return Err(Problem::new(Code::RandomnessUnavailable, "no random bytes to sign with"));
                }
                Err(_) => {}
            }
        }
        match RsaKeyPair::from_pkcs8(pkcs8.expose()) {
            Ok(pair) => Ok(Self { pair: Pair::Rsa(Box::new(pair)), pkcs8 }),
            Err(_) => Err(Problem::new(
                Code::KeyMalformed,
                "the private key is not PKCS#8 of ECDSA P-256, ECDSA P-384 or RSA from 2048 bits",
            )
            .hint("openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW   turns SEC1 and PKCS#1 into PKCS#8")),
        }
    }

    /// The key as unencrypted PKCS#8, DER.
    #[must_use]
    pub const fn pkcs8(&self) -> &Secret {
        &self.pkcs8
    }

    /// The key as an unencrypted PEM block that ends with a newline: what istiod reads as `ca-key.pem`.
    #[must_use]
    pub fn pkcs8_pem(&self) -> Secret {
        let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        Secret::new(pem::encode_config(&pem::Pem::new("PRIVATE KEY", self.pkcs8.expose()), config).into_bytes())
    }

    /// The public half as a SubjectPublicKeyInfo, DER.
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        self.subject_public_key_info()
    }

    /// The public half as it stands in the bit string of its SubjectPublicKeyInfo.
    #[must_use]
    pub fn public_key_bits(&self) -> &[u8] {
        match &self.pair {
            Pair::Ecdsa(_, pair) => pair.public_key().as_ref(),
            Pair::Rsa(pair) => pair.public().as_ref(),
        }
    }

    /// The kind, when it is one that we make.
    #[must_use]
    pub const fn kind(&self) -> Option<KeyKind> {
        match &self.pair {
            Pair::Ecdsa(kind, _) => Some(*kind),
            Pair::Rsa(_) => None,
        }
    }

    /// Signs these bytes: ECDSA with the digest of its curve, RSA by PKCS#1 v1.5 with SHA-256.
    ///
    /// # Errors
    /// `signing-failed`, when the provider fails.
    pub fn sign(&self, message: &[u8], random: &dyn SecureRandom) -> Result<Vec<u8>, Problem> {
        let failed = |_| Problem::new(Code::SigningFailed, "the crypto provider could not sign");
        match &self.pair {
            Pair::Ecdsa(_, pair) => pair.sign(random, message).map(|bytes| bytes.as_ref().to_vec()).map_err(failed),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

impl PublicKeyData for SigningKey {
    fn der_bytes(&self) -> &[u8] {
        self.public_key_bits()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match &self.pair {
            Pair::Ecdsa(KeyKind::EcdsaP256, _) => &rcgen::PKCS_ECDSA_P256_SHA256,
            Pair::Ecdsa(KeyKind::EcdsaP384, _) => &rcgen::PKCS_ECDSA_P384_SHA384,
            Pair::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pair {
            Pair::Ecdsa(kind, _) => write!(f, "SigningKey({kind}, <redacted>)"),
            Pair::Rsa(_) => f.write_str("SigningKey(rsa, <redacted>)"),
        }
    }
}

const fn ecdsa(kind: KeyKind) -> &'static ring::signature::EcdsaSigningAlgorithm {
    match kind {
        KeyKind::EcdsaP256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        KeyKind::EcdsaP384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make real keys")]

    use super::*;
    use crate::pki::fixture::fixture;
    use crate::pki::pem_blocks::PemText;
    use ring::rand::SystemRandom;

    #[test]
    fn a_key_says_of_which_kind_it_is_and_nothing_else() {
        let random = SystemRandom::new();
        for kind in KeyKind::ALL {
            let key = SigningKey::generate(*kind, &random).unwrap();
            assert_eq!(key.kind(), Some(*kind));
            assert_eq!(format!("{key:?}"), format!("SigningKey({kind}, <redacted>)"));
        }
        let text = PemText::read(fixture!("sound/rsa-2048-signer/ca-key.pem").as_bytes()).unwrap();
        let key = SigningKey::from_pkcs8(Secret::new(text.blocks[0].der.to_vec()), &random).unwrap();
        assert_eq!((key.kind(), format!("{key:?}").as_str()), (None, "SigningKey(rsa, <redacted>)"));
    }
}
