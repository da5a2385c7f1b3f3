//! What the material folder holds, public parts only: roots, issuing CAs and the stock of prepared intermediates.

use time::OffsetDateTime;

use crate::mesh::fleet::{ClusterName, Mesh};
use crate::pki::certificate::Certificate;
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
}

/// A CA certificate and its generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// 1, 2, 3 …
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

impl Holdings {
    /// The root that the unattended side may use now: of those pinned in the mesh file the oldest, or, where nothing
    /// is pinned, the founding one (generation 1). A root that merely appears in the folder is not used.
    ///
    /// # Errors
    /// `no-usable-root`; the code of the weakness, where its key is weak or published.
    pub fn anchor(&self, mesh: &Mesh) -> Result<&Held, Problem> {
        let anchor = self.chosen_root(mesh)?;
        match weak_key::weaknesses(&anchor.certificate).into_iter().next() {
            None => Ok(anchor),
            Some(weakness) => Err(weakness),
        }
    }

    /// PLACEHOLDER
    pub fn trusted(&self, mesh: &Mesh) -> Result<Vec<&Held>, Problem> {
        let anchor = self.anchor(mesh)?;
        Ok(self
            .roots
            .iter()
            .filter(|root| {
                root.generation == anchor.generation || mesh.root.trusted.contains(&root.certificate.fingerprint())
            })
            .collect())
    }

    fn chosen_root(&self, mesh: &Mesh) -> Result<&Held, Problem> {
        let pins = &mesh.root.trusted;
        self.roots
            .iter()
            .find(|root| match pins.as_slice() {
                [] => root.generation == 1,
                pins => pins.contains(&root.certificate.fingerprint()),
            })
            .ok_or_else(|| {
                let held: Vec<String> =
                    self.roots.iter().map(|root| root.certificate.fingerprint().to_string()).collect();
                let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
                let wanted = match pins.as_slice() {
                    [] => "the founding root, generation 1".to_owned(),
                    pins => pins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                };
                Problem::new(Code::NoUsableRoot, format!("{} holds no root that may be used", mesh.material.display()))
                    .fact(format!("held    {held}"))
                    .fact(format!("wanted  {wanted}"))
                    .hint("meshca root create   makes the first one; root.trusted in the mesh file pins another")
            })
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

    /// Of the issuing CAs under the anchor, the one that ends last among those that are valid now.
    #[must_use]
    pub fn live_issuing(&self, anchor: &Certificate, now: OffsetDateTime) -> Option<&Held> {
        self.issuing_under(anchor)
            .into_iter()
            .filter(|held| held.certificate.validity().contains(now) && anchor.validity().contains(now))
            .max_by_key(|held| held.certificate.not_after())
    }

    /// What lies in stock for this cluster with its key, newer than this generation, valid now and signed up to the
    /// anchor: the oldest of it. Every signature on the way is verified.
    #[must_use]
    pub fn ready(
        &self,
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
                && prepared.leads_to(anchor)
        })
    }

    /// The highest generation in stock for this cluster; 0: nothing was prepared.
    #[must_use]
    pub fn newest_prepared(&self, cluster: &ClusterName) -> u32 {
        self.stock.iter().filter(|it| it.cluster == *cluster).map(|it| it.generation).max().unwrap_or(0)
    }
}

impl Prepared {
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
    use crate::mesh::fleet_story::{NOW, Story, held, name};
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
