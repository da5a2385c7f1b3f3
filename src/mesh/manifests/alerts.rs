//! The alerts upon meshca's metrics: one plain rule file, from which the `PrometheusRule` of the Prometheus Operator is made.

use time::Duration;

use crate::mesh::cluster_label::ClusterLabel;
use crate::mesh::fleet::Mesh;
use crate::mesh::manifests::kube_object::{NAMESPACE, Object};

/// The rule file as it lies in the source, for a mesh with the default tick and without maintenance windows.
pub const SOURCE: &str = include_str!("alerts.yaml");

/// Where the source says how long nobody looked when that is told.
const OLD: &str = "> 2 * 86400";
/// Where it says how long a renewal was due when that is told.
const OVERDUE: &str = "> 3 * 86400";
/// Where its pages are: a folder of the source tree.
const RUNBOOKS: &str = "runbook_url: \"docs/runbooks/";
/// Where it names the label of our series that names the cluster, and what stands there where that is called `NAME`. Series of
/// Istio's proxies keep their labels; a proxy counts for the cluster that either label of it names.
const LABEL: [(&str, &str); 6] = [
    ("istio_cert_expiry_timestamp{cluster!=", "istio_cert_expiry_timestamp{NAME!="),
    ("$labels.cluster", "$labels.NAME"),
    ("cluster, exported_cluster", "NAME, exported_NAME"),
    (
        "(meshca_cluster_managed unless on (cluster) up{job=\"istio-proxy\"} == 1)",
        "(
          meshca_cluster_managed
          unless on (NAME) up{job=\"istio-proxy\"} == 1
          unless on (NAME) label_replace(
            group by (cluster) (up{job=\"istio-proxy\"} == 1), \"NAME\", \"$1\", \"cluster\", \"(.*)\"
          )
        )",
    ),
    (
        "meshes print, letter for letter. ConnectivityLoss stays silent while any proxy
  # anywhere is up:",
        "meshes print. The series of meshca have the label NAME, so CertificateExpiry
  # asks for that; ConnectivityLoss asks for a label of Istio's proxies, and is letter for letter. It stays silent while any
  # proxy anywhere is up:",
    ),
    ("proxies with a label cluster.", "proxies with a label cluster or NAME."),
];

/// The rule file for this mesh: what depends on how often `rotate` runs, and on when it may renew, follows the mesh file.
/// `runbooks` is the address of the folder of the runbooks, without a slash at its end; `None`: as in the source, their
/// path in the source tree. `label` is what the series have that it is about.
#[must_use]
pub fn text(mesh: &Mesh, runbooks: Option<&str>, label: &ClusterLabel) -> String {
    let (tick, gap) = (mesh.rotation.tick, mesh.rotation.windows.longest_gap());
    let waits = if gap > Duration::ZERO { format!(" + {}", gap.whole_seconds()) } else { String::new() };
    let overdue = format!("> 3 * {}{waits}", tick.whole_seconds());
    let text = SOURCE.replace(OLD, &format!("> 2 * {}", tick.whole_seconds())).replace(OVERDUE, &overdue);
    let text = match runbooks {
        Some(address) => text.replace(RUNBOOKS, &format!("runbook_url: \"{address}/")),
        None => text,
    };
    if *label == ClusterLabel::USUAL {
        return text;
    }
    let named = |with: &str| with.replace("NAME", label.as_str());
    LABEL.iter().fold(text, |text, (usual, other)| text.replace(usual, &named(other)))
}

/// The same groups as a `PrometheusRule`, with these labels besides those of everything that meshca prints; `None`: the
/// text is no rule file, which a test excludes.
#[must_use]
pub fn object(text: &str, namespace: Option<&str>, labels: &[(String, String)]) -> Option<Object> {
    let rules = serde_saphyr::from_str(text).ok()?;
    Some(Object::prometheus_rule(namespace.unwrap_or(NAMESPACE), "meshca", rules, labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::Story;
    use crate::mesh::window::Window;
    use crate::mesh::windows::Windows;

    #[test]
    fn for_a_mesh_with_the_defaults_it_is_the_source_letter_for_letter() {
        let mut story = Story::new();
        story.mesh.rotation.tick = Duration::days(1);
        assert_eq!(text(&story.mesh, None, &ClusterLabel::USUAL), SOURCE);
        assert_eq!((SOURCE.matches(OLD).count(), SOURCE.matches(OVERDUE).count()), (1, 1));
    }

    #[test]
    fn what_is_late_follows_the_tick_and_the_longest_time_that_no_window_is_open() {
        let mut story = Story::new();
        story.mesh.rotation.tick = Duration::hours(6);
        let window = Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap();
        story.mesh.rotation.windows = Windows::new(vec![window]);
        let text = text(&story.mesh, None, &ClusterLabel::USUAL);
        assert!(text.contains("(meshca_status_timestamp_seconds) > 2 * 21600\n"), "{text}");
        assert!(text.contains("{role=\"intermediate\"}) > 3 * 21600 + 590400\n"), "{text}");
    }

    #[test]
    fn the_object_has_the_groups_the_namespace_and_the_labels() {
        let labels = [("release".to_owned(), "a: b".to_owned())];
        let object = object(SOURCE, Some("monitoring"), &labels).unwrap();
        let value = serde_json::to_value(&object).unwrap();
        assert_eq!(value["metadata"]["labels"]["release"], "a: b");
        assert_eq!(value["metadata"]["namespace"], "monitoring");
        let source: serde_json::Value = serde_saphyr::from_str(SOURCE).unwrap();
        assert_eq!(value["spec"], source);
    }

    #[test]
    fn the_address_of_the_runbooks_is_in_every_link() {
        let address = Some("https://runbooks.example/meshca");
        let text = text(&Story::new().mesh, address, &ClusterLabel::USUAL);
        let links = text.matches("runbook_url: \"https://runbooks.example/meshca/").count();
        assert_eq!(links, text.matches("runbook_url").count());
    }

    #[test]
    fn under_another_label_nothing_but_what_is_of_proxies_speaks_of_cluster() {
        for (usual, _) in LABEL {
            assert!(SOURCE.contains(usual), "{usual}");
        }
        let text = text(&Story::new().mesh, None, &ClusterLabel::parse("mesh_cluster").unwrap());
        let rules: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let names = |value: &serde_json::Value| {
            let text = value.as_str().unwrap().to_owned();
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.')
                .any(|word| word == "cluster" || word == "exported_cluster" || word.ends_with("labels.cluster"))
        };
        let rules = rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
        let still: Vec<_> = rules.clone().filter(|rule| names(&rule["expr"])).map(|rule| &rule["alert"]).collect();
        assert_eq!(still, ["CrossClusterConnectivityLoss", "MeshCAConnectivityLoss"]);
        for rule in rules {
            assert!(!rule["annotations"]["description"].as_str().unwrap().contains("$labels.cluster"), "{rule}");
        }
    }
}
