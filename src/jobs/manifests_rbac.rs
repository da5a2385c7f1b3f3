//! `manifests rbac`: what each cluster has to grant meshca. Nothing is looked at but the mesh file.

use crate::mesh::fleet::{ClusterName, Mesh};
use crate::mesh::manifests::grant::{self, Grant};
use crate::mesh::manifests::kube_object::Subject;
use crate::problem::Problem;

/// The grants of these clusters, or of all that are reached through the Kubernetes API. `restartable` are the Deployments
/// of istiod that may be restarted where the mesh file says so; none: `istiod`.
///
/// # Errors
/// `unknown-cluster`, `no-api-access`.
pub fn run<'a>(
    mesh: &'a Mesh,
    clusters: &[ClusterName],
    subject: &Subject,
    restartable: &[String],
) -> Result<Vec<Grant<'a>>, Problem> {
    grant::grants(mesh, clusters, subject, restartable)
}
