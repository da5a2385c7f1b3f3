//! Stories about publishing and rotating, told by the real program on folders and manifests, and judged by OpenSSL and
//! by what istiod would do.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a story that cannot go on is a failed test")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use support::judges::{self, istiod_judge, openssl};
use support::snapshot::{mode, private_keys, snapshot};
use support::story::{FILES, Said, Story, lab, later, meshca, seconds, sound};
use time::{Duration, OffsetDateTime};

const NEW_YEAR: &str = "2027-01-01T00:00:00Z";

/// The moment until which what the quickstart made just now certainly holds, and from which it did.
fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// A lab of two clusters whose first intermediates were published at this moment.
fn published(more: &str, clusters: &[&str], at: &str) -> Story {
    let story = Story::new(&lab("shop", more, clusters)).founded("shop", at);
    story.with_passphrase(&format!("--at {at} issue")).fine();
    story.with_passphrase(&format!("--at {at} publish")).fine();
    story
}

/// When the intermediate that a folder shows ends, and a while before.
fn end(story: &Story, folder: &str) -> String {
    let path = story.path(folder).join("ca-cert.pem");
    let output = openssl(["x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", path.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().strip_prefix("notAfter=").unwrap().replace(' ', "T")
}

fn before_end(story: &Story, folder: &str, days: i64) -> String {
    later(&end(story, folder), Duration::days(-days))
}

// --- quickstart

#[test]
fn the_quickstart_makes_three_tiers_that_openssl_and_istiod_take() {
    let story = Story::quickstart();
    let at = OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap();
    let mut keys = BTreeSet::new();
    for cluster in ["east", "west"] {
        let folder = format!("lab/clusters/{cluster}");
        story.sound(&folder, now()).unwrap();
        assert_eq!(story.read(&format!("{folder}/cert-chain.pem")).matches("BEGIN CERTIFICATE").count(), 2);
        assert!(keys.insert(story.bytes(&format!("{folder}/ca-key.pem"))), "{cluster} shares a key");
        assert_eq!(mode(&story.path(&folder).join("ca-key.pem")), 0o600);
    }
    let folders = ["east", "west"].map(|cluster| story.path(&format!("lab/clusters/{cluster}")));
    for verdict in istiod_judge(&folders, &at) {
        for judge in ["start", "reload", "workload", "agent"] {
            assert_eq!(verdict[judge]["accepts"], true, "{judge}: {verdict}");
        }
    }
    assert_eq!(snapshot(&story.path("lab/clusters/remote")).len(), 0, "a remote got something");
}

#[test]
fn an_intermediate_is_in_its_cluster_and_nowhere_else_once_it_is_published() {
    let story = Story::quickstart();
    assert_eq!(private_keys(&story.path("lab/material/stock")), Vec::<std::path::PathBuf>::new());
    for cluster in ["east", "west"] {
        assert_eq!(private_keys(&story.path(&format!("lab/clusters/{cluster}"))).len(), 1);
    }
}

#[test]
fn a_second_rotate_touches_nothing() {
    let story = Story::quickstart();
    let before = snapshot(&story.path("lab"));
    story.with_passphrase("rotate").fine().saying("nothing is due");
    story.with_passphrase("publish").fine();
    assert_eq!(snapshot(&story.path("lab")), before);
}

#[test]
fn the_quickstart_refuses_a_folder_that_is_there_and_leaves_it() {
    let story = Story::new("");
    story.write("lab/mine", "mine");
    let before = snapshot(&story.path("lab"));
    let mut again = meshca();
    again.arg("quickstart").arg(story.path("lab"));
    Said::of(&judges::run(&mut again)).refused(1, "file-exists");
    assert_eq!(snapshot(&story.path("lab")), before);
}

// --- renewal

#[test]
fn of_clusters_minted_twenty_days_apart_only_the_due_one_is_renewed() {
    let story = Story::new(&lab("shop", "", &["east", "west", "north"])).founded("shop", NEW_YEAR);
    for (cluster, days) in [("east", 0), ("west", 20), ("north", 40)] {
        let at = later(NEW_YEAR, Duration::days(days));
        story.with_passphrase(&format!("--at {at} issue {cluster}")).fine();
        story.with_passphrase(&format!("--at {at} publish {cluster}")).fine();
    }
    for (renewed, days) in [("east", 60), ("west", 80), ("north", 100)] {
        let due = later(NEW_YEAR, Duration::days(days));
        let before = snapshot(story.path("").as_path());
        story
            .with_passphrase(&format!("--at {} rotate", later(&due, Duration::seconds(-1))))
            .fine()
            .saying("nothing is due");
        assert_eq!(snapshot(story.path("").as_path()), before, "{renewed}: one second early");
        let others: Vec<_> = ["east", "west", "north"].into_iter().filter(|it| *it != renewed).collect();
        let kept = others.iter().map(|it| snapshot(&story.path(&format!("clusters/{it}")))).collect::<Vec<_>>();
        let (old_set, old_subject) =
            (story.set(&format!("clusters/{renewed}")), story.subject(&format!("clusters/{renewed}")));
        story.with_passphrase(&format!("--at {due} rotate")).fine().saying("1 of 1 renewed");
        let new = story.set(&format!("clusters/{renewed}"));
        for (file, (old, new)) in FILES.iter().zip(old_set.iter().zip(&new)) {
            assert_eq!(old == new, *file == "root-cert.pem", "{renewed}: {file}");
        }
        assert_ne!(story.subject(&format!("clusters/{renewed}")), old_subject);
        story.sound(&format!("clusters/{renewed}"), seconds(&due)).unwrap();
        assert_eq!(end(&story, &format!("clusters/{renewed}")), later(&due, Duration::days(90)));
        let now = others.iter().map(|it| snapshot(&story.path(&format!("clusters/{it}")))).collect::<Vec<_>>();
        assert_eq!(now, kept, "{renewed}: another cluster was touched");
    }
}

#[test]
fn jitter_renews_earlier_and_never_later() {
    let clusters = ["a", "b", "c", "d", "e", "f"];
    let story = published("rotation: { jitter: 5d }", &clusters, NEW_YEAR);
    let due = later(NEW_YEAR, Duration::days(60));
    let early = later(&due, Duration::days(-5) - Duration::SECOND);
    story.with_passphrase(&format!("--at {early} rotate")).fine().saying("nothing is due");
    let middle = later(&due, Duration::hours(-60));
    let some = story.meshca(&format!("--at {middle} rotate --dry-run")).fine();
    let would = some.out.matches("renewal was due").count();
    assert!((1..clusters.len()).contains(&would), "spread over five days: {some:?}");
    story.with_passphrase(&format!("--at {due} rotate")).fine().saying("6 of 6 renewed");
}

#[test]
fn at_is_for_looking_and_for_labs() {
    let story = published("", &["east"], NEW_YEAR);
    story.write("mesh.yaml", story.read("mesh.yaml").replace("lab: true", "lab: false"));
    let before = snapshot(&story.path(""));
    let due = later(NEW_YEAR, Duration::days(60));
    story.meshca(&format!("--at {due} rotate --dry-run")).fine().saying("1 would be renewed");
    for command in ["rotate", "publish", "issue", "issuing create"] {
        story.meshca(&format!("--at {due} {command}")).refused(1, "bad-argument").saying("--dry-run");
    }
    assert_eq!(snapshot(&story.path("")), before);
}

#[test]
fn rotation_that_is_paused_waits_and_says_so() {
    let story = published("rotation: { paused: true }", &["east"], NEW_YEAR);
    let before = snapshot(&story.path(""));
    let said = story.with_passphrase(&format!("--at {} rotate", later(NEW_YEAR, Duration::days(61))));
    said.saying("1 waiting").saying("rotation is paused");
    let mut after = snapshot(&story.path(""));
    after.remove(std::path::Path::new("records/lock"));
    let mut before = before;
    before.remove(std::path::Path::new("records/lock"));
    assert_eq!(after, before);
}

#[test]
fn a_clock_before_what_is_in_use_mints_nothing() {
    let story = published("", &["east"], NEW_YEAR);
    let before = snapshot(&story.path(""));
    story.with_passphrase("--at 1970-01-01 rotate").refused(1, "clock-implausible").saying("hint: ");
    // The backdating is allowed for: a clock that is behind by that much is plausible, one second more is not.
    let behind = later(NEW_YEAR, Duration::minutes(-10));
    story.with_passphrase(&format!("--at {behind} rotate")).fine();
    story
        .with_passphrase(&format!("--at {} rotate", later(&behind, -Duration::SECOND)))
        .refused(1, "clock-implausible");
    assert_eq!(snapshot(&story.path("")), before);
}

// --- ceremonies

#[test]
fn stock_that_reaches_two_years_is_activated_in_turn_and_then_people_are_asked() {
    let mesh = lab("shop", "issuing: { mode: none }\nlead: 7d", &["east"]);
    let story = Story::new(&mesh).founded("shop", NEW_YEAR);
    story.write("stock", "another-passphrase-for-stock\n");
    let issue = format!("--at {NEW_YEAR} issue --until 2028-12-31");
    // The root's passphrase never seals the stock.
    story.with_passphrase(&issue).refused(1, "passphrase-needed").saying("--stock-passphrase-file");
    story.with_passphrase(&format!("{issue} --stock-passphrase-file stock")).fine();
    let laid = fs::read_dir(story.path("material/stock/east")).unwrap().count();
    assert!((12..=13).contains(&laid), "two years of sixty days each: {laid}");
    // The ceremony is over and the root key is gone.
    story.remove("material/root/g1/root-key.pem");
    story.meshca(&format!("--at {NEW_YEAR} publish --passphrase-file stock")).fine();
    for generation in 1..laid {
        let start = before_end(&story, "clusters/east", 30);
        let early = later(&start, -Duration::SECOND);
        story.meshca(&format!("--at {early} rotate --passphrase-file stock")).fine().saying("nothing is due");
        story.meshca(&format!("--at {start} rotate --passphrase-file stock")).fine().saying("activated");
        let subject = story.subject("clusters/east");
        assert!(subject.ends_with(&format!("g{}", generation + 1)), "{subject}");
        story.sound("clusters/east", seconds(&start)).unwrap();
    }
    assert_eq!(private_keys(&story.path("material")), Vec::<std::path::PathBuf>::new());
    let end_of_stock = end(&story, "clusters/east");
    let due = later(&end_of_stock, Duration::days(-30));
    let before = snapshot(&story.path("clusters"));
    let words = "the last safe day to begin arranging it is";
    let rotate = |at: &str| story.meshca(&format!("--at {at} rotate --passphrase-file stock"));
    // Arranging a ceremony takes the lead of 7 d: people are asked that long before the renewal is due.
    let asked = later(&due, Duration::days(-7));
    assert_eq!(rotate(&later(&asked, -Duration::SECOND)).code, Some(0));
    assert_eq!(rotate(&asked).saying("nothing is due").saying("ceremony-needed").code, Some(3));
    assert_eq!(rotate(&due).saying("1 need a ceremony").saying(words).code, Some(3));
    // workload.maxTTL and margin are 25 h, the lead is 7 d.
    let late = later(&end_of_stock, -(Duration::days(7) + Duration::hours(25)));
    assert_eq!(rotate(&later(&late, -Duration::SECOND)).saying(words).code, Some(3));
    assert_eq!(rotate(&late).saying(&format!("{words} {}", &late[..10])).code, Some(4));
    assert_eq!(snapshot(&story.path("clusters")), before);
}

#[test]
fn a_dying_issuing_ca_makes_no_churn_and_its_successor_takes_over() {
    let story = published("issuing: { lifetime: 200d, renewBefore: 120d }", &["east"], NEW_YEAR);
    // 60 and 120 days on, renewal is worth it: the second one ends with the issuing CA, on day 200.
    // From day 80 on, a ceremony for the next issuing CA is due.
    for (day, code) in [(60, 0), (120, 3)] {
        let at = later(NEW_YEAR, Duration::days(day));
        let said = story.with_passphrase(&format!("--at {at} rotate")).saying("1 of 1 renewed");
        assert_eq!(said.code, Some(code), "{said:?}");
    }
    assert_eq!(end(&story, "clusters/east"), later(NEW_YEAR, Duration::days(200)));
    let kept = snapshot(&story.path("clusters"));
    for day in [170, 180, 199] {
        let at = later(NEW_YEAR, Duration::days(day));
        let said = story.with_passphrase(&format!("--at {at} rotate")).saying("1 need a ceremony");
        assert_eq!(said.code, Some(4), "its last safe day has passed: {said:?}");
        assert_eq!(snapshot(&story.path("clusters")), kept, "churn on day {day}");
    }
    let at = later(NEW_YEAR, Duration::days(171));
    story.issuing_create(&at).saying("issuing CA g2");
    story.with_passphrase(&format!("--at {at} rotate")).fine().saying("1 of 1 renewed");
    story.sound("clusters/east", seconds(&at)).unwrap();
    // Long after the first issuing CA has ended, the set still leads to the same root.
    story.sound("clusters/east", seconds(&later(&at, Duration::days(60)))).unwrap();
    let chain = story.path("clusters/east/cert-chain.pem");
    let listed = openssl(["crl2pkcs7", "-nocrl", "-certfile", chain.to_str().unwrap()]).stdout;
    story.write("chain.p7", listed);
    let names = openssl(["pkcs7", "-print_certs", "-noout", "-in", story.path("chain.p7").to_str().unwrap()]).stdout;
    assert!(String::from_utf8_lossy(&names).contains("shop issuing g2"), "{}", String::from_utf8_lossy(&names));
}

#[test]
fn a_renewal_is_worth_a_quarter_of_a_lifetime_and_not_a_second_less() {
    // Renewed on day 60, the intermediate may live to day 150, or to the end of its issuing CA, which the root clamps.
    for (days, worth_it) in [(90 + 23, true), (90 + 22, false)] {
        let more = format!(
            "issuing: {{ lifetime: {days}d, renewBefore: 99d }}\nintermediate: {{ lifetime: 90d, renewBefore: 30d }}\nlead: 9d"
        );
        let story = published(&more, &["east"], NEW_YEAR);
        let at = later(NEW_YEAR, Duration::days(60));
        let said = story.with_passphrase(&format!("--at {at} rotate"));
        // 22.5 days are a quarter of 90.
        assert_eq!(said.out.contains("1 of 1 renewed"), worth_it, "{days}: {said:?}");
    }
}

// --- manifests

fn manifest_mesh() -> Story {
    let text =
        lab("shop", "", &["east", "west"]).replace("directory: ./clusters/east", "manifest: ./manifests/east.yaml");
    Story::new(&text.replace("directory: ./clusters/west", "manifest: ./manifests/west.yaml")).founded("shop", NEW_YEAR)
}

/// Takes a manifest apart with an independent reader of YAML, into a folder of four files.
fn unpack(story: &Story, manifest: &str, folder: &str) {
    let script = "import base64, json, re, sys\n\
                  text = open(sys.argv[1]).read()\n\
                  try:\n    import yaml\n    it = yaml.safe_load(text)\n    data = it['data']\n    assert it['kind'] == 'Secret' and it['type'] == 'Opaque' and it['metadata']['name'] == 'cacerts'\n\
                  except ImportError:\n    data = dict(re.findall(r'^  ([a-z-]+\\.pem): *\"?([A-Za-z0-9+/=]+)\"?$', text, re.M))\n\
                  for name, value in data.items(): open(sys.argv[2] + '/' + name, 'wb').write(base64.b64decode(value, validate=True))\n";
    fs::create_dir_all(story.path(folder)).unwrap();
    let mut python = Command::new(judges::program("python3"));
    let output = judges::run(python.args(["-c", script]).arg(story.path(manifest)).arg(story.path(folder)));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_manifest_is_a_secret_that_others_can_read_and_is_replaced_as_a_whole() {
    let story = manifest_mesh();
    story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
    story.with_passphrase(&format!("--at {NEW_YEAR} publish")).fine();
    unpack(&story, "manifests/east.yaml", "unpacked");
    sound(&story.path("unpacked"), seconds(NEW_YEAR)).unwrap();
    assert_eq!(fs::read_dir(story.path("unpacked")).unwrap().count(), 4);
    assert_eq!(mode(&story.path("manifests/east.yaml")), 0o600);
    assert_eq!(mode(&story.path("manifests")), 0o700);

    let before = snapshot(&story.path(""));
    story.with_passphrase(&format!("--at {NEW_YEAR} rotate")).fine().saying("nothing is due");
    assert_eq!(snapshot(&story.path("")), before);
}

#[test]
fn a_manifest_is_renewed_when_due_and_not_before() {
    let story = manifest_mesh();
    story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
    story.with_passphrase(&format!("--at {NEW_YEAR} publish")).fine();
    let before = snapshot(&story.path(""));
    let due = later(NEW_YEAR, Duration::days(60));
    story.with_passphrase(&format!("--at {} rotate", later(&due, -Duration::SECOND))).fine();
    assert_eq!(snapshot(&story.path("")), before);
    story.with_passphrase(&format!("--at {due} rotate")).fine().saying("2 of 2 renewed");
    for cluster in ["east", "west"] {
        unpack(&story, &format!("manifests/{cluster}.yaml"), cluster);
        sound(&story.path(cluster), seconds(&due)).unwrap();
        assert_eq!(mode(&story.path(&format!("manifests/{cluster}.yaml"))), 0o600);
    }
    let names: Vec<_> = snapshot(&story.path("manifests")).into_keys().collect();
    assert_eq!(names, ["east.yaml", "west.yaml"].map(std::path::PathBuf::from));
}

#[test]
fn a_manifest_that_says_what_cannot_be_changed_is_left() {
    let story = manifest_mesh();
    story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
    story.with_passphrase(&format!("--at {NEW_YEAR} publish")).fine();
    let good = story.read("manifests/east.yaml");
    let cases = [
        (good.replace("type: Opaque", "type: kubernetes.io/tls"), "secret-type-fixed"),
        (format!("{good}immutable: true\n"), "secret-immutable"),
        (good.replace("ca-cert.pem:", "istio-generated: \"\"\n  ca-cert.pem:"), "istio-generated-secret"),
        (good.replace("kind: Secret", "kind: ConfigMap"), "secret-manifest-malformed"),
        (good.replace("meshca", "somebody"), "owned-by-somebody-else"),
        // Cut off in the middle of four characters of base64.
        (good[..good.find("ca-key.pem: ").unwrap() + 53].to_owned(), "secret-manifest-malformed"),
    ];
    let due = later(NEW_YEAR, Duration::days(60));
    for (text, code) in cases {
        assert_ne!(text, good, "{code}");
        story.write("manifests/east.yaml", &text);
        // The other cluster may be renewed meanwhile: one target never stops another.
        let said = story.with_passphrase(&format!("--at {due} rotate")).refused(1, code);
        assert!(!said.err.contains("LS0t"), "{said:?}");
        assert_eq!(story.read("manifests/east.yaml"), text, "{code}");
    }
}

// --- refusals

#[test]
fn a_set_that_somebody_else_wrote_is_never_overwritten() {
    for plain in [true, false] {
        let story = Story::new(&lab("shop", "", &["east", "west"])).founded("shop", NEW_YEAR);
        let other = published("", &["east"], NEW_YEAR);
        let set = other.set("clusters/east");
        let files: Vec<(&str, &[u8])> = FILES.into_iter().zip(set.iter().map(Vec::as_slice)).collect();
        if plain {
            for (name, bytes) in &files {
                story.write(&format!("clusters/east/{name}"), bytes);
            }
        } else {
            story.project("clusters/east", &files);
        }
        story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
        let before = snapshot(&story.path("clusters/east"));
        story
            .with_passphrase(&format!("--at {NEW_YEAR} publish"))
            .refused(1, "owned-by-somebody-else")
            .saying("hint: ");
        story.with_passphrase(&format!("--at {NEW_YEAR} rotate")).refused(1, "owned-by-somebody-else");
        assert_eq!(snapshot(&story.path("clusters/east")), before);
        story.sound("clusters/west", seconds(NEW_YEAR)).unwrap();
    }
}

#[test]
fn what_istiod_made_for_itself_is_left() {
    let story = published("", &["east"], NEW_YEAR);
    let data = fs::read_link(story.path("clusters/east/..data")).unwrap();
    story.write(&format!("clusters/east/{}/istio-generated", data.display()), "");
    std::os::unix::fs::symlink("..data/istio-generated", story.path("clusters/east/istio-generated")).unwrap();
    let before = snapshot(&story.path("clusters"));
    let at = later(NEW_YEAR, Duration::days(60));
    story.with_passphrase(&format!("--at {at} rotate")).refused(1, "istio-generated-secret");
    assert_eq!(snapshot(&story.path("clusters")), before);
}

#[test]
fn the_set_of_another_cluster_or_another_mesh_is_left() {
    let due = later(NEW_YEAR, Duration::days(60));
    let story = published("", &["east", "west"], NEW_YEAR);
    // The two folders change places.
    fs::rename(story.path("clusters/east"), story.path("clusters/aside")).unwrap();
    fs::rename(story.path("clusters/west"), story.path("clusters/east")).unwrap();
    fs::rename(story.path("clusters/aside"), story.path("clusters/west")).unwrap();
    let before = snapshot(&story.path("clusters"));
    let said = story.with_passphrase(&format!("--at {due} rotate"));
    assert_eq!((said.code, said.err.matches("error: owned-by-somebody-else").count()), (Some(1), 2), "{said:?}");
    assert_eq!(snapshot(&story.path("clusters")), before);

    let story = published("", &["east"], NEW_YEAR);
    let other = Story::new(&lab("other", "", &["east"])).founded("other", NEW_YEAR);
    fs::rename(story.path("clusters"), other.path("clusters")).unwrap();
    let before = snapshot(&other.path("clusters"));
    other
        .with_passphrase(&format!("--at {due} rotate"))
        .refused(1, "owned-by-somebody-else")
        .saying("found   mesh shop");
    assert_eq!(snapshot(&other.path("clusters")), before);
}

#[test]
fn an_istiod_that_runs_on_a_root_of_its_own_is_left() {
    let story = Story::new(&lab("shop", "", &["east", "west", "north"])).founded("shop", NEW_YEAR);
    let other = Story::new(&lab("other", "", &["east"])).founded("other", NEW_YEAR);
    story.write("clusters/east/istio-ca-root-cert/root-cert.pem", other.read("material/root/g1/root-cert.pem"));
    story.write("clusters/west/istio-ca-secret/ca-cert.pem", "");
    story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
    let before = snapshot(&story.path("clusters"));
    for command in ["publish", "rotate"] {
        let said = story.with_passphrase(&format!("--at {NEW_YEAR} {command}"));
        assert_eq!(said.code, Some(1), "{said:?}");
        assert_eq!(said.err.matches("error: already-running-under-another-root").count(), 2, "{said:?}");
    }
    let after = snapshot(&story.path("clusters")).into_iter().filter(|(path, _)| !path.starts_with("north")).collect();
    assert_eq!(before, after);
    story.sound("clusters/north", seconds(NEW_YEAR)).unwrap();
}

#[test]
fn a_set_that_somebody_deleted_is_made_again_where_istiod_still_hands_out_our_root() {
    let story = published("", &["east", "west"], NEW_YEAR);
    let root = story.read("material/root/g1/root-cert.pem");
    for cluster in ["east", "west"] {
        let folder = format!("clusters/{cluster}");
        fs::remove_dir_all(story.path(&folder)).unwrap();
        story.write(&format!("{folder}/istio-ca-root-cert/root-cert.pem"), &root);
    }
    // The istiod of west was restarted meanwhile, and has made itself a CA.
    story.write("clusters/west/istio-ca-secret/ca-cert.pem", "");
    let west = snapshot(&story.path("clusters/west"));
    let later = later(NEW_YEAR, Duration::days(1));
    story.with_passphrase(&format!("--at {later} rotate")).refused(1, "already-running-under-another-root");
    story.sound("clusters/east", seconds(&later)).unwrap();
    assert_eq!(story.read("clusters/east/root-cert.pem"), root);
    assert!(story.subject("clusters/east").ends_with("g2"), "the deleted key is not used again");
    assert_eq!(snapshot(&story.path("clusters/west")), west);
    // From stock as well.
    fs::remove_dir_all(story.path("clusters/east")).unwrap();
    story.write("clusters/east/istio-ca-root-cert/root-cert.pem", &root);
    story.with_passphrase(&format!("--at {later} issue east")).fine();
    story.with_passphrase(&format!("--at {later} publish east")).fine();
    story.sound("clusters/east", seconds(&later)).unwrap();
}

#[test]
fn a_set_of_ours_under_another_root_is_left() {
    let story = published("", &["east"], NEW_YEAR);
    // The same mesh name, founded a second time elsewhere.
    let again = Story::new(&lab("shop", "", &["east"])).founded("shop", NEW_YEAR);
    fs::rename(story.path("clusters"), again.path("clusters")).unwrap();
    let before = snapshot(&again.path("clusters"));
    let due = later(NEW_YEAR, Duration::days(60));
    again.with_passphrase(&format!("--at {due} rotate")).refused(1, "root-differs").saying("hint: ");
    again.with_passphrase(&format!("--at {due} issue")).fine();
    again.with_passphrase(&format!("--at {due} publish")).refused(1, "root-differs");
    assert_eq!(snapshot(&again.path("clusters")), before);
}

#[test]
fn a_remote_or_unknown_cluster_by_name_is_refused_before_anything_is_done() {
    let story = Story::quickstart();
    let before = snapshot(&story.path(""));
    for command in ["publish east", "issue"] {
        story.with_passphrase(&format!("{command} remote")).refused(1, "remote-gets-no-cacerts");
        story.with_passphrase(&format!("{command} nowhere")).refused(1, "unknown-cluster").saying("hint: ");
    }
    assert_eq!(snapshot(&story.path("")), before);
    assert_eq!(story.meshca("publish unknown").code, Some(2), "a name that no cluster can have is bad usage");
}

#[test]
fn a_cluster_that_is_named_twice_is_worked_on_once() {
    let story = published("", &["east", "west"], NEW_YEAR);
    story.with_passphrase(&format!("--at {NEW_YEAR} issue east west east")).fine();
    let stock = fs::read_dir(story.path("material/stock/east")).unwrap().count();
    assert_eq!(stock, 2, "one more generation of it");
    let said = story.with_passphrase(&format!("--at {NEW_YEAR} publish east east west east")).fine();
    assert_eq!(said.out.matches("generation 2").count(), 2, "{said:?}");
    story.sound("clusters/east", seconds(NEW_YEAR)).unwrap();
    assert_eq!(story.meshca(&format!("--at {NEW_YEAR} check east east")).fine().out.matches("istio-agent").count(), 1);
    story.with_passphrase(&format!("--at {NEW_YEAR} rotate")).fine();
}

#[test]
fn a_form_that_the_result_cannot_have_is_refused_before_anything_is_done() {
    let story = published("", &["east"], NEW_YEAR);
    let before = snapshot(&story.path(""));
    let due = later(NEW_YEAR, Duration::days(60));
    for command in ["rotate", "issue east", "publish", "issuing create"] {
        story.with_passphrase(&format!("--at {due} -o prometheus {command}")).refused(1, "bad-argument");
    }
    assert_eq!(snapshot(&story.path("")), before);
}

#[test]
fn stock_until_a_moment_that_has_passed_is_a_mistake_and_until_the_next_second_is_not() {
    let story = published("", &["east"], NEW_YEAR);
    let before = snapshot(&story.path(""));
    story.with_passphrase(&format!("--at {NEW_YEAR} issue --until {NEW_YEAR} east")).refused(1, "bad-argument");
    assert_eq!(snapshot(&story.path("")), before);
    let next = later(NEW_YEAR, Duration::SECOND);
    story.with_passphrase(&format!("--at {NEW_YEAR} issue --until {next} east")).fine();
}

#[test]
fn a_damaged_set_of_ours_is_made_whole_again() {
    let at = later(NEW_YEAR, Duration::DAY);
    type Damage = fn(&str) -> String;
    let damages: [(&str, Damage); 6] = [
        ("ca-cert.pem", |text| text[..text.len() / 2].to_owned()),
        ("ca-key.pem", |text| text[..text.len() / 2].to_owned()),
        ("ca-key.pem", |text| format!("{text}{text}")),
        ("cert-chain.pem", |text| text[..text.len() / 4].to_owned()),
        ("cert-chain.pem", |text| {
            let second = text.rfind("-----BEGIN").unwrap();
            format!("{}{}", &text[second..], &text[..second])
        }),
        ("root-cert.pem", |_| "nothing\n".to_owned()),
    ];
    let story = published("", &["east"], NEW_YEAR);
    for (file, damage) in damages {
        let path = format!("clusters/east/{file}");
        story.write(&path, damage(&story.read(&path)));
        let said = story.with_passphrase(&format!("--at {at} rotate")).fine().saying("1 of 1 renewed");
        assert!(!said.out.contains("PRIVATE") && !said.err.contains("PRIVATE"), "{said:?}");
        story.sound("clusters/east", seconds(&at)).unwrap_or_else(|why| panic!("{file}: {why}"));
    }
    for file in FILES {
        story.remove(&format!("clusters/east/{file}"));
        story.with_passphrase(&format!("--at {at} rotate")).fine().saying("1 of 1 renewed");
        story.sound("clusters/east", seconds(&at)).unwrap_or_else(|why| panic!("{file}: {why}"));
    }
}

#[test]
fn a_cluster_that_leaves_gets_nothing_unless_it_is_named() {
    let story = published("", &["east", "west"], NEW_YEAR);
    story.write("mesh.yaml", format!("{}    state: leaving\n", story.read("mesh.yaml")));
    let due = later(NEW_YEAR, Duration::days(60));
    let before = snapshot(&story.path("clusters/west"));
    story.with_passphrase(&format!("--at {due} rotate")).fine().saying("1 of 1 renewed").saying("leaving the mesh");
    story.with_passphrase(&format!("--at {due} issue west")).fine();
    story.with_passphrase(&format!("--at {due} publish")).fine();
    assert_eq!(snapshot(&story.path("clusters/west")), before);
    story.with_passphrase(&format!("--at {due} publish west")).fine().saying("replaced");
}

// --- canary

#[test]
fn when_the_canary_fails_no_other_is_written_and_otherwise_it_comes_first() {
    let due = later(NEW_YEAR, Duration::days(60));
    let story = published("rotation: { canary: west }", &["east", "west", "north"], NEW_YEAR);
    // Nothing can be created in the canary's folder: a folder lies where the new link is made.
    fs::create_dir(story.path("clusters/west/..data_tmp")).unwrap();
    let before = snapshot(&story.path("clusters"));
    let said = story.with_passphrase(&format!("--at {due} rotate")).refused(1, "file-unwritable").saying("held back");
    assert_eq!(said.out.matches("the canary failed").count(), 2, "{said:?}");
    assert_eq!(snapshot(&story.path("clusters")), before);
    story.sound("clusters/west", seconds(&due)).unwrap();
    fs::remove_dir(story.path("clusters/west/..data_tmp")).unwrap();
    story.with_passphrase(&format!("--at {due} rotate")).fine().saying("3 of 3 renewed");
    let ledger = story.read("records/ledger.jsonl");
    let done =
        ledger.lines().filter(|line| line.contains(r#""act":"publish","outcome":"done""#) && line.contains(&due[..10]));
    let order: Vec<_> =
        done.map(|line| line.split(r#""cluster":""#).nth(1).unwrap().split('"').next().unwrap()).collect();
    assert_eq!((order.len(), order[0]), (3, "west"), "{ledger}");
}

#[test]
fn counters_go_on_from_run_to_run_and_begin_anew_where_the_status_is_lost() {
    let day = |days| later(NEW_YEAR, Duration::days(days));
    let story = published("", &["east", "west"], NEW_YEAR);
    let tick = |at: &str| story.with_passphrase(&format!("--at {at} rotate --metrics-textfile m.prom"));
    let counts = |cluster: &str| {
        let text = story.read("m.prom");
        let told = |series: &str| {
            let series = series.replace('@', cluster);
            text.lines().find_map(|line| line.strip_prefix(&series)?.strip_prefix(' ')).map(str::to_owned)
        };
        [
            "meshca_rotations_total{cluster=\"@\",outcome=\"success\"}",
            "meshca_rotations_total{cluster=\"@\",outcome=\"failure\"}",
            "meshca_errors_total{cluster=\"@\",reason=\"write\"}",
            "meshca_errors_total{cluster=\"@\",reason=\"refuse\"}",
            "meshca_errors_total{cluster=\"@\",reason=\"observe\"}",
            "meshca_last_rotation_attempt_timestamp_seconds{cluster=\"@\"}",
        ]
        .map(|series| told(series).unwrap_or("-".to_owned()))
    };
    let wanted = |counts: [u32; 5], attempt: Option<&str>| -> [String; 6] {
        let attempt = attempt.map_or("-".to_owned(), |at| seconds(at).to_string());
        let mut all = counts.map(|count| count.to_string()).to_vec();
        all.push(attempt);
        all.try_into().unwrap()
    };
    tick(&day(1)).fine();
    assert_eq!(counts("east"), wanted([0; 5], None), "each is there at 0 before anything happened");
    // Nothing can be created in the folder of west: a folder lies where the new link is made.
    fs::create_dir(story.path("clusters/west/..data_tmp")).unwrap();
    tick(&day(60)).refused(1, "file-unwritable");
    tick(&day(61)).refused(1, "file-unwritable");
    assert_eq!(counts("east"), wanted([1, 0, 0, 0, 0], Some(&day(60))));
    assert_eq!(counts("west"), wanted([0, 2, 2, 0, 0], Some(&day(61))));
    // A report repeats it and counts nothing.
    story.meshca(&format!("--at {} report --quiet --metrics-textfile m.prom", day(61)));
    assert_eq!(counts("west"), wanted([0, 2, 2, 0, 0], Some(&day(61))));
    fs::remove_dir(story.path("clusters/west/..data_tmp")).unwrap();
    tick(&day(62)).fine();
    assert_eq!(counts("west"), wanted([1, 2, 2, 0, 0], Some(&day(62))));
    fs::remove_file(story.path("records/status.json")).unwrap();
    tick(&day(63));
    assert_eq!(counts("east"), wanted([0; 5], None), "the status that had counted is lost");
}

#[test]
fn publish_waits_for_what_can_be_known_and_says_where_nothing_can() {
    let mesh = lab("m1", "", &["east", "west"]).replacen("assumeLoadedAfter: 0s", "assumeLoadedAfter: 1s", 1);
    let mesh = mesh.replacen("    istiod: { assumeLoadedAfter: 0s }\n", "", 1);
    let story = Story::new(&mesh).founded("m1", NEW_YEAR);
    story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
    let said = story.with_passphrase(&format!("--at {NEW_YEAR} publish --wait=20s east"));
    said.fine().saying("loaded   assumed");
    let said = story.with_passphrase(&format!("--at {NEW_YEAR} publish --wait=20s west"));
    said.refused(1, "not-loaded").saying("loaded   none");
}

#[test]
fn a_fleet_is_renewed_in_parts_and_each_part_waits_for_the_canary() {
    let clusters = ["east", "west", "north", "south"];
    let story = Story::new(&lab("m1", "rotation: { canary: east }", &clusters)).founded("m1", NEW_YEAR);
    let held = || clusters.map(|name| story.path(&format!("clusters/{name}/ca-cert.pem")).exists());
    let rotate = |part: &str| story.with_passphrase(&format!("--at {NEW_YEAR} rotate {part}"));
    rotate("--shard 1/2").saying("the canary east comes first");
    assert_eq!(held(), [false; 4]);
    rotate("--shard 0/2").fine();
    assert_eq!(held(), [true, false, true, false]);
    assert!(!story.path("records/status.json").exists(), "a part is no status of the fleet");
    // As an Indexed Job says it.
    let mut command = story.command(&format!("--at {NEW_YEAR} rotate --shard 2 --passphrase-file passphrase"));
    Said::of(&judges::run(command.env("JOB_COMPLETION_INDEX", "1"))).fine();
    assert_eq!(held(), [true; 4]);
    let mut command = story.command(&format!("--at {NEW_YEAR} rotate --shard 2 --passphrase-file passphrase"));
    Said::of(&judges::run(command.env("JOB_COMPLETION_INDEX", "2"))).refused(1, "bad-argument");
    rotate("--shard 2").refused(1, "bad-argument").saying("JOB_COMPLETION_INDEX  is not set");
    assert_eq!(rotate("--shard 2/2").code, Some(2));
}
