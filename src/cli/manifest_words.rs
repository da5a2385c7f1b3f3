//! Kubernetes objects as YAML that people read before they apply it: every object with what it is for.

use std::path::Path;

use serde::Serialize;

use crate::cli::report_words::quoted;
use crate::mesh::cluster_label::ClusterLabel;
use crate::mesh::fleet::{Access, Cluster, Mesh};
use crate::mesh::manifests::exporter_pod;
use crate::mesh::manifests::grant::{self, Grant};
use crate::mesh::manifests::installation::Installation;
use crate::mesh::manifests::kube_object::{NAMESPACE, Object, Subject};
use crate::mesh::manifests::pod::{KUBECONFIG_SECRET, MATERIAL_SECRET, PASSPHRASE_SECRET};
use crate::mesh::manifests::pod_files::PASSPHRASE;
use crate::pki::moment::utc;
use crate::pki::plain_text::plain;
use crate::problem::{Code, Problem};

/// What each cluster has to grant, with the command that brings it there.
///
/// # Errors
/// `output-failed`, when a serializer fails.
pub fn grants(grants: &[Grant<'_>], subject: &Subject, restartable: &[String], file: &Path) -> Result<String, Problem> {
    let file = path(file);
    let (whom, option) = match subject {
        Subject::User(name) => (format!("the user {name}"), format!(" --subject-user {}", quoted(name))),
        Subject::Account { namespace, name } => {
            let account = format!("{namespace}/{name}");
            let option =
                if *subject == Subject::default() { String::new() } else { format!(" --service-account {account}") };
            (format!("the service account {account}"), option)
        }
    };
    let option = restartable.iter().fold(option, |option, name| format!("{option} --istiod-deployment {name}"));
    let mut text = String::new();
    for Grant { cluster, objects } in grants {
        let kubectl = kubectl(cluster);
        let (role, signs) = (cluster.role.as_str(), cluster.role.has_cacerts());
        let may = match signs {
            true => "It reads and applies two Secrets by name, and\nlists Deployments; it watches and deletes nothing.",
            false => "It reads no Secret; it lists,\nwatches and deletes nothing.",
        };
        let restarts = match signs && cluster.istiod.restart {
            true => {
                "\nIt may restart istiod, which RBAC grants only as a patch of its Deployment: whoever may do that can run\n\
                 anything there with the rights of istiod.\n"
            }
            false => " ",
        };
        let mut about = format!(
            "Cluster {} ({role}): what {whom} may do there. {may}{restarts}To be applied there and nowhere else:\n  meshca \
             -f {file} manifests rbac {}{option} | {kubectl} apply --server-side -f -",
            cluster.name, cluster.name,
        );
        if cluster.access == Access::InCluster {
            about.push_str(
                "\nIt is the cluster that meshca runs in; the namespace comes from: meshca manifests cronjob",
            );
        }
        for (index, object) in objects.iter().enumerate() {
            text.push_str(&yaml(object, if index == 0 { &about } else { "" })?);
        }
    }
    Ok(text)
}

/// What each cluster has to grant while it is adopted, with the commands that bring it there and take it away again.
///
/// # Errors
/// `output-failed`, when a serializer fails.
pub fn adoptions(grants: &[Grant<'_>]) -> Result<String, Problem> {
    let mut text = String::new();
    for Grant { cluster, objects } in grants {
        let (kubectl, namespace) = (kubectl(cluster), &cluster.namespace);
        let about = format!(
            "Cluster {}: for as long as it is adopted with the CA that its istiod made for itself, to read that: whoever \
             may, can\nsign for every workload of it. What meshca may do there beside that: meshca manifests rbac {}\nTo be \
             applied there and nowhere else:\n  {kubectl} apply --server-side -f -\nand deleted once meshca adopt has \
             done its work:\n  {kubectl} delete role,rolebinding {} -n {namespace}",
            cluster.name,
            cluster.name,
            grant::adoption_role(cluster)
        );
        for (index, object) in objects.iter().enumerate() {
            text.push_str(&yaml(object, if index == 0 { &about } else { "" })?);
        }
    }
    Ok(text)
}

/// kubectl, as it reaches this cluster.
pub(in crate::cli) fn kubectl(cluster: &Cluster) -> String {
    match &cluster.access {
        Access::Kubeconfig { context: Some(context), .. } => format!("kubectl --context {}", quoted(context)),
        _ => "kubectl".to_owned(),
    }
}

/// The same for machines: one List for each cluster, since no two of them are applied in one place.
#[must_use]
pub fn grants_document<'a>(grants: &'a [Grant<'a>]) -> impl Serialize + use<'a> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        api_version: &'static str,
        kind: &'static str,
        clusters: Vec<One<'a>>,
    }
    #[derive(Serialize)]
    struct One<'a> {
        cluster: &'a str,
        context: Option<&'a str>,
        manifests: List<'a>,
    }
    let one = |it: &'a Grant<'a>| One {
        cluster: it.cluster.name.as_str(),
        context: match &it.cluster.access {
            Access::Kubeconfig { context, .. } => context.as_deref(),
            _ => None,
        },
        manifests: list(&it.objects),
    };
    Document { api_version: "meshca.io/v1", kind: "Grants", clusters: grants.iter().map(one).collect() }
}

/// A List, which `kubectl apply` takes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct List<'a> {
    api_version: &'static str,
    kind: &'static str,
    items: &'a [Object],
}

/// These objects as one List.
#[must_use]
pub const fn list(items: &[Object]) -> List<'_> {
    List { api_version: "v1", kind: "List", items }
}

/// Everything to run `rotate` in a cluster, with what its Secrets mean and how to make them.
///
/// # Errors
/// `output-failed`, when a serializer fails.
pub fn installation(made: &Installation, mesh: &Mesh, file: &Path) -> Result<String, Problem> {
    let (holds, end) = match made.issuing_ends {
        Some(end) => ("the issuing key", format!("the issuing CA ends, {}", utc(end))),
        None => ("intermediates with their keys", "the last of them ends".to_owned()),
    };
    let is_daemon = made.objects.iter().any(|object| object.kind() == "Deployment");
    let runs = if is_daemon { "rotate --watch" } else { "rotate" };
    let mut text = format!(
        "meshca {runs} in a cluster, for the mesh {}: kubectl apply --server-side -f THIS\n\nThe crown jewel: the Secret \
         {MATERIAL_SECRET} holds {holds}, sealed, and {PASSPHRASE_SECRET} opens\nthat. Whoever reads both, or may create \
         pods in the namespace {NAMESPACE}, can mint any identity of the mesh\nuntil {end}. Nothing takes that back \
         before.\nSo the namespace has no other workload, nobody gets at it who only operates the mesh, and its \
         backups\nare guarded as it is.\n\nThe Secrets are not printed. Make them after this is applied, where the files lie. The \
         root's key is not\namong them and never belongs in a cluster. FILE: its first line opens the sealed \
         keys.\n\n{}\n{}\n",
        mesh.name,
        create(MATERIAL_SECRET, made.material.iter().map(|it| (it.key.as_str(), path(&it.source)))),
        create(PASSPHRASE_SECRET, [(PASSPHRASE, "FILE".to_owned())]),
    );
    if !made.kubeconfigs.is_empty() {
        text.push_str(&format!(
            "{}\n\nA kubeconfig has its certificates and its token inside (kubectl config view --flatten --minify); the \
             image has\nno programs that fetch a token.\n",
            create(KUBECONFIG_SECRET, made.kubeconfigs.iter().map(|it| (it.key.as_str(), path(&it.source)))),
        ));
    }
    text.push_str(&format!(
        "\nAfter a ceremony make {MATERIAL_SECRET} again, and print and apply this again.\nWhat it may do in each \
         cluster: meshca -f {} manifests rbac",
        path(file)
    ));
    let mut text = comment(&text);
    for object in &made.objects {
        text.push_str(&yaml(object, about(object))?);
    }
    Ok(text)
}

/// What an object is for, where that does not go without saying.
fn about(object: &Object) -> &'static str {
    match object.kind() {
        "Namespace" => "A namespace of its own, in which every pod has to be restricted.",
        "ConfigMap" => "The mesh file, letter for letter. It holds no secrets.",
        "CronJob" => {
            "One tick. What it did stands in its log and nowhere else (records: stdout): collect it.\nExit codes 2, 3 \
             and 4 ask for people, so that it is not tried again. Mode 256 is 0400."
        }
        "Role" => "What it has of its own in this namespace, by name.",
        "Deployment" => {
            "Two replicas: the one that holds the Lease works, the other takes over. After SIGTERM what is being\n\
             written is finished and nothing new is begun; the grace is what the deadlines of one target may take.\n\
             There is no probe: each visit of a target has its deadline. What it did stands in its log and nowhere\n\
             else (records: stdout): collect it. Mode 256 is 0400."
        }
        _ => "",
    }
}

/// The command that makes a Secret of these keys and files.
fn create<'a>(name: &str, files: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut text = format!("  kubectl create secret generic {name} -n {NAMESPACE}");
    for (key, file) in files {
        text.push_str(&format!(" \\\n    --from-file={key}={file}"));
    }
    text
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// Lines of a comment; nothing in the text can end it.
fn comment(text: &str) -> String {
    let line = |line: &str| format!("# {}", plain(line, 4096)).trim_end().to_owned() + "\n";
    text.lines().map(line).collect()
}

/// One document of a YAML stream.
fn yaml(object: &Object, about: &str) -> Result<String, Problem> {
    let failed = || Problem::new(Code::OutputFailed, format!("the {} cannot be written as YAML", object.kind()));
    let text = object.yaml().ok_or_else(failed)?;
    Ok(format!("---\n{}{text}", comment(about)))
}

/// An exporter, or only what it may do, with what it is for.
///
/// # Errors
/// `output-failed`, when a serializer fails.
pub fn exporter(objects: &[Object], mesh: &Mesh, label: &ClusterLabel) -> Result<String, Problem> {
    let runs = objects.iter().any(|object| object.kind() == "Deployment");
    let (what, how) = match runs {
        true => ("meshca exporter", String::new()),
        false => (
            "What meshca exporter may do",
            format!("\nIt runs as\n  meshca {}", exporter_pod::arguments(label).join(" ")),
        ),
    };
    let about = format!(
        "{what} in the cluster that meshca runs in, for the mesh {}: it may read the ConfigMaps with the\n\
         public status, each by its name. It reads no Secret, and lists, watches and writes nothing. To be applied once the\n\
         namespace {NAMESPACE} is there (meshca manifests daemon), and again when the mesh has grown by hundreds of clusters:\n  \
         kubectl apply --server-side -f THIS{how}",
        plain(&mesh.name, 100),
    );
    let about_object = |object: &Object| match object.kind() {
        "Deployment" => {
            "It is ready once it has read a status: before the first run of rotate that writes one, it is not."
        }
        "PodMonitor" => {
            "For the Prometheus Operator. honorLabels keeps the labels of the series, of which one names a cluster of the mesh."
        }
        _ => "",
    };
    let mut text = String::new();
    for (index, object) in objects.iter().enumerate() {
        text.push_str(&yaml(object, if index == 0 { &about } else { about_object(object) })?);
    }
    Ok(text)
}

/// The alerts upon the metrics, for the Prometheus Operator.
///
/// # Errors
/// `output-failed`, when a serializer fails.
pub fn alerts(object: Option<&Object>, mesh: &Mesh, label: &ClusterLabel) -> Result<String, Problem> {
    let unread = || Problem::new(Code::OutputFailed, "the alerts cannot be read back from their rule file");
    let asks = match *label == ClusterLabel::USUAL {
        true => String::new(),
        false => format!(
            "\nIn them, the series of meshca have the label {} in place of cluster: CrossClusterCertificateExpiry is otherwise that of\n\
             the guides. CrossClusterConnectivityLoss asks for a label of Istio's proxies, and is letter for letter.",
            label.as_str()
        ),
    };
    let about = format!(
        "Alerts upon the metrics of meshca, for the Prometheus Operator. What counts as late is that for the mesh {}, so print and\n\
         apply it again when rotation.tick or rotation.windows changes. Scrape with honorLabels: true. To be applied where your\n\
         Prometheus looks for rules:\n  kubectl apply --server-side -f THIS{asks}",
        plain(&mesh.name, 100),
    );
    yaml(object.ok_or_else(unread)?, &about)
}

/// The dashboard upon the metrics, for Grafana.
///
/// # Errors
/// `output-failed`, when a serializer fails.
pub fn dashboard(object: &Object) -> Result<String, Problem> {
    let about = "The dashboard upon the metrics of meshca, for a Grafana whose sidecar looks for ConfigMaps with the label\n\
                 grafana_dashboard. To be applied where it looks:\n  kubectl apply --server-side -f THIS";
    yaml(object, about)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// What kubectl would make of a ConfigMap with this text.
    fn read_back(text: &str) -> Value {
        let written = yaml(&Object::config_map("a", "mesh.yaml", text), "about\nit").unwrap();
        let mut documents: Vec<Value> = serde_saphyr::from_multiple(&written).unwrap();
        assert_eq!(documents.len(), 1, "{written}");
        documents.remove(0)["data"]["mesh.yaml"].take()
    }

    #[test]
    fn a_mesh_file_comes_back_letter_for_letter() {
        for text in [
            "",
            "a: 1",
            "a: 1\n",
            "a: 1\n\n\n",
            "\n\n  a: 1\n",
            "  indented: 1\nnot: 2\n",
            "\ttab\n",
            "a: 1  \nb: 2\t\n",
            "a: 1\r\nb: 2\r\n",
            "# only a comment",
            "---\na: 1\n...\n",
            "\u{feff}a: 1\n",
            "a: \u{2028}ä€😀\u{85}\n",
            "no",
            "~",
            "0x1f",
            "1e3",
        ] {
            assert_eq!(read_back(text), text, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "(\\PC|[ \\t\\r\\n#:'\"|>-]){0,60}") {
            prop_assert_eq!(read_back(&text), text);
        }
    }

    #[test]
    fn names_that_yaml_takes_for_something_else_stay_names() {
        for name in ["no", "on", "y", "null", "true", "123", "1e3", "0x1f", "0o17", "012", "1-2-3", "2027-01-31"] {
            let written = yaml(&Object::account(name, name), "").unwrap();
            assert!(
                written.contains(&format!("name: \"{name}\""))
                    || written.contains(&format!("name: '{name}'"))
                    || name == "1-2-3",
                "{written}"
            );
            let documents: Vec<Value> = serde_saphyr::from_multiple(&written).unwrap();
            assert_eq!(documents[0]["metadata"]["namespace"], name);
        }
    }

    #[test]
    fn nothing_in_a_text_ends_a_comment() {
        assert_eq!(comment("a\u{2028}kind: Secret\n\nb\rc"), "# a kind: Secret\n#\n# b c\n");
    }
}
