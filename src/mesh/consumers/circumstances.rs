//! What a judgement depends on besides the files.

use crate::mesh::secret_files::SecretFiles;

/// Around the files: how istiod runs and what it has loaded.
#[derive(Debug, Clone)]
pub struct Circumstances<'a> {
    /// Whether istiod runs with `ISTIO_MULTIROOT_MESH=true`. Its default is false.
    pub multi_root: bool,
    /// The set that istiod has loaded; `None`: the reload is predicted as if the loaded roots were the same bytes.
    pub loaded: Option<&'a SecretFiles>,
    /// Whether the private key was left out on purpose. Its absence is then no finding, and what depends on it is
    /// listed as not judged.
    pub key_withheld: bool,
    /// The namespace of istiod: its serving certificate carries names of it.
    pub namespace: &'a str,
    /// The trust domain: the host in the SPIFFE URI of every workload certificate.
    pub trust_domain: &'a str,
    /// The minor version of Istio 1, where it is known: up to 29 a change of roots must be a byte-wise extension, from
    /// 30 on a set-wise one. `None`: both rules must allow it.
    pub istio_minor: Option<u32>,
}

impl Default for Circumstances<'_> {
    fn default() -> Self {
        Self {
            multi_root: false,
            loaded: None,
            key_withheld: false,
            namespace: "istio-system",
            trust_domain: "cluster.local",
            istio_minor: None,
        }
    }
}

impl Circumstances<'_> {
    /// The names that istiod's serving certificate always has (`getDNSNames` in `pilot/pkg/bootstrap/server.go`). Those
    /// of a revision and of custom hosts come on top and are not known here.
    pub(in crate::mesh) fn istiod_names(&self) -> Vec<String> {
        ["istiod", "istiod-remote", "istio-pilot"].iter().map(|name| format!("{name}.{}.svc", self.namespace)).collect()
    }
}
