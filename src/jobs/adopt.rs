//! `adopt`: takes over what a running cluster signs with, so that it can walk to a root of ours without an outage. Nothing
//! that its workloads see changes: signer, chain and trust bundle stay. The private key goes from one Secret of the
//! cluster to another in the same namespace, and nowhere else.

use crate::jobs::courier::Courier;
use crate::mesh::adoption::{self, Adoptable, Adoption, Source};
use crate::mesh::cacerts::Cacerts;
use crate::mesh::change::Change;
use crate::mesh::fleet::{Cluster, ClusterName, Membership};
use crate::mesh::holdings::Held;
use crate::mesh::observed::Observed;
use crate::mesh::plan;
use crate::problem::{Code, Problem};
use crate::world::store::Store;
use crate::world::targets::{self, Key};

/// What became of one cluster, or would.
#[derive(Debug)]
pub struct Adopted {
    /// Which cluster.
    pub cluster: ClusterName,
    /// Its namespace.
    pub namespace: String,
    /// What was taken over, and how; `None`: nothing, since its set is ours already. Or why it was not.
    pub result: Result<Option<(Adoptable, Change)>, Problem>,
}

/// What became of all of them.
#[derive(Debug)]
pub struct Adoptions {
    /// The root that they are to walk to.
    pub to: Held,
    /// One for each cluster that was named.
    pub clusters: Vec<Adopted>,
}

/// Takes over each of these clusters, or says what would be taken over.
///
/// # Errors
/// `unknown-cluster`, `remote-gets-no-cacerts`, `no-usable-root`, `file-unreadable`; `root-change-under-way`. What goes wrong
/// with one cluster is told beside the others.
pub fn run(
    courier: &Courier<'_>,
    store: &Store,
    clusters: &[ClusterName],
    dry_run: bool,
) -> Result<Adoptions, Problem> {
    let Courier { mesh, targets, now, .. } = *courier;
    let chosen = mesh.signing_clusters(clusters)?;
    let holdings = store.holdings()?;
    let fleet = targets.observe_all();
    let to = plan::settled_root(mesh, &holdings, &fleet, now)?;
    let adopted = targets.in_parallel(&chosen, mesh.rotation.write, |cluster| {
        let result = match fleet.get(&cluster.name) {
            Some(observed) => one(courier, to, cluster, observed, dry_run),
            None => Err(Problem::new(Code::TargetUnreadable, format!("{} was not looked at", cluster.name))),
        };
        Adopted { cluster: cluster.name.clone(), namespace: cluster.namespace.clone(), result }
    });
    Ok(Adoptions { to: to.clone(), clusters: adopted })
}

fn one(
    courier: &Courier<'_>,
    to: &Held,
    cluster: &Cluster,
    observed: &Observed,
    dry_run: bool,
) -> Result<Option<(Adoptable, Change)>, Problem> {
    let Courier { mesh, targets: reached, now, .. } = *courier;
    if let Membership::Leaving | Membership::Excluded { .. } = &cluster.state {
        return Err(Problem::new(Code::AdoptionUnsound, format!("{} is no member of the mesh now", cluster.name))
            .hint("take its `state` out of the mesh file"));
    }
    let own = match &observed.secret {
        Ok(None) => reached.own_ca(cluster)?,
        _ => None,
    };
    let (sight, own_key) = own.map_or((None, None), |(sight, key)| (Some(sight), key));
    let found = match adoption::adoption(cluster, mesh, &to.certificate, observed, sight.as_ref(), now)? {
        Adoption::IsOurs => {
            // What a killed run left beside the set may hold its key.
            if !dry_run {
                let _ = targets::tidy(cluster);
            }
            return Ok(None);
        }
        Adoption::Takes(found) => *found,
    };
    if dry_run {
        let change = match found.source {
            Source::Cacerts => Change::Replace { uid: None, version: None },
            Source::SelfSigned => Change::Create,
        };
        return Ok(Some((found, change)));
    }
    let key = match found.source {
        Source::Cacerts => reached.key(cluster)?,
        Source::SelfSigned => own_key,
    };
    let set = set(cluster, &found, key)?;
    let mark = adoption::mark(mesh, cluster, &found, to);
    let delivered = courier.adopt(cluster, &set, &mark, observed)?;
    Ok(Some((found, delivered.change)))
}

fn set(cluster: &Cluster, found: &Adoptable, key: Option<Key>) -> Result<Cacerts, Problem> {
    let set = key.and_then(|(key, spki)| {
        Cacerts::rebundled(found.signer.clone(), found.chain.clone(), key, spki, &found.bundle)
    });
    set.ok_or_else(|| {
        let what = format!("{}: the key in {} changed since it was looked at", cluster.name, found.source.secret());
        Problem::new(Code::TargetChangedMeanwhile, what).hint(format!("meshca adopt {}", cluster.name))
    })
}
