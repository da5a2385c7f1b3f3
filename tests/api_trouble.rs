//! What is said when the way to an API server is broken. The servers here are stubs that do what a real one does not:
//! say nothing, cut the connection, answer rubbish. What a real one refuses is in `slow_clusters.rs`.

#![expect(clippy::unwrap_used, reason = "a stub that cannot listen is a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests look at processes")]

mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::judges;
use support::story::{Said, Story};
use terminal::on_terminal;

/// What the key in the stub's Secret looks like in any of its forms: nothing that is said may have it.
const KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";

/// A listener on loopback that treats each connection in the same way; how many there were.
fn stub(treat: impl Fn(TcpStream) + Send + Sync + 'static) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let (treat, counted) = (Arc::new(treat), Arc::clone(&count));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let treat = Arc::clone(&treat);
            thread::spawn(move || treat(stream));
        }
    });
    (port, count)
}

/// Reads one request and sends this.
fn answer(mut stream: &TcpStream, bytes: &[u8]) {
    let mut request = [0; 16 * 1024];
    let _ = stream.read(&mut request);
    let _ = stream.write_all(bytes);
}

fn http(status: &str, more: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{more}connection: close\r\n\r\n{body}", body.len()).into_bytes()
}

/// A mesh of one cluster behind this kubeconfig.
fn story(kubeconfig: &str, deadline: &str) -> Story {
    let story = Story::new(&format!(
        "version: 1\nmesh: m1\nlab: true\nrecords: stdout\nrotation: {{ deadline: {deadline} }}\nclusters:\n  - {{ name: east, network: n, \
         role: primary, access: {{ kubeconfig: ./kubeconfig }} }}\n"
    ));
    story.write("kubeconfig", kubeconfig);
    story
}

fn kubeconfig(server: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{ name: c, cluster: {{ server: '{server}' }} }}]\n\
         contexts: [{{ name: c, context: {{ cluster: c, user: u }} }}]\nusers:\n  - name: u\n    user: {user}\n"
    )
}

/// `check east`, which asks for nothing but that cluster's Secret.
fn checked(kubeconfig: &str) -> Said {
    checked_within(kubeconfig, "20s")
}

fn checked_within(kubeconfig: &str, deadline: &str) -> Said {
    let story = story(kubeconfig, deadline);
    Said::of(&support::judges::run(story.command("check east").env("RUST_LOG", "trace")))
}

/// What went wrong has its code, its target, what was being done there, and a hint.
fn refused(said: &Said, code: &str) {
    assert_eq!(said.code, Some(1), "{said:?}");
    let words = [said.out.as_str(), said.err.as_str()].concat();
    let is_in_client = ["kubeconfig-unusable", "credential-plugin-failed"].contains(&code);
    let step = if is_in_client { "" } else { "secrets/cacerts" };
    for wanted in [code, "east/istio-system", step, "hint: "] {
        assert!(words.contains(wanted), "no {wanted} in {said:?}");
    }
    assert!(!said.out.contains(KEY) && !said.err.contains(KEY), "a key was shown: {said:?}");
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    refused(&checked(&kubeconfig(&format!("http://127.0.0.1:{port}"), "{ token: t }")), "api-server-unreachable");
}

#[test]
fn a_server_that_says_nothing_is_slow_once_the_deadline_has_passed() {
    let (port, _) = stub(|stream| {
        thread::park();
        drop(stream);
    });
    refused(&checked_within(&kubeconfig(&format!("http://127.0.0.1:{port}"), "{ token: t }"), "1s"), "api-server-slow");
}

#[test]
fn a_server_whose_certificate_nobody_vouches_for_is_untrusted() {
    let story = Story::new("version: 1");
    let pair = [story.path("key.pem"), story.path("cert.pem")].map(|path| path.display().to_string());
    let made = support::judges::openssl([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-days",
        "2",
        "-keyout",
        &pair[0],
        "-out",
        &pair[1],
    ]);
    assert!(made.status.success());
    let provider = rustls::crypto::ring::default_provider();
    let chain = pem::parse(story.read("cert.pem")).unwrap().into_contents().into();
    let key = rustls::pki_types::PrivateKeyDer::try_from(pem::parse(story.read("key.pem")).unwrap().into_contents());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key.unwrap())
        .unwrap();
    let config = Arc::new(config);
    let (port, _) = stub(move |mut stream| {
        let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let _ = tls.complete_io(&mut stream);
    });
    refused(&checked(&kubeconfig(&format!("https://127.0.0.1:{port}"), "{ token: t }")), "api-server-untrusted");
}

#[test]
fn a_server_that_is_broken_is_asked_again_and_then_named() {
    let (port, count) = stub(|stream| answer(&stream, &http("500 Internal Server Error", "", "{}")));
    refused(&checked(&kubeconfig(&format!("http://127.0.0.1:{port}"), "{ token: t }")), "api-server-failing");
    assert_eq!(count.load(Ordering::SeqCst), 5, "four times more");
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    let asked = AtomicUsize::new(0);
    let (port, count) = stub(move |stream| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => answer(&stream, &http("429 Too Many Requests", "retry-after: 1\r\n", "{}")),
        _ => answer(&stream, &http("401 Unauthorized", "", "{}")),
    });
    refused(&checked(&kubeconfig(&format!("http://127.0.0.1:{port}"), "{ token: t }")), "not-authenticated");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn the_pause_that_a_server_asks_for_is_kept_and_what_waits_for_it_is_told() {
    let (port, count) = stub(|stream| {
        let busy = "{\"kind\":\"Status\",\"message\":\"too many requests\"}";
        answer(&stream, &http("429 Too Many Requests", "retry-after: 50\r\n", busy));
    });
    // Without the wish of the server there would be three tries in this time.
    let said = checked_within(&kubeconfig(&format!("http://127.0.0.1:{port}"), "{ token: t }"), "3s");
    refused(&said, "api-server-slow");
    said.saying("step     get secrets/cacerts").saying("last heard  east/istio-system: the API server could not get");
    assert_eq!(count.load(Ordering::SeqCst), 1, "it was asked again before that");
}

#[test]
fn a_connection_that_is_cut_in_the_middle_of_a_secret_shows_nothing_of_it() {
    let (port, count) = stub(|stream| {
        let part = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n{{\"kind\":\"Secret\",\"data\":{{\"ca-key.pem\":\"{KEY}"
        );
        answer(&stream, part.as_bytes());
    });
    refused(&checked(&kubeconfig(&format!("http://127.0.0.1:{port}"), "{ token: t }")), "answer-lost");
    assert_eq!(count.load(Ordering::SeqCst), 5, "a read is made again");
}

#[test]
fn an_answer_that_is_no_secret_is_malformed_and_not_quoted() {
    for body in [
        format!("{{\"kind\":\"Secret\",\"data\":{{\"ca-key.pem\":\"{KEY}"),
        format!("{{\"kind\":\"Secret\",\"data\":{{\"ca-key.pem\":\"{KEY}!\"}}}}"),
        format!("<html>{KEY}</html>"),
    ] {
        let (port, _) = stub(move |stream| answer(&stream, &http("200 OK", "", &body)));
        refused(&checked(&kubeconfig(&format!("http://127.0.0.1:{port}"), "{ token: t }")), "api-answer-malformed");
    }
}

#[test]
fn an_answer_without_an_end_is_not_read_to_its_end() {
    let (port, _) = stub(|mut stream| {
        answer(&stream, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let chunk = [format!("{:x}\r\n", 64 * 1024).into_bytes(), vec![b' '; 64 * 1024], b"\r\n".to_vec()].concat();
        while stream.write_all(&chunk).is_ok() {}
    });
    refused(&checked(&kubeconfig(&format!("http://127.0.0.1:{port}"), "{ token: t }")), "api-answer-malformed");
}

#[test]
fn a_refusal_of_no_known_kind_is_passed_on_with_its_status() {
    let body = format!("{{\"kind\":\"Status\",\"message\":\"no teapots\\u001b[31m\",\"data\":\"{KEY}\"}}");
    let (port, _) = stub(move |stream| answer(&stream, &http("418 I'm a teapot", "", &body)));
    let said = checked(&kubeconfig(&format!("http://127.0.0.1:{port}"), "{ token: t }"));
    refused(&said, "api-refused");
    assert!(!said.err.contains('\u{1b}') && !said.out.contains('\u{1b}'), "{said:?}");
    said.saying("no teapots").saying("418");
}

#[test]
fn a_kubeconfig_that_is_none_is_named_with_its_line_and_no_word_of_it() {
    let said = checked(
        "apiVersion: v1\nusers:\n  - name: u\n    user: { token: MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg, [ }\n",
    );
    refused(&said, "kubeconfig-unusable");
    said.saying("at line 4");
}

#[test]
fn a_context_that_is_missing_is_named_with_those_that_are_there() {
    let text = kubeconfig("http://127.0.0.1:1", "{ token: t }").replace("current-context: c", "current-context: d");
    let said = checked(&text);
    refused(&said, "kubeconfig-unusable");
    said.saying("no context d").saying("contexts  c");
}

/// A kubeconfig whose user is this script.
fn with_plugin(port: u16, script: &str) -> Story {
    with_plugin_within(port, script, "2s")
}

fn with_plugin_within(port: u16, script: &str, deadline: &str) -> Story {
    let story = story(
        &kubeconfig(
            &format!("http://127.0.0.1:{port}"),
            "{ exec: { apiVersion: client.authentication.k8s.io/v1, command: ./log-in, interactiveMode: Never } }",
        ),
        deadline,
    );
    story.write("log-in.text", format!("#!/bin/sh\n{script}\n"));
    judges::install(&story.path("log-in.text"), &story.path("log-in"));
    story
}

#[test]
fn a_credential_plugin_is_run_once_and_its_token_is_sent() {
    let (port, _) = stub(|mut stream| {
        let mut request = [0; 16 * 1024];
        let length = stream.read(&mut request).unwrap_or(0);
        let knows = String::from_utf8_lossy(&request[..length]).contains("Bearer of-good-news");
        let _ = stream.write_all(&http(if knows { "404 Not Found" } else { "401 Unauthorized" }, "", "{}"));
    });
    let story = with_plugin(
        port,
        "echo run >> runs\necho '{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"of-good-news\"}}'",
    );
    story.meshca("check east").saying("cacerts-missing");
    assert_eq!(story.read("runs"), "run\n");
}

#[test]
fn a_credential_plugin_that_fails_hangs_or_babbles_is_named_and_its_credential_is_not_shown() {
    let (port, _) = stub(|stream| answer(&stream, &http("404 Not Found", "", "{}")));
    for (script, words) in [
        ("echo no ticket >&2; exit 3", "no ticket"),
        ("sleep 600", "within 2 seconds"),
        ("exec >&- 2>&-; sleep 600", "did not end"),
        (&format!("echo '{{\"status\":{{\"token\":\"{KEY}\"'"), "not an ExecCredential"),
        ("echo '{}'", "no status"),
        ("echo '{\"status\":{}}'", "no usable credential"),
    ] {
        let said = with_plugin(port, script).meshca("check east");
        refused(&said, "credential-plugin-failed");
        said.saying(words);
    }
    let missing = story(
        &kubeconfig(
            &format!("http://127.0.0.1:{port}"),
            "{ exec: { command: ./not-there, installHint: get it somewhere } }",
        ),
        "2s",
    );
    let said = missing.meshca("check east");
    refused(&said, "credential-plugin-failed");
    said.saying("get it somewhere");
}

/// Whether this process runs. One that has ended and that nobody has taken notice of does not.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn a_credential_plugin_that_hangs_is_ended_with_what_it_started() {
    let story = with_plugin(1, "sleep 600 & echo $$ $! > family; wait");
    refused(&story.meshca("check east"), "credential-plugin-failed");
    let family = story.read("family");
    let still: Vec<&str> = family.split_whitespace().filter(|pid| runs(pid)).collect();
    assert_eq!(family.split_whitespace().count(), 2);
    assert!(still.is_empty(), "{still:?} of {family:?} are left");
}

/// Longer than any of these tests: what ends before it ends for another reason.
const LONG: &str = "30m";

/// A plug-in that hangs and leaves word of itself and of what it started.
const HANGING_FAMILY: &str = "sleep 3000 & echo $$ $! > family.part; mv family.part family; wait";

/// Waits for the family of that plug-in: two processes.
fn family(story: &Story) -> Vec<String> {
    let begins = (0..10_000).any(|_| {
        thread::sleep(Duration::from_millis(20));
        story.path("family").exists()
    });
    assert!(begins, "the plug-in was never run");
    let family: Vec<String> = story.read("family").split_whitespace().map(str::to_owned).collect();
    assert!(family.len() == 2 && family.iter().all(|pid| runs(pid)), "{family:?}");
    family
}

/// Whether all of them are gone; a kill takes a moment.
fn are_gone(family: &[String]) -> bool {
    (0..1000).any(|_| {
        thread::sleep(Duration::from_millis(20));
        !family.iter().any(|pid| runs(pid))
    })
}

#[test]
fn a_signal_to_meshca_ends_a_plugin_that_hangs_with_all_that_it_started() {
    let watch = "rotate --watch --passphrase-file passphrase";
    let tick = "rotate --passphrase-file passphrase";
    for (line, signal, end) in [
        // As it would have ended without a plug-in.
        ("check east", Signal::INT, None),
        ("check east", Signal::TERM, None),
        ("report", Signal::INT, None),
        // A run that ends when what it writes is written.
        (tick, Signal::TERM, Some(1)),
        (tick, Signal::INT, Some(1)),
        (watch, Signal::TERM, Some(0)),
        (watch, Signal::INT, Some(0)),
    ] {
        let story = with_plugin_within(1, HANGING_FAMILY, LONG);
        let story = if line.starts_with("rotate") { story.founded("m1", "2026-11-23T10:00:00Z") } else { story };
        let mut command = story.command(line);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let family = family(&story);
        // To meshca alone, as a terminal does where the plug-in is in a group of its own.
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), end, "{line}: {:?}", Said::of(&output));
        if end.is_none() {
            assert_eq!(output.status.signal(), Some(signal.as_raw()), "{line}");
        }
        assert!(are_gone(&family), "{line}: some of {family:?} are left");
    }
}

#[test]
fn ctrl_c_on_a_terminal_ends_meshca_and_its_plugin() {
    let story = with_plugin_within(1, HANGING_FAMILY, LONG);
    let mut script = on_terminal(&story.command("check east"));
    script.current_dir(story.path(""));
    let mut terminal = script.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let family = family(&story);
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(b"\x03").unwrap();
    let ended = terminal.wait().unwrap();
    assert_eq!(ended.code(), Some(128 + Signal::INT.as_raw()));
    assert!(are_gone(&family), "some of {family:?} are left");
}

#[test]
fn targets_of_one_context_share_a_plugin_and_one_that_hangs_delays_no_other_context() {
    let (port, _) = stub(|stream| answer(&stream, &http("404 Not Found", "", "{}")));
    let plugin = |script: &str| {
        let user = format!("{{ exec: {{ command: ./{script}, interactiveMode: Never }} }}");
        kubeconfig(&format!("http://127.0.0.1:{port}"), &user)
    };
    let mut mesh =
        "version: 1\nmesh: m1\nlab: true\nrecords: stdout\nrotation: { deadline: 3s }\nclusters:\n".to_owned();
    for (number, way) in ["hangs", "works"].into_iter().cycle().take(12).enumerate() {
        mesh.push_str(&format!(
            "  - {{ name: c{number}, role: primary, network: n, namespace: n{number}, access: {{ kubeconfig: ./{way}.config }} }}\n"
        ));
    }
    let story = Story::new(&mesh);
    let credential = "echo run >> runs\necho '{\"status\":{\"token\":\"t\"}}'";
    for (name, script) in [("hangs", "echo run >> hung\nsleep 600"), ("works", credential)] {
        story.write(&format!("{name}.config"), plugin(name));
        story.write("script", format!("#!/bin/sh\n{script}\n"));
        judges::install(&story.path("script"), &story.path(name));
    }
    let said = story.meshca("report -o json");
    assert_eq!((story.read("runs"), story.read("hung")), ("run\n".to_owned(), "run\n".to_owned()));
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    for number in 0..12 {
        let mut rows = report["rows"].as_array().unwrap().iter();
        let row = rows.find(|row| row["cluster"] == format!("c{number}") && row["role"] == "intermediate").unwrap();
        let wanted = if number % 2 == 0 { "the credential plug-in" } else { "has no namespace" };
        assert!(row["reason"].as_str().unwrap().contains(wanted), "{row}");
    }
}
