//! The clusters that walk together from one root to the next, and what can be said of all of them.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use crate::mesh::deadline::{latest_start, overdue_after};
use crate::mesh::evidence::{Evidence, Lack};
use crate::mesh::fleet::ClusterName;
use crate::mesh::footing::is_party;
use crate::mesh::observed::Observed;
use crate::mesh::pair::Pair;
use crate::mesh::party::{Party, Place};
use crate::mesh::progress::Holdup;
use crate::mesh::renewal::Renewals;
use crate::mesh::roster::Roster;
use crate::mesh::stage::Stage;
use crate::mesh::walk_mark::{Goal, Turn};

/// The clusters that walk together.
#[derive(Debug)]
pub(in crate::mesh) struct Convoy<'a> {
    pub(in crate::mesh) evidence: Evidence<'a>,
    pub(in crate::mesh) renewals: Renewals<'a>,
    pub(in crate::mesh) pair: Pair<'a>,
    pub(in crate::mesh) parties: BTreeMap<&'a ClusterName, Party<'a>>,
    /// Every cluster of the mesh file.
    pub(in crate::mesh) roster: Roster,
    /// Where people turned the walk; or forward again, once an old root was removed somewhere and there is no way back.
    pub(in crate::mesh) turn: Option<Turn>,
    /// Whether any target has taken a step.
    pub(in crate::mesh) has_begun: bool,
}

impl<'a> Convoy<'a> {
    /// Reads where each cluster stands.
    pub(in crate::mesh) fn of(
        renewals: Renewals<'a>,
        observed: &'a BTreeMap<ClusterName, Observed>,
        pair: Pair<'a>,
    ) -> Self {
        let (mesh, now) = (renewals.mesh, renewals.now);
        let evidence = Evidence { mesh, observed, now };
        let members = mesh.clusters.iter().filter(|cluster| is_party(cluster, now));
        let parties: BTreeMap<_, _> = members
            .map(|cluster| (&cluster.name, Party::of(cluster, observed.get(&cluster.name), pair, evidence)))
            .collect();
        let is_anyone_beyond = parties.values().any(|party| party.is_beyond(pair));
        let turn = parties.values().filter_map(|party| party.mark?.turn).max().map(|turn| match turn.goal {
            // A turn of its own, which is noted like those of people: what shows that there is no way back may be lost.
            Goal::Trust | Goal::Start if is_anyone_beyond => {
                Turn { number: turn.number.saturating_add(1), goal: Goal::Forward }
            }
            _ => turn,
        });
        let is_on_its_way = |party: &Party<'_>| matches!(party.place, Place::Trusting | Place::Signing);
        let has_begun = is_anyone_beyond || parties.values().any(is_on_its_way);
        Self { evidence, renewals, pair, parties, roster: Roster::of(mesh), turn, has_begun }
    }

    /// The control planes among them.
    pub(in crate::mesh) fn signing(&self) -> impl Iterator<Item = &Party<'a>> {
        self.parties.values().filter(|party| party.cluster.role.has_cacerts())
    }

    /// Where the walk goes.
    pub(in crate::mesh) fn goal(&self) -> Goal {
        self.turn.map_or(Goal::Forward, |turn| turn.goal)
    }

    /// The stage that the fleet is in.
    pub(in crate::mesh) fn stage(&self) -> Stage {
        let is_left = |stage: &Stage| self.parties.values().all(|party| party.lack(*stage).is_none());
        Stage::ALL.into_iter().find(|stage| !is_left(stage)).unwrap_or(Stage::Remove)
    }

    /// Whether any set stands at one of these places.
    pub(in crate::mesh) fn is_anyone_at(&self, places: &[Place]) -> bool {
        self.parties.values().any(|party| places.contains(&party.place))
    }

    /// Who keeps the fleet in a stage.
    pub(in crate::mesh) fn holdups(&self, stage: Stage) -> Vec<Holdup> {
        let slack = overdue_after(&self.evidence.mesh.rotation);
        let latest = self.latest_start(stage.next());
        let holdup = |party: &Party<'_>, lack: &Lack| {
            let written = party.observed.and_then(|it| it.written_at).filter(|_| party.has_its_part_of(stage));
            // What comes by itself is late one tick after it should be there; what was written, one tick after that;
            // and nobody may be waited for beyond the last safe start of the next stage.
            let alarm = lack.by.or(written).map_or(latest, |at| latest.min(at.saturating_add(slack)));
            Holdup {
                cluster: party.cluster.name.clone(),
                why: lack.why.clone(),
                by: lack.by,
                alarm,
                is_late: alarm <= self.evidence.now,
            }
        };
        self.parties.values().filter_map(|party| party.lack(stage).map(|lack| holdup(party, lack))).collect()
    }

    /// The latest moment to begin a stage so that all is done before the old root ends.
    pub(in crate::mesh) fn latest_start(&self, stage: Stage) -> OffsetDateTime {
        let bound = self.parties.values().map(|party| party.bound).max().unwrap_or(Duration::ZERO);
        let before_the_roots_end = latest_start(self.evidence.mesh, stage, bound, self.pair.old_end());
        // Nothing renews what a cluster was adopted with: it has to get a signer of ours before that ends.
        let signers = self.signing().filter(|party| stage <= Stage::Sign && party.is_adopted()).filter_map(|party| {
            let end = party.there?.signer.as_ref().ok()?.not_after();
            let trust = if stage == Stage::Trust { bound } else { Duration::ZERO };
            Some(end.saturating_sub(party.bound + trust))
        });
        signers.min().map_or(before_the_roots_end, |end| end.min(before_the_roots_end))
    }

    /// The old root in words.
    pub(in crate::mesh) fn old_name(&self) -> String {
        self.pair.old_name()
    }

    /// The new root in words.
    pub(in crate::mesh) fn new_name(&self) -> String {
        self.pair.new.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story, name};
    use crate::mesh::holdings::Held;
    use crate::mesh::walk_cases::Fleet;

    fn with<R>(story: &Story, old: &[Held], new: &Held, now: OffsetDateTime, ask: impl Fn(&Convoy<'_>) -> R) -> R {
        let renewals = Renewals { mesh: &story.mesh, holdings: &story.holdings, now };
        ask(&Convoy::of(renewals, &story.observed, Pair { old, new }))
    }

    #[test]
    fn waiting_is_an_alarm_from_its_second_on_and_not_before() {
        let mut fleet = Fleet::new();
        fleet.trusts("east");
        let [old, new] = [&fleet.story.holdings.roots[0], &fleet.story.holdings.roots[1]];
        let west = |now| {
            with(&fleet.story, std::slice::from_ref(old), new, now, |convoy| {
                let holdups = convoy.holdups(Stage::Trust);
                holdups.into_iter().find(|it| it.cluster == name("west")).unwrap()
            })
        };
        let alarm = west(NOW).alarm;
        assert!(alarm > NOW);
        assert!(!west(alarm - Duration::SECOND).is_late);
        assert_eq!((west(alarm).alarm, west(alarm).is_late), (alarm, true));
    }

    #[test]
    fn before_a_signer_ends_that_nothing_renews_there_is_time_for_what_each_stage_has_to_wait_for() {
        let mut story = Story::new();
        let left = story.other_root("left");
        let end = NOW + Duration::days(20);
        crate::mesh::adoption_cases::adopt_until(&mut story, "east", &left, false, end);
        let (old, new) = ([Held::adopted(left.certificate.clone())], story.holdings.roots[0].clone());
        let bound = story.mesh.workload.max_ttl + story.mesh.workload.margin;
        let latest = |stage| with(&story, &old, &new, NOW, |convoy| convoy.latest_start(stage));
        assert_eq!(latest(Stage::Trust), end - bound * 2, "workloads renew, and what was signed last ends");
        assert_eq!(latest(Stage::Sign), end - bound);
        assert!(latest(Stage::Drain) > end, "it is of no use by then");
    }
}
