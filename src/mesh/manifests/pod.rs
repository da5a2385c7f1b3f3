//! The pod that runs `rotate`, with nothing that it does not need.

use time::Duration;

use crate::mesh::fleet::{Access, Mesh};
use crate::mesh::manifests::job_spec::{
    Container, Environment, FieldRef, FieldSource, Item, Mount, Named, PodSpec, Projected, SecretVolume, Source,
    Volume, VolumeKind,
};
use crate::mesh::manifests::kube_object::ACCOUNT;
use crate::mesh::manifests::pod_files::{FOLDER, MESH_FILE, PASSPHRASE, PASSPHRASE_FOLDER, SecretFile};
use crate::mesh::manifests::pod_limits::{container_security, pod_security, resources};

/// The Secret with certificates and sealed keys.
pub const MATERIAL_SECRET: &str = "meshca-material";
/// The Secret with what opens them.
pub const PASSPHRASE_SECRET: &str = "meshca-passphrase";
/// The Secret with the kubeconfig files.
pub const KUBECONFIG_SECRET: &str = "meshca-kubeconfig";
/// The ConfigMap with the mesh file.
pub(in crate::mesh::manifests) const MESH_FILE_CONFIG_MAP: &str = "meshca-mesh-file";

/// More than planning a change of root for 5,000 targets takes: docs/PERFORMANCE.md.
const MEMORY: &str = "512Mi";
/// Only its owner reads; the kubelet adds the group of the pod.
const OWNER_READS: u32 = 0o400;

/// What the pod runs and has.
pub(in crate::mesh::manifests) struct Wish<'a> {
    /// The container image.
    pub(in crate::mesh::manifests) image: &'a str,
    /// The mesh, read where the mesh file lies.
    pub(in crate::mesh::manifests) here: &'a Mesh,
    /// How it lives.
    pub(in crate::mesh::manifests) life: Life,
}

/// How a pod lives.
pub(in crate::mesh::manifests) struct Life {
    /// Whether its container is started again.
    pub(in crate::mesh::manifests) restarts: &'static str,
    /// Arguments besides those that every run of `rotate` has.
    pub(in crate::mesh::manifests) more: Vec<String>,
    /// Whether it is told its own name.
    pub(in crate::mesh::manifests) knows_itself: bool,
    /// Whether it asks the API server of the cluster that it runs in for something besides targets.
    pub(in crate::mesh::manifests) has_token: bool,
}

/// How often a target is visited at most until it is written: three times look, write and look again, and its Event.
const VISITS: i32 = 3 * 3 + 1;
/// For what is no visit: the passphrase's stretching, letting go of the Lease.
const BESIDES: Duration = Duration::seconds(30);

/// The pod that runs `rotate` with these arguments as well.
pub(in crate::mesh::manifests) fn pod(wish: &Wish<'_>, material: &[SecretFile], kubeconfigs: &[SecretFile]) -> PodSpec {
    let Life { restarts, more, knows_itself, has_token } = &wish.life;
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
    let always = [
        "rotate".to_owned(),
        "-f".to_owned(),
        format!("{FOLDER}/{MESH_FILE}"),
        "--passphrase-file".to_owned(),
        format!("{PASSPHRASE_FOLDER}/{PASSPHRASE}"),
    ];
    let own_name = FieldSource { field_ref: FieldRef { field_path: "metadata.name" } };
    let env = if *knows_itself { vec![Environment { name: "POD_NAME", value_from: own_name }] } else { Vec::new() };
    let mount = |name, mount_path| Mount { name, mount_path, read_only: true };
    PodSpec {
        service_account_name: ACCOUNT.to_owned(),
        automount_service_account_token: *has_token
            || wish.here.clusters.iter().any(|it| it.access == Access::InCluster),
        enable_service_links: false,
        restart_policy: restarts,
        termination_grace_period_seconds: grace(wish.here),
        security_context: pod_security(),
        containers: [Container {
            name: "meshca",
            image: wish.image.to_owned(),
            args: always.into_iter().chain(more.iter().cloned()).collect(),
            env,
            ports: Vec::new(),
            liveness_probe: None,
            readiness_probe: None,
            security_context: container_security(),
            resources: resources(MEMORY),
            volume_mounts: vec![mount("config", FOLDER), mount("passphrase", PASSPHRASE_FOLDER)],
        }],
        volumes: vec![
            Volume { name: "config", kind: VolumeKind::Projected(Projected { default_mode: OWNER_READS, sources }) },
            Volume { name: "passphrase", kind: VolumeKind::Secret(passphrase) },
        ],
    }
}

/// How many seconds what is being written may take after SIGTERM: the targets that were begun, which are written at
/// once. Nothing new is begun by then.
fn grace(mesh: &Mesh) -> i64 {
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
