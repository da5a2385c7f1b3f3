//! Certificates by `openssl ca`, which begin when they are told to: those of `openssl x509` and `req` begin on the day of the test, and
//! are not valid yet at the moment of a story that lies before it.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a certificate that cannot be made is a failed test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::judges;

/// Signs `NAME.csr` in this folder as `NAME.pem`, valid from 2026 on. `by`: who signs, with which extensions, and until when, as words of
/// `openssl ca`; files in the folder are named by their names.
pub(crate) fn sign(folder: &Path, name: &str, by: &[&str]) {
    let config = "[ca]\ndefault_ca=it\n[it]\ndatabase=ca.index\nnew_certs_dir=.\nrand_serial=yes\nunique_subject=no\npolicy=any\n\
                  [any]\norganizationName=optional\ncommonName=optional\n";
    fs::write(folder.join("ca.cnf"), config).unwrap();
    fs::write(folder.join("ca.index"), "").unwrap();
    let mut openssl = Command::new(judges::program("openssl"));
    openssl.current_dir(folder).args(["ca", "-batch", "-notext", "-preserveDN", "-config", "ca.cnf", "-md", "sha256"]);
    openssl.args(["-startdate", "20260101000000Z"]).args(by);
    openssl.args(["-in", &format!("{name}.csr"), "-out", &format!("{name}.pem")]);
    let output = judges::run(&mut openssl);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}
