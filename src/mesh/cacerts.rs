//! Istio's Secret `cacerts`: its names, its four files, and how one set is put together.
//!
//! Names and meaning: Istio, `security/pkg/pki/ca/ca.go`.

use crate::pki::certificate::Certificate;
use crate::pki::secret::Secret;
use crate::pki::signing_key::SigningKey;

/// The name of the Secret.
pub const SECRET_NAME: &str = "cacerts";
/// The signer's certificate.
pub const CA_CERT: &str = "ca-cert.pem";
/// The signer's private key.
pub const CA_KEY: &str = "ca-key.pem";
/// What workloads get after their own certificate.
pub const CERT_CHAIN: &str = "cert-chain.pem";
/// What workloads trust; may hold several roots.
pub const ROOT_CERT: &str = "root-cert.pem";
/// Revocation lists, optional.
pub const CA_CRL: &str = "ca-crl.pem";
/// The four files of a set, in the order in which they are written.
pub const FILES: [&str; 4] = [CA_CERT, CA_KEY, CERT_CHAIN, ROOT_CERT];
/// The signer's certificate in the form of a `kubernetes.io/tls` Secret; its mere presence makes istiod read that form.
pub const TLS_CERT: &str = "tls.crt";
/// The signer's private key in that form.
pub const TLS_KEY: &str = "tls.key";
/// The roots in that form.
pub const TLS_ROOT: &str = "ca.crt";
/// Marks a Secret that istiod made for itself.
pub const ISTIO_GENERATED: &str = "istio-generated";
/// The Secret in which istiod keeps a self-signed CA.
pub const SELF_SIGNED_SECRET: &str = "istio-ca-secret";
/// The Secret in which a key waits for its certificate.
pub const WAITING_SECRET: &str = "meshca-next";
/// The annotation by which the namespace of a remote names the control planes that may hand it their trust bundle.
pub const CONTROL_PLANES: &str = "topology.istio.io/controlPlaneClusters";
/// The ConfigMap in which istiod hands out its roots.
pub const ROOT_CONFIG_MAP: &str = "istio-ca-root-cert";

/// One complete set for one target. Every value ends with a newline, since istiod and others glue values together.
#[derive(Debug, Clone)]
pub struct Cacerts {
    signer: Certificate,
    chain: String,
    roots: Vec<u8>,
    key: Secret,
    spki: Vec<u8>,
}

impl Cacerts {
    /// Puts a set together: the signer and its key; the tiers above it without the root, nearest first; the trust
    /// bundle, byte for byte; and whether the chain ends with the root.
    ///
    /// Nothing is verified here: the signer was proved when it was signed.
    #[must_use]
    pub fn assemble(
        signer: Certificate,
        key: &SigningKey,
        upper: &[&Certificate],
        root: Option<&Certificate>,
        bundle: &[u8],
    ) -> Self {
        let above = upper.iter().copied().chain(root).map(Certificate::pem);
        let chain = std::iter::once(signer.pem()).chain(above).collect();
        let mut roots = bundle.to_vec();
        if roots.last() != Some(&b'\n') {
            roots.push(b'\n');
        }
        Self { chain, roots, key: key.pkcs8_pem(), spki: key.spki(), signer }
    }

    /// A set that is there already, with another trust bundle: signer, chain and key stay byte for byte. `key` is the
    /// value `ca-key.pem` that was read there, `spki` its public half.
    ///
    /// Nothing is verified here but that the two belong together. `None`: they do not.
    #[must_use]
    pub fn rebundled(signer: Certificate, chain: String, key: Secret, spki: Vec<u8>, bundle: &[u8]) -> Option<Self> {
        (spki == signer.spki()).then(|| Self { chain, roots: bundle.to_vec(), key, spki, signer })
    }

    /// The signer's certificate.
    #[must_use]
    pub const fn signer(&self) -> &Certificate {
        &self.signer
    }

    /// The trust bundle: the roots that it would bring.
    #[must_use]
    pub fn bundle(&self) -> &[u8] {
        &self.roots
    }

    /// The four files: name and bytes. One of them is the private key.
    #[must_use]
    pub fn files(&self) -> [(&'static str, Secret); 4] {
        [
            (CA_CERT, Secret::new(self.signer.pem().into_bytes())),
            (CA_KEY, self.key.clone()),
            (CERT_CHAIN, Secret::new(self.chain.clone().into_bytes())),
            (ROOT_CERT, Secret::new(self.roots.clone())),
        ]
    }

    /// The public files: name and bytes, without the key.
    #[must_use]
    pub fn public_files(&self) -> [(&'static str, Vec<u8>); 3] {
        [
            (CA_CERT, self.signer.pem().into_bytes()),
            (CERT_CHAIN, self.chain.clone().into_bytes()),
            (ROOT_CERT, self.roots.clone()),
        ]
    }

    /// The public half of its key as a SubjectPublicKeyInfo.
    #[must_use]
    pub fn key_spki(&self) -> &[u8] {
        &self.spki
    }
}
