//! A PEM text together with the certificates in it, which are parsed once, when it comes.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::pki::certificate::Certificate;
use crate::pki::pem_lines;
use crate::pki::read_pem;

/// A PEM text as somebody keeps it, byte for byte. A copy costs nothing: all of them share text and certificates.
///
/// Whatever asks for the certificates of a set again and again, as a plan over thousands of targets does, asks one of these.
#[derive(Clone)]
pub struct CertificatePem {
    bytes: Arc<[u8]>,
    certificates: Arc<[Certificate]>,
    is_clean: bool,
}

impl CertificatePem {
    /// The readable certificates, in their order; whatever cannot be read is passed over.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Whether every reader of PEM in a mesh finds the same blocks in it ([`pem_lines::are_clean`]).
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.is_clean
    }
}

impl From<Vec<u8>> for CertificatePem {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            certificates: read_pem::certificates(&bytes),
            is_clean: pem_lines::are_clean(&bytes),
            bytes: bytes.into(),
        }
    }
}

impl Deref for CertificatePem {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

// The certificates are read from these bytes.
impl PartialEq for CertificatePem {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for CertificatePem {}

impl fmt::Debug for CertificatePem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CertificatePem").field(&String::from_utf8_lossy(&self.bytes)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = include_str!("../../pki-fixtures/foreign/istio-samples/root-cert.pem");

    #[test]
    fn a_text_is_kept_byte_for_byte_with_what_can_be_read_in_it() {
        let bytes = format!("# ours\n{ROOT}-----BEGIN CERTIFICATE-----\nnonsense\n").into_bytes();
        let text = CertificatePem::from(bytes.clone());
        assert_eq!(*text, *bytes);
        assert!(text.is_clean() && !CertificatePem::from(format!(" {ROOT}").into_bytes()).is_clean());
        assert_eq!(text.certificates().len(), 1);
        assert_ne!(text, CertificatePem::from(ROOT.as_bytes().to_vec()));
        assert_eq!(text, CertificatePem::from(bytes));
        assert!(format!("{text:?}").contains("# ours"));
        assert!(Arc::ptr_eq(&text.certificates, &text.clone().certificates));
    }
}
