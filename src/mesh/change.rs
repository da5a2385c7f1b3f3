//! The four-way decision before anything is written: create, replace, leave or refuse.

use crate::mesh::cacerts::{Cacerts, FILES};
use crate::mesh::fleet::Cluster;
use crate::mesh::observed::{Observed, Owner, SecretKind, SecretSight, certificates};
use crate::mesh::ownership::Ownership;
use crate::pki::certificate::Certificate;
use crate::problem::{Code, Problem};

/// What shall happen to a target's `cacerts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// There is none, and nothing speaks against one.
    Create,
    /// There is one of ours with other content.
    Replace {
        /// The object that was decided on.
        uid: Option<String>,
        /// The content that was decided on.
        version: Option<String>,
    },
    /// It holds exactly this already.
    Leave,
    /// It must not be touched.
    Refuse(Problem),
}

impl Change {
    /// The word in tables and records.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Change::Create => "create",
            Change::Replace { .. } => "replace",
            Change::Leave => "leave",
            Change::Refuse(_) => "refuse",
        }
    }
}

/// Decides what to do with a set for a target.
#[must_use]
pub fn decide(set: &Cacerts, cluster: &Cluster, mesh: &str, observed: &Observed) -> Change {
    match may_write(cluster, mesh, observed) {
        Err(problem) => Change::Refuse(problem),
        Ok(None) => Change::Create,
        Ok(Some(there)) if holds(there, set) => Change::Leave,
        Ok(Some(there)) => Change::Replace { uid: there.uid.clone(), version: there.version.clone() },
    }
}

/// Whether a target may be written at all; if so, what is there.
///
/// # Errors
/// The refusal, with its code.
pub fn may_write<'a>(
    cluster: &Cluster,
    mesh: &str,
    observed: &'a Observed,
) -> Result<Option<&'a SecretSight>, Problem> {
    let name = &cluster.name;
    if !cluster.role.has_cacerts() {
        return Err(Problem::new(
            Code::RemoteGetsNoCacerts,
            format!(
                "{name} is a {}: its workloads are signed by its control plane's intermediate",
                cluster.role.as_str()
            ),
        )
        .hint("leave it out; a needless copy of a signing key is a risk"));
    }
    let there = match &observed.secret {
        Err(problem) => return Err(problem.clone()),
        Ok(None) => return no_cacerts(cluster, observed).map(|()| None),
        Ok(Some(there)) => there,
    };
    let place = format!("{name}/{}", cluster.namespace);
    if there.owner == Owner::Istiod {
        return Err(Problem::new(
            Code::IstioGeneratedSecret,
            format!("{place}: cacerts was made by istiod for itself (istio-generated)"),
        )
        .hint("istiod would overwrite it; unset USE_CACERTS_FOR_SELF_SIGNED_CA first"));
    }
    if there.kind != SecretKind::Opaque {
        let kind = match &there.kind {
            SecretKind::Tls => "kubernetes.io/tls",
            SecretKind::Other(kind) => kind,
            SecretKind::Opaque => "Opaque",
        };
        return Err(Problem::new(
            Code::SecretTypeFixed,
            format!("{place}: cacerts is of type {kind}, and Kubernetes never changes a Secret's type"),
        )
        .fact("wanted  Opaque, with the four files".to_owned())
        .hint("replace it in a maintenance window: see docs/guide/publish.md"));
    }
    if there.immutable {
        return Err(Problem::new(
            Code::SecretImmutable,
            format!("{place}: cacerts is immutable, and Kubernetes refuses every change of it"),
        )
        .hint("replace it in a maintenance window: see docs/guide/publish.md"));
    }
    match &there.owner {
        Owner::Ours(mark) => belongs(mark, cluster, mesh).map(|()| Some(there)),
        Owner::Istiod => Ok(Some(there)),
        Owner::Somebody(whom) => {
            Err(Problem::new(Code::OwnedBySomebodyElse, format!("{place}: cacerts was not written by meshca ({whom})"))
                .fact(match &there.signer {
                    Ok(signer) => format!("its signer  {}", signer.subject()),
                    Err(problem) => problem.to_string(),
                })
                .hint(format!(
                    "meshca check {name}   shows what it is; taking it over is `adopt`, which is not built yet"
                )))
        }
    }
}

/// Whether a target runs under this root, or under none that can be read: what else it trusts is its own business.
///
/// # Errors
/// `root-differs`.
pub fn same_root(cluster: &Cluster, anchor: &Certificate, there: &SecretSight) -> Result<(), Problem> {
    let roots = there.roots();
    let Some(theirs) = roots.first() else { return Ok(()) };
    if roots.contains(anchor) {
        return Ok(());
    }
    Err(Problem::new(
        Code::RootDiffers,
        format!("{} runs under another root than the one that may be used", cluster.name),
    )
    .fact(format!("its root  {}, {}", theirs.subject(), theirs.fingerprint().short()))
    .fact(format!("ours      {}, {}", anchor.subject(), anchor.fingerprint().short()))
    .hint("a change of root is walked in stages, which is not built yet; pin its root in root.trusted to go on"))
}

fn no_cacerts(cluster: &Cluster, observed: &Observed) -> Result<(), Problem> {
    let system_roots = observed.system_roots.as_ref().map_err(Clone::clone)?;
    if system_roots.is_none() && !observed.self_signed {
        return Ok(());
    }
    let roots = certificates(system_roots.as_deref().unwrap_or_default());
    let theirs = roots.first().map_or_else(
        || "a self-signed CA of istiod".to_owned(),
        |root| format!("{}, {}", root.subject(), root.fingerprint().short()),
    );
    Err(Problem::new(
        Code::AlreadyRunningUnderAnotherRoot,
        format!("{}/{} has no cacerts, but istiod there runs on a root of its own", cluster.name, cluster.namespace),
    )
    .fact(format!("its root  {theirs}"))
    .fact("publishing now would swap root and signer at istiod's next restart")
    .hint("taking it over without an outage is `adopt`, which is not built yet"))
}

fn belongs(mark: &Ownership, cluster: &Cluster, mesh: &str) -> Result<(), Problem> {
    if mark.mesh == mesh && mark.cluster == cluster.name.as_str() {
        return Ok(());
    }
    Err(Problem::new(
        Code::OwnedBySomebodyElse,
        format!("{}: cacerts there belongs to another target of meshca", cluster.name),
    )
    .fact(format!("found   mesh {}, cluster {}", mark.mesh, mark.cluster))
    .fact(format!("wanted  mesh {mesh}, cluster {}", cluster.name))
    .hint("look whether two mesh files, or two clusters of one, name the same target"))
}

/// Whether the target holds exactly this set: the same four values and no other.
#[must_use]
pub fn holds(there: &SecretSight, set: &Cacerts) -> bool {
    let mut wanted: Vec<&str> = FILES.to_vec();
    wanted.sort_unstable();
    there.names == wanted
        && there.key_spki.as_deref() == Some(set.key_spki())
        && set.public_files().iter().all(|(name, bytes)| there.public.get(*name) == Some(bytes))
}
