//! What the planner of a root change must not do, each case as small as it gets: what the mutants of `tests/mutants` would
//! do otherwise, and no longer schedule has to find.

use time::{Duration, OffsetDateTime};

use crate::mesh::deadline::latest_start;
use crate::mesh::fleet::{Access, Membership};
use crate::mesh::fleet_story::{Made, NOW, Story, held, name};
use crate::mesh::gates::Approvals;
use crate::mesh::minting;
use crate::mesh::observed::{Observed, Owner, Replica, Way};
use crate::mesh::plan::{Plan, current_root, next};
use crate::mesh::stage::Stage;
use crate::mesh::step::{Act, Step};
use crate::mesh::trust_bundle;
use crate::mesh::walk_mark::{Goal, Turn, WalkMark};
use crate::pki::fingerprint::Fingerprint;
use crate::pki::validity::Validity;
use crate::problem::{Code, Problem};

/// How long ago everything was written and loaded, unless a case says otherwise.
pub(in crate::mesh) const MONTH: Duration = Duration::days(30);

/// A fleet on its first root, with a second one that may be used, and an issuing CA under it. What is published was
/// written a month ago, and counts as loaded at once.
pub(in crate::mesh) struct Fleet {
    pub(in crate::mesh) story: Story,
    pub(in crate::mesh) second: Made,
    issuing: Made,
}

impl Fleet {
    pub(in crate::mesh) fn new() -> Self {
        let mut story = Story::new();
        let second = story.other_root("mesh1 root g2");
        story.holdings.roots.push(held(2, &second));
        story.mesh.root.trusted = [&story.root, &second].map(|made| made.certificate.fingerprint()).to_vec();
        let window = Validity::new(NOW - Duration::days(1), NOW + Duration::days(364));
        let issuing = story.issuing_of(&second, "mesh1 issuing g2", window);
        story.holdings.issuing.push(held(2, &issuing));
        for cluster in ["east", "west", "far"] {
            story.cluster(cluster).istiod.assume_loaded_after = Some(Duration::ZERO);
            story.cluster(cluster).istiod.multi_root = true;
            story.look_at(cluster).written_at = Some(NOW - MONTH);
        }
        Self { story, second, issuing }
    }

    pub(in crate::mesh) fn both(&self) -> Vec<u8> {
        trust_bundle::appended(self.story.root.certificate.pem().as_bytes(), &self.second.certificate)
    }

    pub(in crate::mesh) fn new_alone(&self) -> Vec<u8> {
        self.second.certificate.pem().into_bytes()
    }

    /// Stage Trust has come to this cluster, a month ago.
    pub(in crate::mesh) fn trusts(&mut self, cluster: &str) {
        let both = self.both();
        self.story.sight_of(cluster).public.insert("root-cert.pem".to_owned(), both.into());
    }

    /// It has a signer under the second root, and this trust bundle.
    pub(in crate::mesh) fn signs(&mut self, cluster: &str, bundle: &[u8]) {
        let window = Validity::new(NOW - Duration::hours(20), NOW + Duration::days(80));
        let signer = self.story.intermediate_under(&self.issuing, cluster, 2, window);
        let (certificate, upper) = (signer.certificate.clone(), [self.issuing.certificate.clone()]);
        let root = &self.second.certificate;
        let set = minting::set(&self.story.mesh, certificate, &signer.key, &upper, root, bundle);
        let mut sight = self.story.sight(cluster, 2, &signer);
        for (file, value) in set.files() {
            if sight.public.contains_key(file) {
                sight.public.insert(file.to_owned(), value.expose().to_vec().into());
            }
        }
        self.story.look_at(cluster).secret = Ok(Some(sight));
    }

    /// Notes this on the cluster's set.
    pub(in crate::mesh) fn note(&mut self, cluster: &str, note: impl FnOnce(&mut WalkMark)) {
        let mut mark = WalkMark::to(self.second.certificate.fingerprint());
        note(&mut mark);
        if let Owner::Ours(owner) = &mut self.story.sight_of(cluster).owner {
            owner.walk = Some(Box::new(mark));
        }
    }

    /// The cluster lies behind an API server, whose ConfigMap has shown this for a month.
    pub(in crate::mesh) fn shows(&mut self, cluster: &str, bundle: Option<Vec<u8>>) {
        self.story.cluster(cluster).access = Access::Kubeconfig { path: "kubeconfig".into(), context: None };
        let seen = self.story.look_at(cluster);
        (seen.system_roots, seen.system_roots_since) = (Ok(bundle.map(Into::into)), Some(NOW - MONTH));
    }

    pub(in crate::mesh) fn plan_at(&self, now: OffsetDateTime) -> Plan {
        self.plan_approving(vec![self.story.root.certificate.fingerprint()], now)
    }

    /// The plan, if these roots may be removed.
    pub(in crate::mesh) fn plan_approving(&self, removal: Vec<Fingerprint>, now: OffsetDateTime) -> Plan {
        let approvals = Approvals { removal, urgent: None };
        next(&self.story.mesh, &self.story.holdings, &self.story.observed, &approvals, now).unwrap()
    }

    pub(in crate::mesh) fn plan(&self) -> Plan {
        self.plan_at(NOW)
    }

    pub(in crate::mesh) fn step(&self, cluster: &str) -> Step {
        self.plan().steps.into_iter().find(|step| step.cluster == name(cluster)).unwrap()
    }

    pub(in crate::mesh) fn generation(&self) -> u32 {
        let Story { mesh, holdings, observed, .. } = &self.story;
        current_root(mesh, holdings, observed, NOW).unwrap().generation
    }

    /// Why the fleet stays in this stage because of the cluster, and until when.
    pub(in crate::mesh) fn holdup(&self, stage: Stage, cluster: &str) -> (String, Option<OffsetDateTime>) {
        let progress = self.plan().root_change.unwrap();
        assert_eq!(progress.stage, stage);
        let holdup = progress.holdups.into_iter().find(|it| it.cluster == name(cluster)).unwrap();
        (holdup.why, holdup.by)
    }
}

#[test]
fn a_trust_bundle_is_dated_by_its_write_and_only_where_that_is_not_seen_by_the_plan() {
    let mut fleet = Fleet::new();
    fleet.story.look_at("west").written_at = None;
    let noted = |cluster| {
        let step = fleet.step(cluster);
        assert_eq!((step.act, step.stage), (Act::Rebundle, Some(Stage::Trust)));
        step.mark.unwrap().bundled_at
    };
    assert_eq!((noted("east"), noted("west")), (None, Some(NOW)));
}

#[test]
fn a_fleet_that_holds_nothing_begins_on_its_newest_root_and_not_if_a_part_of_it_is_out_of_sight() {
    let mut fleet = Fleet::new();
    for cluster in ["east", "west"] {
        fleet.story.look_at(cluster).secret = Ok(None);
    }
    assert_eq!(fleet.generation(), 2);
    for cluster in ["east", "west", "far"] {
        let before = fleet.story.observed.clone();
        let gone = Problem::new(Code::ApiServerUnreachable, "out of reach");
        fleet.story.observed.insert(name(cluster), Observed::unseen(&name(cluster), NOW, &gone));
        assert_eq!(fleet.generation(), 1, "{cluster} may hold the first");
        fleet.story.observed = before;
    }
}

#[test]
fn a_root_that_one_cluster_still_shows_though_no_set_has_it_is_not_left_behind() {
    let mut fleet = Fleet::new();
    let alone = fleet.new_alone();
    fleet.signs("east", &alone);
    fleet.signs("west", &alone);
    assert_eq!(fleet.generation(), 2);
    let both = fleet.both();
    fleet.shows("far", Some(both));
    assert_eq!(fleet.generation(), 1);
}

#[test]
fn where_istiods_are_named_nothing_is_assumed_of_what_they_do_not_show() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    fleet.trusts("west");
    assert_eq!(fleet.step("east").stage, Some(Stage::Sign), "a month is enough, where there is nothing to look at");
    for (addresses, metrics, prometheus) in [
        (vec!["istiod:15012".to_owned()], Vec::new(), None),
        (Vec::new(), vec!["http://istiod:15014/metrics".to_owned()], None),
        (Vec::new(), Vec::new(), Some("http://prometheus:9090".to_owned())),
    ] {
        let istiod = &mut fleet.story.cluster("west").istiod;
        (istiod.addresses, istiod.metrics, istiod.prometheus) = (addresses, metrics, prometheus);
        assert_eq!((fleet.step("east").act, fleet.step("west").act), (Act::Wait, Act::Wait));
        assert!(fleet.holdup(Stage::Trust, "west").0.contains("is seen at istiod.addresses only"));
    }
}

#[test]
fn the_old_root_stays_as_long_as_a_remote_is_not_seen_to_trust_the_new_one() {
    let mut fleet = Fleet::new();
    let both = fleet.both();
    fleet.signs("east", &both);
    fleet.signs("west", &both);
    let old = fleet.story.root.certificate.pem().into_bytes();
    fleet.shows("far", Some(old));
    let east = fleet.step("east");
    assert_eq!(east.act, Act::Wait, "{}", east.reason);
    assert!(east.reason.contains("not every cluster is known to trust root g2; waits for far"), "{}", east.reason);
    fleet.shows("far", Some(both));
    let east = fleet.step("east");
    assert_eq!((east.act, east.stage), (Act::Rebundle, Some(Stage::Remove)), "{}", east.reason);
}

#[test]
fn a_turn_back_counts_until_the_old_root_is_gone_somewhere_and_then_no_more() {
    let mut fleet = Fleet::new();
    let (both, alone) = (fleet.both(), fleet.new_alone());
    let back = Some(Turn { number: 1, goal: Goal::Trust });
    fleet.signs("east", &both);
    fleet.signs("west", &both);
    for cluster in ["east", "west"] {
        fleet.note(cluster, |mark| mark.turn = back);
    }
    let west = fleet.step("west");
    assert!(west.reason.contains("turned back"), "{}", west.reason);
    let old = fleet.story.root.certificate.fingerprint();
    fleet.signs("east", &alone);
    fleet.note("east", |mark| mark.removed = vec![old]);
    // That is noted first: east, which shows it, may lose its set.
    let forward = Some(Turn { number: 2, goal: Goal::Forward });
    let west = fleet.step("west");
    assert_eq!((west.act, west.mark.unwrap().turn), (Act::Note, forward), "{}", west.reason);
    fleet.note("west", |mark| mark.turn = forward);
    let west = fleet.step("west");
    assert_eq!((west.act, west.stage), (Act::Rebundle, Some(Stage::Remove)), "{}", west.reason);
}

#[test]
fn what_comes_by_itself_is_told_with_its_moment_and_no_moment_that_has_passed() {
    let mut fleet = Fleet::new();
    let both = fleet.both();
    fleet.signs("east", &both);
    fleet.signs("west", &both);
    fleet.note("east", |_| {});
    fleet.shows("far", Some(both));
    fleet.story.cluster("east").istiod.assume_loaded_after = Some(Duration::minutes(10));
    fleet.story.look_at("east").written_at = Some(NOW - Duration::minutes(9));
    assert_eq!(fleet.holdup(Stage::Sign, "east").1, Some(NOW + Duration::MINUTE));
    // What is named can only be seen: that it did not come in time tells no other moment.
    fleet.story.cluster("east").istiod.addresses = vec!["istiod:15012".to_owned()];
    fleet.story.look_at("east").written_at = Some(NOW - Duration::minutes(10));
    assert_eq!(fleet.holdup(Stage::Sign, "east").1, None);
}

#[test]
fn a_remote_that_no_control_plane_of_its_own_claims_is_told_what_its_namespace_lacks() {
    let mut fleet = Fleet::new();
    fleet.shows("far", None);
    for (named, lacks) in [("west", true), ("east", false), ("*", false)] {
        fleet.story.look_at("far").control_planes = Some(vec![named.to_owned()]);
        let (why, _) = fleet.holdup(Stage::Trust, "far");
        assert_eq!(why.contains("does not name east"), lacks, "{named}: {why}");
    }
}

#[test]
fn a_signer_under_the_new_root_has_to_last_for_a_quarter_of_a_lifetime_and_not_for_a_second_more() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    fleet.trusts("west");
    let quarter = fleet.story.mesh.intermediate.lifetime / 4;
    for (lasts, stage) in [(quarter, Some(Stage::Sign)), (quarter - Duration::SECOND, None)] {
        let window = Validity::new(NOW - Duration::days(1), NOW + lasts);
        let issuing = fleet.story.issuing_of(&fleet.second, "mesh1 issuing g2", window);
        fleet.story.holdings.issuing.retain(|it| it.generation == 1);
        fleet.story.holdings.issuing.push(held(2, &issuing));
        let east = fleet.step("east");
        assert_eq!(east.stage, stage, "{lasts}: {}", east.reason);
    }
}

#[test]
fn an_excluded_cluster_is_waited_for_from_the_second_in_which_that_ends() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    for (until, act) in [(NOW + Duration::SECOND, "renew"), (NOW, "wait")] {
        fleet.story.cluster("west").state = Membership::Excluded { reason: "rebuilt".to_owned(), until };
        let east = fleet.step("east");
        assert_eq!(east.act.as_str(), act, "{until}: {}", east.reason);
        let excluded = fleet.plan().root_change.unwrap().excluded;
        assert_eq!(excluded, if until > NOW { vec![name("west")] } else { Vec::new() });
    }
}

#[test]
fn nobody_goes_back_to_the_old_root_while_somebody_is_not_seen_to_trust_it_still() {
    let mut fleet = Fleet::new();
    let both = fleet.both();
    for cluster in ["east", "west"] {
        fleet.signs(cluster, &both);
        fleet.note(cluster, |mark| mark.turn = Some(Turn { number: 1, goal: Goal::Trust }));
    }
    let east = fleet.step("east");
    assert_eq!((east.act.as_str(), east.stage), ("renew", Some(Stage::Sign)), "{}", east.reason);
    let gone = Problem::new(Code::ApiServerUnreachable, "out of reach");
    for cluster in ["west", "far"] {
        let before = fleet.story.observed.insert(name(cluster), Observed::unseen(&name(cluster), NOW, &gone));
        let east = fleet.step("east");
        assert_eq!(east.act, Act::Wait, "{cluster}: {}", east.reason);
        assert!(east.reason.contains("not every cluster is seen to trust root g1 still"), "{}", east.reason);
        fleet.story.observed.extend(before.map(|before| (name(cluster), before)));
    }
    let alone = fleet.new_alone();
    fleet.shows("far", Some(alone));
    assert_eq!(fleet.step("east").act, Act::Wait, "it has lost the old root");
}

#[test]
fn an_istiod_that_was_not_restarted_since_is_told_by_the_client_cas_that_it_offers() {
    let mut fleet = Fleet::new();
    fleet.trusts("east");
    fleet.trusts("west");
    fleet.story.cluster("west").istiod.multi_root = false;
    let names = [&fleet.story.root, &fleet.second].map(|made| made.certificate.subject().der().to_vec());
    for (offers, act) in [(&names[..1], "wait"), (&names[1..], "renew"), (&names[..], "renew")] {
        let mut replica = Replica::new("west".to_owned(), Way::Chain);
        replica.served_since = Some(NOW - MONTH);
        replica.client_ca_names = offers.to_vec();
        fleet.story.look_at("west").replicas = vec![replica];
        let east = fleet.step("east");
        assert_eq!(east.act.as_str(), act, "{}", east.reason);
    }
}

#[test]
fn no_step_is_taken_while_an_api_server_has_another_time_by_more_than_five_minutes() {
    let mut fleet = Fleet::new();
    let slack = Duration::minutes(5);
    for ahead in [slack, -slack] {
        let more = if ahead.is_positive() { Duration::SECOND } else { -Duration::SECOND };
        fleet.story.look_at("west").server_clock = Some(NOW + ahead);
        assert_eq!(fleet.step("east").act, Act::Rebundle, "{ahead}");
        fleet.story.look_at("west").server_clock = Some(NOW + ahead + more);
        let plan = fleet.plan();
        assert!(plan.steps.iter().all(|step| !step.act.writes()), "{ahead}: {plan:#?}");
        assert_eq!(plan.root_change.unwrap().obstacle.unwrap().code(), Code::ClockImplausible);
    }
}

#[test]
fn the_latest_start_is_that_of_the_stage_that_comes_next() {
    let mut fleet = Fleet::new();
    let both = fleet.both();
    let mut stages = Vec::new();
    for part in 0..4 {
        match part {
            0 => {}
            1 => fleet.trusts("east"),
            2 => {
                fleet.signs("east", &both);
                fleet.signs("west", &both);
                fleet.story.look_at("west").written_at = Some(NOW - Duration::hours(2));
                fleet.note("west", |_| {});
            }
            _ => fleet.story.look_at("west").written_at = Some(NOW - MONTH),
        }
        let progress = fleet.plan().root_change.unwrap();
        let (mesh, end) = (&fleet.story.mesh, fleet.story.root.certificate.not_after());
        let bound = mesh.workload.max_ttl + mesh.workload.margin;
        assert_eq!(progress.latest_start, latest_start(mesh, progress.stage.next(), bound, end));
        stages.push((progress.stage, progress.stage.next()));
    }
    let [trust, sign, drain, remove] = Stage::ALL;
    assert_eq!(stages, [(trust, sign), (trust, sign), (drain, remove), (remove, remove)]);
    assert_eq!(sign.next(), drain);
}
