//! The exporter over a status in a file: the real program, asked over HTTP on loopback.

#![cfg(feature = "k8s")]
#![expect(clippy::disallowed_methods, reason = "tests touch the disk and wait")]

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use rustix::process::Signal;

#[path = "support/exporting.rs"]
mod exporting;
mod support;

use exporting::{Exporting, LONG, Reply, ask, is_read, samples};
use support::story::{Story, lab};

const MOMENT: &str = "2026-11-23T10:00:00Z";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A lab whose status was written at [`MOMENT`].
fn published() -> Story {
    Story::new(&lab("mesh1", "", &["east", "west"])).founded("mesh1", MOMENT).published(MOMENT)
}

fn exporter(story: &Story) -> Exporting {
    Exporting::start(story, &format!("--at {MOMENT} exporter --listen 127.0.0.1:0 --every 1s"))
}

#[test]
fn a_scrape_says_what_a_report_says_at_that_moment_and_each_form_has_its_type() {
    let story = published();
    let mut exporter = exporter(&story);
    let text = exporter.once("it reads the status", is_read);
    let report = story.meshca(&format!("--at {MOMENT} report -o prometheus")).fine().out;
    assert!(text == report, "{text}\n--- report\n{report}");
    let plain = exporter.get("/metrics");
    assert_eq!(plain.header("content-type"), Some(TEXT));
    let accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let open = exporter.get_as("/metrics", accept);
    assert_eq!((open.status, open.header("content-type")), (200, Some(OPEN)));
    // A counter has its ending at its samples alone.
    let named = |line: &str| if line.starts_with('#') { line.replace("_total ", " ") } else { line.to_owned() };
    let same: String = text.lines().map(|line| named(line) + "\n").collect();
    assert_eq!(open.body, format!("{same}# EOF\n"));
    assert_eq!(exporter.get_as("/metrics", "text/html;q=0.9").header("content-type"), Some(TEXT));
    assert_eq!(exporter.end(Signal::TERM), Some(0));
}

#[test]
fn what_is_not_a_scrape_is_answered_too_and_nothing_is_ever_a_500() {
    let story = published();
    let mut exporter = exporter(&story);
    exporter.once("it reads the status", is_read);
    let status = |request: &str| ask(exporter.address, request.as_bytes()).status;
    let end = "Host: a\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&format!("GET /healthz HTTP/1.1\r\n{end}")), 200);
    assert_eq!(status(&format!("GET /readyz HTTP/1.1\r\n{end}")), 200);
    assert_eq!(status(&format!("GET /metrics?a=b HTTP/1.1\r\n{end}")), 200);
    assert_eq!(status(&format!("GET / HTTP/1.1\r\n{end}")), 404);
    assert_eq!(status(&format!("GET /../etc/passwd HTTP/1.1\r\n{end}")), 404);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let reply = ask(exporter.address, format!("{method} /metrics HTTP/1.1\r\n{end}").as_bytes());
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let head = ask(exporter.address, format!("HEAD /metrics HTTP/1.1\r\n{end}").as_bytes());
    assert_eq!((head.status, head.body.as_str(), head.header("content-type")), (200, "", Some(TEXT)));
    assert_eq!(status("nonsense\r\n\r\n"), 400);
    assert_eq!(status(&format!("GET /metrics HTTP/1.1\r\nA: {}\r\n{end}", "a".repeat(64 * 1024))), 431);
    assert_eq!(exporter.end(Signal::INT), Some(0));
}

#[test]
fn a_status_that_is_missing_replaced_broken_and_gone_is_told_as_it_is() {
    let story = published();
    let (status, aside) = (story.path("records/status.json"), story.path("aside.json"));
    fs::rename(&status, &aside).unwrap();
    let mut exporter = exporter(&story);
    let nothing = exporter.once("it has looked", |text| text.contains("meshca_status_readable 0"));
    assert_eq!(samples(&nothing).len(), 2, "{nothing}");
    let ready = exporter.get("/readyz");
    assert_eq!((ready.status, exporter.get("/healthz").status), (503, 200));
    // It comes.
    fs::copy(&aside, &status).unwrap();
    let first = exporter.once("it reads what came", is_read);
    assert_eq!(exporter.get("/readyz").status, 200);
    // The next tick replaces it.
    story.with_passphrase("--at 2026-11-23T11:00:00Z rotate").fine();
    let hour = "meshca_status_timestamp_seconds 1795431600";
    let second = exporter.once("it reads what replaced it", |text| text.contains(hour));
    assert!(is_read(&second) && samples(&second).len() == samples(&first).len());
    // It breaks: the last one that could be read is still told of, as such.
    let whole = story.bytes("records/status.json");
    story.write("records/status.json", &whole[..whole.len() / 2]);
    let broken = exporter.once("it sees that it is broken", |text| !is_read(text));
    assert!(broken == second.replace("\nmeshca_status_readable 1\n", "\nmeshca_status_readable 0\n"), "{broken}");
    assert_eq!(exporter.get("/readyz").status, 200, "it still tells of a status");
    // It is gone, is a folder, is another thing, and comes back.
    story.remove("records/status.json");
    fs::create_dir(&status).unwrap();
    exporter.once("a folder is none", |text| !is_read(text));
    fs::remove_dir(&status).unwrap();
    story.write("records/status.json", "{\"apiVersion\":\"meshca.io/v9\",\"kind\":\"Report\"}");
    exporter.once("a version that is not known is none", |text| !is_read(text));
    story.write("records/status.json", &whole);
    let back = exporter.once("it reads it again", is_read);
    assert!(back == second, "{back}");
    assert_eq!(exporter.end(Signal::TERM), Some(0));
    let words = exporter.words();
    assert!(words.contains("error: status-unreadable: "), "{words}");
    assert!(words.contains("the status can be read again"), "{words}");
}

#[test]
fn a_status_that_nobody_renews_gets_older_and_the_warning_turns_by_itself() {
    let story = published();
    // Seven days before the intermediates end, and an hour more.
    let late = Exporting::start(&story, "--at 2027-02-14T11:00:00Z exporter --listen 127.0.0.1:0");
    let text = late.once("it reads the status", is_read);
    assert!(text.contains("meshca_status_timestamp_seconds 1795428000"), "{text}");
    assert!(text.contains("meshca_certificate_expires_soon{cluster=\"east\",role=\"intermediate\"} 1"), "{text}");
    let report = story.meshca("--at 2027-02-14T11:00:00Z report -o prometheus").out;
    let same = |text: &str| {
        let is_of_the_moment =
            |line: &&str| !line.contains("_observation_") && !line.contains("meshca_status_timestamp");
        samples(text).into_iter().filter(is_of_the_moment).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(same(&text), same(&report), "what a fresh look sees");
}

#[test]
fn a_status_file_needs_no_mesh_file_and_the_label_has_the_name_that_is_wished_for() {
    let story = published();
    let other = Story::new("no mesh file");
    let status = story.path("records/status.json").display().to_string();
    let line = format!("--at {MOMENT} exporter --listen 127.0.0.1:0 --cluster-label mesh_cluster --status {status}");
    let exporter = Exporting::start(&other, &line);
    let text = exporter.once("it reads the status", is_read);
    assert!(text.contains("istio_cert_expiry_timestamp{mesh_cluster=\"east\",role=\"root\"}"), "{text}");
    assert!(!text.contains("{cluster=") && !text.contains(",cluster="), "{text}");
    let report = story.meshca(&format!("--at {MOMENT} report -o prometheus --cluster-label mesh_cluster")).fine().out;
    assert!(text == report, "{text}");
}

#[test]
fn what_cannot_be_served_is_refused_before_anything_is_waited_for() {
    let story = published();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    story.meshca(&format!("exporter --listen {address}")).refused(1, "listen-failed");
    let stdout = Story::new(&lab("mesh1", "records: stdout\n", &["east"]));
    stdout.meshca("exporter --listen 127.0.0.1:0").refused(1, "bad-argument").saying("--status-configmap");
    for bad in ["--listen nowhere", "--listen 127.0.0.1", "--cluster-label 1a", "--cluster-label role", "--every 0s"] {
        assert_eq!(story.meshca(&format!("exporter {bad}")).code, Some(2), "{bad}");
    }
}

#[test]
fn who_says_nothing_half_a_request_or_too_much_does_not_keep_others_from_their_answer() {
    let story = published();
    let mut exporter = exporter(&story);
    exporter.once("it reads the status", is_read);
    let silent: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(exporter.address).unwrap()).collect();
    let mut half = TcpStream::connect(exporter.address).unwrap();
    half.write_all(b"GET /metrics HTTP/1.1\r\nHo").unwrap();
    assert_eq!(exporter.get("/metrics").status, 200);
    // With so many the places are taken; each is given up when its time for a head is over, and then the next is served.
    let more: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(exporter.address).unwrap()).collect();
    assert_eq!(exporter.get("/metrics").status, 200);
    let mut ended = Vec::new();
    half.set_read_timeout(Some(LONG)).unwrap();
    assert!(half.read_to_end(&mut ended).is_ok(), "half a request is ended by the exporter");
    drop((silent, more));
    assert_eq!(exporter.end(Signal::TERM), Some(0));
}

#[test]
fn several_requests_go_over_one_connection_and_the_end_does_not_wait_for_it() {
    let story = published();
    let mut exporter = exporter(&story);
    exporter.once("it reads the status", is_read);
    let mut stream = TcpStream::connect(exporter.address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let reply = Reply::read_one(&mut stream);
        assert_eq!((reply.status, reply.body.as_str()), (200, "ok\n"));
    }
    assert_eq!(exporter.end(Signal::TERM), Some(0));
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
    let _ = stream.shutdown(Shutdown::Both);
    assert!(TcpStream::connect(exporter.address).is_err(), "nobody listens any more");
}

#[test]
fn a_watch_serves_the_status_of_its_own_ticks_and_says_so_when_a_tick_fails() {
    let story = published();
    let line = format!("--at {MOMENT} rotate --watch --every 1s --passphrase-file passphrase --listen 127.0.0.1:0");
    let mut watch = Exporting::start(&story, &line);
    let first = watch.once("its first tick has ended", is_read);
    assert_eq!(watch.get("/readyz").status, 200);
    let samples_of = |text: &str, family: &str| samples(text).iter().filter(|line| line.starts_with(family)).count();
    assert_eq!(samples_of(&first, "istio_cert_expiry_timestamp{"), 6, "{first}");
    let time = |text: &str| {
        let line = samples(text).into_iter().find(|line| line.starts_with("meshca_status_timestamp_seconds")).unwrap();
        line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap()
    };
    let later = watch.once("another tick ends", |text| time(text) > time(&first));
    // The mesh file breaks: no tick has a status any more.
    let mesh = story.read("mesh.yaml");
    story.write("mesh.yaml", "version: 1\nmesh: [\n");
    let stale = watch.once("a tick fails", |text| !is_read(text));
    assert!(time(&stale) >= time(&later) && samples_of(&stale, "istio_cert_expiry_timestamp{") == 6, "{stale}");
    story.write("mesh.yaml", mesh);
    let back = watch.once("a tick succeeds", is_read);
    assert!(time(&back) > time(&stale));
    assert_eq!(watch.end(Signal::TERM), Some(0), "{}", watch.words());
}

#[test]
fn only_a_watch_over_the_whole_fleet_serves() {
    let story = published();
    for bad in ["--listen 127.0.0.1:0", "--watch --listen 127.0.0.1:0 --shard 0/2", "--watch --listen 9949"] {
        assert_eq!(story.with_passphrase(&format!("rotate {bad}")).code, Some(2), "{bad}");
    }
}
