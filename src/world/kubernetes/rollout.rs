//! Istiod's Deployments in the namespace of a target: looked at where a root change asks for it, and restarted.

use time::OffsetDateTime;

use crate::mesh::field_manager::FIELD_MANAGER;
use crate::mesh::fleet::Cluster;
use crate::mesh::istiod_deployment::{self, Deployments, IstiodDeployment};
use crate::problem::Problem;
use crate::world::kubernetes::api_servers::ApiServers;
use crate::world::kubernetes::conversation::Conversation;
use crate::world::kubernetes::exchange::Object;

/// What the Deployments of a target's istiod say: one request.
///
/// # Errors
/// `not-allowed`, `too-many-values` and what else the way to the API server refuses.
pub fn look(servers: &ApiServers, cluster: &Cluster) -> Result<IstiodDeployment, Problem> {
    let there = servers.converse(cluster, async |talk: Conversation<'_>| listed(&talk, cluster).await)?;
    Ok(there.said(&place(cluster)))
}

/// Restarts the Deployments of a target's istiod one after the other, as `kubectl rollout restart` does: their pods are
/// replaced little by little. Whether the new ones come up is not waited for.
///
/// The same moment again changes nothing, so that a restart whose answer was lost may be asked for again with it.
///
/// # Errors
/// `istiod-not-restartable`: then none was touched. `not-allowed` and what else the way to the API server refuses: the
/// Deployments after the one that is named were not touched.
pub fn restart(servers: &ApiServers, cluster: &Cluster, now: OffsetDateTime) -> Result<(), Problem> {
    let patch = istiod_deployment::restart_patch(now);
    servers.converse(cluster, async |talk: Conversation<'_>| {
        for name in listed(&talk, cluster).await?.to_restart(&place(cluster))? {
            talk.patch(&deployments(cluster, name), FIELD_MANAGER, &patch).await?;
        }
        Ok(())
    })
}

async fn listed(talk: &Conversation<'_>, cluster: &Cluster) -> Result<Deployments, Problem> {
    let all = deployments(cluster, String::new());
    let text = talk.list(&all, istiod_deployment::LABEL, istiod_deployment::MOST).await?;
    Deployments::read(text.expose()).ok_or_else(|| talk.malformed(&all, "it is not a list of Deployments"))
}

fn deployments(cluster: &Cluster, name: String) -> Object {
    let path = format!("/apis/apps/v1/namespaces/{}/deployments", cluster.namespace);
    Object { path, resource: "deployments", name }
}

fn place(cluster: &Cluster) -> String {
    format!("{}/{}", cluster.name, cluster.namespace)
}
