//! What people type when they are needed.

use std::path::Path;

use crate::cli::report_words::quoted;
use crate::mesh::fleet::{Access, Cluster, ClusterName, Mesh};
use crate::mesh::rehearsal::need::What;
use crate::pki::moment::day;

/// The commands, in their order, as a shell takes them.
#[must_use]
pub fn commands(what: &What, mesh: &Mesh, mesh_file: &Path) -> Vec<String> {
    let meshca = format!("meshca -f {}", quoted(&mesh_file.display().to_string()));
    let named = |root: u32, is_named: bool| if is_named { format!(" --root {root}") } else { String::new() };
    let below = |until: String| match mesh.issuing {
        Some(_) => format!("{meshca} issuing create"),
        None => format!("{meshca} issue --until {until}"),
    };
    match what {
        What::Founding { stock_until } => {
            vec![format!("{meshca} root create"), below(day(*stock_until)), format!("{meshca} rotate")]
        }
        What::IssuingCa { root, is_named } => vec![format!("{meshca} issuing create{}", named(*root, *is_named))],
        What::Stock { root, is_named, until } => {
            vec![format!("{meshca} issue --until {}{}", day(*until), named(*root, *is_named))]
        }
        What::NextRoot { stock_until, .. } => {
            vec![format!("{meshca} root create --next"), below(day(*stock_until))]
        }
        What::Approval { .. } => vec![
            format!("{meshca} rotate --dry-run   # names the SHA-256 of the root that goes"),
            format!("{meshca} rotate --approve-removal SHA256"),
        ],
        What::Restart { cluster } => with(mesh, cluster, |cluster| {
            format!("kubectl{} -n {} rollout restart deployment/istiod", reach(&cluster.access), cluster.namespace)
        }),
        What::Apply { cluster } => with(mesh, cluster, |cluster| match &cluster.access {
            Access::Manifest(path) => {
                format!("kubectl apply --server-side -f {}", quoted(&path.display().to_string()))
            }
            _ => format!("kubectl{} get secret cacerts -n {}", reach(&cluster.access), cluster.namespace),
        }),
    }
}

fn with(mesh: &Mesh, name: &ClusterName, command: impl FnOnce(&Cluster) -> String) -> Vec<String> {
    mesh.cluster(name).map(command).into_iter().collect()
}

fn reach(access: &Access) -> String {
    match access {
        Access::Kubeconfig { path, context } => {
            let context = context.as_deref().map_or_else(String::new, |it| format!(" --context {}", quoted(it)));
            format!(" --kubeconfig {}{context}", quoted(&path.display().to_string()))
        }
        Access::Directory(_) | Access::Manifest(_) | Access::InCluster => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story, name};

    fn typed(what: &What, mesh: &Mesh) -> Vec<String> {
        commands(what, mesh, Path::new("my mesh.yaml"))
    }

    #[test]
    fn a_ceremony_names_its_root_where_there_is_a_choice_and_fills_the_stock_where_there_is_no_issuing_ca() {
        let mut story = Story::new();
        let next = What::NextRoot { root: 2, stock_until: NOW };
        let issuing = |is_named| What::IssuingCa { root: 1, is_named };
        let meshca = "meshca -f 'my mesh.yaml'";
        assert_eq!(typed(&issuing(false), &story.mesh), [format!("{meshca} issuing create")]);
        assert_eq!(typed(&issuing(true), &story.mesh), [format!("{meshca} issuing create --root 1")]);
        assert_eq!(typed(&next, &story.mesh)[1], format!("{meshca} issuing create"));
        story.mesh.issuing = None;
        assert_eq!(typed(&next, &story.mesh)[1], format!("{meshca} issue --until 2026-11-23"));
        let stock = What::Stock { root: 2, is_named: true, until: NOW };
        assert_eq!(typed(&stock, &story.mesh), [format!("{meshca} issue --until 2026-11-23 --root 2")]);
    }

    #[test]
    fn a_restart_is_done_where_the_cluster_is_reached_and_a_file_is_applied() {
        let mut story = Story::new();
        let restart = What::Restart { cluster: name("east") };
        assert_eq!(typed(&restart, &story.mesh), ["kubectl -n istio-system rollout restart deployment/istiod"]);
        story.cluster("east").access = Access::Kubeconfig { path: "kube config".into(), context: Some("e".to_owned()) };
        let there = "kubectl --kubeconfig 'kube config' --context e -n istio-system rollout restart deployment/istiod";
        assert_eq!(typed(&restart, &story.mesh), [there]);
        story.cluster("east").access = Access::Manifest("out/east.yaml".into());
        let apply = What::Apply { cluster: name("east") };
        assert_eq!(typed(&apply, &story.mesh), ["kubectl apply --server-side -f out/east.yaml"]);
        assert!(typed(&What::Apply { cluster: name("north") }, &story.mesh).is_empty());
    }
}
