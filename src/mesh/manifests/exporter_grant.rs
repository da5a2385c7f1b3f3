//! What an exporter in a cluster may do: read the ConfigMaps with the public status, each by its name, and nothing else.

use crate::mesh::fleet::Mesh;
use crate::mesh::manifests::api_rule;
use crate::mesh::manifests::installation::STATUS;
use crate::mesh::manifests::kube_object::{NAMESPACE, Object, Subject};
use crate::mesh::status_part::part_names;

/// The name of its Role, of its service account and of the namespace of that.
pub const EXPORTER: &str = "meshca-exporter";

/// Whom the cluster knows the exporter as, unless somebody says otherwise: an account outside of the namespace of the keys.
#[must_use]
pub fn usual_subject() -> Subject {
    Subject::Account { namespace: EXPORTER.to_owned(), name: EXPORTER.to_owned() }
}

/// The Role in the namespace that the status lies in, and its binding; for the usual subject also its namespace and account.
#[must_use]
pub fn objects(mesh: &Mesh, subject: &Subject) -> Vec<Object> {
    let mut objects = Vec::new();
    if *subject == usual_subject() {
        objects.push(Object::restricted_namespace(EXPORTER));
        objects.push(Object::account(EXPORTER, EXPORTER));
    }
    let rules = api_rule::to_watch(part_names(STATUS, mesh.clusters.len()));
    objects.extend(Object::role_and_binding(Some(NAMESPACE), EXPORTER, rules, subject));
    objects
}
