//! Counts what the ticks of `rotate` came to in each cluster. Each tick goes on where the public status before it ended;
//! where that is lost, counting begins anew, which a counter may.

use std::collections::{BTreeMap, BTreeSet};

use crate::mesh::change::Change;
use crate::mesh::fleet::ClusterName;
use crate::mesh::plan::Plan;
use crate::mesh::report_document::ReportDocument;
use crate::mesh::standing::Standing;
use crate::mesh::status::Status;
use crate::mesh::step::Act;
use crate::mesh::tally::Tally;
use crate::pki::moment::{utc, whole};
use crate::problem::Problem;

/// Takes over what an earlier report of the same mesh counted; what is counted in no report before stays uncounted.
pub fn carry(earlier: &ReportDocument, status: &mut Status) {
    if earlier.mesh != status.mesh {
        return;
    }
    let mut tallies: BTreeMap<&str, &Tally> =
        earlier.clusters.iter().filter_map(|part| Some((part.cluster.as_str(), part.tally.as_ref()?))).collect();
    for look in &mut status.clusters {
        look.tally = tallies.remove(look.cluster.as_str()).cloned();
    }
}

/// Counts one tick: what it planned, and what became of each step that writes. Where nobody counted so far, it begins.
pub fn count(plan: &Plan, done: &BTreeMap<ClusterName, Result<Change, Problem>>, status: &mut Status) {
    let now = status.generated_at;
    let unseen: BTreeSet<&ClusterName> = status
        .rows
        .iter()
        .filter(|row| row.standing == Standing::Unknown)
        .filter_map(|it| it.cluster.as_ref())
        .collect();
    let refused: BTreeSet<&ClusterName> =
        plan.steps.iter().filter(|step| matches!(step.act, Act::Refuse(_))).map(|step| &step.cluster).collect();
    for look in &mut status.clusters {
        let tally = look.tally.get_or_insert_with(|| Tally::begun(now));
        let add = |counter: &mut u64, happened: bool| *counter = counter.saturating_add(u64::from(happened));
        add(&mut tally.unseen, unseen.contains(&look.cluster));
        add(&mut tally.refused, refused.contains(&look.cluster));
        if let Some(outcome) = done.get(&look.cluster) {
            add(&mut tally.steps_taken, outcome.is_ok());
            add(&mut tally.steps_failed, outcome.is_err());
            tally.last_attempt = Some(utc(now));
            tally.last_attempt_seconds = Some(whole(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story, name};
    use crate::mesh::status::status;
    use crate::mesh::step::Step;
    use crate::problem::Code;
    use time::{Duration, OffsetDateTime};

    fn problem() -> Problem {
        Problem::new(Code::TargetUnreadable, "connection refused")
    }

    fn step(cluster: &str, act: Act) -> Step {
        Step {
            cluster: name(cluster),
            act,
            reason: String::new(),
            stage: None,
            bundle: None,
            mark: None,
            taints: false,
        }
    }

    fn plan(steps: Vec<Step>) -> Plan {
        Plan { steps, ceremonies: Vec::new(), root_change: None, leaks: Vec::new() }
    }

    fn seen(story: &Story, now: OffsetDateTime) -> Status {
        status(&story.mesh, &story.holdings, &story.observed, now)
    }

    fn tally<'a>(status: &'a Status, cluster: &str) -> &'a Tally {
        status.clusters.iter().find(|look| look.cluster == name(cluster)).unwrap().tally.as_ref().unwrap()
    }

    fn counts(status: &Status, cluster: &str) -> [u64; 4] {
        let Tally { steps_taken, steps_failed, refused, unseen, .. } = *tally(status, cluster);
        [steps_taken, steps_failed, refused, unseen]
    }

    #[test]
    fn the_first_tick_begins_at_nothing_and_counts_what_it_did() {
        let mut story = Story::new();
        story.look_at("west").secret = Err(problem());
        let mut first = seen(&story, NOW);
        let done = BTreeMap::from([(name("east"), Ok(Change::Create)), (name("west"), Err(problem()))]);
        count(&plan(vec![step("far", Act::Refuse(problem()))]), &done, &mut first);
        assert_eq!(["east", "west", "far"].map(|it| counts(&first, it)), [[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]]);
        assert_eq!((tally(&first, "east").since_seconds, tally(&first, "east").last_attempt_seconds), (NOW, Some(NOW)));
        assert_eq!(tally(&first, "far").last_attempt, None, "to refuse is no attempt");
    }

    #[test]
    fn the_next_tick_goes_on_from_the_report_of_the_one_before_and_one_of_another_mesh_counts_for_nothing() {
        let story = Story::new();
        let done = BTreeMap::from([(name("east"), Ok(Change::Create))]);
        let mut first = seen(&story, NOW);
        count(&plan(Vec::new()), &done, &mut first);
        let earlier = ReportDocument::of(&first);
        let mut second = seen(&story, NOW + Duration::HOUR);
        carry(&earlier, &mut second);
        assert_eq!(counts(&second, "east"), [1, 0, 0, 0], "a report counts nothing");
        count(&plan(Vec::new()), &done, &mut second);
        assert_eq!(counts(&second, "east"), [2, 0, 0, 0]);
        let east = tally(&second, "east");
        assert_eq!((east.since_seconds, east.last_attempt_seconds), (NOW, Some(NOW + Duration::HOUR)));
        let mut third = seen(&story, NOW);
        carry(&ReportDocument { mesh: "mesh2".to_owned(), ..earlier }, &mut third);
        assert!(third.clusters.iter().all(|look| look.tally.is_none()));
    }

    #[test]
    fn a_counter_does_not_run_over() {
        let story = Story::new();
        let mut status = seen(&story, NOW);
        status.clusters[0].tally = Some(Tally { steps_taken: u64::MAX, ..Tally::begun(NOW) });
        let first = status.clusters[0].cluster.clone();
        count(&plan(Vec::new()), &BTreeMap::from([(first, Ok(Change::Leave))]), &mut status);
        assert_eq!(status.clusters[0].tally.as_ref().unwrap().steps_taken, u64::MAX);
    }
}
