//! The `spec` of a Deployment, with those fields that meshca writes. Kubernetes, `apps/v1`.

use serde::Serialize;

use crate::mesh::manifests::job_spec::{PodSpec, Template};
use crate::mesh::manifests::label::Labels;

/// The `spec` of a Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentSpec {
    pub(in crate::mesh::manifests) replicas: u32,
    pub(in crate::mesh::manifests) selector: Selector,
    pub(in crate::mesh::manifests) strategy: Strategy,
    pub(in crate::mesh::manifests) template: Template<PodSpec>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct Selector {
    match_labels: Labels,
}

impl Selector {
    /// By those of these labels that say what a pod is.
    pub(in crate::mesh::manifests) fn of(labels: &Labels) -> Self {
        let says_what = labels.iter().filter(|(name, _)| name.starts_with("app."));
        Self { match_labels: says_what.map(|(name, value)| (name.clone(), value.clone())).collect() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct Strategy {
    #[serde(rename = "type")]
    pub(in crate::mesh::manifests) kind: &'static str,
    pub(in crate::mesh::manifests) rolling_update: RollingUpdate,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct RollingUpdate {
    pub(in crate::mesh::manifests) max_unavailable: u32,
    pub(in crate::mesh::manifests) max_surge: u32,
}
