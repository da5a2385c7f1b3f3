//! The report in words and in forms for machines.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use time::OffsetDateTime;

use crate::cli::junit::{self, Case, Judged, Told};
use crate::cli::table::{Cell, Line, aligned, painted};
use crate::cli::{problem_words, report_csv, report_markdown, root_change_words};
use crate::mesh::choice::Choice;
use crate::mesh::fleet::ClusterName;
use crate::mesh::loaded::Loaded;
use crate::mesh::metrics::{self, Wording};
use crate::mesh::outcome::Outcome;
use crate::mesh::report_document::ReportDocument;
use crate::mesh::row::Row;
use crate::mesh::standing::Standing;
use crate::mesh::status::{Look, Status};
use crate::mesh::windows::Hours;
use crate::pki::moment::{ahead, day, span, utc};
use crate::pki::plain_text::plain;
use crate::pki::profile::Tier;
use crate::problem::{Code, Finding, Problem, Severity};

/// In which form a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Verdict, what a reader needs first, findings, what to type next.
    Table,
    /// The same with every row and more columns.
    Wide,
    /// One JSON document. Its keys are a contract.
    Json,
    /// The same document as YAML.
    Yaml,
    /// Prometheus text exposition 0.0.4.
    Prometheus,
    /// Every row, for a spreadsheet.
    Csv,
    /// For the summary of a CI job.
    Markdown,
    /// A case for each row and finding.
    Junit,
    /// The names of clusters, one a line.
    Name,
}

impl Form {
    /// Every form.
    pub const ALL: &'static [Form] = &[
        Form::Table,
        Form::Wide,
        Form::Json,
        Form::Yaml,
        Form::Prometheus,
        Form::Csv,
        Form::Markdown,
        Form::Junit,
        Form::Name,
    ];

    /// The word after `-o`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Form::Table => "table",
            Form::Wide => "wide",
            Form::Json => "json",
            Form::Yaml => "yaml",
            Form::Prometheus => "prometheus",
            Form::Csv => "csv",
            Form::Markdown => "markdown",
            Form::Junit => "junit",
            Form::Name => "name",
        }
    }
}

/// Writes a report of everything; it ends with a newline. `mesh_file` is how the user named the mesh file, for the
/// command to type next. `wording` is that of metrics. `colour` matters to table and wide only.
///
/// # Errors
/// `output-failed`, when a serializer fails; none is known to.
pub fn written(
    status: &Status,
    form: Form,
    mesh_file: &str,
    wording: &Wording<'_>,
    colour: bool,
) -> Result<String, Problem> {
    chosen(status, &Choice::default(), form, mesh_file, wording, colour)
}

/// The same of these rows. Metrics are always those of the whole mesh.
///
/// # Errors
/// As [`written`].
pub fn chosen(
    status: &Status,
    choice: &Choice,
    form: Form,
    mesh_file: &str,
    wording: &Wording<'_>,
    colour: bool,
) -> Result<String, Problem> {
    let failed = |error: String| Problem::new(Code::OutputFailed, format!("the report cannot be written: {error}"));
    let all = || choice.rows(status.rows.iter().collect(), status);
    let heads = || choice.rows(status.headlines(), status);
    let findings = choice.findings(status);
    let is_whole = *choice == Choice::default();
    let document = || if is_whole { Cow::Borrowed(status) } else { Cow::Owned(choice.narrowed(status)) };
    match form {
        Form::Table => Ok(words(status, &heads(), &findings, false, mesh_file, colour)),
        Form::Wide => Ok(words(status, &all(), &findings, true, mesh_file, colour)),
        Form::Json => serde_json::to_string_pretty(document().as_ref())
            .map(|text| format!("{text}\n"))
            .map_err(|error| failed(error.to_string())),
        Form::Yaml => serde_saphyr::to_string(document().as_ref()).map_err(|error| failed(error.to_string())),
        Form::Prometheus => {
            Ok(metrics::render(metrics::Told::Present(&ReportDocument::of(status)), status.generated_at, wording))
        }
        Form::Csv => Ok(report_csv::written(status, &all())),
        Form::Markdown => {
            let next = next_command(status, mesh_file);
            Ok(report_markdown::written(status, &heads(), &findings, next.as_deref()))
        }
        Form::Junit => Ok(cases(status, &all(), &findings)),
        Form::Name => Ok(names(&all())),
    }
}

/// What is shown in place of a report that there is not.
#[must_use]
pub fn unread(problems: &[Problem], mesh_file: &Path) -> String {
    problems.iter().map(|problem| format!("{}\n", problem_words::error(problem, mesh_file))).collect()
}

/// The clusters of these rows, each once. The mesh's own certificates are in no cluster.
fn names(rows: &[&Row]) -> String {
    let mut seen = BTreeSet::new();
    let names = rows.iter().filter_map(|row| row.cluster.as_ref()).filter(|name| seen.insert(*name));
    names.map(|name| format!("{name}\n")).collect()
}

/// A case for each row, and one for each finding.
fn cases(status: &Status, rows: &[&Row], findings: &[&Finding]) -> String {
    let of_row = |row: &&Row| {
        let told = || Told {
            kind: row.standing.as_str().to_owned(),
            message: status.told(row),
            lines: row.reason.iter().cloned().chain(row.not_after().map(|end| format!("ends {}", utc(end)))).collect(),
        };
        let which = row.certificate.as_ref().map(|facts| format!(" {}", facts.fingerprint.short()));
        Case {
            place: row.cluster.as_ref().map_or(status.mesh.as_str(), ClusterName::as_str).to_owned(),
            name: format!("{}{}", row.role.as_str(), which.unwrap_or_default()),
            result: match row.outcome() {
                Outcome::Fine => Judged::Passed,
                Outcome::Unknown => Judged::Unseen(told()),
                Outcome::Warning | Outcome::Critical => Judged::Failed(told()),
            },
        }
    };
    let of_finding = |finding: &&Finding| Case {
        place: if finding.place.is_empty() { status.mesh.clone() } else { finding.place.clone() },
        name: finding.problem.code().as_str().to_owned(),
        result: Judged::Failed(Told { kind: finding.severity.as_str().to_owned(), ..(&finding.problem).into() }),
    };
    let cases: Vec<Case> = rows.iter().map(of_row).chain(findings.iter().map(of_finding)).collect();
    junit::document(&format!("meshca report of {}", status.mesh), &utc(status.generated_at), &cases)
}

fn words(status: &Status, rows: &[&Row], findings: &[&Finding], wide: bool, mesh_file: &str, colour: bool) -> String {
    let mut headings = vec!["CLUSTER", "ROLE", "STATUS", "EXPIRES-IN", "NOT-AFTER", "RENEWS-IN", "LOADED"];
    if wide {
        headings.extend(["SERIAL", "FINGERPRINT", "ISSUER", "KEY", "SIGNED-BY"]);
    }
    let lines: Vec<Line> = rows.iter().map(|row| line(status, row, wide)).collect();
    let verdict = painted(&status.verdict(), look(status.outcome()), colour);
    let mut text = format!("{verdict}\n\n{}", aligned(&headings, &lines, colour));
    if !findings.is_empty() {
        text.push('\n');
    }
    for finding in findings {
        text.push_str(&told(finding, colour));
    }
    if let Some(progress) = &status.root_change {
        text.push('\n');
        text.push_str(&root_change_words::headline(progress));
        text.push_str(&root_change_words::footer(progress, status.generated_at));
    }
    text.push('\n');
    // Writing into a string cannot fail.
    if let Some(next) = status.next_ceremony() {
        let _ = writeln!(text, "next ceremony by {} ({})", day(next.last_safe), title(next.tier));
    }
    if status.paused {
        text.push_str("rotation is paused in the mesh file\n");
    }
    match status.hours {
        Hours::Any => {}
        Hours::Open { until } => {
            let _ = writeln!(text, "maintenance window open until {}", utc(until));
        }
        Hours::Shut { opens, .. } => {
            let _ = writeln!(text, "next maintenance window {}", utc(opens));
        }
    }
    if status.lab {
        text.push_str("lab: true; nothing here is fit for real traffic\n");
    }
    if let Some(next) = next_command(status, mesh_file) {
        let _ = writeln!(text, "next: {next}");
    }
    text
}

fn line(status: &Status, row: &Row, wide: bool) -> Line {
    let now: OffsetDateTime = status.generated_at;
    let place = row.cluster.as_ref().map_or(status.mesh.as_str(), ClusterName::as_str);
    let mut cells = vec![
        Cell::new(place),
        Cell::new(row.role.as_str()),
        Cell::new(row.standing.as_str()).styled(look(row.outcome())),
        Cell::of(row.left(now).map(span)),
        Cell::of(row.not_after().map(utc)),
        Cell::of(row.renews_at.map(|at| ahead(at - now))),
        Cell::of(loaded(row)),
    ];
    if wide {
        let facts = row.certificate.as_ref();
        cells.extend([
            Cell::of(facts.map(|facts| facts.serial.clone())),
            Cell::of(facts.map(|facts| facts.fingerprint.short())),
            Cell::of(facts.map(|facts| facts.issuer.clone())),
            Cell::of(facts.map(|facts| facts.key.clone())),
            Cell::of(row.signed_by.as_ref().map(ToString::to_string)),
        ]);
    }
    Line { cells, note: row.reason.clone() }
}

fn loaded(row: &Row) -> Option<String> {
    row.certificate.as_ref()?;
    match (&row.signed_by, row.role) {
        (Some(primary), Tier::Intermediate) => Some(format!("by {primary}")),
        _ => row.loaded.as_ref().map(Loaded::as_str).map(str::to_owned),
    }
}

fn told(finding: &Finding, colour: bool) -> String {
    let outcome = Outcome::from(finding.severity);
    let severity = painted(finding.severity.as_str(), look(outcome), colour);
    let mut text = format!("{severity}: {}: {}\n", finding.problem.code(), plain(finding.problem.what(), 300));
    for fact in finding.problem.facts() {
        let _ = writeln!(text, "  {}", plain(fact, 300));
    }
    if let Some(hint) = finding.problem.advice() {
        let _ = writeln!(text, "  hint: {}", plain(hint, 300));
    }
    text
}

const fn title(tier: Tier) -> &'static str {
    match tier {
        Tier::Root => "root",
        Tier::Issuing => "issuing CA",
        Tier::Intermediate => "prepared intermediates",
    }
}

/// Words stand beside every colour, so nothing is lost without it.
pub(in crate::cli) const fn look(outcome: Outcome) -> Style {
    let colour = match outcome {
        Outcome::Fine => AnsiColor::Green,
        Outcome::Warning => AnsiColor::Yellow,
        Outcome::Unknown => AnsiColor::Magenta,
        Outcome::Critical => AnsiColor::Red,
    };
    Style::new().fg_color(Some(anstyle::Color::Ansi(colour)))
}

/// The one command that helps most; `None`: nothing needs one.
pub(in crate::cli) fn next_command(status: &Status, mesh_file: &str) -> Option<String> {
    let has = |code| status.findings.iter().any(|finding| finding.problem.code() == code);
    let meshca = format!("meshca -f {}", quoted(mesh_file));
    if has(Code::NoUsableRoot) {
        return Some(format!("{meshca} root create"));
    }
    if let Some(leak) = status.leaks.iter().find(|leak| leak.severity() == Severity::Critical) {
        return leak.next_command().map(|command| format!("{meshca} {command}"));
    }
    let is_due = |row: &&Row| {
        let due = row.renews_at.is_some_and(|at| at <= status.generated_at);
        // What meshca refuses to touch, a finding names; a renewal would not help there.
        let refused = status.findings.iter().any(|it| {
            !is_about_istiod(it.problem.code()) && row.cluster.as_ref().is_some_and(|name| it.place == name.as_str())
        });
        row.role == Tier::Intermediate
            && row.signed_by.is_none()
            && !refused
            && (due || row.broken || row.standing == Standing::Missing)
    };
    // Overdue while a ceremony is due: the renewals are waiting for it.
    let waits = has(Code::CeremonyNeeded)
        && status.rows.iter().any(|row| row.standing == Standing::Overdue && row.role == Tier::Intermediate);
    let needs_issuing =
        status.rows.iter().any(|row| row.cluster.is_none() && row.role == Tier::Issuing && row.certificate.is_none());
    if needs_issuing {
        return Some(format!("{meshca} issuing create"));
    }
    if !status.paused && !waits && status.rows.iter().any(|row| is_due(&row)) {
        return Some(format!("{meshca} rotate"));
    }
    if has(Code::CeremonyNeeded) {
        let what = status.next_ceremony().map_or("issue", |next| match next.tier {
            Tier::Root => "root create --next",
            Tier::Issuing => "issuing create",
            Tier::Intermediate => "issue",
        });
        return Some(format!("{meshca} {what}"));
    }
    let row = status.rows.iter().find(|row| row.outcome() > Outcome::Fine);
    let place = row.map(|row| row.cluster.as_ref().map_or("", |cluster| cluster.as_str())).or_else(|| {
        let finding = status.findings.first()?;
        let named = |look: &&Look| finding.place.split(", ").any(|place| place == look.cluster.as_str());
        Some(status.clusters.iter().find(named).map_or("", |look| look.cluster.as_str()))
    })?;
    Some(format!("{meshca} check {place}").trim_end().to_owned())
}

/// Whether a finding is about what a running istiod shows: no reason not to renew its intermediate.
const fn is_about_istiod(code: Code) -> bool {
    matches!(
        code,
        Code::IstiodUnreachable | Code::IstiodNotProven | Code::IstiodMetricsUnreadable | Code::IstiodServesAnother
    )
}

/// A path as a shell takes it: in single quotes where it has anything but the plainest characters.
pub(in crate::cli) fn quoted(path: &str) -> String {
    let path = plain(path, 4096);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "./_-+=:@%,".contains(c);
    if !path.is_empty() && path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::cluster_label::ClusterLabel;
    use crate::mesh::fleet_story::{NOW, Story};
    use crate::mesh::metrics::Build;
    use crate::mesh::status::status;
    use time::Duration;

    const PLAIN: Wording<'static> = Wording::text(&ClusterLabel::USUAL, Build { version: "0.1.0", revision: "" });

    fn seen(story: &Story) -> Status {
        status(&story.mesh, &story.holdings, &story.observed, NOW)
    }

    fn form(story: &Story, form: Form) -> String {
        written(&seen(story), form, "mesh.yaml", &PLAIN, false).unwrap()
    }

    #[test]
    fn a_fine_mesh_is_a_verdict_a_table_and_the_next_ceremony() {
        let wanted = "\
all 3 clusters are fine; the first renewal is due in 41 d (east)

CLUSTER  ROLE          STATUS  EXPIRES-IN  NOT-AFTER             RENEWS-IN   LOADED
east     intermediate  ok      71d         2027-02-02T10:00:00Z  in 41d      none
far      intermediate  ok      71d         2027-02-02T10:00:00Z  in 41d      by east
west     intermediate  ok      80d         2027-02-11T10:00:00Z  in 50d      none
mesh1    issuing       ok      335d        2027-10-24T10:00:00Z  in 215d     -
mesh1    root          ok      9y 335d     2036-10-21T10:00:00Z  in 7y 335d  -

next ceremony by 2027-06-26 (issuing CA)
";
        assert_eq!(form(&Story::new(), Form::Table), wanted);
    }

    /// West is late, far cannot be read, east runs under a key of its own kind of trouble.
    fn troubled() -> Story {
        let mut story = Story::new();
        story.publish("west", 1, NOW + Duration::days(5) + Duration::hours(3));
        let refused = Problem::new(Code::TargetUnreadable, "connection refused (10.4.0.1:6443)");
        story.look_at("far").system_roots = Err(refused);
        story
    }

    #[test]
    fn trouble_comes_first_and_the_command_to_type_comes_last() {
        let wanted = "\
2 of 3 clusters need action: west renewal is overdue by 24 d 21 h, ends in 5 d 3 h

CLUSTER  ROLE          STATUS   EXPIRES-IN  NOT-AFTER             RENEWS-IN   LOADED
west     intermediate  OVERDUE  5d 3h       2026-11-28T13:00:00Z  -24d        none
far      root          UNKNOWN  -           -                     -           -        connection refused (10.4.0.1:6443)
east     intermediate  ok       71d         2027-02-02T10:00:00Z  in 41d      none
far      intermediate  ok       71d         2027-02-02T10:00:00Z  in 41d      by east
mesh1    issuing       ok       335d        2027-10-24T10:00:00Z  in 215d     -
mesh1    root          ok       9y 335d     2036-10-21T10:00:00Z  in 7y 335d  -

next ceremony by 2027-06-26 (issuing CA)
next: meshca -f mesh.yaml rotate
";
        assert_eq!(form(&troubled(), Form::Table), wanted);
    }

    #[test]
    fn findings_have_their_code_their_facts_and_a_hint() {
        let mut story = Story::new();
        story.mesh.rotation.paused = true;
        story.publish("east", 1, NOW + Duration::days(30));
        let text = form(&story, Form::Table);
        let wanted = "
warning: rotation-paused: rotation is paused in the mesh file, and something is due
  waiting  east
  hint: set rotation.paused to false in the mesh file

next ceremony by";
        assert!(text.contains(wanted), "{text}");
    }

    #[test]
    fn a_pause_and_the_maintenance_window_are_said_below_the_table() {
        let mut story = Story::new();
        story.mesh.rotation.paused = true;
        let window = crate::mesh::window::Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap();
        story.mesh.rotation.windows = crate::mesh::windows::Windows::new(vec![window]);
        let foot = |now| {
            let status = status(&story.mesh, &story.holdings, &story.observed, now);
            let text = written(&status, Form::Table, "mesh.yaml", &PLAIN, false).unwrap();
            text.lines()
                .skip_while(|line| !line.starts_with("next ceremony"))
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let paused = "rotation is paused in the mesh file";
        assert_eq!(foot(NOW), [paused, "next maintenance window 2026-11-28T02:00:00Z"]);
        let open = time::macros::datetime!(2026-11-28 3:00 UTC);
        assert_eq!(foot(open), [paused, "maintenance window open until 2026-11-28T06:00:00Z"]);
    }

    #[test]
    fn wide_has_every_row_and_more_columns() {
        let text = form(&Story::new(), Form::Wide);
        let heading = text.lines().nth(2).unwrap();
        assert!(
            heading.ends_with(
                "LOADED   SERIAL                            FINGERPRINT  ISSUER            KEY          SIGNED-BY"
            ),
            "{heading}"
        );
        assert_eq!(text.lines().filter(|line| line.contains("mesh1 root g1")).count(), 3 + 3 + 2);
        assert!(text.contains("ECDSA P-256  east\n"), "{text}");
    }

    #[test]
    fn json_and_yaml_are_the_same_document() {
        let story = troubled();
        let json: serde_json::Value = serde_json::from_str(&form(&story, Form::Json)).unwrap();
        let yaml: serde_json::Value = serde_saphyr::from_str(&form(&story, Form::Yaml)).unwrap();
        assert_eq!(json, yaml);
        assert_eq!(json["kind"], "Report");
        assert!(Form::ALL.iter().all(|form| {
            let text = written(&seen(&story), *form, "mesh.yaml", &PLAIN, false).unwrap();
            text.ends_with('\n') && !text.ends_with("\n\n")
        }));
    }

    #[test]
    fn colour_is_there_only_when_asked_for_and_only_beside_words() {
        let status = seen(&troubled());
        let coloured = written(&status, Form::Table, "mesh.yaml", &PLAIN, true).unwrap();
        assert!(coloured.contains("\u{1b}[33mOVERDUE\u{1b}[0m"), "{coloured}");
        let stripped = anstream::adapter::strip_str(&coloured).to_string();
        assert_eq!(stripped, form(&troubled(), Form::Table));
    }

    #[test]
    fn nothing_from_outside_steers_the_terminal_in_any_form() {
        let mut story = Story::new();
        story.look_at("east").secret = Err(Problem::new(Code::TargetUnreadable, "\u{1b}[2Jgone\r\nok"));
        for form in Form::ALL {
            let text = written(&seen(&story), *form, "mesh\u{1b}.yaml", &PLAIN, false).unwrap();
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
        }
    }

    #[test]
    fn the_mesh_file_is_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("./a/mesh.yaml"), "./a/mesh.yaml");
        assert_eq!(quoted("my mesh.yaml"), "'my mesh.yaml'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }

    #[test]
    fn the_next_command_fits_the_worst_of_it() {
        let next = |story: &Story| next_command(&seen(story), "m.yaml");
        let mut story = Story::new();
        assert_eq!(next(&story), None);
        let other = story.other_root("mesh0 root").certificate.pem();
        story.look_at("far").system_roots = Ok(Some(other.into_bytes().into()));
        assert_eq!(next(&story).as_deref(), Some("meshca -f m.yaml check far"));
        story.observed.remove(&crate::mesh::fleet_story::name("west"));
        assert_eq!(next(&story).as_deref(), Some("meshca -f m.yaml check west"));
        story.look_at("east").secret = Ok(None);
        assert_eq!(next(&story).as_deref(), Some("meshca -f m.yaml rotate"));
        story.look_at("east").self_signed = true;
        assert_eq!(next(&story).as_deref(), Some("meshca -f m.yaml check west"));
        story.holdings.issuing.clear();
        assert_eq!(next(&story).as_deref(), Some("meshca -f m.yaml issuing create"));
        story.holdings.roots.clear();
        assert_eq!(next(&story).as_deref(), Some("meshca -f m.yaml root create"));
    }
}
