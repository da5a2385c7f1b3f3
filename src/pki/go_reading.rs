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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::fixture::{first, fixture};
    use crate::pki::read_pem::certificates;

    #[test]
    fn go_reads_usual_keys_and_its_four_curves() {
        for pem in [
            fixture!("sound/one-mesh/east/ca-cert.pem"),
            fixture!("sound/rsa-2048-signer/ca-cert.pem"),
            fixture!("faulty/key-kind-unusual/p521/ca-cert.pem"),
            fixture!("faulty/key-kind-unusual/ed25519/ca-cert.pem"),
            fixture!("faulty/serial-odd/zero/ca-cert.pem"),
        ] {
            assert_eq!(refusal(&first(pem)), None, "{pem}");
        }
    }

    #[test]
    fn go_refuses_negative_serials_other_curves_and_two_algorithms() {
        let roots = certificates(fixture!("faulty/serial-negative/root-cert.pem").as_bytes());
        let said: Vec<_> = roots.iter().map(refusal).collect();
        assert_eq!(said, [None, Some("x509: negative serial number")]);
        let brainpool = first(fixture!("faulty/key-curve-unknown/signer/ca-cert.pem"));
        assert_eq!(refusal(&brainpool), Some("x509: unsupported elliptic curve"));
        // ecdsa-with-SHA256 becomes ecdsa-with-SHA384 outside of what is signed: its second occurrence.
        let mut der = first(fixture!("sound/one-mesh/east/ca-cert.pem")).der().to_vec();
        let algorithm = [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
        let outer = der.windows(algorithm.len()).rposition(|window| window == algorithm).unwrap();
        der[outer + 9] = 3;
        let said = "x509: inner and outer signature algorithm identifiers don't match";
        assert_eq!(refusal(&Certificate::from_der(&der).unwrap()), Some(said));
    }
}
