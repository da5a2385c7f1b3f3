//! What the material folder holds, public parts only: roots, issuing CAs and the stock of prepared intermediates.

use crate::mesh::fleet::{ClusterName, Mesh};
use crate::pki::certificate::Certificate;
use crate::problem::{Code, Problem};

/// Everything the material folder holds. Nothing here is trusted by lying there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Roots, by generation.
    pub roots: Vec<Held>,
    /// Issuing CAs, by generation.
    pub issuing: Vec<Held>,
    /// Prepared intermediates, by cluster and generation.
    pub stock: Vec<Prepared>,
}

/// A CA certificate and its generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// 1, 2, 3 …
    pub generation: u32,
    /// The certificate.
    pub certificate: Certificate,
}

/// An intermediate that lies ready for one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// For which cluster.
    pub cluster: ClusterName,
    /// 1, 2, 3 …, counted for each cluster.
    pub generation: u32,
    /// The intermediate.
    pub signer: Certificate,
    /// The tiers above it, nearest first, without the root.
    pub upper: Vec<Certificate>,
}

impl Holdings {
    /// The root that the unattended side may use now: of those pinned in the mesh file the oldest, or, where nothing
    /// is pinned, the founding one (generation 1). A root that merely appears in the folder is not used.
    ///
    /// # Errors
    /// `no-usable-root`.
    pub fn anchor(&self, mesh: &Mesh) -> Result<&Held, Problem> {
        let pins = &mesh.root.trusted;
        self.roots
            .iter()
            .find(|root| match pins.as_slice() {
                [] => root.generation == 1,
                pins => pins.contains(&root.certificate.fingerprint()),
            })
            .ok_or_else(|| {
                let held: Vec<String> =
                    self.roots.iter().map(|root| root.certificate.fingerprint().to_string()).collect();
                let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
                let wanted = match pins.as_slice() {
                    [] => "the founding root, generation 1".to_owned(),
                    pins => pins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                };
                Problem::new(Code::NoUsableRoot, format!("{} holds no root that may be used", mesh.material.display()))
                    .fact(format!("held    {held}"))
                    .fact(format!("wanted  {wanted}"))
                    .hint("meshca root create   makes the first one; root.trusted in the mesh file pins another")
            })
    }

    /// The issuing CAs that the anchor signed, newest last. The signature on each is verified.
    #[must_use]
    pub fn issuing_under(&self, anchor: &Certificate) -> Vec<&Held> {
        self.issuing
            .iter()
            .filter(|held| {
                held.certificate.issuer() == anchor.subject() && held.certificate.is_signed_by(anchor.spki())
            })
            .collect()
    }

    /// The highest generation in stock for this cluster; 0: nothing was prepared.
    #[must_use]
    pub fn newest_prepared(&self, cluster: &ClusterName) -> u32 {
        self.stock.iter().filter(|it| it.cluster == *cluster).map(|it| it.generation).max().unwrap_or(0)
    }
}
