//! The mark by which a set is known as ours: annotations on a Secret, and the same words beside a directory's files.

use std::collections::BTreeMap;

use crate::mesh::fleet::ClusterName;

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
}

const MESH: &str = "meshca.io/mesh";
const CLUSTER: &str = "meshca.io/cluster";
const GENERATION: &str = "meshca.io/generation";
const SERIAL: &str = "meshca.io/serial";
const ROLE: &str = "meshca.io/role";

impl Ownership {
    /// The mark of a set that is about to be published.
    #[must_use]
    pub fn new(mesh: &str, cluster: &ClusterName, generation: u32, serial: String) -> Self {
        Self { mesh: mesh.to_owned(), cluster: cluster.to_string(), generation, serial, role: None }
    }

    /// The same, of a cluster in this role.
    #[must_use]
    pub fn in_role(self, role: &str) -> Self {
        Self { role: Some(role.to_owned()), ..self }
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
        })
    }
}
