//! How a case asks for a judgement, and what it expects of it.

use std::collections::BTreeSet;

use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa};
use time::OffsetDateTime;

use crate::mesh::checks::judgement::{Judgement, judge};
use crate::mesh::checks::mint::{Ca, NOW};
use crate::mesh::consumers::circumstances::Circumstances;
use crate::mesh::consumers::verdict::Outcome;
use crate::mesh::secret_files::{CA_CERT, CA_KEY, CERT_CHAIN, ROOT_CERT, SecretFiles};
use crate::problem::Code;

pub(super) fn at(files: &SecretFiles, now: OffsetDateTime) -> Judgement {
    judge(files, &Circumstances::default(), now)
}

pub(super) fn now(files: &SecretFiles) -> Judgement {
    at(files, NOW)
}

pub(super) fn codes(judgement: &Judgement) -> Vec<Code> {
    let codes: BTreeSet<Code> = judgement.findings.iter().map(|finding| finding.problem.code()).collect();
    codes.into_iter().collect()
}

/// Start, reload, agent, Envoy, webpki: `+` accepts, `-` refuses, `s` self-signed, `i` ignores, `h` half-applies.
pub(super) fn verdicts(judgement: &Judgement) -> String {
    let p = &judgement.predictions;
    [&p.istiod.start, &p.istiod.reload, &p.agent, &p.envoy, &p.webpki]
        .iter()
        .map(|verdict| match verdict.outcome {
            Outcome::Accepts => '+',
            Outcome::Refuses => '-',
            Outcome::RunsSelfSigned => 's',
            Outcome::Ignores => 'i',
            Outcome::HalfApplies => 'h',
        })
        .collect()
}

#[track_caller]
pub(super) fn expect(files: &SecretFiles, expected_codes: &[Code], expected_verdicts: &str) {
    let judgement = now(files);
    let shown = || format!("{:#?}\n{:#?}", judgement.findings, judgement.predictions);
    assert_eq!(codes(&judgement), expected_codes, "{}", shown());
    assert_eq!(verdicts(&judgement), expected_verdicts, "{}", shown());
    for finding in &judgement.findings {
        assert!(finding.problem.advice().is_some(), "{finding:?}");
        assert!(!finding.problem.what().ends_with('.'), "{finding:?}");
    }
}

pub(super) fn custom(identifier: &[u64], content: &[u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(identifier, content.to_vec());
    extension.set_criticality(critical);
    extension
}

pub(super) fn length(length: u8) -> impl FnOnce(&mut CertificateParams) {
    move |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length))
}

pub(super) fn two_tiers(root: &Ca, signer: &Ca) -> SecretFiles {
    SecretFiles::new()
        .with(CA_CERT, signer.pem.as_str())
        .with(CA_KEY, signer.key.serialize_pem())
        .with(CERT_CHAIN, signer.pem.as_str())
        .with(ROOT_CERT, root.pem.as_str())
}
