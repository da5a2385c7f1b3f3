//! A target behind a Kubernetes API: its Secret `cacerts` and the object that carries its trust bundle.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::mesh::cacerts::{CONTROL_PLANES, Cacerts, ROOT_CERT, SECRET_NAME, SELF_SIGNED_SECRET};
use crate::mesh::change::Change;
use crate::mesh::field_manager::{CREATOR, FIELD_MANAGER, FieldManager};
use crate::mesh::fleet::{Access, Cluster, Mesh, Role, TrustBundle};
use crate::mesh::observed::{Observed, SecretSight};
use crate::mesh::ownership::Ownership;
use crate::mesh::secret_manifest::{Precondition, SecretManifest, apply_body};
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
use crate::world::key_half;
use crate::world::kubernetes::api_servers::ApiServers;
use crate::world::kubernetes::conversation::Conversation;
use crate::world::kubernetes::exchange::Object;

/// Looks at a target: two requests where it has its `cacerts`. Never fails: what could not be seen is said.
#[must_use]
pub fn observe(
    servers: &ApiServers,
    cluster: &Cluster,
    mesh: &Mesh,
    entropy: &Entropy,
    now: OffsetDateTime,
) -> Observed {
    let seen = servers.converse(cluster, async |talk: Conversation<'_>| {
        let secret = async {
            match cluster.role.has_cacerts() {
                true => read(&talk, cluster, SECRET_NAME).await,
                false => Ok(None),
            }
        };
        let control_planes = async {
            match cluster.role {
                Role::Remote { .. } => control_planes(&talk, cluster).await,
                Role::Primary | Role::External { .. } => Ok(None),
            }
        };
        let (secret, system_roots, control_planes) = tokio::join!(secret, own_bundle(&talk, cluster), control_planes);
        let self_signed = match &secret {
            Ok(None) if cluster.role.has_cacerts() => look_around(&talk, cluster).await?,
            _ => false,
        };
        Ok((secret, system_roots, self_signed, control_planes?, talk.server_clock()))
    });
    let (secret, mut system_roots, self_signed, control_planes, server_clock) = match seen {
        Ok(seen) => seen,
        Err(problem) => return Observed::unseen(&cluster.name, now, &problem),
    };
    if let Some(shown) = elsewhere(servers, cluster, mesh) {
        system_roots = shown;
    }
    let (secret, written_at) = match secret {
        Ok(Some(manifest)) => {
            let written_at = manifest.written_at();
            (Ok(Some(sight(manifest, entropy))), written_at)
        }
        Ok(None) => (Ok(None), None),
        Err(problem) => (Err(problem), None),
    };
    let system_roots_since = system_roots.as_ref().ok().and_then(Option::as_ref).and_then(|shown| shown.since);
    Observed {
        cluster: cluster.name.clone(),
        at: now,
        secret,
        system_roots: system_roots.map(|shown| shown.map(|shown| shown.bytes.into())),
        self_signed,
        replicas: Vec::new(),
        written_at,
        control_planes,
        system_roots_since,
        server_clock,
        deployment: None,
    }
}

/// The values of one of a target's Secrets as they are, a private key included; none where there is no such Secret.
///
/// # Errors
/// What the way to the API server refuses; `api-answer-malformed`.
pub fn values(servers: &ApiServers, cluster: &Cluster, name: &str) -> Result<BTreeMap<String, Secret>, Problem> {
    let there = servers.converse(cluster, async |talk: Conversation<'_>| read(&talk, cluster, name).await)?;
    Ok(there.map(|manifest| manifest.values).unwrap_or_default())
}

/// The trust bundle that a cluster shows its workloads, and nothing else of it; `None`: there is none.
///
/// # Errors
/// `namespace-missing`; what the way to the API server refuses.
pub fn trust_bundle(servers: &ApiServers, cluster: &Cluster) -> Result<Option<Vec<u8>>, Problem> {
    servers.converse(cluster, async |talk: Conversation<'_>| {
        let bundle = own_bundle(&talk, cluster).await?;
        if bundle.is_none() && if_allowed(talk.is_there(&namespace(cluster)).await)? == Some(false) {
            return Err(namespace_missing(cluster));
        }
        Ok(bundle.map(|shown| shown.bytes))
    })
}

/// Writes a set by server-side apply, if the target is still what was decided on.
///
/// `Create` has no precondition, since a server creates what it finds absent whatever version is named; a field
/// manager that nobody else uses, without force, makes the second of two creators fail. `Replace` names the uid and
/// the version that were decided on: the version alone would bring a Secret back that was deleted meanwhile.
///
/// # Errors
/// `target-changed-meanwhile`, `namespace-missing`, `not-allowed` and what else the way to the API server refuses. After
/// `answer-lost`, `api-server-failing` and `api-server-slow` it is not known whether it was written.
pub fn write(
    servers: &ApiServers,
    cluster: &Cluster,
    set: &Cacerts,
    mark: &Ownership,
    change: &Change,
    entropy: &Entropy,
) -> Result<(), Problem> {
    let (manager, precondition) = match change {
        Change::Leave | Change::Refuse(_) => return Ok(()),
        Change::Create => (format!("{CREATOR}{}", entropy.serial()?), None),
        Change::Replace { uid: Some(uid), version: Some(version) } => {
            (FIELD_MANAGER.to_owned(), Some(Precondition { uid, resource_version: version }))
        }
        Change::Replace { .. } => {
            return Err(Problem::new(
                Code::ApiAnswerMalformed,
                format!("{}/{}: cacerts has no uid or no version to write upon", cluster.name, cluster.namespace),
            ));
        }
    };
    let mut parameters = kube::api::PatchParams::apply(&manager);
    parameters.force = precondition.is_some();
    let body = apply_body(set, &cluster.namespace, mark, precondition)?;
    let cacerts = secret(cluster, SECRET_NAME);
    servers.converse(cluster, async |talk: Conversation<'_>| talk.apply(&cacerts, &parameters, &body).await)
}

async fn read(talk: &Conversation<'_>, cluster: &Cluster, name: &str) -> Result<Option<SecretManifest>, Problem> {
    let object = secret(cluster, name);
    let Some(text) = talk.get(&object).await? else { return Ok(None) };
    SecretManifest::from_json(&text).map(Some).ok_or_else(|| talk.malformed(&object, "it is not a Secret"))
}

/// What matters where there is no `cacerts`: whether its namespace is there at all, and whether istiod keeps a CA of
/// its own. Who may not ask has to go by the trust bundle.
///
/// # Errors
/// `namespace-missing`; what the way to the API server refuses.
async fn look_around(talk: &Conversation<'_>, cluster: &Cluster) -> Result<bool, Problem> {
    let (namespace, own) = (namespace(cluster), secret(cluster, SELF_SIGNED_SECRET));
    let (namespace, self_signed) = tokio::join!(talk.is_there(&namespace), talk.is_there(&own));
    if if_allowed(namespace)? == Some(false) {
        return Err(namespace_missing(cluster));
    }
    Ok(if_allowed(self_signed)?.unwrap_or(false))
}

#[derive(Deserialize)]
struct Namespace {
    metadata: NamespaceMetadata,
}

#[derive(Deserialize)]
struct NamespaceMetadata {
    annotations: Option<BTreeMap<String, String>>,
}

/// Whom a remote's namespace names as its control planes: an istiod hands its trust bundle to no other remote.
///
/// Source: Istio, `pilot/pkg/serviceregistry/kube/controller/multicluster.go`, `checkShouldLead`.
async fn control_planes(talk: &Conversation<'_>, cluster: &Cluster) -> Result<Option<Vec<String>>, Problem> {
    let object = namespace(cluster);
    let read: Namespace = match if_allowed(read_as(talk, &object).await)? {
        None => return Ok(None),
        Some(None) => return Err(namespace_missing(cluster)),
        Some(Some(read)) => read,
    };
    let named = read.metadata.annotations.and_then(|mut all| all.remove(CONTROL_PLANES)).unwrap_or_default();
    Ok(Some(named.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()))
}

/// `None`: nobody may tell.
fn if_allowed<T>(answer: Result<T, Problem>) -> Result<Option<T>, Problem> {
    match answer {
        Err(problem) if problem.code() == Code::NotAllowed => Ok(None),
        answer => answer.map(Some),
    }
}

fn namespace(cluster: &Cluster) -> Object {
    Object { path: "/api/v1/namespaces".to_owned(), resource: "namespaces", name: cluster.namespace.clone() }
}

fn namespace_missing(cluster: &Cluster) -> Problem {
    let Cluster { name, namespace, .. } = cluster;
    Problem::new(Code::NamespaceMissing, format!("{name} has no namespace {namespace}"))
        .hint(format!("kubectl create namespace {namespace}   in {name}"))
}

/// The trust bundle of an external control plane's workloads is shown in the cluster whose configuration it reads.
fn elsewhere(servers: &ApiServers, cluster: &Cluster, mesh: &Mesh) -> Option<Result<Option<Bundle>, Problem>> {
    let Role::External { config_cluster } = &cluster.role else { return None };
    let other = mesh.cluster(config_cluster)?;
    match &other.access {
        Access::Kubeconfig { .. } | Access::InCluster => {
            Some(servers.converse(other, async |talk: Conversation<'_>| own_bundle(&talk, other).await))
        }
        Access::Directory(_) | Access::Manifest(_) => None,
    }
}

/// A trust bundle as an object shows it.
struct Bundle {
    bytes: Vec<u8>,
    /// When the object last changed in whatever way, by the clock of its API server.
    since: Option<OffsetDateTime>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    creation_timestamp: Option<String>,
    #[serde(default)]
    managed_fields: Vec<FieldManager>,
}

impl Metadata {
    fn since(&self) -> Option<OffsetDateTime> {
        let created = || OffsetDateTime::parse(self.creation_timestamp.as_deref()?, &Rfc3339).ok();
        self.managed_fields.iter().filter_map(FieldManager::time).max().or_else(created)
    }
}

#[derive(Deserialize)]
struct ConfigMap {
    #[serde(default)]
    metadata: Metadata,
    data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClusterTrustBundle {
    #[serde(default)]
    metadata: Metadata,
    spec: ClusterTrustBundleSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClusterTrustBundleSpec {
    trust_bundle: String,
}

/// The trust bundle that this cluster shows its workloads.
async fn own_bundle(talk: &Conversation<'_>, cluster: &Cluster) -> Result<Option<Bundle>, Problem> {
    match &cluster.trust_bundle {
        TrustBundle::ConfigMap(name) => {
            let path = format!("/api/v1/namespaces/{}/configmaps", cluster.namespace);
            let object = Object { path, resource: "configmaps", name: name.clone() };
            let map: Option<ConfigMap> = read_as(talk, &object).await?;
            Ok(map.and_then(|map| {
                let since = map.metadata.since();
                map.data?.remove(ROOT_CERT).map(|text| Bundle { bytes: text.into_bytes(), since })
            }))
        }
        TrustBundle::ClusterTrustBundle(name) => {
            // A server that knows one version only says of the other that there is no such object.
            for version in ["v1", "v1beta1"] {
                let path = format!("/apis/certificates.k8s.io/{version}/clustertrustbundles");
                let object = Object { path, resource: "clustertrustbundles", name: name.clone() };
                let bundle: Option<ClusterTrustBundle> = read_as(talk, &object).await?;
                if let Some(ClusterTrustBundle { metadata, spec }) = bundle {
                    return Ok(Some(Bundle { bytes: spec.trust_bundle.into_bytes(), since: metadata.since() }));
                }
            }
            Ok(None)
        }
    }
}

async fn read_as<T: DeserializeOwned>(talk: &Conversation<'_>, object: &Object) -> Result<Option<T>, Problem> {
    let Some(text) = talk.get(object).await? else { return Ok(None) };
    let read = serde_json::from_slice(text.expose());
    read.map(Some).map_err(|_| talk.malformed(object, "it is not of the expected shape"))
}

fn sight(manifest: SecretManifest, entropy: &Entropy) -> SecretSight {
    let spki = key_half::of(&manifest.values, entropy);
    manifest.sight(spki)
}

fn secret(cluster: &Cluster, name: &str) -> Object {
    Object {
        path: format!("/api/v1/namespaces/{}/secrets", cluster.namespace),
        resource: "secrets",
        name: name.to_owned(),
    }
}
