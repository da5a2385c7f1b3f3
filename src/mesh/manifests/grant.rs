//! What one cluster has to grant meshca: the objects to apply there, and nowhere else.

use crate::mesh::fleet::{Access, Cluster, ClusterName, Mesh};
use crate::mesh::istiod_deployment::ISTIOD;
use crate::mesh::manifests::api_rule;
use crate::mesh::manifests::kube_object::{Object, Subject};
use crate::problem::{Code, Problem};

/// The objects of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// What to apply there.
    pub objects: Vec<Object>,
}

/// What these clusters have to grant; where none is named, all that are reached through the Kubernetes API.
/// `restartable` are the names of the Deployments that may be restarted where `istiod.restart` says so; none: `istiod`.
///
/// # Errors
/// `unknown-cluster`; `no-api-access`, where a named cluster is reached in another way, or none is reached in this one.
pub fn grants<'a>(
    mesh: &'a Mesh,
    names: &[ClusterName],
    subject: &Subject,
    restartable: &[String],
) -> Result<Vec<Grant<'a>>, Problem> {
    let usual = [ISTIOD.to_owned()];
    let restartable = if restartable.is_empty() { &usual } else { restartable };
    let chosen: Vec<&Cluster> = if names.is_empty() {
        mesh.clusters.iter().filter(|cluster| elsewhere(cluster).is_none()).collect()
    } else {
        names.iter().map(|name| mesh.known_cluster(name).and_then(through_the_api)).collect::<Result<_, _>>()?
    };
    if chosen.is_empty() {
        let what = format!("no cluster of the mesh {} is reached through the Kubernetes API", mesh.name);
        return Err(Problem::new(Code::NoApiAccess, what).hint(WAYS));
    }
    Ok(chosen.into_iter().map(|cluster| Grant { cluster, objects: objects(cluster, subject, restartable) }).collect())
}

/// What these clusters have to grant in addition while they are adopted with the CA that their istiod made for itself: to
/// read it. A Role of its own, so that it can be deleted afterwards.
///
/// # Errors
/// `unknown-cluster`, `remote-gets-no-cacerts`, `no-api-access`.
pub fn adoption<'a>(mesh: &'a Mesh, names: &[ClusterName], subject: &Subject) -> Result<Vec<Grant<'a>>, Problem> {
    let grant = |cluster: &'a Cluster| {
        let rules = vec![api_rule::own_ca()];
        let name = adoption_role(cluster);
        let objects = Object::role_and_binding(Some(&cluster.namespace), &name, rules, subject);
        Grant { cluster, objects: objects.into_iter().collect() }
    };
    mesh.signing_clusters(names)?.into_iter().map(|cluster| through_the_api(cluster).map(grant)).collect()
}

/// The name of that Role and of its binding.
#[must_use]
pub fn adoption_role(cluster: &Cluster) -> String {
    format!("meshca-{}-adoption", cluster.name)
}

const WAYS: &str = "access: { kubeconfig: FILE, context: NAME } or access: { inCluster: true } in the mesh file";

fn through_the_api(cluster: &Cluster) -> Result<&Cluster, Problem> {
    match elsewhere(cluster) {
        None => Ok(cluster),
        Some(way) => {
            let what =
                format!("{} is not reached through the Kubernetes API, so that it has nothing to grant", cluster.name);
            Err(Problem::new(Code::NoApiAccess, what).fact(format!("access  {way}")).hint(WAYS))
        }
    }
}

/// How a cluster is reached, if not through the Kubernetes API.
pub(in crate::mesh) fn elsewhere(cluster: &Cluster) -> Option<String> {
    match &cluster.access {
        Access::Directory(path) => Some(format!("directory {}", path.display())),
        Access::Manifest(path) => Some(format!("manifest {}", path.display())),
        Access::Kubeconfig { .. } | Access::InCluster => None,
    }
}

fn objects(cluster: &Cluster, subject: &Subject, restartable: &[String]) -> Vec<Object> {
    // Two clusters of a mesh file may share an API server: objects of one name would overwrite each other there.
    let name = format!("meshca-{}", cluster.name);
    let mut objects = Vec::new();
    if let (Access::InCluster, Subject::Account { namespace, name }) = (&cluster.access, subject) {
        objects.push(Object::account(namespace, name));
    }
    let rules = api_rule::in_namespace(cluster, restartable);
    objects.extend(Object::role_and_binding(Some(&cluster.namespace), &name, rules, subject));
    let rules = api_rule::in_cluster(cluster);
    if !rules.is_empty() {
        objects.extend(Object::role_and_binding(None, &name, rules, subject));
    }
    objects
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet::TrustBundle;
    use crate::mesh::fleet_story::{Story, name};

    fn mesh() -> Mesh {
        let mut mesh = Story::new().mesh;
        mesh.clusters[0].access = Access::InCluster;
        mesh.clusters[2].access = Access::Kubeconfig { path: "kubeconfig".into(), context: Some("far".to_owned()) };
        mesh.clusters[2].trust_bundle = TrustBundle::ClusterTrustBundle("istio.io:istiod-ca:root".to_owned());
        mesh
    }

    fn kinds(grant: &Grant<'_>) -> Vec<&'static str> {
        grant.objects.iter().map(Object::kind).collect()
    }

    #[test]
    fn without_names_every_cluster_behind_an_api_server_is_meant() {
        let mesh = mesh();
        let grants = grants(&mesh, &[], &Subject::default(), &[]).unwrap();
        let meant: Vec<&str> = grants.iter().map(|grant| grant.cluster.name.as_str()).collect();
        assert_eq!(meant, ["east", "far"]);
        assert_eq!(kinds(&grants[0]), ["ServiceAccount", "Role", "RoleBinding"]);
        assert_eq!(kinds(&grants[1]), ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]);
    }

    #[test]
    fn a_user_needs_no_service_account() {
        let mesh = mesh();
        let grants = grants(&mesh, &[name("east")], &Subject::User("meshca@example".to_owned()), &[]).unwrap();
        assert_eq!(kinds(&grants[0]), ["Role", "RoleBinding"]);
    }

    #[test]
    fn a_cluster_that_is_reached_as_a_folder_has_nothing_to_grant() {
        let mut mesh = mesh();
        let refused =
            |mesh: &Mesh, names: &[ClusterName]| grants(mesh, names, &Subject::default(), &[]).unwrap_err().code();
        assert_eq!(refused(&mesh, &[name("east"), name("west")]), Code::NoApiAccess);
        assert_eq!(refused(&mesh, &[name("nowhere")]), Code::UnknownCluster);
        mesh.clusters = vec![mesh.clusters[1].clone()].into();
        assert_eq!(refused(&mesh, &[]), Code::NoApiAccess);
    }
}
