//! A program that serves metrics, and requests to it in plain bytes: no client stands between a test and what is said.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a program that does not answer is a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests wait")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::story::Story;

/// What takes this long does not come about.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Reply {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: body.to_owned() }
    }

    /// Reads one answer that says how long it is, and leaves the connection open.
    pub(crate) fn read_one(stream: &mut TcpStream) -> Self {
        let (mut bytes, mut byte) = (Vec::new(), [0]);
        while !bytes.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            bytes.extend(byte);
        }
        let length = Self::of(&bytes).header("content-length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        bytes.extend(body);
        Self::of(&bytes)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Sends these bytes, and reads until the other side ends.
pub(crate) fn ask(address: SocketAddr, request: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    // Who refuses a request need not read all of it.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    Reply::of(&bytes)
}

/// The lines that are samples.
pub(crate) fn samples(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

/// Whether the metrics say that the status could be read.
pub(crate) fn is_read(text: &str) -> bool {
    text.contains("\nmeshca_status_readable 1\n")
}

/// A program that serves metrics.
pub(crate) struct Exporting {
    child: Child,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Exporting {
    /// `meshca` with these words, once it says where it serves.
    pub(crate) fn start(story: &Story, line: &str) -> Self {
        let mut command = story.command(line);
        command.env_remove("POD_NAME");
        Self::spawn(story, &mut command)
    }

    fn spawn(story: &Story, command: &mut Command) -> Self {
        let folder = story.path("");
        let file = |name: &str| fs::File::create(folder.join(name)).unwrap();
        let mut child =
            command.stdin(Stdio::null()).stdout(file("exporter.out")).stderr(file("exporter.err")).spawn().unwrap();
        let start = Instant::now();
        loop {
            let said = fs::read_to_string(folder.join("exporter.err")).unwrap();
            let mut places =
                said.lines().filter_map(|line| line.strip_prefix("serving http://")?.strip_suffix("/metrics"));
            if let Some(address) = places.next() {
                let address = address.parse().unwrap();
                return Self { child, folder, address };
            }
            assert!(child.try_wait().unwrap().is_none(), "it ended: {said}");
            assert!(start.elapsed() < LONG, "it does not serve: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        ask(self.address, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
    }

    /// With this `Accept`.
    pub(crate) fn get_as(&self, path: &str, accept: &str) -> Reply {
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        ask(self.address, head.as_bytes())
    }

    /// The text of its metrics, once it is so. No scrape fails until then.
    pub(crate) fn once(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let reply = self.get("/metrics");
            assert_eq!(reply.status, 200, "a scrape never fails");
            if is_so(&reply.body) {
                return reply.body;
            }
            assert!(start.elapsed() < LONG, "{what}\n{}\n{}", reply.body, self.words());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it said on standard error.
    pub(crate) fn words(&self) -> String {
        fs::read_to_string(self.folder.join("exporter.err")).unwrap()
    }

    /// Sends it a signal, and says how it ended.
    pub(crate) fn end(&mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// Each test crate uses only some of this.
const _: () = {
    let _ = (LONG, ask, samples, is_read, Exporting::get_as, Reply::read_one, Reply::header);
};
