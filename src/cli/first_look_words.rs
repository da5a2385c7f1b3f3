//! Whether clusters share a root, in words and as a document.

use serde::Serialize;
use time::OffsetDateTime;

use crate::cli::annotations::{self, Note};
use crate::cli::check_words::{FindingDocument, told};
use crate::cli::document::{CertificateDocument, Head, ProblemDocument, head};
use crate::cli::exit::Exit;
use crate::cli::fail_on::FailOn;
use crate::cli::junit::{self, Case, Judged};
use crate::cli::report_words::look;
use crate::cli::table::{Cell, Line, aligned, painted};
use crate::mesh::common_root::{CommonRoot, Place, Root, Sharing, listed};
use crate::mesh::outcome::Outcome;
use crate::mesh::standing::Standing;
use crate::pki::moment::{day, span, utc};
use crate::problem::{Code, Problem, Severity};

/// How the command ends, by what it is to fail on.
#[must_use]
pub fn exit(judged: &CommonRoot, fail_on: FailOn) -> Exit {
    let fails =
        judged.findings.iter().filter(|finding| fail_on.counts(finding)).map(|finding| match finding.severity {
            Severity::Critical => Exit::Critical,
            Severity::Warning => Exit::Warning,
        });
    let unseen = judged.unseen().next().map(|_| Exit::Error);
    fails.chain(unseen).max().unwrap_or(Exit::Fine)
}

/// The verdict with its mark.
fn first_line(judged: &CommonRoot) -> String {
    let mark = match judged.outcome() {
        Outcome::Fine => '√',
        Outcome::Warning => '!',
        Outcome::Unknown | Outcome::Critical => '×',
    };
    format!("{mark} {}", verdict(judged))
}

/// For people: the verdict, then each root of each context, unless only what is wrong is wanted (`quiet`), then that.
#[must_use]
pub fn table(judged: &CommonRoot, wide: bool, quiet: bool, now: OffsetDateTime, colour: bool) -> String {
    let verdict = painted(&first_line(judged), look(judged.outcome()), colour);
    if quiet {
        return format!("{verdict}\n{}", wrong(judged));
    }
    let mut headings = vec!["CONTEXT", "STATUS", "EXPIRES-IN", "NOT-AFTER", "FINGERPRINT", "ROOT"];
    if wide {
        headings.extend(["KEY", "ISSUER"]);
    }
    let lines: Vec<Line> = judged.places.iter().flat_map(|place| lines(place, wide, now)).collect();
    format!("{verdict}\n\n{}{}", aligned(&headings, &lines, colour), wrong(judged))
}

/// What could not be looked at, and every finding.
fn wrong(judged: &CommonRoot) -> String {
    let mut text = String::new();
    for place in &judged.places {
        if let Err(problem) = &place.roots {
            text.push('\n');
            text.push_str(&told("×", "", problem));
        }
    }
    for finding in &judged.findings {
        let mark = match finding.severity {
            Severity::Critical => "×",
            Severity::Warning => "!",
        };
        text.push('\n');
        text.push_str(&told(mark, &finding.place, &finding.problem));
    }
    text
}

fn notes(judged: &CommonRoot) -> Vec<Note<'_>> {
    let found = judged.findings.iter().map(|finding| Note {
        place: &finding.place,
        severity: Some(finding.severity),
        problem: &finding.problem,
    });
    // Their problems name the context.
    let unseen = judged.places.iter().filter_map(|place| place.roots.as_ref().err());
    found.chain(unseen.map(|problem| Note { place: "", severity: None, problem })).collect()
}

/// As annotations of a GitHub workflow.
#[must_use]
pub fn github(judged: &CommonRoot) -> String {
    annotations::github(&notes(judged), &first_line(judged))
}

/// As a code quality report of GitLab. `file` is what all of it is put to.
///
/// # Errors
/// `output-failed`, when the serializer fails; it is not known to.
pub fn gitlab(judged: &CommonRoot, file: &str) -> Result<String, Problem> {
    annotations::gitlab(&notes(judged), file)
}

/// As JUnit XML: a case for each context, and one for each finding.
#[must_use]
pub fn junit(judged: &CommonRoot, now: OffsetDateTime) -> String {
    let looked_at = judged.places.iter().map(|place| Case {
        place: place.name.clone(),
        name: "trust bundle".to_owned(),
        result: match &place.roots {
            Ok(_) => Judged::Passed,
            Err(problem) => Judged::Unseen(problem.into()),
        },
    });
    let found = judged.findings.iter().map(|finding| {
        let place = if finding.place.is_empty() { "contexts" } else { &finding.place };
        Case::found(place, finding.severity, &finding.problem)
    });
    junit::document("meshca check", &utc(now), &looked_at.chain(found).collect::<Vec<_>>())
}

fn verdict(judged: &CommonRoot) -> String {
    let seen: Vec<&str> = judged.seen().collect();
    let unseen: Vec<&str> = judged.unseen().collect();
    let names = listed(&seen);
    let until = judged.until.map_or_else(String::new, |until| format!(", until {}", day(until)));
    let own = |name: &str| judged.places.iter().find(|it| it.name == name).and_then(|it| it.roots.as_ref().ok());
    let mut said = match judged.sharing {
        Sharing::Unknown => Vec::new(),
        Sharing::Alone => vec![match judged.until {
            None => format!("{names} trusts no root that is valid now"),
            Some(_) => {
                let valid = |root: &&Root| !matches!(root.standing, Standing::Expired | Standing::NotYetValid);
                let count = own(&names).map_or(0, |roots| roots.iter().filter(valid).count());
                format!("{names} trusts {}{until}", counted(count))
            }
        }],
        Sharing::All { roots: 1 } => vec![format!("{names} share a root{until}")],
        Sharing::All { roots } => vec![format!("{names} share {}{until}", counted(roots))],
        Sharing::Some { common: 0, .. } => {
            vec![format!("every two of {} clusters share a root{until}, but no root is in all of them", seen.len())]
        }
        Sharing::Some { common, roots } => {
            vec![format!("{names} share {} of {}{until}", number(common), counted(roots))]
        }
        Sharing::None { of: 1, .. } => vec![format!("{names} have no root in common")],
        Sharing::None { pairs, of } => vec![format!("{pairs} of {of} pairs of clusters have no root in common")],
    };
    if !unseen.is_empty() {
        said.push(format!("{} could not be looked at", listed(&unseen)));
    }
    let is_in_the_verdict = |code| matches!(code, Code::NoCommonRoot | Code::BundlesDiffer);
    match judged.findings.iter().filter(|it| !is_in_the_verdict(it.problem.code())).count() {
        0 => {}
        1 => said.push("1 finding below".to_owned()),
        more => said.push(format!("{more} findings below")),
    }
    said.join("; ")
}

fn counted(roots: usize) -> String {
    format!("{} root{}", number(roots), if roots == 1 { "" } else { "s" })
}

fn number(number: usize) -> String {
    const WORDS: [&str; 6] = ["no", "one", "two", "three", "four", "five"];
    WORDS.get(number).map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

fn lines(place: &Place, wide: bool, now: OffsetDateTime) -> Vec<Line> {
    let line = |root: &Root| {
        let certificate = &root.certificate;
        let mut cells = vec![
            Cell::new(&place.name),
            Cell::new(root.standing.as_str()).styled(look(root.standing.outcome())),
            Cell::new(span(certificate.not_after() - now)),
            Cell::new(utc(certificate.not_after())),
            Cell::new(certificate.fingerprint().short()),
            Cell::new(certificate.subject().to_string()),
        ];
        if wide {
            cells.extend([Cell::new(certificate.public_key().title()), Cell::new(certificate.issuer().to_string())]);
        }
        let missing: Vec<&str> = root.missing_in.iter().map(String::as_str).collect();
        Line { cells, note: (!missing.is_empty()).then(|| format!("missing in {}", listed(&missing))) }
    };
    match &place.roots {
        Ok(roots) => roots.iter().map(line).collect(),
        Err(problem) => {
            let blank = Cell::of(None);
            let mut cells =
                vec![Cell::new(&place.name), Cell::new(Standing::Unknown.as_str()).styled(look(Outcome::Unknown))];
            cells.resize(if wide { 8 } else { 6 }, blank);
            vec![Line { cells, note: Some(problem.code().to_string()) }]
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    begins: Head,
    generated_at: String,
    namespace: &'a str,
    outcome: &'static str,
    shared: &'static str,
    until: Option<String>,
    contexts: Vec<ContextDocument<'a>>,
    findings: Vec<FindingDocument<'a>>,
}

#[derive(Serialize)]
struct ContextDocument<'a> {
    context: &'a str,
    roots: Vec<RootDocument<'a>>,
    problem: Option<ProblemDocument<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RootDocument<'a> {
    status: &'static str,
    missing_in: &'a [String],
    certificate: CertificateDocument,
}

/// For machines.
#[must_use]
pub fn document<'a>(judged: &'a CommonRoot, namespace: &'a str, now: OffsetDateTime) -> impl Serialize + use<'a> {
    let root = |root: &'a Root| RootDocument {
        status: root.standing.as_str(),
        missing_in: &root.missing_in,
        certificate: (&root.certificate).into(),
    };
    let contexts = judged.places.iter().map(|place| ContextDocument {
        context: &place.name,
        roots: place.roots.iter().flatten().map(root).collect(),
        problem: place.roots.as_ref().err().map(ProblemDocument::from),
    });
    Document {
        begins: head("CommonRoot"),
        generated_at: utc(now),
        namespace,
        outcome: judged.outcome().as_str(),
        shared: judged.sharing.as_str(),
        until: judged.until.map(utc),
        contexts: contexts.collect(),
        findings: judged.findings.iter().map(|finding| FindingDocument::new("", finding)).collect(),
    }
}
