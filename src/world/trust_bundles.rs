//! The trust bundles that clusters show their workloads, and nothing else of those clusters.

use time::Duration;

use crate::mesh::fleet::Cluster;
#[cfg(not(feature = "k8s"))]
use crate::problem::Code;
use crate::problem::Problem;
#[cfg(feature = "k8s")]
use crate::world::kubernetes::{api_servers::ApiServers, target};
#[cfg(feature = "k8s")]
use crate::world::targets::spread;

/// The bundle of one cluster; `Ok(None)`: it has none there.
pub type Answer = Result<Option<Vec<u8>>, Problem>;

/// Clusters looked at in one moment.
#[cfg(feature = "k8s")]
const AT_ONCE: usize = 64;

/// Asks each cluster, many at once, within this deadline each. Answers are in the order of the clusters.
///
/// # Errors
/// `not-built-in`, where this build speaks to no API server.
#[cfg(feature = "k8s")]
pub fn look(clusters: &[Cluster], deadline: Duration) -> Result<Vec<Answer>, Problem> {
    let servers = ApiServers::new(deadline);
    Ok(spread(clusters, AT_ONCE.min(clusters.len()), |cluster| target::trust_bundle(&servers, cluster)))
}

/// Asks nobody: this build speaks to no API server.
///
/// # Errors
/// `not-built-in`.
#[cfg(not(feature = "k8s"))]
pub fn look(_: &[Cluster], _: Duration) -> Result<Vec<Answer>, Problem> {
    let what = "contexts are reached through the Kubernetes API, for which this meshca was not built";
    Err(Problem::new(Code::NotBuiltIn, what).hint("build it with the feature k8s"))
}
