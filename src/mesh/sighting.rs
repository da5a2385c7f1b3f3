//! From what was seen of a cluster to the rows of a report.

use std::collections::{BTreeMap, BTreeSet};

use time::{Duration, OffsetDateTime};

use crate::mesh::deadline::{Ceremony, intermediate_renewal, renewal};
use crate::mesh::fleet::{Access, Cluster, ClusterName, Membership, Mesh, Role};
use crate::mesh::footing::signed_under;
use crate::mesh::holdings::{Held, Holdings};
use crate::mesh::limit::Limits;
use crate::mesh::loaded::{Loaded, loaded};
use crate::mesh::observed::{Observed, Owner, SecretSight, certificates};
use crate::mesh::row::{LONGEST_REASON, Row};
use crate::mesh::standing::{Renewal, Standing};
use crate::pki::certificate::Certificate;
use crate::pki::moment::utc;
use crate::pki::plain_text::plain;
use crate::pki::profile::Tier;
use crate::problem::Problem;

/// Everything that rows are made from.
pub(in crate::mesh) struct Sighting<'a> {
    pub(in crate::mesh) mesh: &'a Mesh,
    pub(in crate::mesh) holdings: &'a Holdings,
    pub(in crate::mesh) observed: &'a BTreeMap<ClusterName, Observed>,
    /// The root that the fleet runs on.
    pub(in crate::mesh) anchor: &'a Result<&'a Held, Problem>,
    /// Every root that may be used.
    pub(in crate::mesh) trusted: &'a [&'a Held],
    /// How late a renewal may be.
    pub(in crate::mesh) overdue: Duration,
    /// What the ends of certificates are judged by.
    pub(in crate::mesh) limits: Limits,
    pub(in crate::mesh) now: OffsetDateTime,
}

/// The roots that a cluster trusts.
pub(in crate::mesh) enum Roots {
    /// These, each once; `remark`: what there is to say about how they were seen.
    Seen { roots: Vec<Certificate>, remark: Option<&'static str>, unreadable: bool },
    /// They could not be seen, or not be read.
    Unknown(String),
    /// There are none yet.
    Missing(String),
}

const NOT_LOOKED_AT: &str = "it was not looked at";
const NO_CACERTS: &str = "no cacerts yet";

impl Sighting<'_> {
    const fn terms(&self) -> (Limits, OffsetDateTime) {
        (self.limits, self.now)
    }

    /// The rows of one cluster: its intermediate, what stands above it in the chain, and its roots.
    pub(in crate::mesh) fn rows(&self, cluster: &Cluster) -> Vec<Row> {
        let mut rows = vec![self.intermediate(cluster)];
        rows.extend(self.upper(cluster));
        rows.extend(self.roots(cluster));
        rows
    }

    /// The mesh's own rows: the issuing CA that lasts longest, and the root that may be used.
    pub(in crate::mesh) fn mesh_rows(&self, ceremonies: &[Ceremony]) -> Vec<Row> {
        let anchor = match self.anchor {
            Ok(anchor) => &anchor.certificate,
            Err(problem) => return vec![Row::blank(None, Tier::Root, Standing::Missing, problem.what())],
        };
        // A ceremony takes people and time: it is late once its last safe beginning has passed as well.
        let slack = |tier, end, wish| {
            let at = renewal(end, wish);
            let safe = ceremonies.iter().find(|it| it.tier == tier).map_or(at, |it| it.last_safe);
            let renewal = Renewal::within(at.max(safe), self.overdue);
            Some(Renewal { at, ..renewal })
        };
        let issuing = self.mesh.issuing.map(|wish| {
            let held = self.holdings.issuing_under(anchor);
            match held.into_iter().map(|held| &held.certificate).max_by_key(|it| it.not_after()) {
                Some(it) => Row::of(None, Tier::Issuing, it, slack(Tier::Issuing, it.not_after(), wish), self.terms()),
                None => Row::blank(None, Tier::Issuing, Standing::Missing, "no issuing CA under the root yet"),
            }
        });
        let renewal = slack(Tier::Root, anchor.not_after(), self.mesh.root.tier);
        issuing.into_iter().chain(std::iter::once(Row::of(None, Tier::Root, anchor, renewal, self.terms()))).collect()
    }

    fn intermediate(&self, cluster: &Cluster) -> Row {
        let row = match &cluster.role {
            Role::Primary | Role::External { .. } => self.signer(cluster),
            Role::Remote { primary } => {
                let row = match self.mesh.cluster(primary) {
                    Some(signer) => self.signer(signer),
                    None => self.blank(cluster, Standing::Unknown, "it is not in the mesh file"),
                };
                let why = row.reason.as_ref().map(|why| format!("its primary {primary}: {why}"));
                Row { cluster: Some(cluster.name.clone()), signed_by: Some(primary.clone()), reason: why, ..row }
            }
        };
        row.remark(match &cluster.state {
            Membership::Member => None,
            Membership::Leaving => Some("leaving the mesh".to_owned()),
            Membership::Excluded { reason, until } if self.now < *until => {
                Some(format!("excluded until {}: {reason}", utc(*until)))
            }
            Membership::Excluded { until, .. } => Some(format!("its exclusion ended {}", utc(*until))),
        })
    }

    fn blank(&self, cluster: &Cluster, standing: Standing, why: &str) -> Row {
        Row::blank(Some(&cluster.name), Tier::Intermediate, standing, why)
    }

    /// The row of a control plane's own intermediate.
    fn signer(&self, cluster: &Cluster) -> Row {
        let Some(observed) = self.observed.get(&cluster.name) else {
            return self.blank(cluster, Standing::Unknown, NOT_LOOKED_AT);
        };
        let there = match &observed.secret {
            Err(problem) => return self.blank(cluster, Standing::Unknown, problem.what()),
            Ok(None) => return self.blank(cluster, Standing::Missing, NO_CACERTS),
            Ok(Some(there)) => there,
        };
        let signer = match &there.signer {
            Err(problem) => return self.blank(cluster, Standing::Unknown, problem.what()),
            Ok(signer) => signer,
        };
        let defect = there.defect();
        let renews = self.renews(cluster, there);
        let renewal = renews.then(|| {
            let at = intermediate_renewal(self.mesh, &cluster.name, signer);
            Renewal::within(at, self.overdue)
        });
        let mut row = Row::of(Some(&cluster.name), Tier::Intermediate, signer, renewal, self.terms());
        if renews && defect.is_some() && row.standing == Standing::Fine {
            row.standing = Standing::Due;
        }
        row.broken = defect.is_some();
        let loaded = loaded(there, observed, cluster, self.now);
        // Where istiod was looked at, the reader is told what kept it from being seen.
        let is_told = !loaded.is_loaded && !observed.replicas.is_empty();
        let why = is_told.then(|| loaded.why.clone());
        row.loaded = Some(Loaded { why: plain(&loaded.why, LONGEST_REASON), ..loaded });
        let adopted = self.is_adopted(cluster).then(|| "adopted; the walk replaces it".to_owned());
        row.remark(adopted).remark(defect.map(str::to_owned)).remark(why)
    }

    /// Whether a cluster still signs with what it was adopted with, under a root that is not ours.
    pub(in crate::mesh) fn is_adopted(&self, cluster: &Cluster) -> bool {
        self.signing_set(cluster).is_some_and(|there| there.is_adopted() && signed_under(self.trusted, there).is_none())
    }

    /// Whether meshca renews what lies there.
    fn renews(&self, cluster: &Cluster, there: &SecretSight) -> bool {
        !self.is_adopted(cluster)
            && matches!(&there.owner, Owner::Ours(mark) if mark.mesh == self.mesh.name && mark.cluster == cluster.name.as_str())
    }

    /// What stands between the intermediate and the root in the chain that workloads get, each once.
    fn upper(&self, cluster: &Cluster) -> Vec<Row> {
        let Some(there) = self.signing_set(cluster) else { return Vec::new() };
        let mut seen = BTreeSet::new();
        there
            .chain()
            .iter()
            .filter(|it| !it.is_self_issued() && there.signer.as_ref() != Ok(*it) && seen.insert(it.fingerprint()))
            .map(|it| {
                let row = Row::of(Some(&cluster.name), Tier::Issuing, it, None, self.terms());
                Row { signed_by: self.borrowed_from(cluster), ..row }
            })
            .collect()
    }

    fn signing_set(&self, cluster: &Cluster) -> Option<&SecretSight> {
        let signer = self.mesh.signer_of(cluster)?;
        self.observed.get(&signer.name)?.secret.as_ref().ok()?.as_ref()
    }

    fn borrowed_from(&self, cluster: &Cluster) -> Option<ClusterName> {
        self.mesh.signer_of(cluster).map(|signer| &signer.name).filter(|name| **name != cluster.name).cloned()
    }

    fn roots(&self, cluster: &Cluster) -> Vec<Row> {
        let name = Some(&cluster.name);
        match self.trusted(cluster) {
            Roots::Unknown(why) => vec![Row::blank(name, Tier::Root, Standing::Unknown, &why)],
            Roots::Missing(why) => vec![Row::blank(name, Tier::Root, Standing::Missing, &why)],
            Roots::Seen { roots, remark, unreadable } => {
                let rest = unreadable.then(|| {
                    let why = "a certificate in its trust bundle cannot be read";
                    Row::blank(name, Tier::Root, Standing::Unknown, why)
                });
                let row = |root: &Certificate| {
                    let differs = self.anchor.as_ref().is_ok_and(|anchor| anchor.certificate != *root);
                    Row::of(name, Tier::Root, root, None, self.terms())
                        .remark(differs.then(|| "not the root that the mesh uses".to_owned()))
                        .remark(remark.map(str::to_owned))
                };
                roots.iter().map(row).chain(rest).collect()
            }
        }
    }

    /// The roots that this cluster's workloads trust, as far as that can be seen.
    pub(in crate::mesh) fn trusted(&self, cluster: &Cluster) -> Roots {
        let Some(observed) = self.observed.get(&cluster.name) else { return Roots::Unknown(NOT_LOOKED_AT.to_owned()) };
        match (&observed.secret, &observed.system_roots) {
            (Err(problem), _) => Roots::Unknown(problem.what().to_owned()),
            (Ok(Some(there)), _) if cluster.role.has_cacerts() => bundle(there.bundle(), None),
            (_, Err(problem)) => Roots::Unknown(problem.what().to_owned()),
            (_, Ok(Some(bytes))) => bundle(bytes, None),
            (_, Ok(None)) if cluster.role.has_cacerts() => Roots::Missing(NO_CACERTS.to_owned()),
            (_, Ok(None)) => self.borrowed(cluster),
        }
    }

    /// A remote whose trust is not shown: an API server would have shown it; behind a directory there is nothing to
    /// look at, and what its primary has is the best guess.
    fn borrowed(&self, cluster: &Cluster) -> Roots {
        if matches!(cluster.access, Access::Kubeconfig { .. } | Access::InCluster) {
            return Roots::Missing(format!("no istio-ca-root-cert in {}", cluster.namespace));
        }
        match self.mesh.signer_of(cluster).map(|signer| (signer, self.observed.get(&signer.name))) {
            Some((_, Some(Observed { secret: Ok(Some(there)), .. }))) => {
                bundle(there.bundle(), Some("as its primary has it, not seen in the cluster itself"))
            }
            Some((signer, Some(Observed { secret: Ok(None), .. }))) => {
                Roots::Missing(format!("its primary {}: {NO_CACERTS}", signer.name))
            }
            Some((signer, Some(Observed { secret: Err(problem), .. }))) => {
                Roots::Unknown(format!("its primary {}: {}", signer.name, problem.what()))
            }
            Some((signer, None)) => Roots::Unknown(format!("its primary {}: {NOT_LOOKED_AT}", signer.name)),
            None => Roots::Unknown("its primary is not in the mesh file".to_owned()),
        }
    }
}

fn bundle(bytes: &[u8], remark: Option<&'static str>) -> Roots {
    let mut seen = BTreeSet::new();
    let all = certificates(bytes);
    let unreadable = count(bytes, b"-----BEGIN CERTIFICATE-----") > all.len();
    let roots: Vec<Certificate> = all.into_iter().filter(|it| seen.insert(it.fingerprint())).collect();
    if roots.is_empty() {
        return Roots::Unknown("no root in its trust bundle can be read".to_owned());
    }
    Roots::Seen { roots, remark, unreadable }
}

fn count(bytes: &[u8], label: &[u8]) -> usize {
    bytes.windows(label.len()).filter(|window| *window == label).count()
}
