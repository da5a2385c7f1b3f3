//! One signing key in two clusters: whoever takes it in one of them speaks for both, and neither can be renewed alone.

use std::collections::BTreeMap;

use crate::mesh::fleet::ClusterName;
use crate::mesh::observed::Observed;
use crate::problem::{Code, Problem};

/// Refuses a key that another cluster holds already.
///
/// # Errors
/// `shared-signing-key`, naming both clusters.
pub fn refuse(
    key_spki: &[u8],
    cluster: &ClusterName,
    observed: &BTreeMap<ClusterName, Observed>,
) -> Result<(), Problem> {
    let holds = |other: &&Observed| {
        let there = other.secret.as_ref().ok().and_then(Option::as_ref);
        other.cluster != *cluster && there.is_some_and(|there| there.key_spki.as_deref() == Some(key_spki))
    };
    match observed.values().find(holds) {
        None => Ok(()),
        Some(other) => Err(Problem::new(
            Code::SharedSigningKey,
            format!("the key that would be published to {cluster} is the one that {} signs with", other.cluster),
        )
        .hint(format!("meshca issue {cluster}   makes a key of its own"))),
    }
}
