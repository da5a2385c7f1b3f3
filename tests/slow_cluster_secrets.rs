//! No private key leaves in anything that is said: every command, at the most talkative setting, against a real API
//! server and against servers that hand out the very same Secret cut, damaged or in the wrong place.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a command that cannot run is a failed test")]

use std::collections::BTreeSet;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::LazyLock;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

#[path = "support/clusters/mod.rs"]
mod clusters;
#[path = "support/dated_ca.rs"]
mod dated_ca;
#[path = "support/faults/mod.rs"]
mod faults;
mod support;

use clusters::{ApiServer, Clusters};
use faults::fleet::{MOMENT, copy_of, live, one, step};
use support::judges;
use support::snapshot::private_keys;
use support::story::{PASSPHRASE, Story, lab, meshca};

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(1));

fn server() -> &'static ApiServer {
    CLUSTERS.server(0)
}

/// All that may not be said, in every form in which it might be.
#[derive(Default)]
struct Taboo(BTreeSet<Vec<u8>>);

/// How much of a text gives it away: 24 characters of base64 are 18 bytes.
const TELLING: usize = 24;

impl Taboo {
    /// A text and every part of it.
    fn text(&mut self, text: &[u8]) {
        self.0.extend(text.windows(TELLING.min(text.len())).map(<[u8]>::to_vec));
    }

    /// A key as PEM: as it is, as the value of a Secret, as DER, in hexadecimal and as a list of numbers.
    fn key(&mut self, file: &[u8]) {
        let der = pem::parse(file).unwrap().into_contents();
        // The first bytes of all keys of a kind are the same, and say nothing. The public half of one on a curve comes last;
        // of an RSA key it comes first, and its primes last.
        let private = match der.len() {
            ..512 => &der[der.windows(2).position(|pair| pair == [4, 32]).unwrap() + 2..][..32],
            length => &der[length / 2..],
        };
        self.0.extend(private.windows(12).map(<[u8]>::to_vec));
        for part in private.windows(12) {
            let hex = |upper: bool, between: &str| {
                let digits = part.iter().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
                digits.collect::<Vec<_>>().join(between).into_bytes()
            };
            self.0.extend([hex(false, ""), hex(true, ""), hex(false, ":"), hex(true, ":"), hex(false, " ")]);
            self.0.insert(part.iter().map(u8::to_string).collect::<Vec<_>>().join(", ").into_bytes());
        }
        let pem = String::from_utf8(file.to_vec()).unwrap();
        for line in pem.lines().filter(|line| !line.starts_with("-----")) {
            self.text(line.as_bytes());
        }
        let value = STANDARD.encode(file);
        self.text(value.as_bytes());
        let numbers: Vec<String> = file.iter().map(u8::to_string).collect();
        self.0.extend(numbers.windows(12).map(|part| part.join(", ").into_bytes()));
    }

    fn found_in<'a>(&self, said: &'a [u8]) -> Option<&'a [u8]> {
        let lengths: BTreeSet<usize> = self.0.iter().map(Vec::len).collect();
        lengths.into_iter().find_map(|length| said.windows(length).find(|window| self.0.contains(*window)))
    }

    fn is_not_in(&self, said: &[u8], place: &str) {
        let found = self.found_in(said).map(String::from_utf8_lossy);
        assert!(found.is_none(), "{place} shows {found:?}:\n{}", String::from_utf8_lossy(said));
    }
}

/// Every command but the ceremonies, on a target in this namespace, in every form; with Secrets in these files.
fn commands(namespace: &str, manifests: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    let admin = server().kubeconfig("admin").display().to_string();
    for form in ["table", "wide", "json", "yaml", "prometheus"] {
        lines.extend(
            [
                "report",
                "check",
                "check east",
                &format!("check --context c1 --kubeconfig {admin} --namespace {namespace}"),
                "rotate --dry-run",
                "publish --dry-run",
                "adopt east --dry-run",
                "ledger show",
                &format!("targets discover --kubeconfig {admin}"),
                "manifests rbac",
                "manifests adoption east",
            ]
            .map(|line| format!("{line} -o {form}")),
        );
        for manifest in manifests {
            let ways = ["check", "inspect", "targets discover --remote-secrets"];
            lines.extend(ways.map(|way| format!("{way} {manifest} -o {form}")));
        }
    }
    for wrong in ["check --context c1", "targets discover"] {
        lines.push(format!("{wrong} --kubeconfig broken.kubeconfig"));
    }
    lines.extend(
        [
            "ledger verify",
            "rehearse --for 30d",
            "rehearse --for 30d --as-it-stands",
            "rollback --passphrase-file passphrase",
            "init new",
            "manifests cronjob --image meshca:1",
            "manifests daemon --image meshca:1",
            "manifests exporter --image meshca:1 --pod-monitor",
            "manifests alerts",
            "manifests dashboard",
            "report -o html",
            "report --exporter http://127.0.0.1:1",
            &format!("report --status-configmap {namespace}/status --home-kubeconfig {admin}"),
            "check -o gitlab",
            &format!("exporter --listen 127.0.0.1:0 --status-configmap {namespace}/status --home-kubeconfig {admin}"),
            "issue east --passphrase-file passphrase",
            "publish --wait=1s --passphrase-file passphrase",
            "rotate --shard 0/1",
            "rotate --metrics-textfile metrics.prom",
            &format!("rotate --status-configmap {namespace}/status --home-kubeconfig {admin}"),
        ]
        .map(str::to_owned),
    );
    let lease = format!("--lease {namespace}/rotate --lease-duration 3s --identity one --home-kubeconfig {admin}");
    lines.push(format!("rotate --watch --every 1s --passphrase-file passphrase {lease}"));
    lines
}

/// Runs a line with every switch for talkativeness there is; what it said on both ends.
fn talk(story: &Story, at: &str, line: &str) -> Vec<u8> {
    // What goes on by itself is asked to end after a while, and once: a second signal would end it where it stands.
    let goes_on = line.contains("--watch") || line.starts_with("exporter");
    let seconds = if goes_on { "4" } else { "0" };
    let mut command = Command::new(judges::program("timeout"));
    command.args(["--foreground", "--preserve-status", "-s", "TERM", seconds]);
    let meshca = story.command(&format!("--at {at} {line}"));
    command
        .arg(meshca.get_program())
        .args(meshca.get_args().map(|it| it.to_str().unwrap().replace('~', " ")))
        .current_dir(story.path(""));
    command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").env("RUST_LIB_BACKTRACE", "1");
    let output = judges::run(&mut command);
    let is_misspelt = String::from_utf8_lossy(&output.stderr).contains("Usage: ");
    assert!(matches!(output.status.code(), Some(0..=4)) && !is_misspelt, "{line}: {output:?}");
    [output.stdout, output.stderr].concat()
}

/// The commands that do something, by the help: `ledger show`, and not `ledger`.
fn leaves(of: &str) -> Vec<String> {
    let help = judges::run(meshca().args(of.split_whitespace()).arg("--help"));
    let help = String::from_utf8(help.stdout).unwrap();
    if !help.contains("<COMMAND>") {
        return vec![of.trim().to_owned()];
    }
    let (listed, _) = help.split_once("\nOptions:").unwrap();
    let names = listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names = names.filter(|name| !name.is_empty() && *name != "help");
    names.flat_map(|name| leaves(&format!("{of} {name}"))).collect()
}

#[test]
fn no_command_is_left_out() {
    let lines = [commands("any", &["any.json"]), CEREMONIES.map(str::to_owned).to_vec()].concat();
    let all = leaves("");
    assert!(all.len() > 12, "{all:?}");
    let missing: Vec<&String> = all
        .iter()
        .filter(|leaf| !lines.iter().any(|line| format!("{line} ").starts_with(&format!("{leaf} "))))
        .collect();
    assert!(missing.is_empty(), "{missing:?} are run by no test of secrecy");
}

/// What makes keys. `~` is a blank within a word.
const CEREMONIES: [&str; 6] = [
    "quickstart lab",
    "root create --passphrase-file passphrase --confirm m1~root~g1",
    "issuing create --passphrase-file passphrase --issuing-passphrase-file passphrase",
    "issue --passphrase-file passphrase",
    "root create --next --passphrase-file passphrase --next-passphrase-file passphrase --confirm m1~root~g2",
    "root import material/root/g1/root-cert.pem --key material/root/g1/root-key.pem --passphrase-file passphrase --key-passphrase-file passphrase --confirm another",
];

#[test]
fn no_ceremony_shows_a_key_or_a_passphrase() {
    let story = Story::new(&lab("m1", "", &["east", "west"]));
    let [quickstart, ceremonies @ ..] = CEREMONIES;
    let mut said: Vec<(&str, Vec<u8>)> = ceremonies.iter().map(|line| (*line, talk(&story, MOMENT, line))).collect();
    let mut taboo = Taboo::default();
    taboo.text(PASSPHRASE.as_bytes());
    take_keys(&mut taboo, &story, "material", "passphrase", 5);
    said.push((quickstart, talk(&story, MOMENT, quickstart)));
    taboo.text(story.read("lab/passphrase").trim().as_bytes());
    take_keys(&mut taboo, &story, "lab", "lab/passphrase", 3);
    for (line, said) in &said {
        taboo.is_not_in(said, line);
    }
}

/// Every private key below a folder, sealed ones opened, may not be said; there are so many of them at least.
fn take_keys(taboo: &mut Taboo, story: &Story, folder: &str, passphrase: &str, least: usize) {
    let keys = private_keys(&story.path(folder));
    assert!(keys.len() >= least, "{keys:?}");
    let pass = format!("file:{}", story.path(passphrase).display());
    for key in keys {
        let key = story.path(folder).join(key);
        let opened = judges::openssl(["pkey", "-in", key.to_str().unwrap(), "-passin", &pass]);
        assert!(opened.status.success(), "{opened:?}");
        taboo.key(&opened.stdout);
    }
}

fn taboo_of(story: &Story, secret: &Value) -> Taboo {
    let mut taboo = Taboo::default();
    taboo.text(PASSPHRASE.as_bytes());
    taboo.text(server().token("admin").as_bytes());
    taboo.key(&story.bytes("material/issuing/g1/issuing-key.pem"));
    taboo.key(&STANDARD.decode(secret["data"]["ca-key.pem"].as_str().unwrap()).unwrap());
    taboo
}

#[test]
fn no_command_shows_a_key_of_a_real_cluster() {
    let namespace = "secrecy";
    let story = one(server(), namespace, "20s");
    let mut said = vec![("rotate", talk(&story, MOMENT, "rotate"))];
    let first = live(server(), namespace).unwrap();
    story.write("secret.json", first.to_string());
    story.write("damaged.json", first.to_string().replace("\"ca-cert.pem\":\"LS0t", "\"ca-cert.pem\":\"!!!!"));
    let token = server().token("admin");
    story.write("broken.kubeconfig", format!("users:\n- name: u\n  user: {{ token: {token}, [ }}\n"));
    let lines = commands(namespace, &["secret.json", "damaged.json"]);
    for line in &lines {
        said.push((line, talk(&story, &step(1), line)));
    }
    // As in a pod, where what was done is said and not kept.
    let pod = copy_of(&story);
    pod.write("mesh.yaml", story.read("mesh.yaml").replace("lab: true", "lab: true\nrecords: stdout"));
    for line in ["rotate", "manifests cronjob --image meshca:1", "manifests daemon --image meshca:1"] {
        said.push((line, talk(&pod, &step(2), line)));
    }
    let second = live(server(), namespace).unwrap();
    assert_ne!(first["data"], second["data"], "it was renewed in between");
    for secret in [&first, &second] {
        let taboo = taboo_of(&story, secret);
        for (line, said) in &said {
            taboo.is_not_in(said, line);
        }
        for file in ["records/ledger.jsonl", "records/status.json", "metrics.prom"] {
            taboo.is_not_in(&story.bytes(file), file);
        }
    }
    let taboo = taboo_of(&story, &first);
    assert!(taboo.found_in(first.to_string().as_bytes()).is_some(), "what is looked for would be found");
}

#[test]
fn no_adoption_shows_a_key() {
    let namespace = "own-ca";
    let story = one(server(), namespace, "20s");
    let file = |name: &str| story.path(name).display().to_string();
    let (key, request) = (file("own.key"), file("own.csr"));
    let make = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/O=cluster.local", "-keyout", &key, "-out", &request];
    let made = judges::openssl(make);
    assert!(made.status.success(), "{made:?}");
    story.write(
        "own.ext",
        "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n",
    );
    let by = ["-selfsign", "-keyfile", "own.key", "-extfile", "own.ext", "-enddate", "21000101000000Z"];
    dated_ca::sign(&story.path(""), "own", &by);
    let (key, certificate) = (story.bytes("own.key"), story.bytes("own.pem"));
    let values: [(&str, &[u8]); 4] =
        [("ca-cert.pem", &certificate), ("ca-key.pem", &key), ("cert-chain.pem", b""), ("root-cert.pem", &certificate)];
    server().create_secret(namespace, "istio-ca-secret", &values);
    let mut taboo = Taboo::default();
    taboo.key(&key);
    let at = step(1);
    for line in
        ["adopt east --dry-run", "adopt east -o json --dry-run", "adopt east", "adopt east -o json", "rotate", "report"]
    {
        taboo.is_not_in(&talk(&story, &at, line), line);
    }
    let live = live(server(), namespace).unwrap();
    assert_eq!(STANDARD.decode(live["data"]["ca-key.pem"].as_str().unwrap()).unwrap(), key, "it was taken over");
    assert!(taboo.found_in(live.to_string().as_bytes()).is_some(), "what is looked for would be found");
    taboo.is_not_in(&story.bytes("records/ledger.jsonl"), "the ledger");
    let kept: Vec<_> = private_keys(&story.path("material"))
        .into_iter()
        .map(|it| story.bytes(&format!("material/{}", it.display())))
        .collect();
    assert!(!kept.is_empty() && kept.iter().all(|it| taboo.found_in(it).is_none()), "it goes into no store");
}

/// How a server spoils its answer about a Secret.
type Spoils = fn(&str) -> Vec<u8>;

fn http(status: &str, body: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn half(text: &str) -> &str {
    text.split_at(text.find("ca-key.pem").unwrap() + 200).0
}

const SPOILS: [(&str, Spoils); 12] = [
    ("half of it, and the connection ends", |secret| {
        let whole = String::from_utf8(http("200 OK", secret)).unwrap();
        half(&whole).as_bytes().to_vec()
    }),
    ("half of it as the whole", |secret| http("200 OK", half(secret))),
    ("a value that is not base64", |secret| {
        http("200 OK", &secret.replace("\"ca-key.pem\":\"LS0t", "\"ca-key.pem\":\"!S0t"))
    }),
    ("a value that is not text", |secret| {
        http("200 OK", &secret.replace("\"ca-key.pem\":\"", "\"ca-key.pem\":17,\"x\":\""))
    }),
    ("another kind", |secret| http("200 OK", &secret.replace("\"kind\":\"Secret\"", "\"kind\":\"Sekret\""))),
    ("a list", |secret| http("200 OK", &format!("[{secret}]"))),
    ("in the name of a field", |secret| http("200 OK", &format!("{{\"kind\":\"Secret\",{}:1}}", json!(secret)))),
    ("with a failure", |secret| http("500 Internal Server Error", secret)),
    ("with a refusal", |secret| http("403 Forbidden", secret)),
    ("in the words of a refusal", |secret| {
        let (_, key) = secret.split_at(secret.find("ca-key.pem").unwrap());
        let words = json!({ "kind": "Status", "message": format!("cannot decode {key}"), "reason": key });
        http("422 Unprocessable Entity", &words.to_string())
    }),
    ("as the name of who was refused", |secret| {
        let value = secret.split('"').find(|part| part.starts_with("LS0tLS1CRUdJTiBQUklWQVRF")).unwrap();
        let words = format!("User \"{value}\" cannot {value} resource \"{value}\" in API group \"{value}\"");
        http("403 Forbidden", &json!({ "kind": "Status", "message": words }).to_string())
    }),
    ("as a header", |secret| {
        let value = secret.split('"').find(|part| part.starts_with("LS0tLS1CRUdJTiBQUklWQVRF")).unwrap();
        format!("HTTP/1.1 200 {value}\r\nx: {value}\r\n{value}\r\ncontent-length: 0\r\n\r\n").into_bytes()
    }),
];

/// A server that answers each question with this, but says of namespaces that it knows of none.
fn spoiling(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || reply(stream, &answer));
        }
    });
    port
}

fn reply(mut stream: TcpStream, answer: &[u8]) {
    let mut request = vec![0; 64 * 1024];
    let length = stream.read(&mut request).unwrap_or(0);
    let asked = String::from_utf8_lossy(&request[..length]).into_owned();
    let nothing = http("404 Not Found", "{\"kind\":\"Status\"}");
    let is_about_namespace = asked.lines().next().is_some_and(|line| !line.contains("/namespaces/spoilt/"));
    let _ = stream.write_all(if is_about_namespace { &nothing } else { answer });
}

#[test]
fn no_answer_makes_a_command_show_a_key() {
    let namespace = "spoilt";
    let story = one(server(), namespace, "20s");
    story.meshca(&format!("--at {MOMENT} rotate")).fine();
    let secret = live(server(), namespace).unwrap();
    let taboo = taboo_of(&story, &secret);
    // Most of the time is spent on waiting.
    thread::scope(|scope| {
        for (how, spoil) in SPOILS {
            let (spoilt, story, taboo) = (spoil(&secret.to_string()), &story, &taboo);
            scope.spawn(move || spoilt_as(how, &spoilt, story, taboo));
        }
    });
}

fn spoilt_as(how: &str, spoilt: &[u8], story: &Story, taboo: &Taboo) {
    assert!(spoilt.windows(16).any(|part| part == b"BQUklWQVRFIEtFWS"), "{how}: no key in it");
    let port = spoiling(spoilt.to_vec());
    let story = copy_of(story);
    story.write_kubeconfig("spoilt.kubeconfig", port);
    let direct = server().kubeconfig("admin").display().to_string();
    story.write("mesh.yaml", story.read("mesh.yaml").replace(&direct, "./spoilt.kubeconfig").replace("20s", "1s"));
    let home = "--home-kubeconfig spoilt.kubeconfig";
    for line in [
        "check east -o json",
        "check",
        "check --context c --kubeconfig spoilt.kubeconfig --namespace spoilt",
        "report -o json",
        "publish --passphrase-file passphrase",
        "publish --dry-run",
        "publish --wait=1s --passphrase-file passphrase",
        "adopt east",
        "rotate",
        &format!("rotate --status-configmap spoilt/status {home}"),
        &format!("rotate --watch --passphrase-file passphrase --lease spoilt/l --identity one {home}"),
    ] {
        let said = talk(&story, &step(1), line);
        taboo.is_not_in(&said, &format!("{line}, {how}"));
    }
    taboo.is_not_in(&story.bytes("records/ledger.jsonl"), how);
}
