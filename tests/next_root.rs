//! The next root: made and endorsed in a ceremony, verified by OpenSSL, and used only because it is endorsed.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a story that cannot go on is a failed test")]

mod support;

use std::fs;

use support::judges;
use support::snapshot::{mode, private_keys, snapshot};
use support::story::{PASSPHRASE, Said, Story, lab, later, seconds};
use time::Duration;

const NEW_YEAR: &str = "2027-01-01T00:00:00Z";
const ENDORSEMENT: &str = "material/root/g2/endorsement.txt";

fn founded() -> Story {
    Story::new(&lab("shop", "", &["east", "west"])).founded("shop", NEW_YEAR)
}

/// Holds the ceremony for the root of this generation.
fn next_root(story: &Story, at: &str, generation: u32) -> Said {
    let line =
        format!("--at {at} root create --next --passphrase-file passphrase --next-passphrase-file next --confirm");
    story.write("next", "another-good-passphrase\n");
    let mut command = story.command(&line);
    Said::of(&judges::run(command.arg(format!("shop root g{generation}"))))
}

/// A mesh with a next root that is sealed with the passphrase of everything else.
fn endorsed(more: &str) -> Story {
    let story = Story::new(&lab("shop", more, &["east", "west"])).founded("shop", NEW_YEAR);
    let line = format!("--at {NEW_YEAR} root create --next --next-passphrase-file passphrase --passphrase-file");
    let mut command = story.command(&line);
    Said::of(&judges::run(command.args(["passphrase", "--confirm", "shop root g2"]))).fine();
    story
}

fn openssl(story: &Story, line: &str) -> String {
    let path = |word: &str| if word.contains('/') { story.path(word).display().to_string() } else { word.to_owned() };
    let output = judges::openssl(line.split(' ').map(path));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a page tells people to do with OpenSSL, and no code of ours. Whether it verifies.
fn openssl_verifies(story: &Story, digest: &str) -> bool {
    let text = story.read(ENDORSEMENT);
    let (statement, signature) = text.split_at(text.find("signature ").unwrap());
    story.write("./statement", statement);
    story.write("./signature.b64", signature.strip_prefix("signature ").unwrap());
    openssl(story, "base64 -d -A -in ./signature.b64 -out ./signature");
    story.write("./old.pub", openssl(story, "x509 -noout -pubkey -in material/root/g1/root-cert.pem"));
    let words = ["old.pub", "signature", "statement"].map(|it| story.path(it).display().to_string());
    let [public, signature, statement] = &words;
    judges::openssl(["dgst", digest, "-verify", public, "-signature", signature, statement]).status.success()
}

#[test]
fn a_next_root_is_read_aloud_with_the_root_that_endorses_it_and_lies_there_whole() {
    let story = founded();
    let said = next_root(&story, NEW_YEAR, 2).fine();
    for words in [
        "subject      O=shop, CN=shop root g2",
        "endorsed by  O=shop, CN=shop root g1",
        "created root g2 of shop, endorsed by root g1",
        "keep material/root/g2/root-key.pem offline",
        "next: meshca -f mesh.yaml issuing create",
    ] {
        assert!(said.out.contains(words) || said.err.contains(words), "no `{words}` in {said:?}");
    }
    assert!(!said.err.contains("waits"), "{said:?}");
    let g1 = openssl(&story, "x509 -noout -fingerprint -sha256 -in material/root/g1/root-cert.pem");
    let aloud = g1.trim().rsplit('=').next().unwrap().replace(':', " ").to_lowercase();
    assert!(said.err.contains(&format!("its sha-256  {aloud}")), "{said:?}");
    let modes = ["", "/root-cert.pem", "/root-key.pem", "/endorsement.txt"];
    let modes = modes.map(|file| mode(&story.path(&format!("material/root/g2{file}"))) & 0o700);
    assert_eq!(modes, [0o700, 0o600, 0o600, 0o600]);
    assert_eq!(mode(&story.path("material/root/g2/root-key.pem")), 0o600);
    openssl(&story, "pkey -noout -passin pass:another-good-passphrase -in material/root/g2/root-key.pem");
    let ledger = story.meshca("ledger show").fine().out;
    let acts: Vec<&str> = ledger.lines().filter(|line| line.contains("shop root g2")).collect();
    assert_eq!(acts.len(), 4, "{ledger}");
    assert!(acts[0].contains("endorse-root") && acts[0].contains("intent"), "{ledger}");
    assert!(acts[3].contains("mint-root") && acts[3].contains("done"), "{ledger}");
}

#[test]
fn openssl_verifies_an_endorsement_with_the_old_roots_certificate_alone() {
    for (kind, digest, other) in [("ecdsa-p256", "-sha256", "-sha384"), ("ecdsa-p384", "-sha384", "-sha256")] {
        let story = endorsed(&format!("root: {{ key: {kind} }}"));
        assert!(openssl_verifies(&story, digest), "{kind}");
        assert!(!openssl_verifies(&story, other), "{kind}");
        for (number, file) in [(2, "g2"), (3, "g1")] {
            let line = format!("x509 -noout -fingerprint -sha256 -in material/root/{file}/root-cert.pem");
            let print = openssl(&story, &line).trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
            assert!(story.read(ENDORSEMENT).lines().nth(number).unwrap().ends_with(&format!("sha256 {print}")));
        }
        story.write(ENDORSEMENT, story.read(ENDORSEMENT).replace("generation 2", "generation 3"));
        assert!(!openssl_verifies(&story, digest), "{kind}: other words");
    }
}

#[test]
fn the_next_issuing_ca_comes_under_the_newest_root_unless_another_is_named() {
    let story = endorsed("");
    story.issuing_create(NEW_YEAR).saying("issuer       O=shop, CN=shop root g2").saying("under root g2, ");
    let line = format!("--at {NEW_YEAR} issuing create --issuing-passphrase-file passphrase");
    story.with_passphrase(&format!("{line} --root 1")).fine().saying("issuer       O=shop, CN=shop root g1");
    story.with_passphrase(&format!("{line} --root 3")).refused(1, "root-not-trusted").saying("--root 2");
    let said = story.with_passphrase(&format!("-o json {line} --root 2")).fine();
    assert!(said.out.contains("\"root\": 2"), "{said:?}");
}

#[test]
fn intermediates_stay_under_the_root_that_the_fleet_runs_on() {
    let story = founded();
    story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
    story.with_passphrase(&format!("--at {NEW_YEAR} publish")).fine();
    next_root(&story, NEW_YEAR, 2).fine();
    let line =
        format!("--at {NEW_YEAR} issuing create --passphrase-file next --issuing-passphrase-file passphrase --root 2");
    story.meshca(&line).fine();
    let issuer = |generation: u32| {
        let line = format!("x509 -noout -issuer -in material/stock/east/g{generation}/ca-cert.pem");
        openssl(&story, &line).trim().to_owned()
    };
    story.with_passphrase(&format!("--at {NEW_YEAR} issue east")).fine().saying("under root g1, ");
    assert!(issuer(2).ends_with("shop issuing g1"), "{}", issuer(2));
    story.with_passphrase(&format!("--at {NEW_YEAR} issue east --root 2")).fine().saying("under root g2, ");
    assert!(issuer(3).ends_with("shop issuing g2"), "{}", issuer(3));
}

#[test]
fn where_the_root_signs_itself_each_cluster_gets_stock_under_the_next_one_besides_what_it_has() {
    let story = endorsed("issuing: { mode: none }");
    let line = format!("--at {NEW_YEAR} issue --stock-passphrase-file passphrase");
    for (root, generation) in [(1, 1), (2, 2)] {
        let named = if root == 1 { " --root 1" } else { "" };
        story.with_passphrase(&format!("{line}{named}")).fine().saying(&format!("under root g{root}, "));
        for cluster in ["east", "west"] {
            let file = format!("material/stock/{cluster}/g{generation}/ca-cert.pem");
            let issuer = openssl(&story, &format!("x509 -noout -issuer -in {file}"));
            assert!(issuer.trim().ends_with(&format!("shop root g{root}")), "{issuer}");
        }
    }
    story.with_passphrase(&line).fine().saying("nothing to mint");
}

#[test]
fn a_third_root_is_endorsed_by_the_second_and_is_said_to_wait() {
    let story = endorsed("");
    let line =
        format!("--at {NEW_YEAR} root create --next --next-passphrase-file passphrase --passphrase-file passphrase");
    let mut command = story.command(&line);
    let said = Said::of(&judges::run(command.args(["--confirm", "shop root g3"]))).fine();
    let said = said.saying("endorsed by  O=shop, CN=shop root g2").saying("g1, g2 are trusted already");
    assert!(said.err.contains("not under g2 yet, this one waits"), "{said:?}");
    story.issuing_create(NEW_YEAR).saying("issuer       O=shop, CN=shop root g3");
}

/// Each is refused with one error, and leaves everything as it was.
#[test]
fn a_next_root_is_not_made_where_it_could_not_be_endorsed() {
    let story = Story::new(&lab("shop", "", &["east"]));
    next_root(&story, NEW_YEAR, 1).refused(1, "no-usable-root").saying("meshca root create");
    let story = story.founded("shop", NEW_YEAR);
    story.write("next", "another-good-passphrase\n");
    story.write("wrong", "not-the-right-passphrase\n");
    let before = snapshot(&story.path("material"));
    next_root(&story, NEW_YEAR, 3).refused(1, "not-confirmed").saying("--confirm 'shop root g2'");
    next_root(&story, &later(NEW_YEAR, -Duration::days(1)), 2).refused(1, "clock-implausible");
    let line = |rest: &str| format!("--at {NEW_YEAR} root create --next {rest} --confirm");
    let run = |rest: &str| Said::of(&judges::run(story.command(&line(rest)).arg("shop root g2")));
    run("--passphrase-file wrong --next-passphrase-file next").refused(1, "wrong-passphrase");
    run("--passphrase-file passphrase").refused(1, "passphrase-needed");
    story.write("short", "short\n");
    run("--passphrase-file passphrase --next-passphrase-file short").refused(1, "passphrase-refused");
    fs::rename(story.path("material/root/g1/root-key.pem"), story.path("elsewhere.pem")).unwrap();
    run("--passphrase-file passphrase --next-passphrase-file next").refused(1, "root-key-elsewhere");
    fs::rename(story.path("elsewhere.pem"), story.path("material/root/g1/root-key.pem")).unwrap();
    assert_eq!(snapshot(&story.path("material")), before);
    let said = story.meshca("root create --next-passphrase-file next");
    assert_eq!(said.code, Some(2), "it seals nothing without --next: {said:?}");
    let first = story.with_passphrase(&format!("--at {NEW_YEAR} root create"));
    first.refused(1, "root-exists").saying("meshca root create --next");
}

#[test]
fn a_root_endorses_in_its_last_second_and_not_one_later() {
    let story = founded();
    let end = later(NEW_YEAR, Duration::days(3650));
    next_root(&story, &later(&end, Duration::SECOND), 2).refused(1, "root-ended").saying(&end);
    next_root(&story, &end, 2).fine();
}

#[test]
fn a_root_that_bears_the_name_of_the_next_one_is_in_its_way() {
    let (story, other) = (founded(), endorsed(""));
    let line =
        format!("--at {NEW_YEAR} root create --next --next-passphrase-file passphrase --passphrase-file passphrase");
    Said::of(&judges::run(other.command(&line).args(["--confirm", "shop root g3"]))).fine();
    story.write("material/root/g2/root-cert.pem", other.read("material/root/g3/root-cert.pem"));
    next_root(&story, NEW_YEAR, 3).refused(1, "roots-share-subject").saying("root.subject.commonName");
    story.write(
        "mesh.yaml",
        story.read("mesh.yaml").replace("lab: true", "lab: true\nroot: { subject: { commonName: shop next } }"),
    );
    let mut command = story.command(&line);
    Said::of(&judges::run(command.args(["--confirm", "shop next g3"]))).fine();
}

// --- what is hostile

#[test]
fn a_root_that_merely_appears_is_not_used_and_stops_nobody() {
    let story = founded();
    let other = endorsed("");
    for file in ["root-cert.pem", "root-key.pem", "endorsement.txt"] {
        let path = format!("material/root/g2/{file}");
        story.write(&path, other.read(&path));
    }
    let line = format!("--at {NEW_YEAR} issuing create --issuing-passphrase-file passphrase");
    story.with_passphrase(&format!("{line} --root 2")).refused(1, "root-not-trusted").saying("usable  1");
    let said = story.with_passphrase(&line).fine().saying("issuer       O=shop, CN=shop root g1");
    assert!(!said.err.contains("under root"), "there was no choice: {said:?}");
    story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
    story.with_passphrase(&format!("--at {NEW_YEAR} publish")).fine();
    story.sound("clusters/east", seconds(NEW_YEAR)).unwrap();
    let report = story.meshca(&format!("--at {NEW_YEAR} report")).fine();
    report.saying("root g2 lies in material, and is not used").saying("its endorsement is not one by root g1");
    story.with_passphrase(&format!("--at {} rotate", later(NEW_YEAR, Duration::days(60)))).fine();
    assert_eq!(story.read("clusters/east/root-cert.pem"), story.read("material/root/g1/root-cert.pem"));
}

#[test]
fn a_signature_that_was_tampered_with_makes_a_root_unused() {
    let story = endorsed("");
    let good = story.read(ENDORSEMENT);
    let line = format!("--at {NEW_YEAR} issuing create --root 2 --issuing-passphrase-file passphrase");
    let start = good.find("signature ").unwrap() + "signature ".len();
    for at in [start, start + 1, start + 20, start + 60] {
        let (before, rest) = good.split_at(at);
        let other = if rest.starts_with('A') { 'B' } else { 'A' };
        story.write(ENDORSEMENT, format!("{before}{other}{}", rest.get(1..).unwrap()));
        story.with_passphrase(&line).refused(1, "root-not-trusted");
    }
    story.remove(ENDORSEMENT);
    story.with_passphrase(&line).refused(1, "root-not-trusted");
    story.write(ENDORSEMENT, &good);
    story.with_passphrase(&line).fine();
}

#[test]
fn what_is_no_endorsement_is_told_with_its_path_and_changes_nothing() {
    let story = endorsed("");
    let good = story.read(ENDORSEMENT);
    let key = story.read("material/root/g2/root-key.pem");
    let damages: [(Vec<u8>, &str); 8] = [
        (Vec::new(), "endorsement-malformed"),
        (b"garbage\n".to_vec(), "endorsement-malformed"),
        (vec![0xff; 400], "endorsement-malformed"),
        (good.replace("generation 2", "generation 3").into(), "endorsement-malformed"),
        (good.replace('\n', "\r\n").into(), "endorsement-malformed"),
        (format!("\u{1b}[2J{good}").into(), "endorsement-malformed"),
        (key.clone().into(), "endorsement-malformed"),
        (good.repeat(100).into(), "file-too-large"),
    ];
    for (bytes, code) in damages {
        story.write(ENDORSEMENT, bytes);
        let before = snapshot(&story.path("material"));
        for line in ["issue", "rotate", "publish"] {
            let said = story.with_passphrase(&format!("--at {NEW_YEAR} {line}"));
            let said = said.refused(1, code).saying(ENDORSEMENT).saying("hint: ");
            let all = format!("{}{}", said.out, said.err);
            assert!(!all.contains("-----BEGIN") && !all.contains(PASSPHRASE) && !all.contains("panicked"), "{said:?}");
            assert!(!all.contains('\u{1b}'), "{said:?}");
        }
        assert_eq!(snapshot(&story.path("material")), before);
    }
    story.remove(ENDORSEMENT);
    fs::create_dir(story.path(ENDORSEMENT)).unwrap();
    story.with_passphrase(&format!("--at {NEW_YEAR} issue")).refused(1, "file-unreadable").saying(ENDORSEMENT);
    fs::remove_dir(story.path(ENDORSEMENT)).unwrap();
    story.write(ENDORSEMENT, good);
    story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
}

#[test]
fn two_ceremonies_at_once_make_one_next_root_each_whole_or_one_waits_for_the_other() {
    let story = endorsed("");
    let line =
        format!("--at {NEW_YEAR} root create --next --next-passphrase-file passphrase --passphrase-file passphrase");
    let start = || {
        let mut command = story.command(&line);
        command.args(["--confirm", "shop root g3"]).stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let both = [start(), start()].map(|child| Said::of(&child.wait_with_output().unwrap()));
    let made = both.iter().filter(|said| said.code == Some(0)).count();
    assert_eq!(made, 1, "{both:?}");
    let refused = both.iter().find(|said| said.code != Some(0)).unwrap();
    assert!(refused.err.contains("lock-held") || refused.err.contains("not-confirmed"), "{refused:?}");
    assert_eq!(private_keys(&story.path("material/root")).len(), 3);
}
