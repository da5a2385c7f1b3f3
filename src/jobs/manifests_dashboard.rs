//! `manifests dashboard`: the dashboard upon the metrics. Nothing is looked at.

use crate::mesh::manifests::dashboard;
use crate::mesh::manifests::kube_object::Object;

/// The dashboard as Grafana imports it, and the ConfigMap by which Grafana's sidecar finds it.
#[must_use]
pub fn run(namespace: Option<&str>, labels: &[(String, String)]) -> (&'static str, Object) {
    (dashboard::SOURCE, dashboard::object(namespace, labels))
}
