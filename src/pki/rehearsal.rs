//! A throw-away workload certificate under a new intermediate, verified as the mesh will verify: what is wrong with
//! an intermediate shows here and not at the first handshake.

use ring::rand::SecureRandom;
use rustls_pki_types::{CertificateDer, UnixTime};
use time::{Duration, OffsetDateTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyUsagePurpose, SanType,
};

use crate::pki::certificate::{Certificate, key_identifier};
use crate::pki::signing_key::SigningKey;
use crate::pki::to_be_signed::{Authority, to_be_signed, unsigned, with_signature};
use crate::pki::verified;
use crate::problem::{Code, Problem};

/// What a rehearsal needs: the new intermediate's own key, which signs the throw-away certificate as istiod would.
#[derive(Debug, Clone, Copy)]
pub struct Rehearsal<'a> {
    /// The new intermediate's private key.
    pub subject_key: &'a SigningKey,
    /// The SPIFFE trust domain, without `spiffe://`.
    pub trust_domain: &'a str,
    /// At which moment it must verify.
    pub now: OffsetDateTime,
}

/// A P-256 public key whose private half nobody kept: the throw-away workload never signs anything.
const NOBODYS_KEY: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    // The base point of the curve: a key that everyone knows to be nobody's.
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d,
    0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
    0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb,
    0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

impl Rehearsal<'_> {
    /// Mints the throw-away workload certificate under `intermediate` and verifies it up to `issuer`, which counts as
    /// trusted here. Verifies the signature on the intermediate on the way. The path above the issuer is not looked
    /// at; the rules that rustls-webpki lacks (key usage, key identifiers, window of the anchor) are the profile's.
    ///
    /// # Errors
    /// `rehearsal-failed`, with what rustls-webpki said.
    pub(in crate::pki) fn run(
        &self,
        intermediate: &Certificate,
        issuer: &Certificate,
        random: &dyn SecureRandom,
    ) -> Result<(), Problem> {
        let moment = self.now.max(intermediate.validity().not_before());
        Self { now: moment, ..*self }.verifies(&[intermediate], issuer, random)?;
        verified::holds(intermediate.fingerprint(), issuer.spki());
        Ok(())
    }

    /// Whether a workload certificate under the first of these, which are presented with it, verifies where `root` is
    /// trusted. As rustls-webpki does it, which looks at no window of the root.
    ///
    /// # Errors
    /// `rehearsal-failed`, with what rustls-webpki said.
    pub fn verifies(
        &self,
        chain: &[&Certificate],
        root: &Certificate,
        random: &dyn SecureRandom,
    ) -> Result<(), Problem> {
        let Some(intermediate) = chain.first() else { return Err(failed("nothing", "there is no chain")) };
        let failed = |why: String| failed(&intermediate.subject().to_string(), &why);
        let workload = self.workload(intermediate, self.now, random)?;
        let leaf = CertificateDer::from(workload.as_slice());
        let end_entity = EndEntityCert::try_from(&leaf).map_err(|error| failed(error.to_string()))?;
        let anchor_der = CertificateDer::from(root.der());
        let anchor = anchor_from_trusted_cert(&anchor_der).map_err(|error| failed(error.to_string()))?;
        let presented: Vec<CertificateDer<'_>> = chain.iter().map(|it| CertificateDer::from(it.der())).collect();
        let seconds = u64::try_from(self.now.unix_timestamp()).unwrap_or(0);
        end_entity
            .verify_for_usage(
                ALL_VERIFICATION_ALGS,
                &[anchor],
                &presented,
                UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)),
                KeyUsage::client_auth(),
                None,
                None,
            )
            .map_err(|error| failed(error.to_string()))?;
        let identity = self.identity();
        if !end_entity.valid_uri_names().any(|uri| uri == identity) {
            return Err(failed(format!("it does not carry {identity}")));
        }
        Ok(())
    }

    fn identity(&self) -> String {
        format!("spiffe://{}/ns/rehearsal/sa/rehearsal", self.trust_domain)
    }

    /// A certificate as istiod makes it: empty subject, one SPIFFE URI, both usages, backdated by two minutes.
    fn workload(
        &self,
        intermediate: &Certificate,
        moment: OffsetDateTime,
        random: &dyn SecureRandom,
    ) -> Result<Vec<u8>, Problem> {
        let failed =
            |error: rcgen::Error| Problem::new(Code::RehearsalFailed, format!("no rehearsal was possible: {error}"));
        let mut parameters = CertificateParams::default();
        parameters.not_before = moment - Duration::minutes(2);
        parameters.not_after = moment + Duration::minutes(2);
        parameters.serial_number = Some(vec![0x52; 16].into());
        parameters.distinguished_name = DistinguishedName::new();
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(vec![0x52; 20]);
        parameters.subject_alt_names = vec![SanType::URI(self.identity().try_into().map_err(failed)?)];
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        parameters.use_authority_key_identifier_extension = true;
        let authority = Authority {
            name: Some(intermediate.subject().der()),
            spki: intermediate.spki(),
            key_identifier: &key_identifier(self.subject_key.public_key_bits()),
        };
        let unsigned = unsigned(&parameters, NOBODYS_KEY, &authority)?;
        let signature = self.subject_key.sign(to_be_signed(&unsigned)?, random)?;
        with_signature(&unsigned, &signature)
    }
}

fn failed(under: &str, why: &str) -> Problem {
    let what = format!("a workload certificate under {under} would not verify: {why}");
    Problem::new(Code::RehearsalFailed, what)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make real keys")]

    use super::*;
    use crate::pki::extensions::{CLIENT_AUTH, SERVER_AUTH};
    use crate::pki::fixture::{first, fixture};
    use crate::pki::key_kind::KeyKind;
    use crate::pki::validity::Validity;
    use ring::rand::SystemRandom;
    use time::macros::datetime;

    #[test]
    fn the_workload_is_one_as_istiod_makes_it() {
        let (random, now) = (SystemRandom::new(), datetime!(2026-11-23 10:00 UTC));
        let key = SigningKey::generate(KeyKind::EcdsaP256, &random).unwrap();
        let signer = first(fixture!("sound/one-mesh/east/ca-cert.pem"));
        let rehearsal = Rehearsal { subject_key: &key, trust_domain: "example.org", now };
        let made = Certificate::from_der(&rehearsal.workload(&signer, now, &random).unwrap()).unwrap();
        assert_eq!(made.extensions().uris, ["spiffe://example.org/ns/rehearsal/sa/rehearsal"]);
        let usages = [SERVER_AUTH, CLIENT_AUTH].map(str::to_owned).to_vec();
        assert_eq!(made.extensions().extended_key_usage, Some(usages));
        let two_minutes = Duration::minutes(2);
        assert_eq!(made.validity(), Validity::new(now - two_minutes, now + two_minutes));
        assert_eq!((made.issuer(), made.subject().der()), (signer.subject(), [0x30, 0].as_slice()));
        assert!(!made.is_ca() && made.spki() == NOBODYS_KEY);
    }
}
