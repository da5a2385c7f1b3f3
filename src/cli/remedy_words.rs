//! What could be applied so that problems do not come again: once for all clusters that lack the same.

use std::path::Path;

use crate::cli::problem_words::{printable, typed};
use crate::problem::Problem;

/// How many different manifests are shown, and how many clusters are named with each.
const SHOWN: usize = 3;

/// Comments and YAML that `kubectl apply -f -` takes as it stands; `None`: nothing could be applied.
#[must_use]
pub(in crate::cli) fn remedies<'p>(
    problems: impl IntoIterator<Item = &'p Problem>,
    mesh_file: &Path,
) -> Option<String> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for remedy in problems.into_iter().filter_map(Problem::to_apply) {
        let cluster = remedy.cluster.as_str();
        match groups.iter_mut().find(|(manifest, _)| *manifest == remedy.manifest) {
            Some((_, clusters)) if clusters.contains(&cluster) => {}
            Some((_, clusters)) => clusters.push(cluster),
            None => groups.push((&remedy.manifest, vec![cluster])),
        }
    }
    let mut text = String::new();
    for (manifest, clusters) in groups.iter().take(SHOWN) {
        let clusters = named(clusters);
        let about = format!("# what is missing in {clusters}, for who may grant it there: kubectl apply -f -\n");
        text.push_str(&printable(&(about + manifest)));
    }
    let left: Vec<&str> = groups.iter().skip(SHOWN).flat_map(|(_, clusters)| clusters.iter().copied()).collect();
    if !left.is_empty() {
        let command = typed(&format!("meshca manifests rbac {}", left.join(" ")), mesh_file);
        text.push_str(&printable(&format!("# for {} more: {command}\n", left.len())));
    }
    (!text.is_empty()).then_some(text)
}

fn named(clusters: &[&str]) -> String {
    let shown = clusters.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match clusters.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Code, Remedy};

    /// A problem in each of these clusters, which this would mend.
    fn lacking(clusters: &[&str], manifest: &str) -> Vec<Problem> {
        let problem = |cluster: &&str| {
            let remedy = Remedy { cluster: (*cluster).to_owned(), manifest: manifest.to_owned() };
            Problem::new(Code::NotAllowed, *cluster).remedy(Some(remedy))
        };
        clusters.iter().map(problem).collect()
    }

    fn told(problems: &[Problem]) -> String {
        remedies(problems, Path::new("mesh.yaml")).unwrap_or_default()
    }

    #[test]
    fn what_many_clusters_lack_alike_is_shown_once() {
        let head =
            |names: &str| format!("# what is missing in {names}, for who may grant it there: kubectl apply -f -\n");
        assert_eq!(told(&lacking(&["a"], "---\nx: 1\n")), head("a") + "---\nx: 1\n");
        assert_eq!(told(&lacking(&["a", "b", "a", "c"], "---\nx: 1\n")), head("a, b, c") + "---\nx: 1\n");
        assert_eq!(told(&lacking(&["a", "b", "c", "d"], "---\nx: 1\n")), head("a, b, c and 1 more") + "---\nx: 1\n");
    }

    #[test]
    fn three_different_manifests_are_shown_and_of_the_others_how_to_print_them() {
        let lack = |number: usize| lacking(&[&format!("c{number}")], &format!("---\nx: {number}\n"));
        let three = told(&(1..=3).flat_map(lack).collect::<Vec<_>>());
        assert_eq!((three.matches("---\n").count(), three.contains("more")), (3, false), "{three}");
        let five: Vec<Problem> = (1..=5).flat_map(lack).collect();
        assert_eq!(told(&five), three.clone() + "# for 2 more: meshca manifests rbac c4 c5\n");
        let elsewhere = remedies(&five, Path::new("m.yaml")).unwrap();
        assert_eq!(elsewhere, three + "# for 2 more: meshca -f m.yaml manifests rbac c4 c5\n");
    }

    #[test]
    fn where_nothing_can_be_applied_nothing_is_said() {
        assert_eq!(remedies(&[Problem::new(Code::AnswerLost, "no answer")], Path::new("mesh.yaml")), None);
    }
}
