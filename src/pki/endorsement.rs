//! The endorsement of a next root: the present root's key says, in words that are read and signed as they stand, which
//! certificate comes after it.
//!
//! ```text
//! meshca root endorsement v1
//! generation 2
//! next sha256 8f0c…21d7
//! endorsed by sha256 5b90…c4aa
//! signature MEUCIQD…
//! ```
//!
//! The first four lines, each with its newline, are what is signed. They begin with a letter, and what a key of a CA signs
//! otherwise (certificates, revocation lists, requests) begins with the tag of an ASN.1 sequence: neither can be taken
//! for the other. The format is ours.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SecureRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::pki::certificate::{Certificate, KeyFacts};
use crate::pki::fingerprint::Fingerprint;
use crate::pki::signing_key::SigningKey;
use crate::problem::{Code, Problem};

/// The largest endorsement that is read, in bytes. The signature of an RSA key of 8192 bits has 1368 letters.
pub const LARGEST: usize = 4096;

const TITLE: &str = "meshca root endorsement v1";
const SIGNATURE: &str = "signature ";

/// What a root's key said about the next root. Reading one says nothing about whether it is genuine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endorsement {
    generation: u32,
    next: Fingerprint,
    by: Fingerprint,
    signature: Vec<u8>,
}

impl Endorsement {
    /// Signs that `next` is the root of this generation, in the name of the root `by`, and verifies what was signed.
    /// Whether the two certificates are fit to be roots is not looked at.
    ///
    /// # Errors
    /// `issuer-key-mismatch`, when the key is not the one of `by`; `signing-failed`.
    pub fn sign(
        by: &Certificate,
        key: &SigningKey,
        next: &Certificate,
        generation: u32,
        random: &dyn SecureRandom,
    ) -> Result<Self, Problem> {
        if key.spki() != by.spki() {
            let what = format!("the private key does not belong to the certificate of {}", by.subject());
            return Err(Problem::new(Code::IssuerKeyMismatch, what));
        }
        let (next_print, by_print) = (next.fingerprint(), by.fingerprint());
        let signature = key.sign(statement(generation, next_print, by_print).as_bytes(), random)?;
        let made = Self { generation, next: next_print, by: by_print, signature };
        if made.holds(by, next, generation) {
            return Ok(made);
        }
        Err(Problem::new(Code::SigningFailed, "the new endorsement does not verify under the root that made it"))
    }

    /// Whether the key of `by` said that `next` is the root of this generation. Ends and weaknesses of the two are not
    /// looked at; a key that is neither ECDSA P-256, P-384 nor RSA from 2048 to 8192 bits endorses nothing.
    #[must_use]
    pub fn holds(&self, by: &Certificate, next: &Certificate, generation: u32) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match by.public_key() {
            KeyFacts::P256 => &ECDSA_P256_SHA256_ASN1,
            KeyFacts::P384 => &ECDSA_P384_SHA384_ASN1,
            KeyFacts::Rsa { .. } => &RSA_PKCS1_2048_8192_SHA256,
            KeyFacts::Other(_) => return false,
        };
        let names_these =
            self.generation == generation && self.next == next.fingerprint() && self.by == by.fingerprint();
        let Ok((_, spki)) = SubjectPublicKeyInfo::from_der(by.spki()) else { return false };
        let key = UnparsedPublicKey::new(algorithm, &spki.subject_public_key.data);
        names_these && key.verify(self.statement().as_bytes(), &self.signature).is_ok()
    }

    /// Reads one from the bytes of its file, which must be exactly as [`Endorsement::text`] writes them. No signature is
    /// verified.
    ///
    /// # Errors
    /// `endorsement-malformed`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let malformed = |why: &str| {
            Problem::new(Code::EndorsementMalformed, format!("not the endorsement of a root: {why}"))
                .hint("it is written by: meshca root create --next")
        };
        if bytes.len() > LARGEST {
            return Err(malformed(&format!("{} bytes, more than {LARGEST}", bytes.len())));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("not text"))?;
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            return Err(malformed(&format!("its first line is not \"{TITLE}\"")));
        }
        let mut value = |name: &str| lines.next().and_then(|line| line.strip_prefix(name));
        let generation = value("generation ").and_then(|it| it.parse().ok()).filter(|it| *it > 0);
        let next = value("next sha256 ").and_then(Fingerprint::parse);
        let by = value("endorsed by sha256 ").and_then(Fingerprint::parse);
        let signature = value(SIGNATURE).and_then(|it| STANDARD.decode(it).ok());
        let (Some(generation), Some(next), Some(by), Some(signature)) = (generation, next, by, signature) else {
            return Err(malformed("a line is missing or of another form"));
        };
        let read = Self { generation, next, by, signature };
        if read.text() == text { Ok(read) } else { Err(malformed("it is written in another way")) }
    }

    /// The text of its file, which ends with a newline.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{SIGNATURE}{}\n", self.statement(), STANDARD.encode(&self.signature))
    }

    /// Which generation the next root has: 2, 3, 4 …
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    fn statement(&self) -> String {
        statement(self.generation, self.next, self.by)
    }
}

/// What is signed.
fn statement(generation: u32, next: Fingerprint, by: Fingerprint) -> String {
    format!("{TITLE}\ngeneration {generation}\nnext sha256 {next}\nendorsed by sha256 {by}\n")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make real keys")]

    use super::*;
    use crate::pki::key_kind::KeyKind;
    use crate::pki::pem_blocks::PemText;
    use crate::pki::secret::Secret;
    use ring::rand::SystemRandom;

    struct Root {
        certificate: Certificate,
        key: SigningKey,
    }

    /// A certificate for this key. Endorsements look at its bytes and at its key, not at who signed it.
    fn root(name: &str, key: SigningKey) -> Root {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let other = rcgen::KeyPair::generate().unwrap();
        let public = rcgen::SubjectPublicKeyInfo::from_der(&key.spki()).unwrap();
        let signed = params.signed_by(&public, &rcgen::Issuer::from_params(&params, &other)).unwrap();
        Root { certificate: Certificate::from_der(signed.der()).unwrap(), key }
    }

    fn fresh(name: &str) -> Root {
        root(name, SigningKey::generate(KeyKind::EcdsaP256, &SystemRandom::new()).unwrap())
    }

    fn endorse(by: &Root, next: &Root) -> Endorsement {
        Endorsement::sign(&by.certificate, &by.key, &next.certificate, 2, &SystemRandom::new()).unwrap()
    }

    fn rsa() -> SigningKey {
        let pem = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pki-fixtures/sound/rsa-2048-signer/ca-key.pem"));
        let block = PemText::read(pem.as_bytes()).unwrap().blocks.remove(0);
        SigningKey::from_pkcs8(Secret::new(block.der.to_vec()), &SystemRandom::new()).unwrap()
    }

    #[test]
    fn each_kind_of_key_endorses_and_what_is_written_is_read_back() {
        let next = fresh("g2");
        let mut keys: Vec<SigningKey> =
            KeyKind::ALL.iter().map(|kind| SigningKey::generate(*kind, &SystemRandom::new()).unwrap()).collect();
        keys.push(rsa());
        for key in keys {
            let by = root("g1", key);
            let made = endorse(&by, &next);
            let read = Endorsement::parse(made.text().as_bytes()).unwrap();
            assert_eq!(read, made);
            assert!(read.holds(&by.certificate, &next.certificate, 2));
            assert_eq!(
                (read.generation(), read.next, read.by),
                (2, next.certificate.fingerprint(), by.certificate.fingerprint())
            );
        }
    }

    #[test]
    fn it_holds_for_these_two_certificates_in_this_order_and_this_generation_alone() {
        let (by, next, other) = (fresh("g1"), fresh("g2"), fresh("g3"));
        let made = endorse(&by, &next);
        assert!(!made.holds(&by.certificate, &next.certificate, 3));
        assert!(!made.holds(&by.certificate, &other.certificate, 2));
        assert!(!made.holds(&other.certificate, &next.certificate, 2));
        assert!(!made.holds(&next.certificate, &by.certificate, 2));
        let twin = fresh("g1");
        assert_eq!(twin.certificate.subject(), by.certificate.subject());
        assert!(!made.holds(&twin.certificate, &next.certificate, 2));
    }

    #[test]
    fn another_certificate_of_the_very_key_that_signed_does_not_speak_for_it() {
        let (by, again, next) = (root("g1", rsa()), root("g1 again", rsa()), fresh("g2"));
        assert_eq!(again.certificate.spki(), by.certificate.spki());
        let made = endorse(&by, &next);
        assert!(made.holds(&by.certificate, &next.certificate, 2));
        assert!(!made.holds(&again.certificate, &next.certificate, 2));
    }

    #[test]
    fn a_signature_by_another_key_or_over_other_words_does_not_hold() {
        let (by, next, thief) = (fresh("g1"), fresh("g2"), fresh("thief"));
        let random = SystemRandom::new();
        let made = endorse(&by, &next);
        let forged = |signature: Vec<u8>| Endorsement { signature, ..made.clone() };
        let holds = |it: &Endorsement| it.holds(&by.certificate, &next.certificate, 2);
        assert!(holds(&made));
        assert!(!holds(&forged(thief.key.sign(made.statement().as_bytes(), &random).unwrap())));
        assert!(!holds(&forged(by.key.sign(next.certificate.tbs(), &random).unwrap())));
        assert!(!holds(&forged(by.key.sign(next.certificate.der(), &random).unwrap())));
        assert!(!holds(&forged(Vec::new())));
        for at in 0..made.signature.len() {
            let mut signature = made.signature.clone();
            signature[at] ^= 1;
            assert!(!holds(&forged(signature)), "byte {at}");
        }
    }

    #[test]
    fn a_key_of_another_root_signs_no_endorsement() {
        let (by, next) = (fresh("g1"), fresh("g2"));
        let refused =
            Endorsement::sign(&by.certificate, &next.key, &next.certificate, 2, &SystemRandom::new()).unwrap_err();
        assert_eq!(refused.code(), Code::IssuerKeyMismatch);
    }

    #[test]
    fn no_certificate_begins_as_the_signed_words_do() {
        let next = fresh("g2");
        assert_eq!(next.certificate.tbs().first(), Some(&0x30));
        assert_eq!(endorse(&fresh("g1"), &next).statement().as_bytes().first(), Some(&b'm'));
    }

    #[test]
    fn what_is_written_in_any_other_way_is_not_read() {
        let good = endorse(&fresh("g1"), &fresh("g2")).text();
        assert!(Endorsement::parse(good.as_bytes()).is_ok());
        let refused = |bytes: &[u8]| {
            let problem = Endorsement::parse(bytes).unwrap_err();
            assert_eq!(problem.code(), Code::EndorsementMalformed);
            assert!(problem.advice().is_some());
        };
        let upper = good.lines().map(|line| line.replace("sha256 a", "sha256 A") + "\n").collect::<String>();
        for text in [
            String::new(),
            "garbage".to_owned(),
            good.trim_end().to_owned(),
            good.replace('\n', "\r\n"),
            format!("\u{feff}{good}"),
            format!("{good}\n"),
            format!("{good}signature AAAA\n"),
            good.replace("v1", "v2"),
            good.replace("generation 2", "generation 0"),
            good.replace("generation 2", "generation +2"),
            good.replace("generation 2", "generation 4294967296"),
            good.replace("next sha256 ", "next sha256  "),
            good.replace("endorsed by", "by"),
            good.replace("signature ", "signature !"),
        ] {
            refused(text.as_bytes());
        }
        if upper != good {
            refused(upper.as_bytes());
        }
        refused(&[0xff; 300]);
        refused(&vec![b'a'; LARGEST + 1]);
        for end in 0..good.len() {
            refused(&good.as_bytes()[..end]);
        }
    }

    #[test]
    fn an_endorsement_of_4096_bytes_is_looked_at_and_a_longer_one_is_not() {
        let refused = |length| Endorsement::parse(&vec![b'a'; length]).unwrap_err().what().to_owned();
        assert!(refused(4096).contains("its first line"));
        assert!(refused(4097).contains("4097 bytes, more than 4096"));
    }
}
