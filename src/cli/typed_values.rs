//! What one value on the command line may look like.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::mesh::deployment_list::is_name;
use crate::mesh::fleet::{ClusterName, is_dns_label, is_trust_domain};
use crate::mesh::manifests::kube_object::Subject;
use crate::mesh::span;

/// The name of a cluster.
pub(in crate::cli) fn cluster(text: &str) -> Result<ClusterName, String> {
    ClusterName::parse(text).ok_or_else(|| "a cluster's name is a DNS label other than `unknown`".to_owned())
}

/// A length of time that is not zero, as it is typed.
pub(in crate::cli) fn length(text: &str) -> Result<Duration, String> {
    match span::parse(text) {
        Ok(length) if length.is_zero() => Err("it is zero; the shortest is 1s".to_owned()),
        Ok(length) => Ok(length),
        Err(bad) => Err(format!("it {bad}; {}", bad.advice())),
    }
}

/// A trust domain, as in SPIFFE.
pub(in crate::cli) fn trust_domain(text: &str) -> Result<String, String> {
    if is_trust_domain(text) {
        Ok(text.to_owned())
    } else {
        Err("a trust domain has lower-case letters, digits, `.`, `-` and `_`, and no `spiffe://`".to_owned())
    }
}

/// The name of a context.
pub(in crate::cli) fn word(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("a context has a name".to_owned()) } else { Ok(text.to_owned()) }
}

/// A namespace of Kubernetes.
pub(in crate::cli) fn namespace(text: &str) -> Result<String, String> {
    if is_dns_label(text) {
        return Ok(text.to_owned());
    }
    Err("a namespace has at most 63 lower-case letters, digits and dashes".to_owned())
}

/// A service account, as `NAMESPACE/NAME`.
pub(in crate::cli) fn account(text: &str) -> Result<Subject, String> {
    let is_name = |name: &str| name.len() <= 253 && name.split('.').all(is_dns_label);
    match text.split_once('/') {
        Some((namespace, name)) if is_dns_label(namespace) && is_name(name) => {
            Ok(Subject::Account { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err("a service account is written as NAMESPACE/NAME, both in lower case".to_owned()),
    }
}

/// A user, as a cluster knows him.
pub(in crate::cli) fn deployment(text: &str) -> Result<String, String> {
    if is_name(text) {
        return Ok(text.to_owned());
    }
    Err("a Deployment's name has lower-case letters, digits, `-` and `.`".to_owned())
}

pub(in crate::cli) fn user(text: &str) -> Result<Subject, String> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err("a user has a name without control characters".to_owned());
    }
    Ok(Subject::User(text.to_owned()))
}

/// A label of Kubernetes, as `KEY=VALUE`.
pub(in crate::cli) fn label(text: &str) -> Result<(String, String), String> {
    let is_word = |word: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        word.len() <= 63
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && ends(word.chars().next())
            && ends(word.chars().next_back())
    };
    let is_prefix = |prefix: &str| prefix.len() <= 253 && prefix.split('.').all(is_dns_label);
    let is_key = |key: &str| match key.split_once('/') {
        Some((prefix, name)) => is_prefix(prefix) && is_word(name),
        None => is_word(key),
    };
    match text.split_once('=') {
        Some((key, value)) if is_key(key) && (value.is_empty() || is_word(value)) => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("a label is written as KEY=VALUE, in letters, digits, `-`, `_` and `.`".to_owned()),
    }
}

/// The address of a folder on the web, without the slash at its end.
pub(in crate::cli) fn address(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let sound = rest.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/@%+=,".contains(c));
    if sound && rest.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err("an address begins with https:// or http:// and has no spaces, quotes, `?` or `#`".to_owned())
}

/// A container image.
pub(in crate::cli) fn image(text: &str) -> Result<String, String> {
    let sound = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c));
    if sound && text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Ok(text.to_owned());
    }
    Err("an image is written as NAME:TAG or NAME@sha256:DIGEST".to_owned())
}

/// A moment as `2027-01-31T10:00:00Z`, or a day as `2027-01-31`, which begins at midnight UTC.
pub(in crate::cli) fn moment(text: &str) -> Result<OffsetDateTime, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let moment = OffsetDateTime::parse(&whole, &Rfc3339)
        .map_err(|_| "a moment is written like 2027-01-31T10:00:00Z, a day like 2027-01-31".to_owned())?
        .to_offset(time::UtcOffset::UTC);
    // A century each way is room for every length of time that a mesh file takes, and keeps sums within the calendar.
    if (1970..=2500).contains(&moment.year()) {
        Ok(moment)
    } else {
        Err("a moment lies in the years 1970 to 2500".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_that_kubernetes_takes() {
        let read = |text: &str| label(text).ok();
        assert_eq!(read("release=prom"), Some(("release".to_owned(), "prom".to_owned())));
        assert_eq!(read("a.example/b="), Some(("a.example/b".to_owned(), String::new())));
        for bad in ["release", "=a", "-a=b", "a=b c", "a=b-", "a/b/c=d", "A.example/b=c", "a=b\nc: d"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let (most, more) = ("a".repeat(63), "a".repeat(64));
        assert!(read(&format!("{most}={most}")).is_some());
        assert!(read(&format!("{more}=a")).is_none() && read(&format!("a={more}")).is_none());
    }

    #[test]
    fn an_address_cannot_leave_the_quotes_that_it_is_put_in() {
        assert_eq!(address("https://a.example/b/").as_deref(), Ok("https://a.example/b"));
        for bad in
            ["", "https://", "a.example", "ftp://a", "https://a b", "https://a\"", "https://a\\n", "https://a\nb"]
        {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
