//! Kills meshca at every system call by which it writes to a file or to a socket, while it publishes to a real API
//! server or renews there; looks at every version of the Secret, and lets the next run finish.
//!
//! Three ways lead to each call. strace counts the calls of each kind by thread: those of the main thread, which alone
//! touches files, come in the same order in each run, and each is reached. Those of the threads that serve sockets share
//! their work differently in each run; there strace reaches some thread's N-th call. So the sockets are looked at from
//! the other end as well: a proxy counts what arrives there, and ends meshca at each piece of it.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a story that cannot go on is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

#[path = "support/clusters/mod.rs"]
mod clusters;
#[path = "support/faults/mod.rs"]
mod faults;
mod support;

use clusters::{ApiServer, Clusters};
use faults::fleet::{MOMENT, copy_of, copy_through, delete, live, one, step};
use faults::proxy::{Proxy, Way};
use faults::watcher::Watcher;
use support::judges;
use support::snapshot::private_keys;
use support::story::{Said, Story};

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(1));

fn server() -> &'static ApiServer {
    CLUSTERS.server(0)
}

/// The kinds of system call by which anything leaves the program, under all the names that the architectures have.
const KINDS: [&str; 7] = [
    "write,?pwrite64",
    "writev,?sendto,?sendmsg",
    "fsync",
    "fdatasync",
    "?rename,?renameat,?renameat2",
    "?unlink,?unlinkat,?rmdir",
    "?mkdir,?mkdirat,?chmod,?fchmod,?fchmodat,ftruncate",
];

/// More calls than any run makes; strace counts no further.
const NEVER: usize = 65535;

/// A run that is killed, again and again: each time the target stands before it as it did.
struct Case {
    namespace: &'static str,
    story: Story,
    watcher: Watcher,
    /// Whether the target has a set, which is renewed; otherwise one is created.
    renews: bool,
    trials: i32,
    /// What was killed in the middle of what, as strace tells it.
    hits: BTreeMap<String, usize>,
}

/// One run that is about to be killed.
struct Trial {
    story: Story,
    line: String,
}

impl Case {
    fn new(namespace: &'static str, renews: bool) -> Self {
        let story = one(server(), namespace, "20s");
        if renews {
            story.meshca(&format!("--at {MOMENT} rotate")).fine();
        } else {
            story.meshca(&format!("--at {MOMENT} issue --passphrase-file passphrase")).fine();
        }
        let watcher = Watcher::start(server(), namespace);
        Self { namespace, story, watcher, renews, trials: 0, hits: BTreeMap::new() }
    }

    fn next(&mut self) -> Trial {
        self.trials += 1;
        if self.renews {
            return Trial { story: copy_of(&self.story), line: format!("--at {} rotate", step(self.trials)) };
        }
        if live(server(), self.namespace).is_some() {
            delete(server(), self.namespace);
        }
        let line = format!("--at {MOMENT} publish --passphrase-file passphrase");
        Trial { story: copy_of(&self.story), line }
    }

    /// The next run finishes, and nothing is left over.
    fn finish(&self, trial: &Trial, place: &str) {
        let run = |line: &str| {
            let said = trial.story.meshca(line);
            assert_eq!(said.code, Some(0), "{place}: {said:?}");
            said
        };
        run(&trial.line);
        assert!(live(server(), self.namespace).is_some(), "{place}");
        let at = trial.line.split(' ').nth(1).unwrap();
        run(&format!("--at {at} rotate --dry-run")).saying("nothing is due");
        assert_eq!(private_keys(&trial.story.path("material/stock")), Vec::<PathBuf>::new(), "{place}");
        run("ledger verify");
    }

    /// Kills at the N-th call of each kind, until the run comes to its end before it has made so many.
    fn kill_by_calls(&mut self, kinds: &[&str], all_threads: bool) {
        for kind in kinds {
            let (mut survived, mut number) = (0, 0);
            while survived < 2 {
                number += 1;
                let was_killed = self.kill_at(kind, number, all_threads).is_none();
                survived = if was_killed { 0 } else { survived + 1 };
            }
        }
    }

    /// Kills where a file is created. Where one is only read, nothing changes.
    fn kill_by_creations(&mut self) {
        let log = self.kill_at("openat", NEVER, false).unwrap();
        let calls = log.lines().filter(|line| line.contains("openat("));
        let creates = calls.enumerate().filter(|(_, line)| line.contains("O_CREAT")).map(|(at, _)| at + 1);
        let creates: Vec<usize> = creates.collect();
        assert!(creates.len() > 2, "{log}");
        for number in creates {
            assert!(self.kill_at("openat", number, false).is_none(), "openat {number} was never reached");
        }
    }

    /// One run, killed at this call; what strace noted if it was not.
    fn kill_at(&mut self, kind: &str, number: usize, all_threads: bool) -> Option<String> {
        let trial = self.next();
        let log = trial.story.path("strace.log");
        let mut strace = Command::new(judges::program("strace"));
        strace.args(all_threads.then_some("-f")).args(["-qq", "-y", "-s", "1", "-o"]).arg(&log);
        strace.args(["-e", &format!("trace={kind}"), "-e", &format!("inject={kind}:signal=KILL:when={number}")]);
        let command = trial.story.command(&trial.line);
        strace.arg(command.get_program()).args(command.get_args()).current_dir(trial.story.path(""));
        let said = Said::of(&judges::run(&mut strace));
        let log = fs::read_to_string(&log).unwrap();
        let place = format!("{} killed at {kind} {number}", trial.line);
        self.finish(&trial, &place);
        // strace ends as its command did.
        match said.code {
            None => *self.hits.entry(hit(&log)).or_default() += 1,
            code => assert_eq!(code, Some(0), "{place}: {said:?}"),
        }
        said.code.map(|_| log)
    }

    /// Kills when the N-th piece comes out of meshca's sockets: it never gets to the server, or it still does.
    fn kill_by_pieces(&mut self) -> usize {
        let mut pieces = 0;
        for arrives in [false, true] {
            let mut number = 0;
            loop {
                number += 1;
                let mut trial = self.next();
                let (victim, count) = (Arc::new(OnceLock::<Pid>::new()), AtomicUsize::new(0));
                let told = Arc::clone(&victim);
                let proxy = Proxy::treating(server().port(), move |way, _| {
                    if way == Way::ToMeshca || count.fetch_add(1, Ordering::SeqCst) + 1 != number {
                        return true;
                    }
                    // It has gone no further when it has not been told yet: it waits for an answer.
                    let pid = loop {
                        match told.get() {
                            Some(pid) => break *pid,
                            None => thread::sleep(Duration::from_millis(1)),
                        }
                    };
                    kill_process(pid, Signal::KILL).unwrap();
                    arrives
                });
                trial.story = copy_through(&trial.story, server(), proxy.port);
                let mut command = trial.story.command(&trial.line);
                let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
                victim.set(Pid::from_child(&child)).unwrap();
                let code = child.wait().unwrap().code();
                trial.story.write("mesh.yaml", self.story.read("mesh.yaml"));
                self.finish(&trial, &format!("{} killed at piece {number}, arrives: {arrives}", trial.line));
                if code == Some(0) {
                    break;
                }
                assert_eq!(code, None, "it was not killed at piece {number}");
                pieces += 1;
            }
        }
        pieces
    }

    /// Every version was sound, and there were no more sets than there had to be.
    fn judge(&self) {
        let sets = self.watcher.all_sound();
        let wanted = if self.renews { self.trials + 1 } else { 1 };
        assert_eq!(sets, usize::try_from(wanted).unwrap(), "a run made a set that nobody needs");
        println!("{}: {} trials, {sets} sets, killed in {:#?}", self.namespace, self.trials, self.hits);
    }
}

/// What the last call of a log was: its kind and what it was about, without what differs from run to run.
fn hit(log: &str) -> String {
    let call = log.lines().rfind(|line| line.contains('(') && !line.contains("+++")).unwrap_or_default();
    let call = call.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    let (kind, rest) = call.split_once('(').unwrap_or_default();
    let about = ["ledger.jsonl", "lock", "status.json", "ca-key.pem", "records", "stock", "eventfd", "pipe"];
    let sizes = rest.split("iov_len=").skip(1).filter_map(|rest| rest.split(['}', ',']).next()?.parse::<usize>().ok());
    let about = match about.iter().find(|about| rest.contains(**about)) {
        Some(about) => about,
        None if sizes.sum::<usize>() > 2500 => "socket, the Secret",
        None if rest.contains("socket") => "socket",
        None => "other",
    };
    format!("{kind} {about}")
}

fn kill_everywhere(namespace: &'static str, renews: bool) {
    let mut case = Case::new(namespace, renews);
    case.kill_by_calls(&KINDS, false);
    case.kill_by_creations();
    // Only sockets are written to by others than the main thread, and by `write` those who wait are woken.
    case.kill_by_calls(&["writev,?sendto,?sendmsg", "write,?pwrite64"], true);
    let pieces = case.kill_by_pieces();
    assert!(pieces > 10, "{pieces}");
    for wanted in ["write ledger.jsonl", "fdatasync ledger.jsonl", "openat ledger.jsonl", "write pipe", "writev socket"]
    {
        assert!(case.hits.contains_key(wanted), "never killed in {wanted}: {:?}", case.hits);
    }
    println!("{namespace}: killed at {pieces} pieces");
    case.judge();
}

#[test]
fn a_publish_that_is_killed_at_any_write_is_finished_by_the_next_one() {
    kill_everywhere("killed-publish", false);
}

#[test]
fn a_renewal_that_is_killed_at_any_write_leaves_the_old_set_or_the_new_one() {
    kill_everywhere("killed-rotate", true);
}
