//! The watch over every ordered pair of clusters: who could be verified before can be verified still.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use crate::mesh::deadline::ends_soon;
use crate::mesh::fleet::{Cluster, ClusterName, Mesh};
use crate::mesh::footing::is_party;
use crate::mesh::rehearsal::handshakes::Handshakes;
use crate::mesh::rehearsal::simulated_cluster::SimulatedCluster;
use crate::mesh::rehearsal::simulated_istiod::Served;
use crate::mesh::rehearsal::timeline::Event;

/// From the first to the second.
type Pair = (ClusterName, ClusterName);

/// What is known of the pairs.
#[derive(Default)]
pub(super) struct PairWatch {
    /// Pairs that could be verified at some moment.
    known: BTreeSet<Pair>,
    broken: BTreeSet<Pair>,
    /// The clusters among which all was well when they were last looked at.
    well: Vec<ClusterName>,
    ended: BTreeSet<(ClusterName, OffsetDateTime)>,
    alerted: BTreeSet<(ClusterName, OffsetDateTime)>,
}

/// One cluster, and what its living workload certificates are of.
type Party<'a> = (&'a Cluster, Vec<Served>);

impl PairWatch {
    /// How many pairs could be verified at some moment.
    pub(super) fn known(&self) -> usize {
        self.known.len()
    }

    /// Judges every pair, and tells what is new.
    pub(super) fn judge(
        &mut self,
        mesh: &Mesh,
        clusters: &BTreeMap<ClusterName, SimulatedCluster>,
        handshakes: &mut Handshakes<'_>,
        now: OffsetDateTime,
    ) -> Vec<Event> {
        let life = mesh.workload.max_ttl;
        let mut events = Vec::new();
        let mut parties: Vec<Party<'_>> = Vec::new();
        for cluster in mesh.clusters.iter().filter(|cluster| is_party(cluster, now)) {
            let signer = mesh.signer_of(cluster).and_then(|it| clusters.get(&it.name));
            let Some(signer) = signer.filter(|it| it.istiod.has_run()) else { continue };
            if cluster.role.has_cacerts()
                && let Some(end) = signer.istiod.signer_ends()
            {
                events.extend(self.ends(cluster, signer, end, now));
            }
            parties.push((cluster, signer.istiod.alive(life, now).collect()));
        }
        let broken = if self.is_all_well(&parties, handshakes, now) {
            BTreeSet::new()
        } else {
            self.broken_among(&parties, handshakes, now)
        };
        let mut new = broken.difference(&self.broken);
        if let Some((from, to)) = new.next() {
            events.push(Event::Broken(from.clone(), to.clone(), new.count()));
        }
        let mended = self.broken.difference(&broken).count();
        if mended > 0 {
            events.push(Event::Mended(mended));
        }
        self.broken = broken;
        events
    }

    /// Whether a signer has ended, or will soon; each is told once.
    fn ends(
        &mut self,
        cluster: &Cluster,
        signer: &SimulatedCluster,
        end: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Option<Event> {
        let name = cluster.name.clone();
        if end < now {
            return self.ended.insert((name.clone(), end)).then_some(Event::Expired(name, end));
        }
        let published = signer.published.as_ref()?.sight.signer.as_ref().ok()?.not_after();
        let is_new = ends_soon(published, now) && self.alerted.insert((name.clone(), published));
        is_new.then_some(Event::Alert(name, published))
    }

    /// Whether every chain that lives is accepted by every bundle that is trusted: then there is no need to go through the
    /// pairs.
    fn is_all_well(&mut self, parties: &[Party<'_>], handshakes: &mut Handshakes<'_>, now: OffsetDateTime) -> bool {
        let of = |number: fn(&Served) -> usize| -> BTreeSet<usize> {
            parties.iter().flat_map(|(_, served)| served.iter().map(number)).collect()
        };
        let (chains, bundles) = (of(|it| it.chain), of(|it| it.bundle));
        let all_have = parties.iter().all(|(_, served)| !served.is_empty());
        let well = all_have
            && chains.iter().all(|chain| bundles.iter().all(|bundle| handshakes.accepts(*chain, *bundle, now)));
        let is_new =
            parties.len() != self.well.len() || parties.iter().zip(&self.well).any(|((it, _), name)| it.name != *name);
        if well && is_new {
            self.well = parties.iter().map(|(cluster, _)| cluster.name.clone()).collect();
            let all = &self.well;
            self.known.extend(all.iter().flat_map(|from| all.iter().map(|to| (from.clone(), to.clone()))));
        }
        well
    }

    fn broken_among(
        &mut self,
        parties: &[Party<'_>],
        handshakes: &mut Handshakes<'_>,
        now: OffsetDateTime,
    ) -> BTreeSet<Pair> {
        let mut broken = BTreeSet::new();
        for (from, presents) in parties {
            for (to, trusts) in parties {
                let mut all = presents.iter().flat_map(|it| trusts.iter().map(move |other| (it.chain, other.bundle)));
                let works = !presents.is_empty()
                    && !trusts.is_empty()
                    && all.all(|(chain, bundle)| handshakes.accepts(chain, bundle, now));
                let pair = (from.name.clone(), to.name.clone());
                if works {
                    self.known.insert(pair);
                } else if self.known.contains(&pair) {
                    broken.insert(pair);
                }
            }
        }
        broken
    }
}
