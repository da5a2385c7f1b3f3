//! The mark by which a set is known as ours: annotations on a Secret, and the same words beside a directory's files.

use std::collections::BTreeMap;

use crate::mesh::fleet::ClusterName;
use crate::mesh::taint::{self, Taint};
use crate::mesh::walk_mark::WalkMark;

/// What meshca wrote about a set when it published it. It says whose the set is; what the set holds is read from the
/// set itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// The mesh.
    pub mesh: String,
    /// The cluster that the set was made for.
    pub cluster: String,
    /// The generation of the intermediate: 1, 2, 3 …
    pub generation: u32,
    /// The serial number of the intermediate.
    pub serial: String,
    /// What the cluster is in the mesh, for people; nothing is decided by it.
    pub role: Option<String>,
    /// What is noted for the walk from one root to the next; `None`: the set has no part in one.
    pub walk: Option<Box<WalkMark>>,
    /// Intermediates that the target had and whose key may be in other hands.
    pub tainted: Vec<Taint>,
}

const MESH: &str = "meshca.io/mesh";
const CLUSTER: &str = "meshca.io/cluster";
const GENERATION: &str = "meshca.io/generation";
const SERIAL: &str = "meshca.io/serial";
const ROLE: &str = "meshca.io/role";
const TAINTED: &str = "meshca.io/tainted";
const ROOT_CHANGE: &str = "meshca.io/root-change";

impl Ownership {
    /// The mark of a set that is about to be published.
    #[must_use]
    pub fn new(mesh: &str, cluster: &ClusterName, generation: u32, serial: String) -> Self {
        Self {
            mesh: mesh.to_owned(),
            cluster: cluster.to_string(),
            generation,
            serial,
            role: None,
            walk: None,
            tainted: Vec::new(),
        }
    }

    /// The same, of a cluster in this role.
    #[must_use]
    pub fn in_role(self, role: &str) -> Self {
        Self { role: Some(role.to_owned()), ..self }
    }

    /// The same, with this note for a walk.
    #[must_use]
    pub fn walking(self, walk: Option<WalkMark>) -> Self {
        Self { walk: walk.map(Box::new), ..self }
    }

    /// The same, with these tainted intermediates.
    #[must_use]
    pub fn tainted(self, tainted: Vec<Taint>) -> Self {
        Self { tainted, ..self }
    }

    /// As annotations.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<String, String> {
        [
            (MESH, self.mesh.clone()),
            (CLUSTER, self.cluster.clone()),
            (GENERATION, self.generation.to_string()),
            (SERIAL, self.serial.clone()),
        ]
        .into_iter()
        .chain(self.role.clone().map(|role| (ROLE, role)))
        .chain((!self.tainted.is_empty()).then(|| (TAINTED, taint::text(&self.tainted))))
        .chain(self.walk.as_ref().map(|walk| (ROOT_CHANGE, walk.text())))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// As labels, for people who select and list by them; nothing is read from these.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        [("app.kubernetes.io/managed-by", "meshca".to_owned()), (GENERATION, self.generation.to_string())]
            .into_iter()
            .chain(self.role.clone().map(|role| (ROLE, role)))
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// From annotations; `None` when one is missing or is not what we write.
    #[must_use]
    pub fn from_annotations(annotations: &BTreeMap<String, String>) -> Option<Self> {
        Some(Self {
            mesh: annotations.get(MESH)?.clone(),
            cluster: annotations.get(CLUSTER)?.clone(),
            generation: annotations.get(GENERATION)?.parse().ok()?,
            serial: annotations.get(SERIAL)?.clone(),
            role: annotations.get(ROLE).cloned(),
            tainted: annotations.get(TAINTED).map(|text| taint::parse(text)).unwrap_or_default(),
            walk: annotations.get(ROOT_CHANGE).and_then(|text| WalkMark::parse(text)).map(Box::new),
        })
    }
}
