//! `ca-crl.pem` and what istiod and Envoy make of it.

use std::rc::Rc;

use time::OffsetDateTime;

use crate::mesh::consumers::public_file::PublicFile;
use crate::pki::certificate::Certificate;
use crate::pki::moment::utc;
use crate::pki::pem_blocks::PemText;
use crate::pki::revocation_list::RevocationList;
use crate::problem::Problem;

/// The revocation lists of a set.
pub(in crate::mesh) struct CrlFile {
    pub(in crate::mesh) is_empty: bool,
    pub(in crate::mesh) text: Result<PemText, Problem>,
    /// Each of Go's blocks, with its line: the list in it or why there is none.
    pub(in crate::mesh) lists: Vec<(usize, Result<RevocationList, String>)>,
}

impl CrlFile {
    pub(in crate::mesh) fn read(bytes: &[u8]) -> Self {
        let text = PemText::read(bytes);
        let blocks = text.as_ref().map(|text| text.blocks.clone()).unwrap_or_default();
        let lists = blocks.iter().map(|block| (block.line, RevocationList::from_der(&block.der))).collect();
        Self { is_empty: bytes.is_empty(), text, lists }
    }

    pub(in crate::mesh) fn readable(&self) -> impl Iterator<Item = &RevocationList> {
        self.lists.iter().filter_map(|(_, list)| list.as_ref().ok())
    }

    /// istiod wants one list for every certificate of the chain file, whoever signed what, and no list for the root
    /// unless the root is in that file. The current time does not matter to it. Its map is keyed by subject, so of two
    /// certificates with one subject the later one counts.
    pub(in crate::mesh) fn istiod_refusal(&self, chain: &PublicFile) -> Option<String> {
        if self.is_empty {
            return None;
        }
        if chain.entries.iter().any(|entry| entry.go_refusal().is_some()) {
            return Some("failed to parse cert chain: x509: malformed certificate".to_owned());
        }
        if let Some(why) = self.lists.iter().find_map(|(_, list)| list.as_ref().err()) {
            return Some(format!("failed to parse CRL PEM: {why}"));
        }
        let mut missing: std::collections::BTreeMap<String, &Rc<Certificate>> = std::collections::BTreeMap::new();
        for cert in chain.entries.iter().filter_map(|entry| entry.certificate.as_ref().ok()) {
            missing.insert(cert.subject().to_string(), cert);
        }
        missing.retain(|_, cert| !self.readable().any(|list| may_sign_lists(cert) && list.is_signed_by(cert)));
        if missing.is_empty() {
            return None;
        }
        let names: Vec<_> = missing.keys().cloned().collect();
        Some(format!("missing CRL signed by certificates: {names:?}"))
    }

    /// Envoy wants, for every certificate of a path, a current list of the one that signed it (the root's own for the
    /// root), and that none of them revokes anything of the path (X509_V_FLAG_CRL_CHECK_ALL).
    pub(in crate::mesh) fn envoy_refusal(&self, path: &[Rc<Certificate>], now: OffsetDateTime) -> Option<String> {
        if self.is_empty {
            return None;
        }
        if self.lists.iter().any(|(_, list)| list.is_err())
            || self.text.as_ref().is_ok_and(|text| text.boringssl.is_err())
        {
            return Some("Failed to load CRL from <inline>".to_owned());
        }
        for ca in path {
            let subject = ca.subject();
            let Some(list) = self.of(ca) else {
                return Some(format!("unable to get certificate CRL (of \"{subject}\")"));
            };
            if !may_sign_lists(ca) {
                return Some(format!("key usage does not include CRL signing (\"{subject}\")"));
            }
            if !list.is_signed_by(ca) {
                return Some(format!("CRL signature failure (\"{subject}\")"));
            }
            if !list.is_current(now) {
                let end = list.next_update().map_or_else(|| "none".to_owned(), utc);
                return Some(format!("CRL has expired or is not yet valid (of \"{subject}\", next update {end})"));
            }
            if let Some(revoked) = path.iter().find(|cert| list.revokes(cert)) {
                return Some(format!("certificate revoked (\"{}\")", revoked.subject()));
            }
        }
        None
    }

    /// The list that names this CA as its issuer: a genuine one if there is one.
    pub(in crate::mesh) fn of(&self, ca: &Certificate) -> Option<&RevocationList> {
        let mut named = self.readable().filter(|list| list.issuer() == ca.subject());
        let first = named.next()?;
        std::iter::once(first).chain(named).find(|list| list.is_signed_by(ca)).or(Some(first))
    }
}

fn may_sign_lists(cert: &Certificate) -> bool {
    cert.is_ca() && cert.extensions().key_usage.is_none_or(|usage| usage.crl_sign)
}
