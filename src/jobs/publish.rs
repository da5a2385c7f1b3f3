//! `publish`: brings what lies in stock to the targets. Reads, decides, writes, looks again, records; each target for
//! itself.

use crate::jobs::courier::{Courier, Delivered, Parcel};
use crate::mesh::adoption::adopted_signer;
use crate::mesh::change::{Change, may_write, same_root};
use crate::mesh::clocks::Clocks;
use crate::mesh::fleet::{Cluster, ClusterName, Membership, Mesh};
use crate::mesh::footing::signed_under;
use crate::mesh::holdings::{Holdings, Prepared};
use crate::mesh::loaded::Loaded;
use crate::mesh::minting;
use crate::mesh::observed::{Observed, Owner, SecretSight};
use crate::mesh::plan;
use crate::mesh::shared_key;
use crate::mesh::walk_mark::WalkMark;
use crate::pki::certificate::Certificate;
use crate::problem::{Code, Problem};
use crate::world::issuing_key;
use crate::world::passphrase::PassphraseSource;
use crate::world::store::Store;
use crate::world::targets;
use crate::world::terminal::Progress;

/// What happened to one target, or would.
#[derive(Debug)]
pub struct Delivery {
    /// Which target.
    pub cluster: ClusterName,
    /// What was there before.
    pub before: Option<Certificate>,
    /// What is there now, or would be: generation and intermediate.
    pub after: Option<(u32, Certificate)>,
    /// What was decided, or why it did not come about.
    pub change: Result<Change, Problem>,
    /// Whether its istiod signs with it; `None`: nobody waited for that.
    pub loaded: Option<Loaded>,
}

impl Delivery {
    /// What went wrong with it: it did not come about, or its istiod was waited for and did not load it.
    #[must_use]
    pub fn into_problem(self) -> Option<Problem> {
        let unloaded = self.loaded.filter(|loaded| !loaded.is_loaded).map(|last| {
            let what = format!("{}: its istiod is not known to sign with what lies there: {}", self.cluster, last.why);
            Problem::new(Code::NotLoaded, what)
                .hint("istiod.addresses or istiod.metrics in the mesh file say where to look; --wait says how long")
        });
        self.change.err().or(unloaded)
    }
}

/// Which targets, and whether only to say what would be done.
#[derive(Debug)]
pub struct Order<'a> {
    /// The targets; empty: all that get `cacerts`.
    pub clusters: &'a [ClusterName],
    /// Change nothing.
    pub dry_run: bool,
    /// Opens the keys in stock.
    pub opens: &'a PassphraseSource,
}

/// Brings to each target the oldest intermediate in stock that is newer than its own and valid now.
///
/// # Errors
/// `unknown-cluster`, `remote-gets-no-cacerts`, `no-usable-root`, `file-unreadable`. What goes wrong with one target
/// is in its delivery, and does not stop the others.
pub fn run(courier: &Courier<'_>, store: &Store, order: &Order<'_>) -> Result<Vec<Delivery>, Problem> {
    let mesh = courier.mesh;
    let holdings = store.holdings()?;
    let trusted = holdings.trusted(mesh)?;
    let anchors: Vec<Certificate> = trusted.iter().map(|held| held.certificate.clone()).collect();
    let clusters: Vec<&Cluster> = if order.clusters.is_empty() {
        let chosen = |cluster: &&Cluster| cluster.role.has_cacerts() && cluster.state == Membership::Member;
        mesh.clusters.iter().filter(chosen).collect()
    } else {
        mesh.signing_clusters(order.clusters)?
    };
    let fleet = courier.targets.observe_all();
    let current = plan::current_root(mesh, &holdings, &fleet, courier.now)?;
    let clocks = Clocks::read(mesh, &fleet, courier.now);
    let progress = Progress::new("publishing", clusters.len(), courier.shows_progress);
    Ok(courier.targets.in_parallel(&clusters, mesh.rotation.write, |cluster| {
        progress.step(cluster.name.as_str());
        let observed = match fleet.get(&cluster.name) {
            Some(observed) => observed.clone(),
            None => courier.targets.observe(cluster),
        };
        if !order.dry_run {
            sweep(mesh, store, &holdings, cluster, &observed);
        }
        let there = observed.secret.as_ref().ok().and_then(Option::as_ref);
        if let Some(there) = there.filter(|there| there.is_adopted() && signed_under(&trusted, there).is_none()) {
            let before = there.signer.clone().ok();
            let change = Err(adopted_signer(cluster));
            return Delivery { cluster: cluster.name.clone(), before, after: None, change, loaded: None };
        }
        // A signer under another root is a step of a root change, which is rotate's to take.
        let root = there.and_then(|there| signed_under(&trusted, there)).unwrap_or(current);
        let ready = holdings.ready(mesh, &cluster.name, observed.generation(), &root.certificate, courier.now);
        let change = match ready {
            None => nothing_ready(&holdings, cluster, &observed),
            Some(prepared) => clocks_agree(&clocks, &observed)
                .and_then(|()| shared_key::refuse(prepared.signer.spki(), &cluster.name, &fleet))
                .and_then(|()| {
                    let anchors = Anchors { all: &anchors, own: &root.certificate };
                    bring(courier, store, order, cluster, prepared, anchors, &observed)
                }),
        };
        let before = observed.secret.ok().flatten().and_then(|there| there.signer.ok());
        let after = ready.map(|prepared| (prepared.generation, prepared.signer.clone()));
        Delivery { cluster: cluster.name.clone(), before, after, change, loaded: None }
    }))
}

/// Removes what a killed run left: sets that nothing points to, and the keys in stock that its cluster has or is past,
/// and that nobody will ever use. That something could not be removed shows when something is written.
pub fn sweep(mesh: &Mesh, store: &Store, holdings: &Holdings, cluster: &Cluster, observed: &Observed) {
    let Ok(there) = may_write(cluster, &mesh.name, &[], observed) else { return };
    let _ = targets::tidy(cluster);
    let Some(there) = there.filter(|there| there.defect().is_none()) else { return };
    let stock = || holdings.stock.iter().filter(|prepared| prepared.cluster == cluster.name);
    let present = stock().find(|prepared| there.signer.as_ref() == Ok(&prepared.signer));
    let reached = present.map_or(0, |prepared| prepared.generation).max(signed_generation(mesh, cluster, there));
    for prepared in stock().filter(|prepared| prepared.generation <= reached) {
        let _ = issuing_key::forget(store, prepared);
    }
}

/// The generation of a set where its signer bears the number as well; 0 elsewhere. Anybody can edit an annotation.
fn signed_generation(mesh: &Mesh, cluster: &Cluster, there: &SecretSight) -> u32 {
    let generation = there.generation();
    let subject = minting::intermediate_subject(mesh, &cluster.name, generation);
    let named = there.signer.as_ref().ok().and_then(|signer| signer.subject().common_name());
    if named == Some(subject.common_name.as_str()) { generation } else { 0 }
}

fn clocks_agree(clocks: &Clocks<'_>, observed: &Observed) -> Result<(), Problem> {
    clocks.mislead(observed).map_or(Ok(()), Err)
}

fn nothing_ready(holdings: &Holdings, cluster: &Cluster, observed: &Observed) -> Result<Change, Problem> {
    match &observed.secret {
        Err(problem) => Err(problem.clone()),
        Ok(Some(_)) => Ok(Change::Leave),
        Ok(None) => {
            let held = holdings.newest_prepared(&cluster.name);
            let held = if held == 0 { "nothing".to_owned() } else { format!("up to generation {held}") };
            Err(Problem::new(
                Code::NothingInStock,
                format!("{} has no cacerts, and nothing that may be used now lies in stock for it", cluster.name),
            )
            .fact(format!("in stock  {held}"))
            .hint(format!("meshca issue {}", cluster.name)))
        }
    }
}

/// The roots that may be used, and the one that a target's intermediate is to be under.
#[derive(Clone, Copy)]
struct Anchors<'a> {
    all: &'a [Certificate],
    own: &'a Certificate,
}

fn bring(
    courier: &Courier<'_>,
    store: &Store,
    order: &Order<'_>,
    cluster: &Cluster,
    prepared: &Prepared,
    anchors: Anchors<'_>,
    observed: &Observed,
) -> Result<Change, Problem> {
    let there = may_write(cluster, &courier.mesh.name, anchors.all, observed)?;
    if let Some(there) = there {
        same_root(cluster, anchors.all, anchors.own, there)?;
    }
    if order.dry_run {
        return Ok(match there {
            None => Change::Create,
            Some(there) => Change::Replace { uid: there.uid.clone(), version: there.version.clone() },
        });
    }
    let bundle = there.and_then(SecretSight::kept_bundle).unwrap_or_else(|| anchors.own.pem().into_bytes());
    let mark = there.and_then(noted);
    let parcel = Parcel { anchor: anchors.own, bundle: &bundle, mark };
    activate(courier, store, order.opens, cluster, prepared, parcel, observed).map(|delivered| delivered.change)
}

/// What is noted for a root change on a set that is about to be replaced by another of the same stage.
fn noted(there: &SecretSight) -> Option<WalkMark> {
    match &there.owner {
        Owner::Ours(mark) => mark.walk.as_deref().cloned(),
        Owner::Istiod | Owner::Somebody(_) => None,
    }
}

/// Opens a prepared intermediate's key, brings the set to its target and forgets the key.
///
/// # Errors
/// As [`Courier::deliver`] and opening a key.
pub fn activate(
    courier: &Courier<'_>,
    store: &Store,
    opens: &PassphraseSource,
    cluster: &Cluster,
    prepared: &Prepared,
    parcel: Parcel<'_>,
    observed: &Observed,
) -> Result<Delivered, Problem> {
    let mesh = courier.mesh;
    let key = issuing_key::open_prepared(store, prepared, opens, mesh.lab, courier.entropy)?;
    let set = minting::set(mesh, prepared.signer.clone(), &key, &prepared.upper, parcel.anchor, parcel.bundle);
    let mark = courier.mark(cluster, &set, prepared.generation, parcel.mark, observed);
    let delivered = courier.deliver(cluster, &set, &mark, observed)?;
    // A read-only material folder keeps its copy; nothing depends on whether it is gone.
    let _ = issuing_key::forget(store, prepared);
    Ok(delivered)
}
