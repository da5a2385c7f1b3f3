//! The walk of a fleet from one root to the next: Trust, Sign, Drain, Remove (`docs/guide/root-change.md`).
//!
//! Nothing is remembered between two runs. Each decision is made from what the clusters hold and show, by rules that
//! look at the whole fleet before one target takes a step that another could be hurt by:
//!
//! - a root is *added* to a trust bundle at any time, since more trust breaks nothing;
//! - a target *signs* under the new root only when the workloads of every party trust it;
//! - an old root is *removed* only when no party has a living certificate from under it, and people, or
//!   `rotation.removeAfter`, have said so;
//! - back, the same holds with the roots exchanged; and where people turned the walk, no target signs under another root
//!   or loses one before every set bears the turn.

use std::cell::OnceCell;

use time::OffsetDateTime;

use crate::mesh::adoption::own_ca_is_useless;
use crate::mesh::convoy::Convoy;
use crate::mesh::evidence::bundled_at;
use crate::mesh::fleet::{Access, Cluster, Membership};
use crate::mesh::footing::is_party;
use crate::mesh::gates::{Approvals, Gates};
use crate::mesh::holdings::Held;
use crate::mesh::note::{self, Written};
use crate::mesh::observed::{Grade, Observed, SecretSight, certificates};
use crate::mesh::pair::Pair;
use crate::mesh::party::{Party, Place};
use crate::mesh::progress::Progress;
use crate::mesh::renewal::{Gain, Holder, Way};
use crate::mesh::stage::Stage;
use crate::mesh::trust_bundle;
use crate::mesh::walk_mark::{Goal, WalkMark};
use crate::pki::certificate::Certificate;
use crate::pki::moment::utc;

/// What one target should do for the walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mesh) enum Move {
    /// Get this trust bundle, and keep its signer.
    Rebundle { bundle: Vec<u8>, stage: Stage, why: String },
    /// Get a signer in this way, and keep its trust bundle.
    Sign { way: Way, stage: Stage, why: String },
    /// Have its istiod restarted.
    Restart { stage: Stage, why: String },
    /// Have it noted on its set since when its istiod signs under the new root.
    Note { why: String },
    /// Wait.
    Wait { why: String },
    /// Nothing: it has done its part.
    Stay,
}

/// A walk.
#[derive(Debug)]
pub(in crate::mesh) struct Walk<'a> {
    convoy: Convoy<'a>,
    gates: Gates,
    /// The first trust bundle that roots were to be left out of, in which stage, and what is left of it. All of a fleet have
    /// the same, as a rule.
    shrunk: OnceCell<Shrunk>,
}

/// A trust bundle that roots were left out of.
#[derive(Debug)]
struct Shrunk {
    stage: Stage,
    from: Vec<u8>,
    left: Option<Vec<u8>>,
}

impl<'a> Walk<'a> {
    /// Reads where a walk stands.
    pub(in crate::mesh) fn of(convoy: Convoy<'a>, approvals: &Approvals) -> Self {
        let gates = Gates::of(&convoy, approvals);
        Self { convoy, gates, shrunk: OnceCell::new() }
    }

    /// What there is to tell about the walk.
    pub(in crate::mesh) fn progress(&self, later: &[&Held]) -> Progress {
        let stage = self.convoy.stage();
        let now = self.convoy.evidence.now;
        let is_excluded =
            |cluster: &&Cluster| matches!(cluster.state, Membership::Excluded { .. }) && !is_party(cluster, now);
        let excluded =
            self.convoy.evidence.mesh.clusters.iter().filter(is_excluded).map(|it| it.name.clone()).collect();
        Progress {
            from: self.convoy.pair.old.to_vec(),
            to: self.convoy.pair.new.clone(),
            stage,
            goal: self.convoy.goal(),
            has_begun: self.convoy.has_begun,
            holdups: self.convoy.holdups(stage),
            awaits_approval: stage == Stage::Remove && !self.gates.is_approved && !self.all_removed(),
            is_usable: self.gates.unusable.is_none(),
            latest_start: self.convoy.latest_start(stage.next()),
            excluded,
            later: later.iter().map(|held| held.generation).collect(),
            obstacle: self.gates.obstacle.clone(),
        }
    }

    /// The latest safe start of each stage, in their order; `None`: the walk goes back.
    pub(in crate::mesh) fn latest_starts(&self) -> Option<[OffsetDateTime; 4]> {
        (self.convoy.goal() == Goal::Forward).then(|| Stage::ALL.map(|stage| self.convoy.latest_start(stage)))
    }

    /// What is to be noted on a target's set that is written for this part in the walk; `Stay`: for a renewal.
    pub(in crate::mesh) fn note(&self, cluster: &Cluster, part: &Move) -> Option<WalkMark> {
        let written = match part {
            Move::Rebundle { stage, .. } => Written::Bundle(*stage),
            Move::Sign { .. } => Written::Signer,
            Move::Note { .. } | Move::Restart { .. } | Move::Wait { .. } | Move::Stay => Written::Renewal,
        };
        note::note(&self.convoy, cluster, written)
    }

    /// What this target should do.
    pub(in crate::mesh) fn step(&self, cluster: &Cluster) -> Move {
        let Some(party) = self.convoy.parties.get(&cluster.name) else { return Move::Stay };
        if self.is_to_be_told(party) {
            return Move::Note { why: "the walk was turned, which is noted here, too".to_owned() };
        }
        let wanted = match self.convoy.goal() {
            Goal::Forward => self.forward(party),
            Goal::Trust | Goal::Start => self.back(party),
        };
        let stage = match &wanted {
            Move::Rebundle { stage, .. } | Move::Sign { stage, .. } | Move::Restart { stage, .. } => *stage,
            Move::Note { .. } | Move::Wait { .. } | Move::Stay => return wanted,
        };
        if let Some(problem) = &self.gates.obstacle {
            return Move::Wait { why: format!("no step of a root change: {}", problem.what()) };
        }
        if let Some(why) = self.gates.untold.clone().filter(|_| self.may_hurt(&wanted)) {
            return Move::Wait { why };
        }
        match self.canary_lags(party, stage) {
            Some(why) => Move::Wait { why },
            None => wanted,
        }
    }

    /// Whether the turn of the walk is still to be noted on its set. A first step forward notes it anyway.
    fn is_to_be_told(&self, party: &Party<'_>) -> bool {
        let has_part = self.convoy.has_begun || party.mark.is_some();
        let is_there = match party.place {
            Place::Old => self.convoy.goal() != Goal::Forward,
            Place::Trusting | Place::Signing => true,
            Place::Nowhere | Place::Removed => false,
        };
        has_part && is_there && party.cluster.role.has_cacerts() && !party.bears(self.convoy.turn)
    }

    /// Whether a step could part its workloads from others. More trust never does.
    fn may_hurt(&self, wanted: &Move) -> bool {
        match wanted {
            Move::Sign { .. } => true,
            Move::Rebundle { stage, .. } => *stage == Stage::Remove || self.convoy.goal() != Goal::Forward,
            Move::Restart { .. } | Move::Note { .. } | Move::Wait { .. } | Move::Stay => false,
        }
    }

    fn forward(&self, party: &Party<'a>) -> Move {
        match (party.place, party.there) {
            (Place::Old, Some(there)) => {
                if let Some(why) = self.gates.not_begun.clone() {
                    return Move::Wait { why };
                }
                let bundle = trust_bundle::appended(there.bundle(), &self.convoy.pair.new.certificate);
                let why = format!(
                    "root-cert.pem gets {} behind {}; its signer stays",
                    self.convoy.new_name(),
                    self.convoy.old_name()
                );
                Move::Rebundle { bundle, stage: Stage::Trust, why }
            }
            (Place::Trusting, Some(_)) => self
                .restart(party, Stage::Trust)
                .or_else(|| self.sight_of_bundle(party))
                .unwrap_or_else(|| self.sign(party)),
            (Place::Signing, Some(there)) => self.sight_of_signer(party).unwrap_or_else(|| self.remove(party, there)),
            // It got this set anew in the middle of the removal, and not by it.
            (Place::Removed, Some(_)) if !party.was_removed(self.convoy.pair) => {
                self.restart(party, Stage::Remove).or_else(|| self.sight_of_signer(party)).unwrap_or(Move::Stay)
            }
            (Place::Removed, _) => self.restart(party, Stage::Remove).unwrap_or(Move::Stay),
            (Place::Nowhere, _) | (_, None) => Move::Stay,
        }
    }

    fn sign(&self, party: &Party<'a>) -> Move {
        if let Some(why) = self.gates.waits_for(Stage::Trust).or_else(|| self.gates.unusable.clone()) {
            return Move::Wait { why };
        }
        let holder = Holder::of(party.there);
        let way = self.convoy.renewals.under(&self.convoy.pair.new.certificate, party.cluster, &holder, Gain::Lasting);
        let why = format!(
            "every cluster trusts {}: it gets a signer under it; its trust bundle stays",
            self.convoy.new_name()
        );
        Move::Sign { way, stage: Stage::Sign, why }
    }

    fn remove(&self, party: &Party<'a>, there: &SecretSight) -> Move {
        let held = [Stage::Trust, Stage::Sign, Stage::Drain].into_iter().find_map(|stage| self.gates.waits_for(stage));
        if let Some(why) = held {
            return Move::Wait { why };
        }
        if !self.gates.is_approved {
            let why = format!(
                "{} may go once that is approved: {}",
                self.convoy.old_name(),
                Progress::approval(self.convoy.pair.old)
            );
            return Move::Wait { why };
        }
        let gone: Vec<&Certificate> = self.convoy.pair.old.iter().map(|held| &held.certificate).collect();
        match self.shrunk(party, there, &gone, Stage::Remove) {
            Move::Rebundle { bundle, stage, why } if party.mark.is_some_and(|mark| mark.own_ca) => {
                Move::Rebundle { bundle, stage, why: format!("{why}; {}", own_ca_is_useless(party.cluster)) }
            }
            step => step,
        }
    }

    fn shrunk(&self, party: &Party<'_>, there: &SecretSight, gone: &[&Certificate], stage: Stage) -> Move {
        let roots = there.roots();
        let named = |root: &&&Certificate| roots.contains(root);
        let names = gone.iter().filter(named).map(|root| root.subject().common_name().unwrap_or("a root"));
        let name = names.collect::<Vec<_>>().join(" and ");
        match self.left_of(there.bundle(), gone, stage) {
            Some(bundle) => {
                let why = format!("root-cert.pem loses {name}, which nothing is signed under any more");
                Move::Rebundle { bundle, stage, why }
            }
            None => Move::Wait {
                why: format!(
                    "{name} stands between other roots in its root-cert.pem, and istiod would refuse what is left: put it \
                     first by hand, with istiod restarted, in {}",
                    party.cluster.name
                ),
            },
        }
    }

    /// What is left of a trust bundle; which roots go depends on the stage alone.
    fn left_of(&self, bundle: &[u8], gone: &[&Certificate], stage: Stage) -> Option<Vec<u8>> {
        let compute = || Shrunk { stage, from: bundle.to_vec(), left: trust_bundle::without(bundle, gone) };
        let first = self.shrunk.get_or_init(compute);
        if first.stage == stage && first.from == bundle { first.left.clone() } else { compute().left }
    }

    /// The same backwards: signers under the old root again, and, if so wished, the new one out of the trust bundles.
    fn back(&self, party: &Party<'a>) -> Move {
        match (party.place, party.there) {
            (Place::Signing, Some(there)) => {
                if let Some(why) = self.gates.old_gone.clone() {
                    return Move::Wait { why };
                }
                let Some(old) = self.convoy.pair.old_in(there) else { return Move::Stay };
                let holder = Holder::of(party.there);
                let way = self.convoy.renewals.under(&old.certificate, party.cluster, &holder, Gain::Lasting);
                let why = format!("the walk was turned back: it gets a signer under {} again", self.convoy.old_name());
                Move::Sign { way, stage: Stage::Sign, why }
            }
            (Place::Trusting, Some(there)) if self.convoy.goal() == Goal::Start => match self.gates.still_new.clone() {
                Some(why) => self
                    .restart(party, Stage::Trust)
                    .or_else(|| self.sight_of_signer(party))
                    .unwrap_or(Move::Wait { why }),
                None => self.shrunk(party, there, &[&self.convoy.pair.new.certificate], Stage::Trust),
            },
            // Until its istiod has taken its trust bundle, it takes no renewed signer either.
            (Place::Old | Place::Trusting, _) => self.restart(party, Stage::Trust).unwrap_or(Move::Stay),
            _ => Move::Stay,
        }
    }

    /// Why a target waits for the canary; `None`: it need not.
    fn canary_lags(&self, party: &Party<'_>, stage: Stage) -> Option<String> {
        let canary = self.convoy.parties.get(self.convoy.evidence.mesh.rotation.canary.as_ref()?)?;
        if canary.cluster.name == party.cluster.name || !canary.cluster.role.has_cacerts() {
            return None;
        }
        let lack = match (self.convoy.goal(), stage) {
            (Goal::Forward, Stage::Trust) if canary.place == Place::Old => Some("it has not got its part yet"),
            (Goal::Forward, Stage::Sign) if canary.signs.is_err() => {
                canary.signs.as_ref().err().map(|it| it.why.as_str())
            }
            (Goal::Forward, Stage::Remove) if canary.removed.is_err() => {
                canary.removed.as_ref().err().map(|it| it.why.as_str())
            }
            _ => None,
        };
        lack.map(|why| format!("the canary {} comes first: {why}", canary.cluster.name))
    }

    /// A restart of istiod, where a changed trust bundle needs one, meshca may do it, and it was not done since.
    fn restart(&self, party: &Party<'_>, stage: Stage) -> Option<Move> {
        let cluster = party.cluster;
        let is_shown = match stage {
            Stage::Remove => party.removed.is_ok(),
            // That its workloads have not renewed yet is no reason to restart anything.
            _ => party.trusts.as_ref().err().is_none_or(|lack| lack.by.is_some()),
        };
        let behind_api = matches!(cluster.access, Access::Kubeconfig { .. } | Access::InCluster);
        if is_shown || !behind_api || !cluster.istiod.restart || !self.convoy.evidence.needs_restart(cluster) {
            return None;
        }
        let deployment = party.observed?.deployment.as_ref()?.as_ref().ok()?;
        let changed = party.observed.and_then(bundled_at)?;
        if deployment.names.is_empty() || deployment.restarted_at.is_some_and(|at| at >= changed) {
            return None;
        }
        let why = format!("its trust bundle changed {}, and its istiod takes it only at a restart", utc(changed));
        Some(Move::Restart { stage, why })
    }

    /// That what was seen is noted: since when its workloads are shown both roots. A replica that starts anew, as they do
    /// every so often in a large fleet, shows later that it loaded them then.
    fn sight_of_bundle(&self, party: &Party<'_>) -> Option<Move> {
        let is_noted = party.mark.is_some_and(|mark| mark.shown_since.is_some());
        let shown = note::shown(&self.convoy, party).filter(|shown| shown.grade == Grade::Seen && !is_noted)?;
        let why =
            format!("its workloads are shown {} since {}, which is noted", self.convoy.new_name(), utc(shown.since));
        Some(Move::Note { why })
    }

    /// As [`Walk::sight_of_bundle`]: since when its istiod signs under the root of its signer.
    fn sight_of_signer(&self, party: &Party<'_>) -> Option<Move> {
        let is_noted = party.mark.is_some_and(|mark| mark.signs_since.is_some());
        let signs = note::signs(&self.convoy, party).filter(|shown| shown.grade == Grade::Seen && !is_noted)?;
        let why = format!("its istiod is seen to sign with its signer since {}, which is noted", utc(signs.since));
        Some(Move::Note { why })
    }

    /// What a target that has no usable set of its own gets: the root that signs for it, and its trust bundle. An error:
    /// why that cannot be told.
    ///
    /// Whoever is seen says of those who are not how far they can be: none lost the old root before all had signers under
    /// the new one, and none got such a signer before all trusted both.
    pub(in crate::mesh) fn footing_of(&self, cluster: &Cluster) -> Result<(&'a Held, Vec<u8>), String> {
        let Pair { old, new } = self.convoy.pair;
        let own = self.convoy.parties.get(&cluster.name);
        let kept =
            own.and_then(|party| party.there?.kept_bundle()).or_else(|| own.and_then(|party| self.handed_out(party)));
        if self.convoy.pair.is_adoption() {
            return self.footing_in_adoption(kept);
        }
        let [old, ..] = old else { return Err("there is no root to leave".to_owned()) };
        let others = || {
            self.convoy.parties.values().filter(|it| it.cluster.name != cluster.name && it.cluster.role.has_cacerts())
        };
        let anyone = |places: &[Place]| others().any(|party| places.contains(&party.place));
        let is_past_removal = others().any(|party| party.place == Place::Removed || self.shows_new_alone(party));
        let unseen = others().find(|party| party.observed.is_none_or(|it| it.secret.is_err()));
        let bundle = kept.unwrap_or_else(|| {
            if is_past_removal {
                new.certificate.pem().into_bytes()
            } else if anyone(&[Place::Trusting, Place::Signing]) || (unseen.is_some() && !anyone(&[Place::Old])) {
                trust_bundle::appended(old.certificate.pem().as_bytes(), &new.certificate)
            } else {
                old.certificate.pem().into_bytes()
            }
        });
        let roots = certificates(&bundle);
        let has = |held: &Held| roots.contains(&held.certificate);
        let root = match (has(old), has(new)) {
            (false, true) => new,
            (true, true) if is_past_removal => new,
            // Also where the walk was turned back: what is seen may be a step old, and that step the removal of the old root. The
            // new one goes nowhere while anybody is seen to sign under it, nor for as long as its workloads live.
            (true, true) if anyone(&[Place::Signing]) => new,
            (true, true) if !anyone(&[Place::Old, Place::Trusting, Place::Signing]) => match unseen {
                Some(party) => {
                    let name = &party.cluster.name;
                    return Err(format!("under which root it may sign is not known before {name} is seen"));
                }
                None => old,
            },
            _ => old,
        };
        Ok((root, bundle))
    }

    /// As [`Walk::footing_of`], while clusters are adopted: the signer that one came with is in its cluster or nowhere.
    fn footing_in_adoption(&self, kept: Option<Vec<u8>>) -> Result<(&'a Held, Vec<u8>), String> {
        let Pair { old, new } = self.convoy.pair;
        let bundle = kept.ok_or(
            "what its workloads trust cannot be seen, and clusters are being adopted: put its cacerts back from a backup, or, \
             if nothing runs there yet, give it one: meshca issue, meshca publish",
        )?;
        let roots = certificates(&bundle);
        let came_with = old.iter().find(|held| roots.contains(&held.certificate));
        let may_sign = self.gates.waits_for(Stage::Trust).is_none() || came_with.is_none();
        if roots.contains(&new.certificate) && may_sign {
            return Ok((new, bundle));
        }
        let name = came_with.map_or_else(|| "a root that is not known".to_owned(), Held::name);
        Err(format!("it was adopted with a signer under {name}, and that is gone: put its cacerts back from a backup"))
    }

    /// Whether a target's istiod hands out the new root and not the old one, whatever is published.
    fn shows_new_alone(&self, party: &Party<'_>) -> bool {
        let shown = party.observed.and_then(Observed::shown_roots);
        let has = |held: &Held| shown.is_some_and(|roots| roots.contains(&held.certificate));
        has(self.convoy.pair.new) && !self.convoy.pair.old.iter().any(has)
    }

    /// The trust bundle that a target's istiod still hands out, byte for byte, where it has no other roots than those of
    /// the walk: with these bytes it takes a new signer, whether multi-root is on or off.
    fn handed_out(&self, party: &Party<'_>) -> Option<Vec<u8>> {
        let shown = party.observed?.system_roots.as_ref().ok()?.as_ref()?;
        let roots = shown.certificates();
        let Pair { old, new } = self.convoy.pair;
        let is_of_the_walk =
            |root: &Certificate| *root == new.certificate || old.iter().any(|held| held.certificate == *root);
        let is_ours = !roots.is_empty() && roots.iter().all(is_of_the_walk);
        (is_ours && shown.is_clean()).then(|| shown.to_vec())
    }

    fn all_removed(&self) -> bool {
        self.convoy.signing().all(|party| party.place == Place::Removed)
    }
}
