//! A leaked key, as a part of documents for machines. Its keys are a contract.

use serde::Serialize;

use crate::mesh::fleet::ClusterName;
use crate::mesh::leak::{KeyOwner, Leak};

/// A leaked key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeakPart<'a> {
    fingerprint: String,
    /// `root`, `issuing`, `intermediate` or `nobody`.
    owner: &'static str,
    /// Null: it is no root and no issuing CA.
    name: Option<&'a str>,
    phase: &'static str,
    severity: &'static str,
    protected: Vec<&'a str>,
    not_protected: Vec<ExposedPart<'a>>,
    /// The next command, without the program's name. Null: something is to be written into the mesh file.
    next_command: Option<String>,
    next: String,
}

#[derive(Debug, Serialize)]
struct ExposedPart<'a> {
    cluster: &'a str,
    why: &'a str,
}

impl<'a> LeakPart<'a> {
    /// The part for a document.
    #[must_use]
    pub fn of(leak: &'a Leak) -> Self {
        let (owner, name) = match &leak.owner {
            KeyOwner::Root(name) => ("root", Some(name.as_str())),
            KeyOwner::Issuing { name, .. } => ("issuing", Some(name.as_str())),
            KeyOwner::Intermediate(_) => ("intermediate", None),
            KeyOwner::Nobody => ("nobody", None),
        };
        let exposed = leak.exposed.iter().map(|it| ExposedPart { cluster: it.cluster.as_str(), why: &it.why });
        Self {
            fingerprint: leak.fingerprint.to_string(),
            owner,
            name,
            phase: leak.phase.as_str(),
            severity: leak.severity().as_str(),
            protected: leak.protected.iter().map(ClusterName::as_str).collect(),
            not_protected: exposed.collect(),
            next_command: leak.next_command(),
            next: leak.problem().advice().unwrap_or_default().to_owned(),
        }
    }
}
