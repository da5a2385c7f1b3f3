//! Everything that can be wrong with what meshca is given: each ends in one clear error with a stable code, without a
//! panic, without a part of a private key in what is said, and with nothing half-written.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a story that cannot go on is a failed test"
)]

mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::judges;
use support::snapshot::{mode, private_keys, snapshot};
use support::story::{PASSPHRASE, Said, Story, lab, later, meshca, seconds, sound};
use terminal::on_terminal;
use time::Duration;

const NEW_YEAR: &str = "2027-01-01T00:00:00Z";
const ISSUING_KEY: &str = "material/issuing/g1/issuing-key.pem";
const ISSUING_CERT: &str = "material/issuing/g1/issuing-cert.pem";

fn founded() -> Story {
    Story::new(&lab("shop", "", &["east"])).founded("shop", NEW_YEAR)
}

fn published() -> Story {
    let story = founded();
    story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
    story.with_passphrase(&format!("--at {NEW_YEAR} publish")).fine();
    story
}

fn due() -> String {
    later(NEW_YEAR, Duration::days(60))
}

/// Nothing that was said holds a private key, a passphrase or the words of a crash.
fn discreet(said: Said, keys: &[&str]) -> Said {
    for stream in [&said.out, &said.err] {
        for words in ["-----BEGIN", "-----END", PASSPHRASE, "panicked", "stack backtrace", "RUST_BACKTRACE", "unwrap"] {
            assert!(!stream.contains(words), "`{words}` was said: {said:?}");
        }
        for line in keys.iter().flat_map(|key| key.lines()).filter(|line| line.len() > 20 && !line.starts_with("-----"))
        {
            assert!(!stream.contains(line), "a line of a private key was said: {said:?}");
            assert!(!stream.contains(&line[4..20]), "a part of a private key was said: {said:?}");
        }
    }
    said
}

/// A refusal with a code and a hint, that names this path, says nothing secret and changes nothing but the lock.
fn refused(story: &Story, line: &str, code: &str, path: &str, keys: &[&str]) -> Said {
    let picture = || {
        let mut all = snapshot(&story.path(""));
        all.remove(Path::new("records/lock"));
        all
    };
    let before = picture();
    let said = discreet(story.with_passphrase(line), keys).refused(1, code).saying(path).saying("hint: ");
    assert_eq!(picture(), before, "{line}: {code}");
    said
}

fn openssl_makes(args: &str) -> String {
    let output = judges::openssl(args.split(' '));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

// --- the mesh file

#[test]
fn a_mesh_file_that_cannot_be_used_is_told_with_its_path() {
    let story = Story::new(&lab("shop", "", &["east"]));
    fs::create_dir(story.path("folder")).unwrap();
    story.write("binary.yaml", [0xff, 0xfe, 0x00, 0x01]);
    story.write("nul.yaml", "version: 1\nmesh: a\0b\n");
    story.write("unknown.yaml", lab("shop", "isuing: {}", &["east"]));
    story.write("huge.yaml", "# much\n".repeat(4_000_000));
    story.write("empty.yaml", "");
    let mut pipe = Command::new("mkfifo");
    assert!(judges::run(pipe.arg(story.path("pipe"))).status.success());
    let cases = [
        ("missing.yaml", "file-unreadable"),
        ("folder", "file-unreadable"),
        ("binary.yaml", "mesh-file-syntax"),
        ("nul.yaml", "mesh-file-syntax"),
        ("unknown.yaml", "unknown-key"),
        ("huge.yaml", "file-too-large"),
        ("mesh.yaml/below", "file-unreadable"),
    ];
    let before = snapshot(&story.path(""));
    for (file, code) in cases {
        for command in ["rotate", "publish", "ledger verify", "issue"] {
            let said = Said::of(&judges::run(story.command(command).args(["-f", file])));
            discreet(said, &[]).refused(1, code).saying(file).saying("hint: ");
        }
    }
    for (file, exit) in [("empty.yaml", 1), ("pipe", 1)] {
        // More than one key is missing.
        let said = discreet(Said::of(&judges::run(story.command("rotate").args(["-f", file]))), &[]);
        assert!(said.code == Some(exit) && said.err.contains("error: "), "{said:?}");
    }
    assert_eq!(snapshot(&story.path("")), before);
}

// --- private keys and certificates in the material folder

#[test]
fn an_issuing_key_that_cannot_be_used_is_refused_without_a_part_of_it() {
    let story = published();
    let good = story.read(ISSUING_KEY);
    let key = openssl_makes("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256");
    story.write("foreign.pem", &key);
    let sec1 = openssl_makes(&format!("ec -in {}", story.path("foreign.pem").display()));
    let with_parameters = openssl_makes("ecparam -name prime256v1 -genkey");
    assert!(sec1.contains("BEGIN EC PRIVATE KEY") && with_parameters.starts_with("-----BEGIN EC PARAMETERS"));
    let ed25519 = openssl_makes("genpkey -algorithm ED25519");
    let keys = [good.as_str(), &key, &sec1, &with_parameters, &ed25519];
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("cut in the middle", good[..good.len() / 2].into(), "key-malformed"),
        ("two keys", format!("{good}{good}").into(), "key-malformed"),
        ("two keys, one of them plain", format!("{good}{key}").into(), "key-malformed"),
        ("of another certificate", key.clone().into(), "issuer-key-mismatch"),
        ("SEC1", sec1.clone().into(), "key-malformed"),
        ("EC PARAMETERS first", with_parameters.clone().into(), "key-malformed"),
        ("Ed25519", ed25519.clone().into(), "key-malformed"),
        ("nothing", Vec::new(), "key-malformed"),
        ("words", b"this is no key\n".to_vec(), "key-malformed"),
        ("NUL bytes", vec![0; 4096], "key-malformed"),
        ("bytes that are no text", vec![0xff; 4096], "key-malformed"),
        ("glued to another", format!("{}{good}", good.trim_end()).into(), "key-malformed"),
        ("ten megabytes", good.repeat(25_000).into(), "file-too-large"),
        ("a certificate", story.bytes(ISSUING_CERT), "key-malformed"),
        ("other letters inside", good.replacen('M', "!", 1).into(), "key-malformed"),
    ];
    for (what, bytes, code) in cases {
        story.write(ISSUING_KEY, bytes);
        let said = refused(&story, &format!("--at {} rotate", due()), code, "issuing-key.pem", &keys);
        drop((what, said));
    }
    // The forms that are the same key in other clothes are taken.
    for clothes in [good.replace('\n', "\r\n"), format!("\u{feff}{good}"), format!("words before\n{good}words after\n")]
    {
        story.write(ISSUING_KEY, clothes);
        discreet(story.with_passphrase(&format!("--at {} rotate --dry-run", due())), &keys).fine();
    }
    story.remove(ISSUING_KEY);
    refused(&story, &format!("--at {} rotate", due()), "file-unreadable", "issuing-key.pem", &keys);
    fs::create_dir(story.path(ISSUING_KEY)).unwrap();
    refused(&story, &format!("--at {} rotate", due()), "file-unreadable", "issuing-key.pem", &keys);
    fs::remove_dir(story.path(ISSUING_KEY)).unwrap();
    let mut pipe = Command::new("mkfifo");
    assert!(judges::run(pipe.arg(story.path(ISSUING_KEY))).status.success());
    discreet(story.with_passphrase(&format!("--at {} rotate", due())), &keys).refused(1, "key-malformed");
    story.remove(ISSUING_KEY);
    story.write(ISSUING_KEY, &good);
    story.with_passphrase(&format!("--at {} rotate", due())).fine().saying("1 of 1 renewed");
}

#[test]
fn a_key_in_other_clothes_signs() {
    let good = published();
    let clothes: [fn(&str) -> String; 3] = [
        |text| text.replace('\n', "\r\n"),
        |text| format!("\u{feff}{text}"),
        |text| format!("words before\n{text}words after\n"),
    ];
    for (number, dress) in clothes.iter().enumerate() {
        let at = later(&due(), Duration::days(60 * i64::try_from(number).unwrap()));
        good.write(ISSUING_CERT, dress(&good.read(ISSUING_CERT)));
        let key = good.read(ISSUING_KEY);
        good.write(ISSUING_KEY, dress(&key));
        discreet(good.with_passphrase(&format!("--at {at} rotate")), &[&key]).fine().saying("1 of 1 renewed");
        good.sound("clusters/east", seconds(&at)).unwrap();
        good.write(ISSUING_KEY, key);
    }
}

#[test]
fn a_plain_issuing_key_is_for_labs() {
    let story = published();
    let path = story.path(ISSUING_KEY);
    let plain = openssl_makes(&format!("pkey -in {} -passin pass:{PASSPHRASE}", path.display()));
    story.write(ISSUING_KEY, &plain);
    story.write("mesh.yaml", story.read("mesh.yaml").replace("lab: true", "lab: false"));
    // A mesh that is none of a lab has no `--at`: the store's own certificates say when it is.
    let said = discreet(story.with_passphrase("issue east"), &[&plain]);
    assert_eq!(said.code, Some(1), "{said:?}");
    story.write("mesh.yaml", story.read("mesh.yaml").replace("lab: false", "lab: true"));
    story.meshca(&format!("--at {} rotate", due())).fine().saying("1 of 1 renewed");

    let quick = Story::quickstart();
    let path = quick.path("lab").join(ISSUING_KEY);
    let plain =
        openssl_makes(&format!("pkey -in {} -passin file:{}", path.display(), quick.path("lab/passphrase").display()));
    quick.write(&format!("lab/{ISSUING_KEY}"), &plain);
    quick.write("lab/mesh.yaml", quick.read("lab/mesh.yaml").replace("lab: true", "lab: false"));
    let said = discreet(quick.with_passphrase("issue east"), &[&plain]);
    said.refused(1, "plaintext-key-refused").saying("issuing-key.pem").saying("openssl pkcs8");
}

#[test]
fn a_certificate_in_the_material_folder_that_cannot_be_read_is_told_with_its_path() {
    let story = published();
    for path in [ISSUING_CERT, "material/root/g1/root-cert.pem", "material/stock/east/g1/ca-cert.pem"] {
        let good = story.read(path);
        let key = story.read(ISSUING_KEY);
        let damages: Vec<(Vec<u8>, &str)> = vec![
            (good[..good.len() / 2].into(), "certificate-malformed"),
            (format!("{good}{good}").into(), "certificate-malformed"),
            (key.clone().into(), "certificate-malformed"),
            (Vec::new(), "certificate-malformed"),
            (vec![0; 100_000], "certificate-malformed"),
            (good.repeat(20_000).into(), "file-too-large"),
            ("-----BEGIN X-----\n-----END X-----\n".repeat(30_000).into(), "certificate-malformed"),
            ("-----BEGIN X-----\n-----END X-----\n".repeat(100_000).into(), "file-too-large"),
        ];
        for (bytes, code) in damages {
            story.write(path, bytes);
            refused(&story, &format!("--at {} rotate", due()), code, path, &[&key]);
        }
        story.write(path, good);
    }
    story.with_passphrase(&format!("--at {} rotate", due())).fine();
}

// --- targets

#[test]
fn a_target_of_ours_that_cannot_be_looked_at_is_an_error_and_is_left() {
    let story = published();
    let key = story.read("clusters/east/ca-key.pem");
    let data = fs::read_link(story.path("clusters/east/..data")).unwrap();
    let cert = format!("clusters/east/{}/ca-cert.pem", data.display());
    let good = story.read(&cert);
    story.write(&cert, good.repeat(20_000));
    refused(&story, &format!("--at {} rotate", due()), "file-too-large", "ca-cert.pem", &[&key]);
    story.remove(&cert);
    fs::create_dir(story.path(&cert)).unwrap();
    refused(&story, &format!("--at {} rotate", due()), "file-unreadable", "ca-cert.pem", &[&key]);
    fs::remove_dir(story.path(&cert)).unwrap();
    story.write(&cert, &good);
    for number in 0..80 {
        story.write(&format!("clusters/east/{}/more-{number}", data.display()), "");
        std::os::unix::fs::symlink(
            format!("..data/more-{number}"),
            story.path(&format!("clusters/east/more-{number}")),
        )
        .unwrap();
    }
    let said = discreet(story.with_passphrase(&format!("--at {} rotate", due())), &[&key]);
    said.refused(1, "too-many-values").saying("clusters/east");
}

#[test]
fn damage_in_a_target_never_brings_its_key_to_light() {
    let story = published();
    let at = later(NEW_YEAR, Duration::DAY);
    let key = story.read("clusters/east/ca-key.pem");
    let root = story.read("clusters/east/root-cert.pem");
    let chain = story.read("clusters/east/cert-chain.pem");
    let damages: [(&str, Vec<u8>); 11] = [
        ("ca-key.pem", key.replace('\n', "").into()),
        ("ca-key.pem", key[..key.len() - 30].into()),
        ("ca-key.pem", format!("{key}{key}").into()),
        ("ca-key.pem", vec![0; 500_000]),
        ("ca-cert.pem", key.clone().into()),
        ("cert-chain.pem", key.clone().into()),
        (
            "cert-chain.pem",
            chain.replace("-----END CERTIFICATE-----\n-----BEGIN", "-----END CERTIFICATE----------BEGIN").into(),
        ),
        ("cert-chain.pem", "-----BEGIN X-----\n-----END X-----\n".repeat(25_000).into()),
        ("root-cert.pem", key.clone().into()),
        ("root-cert.pem", format!("\u{feff}{root}").into()),
        ("root-cert.pem", root.replace('\n', "").into()),
    ];
    for (file, bytes) in damages {
        story.write(&format!("clusters/east/{file}"), bytes);
        let now = story.bytes("clusters/east/ca-key.pem");
        let now = String::from_utf8_lossy(&now).into_owned();
        let said = discreet(story.with_passphrase(&format!("--at {at} rotate")), &[&key, &now]);
        said.fine().saying("1 of 1 renewed");
        story.sound("clusters/east", seconds(&at)).unwrap();
    }
}

#[test]
fn line_ends_and_words_around_the_blocks_of_a_target_are_nobodys_damage() {
    let story = published();
    for (file, words) in [("cert-chain.pem", "# the chain\n"), ("root-cert.pem", "subject=shop root\n")] {
        let path = format!("clusters/east/{file}");
        story.write(&path, format!("{words}{}{words}", story.read(&path)).replace('\n', "\r\n"));
    }
    let before = snapshot(&story.path(""));
    story.with_passphrase(&format!("--at {NEW_YEAR} rotate")).fine().saying("nothing is due");
    assert_eq!(snapshot(&story.path("")), before);
    // The bundle is kept byte for byte when the intermediate is renewed.
    let root = story.read("clusters/east/root-cert.pem");
    story.with_passphrase(&format!("--at {} rotate", due())).fine().saying("1 of 1 renewed");
    assert_eq!(story.read("clusters/east/root-cert.pem"), root);
}

// --- passphrases

#[test]
fn a_wrong_an_empty_or_no_passphrase_is_told_apart() {
    let story = published();
    let line = format!("--at {} rotate --passphrase-file", due());
    story.write("wrong", "not-the-right-passphrase\n");
    story.write("empty", "");
    story.write("empty-line", "\nsecond line\n");
    story.write("long", "x".repeat(5_000));
    let cases = [
        ("wrong", "wrong-passphrase"),
        ("empty", "passphrase-needed"),
        ("empty-line", "passphrase-needed"),
        ("long", "file-too-large"),
        ("missing", "file-unreadable"),
        ("clusters", "file-unreadable"),
    ];
    for (file, code) in cases {
        let said = discreet(story.meshca(&format!("{line} {file}")), &[]).refused(1, code);
        assert!(!said.err.contains("not-the-right") && !said.err.contains("second line"), "{said:?}");
    }
    let none = discreet(story.meshca(&format!("--at {} rotate", due())), &[]);
    none.refused(1, "passphrase-needed").saying("--passphrase-file");
    // Opened for nothing: when nothing is due, no passphrase is needed.
    story.meshca(&format!("--at {NEW_YEAR} rotate")).fine();
    story.write("crlf", format!("{PASSPHRASE}\r\nmore\n"));
    story.meshca(&format!("{line} crlf")).fine().saying("1 of 1 renewed");
}

#[test]
fn a_passphrase_can_come_from_a_descriptor_or_a_slow_pipe_but_not_from_an_argument_or_the_environment() {
    let story = published();
    let program = assert_cmd::cargo::cargo_bin!("meshca").display().to_string();
    let bash = |script: &str| {
        let mut bash = Command::new("bash");
        Said::of(&judges::run(bash.current_dir(story.path("")).args(["-c", script])))
    };
    for given in ["/dev/fd/3 3<passphrase", "<(sleep 0.3; cat passphrase)", "/dev/stdin <passphrase"] {
        let at = due();
        story.write("clusters/east/ca-cert.pem", "damaged: renewal is due\n");
        let said = bash(&format!("{program} --at {at} rotate --passphrase-file {given}"));
        discreet(said, &[]).fine().saying("1 of 1 renewed");
    }
    story.write("clusters/east/ca-cert.pem", "damaged: renewal is due\n");
    let at = due();
    for option in ["--passphrase", "--password", "--pass"] {
        let said = story.meshca(&format!("--at {at} rotate {option} {PASSPHRASE}"));
        assert_eq!(said.code, Some(2), "{said:?}");
    }
    let mut command = story.command(&format!("--at {at} rotate"));
    for name in ["MESHCA_PASSPHRASE", "MESHCA_PASSPHRASE_FILE", "PASSPHRASE", "MESHCA_PASSWORD"] {
        command.env(name, PASSPHRASE);
    }
    discreet(Said::of(&judges::run(&mut command)), &[]).refused(1, "passphrase-needed");
    for words in [vec!["rotate", "--help"], vec!["issue", "--help"], vec!["root", "create", "--help"]] {
        let help = Said::of(&judges::run(meshca().args(words))).fine();
        assert!(!help.out.contains("MESHCA_PASS"), "{help:?}");
    }
}

#[test]
fn a_passphrase_that_can_be_read_only_once_opens_all_keys_of_a_run() {
    let story = Story::new(&lab("shop", "", &["east", "west"])).founded("shop", NEW_YEAR);
    story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
    let program = assert_cmd::cargo::cargo_bin!("meshca").display().to_string();
    let line = format!("{program} --at {NEW_YEAR} publish --passphrase-file <(cat passphrase)");
    let mut bash = Command::new("bash");
    let said = Said::of(&judges::run(bash.current_dir(story.path("")).args(["-c", &line])));
    discreet(said, &[]).fine();
    for cluster in ["east", "west"] {
        story.sound(&format!("clusters/{cluster}"), seconds(NEW_YEAR)).unwrap();
    }
}

#[test]
fn a_new_passphrase_has_twelve_bytes() {
    for (bytes, enough) in [(11, false), (12, true)] {
        let story = Story::new(&lab("shop", "", &["east"]));
        story.write("short", "x".repeat(bytes));
        let mut create = story.command(&format!("--at {NEW_YEAR} root create --passphrase-file short --confirm"));
        let said = Said::of(&judges::run(create.arg("shop root g1")));
        if enough {
            said.fine();
        } else {
            discreet(said, &[]).refused(1, "passphrase-refused").saying("12").saying("hint: ");
            assert_eq!(snapshot(&story.path("material")).len(), 0);
        }
    }
}

#[test]
fn a_root_is_made_only_when_its_name_is_confirmed_and_the_clock_can_be_right() {
    let story = Story::new(&lab("shop", "", &["east"]));
    let create = |at: &str, name: &[&str]| {
        let mut create = story.command(&format!("--at {at} root create --passphrase-file passphrase"));
        discreet(Said::of(&judges::run(create.args(name))), &[])
    };
    create(NEW_YEAR, &[]).refused(1, "no-terminal").saying("--confirm");
    create(NEW_YEAR, &["--confirm", "shop root"]).refused(1, "not-confirmed");
    create("1970-01-01", &["--confirm", "shop root g1"]).refused(1, "clock-implausible").saying("hint: ");
    create("2024-12-31T23:59:59Z", &["--confirm", "shop root g1"]).refused(1, "clock-implausible");
    assert_eq!(snapshot(&story.path("material")).len(), 0);
    for never in ["9999-12-31", "2501-01-01", "1969-12-31", "yesterday", "2027-13-01", "+10000-01-01"] {
        assert_eq!(create(never, &["--confirm", "shop root g1"]).code, Some(2), "{never}");
    }
    create("2025-01-01", &["--confirm", "shop root g1"]).fine();
    let before = snapshot(&story.path("material"));
    create(NEW_YEAR, &["--confirm", "shop root g1"]).refused(1, "root-exists").saying("hint: ");
    assert_eq!(snapshot(&story.path("material")), before);
}

#[test]
fn the_last_moment_that_can_be_given_does_not_overflow_the_calendar() {
    let story = Story::new(&lab("shop", "", &["east"])).founded("shop", "2500-12-31T23:59:59Z");
    story.with_passphrase("--at 2500-12-31T23:59:59Z issue").fine();
    story.with_passphrase("--at 2500-12-31T23:59:59Z rotate").fine();
}

// --- the disk

/// The program as a user who may do nothing, on a story that this user can read.
fn as_nobody(story: &Story, line: &str) -> Said {
    let plain = story.command(line);
    // What cargo built lies where others may not look.
    let program = story.path("meshca");
    judges::install(Path::new(plain.get_program()), &program);
    let is_root = String::from_utf8(judges::run(Command::new("id").arg("-u")).stdout).unwrap().trim() == "0";
    let mut command = if is_root {
        let mut setpriv = Command::new(judges::program("setpriv"));
        setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
        setpriv
    } else {
        Command::new(program)
    };
    Said::of(&judges::run(command.args(plain.get_args()).current_dir(story.path(""))))
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn without_permission_nothing_is_changed_and_the_path_is_told() {
    let story = published();
    let key = story.read("clusters/east/ca-key.pem");
    let line = format!("--at {} rotate --passphrase-file passphrase", due());
    story.open_to_all();
    // The records folder is read-only: no lock, no ledger, nothing.
    let before = snapshot(&story.path("clusters"));
    discreet(as_nobody(&story, &line), &[&key]).refused(1, "file-unwritable").saying("records").saying("hint: ");
    assert_eq!(snapshot(&story.path("clusters")), before);
    // The records can be written, the target cannot.
    for name in ["records/lock", "records/ledger.jsonl"] {
        set_mode(&story.path(name), 0o666);
    }
    let before = snapshot(&story.path("clusters"));
    discreet(as_nobody(&story, &line), &[&key]).refused(1, "file-unwritable").saying("clusters/east").saying("hint: ");
    assert_eq!(snapshot(&story.path("clusters")), before);
    story.sound("clusters/east", seconds(&due())).unwrap();
    // The target cannot be read.
    let data = fs::read_link(story.path("clusters/east/..data")).unwrap();
    set_mode(&story.path("clusters/east").join(data).join("ca-key.pem"), 0o000);
    discreet(as_nobody(&story, &line), &[&key]).refused(1, "file-unreadable").saying("ca-key.pem").saying("hint: ");
    // The issuing key cannot be read, and neither can the mesh file.
    set_mode(&story.path(ISSUING_KEY), 0o000);
    story.write("mesh.yaml", story.read("mesh.yaml").replace("./clusters/east", "./clusters/west"));
    discreet(as_nobody(&story, &line), &[&key]).refused(1, "file-unreadable").saying("issuing-key.pem");
    set_mode(&story.path("mesh.yaml"), 0o000);
    discreet(as_nobody(&story, &line), &[&key]).refused(1, "file-unreadable").saying("mesh.yaml").saying("hint: ");
}

/// A file system of this size, for as long as this lives.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    fn mount(at: &Path, size: &str) -> Self {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        let output = judges::run(mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at));
        assert!(output.status.success(), "mount needs root: {}", String::from_utf8_lossy(&output.stderr));
        Self { at: at.to_owned() }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// Files of more than this many bytes cannot be written: what a full disk does, wherever the test may run.
fn with_files_up_to(story: &Story, bytes: usize, line: &str) -> Said {
    let plain = story.command(line);
    let mut bash = Command::new("bash");
    // Without the signal, a write that goes too far is an error, or is cut short.
    bash.args(["-c", "trap '' XFSZ; exec prlimit --fsize=$0 \"$@\""]).arg(bytes.to_string());
    bash.arg(plain.get_program()).args(plain.get_args()).current_dir(story.path(""));
    Said::of(&judges::run(&mut bash))
}

#[test]
fn a_disk_that_is_full_leaves_everything_as_it_was() {
    let story = published();
    let key = story.read("clusters/east/ca-key.pem");
    let line = format!("--at {} rotate --passphrase-file passphrase", due());
    let ledger = story.bytes("records/ledger.jsonl");
    let before = snapshot(&story.path(""));
    // The ledger has no room, or only for a part of a line: then nothing is begun.
    for more in [0, 1, 100] {
        let said = discreet(with_files_up_to(&story, ledger.len() + more, &line), &[&key]);
        said.refused(1, "file-unwritable").saying("ledger.jsonl").saying("hint: ");
        assert_eq!(snapshot(&story.path("")), before, "{more} bytes of room");
    }
    story.meshca("ledger verify").fine();
    // A target has no room: the ledger is moved away, so that the limit meets the target's files.
    for bytes in [0, 100, 300, 700, 1000] {
        let story = published();
        story.write("mesh.yaml", story.read("mesh.yaml").replacen("lab: true", "lab: true\nrecords: stdout", 1));
        let before = snapshot(&story.path("clusters"));
        let said = discreet(with_files_up_to(&story, bytes, &line), &[&key]).saying("clusters/east").saying("hint: ");
        assert_eq!(said.code, Some(1), "{bytes}: {said:?}");
        assert!(said.err.contains("error: file-unwritable: "), "{bytes}: {said:?}");
        assert_eq!(snapshot(&story.path("clusters")), before, "{bytes} bytes");
    }
    story.with_passphrase(&format!("--at {} rotate", due())).fine().saying("1 of 1 renewed");
}

#[test]
fn a_file_system_without_room_leaves_the_set_that_works() {
    let is_root = String::from_utf8(judges::run(Command::new("id").arg("-u")).stdout).unwrap().trim() == "0";
    if !is_root {
        // Only root can mount. The limit on file sizes, in the test above, takes the same ways through the program.
        return a_disk_that_is_full_leaves_everything_as_it_was();
    }
    let story = published();
    let key = story.read("clusters/east/ca-key.pem");
    fs::rename(story.path("clusters/east"), story.path("kept")).unwrap();
    let disk = SmallDisk::mount(&story.path("clusters/east"), "64k");
    let mut cp = Command::new("cp");
    assert!(judges::run(cp.arg("-a").arg(story.path("kept/.")).arg(&disk.at)).status.success());
    let filler = disk.at.join("..filler");
    assert!(fs::write(&filler, vec![0; 128 * 1024]).is_err(), "the disk is not small");
    let before = snapshot(&disk.at);
    let line = format!("--at {} rotate", due());
    let said = discreet(story.with_passphrase(&line), &[&key]).refused(1, "file-unwritable");
    said.saying("clusters/east").saying("no space left").saying("df -h");
    assert_eq!(snapshot(&disk.at), before);
    story.sound("clusters/east", seconds(&due())).unwrap();
    fs::remove_file(filler).unwrap();
    story.with_passphrase(&line).fine().saying("1 of 1 renewed");
    story.sound("clusters/east", seconds(&due())).unwrap();
    story.meshca("ledger verify").fine();
}

#[test]
fn every_private_key_is_its_owners_alone_under_any_umask() {
    for umask in ["000", "077"] {
        let story = Story::new("");
        let program = assert_cmd::cargo::cargo_bin!("meshca");
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("umask {umask}; exec \"$@\""), "bash"]).arg(program).arg("quickstart");
        Said::of(&judges::run(bash.arg(story.path("lab")))).fine();
        let keys = private_keys(&story.path("lab"));
        assert_eq!(keys.len(), 4, "root, issuing CA and two intermediates: {keys:?}");
        for key in keys {
            let path = story.path("lab").join(key);
            assert_eq!(mode(&path), 0o600, "{}: umask {umask}", path.display());
            assert_eq!(mode(path.parent().unwrap()) & 0o022, 0, "{}: umask {umask}", path.display());
        }
        assert_eq!(mode(&story.path("lab")), 0o700);
        assert_eq!(mode(&story.path("lab/passphrase")), 0o600);
        assert_eq!(mode(&story.path("lab/records")), 0o700);
        for slot in ["root/g1", "issuing/g1", "stock/east/g1"] {
            assert_eq!(mode(&story.path("lab/material").join(slot)), 0o700, "{slot}");
        }
        for name in ["lab/clusters/east/ca-cert.pem", "lab/material/root/g1/root-cert.pem"] {
            assert_eq!(mode(&story.path(name)), if umask == "000" { 0o644 } else { 0o600 }, "{name}");
        }
    }
}

// --- lock and ledger

#[test]
fn while_another_run_holds_the_lock_every_writing_command_is_refused_and_looking_is_not() {
    let story = published();
    let lock = File::options().append(true).open(story.path("records/lock")).unwrap();
    lock.lock().unwrap();
    let before = snapshot(&story.path(""));
    for command in ["rotate", "publish", "issue"] {
        let said = discreet(story.with_passphrase(&format!("--at {} {command}", due())), &[]);
        said.refused(1, "lock-held").saying("records/lock").saying("hint: ");
    }
    story.meshca(&format!("--at {} rotate --dry-run", due())).fine().saying("1 would be renewed");
    story.meshca("ledger verify").fine();
    assert_eq!(snapshot(&story.path("")), before);
    drop(lock);
    story.with_passphrase(&format!("--at {} rotate", due())).fine().saying("1 of 1 renewed");
}

#[test]
fn with_records_on_standard_output_the_lock_lies_in_the_material_folder() {
    let story = published();
    story.write("mesh.yaml", lab("shop", "records: stdout", &["east"]));
    let held = File::create(story.path("material/lock")).unwrap();
    held.lock().unwrap();
    let before = snapshot(&story.path(""));
    for command in ["rotate", "publish", "issue"] {
        let said = discreet(story.with_passphrase(&format!("--at {} {command}", due())), &[]);
        said.refused(1, "lock-held").saying("material/lock").saying("hint: ");
    }
    assert_eq!(snapshot(&story.path("")), before);
    drop(held);
    story.with_passphrase(&format!("--at {} rotate", due())).fine().saying("1 of 1 renewed");
}

#[test]
fn with_records_on_standard_output_a_material_folder_that_cannot_be_written_needs_no_lock() {
    let story = published();
    story.write("mesh.yaml", lab("shop", "records: stdout", &["east"]));
    story.open_to_all();
    set_mode(&story.path("material"), 0o555);
    let data = fs::canonicalize(story.path("clusters/east/..data")).unwrap();
    for folder in [story.path("clusters/east"), data] {
        set_mode(&folder, 0o777);
    }
    let line = format!("--at {} rotate --passphrase-file passphrase", due());
    discreet(as_nobody(&story, &line), &[]).fine().saying("1 of 1 renewed");
    assert!(!story.path("material/lock").exists());
    set_mode(&story.path("material"), 0o755);
}

#[test]
fn of_two_rotations_at_once_one_does_the_work_and_nothing_is_minted_twice() {
    let story = published();
    let line = format!("--at {} rotate --passphrase-file passphrase", due());
    let start = || story.command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let both = [start(), start(), start()].map(|child| Said::of(&child.wait_with_output().unwrap()));
    let renewed = both.iter().filter(|said| said.out.contains("1 of 1 renewed")).count();
    assert_eq!(renewed, 1, "{both:?}");
    for said in both {
        // One that came after the other had ended found nothing to do.
        let late = said.code == Some(0);
        assert!(late || said.err.contains("error: lock-held: "), "{said:?}");
    }
    assert!(story.subject("clusters/east").ends_with("g2"), "{}", story.subject("clusters/east"));
    let ledger = story.read("records/ledger.jsonl");
    for act in ["mint-intermediate", "publish"] {
        let done = format!(r#""act":"{act}","outcome":"done","cluster":"east","generation":2"#);
        assert_eq!(ledger.matches(&done).count(), 1, "{act}");
    }
    story.meshca("ledger verify").fine();
}

#[test]
fn a_flipped_bit_in_the_ledger_is_found_by_its_line_and_stops_no_rotation() {
    let story = published();
    let mut bytes = story.bytes("records/ledger.jsonl");
    let position = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 40;
    *bytes.get_mut(position).unwrap() ^= 1;
    story.write("records/ledger.jsonl", &bytes);
    let verify = |line: &str| {
        let said = discreet(story.meshca("ledger verify"), &[]).refused(1, "ledger-broken");
        said.saying(line).saying("ledger.jsonl").saying("hint: ");
    };
    // Either the line is no entry any more, or the one after it does not name it.
    verify("broken at line ");
    story.with_passphrase(&format!("--at {} rotate", due())).fine().saying("1 of 1 renewed");
    verify("broken at line ");
    assert!(story.bytes("records/ledger.jsonl").starts_with(&bytes), "what was written is never written over");
}

#[test]
fn a_cut_ledger_is_mended_by_the_next_command_that_writes_and_says_so() {
    let story = published();
    let whole = story.bytes("records/ledger.jsonl");
    for cut in [1, 2, 60] {
        story.write("records/ledger.jsonl", &whole[..whole.len() - cut]);
        discreet(story.meshca("ledger verify"), &[]).refused(1, "ledger-cut").saying("hint: ");
        assert_eq!(story.bytes("records/ledger.jsonl"), whole[..whole.len() - cut], "looking mends nothing");
    }
    story.with_passphrase(&format!("--at {} rotate", due())).fine().saying("1 of 1 renewed");
    story.meshca("ledger verify").fine();
    story.meshca("ledger show").fine().saying("recover").saying("cut off");
}

#[test]
fn a_ledger_that_is_something_else_stops_what_would_be_recorded_there() {
    let story = published();
    story.remove("records/ledger.jsonl");
    fs::create_dir(story.path("records/ledger.jsonl")).unwrap();
    let before = snapshot(&story.path(""));
    discreet(story.with_passphrase(&format!("--at {} rotate", due())), &[]).refused(1, "file-unwritable");
    discreet(story.meshca("ledger verify"), &[]).refused(1, "file-unreadable").saying("is a folder");
    assert_eq!(snapshot(&story.path("")), before);
}

// --- a terminal

/// Runs the program on a terminal of its own, types these lines, each after its prompt, and returns what the terminal
/// showed. `look` sees the process while it waits for the first one.
fn on_a_terminal(story: &Story, line: &str, typed: &[(&str, &str)], look: impl FnOnce(u32)) -> (bool, String) {
    let plain = story.command(line);
    let script = "import os, pty, sys, termios, time\n\
                  pid, terminal = pty.fork()\n\
                  if pid == 0: os.execv(sys.argv[2], sys.argv[2:])\n\
                  typed = sys.argv[1].split('\\x01')\n\
                  seen = b''\n\
                  first = True\n\
                  while True:\n\
                  \x20   try: piece = os.read(terminal, 4096)\n\
                  \x20   except OSError: break\n\
                  \x20   if not piece: break\n\
                  \x20   seen += piece\n\
                  \x20   if len(typed) > 1 and typed[0].encode() in seen:\n\
                  \x20       if first:\n\
                  \x20           print(pid, flush=True); sys.stdin.readline(); first = False\n\
                  \x20       # People do not type before the prompt has done its work: a passphrase is not shown.\n\
                  \x20       while 'Type' not in typed[0] and termios.tcgetattr(terminal)[3] & termios.ECHO: time.sleep(0.01)\n\
                  \x20       os.write(terminal, typed[1].encode() + b'\\n')\n\
                  \x20       sys.stdout.write(seen.decode(errors='replace')); seen = b''; typed = typed[2:]\n\
                  sys.stdout.write(seen.decode(errors='replace'))\n\
                  sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let typed: Vec<&str> = typed.iter().flat_map(|(prompt, answer)| [*prompt, *answer]).collect();
    let mut python = Command::new(judges::program("python3"));
    python.args(["-c", script, &typed.join("\u{1}")]).arg(plain.get_program()).args(plain.get_args());
    python.current_dir(story.path("")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn().unwrap();
    let mut shown = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    shown.read_line(&mut first).unwrap();
    look(first.trim().parse().unwrap_or_else(|_| panic!("it never asked: {first}")));
    drop(child.stdin.take());
    let mut rest = String::new();
    shown.read_to_string(&mut rest).unwrap();
    (child.wait().unwrap().success(), rest)
}

#[test]
fn a_root_can_be_made_by_typing_and_while_it_waits_no_core_can_be_dumped() {
    let story = Story::new(&lab("shop", "", &["east"]));
    let typed = [
        ("Type the root's name to go on: ", "shop root g1"),
        ("Passphrase of the new root key: ", PASSPHRASE),
        ("The same once more: ", PASSPHRASE),
    ];
    let (fine, shown) = on_a_terminal(&story, &format!("--at {NEW_YEAR} root create"), &typed, |pid| {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    });
    assert!(fine, "{shown}");
    assert!(!shown.contains(PASSPHRASE), "the passphrase was shown: {shown}");
    let key = story.path("material/root/g1/root-key.pem");
    openssl_makes(&format!("pkey -in {} -passin pass:{PASSPHRASE}", key.display()));
    assert!(sound(&story.path("clusters/east"), 0).is_err());
}

#[test]
fn a_passphrase_that_is_typed_differently_the_second_time_makes_nothing() {
    let story = Story::new(&lab("shop", "", &["east"]));
    let typed = [
        ("Type the root's name to go on: ", "shop root g1"),
        ("Passphrase of the new root key: ", PASSPHRASE),
        ("The same once more: ", "correct-horse-battery-stable"),
    ];
    let (fine, shown) = on_a_terminal(&story, &format!("--at {NEW_YEAR} root create"), &typed, |_| {});
    assert!(!fine && shown.contains("passphrase-refused"), "{shown}");
    assert!(!shown.contains(PASSPHRASE) && !shown.contains("stable"), "{shown}");
    assert_eq!(snapshot(&story.path("material")).len(), 0);
}

#[test]
fn outside_a_lab_the_roots_passphrase_typed_again_for_the_issuing_key_makes_nothing() {
    let story = Story::new(&lab("shop", "", &["east"]).replace("lab: true", "lab: false"));
    let mut create = story.command("root create --passphrase-file passphrase --confirm");
    Said::of(&judges::run(create.arg("shop root g1"))).fine();
    let typed = [
        ("root-key.pem: ", PASSPHRASE),
        ("Passphrase of the new issuing key: ", PASSPHRASE),
        ("The same once more: ", PASSPHRASE),
    ];
    let (fine, shown) = on_a_terminal(&story, "issuing create", &typed, |_| {});
    assert!(!fine && shown.contains("passphrase-shared"), "{shown}");
    assert!(!shown.contains(PASSPHRASE), "{shown}");
    assert!(!story.path("material/issuing").exists());
}

// --- long work

#[test]
fn long_work_shows_on_a_terminal_how_far_it_has_come_and_is_silent_in_a_pipe() {
    let names: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let story = Story::new(&lab("shop", "", &names)).founded("shop", NEW_YEAR);
    let command = story.command(&format!("--at {NEW_YEAR} issue --passphrase-file passphrase"));
    let shown = judges::run(on_terminal(&command).current_dir(story.path("")));
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("minting 1 of 20") && shown.contains("minting 20 of 20"), "{shown}");
    let said = story.with_passphrase(&format!("--at {NEW_YEAR} publish")).fine();
    assert!(!said.err.contains("publishing"), "{said:?}");
}
