//! What a run that ends leaves of its metrics: a textfile, and what a Pushgateway is sent. The gateway here is scripted: it
//! takes one request and answers as it is told.

#![expect(clippy::unwrap_used, reason = "a gateway that cannot listen is a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

mod support;

use support::story::{Story, lab};

const MOMENT: &str = "2026-11-23T10:00:00Z";

fn published() -> Story {
    let story = Story::new(&lab("mesh1", "", &["east", "west"])).founded("mesh1", MOMENT);
    story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
    story.with_passphrase(&format!("--at {MOMENT} publish")).fine();
    story
}

/// Everything in a folder, by name.
fn names(story: &Story, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(story.path(folder)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn report_and_rotate_leave_the_same_textfile_readable_by_everybody_and_nothing_beside_it() {
    let story = published();
    fs::create_dir(story.path("textfiles")).unwrap();
    let text = |file: &str| story.read(&format!("textfiles/{file}"));
    story.write("textfiles/rotate.prom", "what was there before");
    story.with_passphrase(&format!("--at {MOMENT} rotate --metrics-textfile textfiles/rotate.prom")).fine();
    let said =
        story.meshca(&format!("--at {MOMENT} report -o prometheus --metrics-textfile textfiles/report.prom")).fine();
    assert!(
        text("report.prom") == said.out && text("rotate.prom") == said.out,
        "{}\n---\n{}",
        text("rotate.prom"),
        said.out
    );
    for file in ["rotate.prom", "report.prom"] {
        let mode = fs::metadata(story.path(&format!("textfiles/{file}"))).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{file}");
    }
    assert_eq!(names(&story, "textfiles"), ["report.prom", "rotate.prom"]);
    story.meshca(&format!("--at {MOMENT} report --metrics-textfile nowhere/a.prom")).refused(1, "file-unwritable");
}

#[cfg(feature = "k8s")]
mod gateway {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread::JoinHandle;
    use std::time::Duration;

    use super::*;

    /// Takes one request, answers with this, and tells what came.
    struct Gateway {
        address: String,
        came: JoinHandle<String>,
    }

    fn request(stream: &mut TcpStream) -> String {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (mut bytes, mut byte) = (Vec::new(), [0]);
        while !bytes.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            bytes.extend(byte);
        }
        let head = String::from_utf8(bytes).unwrap();
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap()];
        stream.read_exact(&mut body).unwrap();
        head + &String::from_utf8(body).unwrap()
    }

    impl Gateway {
        fn that_says(answer: &'static str) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            let came = std::thread::spawn(move || {
                let mut stream = listener.accept().unwrap().0;
                let came = request(&mut stream);
                stream.write_all(answer.as_bytes()).unwrap();
                came
            });
            Self { address, came }
        }
    }

    const TAKEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn a_pushgateway_gets_the_same_text_in_place_of_what_it_had() {
        let story = published();
        let text = story.meshca(&format!("--at {MOMENT} report -o prometheus")).fine().out;
        let gateway = Gateway::that_says(TAKEN);
        story.meshca(&format!("--at {MOMENT} report --pushgateway {}", gateway.address)).fine();
        let came = gateway.came.join().unwrap();
        let (head, body) = came.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("PUT /metrics/job/meshca HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        assert!(body == text, "{body}");
        // By rotate, to another group, under another label.
        let gateway = Gateway::that_says("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
        let url = format!("{}/metrics/job/mesh1", gateway.address);
        let line = format!("--at {MOMENT} rotate --cluster-label mesh_cluster --pushgateway {url}");
        story.with_passphrase(&line).fine();
        let came = gateway.came.join().unwrap();
        assert!(came.starts_with("PUT /metrics/job/mesh1 HTTP/1.1\r\n"), "{came}");
        assert!(came.contains("istio_cert_expiry_timestamp{mesh_cluster=\"east\",role=\"root\"}"), "{came}");
        assert!(!came.contains("{cluster="), "{came}");
    }

    #[test]
    fn a_pushgateway_that_refuses_is_gone_or_says_nothing_ends_the_run_with_its_reason_after_everything_else() {
        let story =
            Story::new(&lab("mesh1", "rotation: { deadline: 2s }\n", &["east", "west"])).founded("mesh1", MOMENT);
        story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
        story.with_passphrase(&format!("--at {MOMENT} publish")).fine();
        let refuses = Gateway::that_says(
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 60\r\n\r\npushed metrics are invalid or inconsistent with each other\x1b[\n",
        );
        let line = format!("--at {MOMENT} rotate --metrics-textfile a.prom --pushgateway {}", refuses.address);
        let said = story.with_passphrase(&line).refused(1, "pushgateway-failed");
        assert!(said.err.contains("it answers 400 Bad Request: pushed metrics are invalid"), "{said:?}");
        assert!(!said.err.contains('\x1b'), "{said:?}");
        assert!(story.read("a.prom").contains("istio_cert_expiry_timestamp"), "what can be written is");
        assert!(story.path("records/status.json").is_file());
        // Nobody listens.
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let said = story.meshca(&format!("--at {MOMENT} report --pushgateway http://{gone}"));
        said.refused(1, "pushgateway-failed").saying(&format!("curl -s http://{gone}/-/ready"));
        // It listens and never answers: the deadline of the mesh file ends it.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        story.meshca(&format!("--at {MOMENT} report --pushgateway http://{address}")).refused(1, "pushgateway-failed");
        // What is no address for it is said before anything is done.
        for url in [format!("https://{address}"), "http://".to_owned()] {
            let said = story.with_passphrase(&format!("--at {MOMENT} rotate --pushgateway {url}"));
            assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:?}");
        }
    }

    #[test]
    fn a_part_of_a_fleet_sends_no_metrics() {
        let story = published();
        let said = story.with_passphrase("rotate --shard 0/2 --pushgateway http://127.0.0.1:1");
        assert_eq!(said.code, Some(2), "{said:?}");
    }
}
