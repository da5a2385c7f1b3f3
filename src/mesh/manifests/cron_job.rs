//! How `rotate` runs in a cluster: as a CronJob in a namespace of its own, with nothing it does not need.

use std::path::PathBuf;

use time::{Duration, OffsetDateTime};

use crate::mesh::fleet::{Access, Mesh};
use crate::mesh::manifests::job_spec::{
    Capabilities, Container, ContainerSecurity, ExitCodes, FailurePolicy, FailureRule, Item, JobSpec, Labelled, Limits,
    Mount, Named, PodSecurity, PodSpec, Projected, Requests, Resources, RunSpec, Seccomp, SecretVolume, Source,
    Template, Volume, VolumeKind,
};
use crate::mesh::manifests::kube_object::{ACCOUNT, NAMESPACE, Object};
use crate::mesh::manifests::label::{Labels, labels};
use crate::mesh::manifests::pod_files::{self, FOLDER, MESH_FILE, PASSPHRASE, PASSPHRASE_FOLDER, SecretFile};
use crate::mesh::manifests::schedule::Schedule;
use crate::problem::Problem;

/// The Secret with certificates and sealed keys.
pub const MATERIAL_SECRET: &str = "meshca-material";
/// The Secret with what opens them.
pub const PASSPHRASE_SECRET: &str = "meshca-passphrase";
/// The Secret with the kubeconfig files.
pub const KUBECONFIG_SECRET: &str = "meshca-kubeconfig";
const MESH_FILE_CONFIG_MAP: &str = "meshca-mesh-file";
const JOB: &str = "meshca-rotate";

/// A user and group that is nobody's.
const NOBODY: u32 = 65_532;
/// Only its owner reads; the kubelet adds the group of the pod.
const OWNER_READS: u32 = 0o400;
/// A run that failed is tried once more: an API server may be back by then. The next tick tries again anyway.
const RETRIES: u32 = 1;
/// What a Job waits for besides targets: a node, an image, the passphrase's stretching.
const START: Duration = Duration::minutes(10);
/// A finished Job is kept this long, for those who read its log.
const KEPT: Duration = Duration::days(7);

/// What is asked for.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The container image.
    pub image: &'a str,
    /// When it starts; `None`: as `rotation.tick` says.
    pub schedule: Option<Schedule>,
    /// The mesh file, letter for letter.
    pub text: &'a str,
    /// The mesh that it declares, read where it lies.
    pub here: &'a Mesh,
    /// The same, read where the pod has it.
    pub in_pod: &'a Mesh,
    /// The files that the pod needs, as paths below the material folder.
    pub material: &'a [PathBuf],
    /// When its issuing CA ends, if it has one.
    pub issuing_ends: Option<OffsetDateTime>,
}

/// What it takes to run `rotate` in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// What to apply.
    pub objects: Vec<Object>,
    /// What the Secret with the material has to hold.
    pub material: Vec<SecretFile>,
    /// What the Secret with kubeconfig files has to hold; empty: it is not needed.
    pub kubeconfigs: Vec<SecretFile>,
    /// When the issuing CA in it ends; `None`: it holds intermediates instead.
    pub issuing_ends: Option<OffsetDateTime>,
}

/// The objects and files.
///
/// # Errors
/// `unfit-for-a-pod`, `tick-without-schedule`; all of them.
pub fn installation(wish: &Wish<'_>) -> Result<Installation, Vec<Problem>> {
    let mut problems = pod_files::unfit(wish.here, wish.text);
    let mut kept = |problem: Problem| problems.push(problem);
    let material = pod_files::material(wish.here, wish.in_pod, wish.material).map_err(&mut kept).ok();
    let kubeconfigs = pod_files::kubeconfigs(wish.here, wish.in_pod).map_err(&mut kept).ok();
    let schedule = match &wish.schedule {
        Some(schedule) => Some(schedule.clone()),
        None => Schedule::every(wish.here.rotation.tick).map_err(&mut kept).ok(),
    };
    let (Some(material), Some(kubeconfigs), Some(schedule), []) =
        (material, kubeconfigs, schedule, problems.as_slice())
    else {
        return Err(problems);
    };
    let pod = pod(wish, &material, &kubeconfigs);
    let objects = vec![
        Object::own_namespace(),
        Object::account(NAMESPACE, ACCOUNT),
        Object::config_map(MESH_FILE_CONFIG_MAP, MESH_FILE, wish.text),
        Object::cron_job(JOB, job(schedule, pod, wish.here)),
    ];
    Ok(Installation { objects, material, kubeconfigs, issuing_ends: wish.issuing_ends })
}

fn job(schedule: Schedule, pod: PodSpec, mesh: &Mesh) -> JobSpec {
    let inject = ("sidecar.istio.io/inject", "false".to_owned());
    let labels: Labels = labels().into_iter().chain([inject]).collect();
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
                template: Template { metadata: Some(Labelled { labels }), spec: pod },
            },
        },
    }
}

fn pod(wish: &Wish<'_>, material: &[SecretFile], kubeconfigs: &[SecretFile]) -> PodSpec {
    let items = |files: &[SecretFile]| files.iter().map(|it| Item::new(&it.key, &it.path)).collect::<Vec<_>>();
    let mut sources = vec![
        Source::ConfigMap(Named { name: MESH_FILE_CONFIG_MAP, items: vec![Item::new(MESH_FILE, MESH_FILE)] }),
        Source::Secret(Named { name: MATERIAL_SECRET, items: items(material) }),
    ];
    if !kubeconfigs.is_empty() {
        sources.push(Source::Secret(Named { name: KUBECONFIG_SECRET, items: items(kubeconfigs) }));
    }
    let passphrase = SecretVolume {
        secret_name: PASSPHRASE_SECRET,
        default_mode: OWNER_READS,
        items: vec![Item::new(PASSPHRASE, PASSPHRASE)],
    };
    let mount = |name, mount_path| Mount { name, mount_path, read_only: true };
    PodSpec {
        service_account_name: ACCOUNT,
        automount_service_account_token: wish.here.clusters.iter().any(|it| it.access == Access::InCluster),
        enable_service_links: false,
        restart_policy: "Never",
        security_context: PodSecurity {
            run_as_non_root: true,
            run_as_user: NOBODY,
            run_as_group: NOBODY,
            fs_group: NOBODY,
            seccomp_profile: Seccomp { kind: "RuntimeDefault" },
        },
        containers: [Container {
            name: "meshca",
            image: wish.image.to_owned(),
            args: vec![
                "rotate".to_owned(),
                "-f".to_owned(),
                format!("{FOLDER}/{MESH_FILE}"),
                "--passphrase-file".to_owned(),
                format!("{PASSPHRASE_FOLDER}/{PASSPHRASE}"),
            ],
            security_context: ContainerSecurity {
                allow_privilege_escalation: false,
                read_only_root_filesystem: true,
                capabilities: Capabilities { drop: ["ALL"] },
            },
            resources: Resources {
                requests: Requests { cpu: "50m", memory: "64Mi" },
                limits: Limits { memory: "128Mi" },
            },
            volume_mounts: [mount("config", FOLDER), mount("passphrase", PASSPHRASE_FOLDER)],
        }],
        volumes: vec![
            Volume { name: "config", kind: VolumeKind::Projected(Projected { default_mode: OWNER_READS, sources }) },
            Volume { name: "passphrase", kind: VolumeKind::Secret(passphrase) },
        ],
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
