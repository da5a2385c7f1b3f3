//! `rotate --watch` as a Deployment: two replicas, of which the one that holds the Lease works.

use time::Duration;

use crate::mesh::fleet::Mesh;
use crate::mesh::manifests::deployment_spec::{DeploymentSpec, RollingUpdate, Selector, Strategy};
use crate::mesh::manifests::job_spec::{Labelled, PodSpec, Template};
use crate::mesh::manifests::label::{Labels, pod_labels};

/// The value of the label that tells its pods from those of Jobs.
const PART: &str = "daemon";
/// One works, one stands by.
const REPLICAS: u32 = 2;
/// How often a target is visited at most until it is written: three times look, write and look again, and its Event.
const VISITS: i32 = 3 * 3 + 1;
/// For what is no visit: the passphrase's stretching, letting go of the Lease.
const BESIDES: Duration = Duration::seconds(30);

/// The Deployment of this pod.
pub(in crate::mesh::manifests) fn deployment(pod: PodSpec) -> DeploymentSpec {
    let labels = pod_labels(PART);
    let match_labels: Labels = labels.iter().filter(|(name, _)| name.starts_with("app.")).map(owned).collect();
    DeploymentSpec {
        replicas: REPLICAS,
        selector: Selector { match_labels },
        // One after the other: never more replicas than two, and always one that can take the Lease.
        strategy: Strategy {
            kind: "RollingUpdate",
            rolling_update: RollingUpdate { max_unavailable: 1, max_surge: 0 },
        },
        template: Template { metadata: Some(Labelled { labels }), spec: pod },
    }
}

fn owned((name, value): (&&'static str, &String)) -> (&'static str, String) {
    (*name, value.clone())
}

/// How many seconds what is being written may take after SIGTERM: the targets that were begun, which are written at
/// once. Nothing new is begun by then.
pub(in crate::mesh::manifests) fn grace(mesh: &Mesh) -> i64 {
    let visits = mesh.rotation.deadline.checked_mul(VISITS).unwrap_or(Duration::MAX);
    visits.saturating_add(BESIDES).whole_seconds().min(i64::from(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::Story;

    #[test]
    fn the_grace_after_sigterm_is_what_the_deadlines_of_one_target_may_take() {
        let mut mesh = Story::new().mesh;
        assert_eq!(grace(&mesh), 10 * 30 + 30);
        mesh.rotation.deadline = Duration::days(36_525);
        assert_eq!(grace(&mesh), i64::from(i32::MAX));
    }
}
