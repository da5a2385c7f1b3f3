//! CAs made for a test, and sets of four files by them.

use std::collections::BTreeMap;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use time::OffsetDateTime;

/// The values of a `cacerts`, by name.
pub(crate) type Files = BTreeMap<&'static str, Vec<u8>>;

/// A CA: what it is signed with, and what it signs with.
pub(crate) struct Authority {
    pub(crate) pem: String,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

/// What a certificate is made to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sound,
    Expired,
    NotACa,
}

impl Authority {
    pub(crate) fn root(name: &str) -> Self {
        Self::made(name, None, Kind::Sound)
    }

    pub(crate) fn signs(&self, name: &str) -> Self {
        Self::made(name, Some(self), Kind::Sound)
    }

    pub(crate) fn made(name: &str, by: Option<&Self>, kind: Kind) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "rig");
        params.distinguished_name.push(DnType::CommonName, name);
        let now = OffsetDateTime::now_utc();
        // No two end in the same second: the gauges tell them apart.
        let days = 50 + name.bytes().map(i64::from).sum::<i64>();
        (params.not_before, params.not_after) = (now - time::Duration::days(9), now + time::Duration::days(days));
        match kind {
            Kind::NotACa => {}
            Kind::Expired => params.not_after = now - time::Duration::days(1),
            Kind::Sound => {}
        }
        if kind != Kind::NotACa {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        }
        params.use_authority_key_identifier_extension = by.is_some();
        let key = KeyPair::generate().unwrap();
        let made = match by {
            Some(by) => params.signed_by(&key, &by.issuer),
            None => params.self_signed(&key),
        };
        Self { pem: made.unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    /// The four files with this signer and these roots.
    pub(crate) fn set(&self, roots: &str) -> Files {
        self.set_below(&[], roots)
    }

    /// The same with these CAs between the signer and its root.
    pub(crate) fn set_below(&self, upper: &[&Self], roots: &str) -> Files {
        let chain = [self].into_iter().chain(upper.iter().copied()).map(|it| it.pem.as_str()).collect();
        [
            ("ca-cert.pem", self.pem.clone()),
            ("ca-key.pem", self.issuer.key().serialize_pem()),
            ("cert-chain.pem", chain),
            ("root-cert.pem", roots.to_owned()),
        ]
        .map(|(name, text)| (name, text.into_bytes()))
        .into()
    }
}
