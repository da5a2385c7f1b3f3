//! The clock of this machine against those of the API servers. A machine that is wrong about the time would mint what is not
//! valid yet, or renew what it takes for old.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use crate::mesh::fleet::{ClusterName, Mesh};
use crate::mesh::observed::Observed;
use crate::pki::moment::utc;
use crate::problem::{Code, Problem};

/// How far the clocks of this machine and of an API server may be apart before nothing new is brought there and no stage
/// is changed. A certificate begins as long before the moment in which it is minted.
const CLOCK_SLACK: Duration = Duration::minutes(5);

/// That the clock of one of these clusters' API servers and that of this machine differ; `None`: none does, or this is a lab.
pub(in crate::mesh) fn differ<'a>(
    mesh: &Mesh,
    clusters: impl IntoIterator<Item = (&'a ClusterName, &'a Observed)>,
    now: OffsetDateTime,
) -> Option<Problem> {
    if mesh.lab {
        return None;
    }
    let clocks = clusters.into_iter().filter_map(|(name, observed)| Some((name, observed.server_clock?)));
    let (name, clock) = clocks.into_iter().find(|(_, clock)| is_apart(*clock, now))?;
    Some(
        Problem::new(
            Code::ClockImplausible,
            format!("the clock of this machine and that of the API server of {name} differ"),
        )
        .fact(format!("here   {}", utc(now)))
        .fact(format!("there  {}", utc(clock)))
        .hint("set the clock that is wrong (timedatectl)"),
    )
}

/// What the clocks say of one moment, looked at once.
#[derive(Debug)]
pub struct Clocks<'a> {
    mesh: &'a Mesh,
    now: OffsetDateTime,
    /// That all of them differ from this machine's.
    all: Option<Problem>,
}

impl<'a> Clocks<'a> {
    /// Reads them.
    #[must_use]
    pub fn read(mesh: &'a Mesh, observed: &BTreeMap<ClusterName, Observed>, now: OffsetDateTime) -> Self {
        let mut clocks = observed.values().filter_map(|it| it.server_clock);
        let all = clocks.all(|clock| is_apart(clock, now));
        Self { mesh, now, all: if all { differ(mesh, observed, now) } else { None } }
    }

    /// Why nothing new may be brought to this cluster: its own API server's clock differs; or, where it has none, those of all
    /// API servers that were seen. `None`: nothing speaks against it.
    #[must_use]
    pub fn mislead(&self, observed: &Observed) -> Option<Problem> {
        match observed.server_clock {
            Some(_) => differ(self.mesh, [(&observed.cluster, observed)], self.now),
            None => self.all.clone(),
        }
    }
}

fn is_apart(clock: OffsetDateTime, now: OffsetDateTime) -> bool {
    (clock - now).abs() > CLOCK_SLACK
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story, name};

    fn misled(story: &Story, cluster: &str) -> bool {
        Clocks::read(&story.mesh, &story.observed, NOW).mislead(&story.observed[&name(cluster)]).is_some()
    }

    #[test]
    fn five_minutes_are_no_difference_and_a_second_more_is_one_in_both_directions() {
        let mut story = Story::new();
        for (by, is_one) in [(300, false), (301, true), (-300, false), (-301, true)] {
            story.look_at("east").server_clock = Some(NOW + Duration::seconds(by));
            assert_eq!(misled(&story, "east"), is_one, "{by} s");
        }
        story.mesh.lab = true;
        assert!(!misled(&story, "east"), "a lab plays with the time");
    }

    #[test]
    fn a_cluster_without_a_clock_of_its_own_goes_by_the_others_if_they_agree_against_this_machine() {
        let mut story = Story::new();
        assert!(!misled(&story, "west"), "nobody's clock was seen");
        story.look_at("east").server_clock = Some(NOW + Duration::DAY);
        assert!(misled(&story, "west"));
        story.look_at("far").server_clock = Some(NOW);
        assert!(!misled(&story, "west"), "one of two is wrong, and it is not this machine");
        assert!(misled(&story, "east"));
    }
}
