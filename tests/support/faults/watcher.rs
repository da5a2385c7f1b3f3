//! Records every version of one Secret, and judges them when all is over. Only tests watch: meshca never does.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::fleet::live;
use crate::clusters::ApiServer;
use crate::support::story::{FILES, sound};

/// Only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// One version: what happened, and the Secret after it.
#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) event: String,
    pub(crate) secret: Value,
}

impl Version {
    /// Its place in the order of all versions.
    pub(crate) fn number(&self) -> String {
        text(&self.secret["metadata"]["resourceVersion"])
    }

    /// The serial number of its intermediate, by its annotation.
    pub(crate) fn serial(&self) -> String {
        text(&self.secret["metadata"]["annotations"]["meshca.io/serial"])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Watches the Secret `cacerts` of one namespace until it is dropped.
pub(crate) struct Watcher {
    server: &'static ApiServer,
    namespace: String,
    seen: Arc<Mutex<Vec<Version>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    pub(crate) fn start(server: &'static ApiServer, namespace: &str) -> Self {
        let (seen, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let path =
            format!("GET /api/v1/namespaces/{namespace}/secrets?watch=true&fieldSelector=metadata.name%3Dcacerts");
        let (kept, over) = (Arc::clone(&seen), Arc::clone(&is_over));
        let thread = thread::spawn(move || {
            let mut knows_last = true;
            while !over.load(Ordering::SeqCst) {
                // Ended by the server, or the server is not there now: on from the last version.
                follow(server, &path, &kept, &mut knows_last, &over);
                thread::sleep(Duration::from_millis(50));
            }
        });
        Self { server, namespace: namespace.to_owned(), seen, is_over, thread: Some(thread) }
    }

    /// All versions, once the present one has been seen as well.
    pub(crate) fn versions(&self) -> Vec<Version> {
        let start = Instant::now();
        loop {
            let present = live(self.server, &self.namespace).map(|secret| text(&secret["metadata"]["resourceVersion"]));
            let seen = self.seen.lock().unwrap().clone();
            let is_complete = match &present {
                Some(number) => seen.iter().any(|it| it.number() == *number),
                None => seen.last().is_none_or(|it| it.event == "DELETED"),
            };
            if is_complete {
                return seen;
            }
            assert!(start.elapsed() < PATIENCE, "{present:?} was never seen by the watcher of {}", self.namespace);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Every version was complete, and OpenSSL can verify it. How many different sets there were.
    pub(crate) fn all_sound(&self) -> usize {
        let mut judged = BTreeSet::new();
        for version in self.versions().iter().filter(|it| it.event != "DELETED") {
            let data = &version.secret["data"];
            if judged.insert(data.to_string()) {
                judge(data).unwrap_or_else(|why| panic!("version {} of {}: {why}", version.number(), self.namespace));
            }
        }
        judged.len()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // That it panicked is said where it did.
        self.thread.take().map(JoinHandle::join);
    }
}

/// Reads events until the connection ends.
fn follow(server: &ApiServer, path: &str, seen: &Mutex<Vec<Version>>, knows_last: &mut bool, is_over: &AtomicBool) {
    let last = seen.lock().unwrap().last().map(Version::number).filter(|_| *knows_last);
    let path = last.map_or_else(|| path.to_owned(), |last| format!("{path}&resourceVersion={last}"));
    let Ok(stream) = server.listen(server.token("admin"), &path, Duration::from_millis(200)) else { return };
    let (mut stream, mut line, mut is_body) = (BufReader::new(stream), Vec::new(), false);
    while !is_over.load(Ordering::SeqCst) {
        match stream.read_until(b'\n', &mut line) {
            Ok(0) => return,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return,
            Ok(_) if !line.ends_with(b"\n") => continue,
            Ok(_) => {}
        }
        if is_body {
            let event: Value = serde_json::from_slice(&line).unwrap();
            if event["type"] == "ERROR" {
                // A server that was started again knows nothing older. It was down: nothing came in between.
                assert_eq!(event["object"]["code"], 410, "{event}");
                *knows_last = false;
                return;
            }
            *knows_last = true;
            seen.lock().unwrap().push(Version { event: text(&event["type"]), secret: event["object"].clone() });
        }
        is_body |= line == b"\r\n";
        line.clear();
    }
}

/// Exactly four values, which OpenSSL accepts while the intermediate is valid.
fn judge(data: &Value) -> Result<(), String> {
    let data = data.as_object().ok_or("it has no data")?;
    if data.keys().collect::<Vec<_>>() != FILES.iter().collect::<Vec<_>>() {
        return Err(format!("it holds {:?}", data.keys()));
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in data {
        std::fs::write(folder.path().join(name), STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap();
    }
    let certificate =
        pem::parse(std::fs::read(folder.path().join("ca-cert.pem")).unwrap()).map_err(|e| e.to_string())?;
    let (_, certificate) = X509Certificate::from_der(certificate.contents()).map_err(|error| error.to_string())?;
    sound(folder.path(), certificate.validity().not_before.timestamp() + 24 * 60 * 60)
}

// Each test program compiles this for itself and uses only some of it.
const _: () = {
    let _ = (Watcher::start, Watcher::versions, Watcher::all_sound, Version::number, Version::serial);
};
