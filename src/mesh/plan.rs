//! What should happen next, as a pure function of what is declared, held and observed, of what people allowed, and of the
//! moment.
//!
//! Level-triggered: a run that was killed anywhere is followed by one that decides from what it sees.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::mesh::clocks::Clocks;
use crate::mesh::convoy::Convoy;
use crate::mesh::deadline::{Ceremony, ceremony};
use crate::mesh::evidence::Evidence;
use crate::mesh::fleet::{Cluster, ClusterName, Mesh};
use crate::mesh::footing::Footing;
use crate::mesh::gates::Approvals;
use crate::mesh::holdings::{Held, Holdings};
use crate::mesh::leak::{self, Leak};
use crate::mesh::observed::Observed;
use crate::mesh::progress::Progress;
use crate::mesh::renewal::Renewals;
use crate::mesh::step::Step;
use crate::mesh::target_plan::View;
use crate::mesh::walk::Walk;
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

/// The root that the fleet runs on, or else is to begin on, while it walks to no other: to it clusters are adopted, and from it a
/// rehearsal goes on.
///
/// # Errors
/// `root-change-under-way`: a walk from one root of ours to the next has begun, and is to end first; `no-usable-root`.
pub fn settled_root<'a>(
    mesh: &Mesh,
    holdings: &'a Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> Result<&'a Held, Problem> {
    let trusted = holdings.trusted(mesh)?;
    let footing = footing(mesh, holdings, &trusted, observed, now)?;
    if let Some(pair) = footing.pair().filter(|pair| !pair.is_adoption()) {
        let convoy = Convoy::of(Renewals { mesh, holdings, now }, observed, pair);
        if convoy.has_begun {
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
