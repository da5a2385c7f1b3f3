//! The public status as ConfigMaps at home.

use crate::mesh::field_manager::FIELD_MANAGER;
use crate::mesh::fleet::Access;
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};
use crate::world::kubernetes::api_servers::ApiServers;
use crate::world::kubernetes::conversation::Conversation;
use crate::world::kubernetes::exchange::Object;
use crate::world::kubernetes::home::{at_home, home};

/// Writes them by server-side apply, each by its name.
///
/// # Errors
/// `namespace-missing`, `not-allowed` and what else the way to the API server refuses.
pub fn write(
    access: &Access,
    deadline: time::Duration,
    namespace: &str,
    maps: &[(String, Secret)],
) -> Result<(), Problem> {
    let servers = ApiServers::new(deadline);
    let place = home(access, namespace)?;
    let parameters = kube::api::PatchParams::apply(FIELD_MANAGER).force();
    for (name, body) in maps {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        let object = Object { path, resource: "configmaps", name: name.clone() };
        let write = async |talk: Conversation<'_>| talk.apply(&object, &parameters, body).await;
        servers.converse(&place, write).map_err(|problem| match problem.code() {
            // Only a write of another version of meshca at the same moment: it said the same.
            Code::TargetChangedMeanwhile => problem.hint("none is needed: the next tick writes it again"),
            _ => at_home(problem),
        })?;
    }
    Ok(())
}
