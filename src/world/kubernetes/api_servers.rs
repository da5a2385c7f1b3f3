//! The API servers of a mesh, each with one client that its targets share.

use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use kube::Client;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::mesh::fleet::{Access, Cluster};
use crate::problem::{Code, Problem};
use crate::world::kubernetes::conversation::{Conversation, Course};
use crate::world::kubernetes::kubeconfig;

/// Clients that are kept for the next target: each holds about 130 KiB, and a mesh may have a thousand API servers.
const MOST_CLIENTS: usize = 64;

/// The threads that wait for sockets on behalf of all targets.
const WAITERS: usize = 2;

type Shared = Arc<OnceLock<Result<Client, Problem>>>;

/// The API servers of a mesh. Nothing is read or connected to before the first conversation.
pub struct ApiServers {
    deadline: Duration,
    runtime: OnceLock<Result<Runtime, Problem>>,
    clients: Mutex<Vec<(Access, Shared)>>,
}

impl ApiServers {
    /// The API servers of a mesh; each visit of a target takes this long at most, the making of its client included.
    #[must_use]
    pub fn new(deadline: time::Duration) -> Self {
        let deadline = deadline.try_into().unwrap_or(Duration::ZERO);
        Self { deadline, runtime: OnceLock::new(), clients: Mutex::new(Vec::new()) }
    }

    /// Has a conversation with the API server of a cluster, within the deadline. Blocks this thread.
    ///
    /// # Errors
    /// What the conversation says; `kubeconfig-unusable`, `credential-plugin-failed`; `api-server-slow`, when the
    /// deadline passes.
    pub(super) fn converse<'a, T, F>(
        &self,
        cluster: &'a Cluster,
        conversation: impl FnOnce(Conversation<'a>) -> F,
    ) -> Result<T, Problem>
    where
        F: Future<Output = Result<T, Problem>>,
    {
        let runtime = self.runtime()?;
        let _inside = runtime.enter();
        let end = Instant::now() + self.deadline;
        // It is shared, and says nothing of the target itself.
        let client = self
            .client(cluster, runtime)
            .map_err(|problem| problem.fact(format!("target   {}/{}", cluster.name, cluster.namespace)))?;
        let course = Arc::new(Mutex::new(Course::default()));
        let conversation = conversation(Conversation::new(client, cluster, Arc::clone(&course)));
        runtime.block_on(async {
            tokio::time::timeout_at(end, conversation).await.unwrap_or_else(|_| Err(self.slow(cluster, &course)))
        })
    }

    fn slow(&self, cluster: &Cluster, course: &Mutex<Course>) -> Problem {
        let slow = Problem::new(
            Code::ApiServerSlow,
            format!(
                "{}/{}: the API server did not answer within {} seconds",
                cluster.name,
                cluster.namespace,
                self.deadline.as_secs()
            ),
        )
        .hint("look whether it is overloaded or cut off; rotation.deadline in the mesh file says how long to wait");
        course.lock().unwrap_or_else(PoisonError::into_inner).told_with(slow)
    }

    fn runtime(&self) -> Result<&Runtime, Problem> {
        let made = self.runtime.get_or_init(|| {
            Builder::new_multi_thread().worker_threads(WAITERS).enable_all().build().map_err(|error| {
                Problem::new(Code::ApiServerUnreachable, format!("no thread can wait for a network: {error}"))
            })
        });
        made.as_ref().map_err(Clone::clone)
    }

    /// The client for this way in, made by the first who needs it; others who need it wait for that.
    fn client(&self, cluster: &Cluster, runtime: &Runtime) -> Result<Client, Problem> {
        let shared = self.shared(&cluster.access);
        shared
            .get_or_init(|| {
                let config = kubeconfig::config(&cluster.access, runtime, self.deadline)?;
                Client::try_from(config).map_err(|error| kubeconfig::unusable(&cluster.access, &error))
            })
            .clone()
    }

    fn shared(&self, access: &Access) -> Shared {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, shared)) = clients.iter().find(|(known, _)| known == access) {
            return Arc::clone(shared);
        }
        if clients.len() >= MOST_CLIENTS
            && let Some(idle) = clients.iter().position(|(_, shared)| Arc::strong_count(shared) == 1)
        {
            clients.remove(idle);
        }
        let shared = Shared::default();
        clients.push((access.clone(), Arc::clone(&shared)));
        shared
    }
}

impl std::fmt::Debug for ApiServers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiServers({} s)", self.deadline.as_secs())
    }
}

impl Drop for ApiServers {
    fn drop(&mut self) {
        // A name that cannot be resolved must not hold up the end of the program.
        if let Some(Ok(runtime)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
