//! What should happen next, as a pure function of what is declared, held and observed, of what people allowed, and of the
//! moment.
//!
//! Level-triggered: a run that was killed anywhere is followed by one that decides from what it sees.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::mesh::admission::{Admission, Deed};
use crate::mesh::adoption::{adopted_signer, own_ca_is_useless};
use crate::mesh::change::{may_write, same_root};
use crate::mesh::clocks::Clocks;
use crate::mesh::convoy::Convoy;
use crate::mesh::deadline::{Ceremony, ceremony};
use crate::mesh::evidence::{Evidence, mark_on};
use crate::mesh::fleet::{Cluster, ClusterName, Membership, Mesh, Role};
use crate::mesh::footing::{Footing, signed_under};
use crate::mesh::gates::Approvals;
use crate::mesh::holdings::{Held, Holdings};
use crate::mesh::leak::{self, Leak};
use crate::mesh::lingering::{Lingering, lingering};
use crate::mesh::observed::{Observed, SecretSight};
use crate::mesh::progress::Progress;
use crate::mesh::renewal::{Gain, Holder, Renewals, Way};
use crate::mesh::signing_root::pins;
use crate::mesh::stage::Stage;
use crate::mesh::walk::{Move, Walk};
use crate::mesh::walk_mark::WalkMark;
use crate::pki::certificate::Certificate;
use crate::pki::moment::utc;
use crate::pki::profile::Tier;
use crate::pki::validity::BACKDATE;
use crate::problem::{Code, Problem};

/// The next step of every cluster, in the order in which they are taken, and the next ceremony.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// One step for each cluster of the mesh file; the canary's comes first.
    pub steps: Vec<Step>,
    /// The next ceremony of each tier that needs one, the first to be due first.
    pub ceremonies: Vec<Ceremony>,
    /// How far a root change has come; `None`: there is none to be made.
    pub root_change: Option<Progress>,
    /// The keys that the mesh file calls leaked, and whom each still reaches.
    pub leaks: Vec<Leak>,
}

/// What should happen to one cluster, and why now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which cluster.
    pub cluster: ClusterName,
    /// What should happen.
    pub act: Act,
    /// Why, as one sentence without a full stop.
    pub reason: String,
    /// The stage of a root change that it belongs to; `None`: it belongs to none.
    pub stage: Option<Stage>,
    /// The trust bundle of the set that is written, byte for byte; `None`: nothing is written.
    pub bundle: Option<Vec<u8>>,
    /// What is noted on that set for a root change.
    pub mark: Option<WalkMark>,
    /// Whether the intermediate that is replaced counts as tainted: its key may be in other hands.
    pub taints: bool,
}

/// What should happen to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Mint an intermediate of this generation under the issuing CA of that generation, and publish it.
    Mint {
        /// The generation of the issuing CA.
        issuing: u32,
        /// The generation of the new intermediate.
        generation: u32,
    },
    /// Publish the intermediate of this generation, which lies in stock.
    Activate {
        /// The generation of the prepared intermediate.
        generation: u32,
    },
    /// Publish the set that is there with another trust bundle.
    Rebundle,
    /// Publish the set that is there with another note for the root change.
    Note,
    /// Have its istiod restarted.
    Restart,
    /// Nothing.
    Leave,
    /// Something is due, and must wait.
    Wait,
    /// Something is due, and only people with the root key can do it.
    AskForCeremony(Ceremony),
    /// It must not, or cannot, be touched.
    Refuse(Problem),
}

impl Act {
    /// The word in tables and records.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Act::Mint { .. } => "renew",
            Act::Activate { .. } => "activate",
            Act::Rebundle => "publish",
            Act::Note => "note",
            Act::Restart => "restart",
            Act::Leave => "leave",
            Act::Wait => "wait",
            Act::AskForCeremony(_) => "ceremony",
            Act::Refuse(_) => "refuse",
        }
    }

    /// Whether something is changed in the cluster.
    #[must_use]
    pub const fn writes(&self) -> bool {
        matches!(self, Act::Mint { .. } | Act::Activate { .. } | Act::Rebundle | Act::Note | Act::Restart)
    }
}

/// Decides the next step of every cluster.
///
/// A target that runs under none of the roots that may be used is refused with `root-differs`.
///
/// # Errors
/// `no-usable-root`; `clock-implausible`, when `now` lies before the beginning of something that is already in use.
pub fn next(
    mesh: &Mesh,
    holdings: &Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    approvals: &Approvals,
    now: OffsetDateTime,
) -> Result<Plan, Problem> {
    let trusted = holdings.trusted(mesh)?;
    let footing = footing(mesh, holdings, &trusted, observed, now)?;
    clock_is_plausible(holdings, &trusted, observed, now)?;
    let renewals = Renewals { mesh, holdings, now };
    let walk = footing.pair().map(|pair| Walk::of(Convoy::of(renewals, observed, pair), approvals));
    let anchors = trusted.iter().copied().chain(&footing.adopted).map(|held| held.certificate.clone()).collect();
    let view = View {
        mesh,
        trusted: &trusted,
        anchors,
        current: footing.current,
        renewals,
        evidence: Evidence { mesh, observed, now },
        walk: walk.as_ref(),
        latest: walk.as_ref().and_then(Walk::latest_starts),
        flees: footing.pair().and_then(|pair| pair.old.iter().find_map(|root| leak::flees(mesh, holdings, root))),
        unheard: holdings.unheard(mesh),
        urgent: approvals.urgent.as_ref(),
        clocks: Clocks::read(mesh, observed, now),
        now,
    };
    let mut steps: Vec<Step> =
        mesh.clusters.iter().map(|cluster| view.step(cluster, observed.get(&cluster.name))).collect();
    steps.sort_by_key(|step| mesh.rotation.canary.as_ref() != Some(&step.cluster));
    let mut ceremonies = ceremonies(mesh, holdings, footing.current, observed);
    ceremonies.sort_by_key(|ceremony| ceremony.due);
    let root_change = walk.as_ref().map(|walk| walk.progress(&footing.later));
    let leaks = leak::leaks(mesh, holdings, observed, root_change.as_ref(), now);
    Ok(Plan { steps, ceremonies, root_change, leaks })
}

/// On which root the fleet stands.
///
/// # Errors
/// `no-usable-root`.
pub(in crate::mesh) fn footing<'a>(
    mesh: &Mesh,
    holdings: &'a Holdings,
    trusted: &[&'a Held],
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> Result<Footing<'a>, Problem> {
    match Footing::of(mesh, trusted, observed, now) {
        Some(footing) => Ok(footing),
        None => {
            holdings.anchor(mesh).map(|current| Footing { current, adopted: Vec::new(), next: None, later: Vec::new() })
        }
    }
}

/// The root that the fleet runs on, as far as it can be seen.
///
/// # Errors
/// `no-usable-root`.
pub fn current_root<'a>(
    mesh: &Mesh,
    holdings: &'a Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> Result<&'a Held, Problem> {
    let trusted = holdings.trusted(mesh)?;
    footing(mesh, holdings, &trusted, observed, now).map(|footing| footing.current)
}

/// The root that clusters walk to when they are adopted now: the one that the fleet runs on, or else is to begin on.
///
/// # Errors
/// `root-change-under-way`: a walk from one root of ours to the next has begun, and is to end first; `no-usable-root`.
pub fn root_for_adopted<'a>(
    mesh: &Mesh,
    holdings: &'a Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> Result<&'a Held, Problem> {
    let trusted = holdings.trusted(mesh)?;
    let footing = footing(mesh, holdings, &trusted, observed, now)?;
    if let Some(pair) = footing.pair().filter(|pair| !pair.is_adoption()) {
        let convoy = Convoy::of(Renewals { mesh, holdings, now }, observed, pair);
        if convoy.has_begun() {
            let what = format!("the fleet walks from {} to {}", convoy.old_name(), convoy.new_name());
            return Err(Problem::new(Code::RootChangeUnderWay, what)
                .hint("adopt when that has ended; meshca rotate   goes on with it"));
        }
    }
    Ok(footing.current)
}

/// How far a root change has come, for those who only look; `None`: there is none to be made.
///
/// # Errors
/// `no-usable-root`.
pub fn root_change(
    mesh: &Mesh,
    holdings: &Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> Result<Option<Progress>, Problem> {
    let trusted = holdings.trusted(mesh)?;
    let footing = footing(mesh, holdings, &trusted, observed, now)?;
    Ok(footing.pair().map(|pair| {
        let convoy = Convoy::of(Renewals { mesh, holdings, now }, observed, pair);
        Walk::of(convoy, &Approvals::default()).progress(&footing.later)
    }))
}

struct View<'a> {
    mesh: &'a Mesh,
    trusted: &'a [&'a Held],
    anchors: Vec<Certificate>,
    current: &'a Held,
    renewals: Renewals<'a>,
    evidence: Evidence<'a>,
    walk: Option<&'a Walk<'a>>,
    /// The latest safe start of each stage; `None`: there is no walk, or it goes back.
    latest: Option<[OffsetDateTime; 4]>,
    /// Why the walk waits for no maintenance window.
    flees: Option<String>,
    /// Roots that only a leaked one speaks for.
    unheard: Vec<&'a Held>,
    urgent: Option<&'a ClusterName>,
    clocks: Clocks<'a>,
    now: OffsetDateTime,
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
    fn step(&self, cluster: &Cluster, observed: Option<&Observed>) -> Step {
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

/// A clock that jumped back would mint certificates that end too early, or judge an ended one as good.
fn clock_is_plausible(
    holdings: &Holdings,
    trusted: &[&Held],
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> Result<(), Problem> {
    // What merely lies in the folder says nothing of the time: else whoever puts a file there could stop every tick.
    let issuing = trusted.iter().flat_map(|root| holdings.issuing_under(&root.certificate));
    let held = trusted.iter().copied().chain(issuing).map(|held| &held.certificate);
    let used = observed.values().filter_map(|it| it.secret.as_ref().ok()?.as_ref()?.signer.as_ref().ok());
    let newest = held.chain(used).max_by_key(|certificate| certificate.validity().not_before());
    match newest {
        Some(newest) if newest.validity().not_before() > now + BACKDATE => Err(Problem::new(
            Code::ClockImplausible,
            "the clock of this machine stands before the beginning of a certificate that is already in use",
        )
        .fact(format!("now         {}", utc(now)))
        .fact(format!("in use from {}, {}", utc(newest.validity().not_before()), newest.subject()))
        .hint("set the clock (timedatectl), or give the moment with --at in a lab")),
        _ => Ok(()),
    }
}

/// A target that runs under other roots than the one that may be used.
pub(in crate::mesh) fn root_differs(cluster: &Cluster, roots: &[Certificate], anchor: &Certificate) -> Problem {
    let named = |root: &Certificate| format!("{}, {}", root.subject(), root.fingerprint().short());
    let problem = Problem::new(
        Code::RootDiffers,
        format!("{} runs under another root than the one that may be used", cluster.name),
    );
    roots
        .iter()
        .fold(problem, |problem, root| problem.fact(format!("its root  {}", named(root))))
        .fact(format!("ours      {}", named(anchor)))
}

/// The next ceremony of the root, and that of whatever signs below it without people: the issuing CA or the stock.
/// What the mesh does not have yet has no end, and so no ceremony here.
pub(in crate::mesh) fn ceremonies(
    mesh: &Mesh,
    holdings: &Holdings,
    anchor: &Held,
    observed: &BTreeMap<ClusterName, Observed>,
) -> Vec<Ceremony> {
    let root = ceremony(mesh, Tier::Root, anchor.certificate.not_after());
    let below = if mesh.issuing.is_some() {
        let issuing = holdings.issuing_under(&anchor.certificate);
        let end = issuing.into_iter().map(|held| held.certificate.not_after()).max();
        end.map(|end| ceremony(mesh, Tier::Issuing, end))
    } else {
        // The stock of each cluster ends with its newest generation, prepared or published.
        let ends = mesh.clusters.iter().filter(|cluster| cluster.role.has_cacerts()).filter_map(|cluster| {
            let prepared = holdings.stock.iter().filter(|it| it.cluster == cluster.name).map(|it| &it.signer);
            let there = observed.get(&cluster.name).and_then(|it| it.secret.as_ref().ok()?.as_ref());
            let published = there.and_then(|there| there.signer.as_ref().ok());
            prepared.chain(published).map(Certificate::not_after).max()
        });
        ends.min().map(|end| ceremony(mesh, Tier::Intermediate, end))
    };
    std::iter::once(root).chain(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{Made, NOW, Story, held, name};
    use crate::mesh::observed::Owner;
    use crate::pki::validity::Validity;
    use time::Duration;

    const SECOND: Duration = Duration::SECOND;

    fn days(number: i64) -> Duration {
        Duration::days(number)
    }

    fn plan(story: &Story) -> Plan {
        next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), NOW).unwrap()
    }

    fn act(story: &Story, cluster: &str) -> Act {
        plan(story).steps.into_iter().find(|step| step.cluster == name(cluster)).unwrap().act
    }

    fn refusal(story: &Story, cluster: &str) -> Code {
        match act(story, cluster) {
            Act::Refuse(problem) => problem.code(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_renewal_is_due_at_its_second_and_not_one_before() {
        let mut story = Story::new();
        story.publish("east", 3, NOW + days(30) + SECOND);
        assert_eq!(act(&story, "east"), Act::Leave);
        story.publish("east", 3, NOW + days(30));
        assert_eq!(act(&story, "east"), Act::Mint { issuing: 1, generation: 4 });
        assert_eq!(act(&story, "west"), Act::Leave);
    }

    #[test]
    fn a_new_generation_counts_on_from_what_was_published_and_from_what_was_prepared() {
        let mut story = Story::new();
        story.publish("east", 3, NOW + days(10));
        let old = story.intermediate("east", 8, NOW + days(20));
        story.prepare("east", 8, &old);
        assert_eq!(act(&story, "east"), Act::Mint { issuing: 1, generation: 9 });
    }

    #[test]
    fn the_canary_comes_first_and_the_others_stay_in_the_order_of_the_mesh_file() {
        let mut story = Story::new();
        story.mesh.rotation.canary = Some(name("west"));
        let order: Vec<String> = plan(&story).steps.iter().map(|step| step.cluster.to_string()).collect();
        assert_eq!(order, ["west", "east", "far"]);
    }

    /// East is due, and the issuing CA leaves it this much more than it has.
    fn with_gain(gain: Duration) -> Story {
        let mut story = Story::new();
        let end = NOW + days(20);
        story.publish("east", 1, end);
        let dying = story.other_issuing("mesh1 issuing g2", NOW - days(20), end + gain);
        story.holdings.issuing = vec![held(2, &dying)];
        story
    }

    #[test]
    fn a_renewal_must_gain_a_quarter_of_a_lifetime_or_people_are_asked() {
        let quarter = days(90) / 4;
        assert_eq!(act(&with_gain(quarter), "east"), Act::Mint { issuing: 2, generation: 2 });
        let Act::AskForCeremony(asked) = act(&with_gain(quarter - SECOND), "east") else { panic!() };
        let end = NOW + days(20) + quarter - SECOND;
        assert_eq!(asked.tier, Tier::Issuing);
        assert_eq!(asked.due, end - days(120));
        assert_eq!(asked.last_safe, end - days(90) - days(30));
    }

    #[test]
    fn where_nothing_usable_is_there_the_new_one_must_outlive_a_workload_certificate() {
        let mut story = with_gain(days(0));
        story.look_at("east").secret = Ok(None);
        let short = |story: &Story, left| vec![held(2, &story.other_issuing("short", NOW - days(20), NOW + left))];
        story.holdings.issuing = short(&story, Duration::hours(25));
        assert_eq!(act(&story, "east"), Act::Mint { issuing: 2, generation: 1 });
        story.holdings.issuing = short(&story, Duration::hours(25) - SECOND);
        assert!(matches!(act(&story, "east"), Act::AskForCeremony(_)));
    }

    #[test]
    fn an_issuing_ca_that_has_not_begun_or_that_another_root_signed_is_not_used() {
        let mut story = Story::new();
        story.publish("east", 1, NOW + days(10));
        let later = story.other_issuing("later", NOW + SECOND, NOW + days(300));
        story.holdings.issuing = vec![held(2, &later)];
        assert!(matches!(act(&story, "east"), Act::AskForCeremony(_)));
        let mut foreign = Story::new();
        foreign.publish("east", 1, NOW + days(10));
        foreign.holdings.issuing = vec![held(1, &Story::new().issuing)];
        assert!(matches!(act(&foreign, "east"), Act::AskForCeremony(_)));
    }

    /// No issuing tier, east due, and one prepared intermediate with this window.
    fn with_stock(window: Validity) -> (Story, Made) {
        let mut story = Story::new();
        story.publish("east", 1, NOW + days(10));
        let made = story.intermediate_under(&story.issuing, "east", 2, window);
        story.prepare("east", 2, &made);
        story.mesh.issuing = None;
        story.holdings.issuing = Vec::new();
        (story, made)
    }

    #[test]
    fn without_an_issuing_ca_the_stock_is_activated_once_its_window_has_begun() {
        let (story, _) = with_stock(Validity::new(NOW, NOW + days(90)));
        assert_eq!(act(&story, "east"), Act::Activate { generation: 2 });
        let (early, _) = with_stock(Validity::new(NOW + SECOND, NOW + days(90)));
        assert!(matches!(act(&early, "east"), Act::AskForCeremony(_)));
    }

    #[test]
    fn stock_that_is_in_use_already_or_does_not_lead_to_the_root_is_not_activated() {
        let (mut story, made) = with_stock(Validity::new(NOW, NOW + days(90)));
        story.holdings.stock[0].upper = vec![Story::new().issuing.certificate];
        assert!(matches!(act(&story, "east"), Act::AskForCeremony(_)));
        let (mut used, _) = with_stock(Validity::new(NOW, NOW + days(90)));
        used.holdings.stock[0].generation = 1;
        assert!(matches!(act(&used, "east"), Act::AskForCeremony(_)));
        assert_eq!(made.certificate.not_after(), NOW + days(90));
    }

    #[test]
    fn with_an_empty_stock_the_ceremony_is_for_intermediates_and_the_first_to_end_sets_the_day() {
        let mut story = Story::new();
        story.mesh.issuing = None;
        story.holdings.issuing = Vec::new();
        let next = plan(&story).ceremonies[0].clone();
        // The stock must lie there when the renewal is due, and arranging a ceremony takes its lead.
        assert_eq!((next.tier, next.due), (Tier::Intermediate, NOW + days(71) - days(30) - story.mesh.lead));
    }

    #[test]
    fn an_issuing_ca_that_is_left_over_signs_nothing_once_the_tier_is_switched_off() {
        let mut story = Story::new();
        story.publish("east", 1, NOW + days(10));
        assert!(matches!(act(&story, "east"), Act::Mint { .. }));
        story.mesh.issuing = None;
        assert!(matches!(act(&story, "east"), Act::AskForCeremony(_)));
    }

    #[test]
    fn the_next_ceremony_is_that_of_the_issuing_ca_and_without_one_still_that_of_the_root() {
        let mut story = Story::new();
        let next = plan(&story).ceremonies[0].clone();
        assert_eq!((next.tier, next.due), (Tier::Issuing, NOW + days(335) - days(120)));
        story.holdings.issuing = Vec::new();
        assert_eq!(plan(&story).ceremonies[0].clone().tier, Tier::Root);
    }

    #[test]
    fn while_paused_what_is_due_waits_and_what_is_not_due_is_left() {
        let mut story = Story::new();
        story.mesh.rotation.paused = true;
        story.publish("east", 1, NOW + days(10));
        assert_eq!(act(&story, "east"), Act::Wait);
        assert_eq!(act(&story, "west"), Act::Leave);
    }

    /// Windows on Saturdays from 02:00 to 06:00 UTC; the story's now is a Monday.
    fn with_windows() -> Story {
        let mut story = Story::new();
        let window = crate::mesh::window::Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap();
        story.mesh.rotation.windows = crate::mesh::windows::Windows::new(vec![window]);
        story
    }

    #[test]
    fn outside_the_maintenance_windows_a_renewal_waits_and_says_for_which() {
        let mut story = with_windows();
        story.publish("east", 1, NOW + days(20));
        let east = |story: &Story, now| {
            let plan = next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), now).unwrap();
            plan.steps.into_iter().find(|step| step.cluster == name("east")).unwrap()
        };
        let waiting = east(&story, NOW);
        assert_eq!(waiting.act, Act::Wait);
        assert!(
            waiting.reason.starts_with("waits for the maintenance window of 2026-11-28T02:00:00Z; renewal was due")
        );
        assert_eq!((waiting.bundle, waiting.mark), (None, None));
        assert!(matches!(east(&story, time::macros::datetime!(2026-11-28 2:00 UTC)).act, Act::Mint { .. }));
    }

    #[test]
    fn a_target_without_a_usable_set_and_one_that_would_end_are_not_left_waiting_for_a_window() {
        let mut story = with_windows();
        story.publish("east", 1, NOW + days(5));
        story.sight_of("west").key_spki = None;
        assert!(matches!(act(&story, "east"), Act::Mint { .. }));
        assert!(matches!(act(&story, "west"), Act::Mint { .. }));
        let east = plan(&story).steps.remove(0);
        assert!(
            east.reason.contains("cannot wait for the maintenance window of 2026-11-28T02:00:00Z"),
            "{}",
            east.reason
        );
    }

    #[test]
    fn nothing_new_is_brought_where_the_clock_of_the_api_server_says_that_this_one_is_wrong() {
        let mut story = Story::new();
        for cluster in ["east", "west"] {
            story.publish(cluster, 3, NOW + days(30));
        }
        story.look_at("east").server_clock = Some(NOW - Duration::minutes(5));
        assert_eq!(act(&story, "east"), Act::Mint { issuing: 1, generation: 4 });
        story.look_at("east").server_clock = Some(NOW - Duration::minutes(5) - SECOND);
        assert_eq!(refusal(&story, "east"), Code::ClockImplausible);
        assert_eq!(refusal(&story, "west"), Code::ClockImplausible, "it has no clock of its own");
        story.publish("east", 3, NOW + days(60));
        story.look_at("east").server_clock = Some(NOW - Duration::DAY);
        assert_eq!(act(&story, "east"), Act::Leave, "where nothing is due nothing is refused");
    }

    #[test]
    fn a_remote_and_a_leaving_cluster_are_left() {
        let mut story = Story::new();
        story.publish("west", 1, NOW + days(10));
        story.cluster("west").state = Membership::Leaving;
        assert_eq!(act(&story, "far"), Act::Leave);
        assert_eq!(act(&story, "west"), Act::Leave);
    }

    #[test]
    fn an_excluded_cluster_is_left_until_its_moment_and_no_longer() {
        let mut story = Story::new();
        story.publish("west", 1, NOW + days(10));
        let excluded = |until| Membership::Excluded { reason: "moving".to_owned(), until };
        story.cluster("west").state = excluded(NOW + SECOND);
        assert_eq!(act(&story, "west"), Act::Leave);
        story.cluster("west").state = excluded(NOW);
        assert_eq!(act(&story, "west"), Act::Mint { issuing: 1, generation: 2 });
    }

    #[test]
    fn what_was_not_seen_is_refused() {
        let mut story = Story::new();
        story.observed.remove(&name("east"));
        story.look_at("west").secret = Err(Problem::new(Code::TargetUnreadable, "west: connection refused"));
        assert_eq!(refusal(&story, "east"), Code::TargetUnreadable);
        assert_eq!(refusal(&story, "west"), Code::TargetUnreadable);
    }

    #[test]
    fn what_somebody_else_owns_or_runs_under_another_root_is_refused() {
        let mut story = Story::new();
        story.sight_of("east").owner = Owner::Somebody("helm".to_owned());
        let west = story.look_at("west");
        (west.secret, west.self_signed) = (Ok(None), true);
        assert_eq!(refusal(&story, "east"), Code::OwnedBySomebodyElse);
        assert_eq!(refusal(&story, "west"), Code::AlreadyRunningUnderAnotherRoot);
    }

    #[test]
    fn a_set_of_ours_under_another_root_is_refused_and_one_that_shows_both_is_not() {
        let mut story = Story::new();
        let old = story.other_root("mesh0 root").certificate.pem();
        let both = format!("{old}{}", story.root.certificate.pem());
        story.sight_of("east").public.insert("root-cert.pem".to_owned(), old.into_bytes());
        story.sight_of("west").public.insert("root-cert.pem".to_owned(), both.into_bytes());
        assert_eq!(refusal(&story, "east"), Code::RootDiffers);
        assert_eq!(act(&story, "west"), Act::Leave);
    }

    #[test]
    fn a_broken_set_of_ours_is_renewed_at_once() {
        let renewed = Act::Mint { issuing: 1, generation: 2 };
        let broken = |change: fn(&mut SecretSight)| {
            let mut story = Story::new();
            change(story.sight_of("east"));
            act(&story, "east")
        };
        let garbage = |there: &mut SecretSight| {
            there.public.insert("root-cert.pem".to_owned(), b"garbage\n".to_vec());
        };
        assert_eq!(broken(garbage), renewed);
        assert_eq!(broken(|there| there.key_spki = None), renewed);
        assert_eq!(broken(|there| there.names.retain(|name| name != "cert-chain.pem")), renewed);
        assert_eq!(broken(|there| there.signer = Err(Problem::new(Code::CertificateMalformed, "x"))), renewed);
    }

    #[test]
    fn a_root_from_the_future_that_merely_lies_in_the_folder_stops_nothing() {
        let mut story = Story::new();
        let planted = story.root_within("planted", Validity::new(NOW + days(10), NOW + days(900)));
        story.holdings.roots.push(held(9, &planted));
        let planned = |story: &Story| {
            next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), NOW)
                .map(|_| ())
                .map_err(|it| it.code())
        };
        assert_eq!(planned(&story), Ok(()));
        story.mesh.root.trusted = vec![story.root.certificate.fingerprint(), planted.certificate.fingerprint()];
        assert_eq!(planned(&story), Err(Code::ClockImplausible));
    }

    #[test]
    fn a_clock_may_be_behind_by_the_backdating_and_not_by_a_second_more() {
        let mut story = Story::new();
        let begins = |from| Validity::new(from, NOW + days(80));
        let at = |story: &Story, from| story.intermediate_under(&story.issuing, "east", 2, begins(from));
        let made = at(&story, NOW + BACKDATE);
        let sight = story.sight("east", 2, &made);
        story.look_at("east").secret = Ok(Some(sight));
        assert!(next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), NOW).is_ok());
        let made = at(&story, NOW + BACKDATE + SECOND);
        let sight = story.sight("east", 2, &made);
        story.look_at("east").secret = Ok(Some(sight));
        let refused = next(&story.mesh, &story.holdings, &story.observed, &Approvals::default(), NOW).unwrap_err();
        assert_eq!(refused.code(), Code::ClockImplausible);
        assert!(refused.facts()[0].ends_with("2026-11-23T10:00:00Z"), "{refused:?}");
    }
}
