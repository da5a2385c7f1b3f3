//! The alerts upon meshca's metrics: one plain rule file, from which the `PrometheusRule` of the Prometheus Operator is made.

use time::Duration;

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

/// The rule file for this mesh: what depends on how often `rotate` runs, and on when it may renew, follows the mesh file.
/// `runbooks` is the address of the folder of the runbooks, without a slash at its end; `None`: as in the source, their
/// path in the source tree.
#[must_use]
pub fn text(mesh: &Mesh, runbooks: Option<&str>) -> String {
    let (tick, gap) = (mesh.rotation.tick, mesh.rotation.windows.longest_gap());
    let waits = if gap > Duration::ZERO { format!(" + {}", gap.whole_seconds()) } else { String::new() };
    let overdue = format!("> 3 * {}{waits}", tick.whole_seconds());
    let text = SOURCE.replace(OLD, &format!("> 2 * {}", tick.whole_seconds())).replace(OVERDUE, &overdue);
    match runbooks {
        Some(address) => text.replace(RUNBOOKS, &format!("runbook_url: \"{address}/")),
        None => text,
    }
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
        assert_eq!(text(&story.mesh, None), SOURCE);
        assert_eq!((SOURCE.matches(OLD).count(), SOURCE.matches(OVERDUE).count()), (1, 1));
    }

    #[test]
    fn what_is_late_follows_the_tick_and_the_longest_time_that_no_window_is_open() {
        let mut story = Story::new();
        story.mesh.rotation.tick = Duration::hours(6);
        let window = Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap();
        story.mesh.rotation.windows = Windows::new(vec![window]);
        let text = text(&story.mesh, None);
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
        let text = text(&Story::new().mesh, Some("https://runbooks.example/meshca"));
        let links = text.matches("runbook_url: \"https://runbooks.example/meshca/").count();
        assert_eq!(links, text.matches("runbook_url").count());
    }
}
