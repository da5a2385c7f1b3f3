//! A root that was made elsewhere, by OpenSSL: taken in with its key or without it, and used once it is pinned.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on is a failed test")]

mod support;

use support::judges;
use support::snapshot::{mode, private_keys, snapshot};
use support::story::{Said, Story, lab, seconds};

const NEW_YEAR: &str = "2027-01-01T00:00:00Z";
const CA: &str =
    "[ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";

fn founded() -> Story {
    Story::new(&lab("shop", "", &["east"])).founded("shop", NEW_YEAR)
}

fn openssl(story: &Story, line: &str) -> String {
    let words = line.split(' ').map(|word| word.replace("./", &format!("{}/", story.path("").display())));
    let output = judges::openssl(words);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes `NAME.pem` and `NAME.key` with these extensions, signed by its own key.
fn foreign(story: &Story, name: &str, key: &str, extensions: &str, life: &str) {
    openssl(story, &format!("genpkey {key} -out ./{name}.key"));
    self_signed(story, name, name, extensions, life);
}

fn self_signed(story: &Story, name: &str, common_name: &str, extensions: &str, life: &str) {
    let folder = story.path("");
    let config = format!(
        "[req]\ndistinguished_name=dn\nprompt=no\nutf8=yes\n[dn]\nCN={common_name}\n[ca]\ndefault_ca=it\n[it]\n\
         database={0}/index.txt\nnew_certs_dir={0}\ndefault_md=sha256\npolicy=any\nx509_extensions=ext\n\
         unique_subject=no\nserial={0}/serial\n[any]\ncommonName=supplied\n{extensions}",
        folder.display()
    );
    story.write("openssl.cnf", config);
    story.write("index.txt", "");
    story.write("serial", "01\n");
    openssl(story, &format!("req -new -utf8 -config ./openssl.cnf -key ./{name}.key -out ./{name}.csr"));
    let files = format!("-keyfile ./{name}.key -in ./{name}.csr -out ./{name}.pem");
    openssl(story, &format!("ca -selfsign -batch -notext -utf8 -config ./openssl.cnf {files} {life}"));
}

const EC: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
const LIVES: &str = "-startdate 20260101000000Z -enddate 20400101000000Z";

fn sha256(story: &Story, path: &str) -> String {
    let print = openssl(story, &format!("x509 -noout -fingerprint -sha256 -in ./{path}"));
    print.trim().rsplit('=').next().unwrap().to_owned()
}

fn import(story: &Story, name: &str, more: &str) -> Said {
    let confirm = sha256(story, &format!("{name}.pem"));
    story.meshca(&format!("--at {NEW_YEAR} root import {name}.pem --confirm {confirm} {more}"))
}

#[test]
fn a_root_without_its_key_is_used_once_the_printed_pins_are_in_the_mesh_file() {
    let story = founded();
    foreign(&story, "other", EC, CA, LIVES);
    let said = import(&story, "other", "").fine().saying("took in root g2 of shop, without its key");
    assert_eq!(private_keys(&story.path("material/root")).len(), 1);
    let issuing = format!("--at {NEW_YEAR} issuing create --issuing-passphrase-file passphrase");
    story.with_passphrase(&format!("{issuing} --root 2")).refused(1, "root-not-trusted");
    let pins = said.err.split_once("\nroot:\n").map(|(_, rest)| format!("root:\n{rest}")).unwrap();
    assert_eq!(pins.matches("    - ").count(), 2, "the founding root must not be lost: {pins}");
    story.write("mesh.yaml", format!("{}{pins}", story.read("mesh.yaml")));
    story.with_passphrase(&format!("{issuing} --root 2")).refused(1, "root-key-elsewhere");
    story.with_passphrase(&format!("{issuing} --root 1")).fine();
    story.meshca("ledger show").fine().saying("import-root");
    import(&story, "other", "").refused(1, "root-exists");
}

#[test]
fn a_root_with_its_key_signs_here_and_its_key_is_sealed_anew() {
    for (kind, key_name) in [(EC, "ecdsa"), (RSA, "rsa")] {
        let story = Story::new(&lab("shop", "", &["east"]));
        foreign(&story, "other", kind, CA, LIVES);
        let said = import(&story, "other", "--key other.key --passphrase-file passphrase").fine();
        let said = said.saying("took in root g1 of shop, with its key").saying("it is used from now on");
        assert!(!said.err.contains("trusted:"), "{said:?}");
        let sealed = story.path("material/root/g1/root-key.pem");
        assert_eq!(mode(&sealed), 0o600);
        assert!(story.read("material/root/g1/root-key.pem").starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
        let public = |file: &str| openssl(&story, &format!("pkey -pubout -passin file:./passphrase -in {file}"));
        assert_eq!(public("./material/root/g1/root-key.pem"), public("./other.key"), "{key_name}");
        story.issuing_create(NEW_YEAR).saying("issuer       CN=other");
        story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
        story.with_passphrase(&format!("--at {NEW_YEAR} publish")).fine();
        story.sound("clusters/east", seconds(NEW_YEAR)).unwrap();
        // It endorses the first root that is made here.
        let line = format!(
            "--at {NEW_YEAR} root create --next --next-passphrase-file passphrase --passphrase-file passphrase"
        );
        let mut command = story.command(&line);
        Said::of(&judges::run(command.args(["--confirm", "shop root g2"]))).fine().saying("endorsed by  CN=other");
        story.issuing_create(NEW_YEAR).saying("issuer       O=shop, CN=shop root g2");
        let text = story.read("material/root/g2/endorsement.txt");
        let (statement, signature) = text.split_at(text.find("signature ").unwrap());
        story.write("statement", statement);
        story.write("signature.b64", signature.strip_prefix("signature ").unwrap());
        openssl(&story, "base64 -d -A -in ./signature.b64 -out ./signature");
        story.write("other.pub", openssl(&story, "x509 -noout -pubkey -in ./other.pem"));
        openssl(&story, "dgst -sha256 -verify ./other.pub -signature ./signature ./statement");
    }
}

#[test]
fn a_key_that_comes_sealed_needs_its_own_passphrase() {
    let story = founded();
    foreign(&story, "other", EC, CA, LIVES);
    story.write("theirs", "the passphrase of somebody else\n");
    openssl(&story, "pkcs8 -topk8 -v2 aes-256-cbc -passout file:./theirs -in ./other.key -out ./sealed.key");
    let before = snapshot(&story.path("material"));
    let line = |file: &str| format!("--key sealed.key --passphrase-file passphrase --key-passphrase-file {file}");
    import(&story, "other", &line("passphrase")).refused(1, "wrong-passphrase").saying("sealed.key");
    assert_eq!(snapshot(&story.path("material")), before);
    import(&story, "other", &line("theirs")).fine().saying("sealed.key is still there");
    openssl(&story, "pkey -noout -passin file:./passphrase -in ./material/root/g2/root-key.pem");
}

#[test]
fn a_root_of_another_sha256_than_its_owner_says_is_not_taken_in() {
    let story = founded();
    foreign(&story, "other", EC, CA, LIVES);
    let before = snapshot(&story.path("material"));
    let g1 = sha256(&story, "material/root/g1/root-cert.pem");
    let run = |more: &str| story.meshca(&format!("--at {NEW_YEAR} root import other.pem{more}"));
    run(&format!(" --confirm {g1}")).refused(1, "not-confirmed").saying("ask its owner");
    run(" --confirm other").refused(1, "not-confirmed");
    run("").refused(1, "no-terminal");
    assert_eq!(snapshot(&story.path("material")), before);
    let whole = sha256(&story, "other.pem").replace(':', "").to_lowercase();
    run(&format!(" --confirm {whole}")).fine();
}

#[test]
fn what_could_not_be_a_root_of_a_mesh_is_refused_and_nothing_is_written() {
    let story = founded();
    let weak = "-algorithm RSA -pkeyopt rsa_keygen_bits:1024";
    let no_ca = CA.replace("CA:TRUE", "CA:FALSE");
    let short = CA.replace("CA:TRUE", "CA:TRUE,pathlen:0");
    let server = format!("{CA}extendedKeyUsage=serverAuth\n");
    for (name, key, extensions, life, code) in [
        ("weak", weak, CA, LIVES, "rsa-too-short"),
        ("ed25519", "-algorithm ED25519", CA, LIVES, "key-kind-unusual"),
        ("leaf", EC, &no_ca, LIVES, "issuer-unfit"),
        ("short", EC, &short, LIVES, "issuer-unfit"),
        ("server", EC, &server, LIVES, "issuer-unfit"),
        ("ended", EC, CA, "-startdate 20250101000000Z -enddate 20261231235959Z", "root-ended"),
        ("early", EC, CA, "-startdate 20270101000001Z -enddate 20400101000000Z", "certificate-not-yet-valid"),
        ("sha1", RSA, CA, &format!("{LIVES} -md sha1"), "weak-signature"),
    ] {
        foreign(&story, name, key, extensions, life);
        let before = snapshot(&story.path("material"));
        import(&story, name, "").refused(1, code).saying("hint: ");
        assert_eq!(snapshot(&story.path("material")), before, "{name}");
    }
    foreign(&story, "last", EC, CA, "-startdate 20270101000000Z -enddate 20270101000000Z");
    import(&story, "last", "").fine();
}

#[test]
fn roots_that_everybody_has_the_key_of_or_that_are_none_are_refused() {
    let story = founded();
    let sample = include_str!("../pki-fixtures/foreign/istio-samples/root-cert.pem");
    story.write("sample.pem", sample);
    import(&story, "sample", "").refused(1, "published-sample-key");
    story.write("long.pem", include_str!("../pki-fixtures/faulty/key-kind-unusual/rsa-8208-root/root-cert.pem"));
    import(&story, "long", "").refused(1, "key-kind-unusual").saying("has 8208 bits, more than 8192");
    story.write("longest.pem", include_str!("../pki-fixtures/sound/rsa-8192-root/root-cert.pem"));
    import(&story, "longest", "").fine();
    story.write("issuing.pem", story.read("material/issuing/g1/issuing-cert.pem"));
    import(&story, "issuing", "").refused(1, "root-not-self-signed");
    story.write("own.pem", story.read("material/root/g1/root-cert.pem"));
    import(&story, "own", "").refused(1, "root-exists").saying("generation 1");
    let twin = Story::new(&lab("shop", "", &["east"])).founded("shop", NEW_YEAR);
    story.write("twin.pem", twin.read("material/root/g1/root-cert.pem"));
    import(&story, "twin", "").refused(1, "roots-share-subject");
    foreign(&story, "other", EC, CA, LIVES);
    foreign(&story, "second", EC, CA, LIVES);
    let wrong = import(&story, "other", "--key second.key --passphrase-file passphrase");
    wrong.refused(1, "issuer-key-mismatch").saying("second.key");
}

#[test]
fn files_that_are_no_certificate_and_no_key_are_told_with_their_path() {
    let story = founded();
    foreign(&story, "other", EC, CA, LIVES);
    let (good, key) = (story.read("other.pem"), story.read("other.key"));
    let before = snapshot(&story.path("material"));
    for (text, code) in [
        (String::new(), "certificate-malformed"),
        (key.clone(), "certificate-malformed"),
        (format!("{good}{good}"), "certificate-malformed"),
        ("\u{1b}[2J".repeat(1000), "certificate-malformed"),
        (good.repeat(3000), "file-too-large"),
    ] {
        story.write("bad.pem", text);
        let said = story.meshca(&format!("--at {NEW_YEAR} root import bad.pem --confirm x")).refused(1, code);
        assert!(
            said.err.contains("bad.pem") && !said.err.contains('\u{1b}') && !said.err.contains("-----"),
            "{said:?}"
        );
    }
    for text in [String::new(), good.clone(), format!("{key}{key}"), "x".repeat(70_000)] {
        story.write("bad.key", text);
        let said = import(&story, "other", "--key bad.key --passphrase-file passphrase");
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("bad.key") && !said.err.contains("-----"), "{said:?}");
    }
    assert_eq!(snapshot(&story.path("material")), before);
}

#[test]
fn the_name_of_a_foreign_root_commands_no_terminal() {
    let story = founded();
    foreign(&story, "other", EC, CA, LIVES);
    self_signed(&story, "other", "\u{1b}[2Jother", CA, LIVES);
    let said = import(&story, "other", "").fine();
    assert!(!said.err.contains('\u{1b}') && !said.out.contains('\u{1b}'), "{said:?}");
}
