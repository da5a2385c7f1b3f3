//! On which root a fleet stands, and to which it walks, read from what its clusters hold and show.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use crate::mesh::evidence::{Evidence, mark_on};
use crate::mesh::fleet::{Cluster, ClusterName, Membership, Mesh};
use crate::mesh::holdings::Held;
use crate::mesh::observed::{Observed, SecretSight};
use crate::mesh::pair::Pair;
use crate::pki::certificate::Certificate;
use crate::pki::fingerprint::Fingerprint;

/// Where a fleet stands among the roots that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footing<'a> {
    /// The root that the fleet runs on: of those that may be used, the oldest that a cluster still has.
    pub current: &'a Held,
    /// Roots that adopted clusters came with and still have. The fleet walks away from them first, to the current one.
    pub adopted: Vec<Held>,
    /// The root that the fleet walks to, or is to walk to. `None` as long as clusters are adopted.
    pub next: Option<&'a Held>,
    /// Roots that wait until that walk has ended.
    pub later: Vec<&'a Held>,
}

impl<'a> Footing<'a> {
    /// Reads it. `trusted` are the roots that may be used, the oldest first; `None`: there are none.
    ///
    /// A fleet of which nothing could be seen is taken to stand on the oldest; one that holds nothing at all begins on
    /// the newest that is valid now.
    #[must_use]
    pub fn of(
        mesh: &Mesh,
        trusted: &[&'a Held],
        observed: &BTreeMap<ClusterName, Observed>,
        now: OffsetDateTime,
    ) -> Option<Self> {
        let is_valid = |held: &&Held| held.certificate.validity().contains(now);
        let is_sound = |held: &&Held| is_valid(held) && !mesh.is_leaked(&held.certificate);
        let evidence = Evidence { mesh, observed, now };
        let roots: Vec<&Certificate> = trusted.iter().map(|held| &held.certificate).collect();
        let mut lowest: Option<usize> = None;
        let mut is_all_seen = true;
        for cluster in mesh.clusters.iter().filter(|cluster| is_party(cluster, now)) {
            let Some(observed) = observed.get(&cluster.name) else {
                is_all_seen = false;
                continue;
            };
            is_all_seen &= observed.secret.is_ok();
            let place = oldest_of(&roots, observed, evidence.needs_restart(cluster));
            lowest = match (lowest, place) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        let newest = || trusted.iter().rposition(is_sound);
        let at = match lowest {
            Some(lowest) => lowest,
            None if is_all_seen => newest().unwrap_or(0),
            None => 0,
        };
        let current = trusted.get(at)?;
        // A root that has ended, or has not begun, is no place to walk to; nor is one whose key is leaked, unless a cluster
        // has it already.
        let is_taken = |root: &Certificate| observed.values().any(|it| oldest_of(&[root], it, false).is_some());
        let is_goal = |held: &&Held| is_sound(held) || (is_valid(held) && is_taken(&held.certificate));
        let mut ahead = trusted.iter().skip(at + 1).copied().filter(is_goal);
        // A walk that has begun is ended first: an adopted set that comes back then, from a backup, has to wait.
        let ahead_of_it: Vec<&Certificate> = trusted.iter().skip(at + 1).map(|held| &held.certificate).collect();
        let adopted = adopted_roots(mesh, trusted, observed, now);
        if !adopted.is_empty() && !is_anywhere(mesh, &ahead_of_it, observed, now) {
            return Some(Self { current, adopted, next: None, later: ahead.collect() });
        }
        let next = ahead.next();
        Some(Self { current, adopted: Vec::new(), next, later: ahead.collect() })
    }

    /// The roots between which the fleet walks, or is to walk; `None`: it stays where it is.
    pub(in crate::mesh) fn pair(&self) -> Option<Pair<'_>> {
        if self.adopted.is_empty() {
            self.next.map(|new| Pair::from(self.current, new))
        } else {
            Some(Pair { old: &self.adopted, new: self.current })
        }
    }
}

/// The sets of those who take part.
fn sets<'a>(
    mesh: &Mesh,
    observed: &'a BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> impl Iterator<Item = &'a SecretSight> {
    let parties = mesh.clusters.iter().filter(move |cluster| is_party(cluster, now));
    parties.filter_map(|cluster| observed.get(&cluster.name)?.secret.as_ref().ok()?.as_ref())
}

fn is_anywhere(
    mesh: &Mesh,
    roots: &[&Certificate],
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> bool {
    !roots.is_empty() && sets(mesh, observed, now).any(|there| there.roots().iter().any(|root| roots.contains(&root)))
}

/// The roots, in a fixed order, that adopted clusters came with, as long as any cluster still has or shows them: those of
/// adopted sets, and those that a walk has noted on the sets that came after. None of them may be used.
fn adopted_roots(
    mesh: &Mesh,
    trusted: &[&Held],
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> Vec<Held> {
    let own = sets(mesh, observed, now).filter(|there| there.is_adopted()).filter_map(SecretSight::own_root);
    let mut found: BTreeMap<Fingerprint, Certificate> = own.map(|root| (root.fingerprint(), root)).collect();
    let marks = sets(mesh, observed, now).filter_map(mark_on);
    let noted: BTreeSet<Fingerprint> = marks.flat_map(|mark| mark.from.iter().copied()).collect();
    if !noted.is_empty() {
        let parties = mesh.clusters.iter().filter(|cluster| is_party(cluster, now));
        let shown = parties.filter_map(|it| observed.get(&it.name)?.shown_roots());
        let held = sets(mesh, observed, now).map(SecretSight::roots);
        for root in shown.chain(held).flatten() {
            let fingerprint = root.fingerprint();
            if noted.contains(&fingerprint) {
                found.insert(fingerprint, root.clone());
            }
        }
    }
    let is_ours = |root: &Certificate| trusted.iter().any(|held| held.certificate == *root);
    found.into_values().filter(|root| !is_ours(root)).map(Held::adopted).collect()
}

/// Whether a cluster takes part in what the fleet decides together.
#[must_use]
pub fn is_party(cluster: &Cluster, now: OffsetDateTime) -> bool {
    match &cluster.state {
        Membership::Member => true,
        Membership::Leaving => false,
        Membership::Excluded { until, .. } => *until <= now,
    }
}

/// Of the roots that may be used, the one that signed this set's chain.
#[must_use]
pub fn signed_under<'a>(trusted: &[&'a Held], there: &SecretSight) -> Option<&'a Held> {
    let chain = there.chain();
    let top = chain.last().or(there.signer.as_ref().ok())?;
    trusted.iter().copied().find(|held| is_signed_by(top, &held.certificate))
}

fn is_signed_by(top: &Certificate, root: &Certificate) -> bool {
    top == root || (top.issuer() == root.subject() && top.is_signed_by(root.spki()))
}

/// The place, in the list, of the oldest root that a cluster holds or shows. An istiod that takes another trust bundle only at
/// a restart has the roots of its start, and offers their names to its clients.
fn oldest_of(trusted: &[&Certificate], observed: &Observed, is_of_its_start: bool) -> Option<usize> {
    let there = observed.secret.as_ref().ok().and_then(Option::as_ref);
    let held = there.map(SecretSight::roots).unwrap_or_default();
    let shown = observed.shown_roots().unwrap_or_default();
    let names = || observed.replicas.iter().flat_map(|replica| &replica.client_ca_names);
    let offers = |root: &Certificate| is_of_its_start && names().any(|name| name == root.subject().der());
    trusted.iter().position(|root| held.contains(root) || shown.contains(root) || offers(root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{Story, held};

    #[test]
    fn a_chain_is_under_the_root_that_signed_it_and_not_under_another_of_the_same_name_or_key() {
        let mut story = Story::new();
        let namesake = story.other_root("mesh1 root g1");
        assert_eq!(namesake.certificate.subject(), story.root.certificate.subject());
        let (namesake, ours) = (held(1, &namesake), held(2, &story.root));
        let under = |story: &mut Story, trusted: &[&Held]| {
            signed_under(trusted, story.sight_of("east")).map(|held| held.generation)
        };
        assert_eq!(under(&mut story, &[&namesake, &ours]), Some(2));
        assert_eq!(under(&mut story, &[&namesake]), None);
        let renamed = story.renamed_root("mesh1 root of old");
        assert_eq!(renamed.spki(), story.root.certificate.spki());
        assert_eq!(under(&mut story, &[&Held { generation: 3, certificate: renamed }]), None);
    }
}
