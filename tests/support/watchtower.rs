//! Real Prometheus, Alertmanager, Pushgateway and node-exporter on loopback, and a listener for what Alertmanager tells.
//! Each is a child of the test, and ends with it, whatever becomes of that.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a server that does not answer is a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests wait, and servers have folders")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::exporting::{LONG, Reply, ask};
use crate::support::judges::program;

/// Comes back once it is so, and fails the test with `words` if it does not become so.
pub(crate) fn once<T>(what: &str, mut look: impl FnMut() -> Option<T>, words: impl Fn() -> String) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < LONG, "{what}: not after {LONG:?}\n{}", words());
        thread::sleep(Duration::from_millis(100));
    }
}

/// The configuration of a Prometheus that scrapes and evaluates every second, and tells this Alertmanager.
pub(crate) fn prometheus_config(scrape_configs: &str, alertmanager: Option<&Server>) -> String {
    let told = match alertmanager {
        Some(it) => {
            format!("alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['{}'] }}] }}] }}\n", it.address)
        }
        None => String::new(),
    };
    format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\nrule_files: [meshca.rules.yaml]\n{told}\
         scrape_configs:\n{scrape_configs}"
    )
}

/// The configuration of an Alertmanager that tells this listener of every alert and of its end, at once.
pub(crate) fn alertmanager_config(listener: &Listener) -> String {
    format!(
        "route: {{ receiver: test, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 24h }}\nreceivers:\n\
         - name: test\n  webhook_configs: [{{ url: 'http://{}/', send_resolved: true }}]\n",
        listener.address
    )
}

/// A server of Debian's packages, with a folder of its own.
pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it with these files in its folder; `words` makes its arguments from its address.
    fn start(name: &str, ready: &str, files: &[(&str, &str)], words: impl Fn(SocketAddr) -> Vec<String>) -> Self {
        let template = Path::new("/usr/share/prometheus/alertmanager/default.tmpl");
        let is_whole = name != "prometheus-alertmanager" || template.is_file();
        assert!(is_whole, "Debian's package {name} is not installed: run tests/run tools");
        // Between the look at a port and the start, another program may take it.
        for _ in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            for (file, text) in files {
                fs::write(folder.path().join(file), text).unwrap();
            }
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let log = fs::File::create(folder.path().join("log")).unwrap();
            // The kernel ends it when the test program ends without having done so.
            let mut command = Command::new(program("setpriv"));
            command.args(["--pdeathsig", "KILL", "--"]).arg(program(name)).args(words(address));
            command.current_dir(folder.path()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
            let mut server = Self { child: command.spawn().unwrap(), folder, address };
            let start = Instant::now();
            loop {
                if server.child.try_wait().unwrap().is_some() {
                    assert!(server.log().contains("address already in use"), "{name} ended:\n{}", server.log());
                    break;
                }
                if std::net::TcpStream::connect(address).is_ok() && server.get(ready).status == 200 {
                    return server;
                }
                assert!(start.elapsed() < LONG, "{name} does not get ready:\n{}", server.log());
                thread::sleep(Duration::from_millis(50));
            }
        }
        panic!("{name}: five times another program took its port");
    }

    /// With this configuration and these rules, which it calls meshca.rules.yaml.
    pub(crate) fn prometheus(config: &str, rules: &str) -> Self {
        let files = [("prometheus.yml", config), ("meshca.rules.yaml", rules)];
        Self::start("prometheus", "/-/ready", &files, |address| {
            let listen = format!("--web.listen-address={address}");
            ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn", &listen]
                .map(str::to_owned)
                .to_vec()
        })
    }

    /// With this configuration.
    pub(crate) fn alertmanager(config: &str) -> Self {
        Self::start("prometheus-alertmanager", "/-/ready", &[("alertmanager.yml", config)], |address| {
            // Without an address for its peers it looks for none.
            let listen = format!("--web.listen-address={address}");
            ["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address=", &listen]
                .map(str::to_owned)
                .to_vec()
        })
    }

    /// What somebody types to start one of the two, but for its port, with these files beside it.
    pub(crate) fn typed(line: &str, files: &[(&str, &str)]) -> Self {
        let (name, words) = line.split_once(' ').unwrap();
        Self::start(name, "/-/ready", files, |address| {
            let words = words.split(' ').map(|word| match word.split_once("-address=127.0.0.1:") {
                Some((option, _)) => format!("{option}-address={address}"),
                None => word.to_owned(),
            });
            words.collect()
        })
    }

    pub(crate) fn pushgateway() -> Self {
        Self::start("prometheus-pushgateway", "/-/ready", &[], |address| {
            vec![format!("--web.listen-address={address}")]
        })
    }

    /// Tells of the textfiles in this folder and of nothing else.
    pub(crate) fn node_exporter(textfiles: &Path) -> Self {
        let folder = format!("--collector.textfile.directory={}", textfiles.display());
        Self::start("prometheus-node-exporter", "/metrics", &[], |address| {
            let listen = format!("--web.listen-address={address}");
            ["--collector.disable-defaults", "--collector.textfile", &folder, &listen].map(str::to_owned).to_vec()
        })
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        // 1.0: the answer comes in one piece.
        ask(self.address, format!("GET {path} HTTP/1.0\r\nHost: a\r\n\r\n").as_bytes())
    }

    /// The labels of each series that this query finds.
    pub(crate) fn query(&self, query: &str) -> Vec<Value> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let reply = self.get(&format!("/api/v1/query?query={escaped}"));
        let answer: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().unwrap().iter().map(|it| it["metric"].clone()).collect()
    }

    /// What it finds, once it finds something.
    pub(crate) fn finds(&self, query: &str) -> Vec<Value> {
        let look = || Some(self.query(query)).filter(|found| !found.is_empty());
        once(query, look, || format!("{}\n{}", self.get("/api/v1/targets").body, self.log()))
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a webhook was told.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    told: Arc<Mutex<Vec<Value>>>,
}

impl Listener {
    /// Listens for as long as the test program runs.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&told);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                // One connection may bring many notifications; it is closed after each.
                let mut length = 0;
                let mut line = String::new();
                while stream.read_line(&mut line).unwrap_or(0) > 2 {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                if length == 0 || stream.read_exact(&mut body).is_err() {
                    continue;
                }
                let notification: Value = serde_json::from_slice(&body).unwrap();
                noted.lock().unwrap().extend(notification["alerts"].as_array().unwrap().iter().cloned());
                let _ =
                    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Self { address, told }
    }

    /// The alerts of this name that it was told of, in their order.
    pub(crate) fn told(&self, alert: &str) -> Vec<Value> {
        let told = self.told.lock().unwrap();
        told.iter().filter(|it| it["labels"]["alertname"] == alert).cloned().collect()
    }
}
