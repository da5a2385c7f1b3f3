//! What meshca mints, judged by programs that nobody here wrote: OpenSSL, pkilint and what istiod's Go code does. Each
//! set is made by the real program in a real folder.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a set that cannot be made is a failed test")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use support::judges::{Lint, istiod_judge, openssl, openssl_verify_strict, pkilint};
use tempfile::TempDir;

const MOMENT: &str = "2026-11-23T10:00:00Z";
const SECONDS: i64 = 1_795_428_000;

/// A lab with one cluster, all its keys under one passphrase.
struct Lab {
    folder: TempDir,
}

impl Lab {
    fn new(extra: &str) -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        let mesh = format!(
            "version: 1\nmesh: m1\nlab: true\n{extra}\nclusters:\n  - name: east\n    role: primary\n    access: {{ \
             directory: ./east }}\n"
        );
        fs::write(lab.path("mesh.yaml"), mesh).unwrap();
        fs::write(lab.path("passphrase"), "a passphrase of the lab\n").unwrap();
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn meshca(&self, arguments: &[&str]) -> assert_cmd::assert::Assert {
        let mut command = Command::cargo_bin("meshca").unwrap();
        command.current_dir(self.folder.path()).args(["--at", MOMENT]).args(arguments);
        command.assert()
    }

    fn create_root(&self) {
        let passphrase = ["--passphrase-file", "passphrase"];
        self.meshca(&[&["root", "create", "--confirm", "m1 root g1"], &passphrase[..]].concat()).success();
    }

    /// Issuing CA, intermediate and publish, under the root that is there.
    fn go_on(&self) {
        let issuing =
            ["issuing", "create", "--passphrase-file", "passphrase", "--issuing-passphrase-file", "passphrase"];
        self.meshca(&issuing).success();
        self.meshca(&["issue", "--passphrase-file", "passphrase"]).success();
        self.meshca(&["publish", "--passphrase-file", "passphrase"]).success();
    }

    fn root(&self) -> PathBuf {
        self.path("material/root/g1/root-cert.pem")
    }

    fn issuing(&self) -> PathBuf {
        self.path("material/issuing/g1/issuing-cert.pem")
    }

    fn east(&self, file: &str) -> PathBuf {
        self.path("east").join(file)
    }

    /// Every judge that looks at a whole set.
    fn is_accepted(&self) {
        openssl_verify_strict(&self.root(), Some(&self.east("cert-chain.pem")), &self.east("ca-cert.pem"), SECONDS)
            .unwrap();
        for verdict in istiod_judge([self.path("east")], MOMENT) {
            for consumer in ["start", "reload", "workload", "agent"] {
                assert_eq!(verdict.pointer(&format!("/{consumer}/accepts")), Some(&true.into()), "{verdict}");
            }
        }
    }
}

fn lints_clean(certificate: &Path, lint: Lint<'_>) {
    assert_eq!(pkilint(certificate, lint), Vec::<String>::new(), "{}", certificate.display());
}

#[test]
fn three_tiers_of_each_key_kind_are_clean_for_openssl_istiod_and_pkilint() {
    for kind in ["ecdsa-p256", "ecdsa-p384"] {
        let lab =
            Lab::new(&format!("root: {{ key: {kind} }}\nissuing: {{ key: {kind} }}\nintermediate: {{ key: {kind} }}"));
        lab.create_root();
        lab.go_on();
        lab.is_accepted();
        lints_clean(&lab.root(), Lint::Certificate);
        lints_clean(&lab.issuing(), Lint::Certificate);
        lints_clean(&lab.issuing(), Lint::IssuedBy(&lab.root()));
        lints_clean(&lab.east("ca-cert.pem"), Lint::Certificate);
        lints_clean(&lab.east("ca-cert.pem"), Lint::IssuedBy(&lab.issuing()));
    }
}

#[test]
fn two_tiers_without_an_issuing_ca_are_clean_as_well() {
    let lab = Lab::new("issuing: { mode: none }");
    fs::write(lab.path("stock-passphrase"), "a passphrase of the stock\n").unwrap();
    lab.create_root();
    let stock = ["--stock-passphrase-file", "stock-passphrase"];
    lab.meshca(&[&["issue", "--passphrase-file", "passphrase"], &stock[..]].concat()).success();
    lab.meshca(&["publish", "--passphrase-file", "stock-passphrase"]).success();
    lab.is_accepted();
    lints_clean(&lab.east("ca-cert.pem"), Lint::IssuedBy(&lab.root()));
}

#[test]
fn the_root_ends_the_chain_only_where_the_mesh_file_asks_for_it() {
    for (include, certificates) in [("false", 2), ("true", 3)] {
        let lab = Lab::new(&format!("chain: {{ includeRoot: {include} }}"));
        lab.create_root();
        lab.go_on();
        lab.is_accepted();
        let chain = fs::read_to_string(lab.east("cert-chain.pem")).unwrap();
        assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), certificates);
        assert!(chain.starts_with(&fs::read_to_string(lab.east("ca-cert.pem")).unwrap()), "the signer comes first");
    }
}

#[test]
fn openssl_opens_every_sealed_key_and_reads_the_plain_one_that_istiod_gets() {
    let lab = Lab::new("");
    lab.create_root();
    lab.go_on();
    let passphrase = format!("file:{}", lab.path("passphrase").display());
    for key in ["material/root/g1/root-key.pem", "material/issuing/g1/issuing-key.pem"] {
        let key = lab.path(key);
        let text = fs::read_to_string(&key).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let key = key.display().to_string();
        assert!(openssl(["pkey", "-in", &key, "-passin", &passphrase, "-noout"]).status.success());
        assert!(!openssl(["pkey", "-in", &key, "-passin", "pass:wrong", "-noout"]).status.success());
        let parameters = openssl(["asn1parse", "-in", &key]);
        let parameters = String::from_utf8_lossy(&parameters.stdout).into_owned();
        for word in ["PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc", ":0927C0"] {
            assert!(parameters.contains(word), "{word} (0927C0 is 600,000) in {parameters}");
        }
    }
    assert!(openssl(["pkey", "-in", &lab.east("ca-key.pem").display().to_string(), "-noout"]).status.success());
}

/// A root that somebody else made with OpenSSL, put where `root create` would have put one.
fn foreign_root(lab: &Lab, algorithm: &[&str], subject: &str) {
    let folder = lab.path("material/root/g1");
    fs::create_dir_all(&folder).unwrap();
    let plain = lab.path("plain.pem").display().to_string();
    let made = openssl([&["genpkey", "-out", &plain], algorithm].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let config = lab.path("root.cnf").display().to_string();
    fs::write(
        &config,
        format!(
            "[req]\nprompt=no\nstring_mask=nombstr\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n{subject}\n[ext]\n\
             basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
        ),
    )
    .unwrap();
    let certificate = folder.join("root-cert.pem").display().to_string();
    let days = ["-days", "7300", "-sha256"];
    let request = ["req", "-x509", "-new", "-key", &plain, "-config", &config, "-out", &certificate];
    let made = openssl([&request[..], &days[..]].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let sealed = folder.join("root-key.pem").display().to_string();
    let passphrase = format!("file:{}", lab.path("passphrase").display());
    let seal = ["-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256", "-iter", "600000", "-passout", &passphrase];
    let made = openssl([&["pkcs8", "-in", &plain, "-out", &sealed], &seal[..]].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::remove_file(plain).unwrap();
}

fn name_of(certificate: &Path, whose: &str) -> String {
    let path = certificate.display().to_string();
    let output = openssl(["x509", "-in", &path, "-noout", whose, "-nameopt", "dump_all,dump_der,sep_multiline"]);
    String::from_utf8_lossy(&output.stdout).lines().skip(1).collect::<Vec<_>>().join("\n")
}

#[test]
fn names_of_foreign_roots_with_repeated_and_multi_valued_attributes_stay_byte_exact() {
    let subjects = [
        "0.DC=corp\n1.DC=example\n0.OU=One\n1.OU=Two\nO=Acme\nCN=repeated root",
        "C=DE\nO=Acme\nOU=Multi\n+CN=multi-valued root",
        "O=Übergröße\nCN=latin one root",
    ];
    for subject in subjects {
        let lab = Lab::new("");
        foreign_root(&lab, &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], subject);
        // The root begins now, whatever the lab's moment is.
        let meshca = |arguments: &[&str]| {
            let mut command = Command::cargo_bin("meshca").unwrap();
            command.current_dir(lab.folder.path()).args(arguments).assert().success();
        };
        let both = ["--passphrase-file", "passphrase", "--issuing-passphrase-file", "passphrase"];
        meshca(&[&["issuing", "create"], &both[..]].concat());
        assert_eq!(name_of(&lab.issuing(), "-issuer"), name_of(&lab.root(), "-subject"), "{subject}");
        meshca(&["issue", "--passphrase-file", "passphrase"]);
        meshca(&["publish", "--passphrase-file", "passphrase"]);
        let path = lab.root().display().to_string();
        let output = openssl(["verify", "-x509_strict", "-CAfile", &path, &lab.issuing().display().to_string()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn an_rsa_root_from_outside_signs_from_2048_bits_on() {
    for (bits, signs) in [("2048", true), ("1024", false)] {
        let lab = Lab::new("");
        let size = format!("rsa_keygen_bits:{bits}");
        foreign_root(&lab, &["-algorithm", "RSA", "-pkeyopt", &size], "O=Acme\nCN=rsa root");
        let mut command = Command::cargo_bin("meshca").unwrap();
        let both = ["--passphrase-file", "passphrase", "--issuing-passphrase-file", "passphrase"];
        let assert = command.current_dir(lab.folder.path()).args(["issuing", "create"]).args(both).assert();
        if signs {
            assert.success();
            let path = lab.root().display().to_string();
            let output = openssl(["verify", "-x509_strict", "-CAfile", &path, &lab.issuing().display().to_string()]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        } else {
            let output = assert.code(1).get_output().stderr.clone();
            assert!(String::from_utf8_lossy(&output).contains("error: rsa-too-short: "));
            assert!(!lab.issuing().exists(), "nothing was minted under a weak key");
        }
    }
}

#[test]
fn nothing_is_minted_under_a_published_or_weak_root() {
    for (fixture, code) in [
        ("foreign/istio-samples/root-cert.pem", "published-sample-key"),
        ("faulty/rsa-close-primes/ca-cert.pem", "rsa-close-primes"),
        ("faulty/rsa-small-factor/ca-cert.pem", "rsa-small-factor"),
    ] {
        let lab = Lab::new("");
        fs::create_dir_all(lab.path("material/root/g1")).unwrap();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("pki-fixtures");
        fs::copy(fixtures.join(fixture), lab.root()).unwrap();
        let both = ["--passphrase-file", "passphrase", "--issuing-passphrase-file", "passphrase"];
        for command in [&["issuing", "create"][..], &["rotate"], &["publish"]] {
            let given = if command.len() == 2 { &both[..] } else { &both[..2] };
            let refused = lab.meshca(&[command, given].concat()).code(1);
            let words = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
            assert!(words.contains(&format!("error: {code}: ")), "{words}");
        }
    }
}

#[test]
fn a_key_that_one_cluster_signs_with_is_published_to_no_other() {
    let lab = Lab::new("");
    let mesh = fs::read_to_string(lab.path("mesh.yaml")).unwrap();
    let west = "  - name: west\n    role: primary\n    access: { directory: ./west }\n";
    fs::write(lab.path("mesh.yaml"), mesh + west).unwrap();
    lab.create_root();
    let issuing = ["issuing", "create", "--passphrase-file", "passphrase", "--issuing-passphrase-file", "passphrase"];
    lab.meshca(&issuing).success();
    lab.meshca(&["issue", "east", "--passphrase-file", "passphrase"]).success();
    // Somebody copies east's stock to west.
    fs::create_dir_all(lab.path("material/stock/west/g1")).unwrap();
    for file in ["ca-cert.pem", "ca-key.pem", "upper.pem"] {
        fs::copy(lab.path("material/stock/east/g1").join(file), lab.path("material/stock/west/g1").join(file)).unwrap();
    }
    lab.meshca(&["publish", "east", "--passphrase-file", "passphrase"]).success();
    for command in ["publish", "rotate"] {
        let refused = lab.meshca(&[command, "--passphrase-file", "passphrase"]);
        let words = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        if command == "publish" {
            assert!(words.contains("error: shared-signing-key: "), "{words}");
            assert!(!lab.path("west").exists(), "west got nothing");
        } else {
            refused.success();
        }
    }
    // The tick made west a key of its own.
    assert_ne!(fs::read(lab.path("west/ca-key.pem")).unwrap(), fs::read(lab.path("east/ca-key.pem")).unwrap());
}

#[test]
fn a_ceremony_without_the_root_key_says_that_it_lies_elsewhere_and_makes_nothing() {
    let lab = Lab::new("");
    lab.create_root();
    fs::rename(lab.path("material/root/g1/root-key.pem"), lab.path("offline-root-key.pem")).unwrap();
    let both = ["--passphrase-file", "passphrase", "--issuing-passphrase-file", "passphrase"];
    let refused = lab.meshca(&[&["issuing", "create"], &both[..]].concat()).code(1);
    let words = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(words.contains("error: root-key-elsewhere: "), "{words}");
    assert!(!lab.path("material/issuing").exists());
}

/// Runs a command in a mesh that is no lab, where the present moment is the present moment.
fn in_earnest(lab: &Lab, arguments: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = Command::cargo_bin("meshca").unwrap();
    command.current_dir(lab.folder.path()).args(arguments).assert()
}

/// A mesh that is no lab, with its root.
fn founded_in_earnest(extra: &str) -> Lab {
    let lab = Lab::new(extra);
    let mesh = fs::read_to_string(lab.path("mesh.yaml")).unwrap().replace("lab: true", "lab: false");
    fs::write(lab.path("mesh.yaml"), mesh).unwrap();
    fs::write(lab.path("another"), "a passphrase of its own\n").unwrap();
    in_earnest(&lab, &["root", "create", "--confirm", "m1 root g1", "--passphrase-file", "passphrase"]).success();
    lab
}

#[test]
fn outside_a_lab_the_roots_passphrase_opens_no_other_key() {
    for (extra, command, made) in [
        (
            "",
            ["issuing", "create", "--passphrase-file", "passphrase", "--issuing-passphrase-file"].as_slice(),
            "issuing",
        ),
        ("issuing: { mode: none }", &["issue", "--passphrase-file", "passphrase", "--stock-passphrase-file"], "stock"),
    ] {
        let lab = founded_in_earnest(extra);
        let refused = in_earnest(&lab, &[command, &["passphrase"]].concat()).code(1);
        let words = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(words.contains("error: passphrase-shared: "), "{words}");
        assert!(!lab.path("material").join(made).exists());
        in_earnest(&lab, &[command, &["another"]].concat()).success();
    }
}

#[test]
fn without_an_issuing_tier_there_is_no_issuing_ca_to_make() {
    let lab = Lab::new("issuing: { mode: none }");
    lab.create_root();
    let both = ["--passphrase-file", "passphrase", "--issuing-passphrase-file", "passphrase"];
    let refused = lab.meshca(&[&["issuing", "create"], &both[..]].concat()).code(1);
    let words = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(words.contains("error: no-issuing-tier: ") && words.contains("hint: "), "{words}");
}

#[test]
fn records_on_standard_output_are_chained_lines_and_leave_no_ledger_to_read() {
    let lab = Lab::new("records: stdout");
    let passphrase = ["--passphrase-file", "passphrase"];
    let made = lab.meshca(&[&["root", "create", "--confirm", "m1 root g1"], &passphrase[..]].concat()).success();
    let out = String::from_utf8_lossy(&made.get_output().stdout).into_owned();
    let entries: Vec<&str> = out.lines().filter(|line| line.starts_with('{')).collect();
    assert_eq!(entries.len(), 2, "intent and result: {out}");
    assert!(!lab.path("records").exists());
    let refused = lab.meshca(&["ledger", "verify"]).code(1);
    let words = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(words.contains("error: no-ledger: "), "{words}");
}
