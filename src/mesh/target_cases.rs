//! What is decided about one target beside a root change, or against it.

use time::Duration;

use crate::mesh::adoption_cases::{adopt_until, lay};
use crate::mesh::fleet::{Access, Membership};
use crate::mesh::fleet_story::{NOW, Story, held, name};
use crate::mesh::gates::Approvals;
use crate::mesh::istiod_deployment::IstiodDeployment;
use crate::mesh::observed::{Replica, Way};
use crate::mesh::plan::next;
use crate::mesh::stage::Stage;
use crate::mesh::step::{Act, Step};
use crate::mesh::trust_bundle;
use crate::mesh::walk_cases::Fleet;
use crate::mesh::walk_mark::{Goal, Turn, WalkMark};
use crate::mesh::window::Window;
use crate::mesh::windows::Windows;
use crate::pki::validity::Validity;
use crate::problem::Code;

fn days(number: i64) -> Duration {
    Duration::days(number)
}

/// What is decided about the cluster, at once if so wished.
fn step(story: &Story, cluster: &str, is_urgent: bool) -> Step {
    let approvals = Approvals { urgent: is_urgent.then(|| name(cluster)), ..Approvals::default() };
    let plan = next(&story.mesh, &story.holdings, &story.observed, &approvals, NOW).unwrap();
    plan.steps.into_iter().find(|step| step.cluster == name(cluster)).unwrap()
}

#[test]
fn away_from_a_leaked_root_no_window_is_waited_for_and_back_to_it_each_is() {
    let mut fleet = Fleet::new();
    let window = Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap();
    fleet.story.mesh.rotation.windows = Windows::new(vec![window]);
    fleet.story.mesh.leaked = vec![fleet.story.root.certificate.fingerprint()];
    fleet.trusts("east");
    assert_eq!(fleet.step("west").act, Act::Rebundle);
    for cluster in ["east", "west"] {
        fleet.trusts(cluster);
        fleet.note(cluster, |mark| mark.turn = Some(Turn { number: 1, goal: Goal::Start }));
    }
    let west = fleet.step("west");
    assert_eq!(west.act, Act::Wait);
    assert!(west.reason.starts_with("waits for the maintenance window of"), "{}", west.reason);
    fleet.story.mesh.rotation.windows = Windows::default();
    assert_eq!(fleet.step("west").act, Act::Rebundle);
}

#[test]
fn a_signer_that_a_cluster_came_with_is_renewed_only_if_a_root_of_ours_stands_above_it() {
    let mut story = Story::new();
    let left = story.other_root("left");
    adopt_until(&mut story, "east", &left, false, NOW + days(10));
    assert!(matches!(step(&story, "west", false).act, Act::Leave | Act::Wait));
    assert_eq!(step(&story, "east", false).act, Act::Rebundle, "it walks, though its renewal would be due");
    let Act::Refuse(refused) = step(&story, "east", true).act else { panic!("nobody can renew it") };
    assert_eq!(refused.code(), Code::AdoptedSigner);
    let window = Validity::new(NOW - days(19), NOW + days(10));
    let signer = story.intermediate_under(&story.root, "east", 0, window);
    let (bundle, to) = (story.root.certificate.pem(), story.root.certificate.fingerprint());
    lay(&mut story, "east", &signer, &[], bundle.as_bytes(), WalkMark::to(to));
    for is_urgent in [false, true] {
        assert_eq!(step(&story, "east", is_urgent).act, Act::Mint { issuing: 1, generation: 1 });
    }
}

#[test]
fn a_set_of_ours_whose_root_may_not_be_used_any_more_is_renewed_under_one_that_may() {
    let mut story = Story::new();
    let left = story.other_root("left");
    let issuing = story.issuing_of(&left, "left issuing", Validity::new(NOW - days(20), NOW + days(300)));
    let signer = story.intermediate_under(&issuing, "east", 2, Validity::new(NOW - days(19), NOW + days(10)));
    let bundle = trust_bundle::appended(left.certificate.pem().as_bytes(), &story.root.certificate);
    let to = story.root.certificate.fingerprint();
    lay(&mut story, "east", &signer, &[&issuing.certificate], &bundle, WalkMark::to(to));
    for is_urgent in [false, true] {
        assert_eq!(step(&story, "east", is_urgent).act, Act::Mint { issuing: 1, generation: 3 });
    }
}

#[test]
fn what_is_left_alone_is_said_of_an_adopted_signer_and_of_one_of_ours() {
    let mut story = Story::new();
    let plain = step(&story, "west", false).reason;
    assert!(plain.starts_with("ends ") && !plain.contains(';'), "{plain}");
    let left = story.other_root("left");
    let signer = story.intermediate_under(&left, "east", 0, Validity::new(NOW - days(19), NOW + days(71)));
    let bundle = trust_bundle::appended(left.certificate.pem().as_bytes(), &story.root.certificate);
    let walk = WalkMark {
        from: vec![left.certificate.fingerprint()],
        turn: Some(Turn { number: 1, goal: Goal::Trust }),
        ..WalkMark::to(story.root.certificate.fingerprint())
    };
    lay(&mut story, "east", &signer, &[], &bundle, walk);
    let east = step(&story, "east", false);
    assert_eq!((east.act, east.reason.as_str()), (Act::Leave, "adopted; its signer stays until it walks"));
    assert!(step(&story, "west", false).reason.starts_with("ends "));
}

#[test]
fn that_a_ca_which_istiod_made_for_itself_is_of_no_use_is_said_when_the_walk_has_ended() {
    let mut fleet = Fleet::new();
    fleet.note("west", |mark| mark.own_ca = true);
    let said = |fleet: &Fleet, cluster| step(&fleet.story, cluster, false).reason.contains("istio-ca-secret");
    assert!(!said(&fleet, "west"), "it walks");
    fleet.story.mesh.root.trusted.pop();
    assert!(said(&fleet, "west"));
    assert!(!said(&fleet, "east"), "it came with none");
}

#[test]
fn a_step_that_waits_for_people_or_for_an_hour_is_told_with_its_stage() {
    let mut fleet = Fleet::new();
    assert_eq!(fleet.step("east").stage, Some(Stage::Trust));
    fleet.story.mesh.rotation.paused = true;
    let east = fleet.step("east");
    assert_eq!((east.act, east.stage, east.bundle), (Act::Wait, Some(Stage::Trust), None), "{}", east.reason);
    fleet.story.mesh.rotation.paused = false;
    let window = Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap();
    fleet.story.mesh.rotation.windows = Windows::new(vec![window]);
    let east = fleet.step("east");
    assert_eq!((east.act, east.stage, east.bundle), (Act::Wait, Some(Stage::Trust), None), "{}", east.reason);
}

#[test]
fn whatever_brings_a_new_signer_keeps_the_trust_bundle_that_is_there() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    fleet.story.mesh.root.trusted.pop();
    let (both, story) = (fleet.both(), &mut fleet.story);
    let kept = |story: &Story, is_urgent, issuing| {
        let east = step(story, "east", is_urgent);
        assert_eq!(east.act, Act::Mint { issuing, generation: 2 }, "{}", east.reason);
        assert!(east.bundle.as_ref() == Some(&both), "{}", east.reason);
    };
    assert_eq!(step(story, "east", false).act, Act::Leave);
    kept(story, true, 1);
    (story.mesh.intermediate.lifetime, story.mesh.intermediate.renew_before) = (days(100), days(71));
    kept(story, false, 1);
    story.mesh.intermediate.renew_before = days(30);
    story.holdings.issuing.push(held(3, &story.other_issuing("another", NOW - Duration::DAY, NOW + days(300))));
    story.mesh.leaked = vec![story.issuing.certificate.fingerprint()];
    kept(story, false, 3);
}

fn deployment(multi_root: bool) -> IstiodDeployment {
    IstiodDeployment {
        max_workload_ttl: Ok(Some(Duration::DAY)),
        multi_root: Some(multi_root),
        restarted_at: None,
        names: vec!["istiod".to_owned()],
    }
}

#[test]
fn a_replica_that_lingers_after_an_adoption_is_restarted_as_the_last_of_the_removal() {
    let mut story = Story::new();
    let gone = vec![story.other_root("left").certificate.fingerprint()];
    let signer = story.intermediate("east", 2, NOW + days(60));
    let (bundle, issuing) = (story.root.certificate.pem(), story.issuing.certificate.clone());
    let walk = WalkMark { from: gone.clone(), removed: gone, ..WalkMark::to(story.root.certificate.fingerprint()) };
    lay(&mut story, "east", &signer, &[&issuing], bundle.as_bytes(), walk);
    let istiod = &mut story.cluster("east").istiod;
    (istiod.multi_root, istiod.restart) = (false, true);
    story.cluster("east").access = Access::InCluster;
    let behind = Replica { served_since: Some(NOW - days(31)), ..Replica::new("0:15012".to_owned(), Way::Chain) };
    let seen = story.look_at("east");
    seen.replicas = vec![behind];
    seen.deployment = Some(Ok(deployment(false)));
    let east = step(&story, "east", false);
    assert_eq!((east.act, east.stage), (Act::Restart, Some(Stage::Remove)), "{}", east.reason);
    let changed = NOW - days(30);
    for (names, restarted_at, act) in [
        (vec!["istiod".to_owned()], Some(changed - Duration::SECOND), "restart"),
        (vec!["istiod".to_owned()], Some(changed), "wait"),
        (vec!["istiod".to_owned()], Some(changed + Duration::SECOND), "wait"),
        (Vec::new(), None, "wait"),
        (Vec::new(), Some(changed - Duration::SECOND), "wait"),
    ] {
        let said = IstiodDeployment { names, restarted_at, ..deployment(false) };
        story.look_at("east").deployment = Some(Ok(said));
        assert_eq!(step(&story, "east", false).act.as_str(), act, "{restarted_at:?}");
    }
    story.look_at("east").deployment = Some(Ok(deployment(false)));
    assert_eq!(step(&story, "east", false).act, Act::Restart);
    story.cluster("east").istiod.restart = false;
    assert_eq!(step(&story, "east", false).act, Act::Wait);
}

#[test]
fn a_note_waits_for_a_window_only_as_long_as_the_signer_that_it_comes_before_can() {
    for (ends, act) in [(days(60), "wait"), (days(5), "note")] {
        let mut story = Story::new();
        let window = Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap();
        story.mesh.rotation.windows = Windows::new(vec![window]);
        let left = story.other_root("left");
        let bundle = trust_bundle::appended(left.certificate.pem().as_bytes(), &story.root.certificate);
        let walk = WalkMark {
            from: vec![left.certificate.fingerprint()],
            ..WalkMark::to(story.root.certificate.fingerprint())
        };
        for (cluster, ends) in [("east", ends), ("west", days(60))] {
            let signer = story.intermediate_under(&left, cluster, 0, Validity::new(NOW - days(19), NOW + ends));
            lay(&mut story, cluster, &signer, &[], &bundle, walk.clone());
        }
        story.cluster("west").access = Access::InCluster;
        let seen = story.look_at("west");
        (seen.system_roots, seen.system_roots_since) = (Ok(Some(bundle.into())), Some(NOW - Duration::HOUR));
        seen.deployment = Some(Ok(deployment(true)));
        let west = step(&story, "west", false);
        assert_eq!((west.act.as_str(), west.stage), (act, Some(Stage::Drain)), "{}", west.reason);
        assert!(west.reason.contains("the maintenance window of 2026-11-28T02:00:00Z"), "{}", west.reason);
    }
}

#[test]
fn no_signer_is_brought_in_a_stage_if_the_only_clock_that_is_seen_speaks_against_it() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    fleet.trusts("west");
    fleet.story.cluster("far").state = Membership::Leaving;
    fleet.story.look_at("far").server_clock = Some(NOW + Duration::minutes(5));
    let east = fleet.step("east");
    assert_eq!((east.act.as_str(), east.stage), ("renew", Some(Stage::Sign)), "{}", east.reason);
    fleet.story.look_at("far").server_clock = Some(NOW + Duration::minutes(5) + Duration::SECOND);
    let east = fleet.step("east");
    let Act::Refuse(refused) = east.act else { panic!("{:?}", east.act) };
    assert_eq!((refused.code(), east.stage), (Code::ClockImplausible, Some(Stage::Sign)));
}
