//! What should happen next, as a pure function of what is declared, held and observed, and of the moment.
//!
//! This half renews intermediates under the root that is in use; the walk through a change of root comes on top of it.
//! Level-triggered: a run that was killed anywhere is followed by one that decides from what it sees.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::mesh::change::{may_write, same_root};
use crate::mesh::deadline::{Ceremony, ceremony, intermediate_renewal};
use crate::mesh::fleet::{Cluster, ClusterName, Membership, Mesh, Role};
use crate::mesh::holdings::{Held, Holdings};
use crate::mesh::observed::{Observed, SecretSight};
use crate::pki::certificate::Certificate;
use crate::pki::profile::Tier;
use crate::pki::validity::{BACKDATE, Validity};
use crate::problem::{Code, Problem};

/// The next step of every cluster, in the order in which they are taken, and the next ceremony.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// One step for each cluster of the mesh file; the canary's comes first.
    pub steps: Vec<Step>,
    /// The next ceremony of the tier that signs intermediates unattended, or of the stock.
    pub ceremony: Option<Ceremony>,
}

/// What should happen to one cluster, and why now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which cluster.
    pub cluster: ClusterName,
    /// What should happen.
    pub act: Act,
    /// Why, as one sentence without a full stop.
    pub reason: String,
}

/// What should happen to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Mint an intermediate of this generation under the issuing CA of that generation, and publish it.
    Mint {
        /// The generation of the issuing CA.
        issuing: u32,
        /// The generation of the new intermediate.
        generation: u32,
    },
    /// Publish the intermediate of this generation, which lies in stock.
    Activate {
        /// The generation of the prepared intermediate.
        generation: u32,
    },
    /// Nothing.
    Leave,
    /// Something is due, and must wait.
    Wait,
    /// Something is due, and only people with the root key can do it.
    AskForCeremony(Ceremony),
    /// It must not, or cannot, be touched.
    Refuse(Problem),
}

impl Act {
    /// The word in tables and records.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Act::Mint { .. } => "renew",
            Act::Activate { .. } => "activate",
            Act::Leave => "leave",
            Act::Wait => "wait",
            Act::AskForCeremony(_) => "ceremony",
            Act::Refuse(_) => "refuse",
        }
    }

    /// Whether a private key of ours is needed to do it.
    #[must_use]
    pub const fn writes(&self) -> bool {
        matches!(self, Act::Mint { .. } | Act::Activate { .. })
    }
}

/// Decides the next step of every cluster.
///
/// Stages of a root change are not decided here: a target under another root is refused with `root-differs`.
///
/// # Errors
/// `no-usable-root`; `clock-implausible`, when `now` lies before the beginning of something that is already in use.
pub fn next(
    mesh: &Mesh,
    holdings: &Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> Result<Plan, Problem> {
    let anchor = holdings.anchor(mesh)?;
    clock_is_plausible(holdings, observed, now)?;
    let view = View { mesh, holdings, anchor, issuing: holdings.live_issuing(&anchor.certificate, now), now };
    let mut steps: Vec<Step> =
        mesh.clusters.iter().map(|cluster| view.step(cluster, observed.get(&cluster.name))).collect();
    steps.sort_by_key(|step| mesh.rotation.canary.as_ref() != Some(&step.cluster));
    Ok(Plan { steps, ceremony: next_ceremony(mesh, holdings, anchor, observed) })
}

struct View<'a> {
    mesh: &'a Mesh,
    holdings: &'a Holdings,
    anchor: &'a Held,
    /// The issuing CA with the latest end among those that are valid now.
    issuing: Option<&'a Held>,
    now: OffsetDateTime,
}

/// What a target holds now, as far as a renewal is concerned.
struct Holder<'a> {
    there: Option<&'a SecretSight>,
    signer: Option<&'a Certificate>,
    generation: u32,
}

impl View<'_> {
    fn step(&self, cluster: &Cluster, observed: Option<&Observed>) -> Step {
        let (act, reason) = match self.decide(cluster, observed) {
            Ok(decided) => decided,
            Err(problem) => {
                let reason = problem.what().to_owned();
                (Act::Refuse(problem), reason)
            }
        };
        Step { cluster: cluster.name.clone(), act, reason }
    }

    fn decide(&self, cluster: &Cluster, observed: Option<&Observed>) -> Result<(Act, String), Problem> {
        if let Role::Remote { primary } = &cluster.role {
            return Ok((Act::Leave, format!("remote: signed by {primary}")));
        }
        match &cluster.state {
            Membership::Member => {}
            Membership::Leaving => return Ok((Act::Leave, "leaving the mesh".to_owned())),
            Membership::Excluded { reason, until } => {
                return Ok((Act::Leave, format!("excluded until {until}: {reason}")));
            }
        }
        let observed = observed
            .ok_or_else(|| Problem::new(Code::TargetUnreadable, format!("{} was not looked at", cluster.name)))?;
        let there = may_write(cluster, &self.mesh.name, observed)?;
        let holder = self.holder(cluster, there)?;
        let Some(why) = self.due(cluster, &holder) else {
            return Ok((Act::Leave, self.not_due(cluster, &holder)));
        };
        if self.mesh.rotation.paused {
            return Ok((Act::Wait, format!("rotation is paused in the mesh file; {why}")));
        }
        Ok((self.renewal(cluster, &holder), why))
    }

    fn holder<'a>(&self, cluster: &Cluster, there: Option<&'a SecretSight>) -> Result<Holder<'a>, Problem> {
        let Some(there) = there else { return Ok(Holder { there: None, signer: None, generation: 0 }) };
        same_root(cluster, &self.anchor.certificate, there)?;
        Ok(Holder { there: Some(there), signer: there.signer.as_ref().ok(), generation: there.generation() })
    }

    /// Why a renewal is due; `None`: it is not.
    fn due(&self, cluster: &Cluster, holder: &Holder<'_>) -> Option<String> {
        let Some(there) = holder.there else { return Some("has no cacerts yet".to_owned()) };
        let signer = match (there.defect(), holder.signer) {
            (None, Some(signer)) => signer,
            (defect, _) => return Some(format!("its {}", defect.unwrap_or("ca-cert.pem cannot be read"))),
        };
        let due = intermediate_renewal(self.mesh, &cluster.name, signer);
        (due <= self.now).then(|| format!("renewal was due {due}, it ends {}", signer.not_after()))
    }

    fn not_due(&self, cluster: &Cluster, holder: &Holder<'_>) -> String {
        holder.signer.map_or_else(String::new, |signer| {
            let due = intermediate_renewal(self.mesh, &cluster.name, signer);
            format!("ends {}, renewal is due {due}", signer.not_after())
        })
    }

    /// The way to renew: the issuing CA, else the stock, else people.
    fn renewal(&self, cluster: &Cluster, holder: &Holder<'_>) -> Act {
        let newest = self.holdings.newest_prepared(&cluster.name).max(holder.generation);
        if let Some(issuing) = self.issuing
            && self.is_worth_it(self.window(&issuing.certificate), holder)
        {
            return Act::Mint { issuing: issuing.generation, generation: newest.saturating_add(1) };
        }
        let prepared = self
            .holdings
            .ready(&cluster.name, holder.generation, &self.anchor.certificate, self.now)
            .filter(|prepared| self.is_worth_it(prepared.signer.validity(), holder));
        if let Some(prepared) = prepared {
            return Act::Activate { generation: prepared.generation };
        }
        let (tier, end) = match self.mesh.issuing {
            Some(_) => (Tier::Issuing, self.holdings.issuing.iter().map(|it| it.certificate.not_after()).max()),
            None => (Tier::Intermediate, None),
        };
        let end = end.or_else(|| holder.signer.map(Certificate::not_after)).unwrap_or(self.now);
        Act::AskForCeremony(ceremony(self.mesh, tier, end))
    }

    fn window(&self, issuer: &Certificate) -> Validity {
        Validity::starting(self.mesh.intermediate.lifetime, Some(issuer.validity()), self.now)
    }

    /// A renewal that gains less than a quarter of a lifetime is churn under a dying issuer: people are needed.
    fn is_worth_it(&self, window: Validity, holder: &Holder<'_>) -> bool {
        let usable = holder.there.is_some_and(|there| there.defect().is_none());
        match holder.signer {
            Some(signer) if usable => window.not_after() - signer.not_after() >= self.mesh.intermediate.lifetime / 4,
            _ => window.not_after() - self.now >= self.mesh.workload.max_ttl + self.mesh.workload.margin,
        }
    }
}

/// A clock that jumped back would mint certificates that end too early, or judge an ended one as good.
fn clock_is_plausible(
    holdings: &Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> Result<(), Problem> {
    let held = holdings.roots.iter().chain(&holdings.issuing).map(|held| &held.certificate);
    let used = observed.values().filter_map(|it| it.secret.as_ref().ok()?.as_ref()?.signer.as_ref().ok());
    let newest = held.chain(used).max_by_key(|certificate| certificate.validity().not_before());
    match newest {
        Some(newest) if newest.validity().not_before() > now + BACKDATE => Err(Problem::new(
            Code::ClockImplausible,
            "the clock of this machine stands before the beginning of a certificate that is already in use",
        )
        .fact(format!("now         {now}"))
        .fact(format!("in use from {}, {}", newest.validity().not_before(), newest.subject()))
        .hint("set the clock (timedatectl), or give the moment with --at in a lab")),
        _ => Ok(()),
    }
}

fn next_ceremony(
    mesh: &Mesh,
    holdings: &Holdings,
    anchor: &Held,
    observed: &BTreeMap<ClusterName, Observed>,
) -> Option<Ceremony> {
    let root = ceremony(mesh, Tier::Root, anchor.certificate.not_after());
    let below = if mesh.issuing.is_some() {
        let issuing = holdings.issuing_under(&anchor.certificate);
        let end = issuing.into_iter().map(|held| held.certificate.not_after()).max()?;
        Some(ceremony(mesh, Tier::Issuing, end))
    } else {
        // The stock of each cluster ends with its newest generation, prepared or published.
        let ends = mesh.clusters.iter().filter(|cluster| cluster.role.has_cacerts()).filter_map(|cluster| {
            let prepared = holdings.stock.iter().filter(|it| it.cluster == cluster.name).map(|it| &it.signer);
            let there = observed.get(&cluster.name).and_then(|it| it.secret.as_ref().ok()?.as_ref());
            let published = there.and_then(|there| there.signer.as_ref().ok());
            prepared.chain(published).map(Certificate::not_after).max()
        });
        ends.min().map(|end| ceremony(mesh, Tier::Intermediate, end))
    };
    std::iter::once(root).chain(below).min_by_key(|ceremony| ceremony.due)
}
