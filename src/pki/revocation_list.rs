//! A revocation list read back: who it is from, until when it counts, and what it revokes.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::pki::certificate::{Certificate, LARGEST};
use crate::pki::distinguished_name::DistinguishedName;

/// One parsed revocation list. Parsing says nothing about whether it is genuine or current.
#[derive(Debug, Clone)]
pub struct RevocationList {
    der: Vec<u8>,
    issuer: DistinguishedName,
    this_update: OffsetDateTime,
    next_update: Option<OffsetDateTime>,
    revoked: BTreeSet<Vec<u8>>,
}

impl RevocationList {
    /// Reads one list from DER that holds nothing else.
    ///
    /// # Errors
    /// What the parser said.
    pub fn from_der(der: &[u8]) -> Result<Self, String> {
        if der.len() > 64 * LARGEST {
            return Err(format!("{} bytes, more than {}", der.len(), 64 * LARGEST));
        }
        let (rest, parsed) = CertificateRevocationList::from_der(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow it", rest.len()));
        }
        Ok(Self {
            issuer: DistinguishedName::of(parsed.issuer()),
            this_update: parsed.last_update().to_datetime(),
            next_update: parsed.next_update().map(|moment| moment.to_datetime()),
            revoked: parsed.iter_revoked_certificates().map(|entry| entry.raw_serial().to_vec()).collect(),
            der: der.to_vec(),
        })
    }

    /// Who says so.
    #[must_use]
    pub const fn issuer(&self) -> &DistinguishedName {
        &self.issuer
    }

    /// From when.
    #[must_use]
    pub const fn this_update(&self) -> OffsetDateTime {
        self.this_update
    }

    /// Until when; a list without one counts for ever.
    #[must_use]
    pub const fn next_update(&self) -> Option<OffsetDateTime> {
        self.next_update
    }

    /// Whether it counts at this moment.
    #[must_use]
    pub fn is_current(&self, now: OffsetDateTime) -> bool {
        self.this_update <= now && self.next_update.is_none_or(|end| now <= end)
    }

    /// Whether this certificate's key made its signature. Names and key usage are not looked at.
    #[must_use]
    pub fn is_signed_by(&self, issuer: &Certificate) -> bool {
        let Ok((_, parsed)) = CertificateRevocationList::from_der(&self.der) else { return false };
        let Ok((_, spki)) = SubjectPublicKeyInfo::from_der(issuer.spki()) else { return false };
        parsed.verify_signature(&spki).is_ok()
    }

    /// Whether it revokes this certificate: the issuer's name and the serial number are compared.
    #[must_use]
    pub fn revokes(&self, cert: &Certificate) -> bool {
        self.issuer == *cert.issuer() && self.revoked.contains(cert.serial())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::fixture::{first, fixture};
    use crate::pki::pem_blocks::PemText;
    use time::Duration;
    use time::macros::datetime;

    /// The lists of a signer, an issuing CA and a root.
    const LISTS: &str = fixture!("faulty/certificate-revoked/signer/ca-crl.pem");
    const END: OffsetDateTime = datetime!(2026-12-23 10:00 UTC);

    fn list_of(pem: &str, issuer: &str) -> RevocationList {
        let blocks = PemText::read(pem.as_bytes()).unwrap().blocks;
        let mut lists = blocks.iter().map(|block| RevocationList::from_der(&block.der).unwrap());
        lists.find(|list| list.issuer().common_name() == Some(issuer)).unwrap()
    }

    #[test]
    fn four_mebibytes_are_looked_at_and_nothing_may_follow_a_list() {
        let refused = |der: &[u8]| RevocationList::from_der(der).unwrap_err();
        assert!(!refused(&vec![0; 4_194_304]).contains("more than"));
        assert_eq!(refused(&vec![0; 4_194_305]), "4194305 bytes, more than 4194304");
        let list = list_of(LISTS, "mesh1 issuing").der;
        assert_eq!(refused(&[list.as_slice(), &[0, 0]].concat()), "2 bytes follow it");
    }

    #[test]
    fn a_list_counts_from_its_first_second_to_its_last() {
        let list = list_of(LISTS, "mesh1 issuing");
        let start = datetime!(2026-11-22 10:00 UTC);
        assert_eq!((list.this_update(), list.next_update()), (start, Some(END)));
        assert!(list.is_current(start) && list.is_current(END));
        assert!(!list.is_current(start - Duration::SECOND) && !list.is_current(END + Duration::SECOND));
        let endless = RevocationList { next_update: None, ..list };
        assert!(endless.is_current(END + Duration::days(9_999)) && !endless.is_current(start - Duration::SECOND));
    }

    #[test]
    fn a_list_is_signed_by_its_issuer_alone() {
        let chain = fixture!("faulty/certificate-revoked/signer/cert-chain.pem");
        let chain = crate::pki::read_pem::certificates(chain.as_bytes());
        let list = list_of(LISTS, "mesh1 issuing");
        let signed_by: Vec<_> = chain.iter().map(|it| (it.subject().common_name(), list.is_signed_by(it))).collect();
        assert_eq!(signed_by, [(Some("mesh1 west"), false), (Some("mesh1 issuing"), true)]);
    }

    #[test]
    fn a_serial_is_revoked_under_the_name_of_the_list_alone() {
        let west = first(fixture!("faulty/certificate-revoked/signer/ca-cert.pem"));
        let east = first(fixture!("sound/one-mesh/east/ca-cert.pem"));
        let list = list_of(LISTS, "mesh1 issuing");
        assert_eq!(west.issuer(), east.issuer());
        assert!(list.revokes(&west) && !list.revokes(&east));
        let of_the_root = RevocationList { issuer: west.subject().clone(), ..list };
        assert!(!of_the_root.revokes(&west), "another issuer's serial");
    }
}
