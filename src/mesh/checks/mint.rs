//! Certificate authorities for tests: sound by default, broken in one way on request.

use rcgen::{BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod};
use rcgen::{KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::mesh::secret_files::{CA_CERT, CA_KEY, CERT_CHAIN, ROOT_CERT, SecretFiles};

/// The moment of all tests.
pub(super) const NOW: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);

pub(super) struct Ca {
    pub(super) params: CertificateParams,
    pub(super) key: KeyPair,
    pub(super) pem: String,
}

impl Ca {
    pub(super) fn root(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = params(name, 3650, BasicConstraints::Unconstrained);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem }
    }

    pub(super) fn below(&self, name: &str, length: u8, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        self.signs(name, length, key, change)
    }

    pub(super) fn signs(
        &self,
        name: &str,
        length: u8,
        key: KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = params(name, 90, BasicConstraints::Constrained(length));
        change(&mut params);
        let pem = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap().pem();
        Self { params, key, pem }
    }

    pub(super) fn list(&self, days: i64, revoked: &[u8]) -> String {
        let revoked_certs = match revoked {
            [] => Vec::new(),
            serial => vec![RevokedCertParams {
                serial_number: SerialNumber::from_slice(serial),
                revocation_time: NOW - Duration::days(1),
                reason_code: None,
                invalidity_date: None,
            }],
        };
        let params = CertificateRevocationListParams {
            this_update: NOW - Duration::days(30),
            next_update: NOW + Duration::days(days),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&Issuer::from_params(&self.params, &self.key)).unwrap().pem().unwrap()
    }
}

fn params(name: &str, days: i64, length: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Test");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = NOW - Duration::days(1);
    params.not_after = NOW + Duration::days(days);
    let digest = crate::pki::fingerprint::Fingerprint::of(name.as_bytes());
    let mut serial = digest.as_bytes()[..16].to_vec();
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from(serial));
    params.is_ca = IsCa::Ca(length);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

/// Root, issuing CA and signer, as meshca makes them.
pub(super) struct House {
    pub(super) root: Ca,
    pub(super) issuing: Ca,
    pub(super) signer: Ca,
}

pub(super) fn house() -> House {
    house_with(|_| {}, |_| {}, |_| {})
}

pub(super) fn house_with(
    root: impl FnOnce(&mut CertificateParams),
    issuing: impl FnOnce(&mut CertificateParams),
    signer: impl FnOnce(&mut CertificateParams),
) -> House {
    let root = Ca::root("root", root);
    let issuing = root.below("issuing", 1, |params| {
        params.not_after = NOW + Duration::days(365);
        issuing(params);
    });
    let signer = issuing.below("signer", 0, signer);
    House { root, issuing, signer }
}

impl House {
    pub(super) fn files(&self) -> SecretFiles {
        SecretFiles::new()
            .with(CA_CERT, self.signer.pem.as_str())
            .with(CA_KEY, self.signer.key.serialize_pem())
            .with(CERT_CHAIN, format!("{}{}", self.signer.pem, self.issuing.pem))
            .with(ROOT_CERT, self.root.pem.as_str())
    }
}
