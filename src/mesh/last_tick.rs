//! That nobody runs `rotate` any more, or that those who watch do not see what it leaves.

use std::cmp::Reverse;

use time::OffsetDateTime;

use crate::mesh::counting::carry;
use crate::mesh::deadline::old_after;
use crate::mesh::exporter_page::ExporterPage;
use crate::mesh::fleet::Mesh;
use crate::mesh::report_document::ReportDocument;
use crate::mesh::status::Status;
use crate::pki::moment::{prose, utc};
use crate::problem::{Code, Finding, Problem, Severity};

/// What tells of the last tick of `rotate`.
#[derive(Debug)]
pub struct Trail {
    /// The public status that it left; `None`: there is none, and none was asked for.
    pub status: Result<Option<ReportDocument>, Problem>,
    /// The exporter that was asked, if one was.
    pub exporter: Option<Exporter>,
}

/// An exporter that was asked.
#[derive(Debug)]
pub struct Exporter {
    /// Where it is.
    pub url: String,
    /// What it answered.
    pub page: Result<ExporterPage, Problem>,
}

impl Trail {
    /// Whether everything that was asked answered.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.status.is_ok() && self.exporter.as_ref().is_none_or(|exporter| exporter.page.is_ok())
    }
}

/// The status with what ticks counted, and with what is wrong with the last one and with those who tell of it, as far as the
/// trail shows.
#[must_use]
pub fn noticed(mesh: &Mesh, mut status: Status, trail: &Trail) -> Status {
    let now = status.generated_at;
    let left = trail.status.as_ref().ok().and_then(Option::as_ref).filter(|left| left.mesh == mesh.name);
    if let Some(left) = left {
        carry(left, &mut status);
    }
    let left = left.map(|it| it.generated_at_seconds);
    let told = trail.exporter.as_ref().and_then(|it| it.page.as_ref().ok()?.status_at);
    let unread = trail.status.as_ref().err().cloned();
    let untold = trail.exporter.as_ref().and_then(|exporter| match &exporter.page {
        Ok(page) => page.problem(&exporter.url, mesh, left, now),
        Err(problem) => Some(problem.clone()),
    });
    // An exporter may know of a later tick than a folder of another machine.
    let overdue = left.max(told).and_then(|last| stopped(mesh, last, now));
    for problem in [unread, overdue, untold].into_iter().flatten() {
        status.findings.push(Finding { severity: Severity::Warning, place: String::new(), problem });
    }
    // Worst first, and otherwise as they were.
    status.findings.sort_by_key(|finding| Reverse(finding.severity));
    status
}

/// What is wrong with a last tick at this moment; `None`: nothing, as far as its age tells.
fn stopped(mesh: &Mesh, last: OffsetDateTime, now: OffsetDateTime) -> Option<Problem> {
    let age = now - last;
    if age <= old_after(&mesh.rotation) {
        return None;
    }
    let what = format!(
        "the last tick of rotate was {} ago, {}, and rotation.tick is {}",
        prose(age),
        utc(last),
        prose(mesh.rotation.tick)
    );
    Some(
        Problem::new(Code::TickOverdue, what)
            .fact("what becomes due is not renewed")
            .hint("look at what should run it (CronJob, timer, Deployment), or run it now: meshca rotate"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story};
    use time::Duration;

    #[test]
    fn a_last_tick_may_be_two_ticks_old_and_not_a_second_more() {
        let mut story = Story::new();
        story.mesh.rotation.tick = Duration::hours(6);
        assert_eq!(stopped(&story.mesh, NOW, NOW + Duration::hours(12)), None);
        let problem = stopped(&story.mesh, NOW, NOW + Duration::hours(12) + Duration::SECOND).unwrap();
        assert_eq!(problem.code(), Code::TickOverdue);
        assert!(problem.what().contains("rotation.tick is 6 h"), "{}", problem.what());
        assert_eq!(stopped(&story.mesh, NOW + Duration::DAY, NOW), None, "one that is yet to come");
    }
}
