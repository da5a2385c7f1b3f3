//! The public status in ConfigMaps: in parts of so many clusters each, since a ConfigMap holds 1 MiB at most.
//!
//! Each part is a whole report, about its clusters; what is said of the mesh as a whole stands in the first. A part says
//! by annotations which one it is and how many there are: when a fleet shrinks, what is left of longer lists is told by
//! that from what counts. Nothing is deleted.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;

use crate::mesh::fleet::ClusterName;
use crate::mesh::public_status;
use crate::mesh::report_document::ReportDocument;
use crate::mesh::status::Status;
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};

/// Clusters in one part. A cluster takes 2 KiB where all is well, and 3 KiB with a finding.
pub const CLUSTERS: usize = 250;

/// The label that gathers the parts of one mesh.
pub const LABEL: &str = "meshca.io/status";

/// The key of the report in a ConfigMap.
const KEY: &str = "status.json";

/// The names of the ConfigMaps that a mesh of so many clusters has.
#[must_use]
pub fn part_names(prefix: &str, clusters: usize) -> Vec<String> {
    (0..clusters.div_ceil(CLUSTERS).max(1)).map(|number| format!("{prefix}-{number}")).collect()
}

/// The parts, as bodies of a server-side apply, each with its name.
///
/// # Errors
/// `output-failed`, when a serializer fails; none is known to.
pub fn parts(status: &Status, namespace: &str, prefix: &str) -> Result<Vec<(String, Secret)>, Problem> {
    let names = part_names(prefix, status.clusters.len());
    let count = names.len();
    let body = |(number, name): (usize, String)| {
        let text = serde_json::to_string(&part(status, number))
            .map_err(|error| Problem::new(Code::OutputFailed, format!("the status cannot be written: {error}")))?;
        let labels = json!({ "app.kubernetes.io/name": "meshca", LABEL: status.mesh });
        let annotations = json!({ PART: number.to_string(), PARTS: count.to_string() });
        let metadata = json!({ "name": name, "namespace": namespace, "labels": labels, "annotations": annotations });
        let map =
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { KEY: text + "\n" } });
        Ok((name, Secret::new(map.to_string().into_bytes())))
    };
    names.into_iter().enumerate().map(body).collect()
}

/// A ConfigMap with a part, as far as it was read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartMap {
    metadata: PartMetadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartMetadata {
    name: String,
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl PartMap {
    /// Reads the object; not yet the status in it.
    ///
    /// # Errors
    /// `status-unreadable`: it is no ConfigMap.
    pub fn read(object: &[u8], name: &str) -> Result<Self, Problem> {
        serde_json::from_slice(object).map_err(|error| unreadable(format!("{name} is no ConfigMap: {error}")))
    }

    /// What identifies its present content.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.metadata.resource_version
    }

    /// How many parts there are, if it is this one of them, counted from 0.
    ///
    /// # Errors
    /// `status-unreadable`: it does not say so.
    pub fn count(&self, number: usize) -> Result<usize, Problem> {
        let said = |key: &str| self.metadata.annotations.get(key).and_then(|text| text.parse::<usize>().ok());
        match (said(PART), said(PARTS)) {
            (Some(part), Some(count)) if part == number && part < count && count <= MOST_PARTS => Ok(count),
            _ => Err(unreadable(format!("{} does not say that it is part {number} of a status", self.metadata.name))),
        }
    }

    /// The status in it.
    ///
    /// # Errors
    /// `status-unreadable`.
    pub fn status(&self) -> Result<ReportDocument, Problem> {
        let name = &self.metadata.name;
        let text = self.data.get(KEY).ok_or_else(|| unreadable(format!("{name} has no {KEY}")))?;
        public_status::read(text.as_bytes(), &format!("{KEY} in {name}"))
    }
}

/// Parts that are read at most: those of half a million clusters.
const MOST_PARTS: usize = 2000;

/// The annotations that say which part it is, and of how many.
const PART: &str = "meshca.io/part";
const PARTS: &str = "meshca.io/parts";

fn unreadable(what: String) -> Problem {
    Problem::new(Code::StatusUnreadable, what).hint("meshca rotate --status-configmap   writes it anew")
}

/// The report about one part of the clusters.
fn part(status: &Status, number: usize) -> Status {
    let clusters: Vec<_> = status.clusters.iter().skip(number * CLUSTERS).take(CLUSTERS).cloned().collect();
    let all: BTreeSet<&str> = status.clusters.iter().map(|look| look.cluster.as_str()).collect();
    let these: BTreeSet<&str> = clusters.iter().map(|look| look.cluster.as_str()).collect();
    let is_first = number == 0;
    // What names no cluster, or several, is about the mesh.
    let belongs = |place: Option<&str>| match place.filter(|place| all.contains(place)) {
        Some(place) => these.contains(place),
        None => is_first,
    };
    let mut part = Status {
        rows: status
            .rows
            .iter()
            .filter(|row| belongs(row.cluster.as_ref().map(ClusterName::as_str)))
            .cloned()
            .collect(),
        findings: status.findings.iter().filter(|it| belongs(Some(&it.place))).cloned().collect(),
        last_starts: status
            .last_starts
            .iter()
            .filter(|it| belongs(it.cluster.as_ref().map(ClusterName::as_str)))
            .cloned()
            .collect(),
        ceremonies: if is_first { status.ceremonies.clone() } else { Vec::new() },
        leaks: status.leaks.iter().map(|leak| leak.within(&these)).collect(),
        ..status.clone()
    };
    drop(these);
    part.clusters = clusters;
    part
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::mesh::fleet_story::{NOW, Story, name};
    use crate::mesh::status::{Look, status};

    fn read(parts: &[(String, Secret)]) -> Vec<Value> {
        parts.iter().map(|(_, body)| serde_json::from_slice(body.expose()).unwrap()).collect()
    }

    fn report(map: &Value) -> Value {
        serde_json::from_str(map["data"][KEY].as_str().unwrap()).unwrap()
    }

    #[test]
    fn three_clusters_are_one_report_that_says_what_the_whole_says() {
        let mut story = Story::new();
        story.observed.remove(&name("west"));
        let status = status(&story.mesh, &story.holdings, &story.observed, NOW);
        let parts = parts(&status, "meshca", "meshca-status").unwrap();
        let maps = read(&parts);
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].0, "meshca-status-0");
        assert_eq!(report(&maps[0]), serde_json::to_value(&status).unwrap());
        assert_eq!(maps[0]["metadata"]["labels"][LABEL], "mesh1");
        let text = maps[0].to_string();
        assert!(!text.contains("BEGIN") && !text.contains("PRIVATE"), "public, and no PEM");
    }

    #[test]
    fn a_thousand_and_one_clusters_are_five_parts_that_fit_and_lose_nothing() {
        let story = Story::new();
        let mut status = status(&story.mesh, &story.holdings, &story.observed, NOW);
        let (looks, rows) = (status.clusters.clone(), status.rows.clone());
        (status.clusters, status.rows) = (Vec::new(), Vec::new());
        for number in 0..1001 {
            let cluster = ClusterName::parse(&format!("{number:04}{}", "c".repeat(59))).unwrap();
            status.clusters.push(Look { cluster: cluster.clone(), ..looks[0].clone() });
            for row in rows.iter().filter(|row| row.cluster == Some(name("far"))).cycle().take(3) {
                status.rows.push(crate::mesh::row::Row { cluster: Some(cluster.clone()), ..row.clone() });
            }
            let problem =
                Problem::new(Code::TargetUnreadable, "w".repeat(300)).fact("f".repeat(400)).hint("h".repeat(200));
            status.findings.push(crate::problem::Finding {
                severity: crate::problem::Severity::Warning,
                place: cluster.to_string(),
                problem,
            });
        }
        status.rows.extend(rows.into_iter().filter(|row| row.cluster.is_none()));
        let parts = parts(&status, "meshca", "s").unwrap();
        let names: Vec<_> = parts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["s-0", "s-1", "s-2", "s-3", "s-4"]);
        assert_eq!(part_names("s", 1001), names);
        assert!(parts.iter().all(|(_, body)| body.expose().len() < 1024 * 1024), "a ConfigMap holds 1 MiB");
        let maps = read(&parts);
        let count = |key: &str| -> usize { maps.iter().map(|map| report(map)[key].as_array().unwrap().len()).sum() };
        assert_eq!(count("clusters"), 1001);
        assert_eq!((count("rows"), count("findings")), (status.rows.len(), status.findings.len()));
        assert_eq!(count("ceremonies"), status.ceremonies.len());
        assert_eq!(maps[4]["metadata"]["annotations"]["meshca.io/part"], "4");
        assert!(maps.iter().all(|map| map["metadata"]["annotations"]["meshca.io/parts"] == "5"));
        assert_eq!(report(&maps[4])["clusters"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_part_says_which_one_it_is_and_what_is_none_is_refused() {
        let story = Story::new();
        let status = status(&story.mesh, &story.holdings, &story.observed, NOW);
        let parts = parts(&status, "meshca", "s").unwrap();
        let good: Value = serde_json::from_slice(parts[0].1.expose()).unwrap();
        let part = |it: &Value| PartMap::read(it.to_string().as_bytes(), "s-0");
        let map = part(&good).unwrap();
        assert_eq!(map.status().unwrap(), ReportDocument::of(&status));
        assert_eq!(map.count(0).unwrap(), 1);
        assert_eq!(map.count(1).unwrap_err().code(), Code::StatusUnreadable, "it is another part");
        let changed = |key: &str, value: &str| {
            let mut it = good.clone();
            it["metadata"]["annotations"][key] = value.into();
            part(&it).unwrap().count(0)
        };
        assert_eq!(changed("meshca.io/parts", "2000").unwrap(), 2000);
        for (key, value) in [("meshca.io/parts", "0"), ("meshca.io/parts", "2001"), ("meshca.io/part", "x")] {
            assert_eq!(changed(key, value).unwrap_err().code(), Code::StatusUnreadable, "{key} {value}");
        }
        let mut bare = good.clone();
        bare["data"] = json!({});
        bare["metadata"]["annotations"] = json!({});
        let bare = part(&bare).unwrap();
        assert!(bare.status().is_err() && bare.count(0).is_err());
        assert!(part(&json!([])).is_err());
    }

    #[test]
    fn there_is_always_a_first_part() {
        assert_eq!(part_names("a", 0), ["a-0"]);
        assert_eq!(part_names("a", 250), ["a-0"]);
        assert_eq!(part_names("a", 251), ["a-0", "a-1"]);
    }
}
