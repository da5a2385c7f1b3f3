//! Stories about private keys in other hands, from the leak to its end, told by the real program on folders.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a story that cannot go on is a failed test"
)]

mod support;

use serde_json::Value;
use support::judges;
use support::snapshot::snapshot;
use support::story::{Said, Story, later, seconds};
use time::Duration;

const BEGIN: &str = "2027-01-01T00:00:00Z";
const CLUSTERS: [&str; 2] = ["east", "west"];

/// How long a workload certificate lives, with the margin: by default a day and an hour.
const BOUND: Duration = Duration::hours(25);

/// Windows that are shut whenever a story looks, but for its beginning: what goes on here goes on without them.
const SHUT: &str = "windows: [{ cron: '0 0 1 * *', duration: 1h, timeZone: Etc/UTC }]";

fn mesh_file(rotation: &str, more: &str) -> String {
    let mut text = format!(
        "version: 1\nmesh: shop\nlab: true\nintermediate: {{ lifetime: 180d, renewBefore: 60d }}\nissuing: {{ lifetime: 500d, renewBefore: 220d }}\n\
         rotation: {{ {rotation} }}\n{more}\nclusters:\n"
    );
    for cluster in CLUSTERS {
        text.push_str(&format!(
            "  - name: {cluster}\n    network: {cluster}\n    role: primary\n    access: {{ directory: ./clusters/{cluster} }}\n    \
             istiod: {{ assumeLoadedAfter: 0s, multiRoot: true }}\n"
        ));
    }
    text
}

/// A fleet on its first root, with maintenance windows.
fn founded() -> Story {
    let story = Story::new(&mesh_file(SHUT, "")).founded("shop", BEGIN);
    story.with_passphrase(&format!("--at {BEGIN} issue")).fine();
    story.with_passphrase(&format!("--at {BEGIN} publish")).fine();
    story
}

/// Says in the mesh file which keys leaked and which roots are pinned.
fn say(story: &Story, rotation: &str, leaked: &[&str], pins: &[&str]) {
    let more = format!("leaked: [{}]\nroot: {{ trusted: [{}] }}", leaked.join(", "), pins.join(", "));
    story.write("mesh.yaml", mesh_file(rotation, &more));
}

fn next_root(story: &Story, at: &str, passphrase: &str) -> Said {
    let mut create = story
        .command(&format!("--at {at} root create --next {passphrase} --next-passphrase-file passphrase --confirm"));
    Said::of(&judges::run(create.arg("shop root g2"))).fine()
}

fn sha(story: &Story, file: &str) -> String {
    let path = story.path(file);
    let said = judges::openssl(["x509", "-noout", "-fingerprint", "-sha256", "-in", path.to_str().unwrap()]);
    assert!(said.status.success(), "{file}");
    let text = String::from_utf8(said.stdout).unwrap();
    text.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase()
}

/// The only leak in a document, and what the finding of it says.
fn leak(said: &Said) -> Value {
    let document: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    assert_eq!(document["leaks"].as_array().unwrap().len(), 1, "{said:?}");
    document["leaks"][0].clone()
}

fn names(list: &Value) -> Vec<String> {
    let name = |it: &Value| it["cluster"].as_str().or(it.as_str()).unwrap().to_owned();
    list.as_array().unwrap().iter().map(name).collect()
}

/// What report and a dry run of `rotate` say of the leak at this moment, which must be the same; and that both, and
/// `check`, are as loud as they should be.
fn told(story: &Story, at: &str, is_critical: bool) -> Value {
    let reported = story.meshca(&format!("--at {at} report -o json")).fine();
    let planned = story.meshca(&format!("--at {at} rotate --dry-run -o json"));
    let checked = story.meshca(&format!("--at {at} check -o json"));
    assert_eq!(leak(&reported), leak(&planned));
    let severity = if is_critical { "critical" } else { "warning" };
    assert_eq!(leak(&reported)["severity"], severity);
    let exit = Some(if is_critical { 4 } else { 3 });
    assert_eq!((planned.code, checked.code), (exit, exit), "{planned:?} {checked:?}");
    let findings: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!(
        (&findings["findings"][0]["code"], &findings["findings"][0]["severity"]),
        (&"key-leaked".into(), &severity.into())
    );
    let words = story.meshca(&format!("--at {at} report"));
    let first = words.out.lines().find(|line| line.starts_with("critical") || line.starts_with("warning")).unwrap();
    assert!(first.starts_with(&format!("{severity}: key-leaked: ")), "worst first: {words:?}");
    leak(&reported)
}

fn rotate(story: &Story, at: &str) -> Said {
    story.with_passphrase(&format!("--at {at} rotate"))
}

fn roots(story: &Story, cluster: &str) -> usize {
    story.read(&format!("clusters/{cluster}/root-cert.pem")).matches("BEGIN").count()
}

fn all_sound(story: &Story, at: &str) {
    CLUSTERS.iter().for_each(|cluster| story.sound(&format!("clusters/{cluster}"), seconds(at)).unwrap());
}

#[test]
fn a_leaked_root_is_walked_away_from_and_each_phase_says_who_is_protected_and_what_to_type() {
    let story = founded();
    let first = sha(&story, "material/root/g1/root-cert.pem");
    let leaked = later(BEGIN, Duration::days(10));
    assert_eq!(story.meshca(&format!("--at {leaked} check")).code, Some(0));
    say(&story, SHUT, &[&first], &[]);
    let phase = told(&story, &leaked, true);
    assert_eq!((&phase["phase"], &phase["nextCommand"]), (&"needs-root".into(), &"root create --next".into()));
    assert_eq!(
        (names(&phase["notProtected"]), names(&phase["protected"])),
        (vec!["east".into(), "west".into()], vec![])
    );
    let before = snapshot(&story.path("clusters"));
    assert_eq!(rotate(&story, &leaked).code, Some(4));
    assert_eq!(snapshot(&story.path("clusters")), before);

    // Its key is not needed for the next root, and its word would count for nothing.
    let made = next_root(&story, &leaked, "").saying("endorsed by none");
    let second = sha(&story, "material/root/g2/root-cert.pem");
    assert!(made.err.contains(&format!("trusted:\n    - {first}\n    - {second}")), "{made:?}");
    assert!(!story.path("material/root/g2/endorsement.txt").exists());
    let phase = told(&story, &leaked, true);
    assert_eq!(phase["phase"], "needs-pin");
    assert!(phase["next"].as_str().unwrap().starts_with(&format!("root.trusted: [{first}, {second}]")), "{phase}");
    let create = format!("--at {leaked} issuing create --issuing-passphrase-file passphrase");
    story.with_passphrase(&create).refused(1, "key-leaked").saying(&format!("root.trusted: [{first}, {second}]"));

    say(&story, SHUT, &[&first], &[&first, &second]);
    assert_eq!(told(&story, &leaked, true)["phase"], "needs-signer");
    story.issuing_create(&leaked);
    assert_eq!(told(&story, &leaked, true)["nextCommand"], "rotate");

    walk_to_the_end(&story, &leaked, &first, &second);
}

/// From two pinned roots to the end of the leak, through shut windows.
fn walk_to_the_end(story: &Story, leaked: &str, first: &str, second: &str) {
    let file = story.read("mesh.yaml");
    let (paused, before) = (file.replace("windows:", "paused: true, windows:"), snapshot(&story.path("clusters")));
    story.write("mesh.yaml", paused);
    rotate(story, leaked).saying("rotation is paused");
    assert_eq!(told(story, leaked, true)["next"], "set rotation.paused to false in the mesh file");
    assert_eq!(snapshot(&story.path("clusters")), before, "a pause holds");
    story.write("mesh.yaml", file);

    rotate(story, leaked).saying("it waits for no maintenance window");
    assert_eq!((roots(story, "east"), roots(story, "west")), (2, 2));
    all_sound(story, leaked);
    assert_eq!(told(story, leaked, true)["phase"], "trust");

    let sign = later(leaked, BOUND);
    let before = snapshot(&story.path("clusters"));
    rotate(story, &later(&sign, -Duration::SECOND));
    assert_eq!(snapshot(&story.path("clusters")), before, "a leak hurries no barrier");
    rotate(story, &sign);
    all_sound(story, &sign);
    let phase = told(story, &sign, true);
    assert_eq!((&phase["phase"], names(&phase["protected"])), (&"drain".into(), vec![]), "new signers protect nobody");

    let remove = later(&sign, BOUND);
    let phase = told(story, &remove, true);
    assert_eq!(phase["phase"], "needs-approval");
    assert_eq!(phase["nextCommand"], format!("rotate --approve-removal {first}"));
    story.with_passphrase(&format!("--at {remove} rotate --approve-removal {first}"));
    assert_eq!((roots(story, "east"), roots(story, "west")), (1, 1));
    all_sound(story, &remove);

    let over = later(&remove, BOUND);
    let phase = told(story, &later(&over, -Duration::SECOND), true);
    assert_eq!((&phase["phase"], names(&phase["protected"])), (&"renewing".into(), vec![]));
    let phase = told(story, &over, false);
    assert_eq!((&phase["phase"], names(&phase["protected"])), (&"over".into(), vec!["east".into(), "west".into()]));
    assert!(phase["next"].as_str().unwrap().starts_with("take "), "{phase}");

    story.write("mesh.yaml", mesh_file(SHUT, &format!("root: {{ trusted: [{second}] }}")));
    assert_eq!(story.meshca(&format!("--at {over} check")).code, Some(0));
    story.with_passphrase(&format!("--at {over} rotate")).fine().saying("nothing is due");
}

#[test]
fn a_leaked_issuing_ca_is_left_at_once_and_only_the_root_change_ends_the_leak() {
    let story = founded();
    let first = sha(&story, "material/root/g1/root-cert.pem");
    let issuing = sha(&story, "material/issuing/g1/issuing-cert.pem");
    let leaked = later(BEGIN, Duration::days(10));
    say(&story, SHUT, &[&issuing], &[]);
    assert_eq!(told(&story, &leaked, true)["phase"], "needs-root");
    story.with_passphrase(&format!("--at {leaked} issue east")).refused(1, "ceremony-needed").saying("signs nothing");
    let before = snapshot(&story.path("clusters"));
    rotate(&story, &leaked);
    assert_eq!(snapshot(&story.path("clusters")), before, "there is no other issuing CA");

    story.issuing_create(&leaked);
    rotate(&story, &leaked).saying("the key of its issuing CA is leaked").saying("it waits for no maintenance window");
    assert!(story.subject("clusters/east").contains("intermediate g2"));
    all_sound(&story, &leaked);
    let phase = told(&story, &leaked, true);
    assert_eq!(
        (&phase["phase"], names(&phase["protected"])),
        (&"needs-root".into(), vec![]),
        "nobody is protected by that"
    );

    // The root's own key is sound: it endorses the next one, and nothing needs a pin.
    next_root(&story, &leaked, "--passphrase-file passphrase").saying("endorsed by root g1");
    story.issuing_create(&leaked);
    let second = sha(&story, "material/root/g2/root-cert.pem");
    walk_to_the_end(&story, &leaked, &first, &second);
}

#[test]
fn stock_under_a_leaked_issuing_ca_is_brought_to_no_cluster() {
    let story = Story::new(&mesh_file(SHUT, "")).founded("shop", BEGIN);
    story.with_passphrase(&format!("--at {BEGIN} issue")).fine();
    let issuing = sha(&story, "material/issuing/g1/issuing-cert.pem");
    say(&story, SHUT, &[&issuing], &[]);
    story.with_passphrase(&format!("--at {BEGIN} publish")).saying("nothing-in-stock");
    assert!(!story.path("clusters/east/ca-cert.pem").exists());
    say(&story, SHUT, &[], &[]);
    story.with_passphrase(&format!("--at {BEGIN} publish")).fine();
    assert!(story.path("clusters/east/ca-cert.pem").exists());
}
