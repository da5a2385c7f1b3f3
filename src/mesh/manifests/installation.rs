//! Everything that it takes to run `rotate` in a cluster: the objects, in a namespace of their own, and the files of the
//! Secrets that people make.

use std::path::PathBuf;

use time::OffsetDateTime;

use crate::mesh::fleet::Mesh;
use crate::mesh::manifests::kube_object::{ACCOUNT, NAMESPACE, Object, Subject};
use crate::mesh::manifests::pod::{self, Life, MESH_FILE_CONFIG_MAP};
use crate::mesh::manifests::pod_files::{self, MESH_FILE, SecretFile};
use crate::mesh::manifests::schedule::Schedule;
use crate::mesh::manifests::{api_rule, cron_job, daemon};
use crate::mesh::status_part::part_names;
use crate::problem::Problem;

/// The name of CronJob, Deployment, Lease and Role.
const WORKLOAD: &str = "meshca-rotate";
/// How the names of the ConfigMaps with the status begin.
pub const STATUS: &str = "meshca-status";

/// As what `rotate` runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runs {
    /// One tick at a time.
    CronJob {
        /// When it starts; `None`: as `rotation.tick` says.
        schedule: Option<Schedule>,
        /// Whether it writes the public status into ConfigMaps.
        status: bool,
    },
    /// `rotate --watch`, in two replicas under a Lease. It always writes the status.
    Daemon,
}

impl Runs {
    const fn has_status(&self) -> bool {
        matches!(self, Runs::Daemon | Runs::CronJob { status: true, .. })
    }
}

/// What is asked for.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The container image.
    pub image: &'a str,
    /// As what it runs.
    pub runs: Runs,
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
    /// The present moment.
    pub now: OffsetDateTime,
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
/// `unfit-for-a-pod`, `tick-without-schedule`, `schedule-misses-windows`; all of them.
pub fn installation(wish: &Wish<'_>) -> Result<Installation, Vec<Problem>> {
    let mut problems = pod_files::unfit(wish.here, wish.text);
    let mut kept = |problem: Problem| problems.push(problem);
    let material = pod_files::material(wish.here, wish.in_pod, wish.material).map_err(&mut kept).ok();
    let kubeconfigs = pod_files::kubeconfigs(wish.here, wish.in_pod).map_err(&mut kept).ok();
    // What has no schedule needs none: the daemon is served by any.
    let schedule = match &wish.runs {
        Runs::Daemon => None,
        Runs::CronJob { schedule: Some(schedule), .. } => Some(schedule.clone()),
        Runs::CronJob { schedule: None, .. } => Schedule::every(wish.here.rotation.tick).map_err(&mut kept).ok(),
    };
    if let Some(Err(problem)) = schedule.as_ref().map(|it| it.hits(&wish.here.rotation.windows, wish.now)) {
        problems.push(problem);
    }
    let (Some(material), Some(kubeconfigs), []) = (material, kubeconfigs, problems.as_slice()) else {
        return Err(problems);
    };
    let life = life(wish);
    let names = if wish.runs.has_status() { part_names(STATUS, wish.here.clusters.len()) } else { Vec::new() };
    let rules = api_rule::at_home((wish.runs == Runs::Daemon).then_some(WORKLOAD), names);
    let pod = pod::pod(&pod::Wish { image: wish.image, here: wish.here, life }, &material, &kubeconfigs);
    let mut objects = vec![Object::own_namespace(), Object::account(NAMESPACE, ACCOUNT)];
    if !rules.is_empty() {
        objects.extend(Object::role_and_binding(Some(NAMESPACE), WORKLOAD, rules, &Subject::default()));
    }
    objects.push(Object::config_map(MESH_FILE_CONFIG_MAP, MESH_FILE, wish.text));
    objects.push(match schedule {
        Some(schedule) => Object::cron_job(WORKLOAD, cron_job::job(schedule, pod, wish.here)),
        None => Object::deployment(NAMESPACE, WORKLOAD, daemon::deployment(pod)),
    });
    Ok(Installation { objects, material, kubeconfigs, issuing_ends: wish.issuing_ends })
}

fn life(wish: &Wish<'_>) -> Life {
    let is_daemon = wish.runs == Runs::Daemon;
    let mut more = Vec::new();
    if is_daemon {
        more.extend(["--watch".to_owned(), "--lease".to_owned(), format!("{NAMESPACE}/{WORKLOAD}")]);
    }
    if wish.runs.has_status() {
        more.extend(["--status-configmap".to_owned(), format!("{NAMESPACE}/{STATUS}")]);
    }
    Life {
        restarts: if is_daemon { "Always" } else { "Never" },
        more,
        knows_itself: is_daemon,
        has_token: wish.runs.has_status(),
    }
}
