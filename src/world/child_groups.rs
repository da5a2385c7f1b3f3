//! Processes that meshca started in groups of their own. A terminal's Ctrl-C does not reach those, nor does a signal to
//! meshca: so that none outlives it, they are known here and ended by whoever hears the signal.

use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::problem::Problem;
use crate::world::signals;

static GROUPS: Mutex<Groups> = Mutex::new(Groups { ends: false, running: Vec::new() });

/// Locked while a process is started and while its end is taken notice of: so each number in it is that of a process of
/// ours, and nobody else's.
struct Groups {
    /// Whether this program was asked to end.
    ends: bool,
    running: Vec<Pid>,
}

/// A process in a group of its own.
#[derive(Debug)]
pub(super) struct ChildGroup(Child);

/// Why there is none.
#[derive(Debug)]
pub(super) enum NotStarted {
    /// The operating system says so.
    Refused(std::io::Error),
    /// It could outlive this program.
    Unheard(Problem),
    /// This program was asked to end.
    Ends,
}

impl ChildGroup {
    /// Starts the command in a group of its own, which ends with this program when that is ended by SIGTERM or SIGINT.
    pub(super) fn start(command: &mut Command) -> Result<Self, NotStarted> {
        use std::os::unix::process::CommandExt;
        signals::pass_on(end_all).map_err(NotStarted::Unheard)?;
        let mut groups = groups();
        if groups.ends {
            return Err(NotStarted::Ends);
        }
        let child = command.process_group(0).spawn().map_err(NotStarted::Refused)?;
        groups.running.push(Pid::from_child(&child));
        Ok(Self(child))
    }

    /// The process, for what it says.
    pub(super) const fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// How it ended; `None`: it runs.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        let mut groups = groups();
        let status = self.0.try_wait().ok().flatten()?;
        groups.forget(&self.0);
        Some(status)
    }

    /// Ends it with all that it started, and takes notice of its end, so that no process is left half dead.
    pub(super) fn end(mut self) {
        let mut groups = groups();
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
        groups.forget(&self.0);
    }
}

/// Ends all of them, and lets no other begin: this program was asked to end.
fn end_all() {
    let mut groups = groups();
    groups.ends = true;
    for group in &groups.running {
        let _ = kill_process_group(*group, Signal::KILL);
    }
}

impl Groups {
    fn forget(&mut self, child: &Child) {
        let ended = Pid::from_child(child);
        self.running.retain(|group| *group != ended);
    }
}

fn groups() -> MutexGuard<'static, Groups> {
    // Each change is one assignment: a panic elsewhere leaves nothing half done.
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}
