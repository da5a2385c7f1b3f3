//! What is done for an istiod beside its set: when it is restarted, and what is noted of what it was seen to do.

use time::{Duration, OffsetDateTime};

use crate::mesh::fleet::Access;
use crate::mesh::fleet_story::NOW;
use crate::mesh::istiod_deployment::IstiodDeployment;
use crate::mesh::observed::{Replica, Way};
use crate::mesh::stage::Stage;
use crate::mesh::step::Act;
use crate::mesh::walk_cases::{Fleet, MONTH};
use crate::mesh::walk_mark::{Goal, Turn};

fn deployed(fleet: &mut Fleet, cluster: &str, names: &[&str], restarted_at: Option<OffsetDateTime>) {
    fleet.story.look_at(cluster).deployment = Some(Ok(IstiodDeployment {
        max_workload_ttl: Ok(Some(Duration::DAY)),
        multi_root: Some(false),
        restarted_at,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    }));
}

/// West has this trust bundle, which its istiod takes at a restart only, and shows its workloads that one.
fn needs_restart(fleet: &mut Fleet, shown: Vec<u8>) {
    fleet.shows("west", Some(shown));
    fleet.story.cluster("west").istiod.restart = true;
    deployed(fleet, "west", &["istiod"], None);
}

#[test]
fn an_istiod_is_restarted_for_its_trust_bundle_once_and_not_if_it_was_in_the_second_of_the_change() {
    let mut fleet = Fleet::new();
    fleet.trusts("west");
    let old = fleet.story.root.certificate.pem().into_bytes();
    needs_restart(&mut fleet, old);
    let changed = NOW - MONTH;
    let before = changed - Duration::SECOND;
    for (restarted_at, act) in
        [(None, "restart"), (Some(before), "restart"), (Some(changed), "wait"), (Some(NOW), "wait")]
    {
        deployed(&mut fleet, "west", &["istiod"], restarted_at);
        let west = fleet.step("west");
        assert_eq!(west.act.as_str(), act, "{restarted_at:?}: {}", west.reason);
    }
}

#[test]
fn an_istiod_is_restarted_only_where_meshca_may_and_can_and_where_it_helps() {
    let restarted = |change: fn(&mut Fleet)| {
        let mut fleet = Fleet::new();
        fleet.trusts("west");
        let old = fleet.story.root.certificate.pem().into_bytes();
        needs_restart(&mut fleet, old);
        change(&mut fleet);
        fleet.step("west").act == Act::Restart
    };
    assert!(restarted(|_| {}));
    assert!(!restarted(|fleet| fleet.story.cluster("west").istiod.restart = false));
    assert!(!restarted(|fleet| fleet.story.cluster("west").access = Access::Directory("clusters/west".into())));
    assert!(restarted(|fleet| fleet.story.cluster("west").access = Access::InCluster));
    assert!(!restarted(|fleet| deployed(fleet, "west", &[], None)), "there is none");
    assert!(!restarted(|fleet| {
        let both = fleet.both();
        fleet.shows("west", Some(both));
    }));
    assert!(!restarted(|fleet| {
        if let Some(Ok(deployment)) = &mut fleet.story.look_at("west").deployment {
            deployment.multi_root = Some(true);
        }
    }));
}

#[test]
fn an_istiod_is_restarted_for_a_removal_and_on_the_way_back_as_well() {
    let mut fleet = Fleet::new();
    let (both, alone) = (fleet.both(), fleet.new_alone());
    fleet.signs("west", &alone);
    needs_restart(&mut fleet, both);
    let west = fleet.step("west");
    assert_eq!((west.act, west.stage), (Act::Restart, Some(Stage::Remove)), "{}", west.reason);
    for goal in [Goal::Trust, Goal::Start] {
        let mut fleet = Fleet::new();
        fleet.trusts("west");
        fleet.note("west", |mark| mark.turn = Some(Turn { number: 1, goal }));
        let old = fleet.story.root.certificate.pem().into_bytes();
        needs_restart(&mut fleet, old);
        let west = fleet.step("west");
        assert_eq!((west.act, west.stage), (Act::Restart, Some(Stage::Trust)), "{}", west.reason);
    }
}

/// A replica of west serves its signer since that moment.
fn west_is_seen(fleet: &mut Fleet, since: OffsetDateTime) {
    let signer_spki = fleet.story.sight_of("west").signer.as_ref().ok().map(|signer| signer.spki().to_vec());
    let served_since = Some(since - Duration::minutes(2));
    let replica = Replica { signer_spki, served_since, ..Replica::new("istiod:15012".to_owned(), Way::Chain) };
    fleet.story.look_at("west").replicas = vec![replica];
}

#[test]
fn since_when_a_signer_is_in_use_is_noted_once_and_not_where_it_is_only_assumed() {
    let mut fleet = Fleet::new();
    let both = fleet.both();
    fleet.signs("east", &both);
    fleet.signs("west", &both);
    fleet.note("west", |_| {});
    assert_eq!(fleet.step("west").act, Act::Rebundle, "assumed");
    west_is_seen(&mut fleet, NOW - Duration::days(3));
    let west = fleet.step("west");
    assert_eq!((west.act, west.mark.unwrap().signs_since), (Act::Note, Some(NOW - Duration::days(3))));
    fleet.note("west", |mark| mark.signs_since = Some(NOW - Duration::days(3)));
    assert_eq!(fleet.step("west").act, Act::Rebundle);
}

#[test]
fn of_a_set_that_lost_the_old_root_by_a_removal_nothing_more_is_noted_and_of_another_it_is() {
    let mut fleet = Fleet::new();
    let (both, alone) = (fleet.both(), fleet.new_alone());
    let old = fleet.story.root.certificate.fingerprint();
    fleet.signs("east", &both);
    fleet.signs("west", &alone);
    fleet.note("west", |_| {});
    west_is_seen(&mut fleet, NOW - Duration::days(3));
    assert_eq!(fleet.step("west").act, Act::Note);
    fleet.note("west", |mark| mark.removed = vec![old]);
    assert_eq!(fleet.step("west").act, Act::Leave);
}
