//! What every job needs that brings a set to a target: decide, write, read back, compare, record.

use std::sync::{Mutex, PoisonError};

use time::OffsetDateTime;

use crate::mesh::adoption;
use crate::mesh::cacerts::{CA_KEY, CERT_CHAIN, Cacerts};
use crate::mesh::change::{Change, decide, holds};
use crate::mesh::checks::judgement::judge;
use crate::mesh::consumers::circumstances::Circumstances;
use crate::mesh::fleet::{Cluster, ClusterName, Mesh};
use crate::mesh::ledger::Act;
use crate::mesh::observed::{Observed, Owner};
use crate::mesh::ownership::Ownership;
use crate::mesh::secret_files::SecretFiles;
use crate::mesh::walk_mark::WalkMark;
use crate::pki::certificate::Certificate;
use crate::problem::{Code, Problem, Severity};
use crate::world::brake::Brake;
use crate::world::entropy::Entropy;
use crate::world::ledger_file::{About, LedgerFile};
use crate::world::targets::Targets;

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
        mark: &Ownership,
        seen: &Observed,
    ) -> Result<Delivered, Problem> {
        let before = seen.secret.as_ref().ok().and_then(Option::as_ref);
        self.bring(Act::Publish, cluster, set, mark, seen, |observed| decide(set, mark, cluster, before, observed))
    }

    /// Takes over what a cluster signs with, as a set that bears this mark: as [`Courier::deliver`], but in the place of what
    /// somebody else wrote.
    ///
    /// # Errors
    /// As [`Courier::deliver`].
    pub fn adopt(
        &self,
        cluster: &Cluster,
        set: &Cacerts,
        mark: &Ownership,
        seen: &Observed,
    ) -> Result<Delivered, Problem> {
        let decide = |observed: &Observed| adoption::decide(set, mark, cluster, seen, observed);
        self.bring(Act::Adopt, cluster, set, mark, seen, decide)
    }

    fn bring(
        &self,
        act: Act,
        cluster: &Cluster,
        set: &Cacerts,
        mark: &Ownership,
        seen: &Observed,
        decide: impl Fn(&Observed) -> Change,
    ) -> Result<Delivered, Problem> {
        let (signer, generation) = (set.signer(), Some(mark.generation));
        let about = About { cluster: Some(&cluster.name), generation, certificate: Some(signer) };
        self.examine(cluster, set, &self.known(cluster, set, mark, seen))?;
        let mut known = matches!(seen.secret, Ok(Some(_))).then(|| seen.clone());
        for _ in 0..ATTEMPTS {
            let observed = known.take().unwrap_or_else(|| self.targets.observe(cluster));
            let change = match decide(&observed) {
                Change::Leave => return Ok(Delivered { change: Change::Leave, seen: None }),
                Change::Refuse(problem) => return Err(problem),
                change @ (Change::Create | Change::Replace { .. }) => change,
            };
            self.brake.may_write()?;
            self.record(|ledger| ledger.intent(act, about))?;
            let written = self.targets.write(cluster, set, mark, &change);
            // Whether a write without an answer was done is not assumed: what is there now says it.
            let unsure = written.as_ref().err().filter(|problem| problem.leaves_open_whether_it_was_done());
            let seen = match (&written, unsure) {
                (Err(problem), None) => Err(problem.clone()),
                (Err(problem), Some(_)) => self.look_again(cluster, set).map_err(|_| problem.clone()),
                (Ok(()), _) => self.look_again(cluster, set),
            };
            match seen {
                Ok(seen) => {
                    self.record(|ledger| ledger.done(act, about))?;
                    return Ok(Delivered { change, seen: Some(seen) });
                }
                Err(problem) => {
                    self.record(|ledger| ledger.failed(act, about, &problem))?;
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

    /// The mark of a set that is about to be brought in the place of what was seen.
    #[must_use]
    pub fn mark(
        &self,
        cluster: &Cluster,
        set: &Cacerts,
        generation: u32,
        walk: Option<WalkMark>,
        seen: &Observed,
    ) -> Ownership {
        let there = seen.secret.as_ref().ok().and_then(Option::as_ref);
        let tainted = match there.map(|there| &there.owner) {
            Some(Owner::Ours(mark)) => mark.tainted.iter().filter(|taint| taint.ends >= self.now).cloned().collect(),
            _ => Vec::new(),
        };
        Ownership::new(&self.mesh.name, &cluster.name, generation, set.signer().serial_text())
            .in_role(cluster.role.as_str())
            .walking(walk)
            .tainted(tainted)
    }

    /// Publishes the set that is there, its key included, with this trust bundle and this note.
    ///
    /// # Errors
    /// As [`Courier::deliver`] and reading the target's key.
    pub fn rebundle(
        &self,
        cluster: &Cluster,
        seen: &Observed,
        bundle: &[u8],
        walk: Option<WalkMark>,
    ) -> Result<Delivered, Problem> {
        let there = seen.secret.as_ref().ok().and_then(Option::as_ref);
        let public = there.and_then(|there| {
            let chain = String::from_utf8(there.public.get(CERT_CHAIN)?.to_vec()).ok()?;
            Some((there.signer.as_ref().ok()?.clone(), chain))
        });
        let set = match (public, self.targets.key(cluster)?) {
            (Some((signer, chain)), Some((key, spki))) => Cacerts::rebundled(signer, chain, key, spki, bundle),
            _ => None,
        };
        let set = set.ok_or_else(|| {
            Problem::new(
                Code::TargetChangedMeanwhile,
                format!("{} holds no set any more that could be kept with another trust bundle", cluster.name),
            )
            .hint(format!("meshca check {}", cluster.name))
        })?;
        let mark = self.mark(cluster, &set, seen.generation(), walk, seen);
        self.deliver(cluster, &set, &mark, seen)
    }

    /// What is critical about a set that was adopted as it lies there: a cluster has lived with that, and is on its way out
    /// of it. Of a set of ours nothing is.
    fn known(&self, cluster: &Cluster, set: &Cacerts, mark: &Ownership, seen: &Observed) -> Vec<Code> {
        let there = seen.secret.as_ref().ok().and_then(Option::as_ref).filter(|_| mark.generation == 0);
        let Some(there) = there else { return Vec::new() };
        let public = there.public.iter().map(|(name, value)| (name.as_str(), value.to_vec()));
        let key = set.files().into_iter().filter(|(name, _)| *name == CA_KEY);
        let key = key.map(|(name, value)| (name, value.expose().to_vec()));
        self.critical(cluster, public.chain(key)).iter().map(Problem::code).collect()
    }

    /// No set leaves that istiod, the agent, Envoy or ztunnel would refuse, and none with a critical finding but those that
    /// are known of what lies there.
    fn examine(&self, cluster: &Cluster, set: &Cacerts, known: &[Code]) -> Result<(), Problem> {
        let files = set.files();
        let files = files.iter().map(|(name, value)| (*name, value.expose().to_vec()));
        let critical = self.critical(cluster, files);
        match critical.into_iter().find(|problem| !known.contains(&problem.code())) {
            None => Ok(()),
            Some(problem) => {
                let refused = Problem::new(
                    problem.code(),
                    format!("{}: the set that would be published is unsound: {}", cluster.name, problem.what()),
                );
                Err(problem.facts().iter().fold(refused, |refused, fact| refused.fact(fact.as_str())))
            }
        }
    }

    /// What is critical about some files.
    fn critical<'a>(&self, cluster: &Cluster, files: impl Iterator<Item = (&'a str, Vec<u8>)>) -> Vec<Problem> {
        let files = files.fold(SecretFiles::new(), |files, (name, value)| files.with(name, value));
        let circumstances = Circumstances {
            namespace: &cluster.namespace,
            trust_domain: &self.mesh.trust_domain,
            ..Circumstances::default()
        };
        let findings = judge(&files, &circumstances, self.now).findings.into_iter();
        findings.filter(|it| it.severity == Severity::Critical).map(|it| it.problem).collect()
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

    /// Writes to the ledger, which deliveries that run at once share.
    ///
    /// # Errors
    /// Those of the entry.
    pub fn record(&self, entry: impl FnOnce(&mut LedgerFile) -> Result<(), Problem>) -> Result<(), Problem> {
        // A panic elsewhere while the lock was held leaves whole lines or a cut tail, and both can be gone on from.
        entry(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a new intermediate is published with.
#[derive(Debug)]
pub struct Parcel<'a> {
    /// The root that it is under.
    pub anchor: &'a Certificate,
    /// The trust bundle, byte for byte.
    pub bundle: &'a [u8],
    /// What is noted on the set for a root change.
    pub mark: Option<WalkMark>,
}
