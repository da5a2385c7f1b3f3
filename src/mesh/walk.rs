//! The walk of a fleet from one root to the next: Trust, Sign, Drain, Remove (`docs/guide/root-change.md`).
//!
//! Nothing is remembered between two runs. Each decision is made from what the clusters hold and show, by rules that
//! look at the whole fleet before one target takes a step that another could be hurt by:
//!
//! - a root is *added* to a trust bundle at any time, since more trust breaks nothing;
//! - a target *signs* under the new root only when the workloads of every party trust it;
//! - an old root is *removed* only when no party has a living certificate from under it, and people, or
//!   `rotation.removeAfter`, have said so;
//! - back, the same holds with the roots exchanged.

use std::collections::{BTreeMap, BTreeSet};

use time::{Duration, OffsetDateTime};

use crate::mesh::deadline::{GRACE, latest_start};
use crate::mesh::evidence::{Evidence, Lack, Wanted, bundled_at};
use crate::mesh::fleet::{Access, Cluster, ClusterName, Membership};
use crate::mesh::footing::is_party;
use crate::mesh::holdings::Held;
use crate::mesh::observed::{Grade, Observed, Way as Look, certificates};
use crate::mesh::party::{Pair, Party, Place};
use crate::mesh::progress::{Holdup, Progress};
use crate::mesh::renewal::{Gain, Holder, Renewals, Way};
use crate::mesh::stage::Stage;
use crate::mesh::trust_bundle;
use crate::mesh::walk_mark::{Goal, Turn, WalkMark};
use crate::pki::certificate::Certificate;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::moment::utc;
use crate::pki::pem_lines;
use crate::problem::{Code, Problem};

/// What people have allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Approvals {
    /// That this root may be removed from the trust bundles.
    pub removal: Option<Fingerprint>,
}

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
    evidence: Evidence<'a>,
    renewals: Renewals<'a>,
    pair: Pair<'a>,
    parties: BTreeMap<&'a ClusterName, Party<'a>>,
    turn: Option<Turn>,
    approvals: Approvals,
    gates: Gates,
}

/// What the whole fleet says to the steps of each target; looked at once, however many targets ask.
#[derive(Debug, Default)]
struct Gates {
    /// Why each stage is not left yet; in the order of the stages.
    held: [Option<String>; 4],
    /// Why the new root cannot give every target a signer yet.
    unusable: Option<String>,
    /// Why the first target may not begin yet.
    not_begun: Option<String>,
    /// Who still has something that was signed under the new root, when the walk goes back.
    still_new: Option<String>,
    /// Who may have lost the old root already, when the walk goes back.
    old_gone: Option<String>,
    is_approved: bool,
    /// Why no target may go on to another stage, whatever else is shown.
    obstacle: Option<Problem>,
}

impl<'a> Walk<'a> {
    /// Reads where a walk stands.
    pub(in crate::mesh) fn of(
        renewals: Renewals<'a>,
        observed: &'a BTreeMap<ClusterName, Observed>,
        pair: Pair<'a>,
        approvals: Approvals,
    ) -> Self {
        let (mesh, now) = (renewals.mesh, renewals.now);
        let evidence = Evidence { mesh, observed, now };
        let members = mesh.clusters.iter().filter(|cluster| is_party(cluster, now));
        let parties: BTreeMap<_, _> = members
            .map(|cluster| (&cluster.name, Party::of(cluster, observed.get(&cluster.name), pair, evidence)))
            .collect();
        let turn = parties.values().filter_map(|party| party.mark?.turn).max();
        let mut walk = Self { evidence, renewals, pair, parties, turn, approvals, gates: Gates::default() };
        walk.gates = walk.gates();
        walk
    }

    fn gates(&self) -> Gates {
        Gates {
            held: Stage::ALL.map(|stage| self.held(stage)),
            unusable: self.unusable(),
            not_begun: self.not_begun(),
            still_new: if self.goal() == Goal::Start { self.still_new() } else { None },
            old_gone: if self.goal() == Goal::Forward { None } else { self.old_gone() },
            is_approved: self.is_approved(),
            obstacle: self.forgotten().or_else(|| self.clocks_differ()),
        }
    }

    /// Why a stage is not left yet; `None`: it is.
    fn waits_for(&self, stage: Stage) -> Option<String> {
        self.gates.held.get(usize::from(stage.number() - 1)).cloned().flatten()
    }

    /// Where the walk goes. Once an old root was removed somewhere there is no way back.
    pub(in crate::mesh) fn goal(&self) -> Goal {
        match self.turn {
            Some(turn) if !self.removal_has_begun() => turn.goal,
            _ => Goal::Forward,
        }
    }

    /// The stage that the fleet is in.
    pub(in crate::mesh) fn stage(&self) -> Stage {
        let is_left = |stage: &Stage| self.holdups(*stage).is_empty();
        Stage::ALL.into_iter().find(|stage| !is_left(stage)).unwrap_or(Stage::Remove)
    }

    /// Who keeps the fleet in a stage.
    fn holdups(&self, stage: Stage) -> Vec<Holdup> {
        let (mesh, now) = (self.evidence.mesh, self.evidence.now);
        let slack = mesh.rotation.tick + GRACE;
        let holdup = |party: &Party<'_>, lack: &Lack| {
            let written = party.observed.and_then(|it| it.written_at);
            // What comes by itself is late one tick after it should be there; what was written, one tick after that;
            // and nobody may be waited for beyond the last safe start of the next stage.
            let expected = lack.by.or(written).map(|at| at + slack);
            let latest = self.latest_start(stage.next());
            Holdup {
                cluster: party.cluster.name.clone(),
                why: lack.why.clone(),
                by: lack.by,
                alarm: expected.map_or(latest, |at| at.min(latest)),
                is_late: expected.map_or(latest, |at| at.min(latest)) <= now,
            }
        };
        self.parties.values().filter_map(|party| party.lack(stage).map(|lack| holdup(party, lack))).collect()
    }

    /// What there is to tell about the walk.
    pub(in crate::mesh) fn progress(&self, later: &[&Held]) -> Progress {
        let stage = self.stage();
        let now = self.evidence.now;
        let is_excluded =
            |cluster: &&Cluster| matches!(cluster.state, Membership::Excluded { .. }) && !is_party(cluster, now);
        let excluded = self.evidence.mesh.clusters.iter().filter(is_excluded).map(|it| it.name.clone()).collect();
        Progress {
            from: self.pair.old.clone(),
            to: self.pair.new.clone(),
            stage,
            goal: self.goal(),
            has_begun: self.has_begun(),
            holdups: self.holdups(stage),
            awaits_approval: stage == Stage::Remove && !self.gates.is_approved && !self.all_removed(),
            is_usable: self.gates.unusable.is_none(),
            latest_start: self.latest_start(stage.next()),
            excluded,
            later: later.iter().map(|held| held.generation).collect(),
            obstacle: self.gates.obstacle.clone(),
        }
    }

    /// The latest moment to begin a stage so that all is done before the old root ends.
    fn latest_start(&self, stage: Stage) -> OffsetDateTime {
        let bound = self.parties.values().map(|party| party.bound).max().unwrap_or(Duration::ZERO);
        latest_start(self.evidence.mesh, stage, bound, self.pair.old.certificate.not_after())
    }

    /// What this target should do.
    pub(in crate::mesh) fn step(&self, cluster: &Cluster) -> Move {
        let Some(party) = self.parties.get(&cluster.name) else { return Move::Stay };
        let wanted = match self.goal() {
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
        match self.canary_lags(party, stage) {
            Some(why) => Move::Wait { why },
            None => wanted,
        }
    }

    fn forward(&self, party: &Party<'a>) -> Move {
        match (party.place, party.there) {
            (Place::Old, Some(there)) => {
                if let Some(why) = self.gates.not_begun.clone() {
                    return Move::Wait { why };
                }
                let bundle = trust_bundle::appended(there.bundle(), &self.pair.new.certificate);
                let why =
                    format!("root-cert.pem gets {} behind {}; its signer stays", self.new_name(), self.old_name());
                Move::Rebundle { bundle, stage: Stage::Trust, why }
            }
            (Place::Trusting, _) => self.restart(party, Stage::Trust).unwrap_or_else(|| self.sign(party)),
            (Place::Signing, Some(_)) if self.needs_note(party) => {
                Move::Note { why: format!("its istiod is seen to sign under {}; since when is noted", self.new_name()) }
            }
            (Place::Signing, Some(there)) => self.remove(party, there.bundle()),
            // It got this set anew in the middle of the removal, and not by it.
            (Place::Removed, Some(_)) if !party.was_removed(self.pair) && self.needs_note(party) => {
                Move::Note { why: format!("its istiod is seen to sign under {}; since when is noted", self.new_name()) }
            }
            (Place::Removed, _) => self.restart(party, Stage::Remove).unwrap_or(Move::Stay),
            (Place::Nowhere, _) | (_, None) => Move::Stay,
        }
    }

    fn sign(&self, party: &Party<'a>) -> Move {
        if let Some(why) = self.waits_for(Stage::Trust).or_else(|| self.gates.unusable.clone()) {
            return Move::Wait { why };
        }
        let holder = Holder::of(party.there);
        let way = self.renewals.under(&self.pair.new.certificate, party.cluster, &holder, Gain::UnderAnotherRoot);
        let why =
            format!("every cluster trusts {}: it gets a signer under it; its trust bundle stays", self.new_name());
        Move::Sign { way, stage: Stage::Sign, why }
    }

    fn remove(&self, party: &Party<'a>, bundle: &[u8]) -> Move {
        let held = [Stage::Trust, Stage::Sign, Stage::Drain].into_iter().find_map(|stage| self.waits_for(stage));
        if let Some(why) = held {
            return Move::Wait { why };
        }
        if !self.gates.is_approved {
            let old = self.pair.old.certificate.fingerprint();
            let why =
                format!("{} may go once that is approved: meshca rotate --approve-removal {old}", self.old_name());
            return Move::Wait { why };
        }
        self.shrunk(party, bundle, &self.pair.old.certificate, Stage::Remove)
    }

    fn shrunk(&self, party: &Party<'_>, bundle: &[u8], gone: &Certificate, stage: Stage) -> Move {
        let name = gone.subject().common_name().unwrap_or("a root").to_owned();
        match trust_bundle::without(bundle, gone) {
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

    /// The same backwards: signers under the old root again, and, if so wished, the new one out of the trust bundles.
    fn back(&self, party: &Party<'a>) -> Move {
        let old = &self.pair.old.certificate;
        match (party.place, party.there) {
            (Place::Signing, Some(_)) => {
                if let Some(why) = self.gates.old_gone.clone() {
                    return Move::Wait { why };
                }
                let holder = Holder::of(party.there);
                let way = self.renewals.under(old, party.cluster, &holder, Gain::UnderAnotherRoot);
                let why = format!("the walk was turned back: it gets a signer under {} again", self.old_name());
                Move::Sign { way, stage: Stage::Sign, why }
            }
            (Place::Trusting, Some(_)) if self.goal() == Goal::Start && self.needs_note(party) => {
                Move::Note { why: format!("its istiod is seen to sign under {}; since when is noted", self.old_name()) }
            }
            (Place::Trusting, Some(there)) if self.goal() == Goal::Start => match self.gates.still_new.clone() {
                Some(why) => self.restart(party, Stage::Trust).unwrap_or(Move::Wait { why }),
                None => self.shrunk(party, there.bundle(), &self.pair.new.certificate, Stage::Trust),
            },
            // Until its istiod has taken its trust bundle, it takes no renewed signer either.
            (Place::Old | Place::Trusting, _) => self.restart(party, Stage::Trust).unwrap_or(Move::Stay),
            _ => Move::Stay,
        }
    }

    /// Who still has, or may have, something that was signed under the new root; `None`: nobody.
    fn still_new(&self) -> Option<String> {
        let lacking = self.parties.values().filter(|party| party.cluster.role.has_cacerts()).filter_map(|party| {
            party.drained_of_new(self.pair, self.evidence).err().map(|lack| (&party.cluster.name, lack.why))
        });
        names(lacking.collect(), "what was signed under the new root lives on")
    }

    /// Who is not seen to trust the old root still; `None`: everybody does. Whoever lost it is beyond the way back, and may
    /// be out of sight.
    fn old_gone(&self) -> Option<String> {
        let old = &self.pair.old.certificate;
        let trusts_old = |party: &Party<'_>| match party.observed.map(|it| &it.system_roots) {
            Some(Ok(shown)) => shown.as_ref().is_none_or(|bytes| certificates(bytes).contains(old)),
            Some(Err(_)) | None => false,
        };
        let is_behind = |party: &Party<'_>| {
            !party.cluster.role.has_cacerts() || matches!(party.place, Place::Old | Place::Trusting | Place::Signing)
        };
        let lacking = self.parties.values().filter(|party| !trusts_old(party) || !is_behind(party));
        let lacking = lacking.map(|party| (&party.cluster.name, String::new()));
        names(lacking.collect(), &format!("not every cluster is seen to trust {} still", self.old_name()))
    }

    /// Why the first target may not begin the walk yet; `None`: it may.
    fn not_begun(&self) -> Option<String> {
        let roots = &self.renewals.holdings.roots;
        let older: Vec<&Held> = roots.iter().filter(|held| held.generation < self.pair.old.generation).collect();
        if older.is_empty() || self.has_begun() {
            return None;
        }
        // An older one that was never used is seen nowhere; one that cannot be looked for may still be somewhere. And an
        // istiod that was not seen to have let go of it might refuse the next trust bundle: neither holds the other.
        let lack = |party: &Party<'a>| {
            if party.observed.is_none_or(|it| it.secret.is_err() || it.system_roots.is_err()) {
                return Some("it cannot be seen".to_owned());
            }
            older.iter().find_map(|older| {
                let (present, older) = (&self.pair.old.certificate, &older.certificate);
                let wanted = Wanted { present, absent: Some(older), other: older };
                self.evidence.bundle(party.cluster, wanted).err().map(|lack| lack.why)
            })
        };
        let lacking = self.parties.values().filter_map(|party| Some((&party.cluster.name, lack(party)?)));
        names(lacking.collect(), "whether the last root change has ended everywhere is not known")
    }

    /// Why a stage is not left yet, in words; `None`: it is.
    fn held(&self, stage: Stage) -> Option<String> {
        let lacking =
            self.parties.values().filter_map(|party| Some((&party.cluster.name, party.lack(stage)?.why.clone())));
        let what = match stage {
            Stage::Trust => format!("not every cluster is known to trust {}", self.new_name()),
            Stage::Sign => format!("not every istiod is known to sign under {}", self.new_name()),
            Stage::Drain => format!("what was signed under {} lives on", self.old_name()),
            Stage::Remove => format!("{} is still shown", self.old_name()),
        };
        names(lacking.collect(), &what)
    }

    /// Why the new root cannot give every target a signer yet; `None`: it can.
    fn unusable(&self) -> Option<String> {
        let lacking = self.parties.values().filter(|party| matches!(party.place, Place::Old | Place::Trusting));
        let lacking = lacking.filter(|party| {
            let holder = Holder::of(party.there);
            let way = self.renewals.under(&self.pair.new.certificate, party.cluster, &holder, Gain::UnderAnotherRoot);
            matches!(way, Way::Ceremony(_))
        });
        let what = match self.evidence.mesh.issuing {
            Some(_) => format!("there is no issuing CA under {} yet: meshca issuing create", self.new_name()),
            None => format!("nothing lies in stock under {} yet: meshca issue", self.new_name()),
        };
        names(lacking.map(|party| (&party.cluster.name, String::new())).collect(), &what)
    }

    /// Why a target waits for the canary; `None`: it need not.
    fn canary_lags(&self, party: &Party<'_>, stage: Stage) -> Option<String> {
        let canary = self.parties.get(self.evidence.mesh.rotation.canary.as_ref()?)?;
        if canary.cluster.name == party.cluster.name || !canary.cluster.role.has_cacerts() {
            return None;
        }
        let lack = match (self.goal(), stage) {
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
        if is_shown || !behind_api || !cluster.istiod.restart || !self.evidence.needs_restart(cluster) {
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

    /// Whether it is to be noted since when an istiod signs: where only its gauges are seen, nothing else says it later.
    fn needs_note(&self, party: &Party<'_>) -> bool {
        let by_gauges = party.observed.is_some_and(|it| !it.replicas.iter().any(|replica| replica.way == Look::Chain));
        let signs = party.there.and_then(|there| self.evidence.signer(party.cluster, there).ok());
        let is_seen = signs.is_some_and(|shown| shown.grade == Grade::Seen);
        by_gauges && is_seen && party.mark.is_none_or(|mark| mark.signs_since.is_none())
    }

    /// What is to be noted on a target's set that is written now; `None`: it has no part in the walk yet.
    pub(in crate::mesh) fn mark(&self, cluster: &Cluster, what: &Move) -> Option<WalkMark> {
        let now = self.evidence.now;
        let party = self.parties.get(&cluster.name);
        let before = party.and_then(|party| party.mark).cloned();
        let is_renewal = matches!(what, Move::Restart { .. } | Move::Wait { .. } | Move::Stay);
        if is_renewal && before.is_none() && party.is_none_or(|party| party.place == Place::Old) && !self.has_begun() {
            return None;
        }
        let mut mark = before.unwrap_or_else(|| WalkMark::to(self.pair.new.certificate.fingerprint()));
        mark.turn = self.turn;
        let written_at = party.and_then(|party| party.observed?.written_at);
        mark.bundled_at = mark.bundled_at.or(written_at);
        if mark.roster.is_empty() {
            mark.roster = self.evidence.mesh.clusters.iter().map(|it| it.name.to_string()).collect();
        }
        match what {
            Move::Rebundle { stage, .. } => {
                // The write itself says when, better than this moment: an istiod may start in between.
                mark.bundled_at = if written_at.is_some() { None } else { Some(now) };
                mark.shown_since = None;
                if *stage == Stage::Remove {
                    mark.removed = Some(self.pair.old.certificate.fingerprint());
                }
            }
            Move::Sign { .. } => {
                mark.signs_since = None;
                mark.shown_since = party.and_then(|party| shown_since(party, self));
            }
            Move::Note { .. } => mark.signs_since = Some(now),
            _ if party.is_none_or(|party| party.place == Place::Nowhere) => {
                // What was known of a set that was of no use is not known of the one that takes its place.
                (mark.bundled_at, mark.shown_since, mark.signs_since) = (None, None, None);
            }
            Move::Restart { .. } | Move::Wait { .. } | Move::Stay => {
                // A renewal: what is known stays known, though istiod loads anew.
                if let Some(party) = party {
                    mark.shown_since = shown_since(party, self);
                    mark.signs_since = mark.signs_since.or_else(|| signs_since(party, self));
                }
            }
        }
        Some(mark)
    }

    /// What a target that has no usable set of its own gets: the root that signs for it, and its trust bundle. An error:
    /// why that cannot be told.
    ///
    /// Whoever is seen says of those who are not how far they can be: none lost the old root before all had signers under
    /// the new one, and none got such a signer before all trusted both.
    pub(in crate::mesh) fn footing_of(&self, cluster: &Cluster) -> Result<(&'a Held, Vec<u8>), String> {
        let Pair { old, new } = self.pair;
        let own = self.parties.get(&cluster.name);
        let others =
            || self.parties.values().filter(|it| it.cluster.name != cluster.name && it.cluster.role.has_cacerts());
        let anyone = |places: &[Place]| others().any(|party| places.contains(&party.place));
        let is_past_removal = others().any(|party| party.place == Place::Removed || self.shows_new_alone(party));
        let unseen = others().find(|party| party.observed.is_none_or(|it| it.secret.is_err()));
        let kept =
            own.and_then(|party| party.there?.kept_bundle()).or_else(|| own.and_then(|party| self.handed_out(party)));
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
        let is_forward = self.goal() == Goal::Forward;
        let root = match (has(old), has(new)) {
            (false, true) => new,
            (true, true) if is_past_removal => new,
            (true, true) if anyone(&[Place::Signing]) && (is_forward || unseen.is_some()) => new,
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

    /// Whether a target's istiod hands out the new root and not the old one, whatever is published.
    fn shows_new_alone(&self, party: &Party<'_>) -> bool {
        let shown = party.observed.and_then(|it| it.system_roots.as_ref().ok()?.as_deref()).map(certificates);
        let has = |held: &Held| shown.as_ref().is_some_and(|roots| roots.contains(&held.certificate));
        has(self.pair.new) && !has(self.pair.old)
    }

    /// The trust bundle that a target's istiod still hands out, byte for byte, where it has no other roots than those of
    /// the walk: with these bytes it takes a new signer, whether multi-root is on or off.
    fn handed_out(&self, party: &Party<'_>) -> Option<Vec<u8>> {
        let bytes = party.observed?.system_roots.as_ref().ok()?.as_ref()?;
        let roots = certificates(bytes);
        let of_the_walk = [&self.pair.old.certificate, &self.pair.new.certificate];
        let is_ours = !roots.is_empty() && roots.iter().all(|root| of_the_walk.contains(&root));
        (is_ours && pem_lines::are_clean(bytes)).then(|| bytes.clone())
    }

    fn has_begun(&self) -> bool {
        self.parties.values().any(|party| matches!(party.place, Place::Trusting | Place::Signing | Place::Removed))
    }

    fn removal_has_begun(&self) -> bool {
        self.parties.values().any(|party| party.place == Place::Removed)
    }

    fn all_removed(&self) -> bool {
        let mut signing = self.parties.values().filter(|party| party.cluster.role.has_cacerts());
        signing.all(|party| party.place == Place::Removed)
    }

    fn is_approved(&self) -> bool {
        let old = self.pair.old.certificate.fingerprint();
        if self.approvals.removal == Some(old) || self.parties.values().any(|party| party.was_removed(self.pair)) {
            return true;
        }
        let Some(after) = self.evidence.mesh.rotation.remove_after else { return false };
        let signing = self.parties.values().filter(|party| party.cluster.role.has_cacerts());
        let ends = signing.map(|party| party.drained.as_ref().ok().map(|shown| shown.since + party.bound));
        let last = ends.collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
        last.is_some_and(|last| last + after <= self.evidence.now)
    }

    /// A cluster that had a part in the walk and is in the mesh file no more: whether anybody still trusts or signs there
    /// can no longer be seen.
    fn forgotten(&self) -> Option<Problem> {
        let mesh = self.evidence.mesh;
        let known: BTreeSet<&str> = mesh.clusters.iter().map(|it| it.name.as_str()).collect();
        let rosters = self.parties.values().filter_map(|party| party.mark).flat_map(|mark| &mark.roster);
        let forgotten: BTreeSet<&str> = rosters.map(String::as_str).filter(|name| !known.contains(name)).collect();
        let first = forgotten.first()?;
        let all: Vec<&str> = forgotten.iter().copied().collect();
        Some(
            Problem::new(
                Code::ClusterForgotten,
                format!("{} had a part in the root change and is not in the mesh file any more", all.join(", ")),
            )
            .fact(format!("walking from {} to {}", self.old_name(), self.new_name()))
            .hint(format!("put {first} back, with `state: leaving` if it is on its way out")),
        )
    }

    fn clocks_differ(&self) -> Option<Problem> {
        let now = self.evidence.now;
        if self.evidence.mesh.lab {
            return None;
        }
        let clocks = self.parties.values().filter_map(|party| Some((party, party.observed?.server_clock?)));
        let (party, clock) = clocks.into_iter().find(|(_, clock)| (*clock - now).abs() > CLOCK_SLACK)?;
        Some(
            Problem::new(
                Code::ClockImplausible,
                format!("the clock of this machine and that of the API server of {} differ", party.cluster.name),
            )
            .fact(format!("here   {}", utc(now)))
            .fact(format!("there  {}", utc(clock)))
            .hint("set the clock that is wrong (timedatectl)"),
        )
    }

    fn old_name(&self) -> String {
        format!("root g{}", self.pair.old.generation)
    }

    fn new_name(&self) -> String {
        format!("root g{}", self.pair.new.generation)
    }
}

/// How far the clocks of this machine and of an API server may be apart before no stage is changed.
const CLOCK_SLACK: Duration = Duration::minutes(5);

fn shown_since(party: &Party<'_>, walk: &Walk<'_>) -> Option<OffsetDateTime> {
    let wanted = Wanted { present: &walk.pair.new.certificate, absent: None, other: &walk.pair.old.certificate };
    walk.evidence.bundle(party.cluster, wanted).ok().map(|shown| shown.since)
}

fn signs_since(party: &Party<'_>, walk: &Walk<'_>) -> Option<OffsetDateTime> {
    match (party.place, party.there) {
        (Place::Signing | Place::Removed, _) => party.signs.as_ref().ok().map(|shown| shown.since),
        (Place::Trusting, Some(there)) => walk.evidence.signer(party.cluster, there).ok().map(|shown| shown.since),
        _ => None,
    }
}

/// Some names and the first reason, in words; `None`: there are none.
fn names(lacking: Vec<(&ClusterName, String)>, what: &str) -> Option<String> {
    let (first, why) = lacking.first()?;
    let more = lacking.len().saturating_sub(1);
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    Some(format!("{what}; waits for {first}{why}{more}"))
}
