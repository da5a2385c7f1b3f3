//! `manifests alerts`: the alerts upon meshca's metrics. Nothing is looked at but the mesh file.

use crate::mesh::cluster_label::ClusterLabel;
use crate::mesh::fleet::Mesh;
use crate::mesh::manifests::alerts;
use crate::mesh::manifests::kube_object::Object;

/// What is asked for.
#[derive(Debug)]
pub struct Order<'a> {
    /// The namespace of the `PrometheusRule`; `None`: meshca's own.
    pub namespace: Option<&'a str>,
    /// Labels that it has besides meshca's own.
    pub labels: &'a [(String, String)],
    /// The address of the folder of the runbooks; `None`: their path in the source tree.
    pub runbooks: Option<&'a str>,
    /// What the series call the label that names the cluster.
    pub cluster_label: &'a ClusterLabel,
}

/// The plain rule file, and the object with the same groups; `None`: the rule file cannot be read back.
#[must_use]
pub fn run(mesh: &Mesh, order: &Order<'_>) -> (String, Option<Object>) {
    let text = alerts::text(mesh, order.runbooks, order.cluster_label);
    let object = alerts::object(&text, order.namespace, order.labels);
    (text, object)
}
