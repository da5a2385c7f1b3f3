//! A leaked key, as a part of documents for machines. Its keys are a contract, its comments the descriptions in the JSON
//! Schema of a report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mesh::fleet::ClusterName;
use crate::mesh::leak::{KeyOwner, Leak};

/// A leaked key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeakPart {
    /// What the mesh file calls leaked: SHA-256 of the certificate.
    pub fingerprint: String,
    /// Whose key it is.
    #[schemars(extend("enum" = ["root", "issuing", "intermediate", "nobody"]))]
    pub owner: String,
    /// Null: it is no root and no issuing CA.
    pub name: Option<String>,
    /// How far the way out has come.
    pub phase: String,
    /// How bad.
    #[schemars(extend("enum" = ["warning", "critical"]))]
    pub severity: String,
    /// Clusters that it does not reach any more.
    pub protected: Vec<String>,
    /// Clusters that it reaches, and why.
    pub not_protected: Vec<ExposedPart>,
    /// The next command, without the program's name. Null: something is to be written into the mesh file.
    pub next_command: Option<String>,
    /// What to do next.
    pub next: String,
}

/// A cluster that a leaked key reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExposedPart {
    /// Which one.
    pub cluster: String,
    /// Why.
    pub why: String,
}

impl LeakPart {
    /// The part for a document.
    #[must_use]
    pub fn of(leak: &Leak) -> Self {
        let (owner, name) = match &leak.owner {
            KeyOwner::Root(name) => ("root", Some(name.clone())),
            KeyOwner::Issuing { name, .. } => ("issuing", Some(name.clone())),
            KeyOwner::Intermediate(_) => ("intermediate", None),
            KeyOwner::Nobody => ("nobody", None),
        };
        let exposed =
            leak.exposed.iter().map(|it| ExposedPart { cluster: it.cluster.to_string(), why: it.why.clone() });
        Self {
            fingerprint: leak.fingerprint.to_string(),
            owner: owner.to_owned(),
            name,
            phase: leak.phase.as_str().to_owned(),
            severity: leak.severity().as_str().to_owned(),
            protected: leak.protected.iter().map(ClusterName::to_string).collect(),
            not_protected: exposed.collect(),
            next_command: leak.next_command(),
            next: leak.problem().advice().unwrap_or_default().to_owned(),
        }
    }
}
