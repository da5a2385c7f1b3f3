//! How a rehearsal went.

use time::{Duration, OffsetDateTime};

use crate::mesh::fleet::ClusterName;
use crate::mesh::outcome::Outcome;
use crate::mesh::rehearsal::fault::Fault;
use crate::mesh::rehearsal::need::Need;
use crate::mesh::rehearsal::timeline::{Event, Happening, Weight};
use crate::mesh::stage::Stage;

/// How a rehearsal went. Moments are in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    /// The mesh.
    pub mesh: String,
    /// When it began.
    pub begins: OffsetDateTime,
    /// When it ended.
    pub ends: OffsetDateTime,
    /// How often `rotate` ran.
    pub tick: Duration,
    /// How many times.
    pub ticks: usize,
    /// Clusters of the mesh file.
    pub clusters: usize,
    /// Ordered pairs of clusters whose workloads were held against each other, each cluster with itself included.
    pub pairs: usize,
    /// Combinations of a chain and a trust bundle that were verified.
    pub verified: usize,
    /// What went wrong because the script says so.
    pub faults: Vec<Fault>,
    /// What happened, in its order.
    pub timeline: Vec<Happening>,
    /// The days on which people are needed, in their order.
    pub needs: Vec<Need>,
    /// A root change that has not ended.
    pub unfinished: Option<Unfinished>,
}

/// A root change that has not ended with the rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Its stage.
    pub stage: Stage,
    /// Who holds it up, and why.
    pub holdups: Vec<(ClusterName, String)>,
    /// Whether somebody holds it up for longer than it should take.
    pub is_late: bool,
}

impl Rehearsed {
    /// How many intermediates were renewed.
    #[must_use]
    pub fn renewals(&self) -> usize {
        let renewed = self.timeline.iter().map(|it| match &it.event {
            Event::Renewed(clusters) => clusters.len(),
            _ => 0,
        });
        renewed.sum()
    }

    /// What must not have happened.
    pub fn bad(&self) -> impl Iterator<Item = &Happening> {
        self.timeline.iter().filter(|it| it.event.weight() == Weight::Bad)
    }

    /// Critical where pairs broke or something ended; a warning where people come too late.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let is_late = self.needs.iter().any(Need::is_late)
            || self.timeline.iter().any(|it| matches!(it.event, Event::Late(..)))
            || self.unfinished.as_ref().is_some_and(|it| it.is_late);
        if self.bad().next().is_some() {
            Outcome::Critical
        } else if is_late {
            Outcome::Warning
        } else {
            Outcome::Fine
        }
    }

    /// How it went, as one sentence without a full stop.
    #[must_use]
    pub fn verdict(&self) -> String {
        let days = (self.ends - self.begins).whole_days();
        let fleet = format!("{} clusters over {days} d", self.clusters);
        if let Some(first) = self.bad().next() {
            return format!("{fleet} do not go well: {}", first.event);
        }
        if let Some(late) = self.needs.iter().find(|need| need.is_late()) {
            return format!("{fleet}: nothing breaks, but people come too late for {}", late.what.title());
        }
        if let Some(late) = self.timeline.iter().find(|it| matches!(it.event, Event::Late(..))) {
            return format!("{fleet}: nothing breaks, but {}", late.event);
        }
        match &self.unfinished {
            Some(unfinished) if unfinished.is_late => {
                let whom =
                    unfinished.holdups.first().map_or_else(String::new, |(name, why)| format!(": {name}: {why}"));
                format!(
                    "{fleet}: nothing breaks, but the root change is held up in {}{whom}",
                    unfinished.stage.as_str()
                )
            }
            _ => format!("{fleet}: nothing breaks and nothing ends; {}", self.effort()),
        }
    }

    fn effort(&self) -> String {
        let days: std::collections::BTreeSet<_> = self.needs.iter().map(|need| need.done.date()).collect();
        let days = if days.len() == 1 { "1 day".to_owned() } else { format!("{} days", days.len()) };
        format!("{} renewals by themselves, people on {days}", self.renewals())
    }
}
