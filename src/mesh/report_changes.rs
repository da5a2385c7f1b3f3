//! What is otherwise in one report than in an earlier one.

use std::collections::{BTreeMap, BTreeSet};

use crate::mesh::report_document::{FindingPart, ReportDocument};
use crate::mesh::row_document::RowPart;

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What kind of change.
    pub kind: ChangeKind,
    /// The cluster; `None`: the mesh as a whole.
    pub cluster: Option<String>,
    /// What the certificate is there; `None`: it is about no certificate.
    pub role: Option<String>,
    /// What was there.
    pub was: Option<Seen>,
    /// What is there.
    pub now: Option<Seen>,
    /// Of a finding: its code and what it says.
    pub finding: Option<(String, String)>,
}

/// The kinds of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// A cluster is in the mesh file no more.
    ClusterGone,
    /// A cluster was added to the mesh file.
    ClusterNew,
    /// Another certificate took the place of one.
    Renewed,
    /// A certificate is where none was.
    New,
    /// A certificate is there no more.
    Gone,
    /// The same certificate stands otherwise; or it could be seen, and now it cannot; or the other way.
    Status,
    /// Something is wrong that was not.
    FindingNew,
    /// Something is wrong no more.
    FindingGone,
}

impl ChangeKind {
    /// The word in tables and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ChangeKind::ClusterGone => "cluster-gone",
            ChangeKind::ClusterNew => "cluster-new",
            ChangeKind::Renewed => "renewed",
            ChangeKind::New => "new",
            ChangeKind::Gone => "gone",
            ChangeKind::Status => "status",
            ChangeKind::FindingNew => "finding-new",
            ChangeKind::FindingGone => "finding-gone",
        }
    }
}

/// What was seen in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// How it stands.
    pub status: String,
    /// SHA-256 of the certificate; `None`: none could be seen.
    pub fingerprint: Option<String>,
    /// Its end, RFC 3339 in UTC.
    pub not_after: Option<String>,
}

impl Seen {
    fn of(row: &RowPart) -> Self {
        Self { status: row.status.clone(), fingerprint: row.fingerprint.clone(), not_after: row.not_after.clone() }
    }
}

/// Everything that changed from `old` to `new`. Of clusters that came or went nothing else is told. Two lists of the same
/// things in another order are the same.
#[must_use]
pub fn changes(old: &ReportDocument, new: &ReportDocument) -> Vec<Change> {
    let names = |report: &ReportDocument| -> BTreeSet<String> {
        report.clusters.iter().map(|cluster| cluster.cluster.clone()).collect()
    };
    let (before, after) = (names(old), names(new));
    let of_cluster = |kind, name: &String| Change {
        kind,
        cluster: Some(name.clone()),
        role: None,
        was: None,
        now: None,
        finding: None,
    };
    let mut found: Vec<Change> = Vec::new();
    found.extend(before.difference(&after).map(|name| of_cluster(ChangeKind::ClusterGone, name)));
    found.extend(after.difference(&before).map(|name| of_cluster(ChangeKind::ClusterNew, name)));
    let stayed =
        |cluster: &Option<String>| cluster.as_ref().is_none_or(|name| before.contains(name) && after.contains(name));
    let (mut places_before, places_after) = (by_place(old), by_place(new));
    // In the order of the new report: worst first.
    let mut told = BTreeSet::new();
    for row in &new.rows {
        let place = (row.cluster.clone(), row.role.clone());
        if stayed(&row.cluster) && told.insert(place.clone()) {
            let there = places_after.get(&place).map(Vec::as_slice).unwrap_or_default();
            found.extend(of_place(&place, places_before.remove(&place).unwrap_or_default(), there));
        }
    }
    for (place, rows) in places_before.into_iter().filter(|(place, _)| stayed(&place.0)) {
        if !told.contains(&place) {
            found.extend(of_place(&place, rows, &[]));
        }
    }
    found.extend(of_findings(&old.findings, &new.findings));
    found
}

type Place = (Option<String>, String);

fn by_place(report: &ReportDocument) -> BTreeMap<Place, Vec<&RowPart>> {
    let mut places: BTreeMap<Place, Vec<&RowPart>> = BTreeMap::new();
    for row in &report.rows {
        places.entry((row.cluster.clone(), row.role.clone())).or_default().push(row);
    }
    places
}

fn of_place((cluster, role): &Place, mut was: Vec<&RowPart>, now: &[&RowPart]) -> Vec<Change> {
    let change = |kind, was: Option<&RowPart>, now: Option<&RowPart>| Change {
        kind,
        cluster: cluster.clone(),
        role: Some(role.clone()),
        was: was.map(Seen::of),
        now: now.map(Seen::of),
        finding: None,
    };
    let mut found = Vec::new();
    let mut others = Vec::new();
    for row in now {
        match was.iter().position(|it| it.fingerprint == row.fingerprint) {
            None => others.push(*row),
            Some(place) => {
                let before = was.remove(place);
                if before.status != row.status {
                    found.push(change(ChangeKind::Status, Some(before), Some(row)));
                }
            }
        }
    }
    let mut was = was.into_iter();
    for row in others {
        let before = was.next();
        let kind = match before {
            None => ChangeKind::New,
            Some(before) if before.fingerprint.is_some() && row.fingerprint.is_some() => ChangeKind::Renewed,
            // Nobody knows whether it is another one.
            Some(_) => ChangeKind::Status,
        };
        found.push(change(kind, before, Some(row)));
    }
    found.extend(was.map(|before| change(ChangeKind::Gone, Some(before), None)));
    found
}

fn of_findings(old: &[FindingPart], new: &[FindingPart]) -> Vec<Change> {
    let key = |finding: &FindingPart| (finding.code.clone(), finding.place.clone());
    let keys = |findings: &[FindingPart]| findings.iter().map(key).collect::<BTreeSet<_>>();
    let (before, after) = (keys(old), keys(new));
    let change = |kind, finding: &FindingPart| Change {
        kind,
        cluster: Some(finding.place.clone()).filter(|place| !place.is_empty()),
        role: None,
        was: None,
        now: None,
        finding: Some((finding.code.clone(), finding.what.clone())),
    };
    let appeared = new.iter().filter(|it| !before.contains(&key(it))).map(|it| change(ChangeKind::FindingNew, it));
    let ended = old.iter().filter(|it| !after.contains(&key(it))).map(|it| change(ChangeKind::FindingGone, it));
    appeared.chain(ended).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet::Role;
    use crate::mesh::fleet_story::{NOW, Story, cluster};
    use crate::mesh::status::status;
    use crate::problem::{Code, Problem};
    use time::{Duration, OffsetDateTime};

    fn report(story: &Story, now: OffsetDateTime) -> ReportDocument {
        ReportDocument::of(&status(&story.mesh, &story.holdings, &story.observed, now))
    }

    fn told(old: &ReportDocument, new: &ReportDocument) -> Vec<String> {
        let words = |change: &Change| {
            let place = change.cluster.as_deref().unwrap_or("mesh");
            let status = |seen: &Option<Seen>| seen.as_ref().map_or("-".to_owned(), |seen| seen.status.clone());
            match (&change.role, &change.finding) {
                (Some(role), _) => {
                    format!("{} {place} {role} {} {}", change.kind.as_str(), status(&change.was), status(&change.now))
                }
                (None, Some((code, _))) => format!("{} {place} {code}", change.kind.as_str()),
                (None, None) => format!("{} {place}", change.kind.as_str()),
            }
        };
        changes(old, new).iter().map(words).collect()
    }

    #[test]
    fn nothing_changes_by_looking_again() {
        let story = Story::new();
        assert_eq!(told(&report(&story, NOW), &report(&story, NOW + Duration::hours(1))), [""; 0]);
    }

    #[test]
    fn a_renewal_is_told_with_both_ends_also_of_the_remote_below_it() {
        let mut story = Story::new();
        let old = report(&story, NOW);
        story.publish("east", 2, NOW + Duration::days(90));
        let new = report(&story, NOW);
        assert_eq!(told(&old, &new), ["renewed east intermediate ok ok", "renewed far intermediate ok ok"]);
        let change = &changes(&old, &new)[0];
        assert_eq!(change.was.as_ref().unwrap().not_after.as_deref(), Some("2027-02-02T10:00:00Z"));
        assert_eq!(change.now.as_ref().unwrap().not_after.as_deref(), Some("2027-02-21T10:00:00Z"));
    }

    #[test]
    fn the_same_certificate_stands_otherwise_when_its_renewal_is_due() {
        let story = Story::new();
        let (old, new) = (report(&story, NOW), report(&story, NOW + Duration::days(41)));
        assert_eq!(told(&old, &new), ["status east intermediate ok due", "status far intermediate ok due"]);
    }

    #[test]
    fn what_cannot_be_seen_any_more_is_not_gone_and_comes_back() {
        let mut story = Story::new();
        let old = report(&story, NOW);
        story.look_at("west").secret = Err(Problem::new(Code::TargetUnreadable, "connection refused"));
        let new = report(&story, NOW);
        let there = told(&old, &new);
        assert!(there.contains(&"status west intermediate ok UNKNOWN".to_owned()), "{there:?}");
        assert!(there.contains(&"status west root ok UNKNOWN".to_owned()), "{there:?}");
        assert!(told(&new, &old).contains(&"status west intermediate UNKNOWN ok".to_owned()));
    }

    #[test]
    fn a_second_root_is_new_and_goes_again() {
        let mut story = Story::new();
        let old = report(&story, NOW);
        let both = format!("{}{}", story.root.certificate.pem(), story.other_root("mesh1 root g2").certificate.pem());
        story.sight_of("west").public.insert("root-cert.pem".to_owned(), both.into_bytes().into());
        let new = report(&story, NOW);
        assert!(told(&old, &new).contains(&"new west root - ok".to_owned()), "{:?}", told(&old, &new));
        assert!(told(&new, &old).contains(&"gone west root ok -".to_owned()), "{:?}", told(&new, &old));
    }

    #[test]
    fn a_cluster_that_came_or_went_is_one_change() {
        let mut story = Story::new();
        let old = report(&story, NOW);
        let joined = cluster("north", Role::Primary);
        story.mesh.clusters = story.mesh.clusters.iter().cloned().chain([joined]).collect();
        story.publish("north", 1, NOW + Duration::days(70));
        let new = report(&story, NOW);
        assert_eq!(told(&old, &new), ["cluster-new north"]);
        assert_eq!(told(&new, &old), ["cluster-gone north"]);
    }

    #[test]
    fn findings_come_and_go() {
        let mut story = Story::new();
        let old = report(&story, NOW + Duration::days(41));
        story.mesh.rotation.paused = true;
        let new = report(&story, NOW + Duration::days(41));
        assert_eq!(told(&old, &new), ["finding-new mesh1 rotation-paused"]);
        assert_eq!(told(&new, &old), ["finding-gone mesh1 rotation-paused"]);
    }
}
