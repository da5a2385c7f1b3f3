//! The one etcd that all API servers of a test keep their objects in.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::process::{Process, free_ports};
use super::programs::program;
use super::request::{ask, connect, head};

pub(crate) struct Etcd {
    process: Process,
    port: u16,
}

impl Etcd {
    pub(crate) fn start(folder: &Path) -> Self {
        fs::create_dir(folder).unwrap();
        loop {
            let [port, peers] = free_ports();
            let (clients, peers) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peers}"));
            let data = folder.join(format!("data-{port}")).display().to_string();
            let cluster = format!("default={peers}");
            let args = [
                ["--data-dir", &data],
                ["--listen-client-urls", &clients],
                ["--advertise-client-urls", &clients],
                ["--listen-peer-urls", &peers],
                ["--initial-advertise-peer-urls", &peers],
                ["--initial-cluster", &cluster],
                ["--log-level", "warn"],
            ];
            let mut args: Vec<String> = args.concat().iter().map(ToString::to_string).collect();
            // Nothing here has to survive a power cut.
            args.push("--unsafe-no-fsync".to_owned());
            let mut process = Process::start(&program("etcd"), &args, &folder.join("log"));
            if process.is_ready_after(|| is_ready(port)) {
                return Self { process, port };
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Etcd answers nothing any more and keeps its connections: a disk that hangs.
    pub(crate) fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// It goes on where it was.
    pub(crate) fn resume(&self) {
        self.process.signal(Signal::CONT);
    }
}

fn is_ready(port: u16) -> bool {
    let answer = connect(port, Duration::from_secs(5)).and_then(|it| ask(it, &head("GET /readyz", &[], b""), b""));
    answer.is_ok_and(|answer| answer.status == 200)
}
