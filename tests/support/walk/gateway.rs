//! The way from meshca to an API server whose clock is another: it stands where a proxy that ends TLS would stand, speaks
//! plain HTTP on loopback, and passes on one request after the other. **Of an answer it changes the stamps of the
//! server's clock and nothing else**: the `Date`, `metadata.creationTimestamp` and the `time` of each of
//! `metadata.managedFields`, each to what the clock of the mesh said in that second.
//!
//! It also sees each request that writes, and can have meshca killed there; and the way can end here, as if the API server
//! were gone.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use super::times::Times;
use crate::clusters::ApiServer;

/// That a run ends at one of its writes, and which.
pub(crate) struct Doom {
    /// Counted over all API servers, from 1.
    number: usize,
    /// Whether the server still does what it was asked to.
    arrives: bool,
    /// How many writes came so far.
    passed: AtomicUsize,
    pub(crate) victim: OnceLock<Pid>,
}

impl Doom {
    pub(crate) fn new(number: usize, arrives: bool) -> Arc<Self> {
        Arc::new(Self { number, arrives, passed: AtomicUsize::new(0), victim: OnceLock::new() })
    }

    /// A run that nobody kills, whose writes are counted.
    pub(crate) fn never() -> Arc<Self> {
        Self::new(usize::MAX, true)
    }

    pub(crate) fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }

    fn strikes(&self) -> bool {
        self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.number
    }

    fn kill(&self) {
        // Who asked goes no further until there is an answer, so there is time to say who it is.
        while self.victim.get().is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        let _ = kill_process(*self.victim.wait(), Signal::KILL);
    }
}

/// What all gateways of one mesh share: the doom of the present run, and what was killed where.
#[derive(Clone, Default)]
pub(crate) struct Dooms {
    present: Arc<Mutex<Option<Arc<Doom>>>>,
    struck: Arc<Mutex<Vec<String>>>,
}

impl Dooms {
    pub(crate) fn set(&self, doom: Option<Arc<Doom>>) {
        *self.present.lock().unwrap() = doom;
    }

    /// The requests at which a run was killed.
    pub(crate) fn struck(&self) -> Vec<String> {
        self.struck.lock().unwrap().clone()
    }
}

/// The way to one API server, which may be cut.
#[derive(Clone)]
pub(crate) struct Way {
    /// How many requests still get through; of the last one the answer does not.
    left: Arc<AtomicUsize>,
    /// How many did not.
    lost: Arc<AtomicUsize>,
}

/// What becomes of a request.
enum Passage {
    /// It arrives, and so does its answer.
    Free,
    /// It arrives, and nobody is told.
    NoAnswer,
    /// It does not arrive.
    Gone,
}

impl Way {
    fn open() -> Self {
        Self { left: Arc::new(AtomicUsize::new(usize::MAX)), lost: Arc::default() }
    }

    /// After so many requests more nothing gets through.
    pub(crate) fn cut_after(&self, requests: usize) {
        self.left.store(requests, Ordering::SeqCst);
    }

    pub(crate) fn mend(&self) {
        self.left.store(usize::MAX, Ordering::SeqCst);
    }

    /// How many requests were lost, or their answers.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }

    fn passage(&self) -> Passage {
        let goes_down = |left: usize| if left == usize::MAX { Some(left) } else { left.checked_sub(1) };
        let passage = match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, goes_down) {
            Ok(1) => Passage::NoAnswer,
            Ok(_) => Passage::Free,
            Err(_) => Passage::Gone,
        };
        if !matches!(passage, Passage::Free) {
            self.lost.fetch_add(1, Ordering::SeqCst);
        }
        passage
    }
}

/// Listens until the test ends.
pub(crate) struct Gateway {
    pub(crate) port: u16,
    pub(crate) way: Way,
}

impl Gateway {
    pub(crate) fn to(server: &'static ApiServer, times: &Times, dooms: &Dooms) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = Way::open();
        let (times, dooms, cuts) = (times.clone(), dooms.clone(), way.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (times, dooms, way) = (times.clone(), dooms.clone(), cuts.clone());
                thread::spawn(move || {
                    // A client that was killed asks for nothing more, and is told nothing.
                    let _ = pass(stream, server, &way, &times, &dooms);
                });
            }
        });
        Self { port, way }
    }
}

/// One request and its answer; then the connection ends, and a client makes another one.
fn pass(mut stream: TcpStream, server: &ApiServer, way: &Way, times: &Times, dooms: &Dooms) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let (head, body) = request(&mut stream)?;
    let passage = way.passage();
    if matches!(passage, Passage::Gone) {
        return Ok(());
    }
    let (first, lines) = head.split_once("\r\n").unwrap_or((&head, ""));
    let asked = first.trim_end_matches(" HTTP/1.1");
    let kept = lines.split("\r\n").filter_map(|line| line.split_once(": "));
    let kept = kept.filter(|(name, _)| {
        ["authorization", "content-type", "accept", "user-agent"].contains(&name.to_lowercase().as_str())
    });
    let kept: Vec<(&str, &str)> = kept.collect();
    let doom = dooms.present.lock().unwrap().clone().filter(|doom| !asked.starts_with("GET ") && doom.strikes());
    if let Some(doom) = doom {
        let way = if doom.arrives { "done" } else { "not done" };
        dooms.struck.lock().unwrap().push(format!("{}, {way}", asked.split('?').next().unwrap_or_default()));
        if doom.arrives {
            server.pass_on(asked, &kept, &body)?;
        }
        doom.kill();
        return Ok(());
    }
    let answer = server.pass_on(asked, &kept, &body)?;
    if matches!(passage, Passage::NoAnswer) {
        return Ok(());
    }
    stream.write_all(&moved(&answer, times))
}

/// The head of a request, without the empty line, and its body.
fn request(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut read: Vec<u8> = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.extend(&piece[..length]);
        let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let announced =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if read.len() >= end + 4 + announced.unwrap_or(0) {
            return Ok((head, read.split_off(end + 4)));
        }
    }
}

/// The answer with the stamps of another clock.
fn moved(answer: &[u8], times: &Times) -> Vec<u8> {
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
    let mut body = body.to_vec();
    if let Ok(mut value) = serde_json::from_slice::<Value>(&body) {
        move_stamps(&mut value, times);
        body = serde_json::to_vec(&value).unwrap();
    }
    let mut lines: Vec<String> = Vec::new();
    for line in head.split("\r\n") {
        match line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value)) {
            Some((name, stamp)) if name == "date" => {
                let date = times.of(OffsetDateTime::parse(stamp, &Rfc2822).unwrap());
                lines.push(format!("Date: {}", date.format(&Rfc2822).unwrap().replace("+0000", "GMT")));
            }
            Some((name, _)) if ["content-length", "connection", "transfer-encoding"].contains(&name.as_str()) => {}
            _ => lines.push(line.replacen("HTTP/1.0", "HTTP/1.1", 1)),
        }
    }
    lines.push(format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()));
    [lines.join("\r\n").into_bytes(), body].concat()
}

fn move_stamps(value: &mut Value, times: &Times) {
    let metadata = &mut value["metadata"];
    move_stamp(&mut metadata["creationTimestamp"], times);
    for manager in metadata["managedFields"].as_array_mut().into_iter().flatten() {
        move_stamp(&mut manager["time"], times);
    }
    for item in value["items"].as_array_mut().into_iter().flatten() {
        move_stamps(item, times);
    }
}

fn move_stamp(stamp: &mut Value, times: &Times) {
    if let Some(moment) = stamp.as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok()) {
        *stamp = times.of(moment).format(&Rfc3339).unwrap().into();
    }
}
