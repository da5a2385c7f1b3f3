//! What runs of an exporter in a cluster: a Deployment of one replica, and for the Prometheus Operator where to scrape it.

use crate::mesh::cluster_label::ClusterLabel;
use crate::mesh::manifests::deployment_spec::{DeploymentSpec, RollingUpdate, Selector, Strategy};
use crate::mesh::manifests::exporter_grant::EXPORTER;
use crate::mesh::manifests::installation::STATUS;
use crate::mesh::manifests::job_spec::{Container, HttpGet, Labelled, PodSpec, Port, Probe, Template};
use crate::mesh::manifests::kube_object::{NAMESPACE, Object};
use crate::mesh::manifests::label::{Labels, pod_labels};
use crate::mesh::manifests::pod_limits::{container_security, pod_security, resources};
use crate::mesh::manifests::pod_monitor::PodMonitorSpec;

/// The value of the label that tells its pods from others.
const PART: &str = "exporter";
/// One is enough: it holds nothing, and a new one tells the same.
const REPLICAS: u32 = 1;
/// The name of its port.
const PORT_NAME: &str = "metrics";
/// Its port.
const PORT: u16 = 9949;
/// More than three scrapes of ten thousand clusters at one time take: docs/PERFORMANCE.md.
const MEMORY: &str = "256Mi";
/// An answer that was begun at SIGTERM has two seconds.
const GRACE: i64 = 10;

/// The Deployment, which runs as this account of its namespace, and calls the label that names the cluster so.
#[must_use]
pub fn deployment(namespace: &str, account: &str, image: &str, label: &ClusterLabel) -> Object {
    let labels = labels();
    let spec = DeploymentSpec {
        replicas: REPLICAS,
        selector: Selector::of(&labels),
        // The next one reads the status before the last one goes.
        strategy: Strategy {
            kind: "RollingUpdate",
            rolling_update: RollingUpdate { max_unavailable: 0, max_surge: 1 },
        },
        template: Template { metadata: Some(Labelled { labels }), spec: pod(account, image, label) },
    };
    Object::deployment(namespace, EXPORTER, spec)
}

/// Where the Prometheus Operator finds its pods, with these labels more.
///
/// A pod is scraped whether or not it is ready, so that a status that cannot be read is told of; a Service would only add
/// an address that nobody else uses.
#[must_use]
pub fn pod_monitor(namespace: &str, more: &[(String, String)]) -> Object {
    Object::pod_monitor(namespace, EXPORTER, PodMonitorSpec::of(Selector::of(&labels()), PORT_NAME), more)
}

fn labels() -> Labels {
    pod_labels(PART)
}

/// What it is started with.
#[must_use]
pub fn arguments(label: &ClusterLabel) -> Vec<String> {
    let (address, status) = (format!("0.0.0.0:{PORT}"), format!("{NAMESPACE}/{STATUS}"));
    let mut words = vec!["exporter", "--listen", &address, "--status-configmap", &status];
    if *label != ClusterLabel::USUAL {
        words.extend(["--cluster-label", label.as_str()]);
    }
    words.into_iter().map(str::to_owned).collect()
}

fn pod(account: &str, image: &str, label: &ClusterLabel) -> PodSpec {
    let probe = |path| Some(Probe { http_get: HttpGet { path, port: PORT_NAME } });
    PodSpec {
        service_account_name: account.to_owned(),
        automount_service_account_token: true,
        enable_service_links: false,
        restart_policy: "Always",
        termination_grace_period_seconds: GRACE,
        security_context: pod_security(),
        containers: [Container {
            name: "meshca",
            image: image.to_owned(),
            args: arguments(label),
            env: Vec::new(),
            ports: vec![Port { name: PORT_NAME, container_port: PORT }],
            liveness_probe: probe("/healthz"),
            readiness_probe: probe("/readyz"),
            security_context: container_security(),
            resources: resources(MEMORY),
            volume_mounts: Vec::new(),
        }],
        volumes: Vec::new(),
    }
}
