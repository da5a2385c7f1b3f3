//! The mesh file from outside: what is read, what is refused, with which words, and the pages about it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::string_slice,
    reason = "a test may stop at what it does not expect"
)]
#![expect(clippy::disallowed_methods, reason = "the ignored test that remakes the pages writes them")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use meshca::mesh::fleet::{Access, ClusterName, Membership, Mesh, Records, Role, TrustBundle};
use meshca::mesh::mesh_file::{LARGEST, parse};
use meshca::mesh::mesh_schema::{MOST_CLUSTERS, schema};
use meshca::problem::{Area, Code, Finding, Problem, Severity};
use proptest::prelude::*;
use serde_json::Value;
use time::Duration;

const EXAMPLE: &str = include_str!("../docs/reference/mesh.example.yaml");
const PAGE: &str = include_str!("../docs/reference/mesh-file.md");
const SCHEMA: &str = include_str!("../docs/reference/mesh-file.schema.json");

/// A small mesh file that keeps every rule. The cases below change single lines of it.
const BASE: &str = "\
version: 1
mesh: m
clusters:
  - name: east
    role: primary
    access: { directory: east }
  - name: remote
    role: remote
    primary: east
    access: { directory: remote }
  - name: control
    role: external
    configCluster: edge
    access: { directory: control }
  - name: edge
    role: remote
    primary: control
    access: { directory: edge }
";

fn read(text: &str) -> Result<(Mesh, Vec<Finding>), Vec<Problem>> {
    parse(text, Path::new("mesh.yml"))
}

/// The base with one piece replaced, which must be there.
fn with(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "the base has no {from:?}");
    BASE.replacen(from, to, 1)
}

/// The base with more lines at its end.
fn and(more: &str) -> String {
    format!("{BASE}{more}\n")
}

const ONE_WINDOW: &str = "{ cron: 0 2 * * 6, duration: 4h, timeZone: Etc/UTC }";

fn window(cron: &str, duration: &str, zone: &str) -> String {
    format!("rotation: {{ windows: [{{ cron: {cron:?}, duration: {duration}, timeZone: {zone} }}] }}")
}

fn codes(text: &str) -> Vec<Code> {
    match read(text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(Problem::code).collect(),
    }
}

fn only_problem(text: &str) -> Problem {
    let mut problems = read(text).expect_err("the file should be refused");
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

fn too_many_clusters() -> String {
    let list: String = (0..=MOST_CLUSTERS).map(|_| "{},").collect();
    format!("version: 1\nmesh: m\nclusters: [{list}]\n")
}

/// For every code a file that is refused for it alone, and the sentence that says so.
fn refused() -> Vec<(Code, String, &'static str)> {
    use Code::*;
    vec![
        (MeshFileSyntax, and("root: [1]"), "not a mesh file: keys with values should stand at mesh.yml:19:7"),
        (MeshFileSyntax, and("lab: no"), "not a mesh file: `true` or `false` should stand at mesh.yml:19:6"),
        (MeshFileSyntax, with("mesh: m", "mesh: [m]"), "not a mesh file: a text should stand at mesh.yml:2:7"),
        (
            MeshFileSyntax,
            and("rotation: { observe: many }"),
            "not a mesh file: a whole number, zero or more, should stand at mesh.yml:19:22",
        ),
        (MeshFileSyntax, and("---\na: b"), "a second YAML document begins at mesh.yml:20:1"),
        (UnknownKey, and("intermediate: { renewbefore: 30d }"), "unknown key `renewbefore` at mesh.yml:19:17"),
        (UnknownValue, with("role: primary", "role: primry"), "unknown value `primry` at mesh.yml:5:11"),
        (MissingKey, with("version: 1\n", ""), "the key `version` is missing at mesh.yml"),
        (MissingKey, with("mesh: m\n", ""), "the key `mesh` is missing at mesh.yml"),
        (
            MissingKey,
            and("  - { name: x, access: { directory: x } }"),
            "the key `role` of cluster `x` is missing at mesh.yml:19:5",
        ),
        (MissingKey, and("rotation: { windows: [{ cron: x }] }"), "the key `duration` is missing at mesh.yml:19:25"),
        (DuplicateKey, and("mesh: n"), "the key `mesh` is given twice at mesh.yml:19:1"),
        (MeshFileTooLarge, "#".repeat(LARGEST + 1), "mesh.yml has 4194305 bytes, more than 4194304"),
        (
            VersionUnsupported,
            with("version: 1", "version: 2\nunheard: of"),
            "version 2 of the mesh file is not supported, only version 1 at mesh.yml:1:10",
        ),
        (
            VersionUnsupported,
            with("version: 1", "version: 0"),
            "version 0 of the mesh file is not supported, only version 1 at mesh.yml:1:10",
        ),
        (
            BadDuration,
            and("lead: 1y"),
            "lead `1y` counts in years or months, which have no fixed length at mesh.yml:19:7",
        ),
        (BadDuration, and("workload: { maxTTL: 0s }"), "workload.maxTTL 0s is not longer than zero at mesh.yml:19:21"),
        (
            BadDuration,
            and("root: { lifetime: 36526d }"),
            "root.lifetime `36526d` is more than 100 years at mesh.yml:19:19",
        ),
        (
            BadDuration,
            and("rotation: { removeAfter: always }"),
            "rotation.removeAfter `always` is not a length of time at mesh.yml:19:26",
        ),
        (BadValue, and("rotation: { write: 0 }"), "rotation.write 0 is not from 1 to 1024 at mesh.yml:19:20"),
        (BadValue, and("rotation: { observe: 1025 }"), "rotation.observe 1025 is not from 1 to 1024 at mesh.yml:19:22"),
        (BadValue, and("material: ~/x"), "material `~/x` begins with `~`, which only shells replace at mesh.yml:19:11"),
        (BadValue, and("records: ''"), "records `` is empty at mesh.yml:19:10"),
        (
            BadValue,
            and("root: { subject: { organization: '' } }"),
            "root.subject.organization `` is empty at mesh.yml:19:34",
        ),
        (
            BadValue,
            with("    role: primary\n", "    role: primary\n    network: a b\n"),
            "the network `a b` of cluster `east` cannot be a network ID of Istio at mesh.yml:6:14",
        ),
        (
            BadValue,
            with("    role: primary\n", "    role: primary\n    istiod: { addresses: [a] }\n"),
            "the istiod address `a` of cluster `east` is not host:port at mesh.yml:6:27",
        ),
        (
            BadValue,
            with("    role: primary\n", "    role: primary\n    istiod: { prometheus: a }\n"),
            "`a` of the istiod of cluster `east` is not an http or https URL at mesh.yml:6:27",
        ),
        (
            BadValue,
            with("    role: primary\n", "    role: primary\n    trustBundle: {}\n"),
            "the trustBundle of cluster `east` has none of `configMap` and `clusterTrustBundle` at mesh.yml:6:18",
        ),
        (
            BadValue,
            with("    role: primary\n", "    role: primary\n    trustBundle: { configMap: A }\n"),
            "the trustBundle `A` of cluster `east` is not a name of Kubernetes at mesh.yml:6:31",
        ),
        (
            BadValue,
            with("    role: primary\n", "    role: primary\n    state: excluded\n    reason: x\n    until: soon\n"),
            "until `soon` of cluster `east` is not a moment at mesh.yml:8:12",
        ),
        (
            KeyWithoutEffect,
            with("    role: primary\n", "    role: primary\n    primary: east\n"),
            "`primary: east` is given for cluster `east`, whose role is primary at mesh.yml:6:14",
        ),
        (
            KeyWithoutEffect,
            with("    primary: east\n", "    primary: east\n    configCluster: edge\n"),
            "`configCluster: edge` is given for cluster `remote`, whose role is remote at mesh.yml:10:20",
        ),
        (
            KeyWithoutEffect,
            with("    configCluster: edge\n", "    configCluster: edge\n    primary: east\n"),
            "`primary: east` is given for cluster `control`, whose role is external at mesh.yml:14:14",
        ),
        (
            KeyWithoutEffect,
            with("    role: primary\n", "    role: primary\n    reason: x\n"),
            "`reason` is given for cluster `east`, whose state is member at mesh.yml:6:13",
        ),
        (
            KeyWithoutEffect,
            with("{ directory: east }", "{ directory: east, context: c }"),
            "`context: c` is given for cluster `east`, which has no kubeconfig at mesh.yml:6:41",
        ),
        (
            KeyWithoutEffect,
            and("issuing: { mode: none, lifetime: 365d }"),
            "issuing.lifetime is given, but issuing.mode is none at mesh.yml:19:34",
        ),
        (BadMeshName, with("mesh: m", "mesh: unknown"), "the mesh cannot be named `unknown` at mesh.yml:2:7"),
        (BadMeshName, with("mesh: m", "mesh: a/b"), "the mesh cannot be named `a/b` at mesh.yml:2:7"),
        (
            BadTrustDomain,
            and("trustDomain: spiffe://x"),
            "trustDomain `spiffe://x` is not a SPIFFE trust domain at mesh.yml:19:14",
        ),
        (
            BadNamespace,
            with("    role: primary\n", "    role: primary\n    namespace: Istio\n"),
            "the namespace `Istio` of cluster `east` is not a DNS label at mesh.yml:6:16",
        ),
        (
            BadPin,
            and("root: { trusted: [8f0c] }"),
            "root.trusted `8f0c` is not the SHA-256 of a certificate at mesh.yml:19:19",
        ),
        (BadLeaked, and("leaked: [8f0c]"), "leaked `8f0c` is not the SHA-256 of a certificate at mesh.yml:19:10"),
        (
            LeakedTwice,
            and(&format!("leaked: [{0}, {0}]", "ab".repeat(32))),
            "leaked names `abababababababababababababababababababababababababababababababab` twice at mesh.yml:19:76",
        ),
        (
            BadValue,
            and(&format!("leaked: [{}]", vec!["ab".repeat(32); 65].join(", "))),
            "leaked has 65 entries, more than 64 at mesh.yml:19:10",
        ),
        (
            KeyKindRefused,
            and("root: { key: rsa-2048 }"),
            "root.key rsa-2048 is not a kind of key that meshca makes at mesh.yml:19:14",
        ),
        (
            RenewBeforeTooLong,
            and("intermediate: { lifetime: 30d }"),
            "intermediate.renewBefore 30d is not less than intermediate.lifetime 30d at mesh.yml:19:27",
        ),
        (
            WorkloadOutlivesRenewal,
            and("workload: { maxTTL: 719h }"),
            "workload.maxTTL 719h + workload.margin 1h is 30d, not less than intermediate.renewBefore 30d − \
             rotation.jitter 0s at mesh.yml:19:21",
        ),
        (
            IntermediateOutlivesIssuing,
            and("issuing: { renewBefore: 119d }"),
            "intermediate.lifetime 90d + lead 30d is 120d, more than issuing.renewBefore 119d at mesh.yml:19:25",
        ),
        (
            IssuingOutlivesRoot,
            and("root: { renewBefore: 394d }"),
            "issuing.lifetime 365d + lead 30d is 395d, more than root.renewBefore 394d at mesh.yml:19:22",
        ),
        (
            IntermediateOutlivesRoot,
            and("issuing: { mode: none }\nroot: { renewBefore: 119d }"),
            "intermediate.lifetime 90d + lead 30d is 120d, more than root.renewBefore 119d at mesh.yml:20:22",
        ),
        (
            RenewalWithinAlert,
            and("intermediate: { renewBefore: 8d }"),
            "the 7-day alert would fire while all is well: intermediate.renewBefore 8d − rotation.jitter 0s − \
             rotation.tick 24h is 7d, not more than 7d at mesh.yml:19:30",
        ),
        (NoClusters, "version: 1\nmesh: m\n".to_owned(), "there is no cluster in the mesh file at mesh.yml"),
        (
            NoClusters,
            "version: 1\nmesh: m\nclusters: []\n".to_owned(),
            "there is no cluster in the mesh file at mesh.yml:3:11",
        ),
        (TooManyClusters, too_many_clusters(), "there are more than 10000 clusters at mesh.yml:3:1"),
        (
            ClusterWithoutName,
            and("  - { role: primary, access: { directory: x } }"),
            "a cluster has no name at mesh.yml:19:5",
        ),
        (
            ClusterWithoutName,
            and("  - { name: '', role: primary, access: { directory: x } }"),
            "a cluster has no name at mesh.yml:19:13",
        ),
        (
            ClusterNamedUnknown,
            and("  - { name: unknown, role: primary, access: { directory: x } }"),
            "a cluster is named `unknown`, which the alert rule `cluster!=\"unknown\"` leaves out at mesh.yml:19:13",
        ),
        (
            ClusterNameNotALabel,
            and("  - { name: West, role: primary, access: { directory: x } }"),
            "the name `West` of a cluster is not a DNS label at mesh.yml:19:13",
        ),
        (
            DuplicateCluster,
            and("  - { name: east, role: primary, access: { directory: x } }"),
            "two clusters are named `east` at mesh.yml:19:13",
        ),
        (
            RemoteWithoutPrimary,
            with("    primary: east\n", ""),
            "cluster `remote` is a remote, but does not say which control plane serves it at mesh.yml:7:5",
        ),
        (
            PrimaryUnknown,
            with("primary: east", "primary: west"),
            "the primary `west` of cluster `remote` is not in the mesh file at mesh.yml:9:14",
        ),
        (
            PrimaryIsRemote,
            with("primary: east", "primary: edge"),
            "the primary `edge` of cluster `remote` is itself a remote at mesh.yml:9:14",
        ),
        (
            PrimaryIsRemote,
            with("primary: east", "primary: remote"),
            "the primary `remote` of cluster `remote` is itself a remote at mesh.yml:9:14",
        ),
        (
            ExternalWithoutConfigCluster,
            with("    configCluster: edge\n", ""),
            "cluster `control` is an external control plane, but does not say whose configuration it reads at \
             mesh.yml:11:5",
        ),
        (
            ConfigClusterUnknown,
            with("configCluster: edge", "configCluster: edgy"),
            "the configCluster `edgy` of cluster `control` is not in the mesh file at mesh.yml:13:20",
        ),
        (
            ConfigClusterNotItsRemote,
            with("configCluster: edge", "configCluster: remote"),
            "the configCluster `remote` of cluster `control` is a remote of `east`, not a remote of `control` at \
             mesh.yml:13:20",
        ),
        (
            ConfigClusterNotItsRemote,
            with("configCluster: edge", "configCluster: east"),
            "the configCluster `east` of cluster `control` is primary, not a remote of `control` at mesh.yml:13:20",
        ),
        (
            AccessNotOne,
            with("access: { directory: east }", "access: {}"),
            "cluster `east` does not say how it is reached at mesh.yml:6:13",
        ),
        (
            AccessNotOne,
            with("    access: { directory: east }\n", ""),
            "cluster `east` does not say how it is reached at mesh.yml:4:5",
        ),
        (
            AccessNotOne,
            with("{ directory: east }", "{ directory: east, inCluster: true }"),
            "cluster `east` is reached in 2 ways: directory and inCluster at mesh.yml:6:13",
        ),
        (
            AccessShared,
            with("{ directory: control }", "{ directory: x/../east }"),
            "cluster `control` is reached where cluster `east` is (x/../east): they would share a signing key at \
             mesh.yml:14:13",
        ),
        (
            CanaryWithoutCacerts,
            and("rotation: { canary: remote }"),
            "rotation.canary `remote` is a remote, which gets no cacerts at mesh.yml:19:21",
        ),
        (
            CanaryWithoutCacerts,
            and("rotation: { canary: west }"),
            "rotation.canary `west` is not in the mesh file at mesh.yml:19:21",
        ),
        (
            ExclusionIncomplete,
            with("    role: primary\n", "    role: primary\n    state: excluded\n    reason: x\n"),
            "cluster `east` is excluded, but does not say `until` at mesh.yml:4:5",
        ),
        (
            ExclusionIncomplete,
            with("    role: primary\n", "    role: primary\n    state: excluded\n    until: 2027-01-31T00:00:00Z\n"),
            "cluster `east` is excluded, but does not say `reason` at mesh.yml:4:5",
        ),
        (
            BadValue,
            and(&window("0 2 * *", "4h", "Etc/UTC")),
            "rotation.windows[].cron `0 2 * *` has 4 fields, not the five of cron at mesh.yml:19:31",
        ),
        (
            BadValue,
            and(&window("0 25 * * 6", "4h", "Etc/UTC")),
            "rotation.windows[].cron `0 25 * * 6` has a field that cron does not know at mesh.yml:19:31",
        ),
        (
            BadValue,
            and(&window("0 2 30 FEB *", "4h", "Etc/UTC")),
            "rotation.windows[].cron `0 2 30 FEB *` never comes at mesh.yml:19:31",
        ),
        (
            BadValue,
            and(&window("0 2 * * 6", "4h", "Berlin")),
            "rotation.windows[].timeZone `Berlin` is not a time zone of the IANA at mesh.yml:19:68",
        ),
        (
            BadDuration,
            and(&window("0 2 * * 6", "59s", "Etc/UTC")),
            "rotation.windows[].duration `59s` is not from 1m to 7d at mesh.yml:19:54",
        ),
        (
            BadValue,
            and(&format!("rotation: {{ windows: [{}] }}", [ONE_WINDOW; 33].join(", "))),
            "rotation.windows has 33 windows, more than 32 at mesh.yml:19:23",
        ),
        (
            WorkloadOutlivesRenewal,
            and(&format!("{}\nworkload: {{ maxTTL: 555h }}", window("0 2 * * 6", "4h", "Etc/UTC"))),
            "workload.maxTTL 555h + workload.margin 1h is 23d4h, not less than intermediate.renewBefore 30d − the longest \
             gap between rotation.windows 6d20h − rotation.jitter 0s at mesh.yml:20:21",
        ),
        (
            RenewalWithinAlert,
            and(&format!("{}\nintermediate: {{ renewBefore: 14d20h }}", window("0 2 * * 6", "4h", "Etc/UTC"))),
            "the 7-day alert would fire while all is well: intermediate.renewBefore 14d20h − the longest gap between \
             rotation.windows 6d20h − rotation.jitter 0s − rotation.tick 24h is 7d, not more than 7d at mesh.yml:20:30",
        ),
    ]
}

#[test]
fn every_refusal_has_its_code_its_sentence_its_place_and_a_hint() {
    for (code, text, sentence) in refused() {
        let problem = only_problem(&text);
        assert_eq!((problem.code(), problem.what()), (code, sentence));
        assert!(problem.advice().is_some_and(|hint| !hint.is_empty()), "{code} has no hint");
        // What is written has a place, and what has a place is shown with a caret below it.
        let placed = sentence.contains(" at mesh.yml:");
        assert_eq!(
            problem.facts().iter().any(|fact| fact.trim_start().starts_with("| ") && fact.contains('^')),
            placed
        );
    }
}

#[test]
fn every_code_of_the_mesh_file_is_produced() {
    let mut produced: BTreeSet<Code> = refused().into_iter().map(|(code, ..)| code).collect();
    let (_, findings) = read(&and("intermediate: { lifetime: 21d, renewBefore: 8d }")).unwrap();
    produced.extend(findings.iter().map(|finding| finding.problem.code()));
    let ours: Vec<Code> = Code::ALL.iter().copied().filter(|code| code.area() == Area::MeshFile).collect();
    let missing: Vec<_> = ours.iter().filter(|code| !produced.contains(code)).collect();
    assert!(missing.is_empty(), "no case produces {missing:?}");
}

#[test]
fn the_base_keeps_every_rule() {
    let (mesh, findings) = read(BASE).unwrap();
    assert_eq!((mesh.clusters.len(), findings.len()), (4, 0));
}

#[test]
fn an_unknown_key_is_shown_with_a_caret_and_the_nearest_known_one() {
    let problem = only_problem(&and("intermediate:\n  renewbefore: 30d"));
    assert_eq!(problem.what(), "unknown key `renewbefore` at mesh.yml:20:3");
    assert_eq!(problem.facts(), ["   |", "20 |   renewbefore: 30d", "   |   ^ did you mean `renewBefore`?"]);
    assert_eq!(problem.advice(), Some("write `renewBefore`"));
    let far = only_problem(&and("chain: { colour: red }"));
    assert_eq!(far.advice(), Some("known here: `includeRoot`"));
}

#[test]
fn independent_problems_are_told_together_in_the_order_of_the_file() {
    let text = "mesh: m\nlead: x\nroot: { key: dsa }\nversion: 1\nclusters:\n  - { name: unknown, role: primary }\n  \
                - { name: a, role: remote, access: { directory: a } }\n";
    assert_eq!(
        codes(text),
        [
            Code::BadDuration,
            Code::KeyKindRefused,
            Code::AccessNotOne,
            Code::ClusterNamedUnknown,
            Code::RemoteWithoutPrimary
        ]
    );
}

#[test]
fn a_cluster_with_a_bad_name_is_not_called_unknown_as_well() {
    assert_eq!(codes(&BASE.replace("east", "East")), [Code::ClusterNameNotALabel]);
}

/// Both sides of each boundary: what is added to the base, and what is wrong with it.
#[test]
fn lifetimes_nest_to_the_second() {
    let nothing: &[Code] = &[];
    let saturdays = window("0 2 * * 6", "4h", "Etc/UTC");
    for (more, expected) in [
        ("root: { renewBefore: 395d }", nothing),
        ("root: { renewBefore: 394d23h59m59s }", &[Code::IssuingOutlivesRoot]),
        ("issuing: { renewBefore: 120d }", nothing),
        ("issuing: { renewBefore: 119d23h59m59s }", &[Code::IntermediateOutlivesIssuing]),
        ("issuing: { mode: none }\nroot: { renewBefore: 120d }", nothing),
        ("issuing: { mode: none }\nroot: { renewBefore: 119d23h59m59s }", &[Code::IntermediateOutlivesRoot]),
        ("workload: { maxTTL: 718h59m59s }", nothing),
        ("workload: { maxTTL: 719h }", &[Code::WorkloadOutlivesRenewal]),
        ("workload: { maxTTL: 695h }\nrotation: { jitter: 24h }", &[Code::WorkloadOutlivesRenewal]),
        ("workload: { maxTTL: 694h59m59s }\nrotation: { jitter: 24h }", nothing),
        ("intermediate: { renewBefore: 8d1s }", nothing),
        ("intermediate: { renewBefore: 8d }", &[Code::RenewalWithinAlert]),
        ("intermediate: { renewBefore: 9d }\nrotation: { jitter: 1d }", &[Code::RenewalWithinAlert]),
        ("intermediate: { renewBefore: 9d1s }\nrotation: { jitter: 1d }", nothing),
        (&format!("{saturdays}\nworkload: {{ maxTTL: 554h59m59s }}"), nothing),
        (&format!("{saturdays}\nworkload: {{ maxTTL: 555h }}"), &[Code::WorkloadOutlivesRenewal]),
        (&format!("{saturdays}\nintermediate: {{ renewBefore: 14d20h1s }}"), nothing),
        (&format!("{saturdays}\nintermediate: {{ renewBefore: 14d20h }}"), &[Code::RenewalWithinAlert]),
        ("intermediate: { lifetime: 30d1s }", nothing),
        ("intermediate: { lifetime: 30d }", &[Code::RenewBeforeTooLong]),
        ("issuing: { lifetime: 120d }", &[Code::RenewBeforeTooLong]),
        ("root: { lifetime: 730d }", &[Code::RenewBeforeTooLong]),
        ("workload: { maxTTL: 1s, margin: 0s }", nothing),
    ] {
        assert_eq!(codes(&and(more)), expected, "{more}");
    }
}

#[test]
fn short_intermediates_get_a_warning_where_long_ones_are_refused() {
    let (_, findings) = read(&and("intermediate: { lifetime: 21d, renewBefore: 8d }")).unwrap();
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!((finding.severity, finding.place.as_str()), (Severity::Warning, "mesh.yml:19:45"));
    assert_eq!(finding.problem.code(), Code::SevenDayAlertUnusable);
    assert!(finding.problem.what().contains("intermediate.lifetime 21d"), "{finding:?}");
    assert_eq!(codes(&and("intermediate: { lifetime: 21d1s, renewBefore: 8d }")), [Code::RenewalWithinAlert]);
    let (_, none) = read(&and("intermediate: { lifetime: 21d, renewBefore: 8d1s }")).unwrap();
    assert!(none.is_empty(), "a short life whose renewal still precedes the alert is fine: {none:?}");
}

#[test]
fn the_most_that_is_allowed_is_allowed() {
    assert!(codes(&and("rotation: { observe: 1024, write: 1, removeAfter: 0s, deadline: 1s }")).is_empty());
    assert!(codes(&and("rotation: { canary: control }")).is_empty());
    assert!(codes(&with("mesh: m", &format!("mesh: {}", "m".repeat(51)))).is_empty());
    assert_eq!(codes(&with("mesh: m", &format!("mesh: {}", "m".repeat(52)))), [Code::BadValue], "`… root` has 57");
    assert_eq!(codes(&with("mesh: m", &format!("mesh: {}", "m".repeat(64)))), [Code::BadMeshName]);
    let label = "e".repeat(63);
    assert!(codes(&BASE.replace("east", &label)).is_empty());
    assert_eq!(codes(&BASE.replace("east", &format!("{label}e"))), [Code::ClusterNameNotALabel]);
}

#[test]
fn ten_thousand_clusters_of_every_key_are_read() {
    let list: String = (0..MOST_CLUSTERS)
        .map(|i| {
            format!(
                "- {{ name: c{i}, network: n{i}, role: primary, namespace: istio-system, state: member, access: \
                 {{ kubeconfig: k, context: c{i} }}, istiod: {{ assumeLoadedAfter: 10m, addresses: ['c{i}:15012'], \
                 metrics: ['http://c{i}'], multiRoot: true, clientCertAuth: true, restart: true }}, trustBundle: \
                 {{ configMap: istio-ca-root-cert }} }}\n"
            )
        })
        .collect();
    let text = format!("version: 1\nmesh: m\nclusters:\n{list}");
    assert!(text.len() < LARGEST);
    assert_eq!(read(&text).unwrap().0.clusters.len(), MOST_CLUSTERS);
}

#[test]
fn thousands_of_problems_are_told_in_good_time() {
    let remotes: String = (0..MOST_CLUSTERS)
        .map(|i| format!("- {{ name: c{i}, role: remote, primary: x, access: {{ directory: d{i} }} }}\n"))
        .collect();
    let found = codes(&format!("version: 1\nmesh: m\nclusters:\n{remotes}"));
    assert_eq!(found, vec![Code::PrimaryUnknown; MOST_CLUSTERS]);
}

#[test]
fn one_place_serves_one_cluster() {
    let two = |one: &str, other: &str| {
        codes(&format!(
            "version: 1\nmesh: m\nclusters:\n  - {{ name: a, role: primary, {one} }}\n  \
             - {{ name: b, role: primary, {other} }}\n"
        ))
    };
    let shared = [Code::AccessShared];
    assert_eq!(two("access: { directory: x }", "access: { directory: ./x/ }"), shared);
    assert_eq!(two("access: { directory: x }", "access: { manifest: y/../x }"), shared);
    assert_eq!(two("access: { kubeconfig: k, context: c }", "access: { kubeconfig: ./k, context: c }"), shared);
    assert_eq!(two("access: { inCluster: true }", "access: { inCluster: true }"), shared);
    assert!(two("access: { kubeconfig: k, context: c }", "access: { kubeconfig: k, context: d }").is_empty());
    assert!(two("access: { kubeconfig: k }", "namespace: other, access: { kubeconfig: k }").is_empty());
    assert!(two("access: { inCluster: true }", "namespace: other, access: { inCluster: true }").is_empty());
}

#[test]
fn the_place_of_the_other_value_is_told() {
    let problem = only_problem(&and("  - { name: east, role: primary, access: { directory: x } }"));
    assert_eq!(problem.facts().last().map(String::as_str), Some("the other one at mesh.yml:4:11"));
}

#[test]
fn paths_are_joined_to_the_folder_of_the_file() {
    let text = with("{ directory: east }", "{ directory: ./clusters/east }");
    let (mesh, _) = parse(&text, Path::new("/etc/meshca/mesh.yaml")).unwrap();
    assert_eq!(mesh.material, Path::new("/etc/meshca/material"));
    assert_eq!(mesh.records, Records::Folder(PathBuf::from("/etc/meshca/records")));
    assert_eq!(mesh.clusters[0].access, Access::Directory(PathBuf::from("/etc/meshca/clusters/east")));
    let (here, _) = read(&and("material: /var/keys\nrecords: stdout")).unwrap();
    assert_eq!((here.material.as_path(), here.records), (Path::new("/var/keys"), Records::Stdout));
    assert_eq!(read(&and("material: .")).unwrap().0.material, Path::new("."));
}

#[test]
fn defaults_are_those_of_the_example() {
    let (mesh, _) = read(BASE).unwrap();
    let (example, _) = read(EXAMPLE).unwrap();
    assert_eq!((mesh.root.organization.as_str(), mesh.root.common_name.as_str()), ("m", "m root"));
    assert_eq!(mesh.trust_domain, example.trust_domain);
    assert_eq!((mesh.material, mesh.records, mesh.lead), (example.material, example.records, example.lead));
    assert_eq!(
        (mesh.root.tier, mesh.issuing, mesh.intermediate),
        (example.root.tier, example.issuing, example.intermediate)
    );
    assert_eq!((mesh.workload, mesh.include_root, mesh.lab), (example.workload, example.include_root, example.lab));
    let canary = ClusterName::parse("berlin");
    assert_eq!(meshca::mesh::fleet::Rotation { canary, ..mesh.rotation }, example.rotation);
}

#[test]
fn the_example_file_has_every_topology_and_every_access() {
    let (mesh, findings) = parse(EXAMPLE, Path::new("mesh.yaml")).unwrap();
    assert!(findings.is_empty());
    let cluster = |name| mesh.cluster(&ClusterName::parse(name).unwrap()).unwrap();
    assert_eq!(cluster("berlin").istiod.assume_loaded_after, Some(Duration::minutes(10)));
    let context = Some("ohio".to_owned());
    assert_eq!(cluster("ohio").access, Access::Kubeconfig { path: PathBuf::from("kubeconfig"), context });
    assert_eq!(cluster("oregon").trust_bundle, TrustBundle::ClusterTrustBundle("istio.io:istiod-ca:root".to_owned()));
    assert_eq!(cluster("control").role, Role::External { config_cluster: cluster("edge").name.clone() });
    assert_eq!(mesh.signer_of(cluster("edge")), Some(cluster("control")));
    assert_eq!((&cluster("control").access, &cluster("lima").state), (&Access::InCluster, &Membership::Leaving));
    assert!(matches!(&cluster("tokyo").state, Membership::Excluded { reason, .. } if reason.contains("moved")));
}

#[test]
fn the_example_file_shows_every_key() {
    for (key, ..) in rows() {
        let last = key.rsplit('.').next().unwrap().trim_end_matches("[]");
        assert!(EXAMPLE.contains(&format!("{last}:")), "docs/reference/mesh.example.yaml does not show `{key}`");
    }
}

#[test]
fn words_that_yaml_might_turn_into_something_else_stay_words() {
    for word in ["007", "no", "true", "1e3", "0x1f", "on"] {
        let text = BASE.replace("east", word);
        let (mesh, _) = read(&text).unwrap();
        assert_eq!(mesh.clusters[0].name.as_str(), word);
        assert_eq!(mesh.clusters[1].role, Role::Remote { primary: mesh.clusters[0].name.clone() });
    }
    assert_eq!(codes(&BASE.replace("name: east", "name:")), [Code::ClusterWithoutName, Code::PrimaryUnknown]);
}

#[test]
fn pins_are_read_as_openssl_prints_them() {
    let pin = "8F:0C:".repeat(16);
    let (mesh, _) = read(&and(&format!("root: {{ trusted: ['{}'] }}", pin.trim_end_matches(':')))).unwrap();
    assert_eq!(mesh.root.trusted[0].to_string(), "8f0c".repeat(16));
}

#[test]
fn a_byte_order_mark_and_foreign_line_ends_move_no_column() {
    let text = format!("\u{feff}{}", BASE.replace('\n', "\r\n"));
    assert!(codes(&text).is_empty());
    assert_eq!(
        only_problem(&text.replace("mesh: m", "mesh: a b")).what(),
        "the mesh cannot be named `a b` at mesh.yml:2:7"
    );
    assert_eq!(only_problem(&text.replace("version", "verzion")).what(), "unknown key `verzion` at mesh.yml:1:1");
}

#[test]
fn hostile_text_is_refused_and_soon() {
    let bomb: String = std::iter::once("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned())
        .chain((1..12).map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", "))))
        .collect();
    // Inside a known key, where aliases are really replayed.
    let trusted = format!("root:\n  trusted: [&a x{}]\n", ", *a".repeat(100_001));
    let windows: String = (0..100_001).map(|_| "*w, ").collect();
    let windows = format!("rotation: {{ windows: [&w {{ cron: a, duration: 1h, timeZone: b }}, {windows}] }}");
    for (text, expected) in [
        ("\0".to_owned(), Code::MeshFileSyntax),
        (with("mesh: m", "mesh: m\0"), Code::MeshFileSyntax),
        (with("    role", "\trole"), Code::MeshFileSyntax),
        ("[".repeat(1_000_000), Code::MeshFileSyntax),
        ((0..2_000).map(|i| format!("{}- \n", " ".repeat(i))).collect(), Code::MeshFileSyntax),
        (format!("root: {}", "{a: ".repeat(100)), Code::UnknownKey),
        (and(&bomb), Code::UnknownKey),
        (and(&trusted), Code::MeshFileTooLarge),
        (and(&windows), Code::MeshFileTooLarge),
        (and("root: &r { subject: *r }"), Code::MeshFileSyntax),
        (and("root: *nothing"), Code::MeshFileSyntax),
        (with("mesh: m", "mesh: \"\\e[31mred\""), Code::BadMeshName),
        ("a".repeat(5 * 1024 * 1024), Code::MeshFileTooLarge),
        (and(&format!("lead: {}", "-".repeat(1_000_000))), Code::BadDuration),
        (and(&format!("records: \"{}\\e[31m\"", "r".repeat(1_000_000))), Code::BadValue),
        (format!("? {}\n: x", "k".repeat(100_000)), Code::UnknownKey),
        ("mesh: b: c".to_owned(), Code::MeshFileSyntax),
        ("- a".to_owned(), Code::MeshFileSyntax),
        ("hello".to_owned(), Code::MeshFileSyntax),
    ] {
        let start: String = text.chars().take(60).collect();
        let problems = read(&text).expect_err(&start);
        assert_eq!(problems[0].code(), expected, "{start:?}: {problems:?}");
        for problem in problems {
            let words = problem.facts().iter().map(String::as_str).chain([problem.what()]);
            let shown: String = words.collect();
            assert!(!shown.contains(char::is_control), "{shown:?} would steer a terminal");
            assert!(shown.chars().count() < 2_000, "{start:?} is answered with {} characters", shown.len());
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_change_of_a_good_file_makes_the_parser_panic(at in 0..EXAMPLE.len(), piece in "[-\\[\\]{}:,&*!|>'\"#\\t\\n 0-9a-z]{0,6}") {
        let mut text = EXAMPLE.to_owned();
        text.replace_range(at..at + 1, &piece);
        let _ = read(&text);
    }

    #[test]
    fn no_value_makes_the_rules_panic(value in "[-0-9a-zA-Z.:/~]{0,24}") {
        for key in ["lead", "material", "trustDomain"] {
            let _ = read(&and(&format!("{key}: '{value}'")));
        }
        let _ = read(&BASE.replace("directory: east", &format!("directory: '{value}'")));
        let _ = read(&BASE.replace("    role: primary", &format!("    role: primary\n    state: excluded\n    reason: x\n    until: '{value}'")));
    }

    #[test]
    fn every_length_is_read_back_as_it_was_written(seconds in 0_i64..=3_155_760_000) {
        let length = Duration::seconds(seconds);
        prop_assert_eq!(meshca::mesh::span::parse(&meshca::mesh::span::format(length)), Ok(length));
    }
}

// ---------------------------------------------------------------- the schema and the page

const REMAKE: &str = "cargo test --test mesh_file remake_the_schema -- --ignored";

fn schema_text() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).unwrap();
    text.push('\n');
    text
}

/// Every key with its type, default and meaning, as the reference page shows them.
fn rows() -> Vec<(String, String, String, String)> {
    fn collect(prefix: &str, schema: &Value, rows: &mut Vec<(String, String, String, String)>) {
        for (name, key) in schema["properties"].as_object().into_iter().flatten() {
            let required = schema["required"].as_array().is_some_and(|list| list.contains(&Value::from(name.as_str())));
            let path = format!("{prefix}{name}");
            let inside = if key["type"] == "array" { &key["items"] } else { key };
            let nested = inside["properties"].is_object();
            let default = match &key["default"] {
                _ if required => "required".to_owned(),
                Value::Null => "–".to_owned(),
                _ if nested && key["type"] != "array" => "–".to_owned(),
                Value::String(text) => format!("`{text}`"),
                other => format!("`{other}`"),
            };
            let meaning = key["description"].as_str().unwrap_or_default().replace('\n', " ");
            rows.push((path.clone(), kind(key), default, meaning));
            let list = if key["type"] == "array" { "[]" } else { "" };
            collect(&format!("{path}{list}."), inside, rows);
        }
    }

    fn kind(key: &Value) -> String {
        if let Some(words) = key["enum"].as_array() {
            let words: Vec<_> = words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
            return words.join(", ");
        }
        let is = |name: &str| {
            key["type"] == name || key["type"].as_array().is_some_and(|types| types.contains(&name.into()))
        };
        if is("array") {
            format!("list of {}", kind(&key["items"]))
        } else if key["pattern"].is_string() {
            "length of time".to_owned()
        } else if is("string") {
            "text".to_owned()
        } else if is("boolean") {
            "true or false".to_owned()
        } else if is("integer") {
            "number".to_owned()
        } else {
            assert!(is("object"), "a kind of key that the page has no word for: {key}");
            "keys".to_owned()
        }
    }

    let mut rows = Vec::new();
    collect("", &schema(), &mut rows);
    rows
}

fn table() -> String {
    let mut table = "| Key | Type | Default | Meaning |\n|---|---|---|---|\n".to_owned();
    for (key, kind, default, meaning) in rows() {
        table.push_str(&format!("| `{key}` | {kind} | {default} | {meaning} |\n"));
    }
    table
}

/// The page as it should be: its own words, with the table between the two marks.
fn page() -> String {
    let begin = PAGE.find("<!-- keys: begin").unwrap();
    let begin = begin + PAGE[begin..].find("-->\n").unwrap() + 4;
    let end = PAGE.find("<!-- keys: end").unwrap();
    format!("{}\n{}\n{}", &PAGE[..begin], table(), &PAGE[end..])
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    assert!(SCHEMA == schema_text(), "docs/reference/mesh-file.schema.json is out of date; remake it: {REMAKE}");
}

#[test]
fn the_reference_page_has_every_key_with_its_default_and_no_other() {
    assert!(PAGE == page(), "docs/reference/mesh-file.md is out of date; remake its table: {REMAKE}");
}

#[test]
fn the_reference_page_names_only_codes_that_exist() {
    let (_, rules) = PAGE.split_once("## The rules").unwrap();
    let (rules, _) = rules.split_once("Not checked").unwrap();
    for row in rules.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Rule")) {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for code in cell.split('`').skip(1).step_by(2).filter(|word| !word.contains('.')) {
            assert!(Code::ALL.iter().any(|known| known.as_str() == code), "{code} is not a code");
        }
    }
}

#[test]
#[ignore = "writes the schema and the table of docs/reference/mesh-file: cargo test --test mesh_file remake -- --ignored"]
fn remake_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    std::fs::write(folder.join("mesh-file.schema.json"), schema_text()).unwrap();
    std::fs::write(folder.join("mesh-file.md"), page()).unwrap();
}
