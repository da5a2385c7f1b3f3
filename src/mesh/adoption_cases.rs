//! Where a fleet stands whose clusters came with roots of their own, and what their istiods need.

use time::{Duration, OffsetDateTime};

use crate::mesh::adoption::decide;
use crate::mesh::cacerts::Cacerts;
use crate::mesh::change::Change;
use crate::mesh::evidence::Evidence;
use crate::mesh::fleet_story::{Made, NOW, Story, held, name};
use crate::mesh::footing::Footing;
use crate::mesh::gates::Approvals;
use crate::mesh::holdings::Held;
use crate::mesh::lingering::lingering;
use crate::mesh::observed::{Owner, Replica, SecretKind, SecretSight, Way};
use crate::mesh::ownership::Ownership;
use crate::mesh::plan::{next, root_change, settled_root};
use crate::mesh::stage::Stage;
use crate::mesh::step::Act;
use crate::mesh::trust_bundle;
use crate::mesh::turn::{Wish, turned};
use crate::mesh::walk_cases::Fleet;
use crate::mesh::walk_mark::{Goal, Turn, WalkMark};
use crate::pki::certificate::Certificate;
use crate::pki::validity::Validity;
use crate::problem::Code;

/// The cluster has an adopted set under this root.
fn adopt(story: &mut Story, cluster: &str, root: &Made, own_ca: bool) {
    adopt_until(story, cluster, root, own_ca, NOW + Duration::days(71));
}

/// The same, with a signer that ends then.
pub(in crate::mesh) fn adopt_until(
    story: &mut Story,
    cluster: &str,
    root: &Made,
    own_ca: bool,
    end: OffsetDateTime,
) -> Cacerts {
    let window = Validity::new(NOW - Duration::days(19), end);
    let signer = story.intermediate_under(root, cluster, 0, window);
    let set = Cacerts::assemble(signer.certificate.clone(), &signer.key, &[], None, root.certificate.pem().as_bytes());
    let values = set.files().iter().map(|(file, value)| ((*file).to_owned(), value.expose().to_vec())).collect();
    let walk = WalkMark {
        from: vec![root.certificate.fingerprint()],
        own_ca,
        ..WalkMark::to(story.root.certificate.fingerprint())
    };
    let mark = Ownership::new("mesh1", &name(cluster), 0, signer.certificate.serial_text()).walking(Some(walk));
    let sight = SecretSight::new(SecretKind::Opaque, Owner::Ours(mark), values, Some(signer.key.spki()));
    story.look_at(cluster).secret = Ok(Some(sight));
    set
}

/// The cluster has had this set for a month, and it counts as loaded at once.
pub(in crate::mesh) fn lay(
    story: &mut Story,
    cluster: &str,
    signer: &Made,
    upper: &[&Certificate],
    bundle: &[u8],
    walk: WalkMark,
) {
    let set = Cacerts::assemble(signer.certificate.clone(), &signer.key, upper, None, bundle);
    let values = set.files().iter().map(|(file, value)| ((*file).to_owned(), value.expose().to_vec())).collect();
    let generation = if upper.is_empty() { 0 } else { 2 };
    let mark = Ownership::new("mesh1", &name(cluster), generation, signer.certificate.serial_text());
    let owner = Owner::Ours(mark.walking(Some(walk)));
    let sight = SecretSight::new(SecretKind::Opaque, owner, values, Some(signer.key.spki()));
    let istiod = &mut story.cluster(cluster).istiod;
    (istiod.assume_loaded_after, istiod.multi_root) = (Some(Duration::ZERO), true);
    let seen = story.look_at(cluster);
    (seen.secret, seen.written_at) = (Ok(Some(sight)), Some(NOW - Duration::days(30)));
}

/// The cluster came with this root, has a signer of ours, and trusts both.
fn has_walked(story: &mut Story, cluster: &str, from: &Made) {
    let signer = story.intermediate(cluster, 2, NOW + Duration::days(60));
    let bundle = trust_bundle::appended(from.certificate.pem().as_bytes(), &story.root.certificate);
    let to = story.root.certificate.fingerprint();
    let (issuing, walk) = (story.issuing.certificate.clone(), WalkMark::to(to));
    let walk = WalkMark { from: vec![from.certificate.fingerprint()], ..walk };
    lay(story, cluster, &signer, &[&issuing], &bundle, walk);
}

/// Notes this on the set that is there.
fn note(story: &mut Story, cluster: &str, walk: WalkMark) {
    let Owner::Ours(mark) = story.sight_of(cluster).owner.clone() else { panic!("not ours") };
    story.sight_of(cluster).owner = Owner::Ours(mark.walking(Some(walk)));
}

fn adopted(story: &Story) -> usize {
    let trusted = story.holdings.trusted(&story.mesh).unwrap();
    let footing = Footing::of(&story.mesh, &trusted, &story.observed, NOW).unwrap();
    assert!(footing.adopted.iter().all(|root| root.generation == 0));
    footing.adopted.len()
}

#[test]
fn each_root_that_an_adopted_set_came_with_is_left_once() {
    let mut story = Story::new();
    let (left, right) = (story.other_root("left"), story.other_root("right"));
    assert_eq!(adopted(&story), 0);
    adopt(&mut story, "east", &left, false);
    assert_eq!(adopted(&story), 1);
    adopt(&mut story, "west", &left, false);
    assert_eq!(adopted(&story), 1);
    adopt(&mut story, "west", &right, false);
    assert_eq!(adopted(&story), 2);
}

#[test]
fn a_root_that_is_only_noted_is_left_as_long_as_anybody_is_shown_it() {
    let mut story = Story::new();
    let left = story.other_root("left");
    let walk = WalkMark::to(story.root.certificate.fingerprint());
    let shown = left.certificate.pem().into_bytes();
    story.look_at("far").system_roots = Ok(Some(shown.into()));
    note(&mut story, "east", walk.clone());
    assert_eq!(adopted(&story), 0, "a foreign root that nobody noted");
    note(&mut story, "east", WalkMark { from: vec![left.certificate.fingerprint()], ..walk });
    assert_eq!(adopted(&story), 1);
    story.look_at("far").system_roots = Ok(None);
    assert_eq!(adopted(&story), 0);
}

#[test]
fn a_walk_of_our_own_that_has_begun_goes_first() {
    let mut story = Story::new();
    let (left, second) = (story.other_root("left"), story.other_root("g2"));
    story.endorse_next(&second, 2);
    adopt(&mut story, "east", &left, false);
    assert_eq!(adopted(&story), 1, "it lies there, and nobody has it");
    let bundle = trust_bundle::appended(story.root.certificate.pem().as_bytes(), &second.certificate);
    story.sight_of("west").public.insert("root-cert.pem".to_owned(), bundle.into());
    assert_eq!(adopted(&story), 0);
}

#[test]
fn an_istiod_on_a_ca_of_its_own_needs_a_restart_until_it_has_a_signer_of_ours() {
    let mut story = Story::new();
    let left = story.other_root("left");
    story.cluster("east").istiod.multi_root = true;
    let needs = |story: &Story| {
        Evidence { mesh: &story.mesh, observed: &story.observed, now: NOW }.needs_restart(&story.mesh.clusters[0])
    };
    adopt(&mut story, "east", &left, false);
    assert!(!needs(&story));
    adopt(&mut story, "east", &left, true);
    assert!(needs(&story));
    story.publish("east", 1, NOW + Duration::days(71));
    let walk = WalkMark { own_ca: true, ..WalkMark::to(story.root.certificate.fingerprint()) };
    note(&mut story, "east", walk);
    assert!(!needs(&story));
}

#[test]
fn a_replica_that_loaded_before_an_adopted_root_was_removed_lingers() {
    let mut story = Story::new();
    let gone = vec![story.other_root("left").certificate.fingerprint()];
    let bare = WalkMark::to(story.root.certificate.fingerprint());
    let look = |story: &Story| {
        let cluster = &story.mesh.clusters[0];
        let observed = &story.observed[&cluster.name];
        let evidence = Evidence { mesh: &story.mesh, observed: &story.observed, now: NOW };
        lingering(evidence, cluster, observed).is_some()
    };
    let loaded = |at| vec![Replica { served_since: Some(at), ..Replica::new("0:15012".to_owned(), Way::Chain) }];
    let backdate = Duration::minutes(2);
    story.look_at("east").written_at = Some(NOW);
    story.look_at("east").replicas = loaded(NOW - backdate - Duration::SECOND);
    note(&mut story, "east", WalkMark { removed: gone.clone(), ..bare.clone() });
    assert!(!look(&story), "it never was adopted");
    note(&mut story, "east", WalkMark { from: gone.clone(), removed: gone, ..bare });
    assert!(look(&story));
    story.look_at("east").replicas = loaded(NOW - backdate);
    assert!(!look(&story));
    story.look_at("east").replicas = loaded(NOW - backdate - Duration::SECOND);
    story.cluster("east").istiod.multi_root = true;
    assert!(!look(&story), "it takes the trust bundle by itself");
}

#[test]
fn a_root_without_a_generation_is_named_by_its_subject() {
    let story = Story::new();
    assert_eq!(held(1, &story.root).name(), "root g1");
    assert!(Held::adopted(story.root.certificate).name().starts_with('"'));
}

#[test]
fn a_set_is_taken_over_as_it_was_decided_on_and_not_as_it_has_become_since() {
    let mut story = Story::new();
    let (left, right) = (story.other_root("left"), story.other_root("right"));
    let set = adopt_until(&mut story, "east", &left, false, NOW + Duration::days(71));
    let sight = story.sight_of("east");
    let Owner::Ours(mark) = sight.owner.clone() else { panic!("not ours") };
    let ours = sight.clone();
    let foreign =
        SecretSight { owner: Owner::Somebody("kubectl".to_owned()), uid: Some("one".to_owned()), ..ours.clone() };
    let look = |secret: Option<&SecretSight>| {
        let mut observed = story.observed[&name("east")].clone();
        observed.secret = Ok(secret.cloned());
        observed
    };
    let cluster = &story.mesh.clusters[0];
    let decided = |before: Option<&SecretSight>, now: Option<&SecretSight>| match decide(
        &set,
        &mark,
        cluster,
        &look(before),
        &look(now),
    ) {
        Change::Refuse(problem) => Err(problem.code()),
        change => Ok(change),
    };
    let replace = Change::Replace { uid: Some("one".to_owned()), version: None };
    assert_eq!(decided(Some(&foreign), Some(&foreign)), Ok(replace));
    assert_eq!(decided(Some(&foreign), Some(&ours)), Ok(Change::Leave), "another run was first");
    assert_eq!(decided(None, None), Ok(Change::Create));
    let changed = Err(Code::TargetChangedMeanwhile);
    assert_eq!(decided(Some(&foreign), None), changed, "it is gone");
    assert_eq!(decided(None, Some(&foreign)), changed, "it has come");
    let mut other = foreign.clone();
    other.public.insert("root-cert.pem".to_owned(), right.certificate.pem().into_bytes().into());
    assert_eq!(decided(Some(&foreign), Some(&other)), changed, "another bundle");
    let other = SecretSight { key_spki: Some(right.key.spki()), ..foreign.clone() };
    assert_eq!(decided(Some(&foreign), Some(&other)), changed, "another key");
}

#[test]
fn the_next_stage_begins_before_an_adopted_signer_ends_that_nothing_renews() {
    let mut story = Story::new();
    let left = story.other_root("left");
    let bound = story.mesh.workload.max_ttl + story.mesh.workload.margin;
    let latest = |story: &mut Story, end| {
        adopt_until(story, "east", &left, false, end);
        root_change(&story.mesh, &story.holdings, &story.observed, NOW).unwrap().unwrap().latest_start
    };
    let soon = NOW + Duration::days(20);
    assert_eq!(latest(&mut story, soon), soon - bound, "what it signed last has to end before it does");
    let never = NOW + Duration::days(2999);
    let by_the_root = latest(&mut story, never);
    assert!(by_the_root < never - bound, "the root ends first");
}

#[test]
fn the_roots_that_clusters_came_with_go_when_people_say_so_of_each_of_them() {
    let mut story = Story::new();
    let (left, right) = (story.other_root("left"), story.other_root("right"));
    has_walked(&mut story, "east", &left);
    has_walked(&mut story, "west", &right);
    let [left, right] = [left, right].map(|made| made.certificate.fingerprint());
    for (removal, act) in
        [(vec![], Act::Wait), (vec![left], Act::Wait), (vec![right], Act::Wait), (vec![left, right], Act::Rebundle)]
    {
        let approvals = Approvals { removal, urgent: None };
        let plan = next(&story.mesh, &story.holdings, &story.observed, &approvals, NOW).unwrap();
        for step in plan.steps.iter().filter(|step| step.cluster != name("far")) {
            assert_eq!(step.act, act, "{}: {}", step.cluster, step.reason);
            assert_eq!(step.stage, (act == Act::Rebundle).then_some(Stage::Remove));
            assert!(act == Act::Rebundle || step.reason.contains("may go once that is approved"), "{}", step.reason);
        }
    }
}

#[test]
fn who_never_had_an_adopted_root_holds_nobody_up_on_the_way_back() {
    let mut story = Story::new();
    let left = story.other_root("left");
    let signer =
        story.intermediate_under(&left, "east", 0, Validity::new(NOW - Duration::days(19), NOW + Duration::days(71)));
    let old = left.certificate.pem().into_bytes();
    let bundle = trust_bundle::appended(&old, &story.root.certificate);
    let turn = Some(Turn { number: 1, goal: Goal::Start });
    let from = vec![left.certificate.fingerprint()];
    let walk = WalkMark { from, turn, ..WalkMark::to(story.root.certificate.fingerprint()) };
    lay(&mut story, "east", &signer, &[], &bundle, walk);
    let plan = next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), NOW).unwrap();
    let east = &plan.steps[0];
    assert_eq!((east.act.as_str(), east.bundle.as_ref()), ("publish", Some(&old)), "{}", east.reason);
    assert_eq!(plan.steps[1].act, Act::Leave, "{}", plan.steps[1].reason);
}

#[test]
fn clusters_are_adopted_while_others_are_and_not_while_a_walk_of_our_own_is_under_way() {
    let root = |story: &Story| {
        let root = settled_root(&story.mesh, &story.holdings, &story.observed, NOW);
        root.map(|held| held.generation).map_err(|problem| problem.code())
    };
    let mut story = Story::new();
    let left = story.other_root("left");
    has_walked(&mut story, "east", &left);
    assert_eq!(root(&story), Ok(1));
    let mut fleet = Fleet::new();
    assert_eq!(root(&fleet.story), Ok(1), "it has not begun");
    fleet.trusts("west");
    assert_eq!(root(&fleet.story), Err(Code::RootChangeUnderWay));
}

#[test]
fn an_adoption_is_turned_back_as_long_as_nobody_has_a_signer_of_ours_and_forward_at_any_time() {
    let mut story = Story::new();
    let left = story.other_root("left");
    let turn = |story: &Story, wish| {
        let turned = turned(&story.mesh, &story.holdings, &story.observed, wish, NOW);
        turned.map(|turned| turned.goal).map_err(|problem| problem.code())
    };
    let walk = WalkMark {
        from: vec![left.certificate.fingerprint()],
        turn: Some(Turn { number: 1, goal: Goal::Trust }),
        ..WalkMark::to(story.root.certificate.fingerprint())
    };
    let signer = story.intermediate_under(&left, "east", 0, Validity::new(NOW, NOW + Duration::days(60)));
    let bundle = trust_bundle::appended(left.certificate.pem().as_bytes(), &story.root.certificate);
    lay(&mut story, "east", &signer, &[], &bundle, walk.clone());
    assert_eq!(turn(&story, Wish::Back), Ok(Goal::Start));
    assert_eq!(turn(&story, Wish::Forward), Ok(Goal::Forward));
    has_walked(&mut story, "east", &left);
    note(&mut story, "east", walk);
    assert_eq!(turn(&story, Wish::Back), Err(Code::AdoptedSigner));
    assert_eq!(turn(&story, Wish::Forward), Ok(Goal::Forward));
}
