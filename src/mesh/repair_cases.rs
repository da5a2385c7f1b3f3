//! What a cluster gets that has lost its set in mid-change: with which trust bundle, and under which root.

use time::Duration;

use crate::mesh::adoption_cases::{adopt_until, lay};
use crate::mesh::fleet::{Access, Role};
use crate::mesh::fleet_story::{Made, NOW, Story, cluster, held, name};
use crate::mesh::gates::Approvals;
use crate::mesh::istiod_deployment::IstiodDeployment;
use crate::mesh::observed::Observed;
use crate::mesh::plan::next;
use crate::mesh::step::{Act, Step};
use crate::mesh::trust_bundle;
use crate::mesh::walk_cases::Fleet;
use crate::mesh::walk_mark::{Goal, Turn, WalkMark};
use crate::pki::validity::Validity;
use crate::problem::{Code, Problem};

/// Trust bundles, by the generations of their roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Roots {
    Old,
    Both,
    New,
}

use Roots::{Both, New, Old};

/// A third primary, beside east and west.
fn with_north() -> Fleet {
    let mut fleet = Fleet::new();
    let north = cluster("north", Role::Primary);
    fleet.story.mesh.clusters = fleet.story.mesh.clusters.iter().cloned().chain([north]).collect();
    fleet.story.publish("north", 1, NOW + Duration::days(80));
    fleet
}

fn bytes(fleet: &Fleet, roots: Roots) -> Vec<u8> {
    match roots {
        Old => fleet.story.root.certificate.pem().into_bytes(),
        Both => fleet.both(),
        New => fleet.new_alone(),
    }
}

fn loses(fleet: &mut Fleet, cluster: &str) {
    fleet.story.look_at(cluster).secret = Ok(None);
}

fn out_of_sight(fleet: &mut Fleet, cluster: &str) {
    let gone = Problem::new(Code::ApiServerUnreachable, "out of reach");
    fleet.story.observed.insert(name(cluster), Observed::unseen(&name(cluster), NOW, &gone));
}

fn signs(fleet: &mut Fleet, cluster: &str, roots: Roots) {
    let bundle = bytes(fleet, roots);
    fleet.signs(cluster, &bundle);
}

fn shows(fleet: &mut Fleet, cluster: &str, roots: Roots) {
    let bundle = bytes(fleet, roots);
    fleet.shows(cluster, Some(bundle));
}

fn turned_back(fleet: &mut Fleet, cluster: &str) {
    fleet.note(cluster, |mark| mark.turn = Some(Turn { number: 1, goal: Goal::Trust }));
}

/// East, which has lost its set, gets one under the root of this generation and with this trust bundle.
fn gets(fleet: &Fleet, root: u32, roots: Roots) {
    let east = fleet.step("east");
    let given = [Old, Both, New].into_iter().find(|roots| east.bundle.as_ref() == Some(&bytes(fleet, *roots)));
    let Act::Mint { issuing, .. } = east.act else { panic!("{:?}: {}", east.act, east.reason) };
    assert_eq!((issuing, given), (root, Some(roots)), "{}", east.reason);
}

#[test]
fn a_lost_set_comes_back_as_the_stage_has_it_that_the_others_show() {
    let mut fleet = Fleet::new();
    loses(&mut fleet, "east");
    gets(&fleet, 1, Old);
    fleet.trusts("west");
    gets(&fleet, 1, Both);
    signs(&mut fleet, "west", Both);
    gets(&fleet, 2, Both);
    // As long as west signs under the new root, nobody loses that one; the old root it may have lost in the meantime.
    turned_back(&mut fleet, "west");
    gets(&fleet, 2, Both);
    signs(&mut fleet, "west", New);
    // That nobody has the old root any more would end the walk; a remote shows it still.
    shows(&mut fleet, "far", Both);
    gets(&fleet, 2, New);
}

#[test]
fn where_the_walk_was_turned_and_nobody_signs_under_the_new_root_a_lost_set_comes_back_under_the_old_one() {
    let mut fleet = Fleet::new();
    loses(&mut fleet, "east");
    fleet.trusts("west");
    turned_back(&mut fleet, "west");
    gets(&fleet, 1, Both);
}

#[test]
fn while_somebody_is_out_of_sight_a_lost_set_comes_back_as_every_stage_can_bear_it() {
    let mut fleet = with_north();
    loses(&mut fleet, "east");
    out_of_sight(&mut fleet, "west");
    gets(&fleet, 1, Old);
    fleet.trusts("north");
    gets(&fleet, 1, Both);
    signs(&mut fleet, "north", Both);
    turned_back(&mut fleet, "north");
    gets(&fleet, 2, Both);
    out_of_sight(&mut fleet, "north");
    let east = fleet.step("east");
    assert_eq!(east.act, Act::Wait);
    assert!(east.reason.ends_with("under which root it may sign is not known before north is seen"), "{}", east.reason);
}

#[test]
fn where_all_sets_are_lost_none_is_taken_for_further_than_its_workloads_are_shown() {
    let mut fleet = Fleet::new();
    loses(&mut fleet, "east");
    loses(&mut fleet, "west");
    shows(&mut fleet, "far", Both);
    gets(&fleet, 1, Old);
    shows(&mut fleet, "west", Both);
    gets(&fleet, 1, Old);
    shows(&mut fleet, "west", New);
    gets(&fleet, 2, New);
}

#[test]
fn of_a_remote_nothing_is_read_that_a_lost_set_would_need() {
    let mut fleet = Fleet::new();
    loses(&mut fleet, "east");
    loses(&mut fleet, "west");
    shows(&mut fleet, "east", Both);
    gets(&fleet, 1, Both);
    out_of_sight(&mut fleet, "far");
    gets(&fleet, 1, Both);
}

#[test]
fn the_trust_bundle_that_its_istiod_hands_out_is_kept_byte_for_byte() {
    let mut fleet = Fleet::new();
    loses(&mut fleet, "east");
    for roots in [Old, Both] {
        shows(&mut fleet, "east", roots);
        gets(&fleet, 1, roots);
    }
    let remark = [b"# ours\n".as_slice(), &fleet.both()].concat();
    fleet.shows("east", Some(remark.clone()));
    assert_eq!(fleet.step("east").bundle, Some(remark));
    signs(&mut fleet, "west", New);
    shows(&mut fleet, "east", Both);
    gets(&fleet, 2, Both);
}

#[test]
fn a_trust_bundle_that_istiod_would_not_read_or_that_has_another_root_is_not_kept() {
    let mut fleet = Fleet::new();
    loses(&mut fleet, "east");
    let glued = String::from_utf8(fleet.both()).unwrap().replace("-----\n-----", "----------").into_bytes();
    assert_ne!(glued, fleet.both());
    fleet.shows("east", Some(glued));
    gets(&fleet, 1, Old);
    let third = fleet.story.other_root("mesh1 root g3");
    fleet.story.holdings.roots.push(held(3, &third));
    fleet.story.mesh.root.trusted.push(third.certificate.fingerprint());
    let more = trust_bundle::appended(&bytes(&fleet, Old), &third.certificate);
    fleet.shows("east", Some(more));
    gets(&fleet, 1, Old);
}

/// East and west came with this root, and west has trusted ours for a month.
fn adopting() -> (Story, Made) {
    let mut story = Story::new();
    let left = story.other_root("left");
    adopt_until(&mut story, "east", &left, false, NOW + Duration::days(60));
    let signer =
        story.intermediate_under(&left, "west", 0, Validity::new(NOW - Duration::days(19), NOW + Duration::days(60)));
    let bundle = trust_bundle::appended(left.certificate.pem().as_bytes(), &story.root.certificate);
    let walk =
        WalkMark { from: vec![left.certificate.fingerprint()], ..WalkMark::to(story.root.certificate.fingerprint()) };
    lay(&mut story, "west", &signer, &[], &bundle, walk);
    story.look_at("east").secret = Ok(None);
    (story, left)
}

/// The cluster lies behind an API server, and its workloads have been shown this for so long.
fn is_shown(story: &mut Story, cluster: &str, bundle: Vec<u8>, ago: Duration) {
    story.cluster(cluster).access = Access::Kubeconfig { path: "kubeconfig".into(), context: None };
    let said = IstiodDeployment {
        max_workload_ttl: Ok(Some(Duration::DAY)),
        multi_root: Some(true),
        restarted_at: None,
        names: vec!["istiod".to_owned()],
    };
    let seen = story.look_at(cluster);
    (seen.system_roots, seen.system_roots_since) = (Ok(Some(bundle.into())), Some(NOW - ago));
    seen.deployment = Some(Ok(said));
}

fn east(story: &Story) -> Step {
    let mut plan = next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), NOW).unwrap();
    plan.steps.remove(0)
}

#[test]
fn an_adopted_signer_that_is_lost_is_replaced_by_one_of_ours_only_when_everybody_trusts_our_root() {
    let (mut story, left) = adopting();
    let [old, new] = [&left, &story.root].map(|made| made.certificate.pem().into_bytes());
    let both = trust_bundle::appended(&old, &story.root.certificate);
    let step = east(&story);
    assert_eq!(step.act, Act::Wait);
    assert!(step.reason.contains("what its workloads trust cannot be seen"), "{}", step.reason);
    let month = Duration::days(30);
    is_shown(&mut story, "far", both.clone(), month);
    for (shown, ago, root) in [
        (&old, month, None),
        (&both, Duration::hours(25) - Duration::SECOND, None),
        (&both, Duration::hours(25), Some(&both)),
        (&new, Duration::ZERO, Some(&new)),
    ] {
        is_shown(&mut story, "east", shown.clone(), ago);
        let step = east(&story);
        assert_eq!(step.bundle.as_ref(), root, "{}", step.reason);
        assert_eq!(matches!(step.act, Act::Mint { issuing: 1, .. }), root.is_some(), "{}", step.reason);
        assert!(root.is_some() || step.reason.contains("was adopted with a signer under"), "{}", step.reason);
    }
    // Far has not renewed: whoever came with another root may not sign under ours, and who never did may.
    is_shown(&mut story, "far", both.clone(), Duration::HOUR);
    is_shown(&mut story, "east", both, month);
    assert_eq!(east(&story).act, Act::Wait);
    is_shown(&mut story, "east", new, month);
    assert!(matches!(east(&story).act, Act::Mint { .. }));
}
