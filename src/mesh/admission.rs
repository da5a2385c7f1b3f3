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

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mesh) enum Deed<'a> {
    /// A renewal, of an intermediate that ends then; `None`: it cannot be told.
    Renewal { ends: Option<OffsetDateTime> },
    /// A step of a root change, whose stage can safely begin until then; `None`: it goes back.
    Step { latest: Option<OffsetDateTime> },
    /// A way out of a leaked key, and why it waits for nothing.
    Flight(&'a str),
}

impl Mesh {
    /// Judges it.
    ///
    /// A renewal does not wait if workload certificates would be cut short before the next window has closed, nor a step
    /// of a root change if its latest safe start would have passed by then.
    pub(in crate::mesh) fn admits(&self, deed: Deed<'_>, now: OffsetDateTime) -> Admission {
        let Hours::Shut { opens, closes } = self.rotation.windows.at(now) else { return Admission::Free };
        let at_once = |by: &str| {
            Admission::AtOnce(format!("it cannot wait for the maintenance window of {}, by whose end {by}", utc(opens)))
        };
        match deed {
            Deed::Flight(why) => Admission::AtOnce(why.to_owned()),
            Deed::Renewal { ends: Some(ends) } if ends < closes + self.workload.max_ttl + self.workload.margin => {
                at_once("workload certificates would be cut short")
            }
            Deed::Step { latest: Some(latest) } if latest < closes => {
                at_once("the latest safe start of this stage has passed")
            }
            Deed::Renewal { .. } | Deed::Step { .. } => {
                Admission::Wait(format!("waits for the maintenance window of {}", utc(opens)))
            }
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

    fn admitted(deed: Deed<'_>, now: OffsetDateTime) -> Admission {
        let mut story = Story::new();
        story.mesh.rotation.windows =
            Windows::new(vec![Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap()]);
        story.mesh.admits(deed, now)
    }

    #[test]
    fn what_is_due_waits_until_the_second_in_which_a_window_opens_and_from_the_one_in_which_it_closes() {
        let wait = Admission::Wait("waits for the maintenance window of 2026-11-28T02:00:00Z".to_owned());
        assert_eq!(admitted(BACK, OPENS - Duration::SECOND), wait);
        assert_eq!(admitted(BACK, OPENS), Admission::Free);
        assert_eq!(admitted(BACK, CLOSES - Duration::SECOND), Admission::Free);
        assert!(matches!(admitted(BACK, CLOSES), Admission::Wait(_)));
    }

    /// A step that nothing hurries.
    const BACK: Deed<'_> = Deed::Step { latest: None };

    fn renewal(ends: OffsetDateTime) -> Deed<'static> {
        Deed::Renewal { ends: Some(ends) }
    }

    #[test]
    fn a_step_of_a_root_change_waits_while_its_stage_can_safely_begin_when_the_window_closes_and_no_longer() {
        let before = OPENS - Duration::hours(9);
        let step = |latest| Deed::Step { latest: Some(latest) };
        assert!(matches!(admitted(step(CLOSES), before), Admission::Wait(_)));
        let Admission::AtOnce(why) = admitted(step(CLOSES - Duration::SECOND), before) else { panic!() };
        assert!(why.contains("2026-11-28T02:00:00Z") && why.contains("latest safe start"), "{why}");
        assert_eq!(admitted(step(CLOSES - Duration::SECOND), OPENS), Admission::Free);
    }

    #[test]
    fn the_way_out_of_a_leaked_key_waits_for_no_window() {
        assert_eq!(admitted(Deed::Flight("why"), OPENS - Duration::SECOND), Admission::AtOnce("why".to_owned()));
        assert_eq!(admitted(Deed::Flight("why"), OPENS), Admission::Free);
    }

    #[test]
    fn a_renewal_waits_while_a_workload_certificate_still_has_its_life_when_the_window_closes_and_no_longer() {
        let enough = CLOSES + Duration::hours(25);
        let before = OPENS - Duration::hours(9);
        assert!(matches!(admitted(renewal(enough), before), Admission::Wait(_)));
        let Admission::AtOnce(why) = admitted(renewal(enough - Duration::SECOND), before) else { panic!() };
        assert!(why.contains("2026-11-28T02:00:00Z"), "{why}");
        assert_eq!(admitted(renewal(enough - Duration::SECOND), OPENS), Admission::Free);
    }

    #[test]
    fn without_windows_nothing_waits() {
        assert_eq!(Story::new().mesh.admits(BACK, OPENS), Admission::Free);
    }
}
