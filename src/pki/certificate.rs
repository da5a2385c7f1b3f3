//! A certificate read back: its bytes and the facts that decisions need, parsed once.

use std::sync::{Arc, OnceLock};

use ring::digest::{SHA256, digest};
use time::OffsetDateTime;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::pki::distinguished_name::DistinguishedName;
use crate::pki::extensions::Extensions;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::hexadecimal::digits;
use crate::pki::validity::Validity;
use crate::pki::verified;
use crate::pki::weak_digest;
use crate::problem::{Code, Problem};

/// One parsed certificate. Parsing says nothing about whether it is valid, trusted or sound.
///
/// A copy costs nothing: all of them share what was parsed.
#[derive(Debug, Clone)]
pub struct Certificate(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    der: Vec<u8>,
    fingerprint: Fingerprint,
    tbs: std::ops::Range<usize>,
    serial: Vec<u8>,
    serial_text: String,
    subject: DistinguishedName,
    issuer: DistinguishedName,
    validity: Validity,
    public_key: KeyFacts,
    spki: Vec<u8>,
    signature_algorithm: String,
    extensions: Extensions,
    /// A public key that is known to have made its signature.
    signed_by: OnceLock<Vec<u8>>,
}

/// What is known of a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFacts {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA, with the modulus (big endian, no leading zero) and the public exponent.
    Rsa {
        /// The modulus.
        modulus: Vec<u8>,
        /// The public exponent, when it fits 64 bits.
        exponent: Option<u64>,
    },
    /// Anything else, by the object identifier of its algorithm (and curve).
    Other(String),
}

/// The largest certificate that is read, in bytes of DER. Istio's own are about 1 KiB.
pub const LARGEST: usize = 64 * 1024;

impl Certificate {
    /// Reads one certificate from DER that holds nothing else.
    ///
    /// Checks the encoding only: no signature, no validity, no profile.
    ///
    /// # Errors
    /// `certificate-malformed`, with what the parser said.
    pub fn from_der(der: &[u8]) -> Result<Self, Problem> {
        let malformed = |why: String| {
            Problem::new(Code::CertificateMalformed, format!("not an X.509 certificate: {why}"))
                .hint("look at it with: openssl x509 -in FILE -noout -text")
        };
        if der.len() > LARGEST {
            return Err(malformed(format!("{} bytes, more than {LARGEST}", der.len())));
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed(format!("{} bytes follow it", rest.len())));
        }
        let tbs = parsed.tbs_certificate.as_ref();
        let start = tbs.as_ptr() as usize - der.as_ptr() as usize;
        let validity =
            Validity::new(parsed.validity().not_before.to_datetime(), parsed.validity().not_after.to_datetime());
        let extensions = Extensions::of(&parsed).map_err(malformed)?;
        Ok(Self(Arc::new(Parsed {
            tbs: start..start + tbs.len(),
            serial: parsed.raw_serial().to_vec(),
            serial_text: significant(parsed.raw_serial()),
            subject: DistinguishedName::of(parsed.subject()),
            issuer: DistinguishedName::of(parsed.issuer()),
            validity,
            public_key: KeyFacts::of(parsed.public_key()),
            spki: parsed.public_key().raw.to_vec(),
            signature_algorithm: parsed.signature_algorithm.algorithm.to_id_string(),
            extensions,
            signed_by: OnceLock::new(),
            fingerprint: Fingerprint::of(der),
            der: der.to_vec(),
        })))
    }

    /// The whole certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The certificate as a PEM block that ends with a newline.
    #[must_use]
    pub fn pem(&self) -> String {
        let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        pem::encode_config(&pem::Pem::new("CERTIFICATE", self.0.der.as_slice()), config)
    }

    /// The bytes that were signed.
    #[must_use]
    pub fn tbs(&self) -> &[u8] {
        self.0.der.get(self.0.tbs.clone()).unwrap_or_default()
    }

    /// The serial number's content bytes as encoded, a leading zero included.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// The serial number as lower-case hexadecimal digits without leading zeros of the encoding.
    #[must_use]
    pub fn serial_text(&self) -> String {
        self.0.serial_text.clone()
    }

    /// Whether these are the digits of its serial number, as [`Certificate::serial_text`] writes them.
    #[must_use]
    pub fn has_serial(&self, digits: &str) -> bool {
        self.0.serial_text == digits
    }

    /// Who it is about.
    #[must_use]
    pub fn subject(&self) -> &DistinguishedName {
        &self.0.subject
    }

    /// Who says so.
    #[must_use]
    pub fn issuer(&self) -> &DistinguishedName {
        &self.0.issuer
    }

    /// Whether subject and issuer are the same bytes. No signature is checked.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.0.subject == self.0.issuer
    }

    /// From when to when.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.0.validity
    }

    /// The last second in which it is valid, UTC.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.0.validity.not_after()
    }

    /// What is known of its public key.
    #[must_use]
    pub fn public_key(&self) -> &KeyFacts {
        &self.0.public_key
    }

    /// The SubjectPublicKeyInfo, DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.0.spki
    }

    /// The object identifier of the algorithm that signed it, dotted.
    #[must_use]
    pub fn signature_algorithm(&self) -> &str {
        &self.0.signature_algorithm
    }

    /// Its extensions.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// SHA-256 of the whole certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// SHA-256 of the public key.
    #[must_use]
    pub fn key_fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.0.spki)
    }

    /// Whether basic constraints say that it is a CA.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.0.extensions.basic_constraints.is_some_and(|constraints| constraints.ca)
    }

    /// Whether its signature verifies under this public key (a SubjectPublicKeyInfo). Nothing else is checked, and
    /// a SHA-1 signature counts as none, since Go refuses it. The arithmetic is done once in a process for each
    /// certificate and key.
    #[must_use]
    pub fn is_signed_by(&self, issuer_spki: &[u8]) -> bool {
        if self.0.signed_by.get().is_some_and(|known| known == issuer_spki) {
            return true;
        }
        let is_signed = verified::answer(self.0.fingerprint, issuer_spki, || {
            let Ok((_, spki)) = SubjectPublicKeyInfo::from_der(issuer_spki) else { return false };
            let Ok((_, parsed)) = X509Certificate::from_der(&self.0.der) else { return false };
            weak_digest::of(&self.0.signature_algorithm).is_none() && parsed.verify_signature(Some(&spki)).is_ok()
        });
        if is_signed {
            // Of two keys that fit, which can be made on purpose, the first is kept.
            let _ = self.0.signed_by.set(issuer_spki.to_vec());
        }
        is_signed
    }
}

// Everything else is read from these bytes.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

fn significant(serial: &[u8]) -> String {
    match serial {
        [0, rest @ ..] if !rest.is_empty() => digits(rest),
        all => digits(all),
    }
}

impl KeyFacts {
    pub(in crate::pki) fn of(spki: &SubjectPublicKeyInfo<'_>) -> Self {
        let algorithm = &spki.algorithm.algorithm;
        let curve = spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        if let Some(curve) = &curve
            && *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY
        {
            if *curve == OID_EC_P256 {
                return Self::P256;
            }
            if *curve == OID_NIST_EC_P384 {
                return Self::P384;
            }
        }
        match (curve, spki.parsed()) {
            (_, Ok(PublicKey::RSA(key))) => {
                let modulus = key.modulus.iter().copied().skip_while(|byte| *byte == 0).collect();
                Self::Rsa { modulus, exponent: key.try_exponent().ok() }
            }
            (Some(curve), _) => Self::Other(format!("{} {}", algorithm.to_id_string(), curve.to_id_string())),
            (None, _) => Self::Other(algorithm.to_id_string()),
        }
    }

    /// The key in the words of people: `ECDSA P-256`, `RSA 2048`.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::P256 => "ECDSA P-256".to_owned(),
            Self::P384 => "ECDSA P-384".to_owned(),
            Self::Rsa { modulus, .. } => format!("RSA {}", bits(modulus)),
            Self::Other(identifier) if identifier.starts_with("1.3.101.112") => "Ed25519".to_owned(),
            Self::Other(identifier) => format!("key of algorithm {identifier}"),
        }
    }
}

/// The number of significant bits of a big-endian number without a leading zero byte.
#[must_use]
pub fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// The subject key identifier by method 1 of RFC 7093 §2: the leftmost 160 bits of SHA-256 over the public key's
/// bit string, without tag, length and unused-bits octet.
#[must_use]
pub fn key_identifier(public_key_bits: &[u8]) -> Vec<u8> {
    digest(&SHA256, public_key_bits).as_ref().iter().copied().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::fixture::{SHORT_SHA_1_OF_OIW, first, fixture};

    const ROOT: &str = fixture!("foreign/istio-samples/root-cert.pem");

    fn leaf() -> Certificate {
        first(fixture!("foreign/istio-samples/leaf-workload-foo-cert.pem"))
    }

    #[test]
    fn the_largest_certificate_that_is_read_has_65536_bytes() {
        let refused = |length| Certificate::from_der(&vec![0; length]).unwrap_err().what().to_owned();
        assert!(!refused(65_536).contains("more than"));
        assert!(refused(65_537).contains("65537 bytes, more than 65536"));
    }

    #[test]
    fn a_certificate_is_written_as_openssl_writes_it_and_equals_no_other() {
        let (root, leaf) = (first(ROOT), leaf());
        assert_eq!(root.pem(), ROOT);
        assert!(root == first(&root.pem()) && root != leaf);
    }

    #[test]
    fn who_is_a_ca_and_who_made_himself_is_told() {
        let (root, leaf) = (first(ROOT), leaf());
        assert!(root.is_ca() && root.is_self_issued());
        assert!(!leaf.is_ca() && !leaf.is_self_issued());
        assert_eq!(leaf.signature_algorithm(), "1.2.840.113549.1.1.11");
    }

    #[test]
    fn a_serial_loses_the_zero_that_only_makes_it_positive() {
        let serial = |bytes: &[u8]| significant(bytes);
        assert_eq!([serial(&[0, 0x80, 1]), serial(&[0x7f, 0]), serial(&[0])], ["8001", "7f00", "00"]);
        let root = first(ROOT);
        assert_eq!(root.serial_text(), "e2110e139cc6cc7a");
        assert!(root.has_serial("e2110e139cc6cc7a") && !root.has_serial("00e2110e139cc6cc7a"));
    }

    #[test]
    fn a_signature_is_of_one_key_and_of_no_other_however_often_one_asks() {
        let (root, leaf) = (first(ROOT), leaf());
        for _ in 0..2 {
            assert!(root.is_signed_by(root.spki()));
            assert!(!root.is_signed_by(leaf.spki()));
        }
        assert!(!leaf.is_signed_by(b"no key at all"));
    }

    #[test]
    fn a_signature_over_sha_1_is_none_whoever_made_it() {
        let signer = first(fixture!("faulty/weak-signature/signer-sha1/ca-cert.pem"));
        let root = first(fixture!("faulty/weak-signature/signer-sha1/root-cert.pem"));
        assert_eq!(signer.issuer(), root.subject());
        assert!(root.is_signed_by(root.spki()) && !signer.is_signed_by(root.spki()));
        let by_its_other_name = first(SHORT_SHA_1_OF_OIW);
        assert!(!by_its_other_name.is_signed_by(by_its_other_name.spki()));
    }

    #[test]
    fn each_kind_of_key_has_a_name_for_people() {
        let title = |pem: &str| first(pem).public_key().title();
        assert_eq!(title(fixture!("sound/one-mesh/east/ca-cert.pem")), "ECDSA P-256");
        assert_eq!(title(fixture!("sound/p384/ca-cert.pem")), "ECDSA P-384");
        assert_eq!(title(fixture!("sound/rsa-2048-signer/ca-cert.pem")), "RSA 2048");
        assert_eq!(title(fixture!("faulty/key-kind-unusual/ed25519/ca-cert.pem")), "Ed25519");
        let p521 = title(fixture!("faulty/key-kind-unusual/p521/ca-cert.pem"));
        assert_eq!(p521, "key of algorithm 1.2.840.10045.2.1 1.3.132.0.35");
    }

    #[test]
    fn a_key_identifier_is_the_first_twenty_bytes_of_sha_256() {
        assert_eq!(digits(&key_identifier(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a3");
    }
}
