//! What istio-agent does: it verifies istiod's serving certificate, which the signer made, against the root file. An
//! agent that refuses it gets no certificate for its workload.

use crate::mesh::consumers::go_path::{self, UNKNOWN_AUTHORITY};
use crate::mesh::consumers::material::Material;
use crate::mesh::consumers::verdict::Verdict;

/// What the list of client CA names in a TLS certificate request can hold, in bytes (its length has two octets; Go's
/// limit for a handshake message is the same size). 1,300 roots were seen to be too many.
pub(in crate::mesh) const MOST_CA_NAMES: usize = 65_535;

/// The prediction for new connections to an istiod that has loaded this set.
pub(in crate::mesh) fn verdict(material: &Material<'_>) -> Verdict {
    Verdict::of(judge(material))
}

fn judge(material: &Material<'_>) -> Result<(), String> {
    let names_size = ca_names_size(material);
    if names_size > MOST_CA_NAMES {
        return Err(format!(
            "istiod's TLS handshake would name {names_size} bytes of client CAs, more than {MOST_CA_NAMES}"
        ));
    }
    let Some(signer) = material.signer_certificate() else { return Err(UNKNOWN_AUTHORITY.to_owned()) };
    if !material.signer_is_root() && !material.chain.pool().contains(signer) {
        return Err(format!("{UNKNOWN_AUTHORITY} (istiod's certificate comes without \"{}\")", signer.subject()));
    }
    let names = material.circumstances.istiod_names();
    let refusals = || material.lineage.paths.iter().map(|path| go_path::refusal(path, &names, material.now));
    if refusals().any(|refusal| refusal.is_none()) {
        return Ok(());
    }
    Err(refusals().flatten().next().unwrap_or_else(|| UNKNOWN_AUTHORITY.to_owned()))
}

/// The size of the distinct subjects of the roots as TLS lists them.
pub(in crate::mesh) fn ca_names_size(material: &Material<'_>) -> usize {
    material.roots.pool().iter().map(|root| root.subject().der().len() + 2).sum()
}
