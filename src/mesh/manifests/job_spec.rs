//! The `spec` of a CronJob and of its pod, with those fields that meshca writes. Kubernetes, `batch/v1` and `v1`.

use serde::Serialize;

use crate::mesh::manifests::api_rule::on_one_line;
use crate::mesh::manifests::label::Labels;
use crate::mesh::manifests::schedule::Schedule;

/// The `spec` of a CronJob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSpec {
    pub(in crate::mesh::manifests) schedule: Schedule,
    pub(in crate::mesh::manifests) time_zone: &'static str,
    pub(in crate::mesh::manifests) concurrency_policy: &'static str,
    pub(in crate::mesh::manifests) starting_deadline_seconds: i64,
    pub(in crate::mesh::manifests) successful_jobs_history_limit: u32,
    pub(in crate::mesh::manifests) failed_jobs_history_limit: u32,
    pub(in crate::mesh::manifests) job_template: Template<RunSpec>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::mesh::manifests) struct Template<S> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::mesh::manifests) metadata: Option<Labelled>,
    pub(in crate::mesh::manifests) spec: S,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::mesh::manifests) struct Labelled {
    pub(in crate::mesh::manifests) labels: Labels,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct RunSpec {
    pub(in crate::mesh::manifests) backoff_limit: u32,
    pub(in crate::mesh::manifests) active_deadline_seconds: i64,
    pub(in crate::mesh::manifests) ttl_seconds_after_finished: i64,
    pub(in crate::mesh::manifests) pod_failure_policy: FailurePolicy,
    pub(in crate::mesh::manifests) template: Template<PodSpec>,
}

/// Exit codes that mean people are needed, or the command line is wrong: a second run would say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::mesh::manifests) struct FailurePolicy {
    pub(in crate::mesh::manifests) rules: [FailureRule; 1],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct FailureRule {
    pub(in crate::mesh::manifests) action: &'static str,
    pub(in crate::mesh::manifests) on_exit_codes: ExitCodes,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct ExitCodes {
    pub(in crate::mesh::manifests) container_name: &'static str,
    pub(in crate::mesh::manifests) operator: &'static str,
    #[serde(serialize_with = "on_one_line")]
    pub(in crate::mesh::manifests) values: [u8; 3],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct PodSpec {
    pub(in crate::mesh::manifests) service_account_name: String,
    pub(in crate::mesh::manifests) automount_service_account_token: bool,
    pub(in crate::mesh::manifests) enable_service_links: bool,
    pub(in crate::mesh::manifests) restart_policy: &'static str,
    pub(in crate::mesh::manifests) termination_grace_period_seconds: i64,
    pub(in crate::mesh::manifests) security_context: PodSecurity,
    pub(in crate::mesh::manifests) containers: [Container; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::mesh::manifests) volumes: Vec<Volume>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct PodSecurity {
    pub(in crate::mesh::manifests) run_as_non_root: bool,
    pub(in crate::mesh::manifests) run_as_user: u32,
    pub(in crate::mesh::manifests) run_as_group: u32,
    pub(in crate::mesh::manifests) fs_group: u32,
    pub(in crate::mesh::manifests) seccomp_profile: Seccomp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::mesh::manifests) struct Seccomp {
    #[serde(rename = "type")]
    pub(in crate::mesh::manifests) kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct Container {
    pub(in crate::mesh::manifests) name: &'static str,
    pub(in crate::mesh::manifests) image: String,
    #[serde(serialize_with = "on_one_line")]
    pub(in crate::mesh::manifests) args: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::mesh::manifests) env: Vec<Environment>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::mesh::manifests) ports: Vec<Port>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::mesh::manifests) liveness_probe: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::mesh::manifests) readiness_probe: Option<Probe>,
    pub(in crate::mesh::manifests) security_context: ContainerSecurity,
    pub(in crate::mesh::manifests) resources: Resources,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::mesh::manifests) volume_mounts: Vec<Mount>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct Port {
    pub(in crate::mesh::manifests) name: &'static str,
    pub(in crate::mesh::manifests) container_port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct Probe {
    pub(in crate::mesh::manifests) http_get: HttpGet,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::mesh::manifests) struct HttpGet {
    pub(in crate::mesh::manifests) path: &'static str,
    pub(in crate::mesh::manifests) port: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct Environment {
    pub(in crate::mesh::manifests) name: &'static str,
    pub(in crate::mesh::manifests) value_from: FieldSource,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct FieldSource {
    pub(in crate::mesh::manifests) field_ref: FieldRef,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct FieldRef {
    pub(in crate::mesh::manifests) field_path: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct ContainerSecurity {
    pub(in crate::mesh::manifests) allow_privilege_escalation: bool,
    pub(in crate::mesh::manifests) read_only_root_filesystem: bool,
    pub(in crate::mesh::manifests) capabilities: Capabilities,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::mesh::manifests) struct Capabilities {
    #[serde(serialize_with = "on_one_line")]
    pub(in crate::mesh::manifests) drop: [&'static str; 1],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::mesh::manifests) struct Resources {
    pub(in crate::mesh::manifests) requests: Requests,
    pub(in crate::mesh::manifests) limits: Limits,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::mesh::manifests) struct Requests {
    pub(in crate::mesh::manifests) cpu: &'static str,
    pub(in crate::mesh::manifests) memory: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::mesh::manifests) struct Limits {
    pub(in crate::mesh::manifests) memory: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct Mount {
    pub(in crate::mesh::manifests) name: &'static str,
    pub(in crate::mesh::manifests) mount_path: &'static str,
    pub(in crate::mesh::manifests) read_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::mesh::manifests) struct Volume {
    pub(in crate::mesh::manifests) name: &'static str,
    #[serde(flatten)]
    pub(in crate::mesh::manifests) kind: VolumeKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) enum VolumeKind {
    Projected(Projected),
    Secret(SecretVolume),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct Projected {
    pub(in crate::mesh::manifests) default_mode: u32,
    pub(in crate::mesh::manifests) sources: Vec<Source>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) enum Source {
    ConfigMap(Named),
    Secret(Named),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::mesh::manifests) struct Named {
    pub(in crate::mesh::manifests) name: &'static str,
    pub(in crate::mesh::manifests) items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh::manifests) struct SecretVolume {
    pub(in crate::mesh::manifests) secret_name: &'static str,
    pub(in crate::mesh::manifests) default_mode: u32,
    pub(in crate::mesh::manifests) items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::mesh::manifests) struct Item {
    pub(in crate::mesh::manifests) key: String,
    pub(in crate::mesh::manifests) path: String,
}

impl Item {
    pub(in crate::mesh::manifests) fn new(key: &str, path: &str) -> Self {
        Self { key: key.to_owned(), path: path.to_owned() }
    }
}
