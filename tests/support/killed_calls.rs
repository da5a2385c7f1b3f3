//! Runs a command under strace, which sends it a signal before one of its system calls is done: so each change of the disk
//! is once the first that is missing. `#[path = "support/killed_calls.rs"] mod killed_calls;`, beside `support`.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a run that cannot be traced is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use crate::support::judges;
use crate::support::story::{Said, Story};

/// Every system call by which meshca changes the disk, under all the names that the architectures have for it. Of
/// `openat`, only those calls count that create something.
const EFFECTS: &str = "openat,write,?pwrite64,?writev,fsync,fdatasync,ftruncate,?rename,?renameat,?renameat2,?symlink,\
                       ?symlinkat,?link,?linkat,?mkdir,?mkdirat,?unlink,?unlinkat,?rmdir,?chmod,?fchmod,?fchmodat";

/// One change of the disk: the system call, and which of its kind. strace counts each kind for itself.
pub(crate) type Effect = (String, usize);

/// A command of the story under strace with these options, on one processor: then meshca works in one thread, and each
/// run makes the same calls.
pub(crate) fn traced(story: &Story, command: &Command, options: &[String]) -> Said {
    let allowed = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = allowed.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim();
    let processor = allowed.split([',', '-']).next().unwrap();
    let mut strace = Command::new(judges::program("taskset"));
    strace
        .args(["-c", processor])
        .arg(judges::program("strace"))
        .args(["-f", "-qq"])
        .args(options)
        .arg(command.get_program())
        .args(command.get_args());
    Said::of(&judges::run(strace.current_dir(story.path(""))))
}

/// Every change that the command makes, found by running it once to its end.
pub(crate) fn effects(story: &Story, command: &Command) -> BTreeSet<Effect> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let options = ["-o".to_owned(), log.path().display().to_string(), "-e".to_owned(), format!("trace={EFFECTS}")];
    traced(story, command, &options).fine();
    let mut counted: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut effects = BTreeSet::new();
    for line in fs::read_to_string(log.path()).unwrap().lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((name, arguments)) = call.trim_start().split_once('(') else { continue };
        let count = counted.entry((thread.to_owned(), name.to_owned())).or_default();
        *count += 1;
        if name != "openat" || arguments.contains("O_CREAT") {
            effects.insert((name.to_owned(), *count));
        }
    }
    let kinds: BTreeSet<&str> = effects.iter().map(|(name, _)| name.as_str()).collect();
    assert!(kinds.contains("openat") && kinds.contains("fsync"), "strace does not see the changes: {kinds:?}");
    effects
}

/// Runs a command, killed at this call.
pub(crate) fn kill_at(story: &Story, command: &Command, (name, count): &Effect) -> Said {
    let options = ["-o", "/dev/null", "-e", &format!("trace={name}"), "-e"].map(str::to_owned);
    let inject = format!("inject={name}:signal=KILL:when={count}");
    let said = traced(story, command, &[options.as_slice(), &[inject]].concat());
    // strace ends as its command did: by the same signal.
    assert_eq!(said.code, None, "{name} {count} was never reached: {said:?}");
    said
}
