//! `rotate`: one tick. Looks at every target, plans, and does what is due. Nothing of a root key can be reached here.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::jobs::courier::{Courier, Delivered, Parcel};
use crate::jobs::publish::{activate, sweep};
use crate::mesh::change::Change;
use crate::mesh::event::{self, Event};
use crate::mesh::fleet::{Cluster, ClusterName};
use crate::mesh::gates::Approvals;
use crate::mesh::holdings::{Held, Holdings};
use crate::mesh::ledger;
use crate::mesh::minting::{self, Authority, Ingredients};
use crate::mesh::observed::Observed;
use crate::mesh::plan::{self, Plan};
use crate::mesh::shard;
use crate::mesh::shared_key;
use crate::mesh::step::{Act, Step};
use crate::mesh::taint::Taint;
use crate::pki::certificate::Certificate;
use crate::pki::signing_key::SigningKey;
use crate::problem::{Code, Problem};
use crate::world::brake::Hold;
use crate::world::issuing_key;
use crate::world::ledger_file::About;
use crate::world::passphrase::PassphraseSource;
use crate::world::store::Store;
use crate::world::terminal::Progress;

/// What one tick saw, planned and did.
#[derive(Debug)]
pub struct Tick {
    /// The plan.
    pub plan: Plan,
    /// What became of each step that writes; empty for a dry run.
    pub done: BTreeMap<ClusterName, Result<Change, Problem>>,
    /// Every target as it was last seen.
    pub observed: BTreeMap<ClusterName, Observed>,
    /// What the material folder held, read once.
    pub holdings: Holdings,
    /// Why some steps were not begun, where it was not the canary that failed.
    pub hold: Option<Hold>,
    /// Why an Event could not be told, of the first that could not. What was done is done.
    pub untold: Option<Problem>,
}

impl Tick {
    /// Whether nothing is left for anybody: whatever was due was done, and nothing was refused or waits.
    #[must_use]
    pub fn is_good_news(&self) -> bool {
        let waits = |step: &Step| matches!(step.act, Act::Refuse(_) | Act::AskForCeremony(_) | Act::Wait);
        self.hold.is_none() && self.done.values().all(Result::is_ok) && !self.plan.steps.iter().any(waits)
    }
}

/// Looks and plans, and changes nothing.
///
/// # Errors
/// `no-usable-root`, `clock-implausible`, `file-unreadable`.
pub fn dry_run(courier: &Courier<'_>, store: &Store, approvals: &Approvals) -> Result<Tick, Problem> {
    let holdings = store.holdings()?;
    let observed = look_further(courier, &holdings, courier.targets.observe_all())?;
    let plan = planned(courier, &holdings, &observed, approvals)?;
    Ok(Tick { plan, done: BTreeMap::new(), observed, holdings, hold: None, untold: None })
}

/// Looks, plans and does what is due. A target that fails does not stop the others; the canary's step comes first, and
/// if it fails, no other target is written in this tick. Once the brake is pulled, nothing new is begun; what is being
/// written is finished.
///
/// # Errors
/// `no-usable-root`, `clock-implausible`, `file-unreadable`.
pub fn run(
    courier: &Courier<'_>,
    store: &Store,
    opens: &PassphraseSource,
    approvals: &Approvals,
) -> Result<Tick, Problem> {
    let mesh = courier.mesh;
    let holdings = store.holdings()?;
    let brake = courier.brake;
    let mut observed = match observe(courier) {
        Ok(observed) => observed,
        Err(hold) => {
            // Nothing can be planned upon half of a mesh.
            let plan = Plan { steps: Vec::new(), ceremonies: Vec::new(), root_change: None, leaks: Vec::new() };
            let done = BTreeMap::new();
            return Ok(Tick { plan, done, observed: BTreeMap::new(), holdings, hold: Some(hold), untold: None });
        }
    };
    observed = look_further(courier, &holdings, observed)?;
    let plan = planned(courier, &holdings, &observed, approvals)?;
    for cluster in mesh.clusters.iter() {
        if let Some(observed) = observed.get(&cluster.name) {
            sweep(mesh, store, &holdings, cluster, observed);
        }
    }
    let hands = Hands { courier, store, holdings: &holdings, opens, observed: &observed, issuing: OnceLock::new() };
    let mut due: Vec<&Step> = plan.steps.iter().filter(|step| step.act.writes()).collect();
    let mut taken = Vec::new();
    let mut hold = brake.hold();
    if let Some(first) = due.first().copied()
        && mesh.rotation.canary.as_ref() == Some(&first.cluster)
        && hold.is_none()
    {
        due.remove(0);
        let outcome = hands.take(first);
        if outcome.is_err() {
            due.clear();
        }
        taken.push((first.cluster.clone(), outcome));
    }
    let progress = Progress::new("renewing", due.len(), courier.shows_progress);
    let outcomes = courier.targets.in_parallel(&due, mesh.rotation.write, |step| {
        progress.step(step.cluster.as_str());
        match brake.hold() {
            None => Ok((step.cluster.clone(), hands.take(step))),
            Some(hold) => Err(hold),
        }
    });
    drop(progress);
    for outcome in outcomes {
        match outcome {
            Ok(outcome) => taken.push(outcome),
            Err(why) => hold = Some(why),
        }
    }
    let (mut done, mut afterwards) = (BTreeMap::new(), BTreeMap::new());
    for (name, outcome) in taken {
        let seen = match &outcome {
            Ok(delivered) => delivered.seen.clone(),
            // What a failure left there is not known; who is to end does not ask.
            Err(_) if hold.is_some() => None,
            Err(_) => mesh.cluster(&name).map(|cluster| courier.targets.observe(cluster)),
        };
        afterwards.extend(seen.map(|seen| (name.clone(), seen)));
        done.insert(name, outcome.map(|delivered| delivered.change));
    }
    // By what was seen before: that is what an Event is about.
    let untold = tell(courier, &event::events(&plan, &done, &observed));
    if hold.is_none() {
        afterwards = courier.targets.look_at_istiods(afterwards);
        if plan.root_change.is_some() {
            afterwards = courier.targets.look_at_deployments(afterwards);
        }
    }
    observed.extend(afterwards);
    Ok(Tick { plan, done, observed, holdings, hold, untold })
}

/// Looks at what only a root change has to know, while there is one.
fn look_further(
    courier: &Courier<'_>,
    holdings: &Holdings,
    observed: BTreeMap<ClusterName, Observed>,
) -> Result<BTreeMap<ClusterName, Observed>, Problem> {
    let Courier { mesh, targets, now, .. } = *courier;
    Ok(match plan::root_change(mesh, holdings, &observed, now)? {
        Some(_) => targets.look_at_deployments(observed),
        None => observed,
    })
}

/// The plan for what this run works on.
fn planned(
    courier: &Courier<'_>,
    holdings: &Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    approvals: &Approvals,
) -> Result<Plan, Problem> {
    let mesh = courier.mesh;
    let plan = plan::next(mesh, holdings, observed, approvals, courier.now)?;
    Ok(match courier.own {
        Some(own) => shard::narrowed(plan, mesh.rotation.canary.as_ref(), own),
        None => plan,
    })
}

/// Looks at every target, unless the brake is pulled meanwhile.
fn observe(courier: &Courier<'_>) -> Result<BTreeMap<ClusterName, Observed>, Hold> {
    let Courier { mesh, targets, brake, .. } = courier;
    let progress = targets.progress(mesh.clusters.len());
    let looked = targets.in_parallel(&mesh.clusters, mesh.rotation.observe, |cluster| {
        progress.step(cluster.name.as_str());
        brake.hold().map_or_else(|| Ok((cluster.name.clone(), targets.observe(cluster))), Err)
    });
    drop(progress);
    let seen = looked.into_iter().collect::<Result<_, _>>()?;
    brake.hold().map_or_else(|| Ok(targets.look_at_istiods(seen)), Err)
}

/// Tells the clusters what became of their targets; returns the first problem with that.
fn tell(courier: &Courier<'_>, events: &[Event]) -> Option<Problem> {
    let told = courier.targets.in_parallel(events, courier.mesh.rotation.write, |event| {
        let cluster = courier.mesh.cluster(&event.cluster)?;
        courier.targets.tell(cluster, event).err()
    });
    told.into_iter().flatten().next()
}

/// What the steps of one tick share. The issuing key is opened by the first step that needs it, and only then.
struct Hands<'a> {
    courier: &'a Courier<'a>,
    store: &'a Store,
    holdings: &'a Holdings,
    opens: &'a PassphraseSource,
    observed: &'a BTreeMap<ClusterName, Observed>,
    issuing: OnceLock<Result<SigningKey, Problem>>,
}

impl Hands<'_> {
    fn take(&self, step: &Step) -> Result<Delivered, Problem> {
        let missing = |what: &str| Problem::new(Code::TargetUnreadable, format!("{}: {what}", step.cluster));
        let mesh = self.courier.mesh;
        let cluster = mesh.cluster(&step.cluster).ok_or_else(|| missing("not in the mesh file"))?;
        let observed = self.observed.get(&step.cluster).ok_or_else(|| missing("was not looked at"))?;
        let bundle = step.bundle.as_deref().unwrap_or_default();
        match step.act {
            Act::Mint { issuing, generation } => {
                let issuing = self.holdings.issuing.iter().find(|held| held.generation == issuing);
                let issuing = issuing.ok_or_else(|| missing("its issuing CA is gone"))?;
                let anchor = self.root_of(&issuing.certificate)?;
                let parcel = Parcel { anchor, bundle, mark: step.mark.clone() };
                self.mint(cluster, observed, issuing, generation, parcel, step.taints)
            }
            Act::Rebundle | Act::Note => self.courier.rebundle(cluster, observed, bundle, step.mark.clone()),
            Act::Restart => self.restart(cluster),
            Act::Activate { generation } => {
                let prepared = self
                    .holdings
                    .stock
                    .iter()
                    .find(|it| it.cluster == cluster.name && it.generation == generation)
                    .ok_or_else(|| missing("its stock is gone"))?;
                shared_key::refuse(prepared.signer.spki(), &cluster.name, self.observed)?;
                let (courier, store) = (self.courier, self.store);
                let anchor = self.root_of(prepared.upper.last().unwrap_or(&prepared.signer))?;
                let parcel = Parcel { anchor, bundle, mark: step.mark.clone() };
                activate(courier, store, self.opens, cluster, prepared, parcel, observed)
            }
            Act::Leave | Act::Wait | Act::AskForCeremony(_) | Act::Refuse(_) => {
                Ok(Delivered { change: Change::Leave, seen: None })
            }
        }
    }

    fn mint(
        &self,
        cluster: &Cluster,
        observed: &Observed,
        issuing: &Held,
        generation: u32,
        parcel: Parcel<'_>,
        taints: bool,
    ) -> Result<Delivered, Problem> {
        let Courier { mesh, entropy, now, .. } = *self.courier;
        let issuing_key = self
            .issuing
            .get_or_init(|| issuing_key::open(self.store, issuing, self.opens, mesh.lab, entropy))
            .as_ref()
            .map_err(Clone::clone)?;
        let about = About { cluster: Some(&cluster.name), generation: Some(generation), certificate: None };
        self.courier.record(|ledger| ledger.intent(ledger::Act::MintIntermediate, about))?;
        let key = SigningKey::generate(mesh.intermediate.key, entropy.source())?;
        let with = Ingredients { key: &key, serial: entropy.serial()?, random: entropy.source(), now };
        let authority = Authority { certificate: &issuing.certificate, key: issuing_key };
        let signed = minting::intermediate(mesh, &cluster.name, generation, authority, now, &with)?;
        let about = About { certificate: Some(signed.certificate()), ..about };
        self.courier.record(|ledger| ledger.done(ledger::Act::MintIntermediate, about))?;
        let upper = [issuing.certificate.clone()];
        let set = minting::set(mesh, signed.into_certificate(), &key, &upper, parcel.anchor, parcel.bundle);
        let mut mark = self.courier.mark(cluster, &set, generation, parcel.mark, observed);
        if taints {
            let there = observed.secret.as_ref().ok().and_then(Option::as_ref);
            mark.tainted.extend(there.and_then(|there| there.signer.as_ref().ok()).map(Taint::of));
        }
        self.courier.deliver(cluster, &set, &mark, observed)
    }

    fn restart(&self, cluster: &Cluster) -> Result<Delivered, Problem> {
        let about = About { cluster: Some(&cluster.name), generation: None, certificate: None };
        self.courier.brake.may_write()?;
        self.courier.record(|ledger| ledger.intent(ledger::Act::RestartIstiod, about))?;
        let restarted = self.courier.targets.restart(cluster);
        self.courier.record(|ledger| match &restarted {
            Ok(()) => ledger.done(ledger::Act::RestartIstiod, about),
            Err(problem) => ledger.failed(ledger::Act::RestartIstiod, about, problem),
        })?;
        restarted.map(|()| Delivered { change: Change::Leave, seen: None })
    }

    /// The root that signed the top of a chain.
    fn root_of(&self, top: &Certificate) -> Result<&Certificate, Problem> {
        let mut trusted = self.holdings.trusted(self.courier.mesh)?.into_iter().map(|held| &held.certificate);
        trusted.find(|root| top.issuer() == root.subject() && top.is_signed_by(root.spki())).ok_or_else(|| {
            Problem::new(Code::NoUsableRoot, format!("{} is under no root that may be used", top.subject()))
        })
    }
}
