//! A mesh as it stands, as far as a rehearsal can begin with it: which CAs there are, how long each lasts, and what it signed.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::mesh::fleet::{ClusterName, Mesh};
use crate::mesh::holdings::{Held, Holdings, Prepared};
use crate::mesh::observed::{Observed, Owner};
use crate::mesh::plan;
use crate::pki::certificate::Certificate;
use crate::pki::validity::Validity;
use crate::problem::{Code, Problem};

/// What there is at the moment in which a rehearsal begins. It has no key and no certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The root that the fleet runs on, and those that were made after it.
    pub(super) roots: Vec<Life>,
    /// The issuing CAs under these, with the generation of the root.
    pub(super) issuing: Vec<(u32, Life)>,
    /// What lies ready directly under these.
    pub(super) stock: Vec<Intermediate>,
    /// What is in use.
    pub(super) in_use: Vec<Intermediate>,
    /// The clusters that could not be seen.
    pub(super) unseen: Vec<ClusterName>,
}

/// A generation of something, and how long it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) generation: u32,
    pub(super) validity: Validity,
}

/// The intermediate of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intermediate {
    pub(super) cluster: ClusterName,
    pub(super) by: Signer,
    pub(super) life: Life,
}

/// Whose key signed something, by generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signer {
    Root(u32),
    Issuing(u32),
}

impl Present {
    /// What there is, as the material folder holds it and the targets show it. What a target has that has ended, that is not
    /// ours, or that none of these CAs signed is left aside: that cluster begins without a set.
    ///
    /// # Errors
    /// `no-usable-root`; `root-change-under-way`: a walk to another root has begun; `not-yet`: the fleet runs on a root that a
    /// cluster was adopted with.
    pub fn of(
        mesh: &Mesh,
        holdings: &Holdings,
        observed: &BTreeMap<ClusterName, Observed>,
        now: OffsetDateTime,
    ) -> Result<Self, Problem> {
        let settled = plan::settled_root(mesh, holdings, observed, now).map_err(|problem| match problem.code() {
            // How far each cluster and its workloads are, only the real ones know.
            Code::RootChangeUnderWay => {
                problem.hint("rehearse when that has ended, or from a founding ceremony: --change-root DATE")
            }
            _ => problem,
        });
        let current = settled?.generation;
        if current == 0 {
            let what = "a rehearsal cannot begin with a fleet that runs on a root that it was adopted with";
            return Err(Problem::new(Code::NotYet, what).hint("meshca rehearse   begins with a founding ceremony"));
        }
        let trusted = holdings.trusted(mesh)?;
        let roots: Vec<&Held> = trusted.into_iter().filter(|root| root.generation >= current).collect();
        let signed_by = |cert: &Certificate| {
            let is_it = |held: &&&Held| cert.is_signed_by(held.certificate.spki());
            roots.iter().find(is_it).map(|held| held.generation)
        };
        let issuing: Vec<(u32, &Held)> =
            holdings.issuing.iter().filter_map(|held| Some((signed_by(&held.certificate)?, held))).collect();
        let signer_of = |cert: &Certificate| {
            let is_it = |(_, held): &&(u32, &Held)| cert.is_signed_by(held.certificate.spki());
            let issuing = issuing.iter().find(is_it).map(|(_, held)| Signer::Issuing(held.generation));
            issuing.or_else(|| signed_by(cert).map(Signer::Root))
        };
        let laid_ready = |it: &&Prepared| it.has_key && it.upper.is_empty() && mesh.issuing.is_none();
        let intermediate = |cluster: &ClusterName, generation: u32, cert: &Certificate| {
            let (by, life) = (signer_of(cert)?, Life { generation, validity: cert.validity() });
            Some(Intermediate { cluster: cluster.clone(), by, life })
        };
        let stock = holdings.stock.iter().filter(laid_ready);
        let in_use = observed.values().filter_map(|seen| {
            let sight = seen.secret.as_ref().ok()?.as_ref()?;
            let (Owner::Ours(mark), Ok(signer)) = (&sight.owner, &sight.signer) else { return None };
            intermediate(&seen.cluster, mark.generation, signer).filter(|it| it.life.validity.contains(now))
        });
        Ok(Self {
            roots: roots.iter().map(|held| Life::of(held)).collect(),
            issuing: issuing.iter().map(|(root, held)| (*root, Life::of(held))).collect(),
            stock: stock.filter_map(|it| intermediate(&it.cluster, it.generation, &it.signer)).collect(),
            in_use: in_use.collect(),
            unseen: observed.values().filter(|seen| seen.secret.is_err()).map(|seen| seen.cluster.clone()).collect(),
        })
    }
}

impl Life {
    fn of(held: &Held) -> Self {
        Self { generation: held.generation, validity: held.certificate.validity() }
    }
}
