//! The public status as ConfigMaps at home.

use crate::mesh::field_manager::FIELD_MANAGER;
use crate::mesh::fleet::{Access, Cluster};
use crate::mesh::report_document::ReportDocument;
use crate::mesh::status_part::PartMap;
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
        let object = object(namespace, name.clone());
        let write = async |talk: Conversation<'_>| talk.apply(&object, &parameters, body).await;
        servers.converse(&place, write).map_err(|problem| match problem.code() {
            // Only a write of another version of meshca at the same moment: it said the same.
            Code::TargetChangedMeanwhile => problem.hint("none is needed: the next tick writes it again"),
            _ => at_home(problem),
        })?;
    }
    Ok(())
}

fn object(namespace: &str, name: String) -> Object {
    Object { path: format!("/api/v1/namespaces/{namespace}/configmaps"), resource: "configmaps", name }
}

/// The public status in ConfigMaps, looked at again and again: each part by its name, and parsed again only when it changed.
#[derive(Debug)]
pub struct StatusMaps {
    access: Access,
    deadline: time::Duration,
    namespace: String,
    prefix: String,
    /// The parts as they were when they were last read well, each with what identifies its content.
    last: Vec<(String, ReportDocument)>,
}

impl StatusMaps {
    /// Maps of these names; they need not be there yet. A look may take as long as `deadline`.
    #[must_use]
    pub fn new(access: Access, deadline: time::Duration, namespace: &str, prefix: &str) -> Self {
        Self { access, deadline, namespace: namespace.to_owned(), prefix: prefix.to_owned(), last: Vec::new() }
    }

    /// Reads them; `None`: they are as they were when they were last read well.
    ///
    /// # Errors
    /// `status-unreadable`: a part is missing or is none; `not-allowed` and what else the way to the API server refuses.
    pub fn look(&mut self) -> Result<Option<ReportDocument>, Problem> {
        let place = home(&self.access, &self.namespace)?;
        let last = std::mem::take(&mut self.last);
        let versions: Vec<String> = last.iter().map(|(version, _)| version.clone()).collect();
        let servers = ApiServers::new(self.deadline);
        let parts = self.parts(&servers, &place, last)?;
        let is_same = parts.iter().map(|(version, _)| version).eq(&versions);
        let whole = ReportDocument::gathered(parts.iter().map(|(_, status)| status.clone())).filter(|_| !is_same);
        self.last = parts;
        Ok(whole)
    }

    fn parts(
        &self,
        servers: &ApiServers,
        place: &Cluster,
        last: Vec<(String, ReportDocument)>,
    ) -> Result<Vec<(String, ReportDocument)>, Problem> {
        let mut last = last.into_iter();
        let (mut parts, mut count) = (Vec::new(), 1);
        while parts.len() < count {
            let number = parts.len();
            let name = format!("{}-{number}", self.prefix);
            let object = object(&self.namespace, name.clone());
            let read = async |talk: Conversation<'_>| talk.get(&object).await;
            let body = servers.converse(place, read).map_err(to_read)?.ok_or_else(|| self.missing(&name))?;
            let map = PartMap::read(body.expose(), &name)?;
            let said = map.count(number)?;
            // Of parts that are just being written, one may say more than another: the next look sees all of them.
            if number > 0 && said != count {
                let what = format!("{name} is of a status of {said} parts, and {}-0 of one of {count}", self.prefix);
                return Err(Problem::new(Code::StatusUnreadable, what).hint("none is needed, unless it lasts"));
            }
            count = said;
            parts.push(match last.next() {
                Some((version, status)) if !version.is_empty() && version == map.version() => (version, status),
                _ => (map.version().to_owned(), map.status()?),
            });
        }
        Ok(parts)
    }

    fn missing(&self, name: &str) -> Problem {
        let what = format!("there is no ConfigMap {name} in the namespace {}", self.namespace);
        let hint = format!("meshca rotate --status-configmap {}/{}   writes it", self.namespace, self.prefix);
        Problem::new(Code::StatusUnreadable, what).hint(hint)
    }
}

/// The problem with the hint that fits who only reads.
fn to_read(problem: Problem) -> Problem {
    if problem.code() == Code::NotAllowed {
        return problem.hint("apply what `meshca manifests exporter` prints");
    }
    problem
}
