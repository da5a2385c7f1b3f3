//! What an istiod takes and what it refuses, in its own words.

use std::collections::BTreeSet;

use meshca::mesh::checks::judgement::judge;
use meshca::mesh::consumers::circumstances::Circumstances;
use meshca::mesh::consumers::verdict::Outcome;
use meshca::mesh::secret_files::{Form, ROOT_CERT, SecretFiles, TLS_ROOT};
use time::OffsetDateTime;

/// `ISTIO_MULTIROOT_MESH`, and by which rule a changed root file is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MultiRoot {
    /// None is.
    Off,
    /// On, in Istio 1.20 to 1.29: if one file is a part of the other, byte for byte.
    Substring,
    /// On, in Istio from 1.30: if the certificates of one are among those of the other.
    Containment,
}

pub(super) struct Rules<'a> {
    pub(super) multi_root: MultiRoot,
    pub(super) namespace: &'a str,
    pub(super) now: OffsetDateTime,
}

/// How an istiod starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// With the `cacerts` that it found.
    Plugged,
    /// On a CA that it makes.
    OnItsOwn,
}

/// What of an update comes into force.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// All of it.
    Whole,
    /// The signer, the roots and the gauges; its serving certificate stays old.
    WithoutServing,
    /// The signer and the gauges; its serving certificate and the roots that it shows stay old.
    SignerAlone,
}

impl Rules<'_> {
    pub(super) fn start(&self, files: &SecretFiles) -> Result<Start, String> {
        let verdict = judge(files, &self.circumstances(), self.now).predictions.istiod.start;
        match verdict.outcome {
            Outcome::Accepts => Ok(Start::Plugged),
            Outcome::RunsSelfSigned => Ok(Start::OnItsOwn),
            Outcome::Refuses | Outcome::Ignores | Outcome::HalfApplies => Err(verdict.reason),
        }
    }

    pub(super) fn update(&self, loaded: &SecretFiles, files: &SecretFiles) -> Result<Update, String> {
        if !files.has(root_file(files)) {
            return Err("failed reading root-cert.pem".to_owned());
        }
        self.takes_roots(roots(loaded), roots(files))?;
        let verdict = judge(files, &self.circumstances(), self.now).predictions.istiod.reload;
        match verdict.outcome {
            Outcome::Accepts => Ok(Update::Whole),
            Outcome::HalfApplies if verdict.reason.starts_with("Failed generating") => Ok(Update::SignerAlone),
            Outcome::HalfApplies => Ok(Update::WithoutServing),
            Outcome::Ignores | Outcome::Refuses | Outcome::RunsSelfSigned => Err(verdict.reason),
        }
    }

    /// `handleEvent` in Istio's `pilot/pkg/bootstrap/istio_ca.go`; up to 1.29, `bytes.Contains` stood there.
    fn takes_roots(&self, old: &[u8], new: &[u8]) -> Result<(), String> {
        let is_taken = old == new
            || match self.multi_root {
                MultiRoot::Off => return Err("Multi root is disabled, updating new ROOT-CA not supported".to_owned()),
                MultiRoot::Substring => is_part(old, new) || is_part(new, old),
                MultiRoot::Containment => {
                    let (old, new) = (certificates(old), certificates(new));
                    !old.is_empty() && !new.is_empty() && (old.is_subset(&new) || new.is_subset(&old))
                }
            };
        is_taken.then_some(()).ok_or_else(|| "Updating new ROOT-CA not supported".to_owned())
    }

    /// Without what is loaded: the rule for a change of roots is the one above.
    fn circumstances(&self) -> Circumstances<'_> {
        let multi_root = self.multi_root != MultiRoot::Off;
        Circumstances { multi_root, namespace: self.namespace, ..Circumstances::default() }
    }
}

fn root_file(files: &SecretFiles) -> &'static str {
    match files.form() {
        Form::Istio => ROOT_CERT,
        Form::Tls => TLS_ROOT,
    }
}

/// The bytes of its root file.
pub(super) fn roots(files: &SecretFiles) -> &[u8] {
    files.get(root_file(files)).unwrap_or_default()
}

fn is_part(part: &[u8], whole: &[u8]) -> bool {
    part.is_empty() || whole.windows(part.len()).any(|window| window == part)
}

fn certificates(text: &[u8]) -> BTreeSet<Vec<u8>> {
    let blocks = pem::parse_many(text).unwrap_or_default();
    blocks.into_iter().filter(|block| block.tag() == "CERTIFICATE").map(pem::Pem::into_contents).collect()
}
