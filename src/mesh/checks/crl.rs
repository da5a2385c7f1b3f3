//! Revocation lists of the set.

use crate::mesh::checks::parts::critical;
use crate::mesh::consumers::material::Material;
use crate::mesh::secret_files::CA_CRL;
use crate::pki::moment::utc;
use crate::problem::{Code, Finding, Problem};

pub(super) fn check(material: &Material<'_>) -> Vec<Finding> {
    let Some(file) = material.crl.as_ref().filter(|file| !file.is_empty) else { return Vec::new() };
    let mut found = Vec::new();
    let mut add = |code: Code, what: String| {
        found.push(critical(CA_CRL, Problem::new(code, what).hint(format!("openssl crl -in {CA_CRL} -noout -text"))));
    };
    if file.lists.is_empty() && file.text.is_ok() {
        add(Code::CrlMalformed, format!("{CA_CRL} holds no PEM block that Go finds"));
    }
    for (line, list) in &file.lists {
        if let Err(why) = list {
            add(Code::CrlMalformed, format!("{CA_CRL}, line {line}: not a revocation list: {why}"));
        }
    }
    for ca in material.path() {
        let subject = ca.subject();
        let Some(list) = file.of(ca) else {
            add(
                Code::CrlIncomplete,
                format!("{CA_CRL} has no list of \"{subject}\": Envoy wants one of every CA of the path"),
            );
            continue;
        };
        if !list.is_signed_by(ca) {
            add(
                Code::CrlSignatureBroken,
                format!("{CA_CRL}: the list of \"{subject}\" was not signed by its key {}", ca.key_fingerprint()),
            );
        } else if !list.is_current(material.now) {
            let end = list.next_update().map_or_else(|| "never".to_owned(), utc);
            add(
                Code::CrlExpired,
                format!(
                    "{CA_CRL}: the list of \"{subject}\" counts from {} to {end}; it is {}",
                    utc(list.this_update()),
                    utc(material.now)
                ),
            );
        }
    }
    for cert in material.path() {
        if file.readable().any(|list| list.revokes(cert)) {
            add(
                Code::CertificateRevoked,
                format!("{CA_CRL} revokes \"{}\", serial number 0x{}", cert.subject(), cert.serial_text()),
            );
        }
    }
    found
}
