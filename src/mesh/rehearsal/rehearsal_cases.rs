//! Rehearsals of a small mesh, each with something that goes wrong.
#![expect(clippy::disallowed_methods, reason = "rehearsals make real keys")]

use ring::rand::SystemRandom;
use time::Duration;

use crate::mesh::fleet::{Access, Membership};
use crate::mesh::fleet_story::{NOW, Story};
use crate::mesh::outcome::Outcome;
use crate::mesh::rehearsal::fault::Fault;
use crate::mesh::rehearsal::need::What;
use crate::mesh::rehearsal::rehearsed::Rehearsed;
use crate::mesh::rehearsal::script::Script;
use crate::mesh::rehearsal::simulation::run;
use crate::mesh::rehearsal::timeline::Event;
use crate::mesh::stage::Stage;
use crate::mesh::window::Window;
use crate::mesh::windows::Windows;
use crate::pki::moment::day;

/// East, west and far, whose istiods have multi-root on behind folders.
fn story() -> Story {
    let mut story = Story::new();
    for name in ["east", "west"] {
        let istiod = &mut story.cluster(name).istiod;
        (istiod.assume_loaded_after, istiod.multi_root) = (Some(Duration::minutes(10)), true);
    }
    story
}

/// The same behind API servers, with multi-root off and a place where each istiod can be looked at.
fn behind_api(may_restart: bool) -> Story {
    let mut story = Story::new();
    for cluster in story.mesh.clusters.iter_mut() {
        let context = Some(cluster.name.to_string());
        cluster.access = Access::Kubeconfig { path: "kubeconfig".into(), context };
        if cluster.role.has_cacerts() {
            cluster.istiod.addresses = vec![format!("{}:15012", cluster.name)];
            cluster.istiod.restart = may_restart;
        }
    }
    story
}

fn script(days: i64, faults: &[String]) -> Script {
    let faults = faults.iter().map(|fault| Fault::parse(fault).unwrap()).collect();
    Script { begins: NOW, ends: NOW + Duration::days(days), tick: Duration::days(1), faults, change_root: None }
}

fn on(days: i64) -> String {
    day(NOW + Duration::days(days))
}

fn played(story: &Story, script: &Script) -> Rehearsed {
    run(&story.mesh, script, None, &SystemRandom::new()).unwrap()
}

fn went(story: &Story, days: i64, faults: &[String]) -> Rehearsed {
    played(story, &script(days, faults))
}

/// With a change of root that begins on the hundredth day.
fn changing(story: &Story, days: i64, faults: &[String]) -> Rehearsed {
    played(story, &Script { change_root: Some(NOW + Duration::days(100)), ..script(days, faults) })
}

fn stages(went: &Rehearsed) -> Vec<&'static str> {
    let stage = |event: &Event| match event {
        Event::Stage(stage, ..) => Some(stage.as_str()),
        Event::Changed(..) => Some("done"),
        _ => None,
    };
    went.timeline.iter().filter_map(|it| stage(&it.event)).collect()
}

#[test]
fn two_years_without_a_fault_go_well_and_need_people_for_issuing_cas_only() {
    let went = went(&story(), 730, &[]);
    assert_eq!((went.outcome(), went.bad().count()), (Outcome::Fine, 0), "{}", went.verdict());
    assert_eq!((went.clusters, went.pairs, went.ticks), (3, 9, 731));
    assert_eq!(went.renewals(), 2 * (730 / 60));
    let days: Vec<(i64, String)> =
        went.needs.iter().map(|need| ((need.done - NOW).whole_days(), need.what.title())).collect();
    let issuing = "a new issuing CA".to_owned();
    assert_eq!(days, [(0, "the founding ceremony".to_owned()), (275, issuing.clone()), (550, issuing)]);
    assert_eq!(
        went.verdict(),
        "3 clusters over 730 d: nothing breaks and nothing ends; 24 renewals by themselves, people on 3 days"
    );
}

#[test]
fn a_cluster_may_be_unreachable_until_its_intermediate_ends_and_not_beyond() {
    // Its renewal is due on day 60, and its intermediate ends on day 90 at 10:00, in the very second of a tick.
    let down = |days: i64| went(&story(), 200, &[format!("down:east:{}:{days}d", on(59))]);
    let long = down(30);
    assert_eq!(long.outcome(), Outcome::Fine, "{}", long.verdict());
    assert!(long.timeline.iter().any(|it| matches!(&it.event, Event::Alert(name, _) if name.as_str() == "east")));
    let too_long = down(31);
    assert_eq!(too_long.outcome(), Outcome::Critical);
    assert!(too_long.timeline.iter().any(|it| matches!(&it.event, Event::Expired(name, _) if name.as_str() == "east")));
    assert!(too_long.timeline.iter().any(|it| matches!(&it.event, Event::Broken(..))));
    assert!(too_long.timeline.iter().any(|it| matches!(&it.event, Event::Mended(_))), "renewed when it is back");
}

#[test]
fn who_comes_a_day_late_to_a_ceremony_is_told_and_half_a_year_late_breaks_the_mesh() {
    let late = |days: i64| went(&story(), 500, &[format!("late:ceremony:{days}d")]);
    let one = late(1);
    assert_eq!(one.outcome(), Outcome::Warning, "{}", one.verdict());
    assert!(one.verdict().ends_with("people come too late for a new issuing CA"), "{}", one.verdict());
    assert_eq!(late(180).outcome(), Outcome::Critical);
}

#[test]
fn a_change_of_root_goes_through_its_stages_and_waits_for_an_approval() {
    let went = changing(&story(), 300, &[]);
    assert_eq!(went.outcome(), Outcome::Fine, "{}", went.verdict());
    assert_eq!(stages(&went), ["Trust", "Sign", "Drain", "Remove", "done"]);
    let titles: Vec<String> = went.needs.iter().map(|need| need.what.title()).collect();
    assert!(titles.contains(&"root g2, which begins a change of root".to_owned()), "{titles:?}");
    assert!(titles.contains(&"the approval that root g1 may go".to_owned()), "{titles:?}");
}

#[test]
fn where_meshca_may_not_restart_istiod_people_are_asked_to() {
    let restarts =
        |went: &Rehearsed| went.needs.iter().filter(|need| matches!(need.what, What::Restart { .. })).count();
    let by_people = changing(&behind_api(false), 300, &[]);
    assert_eq!(stages(&by_people).last(), Some(&"done"), "{:?}", by_people.unfinished);
    assert_eq!((by_people.outcome(), restarts(&by_people)), (Outcome::Fine, 4), "both, in Trust and in Remove");
    let by_meshca = changing(&behind_api(true), 300, &[]);
    assert_eq!(stages(&by_meshca).last(), Some(&"done"), "{:?}", by_meshca.unfinished);
    assert_eq!((by_meshca.outcome(), restarts(&by_meshca)), (Outcome::Fine, 0));
    let late = changing(&behind_api(false), 130, &["late:restart:60d".to_owned()]);
    assert_eq!(late.outcome(), Outcome::Warning, "{}", late.verdict());
    assert!(late.verdict().contains("held up in Trust: east"), "{}", late.verdict());
}

#[test]
fn what_can_never_be_shown_holds_a_change_of_root_up_and_breaks_nothing() {
    let mut story = story();
    story.cluster("east").istiod.multi_root = false;
    let went = changing(&story, 300, &[]);
    assert_eq!((went.outcome(), went.bad().count()), (Outcome::Warning, 0));
    assert_eq!(stages(&went), ["Trust"]);
    assert!(went.verdict().contains("istiod.addresses"), "{}", went.verdict());
}

#[test]
fn a_cluster_that_is_away_in_mid_change_is_waited_for() {
    let went = changing(&story(), 300, &[format!("down:east:{}:21d", on(101))]);
    assert_eq!(went.outcome(), Outcome::Fine, "{}", went.verdict());
    assert_eq!(stages(&went), ["Trust", "Sign", "Drain", "Remove", "done"]);
    let sign = went.timeline.iter().find(|it| matches!(it.event, Event::Stage(Stage::Sign, ..))).unwrap();
    assert!(sign.at >= NOW + Duration::days(121), "{}", sign.at);
}

#[test]
fn a_backup_from_before_a_change_of_root_breaks_pairs_and_the_watch_sees_it() {
    // The change ends on day 134, under root g2 alone.
    let went = changing(&story(), 300, &[format!("restore:east:{}:50d", on(140))]);
    let broken: Vec<String> = went.bad().map(|it| it.event.to_string()).collect();
    assert_eq!((went.outcome(), broken.len()), (Outcome::Critical, 1), "{broken:?}");
    assert!(broken[0].contains("refuse those of"), "{broken:?}");
    let recent = changing(&story(), 300, &[format!("restore:east:{}:1d", on(140))]);
    assert_eq!(recent.outcome(), Outcome::Fine, "{}", recent.verdict());
}

#[test]
fn an_istiod_that_cannot_start_with_an_expired_backup_signs_nothing_until_it_gets_a_set() {
    let went = went(&story(), 200, &[format!("restore:east:{}:100d", on(110))]);
    let told: Vec<String> = went.timeline.iter().map(|it| it.event.to_string()).collect();
    assert!(told.iter().any(|it| it.starts_with("istiod in east drops an update: failed to create")), "{told:#?}");
    let renewed = went.timeline.iter().filter(|it| matches!(&it.event, Event::Renewed(names) if names.len() == 1));
    assert_eq!(renewed.map(|it| it.at).min(), Some(NOW + Duration::days(110)), "at the tick of the same day");
    assert_eq!(went.outcome(), Outcome::Fine, "ten hours without an istiod are less than a workload certificate lives");
}

#[test]
fn a_hand_that_takes_the_chain_out_is_put_right_at_the_next_tick() {
    let went = went(&story(), 60, &[format!("drift:west:{}", on(20))]);
    assert_eq!(went.outcome(), Outcome::Fine);
    let repaired = went.timeline.iter().find(|it| matches!(it.event, Event::Repaired(..))).unwrap();
    assert_eq!(repaired.event.to_string(), "west gets a set: its cacerts lacks one of the four files");
    assert_eq!(repaired.at, NOW + Duration::days(20));
    assert!(went.timeline.iter().any(|it| matches!(it.event, Event::Dropped(..))), "istiod keeps what it has");
}

#[test]
fn a_pause_until_the_end_of_an_intermediate_breaks_the_mesh_and_a_day_less_does_not() {
    let paused = |days: i64| went(&story(), 100, &[format!("paused:{}:{days}d", on(50))]).outcome();
    assert_eq!(paused(39), Outcome::Fine);
    assert_eq!(paused(40), Outcome::Critical);
}

#[test]
fn renewals_wait_for_windows_and_the_watch_gets_up_when_one_opens() {
    let mut story = story();
    let window = Window::parse("0 2 * * 6", "Europe/Berlin", Duration::hours(4)).unwrap();
    story.mesh.rotation.windows = Windows::new(vec![window]);
    let went = changing(&story, 200, &[]);
    assert_eq!(went.outcome(), Outcome::Fine, "{}", went.verdict());
    assert_eq!(stages(&went).last(), Some(&"done"));
    let acts = went.timeline.iter().filter(|it| matches!(it.event, Event::Renewed(_)));
    for act in acts {
        assert!(story.mesh.rotation.windows.at(act.at).are_open(), "{}", act.at);
    }
}

#[test]
fn without_an_issuing_ca_people_fill_the_stock() {
    let mut story = story();
    story.mesh.issuing = None;
    let went = went(&story, 730, &[]);
    assert_eq!(went.outcome(), Outcome::Fine, "{}", went.verdict());
    let stock = went.needs.iter().filter(|need| matches!(need.what, What::Stock { .. })).count();
    assert!((1..=2).contains(&stock), "{:?}", went.needs);
}

#[test]
fn a_cluster_that_leaves_is_not_judged() {
    let mut story = story();
    story.cluster("west").state = Membership::Leaving;
    let went = went(&story, 200, &[]);
    assert_eq!((went.outcome(), went.pairs), (Outcome::Fine, 4), "{}", went.verdict());
}

#[test]
fn a_script_that_does_not_fit_is_refused() {
    use crate::problem::Code;
    let refused = |script: &Script| run(&story().mesh, script, None, &SystemRandom::new()).unwrap_err().code();
    assert_eq!(refused(&script(100, &[format!("drift:north:{}", on(1))])), Code::UnknownCluster);
    assert_eq!(refused(&script(100, &[format!("drift:east:{}", on(101))])), Code::BadArgument);
    assert_eq!(
        refused(&script(100, &[format!("drift:east:{}", on(0))])),
        Code::BadArgument,
        "that midnight has passed"
    );
    let changes = Script { change_root: Some(NOW - Duration::SECOND), ..script(100, &[]) };
    assert_eq!(refused(&changes), Code::BadArgument);
    let many = Script { tick: Duration::SECOND, ..script(100, &[]) };
    assert_eq!(refused(&many), Code::BadArgument);
}
