//! A set read once: its files in the form that istiod would read, their blocks, and the certificates in them.

use std::collections::BTreeMap;
use std::rc::Rc;

use time::OffsetDateTime;

use crate::mesh::consumers::circumstances::Circumstances;
use crate::mesh::consumers::crl_file::CrlFile;
use crate::mesh::consumers::lineage::Lineage;
use crate::mesh::secret_files::{CA_CERT, CA_CRL, CA_KEY, CERT_CHAIN, Form, ROOT_CERT, SecretFiles};
use crate::mesh::secret_files::{TLS_CERT, TLS_KEY, TLS_ROOT};
use crate::pki::certificate::Certificate;
use crate::pki::go_reading;
use crate::pki::key_file::KeyFile;
use crate::pki::pem_blocks::{PemBlock, PemText};
use crate::problem::Problem;

/// Everything that checks and predictions look at.
pub(in crate::mesh) struct Material<'a> {
    pub(in crate::mesh) files: &'a SecretFiles,
    pub(in crate::mesh) circumstances: &'a Circumstances<'a>,
    pub(in crate::mesh) now: OffsetDateTime,
    pub(in crate::mesh) form: Form,
    /// `ca-cert.pem` or `tls.crt`.
    pub(in crate::mesh) signer: Document,
    /// `cert-chain.pem`, or what istiod puts together of `tls.crt` and `ca.crt`.
    pub(in crate::mesh) chain: Document,
    /// `root-cert.pem` or `ca.crt`.
    pub(in crate::mesh) roots: Document,
    /// The name of the key file.
    pub(in crate::mesh) key_name: &'static str,
    /// The key file's text and what istiod reads of it; `None`: there is no file.
    pub(in crate::mesh) key: Option<KeyText>,
    /// `ca-crl.pem`, where istiod reads it.
    pub(in crate::mesh) crl: Option<CrlFile>,
    pub(in crate::mesh) lineage: Lineage,
}

/// The key file.
pub(in crate::mesh) struct KeyText {
    pub(in crate::mesh) text: Result<PemText, Problem>,
    pub(in crate::mesh) key: Result<KeyFile, Problem>,
}

/// One public file.
pub(in crate::mesh) struct Document {
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

impl Document {
    fn of(name: &'static str, bytes: Option<Vec<u8>>) -> Self {
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

impl<'a> Material<'a> {
    pub(in crate::mesh) fn gather(
        files: &'a SecretFiles,
        circumstances: &'a Circumstances<'a>,
        now: OffsetDateTime,
    ) -> Self {
        let form = files.form();
        let bytes = |name: &str| files.get(name).map(<[u8]>::to_vec);
        let (signer, chain, roots, key_name) = match form {
            Form::Istio => {
                (Document::of(CA_CERT, bytes(CA_CERT)), Document::of(CERT_CHAIN, bytes(CERT_CHAIN)), ROOT_CERT, CA_KEY)
            }
            Form::Tls => {
                let both = [files.get(TLS_CERT), files.get(TLS_ROOT)];
                let joined = both.iter().flatten().flat_map(|part| part.iter().copied()).collect();
                let chain = Document::of("the chain of tls.crt and ca.crt", Some(joined));
                (Document::of(TLS_CERT, bytes(TLS_CERT)), chain, TLS_ROOT, TLS_KEY)
            }
        };
        let roots = Document::of(roots, bytes(roots));
        let key = files.get(key_name).map(|value| {
            let text = PemText::read(value);
            let key = text.as_ref().map_err(Clone::clone).and_then(KeyFile::read);
            KeyText { text, key }
        });
        let crl = files.get(CA_CRL).filter(|_| form == Form::Istio).map(CrlFile::read);
        let first = signer.entries.first().and_then(|entry| entry.certificate.as_ref().ok());
        let lineage = first.map(|first| Lineage::of(first, &chain.pool(), &roots.pool())).unwrap_or_default();
        Self { files, circumstances, now, form, signer, chain, roots, key_name, key, crl, lineage }
    }

    /// The certificate that istiod would sign with: the first block of its file, if it is one.
    pub(in crate::mesh) fn signer_certificate(&self) -> Option<&Rc<Certificate>> {
        self.signer.entries.first().and_then(|entry| entry.certificate.as_ref().ok())
    }

    /// The path that decides: one that Go accepts, else the first; without the signer's own expiry being a matter of
    /// choice. Empty where there is none.
    pub(in crate::mesh) fn path(&self) -> &[Rc<Certificate>] {
        let accepted =
            |path: &&Vec<Rc<Certificate>>| crate::mesh::consumers::go_path::refusal(path, &[], self.now).is_none();
        let paths = &self.lineage.paths;
        paths.iter().find(accepted).or_else(|| paths.first()).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the signer is itself one of the roots.
    pub(in crate::mesh) fn signer_is_root(&self) -> bool {
        self.signer_certificate().is_some_and(|signer| self.roots.pool().contains(signer))
    }
}
