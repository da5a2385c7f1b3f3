//! A real istiod with its `cacerts` in a folder, as the kubelet would mount it there. It ends when it is dropped, and with
//! the test program.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::api_server::ApiServer;
use super::process::{Process, free_ports};
use super::programs::{istiod, on_path};
use super::request::{ask, connect, head};

pub(crate) struct Istiod {
    process: Process,
    log: PathBuf,
    grpc: u16,
    monitoring: u16,
}

impl Istiod {
    /// An istiod of the namespace `istio-system`, ready, that watches this folder. It works in another one, which is made.
    ///
    /// # Panics
    ///
    /// If it is missing, or does not get ready: with the end of its log.
    pub(crate) fn start(server: &ApiServer, cacerts: &Path, folder: &Path) -> Self {
        Self::start_with(server, cacerts, folder, &[])
    }

    /// The same with these settings in its environment, such as `ISTIO_MULTIROOT_MESH=true`.
    pub(crate) fn start_with(server: &ApiServer, cacerts: &Path, folder: &Path, settings: &[&str]) -> Self {
        fs::create_dir(folder).unwrap();
        loop {
            let (mut istiod, http) = Self::begin(server, cacerts, folder, settings);
            if istiod.process.is_ready_after(|| is_ready(http)) {
                return istiod;
            }
        }
    }

    /// What an istiod said that does not start with this.
    ///
    /// # Panics
    ///
    /// If it runs.
    pub(crate) fn refusal(server: &ApiServer, cacerts: &Path, folder: &Path, settings: &[&str]) -> String {
        fs::create_dir(folder).unwrap();
        loop {
            let (mut istiod, http) = Self::begin(server, cacerts, folder, settings);
            istiod.process.ends_before(|| is_ready(http));
            let log = istiod.log();
            if !log.contains("address already in use") {
                return log;
            }
        }
    }

    fn begin(server: &ApiServer, cacerts: &Path, folder: &Path, settings: &[&str]) -> (Self, u16) {
        let log = folder.join("log");
        fs::rename(&log, folder.join("log.before")).ok();
        let [http, grpc, monitoring, control] = free_ports();
        let args = args(server, cacerts, folder, settings, [http, grpc, monitoring, control]);
        (Self { process: Process::start(&on_path("env"), &args, &log), log, grpc, monitoring }, http)
    }

    /// Where it serves its chain, for `istiod.addresses`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.grpc)
    }

    /// Its metrics, for `istiod.metrics`.
    pub(crate) fn metrics(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.monitoring)
    }

    /// What it said.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// What `env` is told: where istiod works, its settings, and istiod.
fn args(server: &ApiServer, cacerts: &Path, folder: &Path, more: &[&str], ports: [u16; 4]) -> Vec<String> {
    let [http, grpc, monitoring, control] = ports;
    let settings = [
        format!("ROOT_CA_DIR={}", cacerts.display()),
        // The folder is what counts, and not what the API server has.
        "USE_REMOTE_CERTS=false".to_owned(),
        "POD_NAME=istiod-0".to_owned(),
        "POD_NAMESPACE=istio-system".to_owned(),
        "INJECT_ENABLED=false".to_owned(),
        format!("HOME={}", folder.display()),
    ];
    let flags = [
        ("kubeconfig", server.kubeconfig("admin").display().to_string()),
        ("namespace", "istio-system".to_owned()),
        ("clusterID", "east".to_owned()),
        ("httpAddr", format!("127.0.0.1:{http}")),
        ("httpsAddr", String::new()),
        ("grpcAddr", String::new()),
        ("secureGRPCAddr", format!("127.0.0.1:{grpc}")),
        ("monitoringAddr", format!("127.0.0.1:{monitoring}")),
        ("ctrlz_address", "127.0.0.1".to_owned()),
        ("ctrlz_port", control.to_string()),
        ("shutdownDuration", "1s".to_owned()),
    ];
    let begin = ["-i".to_owned(), format!("--chdir={}", folder.display())];
    let program = [istiod().display().to_string(), "discovery".to_owned()];
    let flags = flags.map(|(flag, value)| format!("--{flag}={value}"));
    let more = more.iter().map(ToString::to_string);
    begin.into_iter().chain(settings).chain(more).chain(program).chain(flags).collect()
}

fn is_ready(port: u16) -> bool {
    let answer = connect(port, Duration::from_secs(5)).and_then(|it| ask(it, &head("GET /ready", &[], b""), b""));
    answer.is_ok_and(|answer| answer.status == 200)
}
