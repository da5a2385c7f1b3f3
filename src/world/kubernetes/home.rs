//! The cluster that meshca runs in: its own objects there, each by name.

use crate::mesh::fleet::{Access, Cluster, ClusterName, Istiod, Membership, Role, TrustBundle};
use crate::problem::{Code, Problem};

/// The home as a conversation knows a cluster: how it is reached, and the namespace of meshca's objects.
///
/// # Errors
/// None that can come about: the name is one.
pub(super) fn home(access: &Access, namespace: &str) -> Result<Cluster, Problem> {
    let name = ClusterName::parse("home").ok_or_else(|| Problem::new(Code::BadArgument, "home is no name"))?;
    Ok(Cluster {
        name,
        network: None,
        role: Role::Primary,
        namespace: namespace.to_owned(),
        state: Membership::Member,
        access: access.clone(),
        istiod: Istiod::default(),
        trust_bundle: TrustBundle::ConfigMap(String::new()),
    })
}

/// The problem with the hint that fits: what meshca may do at home is in what `manifests` prints, and not in the mesh
/// file's clusters.
pub(super) fn at_home(problem: Problem) -> Problem {
    if problem.code() == Code::NotAllowed {
        return problem.hint("apply what `meshca manifests daemon` prints");
    }
    problem
}
