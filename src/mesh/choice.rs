//! Which rows of a report somebody asked for, and in which order.

use std::cmp::Ordering;

use crate::mesh::fleet::{ClusterName, Mesh};
use crate::mesh::outcome::Outcome;
use crate::mesh::row::Row;
use crate::mesh::status::{Status, Whole};
use crate::problem::{Finding, Problem};

/// What a row must be to be told; of several, one is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Only {
    /// Its renewal is due, or was.
    Due,
    /// It needs somebody, or could not be seen.
    Bad,
    /// It is of this cluster.
    Of(ClusterName),
}

/// The order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The worst first.
    #[default]
    Urgency,
    /// By the name of the cluster; the mesh's own come last.
    Cluster,
    /// Roots, issuing CAs, intermediates.
    Role,
    /// What ends first; what is not known comes last.
    Expires,
    /// What is renewed first; what is not known comes last.
    Renews,
}

/// Which rows, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Empty: all.
    pub only: Vec<Only>,
    /// The order.
    pub order: Order,
}

impl Only {
    /// What this word asks for: `due`, `bad`, or the name of a cluster. A cluster of one of these two names can not be
    /// asked for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "due" => Some(Only::Due),
            "bad" => Some(Only::Bad),
            name => ClusterName::parse(name).map(Only::Of),
        }
    }

    fn takes(&self, row: &Row, status: &Status) -> bool {
        match self {
            Only::Due => row.renews_at.is_some_and(|at| at <= status.generated_at),
            Only::Bad => row.outcome() > Outcome::Fine,
            Only::Of(name) => row.cluster.as_ref() == Some(name),
        }
    }
}

impl Choice {
    /// Whether every cluster that is asked for is one of this mesh.
    ///
    /// # Errors
    /// `unknown-cluster`.
    pub fn check(&self, mesh: &Mesh) -> Result<(), Problem> {
        self.only.iter().try_for_each(|only| match only {
            Only::Of(name) => mesh.known_cluster(name).map(|_| ()),
            Only::Due | Only::Bad => Ok(()),
        })
    }

    /// Of these rows of the status the ones that are asked for, in the order that is asked for.
    #[must_use]
    pub fn rows<'a>(&self, rows: Vec<&'a Row>, status: &Status) -> Vec<&'a Row> {
        let is_wanted = |row: &&Row| self.only.is_empty() || self.only.iter().any(|only| only.takes(row, status));
        let mut rows: Vec<&Row> = rows.into_iter().filter(is_wanted).collect();
        // Stable: what is alike stays in the order of urgency.
        match self.order {
            Order::Urgency => {}
            Order::Cluster => rows.sort_by_key(|row| (row.cluster.is_none(), row.cluster.as_ref())),
            Order::Role => rows.sort_by_key(|row| row.role),
            Order::Expires => rows.sort_by(|a, b| known_first(a.not_after(), b.not_after())),
            Order::Renews => rows.sort_by(|a, b| known_first(a.renews_at, b.renews_at)),
        }
        rows
    }

    /// The findings to be told: where only clusters are asked for, those that name one of them, or no cluster at all.
    #[must_use]
    pub fn findings<'a>(&self, status: &'a Status) -> Vec<&'a Finding> {
        let wanted: Option<Vec<&str>> = self
            .only
            .iter()
            .map(|only| match only {
                Only::Of(name) => Some(name.as_str()),
                Only::Due | Only::Bad => None,
            })
            .collect();
        let is_cluster = |place: &str| status.clusters.iter().any(|look| look.cluster.as_str() == place);
        let is_told = |finding: &&Finding| match &wanted {
            Some(wanted) if !wanted.is_empty() => {
                let places = || finding.place.split(", ");
                places().any(|place| wanted.contains(&place)) || !places().any(is_cluster)
            }
            _ => true,
        };
        status.findings.iter().filter(is_told).collect()
    }

    /// The status with these rows alone, for documents. Verdict and severity stay those of the whole mesh.
    #[must_use]
    pub fn narrowed(&self, status: &Status) -> Status {
        let rows = self.rows(status.rows.iter().collect(), status).into_iter().cloned().collect();
        let findings = self.findings(status).into_iter().cloned().collect();
        let whole = Whole { outcome: status.outcome(), verdict: status.verdict() };
        Status { rows, findings, whole: Some(whole), ..status.clone() }
    }
}

fn known_first<T: Ord>(a: Option<T>, b: Option<T>) -> Ordering {
    (a.is_none(), a).cmp(&(b.is_none(), b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story, name};
    use crate::mesh::status::status;
    use crate::problem::Code;
    use time::Duration;

    /// West's renewal is due to the second, and far cannot be seen.
    fn troubled() -> Status {
        let mut story = Story::new();
        story.publish("west", 1, NOW + Duration::days(30));
        story.look_at("far").system_roots = Err(Problem::new(Code::TargetUnreadable, "connection refused"));
        status(&story.mesh, &story.holdings, &story.observed, NOW)
    }

    fn told(only: &[&str], order: Order) -> Vec<String> {
        let status = troubled();
        let choice = Choice { only: only.iter().map(|text| Only::parse(text).unwrap()).collect(), order };
        let place = |row: &&Row| row.cluster.as_ref().map_or("mesh1", ClusterName::as_str).to_owned();
        let words = |row: &&Row| format!("{} {}", place(row), row.role.as_str());
        choice.rows(status.headlines(), &status).iter().map(words).collect()
    }

    #[test]
    fn rows_are_chosen_by_what_they_need_and_whose_they_are_and_of_several_wishes_one_is_enough() {
        assert_eq!(told(&["due"], Order::Urgency), ["west intermediate"]);
        assert_eq!(told(&["bad"], Order::Urgency), ["far root"]);
        assert_eq!(told(&["east"], Order::Urgency), ["east intermediate"]);
        assert_eq!(told(&["due", "east"], Order::Urgency), ["west intermediate", "east intermediate"]);
        assert_eq!(told(&[], Order::Urgency).len(), 6);
    }

    #[test]
    fn a_renewal_is_due_at_its_second_and_not_before() {
        for (left, wanted) in [(Duration::ZERO, 1), (Duration::SECOND, 0)] {
            let mut story = Story::new();
            story.publish("west", 1, NOW + Duration::days(30) + left);
            let status = status(&story.mesh, &story.holdings, &story.observed, NOW);
            let choice = Choice { only: vec![Only::Due], ..Choice::default() };
            assert_eq!(choice.rows(status.rows.iter().collect(), &status).len(), wanted);
        }
    }

    #[test]
    fn each_order_is_kept_and_what_is_not_known_comes_last() {
        let by = |order| told(&[], order);
        assert_eq!(by(Order::Cluster)[..2], ["east intermediate", "far root"]);
        assert_eq!(by(Order::Cluster)[5], "mesh1 root");
        assert_eq!(by(Order::Role)[..3], ["far root", "mesh1 root", "mesh1 issuing"]);
        assert_eq!(by(Order::Expires)[0], "west intermediate");
        assert_eq!(by(Order::Expires)[5], "far root");
        assert_eq!(by(Order::Renews)[0], "west intermediate");
        assert_eq!(by(Order::Renews)[5], "far root");
    }

    #[test]
    fn a_narrowed_document_keeps_the_verdict_of_the_whole_mesh() {
        let status = troubled();
        let narrow = Choice { only: vec![Only::Of(name("east"))], ..Choice::default() }.narrowed(&status);
        assert_eq!((narrow.rows.len(), narrow.verdict()), (3, status.verdict()));
        assert_eq!(narrow.outcome(), Outcome::Unknown);
    }

    #[test]
    fn of_findings_those_of_the_clusters_that_are_asked_for_are_told_and_those_of_none() {
        let mut status = troubled();
        let finding = |place: &str| Finding {
            severity: crate::problem::Severity::Warning,
            place: place.to_owned(),
            problem: Problem::new(Code::TargetUnreadable, "x"),
        };
        status.findings = ["east, west", "west", "mesh1"].map(finding).to_vec();
        let places = |only: &[&str]| {
            let choice =
                Choice { only: only.iter().map(|text| Only::parse(text).unwrap()).collect(), ..Choice::default() };
            choice.findings(&status).iter().map(|it| it.place.clone()).collect::<Vec<_>>()
        };
        assert_eq!(places(&["east"]), ["east, west", "mesh1"]);
        assert_eq!(places(&["bad"]).len(), 3);
        assert_eq!(places(&["east", "bad"]).len(), 3);
    }

    #[test]
    fn a_cluster_that_is_not_there_is_refused() {
        let story = Story::new();
        let choice = |only| Choice { only: vec![only], ..Choice::default() };
        let refused = choice(Only::Of(name("nowhere"))).check(&story.mesh).unwrap_err();
        assert_eq!(refused.code(), Code::UnknownCluster);
        assert!(
            choice(Only::Bad).check(&story.mesh).is_ok() && choice(Only::Of(name("far"))).check(&story.mesh).is_ok()
        );
        assert_eq!(Only::parse("No Name"), None);
    }
}
