//! What the material folder holds, public parts only: roots, issuing CAs and the stock of prepared intermediates.

use time::OffsetDateTime;

use crate::mesh::fleet::{ClusterName, Mesh};
use crate::pki::certificate::Certificate;
use crate::pki::endorsement::Endorsement;
use crate::pki::weak_key;
use crate::problem::{Code, Problem};

/// Everything the material folder holds. Nothing here is trusted by lying there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Roots, by generation.
    pub roots: Vec<Held>,
    /// Issuing CAs, by generation.
    pub issuing: Vec<Held>,
    /// Prepared intermediates, by cluster and generation.
    pub stock: Vec<Prepared>,
    /// What lies beside roots as their endorsements. Whether one is genuine is asked where it counts.
    pub endorsements: Vec<Endorsement>,
}

/// A CA certificate and its generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// 1, 2, 3 …; 0: it came with an adopted cluster.
    pub generation: u32,
    /// The certificate.
    pub certificate: Certificate,
}

/// An intermediate that lies ready for one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// For which cluster.
    pub cluster: ClusterName,
    /// 1, 2, 3 …, counted for each cluster.
    pub generation: u32,
    /// The intermediate.
    pub signer: Certificate,
    /// The tiers above it, nearest first, without the root.
    pub upper: Vec<Certificate>,
    /// Whether its private key lies here. Once its cluster has it, it does not.
    pub has_key: bool,
}

impl Held {
    /// A root that an adopted cluster came with. It lies in no material folder, and has no generation there.
    #[must_use]
    pub const fn adopted(certificate: Certificate) -> Self {
        Self { generation: 0, certificate }
    }

    /// The root in words.
    #[must_use]
    pub fn name(&self) -> String {
        match self.generation {
            0 => format!("\"{}\" ({})", self.certificate.subject(), self.certificate.fingerprint().short()),
            generation => format!("root g{generation}"),
        }
    }

    /// When the first of some roots ends, in UTC; `None`: there are none.
    #[must_use]
    pub fn first_end(roots: &[Self]) -> Option<OffsetDateTime> {
        roots.iter().map(|held| held.certificate.not_after()).min()
    }

    /// Some roots in words.
    #[must_use]
    pub fn names(roots: &[Self]) -> String {
        roots.iter().map(Self::name).collect::<Vec<_>>().join(" and ")
    }
}

impl Holdings {
    /// The oldest root that may be used: of those pinned in the mesh file the first, or, where nothing is pinned, the
    /// founding one (generation 1). It is never passed over for being weak: it is then refused.
    ///
    /// # Errors
    /// `no-usable-root`; the code of the weakness, where its key is weak or published.
    pub fn anchor(&self, mesh: &Mesh) -> Result<&Held, Problem> {
        let oldest = self.roots.iter().filter(|root| is_given(mesh, root)).min_by_key(|root| root.generation);
        let anchor = oldest.ok_or_else(|| self.no_usable_root(mesh))?;
        match weak_key::weaknesses(&anchor.certificate).into_iter().next() {
            None => Ok(anchor),
            Some(weakness) => Err(weakness),
        }
    }

    /// Every root that may be used, by generation: those of which [`Holdings::anchor`] speaks, and each that the newest
    /// trusted root below it endorses. A root that merely appears in the folder is not among them.
    ///
    /// Only the newest one endorses: whoever gets hold of the key of a root that was walked away from cannot name the
    /// next. One whose key is leaked, by the mesh file, endorses nothing: whoever has the key could have made that
    /// endorsement. A root whose key is weak or published is passed over, and endorses nothing. A certificate counts
    /// once, at its lowest generation. Ends are not looked at: an endorsement outlives the root that gave it.
    ///
    /// # Errors
    /// Where none is left: the code of the weakness of the first that was passed over; else `no-usable-root`.
    pub fn trusted(&self, mesh: &Mesh) -> Result<Vec<&Held>, Problem> {
        self.usable(mesh, |root| !mesh.is_leaked(&root.certificate))
    }

    /// The roots that may not be used only because the key of the root that endorses them, or one of them, is leaked.
    pub(in crate::mesh) fn unheard(&self, mesh: &Mesh) -> Vec<&Held> {
        if mesh.leaked.is_empty() {
            return Vec::new();
        }
        let trusted = self.trusted(mesh).unwrap_or_default();
        let mut all = self.usable(mesh, |_| true).unwrap_or_default();
        all.retain(|root| trusted.iter().all(|it| it.certificate != root.certificate));
        all
    }

    fn usable(&self, mesh: &Mesh, may_endorse: impl Fn(&Held) -> bool) -> Result<Vec<&Held>, Problem> {
        let mut by_generation: Vec<&Held> = self.roots.iter().collect();
        by_generation.sort_by_key(|root| root.generation);
        let mut trusted: Vec<&Held> = Vec::new();
        let mut weakness = None;
        for root in by_generation {
            let is_there = trusted.iter().any(|it| it.certificate == root.certificate);
            let is_endorsed =
                || trusted.last().is_some_and(|newest| may_endorse(newest) && self.endorses(newest, root));
            if is_there || !(is_given(mesh, root) || is_endorsed()) {
                continue;
            }
            match weak_key::weaknesses(&root.certificate).into_iter().next() {
                None => trusted.push(root),
                Some(found) => weakness = weakness.or(Some(found)),
            }
        }
        if trusted.is_empty() { Err(weakness.unwrap_or_else(|| self.no_usable_root(mesh))) } else { Ok(trusted) }
    }

    fn endorses(&self, by: &Held, next: &Held) -> bool {
        by.generation < next.generation
            && self.endorsements.iter().any(|it| it.holds(&by.certificate, &next.certificate, next.generation))
    }

    fn no_usable_root(&self, mesh: &Mesh) -> Problem {
        let held: Vec<String> = self.roots.iter().map(|root| root.certificate.fingerprint().to_string()).collect();
        let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
        let wanted = match mesh.root.trusted.as_slice() {
            [] => "the founding root, generation 1".to_owned(),
            pins => pins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        Problem::new(Code::NoUsableRoot, format!("{} holds no root that may be used", mesh.material.display()))
            .fact(format!("held    {held}"))
            .fact(format!("wanted  {wanted}"))
            .hint("meshca root create   makes the first one; root.trusted in the mesh file pins another")
    }

    /// The issuing CAs that the anchor signed, newest last. The signature on each is verified.
    #[must_use]
    pub fn issuing_under(&self, anchor: &Certificate) -> Vec<&Held> {
        self.issuing
            .iter()
            .filter(|held| {
                held.certificate.issuer() == anchor.subject() && held.certificate.is_signed_by(anchor.spki())
            })
            .collect()
    }

    /// Of the issuing CAs under the anchor, the one that ends last among those that are valid now. One whose key is leaked,
    /// by the mesh file, is none.
    #[must_use]
    pub fn live_issuing(&self, mesh: &Mesh, anchor: &Certificate, now: OffsetDateTime) -> Option<&Held> {
        self.issuing_under(anchor)
            .into_iter()
            .filter(|held| held.certificate.validity().contains(now) && anchor.validity().contains(now))
            .filter(|held| !mesh.is_leaked(&held.certificate))
            .max_by_key(|held| held.certificate.not_after())
    }

    /// What lies in stock for this cluster with its key, newer than this generation, valid now and signed up to the
    /// anchor by no CA whose key is leaked: the oldest of it. Every signature on the way is verified.
    #[must_use]
    pub fn ready(
        &self,
        mesh: &Mesh,
        cluster: &ClusterName,
        after: u32,
        anchor: &Certificate,
        now: OffsetDateTime,
    ) -> Option<&Prepared> {
        self.stock.iter().find(|prepared| {
            prepared.cluster == *cluster
                && prepared.generation > after
                && prepared.has_key
                && prepared.signer.validity().contains(now)
                && !prepared.is_tainted(mesh)
                && prepared.leads_to(anchor)
        })
    }

    /// The highest generation in stock for this cluster; 0: nothing was prepared.
    #[must_use]
    pub fn newest_prepared(&self, cluster: &ClusterName) -> u32 {
        self.stock.iter().filter(|it| it.cluster == *cluster).map(|it| it.generation).max().unwrap_or(0)
    }
}

/// Whether this root needs no endorsement: it is pinned, or, where nothing is pinned, the founding one.
fn is_given(mesh: &Mesh, root: &Held) -> bool {
    match mesh.root.trusted.as_slice() {
        [] => root.generation == 1,
        pins => pins.contains(&root.certificate.fingerprint()),
    }
}

impl Prepared {
    /// Whether a CA between it and the root has a key that is leaked, by the mesh file.
    #[must_use]
    pub fn is_tainted(&self, mesh: &Mesh) -> bool {
        self.upper.iter().any(|authority| mesh.is_leaked(authority))
    }

    /// Whether every certificate is signed by the next one, and the last by the anchor.
    #[must_use]
    pub fn leads_to(&self, anchor: &Certificate) -> bool {
        let above = self.upper.iter().chain(std::iter::once(anchor));
        std::iter::once(&self.signer)
            .chain(&self.upper)
            .zip(above)
            .all(|(child, parent)| child.issuer() == parent.subject() && child.is_signed_by(parent.spki()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{Made, NOW, Story, held, name};
    use crate::pki::fingerprint::Fingerprint;
    use time::Duration;

    #[test]
    fn without_pins_only_the_founding_root_may_be_used() {
        let mut story = Story::new();
        assert_eq!(story.holdings.anchor(&story.mesh).unwrap().generation, 1);
        story.holdings.roots = vec![held(2, &story.root)];
        assert_eq!(story.holdings.anchor(&story.mesh).unwrap_err().code(), Code::NoUsableRoot);
    }

    #[test]
    fn with_pins_only_a_pinned_root_may_be_used_and_of_several_the_oldest() {
        let mut story = Story::new();
        let second = story.other_root("mesh1 root g2");
        story.holdings.roots.push(held(2, &second));
        story.mesh.root.trusted = vec![second.certificate.fingerprint()];
        assert_eq!(story.holdings.anchor(&story.mesh).unwrap().generation, 2);
        story.mesh.root.trusted.push(story.root.certificate.fingerprint());
        assert_eq!(story.holdings.anchor(&story.mesh).unwrap().generation, 1);
        story.mesh.root.trusted = vec![Fingerprint::of(b"another")];
        assert_eq!(story.holdings.anchor(&story.mesh).unwrap_err().code(), Code::NoUsableRoot);
    }

    /// A story whose founding root is at hand.
    fn founded() -> (Story, Made) {
        let mut story = Story::new();
        let first = story.other_root("mesh1 root g1");
        story.holdings.roots = vec![held(1, &first)];
        (story, first)
    }

    fn generations(story: &Story) -> Vec<u32> {
        story.holdings.trusted(&story.mesh).unwrap().iter().map(|root| root.generation).collect()
    }

    #[test]
    fn a_root_is_trusted_once_the_one_before_endorses_it_and_not_because_it_lies_there() {
        let (mut story, first) = founded();
        let (second, third) = (story.other_root("g2"), story.other_root("g3"));
        story.holdings.roots.push(held(2, &second));
        assert_eq!(generations(&story), [1]);
        story.holdings.roots.clear();
        story.endorse(&second, &third, 3);
        story.endorse(&first, &second, 2);
        assert_eq!(story.holdings.trusted(&story.mesh).unwrap_err().code(), Code::NoUsableRoot);
        story.holdings.roots.push(held(1, &first));
        assert_eq!(generations(&story), [1, 2, 3], "whatever order they lie in");
        assert_eq!(story.holdings.anchor(&story.mesh).unwrap().generation, 1);
        story.holdings.endorsements.pop();
        assert_eq!(generations(&story), [1], "an endorsement by a root that is not trusted says nothing");
    }

    #[test]
    fn an_endorsement_is_for_one_certificate_at_one_generation() {
        let (mut story, first) = founded();
        let (second, twin) = (story.other_root("g2"), story.other_root("g2"));
        assert_eq!(second.certificate.subject(), twin.certificate.subject());
        story.endorse(&first, &second, 2);
        story.holdings.roots[1] = held(2, &twin);
        assert_eq!(generations(&story), [1]);
        story.holdings.roots[1] = held(3, &second);
        assert_eq!(generations(&story), [1]);
        story.holdings.roots[1] = held(2, &second);
        assert_eq!(generations(&story), [1, 2]);
    }

    #[test]
    fn a_twin_of_the_present_root_endorses_nothing() {
        let mut story = Story::new();
        let (twin, second) = (story.other_root("mesh1 root g1"), story.other_root("g2"));
        story.endorse(&twin, &second, 2);
        assert_eq!(generations(&story), [1]);
    }

    #[test]
    fn a_root_whose_key_is_leaked_endorses_nothing_and_a_pin_takes_its_place() {
        let (mut story, first) = founded();
        let second = story.other_root("g2");
        story.endorse(&first, &second, 2);
        assert!(story.holdings.unheard(&story.mesh).is_empty());
        story.mesh.leaked = vec![first.certificate.fingerprint()];
        assert_eq!(generations(&story), [1]);
        let unheard = story.holdings.unheard(&story.mesh);
        assert_eq!(unheard.iter().map(|held| held.generation).collect::<Vec<_>>(), [2]);
        story.mesh.root.trusted = vec![first.certificate.fingerprint(), second.certificate.fingerprint()];
        assert_eq!(generations(&story), [1, 2]);
        assert!(story.holdings.unheard(&story.mesh).is_empty());
    }

    #[test]
    fn an_issuing_ca_whose_key_is_leaked_signs_nothing_and_stock_under_it_is_not_ready() {
        let mut story = Story::new();
        let made = story.intermediate("east", 7, NOW + Duration::days(80));
        story.prepare("east", 7, &made);
        let root = story.root.certificate.clone();
        let live = |story: &Story| story.holdings.live_issuing(&story.mesh, &root, NOW).map(|held| held.generation);
        let ready =
            |story: &Story| story.holdings.ready(&story.mesh, &name("east"), 1, &root, NOW).map(|it| it.generation);
        assert_eq!((live(&story), ready(&story)), (Some(1), Some(7)));
        story.mesh.leaked = vec![story.issuing.certificate.fingerprint()];
        assert_eq!((live(&story), ready(&story)), (None, None));
        let other = story.other_issuing("mesh1 issuing g2", NOW - Duration::days(2), NOW + Duration::days(100));
        story.holdings.issuing.push(held(2, &other));
        assert_eq!((live(&story), ready(&story)), (Some(2), None), "though the leaked one lasts longer");
    }

    #[test]
    fn a_root_that_was_walked_away_from_cannot_name_the_next() {
        let (mut story, first) = founded();
        let (second, third) = (story.other_root("g2"), story.other_root("g3"));
        story.endorse(&first, &second, 2);
        story.endorse(&first, &third, 3);
        assert_eq!(generations(&story), [1, 2]);
        story.holdings.endorsements.remove(0);
        assert_eq!(generations(&story), [1, 3], "the second is not trusted any more");
    }

    #[test]
    fn a_root_endorses_no_older_one_and_a_certificate_counts_once() {
        let (mut story, first) = founded();
        let second = story.other_root("g2");
        story.mesh.root.trusted = vec![second.certificate.fingerprint()];
        story.endorse(&second, &first, 1);
        story.holdings.roots = vec![held(1, &first), held(2, &second)];
        assert_eq!(generations(&story), [2]);
        story.endorse(&second, &second, 3);
        assert_eq!(generations(&story), [2]);
    }

    #[test]
    fn pinned_roots_are_trusted_together_with_what_they_endorse() {
        let (mut story, first) = founded();
        let (foreign, third) = (story.other_root("foreign"), story.other_root("g3"));
        story.holdings.roots.push(held(2, &foreign));
        story.endorse(&foreign, &third, 3);
        assert_eq!(generations(&story), [1]);
        story.mesh.root.trusted = vec![foreign.certificate.fingerprint()];
        assert_eq!(generations(&story), [2, 3]);
        story.mesh.root.trusted.push(first.certificate.fingerprint());
        assert_eq!(generations(&story), [1, 2, 3]);
        story.mesh.root.trusted.remove(0);
        assert_eq!(generations(&story), [1], "what the founding root does not endorse is not trusted any more");
    }

    #[test]
    fn a_weak_root_is_passed_over_among_others_and_refused_where_it_is_the_only_one() {
        let mut story = Story::new();
        let pem = include_str!("../../pki-fixtures/foreign/istio-samples/root-cert.pem");
        let published = crate::mesh::observed::certificates(pem.as_bytes()).remove(0);
        let second = story.other_root("g2");
        story.holdings.roots = vec![Held { generation: 1, certificate: published.clone() }, held(2, &second)];
        assert_eq!(story.holdings.trusted(&story.mesh).unwrap_err().code(), Code::PublishedSampleKey);
        assert_eq!(story.holdings.anchor(&story.mesh).unwrap_err().code(), Code::PublishedSampleKey);
        story.mesh.root.trusted = vec![published.fingerprint(), second.certificate.fingerprint()];
        assert_eq!(generations(&story), [2]);
        assert_eq!(story.holdings.anchor(&story.mesh).unwrap_err().code(), Code::PublishedSampleKey);
    }

    #[test]
    fn an_issuing_ca_of_another_root_of_the_same_name_is_not_under_the_anchor() {
        let story = Story::new();
        let twin = story.other_root("mesh1 root g1");
        assert_eq!(twin.certificate.subject(), story.root.certificate.subject());
        assert_eq!(story.holdings.issuing_under(&story.root.certificate).len(), 1);
        assert_eq!(story.holdings.issuing_under(&twin.certificate).len(), 0);
    }

    #[test]
    fn the_newest_prepared_generation_is_counted_for_each_cluster() {
        let mut story = Story::new();
        let made = story.intermediate("east", 7, NOW + Duration::days(80));
        story.prepare("east", 7, &made);
        assert_eq!(story.holdings.newest_prepared(&name("east")), 7);
        assert_eq!(story.holdings.newest_prepared(&name("west")), 0);
    }
}
