//! That nobody runs `rotate` any more, as the status that its last tick left says by its age.

use std::cmp::Reverse;

use time::OffsetDateTime;

use crate::mesh::deadline::old_after;
use crate::mesh::fleet::Mesh;
use crate::mesh::status::Status;
use crate::pki::moment::{prose, utc};
use crate::problem::{Code, Finding, Problem, Severity};

/// The status with what is wrong with its last tick, as far as that is known.
#[must_use]
pub fn noticed(mesh: &Mesh, mut status: Status) -> Status {
    status.findings.extend(status.last_tick.and_then(|last| stopped(mesh, last, status.generated_at)));
    // Worst first, and otherwise as they were.
    status.findings.sort_by_key(|finding| Reverse(finding.severity));
    status
}

/// What is wrong with a last tick at this moment; `None`: nothing, as far as its age tells.
fn stopped(mesh: &Mesh, last: OffsetDateTime, now: OffsetDateTime) -> Option<Finding> {
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
    let problem = Problem::new(Code::TickOverdue, what)
        .fact("what becomes due is not renewed")
        .hint("look at what should run it (CronJob, timer, Deployment), or run it now: meshca rotate");
    Some(Finding { severity: Severity::Warning, place: String::new(), problem })
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
        let finding = stopped(&story.mesh, NOW, NOW + Duration::hours(12) + Duration::SECOND).unwrap();
        assert_eq!((finding.severity, finding.problem.code()), (Severity::Warning, Code::TickOverdue));
        assert!(finding.problem.what().contains("rotation.tick is 6 h"), "{}", finding.problem.what());
        assert_eq!(stopped(&story.mesh, NOW + Duration::DAY, NOW), None, "one that is yet to come");
    }
}
