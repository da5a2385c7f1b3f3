//! `manifests dashboard`: the dashboard upon the metrics. Nothing is looked at.

use crate::mesh::cluster_label::ClusterLabel;
use crate::mesh::manifests::dashboard;
use crate::mesh::manifests::kube_object::Object;

/// What is asked for.
#[derive(Debug)]
pub struct Order<'a> {
    /// The namespace of the ConfigMap; `None`: meshca's own.
    pub namespace: Option<&'a str>,
    /// Labels that it has besides the one by which Grafana's sidecar finds it.
    pub labels: &'a [(String, String)],
    /// What the series call the label that names the cluster.
    pub cluster_label: &'a ClusterLabel,
}

/// The dashboard as Grafana imports it, and the ConfigMap by which Grafana's sidecar finds it.
#[must_use]
pub fn run(order: &Order<'_>) -> (String, Object) {
    let text = dashboard::text(order.cluster_label);
    let object = dashboard::object(&text, order.namespace, order.labels);
    (text, object)
}
