//! The only road to a signature: `Draft → Cleared → Signed`. Each step takes the one before, so that nothing can be
//! signed that was not cleared, and nothing that was not proved can be written.
//!
//! A draft cannot be signed; only what was cleared can:
//!
//! ```compile_fail,E0599
//! use meshca::pki::draft::Proof;
//! use meshca::pki::profile::Draft;
//! use meshca::pki::signing_key::SigningKey;
//!
//! fn wrong_order(draft: Draft, key: &SigningKey, random: &dyn ring::rand::SecureRandom) {
//!     let _ = draft.sign(key, &Proof::Signature, random);
//! }
//! ```
//!
//! What was cleared can be signed, once:
//!
//! ```
//! use meshca::pki::draft::{Cleared, Proof};
//! use meshca::pki::signing_key::SigningKey;
//!
//! fn once(cleared: Cleared<'_>, key: &SigningKey, random: &dyn ring::rand::SecureRandom) {
//!     let _ = cleared.sign(key, &Proof::Signature, random);
//! }
//! ```
//!
//! ```compile_fail,E0382
//! use meshca::pki::draft::{Cleared, Proof};
//! use meshca::pki::signing_key::SigningKey;
//!
//! fn twice(cleared: Cleared<'_>, key: &SigningKey, random: &dyn ring::rand::SecureRandom) {
//!     let _ = cleared.sign(key, &Proof::Signature, random);
//!     let _ = cleared.sign(key, &Proof::Signature, random);
//! }
//! ```
//!
//! Nothing else makes a certificate count as signed:
//!
//! ```compile_fail,E0423
//! use meshca::pki::certificate::Certificate;
//! use meshca::pki::draft::Signed;
//!
//! fn out_of_thin_air(certificate: Certificate) -> Signed {
//!     Signed(certificate)
//! }
//! ```

use ring::rand::SecureRandom;

use crate::pki::certificate::Certificate;
use crate::pki::profile::{self, Draft};
use crate::pki::rehearsal::Rehearsal;
use crate::pki::signing_key::SigningKey;
use crate::pki::to_be_signed::{Authority, unsigned, with_signature};
use crate::problem::{Code, Problem};

/// To-be-signed bytes that keep their profile. Only [`Cleared::sign`] makes a certificate of them.
#[derive(Debug)]
pub struct Cleared<'issuer> {
    draft: Draft,
    issuer: Option<&'issuer Certificate>,
    /// The certificate with a signature that means nothing.
    rehearsed: Certificate,
}

/// A certificate that was signed, held against its draft once more and proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed(Certificate);

/// How the signature is proved, once, before the certificate is anyone's.
#[derive(Debug)]
pub enum Proof<'a> {
    /// By verifying it under the issuer's key: for a root and an issuing CA.
    Signature,
    /// By a throw-away workload certificate under the new one, verified up to the issuer as rustls-webpki does it;
    /// this verifies the new signature on the way.
    Rehearsal(Rehearsal<'a>),
}

impl Draft {
    /// Builds the to-be-signed bytes of a self-signed root and holds them against the profile.
    ///
    /// # Errors
    /// `profile-broken`, `lifetime-not-nested`, or the code of a weak key.
    pub fn clear_as_root(self) -> Result<Cleared<'static>, Problem> {
        self.clear(None)
    }

    /// Builds the to-be-signed bytes under this issuer and holds them against the profile. The issuer's name is kept
    /// byte for byte, also where rcgen, whose names are maps, would lose repeated attributes.
    ///
    /// # Errors
    /// `issuer-unfit`, `profile-broken`, `lifetime-not-nested`, or the code of a weak key.
    pub fn clear_under(self, issuer: &Certificate) -> Result<Cleared<'_>, Problem> {
        profile::may_sign(issuer, self.tier)?;
        self.clear(Some(issuer))
    }

    fn clear(self, issuer: Option<&Certificate>) -> Result<Cleared<'_>, Problem> {
        let rehearsed = Certificate::from_der(&self.unsigned(issuer)?)?;
        profile::lint(&rehearsed, &self, issuer)?;
        Ok(Cleared { draft: self, issuer, rehearsed })
    }

    /// The certificate with a signature of no bytes.
    fn unsigned(&self, issuer: Option<&Certificate>) -> Result<Vec<u8>, Problem> {
        let own = self.key_identifier();
        let authority = match issuer {
            Some(issuer) => Authority {
                name: Some(issuer.subject().der()),
                spki: issuer.spki(),
                key_identifier: issuer.extensions().subject_key_identifier.as_deref().unwrap_or_default(),
            },
            None => Authority { name: None, spki: &self.spki, key_identifier: &own },
        };
        unsigned(&profile::parameters(self)?, &self.spki, &authority)
    }
}

impl Cleared<'_> {
    /// Signs exactly the cleared bytes, compares them, holds the result against its profile again and proves the
    /// signature.
    ///
    /// # Errors
    /// `issuer-key-mismatch`, when the key is not the issuer's; `signing-failed`; `rehearsal-failed`.
    pub fn sign(self, key: &SigningKey, proof: &Proof<'_>, random: &dyn SecureRandom) -> Result<Signed, Problem> {
        let issuer_spki = self.issuer.map_or(self.draft.spki.as_slice(), Certificate::spki);
        if key.spki() != issuer_spki {
            let issuer = self.issuer.map_or_else(|| "the new root".to_owned(), |issuer| issuer.subject().to_string());
            return Err(Problem::new(
                Code::IssuerKeyMismatch,
                format!("the private key does not belong to the certificate of {issuer}"),
            ));
        }
        let signature = key.sign(self.rehearsed.tbs(), random)?;
        let certificate = Certificate::from_der(&with_signature(self.rehearsed.der(), &signature)?)?;
        if certificate.tbs() != self.rehearsed.tbs() {
            return Err(Problem::new(Code::ProfileBroken, "the signed bytes are not the cleared bytes"));
        }
        profile::lint(&certificate, &self.draft, self.issuer)?;
        match proof {
            Proof::Signature if certificate.is_signed_by(issuer_spki) => {}
            Proof::Signature => {
                return Err(Problem::new(Code::SigningFailed, "the new signature does not verify under its issuer"));
            }
            Proof::Rehearsal(rehearsal) => {
                let issuer = self.issuer.unwrap_or(&certificate);
                rehearsal.run(&certificate, issuer, random)?;
            }
        }
        Ok(Signed(certificate))
    }
}

impl Signed {
    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.0
    }

    /// Gives the certificate away.
    #[must_use]
    pub fn into_certificate(self) -> Certificate {
        self.0
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make real keys")]

    use super::*;
    use crate::pki::certificate::key_identifier;
    use crate::pki::key_kind::KeyKind;
    use crate::pki::profile::{Subject, Tier};
    use crate::pki::serial::SerialNumber;
    use crate::pki::validity::Validity;
    use ring::rand::SystemRandom;
    use time::macros::datetime;
    use time::{Duration, OffsetDateTime};

    const NOW: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);

    fn draft(tier: Tier, days: i64, within: Option<Validity>, key: &SigningKey) -> Draft {
        let unit = (tier == Tier::Intermediate).then(|| "east".to_owned());
        let common_name = format!("mesh1 {} g1", tier.as_str());
        Draft {
            tier,
            subject: Subject { organization: "Hash Foundry".to_owned(), unit, common_name },
            validity: Validity::starting(Duration::days(days), within, NOW),
            serial: SerialNumber::from_random([tier as u8 + 1; 16]),
            spki: key.spki(),
        }
    }

    struct Chain {
        issuing: Certificate,
        issuing_key: SigningKey,
    }

    fn chain(kind: KeyKind) -> Chain {
        let random = SystemRandom::new();
        let root_key = SigningKey::generate(kind, &random).unwrap();
        let cleared = draft(Tier::Root, 3650, None, &root_key).clear_as_root().unwrap();
        let root = cleared.sign(&root_key, &Proof::Signature, &random).unwrap().into_certificate();
        let issuing_key = SigningKey::generate(kind, &random).unwrap();
        let cleared = draft(Tier::Issuing, 365, Some(root.validity()), &issuing_key).clear_under(&root).unwrap();
        let issuing = cleared.sign(&root_key, &Proof::Signature, &random).unwrap().into_certificate();
        Chain { issuing, issuing_key }
    }

    #[test]
    fn three_tiers_are_minted_and_rehearsed_with_each_kind_of_key() {
        let random = SystemRandom::new();
        for kind in KeyKind::ALL {
            let Chain { issuing, issuing_key } = chain(*kind);
            let key = SigningKey::generate(*kind, &random).unwrap();
            let rehearsal = Rehearsal { subject_key: &key, trust_domain: "cluster.local", now: NOW };
            let cleared = draft(Tier::Intermediate, 90, Some(issuing.validity()), &key).clear_under(&issuing).unwrap();
            let signed = cleared.sign(&issuing_key, &Proof::Rehearsal(rehearsal), &random).unwrap();
            assert_eq!(signed.certificate().issuer(), issuing.subject());
            let identifier = Some(key_identifier(key.public_key_bits()));
            assert_eq!(signed.certificate().extensions().subject_key_identifier, identifier);
            assert!(signed.certificate().is_signed_by(issuing.spki()));
        }
    }

    #[test]
    fn a_key_that_is_not_the_issuers_signs_nothing() {
        let random = SystemRandom::new();
        let Chain { issuing, .. } = chain(KeyKind::EcdsaP256);
        let key = SigningKey::generate(KeyKind::EcdsaP256, &random).unwrap();
        let cleared = draft(Tier::Intermediate, 90, Some(issuing.validity()), &key).clear_under(&issuing).unwrap();
        let refused = cleared.sign(&key, &Proof::Signature, &random).unwrap_err();
        assert_eq!(refused.code(), Code::IssuerKeyMismatch);
    }

    #[test]
    fn a_child_that_outlives_its_issuer_by_a_second_is_refused_and_one_that_ends_with_it_is_not() {
        let random = SystemRandom::new();
        let Chain { issuing, .. } = chain(KeyKind::EcdsaP256);
        let key = SigningKey::generate(KeyKind::EcdsaP256, &random).unwrap();
        let end = issuing.not_after();
        let mut same = draft(Tier::Intermediate, 1, None, &key);
        same.validity = Validity::new(NOW, end);
        assert!(same.clone().clear_under(&issuing).is_ok());
        same.validity = Validity::new(NOW, end + Duration::SECOND);
        let refused = same.clear_under(&issuing).unwrap_err();
        assert_eq!(refused.code(), Code::LifetimeNotNested);
        let issuer = format!("issuer  {} to {end}", issuing.validity().not_before());
        assert_eq!(refused.facts(), [issuer, format!("new     {NOW} to {}", end + Duration::SECOND)]);
    }

    #[test]
    fn an_issuing_ca_cannot_be_minted_under_an_issuing_ca() {
        let random = SystemRandom::new();
        let Chain { issuing, .. } = chain(KeyKind::EcdsaP256);
        let key = SigningKey::generate(KeyKind::EcdsaP256, &random).unwrap();
        let mut second = draft(Tier::Issuing, 90, Some(issuing.validity()), &key);
        second.subject.common_name = "mesh1 issuing g2".to_owned();
        assert_eq!(second.clear_under(&issuing).unwrap_err().code(), Code::IssuerUnfit);
    }

    #[test]
    fn nothing_is_minted_under_an_intermediate_and_each_tier_says_how_far_it_reaches() {
        let random = SystemRandom::new();
        let Chain { issuing, issuing_key } = chain(KeyKind::EcdsaP256);
        let key = SigningKey::generate(KeyKind::EcdsaP256, &random).unwrap();
        let first = draft(Tier::Intermediate, 90, Some(issuing.validity()), &key).clear_under(&issuing).unwrap();
        let first = first.sign(&issuing_key, &Proof::Signature, &random).unwrap().into_certificate();
        let reach = |it: &Certificate| it.extensions().basic_constraints.and_then(|it| it.path_length);
        assert_eq!((reach(&issuing), reach(&first)), (Some(1), Some(0)));
        for tier in [Tier::Issuing, Tier::Intermediate] {
            let mut second = draft(tier, 30, Some(first.validity()), &key);
            second.subject.common_name = "mesh1 second".to_owned();
            assert_eq!(second.clear_under(&first).unwrap_err().code(), Code::IssuerUnfit);
        }
    }

    #[test]
    fn a_rehearsal_with_another_key_fails() {
        let random = SystemRandom::new();
        let Chain { issuing, issuing_key } = chain(KeyKind::EcdsaP256);
        let key = SigningKey::generate(KeyKind::EcdsaP256, &random).unwrap();
        let other = SigningKey::generate(KeyKind::EcdsaP256, &random).unwrap();
        let rehearsal = Rehearsal { subject_key: &other, trust_domain: "cluster.local", now: NOW };
        let cleared = draft(Tier::Intermediate, 90, Some(issuing.validity()), &key).clear_under(&issuing).unwrap();
        let refused = cleared.sign(&issuing_key, &Proof::Rehearsal(rehearsal), &random).unwrap_err();
        assert_eq!(refused.code(), Code::RehearsalFailed);
    }

    #[test]
    fn an_attribute_of_64_characters_is_minted_and_one_of_65_is_not() {
        let random = SystemRandom::new();
        let key = SigningKey::generate(KeyKind::EcdsaP256, &random).unwrap();
        let mut root = draft(Tier::Root, 10, None, &key);
        root.subject.organization = "o".repeat(64);
        assert!(root.clone().clear_as_root().is_ok());
        root.subject.organization = "o".repeat(65);
        assert_eq!(root.clear_as_root().unwrap_err().code(), Code::ProfileBroken);
    }

    #[test]
    fn an_intermediate_that_begins_tomorrow_is_rehearsed_at_its_beginning() {
        let random = SystemRandom::new();
        let Chain { issuing, issuing_key } = chain(KeyKind::EcdsaP256);
        let key = SigningKey::generate(KeyKind::EcdsaP256, &random).unwrap();
        let mut later = draft(Tier::Intermediate, 1, None, &key);
        later.validity = Validity::new(NOW + Duration::days(1), NOW + Duration::days(9));
        let rehearsal = Rehearsal { subject_key: &key, trust_domain: "cluster.local", now: NOW };
        let cleared = later.clear_under(&issuing).unwrap();
        assert!(cleared.sign(&issuing_key, &Proof::Rehearsal(rehearsal), &random).is_ok());
    }
}
