//! The dashboard for Grafana: every figure on it is one of meshca's own metrics.

use crate::mesh::manifests::kube_object::{NAMESPACE, Object};

/// The dashboard, as Grafana imports it.
pub const SOURCE: &str = include_str!("dashboard.json");

/// By this label, with the value 1, Grafana's own sidecar finds dashboards.
const FOUND_BY: &str = "grafana_dashboard";

/// The ConfigMap with it, with these labels besides the one by which Grafana's sidecar finds it.
#[must_use]
pub fn object(namespace: Option<&str>, labels: &[(String, String)]) -> Object {
    let found_by = [(FOUND_BY.to_owned(), "1".to_owned())];
    let labels: Vec<_> = found_by.into_iter().chain(labels.iter().cloned()).collect();
    Object::labelled_config_map(namespace.unwrap_or(NAMESPACE), "meshca-dashboard", "meshca.json", SOURCE, &labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_the_dashboard_letter_for_letter_and_the_labels() {
        let value = serde_json::to_value(object(Some("monitoring"), &[("a".to_owned(), "b".to_owned())])).unwrap();
        assert_eq!(value["data"]["meshca.json"], SOURCE);
        assert_eq!(value["metadata"]["namespace"], "monitoring");
        assert_eq!(value["metadata"]["labels"]["grafana_dashboard"], "1");
        assert_eq!(value["metadata"]["labels"]["a"], "b");
        assert_eq!(serde_json::to_value(object(None, &[])).unwrap()["metadata"]["namespace"], "meshca");
    }
}
