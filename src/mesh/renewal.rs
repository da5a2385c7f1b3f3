//! Whether a cluster's intermediate is to be renewed, and by what: the issuing CA, else the stock, else people.

use time::OffsetDateTime;

use crate::mesh::deadline::{Ceremony, ceremony, intermediate_renewal};
use crate::mesh::fleet::{Cluster, Mesh};
use crate::mesh::holdings::{Held, Holdings};
use crate::mesh::observed::SecretSight;
use crate::pki::certificate::Certificate;
use crate::pki::moment::utc;
use crate::pki::profile::Tier;
use crate::pki::validity::Validity;

/// What renewals are decided upon.
#[derive(Debug, Clone, Copy)]
pub(in crate::mesh) struct Renewals<'a> {
    pub(in crate::mesh) mesh: &'a Mesh,
    pub(in crate::mesh) holdings: &'a Holdings,
    pub(in crate::mesh) now: OffsetDateTime,
}

/// How a new intermediate is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mesh) enum Way {
    /// Minted under the issuing CA of that generation.
    Mint { issuing: u32, generation: u32 },
    /// Taken from stock.
    Activate { generation: u32 },
    /// By people.
    Ceremony(Ceremony),
}

/// What a target holds now, as far as a renewal is concerned.
#[derive(Debug, Clone, Copy)]
pub(in crate::mesh) struct Holder<'a> {
    pub(in crate::mesh) there: Option<&'a SecretSight>,
    pub(in crate::mesh) signer: Option<&'a Certificate>,
    pub(in crate::mesh) generation: u32,
}

impl<'a> Holder<'a> {
    pub(in crate::mesh) fn of(there: Option<&'a SecretSight>) -> Self {
        Self {
            there,
            signer: there.and_then(|there| there.signer.as_ref().ok()),
            generation: there.map_or(0, SecretSight::generation),
        }
    }

    /// Why what is there must be replaced at once, whatever its dates say; `None`: it need not be.
    pub(in crate::mesh) fn broken(&self) -> Option<&'static str> {
        let Some(there) = self.there else { return Some("has no cacerts yet") };
        there.defect().or(if self.signer.is_none() { Some("its ca-cert.pem cannot be read") } else { None })
    }
}

/// What a new intermediate has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mesh) enum Gain {
    /// Better than what is there, by a quarter of a lifetime. Less is churn under a dying issuer.
    Better,
    /// Of use, since what is there is of none: it has to outlive the workloads that it signs.
    Usable,
    /// Lasting a while by itself: it is under another root, or what is there must go whatever it lasts.
    Lasting,
}

impl<'a> Renewals<'a> {
    /// Why a renewal is due; `None`: it is not.
    pub(in crate::mesh) fn due(&self, cluster: &Cluster, holder: &Holder<'_>) -> Option<String> {
        let signer = holder.signer?;
        let due = intermediate_renewal(self.mesh, &cluster.name, signer);
        (due <= self.now).then(|| format!("renewal was due {}, it ends {}", utc(due), utc(signer.not_after())))
    }

    /// Until when nothing is due, in words.
    pub(in crate::mesh) fn not_due(&self, cluster: &Cluster, holder: &Holder<'_>) -> String {
        holder.signer.map_or_else(String::new, |signer| {
            let due = intermediate_renewal(self.mesh, &cluster.name, signer);
            format!("ends {}, renewal is due {}", utc(signer.not_after()), utc(due))
        })
    }

    /// The issuing CA of a root that signs now; `None`: there is none, or the tier is switched off: one that is left over
    /// from before signs nothing.
    pub(in crate::mesh) fn issuing(&self, root: &Certificate) -> Option<&'a Held> {
        self.mesh.issuing.and_then(|_| self.holdings.live_issuing(self.mesh, root, self.now))
    }

    /// The way to a new intermediate under this root.
    pub(in crate::mesh) fn under(&self, root: &Certificate, cluster: &Cluster, holder: &Holder<'_>, gain: Gain) -> Way {
        let newest = self.holdings.newest_prepared(&cluster.name).max(holder.generation);
        if let Some(issuing) = self.issuing(root)
            && self.is_worth_it(self.window(&issuing.certificate), holder, gain)
        {
            return Way::Mint { issuing: issuing.generation, generation: newest.saturating_add(1) };
        }
        let prepared = self
            .holdings
            .ready(self.mesh, &cluster.name, holder.generation, root, self.now)
            .filter(|prepared| self.is_worth_it(prepared.signer.validity(), holder, gain));
        if let Some(prepared) = prepared {
            return Way::Activate { generation: prepared.generation };
        }
        let (tier, end) = match self.mesh.issuing {
            Some(_) => {
                let issuing = self.holdings.issuing_under(root);
                (Tier::Issuing, issuing.into_iter().map(|it| it.certificate.not_after()).max())
            }
            None => (Tier::Intermediate, None),
        };
        let end = end.or_else(|| holder.signer.map(Certificate::not_after)).unwrap_or(self.now);
        Way::Ceremony(ceremony(self.mesh, tier, end))
    }

    fn window(&self, issuer: &Certificate) -> Validity {
        Validity::starting(self.mesh.intermediate.lifetime, Some(issuer.validity()), self.now)
    }

    fn is_worth_it(&self, window: Validity, holder: &Holder<'_>, gain: Gain) -> bool {
        let quarter = self.mesh.intermediate.lifetime / 4;
        match (gain, holder.signer) {
            (Gain::Better, Some(signer)) => window.not_after() - signer.not_after() >= quarter,
            (Gain::Lasting, _) => window.left(self.now) >= quarter,
            (Gain::Better, None) | (Gain::Usable, _) => {
                window.left(self.now) >= self.mesh.workload.max_ttl + self.mesh.workload.margin
            }
        }
    }
}
