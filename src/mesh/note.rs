//! What is noted on a target's set that is written while the fleet walks from one root to the next.

use crate::mesh::convoy::Convoy;
use crate::mesh::evidence::{Shown, Wanted, mark_on};
use crate::mesh::fleet::Cluster;
use crate::mesh::party::{Party, Place};
use crate::mesh::stage::Stage;
use crate::mesh::walk_mark::WalkMark;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mesh) enum Written {
    /// Another trust bundle, in this stage.
    Bundle(Stage),
    /// A signer under the other root.
    Signer,
    /// A signer under the same root; or nothing but the note, of what was seen.
    Renewal,
}

/// What is to be noted on a target's set that is written now; `None`: it has no part in the walk yet.
pub(in crate::mesh) fn note(convoy: &Convoy<'_>, cluster: &Cluster, what: Written) -> Option<WalkMark> {
    let party = convoy.parties.get(&cluster.name);
    let before = party.and_then(|party| party.mark).cloned();
    let is_untouched = party.is_none_or(|party| party.place == Place::Old) && !convoy.has_begun;
    if what == Written::Renewal && is_untouched && before.is_none() {
        return None;
    }
    let mut mark = before.unwrap_or_else(|| WalkMark::to(convoy.pair.new.certificate.fingerprint()));
    mark.turn = convoy.turn;
    let adopted = convoy.pair.old.iter().filter(|held| held.generation == 0);
    mark.from.extend(adopted.map(|held| held.certificate.fingerprint()));
    mark.from.sort_unstable();
    mark.from.dedup();
    mark.own_ca |= party.and_then(|party| mark_on(party.there?)).is_some_and(|it| it.own_ca);
    let written_at = party.and_then(|party| party.observed?.written_at);
    mark.bundled_at = mark.bundled_at.or(written_at);
    if mark.roster.names().is_empty() {
        mark.roster = convoy.roster.clone();
    }
    match (what, party) {
        (Written::Bundle(stage), _) => {
            // The write itself says when, better than this moment: an istiod may start in between.
            mark.bundled_at = if written_at.is_some() { None } else { Some(convoy.evidence.now) };
            mark.shown_since = None;
            if stage == Stage::Remove {
                mark.removed = convoy.pair.old.iter().map(|held| held.certificate.fingerprint()).collect();
            }
        }
        (Written::Signer, party) => {
            mark.signs_since = None;
            mark.shown_since = mark.shown_since.or_else(|| shown(convoy, party?).map(|shown| shown.since));
        }
        // What was known of a set that was of no use is not known of the one that takes its place.
        (Written::Renewal, party) if party.is_none_or(|party| party.place == Place::Nowhere) => {
            (mark.bundled_at, mark.shown_since, mark.signs_since) = (None, None, None);
        }
        // What is known stays known, though istiod loads anew.
        (Written::Renewal, party) => {
            mark.shown_since = mark.shown_since.or_else(|| shown(convoy, party?).map(|shown| shown.since));
            mark.signs_since = mark.signs_since.or_else(|| signs(convoy, party?).map(|shown| shown.since));
        }
    }
    Some(mark)
}

/// That the cluster's workloads are shown the new root; `None`: it is not known.
pub(in crate::mesh) fn shown(convoy: &Convoy<'_>, party: &Party<'_>) -> Option<Shown> {
    let wanted = Wanted { present: &convoy.pair.new.certificate, absent: &[], others: convoy.pair.old };
    convoy.evidence.bundle(party.cluster, wanted).ok()
}

/// That its istiod signs under the root of its signer; `None`: it is not known.
pub(in crate::mesh) fn signs(convoy: &Convoy<'_>, party: &Party<'_>) -> Option<Shown> {
    match party.place {
        Place::Signing | Place::Removed => party.signs.clone().ok(),
        Place::Trusting => convoy.evidence.signer(party.cluster, party.there?).ok(),
        Place::Old | Place::Nowhere => None,
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use crate::mesh::fleet_story::NOW;
    use crate::mesh::stage::Stage;
    use crate::mesh::walk_cases::Fleet;

    const SHOWN: Duration = Duration::days(9);
    const SIGNS: Duration = Duration::days(5);

    fn noted(fleet: &mut Fleet, cluster: &str) {
        fleet.note(cluster, |mark| {
            (mark.shown_since, mark.signs_since) = (Some(NOW - SHOWN), Some(NOW - SIGNS));
        });
    }

    #[test]
    fn what_was_seen_of_a_trust_bundle_is_not_known_of_the_next_and_of_the_signer_it_stays() {
        let mut fleet = Fleet::new();
        let both = fleet.both();
        for cluster in ["east", "west"] {
            fleet.signs(cluster, &both);
            noted(&mut fleet, cluster);
        }
        let east = fleet.step("east");
        assert_eq!(east.stage, Some(Stage::Remove), "{}", east.reason);
        let mark = east.mark.unwrap();
        assert_eq!((mark.shown_since, mark.signs_since), (None, Some(NOW - SIGNS)));
        assert_eq!(mark.removed, [fleet.story.root.certificate.fingerprint()]);
    }

    #[test]
    fn what_was_seen_of_a_signer_is_not_known_of_the_next_and_of_the_trust_bundle_it_stays() {
        let mut fleet = Fleet::new();
        for cluster in ["east", "west"] {
            fleet.trusts(cluster);
            noted(&mut fleet, cluster);
        }
        let east = fleet.step("east");
        assert_eq!(east.stage, Some(Stage::Sign), "{}", east.reason);
        let mark = east.mark.unwrap();
        assert_eq!((mark.shown_since, mark.signs_since), (Some(NOW - SHOWN), None));
    }

    #[test]
    fn what_was_seen_stays_known_when_a_signer_is_renewed_under_the_same_root() {
        let mut fleet = Fleet::new();
        fleet.story.publish("east", 1, NOW + Duration::days(10));
        fleet.trusts("east");
        noted(&mut fleet, "east");
        let east = fleet.step("east");
        assert_eq!((east.act.as_str(), east.stage), ("renew", None), "{}", east.reason);
        let mark = east.mark.unwrap();
        assert_eq!((mark.shown_since, mark.signs_since), (Some(NOW - SHOWN), Some(NOW - SIGNS)));
    }

    #[test]
    fn a_renewal_is_noted_for_a_walk_once_somebody_has_begun_it_and_so_is_a_set_that_takes_the_place_of_none() {
        let mut fleet = Fleet::new();
        fleet.story.publish("east", 1, NOW + Duration::days(10));
        let renewed = |fleet: &Fleet| {
            let east = fleet.step("east");
            assert_eq!((east.act.as_str(), east.stage), ("renew", None), "{}", east.reason);
            east.mark
        };
        assert_eq!(renewed(&fleet), None);
        fleet.trusts("west");
        let mark = renewed(&fleet).unwrap();
        assert_eq!((mark.to, mark.from.len()), (fleet.second.certificate.fingerprint(), 0));
        let mut fleet = Fleet::new();
        fleet.story.look_at("east").secret = Ok(None);
        assert!(renewed(&fleet).is_some());
    }

    #[test]
    fn that_its_istiod_came_with_a_ca_of_its_own_stays_noted_in_the_next_walk() {
        let mut fleet = Fleet::new();
        let before = fleet.story.root.certificate.fingerprint();
        let own_ca = |fleet: &Fleet| fleet.step("east").mark.unwrap().own_ca;
        assert!(!own_ca(&fleet));
        fleet.note("east", |mark| (mark.to, mark.own_ca) = (before, true));
        assert!(own_ca(&fleet));
    }

    #[test]
    fn what_was_seen_of_a_broken_set_is_not_known_of_the_one_that_takes_its_place() {
        let mut fleet = Fleet::new();
        fleet.trusts("east");
        noted(&mut fleet, "east");
        fleet.story.sight_of("east").key_spki = None;
        let mark = fleet.step("east").mark.unwrap();
        assert_eq!((mark.bundled_at, mark.shown_since, mark.signs_since), (None, None, None));
    }
}
