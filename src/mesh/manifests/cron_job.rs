//! When and how often a tick runs as a Job: the `spec` of a CronJob.

use time::Duration;

use crate::mesh::fleet::Mesh;
use crate::mesh::manifests::job_spec::{
    ExitCodes, FailurePolicy, FailureRule, JobSpec, Labelled, PodSpec, RunSpec, Template,
};
use crate::mesh::manifests::label::pod_labels;
use crate::mesh::manifests::schedule::Schedule;

/// A run that failed is tried once more: an API server may be back by then. The next tick tries again anyway.
const RETRIES: u32 = 1;
/// What a Job waits for besides targets: a node, an image, the passphrase's stretching.
const START: Duration = Duration::minutes(10);
/// A finished Job is kept this long, for those who read its log.
const KEPT: Duration = Duration::days(7);

/// One tick at each of these times.
pub(in crate::mesh::manifests) fn job(schedule: Schedule, pod: PodSpec, mesh: &Mesh) -> JobSpec {
    JobSpec {
        schedule,
        time_zone: "Etc/UTC",
        concurrency_policy: "Forbid",
        starting_deadline_seconds: starting_deadline(mesh.rotation.tick),
        successful_jobs_history_limit: 3,
        failed_jobs_history_limit: 3,
        job_template: Template {
            metadata: None,
            spec: RunSpec {
                backoff_limit: RETRIES,
                active_deadline_seconds: active_deadline(mesh),
                ttl_seconds_after_finished: seconds(KEPT),
                pod_failure_policy: FailurePolicy {
                    rules: [FailureRule {
                        action: "FailJob",
                        on_exit_codes: ExitCodes { container_name: "meshca", operator: "In", values: [2, 3, 4] },
                    }],
                },
                template: Template { metadata: Some(Labelled { labels: pod_labels("rotate") }), spec: pod },
            },
        },
    }
}

/// A start that was missed is made up for within a quarter of a tick; below 10 s Kubernetes might never start it.
fn starting_deadline(tick: Duration) -> i64 {
    seconds(tick / 4).max(60)
}

/// The longest that a run and its repetition may take, with every target at its deadline: all are looked at, the canary
/// is written alone, then the others, then all are looked at again.
fn active_deadline(mesh: &Mesh) -> i64 {
    let rotation = &mesh.rotation;
    let waves = |targets: usize, width: usize| i64::try_from(targets.div_ceil(width.max(1))).unwrap_or(i64::MAX);
    let signing = mesh.clusters.iter().filter(|cluster| cluster.role.has_cacerts()).count();
    let looks = waves(mesh.clusters.len(), rotation.observe).saturating_mul(2);
    let writes = waves(signing, rotation.write).saturating_add(1);
    let run = looks.saturating_add(writes).saturating_mul(rotation.deadline.whole_seconds());
    let all = START.whole_seconds().saturating_add(run.saturating_mul(i64::from(RETRIES) + 1));
    all.min(i64::from(i32::MAX))
}

/// Kubernetes takes some lengths of time as 32 bits.
fn seconds(length: Duration) -> i64 {
    length.whole_seconds().min(i64::from(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::Story;

    #[test]
    fn the_deadline_of_a_run_grows_with_the_waves_of_targets() {
        let mut mesh = Story::new().mesh;
        // Two runs of: two looks, the canary, one wave of writes; 30 s each.
        assert_eq!(active_deadline(&mesh), 600 + 2 * 4 * 30);
        mesh.rotation.observe = 1;
        mesh.rotation.write = 1;
        assert_eq!(active_deadline(&mesh), 600 + 2 * (6 + 3) * 30);
        mesh.rotation.deadline = Duration::days(36_525);
        assert_eq!(active_deadline(&mesh), i64::from(i32::MAX));
    }

    #[test]
    fn a_missed_start_has_a_quarter_of_a_tick_and_never_less_than_a_minute() {
        assert_eq!(starting_deadline(Duration::hours(24)), 6 * 3600);
        assert_eq!(starting_deadline(Duration::minutes(1)), 60);
    }
}
