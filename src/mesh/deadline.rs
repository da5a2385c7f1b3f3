//! Every threshold in time: when a renewal is due, when the warning turns on, by which day a ceremony must begin.

use ring::digest::{SHA256, digest};
use time::{Duration, OffsetDateTime};

use crate::mesh::fleet::{ClusterName, Mesh, Rotation, TierWish};
use crate::mesh::stage::Stage;
use crate::pki::certificate::Certificate;
use crate::pki::profile::Tier;

/// The warning: an end less than this far away. Alert rules in the field compare with exactly seven days.
pub const WARNING: Duration = Duration::days(7);

/// An end less than this far away is critical: two days, in which leaves of 24 h still renew once.
pub const CRITICAL: Duration = Duration::hours(48);

/// How late a renewal may be before it counts as overdue, beyond one tick and the wait for a maintenance window.
pub const GRACE: Duration = Duration::hours(1);

/// When the renewal of something that ends then is due.
#[must_use]
pub fn renewal(not_after: OffsetDateTime, wish: TierWish) -> OffsetDateTime {
    not_after.checked_sub(wish.renew_before).unwrap_or(not_after)
}

/// When the renewal of this cluster's intermediate is due: never later than [`renewal`], earlier by the cluster's own
/// share of the jitter, which is the same every day.
#[must_use]
pub fn intermediate_renewal(mesh: &Mesh, cluster: &ClusterName, signer: &Certificate) -> OffsetDateTime {
    let due = renewal(signer.not_after(), mesh.intermediate);
    due.checked_sub(share(mesh, cluster)).unwrap_or(due)
}

/// A cluster's share of the jitter: from nothing to all of it, spread evenly by a hash of mesh and cluster.
fn share(mesh: &Mesh, cluster: &ClusterName) -> Duration {
    let jitter = mesh.rotation.jitter.whole_seconds().unsigned_abs();
    let sum = digest(&SHA256, format!("{}/{cluster}", mesh.name).as_bytes());
    let number = sum.as_ref().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let seconds = number.checked_rem(jitter.saturating_add(1)).unwrap_or(0);
    Duration::seconds(i64::try_from(seconds).unwrap_or(0))
}

/// How long after its day a renewal counts as overdue: after the longest wait for a maintenance window, a tick, and some
/// grace.
#[must_use]
pub fn overdue_after(rotation: &Rotation) -> Duration {
    rotation.windows.longest_gap() + rotation.tick + GRACE
}

/// How old the status that a tick left may get: two ticks. Older, and nobody runs `rotate` any more.
#[must_use]
pub fn old_after(rotation: &Rotation) -> Duration {
    rotation.tick * 2
}

/// Whether the warning is on: less than seven days are left (or it has ended).
#[must_use]
pub fn ends_soon(not_after: OffsetDateTime, now: OffsetDateTime) -> bool {
    not_after - now < WARNING
}

/// The next ceremony that the mesh cannot do without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremony {
    /// What must be minted in it.
    pub tier: Tier,
    /// When it becomes due.
    pub due: OffsetDateTime,
    /// The last safe moment to begin arranging it: later, children would be cut short.
    pub last_safe: OffsetDateTime,
}

/// The ceremony for something of this tier that ends then, whose children live this long.
#[must_use]
pub fn ceremony(mesh: &Mesh, tier: Tier, not_after: OffsetDateTime) -> Ceremony {
    let (wish, child) = match (tier, mesh.issuing) {
        (Tier::Root, Some(issuing)) => (mesh.root.tier, issuing.lifetime),
        (Tier::Root, None) => (mesh.root.tier, mesh.intermediate.lifetime),
        (Tier::Issuing, Some(issuing)) => (issuing, mesh.intermediate.lifetime),
        (Tier::Issuing, None) | (Tier::Intermediate, _) => {
            (mesh.intermediate, mesh.workload.max_ttl + mesh.workload.margin)
        }
    };
    let last_safe = not_after.checked_sub(child).and_then(|moment| moment.checked_sub(mesh.lead));
    let renewal = renewal(not_after, wish);
    // The life of an issuing CA leaves room for arranging a ceremony (a rule of the mesh file). Stock does not: it must
    // lie there when the renewal is due.
    let due = match tier {
        Tier::Intermediate => renewal.checked_sub(mesh.lead).unwrap_or(renewal),
        Tier::Root | Tier::Issuing => renewal,
    };
    Ceremony { tier, due, last_safe: last_safe.unwrap_or(not_after) }
}

impl Ceremony {
    /// From when on people are asked for it: when it is due, or when it must begin, whichever comes first.
    #[must_use]
    pub fn is_asked_for(&self, now: OffsetDateTime) -> bool {
        self.due.min(self.last_safe) <= now
    }
}

/// The latest moment to begin a stage of a root change so that the rest of it is done before the old root ends.
///
/// Reckoned with: a tick for each step and one more for the canary, each after the longest wait for a maintenance window;
/// `bound` (the life of a workload certificate and the
/// margin) in which workloads renew or old certificates run out, and `lead` for whoever is absent meanwhile.
#[must_use]
pub fn latest_start(mesh: &Mesh, stage: Stage, bound: Duration, old_end: OffsetDateTime) -> OffsetDateTime {
    let tick = mesh.rotation.tick + mesh.rotation.windows.longest_gap();
    let remove = tick * 2;
    let drain = bound + tick;
    let needed = match stage {
        Stage::Remove => remove,
        Stage::Drain => drain + remove,
        Stage::Sign => tick * 2 + drain + remove,
        Stage::Trust => tick * 2 + bound + tick * 2 + drain + remove,
    };
    old_end.checked_sub(needed + mesh.lead).unwrap_or(old_end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story, name};

    #[test]
    fn seven_days_are_not_soon_a_second_less_is_and_what_has_ended_is() {
        assert!(!ends_soon(NOW + Duration::days(7), NOW));
        assert!(ends_soon(NOW + Duration::days(7) - Duration::SECOND, NOW));
        assert!(ends_soon(NOW - Duration::SECOND, NOW));
    }

    #[test]
    fn jitter_renews_only_earlier_at_most_by_all_of_it_and_always_by_the_same() {
        let mut story = Story::new();
        let jitter = Duration::hours(6);
        story.mesh.rotation.jitter = jitter;
        let signer = story.intermediate("east", 1, NOW + Duration::days(60)).certificate;
        let plain = renewal(signer.not_after(), story.mesh.intermediate);
        let mut shares = std::collections::BTreeSet::new();
        for number in 0..50 {
            let cluster = name(&format!("cluster-{number}"));
            let due = intermediate_renewal(&story.mesh, &cluster, &signer);
            assert!(due <= plain && plain - due <= jitter, "{due}");
            assert_eq!(due, intermediate_renewal(&story.mesh, &cluster, &signer));
            shares.insert(plain - due);
        }
        assert!(shares.len() > 40, "spread: {}", shares.len());
    }

    #[test]
    fn without_jitter_a_renewal_is_due_when_exactly_renew_before_is_left() {
        let story = Story::new();
        let end = NOW + Duration::days(60);
        let signer = story.intermediate("east", 1, end).certificate;
        assert_eq!(intermediate_renewal(&story.mesh, &name("east"), &signer), end - Duration::days(30));
    }

    #[test]
    fn a_ceremony_must_begin_one_childs_life_and_the_lead_before_the_end() {
        let mut story = Story::new();
        let end = NOW + Duration::days(1000);
        let days = Duration::days;
        let asked = |story: &Story, tier| ceremony(&story.mesh, tier, end);
        assert_eq!(asked(&story, Tier::Issuing).due, end - days(120));
        assert_eq!(asked(&story, Tier::Issuing).last_safe, end - days(90) - days(30));
        assert_eq!(asked(&story, Tier::Root).last_safe, end - days(365) - days(30));
        assert_eq!(asked(&story, Tier::Intermediate).last_safe, end - Duration::hours(25) - days(30));
        story.mesh.issuing = None;
        assert_eq!(asked(&story, Tier::Root).last_safe, end - days(90) - days(30));
    }
}
