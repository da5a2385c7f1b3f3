//! What a scrape of the exporter costs: the text of a public status that was read before, for 1,000 clusters and for ten times as
//! many; and what reading that status costs, which happens when it changes and not at a scrape.
//!
//! `cargo bench --bench scrape`; the meaning of its figures is in docs/PERFORMANCE.md.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run says so by stopping")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark touches the disk and prints")]

use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use time::OffsetDateTime;
use time::macros::datetime;

use meshca::jobs::exporter::Exhibit;
use meshca::mesh::cluster_label::ClusterLabel;
use meshca::mesh::metrics::Build;
use meshca::mesh::public_status;
use meshca::mesh::report_document::ReportDocument;
use meshca::world::http_server::Asked;

mod processor;

use processor::{busy, memory};

const MOMENT: &str = "2026-11-23T10:00:00Z";
const NOW: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);
/// As many as the goal is about.
const CLUSTERS: usize = 1_000;
/// One of so many clusters is a remote.
const REMOTES: usize = 10;
/// How the names of the clusters begin.
const FIRST: &str = "f0-";
/// What Prometheus asks for.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let status = written_status();
    let mut group = criterion.benchmark_group("scrape");
    group.sampling_mode(SamplingMode::Flat);
    for fleets in [1, 10] {
        let count = fleets * CLUSTERS;
        let parts = (0..fleets).map(|fleet| status.replace(FIRST, &format!("f{fleet}-")));
        let parts: Vec<String> = parts.collect();
        let read =
            || ReportDocument::gathered(parts.iter().map(|it| public_status::read(it.as_bytes(), "bench").unwrap()));
        let exhibit = Exhibit::new(ClusterLabel::USUAL, Build { version: "0.0.0", revision: "" });
        exhibit.show(read().unwrap());
        let scrape = |accept| exhibit.answer(Asked { path: "/metrics", accept }, NOW).text;
        let text = scrape("");
        let series = text.lines().filter(|line| !line.starts_with('#')).count();
        println!("{count} clusters: {series} series, {:.1} MB, {} MiB held", text.len() as f64 / 1e6, memory());
        measure(&mut group, &format!("text of {count} clusters"), || scrape(""));
        measure(&mut group, &format!("OpenMetrics of {count} clusters"), || scrape(ACCEPT));
        measure(&mut group, &format!("reading the status of {count} clusters"), read);
    }
    group.finish();
    criterion.final_summary();
}

/// By time on a processor.
fn measure<T>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, job: impl Fn() -> T) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| {
            let begun = busy();
            for _ in 0..rounds {
                black_box(job());
            }
            Duration::from_nanos((busy() - begun) as u64)
        });
    });
}

/// The status that `rotate` leaves behind, of clusters in folders.
fn written_status() -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("scrape");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut mesh = String::from("version: 1\nmesh: bench\nlab: true\nclusters:\n");
    for number in 0..CLUSTERS {
        let remote = number % REMOTES == REMOTES - 1;
        let role = if remote { format!("remote, primary: {FIRST}{}", number - 1) } else { "primary".to_owned() };
        let name = format!("{FIRST}{number}");
        let access = format!("access: {{ directory: ./clusters/{name} }}");
        writeln!(mesh, "  - {{ name: {name}, network: n{number}, role: {role}, {access} }}").unwrap();
    }
    fs::write(folder.join("mesh.yaml"), mesh).unwrap();
    fs::write(folder.join("passphrase"), "a passphrase for measuring\n").unwrap();
    for words in [
        &["root", "create", "--confirm", "bench root g1"][..],
        &["issuing", "create", "--issuing-passphrase-file", "passphrase"],
        &["rotate"],
        &["rotate"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshca"));
        command.args(["-q", "--at", MOMENT]).args(words).args(["--passphrase-file", "passphrase"]);
        let output = command.current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let status = fs::read_to_string(folder.join("records/status.json")).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    status
}
