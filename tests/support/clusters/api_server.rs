//! One kube-apiserver, which is one cluster as far as meshca can see.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::pki_types::CertificateDer;
use serde_json::{Map, Value, json};

use super::identity::Identity;
use super::process::{Process, free_ports};
use super::programs::program;
use super::request::{Answer, ask, connect_tls, head};

pub(crate) struct ApiServer {
    /// Its prefix in etcd and its word in names: `c1`, `c2`, ...
    cluster: String,
    folder: PathBuf,
    etcd: String,
    identity: Identity,
    port: u16,
    process: Mutex<Option<Process>>,
}

impl ApiServer {
    pub(crate) fn new(folder: &Path, number: usize, etcd: &str, users: &[&str]) -> Self {
        fs::create_dir(folder).unwrap();
        let cluster = format!("c{number}");
        let identity = Identity::new(folder, &cluster, users);
        let process = Mutex::new(None);
        let mut server = Self { cluster, folder: folder.to_owned(), etcd: etcd.to_owned(), identity, port: 0, process };
        loop {
            [server.port] = free_ports();
            if server.is_started() {
                return server;
            }
        }
    }

    /// Starts it again, with the same port and the same objects.
    pub(crate) fn start(&self) {
        // A connection of somebody else may have the port for a while.
        for _ in 0..60 {
            if self.is_started() {
                return;
            }
            thread::sleep(Duration::from_secs(1));
        }
        panic!("port {} of {} stays taken", self.port, self.cluster);
    }

    /// Kills it. Its port then refuses connections.
    pub(crate) fn stop(&self) {
        *self.process() = None;
    }

    /// The process; none while it is stopped.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::pid)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The authority that made its serving certificate, as PEM. No other cluster has the same.
    pub(crate) fn authority(&self) -> &str {
        &self.identity.authority_pem
    }

    /// The same as a file.
    pub(crate) fn authority_file(&self) -> PathBuf {
        self.identity.file("ca.pem")
    }

    /// What it said since it was last started.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }

    /// The token of a user that the clusters were started with.
    pub(crate) fn token(&self, user: &str) -> &str {
        self.identity.tokens.get(user).unwrap_or_else(|| panic!("{} has no user {user}", self.cluster))
    }

    /// A token of this ServiceAccount, good for an hour. The account is made if it is not there.
    pub(crate) fn service_account_token(&self, namespace: &str, name: &str) -> String {
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": name, "namespace": namespace } });
        fine(&self.kubectl_with_input(&["apply", "-f", "-"], &account));
        fine(&self.kubectl(["create", "token", name, "-n", namespace])).trim().to_owned()
    }

    /// A token of this ServiceAccount as the server gives it, but for its end, in seconds since 1970: signed anew with the
    /// server's own key, and all else letter for letter the same. It began two hours ago.
    pub(crate) fn service_account_token_until(&self, namespace: &str, name: &str, end: i64) -> String {
        let token = self.service_account_token(namespace, name);
        let [head, claims, _] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let mut claims: Map<String, Value> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let begin = claims.get("iat").and_then(Value::as_i64).unwrap() - 2 * 3600;
        for (claim, moment) in [("iat", begin), ("nbf", begin), ("exp", end)] {
            claims.insert(claim.to_owned(), moment.into());
        }
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(Value::Object(claims).to_string()));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.identity.signed_by_accounts(signed.as_bytes())))
    }

    /// A kubeconfig file of this user.
    pub(crate) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.kubeconfig_with_token(user, self.token(user))
    }

    /// A kubeconfig file with this token, whatever that is worth. The name is for the file.
    pub(crate) fn kubeconfig_with_token(&self, name: &str, token: &str) -> PathBuf {
        let file = self.folder.join(format!("{name}.kubeconfig"));
        let text = kubeconfig(&self.cluster, &self.url(), self.authority(), token).to_string();
        // Whole or not at all: other tests may be reading it.
        let mut whole = tempfile::NamedTempFile::new_in(&self.folder).unwrap();
        whole.write_all(text.as_bytes()).unwrap();
        whole.persist(&file).unwrap();
        file
    }

    /// Runs `kubectl` as the admin. What became of it is for the caller to judge.
    pub(crate) fn kubectl<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        self.kubectl_as("admin", args)
    }

    /// Runs `kubectl` as this user.
    pub(crate) fn kubectl_as<S: AsRef<OsStr>>(&self, user: &str, args: impl IntoIterator<Item = S>) -> Output {
        self.kubectl_command(user).args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs `kubectl` as the admin with this object on standard input.
    pub(crate) fn kubectl_with_input(&self, args: &[&str], object: &Value) -> Output {
        let mut command = self.kubectl_command("admin");
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(object.to_string().as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn kubectl_command(&self, user: &str) -> Command {
        let mut command = Command::new(program("kubectl"));
        // Its settings and its cache are those of this server, and it never waits for ever.
        command.env("HOME", &self.folder).env_remove("KUBECONFIG").env_remove("KUBECACHEDIR").env_remove("KUBERC");
        command.arg("--kubeconfig").arg(self.kubeconfig(user)).arg("--request-timeout=60s");
        command
    }

    pub(crate) fn create_namespace(&self, name: &str) {
        fine(&self.kubectl(["create", "namespace", name]));
    }

    /// Creates the object and returns it as the server has it.
    pub(crate) fn create(&self, object: &Value) -> Value {
        let output = self.kubectl_with_input(&["create", "-f", "-", "-o", "json"], object);
        serde_json::from_str(&fine(&output)).unwrap()
    }

    /// Creates an Opaque Secret with these values and returns it as the server has it.
    pub(crate) fn create_secret(&self, namespace: &str, name: &str, data: &[(&str, &[u8])]) -> Value {
        let data = data.iter().map(|(key, value)| (key.to_string(), STANDARD.encode(value).into()));
        let data = Value::Object(data.collect());
        self.create(&json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data,
            "metadata": { "name": name, "namespace": namespace } }))
    }

    /// The Secret as the server has it, if it is there.
    pub(crate) fn secret(&self, namespace: &str, name: &str) -> Option<Value> {
        let output = self.kubectl(["get", "secret", name, "-n", namespace, "-o", "json", "--ignore-not-found"]);
        let text = fine(&output);
        (!text.trim().is_empty()).then(|| serde_json::from_str(&text).unwrap())
    }

    /// One request over a connection of its own, such as `GET /api/v1/namespaces`, with this token and content type.
    ///
    /// # Errors
    ///
    /// If there is no answer, or no further byte of it for five seconds.
    pub(crate) fn ask(&self, token: &str, request: &str, content: &str, body: &str) -> io::Result<Answer> {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", content), ("Accept", "application/json")];
        let authority: &CertificateDer<'_> = &self.identity.authority;
        let stream = connect_tls(self.port, authority, Duration::from_secs(5))?;
        ask(stream, &head(request, &headers, body.as_bytes()), body.as_bytes())
    }

    /// Passes a request on, over a connection of its own; the whole answer, head and body, to its last byte.
    ///
    /// # Errors
    ///
    /// As [`ApiServer::ask`].
    pub(crate) fn pass_on(&self, request: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = connect_tls(self.port, &self.identity.authority, Duration::from_secs(20))?;
        stream.write_all(head(request, headers, body).as_bytes())?;
        stream.write_all(body)?;
        stream.flush()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }

    /// What the server says to this request as it comes, over a connection of its own. A read that waits longer than
    /// this fails, and can be made again.
    ///
    /// # Errors
    ///
    /// If nobody listens.
    pub(crate) fn listen(&self, token: &str, request: &str, patience: Duration) -> io::Result<impl Read + use<>> {
        let bearer = format!("Bearer {token}");
        let mut stream = connect_tls(self.port, &self.identity.authority, patience)?;
        stream
            .write_all(head(request, &[("Authorization", &bearer), ("Accept", "application/json")], b"").as_bytes())?;
        Ok(stream)
    }

    fn is_ready(&self) -> bool {
        let answer = self.ask(self.token("admin"), "GET /readyz", "text/plain", "");
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// Starts it and waits. False, if its port is taken.
    fn is_started(&self) -> bool {
        // The log tells whether the port was taken, so it must not have that of an earlier try.
        let log = self.folder.join("log");
        fs::rename(&log, self.folder.join("log.before")).ok();
        let mut process = Process::start(&program("kube-apiserver"), &self.args(), &log);
        let is_ready = process.is_ready_after(|| self.is_ready());
        *self.process() = is_ready.then_some(process);
        is_ready
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        // A test that panicked has left nothing half done.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn args(&self) -> Vec<String> {
        let (cluster, port, etcd) = (&self.cluster, self.port, &self.etcd);
        let file = |name| self.identity.file(name).display().to_string();
        let issuer = format!("https://{cluster}.meshca.test");
        let mut args: Vec<String> = [
            ("etcd-servers", etcd.clone()),
            ("etcd-prefix", format!("/{cluster}")),
            ("secure-port", port.to_string()),
            ("cert-dir", file("certs")),
            ("tls-cert-file", file("serving.pem")),
            ("tls-private-key-file", file("serving.key")),
            ("client-ca-file", file("ca.pem")),
            ("token-auth-file", file("tokens.csv")),
            ("service-account-key-file", file("accounts.pub")),
            ("service-account-signing-key-file", file("accounts.key")),
            ("service-account-issuer", issuer.clone()),
            ("api-audiences", format!("{issuer},api")),
        ]
        .map(|(flag, value)| format!("--{flag}={value}"))
        .into();
        args.extend(FLAGS.map(str::to_owned));
        args
    }
}

/// What is the same for all.
const FLAGS: [&str; 8] = [
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    // A loopback address would be refused as an endpoint of the Service `kubernetes`.
    "--endpoint-reconciler-type=none",
    "--authorization-mode=RBAC",
    "--service-cluster-ip-range=10.96.0.0/24",
    "--enable-priority-and-fairness=false",
    "--profiling=false",
    "--v=0",
];

/// A kubeconfig with one context, named after the cluster.
pub(crate) fn kubeconfig(cluster: &str, url: &str, authority: &str, token: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": cluster,
            "cluster": { "server": url, "certificate-authority-data": STANDARD.encode(authority) } }],
        "users": [{ "name": cluster, "user": { "token": token } }],
        "contexts": [{ "name": cluster, "context": { "cluster": cluster, "user": cluster } }],
        "current-context": cluster,
    })
}

/// What a command printed, if it went well.
fn fine(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}
