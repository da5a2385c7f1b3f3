//! `manifests adoption`: what a cluster has to grant for as long as it is adopted. Nothing is looked at but the mesh file.

use crate::mesh::fleet::{ClusterName, Mesh};
use crate::mesh::manifests::grant::{self, Grant};
use crate::mesh::manifests::kube_object::Subject;
use crate::problem::Problem;

/// The grants of these clusters.
///
/// # Errors
/// `unknown-cluster`, `remote-gets-no-cacerts`, `no-api-access`.
pub fn run<'a>(mesh: &'a Mesh, clusters: &[ClusterName], subject: &Subject) -> Result<Vec<Grant<'a>>, Problem> {
    grant::adoption(mesh, clusters, subject)
}
