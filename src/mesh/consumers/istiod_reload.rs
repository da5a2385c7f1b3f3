//! What a running istiod does when it sees the files change (`handleEvent` in `pilot/pkg/bootstrap/istio_ca.go`).

use std::collections::BTreeSet;

use crate::mesh::consumers::istiod_start::{self, missing};
use crate::mesh::consumers::material::Material;
use crate::mesh::consumers::verdict::{Outcome, Verdict};
use crate::mesh::secret_files::{Form, ROOT_CERT, TLS_ROOT};
use crate::pki::pem_blocks::PemText;

/// The prediction for an update to these files.
pub(in crate::mesh) fn verdict(material: &Material<'_>) -> Verdict {
    let ignores = |why: String| Verdict::new(Outcome::Ignores, why);
    if material.roots.bytes.is_none() {
        return ignores(format!(
            "failed reading root-cert.pem: open {}: no such file or directory",
            material.roots.name
        ));
    }
    if let Some(why) = roots_refusal(material) {
        return ignores(why);
    }
    let absent = missing(material);
    if let Some(name) = absent.first() {
        return ignores(format!("Failed to update new Plug-in CA certs: open {name}: no such file or directory"));
    }
    if let Err(why) = istiod_start::verify(material) {
        return ignores(format!("Failed to update new Plug-in CA certs: {why}"));
    }
    let half = |why: String| Verdict::new(Outcome::HalfApplies, why);
    if material.circumstances.multi_root
        && let Err(why) = istiod_start::trust_anchor(&material.roots)
    {
        return half(format!(
            "Failed generating plugged-in istiod key cert: {why}; the signer is replaced all the same"
        ));
    }
    if let Some(why) = istiod_start::unreadable_in_chain(&material.chain) {
        return half(format!(
            "reload istiod cert failed: x509 cert - ParseCertificates() error: {why}; the signer is replaced and success is logged, the serving certificate stays old"
        ));
    }
    let known = material.circumstances.loaded.is_some();
    Verdict::new(
        Outcome::Accepts,
        if known { "" } else { "if what is loaded has the same root-cert.pem, byte for byte" },
    )
}

/// Why the way in which the root file differs from the loaded one makes istiod drop the whole update.
pub(in crate::mesh) fn roots_refusal(material: &Material<'_>) -> Option<String> {
    let loaded = material.circumstances.loaded?;
    let old = loaded.get(match loaded.form() {
        Form::Istio => ROOT_CERT,
        Form::Tls => TLS_ROOT,
    })?;
    let new = material.roots.bytes();
    if old == new {
        return None;
    }
    if !material.circumstances.multi_root {
        return Some("Multi root is disabled, updating new ROOT-CA not supported".to_owned());
    }
    let extends = contains(old, new) || contains(new, old);
    let nested = are_nested(old, material);
    let allowed = match material.circumstances.istio_minor {
        Some(minor) if minor >= 30 => nested,
        Some(_) => extends,
        None => extends && nested,
    };
    match (allowed, nested) {
        (true, _) => None,
        (false, false) => Some("Updating new ROOT-CA not supported".to_owned()),
        (false, true) => Some(
            "Updating new ROOT-CA not supported (up to Istio 1.29: neither file is a part of the other, byte for byte)"
                .to_owned(),
        ),
    }
}

fn are_nested(old: &[u8], material: &Material<'_>) -> bool {
    let Ok(old) = PemText::read(old) else { return false };
    let labelled = |blocks: &[crate::pki::pem_block::PemBlock]| -> BTreeSet<Vec<u8>> {
        blocks.iter().filter(|block| block.is_certificate()).map(|block| block.der.to_vec()).collect()
    };
    let old = labelled(&old.blocks);
    let new = material.roots.text.as_ref().map(|text| labelled(&text.blocks)).unwrap_or_default();
    !old.is_empty() && !new.is_empty() && (old.is_subset(&new) || new.is_subset(&old))
}

/// Whether one text holds the other (Go's `bytes.Contains`). As characters of one byte each, because the search in
/// strings takes linear time on any input.
fn contains(whole: &[u8], part: &[u8]) -> bool {
    let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
    text(whole).contains(&text(part))
}
