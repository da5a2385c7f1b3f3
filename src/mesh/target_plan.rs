//! What is decided about one target: a renewal, its part in a root change, a repair, or nothing.

use time::OffsetDateTime;

use crate::mesh::admission::{Admission, Deed};
use crate::mesh::adoption::{adopted_signer, own_ca_is_useless};
use crate::mesh::change::{may_write, same_root};
use crate::mesh::clocks::Clocks;
use crate::mesh::evidence::{Evidence, mark_on};
use crate::mesh::fleet::{Cluster, ClusterName, Membership, Mesh, Role};
use crate::mesh::footing::signed_under;
use crate::mesh::holdings::Held;
use crate::mesh::leak;
use crate::mesh::lingering::{Lingering, lingering};
use crate::mesh::observed::{Observed, SecretSight};
use crate::mesh::renewal::{Gain, Holder, Renewals, Way};
use crate::mesh::signing_root::pins;
use crate::mesh::stage::Stage;
use crate::mesh::step::{Act, Step};
use crate::mesh::walk::{Move, Walk};
use crate::pki::certificate::Certificate;
use crate::pki::moment::utc;
use crate::problem::{Code, Problem};

/// What the step of each target is decided upon, looked at once for all of them.
pub(in crate::mesh) struct View<'a> {
    pub(in crate::mesh) mesh: &'a Mesh,
    pub(in crate::mesh) trusted: &'a [&'a Held],
    pub(in crate::mesh) anchors: Vec<Certificate>,
    pub(in crate::mesh) current: &'a Held,
    pub(in crate::mesh) renewals: Renewals<'a>,
    pub(in crate::mesh) evidence: Evidence<'a>,
    pub(in crate::mesh) walk: Option<&'a Walk<'a>>,
    /// The latest safe start of each stage; `None`: there is no walk, or it goes back.
    pub(in crate::mesh) latest: Option<[OffsetDateTime; 4]>,
    /// Why the walk waits for no maintenance window.
    pub(in crate::mesh) flees: Option<String>,
    /// Roots that only a leaked one speaks for.
    pub(in crate::mesh) unheard: Vec<&'a Held>,
    pub(in crate::mesh) urgent: Option<&'a ClusterName>,
    pub(in crate::mesh) clocks: Clocks<'a>,
    pub(in crate::mesh) now: OffsetDateTime,
}

/// What was decided about one cluster.
struct Decided {
    act: Act,
    reason: String,
    stage: Option<Stage>,
    bundle: Option<Vec<u8>>,
    /// What the step is to the walk; `Stay`: a renewal, or nothing.
    part: Move,
    /// Whether the target has no usable set: that is put right at any hour.
    is_repair: bool,
    /// Whether a signer is left whose issuing CA is leaked.
    is_flight: bool,
}

impl Decided {
    fn nothing(act: Act, reason: impl Into<String>) -> Self {
        Self {
            act,
            reason: reason.into(),
            stage: None,
            bundle: None,
            part: Move::Stay,
            is_repair: false,
            is_flight: false,
        }
    }
}

impl View<'_> {
    /// The step of one target.
    pub(in crate::mesh) fn step(&self, cluster: &Cluster, observed: Option<&Observed>) -> Step {
        let decided = self.decide(cluster, observed).unwrap_or_else(|problem| {
            let reason = problem.what().to_owned();
            Decided::nothing(Act::Refuse(problem), reason)
        });
        let mut decided = decided;
        let is_urgent = self.urgent == Some(&cluster.name);
        if self.mesh.rotation.paused && decided.act.writes() && !is_urgent {
            let reason = format!("rotation is paused in the mesh file; {}", decided.reason);
            decided = Decided { stage: decided.stage, ..Decided::nothing(Act::Wait, reason) };
        }
        if decided.act.writes() && !decided.is_repair && !is_urgent {
            match self.mesh.admits(self.deed(&decided, observed), self.now) {
                Admission::Free => {}
                Admission::AtOnce(why) => decided.reason = format!("{}; {why}", decided.reason),
                Admission::Wait(why) => {
                    let reason = format!("{why}; {}", decided.reason);
                    decided = Decided { stage: decided.stage, ..Decided::nothing(Act::Wait, reason) };
                }
            }
        }
        if matches!(decided.act, Act::Mint { .. } | Act::Activate { .. })
            && let Some(problem) = observed.and_then(|observed| self.clocks.mislead(observed))
        {
            let reason = problem.what().to_owned();
            decided = Decided { stage: decided.stage, ..Decided::nothing(Act::Refuse(problem), reason) };
        }
        let mark = match self.walk.filter(|_| decided.bundle.is_some()) {
            Some(walk) => walk.note(cluster, &decided.part),
            None => observed.filter(|_| self.walk.is_none()).and_then(|it| leak::kept_note(self.mesh, it)),
        };
        let Decided { act, reason, stage, bundle, .. } = decided;
        Step { cluster: cluster.name.clone(), act, reason, stage, bundle, mark, taints: is_urgent }
    }

    fn decide(&self, cluster: &Cluster, observed: Option<&Observed>) -> Result<Decided, Problem> {
        if let Role::Remote { primary } = &cluster.role {
            return Ok(Decided::nothing(Act::Leave, format!("remote: signed by {primary}")));
        }
        match &cluster.state {
            Membership::Member => {}
            Membership::Leaving => return Ok(Decided::nothing(Act::Leave, "leaving the mesh")),
            Membership::Excluded { reason, until } if self.now < *until => {
                return Ok(Decided::nothing(Act::Leave, format!("excluded until {}: {reason}", utc(*until))));
            }
            // An exclusion that has ended is none: otherwise forgetting a line would let the cluster's signer end.
            Membership::Excluded { .. } => {}
        }
        let observed = observed
            .ok_or_else(|| Problem::new(Code::TargetUnreadable, format!("{} was not looked at", cluster.name)))?;
        let there = may_write(cluster, &self.mesh.name, &self.anchors, observed)?;
        if let Some(there) = there {
            self.hears(cluster, there)?;
            same_root(cluster, &self.anchors, &self.current.certificate, there)?;
        }
        let holder = Holder::of(there);
        if let Some(why) = holder.broken() {
            return Ok(self.repair(cluster, &holder, why));
        }
        let decided = self.part_or_renewal(cluster, &holder);
        let is_idle = matches!((&decided.act, &decided.part), (Act::Leave, Move::Stay));
        match Some(observed).filter(|_| is_idle).and_then(|observed| lingering(self.evidence, cluster, observed)) {
            None => Ok(decided),
            Some(Lingering { why, may_restart: true }) => {
                Ok(Decided { stage: Some(Stage::Remove), ..Decided::nothing(Act::Restart, why) })
            }
            Some(Lingering { why, may_restart: false }) => Ok(Decided::nothing(Act::Wait, why)),
        }
    }

    /// What a step is to the maintenance windows.
    fn deed(&self, decided: &Decided, observed: Option<&Observed>) -> Deed<'_> {
        match (decided.stage, &self.flees) {
            (None, _) if decided.is_flight => Deed::Flight(FLIGHT),
            (None, _) => Deed::Renewal { ends: signer_end(observed) },
            (Some(_), Some(why)) if self.latest.is_some() => Deed::Flight(why),
            (Some(stage), _) => {
                // A note comes before the signer does; that it comes before the removal as well hurries nobody.
                let stage = if matches!(decided.part, Move::Note { .. }) { Stage::Sign } else { stage };
                let latest = self.latest.as_ref().and_then(|it| it.get(usize::from(stage.number() - 1)));
                Deed::Step { latest: latest.copied() }
            }
        }
    }

    /// Whether every root of a set is one that is heard of. A root that only a leaked one speaks for may be the attacker's,
    /// or the fleet may be on its way to it: nothing is done before people pin it.
    fn hears(&self, cluster: &Cluster, there: &SecretSight) -> Result<(), Problem> {
        if self.unheard.is_empty() {
            return Ok(());
        }
        let roots = there.roots();
        let unheard = self.unheard.iter().find(|held| roots.contains(&held.certificate));
        let Some(root) = unheard else { return Ok(()) };
        let what = format!("{} trusts root g{}, which only a leaked root endorses", cluster.name, root.generation);
        Err(Problem::new(Code::RootNotTrusted, what)
            .fact("nothing is done there before it is known that this root is yours")
            .hint(format!("{}   in the mesh file, if it is", pins(self.mesh, self.renewals.holdings, root))))
    }

    /// A signer under an issuing CA whose key is leaked is left for one under another, if there is one. The change of
    /// root comes first: only that ends the leak.
    fn flight(&self, cluster: &Cluster, holder: &Holder<'_>, part: &Move) -> Option<Decided> {
        let leaked = leak::above(self.mesh, holder.there?)?;
        if matches!(part, Move::Rebundle { .. } | Move::Restart { .. } | Move::Note { .. }) {
            return None;
        }
        let under = signed_under(self.trusted, holder.there?).unwrap_or(self.current);
        let way = self.renewals.under(&under.certificate, cluster, holder, Gain::Lasting);
        if matches!(way, Way::Ceremony(_)) || matches!(part, Move::Sign { way, .. } if !matches!(way, Way::Ceremony(_)))
        {
            return None;
        }
        let why = format!("the key of its issuing CA is leaked: {}", leaked.subject());
        let bundle = holder.there.and_then(SecretSight::kept_bundle);
        Some(Decided { bundle, is_flight: true, ..Decided::nothing(act_of(way), why) })
    }

    /// A target without a usable set gets one, under the root and with the trust bundle of the stage that the fleet is in.
    fn repair(&self, cluster: &Cluster, holder: &Holder<'_>, why: &str) -> Decided {
        let kept = || holder.there.and_then(SecretSight::kept_bundle);
        let (root, bundle) = match self.walk.map(|walk| walk.footing_of(cluster)) {
            Some(Ok(footing)) => footing,
            Some(Err(unknown)) => return Decided::nothing(Act::Wait, format!("{why}; {unknown}")),
            None => (self.current, kept().unwrap_or_else(|| self.current.certificate.pem().into_bytes())),
        };
        let way = self.renewals.under(&root.certificate, cluster, holder, Gain::Usable);
        Decided { bundle: Some(bundle), is_repair: true, ..Decided::nothing(act_of(way), why) }
    }

    /// Whether its signer is under no root that may be used: it came with that, and nothing can renew it but the walk.
    fn is_under_another_root(&self, there: &SecretSight) -> bool {
        there.is_adopted() && signed_under(self.trusted, there).is_none()
    }

    /// A new intermediate at once, with the root and the trust bundle of the present one. Stock helps as well.
    fn replacement(&self, cluster: &Cluster, holder: &Holder<'_>) -> Decided {
        let under = holder.there.and_then(|there| signed_under(self.trusted, there)).unwrap_or(self.current);
        let way = self.renewals.under(&under.certificate, cluster, holder, Gain::Lasting);
        let bundle = holder.there.and_then(SecretSight::kept_bundle);
        Decided { bundle, ..Decided::nothing(act_of(way), "people asked for a new key at once") }
    }

    /// What is due of a target whose set is sound. A renewal comes before a change of its trust bundle: until istiod has
    /// taken that one, it may drop every later update.
    fn part_or_renewal(&self, cluster: &Cluster, holder: &Holder<'_>) -> Decided {
        let is_adopted = holder.there.is_some_and(|there| self.is_under_another_root(there));
        if self.urgent == Some(&cluster.name) {
            return if is_adopted { adopted_for_good(cluster) } else { self.replacement(cluster, holder) };
        }
        let part = self.walk.map_or(Move::Stay, |walk| walk.step(cluster));
        if !is_adopted && let Some(flight) = self.flight(cluster, holder, &part) {
            return flight;
        }
        if !is_adopted
            && let Some(why) = self.renewals.due(cluster, holder)
            && !matches!(&part, Move::Sign { way, .. } if !matches!(way, Way::Ceremony(_)))
        {
            let under = holder.there.and_then(|there| signed_under(self.trusted, there)).unwrap_or(self.current);
            let way = self.renewals.under(&under.certificate, cluster, holder, Gain::Better);
            let writes = matches!(part, Move::Rebundle { .. } | Move::Restart { .. } | Move::Note { .. });
            if !(matches!(way, Way::Ceremony(_)) && writes) {
                let bundle = holder.there.and_then(SecretSight::kept_bundle);
                return Decided { bundle, ..Decided::nothing(act_of(way), why) };
            }
        }
        let present = || holder.there.map(|there| there.bundle().to_vec());
        match part {
            Move::Rebundle { ref bundle, stage, ref why } => {
                let (bundle, why) = (Some(bundle.clone()), why.clone());
                Decided { stage: Some(stage), bundle, part, ..Decided::nothing(Act::Rebundle, why) }
            }
            Move::Sign { ref way, stage, ref why } => {
                let (act, why) = (act_of(way.clone()), why.clone());
                Decided { stage: Some(stage), bundle: present(), part, ..Decided::nothing(act, why) }
            }
            Move::Note { ref why } => {
                let why = why.clone();
                Decided { stage: Some(Stage::Drain), bundle: present(), part, ..Decided::nothing(Act::Note, why) }
            }
            Move::Restart { stage, why } => Decided { stage: Some(stage), ..Decided::nothing(Act::Restart, why) },
            Move::Wait { why } => Decided::nothing(Act::Wait, why),
            Move::Stay if is_adopted => Decided::nothing(Act::Leave, "adopted; its signer stays until it walks"),
            Move::Stay => {
                let had_own_ca = holder.there.and_then(mark_on).is_some_and(|mark| mark.own_ca) && self.walk.is_none();
                let useless = if had_own_ca { format!("; {}", own_ca_is_useless(cluster)) } else { String::new() };
                Decided::nothing(Act::Leave, self.renewals.not_due(cluster, holder) + &useless)
            }
        }
    }
}

/// A signer that a cluster was adopted with has no issuing CA that could make another.
fn adopted_for_good(cluster: &Cluster) -> Decided {
    let problem = adopted_signer(cluster);
    let reason = problem.what().to_owned();
    Decided::nothing(Act::Refuse(problem), reason)
}

/// Why a renewal does not wait.
const FLIGHT: &str = "it waits for no maintenance window";

/// When the signer ends that a renewal would replace.
fn signer_end(observed: Option<&Observed>) -> Option<OffsetDateTime> {
    let there = observed?.secret.as_ref().ok()?.as_ref()?;
    there.signer.as_ref().ok().map(Certificate::not_after)
}

fn act_of(way: Way) -> Act {
    match way {
        Way::Mint { issuing, generation } => Act::Mint { issuing, generation },
        Way::Activate { generation } => Act::Activate { generation },
        Way::Ceremony(ceremony) => Act::AskForCeremony(ceremony),
    }
}
