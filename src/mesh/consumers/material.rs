//! A set read once: its files in the form that istiod would read, their blocks, and the certificates in them.

use std::rc::Rc;

use time::OffsetDateTime;

use crate::mesh::consumers::circumstances::Circumstances;
use crate::mesh::consumers::crl_file::CrlFile;
use crate::mesh::consumers::lineage::Lineage;
use crate::mesh::consumers::public_file::PublicFile;
use crate::mesh::secret_files::{CA_CERT, CA_CRL, CA_KEY, CERT_CHAIN, Form, ROOT_CERT, SecretFiles};
use crate::mesh::secret_files::{TLS_CERT, TLS_KEY, TLS_ROOT};
use crate::pki::certificate::Certificate;
use crate::pki::key_file::{Belongs, KeyFile};
use crate::pki::pem_blocks::PemText;
use crate::problem::Problem;

/// Everything that checks and predictions look at.
pub(in crate::mesh) struct Material<'a> {
    pub(in crate::mesh) files: &'a SecretFiles,
    pub(in crate::mesh) circumstances: &'a Circumstances<'a>,
    pub(in crate::mesh) now: OffsetDateTime,
    pub(in crate::mesh) form: Form,
    /// `ca-cert.pem` or `tls.crt`.
    pub(in crate::mesh) signer: PublicFile,
    /// `cert-chain.pem`, or what istiod puts together of `tls.crt` and `ca.crt`.
    pub(in crate::mesh) chain: PublicFile,
    /// `root-cert.pem` or `ca.crt`.
    pub(in crate::mesh) roots: PublicFile,
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
    /// Whether it is the key of the signer; `None`: one of the two cannot be read.
    pub(in crate::mesh) belongs: Option<Belongs>,
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
            Form::Istio => (
                PublicFile::of(CA_CERT, bytes(CA_CERT)),
                PublicFile::of(CERT_CHAIN, bytes(CERT_CHAIN)),
                ROOT_CERT,
                CA_KEY,
            ),
            Form::Tls => {
                let both = [files.get(TLS_CERT), files.get(TLS_ROOT)];
                let joined = both.iter().flatten().flat_map(|part| part.iter().copied()).collect();
                let chain = PublicFile::of("the chain of tls.crt and ca.crt", Some(joined));
                (PublicFile::of(TLS_CERT, bytes(TLS_CERT)), chain, TLS_ROOT, TLS_KEY)
            }
        };
        let roots = PublicFile::of(roots, bytes(roots));
        let first = signer.entries.first().and_then(|entry| entry.certificate.as_ref().ok());
        let key = files.get(key_name).map(|value| {
            let text = PemText::read(value);
            let key = text.as_ref().map_err(Clone::clone).and_then(KeyFile::read);
            let belongs = key.as_ref().ok().zip(first).map(|(key, signer)| key.belongs_to(signer));
            KeyText { text, key, belongs }
        });
        let crl = files.get(CA_CRL).filter(|_| form == Form::Istio).map(CrlFile::read);
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
