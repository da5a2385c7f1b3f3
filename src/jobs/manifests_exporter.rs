//! `manifests exporter`: an exporter in a cluster, or only what it may do there. Nothing is looked at but the mesh file.

use crate::mesh::cluster_label::ClusterLabel;
use crate::mesh::fleet::Mesh;
use crate::mesh::manifests::kube_object::{Object, Subject};
use crate::mesh::manifests::{exporter_grant, exporter_pod};

/// What is asked for.
#[derive(Debug)]
pub struct Order<'a> {
    /// Whom the cluster knows it as.
    pub subject: &'a Subject,
    /// The container image; `None`: only what it may do, for one that runs in some other way.
    pub image: Option<&'a str>,
    /// The labels of a PodMonitor besides meshca's own; `None`: no PodMonitor.
    pub pod_monitor: Option<&'a [(String, String)]>,
    /// What it calls the label that names the cluster.
    pub cluster_label: &'a ClusterLabel,
}

/// The objects to apply in the cluster that meshca runs in.
#[must_use]
pub fn run(mesh: &Mesh, order: &Order<'_>) -> Vec<Object> {
    let mut objects = exporter_grant::objects(mesh, order.subject);
    // Only a service account has pods.
    let Subject::Account { namespace, name } = order.subject else { return objects };
    objects.extend(order.image.map(|image| exporter_pod::deployment(namespace, name, image, order.cluster_label)));
    objects.extend(order.pod_monitor.map(|labels| exporter_pod::pod_monitor(namespace, labels)));
    objects
}
