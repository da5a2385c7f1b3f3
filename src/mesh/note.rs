//! What is noted on a target's set that is written while the fleet walks from one root to the next.

use time::OffsetDateTime;

use crate::mesh::convoy::Convoy;
use crate::mesh::evidence::Wanted;
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
    /// A signer under the same root.
    Renewal,
    /// Nothing but the note: that its istiod is seen to sign under the root of its signer.
    Sight,
}

/// What is to be noted on a target's set that is written now; `None`: it has no part in the walk yet.
pub(in crate::mesh) fn note(convoy: &Convoy<'_>, cluster: &Cluster, what: Written) -> Option<WalkMark> {
    let now = convoy.evidence.now;
    let party = convoy.parties.get(&cluster.name);
    let before = party.and_then(|party| party.mark).cloned();
    let is_untouched = party.is_none_or(|party| party.place == Place::Old) && !convoy.has_begun();
    if what == Written::Renewal && is_untouched && before.is_none() {
        return None;
    }
    let mut mark = before.unwrap_or_else(|| WalkMark::to(convoy.pair.new.certificate.fingerprint()));
    mark.turn = convoy.turn;
    if mark.roster.is_empty() {
        mark.roster = convoy.evidence.mesh.clusters.iter().map(|it| it.name.to_string()).collect();
    }
    match what {
        Written::Bundle(stage) => {
            (mark.bundled_at, mark.shown_since) = (Some(now), None);
            if stage == Stage::Remove {
                mark.removed = Some(convoy.pair.old.certificate.fingerprint());
            }
        }
        Written::Signer => {
            mark.signs_since = None;
            mark.shown_since = party.and_then(|party| shown_since(party, convoy));
        }
        Written::Sight => mark.signs_since = Some(now),
        Written::Renewal => {
            // A renewal: what is known stays known, though istiod loads anew.
            if let Some(party) = party {
                mark.shown_since = shown_since(party, convoy);
                mark.signs_since = mark.signs_since.or_else(|| signs_since(party, convoy));
            }
        }
    }
    Some(mark)
}

fn shown_since(party: &Party<'_>, convoy: &Convoy<'_>) -> Option<OffsetDateTime> {
    let wanted = Wanted { present: &convoy.pair.new.certificate, absent: None, other: &convoy.pair.old.certificate };
    convoy.evidence.bundle(party.cluster, wanted).ok().map(|shown| shown.since)
}

fn signs_since(party: &Party<'_>, convoy: &Convoy<'_>) -> Option<OffsetDateTime> {
    match (party.place, party.there) {
        (Place::Signing | Place::Removed, _) => party.signs.as_ref().ok().map(|shown| shown.since),
        (Place::Trusting, Some(there)) => convoy.evidence.signer(party.cluster, there).ok().map(|shown| shown.since),
        _ => None,
    }
}
