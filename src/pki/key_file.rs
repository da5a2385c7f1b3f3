//! A private key file in istiod's eyes, and which certificate it belongs to.
//!
//! istiod reads the first PEM block only (`ParsePemEncodedKey` in `security/pkg/pki/util/crypto.go` of Istio) and takes
//! three labels: `EC PRIVATE KEY` (SEC1), `RSA PRIVATE KEY` (PKCS#1), `PRIVATE KEY` (PKCS#8 with RSA, ECDSA or Ed25519).

use std::fmt;

use ring::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use crate::pki::certificate::{Certificate, KeyFacts, bits};
use crate::pki::key_der::{self, EcKey, RsaKey};
use crate::pki::pem_block::PemBlock;
use crate::pki::pem_blocks::PemText;
use crate::problem::{Code, Problem};

/// A private key as istiod would read it. It is wiped when dropped and never shown.
pub struct KeyFile {
    form: &'static str,
    key: Key,
}

enum Key {
    Ec(EcKey),
    /// Its public numbers, big endian without leading zeros, and nothing of its primes but their closeness.
    Rsa(RsaKey),
    /// The public key of the seed.
    Ed25519(Vec<u8>),
}

/// Whether a private key belongs to a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belongs {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// The kind of key is one that cannot be computed with here (P-224, P-521 without its public half).
    NotJudged,
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile({}, not shown)", self.form)
    }
}

impl KeyFile {
    /// Reads the first block of a key file.
    ///
    /// Not checked: that the parts of an RSA key fit together (Go does); blocks after the first.
    ///
    /// # Errors
    /// `key-encrypted`, `key-parameters-first`, `key-wrong-block`, `key-unreadable`, `pem-no-block`. No error holds a
    /// byte of the key.
    pub fn read(text: &PemText) -> Result<Self, Problem> {
        let Some(block) = text.first() else {
            return Err(Problem::new(Code::PemNoBlock, "no PEM block is in it; istiod says: invalid PEM-encoded key")
                .hint("a key file starts with: -----BEGIN PRIVATE KEY-----"));
        };
        Self::of_block(block)
    }

    /// Reads one block of a key file, wherever it stands.
    ///
    /// # Errors
    /// As [`KeyFile::read`], except for `pem-no-block`.
    pub fn of_block(block: &PemBlock) -> Result<Self, Problem> {
        match block.label.as_str() {
            "ENCRYPTED PRIVATE KEY" => Err(encrypted(block)),
            "EC PRIVATE KEY" | "RSA PRIVATE KEY" if block.has_headers => Err(encrypted(block)),
            "EC PRIVATE KEY" => Self::sec1(block),
            "RSA PRIVATE KEY" => Self::pkcs1(block),
            "PRIVATE KEY" => Self::pkcs8(block),
            "EC PARAMETERS" => {
                let what = "an EC PARAMETERS block stands before the key, and istiod reads the first block only";
                Err(Problem::new(Code::KeyParametersFirst, what)
                    .hint("rewrite it with: openssl pkey -in FILE -out NEW"))
            }
            label => {
                let what = format!("the first block is {label:?}, not a private key");
                Err(Problem::new(Code::KeyWrongBlock, what).hint("see what it is with: grep BEGIN FILE"))
            }
        }
    }

    fn sec1(block: &PemBlock) -> Result<Self, Problem> {
        let key = key_der::sec1(&block.der, None).ok_or_else(|| unreadable(block))?;
        Ok(Self { form: "SEC1", key: Key::Ec(key) })
    }

    fn pkcs1(block: &PemBlock) -> Result<Self, Problem> {
        let key = key_der::pkcs1(&block.der).ok_or_else(|| unreadable(block))?;
        Ok(Self { form: "PKCS#1", key: Key::Rsa(key) })
    }

    fn pkcs8(block: &PemBlock) -> Result<Self, Problem> {
        let inner = key_der::pkcs8(&block.der).ok_or_else(|| unreadable(block))?;
        let key = match inner.algorithm.as_str() {
            key_der::RSA => key_der::pkcs1(&inner.key).map(Key::Rsa),
            key_der::EC => key_der::sec1(&inner.key, inner.curve.as_deref()).map(Key::Ec),
            key_der::ED25519 => ed25519(&inner.key).map(Key::Ed25519),
            _ => None,
        };
        key.map(|key| Self { form: "PKCS#8", key }).ok_or_else(|| unreadable(block))
    }

    /// The encoding: `SEC1`, `PKCS#1` or `PKCS#8`.
    #[must_use]
    pub const fn form(&self) -> &'static str {
        self.form
    }

    /// The kind of key in the words of people.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.key {
            Key::Ec(key) => match key.curve.as_str() {
                key_der::P256 => "ECDSA P-256".to_owned(),
                key_der::P384 => "ECDSA P-384".to_owned(),
                curve => format!("ECDSA on curve {curve}"),
            },
            Key::Rsa(key) => format!("RSA {}", bits(&key.modulus)),
            Key::Ed25519(_) => "Ed25519".to_owned(),
        }
    }

    /// Whether its two RSA primes lie so close together that Go, from 1.24 on, refuses the key.
    #[must_use]
    pub const fn has_close_primes(&self) -> bool {
        matches!(&self.key, Key::Rsa(key) if key.has_close_primes)
    }

    /// Whether this is the key of the certificate, computed from the private half where that is possible (a public
    /// half in the file is not believed).
    #[must_use]
    pub fn belongs_to(&self, cert: &Certificate) -> Belongs {
        let yes_if = |same: bool| if same { Belongs::Yes } else { Belongs::No };
        let Some(public) = key_der::public_bits(cert.spki()) else { return Belongs::NotJudged };
        match (&self.key, cert.public_key()) {
            (Key::Rsa(key), KeyFacts::Rsa { .. }) => {
                yes_if(key_der::rsa_public(public).is_some_and(|(n, e)| n == key.modulus && e == key.exponent))
            }
            (Key::Ed25519(point), KeyFacts::Other(kind)) if kind == key_der::ED25519 => yes_if(point == public),
            (Key::Ec(key), KeyFacts::P256 | KeyFacts::P384) => yes_if(key.has_public_point(public)),
            (Key::Ec(key), KeyFacts::Other(kind)) if kind.ends_with(&key.curve) => match &key.public {
                Some(point) => yes_if(point == public),
                None => Belongs::NotJudged,
            },
            _ => Belongs::No,
        }
    }
}

fn ed25519(inner: &[u8]) -> Option<Vec<u8>> {
    let seed = Zeroizing::new(key_der::octet_string(inner)?.to_vec());
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
    Some(pair.public_key().as_ref().to_vec())
}

fn encrypted(block: &PemBlock) -> Problem {
    let what = format!("the key is encrypted (block {:?}), and istiod has no passphrase", block.label);
    Problem::new(Code::KeyEncrypted, what).hint("openssl pkey -in FILE -out NEW writes it in the clear")
}

fn unreadable(block: &PemBlock) -> Problem {
    let what = format!("the block {:?} of {} bytes is not a key that Go reads", block.label, block.der.len());
    Problem::new(Code::KeyUnreadable, what).hint("check it with: openssl pkey -in FILE -noout -check")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::fixture::{first, fixture};

    fn key(pem: &str) -> Result<KeyFile, Problem> {
        KeyFile::read(&PemText::read(pem.as_bytes()).unwrap())
    }

    fn code(pem: &str) -> Code {
        key(pem).map(|key| key.title()).unwrap_err().code()
    }

    /// A SEC1 key on P-521 without its public half.
    fn without_a_public_half() -> KeyFile {
        let der = vec![0x30, 15, 2, 1, 1, 4, 1, 5, 0xa0, 7, 6, 5, 0x2b, 0x81, 4, 0, 0x23];
        let label = "EC PRIVATE KEY".to_owned();
        KeyFile::of_block(&PemBlock { label, der: Zeroizing::new(der), line: 1, has_headers: false, end: 0 }).unwrap()
    }

    #[test]
    fn each_form_and_kind_of_key_is_named_and_belongs_to_its_own_certificate_alone() {
        macro_rules! pair {
            ($folder:literal, $form:literal, $title:literal) => {
                (
                    key(fixture!($folder, "/ca-key.pem")).unwrap(),
                    first(fixture!($folder, "/ca-cert.pem")),
                    ($form, $title),
                )
            };
        }
        let pairs = [
            pair!("sound/one-mesh/east", "PKCS#8", "ECDSA P-256"),
            pair!("sound/key-sec1", "SEC1", "ECDSA P-256"),
            pair!("sound/p384", "PKCS#8", "ECDSA P-384"),
            pair!("sound/key-pkcs1", "PKCS#1", "RSA 2048"),
            pair!("foreign/openssl/istio-makefile", "PKCS#8", "RSA 4096"),
            pair!("faulty/rsa-weak-exponent", "PKCS#8", "RSA 2048"),
            pair!("faulty/key-kind-unusual/p521", "PKCS#8", "ECDSA on curve 1.3.132.0.35"),
            pair!("faulty/key-kind-unusual/ed25519", "PKCS#8", "Ed25519"),
        ];
        for (at, (key, _, (form, title))) in pairs.iter().enumerate() {
            assert_eq!((key.form(), key.title().as_str()), (*form, *title));
            assert_eq!(format!("{key:?}"), format!("KeyFile({form}, not shown)"));
            for (other, (_, certificate, _)) in pairs.iter().enumerate() {
                let wanted = if other == at { Belongs::Yes } else { Belongs::No };
                assert_eq!(key.belongs_to(certificate), wanted, "key {at} and certificate {other}");
            }
        }
    }

    #[test]
    fn a_key_that_cannot_be_computed_with_is_not_judged_for_its_own_curve_alone() {
        let key = without_a_public_half();
        let belongs = |pem: &str| key.belongs_to(&first(pem));
        assert_eq!(belongs(fixture!("faulty/key-kind-unusual/p521/ca-cert.pem")), Belongs::NotJudged);
        assert_eq!(belongs(fixture!("sound/one-mesh/east/ca-cert.pem")), Belongs::No);
        assert_eq!(belongs(fixture!("faulty/key-kind-unusual/ed25519/ca-cert.pem")), Belongs::No);
        assert_eq!(belongs(fixture!("sound/rsa-2048-signer/ca-cert.pem")), Belongs::No);
    }

    #[test]
    fn primes_that_lie_too_close_are_seen_in_the_key_that_has_them() {
        assert!(key(fixture!("keys/rsa-close-primes.pem")).unwrap().has_close_primes());
        assert!(!key(fixture!("keys/west-rsa2048.pem")).unwrap().has_close_primes());
        assert!(!key(fixture!("keys/west.pem")).unwrap().has_close_primes());
    }

    #[test]
    fn what_istiod_could_not_read_as_a_key_has_a_code_that_says_why() {
        assert_eq!(code("no block"), Code::PemNoBlock);
        assert_eq!(code(fixture!("keys/west.encrypted.pem")), Code::KeyEncrypted);
        assert_eq!(code(fixture!("keys/west.proc-type.pem")), Code::KeyEncrypted);
        assert_eq!(code(fixture!("keys/west.parameters-first.pem")), Code::KeyParametersFirst);
        assert_eq!(code(fixture!("keys/west.public.pem")), Code::KeyWrongBlock);
        assert_eq!(code(fixture!("keys/brainpool.pem")), Code::KeyUnreadable);
        for label in ["EC PRIVATE KEY", "RSA PRIVATE KEY", "PRIVATE KEY"] {
            assert_eq!(code(&format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n")), Code::KeyUnreadable);
        }
    }

    #[test]
    fn the_same_32_bytes_as_a_key_of_x25519_are_another_key() {
        let key = key(fixture!("faulty/key-kind-unusual/ed25519/ca-key.pem")).unwrap();
        let ed25519 = first(fixture!("faulty/key-kind-unusual/ed25519/ca-cert.pem"));
        let identifier = [6, 3, 0x2b, 0x65, 0x70];
        let mut der = ed25519.der().to_vec();
        let at = der.windows(identifier.len()).position(|window| window == identifier).unwrap();
        der[at + 4] = 0x6e;
        assert_eq!(key.belongs_to(&ed25519), Belongs::Yes);
        assert_eq!(key.belongs_to(&Certificate::from_der(&der).unwrap()), Belongs::No);
    }
}
