//! How every certificate of the mesh stands, as a pure function of what is declared, held and observed, and of the
//! moment. Nothing unknown is left out: it is a row as well.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use crate::mesh::concern::concerns;
use crate::mesh::deadline::{CRITICAL, Ceremony, GRACE, WARNING};
use crate::mesh::fleet::{ClusterName, Mesh};
use crate::mesh::holdings::Holdings;
use crate::mesh::observed::Observed;
use crate::mesh::outcome::Outcome;
use crate::mesh::plan::ceremonies;
use crate::mesh::row::Row;
use crate::mesh::sighting::Sighting;
use crate::mesh::standing::Standing;
use crate::pki::profile::Tier;
use crate::problem::Finding;

/// How the mesh stands at one moment. It holds public facts only, and no text from outside that could steer a
/// terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The mesh.
    pub mesh: String,
    /// Whether it is a lab.
    pub lab: bool,
    /// Whether rotation is paused in the mesh file.
    pub paused: bool,
    /// The moment that it was judged at.
    pub generated_at: OffsetDateTime,
    /// What it was judged by.
    pub thresholds: Thresholds,
    /// Every cluster of the mesh file, in its order.
    pub clusters: Vec<Look>,
    /// Every certificate in every place, worst first.
    pub rows: Vec<Row>,
    /// What is wrong besides the rows, worst first.
    pub findings: Vec<Finding>,
    /// The next ceremony of each tier that needs one.
    pub ceremonies: Vec<Ceremony>,
}

/// What the rows were judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// An end less than this far away is a warning.
    pub warning: Duration,
    /// An end less than this far away is critical.
    pub critical: Duration,
    /// A renewal that has been due for longer than this is overdue.
    pub overdue: Duration,
}

/// A cluster of the mesh file, and when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its name.
    pub cluster: ClusterName,
    /// Its role, as in the mesh file.
    pub role: &'static str,
    /// When it was looked at, whether or not anything could be seen; `None`: it was not.
    pub at: Option<OffsetDateTime>,
}

/// Judges everything. A cluster without an entry in `observed` was not looked at, and is unknown.
///
/// Signatures and chains are not verified here, except that of an issuing CA under the root that may be used.
#[must_use]
pub fn status(
    mesh: &Mesh,
    holdings: &Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> Status {
    let thresholds = Thresholds { warning: WARNING, critical: CRITICAL, overdue: mesh.rotation.tick + GRACE };
    let anchor = holdings.anchor(mesh);
    let ceremonies = anchor.as_ref().map(|anchor| ceremonies(mesh, holdings, anchor, observed)).unwrap_or_default();
    let sighting = Sighting { mesh, holdings, observed, anchor: &anchor, overdue: thresholds.overdue, now };
    let mut rows: Vec<Row> = mesh.clusters.iter().flat_map(|cluster| sighting.rows(cluster)).collect();
    rows.extend(sighting.mesh_rows(&ceremonies));
    // Stable: within one end the order of the mesh file stays, and the mesh's own rows come last.
    rows.sort_by_key(|row| (row.standing, row.not_after(), row.cluster.is_none(), Reverse(row.role)));
    let findings = concerns(&sighting, &rows, &ceremonies);
    let clusters = mesh.clusters.iter().map(|cluster| Look {
        cluster: cluster.name.clone(),
        role: cluster.role.as_str(),
        at: observed.get(&cluster.name).map(|observed| observed.at),
    });
    Status {
        mesh: mesh.name.clone(),
        lab: mesh.lab,
        paused: mesh.rotation.paused,
        generated_at: now,
        thresholds,
        clusters: clusters.collect(),
        rows,
        findings,
        ceremonies,
    }
}

impl Status {
    /// The worst of everything; its exit code is what `check` ends with.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let rows = self.rows.iter().map(Row::outcome);
        let findings = self.findings.iter().map(|finding| Outcome::from(finding.severity));
        rows.chain(findings).max().unwrap_or_default()
    }

    /// Whether there is nothing that could not be looked at, or not be read.
    #[must_use]
    pub fn is_all_seen(&self) -> bool {
        self.rows.iter().all(|row| row.standing != Standing::Unknown)
    }

    /// The ceremony that must begin first.
    #[must_use]
    pub fn next_ceremony(&self) -> Option<&Ceremony> {
        self.ceremonies.iter().min_by_key(|ceremony| ceremony.last_safe)
    }

    /// The rows of one cluster.
    pub fn rows_of<'a>(&'a self, cluster: &'a ClusterName) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(move |row| row.cluster.as_ref() == Some(cluster))
    }

    /// The rows that a reader needs first: every intermediate, the mesh's own issuing CA and root, and of what else
    /// lies in a cluster that which differs from these or is not known.
    #[must_use]
    pub fn headlines(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| self.is_headline(row)).collect()
    }

    fn is_headline(&self, row: &Row) -> bool {
        let Some(cluster) = &row.cluster else { return true };
        let is_the_meshs = |mine: &Row| mine.cluster.is_none() && mine.fingerprint() == row.fingerprint();
        match row.role {
            Tier::Intermediate => true,
            _ if row.certificate.is_none() => {
                let same = |it: &Row| it.role == Tier::Intermediate && it.reason == row.reason;
                !self.rows_of(cluster).any(same)
            }
            Tier::Root => !self.rows.iter().any(is_the_meshs),
            Tier::Issuing => row.outcome() > Outcome::Fine && !self.rows.iter().any(is_the_meshs),
        }
    }
}
