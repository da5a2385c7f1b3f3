//! A temporary folder that goes when its owner does, also when that one is killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::process::spawn;

/// Removes `$1` when standard input ends, which it does when nobody has the other end any more. The servers may be
/// writing for their last moment, so it tries again.
const SWEEPER: &str = "cat; for _ in 1 2 3 4 5 6 7 8 9; do rm -rf \"$1\" && break; sleep 1; done";

pub(crate) struct Folder {
    path: PathBuf,
    sweeper: Child,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let path = tempfile::Builder::new().prefix("meshca-clusters-").tempdir().unwrap().keep();
        let mut command = Command::new("sh");
        command.args(["-c", SWEEPER, "sh"]).arg(&path);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { path, sweeper: spawn(command).unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn pid(&self) -> u32 {
        self.sweeper.id()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Waiting closes its standard input first.
        let _ = self.sweeper.wait();
    }
}
