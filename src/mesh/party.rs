//! One cluster's part in a change of root: where its set stands between the two roots, and what is shown of it.

use time::{Duration, OffsetDateTime};

use crate::mesh::evidence::{Evidence, Lack, Shown, Wanted, mark_on};
use crate::mesh::fleet::Cluster;
use crate::mesh::footing::signed_under;
use crate::mesh::holdings::Held;
use crate::mesh::observed::{Grade, Observed, SecretSight};
use crate::mesh::pair::Pair;
use crate::mesh::stage::Stage;
use crate::mesh::walk_mark::{Turn, WalkMark};
use crate::pki::moment::utc;

/// Where a published set stands between the two roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mesh) enum Place {
    /// There is none that could be read and is whole.
    Nowhere,
    /// It knows the old root only.
    Old,
    /// It trusts both roots and signs under the old one.
    Trusting,
    /// It trusts both roots and signs under the new one.
    Signing,
    /// It knows the new root only.
    Removed,
}

/// One cluster's part.
#[derive(Debug)]
pub(in crate::mesh) struct Party<'a> {
    pub(in crate::mesh) cluster: &'a Cluster,
    pub(in crate::mesh) observed: Option<&'a Observed>,
    pub(in crate::mesh) there: Option<&'a SecretSight>,
    pub(in crate::mesh) place: Place,
    /// What is noted on its set for this walk.
    pub(in crate::mesh) mark: Option<&'a WalkMark>,
    /// How long one of its workload certificates may live, with the margin.
    pub(in crate::mesh) bound: Duration,
    /// Whether each of its workloads trusts the new root.
    pub(in crate::mesh) trusts: Result<Shown, Lack>,
    /// Whether its istiod signs under the new root; of a remote, as its control plane.
    pub(in crate::mesh) signs: Result<Shown, Lack>,
    /// Whether nothing that was signed under the old root lives there any more.
    pub(in crate::mesh) drained: Result<Shown, Lack>,
    /// Whether its workloads are shown the new root and not the old one.
    pub(in crate::mesh) removed: Result<Shown, Lack>,
}

impl<'a> Party<'a> {
    /// What is seen of it.
    pub(in crate::mesh) fn of(
        cluster: &'a Cluster,
        observed: Option<&'a Observed>,
        pair: Pair<'a>,
        evidence: Evidence<'_>,
    ) -> Self {
        let there = observed.and_then(|it| it.secret.as_ref().ok()?.as_ref());
        let whole = there.filter(|there| there.defect().is_none());
        let place = whole.map_or(Place::Nowhere, |there| place(there, pair));
        let mark = there.and_then(mark_on).filter(|mark| mark.to == pair.new.certificate.fingerprint());
        let bound = evidence.leaf_bound(cluster);
        let mut party = Self {
            cluster,
            observed,
            there,
            place,
            mark,
            bound,
            trusts: Err(Lack::new("")),
            signs: Err(Lack::new("")),
            drained: Err(Lack::new("")),
            removed: Err(Lack::new("")),
        };
        party.trusts = party.trusts(pair, evidence);
        if cluster.role.has_cacerts() {
            party.signs = party.signs_under_new(pair, evidence);
            party.drained = party.drained(pair, evidence.now);
        }
        let Pair { old, new } = pair;
        party.removed = evidence.bundle(cluster, Wanted { present: &new.certificate, absent: old, others: old });
        party
    }

    /// What keeps the fleet in this stage, as far as this cluster is concerned.
    pub(in crate::mesh) const fn lack(&self, stage: Stage) -> Option<&Lack> {
        let is_signing = self.cluster.role.has_cacerts();
        let proof = match stage {
            Stage::Trust => &self.trusts,
            Stage::Sign if is_signing => &self.signs,
            Stage::Drain if is_signing => &self.drained,
            // The workloads of a remote are signed by its control plane, which is a party itself.
            Stage::Sign | Stage::Drain => return None,
            Stage::Remove => &self.removed,
        };
        match proof {
            Ok(_) => None,
            Err(lack) => Some(lack),
        }
    }

    /// Whether its set is already what this stage makes of it, so that only its effect is waited for.
    pub(in crate::mesh) const fn has_its_part_of(&self, stage: Stage) -> bool {
        match stage {
            Stage::Trust => matches!(self.place, Place::Trusting | Place::Signing | Place::Removed),
            Stage::Sign | Stage::Drain => matches!(self.place, Place::Signing | Place::Removed),
            Stage::Remove => matches!(self.place, Place::Removed),
        }
    }

    /// Whether its old root was removed by meshca, and so upon an approval.
    pub(in crate::mesh) fn was_removed(&self, pair: Pair<'_>) -> bool {
        self.place == Place::Removed && self.mark.is_some_and(|mark| mark.removed.iter().any(|root| pair.leaves(root)))
    }

    /// Whether this turn of the walk is noted on its set, so that nothing can happen to that set which was decided before
    /// the turn. Whoever has lost the old root goes nowhere any more.
    pub(in crate::mesh) fn bears(&self, turn: Option<Turn>) -> bool {
        turn.is_none() || self.place == Place::Removed || self.mark.is_some_and(|mark| mark.turn == turn)
    }

    /// Whether it still signs with what it was adopted with.
    pub(in crate::mesh) fn is_adopted(&self) -> bool {
        self.there.is_some_and(SecretSight::is_adopted) && matches!(self.place, Place::Old | Place::Trusting)
    }

    /// Whether it is past the point from which there is a way back. In an adoption, who never had any of the roots that
    /// the others came with is not.
    pub(in crate::mesh) fn is_beyond(&self, pair: Pair<'_>) -> bool {
        self.place == Place::Removed && (!pair.is_adoption() || self.was_removed(pair))
    }

    fn trusts(&self, pair: Pair<'_>, evidence: Evidence<'_>) -> Result<Shown, Lack> {
        let Pair { old, new } = pair;
        let proof = evidence.bundle(self.cluster, Wanted { present: &new.certificate, absent: &[], others: old });
        // It got its signer, or lost the old root, because it trusted the new one; loading that changes no trust.
        if self.mark.is_some() && matches!(self.place, Place::Signing | Place::Removed) {
            let grade = proof.as_ref().map_or(Grade::Assumed, |shown| shown.grade);
            return Ok(Shown { grade, since: evidence.now, alone: false });
        }
        let shown = proof?;
        // A workload learns of a root when it renews its certificate. Who is shown the new root alone has it from the
        // beginning, or had both before.
        if shown.alone { Ok(shown) } else { aged(shown, self.bound, "its workloads renew", evidence.now) }
    }

    fn signs_under_new(&self, pair: Pair<'_>, evidence: Evidence<'_>) -> Result<Shown, Lack> {
        match (self.place, self.there) {
            (Place::Signing | Place::Removed, Some(there)) => evidence.signer(self.cluster, there),
            (Place::Nowhere, None) => Err(match self.observed.map(|it| &it.secret) {
                Some(Err(problem)) => Lack::new(problem.what()),
                Some(Ok(_)) => Lack::new("it has no cacerts"),
                None => Lack::new("it was not looked at"),
            }),
            (Place::Nowhere, Some(_)) => Err(Lack::new("its cacerts is broken, or under neither root")),
            _ => Err(Lack::new(format!("it signs under {}", pair.old_name()))),
        }
    }

    fn drained(&self, pair: Pair<'_>, now: OffsetDateTime) -> Result<Shown, Lack> {
        let signs = self.signs.clone()?;
        // It was drained when its old root was removed; that removal makes istiod load once more.
        if self.was_removed(pair) {
            return Ok(signs);
        }
        aged(signs, self.bound, "what was signed before ends", now)
    }

    /// As [`Party::drained`], when the walk goes back: what was signed under the new root.
    pub(in crate::mesh) fn drained_of_new(&self, pair: Pair<'_>, evidence: Evidence<'_>) -> Result<Shown, Lack> {
        match (self.place, self.there) {
            (Place::Old, Some(there)) => evidence.signer(self.cluster, there),
            (Place::Trusting, Some(there)) => {
                let signs = evidence.signer(self.cluster, there)?;
                aged(signs, self.bound, "what was signed before ends", evidence.now)
            }
            _ => Err(Lack::new(format!("it does not sign under {}", pair.old_name()))),
        }
    }
}

/// Whether something has been so for as long as a workload certificate may live.
fn aged(shown: Shown, bound: Duration, what: &str, now: OffsetDateTime) -> Result<Shown, Lack> {
    let by = shown.since.saturating_add(bound);
    if by <= now {
        return Ok(shown);
    }
    Err(Lack {
        why: format!("{} since {}; {what} by {}", shown.grade.as_str(), utc(shown.since), utc(by)),
        by: Some(by),
    })
}

fn place(there: &SecretSight, pair: Pair<'_>) -> Place {
    let roots = there.roots();
    let knows_new = roots.contains(&pair.new.certificate);
    let knows_old = pair.old.iter().any(|held| roots.contains(&held.certificate));
    let both: Vec<&Held> = pair.old.iter().chain([pair.new]).collect();
    let signs_under_new = signed_under(&both, there).map(|held| held.certificate == pair.new.certificate);
    match (knows_old, knows_new, signs_under_new) {
        (true, false, Some(false)) => Place::Old,
        (true, true, Some(false)) => Place::Trusting,
        (true, true, Some(true)) => Place::Signing,
        (false, true, Some(true)) => Place::Removed,
        _ => Place::Nowhere,
    }
}
