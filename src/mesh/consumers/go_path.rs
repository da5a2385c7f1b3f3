//! Why Go's `crypto/x509` would refuse one path. istiod judges the signer by it, istio-agent istiod's certificate.
//!
//! Rules of `crypto/x509/verify.go` as of Go 1.26: for every certificate of the path, the root included.

use std::rc::Rc;

use time::OffsetDateTime;

use crate::pki::certificate::Certificate;
use crate::pki::extensions::{NameConstraints, SERVER_AUTH};
use crate::pki::moment::utc;
use crate::pki::signature_check::weak_digest;

pub(in crate::mesh) const UNKNOWN_AUTHORITY: &str = "x509: certificate signed by unknown authority";
pub(in crate::mesh) const ANY_USAGE: &str = "2.5.29.37.0";

/// Critical extensions that Go understands besides those that are read into a certificate's facts.
const UNDERSTOOD: &[&str] =
    &["2.5.29.14", "2.5.29.31", "2.5.29.32", "2.5.29.33", "2.5.29.35", "2.5.29.36", "2.5.29.54"];

/// Critical extensions that no consumer understands.
pub(in crate::mesh) fn unknown_critical(cert: &Certificate) -> Option<&str> {
    cert.extensions().unknown_critical.iter().map(String::as_str).find(|identifier| !UNDERSTOOD.contains(identifier))
}

/// The path is the signer first, the root last. `leaf_names` are the names of the certificate below the signer; empty:
/// the signer itself is what is verified.
pub(in crate::mesh) fn refusal(path: &[Rc<Certificate>], leaf_names: &[String], now: OffsetDateTime) -> Option<String> {
    let below = usize::from(!leaf_names.is_empty());
    for (index, cert) in path.iter().enumerate() {
        let place = index + below;
        let subject = cert.subject();
        if !cert.validity().contains(now) {
            return Some(outside(cert, now));
        }
        if let Some(identifier) = unknown_critical(cert) {
            return Some(format!("x509: unhandled critical extension ({identifier} of \"{subject}\")"));
        }
        let constraints = cert.extensions().name_constraints.as_ref();
        // Go reads DNS, IP, e-mail and URI constraints, and passes over others unless the extension is critical.
        if constraints.is_some_and(|it| it.critical && (it.directory_names || it.others)) {
            return Some(format!("x509: unhandled critical extension (2.5.29.30, name constraints, of \"{subject}\")"));
        }
        if place == 0 {
            continue;
        }
        if !cert.is_ca() || cert.extensions().key_usage.is_some_and(|usage| !usage.key_cert_sign) {
            return Some(format!(
                "{UNKNOWN_AUTHORITY} (possibly because of \"x509: invalid signature: parent certificate cannot sign this kind of certificate\" while trying to verify candidate authority certificate {subject:?})"
            ));
        }
        let length = cert.extensions().basic_constraints.and_then(|constraints| constraints.path_length);
        if length.is_some_and(|length| place > 1 + length as usize) {
            return Some(format!("x509: too many intermediates for path length constraint (of \"{subject}\")"));
        }
        let names = path.iter().take(index).flat_map(|below| below.extensions().dns_names.iter()).chain(leaf_names);
        if let Some(name) = constraints.and_then(|constraints| forbidden(constraints, names)) {
            return Some(format!(
                "x509: a root or intermediate certificate is not authorized to sign for this name: DNS name {name:?} is not permitted by \"{subject}\""
            ));
        }
        let uris = path.iter().take(index).flat_map(|below| below.extensions().uris.iter());
        if let Some(uri) = constraints.and_then(|constraints| forbidden_uri(constraints, uris)) {
            return Some(format!(
                "x509: a root or intermediate certificate is not authorized to sign for this name: URI {uri:?} is not permitted by \"{subject}\""
            ));
        }
    }
    let signed = path.iter().take(path.len().saturating_sub(1));
    if let Some((cert, digest)) = signed.filter_map(|cert| weak_digest(cert).map(|digest| (cert, digest))).next() {
        return Some(format!(
            "{UNKNOWN_AUTHORITY} (possibly because of \"x509: cannot verify signature: insecure algorithm\": {digest} under \"{}\")",
            cert.subject()
        ));
    }
    path.iter()
        .find(|cert| lacks_server_usage(cert))
        .map(|cert| format!("x509: certificate specifies an incompatible key usage (\"{}\")", cert.subject()))
}

pub(in crate::mesh) fn outside(cert: &Certificate, now: OffsetDateTime) -> String {
    let (word, bound) =
        if now > cert.not_after() { ("after", cert.not_after()) } else { ("before", cert.validity().not_before()) };
    format!(
        "x509: certificate has expired or is not yet valid: current time {} is {word} {} (\"{}\")",
        utc(now),
        utc(bound),
        cert.subject()
    )
}

/// Go passes over an empty list of usages, and `any` is as good as the one asked for.
fn lacks_server_usage(cert: &Certificate) -> bool {
    cert.extensions().extended_key_usage.as_ref().is_some_and(|usages| {
        !usages.is_empty() && !usages.iter().any(|usage| usage == SERVER_AUTH || usage == ANY_USAGE)
    })
}

/// The first name that the DNS constraints do not let through.
pub(in crate::mesh) fn forbidden<'a>(
    constraints: &NameConstraints,
    mut names: impl Iterator<Item = &'a String>,
) -> Option<&'a String> {
    names.find(|name| {
        constraints.excluded_dns.iter().any(|constraint| matches(constraint, name))
            || (!constraints.permitted_dns.is_empty()
                && !constraints.permitted_dns.iter().any(|constraint| matches(constraint, name)))
    })
}

/// The first URI that Go does not let through. A host that is none counts as forbidden, as Go cannot compare it.
fn forbidden_uri<'a>(constraints: &NameConstraints, mut uris: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let (permitted, excluded) = (&constraints.permitted_uris, &constraints.excluded_uris);
    uris.find(|uri| match host(uri) {
        _ if !constraints.has_uris() => false,
        None => true,
        Some(host) => {
            excluded.iter().any(|constraint| matches(constraint, host))
                || (!permitted.is_empty() && !permitted.iter().any(|constraint| matches(constraint, host)))
        }
    })
}

/// The host of a URI, without its port.
pub(in crate::mesh) fn host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let host = rest.split(['/', ':', '?', '#']).next()?;
    (!host.is_empty()).then_some(host)
}

/// An empty constraint matches every name; `a.b` matches itself and what is below; `.a.b` only what is below.
fn matches(constraint: &str, name: &str) -> bool {
    let (constraint, name) = (constraint.to_ascii_lowercase(), name.to_ascii_lowercase());
    if constraint.is_empty() {
        return true;
    }
    match constraint.strip_prefix('.') {
        Some(_) => name.ends_with(&constraint) && name.len() > constraint.len(),
        None => name == constraint || name.ends_with(&format!(".{constraint}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dns_constraint_matches_whole_labels_from_the_right() {
        for (constraint, name, expected) in [
            ("svc", "istiod.istio-system.svc", true),
            ("istio-system.svc", "istiod.istio-system.svc", true),
            (".svc", "svc", false),
            (".svc", "a.svc", true),
            ("vc", "a.svc", false),
            ("SVC", "a.svc", true),
            ("", "anything", true),
            ("istiod.other.svc", "istiod.istio-system.svc", false),
        ] {
            assert_eq!(matches(constraint, name), expected, "{constraint} {name}");
        }
    }

    #[test]
    fn a_name_must_be_permitted_if_any_is_and_must_not_be_excluded() {
        let names = ["istiod.istio-system.svc".to_owned()];
        let some = |permitted: &[&str], excluded: &[&str]| NameConstraints {
            permitted_dns: permitted.iter().map(|name| (*name).to_owned()).collect(),
            excluded_dns: excluded.iter().map(|name| (*name).to_owned()).collect(),
            ..NameConstraints::default()
        };
        assert!(forbidden(&some(&[], &[]), names.iter()).is_none());
        assert!(forbidden(&some(&["svc"], &[]), names.iter()).is_none());
        assert!(forbidden(&some(&["example.com"], &[]), names.iter()).is_some());
        assert!(forbidden(&some(&["svc"], &["istio-system.svc"]), names.iter()).is_some());
    }
}
