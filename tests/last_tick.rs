//! What `report` says where nobody runs `rotate` any more, or where those who watch do not see what it leaves: the real program,
//! and the real exporter on loopback.

#![cfg(feature = "k8s")]

use rustix::process::Signal;

#[path = "support/exporting.rs"]
mod exporting;
mod support;

use exporting::{Exporting, is_read};
use support::story::{Said, Story, lab};

const MOMENT: &str = "2026-11-23T10:00:00Z";
/// Two ticks of a day later.
const TWO_TICKS: &str = "2026-11-25T10:00:00Z";
const AND_A_SECOND: &str = "2026-11-25T10:00:01Z";

/// A lab whose last tick was at [`MOMENT`].
fn published() -> Story {
    Story::new(&lab("mesh1", "", &["east", "west"])).founded("mesh1", MOMENT).published(MOMENT)
}

fn report(story: &Story, at: &str, more: &str) -> Said {
    story.meshca(&format!("--at {at} report {more}"))
}

fn exporter(story: &Story, at: &str) -> Exporting {
    let exporter = Exporting::start(story, &format!("--at {at} exporter --listen 127.0.0.1:0 --every 1s"));
    exporter.once("it reads the status", is_read);
    exporter
}

fn without(said: &Said, codes: &[&str]) {
    for code in codes {
        assert!(!said.out.contains(code) && !said.err.contains(code), "{said:?}");
    }
}

const CODES: [&str; 4] = ["tick-overdue", "status-unreadable", "exporter-gone", "exporter-blind"];

#[test]
fn a_tick_that_does_not_come_is_told_after_two_of_them_and_not_a_second_sooner() {
    let story = published();
    without(&report(&story, TWO_TICKS, "").fine(), &CODES);
    report(&story, AND_A_SECOND, "").fine().saying("warning: tick-overdue: the last tick of rotate was 2 d ago");
    story.with_passphrase(&format!("--at {AND_A_SECOND} rotate")).fine();
    without(&report(&story, AND_A_SECOND, "").fine(), &CODES);
}

#[test]
fn a_status_that_was_left_and_cannot_be_read_is_told_and_what_can_be_seen_is_reported() {
    let story = published();
    story.write("records/status.json", "{");
    let said = report(&story, MOMENT, "");
    assert_eq!(said.code, Some(1), "{said:?}");
    said.saying("warning: status-unreadable: ").saying("records/status.json is not the public status").saying("east ");
    story.remove("records/status.json");
    without(&report(&story, TWO_TICKS, "").fine(), &CODES);
}

#[test]
fn an_exporter_that_sees_the_fleet_is_no_news_and_one_that_is_gone_is() {
    let story = published();
    let mut exporter = exporter(&story, MOMENT);
    let url = format!("http://{}", exporter.address);
    for form in ["", "-o json", "-o prometheus", "-o html"] {
        without(&report(&story, MOMENT, &format!("--exporter {url} {form}")).fine(), &CODES);
    }
    assert_eq!(exporter.end(Signal::TERM), Some(0));
    let said = report(&story, MOMENT, &format!("--exporter {url}"));
    assert_eq!(said.code, Some(1), "{said:?}");
    let said =
        said.saying(&format!("warning: exporter-gone: no exporter answers at {url}/metrics: connection refused"));
    said.saying("east ").saying(&format!("curl -s {url}/metrics"));
    let document = report(&story, MOMENT, &format!("--exporter {url} -o json"));
    assert_eq!(document.code, Some(1), "{document:?}");
    document.saying("\"exporter-gone\"");
}

#[test]
fn an_exporter_is_not_blamed_for_a_tick_that_did_not_come_and_is_where_it_cannot_read_the_status() {
    let story = published();
    let mut exporter = exporter(&story, TWO_TICKS);
    let url = format!("http://{}", exporter.address);
    let ask = |at: &str| report(&story, at, &format!("--exporter {url}"));
    // Both know of the same last tick: that is old, and the exporter is not the one to blame.
    let said = ask(AND_A_SECOND).fine().saying("tick-overdue");
    without(&said, &["exporter-blind"]);
    // The status breaks, and it tells of what was.
    story.write("records/status.json", "{");
    exporter.once("it sees that it is broken", |text| !is_read(text));
    let said = ask(MOMENT);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.saying("warning: status-unreadable: ").saying("warning: exporter-blind: ").saying("cannot read the status");
    assert_eq!(exporter.end(Signal::TERM), Some(0));
}

#[test]
fn an_exporter_that_is_not_told_where_ticks_leave_their_status_now_is_blind() {
    let story = published();
    // It goes on reading what nobody writes any more.
    story.write("left-behind.json", story.bytes("records/status.json"));
    let line = format!("--at {MOMENT} exporter --listen 127.0.0.1:0 --status left-behind.json");
    let mut exporter = Exporting::start(&story, &line);
    exporter.once("it reads the status", is_read);
    story.with_passphrase(&format!("--at {TWO_TICKS} rotate")).fine();
    let ask = |at: &str| report(&story, at, &format!("--exporter http://{}", exporter.address)).fine();
    without(&ask(TWO_TICKS), &CODES);
    let said = ask(AND_A_SECOND).saying("warning: exporter-blind: ").saying("tells of a status that is 2 d old");
    without(&said, &["tick-overdue"]);
    // It knows of a tick that no folder here knows of.
    story.remove("records/status.json");
    let said = ask(AND_A_SECOND).saying("tick-overdue");
    without(&said, &["exporter-blind"]);
    assert_eq!(exporter.end(Signal::TERM), Some(0));
}

#[test]
fn an_exporter_of_another_mesh_and_a_server_that_is_none_are_told_apart() {
    let story = published();
    let other = Story::new(&lab("mesh2", "", &["north"])).founded("mesh2", MOMENT).published(MOMENT);
    let mut exporter = exporter(&other, MOMENT);
    let url = format!("http://{}", exporter.address);
    report(&story, MOMENT, &format!("--exporter {url}")).fine().saying("does not tell of east, west");
    report(&story, MOMENT, &format!("--exporter {url}/healthz")).fine().saying("is no exporter of meshca");
    let said = report(&story, MOMENT, &format!("--exporter {url}/nothing"));
    assert_eq!(said.code, Some(1), "{said:?}");
    said.saying("exporter-gone").saying("the answer is 404 Not Found");
    assert_eq!(exporter.end(Signal::TERM), Some(0));
    for bad in ["--exporter https://watch", "--exporter watch", "--home-kubeconfig none", "--status-configmap x"] {
        assert_eq!(report(&story, MOMENT, bad).code, Some(2), "{bad}");
    }
}
