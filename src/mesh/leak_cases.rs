//! What a leaked key changes in plan and report, phase by phase.

use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::mesh::deadline::latest_start;
use crate::mesh::fleet_story::{Made, NOW, Story, held, name};
use crate::mesh::gates::Approvals;
use crate::mesh::leak::{KeyOwner, Leak, Phase};
use crate::mesh::minting;
use crate::mesh::observed::Owner;
use crate::mesh::plan::{Plan, next};
use crate::mesh::stage::Stage;
use crate::mesh::status::{Status, status};
use crate::mesh::step::Act;
use crate::mesh::trust_bundle;
use crate::mesh::walk_mark::{Goal, WalkMark};
use crate::mesh::window::Window;
use crate::mesh::windows::Windows;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::validity::Validity;
use crate::problem::{Code, Severity};

const SECOND: Duration = Duration::SECOND;

/// What is published was written a month ago, and counts as loaded at once.
fn settled() -> Story {
    let mut story = Story::new();
    for cluster in ["east", "west", "far"] {
        story.cluster(cluster).istiod.assume_loaded_after = Some(Duration::ZERO);
        story.cluster(cluster).istiod.multi_root = true;
        story.look_at(cluster).written_at = Some(NOW - Duration::days(30));
    }
    story
}

fn sha(made: &Made) -> Fingerprint {
    made.certificate.fingerprint()
}

fn leak_root(story: &mut Story) {
    story.mesh.leaked = vec![sha(&story.root)];
}

fn leak_issuing(story: &mut Story) {
    story.mesh.leaked = vec![sha(&story.issuing)];
}

/// A second root, pinned beside the first.
fn pinned(story: &mut Story) -> Made {
    let second = story.other_root("mesh1 root g2");
    story.holdings.roots.push(held(2, &second));
    story.mesh.root.trusted = vec![sha(&story.root), sha(&second)];
    second
}

fn issuing_under(story: &mut Story, root: &Made, generation: u32) -> Made {
    let window = Validity::new(NOW - Duration::days(1), NOW + Duration::days(364));
    let made = story.issuing_of(root, &format!("mesh1 issuing g{generation}"), window);
    story.holdings.issuing.push(held(generation, &made));
    made
}

fn plan_at(story: &Story, now: OffsetDateTime) -> Plan {
    next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), now).unwrap()
}

fn seen(story: &Story) -> Status {
    status(&story.mesh, &story.holdings, &story.observed, NOW)
}

fn leak(story: &Story) -> Leak {
    let leaks = seen(story).leaks;
    assert_eq!(leaks, plan_at(story, NOW).leaks, "report and rotate say the same");
    leaks.into_iter().next().unwrap()
}

fn phase(story: &Story) -> &'static str {
    leak(story).phase.as_str()
}

fn advice(story: &Story) -> String {
    leak(story).problem().advice().unwrap().to_owned()
}

fn step(plan: &Plan, cluster: &str) -> (Act, String) {
    let step = plan.steps.iter().find(|step| step.cluster == name(cluster)).unwrap();
    (step.act.clone(), step.reason.clone())
}

/// Both roots in every trust bundle since that moment.
fn both_trusted(story: &mut Story, second: &Made, since: OffsetDateTime) {
    for cluster in ["east", "west"] {
        let both = trust_bundle::appended(story.root.certificate.pem().as_bytes(), &second.certificate);
        story.sight_of(cluster).public.insert("root-cert.pem".to_owned(), both.into());
        story.look_at(cluster).written_at = Some(since);
    }
}

/// A cluster has a signer under that root, and this trust bundle, since that moment.
fn stands(story: &mut Story, cluster: &str, issuing: &Made, root: &Made, bundle: &str, since: OffsetDateTime) {
    let window = Validity::new(NOW - Duration::hours(20), NOW + Duration::days(80));
    let signer = story.intermediate_under(issuing, cluster, 2, window);
    let upper = [issuing.certificate.clone()];
    let set = minting::set(
        &story.mesh,
        signer.certificate.clone(),
        &signer.key,
        &upper,
        &root.certificate,
        bundle.as_bytes(),
    );
    let mut sight = story.sight(cluster, 2, &signer);
    for (file, value) in set.files() {
        if sight.public.contains_key(file) {
            sight.public.insert(file.to_owned(), value.expose().to_vec().into());
        }
    }
    story.look_at(cluster).secret = Ok(Some(sight));
    story.look_at(cluster).written_at = Some(since);
}

#[test]
fn the_way_out_of_a_leaked_root_is_led_from_no_next_root_to_its_pin_its_signer_and_the_walk() {
    let mut story = settled();
    assert!(seen(&story).leaks.is_empty());
    leak_root(&mut story);
    assert_eq!((phase(&story), advice(&story).as_str()), ("needs-root", "meshca root create --next"));

    let (second, root) = (story.other_root("mesh1 root g2"), story.root.certificate.fingerprint());
    story.holdings.roots.push(held(2, &second));
    let pins = format!("root.trusted: [{root}, {}]", sha(&second));
    assert_eq!(phase(&story), "needs-pin");
    assert!(advice(&story).starts_with(&pins), "{}", advice(&story));

    story.mesh.root.trusted = vec![root, sha(&second)];
    assert_eq!((phase(&story), advice(&story).as_str()), ("needs-signer", "meshca issuing create"));
    issuing_under(&mut story, &second, 2);
    assert_eq!((phase(&story), advice(&story).as_str()), ("trust", "meshca rotate"));
    story.mesh.rotation.paused = true;
    assert_eq!(advice(&story), "set rotation.paused to false in the mesh file");
}

#[test]
fn without_an_issuing_tier_the_new_root_needs_stock() {
    let mut story = settled();
    leak_root(&mut story);
    pinned(&mut story);
    story.mesh.issuing = None;
    assert_eq!((phase(&story), advice(&story).as_str()), ("needs-signer", "meshca issue --until DATE"));
}

#[test]
fn a_root_is_pinned_together_with_the_one_that_the_fleet_runs_on() {
    let mut story = settled();
    leak_root(&mut story);
    let second = pinned(&mut story);
    story.mesh.root.trusted = vec![sha(&second)];
    assert_eq!(leak(&story).phase, Phase::NeedsPin(vec![sha(&story.root), sha(&second)]));
}

#[test]
fn every_cluster_that_trusts_the_root_is_exposed_and_that_is_critical() {
    let mut story = settled();
    leak_root(&mut story);
    let leak = leak(&story);
    assert_eq!(leak.owner, KeyOwner::Root("root g1".to_owned()));
    let names: Vec<&str> = leak.exposed.iter().map(|it| it.cluster.as_str()).collect();
    assert_eq!((names, leak.protected.len()), (vec!["east", "west", "far"], 0));
    let finding = seen(&story).findings.remove(0);
    assert_eq!((finding.severity, finding.problem.code()), (Severity::Critical, Code::KeyLeaked));
    assert!(seen(&story).verdict().starts_with("3 of 3 clusters need action: the key of root g1"));
    let what = "the key of root g1 is leaked, and 3 of 3 clusters accept whatever it signs";
    assert_eq!(finding.problem.what(), what);
    assert!(finding.problem.facts().iter().any(|fact| fact.starts_with("no revocation list helps against a root")));
}

#[test]
fn a_cluster_is_protected_once_it_has_been_without_the_root_for_the_life_of_a_workload_certificate() {
    let mut story = settled();
    leak_root(&mut story);
    let second = pinned(&mut story);
    let issuing = issuing_under(&mut story, &second, 2);
    let bound = Duration::hours(25);
    let alone = second.certificate.pem();
    let both = format!("{}{alone}", story.root.certificate.pem());
    stands(&mut story, "east", &issuing, &second, &alone, NOW - bound);
    stands(&mut story, "west", &issuing, &second, &both, NOW - Duration::days(3));
    let now = leak(&story);
    assert_eq!((now.protected, now.exposed.len()), (vec![name("east"), name("far")], 1));
    stands(&mut story, "east", &issuing, &second, &alone, NOW - bound + SECOND);
    assert_eq!(leak(&story).protected, []);

    stands(&mut story, "west", &issuing, &second, &alone, NOW - bound);
    assert_eq!((phase(&story), leak(&story).severity()), ("renewing", Severity::Critical));
    stands(&mut story, "east", &issuing, &second, &alone, NOW - bound);
    assert_eq!((phase(&story), leak(&story).severity()), ("over", Severity::Warning));
    let root = story.root.certificate.fingerprint();
    assert_eq!(advice(&story), format!("take {root} out of root.trusted and of `leaked` in the mesh file"));
    story.mesh.root.trusted.remove(0);
    assert_eq!(advice(&story), format!("take {root} out of `leaked` in the mesh file"));
}

#[test]
fn what_cannot_be_seen_is_not_protected() {
    let mut story = settled();
    leak_root(&mut story);
    let second = pinned(&mut story);
    let issuing = issuing_under(&mut story, &second, 2);
    for cluster in ["east", "west"] {
        stands(&mut story, cluster, &issuing, &second, &second.certificate.pem(), NOW - Duration::days(9));
    }
    assert_eq!(phase(&story), "over");
    story.observed.remove(&name("west"));
    let leak = leak(&story);
    assert_eq!((leak.exposed[0].cluster.clone(), leak.exposed[0].why.as_str()), (name("west"), "it was not looked at"));
    assert_eq!(leak.severity(), Severity::Critical);
}

#[test]
fn the_key_of_a_ca_that_has_ended_reaches_nobody_and_one_second_before_it_does() {
    let mut story = settled();
    leak_issuing(&mut story);
    let end = story.issuing.certificate.not_after();
    let at = |now| status(&story.mesh, &story.holdings, &story.observed, now).leaks[0].clone();
    assert_eq!(at(end).phase, Phase::NeedsRoot);
    assert_eq!((at(end + SECOND).phase, at(end + SECOND).protected.len()), (Phase::Over { is_pinned: false }, 3));
}

#[test]
fn a_new_issuing_ca_does_not_end_the_leak_of_the_old_one_and_a_root_change_is_asked_for() {
    let mut story = settled();
    leak_issuing(&mut story);
    story.holdings.issuing.push(held(2, &story.other_issuing("g2", NOW - Duration::DAY, NOW + Duration::days(300))));
    let leak = leak(&story);
    let name_of = |text: &str| text.to_owned();
    assert_eq!(leak.owner, KeyOwner::Issuing { name: name_of("issuing CA g1"), root: Some(name_of("root g1")) });
    assert_eq!((leak.phase.as_str(), leak.exposed.len()), ("needs-root", 3));
    let problem = leak.problem();
    assert_eq!(problem.advice(), Some("meshca root create --next"));
    let has = |words: &str| problem.facts().iter().any(|fact| fact.contains(words));
    assert!(has("a new issuing CA takes no trust from the old one") && has("revocation lists would be needed"));
}

#[test]
fn intermediates_leave_a_leaked_issuing_ca_for_another_if_there_is_one() {
    let mut story = settled();
    let quiet = |story: &Story| step(&plan_at(story, NOW), "east").0;
    assert_eq!(quiet(&story), Act::Leave);
    leak_issuing(&mut story);
    assert_eq!(quiet(&story), Act::Leave, "there is no other one");
    story.holdings.issuing.push(held(2, &story.other_issuing("g2", NOW - Duration::DAY, NOW + Duration::days(300))));
    let (act, why) = step(&plan_at(&story, NOW), "east");
    assert_eq!(act, Act::Mint { issuing: 2, generation: 2 });
    assert!(why.contains("the key of its issuing CA is leaked"), "{why}");
}

#[test]
fn an_intermediate_that_is_due_under_a_leaked_issuing_ca_asks_for_a_ceremony() {
    let mut story = settled();
    story.publish("east", 1, NOW + Duration::days(29));
    assert_eq!(step(&plan_at(&story, NOW), "east").0, Act::Mint { issuing: 1, generation: 2 });
    leak_issuing(&mut story);
    assert!(matches!(step(&plan_at(&story, NOW), "east").0, Act::AskForCeremony(_)));
}

#[test]
fn the_change_of_root_goes_before_leaving_the_issuing_ca() {
    let mut story = settled();
    leak_issuing(&mut story);
    story.holdings.issuing.push(held(2, &story.other_issuing("g2", NOW - Duration::DAY, NOW + Duration::days(300))));
    let second = pinned(&mut story);
    issuing_under(&mut story, &second, 3);
    assert_eq!(step(&plan_at(&story, NOW), "east").0, Act::Rebundle);
    both_trusted(&mut story, &second, NOW - Duration::hours(25) + SECOND);
    assert_eq!(step(&plan_at(&story, NOW), "east").0, Act::Mint { issuing: 2, generation: 2 }, "while Trust lasts");
    both_trusted(&mut story, &second, NOW - Duration::hours(25));
    assert_eq!(step(&plan_at(&story, NOW), "east").0, Act::Mint { issuing: 3, generation: 2 }, "its signer of Sign");
}

/// A window that is shut now, on every Saturday.
fn shut(story: &mut Story) {
    story.mesh.rotation.windows =
        Windows::new(vec![Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap()]);
}

#[test]
fn steps_away_from_a_leaked_key_wait_for_no_window_and_for_a_pause_they_do() {
    for leak in [leak_root, leak_issuing] {
        let mut story = settled();
        shut(&mut story);
        let second = pinned(&mut story);
        issuing_under(&mut story, &second, 2);
        let (act, why) = step(&plan_at(&story, NOW), "east");
        assert_eq!(act, Act::Wait);
        assert!(why.starts_with("waits for the maintenance window of"), "{why}");
        leak(&mut story);
        let (act, why) = step(&plan_at(&story, NOW), "east");
        assert_eq!(act, Act::Rebundle);
        assert!(why.contains("it waits for no maintenance window, since the key of"), "{why}");
        story.mesh.rotation.paused = true;
        let (act, why) = step(&plan_at(&story, NOW), "east");
        assert_eq!(act, Act::Wait);
        assert!(why.starts_with("rotation is paused"), "{why}");
    }
}

#[test]
fn leaving_a_leaked_issuing_ca_waits_for_no_window_and_an_ordinary_renewal_does() {
    let mut story = settled();
    shut(&mut story);
    story.holdings.issuing.push(held(2, &story.other_issuing("g2", NOW - Duration::DAY, NOW + Duration::days(300))));
    story.publish("east", 1, NOW + Duration::days(29));
    assert_eq!(step(&plan_at(&story, NOW), "east").0, Act::Wait);
    leak_issuing(&mut story);
    assert_eq!(step(&plan_at(&story, NOW), "east").0, Act::Mint { issuing: 2, generation: 2 });
}

#[test]
fn a_leak_hurries_no_barrier() {
    let mut story = settled();
    leak_root(&mut story);
    let second = pinned(&mut story);
    issuing_under(&mut story, &second, 2);
    both_trusted(&mut story, &second, NOW - Duration::hours(25) + SECOND);
    assert_eq!((step(&plan_at(&story, NOW), "east").0, phase(&story)), (Act::Wait, "trust"));
    both_trusted(&mut story, &second, NOW - Duration::hours(25));
    assert_eq!(
        (step(&plan_at(&story, NOW), "east").0, phase(&story)),
        (Act::Mint { issuing: 2, generation: 2 }, "sign")
    );
}

#[test]
fn a_step_of_a_root_change_is_held_by_no_window_past_its_latest_safe_start() {
    let mut story = settled();
    shut(&mut story);
    let second = pinned(&mut story);
    issuing_under(&mut story, &second, 2);
    let old_end = story.root.certificate.not_after();
    story.mesh.lead = Duration::ZERO;
    let latest = latest_start(&story.mesh, Stage::Trust, Duration::hours(25), old_end);
    let closes = datetime!(2026-11-28 6:00 UTC);
    let mut step_of = |safe: OffsetDateTime| {
        story.mesh.lead = latest - safe;
        step(&plan_at(&story, NOW), "east")
    };
    assert_eq!(step_of(closes).0, Act::Wait);
    let (act, why) = step_of(closes - SECOND);
    assert_eq!(act, Act::Rebundle);
    assert!(why.contains("by whose end the latest safe start of this stage has passed"), "{why}");
}

#[test]
fn a_cluster_on_the_way_to_a_root_that_only_a_leaked_one_endorses_is_left_alone_until_that_is_pinned() {
    let mut story = settled();
    let second = story.other_root("mesh1 root g2");
    story.endorse_next(&second, 2);
    issuing_under(&mut story, &second, 2);
    both_trusted(&mut story, &second, NOW - Duration::hours(25));
    assert_eq!(step(&plan_at(&story, NOW), "east").0, Act::Mint { issuing: 2, generation: 2 });
    leak_root(&mut story);
    let (act, _) = step(&plan_at(&story, NOW), "east");
    let Act::Refuse(problem) = act else { panic!("{act:?}") };
    assert_eq!(problem.code(), Code::RootNotTrusted);
    let pins = format!("root.trusted: [{}, {}]", sha(&story.root), sha(&second));
    assert!(problem.advice().unwrap().starts_with(&pins));
    assert_eq!(phase(&story), "needs-pin");
    story.mesh.root.trusted = vec![sha(&story.root), sha(&second)];
    assert_eq!(step(&plan_at(&story, NOW), "east").0, Act::Mint { issuing: 2, generation: 2 });
}

#[test]
fn nobody_walks_on_to_a_root_whose_key_is_leaked_as_long_as_there_is_a_way_back() {
    let mut story = settled();
    let second = pinned(&mut story);
    let issuing = issuing_under(&mut story, &second, 2);
    story.mesh.leaked = vec![sha(&second)];
    let plan = plan_at(&story, NOW);
    assert_eq!((step(&plan, "east").0, plan.root_change.is_none()), (Act::Leave, true), "no cluster has it yet");
    both_trusted(&mut story, &second, NOW - Duration::hours(25));
    let (act, why) = step(&plan_at(&story, NOW), "east");
    assert_eq!(act, Act::Wait);
    assert!(why.contains("whose key may be in other hands"), "{why}");
    assert_eq!(leak(&story).phase, Phase::Ahead(Goal::Forward));
    assert!(advice(&story).starts_with("meshca rollback"));
    // Who has lost the old root cannot go back: the others follow, and a third root comes after.
    stands(&mut story, "west", &issuing, &second, &second.certificate.pem(), NOW - Duration::DAY);
    assert_eq!(step(&plan_at(&story, NOW), "east").0, Act::Mint { issuing: 2, generation: 2 });
}

#[test]
fn a_sha256_that_nobody_holds_and_that_of_an_intermediate_are_warnings() {
    let mut story = settled();
    story.mesh.leaked = vec![Fingerprint::of(b"nothing")];
    assert_eq!((leak(&story).owner, phase(&story)), (KeyOwner::Nobody, "misnamed"));
    assert_eq!(leak(&story).severity(), Severity::Warning);
    let east = story.sight_of("east").signer.clone().unwrap().fingerprint();
    story.mesh.leaked = vec![east];
    assert_eq!(leak(&story).owner, KeyOwner::Intermediate(name("east")));
    assert_eq!(advice(&story), "meshca rotate --now east --reason leaked");
}

#[test]
fn a_renewal_after_the_walk_keeps_since_when_a_leaked_root_is_gone() {
    let mut story = settled();
    let second = pinned(&mut story);
    let issuing = issuing_under(&mut story, &second, 2);
    let gone = NOW - Duration::days(60);
    for cluster in ["east", "west"] {
        stands(&mut story, cluster, &issuing, &second, &second.certificate.pem(), gone);
        let removed = Some(sha(&story.root));
        let mark = WalkMark { removed: removed.into_iter().collect(), ..WalkMark::to(sha(&second)) };
        let Owner::Ours(own) = &mut story.sight_of(cluster).owner else { panic!() };
        own.walk = Some(Box::new(mark));
    }
    let noted = |story: &Story, now| {
        let plan = next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), now).unwrap();
        let step = plan.steps.into_iter().find(|step| step.cluster == name("east")).unwrap();
        assert!(matches!(step.act, Act::Mint { .. }), "{step:?}");
        step.mark.map(|mark| mark.bundled_at)
    };
    let due = NOW + Duration::days(55);
    assert_eq!(noted(&story, due), None, "nothing is leaked, and nothing is kept");
    leak_root(&mut story);
    assert_eq!(noted(&story, due), Some(Some(gone)));
}
