//! Proves the judges: each must accept a good set and refuse each kind of bad one. A judge that cannot say no would make
//! every other test that asks it worthless. All sets are made by `openssl`, none by meshca.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a set that cannot be made is a failed test"
)]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::judges::{Lint, istiod_judge, openssl, openssl_verify_strict, pkilint};
use tempfile::TempDir;

/// All sets hold from 2026-01-01 to 2036-01-01 unless a test says otherwise; this moment is inside.
const INSIDE: &str = "2026-06-01T00:00:00Z";
const INSIDE_SECONDS: i64 = 1_780_272_000;
const ALWAYS: [&str; 2] = ["20260101000000Z", "20360101000000Z"];

const ROOT: &str =
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash";
const ROOT_PATHLEN_0: &str =
    "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash";
const ISSUING: &str = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n\
                       subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid";
const LEAF: &str = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
                    subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid";

/// A folder as istiod mounts it, with the keys of root and signer beside it.
struct Set {
    folder: TempDir,
}

impl Set {
    fn good() -> Self {
        Self::of(ROOT, ISSUING, ALWAYS)
    }

    /// A root P-256 with these extensions, and a signer under it with those, good between these moments.
    fn of(root: &str, signer: &str, validity: [&str; 2]) -> Self {
        let set = Self { folder: tempfile::tempdir().unwrap() };
        set.key("root-key.pem");
        set.key("ca-key.pem");
        // `openssl ca` and not `req -x509`: of the two, only it lets OpenSSL 3.0 set the moments.
        set.sign("root", "root-key.pem", "/O=Judges/CN=Root", root, ALWAYS, None);
        set.sign("signer", "ca-key.pem", "/O=Judges/CN=Issuing", signer, validity, Some("root"));
        set.write("root-cert.pem", &set.read("root.crt"));
        set.write("ca-cert.pem", &set.read("signer.crt"));
        set.write("cert-chain.pem", &(set.read("signer.crt") + &set.read("root.crt")));
        set
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn openssl(&self, line: &str) {
        let here = self.folder.path().to_str().unwrap();
        let output = openssl(line.split_whitespace().map(|word| word.replace("./", &format!("{here}/"))));
        assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn key(&self, name: &str) {
        self.openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ./{name}"));
    }

    /// Signs `NAME.crt` for a key, by `ISSUER.crt` and the root key or by itself.
    fn sign(&self, name: &str, key: &str, subject: &str, extensions: &str, validity: [&str; 2], issuer: Option<&str>) {
        let here = self.folder.path().display();
        let [from, to] = validity;
        self.write("database", "");
        self.write(
            "ca.conf",
            &format!(
                "[ca]\ndefault_ca=it\n[it]\ndatabase={here}/database\nnew_certs_dir={here}\nrand_serial=yes\n\
                 default_md=sha256\npolicy=any\nunique_subject=no\ncrlnumber={here}/crlnumber\n[any]\norganizationName=optional\n\
                 commonName=supplied\n[extensions]\n{extensions}\n\
                 [crl_extensions]\nauthorityKeyIdentifier=keyid\n[req]\ndistinguished_name=none\n[none]\n"
            ),
        );
        self.openssl(&format!("req -new -config ./ca.conf -key ./{key} -subj {subject} -out ./{name}.csr"));
        let by = issuer.map_or("-selfsign".into(), |issuer| format!("-cert ./{issuer}.crt"));
        self.openssl(&format!(
            "ca -batch -notext -config ./ca.conf -extensions extensions -preserveDN -startdate {from} -enddate {to} \
             -keyfile ./root-key.pem {by} -in ./{name}.csr -out ./{name}.crt"
        ));
    }

    fn crl(&self, issuer: &str, key: &str) -> String {
        self.write("crlnumber", "01");
        self.openssl(&format!(
            "ca -gencrl -config ./ca.conf -keyfile ./{key} -cert ./{issuer}.crt -crldays 30 -crlexts crl_extensions -out ./{issuer}.crl"
        ));
        self.read(&format!("{issuer}.crl"))
    }

    fn judged(&self) -> Value {
        self.judged_at(INSIDE)
    }

    fn judged_at(&self, at: &str) -> Value {
        istiod_judge([self.folder.path()], at).remove(0)
    }

    fn strictly_verified(&self) -> Result<(), String> {
        let (root, cert) = (self.path("root-cert.pem"), self.path("ca-cert.pem"));
        openssl_verify_strict(&root, None, &cert, INSIDE_SECONDS)
    }
}

/// Which of start, reload, workload and agent say yes.
fn accepting(verdicts: &Value) -> Vec<&str> {
    let all = ["start", "reload", "workload", "agent"].into_iter();
    all.filter(|question| verdicts[question]["accepts"].as_bool().unwrap()).collect()
}

#[track_caller]
fn assert_refused(verdicts: &Value, question: &str, why: &str) {
    let error = verdicts[question]["error"].as_str().unwrap_or_else(|| panic!("{question} accepts: {verdicts}"));
    assert!(error.contains(why), "{question} refuses, but not for {why:?}: {verdicts}");
}

#[test]
fn a_good_set_is_accepted_by_every_judge() {
    let set = Set::good();
    let verdicts = set.judged();
    assert_eq!(accepting(&verdicts), ["start", "reload", "workload", "agent"], "{verdicts}");
    assert_eq!(set.strictly_verified(), Ok(()));
    assert_eq!(pkilint(&set.path("root-cert.pem"), Lint::Certificate), [""; 0]);
    assert_eq!(pkilint(&set.path("ca-cert.pem"), Lint::Certificate), [""; 0]);
    assert_eq!(pkilint(&set.path("ca-cert.pem"), Lint::IssuedBy(&set.path("root-cert.pem"))), [""; 0]);
}

#[test]
fn many_folders_are_judged_in_one_run_and_in_their_order() {
    let (good, bad) = (Set::good(), Set::of(ROOT_PATHLEN_0, ISSUING, ALWAYS));
    let folders = [bad.folder.path(), good.folder.path()];
    let verdicts = istiod_judge(folders, INSIDE);
    let judged: Vec<_> = verdicts.iter().map(|verdict| Path::new(verdict["folder"].as_str().unwrap())).collect();
    assert_eq!(judged, folders);
    assert_eq!(accepting(&verdicts[0]), ["start", "reload"]);
    assert_eq!(accepting(&verdicts[1]), ["start", "reload", "workload", "agent"]);
}

#[test]
fn under_a_root_of_path_length_0_istiod_starts_and_no_workload_is_believed() {
    let set = Set::of(ROOT_PATHLEN_0, ISSUING, ALWAYS);
    let verdicts = set.judged();
    assert_eq!(accepting(&verdicts), ["start", "reload"], "{verdicts}");
    assert_refused(&verdicts, "workload", "too many intermediates");
    assert_refused(&verdicts, "agent", "too many intermediates");
}

#[test]
fn a_key_that_is_not_the_signers_is_refused() {
    let set = Set::good();
    set.key("ca-key.pem");
    let verdicts = set.judged();
    assert_eq!(accepting(&verdicts), [""; 0]);
    assert_refused(&verdicts, "reload", "does not match the key");
}

#[test]
fn curve_parameters_before_the_key_are_refused() {
    let set = Set::good();
    set.openssl("ec -in ./ca-key.pem -out ./sec1.pem");
    set.openssl("ecparam -name prime256v1 -out ./parameters.pem");
    set.write("ca-key.pem", &set.read("sec1.pem"));
    assert_eq!(accepting(&set.judged()).len(), 4, "the key alone is fine");
    set.write("ca-key.pem", &(set.read("parameters.pem") + &set.read("sec1.pem")));
    let verdicts = set.judged();
    assert_eq!(accepting(&verdicts), [""; 0]);
    assert_refused(&verdicts, "reload", "unsupported PEM block type for a private key: EC PARAMETERS");
}

#[test]
fn an_encrypted_key_is_refused() {
    let set = Set::good();
    set.openssl("pkcs8 -topk8 -in ./ca-key.pem -out ./encrypted.pem -passout pass:judges");
    set.write("ca-key.pem", &set.read("encrypted.pem"));
    let verdicts = set.judged();
    assert_eq!(accepting(&verdicts), [""; 0]);
    assert_refused(&verdicts, "reload", "unsupported PEM block type for a private key: ENCRYPTED PRIVATE KEY");
}

#[test]
fn a_signer_only_for_client_authentication_is_refused() {
    let set = Set::of(ROOT, &format!("{ISSUING}\nextendedKeyUsage=clientAuth"), ALWAYS);
    let verdicts = set.judged();
    assert_refused(&verdicts, "start", "incompatible key usage");
    assert_refused(&verdicts, "reload", "incompatible key usage");
    assert_refused(&verdicts, "agent", "incompatible key usage");
}

#[test]
fn a_signer_is_refused_before_and_after_its_time() {
    let set = Set::of(ROOT, ISSUING, ["20260501000000Z", "20260701000000Z"]);
    assert_eq!(accepting(&set.judged()).len(), 4);
    for outside in ["2026-04-30T23:59:59Z", "2026-07-01T00:00:01Z"] {
        let verdicts = set.judged_at(outside);
        assert_eq!(accepting(&verdicts), [""; 0], "{outside}");
        assert_refused(&verdicts, "reload", "expired or is not yet valid");
    }
}

#[test]
fn a_leaf_as_signer_passes_reload_and_fails_at_start() {
    let set = Set::of(ROOT, LEAF, ALWAYS);
    let verdicts = set.judged();
    assert_eq!(accepting(&verdicts), ["reload"], "{verdicts}");
    assert_refused(&verdicts, "start", "not authorized to sign other certificates");
}

#[test]
fn an_unreadable_block_among_the_roots_passes_reload_and_fails_at_start() {
    let set = Set::good();
    let stray = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    set.write("root-cert.pem", &(set.read("root.crt") + stray));
    let verdicts = set.judged();
    assert_eq!(accepting(&verdicts), ["reload", "workload", "agent"], "{verdicts}");
    assert_refused(&verdicts, "start", "parse certificate from rootPEM");
}

#[test]
fn an_expired_first_certificate_of_the_chain_passes_reload_and_fails_at_start() {
    let set = Set::good();
    set.sign(
        "old",
        "ca-key.pem",
        "/O=Judges/CN=Issuing",
        ISSUING,
        ["20260101000000Z", "20260201000000Z"],
        Some("root"),
    );
    set.write("cert-chain.pem", &(set.read("old.crt") + &set.read("signer.crt")));
    let verdicts = set.judged();
    assert_eq!(accepting(&verdicts), ["reload", "workload", "agent"], "{verdicts}");
    assert_refused(&verdicts, "start", "cert chain has expired");
}

#[test]
fn a_root_that_did_not_sign_is_refused() {
    let set = Set::good();
    set.write("root-cert.pem", &Set::good().read("root.crt"));
    let verdicts = set.judged();
    assert_eq!(accepting(&verdicts), [""; 0]);
    assert_refused(&verdicts, "reload", "unknown authority");
}

#[test]
fn a_missing_file_is_refused() {
    let set = Set::good();
    std::fs::remove_file(set.path("cert-chain.pem")).unwrap();
    let verdicts = set.judged();
    assert_eq!(accepting(&verdicts), [""; 0]);
    assert_refused(&verdicts, "start", "incomplete signing CA bundle");
}

#[test]
fn certificates_run_together_without_a_line_end_are_both_lost() {
    let set = Set::good();
    set.write("ca-cert.pem", &(set.read("signer.crt").trim_end().to_owned() + &set.read("root.crt")));
    assert_refused(&set.judged(), "reload", "failed to parse cert PEM");
}

#[test]
fn the_form_of_kubernetes_wins_over_the_form_of_istio() {
    let set = Set::good();
    let other = Set::good();
    set.write("tls.crt", &other.read("ca-cert.pem"));
    set.write("tls.key", &other.read("ca-key.pem"));
    set.write("ca.crt", &other.read("root-cert.pem"));
    assert_eq!(accepting(&set.judged()).len(), 4);
    set.write("ca.crt", &set.read("root-cert.pem"));
    assert_eq!(accepting(&set.judged()), [""; 0], "the other root is not the one that signed tls.crt");
}

#[test]
fn a_crl_is_wanted_of_every_certificate_of_the_chain_once_there_is_one() {
    let set = Set::good();
    let (root, signer) = (set.crl("root", "root-key.pem"), set.crl("signer", "ca-key.pem"));
    set.write("ca-crl.pem", &(root.clone() + &signer));
    assert_eq!(accepting(&set.judged()).len(), 4);
    set.write("ca-crl.pem", &root);
    let verdicts = set.judged();
    assert_eq!(accepting(&verdicts), ["workload", "agent"], "{verdicts}");
    assert_refused(&verdicts, "reload", "missing CRL signed by certificates: CN=Issuing");
}

#[test]
fn a_crl_by_a_signer_without_the_right_to_sign_crls_does_not_count() {
    let set = Set::of(ROOT, &ISSUING.replace(",cRLSign", ""), ALWAYS);
    set.write("ca-crl.pem", &(set.crl("root", "root-key.pem") + &set.crl("signer", "ca-key.pem")));
    assert_refused(&set.judged(), "reload", "missing CRL signed by certificates: CN=Issuing");
}

#[test]
fn openssl_refuses_what_a_root_of_path_length_0_did_not_allow() {
    let set = Set::of(ROOT_PATHLEN_0, ISSUING, ALWAYS);
    set.key("leaf-key.pem");
    std::fs::rename(set.path("root-key.pem"), set.path("kept.pem")).unwrap();
    std::fs::copy(set.path("ca-key.pem"), set.path("root-key.pem")).unwrap();
    set.sign("leaf", "leaf-key.pem", "/CN=leaf", LEAF, ALWAYS, Some("signer"));
    let (root, untrusted, leaf) = (set.path("root-cert.pem"), set.path("ca-cert.pem"), set.path("leaf.crt"));
    let refused = openssl_verify_strict(&root, Some(&untrusted), &leaf, INSIDE_SECONDS).unwrap_err();
    assert!(refused.contains("path length constraint exceeded"), "{refused}");
}

#[test]
fn openssl_strictly_refuses_a_signer_without_the_identifier_of_its_issuers_key() {
    let set = Set::of(ROOT, &ISSUING.replace("keyid", "none"), ALWAYS);
    let refused = set.strictly_verified().unwrap_err();
    assert!(refused.contains("Authority Key Identifier"), "{refused}");
}

#[test]
fn openssl_refuses_at_a_moment_outside() {
    let set = Set::of(ROOT, ISSUING, ["20260501000000Z", "20260502000000Z"]);
    let refused = set.strictly_verified().unwrap_err();
    assert!(refused.contains("certificate has expired"), "{refused}");
}

#[test]
fn pkilint_finds_a_missing_key_usage_and_a_wrong_issuer() {
    let set = Set::of(ROOT, "basicConstraints=critical,CA:TRUE,pathlen:0\nsubjectKeyIdentifier=hash", ALWAYS);
    let found = pkilint(&set.path("ca-cert.pem"), Lint::Certificate);
    assert!(found.contains(&"ERROR pkix.ca_certificate_no_ku_extension".to_owned()), "{found:?}");
    let found = pkilint(&set.path("root-cert.pem"), Lint::IssuedBy(&set.path("ca-cert.pem")));
    assert!(!found.is_empty());
}

#[test]
fn pkilint_finds_a_crl_without_extensions() {
    let set = Set::good();
    set.crl("root", "root-key.pem");
    assert_eq!(pkilint(&set.path("root.crl"), Lint::Crl), [""; 0]);
    set.openssl("ca -gencrl -config ./ca.conf -keyfile ./root-key.pem -cert ./root.crt -crldays 30 -out ./bare.crl");
    let found = pkilint(&set.path("bare.crl"), Lint::Crl);
    assert!(found.contains(&"ERROR pkix.authority_key_identifier_missing".to_owned()), "{found:?}");
}

#[test]
#[should_panic(expected = "pkilint gave no verdict")]
fn pkilint_giving_no_verdict_is_a_failure() {
    let set = Set::good();
    pkilint(&set.path("ca-key.pem"), Lint::Certificate);
}

#[test]
#[should_panic(expected = "is not a folder")]
fn a_folder_that_is_not_there_is_a_failure_and_no_refusal() {
    istiod_judge(["no-such-folder"], INSIDE);
}

#[test]
#[should_panic(expected = "run tests/run tools")]
fn a_judge_that_is_missing_is_a_failure() {
    support::judges::program("no-such-judge");
}
