//! Real Kubernetes API servers on loopback: `Clusters::start(2)` starts two of them on one etcd. A test brings them in
//! with `#[path = "support/clusters/mod.rs"] mod clusters;`.
//!
//! **They end with the test.** Dropping `Clusters` ends them, in a panic too. If the test program itself is killed, the
//! kernel ends them: see `process.rs`. So tests of one file may share them, and nobody need drop those:
//!
//! ```ignore
//! static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(2));
//! ```
//!
//! Tests that stop a server or pause etcd start their own: whatever else runs there would see it.
//!
//! **What is not there**: controllers. A namespace has no ServiceAccount `default` and no `kube-root-ca.crt`, a deleted
//! namespace stays in `Terminating`, and no Job or Deployment ever has a Pod.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk, the clock and the environment")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "clusters that do not start are a failed test")]

mod api_server;
mod etcd;
mod folder;
mod identity;
mod istiod;
mod kubelet;
mod process;
pub(crate) mod programs;
mod request;

use std::path::Path;
use std::thread;

pub(crate) use api_server::{ApiServer, kubeconfig};
pub(crate) use etcd::Etcd;
use folder::Folder;
pub(crate) use istiod::Istiod;
pub(crate) use kubelet::Kubelet;
pub(crate) use request::Answer;

/// One etcd and API servers that know nothing of each other. The servers end before etcd, and the folder goes last.
pub(crate) struct Clusters {
    servers: Vec<ApiServer>,
    etcd: Etcd,
    folder: Folder,
}

// Each test program compiles these files for itself and uses only some of them. The rest would be called dead there,
// and an expectation of that would fail in the program that uses everything.
const _: () = {
    let _ = (Clusters::start, Clusters::start_with_users, Clusters::server, Clusters::etcd);
    let _ = (Clusters::folder, Clusters::pids, Etcd::pause, Etcd::resume);
    let _ = (ApiServer::url, ApiServer::port, ApiServer::authority, ApiServer::authority_file, ApiServer::token);
    let _ = (ApiServer::kubeconfig, ApiServer::kubeconfig_with_token, kubeconfig, ApiServer::start, ApiServer::stop);
    let _ = (ApiServer::create_namespace, ApiServer::create, ApiServer::create_secret, ApiServer::secret);
    let _ = (
        ApiServer::service_account_token,
        ApiServer::service_account_token_until,
        ApiServer::kubectl_with_input,
        ApiServer::ask,
        ApiServer::log,
    );
    let _ = (|server: &ApiServer| server.kubectl([""]), |server: &ApiServer| server.kubectl_as("", [""]));
    let _ = |server: &ApiServer| server.pass_on("", &[], b"").is_ok();
    let _ = |server: &ApiServer| server.listen("", "", std::time::Duration::ZERO).is_ok();
    let _ = (
        Istiod::start,
        Istiod::start_with,
        Istiod::refusal,
        Istiod::address,
        Istiod::metrics,
        Istiod::log,
        Istiod::pid,
    );
    let _ = Kubelet::start;
    let _ = |answer: Answer| (answer.status, answer.json(), answer.body);
};

impl Clusters {
    /// As many API servers as this, ready, with the users `admin` (group `system:masters`) and `plain` (no rights).
    ///
    /// # Panics
    ///
    /// If a program is missing, or if one does not get ready: with the end of its log.
    pub(crate) fn start(servers: usize) -> Self {
        Self::start_with_users(servers, &[])
    }

    /// With these users beside `admin` and `plain`: without rights until a role gives them some. Users are there from
    /// the start because an API server reads its tokens once; later ones are ServiceAccounts.
    pub(crate) fn start_with_users(servers: usize, users: &[&str]) -> Self {
        let folder = Folder::new();
        let etcd = Etcd::start(&folder.path().join("etcd"));
        let users = [&["admin", "plain"], users].concat();
        let started = |number| {
            let (path, users, etcd) = (folder.path().join(format!("c{number}")), &users, etcd.url());
            move || ApiServer::new(&path, number, &etcd, users)
        };
        let servers = thread::scope(|scope| {
            let starting: Vec<_> = (1..=servers).map(|number| scope.spawn(started(number))).collect();
            let started: Vec<_> = starting.into_iter().map(thread::ScopedJoinHandle::join).collect();
            started.into_iter().map(|server| server.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        Self { servers, etcd, folder }
    }

    /// The API server of this number, from 0.
    pub(crate) fn server(&self, index: usize) -> &ApiServer {
        self.servers.get(index).unwrap_or_else(|| panic!("there are {} API servers", self.servers.len()))
    }

    pub(crate) fn etcd(&self) -> &Etcd {
        &self.etcd
    }

    /// Where all files of these clusters lie. It goes with them.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The processes that are running now.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let servers = self.servers.iter().filter_map(ApiServer::pid);
        servers.chain([self.etcd.pid(), self.folder.pid()]).collect()
    }
}
