//! One public file of a set: its text, and what each block of it is to istiod.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::pki::certificate::Certificate;
use crate::pki::go_reading;
use crate::pki::pem_block::PemBlock;
use crate::pki::pem_blocks::PemText;
use crate::problem::Problem;

/// One public file.
pub(in crate::mesh) struct PublicFile {
    pub(in crate::mesh) name: &'static str,
    /// `None`: there is no such file.
    pub(in crate::mesh) bytes: Option<Vec<u8>>,
    /// What is in it; `Err`: too large to be read. An absent file reads as an empty text.
    pub(in crate::mesh) text: Result<PemText, Problem>,
    /// What each of Go's blocks is, in order.
    pub(in crate::mesh) entries: Vec<Entry>,
}

/// One block of a public file.
pub(in crate::mesh) struct Entry {
    pub(in crate::mesh) block: PemBlock,
    /// The certificate in it, whatever the label says.
    pub(in crate::mesh) certificate: Result<Rc<Certificate>, Problem>,
    go_refusal: Option<&'static str>,
}

impl Entry {
    fn of(block: PemBlock, certificate: Result<Rc<Certificate>, Problem>) -> Self {
        let go_refusal = match &certificate {
            Ok(certificate) => go_reading::refusal(certificate),
            Err(_) => Some("x509: malformed certificate"),
        };
        Self { block, certificate, go_refusal }
    }

    /// Go's reason for not reading it as a certificate.
    pub(in crate::mesh) const fn go_refusal(&self) -> Option<&'static str> {
        self.go_refusal
    }
}

impl PublicFile {
    pub(in crate::mesh::consumers) fn of(name: &'static str, bytes: Option<Vec<u8>>) -> Self {
        let text = PemText::read(bytes.as_deref().unwrap_or_default());
        let blocks = text.as_ref().map(|text| text.blocks.clone()).unwrap_or_default();
        let mut known: BTreeMap<Vec<u8>, Rc<Certificate>> = BTreeMap::new();
        let entries = blocks
            .into_iter()
            .map(|block| {
                let certificate = match known.get(block.der.as_slice()) {
                    Some(certificate) => Ok(Rc::clone(certificate)),
                    None => Certificate::from_der(&block.der).map(Rc::new),
                };
                if let Ok(certificate) = &certificate {
                    known.insert(block.der.to_vec(), Rc::clone(certificate));
                }
                Entry::of(block, certificate)
            })
            .collect();
        Self { name, bytes, text, entries }
    }

    /// The certificates that Go's `CertPool.AppendCertsFromPEM` takes: labelled so, without headers, readable to Go.
    pub(in crate::mesh) fn pool(&self) -> Vec<Rc<Certificate>> {
        let taken = |entry: &&Entry| entry.block.is_certificate() && !entry.block.has_headers;
        let readable = |entry: &&Entry| entry.go_refusal().is_none();
        self.entries.iter().filter(taken).filter(readable).filter_map(|entry| entry.certificate.clone().ok()).collect()
    }

    /// Every block labelled as a certificate that is one.
    pub(in crate::mesh) fn certificates(&self) -> impl Iterator<Item = (&PemBlock, &Rc<Certificate>)> {
        self.entries
            .iter()
            .filter(|entry| entry.block.is_certificate())
            .filter_map(|entry| entry.certificate.as_ref().ok().map(|certificate| (&entry.block, certificate)))
    }

    pub(in crate::mesh) fn bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }
}
