//! What each step of a root change waits for, from both sides of the second in which it need wait no more.

use time::{Duration, OffsetDateTime};

use crate::mesh::fleet::Access;
use crate::mesh::fleet_story::{NOW, held, name};
use crate::mesh::holdings::Prepared;
use crate::mesh::istiod_deployment::IstiodDeployment;
use crate::mesh::observed::{Observed, Replica, Way};
use crate::mesh::roster::Roster;
use crate::mesh::stage::Stage;
use crate::mesh::step::{Act, Step};
use crate::mesh::trust_bundle;
use crate::mesh::walk_cases::{Fleet, MONTH};
use crate::mesh::walk_mark::{Goal, Turn};
use crate::pki::fingerprint::Fingerprint;
use crate::pki::validity::Validity;
use crate::problem::{Code, Problem};

const SECOND: Duration = Duration::SECOND;

/// The life of a workload certificate and the margin.
fn bound(fleet: &Fleet) -> Duration {
    let workload = fleet.story.mesh.workload;
    assert!(!workload.margin.is_zero());
    workload.max_ttl + workload.margin
}

fn written(fleet: &mut Fleet, cluster: &str, ago: Duration) {
    fleet.story.look_at(cluster).written_at = Some(NOW - ago);
}

/// East and west have signers under the second root, and trust both.
fn signing() -> Fleet {
    let mut fleet = Fleet::new();
    let both = fleet.both();
    for cluster in ["east", "west"] {
        fleet.signs(cluster, &both);
        fleet.note(cluster, |_| {});
    }
    fleet
}

fn step_approving(fleet: &Fleet, removal: Vec<Fingerprint>) -> Step {
    fleet.plan_approving(removal, NOW).steps.remove(0)
}

fn waits(step: &Step, reason: &str) {
    assert_eq!(step.act, Act::Wait, "{}", step.reason);
    assert!(step.reason.contains(reason), "{}", step.reason);
}

fn loaded(served_since: OffsetDateTime) -> Replica {
    Replica { served_since: Some(served_since), ..Replica::new("istiod:15012".to_owned(), Way::Chain) }
}

fn says(max_workload_ttl: Option<Duration>, multi_root: bool) -> IstiodDeployment {
    IstiodDeployment {
        max_workload_ttl: Ok(max_workload_ttl),
        multi_root: Some(multi_root),
        restarted_at: None,
        names: vec!["istiod".to_owned()],
    }
}

#[test]
fn nobody_signs_under_the_new_root_before_each_workload_has_renewed_since_it_was_shown_it() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    fleet.trusts("west");
    let bound = bound(&fleet);
    written(&mut fleet, "west", bound - SECOND);
    waits(&fleet.step("east"), "not every cluster is known to trust root g2; waits for west");
    assert_eq!(fleet.holdup(Stage::Trust, "west").1, Some(NOW + SECOND));
    written(&mut fleet, "west", bound);
    assert_eq!(fleet.step("east").stage, Some(Stage::Sign));
}

#[test]
fn a_set_counts_as_loaded_from_the_second_that_the_mesh_file_says() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    fleet.trusts("west");
    let (after, bound) = (Duration::minutes(10), bound(&fleet));
    fleet.story.cluster("west").istiod.assume_loaded_after = Some(after);
    written(&mut fleet, "west", after - SECOND);
    let not_yet = "its istiod is not assumed to have loaded it yet".to_owned();
    assert_eq!(fleet.holdup(Stage::Trust, "west"), (not_yet, Some(NOW + SECOND)));
    written(&mut fleet, "west", after);
    let (why, by) = fleet.holdup(Stage::Trust, "west");
    assert!(why.starts_with("assumed since 2026-11-23T10:00:00Z; its workloads renew by"), "{why}");
    assert_eq!(by, Some(NOW + bound));
}

#[test]
fn a_workload_may_live_as_long_as_its_istiod_allows_where_that_is_longer_than_the_mesh_file_says() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    fleet.trusts("west");
    let (both, margin) = (fleet.both(), fleet.story.mesh.workload.margin);
    fleet.shows("west", Some(both));
    let days = Duration::days;
    for (allowed, lives) in [(Some(days(2)), days(2)), (Some(Duration::HOUR), days(1)), (None, days(90))] {
        fleet.story.look_at("west").deployment = Some(Ok(says(allowed, true)));
        for (ago, act) in [(lives + margin - SECOND, "wait"), (lives + margin, "renew")] {
            fleet.story.look_at("west").system_roots_since = Some(NOW - ago);
            let east = fleet.step("east");
            assert_eq!(east.act.as_str(), act, "{allowed:?} {ago}: {}", east.reason);
        }
    }
    // Nothing could be seen of it: it may be whatever Istio does by itself.
    fleet.story.look_at("west").deployment = None;
    for access in [Access::Kubeconfig { path: "kubeconfig".into(), context: None }, Access::InCluster] {
        fleet.story.cluster("west").access = access;
        for (ago, act) in [(days(90) + margin - SECOND, "wait"), (days(90) + margin, "renew")] {
            fleet.story.look_at("west").system_roots_since = Some(NOW - ago);
            assert_eq!(fleet.step("east").act.as_str(), act, "{ago}");
        }
    }
}

#[test]
fn workloads_are_shown_a_root_since_the_last_replica_loaded_it_and_not_the_first() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    fleet.trusts("west");
    let (both, bound) = (fleet.both(), bound(&fleet));
    fleet.shows("west", Some(both));
    fleet.story.look_at("west").deployment = Some(Ok(says(Some(Duration::DAY), true)));
    let first = loaded(NOW - MONTH);
    for (ago, act) in [(bound - SECOND, "wait"), (bound, "note")] {
        // What istiod serves begins two minutes before it does.
        let last = loaded(NOW - ago - Duration::minutes(2));
        for replicas in [[first.clone(), last.clone()], [last, first.clone()]] {
            fleet.story.look_at("west").replicas = replicas.to_vec();
            let plan = fleet.plan();
            let west = plan.steps.iter().find(|step| step.cluster == name("west")).unwrap();
            assert_eq!(west.act.as_str(), "note", "{}", west.reason);
            assert_eq!(west.mark.as_ref().unwrap().shown_since, Some(NOW - ago));
            let east = fleet.step("east");
            assert_eq!(east.act == Act::Wait, act == "wait", "{ago}: {}", east.reason);
        }
    }
}

#[test]
fn a_replica_that_loaded_in_the_second_in_which_the_trust_bundle_changed_has_it_and_one_before_has_not() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    fleet.trusts("west");
    let served = NOW - MONTH - Duration::minutes(2);
    for (served, act) in [(served - SECOND, "wait"), (served, "renew")] {
        fleet.story.look_at("west").replicas = vec![loaded(served)];
        let east = fleet.step("east");
        assert_eq!(east.act.as_str(), act, "{}", east.reason);
    }
}

#[test]
fn nobody_gets_a_signer_under_a_root_that_has_none_for_another() {
    let mut fleet = Fleet::new();
    fleet.story.mesh.issuing = None;
    fleet.story.holdings.issuing.clear();
    for cluster in ["east", "west"] {
        fleet.trusts(cluster);
        let window = Validity::new(NOW - Duration::DAY, NOW + Duration::days(89));
        let signer = fleet.story.intermediate_under(&fleet.second, cluster, 2, window).certificate;
        let prepared = Prepared { cluster: name(cluster), generation: 2, signer, upper: Vec::new(), has_key: true };
        if cluster == "west" {
            waits(&fleet.step("east"), "nothing lies in stock under root g2 yet: meshca issue; waits for west");
        }
        fleet.story.holdings.stock.push(prepared);
    }
    let east = fleet.step("east");
    assert_eq!((east.act, east.stage), (Act::Activate { generation: 2 }, Some(Stage::Sign)), "{}", east.reason);
}

#[test]
fn the_old_root_stays_until_the_last_that_it_stands_above_has_ended() {
    let mut fleet = signing();
    let bound = bound(&fleet);
    written(&mut fleet, "west", bound - SECOND);
    waits(&fleet.step("east"), "what was signed under root g1 lives on; waits for west");
    written(&mut fleet, "west", bound);
    let east = fleet.step("east");
    assert_eq!((east.act, east.stage), (Act::Rebundle, Some(Stage::Remove)), "{}", east.reason);
}

#[test]
fn the_old_root_stays_as_long_as_one_signs_under_it_and_that_is_what_is_said() {
    let mut fleet = signing();
    fleet.story.publish("west", 1, NOW + Duration::days(80));
    fleet.trusts("west");
    fleet.note("west", |_| {});
    waits(&fleet.step("east"), "not every istiod is known to sign under root g2; waits for west");
}

#[test]
fn the_old_root_goes_when_people_say_so_of_this_root_or_the_mesh_file_does_and_not_a_second_sooner() {
    let mut fleet = signing();
    let [old, new] = [&fleet.story.root, &fleet.second].map(|made| made.certificate.fingerprint());
    waits(&step_approving(&fleet, Vec::new()), "root g1 may go once that is approved");
    waits(&step_approving(&fleet, vec![new]), "root g1 may go once that is approved");
    assert_eq!(step_approving(&fleet, vec![old]).stage, Some(Stage::Remove));
    let after = Duration::days(3);
    fleet.story.mesh.rotation.remove_after = Some(after);
    assert_eq!(step_approving(&fleet, Vec::new()).stage, Some(Stage::Remove), "it has been drained for a month");
    let bound = bound(&fleet);
    written(&mut fleet, "west", bound + after - SECOND);
    waits(&step_approving(&fleet, Vec::new()), "root g1 may go once that is approved");
    written(&mut fleet, "west", bound + after);
    assert_eq!(step_approving(&fleet, Vec::new()).stage, Some(Stage::Remove));
}

#[test]
fn each_keeps_what_its_own_trust_bundle_has_beside_the_root_that_goes() {
    let mut fleet = signing();
    let other = fleet.story.other_root("another mesh").certificate;
    let (more, left) = (trust_bundle::appended(&fleet.both(), &other), fleet.new_alone());
    fleet.signs("west", &more);
    fleet.note("west", |_| {});
    for (cluster, left) in [("east", left.clone()), ("west", trust_bundle::appended(&left, &other))] {
        let step = fleet.step(cluster);
        assert_eq!((step.act, step.stage), (Act::Rebundle, Some(Stage::Remove)), "{cluster}: {}", step.reason);
        assert_eq!(step.bundle, Some(left), "{cluster}");
    }
}

#[test]
fn the_way_back_to_the_start_ends_when_the_last_that_the_new_root_stands_above_has_ended() {
    let mut fleet = Fleet::new();
    let bound = bound(&fleet);
    for cluster in ["east", "west"] {
        fleet.trusts(cluster);
        fleet.note(cluster, |mark| mark.turn = Some(Turn { number: 1, goal: Goal::Start }));
    }
    written(&mut fleet, "west", bound - SECOND);
    waits(&fleet.step("east"), "what was signed under the new root lives on; waits for west");
    written(&mut fleet, "west", bound);
    let (east, old) = (fleet.step("east"), fleet.story.root.certificate.pem().into_bytes());
    assert_eq!((east.act, east.stage, east.bundle), (Act::Rebundle, Some(Stage::Trust), Some(old)), "{}", east.reason);
}

#[test]
fn who_is_back_already_is_waited_for_until_its_istiod_has_taken_that() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    for cluster in ["east", "west"] {
        fleet.note(cluster, |mark| mark.turn = Some(Turn { number: 1, goal: Goal::Start }));
    }
    assert_eq!(fleet.step("east").act, Act::Rebundle);
    fleet.story.cluster("west").istiod.assume_loaded_after = None;
    waits(&fleet.step("east"), "what was signed under the new root lives on; waits for west");
}

#[test]
fn of_a_set_that_signs_nothing_it_is_said_why() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    let both = fleet.both();
    fleet.shows("west", Some(both));
    fleet.story.look_at("west").deployment = Some(Ok(says(Some(Duration::DAY), true)));
    fleet.trusts("west");
    assert_eq!(fleet.holdup(Stage::Sign, "west").0, "it signs under root g1");
    fleet.story.sight_of("west").key_spki = None;
    assert_eq!(fleet.holdup(Stage::Sign, "west").0, "its cacerts is broken, or under neither root");
    fleet.story.look_at("west").secret = Ok(None);
    assert_eq!(fleet.holdup(Stage::Sign, "west").0, "it has no cacerts");
    fleet.story.look_at("west").secret = Err(Problem::new(Code::TargetUnreadable, "it cannot be read"));
    assert_eq!(fleet.holdup(Stage::Sign, "west").0, "it cannot be read");
}

#[test]
fn back_to_trust_is_no_further_than_that() {
    let mut fleet = Fleet::new();
    for cluster in ["east", "west"] {
        fleet.trusts(cluster);
        fleet.note(cluster, |mark| mark.turn = Some(Turn { number: 1, goal: Goal::Trust }));
    }
    assert_eq!(fleet.step("east").act, Act::Leave);
}

/// What is seen of a cluster may be what it was before the turn; a set that bears it is not.
#[test]
fn where_a_walk_was_turned_nobody_signs_under_another_root_or_loses_one_before_every_set_bears_the_turn() {
    let (mut trusting, mut signing) = (Fleet::new(), signing());
    for cluster in ["east", "west"] {
        trusting.trusts(cluster);
        signing.story.look_at(cluster).written_at = Some(NOW - Duration::days(30));
    }
    let mut apart = Fleet::new();
    apart.trusts("west");
    for (mut fleet, goal, act, stage) in
        [(trusting, Goal::Start, "publish", Stage::Trust), (signing, Goal::Trust, "renew", Stage::Sign)]
    {
        let turn = Some(Turn { number: 2, goal });
        fleet.note("west", |mark| mark.turn = turn);
        for before in [None, Some(Turn { number: 1, goal: Goal::Forward })] {
            fleet.note("east", |mark| mark.turn = before);
            waits(&fleet.step("west"), "the walk was turned, and not every cluster was told so; waits for east");
            let east = fleet.step("east");
            assert_eq!((east.act, east.mark.unwrap().turn), (Act::Note, turn), "{}", east.reason);
        }
        fleet.note("east", |mark| mark.turn = turn);
        let west = fleet.step("west");
        assert_eq!((west.act.as_str(), west.stage), (act, Some(stage)), "{}", west.reason);
    }
    // Forward again, the first step is free: more trust hurts nobody.
    let forward = Some(Turn { number: 2, goal: Goal::Forward });
    apart.note("west", |mark| mark.turn = forward);
    let east = apart.step("east");
    assert_eq!((east.act, east.stage, east.mark.unwrap().turn), (Act::Rebundle, Some(Stage::Trust), forward));
}

#[test]
fn forward_again_nobody_signs_before_every_set_bears_that_turn_too() {
    let mut fleet = Fleet::new();
    let forward = Some(Turn { number: 2, goal: Goal::Forward });
    for cluster in ["east", "west"] {
        fleet.trusts(cluster);
        fleet.note(cluster, |mark| mark.turn = Some(Turn { number: 1, goal: Goal::Trust }));
    }
    fleet.note("west", |mark| mark.turn = forward);
    waits(&fleet.step("west"), "not every cluster was told so; waits for east");
    assert_eq!(fleet.step("east").act, Act::Note);
    fleet.note("east", |mark| mark.turn = forward);
    let west = fleet.step("west");
    assert_eq!((west.act.as_str(), west.stage), ("renew", Some(Stage::Sign)), "{}", west.reason);
}

/// Whoever has not begun must bear the turn like the others, and is told by the same tick.
#[test]
fn whoever_has_not_begun_is_told_of_the_turn_too_so_that_nobody_waits_for_it_for_ever() {
    let mut fleet = Fleet::new();
    let turn = Some(Turn { number: 1, goal: Goal::Start });
    fleet.trusts("west");
    fleet.note("west", |mark| mark.turn = turn);
    waits(&fleet.step("west"), "not every cluster was told so; waits for east");
    let east = fleet.step("east");
    assert_eq!((east.act, east.mark.unwrap().turn), (Act::Note, turn), "{}", east.reason);
    // As is whoever is back already, where all are.
    let mut fleet = Fleet::new();
    fleet.note("west", |mark| mark.turn = turn);
    assert_eq!(fleet.step("east").act, Act::Leave, "it never had a part");
    fleet.note("east", |_| {});
    let east = fleet.step("east");
    assert_eq!((east.act, east.mark.unwrap().turn), (Act::Note, turn), "{}", east.reason);
}

/// Both have lost the first root, and there is a third.
fn before_the_third_root() -> Fleet {
    let mut fleet = signing();
    let alone = fleet.new_alone();
    for cluster in ["east", "west"] {
        fleet.signs(cluster, &alone);
    }
    let third = fleet.story.other_root("mesh1 root g3");
    fleet.story.holdings.roots.push(held(3, &third));
    fleet.story.mesh.root.trusted.push(third.certificate.fingerprint());
    fleet
}

fn out_of_sight(fleet: &mut Fleet, cluster: &str) -> Problem {
    let gone = Problem::new(Code::ApiServerUnreachable, "out of reach");
    fleet.story.observed.insert(name(cluster), Observed::unseen(&name(cluster), NOW, &gone));
    gone
}

#[test]
fn the_next_walk_does_not_begin_while_somebody_cannot_be_seen_who_may_have_the_root_before() {
    let mut fleet = before_the_third_root();
    let east = fleet.step("east");
    assert_eq!((east.act, east.stage), (Act::Rebundle, Some(Stage::Trust)), "{}", east.reason);
    let gone = out_of_sight(&mut fleet, "far");
    let unseen = "whether the last root change has ended everywhere is not known; waits for far: it cannot be seen";
    waits(&fleet.step("east"), unseen);
    fleet.story.look_at("far").secret = Ok(None);
    waits(&fleet.step("east"), unseen);
    let alone = fleet.new_alone();
    fleet.shows("far", Some(alone));
    fleet.story.look_at("far").secret = Err(gone);
    waits(&fleet.step("east"), unseen);
}

#[test]
fn a_walk_that_has_begun_waits_no_more_for_who_cannot_be_seen_and_the_first_one_never_does() {
    let mut fleet = before_the_third_root();
    let third = fleet.story.holdings.roots[2].certificate.clone();
    let bundle = trust_bundle::appended(&fleet.new_alone(), &third);
    fleet.signs("west", &bundle);
    out_of_sight(&mut fleet, "far");
    assert_eq!(fleet.step("east").stage, Some(Stage::Trust));
    let mut first = Fleet::new();
    out_of_sight(&mut first, "far");
    assert_eq!(first.step("east").stage, Some(Stage::Trust));
}

#[test]
fn what_one_cluster_lost_upon_approval_the_others_lose_without_another() {
    let mut fleet = signing();
    let (old, alone) = (fleet.story.root.certificate.fingerprint(), fleet.new_alone());
    fleet.note("west", |mark| mark.removed = vec![old]);
    waits(&step_approving(&fleet, Vec::new()), "root g1 may go once that is approved");
    fleet.signs("west", &alone);
    fleet.note("west", |_| {});
    waits(&step_approving(&fleet, Vec::new()), "root g1 may go once that is approved");
    fleet.note("west", |mark| mark.removed = vec![old]);
    assert_eq!(step_approving(&fleet, Vec::new()).stage, Some(Stage::Remove));
}

#[test]
fn a_cluster_that_had_a_part_and_is_not_in_the_mesh_file_any_more_stops_every_step() {
    let mut fleet = signing();
    let all = |more: &[&str]| {
        let names = ["east", "west", "far"].iter().chain(more).map(|name| (*name).to_owned());
        Roster::from_names(names.collect())
    };
    fleet.note("west", |mark| mark.roster = all(&[]));
    assert_eq!(fleet.step("east").stage, Some(Stage::Remove));
    fleet.note("west", |mark| mark.roster = all(&["north"]));
    waits(&fleet.step("east"), "no step of a root change: north had a part in the root change");
    let obstacle = fleet.plan().root_change.unwrap().obstacle.unwrap();
    assert_eq!(obstacle.code(), Code::ClusterForgotten);
}

#[test]
fn a_cluster_behind_an_api_server_trusts_what_its_workloads_are_shown_and_not_what_is_published() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    fleet.trusts("west");
    fleet.shows("west", None);
    assert_eq!(fleet.holdup(Stage::Trust, "west").0, "its workloads are shown no trust bundle");
    let both = fleet.both();
    fleet.shows("west", Some(both));
    fleet.story.look_at("west").deployment = Some(Ok(says(Some(Duration::DAY), true)));
    assert_eq!(fleet.step("east").stage, Some(Stage::Sign));
}

#[test]
fn what_a_remote_behind_a_folder_lacks_is_said_of_its_primary() {
    let fleet = Fleet::new();
    let (why, _) = fleet.holdup(Stage::Trust, "far");
    assert_eq!(why, "east: its root-cert.pem holds mesh1 root g1");
}

#[test]
fn a_replica_that_offers_no_client_cas_is_believed_only_where_it_need_not_offer_any() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    fleet.trusts("west");
    fleet.story.cluster("west").istiod.multi_root = false;
    fleet.story.look_at("west").replicas = vec![loaded(NOW - MONTH)];
    assert_eq!(fleet.step("east").stage, Some(Stage::Sign));
    fleet.story.cluster("west").istiod.client_cert_auth = true;
    waits(&fleet.step("east"), "was not restarted since its trust bundle changed");
}

/// What each of east and west does, and that the reason for waiting is the canary.
fn acts(fleet: &Fleet) -> [&'static str; 2] {
    let (east, west) = (fleet.step("east"), fleet.step("west"));
    for step in [&east, &west] {
        assert_eq!(step.act == Act::Wait, step.reason.contains("the canary west comes first"), "{}", step.reason);
    }
    [east.act.as_str(), west.act.as_str()]
}

#[test]
fn in_each_stage_the_others_wait_until_the_canary_is_seen_to_have_come_through() {
    let mut fleet = Fleet::new();
    let (both, alone) = (fleet.both(), fleet.new_alone());
    fleet.story.mesh.rotation.canary = Some(name("west"));
    assert_eq!(acts(&fleet), ["wait", "publish"]);
    fleet.trusts("west");
    assert_eq!(fleet.step("east").act, Act::Rebundle);
    fleet.trusts("east");
    assert_eq!(acts(&fleet), ["wait", "renew"]);
    fleet.signs("west", &both);
    assert_eq!(fleet.step("east").stage, Some(Stage::Sign));
    fleet.signs("east", &both);
    assert_eq!(acts(&fleet), ["wait", "publish"]);
    fleet.signs("west", &alone);
    assert_eq!(fleet.step("east").stage, Some(Stage::Remove));
}

#[test]
fn a_remote_is_no_canary_that_anybody_could_wait_for() {
    let mut fleet = Fleet::new();
    fleet.story.mesh.rotation.canary = Some(name("far"));
    assert_eq!(acts(&fleet), ["publish", "publish"]);
}

#[test]
fn only_people_are_waited_for_when_all_is_drained_and_nobody_has_approved() {
    let mut fleet = Fleet::new();
    let (both, alone) = (fleet.both(), fleet.new_alone());
    let old = fleet.story.root.certificate.fingerprint();
    let awaits = |fleet: &Fleet, removal| fleet.plan_approving(removal, NOW).root_change.unwrap().awaits_approval;
    for cluster in ["east", "west"] {
        assert!(!awaits(&fleet, Vec::new()));
        fleet.signs(cluster, &both);
        fleet.note(cluster, |_| {});
    }
    assert!(awaits(&fleet, Vec::new()));
    assert!(!awaits(&fleet, vec![old]));
    fleet.story.look_at("west").written_at = Some(NOW);
    assert!(!awaits(&fleet, Vec::new()), "something lives on");
    fleet.story.look_at("west").written_at = Some(NOW - MONTH);
    fleet.signs("west", &alone);
    fleet.note("west", |_| {});
    assert!(awaits(&fleet, Vec::new()), "one of two has lost it, by a hand");
    fleet.signs("east", &alone);
    fleet.note("east", |_| {});
    fleet.shows("far", Some(both));
    assert!(!awaits(&fleet, Vec::new()), "only what a remote shows is waited for");
}

#[test]
fn a_removal_says_of_a_ca_that_istiod_made_for_itself_that_it_is_of_no_use() {
    let mut fleet = Fleet::new();
    let both = fleet.both();
    for cluster in ["east", "west"] {
        fleet.signs(cluster, &both);
        fleet.note(cluster, |mark| mark.own_ca = cluster == "west");
    }
    let [east, west] = ["east", "west"].map(|cluster| fleet.step(cluster));
    assert_eq!([&east.act, &west.act], [&Act::Rebundle, &Act::Rebundle]);
    assert!(!east.reason.contains("istio-ca-secret") && west.reason.contains("istio-ca-secret"), "{}", west.reason);
}
