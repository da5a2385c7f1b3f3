//! Stories about walking a fleet from one root to the next, told by the real program on folders, and judged by OpenSSL.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a story that cannot go on is a failed test")]

mod support;

use support::judges;
use support::snapshot::snapshot;
use support::story::{Said, Story, later, seconds};
use time::Duration;

const BEGIN: &str = "2027-01-01T00:00:00Z";
const CLUSTERS: [&str; 3] = ["east", "west", "north"];

/// How long a workload certificate lives, with the margin: by default a day and an hour.
const BOUND: Duration = Duration::hours(25);

/// A lab whose istiods take another trust bundle live, and are assumed to have done so at once.
fn lab(more: &str, clusters: &[&str]) -> String {
    let mut text = format!("version: 1\nmesh: shop\nlab: true\n{more}\nclusters:\n");
    for cluster in clusters {
        text.push_str(&format!(
            "  - name: {cluster}\n    network: {cluster}\n    role: primary\n    access: {{ directory: ./clusters/{cluster} }}\n    \
             istiod: {{ assumeLoadedAfter: 0s, multiRoot: true }}\n"
        ));
    }
    text
}

/// A fleet on its first root, with a next one that the first endorses and an issuing CA under it.
fn before_the_walk(more: &str, clusters: &[&str]) -> Story {
    let story = Story::new(&lab(more, clusters)).founded("shop", BEGIN);
    story.with_passphrase(&format!("--at {BEGIN} issue")).fine();
    story.with_passphrase(&format!("--at {BEGIN} publish")).fine();
    next_root(&story, 2, BEGIN);
    story.issuing_create(BEGIN);
    story
}

fn next_root(story: &Story, generation: u32, at: &str) {
    let mut create = story.command(&format!(
        "--at {at} root create --next --passphrase-file passphrase --next-passphrase-file passphrase --confirm"
    ));
    Said::of(&judges::run(create.arg(format!("shop root g{generation}")))).fine();
}

/// The roots that a folder shows, by the generation in their names, and the one that its chain leads to.
fn shows(story: &Story, cluster: &str) -> (Vec<String>, String) {
    let folder = format!("clusters/{cluster}");
    let names = |text: &str| {
        let blocks = text.split_inclusive("-----END CERTIFICATE-----\n").filter(|it| it.contains("BEGIN"));
        blocks
            .map(|block| {
                story.write("one.pem", block);
                let path = story.path("one.pem");
                let said = judges::openssl(["x509", "-noout", "-subject", "-issuer", "-in", path.to_str().unwrap()]);
                String::from_utf8(said.stdout).unwrap()
            })
            .collect::<Vec<_>>()
    };
    let generation = |line: &str| line.trim().rsplit(' ').next().unwrap().to_owned();
    let roots = names(&story.read(&format!("{folder}/root-cert.pem")));
    let roots = roots.iter().map(|text| generation(text.lines().next().unwrap())).collect();
    let chain = names(&story.read(&format!("{folder}/cert-chain.pem")));
    (roots, generation(chain.last().unwrap().lines().nth(1).unwrap()))
}

fn tick(story: &Story, at: &str) -> Said {
    story.with_passphrase(&format!("--at {at} rotate"))
}

fn all_show(story: &Story, clusters: &[&str], roots: &[&str], signer: &str, at: &str) {
    for cluster in clusters {
        let shown = shows(story, cluster);
        assert_eq!(
            (shown.0.iter().map(String::as_str).collect::<Vec<_>>(), shown.1.as_str()),
            (roots.to_vec(), signer),
            "{cluster}"
        );
        story.sound(&format!("clusters/{cluster}"), seconds(at)).unwrap();
    }
}

#[test]
fn a_fleet_walks_from_one_root_to_the_next_and_each_stage_waits_to_the_second() {
    let story = before_the_walk("", &CLUSTERS);
    all_show(&story, &CLUSTERS, &["g1"], "g1", BEGIN);

    let trust = later(BEGIN, Duration::hours(1));
    tick(&story, &trust).fine().saying("stage Trust (1 of 4)");
    all_show(&story, &CLUSTERS, &["g1", "g2"], "g1", &trust);

    let sign = later(&trust, BOUND);
    let early = later(&sign, Duration::seconds(-1));
    let before = snapshot(&story.path("clusters"));
    tick(&story, &early).fine().saying("stage Trust (1 of 4)");
    assert_eq!(snapshot(&story.path("clusters")), before, "one second early");
    tick(&story, &sign).fine();
    all_show(&story, &CLUSTERS, &["g1", "g2"], "g2", &sign);

    let remove = later(&sign, BOUND);
    let old = fingerprint(&story, "material/root/g1/root-cert.pem");
    let before = snapshot(&story.path("clusters"));
    let early = later(&remove, Duration::seconds(-1));
    story.with_passphrase(&format!("--at {early} rotate --approve-removal {old}")).saying("stage Drain (3 of 4)");
    assert_eq!(snapshot(&story.path("clusters")), before, "one second early");
    tick(&story, &remove).saying("--approve-removal");
    assert_eq!(snapshot(&story.path("clusters")), before, "not approved");
    story.with_passphrase(&format!("--at {remove} rotate --approve-removal {old}")).fine();
    all_show(&story, &CLUSTERS, &["g2"], "g2", &remove);

    let after = later(&remove, Duration::hours(1));
    let before = snapshot(&story.path("clusters"));
    tick(&story, &after).fine().saying("nothing is due");
    assert_eq!(snapshot(&story.path("clusters")), before);
}

#[test]
fn what_stays_of_a_trust_bundle_stays_byte_for_byte() {
    let story = before_the_walk("", &["east"]);
    let old = story.bytes("clusters/east/root-cert.pem");
    let trust = later(BEGIN, Duration::hours(1));
    tick(&story, &trust).fine();
    let both = story.bytes("clusters/east/root-cert.pem");
    assert_eq!(both, [old, story.bytes("material/root/g2/root-cert.pem")].concat());
    let sign = later(&trust, BOUND);
    tick(&story, &sign).fine();
    assert_eq!(story.bytes("clusters/east/root-cert.pem"), both);
    let old = fingerprint(&story, "material/root/g1/root-cert.pem");
    story.with_passphrase(&format!("--at {} rotate --approve-removal {old}", later(&sign, BOUND))).fine();
    assert_eq!(story.bytes("clusters/east/root-cert.pem"), story.bytes("material/root/g2/root-cert.pem"));
}

fn fingerprint(story: &Story, file: &str) -> String {
    let path = story.path(file);
    let said = judges::openssl(["x509", "-noout", "-fingerprint", "-sha256", "-in", path.to_str().unwrap()]);
    let text = String::from_utf8(said.stdout).unwrap();
    text.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase()
}
