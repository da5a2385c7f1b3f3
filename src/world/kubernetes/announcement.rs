//! Tells an API server of an Event.

use time::OffsetDateTime;

use crate::mesh::event::Event;
use crate::mesh::fleet::Cluster;
use crate::problem::{Code, Problem};
use crate::world::kubernetes::api_servers::ApiServers;
use crate::world::kubernetes::conversation::Conversation;
use crate::world::kubernetes::exchange::Object;

/// Creates it. One of the same name says the same already.
///
/// # Errors
/// `not-allowed` and what else the way to the API server refuses.
pub fn tell(servers: &ApiServers, cluster: &Cluster, event: &Event, now: OffsetDateTime) -> Result<(), Problem> {
    let object = Object {
        path: format!("/apis/events.k8s.io/v1/namespaces/{}/events", cluster.namespace),
        resource: "events",
        name: event.name.clone(),
    };
    let body = event.body(cluster, now);
    match servers.converse(cluster, async |talk: Conversation<'_>| talk.create(&object, &body).await) {
        Err(problem) if problem.code() == Code::TargetChangedMeanwhile => Ok(()),
        told => told,
    }
}
