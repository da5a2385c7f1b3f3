//! `rotate --watch` as a Deployment: two replicas, of which the one that holds the Lease works.

use crate::mesh::manifests::deployment_spec::{DeploymentSpec, RollingUpdate, Selector, Strategy};
use crate::mesh::manifests::job_spec::{Labelled, PodSpec, Template};
use crate::mesh::manifests::label::pod_labels;

/// The value of the label that tells its pods from those of Jobs.
const PART: &str = "daemon";
/// One works, one stands by.
const REPLICAS: u32 = 2;

/// The Deployment of this pod.
pub(in crate::mesh::manifests) fn deployment(pod: PodSpec) -> DeploymentSpec {
    let labels = pod_labels(PART);
    DeploymentSpec {
        replicas: REPLICAS,
        selector: Selector::of(&labels),
        // One after the other: never more replicas than two, and always one that can take the Lease.
        strategy: Strategy {
            kind: "RollingUpdate",
            rolling_update: RollingUpdate { max_unavailable: 1, max_surge: 0 },
        },
        template: Template { metadata: Some(Labelled { labels }), spec: pod },
    }
}
