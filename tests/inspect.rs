//! `inspect`, by the real program: every kind of file, and never a line of a private key.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "what cannot be read back is a failed test")]

#[path = "support/published_lab.rs"]
mod published_lab;

use std::fs;

use published_lab::Lab;
use serde_json::Value;

/// What the blocks of a file are, part after part: the name of the value, then a word for each block.
#[track_caller]
fn held(lab: &Lab, path: &str) -> Vec<(Option<String>, Vec<String>)> {
    let document: Value = serde_json::from_str(&lab.ends(&format!("inspect {path} -o json"), 0).out).unwrap();
    assert_eq!(document.pointer("/kind").and_then(Value::as_str), Some("Inspection"));
    let text = |value: &Value, key: &str| value.pointer(key).and_then(Value::as_str).map(str::to_owned);
    let parts = document.pointer("/parts").and_then(Value::as_array).unwrap();
    let words = |part: &Value| {
        let blocks = part.pointer("/blocks").and_then(Value::as_array).unwrap();
        blocks.iter().map(|block| text(block, "/holds").unwrap()).collect()
    };
    parts.iter().map(|part| (text(part, "/name"), words(part))).collect()
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(format!("{}/pki-fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn certificates_chains_and_der_are_shown_with_what_decides() {
    let lab = Lab::new();
    let told = lab.ends("inspect east/ca-cert.pem", 0).out;
    for row in [
        "line 1: certificate\n",
        "  subject      O=m1, OU=east, CN=m1 intermediate g1\n",
        "  issuer       O=m1, CN=m1 issuing g1\n",
        "  key          ECDSA P-256\n",
        "  valid        2026-11-23T09:55:00Z  to  2027-02-21T10:00:00Z\n",
        "  ca           yes, path length 0\n",
        "  key usage    keyCertSign, cRLSign\n",
    ] {
        assert!(told.contains(row), "{row}{told}");
    }
    assert_eq!(held(&lab, "east/cert-chain.pem"), [(None, vec!["certificate".to_owned(); 2])]);
    lab.write("signer.der", pem::parse(lab.read("east/ca-cert.pem")).unwrap().contents());
    assert_eq!(lab.ends("inspect signer.der", 0).out, told, "the same certificate without its armour");
    assert_eq!(lab.run_with("inspect -", &lab.read("east/ca-cert.pem")).out, told);
}

#[test]
fn a_key_is_named_and_not_shown_sealed_or_not() {
    let lab = Lab::new();
    lab.write("rsa.pem", fixture("keys/west-rsa2048.pkcs1.pem"));
    lab.write("p384.pem", fixture("keys/west-p384.pem"));
    for (path, what) in [
        ("east/ca-key.pem", "line 1: private key, PKCS#8, ECDSA P-256 (not shown)\n"),
        ("rsa.pem", "line 1: private key, PKCS#1, RSA 2048 (not shown)\n"),
        ("p384.pem", "line 1: private key, PKCS#8, ECDSA P-384 (not shown)\n"),
        (
            "material/issuing/g1/issuing-key.pem",
            "line 1: private key, sealed PKCS#8, of a kind that the seal hides (not shown)\n",
        ),
    ] {
        assert_eq!(lab.ends(&format!("inspect {path}"), 0).out.trim_end(), what.trim_end());
        assert_eq!(held(&lab, path), [(None, vec!["private-key".to_owned()])]);
    }
    // A key in DER is no certificate, and the refusal shows nothing of it: whatever is told is searched for the key.
    lab.write("key.der", pem::parse(lab.read("east/ca-key.pem")).unwrap().contents());
    assert!(lab.ends("inspect key.der", 1).err.contains("certificate-malformed"));
}

#[test]
fn revocation_lists_have_issuer_and_window() {
    let lab = Lab::new();
    lab.write("ca-crl.pem", fixture("sound/revocation-lists/ca-crl.pem"));
    let told = lab.ends("inspect ca-crl.pem", 0).out;
    assert!(told.contains("revocation list\n  issuer       O=Fixture, CN=mesh1 root g1\n"), "{told}");
    assert!(told.contains("  valid        2026-11-22T10:00:00Z  to  2026-12-23T10:00:00Z\n"), "{told}");
    assert_eq!(held(&lab, "ca-crl.pem"), [(None, vec!["revocation-list".to_owned(); 3])]);
}

#[test]
fn a_secret_is_shown_value_by_value() {
    let lab = Lab::new();
    for json in [false, true] {
        lab.write("secret", lab.manifest(json));
        let found = held(&lab, "secret");
        let expected = [
            ("ca-cert.pem", vec!["certificate"]),
            ("ca-key.pem", vec!["private-key"]),
            ("cert-chain.pem", vec!["certificate", "certificate"]),
            ("root-cert.pem", vec!["certificate"]),
        ];
        let expected = expected
            .map(|(name, holds)| (Some(name.to_owned()), holds.into_iter().map(str::to_owned).collect::<Vec<_>>()));
        assert_eq!(found, expected);
        let told = lab.ends("inspect secret", 0).out;
        assert!(told.contains("ca-key.pem\nline 1: private key, PKCS#8, ECDSA P-256 (not shown)\n"), "{told}");
    }
}

#[test]
fn garbage_is_refused_and_damage_is_shown() {
    let lab = Lab::new();
    lab.write("text", "nothing of note\n");
    lab.write("bytes", [0xff; 300]);
    lab.write("empty", "");
    for path in ["text", "bytes", "empty"] {
        assert!(lab.ends(&format!("inspect {path}"), 1).err.contains("nothing-recognised"), "{path}");
    }
    lab.write("half.der", [0x30, 0x82, 0xff, 0xff]);
    assert!(lab.ends("inspect half.der", 1).err.contains("certificate-malformed"));
    lab.write("secret", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n");
    assert!(lab.ends("inspect secret", 1).err.contains("secret-manifest-malformed"));
    assert!(lab.ends("inspect missing", 1).err.contains("file-unreadable"));
    fs::create_dir(lab.path("folder")).unwrap();
    assert!(lab.ends("inspect folder", 1).err.contains("file-unreadable"));

    lab.write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert!(lab.ends("inspect broken.pem", 0).out.contains("line 1: broken: certificate-malformed: "));
    lab.write("odd.pem", lab.read("east/ca-cert.pem").trim_end());
    let told = lab.ends("inspect odd.pem", 0).out;
    assert!(told.contains("certificate\n") && told.contains("odd: "), "{told}");
}
