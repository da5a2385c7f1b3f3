//! A whole change of root with real processes: the real program, real API servers or folders, and beside each set a
//! scripted istiod that takes and drops what a real one would. All that was ever published is judged, and all that was
//! loaded.

#![expect(clippy::disallowed_methods, reason = "how long a run takes decides how soon it is killed")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a story that cannot go on is a failed test"
)]
#![expect(clippy::print_stdout, reason = "how much was killed and judged is for people")]

use std::sync::LazyLock;
use std::time::Instant;

use meshca::mesh::secret_files::ROOT_CERT;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

#[path = "support/clusters/mod.rs"]
mod clusters;
#[path = "support/faults/mod.rs"]
mod faults;
#[path = "support/scripted_istiod/mod.rs"]
mod scripted_istiod;
mod support;
#[path = "support/walk/mod.rs"]
mod walk;

use clusters::{ApiServer, Clusters};
use support::story::Said;
use walk::chance::Chance;
use walk::fleet::{Fleet, old_root};
use walk::gateway::Way;
use walk::layout::{Habit, Order};

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(3));

const BEGIN: OffsetDateTime = datetime!(2027-01-01 00:00:00 UTC);

fn servers() -> [&'static ApiServer; 3] {
    [0, 1, 2].map(|number| CLUSTERS.server(number))
}

/// The stage that a tick told of, from 1; 0: none.
fn stage(said: &Said) -> u8 {
    let number = said.out.split_once("\nstage ").and_then(|(_, rest)| rest.split_once('('));
    number.map_or(0, |(_, rest)| rest.as_bytes()[0] - b'0')
}

/// What was ever published or loaded, and what is shown now, parts no pair.
fn judge(fleet: &Fleet, place: &str) {
    let judged = fleet.judged();
    assert_eq!(judged.bad, [""; 0], "{place}, {} versions", judged.versions);
}

#[test]
fn a_fleet_behind_api_servers_walks_from_one_root_to_the_next_and_waits_for_whoever_has_loaded_nothing() {
    let fleet = Fleet::on_servers(servers(), "walk", Order::AtOnce, BEGIN);
    let stride = |hours: i64, words: &str, notices: &dyn Fn(usize) -> bool| {
        fleet.pass(Duration::hours(hours));
        let said = fleet.tick(words);
        fleet.settle(notices);
        judge(&fleet, &fleet.times.text());
        said
    };
    // More than two lifetimes of a workload certificate, in which this one notices nothing.
    let late = |plane: usize, why: &str| {
        for _ in 0..4 {
            let before = fleet.sets();
            stride(13, "", &|it| it != plane).saying(why);
            assert!(fleet.sets() == before, "it waits: {why}");
        }
    };
    let everybody: &dyn Fn(usize) -> bool = &|_| true;
    let (east, west) = (0, 1);
    let approval = format!("--approve-removal {}", old_root(&fleet.story));

    let begun = stride(1, "", &|it| it != east);
    assert_eq!(stage(&begun), 1, "{begun:?}");
    late(east, "  east: its workloads are shown shop root g1;");
    // It takes the bundle now, and from then on its workloads have a day and an hour.
    let before = fleet.sets();
    fleet.settle(everybody);
    stride(12, "", everybody).saying("stage Trust (1 of 4)");
    stride(12, "", everybody).saying("stage Trust (1 of 4)");
    assert!(fleet.sets() == before, "its workloads still renew");
    // Nor does anything happen while the API server of the remote is away: it may hold who knows what.
    let far = &fleet.ways()[2];
    far.cut_after(0);
    for _ in 0..3 {
        let before = fleet.sets();
        stride(13, "", everybody).saying("far");
        assert!(fleet.sets() == before && far.lost() > 0, "it waits for the remote");
    }
    far.mend();
    let signed = stride(1, "", &|it| it != west);
    assert_eq!(stage(&signed), 2, "{signed:?}");
    assert!(fleet.sets().iter().zip(&before).all(|(now, before)| now.get(ROOT_CERT) == before.get(ROOT_CERT)));
    late(west, "serves another signer than its cacerts; an alarm from");

    fleet.settle(everybody);
    let before = fleet.sets();
    stride(12, "", everybody).saying("stage Drain (3 of 4)");
    stride(11, &approval, everybody).refused(1, "removal-not-due").saying("stage Drain (3 of 4)");
    stride(2, "", everybody).saying("rotate --approve-removal");
    stride(24, "", everybody).saying("rotate --approve-removal");
    assert!(fleet.sets() == before, "nobody approved");
    let removed = stride(1, &approval, everybody).fine();
    assert_eq!(stage(&removed), 4, "{removed:?}");
    assert!(fleet.unfinished().is_some(), "west takes it at a restart only");
    stride(1, "", everybody).saying("west  restarted");
    assert_eq!(fleet.unfinished(), None);
    let last = fleet.sets();
    stride(24, "", everybody).saying("nothing is due");
    assert!(fleet.sets() == last);
    let judged = fleet.judged();
    assert!(judged.is_a_whole_walk(fleet.planes()), "{judged:?}");
    println!("{} versions, {} pairs of sets in use at once", judged.versions, judged.pairs);
}

// --- killed at random

/// What a seed makes of a walk: the moments, who notices when, and which runs are killed how soon.
struct Storm {
    fleet: Fleet,
    chance: Chance,
    /// The shortest time that a run took here so far.
    run: std::time::Duration,
    /// Runs that were killed before they had ended.
    killed: usize,
    /// Whether people believe that they have turned the walk back.
    is_turned: bool,
    /// How often they turned it, and were told so.
    turns: usize,
}

/// After so many strides there are no more faults.
const STORMY: usize = 25;

/// And then a walk that has hardly begun ends in fewer than these.
const STRIDES: usize = STORMY + 24;

impl Storm {
    fn new(fleet: Fleet, seed: u64) -> Self {
        let mut storm = Self {
            fleet,
            chance: Chance::new(seed),
            run: std::time::Duration::MAX,
            killed: 0,
            is_turned: false,
            turns: 0,
        };
        storm.tick("--dry-run").fine();
        storm
    }

    /// Walks until the fleet stands on the new root alone.
    fn rages(mut self, name: &str) {
        let approval = format!("--approve-removal {}", old_root(&self.fleet.story));
        let (mut words, mut last) = ("", None);
        for number in 0..STRIDES {
            let is_stormy = number < STORMY;
            self.fleet.pass(Duration::minutes(i64::try_from(60 + self.chance.below(9 * 60)).unwrap()));
            let notice = self.noticing(is_stormy);
            self.disturb(is_stormy);
            self.cut(is_stormy);
            // Those who notice do so whenever they like, in the middle of a run, too.
            self.fleet.let_run(|plane| notice[plane]);
            self.turn(is_stormy);
            while is_stormy && !self.chance.once_in(6) {
                self.kill(&format!("rotate {words}"));
            }
            if !is_stormy || !self.chance.once_in(4) {
                let said = self.tick(words);
                assert!(said.code.is_some_and(|code| code != 101), "{name}: {said:?}");
                words = if said.out.contains("--approve-removal") { &approval } else { "" };
                self.is_turned = said.out.contains("turned back");
                last = Some(said);
            }
            self.fleet.settle(|plane| notice[plane]);
            judge(&self.fleet, name);
            if self.fleet.unfinished().is_none() {
                return self.ends(name, number + 1);
            }
        }
        panic!("{name}: {}: {last:?}", self.fleet.unfinished().unwrap());
    }

    /// Who takes note of what is published in this stride.
    fn noticing(&mut self, is_stormy: bool) -> Vec<bool> {
        (0..self.fleet.planes()).map(|_| !is_stormy || !self.chance.once_in(4)).collect()
    }

    /// An istiod restarts for no reason, or misses an update; after the storm, people restart whoever has missed one, as
    /// the report asks them to.
    fn disturb(&mut self, is_stormy: bool) {
        for plane in 0..self.fleet.planes() {
            if (is_stormy && self.chance.once_in(12)) || (!is_stormy && !self.fleet.has_loaded(plane)) {
                self.fleet.restart(plane);
            }
            if is_stormy && self.chance.once_in(24) {
                self.fleet.miss_an_update(plane);
            }
        }
    }

    /// API servers go away, between two runs or in the middle of one, for some strides; with the last request that arrives,
    /// its answer is lost. Folders have none.
    fn cut(&mut self, is_stormy: bool) {
        for way in self.fleet.ways() {
            if is_stormy && self.chance.once_in(5) {
                way.cut_after(usize::try_from(self.chance.below(16)).unwrap());
            } else if !is_stormy || self.chance.once_in(2) {
                way.mend();
            }
        }
    }

    /// People turn the walk back, or forward again; a run that does it may be killed, and they believe that it was done
    /// until a whole run says otherwise.
    fn turn(&mut self, is_stormy: bool) {
        let goes_back = is_stormy && !self.is_turned && self.chance.once_in(12);
        let goes_on = self.is_turned && (!is_stormy || self.chance.once_in(3));
        let line = match (goes_back, goes_on) {
            (true, _) => "rollback --reason trial",
            (_, true) => "rollback --undo",
            _ => return,
        };
        self.is_turned = goes_back;
        if is_stormy {
            self.kill(line);
        }
        if !is_stormy || self.chance.once_in(2) {
            // Where there is nothing to turn, it says so.
            let said = self.fleet.run(line);
            assert!(said.code.is_some_and(|code| code != 101), "{said:?}");
            self.turns += usize::from(said.code == Some(0));
        }
    }

    fn tick(&mut self, words: &str) -> Said {
        let start = Instant::now();
        let said = self.fleet.tick(words);
        self.run = self.run.min(start.elapsed());
        said
    }

    /// A run that is killed at any moment of about the time that one takes, so that it may have ended before.
    fn kill(&mut self, line: &str) {
        let most = u64::try_from(self.run.as_micros()).unwrap();
        let after = std::time::Duration::from_micros(self.chance.below(most + most / 2));
        self.killed += usize::from(self.fleet.run_killed_after(after, line));
    }

    fn ends(&self, name: &str, strides: usize) {
        assert!(self.killed > 0, "{name}: no run was killed");
        self.fleet.story.meshca("ledger verify").fine();
        let lost: Vec<usize> = self.fleet.ways().iter().map(Way::lost).collect();
        assert!(!lost.contains(&0), "{name}: an API server was never away: {lost:?}");
        let judged = self.fleet.judged();
        assert!(judged.is_a_whole_walk(self.fleet.planes()), "{name}: {judged:?}");
        println!(
            "{name}: {} runs killed in {strides} strides, turned {} times, requests lost {lost:?}, {} versions, {} pairs of \
             sets in use at once, none bad",
            self.killed, self.turns, judged.versions, judged.pairs
        );
    }
}

const SEED: u64 = 13;

#[test]
fn five_folders_change_their_root_while_runs_are_killed_at_random() {
    let planes = [
        ("east", Habit::MultiRoot),
        ("west", Habit::RestartedByPeople),
        ("north", Habit::MultiRoot),
        ("south", Habit::RestartedByPeople),
        ("middle", Habit::MultiRoot),
    ];
    println!("seed {SEED}");
    Storm::new(Fleet::in_folders(&planes, BEGIN), SEED).rages("five folders");
}

#[test]
fn clusters_behind_api_servers_change_their_root_while_runs_are_killed_at_random() {
    println!("seed {SEED}");
    Storm::new(Fleet::on_servers(servers(), "storm", Order::AtOnce, BEGIN), SEED).rages("three API servers");
}

/// Further seeds, for an hour in which something else is done:
/// `cargo test --test slow_walk -- --ignored --nocapture many_storms`
#[test]
#[ignore = "a soak: cargo test --test slow_walk -- --ignored --nocapture many_storms"]
fn many_storms() {
    let planes = [("east", Habit::MultiRoot), ("west", Habit::RestartedByPeople), ("north", Habit::MultiRoot)];
    for seed in 100..100 + SEEDS {
        println!("seed {seed}");
        std::thread::scope(|scope| {
            scope.spawn(|| Storm::new(Fleet::in_folders(&planes, BEGIN), seed).rages("three folders"));
            Storm::new(Fleet::on_servers(servers(), &format!("storm-{seed}"), Order::AtOnce, BEGIN), seed)
                .rages("three API servers");
        });
    }
}

/// How many seeds a soak has.
const SEEDS: u64 = 40;
