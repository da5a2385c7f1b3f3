//! What may be typed after `manifests`.

use clap::{Args, Subcommand};

use crate::cli::metrics_arguments::LabelArgument;
use crate::cli::typed_values::{account, address, cluster, deployment, image, label, namespace, user};
use crate::mesh::fleet::ClusterName;
use crate::mesh::manifests::kube_object::Subject;
use crate::mesh::manifests::schedule::Schedule;

/// Which objects are printed.
#[derive(Debug, Subcommand)]
pub enum ManifestsCommand {
    /// What each cluster has to grant meshca: a Role for two Secrets by name, and little else.
    Rbac {
        /// The clusters; none: all that are reached through the Kubernetes API.
        #[arg(value_name = "CLUSTER", value_parser = cluster)]
        clusters: Vec<ClusterName>,
        /// Whom the cluster knows meshca as.
        #[command(flatten)]
        subject: SubjectArguments,
        /// A Deployment of istiod that may be restarted where istiod.restart is true. Without it, istiod; revisions have
        /// other names. May be repeated.
        #[arg(long, value_name = "NAME", value_parser = deployment)]
        istiod_deployment: Vec<String>,
    },
    /// What a cluster has to grant in addition for as long as it is adopted with the CA that its istiod made for itself: to
    /// read that one Secret. To be deleted afterwards.
    Adoption {
        /// The clusters.
        #[arg(value_name = "CLUSTER", value_parser = cluster, required = true)]
        clusters: Vec<ClusterName>,
        /// Whom the cluster knows meshca as.
        #[command(flatten)]
        subject: SubjectArguments,
    },
    /// Everything to run `rotate` in a cluster: namespace, account, mesh file and CronJob. Secrets are only named.
    Cronjob {
        /// The container image, best by digest: NAME@sha256:…
        #[arg(long, value_name = "IMAGE", value_parser = image)]
        image: String,
        /// When it starts, as five fields of cron, in UTC. Without it, as often as rotation.tick says.
        #[arg(long, value_name = "CRON", value_parser = Schedule::parse)]
        schedule: Option<Schedule>,
        /// Have it write the public status into ConfigMaps, for an exporter.
        #[arg(long)]
        status_configmap: bool,
    },
    /// The same as a Deployment: two replicas of `rotate --watch`, of which the one that holds a Lease works.
    Daemon {
        /// The container image, best by digest: NAME@sha256:…
        #[arg(long, value_name = "IMAGE", value_parser = image)]
        image: String,
    },
    /// An exporter in the cluster that meshca runs in: a Deployment of one replica, and the right to read the ConfigMaps with
    /// the public status by name, and no Secret. Without --image only the right.
    Exporter {
        /// The container image, best by digest: NAME@sha256:…
        #[arg(long, value_name = "IMAGE", value_parser = image)]
        image: Option<String>,
        /// The service account of the exporter. Without it, meshca-exporter/meshca-exporter, which is printed, too.
        #[arg(long, value_name = "NAMESPACE/NAME", value_parser = account)]
        service_account: Option<Subject>,
        /// A PodMonitor as well, by which the Prometheus Operator has its pod scraped.
        #[arg(long, requires = "image")]
        pod_monitor: bool,
        /// A label more on the PodMonitor, such as the one by which your Prometheus chooses where to look. May be repeated.
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label, requires = "pod_monitor")]
        labels: Vec<(String, String)>,
        /// What its labels are called.
        #[command(flatten)]
        label: LabelArgument,
    },
    /// Alerts upon the metrics, as a PrometheusRule for the Prometheus Operator, or with --plain as a rule file of Prometheus.
    /// What counts as late follows rotation.tick and rotation.windows.
    Alerts {
        /// The plain rule file, for a Prometheus without the operator.
        #[arg(long, conflicts_with_all = ["namespace", "labels"])]
        plain: bool,
        /// The namespace of the PrometheusRule. Without it, meshca.
        #[arg(long, value_name = "NAMESPACE", value_parser = namespace)]
        namespace: Option<String>,
        /// A label more, such as the one by which your Prometheus chooses its rules. May be repeated.
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
        labels: Vec<(String, String)>,
        /// Where you serve docs/runbooks, for the links in the alerts. Without it, their paths in the source tree.
        #[arg(long, value_name = "URL", value_parser = address)]
        runbooks: Option<String>,
        /// What its labels are called.
        #[command(flatten)]
        label: LabelArgument,
    },
    /// A dashboard upon the metrics, as a ConfigMap that Grafana's sidecar finds, or with --plain as JSON to import.
    Dashboard {
        /// The plain JSON, to import by hand.
        #[arg(long, conflicts_with_all = ["namespace", "labels"])]
        plain: bool,
        /// The namespace of the ConfigMap. Without it, meshca.
        #[arg(long, value_name = "NAMESPACE", value_parser = namespace)]
        namespace: Option<String>,
        /// A label more, where your Grafana chooses its dashboards by another than grafana_dashboard. May be repeated.
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
        labels: Vec<(String, String)>,
        /// What its labels are called.
        #[command(flatten)]
        label: LabelArgument,
    },
}

/// Whom a cluster knows meshca as.
#[derive(Debug, Args)]
pub struct SubjectArguments {
    /// The service account that meshca has there. Without it, meshca/meshca.
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = account, conflicts_with = "subject_user")]
    service_account: Option<Subject>,
    /// The user that meshca is there, instead of a service account.
    #[arg(long, value_name = "NAME", value_parser = user)]
    subject_user: Option<Subject>,
}

impl SubjectArguments {
    /// The subject.
    pub(in crate::cli) fn subject(&self) -> Subject {
        self.service_account.as_ref().or(self.subject_user.as_ref()).cloned().unwrap_or_default()
    }
}
