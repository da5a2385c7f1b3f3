//! A report as one page for a browser: no request leaves it, it works without its script, and on paper.
//!
//! Everything that comes from a certificate, a cluster or the mesh file is escaped. The page's own policy allows nothing but
//! this one style and this one script, by their digests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use time::OffsetDateTime;

use crate::cli::markup::escaped;
use crate::cli::trust_words;
use crate::mesh::deadline::WARNING;
use crate::mesh::fleet::ClusterName;
use crate::mesh::loaded::Loaded;
use crate::mesh::row::Row;
use crate::mesh::status::Status;
use crate::mesh::trust_matrix::{Grid, TrustMatrix, Verdict};
use crate::pki::moment::{ahead, day, span, utc};
use crate::pki::profile::Tier;
use crate::problem::Finding;

const STYLE: &str = include_str!("page/report.css");
const SCRIPT: &str = include_str!("page/report.js");

/// The width of a timeline, in its own units.
const WIDTH: i64 = 1000;
/// Fleets of at most so many clusters have a line for each in the matrix; of larger ones, those that no pair tells apart
/// share one.
const MOST_SINGLE: usize = 20;
/// The lines of a matrix at most.
const MOST_LINES: usize = 40;
/// Names in one line of a matrix at most.
const MOST_NAMES: usize = 30;
/// Findings at most: more do not get read, and `-o json` has them.
const MOST_FINDINGS: usize = 200;

/// What stands on a page.
#[derive(Debug)]
pub(in crate::cli) struct Page<'a> {
    pub(in crate::cli) status: &'a Status,
    pub(in crate::cli) rows: Vec<&'a Row>,
    pub(in crate::cli) findings: Vec<&'a Finding>,
    pub(in crate::cli) trust: &'a TrustMatrix,
    /// The command to type next.
    pub(in crate::cli) next: Option<String>,
    pub(in crate::cli) version: &'a str,
}

impl Page<'_> {
    /// The whole page.
    #[must_use]
    pub(in crate::cli) fn written(&self) -> String {
        let sum = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
            sum(STYLE),
            sum(SCRIPT)
        );
        let status = self.status;
        let mesh = escaped(&status.mesh);
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<title>{mesh}: certificates at {}</title>\n<style>{STYLE}</style>\n</head>\n",
            utc(status.generated_at)
        );
        page.push_str("<body>\n<a class=\"skip\" href=\"#certificates\">To the certificates</a>\n<header>\n");
        page.push_str(&self.head());
        page.push_str("</header>\n<main>\n");
        page.push_str(&self.found());
        page.push_str(&self.certificates());
        page.push_str(&self.matrix());
        page.push_str(&self.ahead());
        let _ = write!(
            page,
            "</main>\n<footer>\n<p class=\"dim\">meshca {}. This page is a copy of one moment, and asks nobody for anything.</p>\n</footer>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
            escaped(self.version)
        );
        page
    }

    fn head(&self) -> String {
        let status = self.status;
        let outcome = status.outcome().as_str();
        let mut text = format!(
            "<h1>Mesh {}</h1>\n<p class=\"verdict\"><span class=\"{outcome}\">{outcome}</span>: {}</p>\n",
            escaped(&status.mesh),
            escaped(&status.verdict())
        );
        let limits = status.thresholds.limits;
        let _ = writeln!(
            text,
            "<p class=\"dim\">{} clusters, looked at {}. An end nearer than {} is a warning, nearer than {} critical.</p>",
            status.clusters.len(),
            moment(status.generated_at),
            limits.warning,
            limits.critical
        );
        if status.paused {
            text.push_str("<p class=\"warning\">Rotation is paused in the mesh file.</p>\n");
        }
        if status.lab {
            text.push_str("<p class=\"warning\">lab: true; nothing here is fit for real traffic.</p>\n");
        }
        if let Some(next) = &self.next {
            let _ = writeln!(
                text,
                "<p>Type next:</p>\n<pre tabindex=\"0\" role=\"region\" aria-label=\"What to type next\"><code>{}</code></pre>",
                escaped(next)
            );
        }
        text
    }

    fn found(&self) -> String {
        if self.findings.is_empty() {
            return String::new();
        }
        let mut text =
            String::from("<section aria-labelledby=\"findings\">\n<h2 id=\"findings\">Findings</h2>\n<ul>\n");
        for finding in self.findings.iter().take(MOST_FINDINGS) {
            let severity = finding.severity.as_str();
            let _ = write!(
                text,
                "<li><strong class=\"{severity}\">{severity}</strong> <code>{}</code>: {}",
                finding.problem.code(),
                escaped(finding.problem.what())
            );
            let hint = finding.problem.advice().map(|hint| format!("hint: {hint}"));
            for line in finding.problem.facts().iter().cloned().chain(hint) {
                let _ = write!(text, "<br><code>{}</code>", escaped(&line));
            }
            text.push_str("</li>\n");
        }
        text.push_str("</ul>\n");
        let left_out = self.findings.len().saturating_sub(MOST_FINDINGS);
        if left_out > 0 {
            let _ = writeln!(text, "<p>and {left_out} more: meshca report -o json</p>");
        }
        text.push_str("</section>\n");
        text
    }

    fn certificates(&self) -> String {
        let scales = Scales::of(&self.rows, self.status.generated_at);
        let mut text =
            String::from("<section aria-labelledby=\"certificates\">\n<h2 id=\"certificates\">Certificates</h2>\n");
        text.push_str(&self.tools());
        text.push_str(KEY);
        text.push_str("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Table of certificates\">\n<table class=\"rows\" id=\"rows\">\n<caption>");
        let left_out = self.status.rows.len().saturating_sub(self.rows.len());
        if left_out > 0 {
            let _ = write!(
                text,
                "{left_out} rows are left out, most of which repeat the mesh's own root and issuing CA: meshca report -o wide. "
            );
        }
        text.push_str(&scales.words());
        text.push_str("</caption>\n<thead>\n<tr>");
        for (head, kind) in [
            ("Cluster", "t"),
            ("Role", "t"),
            ("Status", "n"),
            ("Expires in", "n"),
            ("Not after", "n"),
            ("Renews", "n"),
            ("Loaded", "t"),
        ] {
            let _ = write!(text, "<th scope=\"col\" data-k=\"{kind}\">{head}</th>");
        }
        text.push_str("<th scope=\"col\">From issue to end</th><th scope=\"col\">What there is to say</th></tr>\n</thead>\n<tbody>\n");
        for row in &self.rows {
            text.push_str(&self.row(row, &scales));
        }
        text.push_str("</tbody>\n</table>\n</div>\n</section>\n");
        text
    }

    fn tools(&self) -> String {
        let option = |value: &str| format!("<option>{value}</option>");
        let statuses: BTreeSet<_> = self.rows.iter().map(|row| row.standing).collect();
        let statuses: String = statuses.iter().map(|standing| option(standing.as_str())).collect();
        let roles: BTreeSet<_> = self.rows.iter().map(|row| row.role).collect();
        let roles: String = roles.iter().map(|role| option(role.as_str())).collect();
        format!(
            "<div class=\"tools\" id=\"tools\" role=\"search\" aria-label=\"Filter certificates\" hidden>\n\
             <label>Words<input id=\"search\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"></label>\n\
             <label>Status<select id=\"status\"><option value=\"\">any</option><option value=\"!\">needs somebody</option>{statuses}</select></label>\n\
             <label>Role<select id=\"role\"><option value=\"\">any</option>{roles}</select></label>\n\
             <button id=\"clear\" type=\"button\">Clear</button>\n<output id=\"count\" for=\"search status role\" aria-live=\"polite\"></output>\n</div>\n"
        )
    }

    fn row(&self, row: &Row, scales: &Scales) -> String {
        let now = self.status.generated_at;
        let outcome = row.outcome().as_str();
        let (standing, role) = (row.standing.as_str(), row.role.as_str());
        let place = match &row.cluster {
            Some(cluster) => escaped(cluster.as_str()),
            None => format!("{} <span class=\"dim\">(mesh)</span>", escaped(&self.status.mesh)),
        };
        let number = |moment: Option<OffsetDateTime>| match moment {
            Some(moment) => format!(" data-v=\"{}\"", moment.unix_timestamp()),
            None => String::new(),
        };
        let end = row.not_after();
        let loaded = match (&row.signed_by, row.role) {
            (Some(primary), Tier::Intermediate) => format!("by {}", escaped(primary.as_str())),
            _ => row.loaded.as_ref().map_or("-", Loaded::as_str).to_owned(),
        };
        let mut text = format!(
            "<tr data-o=\"{outcome}\" data-s=\"{standing}\" data-r=\"{role}\"><th scope=\"row\">{place}</th><td>{role}</td>"
        );
        // Sorted by urgency, as the enumeration has it.
        let _ = write!(text, "<td class=\"s {outcome}\" data-v=\"{}\">{standing}</td>", row.standing as u8);
        let _ = write!(text, "<td class=\"t\"{}>{}</td>", number(end), row.left(now).map_or_else(dash, span));
        let _ = write!(text, "<td class=\"t\"{}>{}</td>", number(end), end.map_or_else(dash, moment));
        let renews = row.renews_at.map_or_else(dash, |at| format!("{} ({})", day(at), ahead(at - now)));
        let _ = write!(text, "<td class=\"t\"{}>{renews}</td><td>{loaded}</td>", number(row.renews_at));
        let _ = write!(text, "<td>{}</td>", scales.bar(row, now).unwrap_or_else(dash));
        let facts = row.certificate.as_ref().map(|facts| {
            let (subject, sum) = (escaped(&facts.subject), facts.fingerprint.short());
            format!("{subject}, {}, <code>{sum}</code>", escaped(&facts.key))
        });
        let said: Vec<String> = row.reason.as_deref().map(escaped).into_iter().chain(facts).collect();
        let _ = writeln!(text, "<td>{}</td></tr>", said.join("<br>"));
        text
    }

    fn matrix(&self) -> String {
        let trust = self.trust;
        let mut text = String::from(
            "<section aria-labelledby=\"trust\">\n<h2 id=\"trust\">Who verifies whom</h2>\n\
             <p class=\"dim\">Whether a workload of the row's cluster accepts one of the column's, whose certificate istiod signs now.</p>\n",
        );
        let all: usize = trust.groups.iter().map(Vec::len).sum();
        // One line for each cluster where there is room, else one for each group.
        let single = all <= MOST_SINGLE;
        let mut lines: Vec<(usize, Vec<&ClusterName>)> = Vec::new();
        for (number, group) in trust.groups.iter().enumerate() {
            if single {
                lines.extend(group.iter().map(|name| (number, vec![name])));
            } else {
                lines.push((number, group.iter().collect()));
            }
        }
        text.push_str(&self.grid(&trust.today, "Today", "today", &lines));
        if let Some(next) = &trust.next {
            let when = format!("Once {}", next.after);
            if next.grid == trust.today {
                let _ = writeln!(text, "<p>{}: the same.</p>", escaped(&when));
            } else {
                text.push_str(&self.grid(&next.grid, &when, "next", &lines));
            }
        }
        let mut left_out = Vec::new();
        if lines.len() > MOST_LINES {
            left_out
                .push(format!("{} more lines of the matrix, which differ from those above", lines.len() - MOST_LINES));
        }
        if !trust.left_out.is_empty() {
            left_out.push(format!("{} clusters with trust bundles that few others have", trust.left_out.len()));
        }
        if !left_out.is_empty() {
            let _ = writeln!(
                text,
                "<p>Left out here: {}. All pairs that were looked into are counted.</p>",
                left_out.join("; ")
            );
        }
        text.push_str("</section>\n");
        text
    }

    fn grid(&self, grid: &Grid, when: &str, id: &str, lines: &[(usize, Vec<&ClusterName>)]) -> String {
        let lines = lines.get(..MOST_LINES.min(lines.len())).unwrap_or_default();
        let pairs = self.trust.pairs(grid);
        let reasons = trust_words::reasons(grid);
        let mut text = format!(
            "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Who verifies whom: {}\">\n<table class=\"m\">\n<caption>{}: {}</caption>\n<thead>\n<tr><th scope=\"col\">verifies</th>",
            escaped(when),
            escaped(when),
            trust_words::summary(pairs)
        );
        for (number, (_, names)) in lines.iter().enumerate() {
            // The number stands for the names of the same line; who cannot see across hears the first of them.
            let (all, first) = (names_of(names), names.first().map(|name| escaped(name.as_str())).unwrap_or_default());
            let number = number + 1;
            let _ =
                write!(text, "<th scope=\"col\" title=\"{all}\">{number}<span class=\"hidden\"> {first}</span></th>");
        }
        text.push_str("</tr>\n</thead>\n<tbody>\n");
        for (number, (verifier, names)) in lines.iter().enumerate() {
            let _ = write!(text, "<tr><th scope=\"row\">{} {}</th>", number + 1, names_of(names));
            for (peer, _) in lines {
                let verdict = grid.get(*verifier).and_then(|row| row.get(*peer));
                let place = |why: &str| reasons.iter().position(|it| *it == why).map_or(0, |place| place + 1);
                let cell = match verdict {
                    Some(Verdict::Verifies) => "<td class=\"fine\">yes</td>".to_owned(),
                    Some(Verdict::Refuses(why)) => {
                        format!("<td class=\"critical\"><a href=\"#{id}-{0}\">no ({0})</a></td>", place(why))
                    }
                    Some(Verdict::Unknown(why)) => {
                        format!("<td class=\"unknown\"><a href=\"#{id}-{0}\">not known ({0})</a></td>", place(why))
                    }
                    None => "<td></td>".to_owned(),
                };
                text.push_str(&cell);
            }
            text.push_str("</tr>\n");
        }
        text.push_str("</tbody>\n</table>\n</div>\n");
        if !reasons.is_empty() {
            text.push_str("<ol>\n");
            for (number, why) in reasons.iter().enumerate() {
                let _ = writeln!(text, "<li id=\"{id}-{}\">{}</li>", number + 1, escaped(why));
            }
            text.push_str("</ol>\n");
        }
        text
    }

    /// What comes next: ceremonies, and a change of root.
    fn ahead(&self) -> String {
        let status = self.status;
        let mut text = String::new();
        if let Some(walk) = &status.root_change {
            let _ = writeln!(
                text,
                "<section aria-labelledby=\"walk\">\n<h2 id=\"walk\">Change of root</h2>\n<p>Stage {} ({} of 4), goal {}; the old root ends {}; the next stage begins at the latest {}.</p>",
                walk.stage.as_str(),
                walk.stage.number(),
                walk.goal.as_str(),
                moment(walk.old_end()),
                moment(walk.latest_start)
            );
            if !walk.holdups.is_empty() {
                text.push_str("<p>It waits for:</p>\n<ul>\n");
                for holdup in walk.holdups.iter().take(MOST_FINDINGS) {
                    let late = if holdup.is_late { " <strong class=\"warning\">late</strong>" } else { "" };
                    let _ =
                        writeln!(text, "<li>{}: {}{late}</li>", escaped(holdup.cluster.as_str()), escaped(&holdup.why));
                }
                text.push_str("</ul>\n");
            }
            text.push_str("</section>\n");
        }
        if !status.ceremonies.is_empty() {
            text.push_str("<section aria-labelledby=\"ceremonies\">\n<h2 id=\"ceremonies\">Ceremonies</h2>\n<table>\n<caption>What only people can do</caption>\n<thead>\n<tr><th scope=\"col\">For</th><th scope=\"col\">Due</th><th scope=\"col\">Begin by</th></tr>\n</thead>\n<tbody>\n");
            for ceremony in &status.ceremonies {
                let _ = writeln!(
                    text,
                    "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
                    ceremony.tier.as_str(),
                    moment(ceremony.due),
                    moment(ceremony.last_safe)
                );
            }
            text.push_str("</tbody>\n</table>\n</section>\n");
        }
        text
    }
}

const KEY: &str = "<p class=\"key dim\" aria-hidden=\"true\">\
    <svg viewBox=\"0 0 100 70\"><rect class=\"b\" y=\"20\" width=\"100\" height=\"30\"/></svg> from issue to end \
    <svg viewBox=\"0 0 100 70\"><path class=\"r\" vector-effect=\"non-scaling-stroke\" d=\"M50 0V70\"/></svg> renewal \
    <svg viewBox=\"0 0 100 70\"><path class=\"w\" vector-effect=\"non-scaling-stroke\" d=\"M50 0V70\"/></svg> seven days before the end \
    <svg viewBox=\"0 0 100 70\"><path class=\"n\" vector-effect=\"non-scaling-stroke\" d=\"M50 0V70\"/></svg> now</p>\n";

fn dash() -> String {
    "-".to_owned()
}

fn moment(moment: OffsetDateTime) -> String {
    let text = utc(moment);
    format!("<time datetime=\"{text}\">{text}</time>")
}

fn names_of(names: &[&ClusterName]) -> String {
    let shown: Vec<String> = names.iter().take(MOST_NAMES).map(|name| escaped(name.as_str())).collect();
    let more = names.len().saturating_sub(MOST_NAMES);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// For each tier the span of time that its bars are drawn on: a root lasts forty times as long as an intermediate.
struct Scales(BTreeMap<Tier, (OffsetDateTime, OffsetDateTime)>);

impl Scales {
    fn of(rows: &[&Row], now: OffsetDateTime) -> Self {
        let mut scales: BTreeMap<Tier, (OffsetDateTime, OffsetDateTime)> = BTreeMap::new();
        for (row, facts) in rows.iter().filter_map(|row| Some((row, row.certificate.as_ref()?))) {
            let scale = scales.entry(row.role).or_insert((now, now));
            scale.0 = scale.0.min(facts.validity.not_before());
            scale.1 = scale.1.max(facts.validity.not_after());
        }
        Self(scales)
    }

    fn words(&self) -> String {
        let words = |(tier, (from, to)): (&Tier, &(OffsetDateTime, OffsetDateTime))| {
            format!("{} {} to {}", tier.as_str(), day(*from), day(*to))
        };
        let each: Vec<String> = self.0.iter().map(words).collect();
        if each.is_empty() {
            String::new()
        } else {
            format!("Bars are drawn on a scale for each role: {}.", each.join("; "))
        }
    }

    fn bar(&self, row: &Row, now: OffsetDateTime) -> Option<String> {
        let window = row.certificate.as_ref()?.validity;
        let (from, to) = self.0.get(&row.role)?;
        let whole = (*to - *from).whole_seconds().max(1);
        let x =
            |moment: OffsetDateTime| ((moment - *from).whole_seconds().saturating_mul(WIDTH) / whole).clamp(0, WIDTH);
        let (begin, end) = (x(window.not_before()), x(window.not_after()));
        let week = window.not_after().checked_sub(WARNING).filter(|week| *week > window.not_before());
        let mut label = format!("issued {}", day(window.not_before()));
        if let Some(renews) = row.renews_at {
            let _ = write!(label, ", renewal {}", day(renews));
        }
        if let Some(week) = week {
            let _ = write!(label, ", seven days left {}", day(week));
        }
        let _ = write!(label, ", ends {}", day(window.not_after()));
        let mark = |class: &str, at: OffsetDateTime| {
            format!("<path class=\"{class}\" vector-effect=\"non-scaling-stroke\" d=\"M{} 0V70\"/>", x(at))
        };
        let renews = row.renews_at.map(|at| mark("r", at)).unwrap_or_default();
        let week = week.map(|at| mark("w", at)).unwrap_or_default();
        Some(format!(
            "<svg viewBox=\"0 0 {WIDTH} 70\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{label}\"><rect class=\"b\" x=\"{begin}\" y=\"20\" width=\"{}\" height=\"30\"/>{renews}{week}{}</svg>",
            (end - begin).max(1),
            mark("n", now)
        ))
    }
}
