//! The first line of a report.

use std::collections::BTreeSet;

use crate::mesh::fleet::ClusterName;
use crate::mesh::outcome::Outcome;
use crate::mesh::row::Row;
use crate::mesh::standing::Standing;
use crate::mesh::status::Status;
use crate::pki::moment::{prose, utc};
use crate::pki::profile::Tier;

impl Status {
    /// How the mesh stands, as one sentence without a full stop: how many clusters need somebody and what is worst;
    /// or that all is fine, and when the first renewal is due.
    #[must_use]
    pub fn verdict(&self) -> String {
        if let Some(whole) = &self.whole {
            return whole.verdict.clone();
        }
        let total = self.clusters.len();
        let concerned = self.concerned().len();
        let worst = self.worst();
        match (concerned, worst) {
            (0, None) => format!("{}{}", all_fine(total), self.first_renewal()),
            (0, Some(worst)) => format!("{}, but the mesh needs action: {worst}", all_fine(total)),
            (1, Some(worst)) => format!("1 of {total} clusters needs action: {worst}"),
            (some, Some(worst)) => format!("{some} of {total} clusters need action: {worst}"),
            (some, None) => format!("{some} of {total} clusters need action"),
        }
    }

    /// The clusters with a row or a finding that is not fine.
    fn concerned(&self) -> BTreeSet<&str> {
        let rows = self.rows.iter().filter(|row| row.outcome() > Outcome::Fine);
        let rows = rows.filter_map(|row| row.cluster.as_ref().map(ClusterName::as_str));
        let places = self.findings.iter().flat_map(|finding| finding.place.split(", "));
        let known = |place: &&str| self.clusters.iter().any(|look| look.cluster.as_str() == *place);
        let exposed = self.leaks.iter().flat_map(|leak| &leak.exposed).map(|exposed| exposed.cluster.as_str());
        rows.chain(places.filter(known)).chain(exposed).collect()
    }

    /// The worst of rows and findings in words; a row goes before a finding that is no worse.
    fn worst(&self) -> Option<String> {
        let row = self.rows.iter().filter(|row| row.outcome() > Outcome::Fine).min_by_key(|row| row.standing);
        let finding = self.findings.first();
        let row_outcome = row.map(Row::outcome).unwrap_or_default();
        match (row, finding) {
            (_, Some(finding)) if Outcome::from(finding.severity) > row_outcome => {
                Some(finding.problem.what().to_owned())
            }
            (Some(row), _) => Some(self.told(row)),
            (None, _) => None,
        }
    }

    /// One row in words, without a full stop.
    #[must_use]
    pub fn told(&self, row: &Row) -> String {
        let now = self.generated_at;
        let place = row.cluster.as_ref().map_or(self.mesh.as_str(), ClusterName::as_str);
        let role = row.role.as_str();
        let left = row.left(now).unwrap_or_default();
        let why = row.reason.as_deref().unwrap_or("nothing is known of it");
        match row.standing {
            Standing::Expired => format!("{place} {role} expired {} ago", prose(left)),
            Standing::NotYetValid => {
                let begin = row.certificate.as_ref().map(|facts| utc(facts.validity.not_before()));
                format!("{place} {role} is not valid before {}", begin.unwrap_or_default())
            }
            Standing::Critical | Standing::Warning => format!("{place} {role} ends in {}", prose(left)),
            Standing::Overdue => {
                let late = row.renews_at.map(|at| prose(now - at)).unwrap_or_default();
                let what = if row.role == Tier::Intermediate { "renewal" } else { role };
                format!("{place} {what} is overdue by {late}, ends in {}", prose(left))
            }
            Standing::Unknown => format!("{place} {role} is unknown: {why}"),
            Standing::Missing | Standing::Due | Standing::Fine => format!("{place}: {why}"),
        }
    }

    fn first_renewal(&self) -> String {
        let first = self
            .rows
            .iter()
            .filter(|row| row.role == Tier::Intermediate && row.signed_by.is_none())
            .filter_map(|row| Some((row.renews_at?, row.cluster.as_ref()?)))
            .min();
        match first {
            None => String::new(),
            Some((at, cluster)) if at <= self.generated_at => format!("; a renewal is due now ({cluster})"),
            Some((at, cluster)) => {
                format!("; the first renewal is due in {} ({cluster})", prose(at - self.generated_at))
            }
        }
    }
}

fn all_fine(total: usize) -> String {
    match total {
        0 => "the mesh file names no cluster".to_owned(),
        1 => "the only cluster is fine".to_owned(),
        2 => "both clusters are fine".to_owned(),
        total => format!("all {total} clusters are fine"),
    }
}
