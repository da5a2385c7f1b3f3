//! The dashboard for Grafana: every figure on it is one of meshca's own metrics.

use crate::mesh::cluster_label::ClusterLabel;
use crate::mesh::manifests::kube_object::{NAMESPACE, Object};

/// The dashboard as it lies in the source, for series whose label that names the cluster is the usual one.
pub const SOURCE: &str = include_str!("dashboard.json");

/// By this label, with the value 1, Grafana's own sidecar finds dashboards.
const FOUND_BY: &str = "grafana_dashboard";

/// Where it names that label, and what stands there where it is called `NAME`: in questions, and as a column of tables. The
/// variable by which clusters are chosen is the dashboard's own, and keeps its name.
const LABEL: [(&str, &str); 6] = [
    (r#"cluster=~\"$cluster\""#, r#"NAME=~\"$cluster\""#),
    (r#"cluster=\"$cluster\""#, r#"NAME=\"$cluster\""#),
    ("by (cluster", "by (NAME"),
    ("by (kind, cluster)", "by (kind, NAME)"),
    ("}, cluster)", "}, NAME)"),
    (r#""cluster": "#, r#""NAME": "#),
];

/// The dashboard as Grafana imports it, upon series with this label.
#[must_use]
pub fn text(label: &ClusterLabel) -> String {
    let named = |with: &str| with.replace("NAME", label.as_str());
    LABEL.iter().fold(SOURCE.to_owned(), |text, (usual, other)| text.replace(usual, &named(other)))
}

/// The ConfigMap with this text, with these labels besides the one by which Grafana's sidecar finds it.
#[must_use]
pub fn object(text: &str, namespace: Option<&str>, labels: &[(String, String)]) -> Object {
    let found_by = [(FOUND_BY.to_owned(), "1".to_owned())];
    let labels: Vec<_> = found_by.into_iter().chain(labels.iter().cloned()).collect();
    Object::labelled_config_map(namespace.unwrap_or(NAMESPACE), "meshca-dashboard", "meshca.json", text, &labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_the_usual_label_it_is_the_source_letter_for_letter() {
        assert_eq!(text(&ClusterLabel::USUAL), SOURCE);
        for (usual, _) in LABEL {
            assert!(SOURCE.contains(usual), "{usual}");
        }
    }

    #[test]
    fn the_object_has_the_dashboard_letter_for_letter_and_the_labels() {
        let value =
            serde_json::to_value(object(SOURCE, Some("monitoring"), &[("a".to_owned(), "b".to_owned())])).unwrap();
        assert_eq!(value["data"]["meshca.json"], SOURCE);
        assert_eq!(value["metadata"]["namespace"], "monitoring");
        assert_eq!(value["metadata"]["labels"]["grafana_dashboard"], "1");
        assert_eq!(value["metadata"]["labels"]["a"], "b");
        assert_eq!(serde_json::to_value(object(SOURCE, None, &[])).unwrap()["metadata"]["namespace"], "meshca");
    }
}
