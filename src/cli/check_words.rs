//! What `check` found, in words and as JSON.

use serde::Serialize;
use time::OffsetDateTime;

use crate::cli::cadence_words::{CadenceDocument, Fit};
use crate::cli::document::ProblemDocument;
use crate::cli::exit::Exit;
use crate::cli::problem_words::printable;
use crate::jobs::check::Checked;
use crate::mesh::consumers::verdict::{Predictions, Verdict};
use crate::pki::moment::utc;
use crate::problem::{Finding, Problem, Severity};

/// Everything that was found, worst first, and how the command ends: a warning fails it.
#[must_use]
pub fn exit(sets: &[Checked], fleet: &[Finding]) -> Exit {
    let findings = all(sets, fleet);
    let worst = findings.iter().map(|(_, finding)| match finding.severity {
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

/// For people: the verdict, then what is wrong, worst first, then what each consumer would do.
#[must_use]
pub fn table(sets: &[Checked], fleet: &[Finding]) -> String {
    let findings = all(sets, fleet);
    let count = |severity: Severity| findings.iter().filter(|(_, finding)| finding.severity == severity).count();
    let mut text = match (findings.len(), count(Severity::Critical)) {
        (0, _) if sets.iter().all(|set| set.judgement.is_ok()) => format!("√ nothing is wrong with {}\n", places(sets)),
        (0, _) => "× something could not be looked at\n".to_owned(),
        (_, 0) => format!("! {} to look at in {}\n", count(Severity::Warning), places(sets)),
        (1, _) => format!("× 1 critical finding in {}\n", places(sets)),
        (all, critical) => format!("× {critical} critical of {all} findings in {}\n", places(sets)),
    };
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
    cadence: Option<CadenceDocument<'a>>,
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
pub fn document<'a>(
    sets: &'a [Checked],
    fleet: &'a [Finding],
    fit: Option<&'a Fit>,
    now: OffsetDateTime,
) -> impl Serialize + use<'a> {
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
    }
}
