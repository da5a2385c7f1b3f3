//! The text of the files: damage, and blocks that do not belong there.

use crate::mesh::checks::parts::{critical, graded};
use crate::mesh::consumers::material::Material;
use crate::mesh::consumers::public_file::{Entry, PublicFile};
use crate::mesh::secret_files::{CA_CRL, Form, TLS_CERT};
use crate::pki::go_reading;
use crate::pki::pem_blocks::PemText;
use crate::pki::pem_damage::{Damage, DamageKind};
use crate::problem::{Code, Finding, Problem};

/// The public files that exist as such: the chain of the tls form is put together by istiod.
fn documents<'a>(material: &'a Material<'_>) -> Vec<&'a PublicFile> {
    let mut documents = vec![&material.signer, &material.roots];
    if material.form == Form::Istio {
        documents.insert(1, &material.chain);
    }
    documents.retain(|document| document.bytes.is_some());
    documents
}

pub(super) fn damage(material: &Material<'_>) -> Vec<Finding> {
    let mut texts: Vec<(&str, &Result<PemText, Problem>)> =
        documents(material).into_iter().map(|document| (document.name, &document.text)).collect();
    texts.extend(material.key.as_ref().map(|key| (material.key_name, &key.text)));
    texts.extend(material.crl.as_ref().map(|crl| (CA_CRL, &crl.text)));
    let mut found = Vec::new();
    for (name, text) in texts {
        match text {
            Ok(text) => {
                found.extend(text.damage.iter().filter_map(|damage| of(name, *damage, name == material.key_name)));
            }
            Err(problem) => {
                let named = Problem::new(problem.code(), format!("{name}: {}", problem.what()));
                found.push(critical(name, named.hint(format!("look at it with: head -c 300 {name}"))));
            }
        }
    }
    found
}

fn of(name: &str, damage: Damage, is_key: bool) -> Option<Finding> {
    let (code, what) = match damage.kind {
        DamageKind::Glued => (Code::PemGlued, "an END and a BEGIN share a line, and Go loses both blocks"),
        DamageKind::Truncated => (Code::PemTruncated, "BEGIN and END lines do not pair up, and Envoy refuses the file"),
        DamageKind::BadBase64 => {
            (Code::PemBadBase64, "a block is not base64: Go passes over it, Envoy refuses the file")
        }
        DamageKind::EmptyBlock => (Code::PemEmptyBlock, "a block is empty, and Envoy refuses the file"),
        DamageKind::Indented => {
            (Code::PemIndented, "a BEGIN does not start its line, and the block is lost to every reader")
        }
        DamageKind::ByteOrderMark => {
            (Code::PemByteOrderMark, "it starts with a byte order mark, which hides a first BEGIN line")
        }
        DamageKind::Nul => (Code::PemNul, "a NUL byte stands in it"),
        DamageKind::NoFinalNewline => {
            (Code::NoFinalNewline, "it does not end with a newline, so that a block appended to it is lost")
        }
        // Only istiod reads the key, and Go does not mind these.
        DamageKind::BlankLine | DamageKind::Header if is_key => return None,
        DamageKind::BlankLine => {
            (Code::PemBlankLine, "an empty line stands inside a block: Go takes it, Envoy refuses the file")
        }
        DamageKind::Header => {
            (Code::PemHeader, "a block has header lines: Envoy refuses the file, and Go's pools skip the block")
        }
    };
    let is_critical = match damage.kind {
        DamageKind::NoFinalNewline => name == TLS_CERT,
        DamageKind::Nul => false,
        _ => true,
    };
    let times = if damage.count > 1 { format!(" ({} times)", damage.count) } else { String::new() };
    let problem = Problem::new(code, format!("{name}, line {}: {what}{times}", damage.line));
    let hint = match damage.kind {
        DamageKind::NoFinalNewline => format!("echo >> {name}"),
        _ if is_key => format!("openssl pkey -in {name} -out NEW writes it anew"),
        _ => format!("sed -n '{},+3p' {name} shows the place", damage.line),
    };
    Some(graded(is_critical, name, problem.hint(hint)))
}

pub(super) fn blocks(material: &Material<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for document in documents(material) {
        let name = document.name;
        let is_chain = name == material.chain.name;
        if document.entries.is_empty() && document.text.is_ok() && !is_chain {
            let what = format!("{name}: Go finds no PEM block in its {} bytes", document.bytes().len());
            found.push(critical(name, Problem::new(Code::PemNoBlock, what).hint(format!("grep BEGIN {name}"))));
        }
        for entry in &document.entries {
            let block = &entry.block;
            if block.is_private_key() || block.der.is_empty() {
                continue;
            }
            if !block.is_certificate() {
                let label: String = block.label.chars().filter(|c| !c.is_control()).take(60).collect();
                let what = format!("{name}, line {}: a block {label:?}, not a certificate", block.line);
                let is_root = name == material.roots.name;
                let problem = Problem::new(Code::ForeignBlock, what);
                let problem = if is_root {
                    problem.fact("istiod parses every block of this file when it starts, and exits")
                } else {
                    problem
                };
                found.push(graded(is_root, name, problem.hint(format!("take it out of {name}"))));
            } else if let Some(why) = unreadable(entry) {
                let what = format!("{name}, line {}: {why}", block.line);
                found.push(critical(
                    name,
                    Problem::new(Code::CertificateMalformed, what)
                        .hint(format!("sed -n '{},/END/p' {name} | openssl x509 -noout -text", block.line)),
                ));
            }
        }
    }
    if let Some(Ok(text)) = material.crl.as_ref().map(|crl| &crl.text) {
        for block in text.blocks.iter().filter(|block| block.label != "X509 CRL" && !block.is_private_key()) {
            let label: String = block.label.chars().filter(|c| !c.is_control()).take(60).collect();
            let what = format!("{CA_CRL}, line {}: a block {label:?}, not a CRL", block.line);
            found.push(critical(
                CA_CRL,
                Problem::new(Code::ForeignBlock, what).hint(format!("take it out of {CA_CRL}")),
            ));
        }
    }
    found
}

/// Why a block is no certificate to our reader or to Go's. Negative serial numbers and unknown curves have codes of
/// their own.
fn unreadable(entry: &Entry) -> Option<String> {
    match &entry.certificate {
        Err(why) => Some(why.what().to_owned()),
        Ok(cert) if go_reading::has_negative_serial(cert) || go_reading::has_unknown_curve(cert) => None,
        Ok(cert) => entry.go_refusal().map(|why| format!("Go does not read \"{}\": {why}", cert.subject())),
    }
}

/// By the text, not by the blocks: a damaged block still shows the key.
pub(super) fn private_keys(material: &Material<'_>) -> Vec<Finding> {
    const MARK: &[u8] = b"PRIVATE KEY-----";
    let holds_key = |name: &str| {
        material.files.get(name).is_some_and(|value| value.windows(MARK.len()).any(|window| window == MARK))
    };
    let key_files = [crate::mesh::secret_files::CA_KEY, crate::mesh::secret_files::TLS_KEY];
    material
        .files
        .names()
        .filter(|name| !key_files.contains(name) && holds_key(name))
        .map(|name| {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
            let what = format!("{shown} holds a private key; istiod copies the public files to every workload");
            critical(
                &shown,
                Problem::new(Code::PrivateKeyInPublicFile, what)
                    .hint("take it out, and count the key as known to others"),
            )
        })
        .collect()
}
