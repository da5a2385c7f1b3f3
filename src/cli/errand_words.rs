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
