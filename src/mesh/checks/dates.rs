//! Beginnings and ends.

use time::Duration;

use crate::mesh::checks::parts::{Role, critical, graded, look_at, parts, warning};
use crate::mesh::consumers::material::Material;
use crate::pki::moment::utc;
use crate::problem::{Code, Finding, Problem};

/// When less than this is left, an end is near. The alert rules in the field use the same line.
const SOON: Duration = Duration::days(7);

pub(super) fn check(material: &Material<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for part in parts(material).iter().filter(|part| part.role != Role::Stranger) {
        let cert = &part.certificate;
        let (subject, file, validity, now) = (cert.subject(), part.file, cert.validity(), material.now);
        let hint = format!("openssl x509 -in {file} -noout -dates");
        if validity.not_after() < validity.not_before() {
            let what = format!(
                "{file}: \"{subject}\" ends {} and begins {}",
                utc(validity.not_after()),
                utc(validity.not_before())
            );
            found.push(critical(file, Problem::new(Code::ValidityInverted, what).hint(look_at(file))));
            continue;
        }
        if now < validity.not_before() {
            let what =
                format!("{file}: \"{subject}\" is not valid before {}; it is {}", utc(validity.not_before()), utc(now));
            found.push(graded(part.is_on_path(), file, Problem::new(Code::CertificateNotYetValid, what).hint(hint)));
        } else if !part.is_on_path() {
            // Another root that has ended is the matter of `root-unused`.
        } else if now > validity.not_after() {
            let what = format!("{file}: \"{subject}\" ended {}; it is {}", utc(validity.not_after()), utc(now));
            found.push(critical(file, Problem::new(Code::CertificateExpired, what).hint(hint)));
        } else if validity.left(now) < SOON {
            let left = validity.left(now);
            let what = format!(
                "{file}: \"{subject}\" ends {}, in {} days and {} hours",
                utc(validity.not_after()),
                left.whole_days(),
                left.whole_hours() % 24
            );
            found.push(warning(file, Problem::new(Code::CertificateExpiresSoon, what).hint(hint)));
        }
    }
    found
}
