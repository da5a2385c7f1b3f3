//! The `spec` of a PodMonitor, with those fields that meshca writes. Prometheus Operator, `monitoring.coreos.com/v1`.

use serde::Serialize;

use crate::mesh::manifests::deployment_spec::Selector;

/// Which pods of its namespace are scraped, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodMonitorSpec {
    selector: Selector,
    pod_metrics_endpoints: [Endpoint; 1],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    port: &'static str,
    honor_labels: bool,
}

impl PodMonitorSpec {
    /// The pods of this selector, at `/metrics` of the port of this name; labels that they have of themselves are kept.
    pub(in crate::mesh::manifests) const fn of(selector: Selector, port: &'static str) -> Self {
        Self { selector, pod_metrics_endpoints: [Endpoint { port, honor_labels: true }] }
    }
}
