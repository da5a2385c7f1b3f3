//! Private keys of roots and issuing CAs that may be in other hands, as the mesh file names them: whom such a key still
//! reaches, and how far the change of root has come that ends it.
//!
//! Whoever has such a key can make any identity, and each workload accepts it that trusts the root above the key. A new
//! issuing CA, or a new intermediate, takes no trust from the old one. So a cluster is protected once its workloads are
//! shown a trust bundle without that root, and have renewed since.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use crate::mesh::evidence::{Evidence, Wanted, mark_of};
use crate::mesh::fleet::{Cluster, ClusterName, Mesh};
use crate::mesh::holdings::{Held, Holdings};
use crate::mesh::observed::{Observed, SecretSight};
use crate::mesh::progress::Progress;
use crate::mesh::stage::Stage;
use crate::mesh::walk_mark::{Goal, WalkMark};
use crate::pki::certificate::Certificate;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::moment::utc;
use crate::pki::weak_key;

/// One such key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// SHA-256 of the certificate that the mesh file names.
    pub fingerprint: Fingerprint,
    /// Whose key it is.
    pub owner: KeyOwner,
    /// How far the way out of it is.
    pub phase: Phase,
    /// The clusters that it does not reach any more, in the order of the mesh file.
    pub protected: Vec<ClusterName>,
    /// The clusters that it reaches, or may reach: unknown is not protected.
    pub exposed: Vec<Exposed>,
    /// Whether rotation is paused in the mesh file, so that nothing goes on.
    pub is_paused: bool,
}

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOwner {
    /// A root of this name.
    Root(String),
    /// An issuing CA.
    Issuing {
        /// Its name.
        name: String,
        /// The root above it, as it is named; `None`: it is not known.
        root: Option<String>,
    },
    /// The intermediate of this cluster, which is not for `leaked`.
    Intermediate(ClusterName),
    /// Nobody has a root or an issuing CA of this SHA-256.
    Nobody,
}

/// A cluster that such a key reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// Which one.
    pub cluster: ClusterName,
    /// By what, in words.
    pub why: String,
}

/// How far the way out is. Each has one next command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It is a mistake in the mesh file: no root and no issuing CA is named.
    Misnamed,
    /// There is no other root to walk to.
    NeedsRoot,
    /// Another root is there, and only a pin in the mesh file makes it one that may be used.
    NeedsPin(Vec<Fingerprint>),
    /// The new root is there, and cannot give every control plane a signer yet.
    NeedsSigner {
        /// Whether an issuing CA makes them; else stock.
        has_issuing_tier: bool,
    },
    /// The fleet walks away from it.
    Walk(Stage),
    /// The root that is to go waits for the word of people.
    NeedsApproval(Fingerprint),
    /// People turned the change of root back.
    TurnedBack,
    /// The fleet walks to the very root; where it goes to from now on.
    Ahead(Goal),
    /// No cluster is shown the root any more, and workloads renew still.
    Renewing,
    /// Nothing accepts the key any more.
    Over {
        /// Whether the mesh file pins the certificate, which is as needless now.
        is_pinned: bool,
    },
}

impl Leak {
    /// As far as it concerns these clusters.
    pub(in crate::mesh) fn within(&self, clusters: &BTreeSet<&str>) -> Self {
        let is_one = |name: &ClusterName| clusters.contains(name.as_str());
        let protected = self.protected.iter().filter(|name| is_one(name)).cloned().collect();
        let exposed = self.exposed.iter().filter(|it| is_one(&it.cluster)).cloned().collect();
        Self { protected, exposed, ..self.clone() }
    }
}

impl Phase {
    /// The word in documents.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Phase::Misnamed => "misnamed",
            Phase::NeedsRoot => "needs-root",
            Phase::NeedsPin(_) => "needs-pin",
            Phase::NeedsSigner { .. } => "needs-signer",
            Phase::Walk(Stage::Trust) => "trust",
            Phase::Walk(Stage::Sign) => "sign",
            Phase::Walk(Stage::Drain) => "drain",
            Phase::Walk(Stage::Remove) => "remove",
            Phase::NeedsApproval(_) => "needs-approval",
            Phase::TurnedBack => "turned-back",
            Phase::Ahead(_) => "ahead",
            Phase::Renewing => "renewing",
            Phase::Over { .. } => "over",
        }
    }
}

/// Each key that the mesh file names, in its order. `progress` is how far a root change has come, if there is one.
#[must_use]
pub fn leaks(
    mesh: &Mesh,
    holdings: &Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    progress: Option<&Progress>,
    now: OffsetDateTime,
) -> Vec<Leak> {
    let look = Look { mesh, holdings, evidence: Evidence { mesh, observed, now }, progress };
    mesh.leaked.iter().map(|fingerprint| look.leak(*fingerprint)).collect()
}

/// Why a walk away from this root does not wait for a maintenance window; `None`: it does.
pub(in crate::mesh) fn flees(mesh: &Mesh, holdings: &Holdings, root: &Held) -> Option<String> {
    if weak_key::is_published(&root.certificate) {
        return Some(format!("it waits for no maintenance window, since the key of {} is published", root.name()));
    }
    if mesh.leaked.is_empty() {
        return None;
    }
    if mesh.is_leaked(&root.certificate) {
        return Some(format!("it waits for no maintenance window, since the key of {} is leaked", root.name()));
    }
    let issuing = holdings.issuing_under(&root.certificate);
    let leaked = issuing.into_iter().find(|held| mesh.is_leaked(&held.certificate))?;
    Some(format!("it waits for no maintenance window, since the key of issuing CA g{} is leaked", leaked.generation))
}

/// The leaked issuing CA in the chain of a set; `None`: none of them is.
pub(in crate::mesh) fn above(mesh: &Mesh, there: &SecretSight) -> Option<Certificate> {
    if mesh.leaked.is_empty() {
        return None;
    }
    let signer = there.signer.as_ref().ok();
    there.chain().iter().find(|it| Some(*it) != signer && !it.is_self_issued() && mesh.is_leaked(it)).cloned()
}

/// The note that a renewal after the walk keeps: since when a leaked root is gone from this set. Without it whoever looks
/// would reckon from the renewal on.
pub(in crate::mesh) fn kept_note(mesh: &Mesh, observed: &Observed) -> Option<WalkMark> {
    if mesh.leaked.is_empty() {
        return None;
    }
    let note = mark_of(observed)?;
    let there = observed.secret.as_ref().ok()?.as_ref()?;
    if note.removed.is_empty() || there.roots().iter().any(|root| note.removed.contains(&root.fingerprint())) {
        return None;
    }
    Some(WalkMark { bundled_at: note.bundled_at.or(observed.written_at), ..note.clone() })
}

struct Look<'a> {
    mesh: &'a Mesh,
    holdings: &'a Holdings,
    evidence: Evidence<'a>,
    progress: Option<&'a Progress>,
}

impl Look<'_> {
    fn leak(&self, fingerprint: Fingerprint) -> Leak {
        let is_paused = self.mesh.rotation.paused;
        let (protected, exposed) = (Vec::new(), Vec::new());
        let nothing = |owner, phase| Leak { fingerprint, owner, phase, protected, exposed, is_paused };
        let over = Phase::Over { is_pinned: self.mesh.root.trusted.contains(&fingerprint) };
        let Some(authority) = self.authority(fingerprint) else {
            return nothing(
                self.holder_of(fingerprint).map_or(KeyOwner::Nobody, KeyOwner::Intermediate),
                Phase::Misnamed,
            );
        };
        let root = if authority.is_self_issued() { Some(authority.clone()) } else { self.root_of(&authority) };
        let owner = match &root {
            Some(root) if *root == authority => KeyOwner::Root(self.name_of_root(root)),
            root => KeyOwner::Issuing {
                name: self.name_of_issuing(&authority),
                root: root.as_ref().map(|root| self.name_of_root(root)),
            },
        };
        if authority.not_after() < self.evidence.now {
            return Leak { protected: self.everybody(), ..nothing(owner, over) };
        }
        let Some(root) = root else {
            let exposed = self.everybody().into_iter();
            let exposed =
                exposed.map(|cluster| Exposed { cluster, why: "the root above the key is not known".to_owned() });
            return Leak { exposed: exposed.collect(), ..nothing(owner, Phase::NeedsRoot) };
        };
        let (mut protected, mut exposed, mut is_shown) = (Vec::new(), Vec::new(), false);
        for cluster in self.mesh.clusters.iter() {
            match self.reach(cluster, &root) {
                Reach::None => protected.push(cluster.name.clone()),
                Reach::Renewing(why) => exposed.push(Exposed { cluster: cluster.name.clone(), why }),
                Reach::Shown(why) => {
                    is_shown = true;
                    exposed.push(Exposed { cluster: cluster.name.clone(), why });
                }
            }
        }
        let phase = match (exposed.is_empty(), is_shown) {
            (true, _) => over,
            (false, false) => Phase::Renewing,
            (false, true) => self.phase(&root),
        };
        Leak { fingerprint, owner, phase, protected, exposed, is_paused }
    }

    fn phase(&self, root: &Certificate) -> Phase {
        match self.progress {
            Some(walk) if walk.from.iter().any(|held| held.certificate == *root) => match (walk.goal, walk.stage) {
                (Goal::Trust | Goal::Start, _) => Phase::TurnedBack,
                (Goal::Forward, Stage::Trust | Stage::Sign) if !walk.is_usable => {
                    Phase::NeedsSigner { has_issuing_tier: self.mesh.issuing.is_some() }
                }
                (Goal::Forward, _) if walk.awaits_approval => Phase::NeedsApproval(root.fingerprint()),
                (Goal::Forward, stage) => Phase::Walk(stage),
            },
            Some(walk) if walk.to.certificate == *root => Phase::Ahead(walk.goal),
            _ => self.way_in(root),
        }
    }

    /// What keeps a walk away from this root from beginning.
    fn way_in(&self, root: &Certificate) -> Phase {
        let trusted = self.holdings.trusted(self.mesh).unwrap_or_default();
        let is_trusted = |root: &Certificate| trusted.iter().any(|it| it.certificate == *root);
        let own = self.holdings.roots.iter().find(|held| held.certificate == *root);
        let newer = self.holdings.roots.iter().filter(|held| own.is_none_or(|own| held.generation > own.generation));
        let waiting: Vec<Fingerprint> = newer
            .filter(|held| !is_trusted(&held.certificate) && !self.mesh.is_leaked(&held.certificate))
            .map(|held| held.certificate.fingerprint())
            .collect();
        if !waiting.is_empty() || !is_trusted(root) {
            let own = Some(root.fingerprint()).filter(|_| !is_trusted(root));
            let used = trusted.iter().map(|held| held.certificate.fingerprint());
            return Phase::NeedsPin(own.into_iter().chain(used).chain(waiting).collect());
        }
        Phase::NeedsRoot
    }

    /// Whether the workloads of a cluster accept what hangs on this root.
    fn reach(&self, cluster: &Cluster, root: &Certificate) -> Reach {
        let roots = self.roots_of(cluster);
        let present = roots.iter().find(|it| *it != root).unwrap_or(root);
        let gone = [Held::adopted(root.clone())];
        match self.evidence.bundle(cluster, Wanted { present, absent: &gone, others: &gone }) {
            Err(lack) => Reach::Shown(lack.why),
            Ok(shown) => {
                let by = shown.since.saturating_add(self.evidence.leaf_bound(cluster));
                if by <= self.evidence.now {
                    return Reach::None;
                }
                let (grade, since) = (shown.grade.as_str(), utc(shown.since));
                Reach::Renewing(format!("without the root, {grade} since {since}; its workloads renew by {}", utc(by)))
            }
        }
    }

    /// The roots that its workloads are shown, or else those that are published for it.
    fn roots_of(&self, cluster: &Cluster) -> &[Certificate] {
        let signer = self.mesh.signer_of(cluster).unwrap_or(cluster);
        let shown = self.evidence.observed.get(&cluster.name).and_then(Observed::shown_roots);
        let there = self.evidence.observed.get(&signer.name).and_then(|it| it.secret.as_ref().ok()?.as_ref());
        shown.or_else(|| there.map(SecretSight::roots)).unwrap_or_default()
    }

    fn everybody(&self) -> Vec<ClusterName> {
        self.mesh.clusters.iter().map(|cluster| cluster.name.clone()).collect()
    }

    /// The root or issuing CA of this SHA-256: in the material folder, or in a cluster.
    fn authority(&self, fingerprint: Fingerprint) -> Option<Certificate> {
        let held = self.holdings.roots.iter().chain(&self.holdings.issuing).map(|held| &held.certificate);
        let stocked = self.holdings.stock.iter().flat_map(|prepared| &prepared.upper);
        let here = held.chain(stocked).find(|it| it.fingerprint() == fingerprint);
        here.cloned().or_else(|| {
            let is_it = |it: &Certificate, signer: Option<&Certificate>| {
                it.fingerprint() == fingerprint && (Some(it) != signer || it.is_self_issued())
            };
            self.sets().find_map(|(_, there)| {
                let signer = there.signer.as_ref().ok();
                there.chain().iter().chain(there.roots()).find(|it| is_it(it, signer)).cloned()
            })
        })
    }

    /// The cluster whose intermediate has this SHA-256.
    fn holder_of(&self, fingerprint: Fingerprint) -> Option<ClusterName> {
        let mut sets = self.sets();
        let found = sets.find(|(_, there)| there.signer.as_ref().is_ok_and(|it| it.fingerprint() == fingerprint));
        found.map(|(name, _)| name.clone())
    }

    fn sets(&self) -> impl Iterator<Item = (&ClusterName, &SecretSight)> {
        self.evidence.observed.iter().filter_map(|(name, it)| Some((name, it.secret.as_ref().ok()?.as_ref()?)))
    }

    /// The root that signed an issuing CA: in the material folder, or in a cluster.
    fn root_of(&self, issuing: &Certificate) -> Option<Certificate> {
        let signed = |root: &&Certificate| issuing.issuer() == root.subject() && issuing.is_signed_by(root.spki());
        let held = self.holdings.roots.iter().map(|held| &held.certificate).find(signed);
        held.cloned().or_else(|| self.sets().find_map(|(_, there)| there.roots().iter().find(signed).cloned()))
    }

    fn name_of_root(&self, root: &Certificate) -> String {
        named(&self.holdings.roots, root).map_or_else(|| root.subject().to_string(), |number| format!("root g{number}"))
    }

    fn name_of_issuing(&self, issuing: &Certificate) -> String {
        let number = named(&self.holdings.issuing, issuing);
        number.map_or_else(|| issuing.subject().to_string(), |number| format!("issuing CA g{number}"))
    }
}

/// Whether a key reaches the workloads of a cluster.
enum Reach {
    /// It does not.
    None,
    /// They are shown no root of it any more, and have not all renewed; in words.
    Renewing(String),
    /// They are shown its root, or that is not known; in words.
    Shown(String),
}

fn named(held: &[Held], certificate: &Certificate) -> Option<u32> {
    held.iter().find(|held| held.certificate == *certificate).map(|held| held.generation)
}
