//! Kills the program at every side effect of each tick by which a change of root comes forward, over folders and over
//! real API servers; lets the walk go on to its end; and judges every version that was ever published.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a story that cannot go on is a failed test"
)]
#![expect(clippy::print_stdout, reason = "how much was killed and judged is for people")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::thread;

use meshca::mesh::secret_files::{CERT_CHAIN, ROOT_CERT};
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

#[path = "support/clusters/mod.rs"]
mod clusters;
#[path = "support/faults/mod.rs"]
mod faults;
#[path = "support/killed_calls.rs"]
mod killed_calls;
#[path = "support/scripted_istiod/mod.rs"]
mod scripted_istiod;
mod support;
#[path = "support/walk/mod.rs"]
mod walk;

use clusters::{ApiServer, Clusters};
use faults::fleet::unseal;
use killed_calls::{Effect, effects, kill_at};
use scripted_istiod::Place;
use support::judges;
use support::story::{Said, Story};
use walk::fleet::{Fleet, old_root};
use walk::layout::Order;
use walk::record::{Course, Dated, TTL, judge};

const BEGIN: OffsetDateTime = datetime!(2027-01-01 00:00:00 UTC);

// --- folders

const NAMES: [&str; 2] = ["east", "west"];

/// Two targets in folders, whose istiods count as having loaded what is there at once.
struct Folders {
    story: Story,
    old: String,
}

/// A tick that writes, and what it leads to.
#[derive(Debug, Clone, Copy)]
struct Turning {
    at: OffsetDateTime,
    approves: bool,
}

impl Folders {
    fn begun() -> Self {
        let mut text = "version: 1\nmesh: shop\nlab: true\nrotation: { write: 1, observe: 1 }\nclusters:\n".to_owned();
        for name in NAMES {
            text.push_str(&format!(
                "  - {{ name: {name}, network: {name}, role: primary, access: {{ directory: ./clusters/{name} }}, \
                 istiod: {{ assumeLoadedAfter: 0s, multiRoot: true }} }}\n"
            ));
        }
        let at = text_of(BEGIN);
        let story = Story::new(&text).founded("shop", &at);
        unseal(&story, "material/issuing/g1/issuing-key.pem");
        story.meshca(&format!("--at {at} rotate")).fine();
        let mut create = story.command(&format!(
            "--at {at} root create --next --passphrase-file passphrase --next-passphrase-file passphrase --confirm"
        ));
        Said::of(&judges::run(create.arg("shop root g2"))).fine();
        story.issuing_create(&at);
        unseal(&story, "material/issuing/g2/issuing-key.pem");
        let old = old_root(&story);
        Self { story, old }
    }

    fn copied(&self) -> Self {
        Self { story: self.story.copied(), old: self.old.clone() }
    }

    fn line(&self, turning: Turning) -> String {
        let approval = if turning.approves { format!("--approve-removal {}", self.old) } else { String::new() };
        format!("--at {} rotate {approval}", text_of(turning.at))
    }

    /// Whether every set is under the new root alone.
    fn is_over(&self, record: &[Course]) -> bool {
        let alone = self.story.bytes("material/root/g2/root-cert.pem");
        let issuing = self.story.bytes("material/issuing/g2/issuing-cert.pem");
        record.iter().all(|course| {
            let files = &course.versions.last().unwrap().files;
            files.get(ROOT_CERT) == Some(&alone[..]) && files.get(CERT_CHAIN).is_some_and(|it| it.ends_with(&issuing))
        })
    }

    fn look(&self, record: &mut [Course], at: OffsetDateTime) {
        for course in record {
            let files = Place::Folder(self.story.path(&format!("clusters/{}", course.name))).cacerts().unwrap();
            if course.versions.last().is_none_or(|last| last.files != files) {
                course.versions.push(Dated { at, files });
            }
        }
    }

    /// A tick at this moment that is not killed.
    fn tick(&self, record: &mut [Course], turning: Turning) -> Said {
        let said = self.story.meshca(&self.line(turning));
        self.look(record, turning.at);
        said
    }
}

fn text_of(moment: OffsetDateTime) -> String {
    moment.format(&Rfc3339).unwrap()
}

fn record() -> Vec<Course> {
    NAMES.map(|name| Course { name: name.to_owned(), versions: Vec::new(), loads: Vec::new() }).into()
}

/// Does all of this, two at a time.
fn in_pairs<T: Sync>(all: &[T], act: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(one) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
            act(one);
        }
    };
    thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
}

#[test]
fn a_walk_over_folders_that_is_killed_at_any_change_of_the_disk_ends_rightly_and_parts_no_pair() {
    // A day and an hour from one to the next: the lifetime of a workload certificate, and the margin.
    let turnings = [(1, false), (26, false), (51, true)];
    let turnings = turnings.map(|(hours, approves)| Turning { at: BEGIN + Duration::hours(hours), approves });
    let folders = Folders::begun();
    let mut before = record();
    folders.look(&mut before, BEGIN);
    for (number, turning) in turnings.iter().enumerate() {
        let counted = folders.copied();
        let effects: Vec<Effect> =
            effects(&counted.story, &counted.story.command(&counted.line(*turning))).into_iter().collect();
        assert!(effects.len() > 60, "{effects:?}");
        println!("killed at {} changes of the disk by the tick of {}", effects.len(), text_of(turning.at));
        in_pairs(&effects, |effect| trial(&folders, &before, &turnings[number..], effect));
        folders.tick(&mut before, *turning).fine();
    }
}

/// The first of these ticks is killed there; the walk goes on, and ends.
fn trial(folders: &Folders, before: &[Course], turnings: &[Turning], effect: &Effect) {
    let trial = folders.copied();
    let mut record = before.to_vec();
    let killed = turnings.first().unwrap();
    kill_at(&trial.story, &trial.story.command(&trial.line(*killed)), effect);
    trial.look(&mut record, killed.at);
    let place = format!("killed at {effect:?} of {killed:?}");
    let goes_on = |record: &mut [Course], turning: Turning| {
        let said = trial.tick(record, turning);
        // Whoever approves too early, or once it is done, is told so.
        let is_fine = said.code == Some(0) || (turning.approves && said.err.contains("error: removal-not-due: "));
        assert!(is_fine, "{place}: {said:?}");
    };
    goes_on(&mut record, *killed);
    // While the last workload certificates of before still live, and with people who cannot wait.
    goes_on(&mut record, Turning { at: killed.at + TTL - Duration::SECOND, approves: true });
    for turning in &turnings[1..] {
        goes_on(&mut record, *turning);
    }
    let judged = judge(&record);
    assert_eq!(judged.bad, [""; 0], "{place}");
    assert!(judged.is_a_whole_walk(NAMES.len()), "{place}: {judged:?}");
    assert!(trial.is_over(&record), "{place}");
    trial.story.meshca("ledger verify").fine();
}

// --- API servers

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(3));

fn servers() -> [&'static ApiServer; 3] {
    [0, 1, 2].map(|number| CLUSTERS.server(number))
}

/// A fleet of its own whose every tick is killed at its write of this number, either before the server got it or when it
/// was done and nobody was told; and goes on. Where it was killed, without the number.
fn walk_killed_at(number: usize, arrives: bool) -> Vec<String> {
    let way = if arrives { "done" } else { "undone" };
    let namespace = format!("killed-at-{number}-{way}");
    let fleet = Fleet::on_servers(servers(), &namespace, Order::OneByOne, BEGIN);
    let place = format!("each tick killed at its write {number}, {way}");
    let approval = format!("--approve-removal {}", old_root(&fleet.story));
    for _ in 0..STRIDES {
        fleet.pass(STRIDE);
        // Approved is what is asked for, at once.
        for words in ["", &approval] {
            if fleet.tick_killed_at(number, arrives, words) {
                // What it left behind is loaded before anything else is written.
                fleet.settle(|_| true);
            }
            let said = fleet.tick(words);
            fleet.settle(|_| true);
            assert!(fleet.unfinished().is_none() || matches!(said.code, Some(0 | 3)), "{place}: {said:?}");
            if !said.out.contains("--approve-removal") {
                break;
            }
        }
        let judged = fleet.judged();
        assert_eq!(judged.bad, [""; 0], "{place}");
        if fleet.unfinished().is_none() {
            assert!(judged.is_a_whole_walk(fleet.planes()), "{place}: {judged:?}");
            fleet.story.meshca("ledger verify").fine();
            assert!(fleet.most_writes() <= WRITES, "{}", fleet.most_writes());
            println!("{place}: {} versions, {} pairs of sets", judged.versions, judged.pairs);
            return fleet.struck().into_iter().map(|it| it.replace(&namespace, "")).collect();
        }
    }
    panic!("{place}: {}", fleet.unfinished().unwrap());
}

/// Longer than half of the bound: every second tick comes too early for a step.
const STRIDE: Duration = Duration::hours(13);

/// More than a walk takes.
const STRIDES: usize = 20;

/// As many as any tick makes: a set and an Event for each primary.
const WRITES: usize = 4;

#[test]
fn a_walk_over_api_servers_that_is_killed_at_any_write_ends_rightly_and_parts_no_pair() {
    let struck = Mutex::new(BTreeMap::<String, usize>::new());
    let all: Vec<(usize, bool)> = (1..=WRITES).flat_map(|number| [(number, false), (number, true)]).collect();
    in_pairs(&all, |(number, arrives)| {
        for place in walk_killed_at(*number, *arrives) {
            *struck.lock().unwrap().entry(place).or_default() += 1;
        }
    });
    let struck = struck.into_inner().unwrap();
    println!("killed at {struck:#?}");
    // Each of the two sets in Trust, Sign and Remove; west is restarted as well.
    for (write, least) in [("secrets/cacerts", 6), ("deployments/istiod", 1), ("/events", 6)] {
        for way in ["done", "not done"] {
            let is_here = |place: &str| place.ends_with(&format!("{write}, {way}"));
            let killed: usize = struck.iter().filter(|(place, _)| is_here(place)).map(|(_, times)| times).sum();
            assert!(killed >= least, "killed {killed} times at {write}, {way}");
        }
    }
}
