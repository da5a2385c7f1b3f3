//! What Go's `crypto/x509` refuses to read although it is a certificate. istiod and istio-agent are written in Go.

use x509_parser::prelude::{FromDer, X509Certificate};

use crate::pki::certificate::{Certificate, KeyFacts};

/// Curves that Go knows: P-224, P-256, P-384, P-521.
const CURVES: &[&str] = &["1.3.132.0.33", "1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"];
const EC_KEY: &str = "1.2.840.10045.2.1";

/// Go's own words for refusing to read this certificate, or `None` where nothing is known that it refuses.
///
/// Rules of `crypto/x509/parser.go` (Go 1.23 and later for the serial number). Its finer rules about the encoding of
/// names and times are not modelled.
#[must_use]
pub fn refusal(cert: &Certificate) -> Option<&'static str> {
    if has_negative_serial(cert) {
        return Some("x509: negative serial number");
    }
    if has_unknown_curve(cert) {
        return Some("x509: unsupported elliptic curve");
    }
    if has_two_algorithms(cert) {
        return Some("x509: inner and outer signature algorithm identifiers don't match");
    }
    None
}

/// Whether the signed part names another signature algorithm than the certificate does.
fn has_two_algorithms(cert: &Certificate) -> bool {
    X509Certificate::from_der(cert.der())
        .is_ok_and(|(_, parsed)| parsed.tbs_certificate.signature != parsed.signature_algorithm)
}

/// Whether the serial number is negative.
#[must_use]
pub fn has_negative_serial(cert: &Certificate) -> bool {
    cert.serial().first().is_some_and(|first| first & 0x80 != 0)
}

/// Whether the key lies on a curve that Go does not know.
#[must_use]
pub fn has_unknown_curve(cert: &Certificate) -> bool {
    match cert.public_key() {
        KeyFacts::Other(identifier) => {
            identifier.strip_prefix(EC_KEY).is_some_and(|curve| !CURVES.contains(&curve.trim_start()))
        }
        _ => false,
    }
}
