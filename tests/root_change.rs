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
    story.with_passphrase(&format!("--at {after} rotate --approve-removal {old}")).fine().saying("nothing is due");
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

/// Walks until every target signs under the second root, and says when that was.
fn signed(story: &Story, clusters: &[&str]) -> String {
    let trust = later(BEGIN, Duration::hours(1));
    tick(story, &trust).fine();
    let sign = later(&trust, BOUND);
    tick(story, &sign).fine();
    all_show(story, clusters, &["g1", "g2"], "g2", &sign);
    sign
}

fn approve(story: &Story, at: &str) -> Said {
    let old = fingerprint(story, "material/root/g1/root-cert.pem");
    story.with_passphrase(&format!("--at {at} rotate --approve-removal {old}"))
}

#[test]
fn report_metrics_and_documents_say_in_which_stage_the_fleet_is_and_who_holds_it_up() {
    let story = before_the_walk("", &["east", "west"]);
    let trust = later(BEGIN, Duration::hours(1));
    tick(&story, &trust).fine();
    let late = later(&trust, Duration::hours(2));
    story
        .meshca(&format!("--at {late} report"))
        .saying("stage Trust (1 of 4)")
        .saying("Sign cannot begin before: east, west");
    let metrics = story.meshca(&format!("--at {late} report -o prometheus")).out;
    for line in [
        "meshca_root_change_stage{stage=\"Trust\"} 1",
        "meshca_root_change_stage{stage=\"Sign\"} 0",
        "meshca_root_change_waits_for{cluster=\"west\"} 0",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    for command in ["report -o json", "rotate --dry-run -o json"] {
        let document: serde_json::Value =
            serde_json::from_str(&story.meshca(&format!("--at {late} {command}")).out).unwrap();
        let change = &document["rootChange"];
        assert_eq!((&change["stage"], &change["to"]["generation"]), (&"Trust".into(), &2.into()), "{command}");
        assert_eq!(change["waitsFor"][0]["cluster"], "east");
    }
}

#[test]
fn a_rehearsal_of_the_fleet_as_it_stands_knows_the_root_that_it_runs_on_and_the_next() {
    let story = before_the_walk("", &["east", "west"]);
    let rehearse = |at: &str| story.meshca(&format!("--at {at} rehearse --as-it-stands --for 60d -o json"));
    let rehearsed = |at: &str| {
        let document: serde_json::Value = serde_json::from_str(&rehearse(at).fine().out).unwrap();
        document["timeline"].as_array().unwrap().iter().map(|it| it["what"].to_string()).collect::<Vec<_>>()
    };
    let tells = |told: &[String], words: &str| told.iter().any(|it| it.contains(words));
    // The next root lies there, and nobody has gone a step: the walk begins, and goes to its end.
    let told = rehearsed(BEGIN);
    assert!(told[0].contains("as it stands: root g1 until") && told[0].contains(", root g2 until"), "{told:#?}");
    assert!(told[0].ends_with("2 of 2 clusters with an intermediate\""), "{told:#?}");
    assert!(tells(&told, "root change g1 to g2 is complete"), "{told:#?}");
    let sign = signed(&story, &["east", "west"]);
    rehearse(&sign).refused(1, "root-change-under-way").saying("rehearse when that has ended");
    let after = later(&sign, BOUND);
    approve(&story, &after).fine();
    let told = rehearsed(&after);
    assert!(told[0].contains("as it stands: root g2 until") && !tells(&told, "g1"), "{told:#?}");
    assert!(!tells(&told, "root change") && !tells(&told, "first intermediate"), "{told:#?}");
}

// --- back

#[test]
fn a_walk_goes_back_by_a_stage_stays_there_and_goes_forward_again() {
    let story = before_the_walk("", &CLUSTERS);
    let sign = signed(&story, &CLUSTERS);
    let back = later(&sign, Duration::hours(1));
    story.with_passphrase(&format!("--at {back} rollback --reason trial")).fine().saying("goes back to Trust");
    all_show(&story, &CLUSTERS, &["g1", "g2"], "g1", &back);

    let day = later(&back, Duration::days(3));
    let before = snapshot(&story.path("clusters"));
    tick(&story, &day).fine().saying("turned back to Trust");
    assert_eq!(snapshot(&story.path("clusters")), before, "it stays there");

    story.with_passphrase(&format!("--at {day} rollback --undo")).fine().saying("goes forward again");
    all_show(&story, &CLUSTERS, &["g1", "g2"], "g2", &day);
    approve(&story, &later(&day, BOUND)).fine();
    all_show(&story, &CLUSTERS, &["g2"], "g2", &later(&day, BOUND));
}

#[test]
fn a_walk_goes_back_to_where_it_began_only_when_nothing_of_the_new_root_lives() {
    let story = before_the_walk("", &["east", "west"]);
    let began = ["east", "west"].map(|cluster| story.bytes(&format!("clusters/{cluster}/root-cert.pem")));
    let sign = signed(&story, &["east", "west"]);
    let back = later(&sign, Duration::hours(1));
    story.with_passphrase(&format!("--at {back} rollback")).fine();
    let start = later(&back, BOUND);
    let early = later(&start, Duration::seconds(-1));
    story.with_passphrase(&format!("--at {early} rollback")).fine().saying("goes back to its start");
    all_show(&story, &["east", "west"], &["g1", "g2"], "g1", &early);
    tick(&story, &start).fine();
    all_show(&story, &["east", "west"], &["g1"], "g1", &start);
    let ended = ["east", "west"].map(|cluster| story.bytes(&format!("clusters/{cluster}/root-cert.pem")));
    assert_eq!(ended, began, "byte for byte");
    let before = snapshot(&story.path("clusters"));
    tick(&story, &later(&start, Duration::days(5))).fine();
    assert_eq!(snapshot(&story.path("clusters")), before, "it does not begin anew by itself");
}

#[test]
fn there_is_no_way_back_before_the_first_step_or_once_an_old_root_was_removed() {
    let story = before_the_walk("", &["east", "west"]);
    let at = |by| format!("--at {} rollback", later(BEGIN, by));
    story.with_passphrase(&at(Duration::minutes(1))).refused(1, "no-root-change");
    let sign = signed(&story, &["east", "west"]);
    approve(&story, &later(&sign, BOUND)).fine();
    let after = later(&sign, BOUND + Duration::hours(1));
    story.with_passphrase(&format!("--at {after} rollback")).refused(1, "no-root-change");
}

#[test]
fn once_one_cluster_has_lost_the_old_root_there_is_no_way_back() {
    let story = before_the_walk("rotation: { canary: west }", &["east", "west"]);
    let mut at = later(BEGIN, Duration::hours(1));
    for _ in 0..6 {
        tick(&story, &at);
        at = later(&at, BOUND);
    }
    approve(&story, &at).fine();
    all_show(&story, &["west"], &["g2"], "g2", &at);
    all_show(&story, &["east"], &["g1", "g2"], "g2", &at);
    story.with_passphrase(&format!("--at {at} rollback")).refused(1, "removal-begun").saying("west");
    // Approved once, it goes on without being asked again.
    tick(&story, &later(&at, Duration::hours(1))).fine();
    all_show(&story, &["east", "west"], &["g2"], "g2", &at);
}

#[test]
fn an_istiod_that_must_be_restarted_and_cannot_be_seen_is_waited_for_and_told_of_in_time() {
    let story = before_the_walk("", &["east", "west"]);
    story.write("mesh.yaml", lab("", &["east", "west"]).replacen("multiRoot: true", "multiRoot: false", 1));
    let trust = later(BEGIN, Duration::hours(1));
    tick(&story, &trust).fine();
    // One tick and an hour after it was written.
    let alarm = later(&trust, Duration::hours(25));
    tick(&story, &later(&alarm, Duration::seconds(-1))).fine().saying("only at a restart");
    let said = tick(&story, &alarm);
    assert_eq!(said.code, Some(3), "{said:?}");
    said.saying("warning: root-change-late: stage Trust waits for east");
    all_show(&story, &["east", "west"], &["g1", "g2"], "g1", &alarm);
}

// --- who is late, left out, or forgotten

#[test]
fn a_cluster_that_joins_in_mid_walk_is_brought_to_the_fleets_stage_and_holds_the_others_until_it_is_there() {
    let story = before_the_walk("", &["east", "west"]);
    let sign = signed(&story, &["east", "west"]);
    story.write("mesh.yaml", lab("", &["east", "west", "late"]));
    let join = later(&sign, Duration::hours(1));
    tick(&story, &join);
    let (roots, _) = shows(&story, "late");
    assert_eq!(roots, ["g1", "g2"], "it trusts what the others trust");
    // It has living certificates from under the old root for as long as it is younger than the bound.
    approve(&story, &later(&sign, BOUND));
    all_show(&story, &["east", "west"], &["g1", "g2"], "g2", &sign);
    let mut at = join;
    for _ in 0..4 {
        at = later(&at, BOUND);
        approve(&story, &at);
    }
    all_show(&story, &["east", "west", "late"], &["g2"], "g2", &at);
}

#[test]
fn a_cluster_that_cannot_be_read_holds_the_fleet_and_one_that_is_excluded_does_not() {
    let story = before_the_walk("", &CLUSTERS);
    tick(&story, &later(BEGIN, Duration::hours(1))).fine();
    let data = story.path("clusters/north/..data");
    let kept = std::fs::read_link(&data).unwrap();
    std::fs::remove_file(&data).unwrap();
    std::fs::create_dir(&data).unwrap();
    let sign = later(BEGIN, BOUND + Duration::hours(1));
    let said = tick(&story, &sign);
    assert!(said.out.contains("north"), "{said:?}");
    all_show(&story, &["east", "west"], &["g1", "g2"], "g1", &sign);
    let mesh = story.read("mesh.yaml");
    let excluded = "    state: excluded\n    reason: its API server is gone\n    until: 2028-01-01T00:00:00Z\n";
    let (head, north) = mesh.split_once("  - name: north\n").unwrap();
    story.write("mesh.yaml", format!("{head}  - name: north\n{excluded}{north}"));
    tick(&story, &sign).saying("north is left out");
    all_show(&story, &["east", "west"], &["g1", "g2"], "g2", &sign);
    std::fs::remove_dir(&data).unwrap();
    std::os::unix::fs::symlink(kept, &data).unwrap();
}

#[test]
fn a_cluster_that_vanishes_from_the_mesh_file_in_mid_walk_stops_it_until_it_says_that_it_leaves() {
    let story = before_the_walk("", &CLUSTERS);
    let trust = later(BEGIN, Duration::hours(1));
    tick(&story, &trust).fine();
    let sign = later(&trust, BOUND);
    story.write("mesh.yaml", lab("", &["east", "west"]));
    tick(&story, &sign).refused(1, "cluster-forgotten").saying("north");
    all_show(&story, &["east", "west"], &["g1", "g2"], "g1", &sign);
    let leaving = lab("", &CLUSTERS).replace("  - name: north\n", "  - name: north\n    state: leaving\n");
    story.write("mesh.yaml", leaving);
    tick(&story, &sign).fine();
    all_show(&story, &["east", "west"], &["g1", "g2"], "g2", &sign);
    all_show(&story, &["north"], &["g1", "g2"], "g1", &sign);
}

#[test]
fn a_cluster_that_was_restored_from_an_old_backup_holds_the_removal_until_it_has_caught_up() {
    let story = before_the_walk("", &["east", "west"]);
    let backup = story.path("backup");
    copy(&story.path("clusters/west"), &backup);
    let sign = signed(&story, &["east", "west"]);
    std::fs::remove_dir_all(story.path("clusters/west")).unwrap();
    copy(&backup, &story.path("clusters/west"));
    let drained = later(&sign, BOUND);
    approve(&story, &drained).saying("removal-not-due");
    all_show(&story, &["east"], &["g1", "g2"], "g2", &drained);
    all_show(&story, &["west"], &["g1", "g2"], "g1", &drained);
    let mut at = drained;
    for _ in 0..3 {
        at = later(&at, BOUND);
        approve(&story, &at);
    }
    all_show(&story, &["east", "west"], &["g2"], "g2", &at);
}

/// A folder with its links, as a backup has it.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

// --- order, pause, stock

#[test]
fn the_canary_goes_first_and_the_others_follow_when_it_is_seen_to_have_come_through() {
    let story = before_the_walk("rotation: { canary: west }", &CLUSTERS);
    let trust = later(BEGIN, Duration::hours(1));
    tick(&story, &trust).fine();
    all_show(&story, &["west"], &["g1", "g2"], "g1", &trust);
    all_show(&story, &["east", "north"], &["g1"], "g1", &trust);
    let next = later(&trust, Duration::hours(1));
    tick(&story, &next).fine();
    all_show(&story, &CLUSTERS, &["g1", "g2"], "g1", &next);
    let sign = later(&next, BOUND);
    tick(&story, &sign).fine();
    all_show(&story, &["west"], &["g1", "g2"], "g2", &sign);
    all_show(&story, &["east", "north"], &["g1", "g2"], "g1", &sign);
    let next = later(&sign, Duration::hours(1));
    tick(&story, &next).fine();
    all_show(&story, &CLUSTERS, &["g1", "g2"], "g2", &next);
}

#[test]
fn a_pause_stops_the_walk_where_it_is() {
    let story = before_the_walk("rotation: { paused: true }", &["east"]);
    let before = snapshot(&story.path("clusters"));
    tick(&story, &later(BEGIN, Duration::hours(1))).fine().saying("rotation is paused");
    assert_eq!(snapshot(&story.path("clusters")), before);
}

#[test]
fn the_old_root_goes_unasked_after_the_time_that_the_mesh_file_says_and_not_a_second_sooner() {
    let story = before_the_walk("rotation: { removeAfter: 2d }", &["east"]);
    let sign = signed(&story, &["east"]);
    let remove = later(&sign, BOUND + Duration::days(2));
    tick(&story, &later(&remove, Duration::seconds(-1))).fine();
    all_show(&story, &["east"], &["g1", "g2"], "g2", &sign);
    tick(&story, &remove).fine();
    all_show(&story, &["east"], &["g2"], "g2", &remove);
}

#[test]
fn nobody_signs_under_the_new_root_before_it_can_give_every_target_a_signer() {
    let more = "issuing: { mode: none }";
    let story = Story::new(&lab(more, &["east", "west"])).founded("shop", BEGIN);
    let issue =
        |words: &str| story.with_passphrase(&format!("--at {BEGIN} issue {words} --stock-passphrase-file passphrase"));
    issue("").fine();
    story.with_passphrase(&format!("--at {BEGIN} publish")).fine();
    next_root(&story, 2, BEGIN);
    let trust = later(BEGIN, Duration::hours(1));
    tick(&story, &trust).fine();
    issue("east --root 2").fine();
    let sign = later(&trust, BOUND);
    let said = tick(&story, &sign);
    assert_eq!(said.code, Some(3), "{said:?}");
    said.saying("ceremony-needed");
    all_show(&story, &["east", "west"], &["g1", "g2"], "g1", &sign);
    issue("west --root 2").fine();
    tick(&story, &sign).fine();
    all_show(&story, &["east", "west"], &["g1", "g2"], "g2", &sign);
}

#[test]
fn a_third_root_waits_until_the_fleet_stands_on_the_second() {
    let story = before_the_walk("", &["east"]);
    next_root(&story, 3, BEGIN);
    story.with_passphrase(&format!("--at {BEGIN} issuing create --issuing-passphrase-file passphrase --root 3")).fine();
    let trust = later(BEGIN, Duration::hours(1));
    tick(&story, &trust).fine().saying("root g3 waits");
    all_show(&story, &["east"], &["g1", "g2"], "g1", &trust);
    let sign = later(&trust, BOUND);
    tick(&story, &sign).fine();
    let remove = later(&sign, BOUND);
    approve(&story, &remove).fine();
    all_show(&story, &["east"], &["g2"], "g2", &remove);
    tick(&story, &later(&remove, Duration::hours(1))).fine().saying("to root g3");
    all_show(&story, &["east"], &["g2", "g3"], "g2", &remove);
}

#[test]
fn a_removal_is_approved_for_the_root_that_the_fleet_leaves_and_when_it_can_go() {
    let story = before_the_walk("", &["east"]);
    let new = fingerprint(&story, "material/root/g2/root-cert.pem");
    let at = later(BEGIN, Duration::hours(1));
    let approve_new = |at: &str| story.with_passphrase(&format!("--at {at} rotate --approve-removal {new}"));
    approve_new(&at).refused(1, "removal-not-due");
    approve(&story, &at).refused(1, "removal-not-due").saying("stage Trust");
}

// --- a key in other hands

#[test]
fn a_leaked_key_is_replaced_at_once_and_told_of_until_its_intermediate_ends() {
    let story = before_the_walk("rotation: { paused: true }", &["east", "west"]);
    let before = [story.set("clusters/east"), story.set("clusters/west")];
    let at = later(BEGIN, Duration::hours(2));
    story
        .with_passphrase(&format!("--at {at} rotate --now east --reason leaked"))
        .fine()
        .saying("Whoever has the old one");
    let after = story.set("clusters/east");
    assert_ne!(after[1], before[0][1], "a new key");
    assert_eq!(after[3], before[0][3], "the same trust bundle");
    assert_eq!(story.set("clusters/west"), before[1]);
    story.sound("clusters/east", seconds(&at)).unwrap();
    story.meshca(&format!("--at {at} check")).saying("signer-tainted");
    assert!(story.read("records/ledger.jsonl").contains(r#""act":"taint""#));
    // The last second of the old intermediate, and the one after it.
    let end = later(BEGIN, Duration::days(90));
    story.meshca(&format!("--at {end} check")).saying("signer-tainted");
    let said = story.meshca(&format!("--at {} check", later(&end, Duration::seconds(1))));
    assert!(!said.out.contains("signer-tainted"), "{said:?}");
    story.with_passphrase("rotate --now nowhere --reason leaked").refused(1, "unknown-cluster");
}

fn fingerprint(story: &Story, file: &str) -> String {
    let path = story.path(file);
    let said = judges::openssl(["x509", "-noout", "-fingerprint", "-sha256", "-in", path.to_str().unwrap()]);
    let text = String::from_utf8(said.stdout).unwrap();
    text.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase()
}
