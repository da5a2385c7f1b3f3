//! The objects themselves, as far as meshca writes them: metadata, namespaces, accounts, roles and their bindings.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::mesh::manifests::api_rule::Rule;
use crate::mesh::manifests::deployment_spec::DeploymentSpec;
use crate::mesh::manifests::job_spec::JobSpec;
use crate::mesh::manifests::label::{Labels, labels};
use crate::mesh::manifests::pod_monitor::PodMonitorSpec;
use crate::mesh::manifests::rule_file::Rules;

/// The namespace that meshca has for itself.
pub const NAMESPACE: &str = "meshca";
/// Its service account.
pub const ACCOUNT: &str = "meshca";

const RBAC: &str = "rbac.authorization.k8s.io";

/// Any object, with its version and kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    #[serde(flatten)]
    body: Body,
}

/// Name, namespace and labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Metadata {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    labels: Labels,
}

/// What makes one kind differ from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Body {
    Namespace {},
    Account(AccountBody),
    Role(RoleBody),
    Binding(BindingBody),
    ConfigMap { data: BTreeMap<&'static str, String> },
    Job { spec: Box<JobSpec> },
    Deployment { spec: Box<DeploymentSpec> },
    Alerts { spec: Rules },
    PodMonitor { spec: PodMonitorSpec },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountBody {
    automount_service_account_token: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct RoleBody {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BindingBody {
    role_ref: RoleRef,
    subjects: Vec<SubjectRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct RoleRef {
    api_group: &'static str,
    kind: &'static str,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SubjectRef {
    #[serde(skip_serializing_if = "Option::is_none")]
    api_group: Option<&'static str>,
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
}

/// Whom an API server knows meshca as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A user of this name.
    User(String),
    /// A service account.
    Account {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Default for Subject {
    fn default() -> Self {
        Self::Account { namespace: NAMESPACE.to_owned(), name: ACCOUNT.to_owned() }
    }
}

impl Subject {
    fn reference(&self) -> SubjectRef {
        match self {
            Subject::User(name) => {
                SubjectRef { api_group: Some(RBAC), kind: "User", name: name.clone(), namespace: None }
            }
            Subject::Account { namespace, name } => SubjectRef {
                api_group: None,
                kind: "ServiceAccount",
                name: name.clone(),
                namespace: Some(namespace.clone()),
            },
        }
    }
}

impl Object {
    fn new(api_version: &'static str, kind: &'static str, namespace: Option<&str>, name: &str, body: Body) -> Self {
        let metadata = Metadata { name: name.to_owned(), namespace: namespace.map(str::to_owned), labels: labels() };
        Self { api_version, kind, metadata, body }
    }

    /// The namespace that meshca has for itself: no pod may be there that Pod Security does not count as restricted.
    #[must_use]
    pub fn own_namespace() -> Self {
        Self::restricted_namespace(NAMESPACE)
    }

    /// A namespace in which no pod may be that Pod Security does not count as restricted.
    #[must_use]
    pub fn restricted_namespace(name: &str) -> Self {
        let mut made = Self::new("v1", "Namespace", None, name, Body::Namespace {});
        made.metadata.labels.insert("pod-security.kubernetes.io/enforce".into(), "restricted".to_owned());
        made
    }

    /// A service account whose token is mounted only where a pod asks for it.
    #[must_use]
    pub fn account(namespace: &str, name: &str) -> Self {
        let body = Body::Account(AccountBody { automount_service_account_token: false });
        Self::new("v1", "ServiceAccount", Some(namespace), name, body)
    }

    /// A Role in this namespace, or a ClusterRole where there is none, and its binding to the subject.
    #[must_use]
    pub fn role_and_binding(namespace: Option<&str>, name: &str, rules: Vec<Rule>, subject: &Subject) -> [Self; 2] {
        let (kind, binding) = match namespace {
            Some(_) => ("Role", "RoleBinding"),
            None => ("ClusterRole", "ClusterRoleBinding"),
        };
        let role_ref = RoleRef { api_group: RBAC, kind, name: name.to_owned() };
        let bound = BindingBody { role_ref, subjects: vec![subject.reference()] };
        let version = "rbac.authorization.k8s.io/v1";
        [
            Self::new(version, kind, namespace, name, Body::Role(RoleBody { rules })),
            Self::new(version, binding, namespace, name, Body::Binding(bound)),
        ]
    }

    /// A ConfigMap of meshca's own namespace with one text in it.
    #[must_use]
    pub fn config_map(name: &str, key: &'static str, text: &str) -> Self {
        let data = [(key, text.to_owned())].into_iter().collect();
        Self::new("v1", "ConfigMap", Some(NAMESPACE), name, Body::ConfigMap { data })
    }

    /// A ConfigMap with one text in it and these labels more: by labels others find it.
    #[must_use]
    pub fn labelled_config_map(
        namespace: &str,
        name: &str,
        key: &'static str,
        text: &str,
        labels: &[(String, String)],
    ) -> Self {
        let data = [(key, text.to_owned())].into_iter().collect();
        Self::new("v1", "ConfigMap", Some(namespace), name, Body::ConfigMap { data }).labelled(labels)
    }

    fn labelled(mut self, labels: &[(String, String)]) -> Self {
        self.metadata.labels.extend(labels.iter().map(|(name, value)| (name.clone().into(), value.clone())));
        self
    }

    /// A CronJob of meshca's own namespace.
    #[must_use]
    pub fn cron_job(name: &str, spec: JobSpec) -> Self {
        Self::new("batch/v1", "CronJob", Some(NAMESPACE), name, Body::Job { spec: Box::new(spec) })
    }

    /// A Deployment.
    #[must_use]
    pub fn deployment(namespace: &str, name: &str, spec: DeploymentSpec) -> Self {
        Self::new("apps/v1", "Deployment", Some(namespace), name, Body::Deployment { spec: Box::new(spec) })
    }

    /// Alerts, for the Prometheus Operator, with these labels more: by labels its Prometheus chooses what it evaluates.
    #[must_use]
    pub fn prometheus_rule(namespace: &str, name: &str, rules: Rules, labels: &[(String, String)]) -> Self {
        let body = Body::Alerts { spec: rules };
        Self::new("monitoring.coreos.com/v1", "PrometheusRule", Some(namespace), name, body).labelled(labels)
    }

    /// Which pods the Prometheus Operator has scraped, with these labels more: by labels its Prometheus chooses where to look.
    #[must_use]
    pub fn pod_monitor(namespace: &str, name: &str, spec: PodMonitorSpec, labels: &[(String, String)]) -> Self {
        let body = Body::PodMonitor { spec };
        Self::new("monitoring.coreos.com/v1", "PodMonitor", Some(namespace), name, body).labelled(labels)
    }

    /// It as YAML; `None`: the serializer failed.
    #[must_use]
    pub fn yaml(&self) -> Option<String> {
        // Texts of one line stay on it, however long: an image's digest is easier to read so.
        let options = serde_saphyr::ser_options! { folded_wrap_chars: 1_000_000 };
        let mut text = String::new();
        serde_saphyr::to_fmt_writer_with_options(&mut text, self, options).ok().map(|()| text)
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }
}
