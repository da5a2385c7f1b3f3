//! The truth about a simulated fleet: what is published where, what each istiod has loaded, what it hands out, and which
//! certificates and trust bundles are alive in workloads. Rules of istiod: Istio, `pilot/pkg/bootstrap/istio_ca.go`
//! (`handleEvent`) and `security/pkg/pki/ca/ca.go`.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::ages::Age;
use super::layout::{Layout, TTL};
use super::pool::{Bundle, Signer};

/// What stands for something in a memory of many; the model checker remembers its states in the same way.
pub(crate) fn digest(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Where people send a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Whereto {
    Forward,
    Trust,
    Start,
}

/// What is noted on a set for a walk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) to: u8,
    /// How many clusters the mesh file had.
    pub(crate) roster: u8,
    pub(crate) bundled: Option<Age>,
    pub(crate) shown: Option<Age>,
    pub(crate) signs: Option<Age>,
    /// Roots, in their order.
    pub(crate) from: Vec<u8>,
    pub(crate) own_ca: bool,
    pub(crate) removed: Vec<u8>,
    pub(crate) turn: Option<(u32, Whereto)>,
}

/// A set in a Secret or folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Published {
    pub(crate) signer: Signer,
    pub(crate) bundle: Bundle,
    pub(crate) mark: Option<Mark>,
    pub(crate) written: Age,
}

/// What one replica of istiod has loaded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Replica {
    pub(crate) signer: Signer,
    pub(crate) bundle: Bundle,
    /// Since when.
    pub(crate) loaded: Age,
    /// Whose client certificates it takes: the trust bundle of its start.
    pub(crate) takes: Bundle,
    /// Whether it is still to go down for a restart that was asked for.
    pub(crate) is_to_restart: bool,
    /// Whether it began without a set, and so reads none before its next start.
    pub(crate) is_blind: bool,
}

/// A cluster with an istiod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Primary {
    pub(crate) published: Option<Published>,
    /// The set that was lost in an adoption. People have it: of an adopted signer meshca can make no other.
    pub(crate) backup: Option<Published>,
    pub(crate) replicas: Vec<Replica>,
    /// When its Deployment was last told to restart.
    pub(crate) restarted: Option<Age>,
    /// The object in which istiod hands out its trust bundle; the first replica leads and writes it.
    pub(crate) map: Bundle,
    pub(crate) map_since: Age,
    /// Whether it can be reached.
    pub(crate) is_down: bool,
    /// Roots under which no replica signs any more, and since when: what was signed may live.
    pub(crate) old_leafs: Vec<(u8, Age)>,
    /// Trust bundles that no replica hands out any more, and since when: workloads may still use them.
    pub(crate) old_bundles: Vec<(Bundle, Age)>,
}

/// A cluster whose workloads are signed by another's istiod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Remote {
    pub(crate) map: Bundle,
    pub(crate) map_since: Age,
    pub(crate) is_down: bool,
}

/// What a step under way is going to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Deed {
    /// Publish another intermediate.
    Renew {
        signer: Signer,
        bundle: Bundle,
        mark: Option<Mark>,
    },
    /// Publish what is there with another trust bundle or note.
    Keep {
        bundle: Bundle,
        mark: Option<Mark>,
    },
    Restart,
}

/// A step that was planned and not done yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Pending {
    pub(crate) cluster: u8,
    pub(crate) deed: Deed,
    /// The set that was there when the cluster was looked at.
    pub(crate) before: Option<(Signer, Bundle)>,
    /// Whether the set was replaced since.
    pub(crate) is_overtaken: bool,
}

/// The whole fleet at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct World {
    pub(crate) primaries: Vec<Primary>,
    pub(crate) remotes: Vec<Remote>,
    /// What the running tick has not done yet.
    pub(crate) flight: Vec<Pending>,
}

impl World {
    /// Everything under the root that it begins with, for long; what was adopted got its note a moment ago.
    pub(crate) fn new(layout: &Layout) -> Self {
        let long = *layout.thresholds().last().unwrap();
        let primaries = layout.sites.iter().zip(0_u8..).map(|(site, cluster)| {
            let root = layout.begins[usize::from(cluster)];
            let bundle = layout.pool.alone(root);
            let is_adopted = layout.is_adopted(cluster.into());
            let generation = if is_adopted { 0 } else { 1 };
            let signer = Signer { cluster, root, generation, copy: 0, is_due: false };
            let is_blind = is_adopted && site.own_ca;
            let replica = Replica { signer, bundle, loaded: long, takes: bundle, is_to_restart: false, is_blind };
            let mark = is_adopted.then(|| Mark::adopted(root, layout.foreign + 1, site.own_ca));
            let written = if is_adopted { 0 } else { long };
            Primary {
                published: Some(Published { signer, bundle, mark, written }),
                backup: None,
                replicas: vec![replica; usize::from(site.replicas)],
                restarted: None,
                map: bundle,
                map_since: long,
                is_down: false,
                old_leafs: Vec::new(),
                old_bundles: Vec::new(),
            }
        });
        let remotes = layout.remotes.iter().map(|of| {
            let map = layout.pool.alone(layout.begins[usize::from(*of)]);
            Remote { map, map_since: long, is_down: false }
        });
        Self { primaries: primaries.collect(), remotes: remotes.collect(), flight: Vec::new() }
    }

    /// Every age in it, by cluster.
    pub(crate) fn ages(&mut self) -> Vec<Vec<&mut Age>> {
        let primaries = self.primaries.iter_mut().map(Primary::ages);
        let remotes = self.remotes.iter_mut().map(|remote| vec![&mut remote.map_since]);
        let mut ages: Vec<Vec<&mut Age>> = primaries.chain(remotes).collect();
        for pending in &mut self.flight {
            if let Deed::Renew { mark: Some(mark), .. } | Deed::Keep { mark: Some(mark), .. } = &mut pending.deed {
                ages[usize::from(pending.cluster)].extend(mark.ages());
            }
        }
        ages
    }

    /// Lets time pass. What was signed ends in its last second, not before.
    pub(crate) fn wait(&mut self, seconds: Age) {
        for age in self.ages().into_iter().flatten() {
            *age = age.saturating_add(seconds);
        }
        for primary in &mut self.primaries {
            primary.old_leafs.retain(|(_, age)| *age <= TTL);
            primary.old_bundles.retain(|(_, age)| *age <= TTL);
        }
    }

    /// Whether a replica that is told of the published set would take it.
    pub(crate) fn takes(&self, layout: &Layout, cluster: usize, replica: usize) -> bool {
        let primary = &self.primaries[cluster];
        let Some(published) = &primary.published else { return false };
        let has = &primary.replicas[replica];
        let is_multi_root = layout.sites[cluster].multi_root;
        let is_same_or_piece = has.bundle == published.bundle
            || (is_multi_root && layout.pool.is_grown_or_shrunk(has.bundle, published.bundle));
        !has.is_blind && is_same_or_piece
    }

    /// Whether a replica has something else than what is published.
    pub(crate) fn lags(&self, cluster: usize, replica: usize) -> bool {
        let primary = &self.primaries[cluster];
        let has = &primary.replicas[replica];
        primary.published.as_ref().is_some_and(|it| (it.signer, it.bundle) != (has.signer, has.bundle))
    }

    /// A replica loads what is published; at a restart whatever it is, else only what it takes.
    pub(crate) fn load(&mut self, layout: &Layout, cluster: usize, replica: usize, is_restart: bool) {
        if !is_restart && !self.takes(layout, cluster, replica) {
            return;
        }
        let primary = &mut self.primaries[cluster];
        let Some(published) = &primary.published else { return };
        let (signer, bundle) = (published.signer, published.bundle);
        let before = primary.loaded();
        let has = &mut primary.replicas[replica];
        (has.signer, has.bundle, has.loaded) = (signer, bundle, 0);
        if is_restart {
            (has.takes, has.is_to_restart, has.is_blind) = (bundle, false, false);
        }
        let after = primary.loaded();
        for (root, bundle) in before {
            if after.iter().all(|(it, _)| *it != root) && primary.old_leafs.iter().all(|(it, _)| *it != root) {
                primary.old_leafs.push((root, 0));
            }
            if after.iter().all(|(_, it)| *it != bundle) && primary.old_bundles.iter().all(|(it, _)| *it != bundle) {
                primary.old_bundles.push((bundle, 0));
            }
        }
        primary.old_leafs.retain(|(root, _)| after.iter().all(|(it, _)| it != root));
        primary.old_bundles.retain(|(bundle, _)| after.iter().all(|(_, it)| it != bundle));
        primary.old_leafs.sort_unstable();
        primary.old_bundles.sort_unstable();
        if replica == 0 && primary.map != bundle {
            (primary.map, primary.map_since) = (bundle, 0);
        }
    }

    /// Whether a remote is still shown something else than what its control plane hands out.
    pub(crate) fn remote_lags(&self, layout: &Layout, remote: usize) -> bool {
        let leader = &self.primaries[usize::from(layout.remotes[remote])].replicas[0];
        self.remotes[remote].map != leader.bundle
    }

    /// People put the adopted set that was lost back.
    pub(crate) fn restore(&mut self, at: usize) -> bool {
        let primary = &mut self.primaries[at];
        if primary.published.is_some() || primary.backup.is_none() {
            return false;
        }
        primary.published = primary.backup.take();
        primary.published.iter_mut().for_each(|it| it.written = 0);
        true
    }

    /// Whether the cluster at this place of the mesh file cannot be reached.
    pub(crate) fn is_down(&mut self, at: usize) -> &mut bool {
        let primaries = self.primaries.len();
        if at < primaries { &mut self.primaries[at].is_down } else { &mut self.remotes[at - primaries].is_down }
    }

    /// The intermediate that is published becomes due for renewal.
    pub(crate) fn due(&mut self, at: usize) {
        let primary = &mut self.primaries[at];
        let Some(published) = &mut primary.published else { return };
        for replica in primary.replicas.iter_mut().filter(|it| it.signer == published.signer) {
            replica.signer.is_due = true;
        }
        published.signer.is_due = true;
        for pending in &mut self.flight {
            if let Some((signer, _)) = &mut pending.before
                && usize::from(pending.cluster) == at
            {
                signer.is_due |= signer.is_same(published.signer);
            }
        }
    }

    /// The control plane of a remote writes its trust bundle there.
    pub(crate) fn sync(&mut self, layout: &Layout, remote: usize) {
        let bundle = self.primaries[usize::from(layout.remotes[remote])].replicas[0].bundle;
        let remote = &mut self.remotes[remote];
        if remote.map != bundle {
            (remote.map, remote.map_since) = (bundle, 0);
        }
    }
}

impl Primary {
    /// Every age in it.
    pub(crate) fn ages(&mut self) -> Vec<&mut Age> {
        let mut ages: Vec<&mut Age> = vec![&mut self.map_since];
        ages.extend(self.restarted.as_mut());
        ages.extend(self.replicas.iter_mut().map(|replica| &mut replica.loaded));
        for published in self.published.iter_mut().chain(&mut self.backup) {
            ages.push(&mut published.written);
            ages.extend(published.mark.iter_mut().flat_map(Mark::ages));
        }
        ages.extend(self.old_leafs.iter_mut().map(|(_, age)| age));
        ages.extend(self.old_bundles.iter_mut().map(|(_, age)| age));
        ages
    }

    /// What its replicas sign under and hand out.
    fn loaded(&self) -> Vec<(u8, Bundle)> {
        self.replicas.iter().map(|replica| (replica.signer.root, replica.bundle)).collect()
    }

    /// The roots under which something that its istiod signed is alive.
    pub(crate) fn live_leafs(&self) -> impl Iterator<Item = u8> {
        self.replicas.iter().map(|replica| replica.signer.root).chain(self.old_leafs.iter().map(|(root, _)| *root))
    }

    /// The trust bundles that are in use in workloads which its istiod serves.
    pub(crate) fn live_bundles(&self) -> impl Iterator<Item = Bundle> {
        self.replicas.iter().map(|replica| replica.bundle).chain(self.old_bundles.iter().map(|(bundle, _)| *bundle))
    }
}

impl Mark {
    /// What `adopt` notes on a set under this root, which is to walk to that one.
    fn adopted(root: u8, to: u8, own_ca: bool) -> Self {
        Self {
            to,
            roster: 0,
            bundled: None,
            shown: None,
            signs: None,
            from: vec![root],
            own_ca,
            removed: Vec::new(),
            turn: None,
        }
    }

    pub(crate) fn ages(&mut self) -> Vec<&mut Age> {
        [&mut self.bundled, &mut self.shown, &mut self.signs].into_iter().flatten().collect()
    }
}
