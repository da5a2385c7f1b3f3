//! A fleet behind real API servers that is renewed in parts by several processes, as an Indexed Job does it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a cluster that does not answer is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

#[path = "support/clusters/mod.rs"]
mod clusters;
#[path = "support/faults/mod.rs"]
mod faults;
mod support;

use clusters::{ApiServer, Clusters};
use faults::fleet::{MOMENT, at_once, copy_of, fleet, live, step};
use faults::watcher::Watcher;
use support::judges;
use support::story::{Said, Story};

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(2));

/// So many targets, in turn behind the one API server and the other.
const TARGETS: usize = 14;
/// So many processes.
const PARTS: usize = 4;

/// One target: the name of its cluster and its namespace, and the server behind which it lies.
type Place = (String, &'static ApiServer);

/// A lab of [`TARGETS`] clusters, published; its records go to standard output, as in a pod.
fn published(mesh: &str) -> (Story, Vec<Place>) {
    let places: Vec<Place> =
        (0..TARGETS).map(|number| (format!("{mesh}-{number}"), CLUSTERS.server(number % 2))).collect();
    let target = |(name, server): &Place| -> (String, String, PathBuf) {
        server.create_namespace(name);
        (name.clone(), name.clone(), server.kubeconfig("admin"))
    };
    let story = fleet(mesh, "60s", &places.iter().map(target).collect::<Vec<_>>());
    story.write("mesh.yaml", story.read("mesh.yaml").replace("lab: true\n", "lab: true\nrecords: stdout\n"));
    story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
    story.meshca(&format!("--at {MOMENT} publish --passphrase-file passphrase")).fine();
    (story, places)
}

/// One process for each part, each on a folder of its own as each pod has it; half of them learn their part as an Indexed
/// Job tells it.
fn in_parts(story: &Story, line: &str) -> Vec<Said> {
    let folders: Vec<Story> = (0..PARTS).map(|_| copy_of(story)).collect();
    let command = |(index, folder): (usize, &Story)| -> Command {
        if index % 2 == 0 {
            return folder.command(&format!("{line} --shard {index}/{PARTS}"));
        }
        let mut command = folder.command(&format!("{line} --shard {PARTS}"));
        command.env("JOB_COMPLETION_INDEX", index.to_string());
        command
    };
    at_once(folders.iter().enumerate().map(command).collect())
}

/// The clusters to which a run brought a set, by the records that it printed.
fn brought(said: &Said) -> Vec<String> {
    let entries = said.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let publishes = entries.filter(|it| it["act"] == "publish" && it["outcome"] == "done");
    publishes.map(|it| it["cluster"].as_str().unwrap().to_owned()).collect()
}

/// Of each target the version of its Secret.
fn versions(places: &[Place]) -> BTreeMap<String, Value> {
    let version =
        |(name, server): &Place| (name.clone(), live(server, name).unwrap()["metadata"]["resourceVersion"].clone());
    places.iter().map(version).collect()
}

#[test]
fn each_process_renews_its_own_part_and_together_they_renew_every_target_once() {
    let (story, places) = published("parts");
    let watchers: Vec<Watcher> = places.iter().map(|(name, server)| Watcher::start(server, name)).collect();
    assert!(watchers.iter().all(|it| it.versions().len() == 1));
    let due = step(1);
    let said = in_parts(&story, &format!("--at {due} rotate"));
    let mut all = BTreeSet::new();
    for (index, said) in said.into_iter().enumerate() {
        let said = said.fine();
        // In turn, in the order of the mesh file.
        let own: BTreeSet<String> = places.iter().skip(index).step_by(PARTS).map(|(name, _)| name.clone()).collect();
        let brought = brought(&said);
        assert_eq!(brought.iter().cloned().collect::<BTreeSet<_>>(), own, "part {index}: {said:?}");
        assert_eq!(brought.len(), own.len(), "none twice");
        all.extend(own);
    }
    assert_eq!(all.len(), TARGETS);
    for (watcher, (name, server)) in watchers.iter().zip(&places) {
        assert_eq!(watcher.all_sound(), 2, "{name}: the first set and its one renewal");
        assert_eq!(watcher.versions().len(), 2, "{name} was written once");
        assert_eq!(live(server, name).unwrap()["metadata"]["annotations"]["meshca.io/generation"], "2");
    }
    // Nothing is left for the same parts, nor for a run over all.
    let before = versions(&places);
    in_parts(&story, &format!("--at {due} rotate")).into_iter().for_each(|said| drop(said.fine()));
    story.meshca(&format!("--at {due} rotate")).fine();
    assert_eq!(versions(&places), before);
}

#[test]
fn a_change_of_root_is_taken_up_by_the_run_over_all_and_by_no_part() {
    let (story, places) = published("stages");
    let mut create = story.command(&format!(
        "--at {MOMENT} root create --next --passphrase-file passphrase --next-passphrase-file passphrase --confirm"
    ));
    Said::of(&judges::run(create.arg("stages root g2"))).fine();
    story.issuing_create(MOMENT);
    let before = versions(&places);
    for said in in_parts(&story, &format!("--at {MOMENT} rotate")) {
        let said = said.saying("a root change goes on in a run over the whole fleet, without --shard");
        assert!(brought(&said).is_empty(), "{said:?}");
    }
    assert_eq!(versions(&places), before, "a part takes no step of a root change");
    // The one reader of all does, for all.
    let said = story.meshca(&format!("--at {MOMENT} rotate"));
    let names: BTreeSet<String> = places.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(brought(&said).into_iter().collect::<BTreeSet<_>>(), names, "{said:?}");
    for (name, server) in &places {
        let secret = live(server, name).unwrap();
        assert_eq!(roots(&secret), 2, "{name} trusts both roots");
    }
    // Nor does a part take a further step, or go back.
    let trusting = versions(&places);
    let said = in_parts(&story, &format!("--at {MOMENT} rotate"));
    assert!(said.iter().all(|said| brought(said).is_empty()), "{said:?}");
    assert_eq!(versions(&places), trusting);
}

/// How many certificates are in the trust bundle of a Secret.
fn roots(secret: &Value) -> usize {
    use base64::Engine as _;
    let bundle = secret["data"]["root-cert.pem"].as_str().unwrap();
    let bundle = base64::engine::general_purpose::STANDARD.decode(bundle).unwrap();
    String::from_utf8(bundle).unwrap().matches("BEGIN CERTIFICATE").count()
}
