//! Whether something that is due may be done now, or waits for a maintenance window.

use time::OffsetDateTime;

use crate::mesh::fleet::Mesh;
use crate::mesh::windows::Hours;
use crate::pki::moment::utc;

/// Whether something may be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mesh) enum Admission {
    /// It may.
    Free,
    /// It must be done though no window is open, and why.
    AtOnce(String),
    /// It waits, and for what.
    Wait(String),
}

impl Mesh {
    /// Judges it. `ends` is when the intermediate ends that a renewal would replace; `None`: it is no renewal.
    ///
    /// A renewal does not wait if workload certificates would be cut short before the next window has closed.
    pub(in crate::mesh) fn admits(&self, ends: Option<OffsetDateTime>, now: OffsetDateTime) -> Admission {
        let Hours::Shut { opens, closes } = self.rotation.windows.at(now) else { return Admission::Free };
        match ends {
            Some(ends) if ends < closes + self.workload.max_ttl + self.workload.margin => Admission::AtOnce(format!(
                "it cannot wait for the maintenance window of {}, by whose end workload certificates would be cut short",
                utc(opens)
            )),
            _ => Admission::Wait(format!("waits for the maintenance window of {}", utc(opens))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::Story;
    use crate::mesh::window::Window;
    use crate::mesh::windows::Windows;
    use time::Duration;
    use time::macros::datetime;

    const OPENS: OffsetDateTime = datetime!(2026-11-28 2:00 UTC);
    const CLOSES: OffsetDateTime = datetime!(2026-11-28 6:00 UTC);

    fn admitted(ends: Option<OffsetDateTime>, now: OffsetDateTime) -> Admission {
        let mut story = Story::new();
        story.mesh.rotation.windows =
            Windows::new(vec![Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap()]);
        story.mesh.admits(ends, now)
    }

    #[test]
    fn what_is_due_waits_until_the_second_in_which_a_window_opens_and_from_the_one_in_which_it_closes() {
        let wait = Admission::Wait("waits for the maintenance window of 2026-11-28T02:00:00Z".to_owned());
        assert_eq!(admitted(None, OPENS - Duration::SECOND), wait);
        assert_eq!(admitted(None, OPENS), Admission::Free);
        assert_eq!(admitted(None, CLOSES - Duration::SECOND), Admission::Free);
        assert!(matches!(admitted(None, CLOSES), Admission::Wait(_)));
    }

    #[test]
    fn a_renewal_waits_while_a_workload_certificate_still_has_its_life_when_the_window_closes_and_no_longer() {
        let enough = CLOSES + Duration::hours(25);
        let before = OPENS - Duration::hours(9);
        assert!(matches!(admitted(Some(enough), before), Admission::Wait(_)));
        let Admission::AtOnce(why) = admitted(Some(enough - Duration::SECOND), before) else { panic!() };
        assert!(why.contains("2026-11-28T02:00:00Z"), "{why}");
        assert_eq!(admitted(Some(enough - Duration::SECOND), OPENS), Admission::Free);
    }

    #[test]
    fn without_windows_nothing_waits() {
        assert_eq!(Story::new().mesh.admits(None, OPENS), Admission::Free);
    }
}
