//! `manifests exporter`: what an exporter in a cluster may do there.

use crate::mesh::fleet::Mesh;
use crate::mesh::manifests::exporter_grant;
use crate::mesh::manifests::kube_object::{Object, Subject};

/// The objects to apply in the cluster that meshca runs in.
#[must_use]
pub fn run(mesh: &Mesh, subject: &Subject) -> Vec<Object> {
    exporter_grant::objects(mesh, subject)
}
