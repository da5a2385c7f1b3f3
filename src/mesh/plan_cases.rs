//! Cases of a plan.

use time::Duration;

use crate::mesh::fleet::Membership;
use crate::mesh::fleet_story::{Made, NOW, Story, held, name};
use crate::mesh::gates::Approvals;
use crate::mesh::observed::{Owner, SecretSight};
use crate::mesh::plan::{Plan, next};
use crate::mesh::step::Act;
use crate::pki::profile::Tier;
use crate::pki::validity::{BACKDATE, Validity};
use crate::problem::{Code, Problem};

const SECOND: Duration = Duration::SECOND;

fn days(number: i64) -> Duration {
    Duration::days(number)
}

fn plan(story: &Story) -> Plan {
    next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), NOW).unwrap()
}

fn act(story: &Story, cluster: &str) -> Act {
    plan(story).steps.into_iter().find(|step| step.cluster == name(cluster)).unwrap().act
}

fn refusal(story: &Story, cluster: &str) -> Code {
    match act(story, cluster) {
        Act::Refuse(problem) => problem.code(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_renewal_is_due_at_its_second_and_not_one_before() {
    let mut story = Story::new();
    story.publish("east", 3, NOW + days(30) + SECOND);
    assert_eq!(act(&story, "east"), Act::Leave);
    story.publish("east", 3, NOW + days(30));
    assert_eq!(act(&story, "east"), Act::Mint { issuing: 1, generation: 4 });
    assert_eq!(act(&story, "west"), Act::Leave);
}

#[test]
fn a_new_generation_counts_on_from_what_was_published_and_from_what_was_prepared() {
    let mut story = Story::new();
    story.publish("east", 3, NOW + days(10));
    let old = story.intermediate("east", 8, NOW + days(20));
    story.prepare("east", 8, &old);
    assert_eq!(act(&story, "east"), Act::Mint { issuing: 1, generation: 9 });
}

#[test]
fn the_canary_comes_first_and_the_others_stay_in_the_order_of_the_mesh_file() {
    let mut story = Story::new();
    story.mesh.rotation.canary = Some(name("west"));
    let order: Vec<String> = plan(&story).steps.iter().map(|step| step.cluster.to_string()).collect();
    assert_eq!(order, ["west", "east", "far"]);
}

/// East is due, and the issuing CA leaves it this much more than it has.
fn with_gain(gain: Duration) -> Story {
    let mut story = Story::new();
    let end = NOW + days(20);
    story.publish("east", 1, end);
    let dying = story.other_issuing("mesh1 issuing g2", NOW - days(20), end + gain);
    story.holdings.issuing = vec![held(2, &dying)];
    story
}

#[test]
fn a_renewal_must_gain_a_quarter_of_a_lifetime_or_people_are_asked() {
    let quarter = days(90) / 4;
    assert_eq!(act(&with_gain(quarter), "east"), Act::Mint { issuing: 2, generation: 2 });
    let Act::AskForCeremony(asked) = act(&with_gain(quarter - SECOND), "east") else { panic!() };
    let end = NOW + days(20) + quarter - SECOND;
    assert_eq!(asked.tier, Tier::Issuing);
    assert_eq!(asked.due, end - days(120));
    assert_eq!(asked.last_safe, end - days(90) - days(30));
}

#[test]
fn where_nothing_usable_is_there_the_new_one_must_outlive_a_workload_certificate() {
    let mut story = with_gain(days(0));
    story.look_at("east").secret = Ok(None);
    let short = |story: &Story, left| vec![held(2, &story.other_issuing("short", NOW - days(20), NOW + left))];
    story.holdings.issuing = short(&story, Duration::hours(25));
    assert_eq!(act(&story, "east"), Act::Mint { issuing: 2, generation: 1 });
    story.holdings.issuing = short(&story, Duration::hours(25) - SECOND);
    assert!(matches!(act(&story, "east"), Act::AskForCeremony(_)));
}

#[test]
fn an_issuing_ca_that_has_not_begun_or_that_another_root_signed_is_not_used() {
    let mut story = Story::new();
    story.publish("east", 1, NOW + days(10));
    let later = story.other_issuing("later", NOW + SECOND, NOW + days(300));
    story.holdings.issuing = vec![held(2, &later)];
    assert!(matches!(act(&story, "east"), Act::AskForCeremony(_)));
    let mut foreign = Story::new();
    foreign.publish("east", 1, NOW + days(10));
    foreign.holdings.issuing = vec![held(1, &Story::new().issuing)];
    assert!(matches!(act(&foreign, "east"), Act::AskForCeremony(_)));
}

/// No issuing tier, east due, and one prepared intermediate with this window.
fn with_stock(window: Validity) -> (Story, Made) {
    let mut story = Story::new();
    story.publish("east", 1, NOW + days(10));
    let made = story.intermediate_under(&story.issuing, "east", 2, window);
    story.prepare("east", 2, &made);
    story.mesh.issuing = None;
    story.holdings.issuing = Vec::new();
    (story, made)
}

#[test]
fn without_an_issuing_ca_the_stock_is_activated_once_its_window_has_begun() {
    let (story, _) = with_stock(Validity::new(NOW, NOW + days(90)));
    assert_eq!(act(&story, "east"), Act::Activate { generation: 2 });
    let (early, _) = with_stock(Validity::new(NOW + SECOND, NOW + days(90)));
    assert!(matches!(act(&early, "east"), Act::AskForCeremony(_)));
}

#[test]
fn stock_that_is_in_use_already_or_does_not_lead_to_the_root_is_not_activated() {
    let (mut story, made) = with_stock(Validity::new(NOW, NOW + days(90)));
    story.holdings.stock[0].upper = vec![Story::new().issuing.certificate];
    assert!(matches!(act(&story, "east"), Act::AskForCeremony(_)));
    let (mut used, _) = with_stock(Validity::new(NOW, NOW + days(90)));
    used.holdings.stock[0].generation = 1;
    assert!(matches!(act(&used, "east"), Act::AskForCeremony(_)));
    assert_eq!(made.certificate.not_after(), NOW + days(90));
}

#[test]
fn with_an_empty_stock_the_ceremony_is_for_intermediates_and_the_first_to_end_sets_the_day() {
    let mut story = Story::new();
    story.mesh.issuing = None;
    story.holdings.issuing = Vec::new();
    let next = plan(&story).ceremonies[0].clone();
    // The stock must lie there when the renewal is due, and arranging a ceremony takes its lead.
    assert_eq!((next.tier, next.due), (Tier::Intermediate, NOW + days(71) - days(30) - story.mesh.lead));
}

#[test]
fn a_stock_is_that_of_its_cluster_and_prolongs_no_other() {
    let mut story = Story::new();
    story.mesh.issuing = None;
    story.holdings.issuing = Vec::new();
    let made = story.intermediate("east", 2, NOW + days(150));
    story.prepare("east", 2, &made);
    // East ends in 150 days with its stock, and in 71 without; west in 80, having none.
    let next = plan(&story).ceremonies[0].clone();
    assert_eq!((next.tier, next.due), (Tier::Intermediate, NOW + days(80) - days(30) - story.mesh.lead));
}

#[test]
fn an_issuing_ca_that_is_left_over_signs_nothing_once_the_tier_is_switched_off() {
    let mut story = Story::new();
    story.publish("east", 1, NOW + days(10));
    assert!(matches!(act(&story, "east"), Act::Mint { .. }));
    story.mesh.issuing = None;
    assert!(matches!(act(&story, "east"), Act::AskForCeremony(_)));
}

#[test]
fn the_next_ceremony_is_that_of_the_issuing_ca_and_without_one_still_that_of_the_root() {
    let mut story = Story::new();
    let next = plan(&story).ceremonies[0].clone();
    assert_eq!((next.tier, next.due), (Tier::Issuing, NOW + days(335) - days(120)));
    story.holdings.issuing = Vec::new();
    assert_eq!(plan(&story).ceremonies[0].clone().tier, Tier::Root);
}

#[test]
fn while_paused_what_is_due_waits_and_what_is_not_due_is_left() {
    let mut story = Story::new();
    story.mesh.rotation.paused = true;
    story.publish("east", 1, NOW + days(10));
    assert_eq!(act(&story, "east"), Act::Wait);
    assert_eq!(act(&story, "west"), Act::Leave);
}

/// Windows on Saturdays from 02:00 to 06:00 UTC; the story's now is a Monday.
fn with_windows() -> Story {
    let mut story = Story::new();
    let window = crate::mesh::window::Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap();
    story.mesh.rotation.windows = crate::mesh::windows::Windows::new(vec![window]);
    story
}

#[test]
fn outside_the_maintenance_windows_a_renewal_waits_and_says_for_which() {
    let mut story = with_windows();
    story.publish("east", 1, NOW + days(20));
    let east = |story: &Story, now| {
        let plan = next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), now).unwrap();
        plan.steps.into_iter().find(|step| step.cluster == name("east")).unwrap()
    };
    let waiting = east(&story, NOW);
    assert_eq!(waiting.act, Act::Wait);
    assert!(waiting.reason.starts_with("waits for the maintenance window of 2026-11-28T02:00:00Z; renewal was due"));
    assert_eq!((waiting.bundle, waiting.mark), (None, None));
    assert!(matches!(east(&story, time::macros::datetime!(2026-11-28 2:00 UTC)).act, Act::Mint { .. }));
}

#[test]
fn a_target_without_a_usable_set_and_one_that_would_end_are_not_left_waiting_for_a_window() {
    let mut story = with_windows();
    story.publish("east", 1, NOW + days(5));
    story.sight_of("west").key_spki = None;
    assert!(matches!(act(&story, "east"), Act::Mint { .. }));
    assert!(matches!(act(&story, "west"), Act::Mint { .. }));
    let east = plan(&story).steps.remove(0);
    assert!(east.reason.contains("cannot wait for the maintenance window of 2026-11-28T02:00:00Z"), "{}", east.reason);
}

#[test]
fn nothing_new_is_brought_where_the_clock_of_the_api_server_says_that_this_one_is_wrong() {
    let mut story = Story::new();
    for cluster in ["east", "west"] {
        story.publish(cluster, 3, NOW + days(30));
    }
    story.look_at("east").server_clock = Some(NOW - Duration::minutes(5));
    assert_eq!(act(&story, "east"), Act::Mint { issuing: 1, generation: 4 });
    story.look_at("east").server_clock = Some(NOW - Duration::minutes(5) - SECOND);
    assert_eq!(refusal(&story, "east"), Code::ClockImplausible);
    assert_eq!(refusal(&story, "west"), Code::ClockImplausible, "it has no clock of its own");
    story.publish("east", 3, NOW + days(60));
    story.look_at("east").server_clock = Some(NOW - Duration::DAY);
    assert_eq!(act(&story, "east"), Act::Leave, "where nothing is due nothing is refused");
}

#[test]
fn a_remote_and_a_leaving_cluster_are_left() {
    let mut story = Story::new();
    story.publish("west", 1, NOW + days(10));
    story.cluster("west").state = Membership::Leaving;
    assert_eq!(act(&story, "far"), Act::Leave);
    assert_eq!(act(&story, "west"), Act::Leave);
}

#[test]
fn an_excluded_cluster_is_left_until_its_moment_and_no_longer() {
    let mut story = Story::new();
    story.publish("west", 1, NOW + days(10));
    let excluded = |until| Membership::Excluded { reason: "moving".to_owned(), until };
    story.cluster("west").state = excluded(NOW + SECOND);
    assert_eq!(act(&story, "west"), Act::Leave);
    story.cluster("west").state = excluded(NOW);
    assert_eq!(act(&story, "west"), Act::Mint { issuing: 1, generation: 2 });
}

#[test]
fn what_was_not_seen_is_refused() {
    let mut story = Story::new();
    story.observed.remove(&name("east"));
    story.look_at("west").secret = Err(Problem::new(Code::TargetUnreadable, "west: connection refused"));
    assert_eq!(refusal(&story, "east"), Code::TargetUnreadable);
    assert_eq!(refusal(&story, "west"), Code::TargetUnreadable);
}

#[test]
fn what_somebody_else_owns_or_runs_under_another_root_is_refused() {
    let mut story = Story::new();
    story.sight_of("east").owner = Owner::Somebody("helm".to_owned());
    let west = story.look_at("west");
    (west.secret, west.self_signed) = (Ok(None), true);
    assert_eq!(refusal(&story, "east"), Code::OwnedBySomebodyElse);
    assert_eq!(refusal(&story, "west"), Code::AlreadyRunningUnderAnotherRoot);
}

#[test]
fn a_set_of_ours_under_another_root_is_refused_and_one_that_shows_both_is_not() {
    let mut story = Story::new();
    let old = story.other_root("mesh0 root").certificate.pem();
    let both = format!("{old}{}", story.root.certificate.pem());
    story.sight_of("east").public.insert("root-cert.pem".to_owned(), old.into_bytes().into());
    story.sight_of("west").public.insert("root-cert.pem".to_owned(), both.into_bytes().into());
    assert_eq!(refusal(&story, "east"), Code::RootDiffers);
    assert_eq!(act(&story, "west"), Act::Leave);
}

#[test]
fn a_broken_set_of_ours_is_renewed_at_once() {
    let renewed = Act::Mint { issuing: 1, generation: 2 };
    let broken = |change: fn(&mut SecretSight)| {
        let mut story = Story::new();
        change(story.sight_of("east"));
        act(&story, "east")
    };
    let garbage = |there: &mut SecretSight| {
        there.public.insert("root-cert.pem".to_owned(), b"garbage\n".to_vec().into());
    };
    assert_eq!(broken(garbage), renewed);
    assert_eq!(broken(|there| there.key_spki = None), renewed);
    assert_eq!(broken(|there| there.names.retain(|name| name != "cert-chain.pem")), renewed);
    assert_eq!(broken(|there| there.signer = Err(Problem::new(Code::CertificateMalformed, "x"))), renewed);
}

#[test]
fn a_root_from_the_future_that_merely_lies_in_the_folder_stops_nothing() {
    let mut story = Story::new();
    let planted = story.root_within("planted", Validity::new(NOW + days(10), NOW + days(900)));
    story.holdings.roots.push(held(9, &planted));
    let planned = |story: &Story| {
        next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), NOW)
            .map(|_| ())
            .map_err(|it| it.code())
    };
    assert_eq!(planned(&story), Ok(()));
    story.mesh.root.trusted = vec![story.root.certificate.fingerprint(), planted.certificate.fingerprint()];
    assert_eq!(planned(&story), Err(Code::ClockImplausible));
}

#[test]
fn a_clock_may_be_behind_by_the_backdating_and_not_by_a_second_more() {
    let mut story = Story::new();
    let begins = |from| Validity::new(from, NOW + days(80));
    let at = |story: &Story, from| story.intermediate_under(&story.issuing, "east", 2, begins(from));
    let made = at(&story, NOW + BACKDATE);
    let sight = story.sight("east", 2, &made);
    story.look_at("east").secret = Ok(Some(sight));
    assert!(next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), NOW).is_ok());
    let made = at(&story, NOW + BACKDATE + SECOND);
    let sight = story.sight("east", 2, &made);
    story.look_at("east").secret = Ok(Some(sight));
    let refused = next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), NOW).unwrap_err();
    assert_eq!(refused.code(), Code::ClockImplausible);
    assert!(refused.facts()[0].ends_with("2026-11-23T10:00:00Z"), "{refused:?}");
}
