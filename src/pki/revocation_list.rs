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
