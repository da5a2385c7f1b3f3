//! What `check` found, in words and as JSON.

use serde::Serialize;
use time::OffsetDateTime;

use crate::cli::annotations::{self, Note};
use crate::cli::cadence_words::{self, CadenceDocument, Fit};
use crate::cli::document::ProblemDocument;
use crate::cli::exit::Exit;
use crate::cli::fail_on::FailOn;
use crate::cli::junit::{self, Case, Judged};
use crate::cli::problem_words::printable;
use crate::cli::trust_words::{self, TrustPart};
use crate::jobs::check::Checked;
use crate::mesh::consumers::verdict::{Predictions, Verdict};
use crate::mesh::trust_matrix::TrustMatrix;
use crate::pki::moment::utc;
use crate::problem::{Finding, Problem, Severity};

/// What was checked.
#[derive(Debug)]
pub struct Checkup<'a> {
    /// The sets.
    pub sets: &'a [Checked],
    /// What is wrong besides.
    pub fleet: &'a [Finding],
    /// How the lengths of time fit; only of a whole mesh.
    pub fit: Option<&'a Fit>,
    /// Who verifies whom; only of a whole mesh.
    pub trust: Option<&'a TrustMatrix>,
    /// When.
    pub now: OffsetDateTime,
}

/// How the command ends, by what it is to fail on.
#[must_use]
pub fn exit(sets: &[Checked], fleet: &[Finding], fail_on: FailOn) -> Exit {
    let findings = all(sets, fleet);
    let fails = findings.iter().filter(|(_, finding)| fail_on.counts(finding));
    let worst = fails.map(|(_, finding)| match finding.severity {
        Severity::Critical => Exit::Critical,
        Severity::Warning => Exit::Warning,
    });
    let unseen = sets.iter().any(|set| set.judgement.is_err());
    worst.chain(unseen.then_some(Exit::Error)).max().unwrap_or(Exit::Fine)
}

fn all<'a>(sets: &'a [Checked], fleet: &'a [Finding]) -> Vec<(&'a str, &'a Finding)> {
    let of_sets = sets.iter().flat_map(|set| {
        let judged = set.judgement.as_ref().ok().and_then(Option::as_ref);
        judged.into_iter().flat_map(|it| &it.findings).map(|finding| (set.place.as_str(), finding))
    });
    let mut found: Vec<_> = of_sets.chain(fleet.iter().map(|finding| ("", finding))).collect();
    found.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
    found
}

/// The first line.
fn verdict(sets: &[Checked], findings: &[(&str, &Finding)]) -> String {
    let count = |severity: Severity| findings.iter().filter(|(_, finding)| finding.severity == severity).count();
    match (findings.len(), count(Severity::Critical)) {
        (0, _) if sets.iter().all(|set| set.judgement.is_ok()) => format!("√ nothing is wrong with {}", places(sets)),
        (0, _) => "× something could not be looked at".to_owned(),
        (_, 0) => format!("! {} to look at in {}", count(Severity::Warning), places(sets)),
        (1, _) => format!("× 1 critical finding in {}", places(sets)),
        (all, critical) => format!("× {critical} critical of {all} findings in {}", places(sets)),
    }
}

/// For people: the verdict, then what is wrong, worst first, then what each consumer would do; of a whole mesh also who
/// verifies whom, and how its lengths of time fit. `quiet`: only what is wrong.
#[must_use]
pub fn table(told: &Checkup<'_>, quiet: bool) -> String {
    let mut text = of_sets(told.sets, told.fleet, quiet);
    if let Some(matrix) = told.trust.filter(|matrix| !quiet || !trust_words::is_sound(matrix)) {
        text.push_str(&format!("\n{}", trust_words::words(matrix)));
    }
    if let Some(fit) = told.fit.filter(|_| !quiet) {
        text.push_str(&format!("\n{}", cadence_words::words(fit, told.now)));
    }
    text
}

fn of_sets(sets: &[Checked], fleet: &[Finding], quiet: bool) -> String {
    let findings = all(sets, fleet);
    let mut text = format!("{}\n", verdict(sets, &findings));
    for (place, finding) in findings {
        text.push('\n');
        text.push_str(&lines(place, finding));
    }
    for set in sets {
        match &set.judgement {
            Err(problem) => {
                text.push('\n');
                text.push_str(&told("×", &set.place, problem));
            }
            Ok(None) => text.push_str(&format!("\n  {}: no cacerts yet\n", printable(&set.place))),
            Ok(Some(judgement)) if quiet && is_taken(&judgement.predictions) => {}
            Ok(Some(judgement)) => {
                text.push_str(&format!("\n{}\n", printable(&set.place)));
                text.push_str(&predictions(&judgement.predictions));
                for left_out in &judgement.not_judged {
                    text.push_str(&format!("  not judged: {}\n", printable(left_out)));
                }
            }
        }
    }
    text
}

fn places(sets: &[Checked]) -> String {
    match sets {
        [only] => printable(&only.place),
        many => format!("{} sets", many.len()),
    }
}

fn lines(place: &str, finding: &Finding) -> String {
    let mark = match finding.severity {
        Severity::Critical => "×",
        Severity::Warning => "!",
    };
    told(mark, place, &finding.problem)
}

/// One problem with its mark and its place: facts and hint are indented below.
pub(in crate::cli) fn told(mark: &str, place: &str, problem: &Problem) -> String {
    let place = if place.is_empty() { String::new() } else { format!("{}: ", printable(place)) };
    let mut text = format!("{mark} {}: {place}{}\n", problem.code(), printable(problem.what()));
    for fact in problem.facts() {
        text.push_str(&format!("    {}\n", printable(fact)));
    }
    if let Some(hint) = problem.advice() {
        text.push_str(&format!("    hint: {}\n", printable(hint)));
    }
    text
}

/// Whether every consumer would take it.
fn is_taken(predictions: &Predictions) -> bool {
    let verdicts = [
        &predictions.istiod.start,
        &predictions.istiod.reload,
        &predictions.agent,
        &predictions.envoy,
        &predictions.webpki,
    ];
    verdicts.iter().all(|verdict| verdict.accepts())
}

fn predictions(predictions: &Predictions) -> String {
    let rows = [
        ("istiod at start", &predictions.istiod.start),
        ("istiod at hot reload", &predictions.istiod.reload),
        ("istio-agent", &predictions.agent),
        ("envoy", &predictions.envoy),
        ("rustls-webpki (ztunnel)", &predictions.webpki),
    ];
    rows.iter().map(|(name, verdict)| format!("  {name:<24} {}\n", words(verdict))).collect()
}

fn words(verdict: &Verdict) -> String {
    let word = match serde_json::to_value(verdict.outcome) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    };
    if verdict.reason.is_empty() { word } else { format!("{word}: {}", printable(&verdict.reason)) }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    generated_at: String,
    findings: Vec<FindingDocument<'a>>,
    sets: Vec<SetDocument<'a>>,
    /// Only of a whole mesh.
    #[serde(skip_serializing_if = "Option::is_none")]
    cadence: Option<CadenceDocument>,
    /// Only of a whole mesh.
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<TrustPart<'a>>,
}

/// A finding.
#[derive(Serialize)]
pub(in crate::cli) struct FindingDocument<'a> {
    code: &'static str,
    severity: &'static str,
    place: String,
    what: &'a str,
    facts: &'a [String],
    hint: Option<&'a str>,
}

impl<'a> FindingDocument<'a> {
    /// A finding of this set; of none, where the place is empty.
    pub(in crate::cli) fn new(place: &str, finding: &'a Finding) -> Self {
        let places = [place, finding.place.as_str()].into_iter().filter(|it| !it.is_empty());
        Self {
            code: finding.problem.code().as_str(),
            severity: finding.severity.as_str(),
            place: places.collect::<Vec<_>>().join(": "),
            what: finding.problem.what(),
            facts: finding.problem.facts(),
            hint: finding.problem.advice(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SetDocument<'a> {
    place: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    predictions: Option<&'a Predictions>,
    not_judged: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemDocument<'a>>,
}

/// For machines, as one document that can be written in any form.
#[must_use]
pub fn document<'a>(told: &Checkup<'a>) -> impl Serialize + use<'a> {
    let Checkup { sets, fleet, fit, trust, now } = *told;
    let findings = all(sets, fleet).into_iter().map(|(place, finding)| FindingDocument::new(place, finding));
    let sets = sets.iter().map(|set| {
        let judgement = set.judgement.as_ref().ok().and_then(Option::as_ref);
        SetDocument {
            place: &set.place,
            predictions: judgement.map(|it| &it.predictions),
            not_judged: judgement.map_or(&[], |it| &it.not_judged),
            problem: set.judgement.as_ref().err().map(ProblemDocument::from),
        }
    });
    Document {
        api_version: "meshca.io/v1",
        kind: "Check",
        generated_at: utc(now),
        findings: findings.collect(),
        sets: sets.collect(),
        cadence: fit.map(|fit| CadenceDocument::of(fit, now)),
        trust: trust.map(TrustPart::of),
    }
}

/// Everything that is wrong, and every set that could not be looked at.
fn notes<'a>(sets: &'a [Checked], found: &[(&'a str, &'a Finding)]) -> Vec<Note<'a>> {
    let of_findings = found.iter().map(|(set, finding)| {
        let place = if set.is_empty() { finding.place.as_str() } else { set };
        Note { place, severity: Some(finding.severity), problem: &finding.problem }
    });
    let unseen = sets.iter().filter_map(|set| Some((set, set.judgement.as_ref().err()?)));
    let unseen = unseen.map(|(set, problem)| Note { place: &set.place, severity: None, problem });
    of_findings.chain(unseen).collect()
}

/// As annotations of a GitHub workflow.
#[must_use]
pub fn github(told: &Checkup<'_>) -> String {
    let found = all(told.sets, told.fleet);
    annotations::github(&notes(told.sets, &found), &verdict(told.sets, &found))
}

/// As a code quality report of GitLab. `file` is what is about no file is put to.
///
/// # Errors
/// `output-failed`, when the serializer fails; it is not known to.
pub fn gitlab(told: &Checkup<'_>, file: &str) -> Result<String, Problem> {
    let found = all(told.sets, told.fleet);
    annotations::gitlab(&notes(told.sets, &found), file)
}

/// As JUnit XML: a case for each set, and one for each finding.
#[must_use]
pub fn junit(told: &Checkup<'_>) -> String {
    let found = all(told.sets, told.fleet);
    let mut cases: Vec<Case> = told
        .sets
        .iter()
        .map(|set| Case {
            place: set.place.clone(),
            name: "cacerts".to_owned(),
            result: match &set.judgement {
                Ok(_) => Judged::Passed,
                Err(problem) => Judged::Unseen(problem.into()),
            },
        })
        .collect();
    cases.extend(notes(told.sets, &found).iter().filter_map(|note| {
        let place = if note.place.is_empty() { "fleet" } else { note.place };
        Some(Case::found(place, note.severity?, note.problem))
    }));
    junit::document("meshca check", &utc(told.now), &cases)
}
