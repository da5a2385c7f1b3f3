//! Credentials that end, on real API servers: a token that ran out, and a credential plug-in that hands one out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a cluster that does not answer is a failed test"
)]
#![expect(clippy::disallowed_methods, reason = "tests wait for processes and ask for the time")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use time::OffsetDateTime;

#[path = "support/clusters/mod.rs"]
mod clusters;
mod support;

use clusters::{ApiServer, Clusters};
use support::judges;
use support::story::{Said, Story};

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(1));

const MOMENT: &str = "2026-11-23T10:00:00Z";

fn server() -> &'static ApiServer {
    CLUSTERS.server(0)
}

/// A lab of one cluster, `east`, in a namespace of this name, whose service account `meshca` may do there what it has to;
/// it is reached by `./kubeconfig`, which is still to be written. Root, issuing CA and stock are made.
fn lab(namespace: &str) -> Story {
    let story = Story::new(&format!(
        "version: 1\nmesh: {namespace}\nlab: true\nrecords: stdout\nrotation: {{ deadline: 20s }}\nclusters:\n  - {{ name: east, \
         network: n, role: primary, namespace: {namespace}, access: {{ kubeconfig: ./kubeconfig }} }}\n"
    ));
    let story = story.founded(namespace, MOMENT);
    story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
    server().create_namespace(namespace);
    let granted = story.meshca(&format!("manifests rbac east --service-account {namespace}/meshca")).fine();
    story.write("grant.yaml", granted.out);
    let grant = story.path("grant.yaml").display().to_string();
    assert!(server().kubectl(["apply", "--server-side", "-f", grant.as_str()]).status.success());
    story
}

/// The token of the lab's service account, an hour before its end, or an hour after it.
fn token(namespace: &str, is_good: bool) -> String {
    let hour = if is_good { 3600 } else { -3600 };
    server().service_account_token_until(namespace, "meshca", OffsetDateTime::now_utc().unix_timestamp() + hour)
}

/// A kubeconfig of the server with this user.
fn kubeconfig(user: &Value) -> String {
    let mut config = clusters::kubeconfig("c", &server().url(), server().authority(), "");
    config["users"][0]["user"] = user.clone();
    config.to_string()
}

fn publish(story: &Story) -> Said {
    story.with_passphrase(&format!("--at {MOMENT} publish"))
}

/// Runs it until it goes well: a server learns of new roles by a watch, a moment later.
fn soon_fine(mut run: impl FnMut() -> Said) -> Said {
    for _ in 0..100 {
        let said = run();
        if said.code == Some(0) {
            return said;
        }
        assert!(said.err.contains("error: not-allowed: "), "{said:?}");
    }
    panic!("{:?}", run());
}

/// What is said of a credential that the server does not take: cluster, step, code, and a hint that can be typed.
fn is_refused(said: &Said, namespace: &str) {
    assert_eq!(said.code, Some(1), "{said:?}");
    let words = format!(
        "error: not-authenticated: east/{namespace}: the API server does not know who asks; the token or certificate may have ended\n"
    );
    let hint = "hint: kubectl --kubeconfig kubeconfig auth whoami\n";
    for words in [words.as_str(), "step     get secrets/cacerts\n", hint] {
        assert!(said.err.contains(words), "no `{words}` in {said:?}");
    }
}

#[test]
fn a_token_that_ran_out_is_named_writes_nothing_and_differs_by_nothing_but_its_end() {
    let story = lab("ended");
    story.write("kubeconfig", kubeconfig(&json!({ "token": token("ended", false) })));
    let said = publish(&story);
    is_refused(&said, "ended");
    assert!(server().secret("ended", "cacerts").is_none());
    // That this is why: in the server's own words.
    assert!(server().log().contains("service account token has expired"), "{}", server().log());
    // The hint, as it is typed, shows the same.
    let mut whoami = Command::new(clusters::programs::program("kubectl"));
    whoami.current_dir(story.path("")).args(["--kubeconfig", "./kubeconfig", "auth", "whoami"]);
    let whoami = Said::of(&judges::run(&mut whoami));
    assert_eq!(whoami.code, Some(1), "{whoami:?}");
    whoami.saying("Unauthorized");
    // The renewing side and the looking side say it, too.
    is_refused(&story.with_passphrase(&format!("--at {MOMENT} rotate")), "ended");
    let report = story.meshca(&format!("--at {MOMENT} report"));
    assert_eq!(report.code, Some(1), "{report:?}");
    report.saying("UNKNOWN").saying("east/ended: the API server does not know who asks");
    story.write("kubeconfig", kubeconfig(&json!({ "token": token("ended", true) })));
    soon_fine(|| publish(&story));
    assert!(server().secret("ended", "cacerts").is_some());
}

#[test]
fn a_plugin_that_hands_out_a_token_that_ran_out_is_asked_anew_by_the_next_run_and_not_within_one() {
    let story = lab("handed-out");
    with_plugin(&story, "handed-out");
    let said = publish(&story);
    is_refused(&said, "handed-out");
    assert_eq!(story.read("runs"), "run\n", "each run of meshca logs in once");
    assert!(server().secret("handed-out", "cacerts").is_none());
    soon_fine(|| publish(&story));
    assert!(server().secret("handed-out", "cacerts").is_some());
}

#[test]
fn a_watch_logs_in_at_each_tick_so_that_a_credential_that_ends_meanwhile_does_not_end_it() {
    let story = lab("watched");
    with_plugin(&story, "watched");
    let mut watch = Watch::start(&story);
    watch.until("a tick that is refused", |it| it.said("err").contains("error: not-authenticated: east/watched"));
    watch.until("a tick that publishes", |_| server().secret("watched", "cacerts").is_some());
    // Once more in mid-life: each tick takes what the plug-in gives then.
    let refused = watch.said("err").matches("error: not-authenticated").count();
    story.remove("runs");
    watch.until("a tick that is refused again", |it| {
        it.said("err").matches("error: not-authenticated").count() > refused
    });
    let good = watch.said("out").matches("nothing is due").count();
    watch.until("a tick that looks again", |it| it.said("out").matches("nothing is due").count() > good);
}

/// Lets the lab log in by a plug-in whose first token has run out, and whose later ones are good for an hour.
fn with_plugin(story: &Story, namespace: &str) {
    for (name, is_good) in [("old", false), ("new", true)] {
        let credential = json!({ "kind": "ExecCredential", "status": { "token": token(namespace, is_good) } });
        story.write(name, credential.to_string());
    }
    story.write(
        "script",
        "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nif [ -e runs ]; then cat new; else cat old; fi\necho run >> runs\n",
    );
    judges::install(&story.path("script"), &story.path("log-in"));
    let version = "client.authentication.k8s.io/v1";
    let exec = json!({ "apiVersion": version, "command": "./log-in", "interactiveMode": "Never" });
    story.write("kubeconfig", kubeconfig(&json!({ "exec": exec })));
}

/// A watch that runs, with a tick each second.
struct Watch {
    child: Child,
    folder: PathBuf,
}

impl Watch {
    fn start(story: &Story) -> Self {
        let mut command =
            story.command(&format!("--at {MOMENT} rotate --watch --every 1s --passphrase-file passphrase"));
        let folder = story.path("");
        let file = |name: &str| fs::File::create(folder.join(name)).unwrap();
        let child = command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err")).spawn().unwrap();
        Self { child, folder }
    }

    fn said(&self, end: &str) -> String {
        fs::read_to_string(self.folder.join(end)).unwrap()
    }

    /// Waits until it is so; what takes this long does not come about.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            let ended = self.child.try_wait().unwrap();
            let told = || format!("{what}: {ended:?}\n{}\n{}", self.said("out"), self.said("err"));
            assert!(ended.is_none() && start.elapsed() < Duration::from_secs(300), "{}", told());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
