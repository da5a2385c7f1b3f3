//! Results for machines: one document a command, whose keys are a contract. Moments are RFC 3339 in UTC.

use serde::Serialize;

use crate::cli::args::Format;
use crate::jobs::inspect::{Content, Part};
use crate::jobs::publish::Delivery;
use crate::jobs::rotate::Tick;
use crate::mesh::change::Change;
use crate::mesh::deadline::Ceremony;
use crate::mesh::holdings::{Held, Prepared};
use crate::mesh::leak_document::LeakPart;
use crate::mesh::ledger::{Entry, Ledger};
use crate::mesh::loaded::Loaded;
use crate::mesh::progress_document::RootChangePart;
use crate::mesh::step::Act;
use crate::pki::certificate::Certificate;
use crate::pki::moment::utc;
use crate::problem::{Code, Problem};

/// Writes a document in the wished form; `None`: the form is one for people.
///
/// # Errors
/// `bad-argument`, for metrics of something that has none; `output-failed`, when a serializer fails.
pub fn written(document: &impl Serialize, format: Format) -> Result<Option<String>, Problem> {
    let failed = |error: String| Problem::new(Code::OutputFailed, format!("the result cannot be written: {error}"));
    match format {
        Format::Table | Format::Wide => Ok(None),
        Format::Json => serde_json::to_string_pretty(document).map(Some).map_err(|error| failed(error.to_string())),
        Format::Yaml => serde_saphyr::to_string(document).map(Some).map_err(|error| failed(error.to_string())),
        _ => refuse_form(format, &[]).map(|()| None),
    }
}

/// Refuses forms that a command has not: before something is done whose result could then not be told. `own` are those
/// that it has besides the ones of every command.
///
/// # Errors
/// `bad-argument`.
pub fn refuse_form(format: Format, own: &[Format]) -> Result<(), Problem> {
    if own.contains(&format) {
        return Ok(());
    }
    let (what, hint) = match format {
        Format::Table | Format::Wide | Format::Json | Format::Yaml => return Ok(()),
        Format::Prometheus => ("only the report has metrics", "meshca report -o prometheus"),
        Format::Markdown => ("only a report and a rehearsal are written as Markdown", "meshca report -o markdown"),
        Format::Ics => ("only a rehearsal has a calendar", "meshca rehearse -o ics"),
        Format::Junit => ("only a report and a check are written as JUnit", "meshca check -o junit"),
        Format::Csv => ("only a report is written as CSV", "meshca report -o csv"),
        Format::Html => ("only a report is written as a page", "meshca report -o html"),
        Format::Name => ("only a report is written as names", "meshca report -o name"),
        Format::Github => ("only a check has annotations for GitHub", "meshca check -o github"),
        Format::Gitlab => ("only a check has a code quality report", "meshca check -o gitlab"),
    };
    Err(Problem::new(Code::BadArgument, what).hint(hint))
}

/// The head that every document begins with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Head {
    api_version: &'static str,
    kind: &'static str,
}

pub(in crate::cli) const fn head(kind: &'static str) -> Head {
    Head { api_version: "meshca.io/v1", kind }
}

/// A problem.
#[derive(Serialize)]
pub(in crate::cli) struct ProblemDocument<'a> {
    code: &'static str,
    what: &'a str,
    facts: &'a [String],
    hint: Option<&'a str>,
    /// What would keep it from coming again, for `kubectl apply`.
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<&'a str>,
}

impl<'a> From<&'a Problem> for ProblemDocument<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self {
            code: problem.code().as_str(),
            what: problem.what(),
            facts: problem.facts(),
            hint: problem.advice(),
            manifest: problem.to_apply().map(|it| it.manifest.as_str()),
        }
    }
}

/// A certificate.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct CertificateDocument {
    subject: String,
    issuer: String,
    serial: String,
    sha256: String,
    key: String,
    not_before: String,
    not_after: String,
}

impl From<&Certificate> for CertificateDocument {
    fn from(certificate: &Certificate) -> Self {
        Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: certificate.serial_text(),
            sha256: certificate.fingerprint().to_string(),
            key: certificate.public_key().title(),
            not_before: utc(certificate.validity().not_before()),
            not_after: utc(certificate.not_after()),
        }
    }
}

/// A new CA, with its generation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorityDocument {
    #[serde(flatten)]
    begins: Head,
    generation: u32,
    /// The generation of the root that signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<u32>,
    /// The generation of the root that endorsed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    endorsed_by: Option<u32>,
    certificate: CertificateDocument,
}

/// A new root, and the generation of the one that endorsed it.
#[must_use]
pub fn root(root: &Held, endorsed_by: Option<u32>) -> impl Serialize + use<> {
    let Held { generation, certificate } = root;
    let certificate = certificate.into();
    AuthorityDocument { begins: head("Authority"), generation: *generation, root: None, endorsed_by, certificate }
}

/// A new issuing CA, and the generation of its root.
#[must_use]
pub fn issuing(issuing: &Held, root: u32) -> impl Serialize + use<> {
    let Held { generation, certificate } = issuing;
    let (root, endorsed_by, certificate) = (Some(root), None, certificate.into());
    AuthorityDocument { begins: head("Authority"), generation: *generation, root, endorsed_by, certificate }
}

/// What was laid in stock, and the generation of its root.
#[must_use]
pub fn stock(prepared: &[Prepared], root: u32) -> impl Serialize + use<> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document {
        #[serde(flatten)]
        begins: Head,
        root: u32,
        prepared: Vec<One>,
    }
    #[derive(Serialize)]
    struct One {
        cluster: String,
        generation: u32,
        certificate: CertificateDocument,
    }
    let one = |it: &Prepared| One {
        cluster: it.cluster.to_string(),
        generation: it.generation,
        certificate: (&it.signer).into(),
    };
    Document { begins: head("Stock"), root, prepared: prepared.iter().map(one).collect() }
}

/// What publish did to each target, or would.
#[must_use]
pub fn deliveries(deliveries: &[Delivery], dry_run: bool) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        #[serde(flatten)]
        begins: Head,
        dry_run: bool,
        targets: Vec<One<'a>>,
    }
    #[derive(Serialize)]
    struct One<'a> {
        cluster: &'a str,
        change: &'static str,
        generation: Option<u32>,
        before: Option<CertificateDocument>,
        after: Option<CertificateDocument>,
        #[serde(skip_serializing_if = "Option::is_none")]
        loaded: Option<&'static str>,
        problem: Option<ProblemDocument<'a>>,
    }
    let targets = deliveries.iter().map(|it| One {
        cluster: it.cluster.as_str(),
        change: it.change.as_ref().map_or("refuse", Change::as_str),
        generation: it.after.as_ref().map(|(generation, _)| *generation),
        before: it.before.as_ref().map(CertificateDocument::from),
        after: it.after.as_ref().map(|(_, certificate)| certificate.into()),
        loaded: it.loaded.as_ref().map(Loaded::as_str),
        problem: it.change.as_ref().err().map(ProblemDocument::from),
    });
    Document { begins: head("Publish"), dry_run, targets: targets.collect() }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CeremonyDocument {
    tier: &'static str,
    due: String,
    last_safe: String,
}

impl From<&Ceremony> for CeremonyDocument {
    fn from(ceremony: &Ceremony) -> Self {
        Self { tier: ceremony.tier.as_str(), due: utc(ceremony.due), last_safe: utc(ceremony.last_safe) }
    }
}

/// What a tick planned, and what became of it.
#[must_use]
pub fn tick(tick: &Tick, dry_run: bool) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        #[serde(flatten)]
        begins: Head,
        dry_run: bool,
        steps: Vec<One<'a>>,
        next_ceremony: Option<CeremonyDocument>,
        root_change: Option<RootChangePart>,
        leaks: Vec<LeakPart>,
    }
    #[derive(Serialize)]
    struct One<'a> {
        cluster: &'a str,
        act: &'static str,
        reason: &'a str,
        done: Option<bool>,
        ceremony: Option<CeremonyDocument>,
        problem: Option<ProblemDocument<'a>>,
    }
    let steps = tick.plan.steps.iter().map(|step| {
        let outcome = tick.done.get(&step.cluster);
        let problem = match (&step.act, outcome) {
            (Act::Refuse(problem), _) | (_, Some(Err(problem))) => Some(problem.into()),
            _ => None,
        };
        let ceremony = match &step.act {
            Act::AskForCeremony(ceremony) => Some(ceremony.into()),
            _ => None,
        };
        One {
            cluster: step.cluster.as_str(),
            act: step.act.as_str(),
            reason: &step.reason,
            done: outcome.map(Result::is_ok),
            ceremony,
            problem,
        }
    });
    Document {
        begins: head("Tick"),
        dry_run,
        steps: steps.collect(),
        next_ceremony: tick.plan.ceremonies.first().map(CeremonyDocument::from),
        root_change: tick.plan.root_change.as_ref().map(RootChangePart::of),
        leaks: tick.plan.leaks.iter().map(LeakPart::of).collect(),
    }
}

/// The whole ledger and the hash of its head.
#[must_use]
pub fn ledger(ledger: &Ledger) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        #[serde(flatten)]
        begins: Head,
        head: &'a str,
        entries: &'a [Entry],
    }
    Document { begins: head("Ledger"), head: &ledger.head, entries: &ledger.entries }
}

/// What a file holds.
#[must_use]
pub fn parts(parts: &[Part]) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        #[serde(flatten)]
        begins: Head,
        parts: Vec<One<'a>>,
    }
    #[derive(Serialize)]
    struct One<'a> {
        name: Option<&'a str>,
        blocks: Vec<Block<'a>>,
        oddities: &'a [String],
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Block<'a> {
        line: usize,
        holds: &'static str,
        what: Option<String>,
        certificate: Option<CertificateDocument>,
        problem: Option<ProblemDocument<'a>>,
    }
    fn block(line: usize, content: &Content) -> Block<'_> {
        let empty = Block { line, holds: "other", what: None, certificate: None, problem: None };
        match content {
            Content::Certificate(it) => Block { holds: "certificate", certificate: Some(it.as_ref().into()), ..empty },
            Content::Key(form, kind) => Block { holds: "private-key", what: Some(format!("{form}, {kind}")), ..empty },
            Content::RevocationList(list) => {
                Block { holds: "revocation-list", what: Some(list.issuer().to_string()), ..empty }
            }
            Content::Other(label) => Block { what: Some(label.clone()), ..empty },
            Content::Broken(problem) => Block { holds: "broken", problem: Some(problem.into()), ..empty },
        }
    }
    let parts = parts.iter().map(|part| One {
        name: part.name.as_deref(),
        blocks: part.blocks.iter().map(|(line, content)| block(*line, content)).collect(),
        oddities: &part.oddities,
    });
    Document { begins: head("Inspection"), parts: parts.collect() }
}
