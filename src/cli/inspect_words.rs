//! What a file holds, in words.

use crate::cli::fleet_words;
use crate::cli::problem_words::printable;
use crate::jobs::inspect::{Content, Part};
use crate::pki::certificate::Certificate;
use crate::pki::hexadecimal::digits;
use crate::pki::moment::utc;

/// What a file holds, block after block.
#[must_use]
pub fn parts(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        if let Some(name) = &part.name {
            text.push_str(&format!("{}\n", printable(name)));
        }
        for (line, content) in &part.blocks {
            text.push_str(&format!("line {line}: {}", self::content(content)));
        }
        for oddity in &part.oddities {
            text.push_str(&format!("odd: {oddity}\n"));
        }
    }
    text
}

fn content(content: &Content) -> String {
    match content {
        Content::Certificate(it) => {
            format!("certificate\n{}{}", fleet_words::certificate(it), printable(&extensions(it)))
        }
        Content::Key(form, kind) => format!("private key, {form}, {kind} (not shown)\n"),
        Content::RevocationList(list) => {
            let until = list.next_update().map_or_else(|| "for ever".to_owned(), utc);
            format!(
                "revocation list\n  issuer       {}\n  valid        {}  to  {until}\n",
                list.issuer(),
                utc(list.this_update())
            )
        }
        Content::Other(label) => format!("{}\n", printable(label)),
        Content::Broken(problem) => format!("broken: {}\n", printable(&problem.to_string())),
    }
}

fn extensions(certificate: &Certificate) -> String {
    let extensions = certificate.extensions();
    let mut rows = Vec::new();
    if let Some(constraints) = extensions.basic_constraints {
        let length = constraints.path_length.map_or_else(|| "no limit".to_owned(), |length| length.to_string());
        let what = if constraints.ca { format!("yes, path length {length}") } else { "no".to_owned() };
        rows.push(("ca", what));
    }
    if let Some(usage) = extensions.key_usage {
        let names = [
            (usage.key_cert_sign, "keyCertSign"),
            (usage.crl_sign, "cRLSign"),
            (usage.digital_signature, "digitalSignature"),
        ];
        let names: Vec<&str> = names.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        rows.push(("key usage", names.join(", ")));
    }
    if let Some(usages) = &extensions.extended_key_usage {
        rows.push(("ext. usage", usages.join(", ")));
    }
    if let Some(identifier) = &extensions.subject_key_identifier {
        rows.push(("ski", digits(identifier)));
    }
    if let Some(identifier) = &extensions.authority_key_identifier {
        rows.push(("aki", digits(identifier)));
    }
    for (name, values) in [("dns names", &extensions.dns_names), ("uris", &extensions.uris)] {
        if !values.is_empty() {
            rows.push((name, values.join(", ")));
        }
    }
    rows.iter().map(|(name, value)| format!("  {name:<12} {value}\n")).collect()
}
