//! `publish`: brings what lies in stock to the targets. Reads, decides, writes, looks again, records; each target for
//! itself.

use std::slice::from_ref;
use std::sync::{Mutex, PoisonError};

use time::OffsetDateTime;

use crate::mesh::cacerts::Cacerts;
use crate::mesh::change::{Change, decide, holds, may_write, same_root};
use crate::mesh::checks::judgement::judge;
use crate::mesh::consumers::circumstances::Circumstances;
use crate::mesh::fleet::{Cluster, ClusterName, Membership, Mesh};
use crate::mesh::holdings::{Holdings, Prepared};
use crate::mesh::ledger::Act;
use crate::mesh::loaded::Loaded;
use crate::mesh::minting;
use crate::mesh::observed::{Observed, SecretSight};
use crate::mesh::ownership::Ownership;
use crate::mesh::secret_files::SecretFiles;
use crate::mesh::shared_key;
use crate::pki::certificate::Certificate;
use crate::problem::{Code, Problem, Severity};
use crate::world::brake::Brake;
use crate::world::entropy::Entropy;
use crate::world::issuing_key;
use crate::world::ledger_file::{About, LedgerFile};
use crate::world::passphrase::PassphraseSource;
use crate::world::store::Store;
use crate::world::targets::{self, Targets};
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

/// The pieces that every delivery needs.
#[derive(Debug)]
pub struct Courier<'a> {
    /// The declared mesh.
    pub mesh: &'a Mesh,
    /// The clusters that this run works on; `None`: all.
    pub own: Option<&'a [ClusterName]>,
    /// Its targets.
    pub targets: &'a Targets<'a>,
    /// Random bytes.
    pub entropy: &'a Entropy,
    /// The ledger, shared by deliveries that run at once.
    pub ledger: &'a Mutex<LedgerFile>,
    /// The present moment.
    pub now: OffsetDateTime,
    /// What may keep it from writing.
    pub brake: &'a Brake,
    /// Whether people may be shown how far it has come.
    pub shows_progress: bool,
}

/// A set that is where it should be: what was done for that, and what was seen there afterwards. `None`: nothing was
/// done.
#[derive(Debug)]
pub struct Delivered {
    /// What was done.
    pub change: Change,
    /// The target as it was read back.
    pub seen: Option<Observed>,
}

/// How often a delivery decides again when the target changed under its hands.
const ATTEMPTS: usize = 3;

impl Courier<'_> {
    /// Brings one set to one target: decides, writes, reads back and compares the whole set of values. What is there is
    /// decided on as it was seen, since a write names that; an empty place is looked at once more, since nothing there
    /// could be named.
    ///
    /// # Errors
    /// The refusal; `target-changed-meanwhile`, when it holds something else by now or changed three times; `lease-lost`;
    /// `file-unwritable`; `written-differs-from-read`. In each case but the last the target is what it was.
    pub fn deliver(
        &self,
        cluster: &Cluster,
        set: &Cacerts,
        generation: u32,
        seen: &Observed,
    ) -> Result<Delivered, Problem> {
        let signer = set.signer();
        let mark = Ownership::new(&self.mesh.name, &cluster.name, generation, signer.serial_text())
            .in_role(cluster.role.as_str());
        let about = About { cluster: Some(&cluster.name), generation: Some(generation), certificate: Some(signer) };
        let before = seen.secret.as_ref().ok().and_then(Option::as_ref).and_then(|there| there.signer.as_ref().ok());
        self.examine(cluster, set)?;
        let mut known = matches!(seen.secret, Ok(Some(_))).then(|| seen.clone());
        for _ in 0..ATTEMPTS {
            let observed = known.take().unwrap_or_else(|| self.targets.observe(cluster));
            let change = match decide(set, cluster, &self.mesh.name, before, &observed) {
                Change::Leave => return Ok(Delivered { change: Change::Leave, seen: None }),
                Change::Refuse(problem) => return Err(problem),
                change @ (Change::Create | Change::Replace { .. }) => change,
            };
            self.brake.may_write()?;
            self.record(|ledger| ledger.intent(Act::Publish, about))?;
            let written = self.targets.write(cluster, set, &mark, &change);
            // Whether a write without an answer was done is not assumed: what is there now says it.
            let unsure = written.as_ref().err().filter(|problem| problem.leaves_open_whether_it_was_done());
            let seen = match (&written, unsure) {
                (Err(problem), None) => Err(problem.clone()),
                (Err(problem), Some(_)) => self.look_again(cluster, set).map_err(|_| problem.clone()),
                (Ok(()), _) => self.look_again(cluster, set),
            };
            match seen {
                Ok(seen) => {
                    self.record(|ledger| ledger.done(Act::Publish, about))?;
                    return Ok(Delivered { change, seen: Some(seen) });
                }
                Err(problem) => {
                    self.record(|ledger| ledger.failed(Act::Publish, about, &problem))?;
                    if problem.code() != Code::TargetChangedMeanwhile {
                        return Err(problem);
                    }
                }
            }
        }
        Err(Problem::new(
            Code::TargetChangedMeanwhile,
            format!(
                "{} changed {ATTEMPTS} times between the decision and the write; it was left as it is",
                cluster.name
            ),
        )
        .hint("find out who else writes there"))
    }

    /// No set leaves that istiod, the agent, Envoy or ztunnel would refuse, and none with a critical finding.
    fn examine(&self, cluster: &Cluster, set: &Cacerts) -> Result<(), Problem> {
        let files = set
            .files()
            .into_iter()
            .fold(SecretFiles::new(), |files, (name, value)| files.with(name, value.expose().to_vec()));
        let circumstances = Circumstances {
            namespace: &cluster.namespace,
            trust_domain: &self.mesh.trust_domain,
            ..Circumstances::default()
        };
        let judgement = judge(&files, &circumstances, self.now);
        let critical = judgement.findings.into_iter().find(|finding| finding.severity == Severity::Critical);
        match critical {
            None => Ok(()),
            Some(finding) => {
                let problem = finding.problem;
                let refused = Problem::new(
                    problem.code(),
                    format!("{}: the set that would be published is unsound: {}", cluster.name, problem.what()),
                );
                Err(problem.facts().iter().fold(refused, |refused, fact| refused.fact(fact.as_str())))
            }
        }
    }

    fn look_again(&self, cluster: &Cluster, set: &Cacerts) -> Result<Observed, Problem> {
        let observed = self.targets.observe(cluster);
        let there = observed.secret.as_ref().map_err(Clone::clone)?.as_ref();
        if there.is_some_and(|there| holds(there, set)) {
            return Ok(observed);
        }
        let names = there.map_or_else(|| "nothing".to_owned(), |there| there.names.join(", "));
        Err(Problem::new(
            Code::WrittenDiffersFromRead,
            format!("{}: what was read back is not what was written", cluster.name),
        )
        .fact(format!("found  {names}"))
        .hint(format!("meshca check {}", cluster.name)))
    }

    pub(in crate::jobs) fn record(
        &self,
        entry: impl FnOnce(&mut LedgerFile) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        // A panic elsewhere while the lock was held leaves whole lines or a cut tail, and both can be gone on from.
        entry(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
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
    let anchor = &holdings.anchor(mesh)?.certificate;
    let clusters: Vec<&Cluster> = if order.clusters.is_empty() {
        let chosen = |cluster: &&Cluster| cluster.role.has_cacerts() && cluster.state == Membership::Member;
        mesh.clusters.iter().filter(chosen).collect()
    } else {
        order.clusters.iter().map(|name| mesh.signing_cluster(name)).collect::<Result<_, _>>()?
    };
    let fleet = courier.targets.observe_all();
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
        let ready = holdings.ready(&cluster.name, observed.generation(), anchor, courier.now);
        let change = match ready {
            None => nothing_ready(&holdings, cluster, &observed),
            Some(prepared) => shared_key::refuse(prepared.signer.spki(), &cluster.name, &fleet)
                .and_then(|()| bring(courier, store, order, cluster, prepared, anchor, &observed)),
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

fn bring(
    courier: &Courier<'_>,
    store: &Store,
    order: &Order<'_>,
    cluster: &Cluster,
    prepared: &Prepared,
    anchor: &Certificate,
    observed: &Observed,
) -> Result<Change, Problem> {
    let there = may_write(cluster, &courier.mesh.name, from_ref(anchor), observed)?;
    if let Some(there) = there {
        same_root(cluster, anchor, there)?;
    }
    if order.dry_run {
        return Ok(match there {
            None => Change::Create,
            Some(there) => Change::Replace { uid: there.uid.clone(), version: there.version.clone() },
        });
    }
    activate(courier, store, order.opens, cluster, prepared, anchor, observed).map(|delivered| delivered.change)
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
    anchor: &Certificate,
    observed: &Observed,
) -> Result<Delivered, Problem> {
    let mesh = courier.mesh;
    let key = issuing_key::open_prepared(store, prepared, opens, mesh.lab, courier.entropy)?;
    let there = observed.secret.as_ref().ok().and_then(Option::as_ref);
    let bundle = there.and_then(SecretSight::kept_bundle);
    let set = minting::set(mesh, prepared.signer.clone(), &key, &prepared.upper, anchor, bundle.as_deref());
    let delivered = courier.deliver(cluster, &set, prepared.generation, observed)?;
    // A read-only material folder keeps its copy; nothing depends on whether it is gone.
    let _ = issuing_key::forget(store, prepared);
    Ok(delivered)
}
