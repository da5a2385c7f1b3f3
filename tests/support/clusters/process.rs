//! A process that does not outlive the test program, whatever becomes of that.

use std::fmt::Write;
use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::programs;

/// A server takes some three seconds; a machine that builds meanwhile, many times that.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the program with its words going to the end of this log.
    pub(crate) fn start(program: &Path, args: &[String], log: &Path) -> Self {
        let words = File::options().create(true).append(true).open(log).unwrap();
        // The kernel kills the process when the test program ends without having done so: a static is never dropped,
        // and a test program that is killed drops nothing.
        let mut command = Command::new(programs::on_path("setpriv"));
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(args);
        command.stdin(Stdio::null()).stdout(words.try_clone().unwrap()).stderr(words);
        let child = spawn(command).unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        Self { child, log: log.to_owned() }
    }

    /// Waits until `ready` says so. False, if another program took the port between our look at it and the start.
    ///
    /// # Panics
    ///
    /// With the end of the log, if the process ends for another reason or takes too long.
    pub(crate) fn is_ready_after(&mut self, ready: impl Fn() -> bool) -> bool {
        let start = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait().unwrap() {
                let log = self.log_tail();
                assert!(log.contains("address already in use"), "it ended by itself: {status}\n{log}");
                return false;
            }
            assert!(start.elapsed() < PATIENCE, "not ready after {PATIENCE:?}\n{}", self.log_tail());
            thread::sleep(Duration::from_millis(50));
        }
        true
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// With the end of the log, if it gets ready instead or takes too long.
    pub(crate) fn ends_before(&mut self, ready: impl Fn() -> bool) {
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(!ready(), "it runs\n{}", self.log_tail());
            assert!(start.elapsed() < PATIENCE, "neither ready nor ended after {PATIENCE:?}\n{}", self.log_tail());
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal. The process is ours and not waited for yet, so its number is nobody else's.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let mut tail = format!("the end of {}:\n", self.log.display());
        for line in lines.iter().skip(lines.len().saturating_sub(20)) {
            writeln!(tail, "  {line}").unwrap();
        }
        tail
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, and in a panic another one would end the whole test program.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a process from a thread that never ends. The signal of `setpriv --pdeathsig` comes when the *thread* that
/// started the process ends, and the thread of a test, or of a `thread::scope`, ends long before the test program.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    type Order = (Command, Sender<io::Result<Child>>);
    static STARTER: LazyLock<Sender<Order>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                // Whoever asked has gone if the test program is about to end.
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    // Ctrl-C is for the test program: the kernel then ends these, and none says its last words on the terminal.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let (reply, child) = mpsc::channel();
    STARTER.send((command, reply)).unwrap();
    child.recv().unwrap()
}

/// Ports that nobody listens on. Another program may take one before ours does: see `is_ready_after`.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    listeners.each_ref().map(|listener| listener.local_addr().unwrap().port())
}
