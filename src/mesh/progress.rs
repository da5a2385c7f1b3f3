//! How far a fleet has come on its walk from one root to the next, and who holds it up.

use time::OffsetDateTime;

use crate::mesh::fleet::ClusterName;
use crate::mesh::holdings::Held;
use crate::mesh::stage::Stage;
use crate::mesh::walk_mark::Goal;
use crate::problem::Problem;

/// How far a walk has come. Moments are in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The old root; of clusters that are adopted, the roots that they came with. Never empty.
    pub from: Vec<Held>,
    /// The new root.
    pub to: Held,
    /// The stage that the fleet is in.
    pub stage: Stage,
    /// Where it goes: to its end, or back.
    pub goal: Goal,
    /// Whether any target has taken a step.
    pub has_begun: bool,
    /// Who keeps it in that stage.
    pub holdups: Vec<Holdup>,
    /// Whether only people are waited for: the old root may go once they say so.
    pub awaits_approval: bool,
    /// Whether the new root can give every target a signer.
    pub is_usable: bool,
    /// The latest moment to begin the next stage so that all is done before the old root ends.
    pub latest_start: OffsetDateTime,
    /// Clusters that are left out: their workloads and those of the others will refuse each other.
    pub excluded: Vec<ClusterName>,
    /// Roots, by generation, that wait until this walk has ended.
    pub later: Vec<u32>,
    /// Why no target goes on to another stage, whatever is shown.
    pub obstacle: Option<Problem>,
}

impl Progress {
    /// The command that allows these roots to go.
    #[must_use]
    pub fn approval(old: &[Held]) -> String {
        let option = |held: &Held| format!(" --approve-removal {}", held.certificate.fingerprint());
        format!("meshca rotate{}", old.iter().map(option).collect::<String>())
    }

    /// When the first of the old roots ends, in UTC.
    #[must_use]
    pub fn old_end(&self) -> OffsetDateTime {
        Held::first_end(&self.from).unwrap_or_else(|| self.to.certificate.not_after())
    }
}

/// A cluster that the others wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdup {
    /// Which one.
    pub cluster: ClusterName,
    /// For what.
    pub why: String,
    /// When that is there, if nothing else happens.
    pub by: Option<OffsetDateTime>,
    /// From when on waiting is an alarm.
    pub alarm: OffsetDateTime,
    /// Whether that moment has come.
    pub is_late: bool,
}
