//! What an exporter tells, as far as it says whether those who watch still see the fleet.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::mesh::cluster_label::ClusterLabel;
use crate::mesh::deadline::old_after;
use crate::mesh::fleet::Mesh;
use crate::mesh::metrics;
use crate::mesh::name_list::few;
use crate::pki::moment::{prose, utc};
use crate::problem::{Code, Problem};

/// What an exporter answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExporterPage {
    /// Whether any meshca made it.
    is_of_meshca: bool,
    /// Whether it could read the status at its last look; `None`: it says nothing of one.
    is_readable: Option<bool>,
    /// When the status was made that it tells of, UTC.
    pub(in crate::mesh) status_at: Option<OffsetDateTime>,
    /// The clusters that it tells of.
    managed: BTreeSet<String>,
}

impl ExporterPage {
    /// Reads metrics in text exposition 0.0.4. What is no series that an exporter of meshca writes is passed over.
    #[must_use]
    pub fn read(text: &str, label: &ClusterLabel) -> Self {
        let mut page = Self::default();
        let managed = format!("{}{{{}=\"", metrics::MANAGED.name, label.as_str());
        for line in text.lines() {
            let Some((series, value)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) else { continue };
            if let Some(name) = series.strip_prefix(managed.as_str()).and_then(|rest| rest.strip_suffix("\"}")) {
                page.managed.insert(name.to_owned());
            } else if series == metrics::READABLE.name {
                page.is_readable = Some(value == "1");
            } else if series == metrics::STATUS_TIME.name {
                page.status_at = value.parse().ok().and_then(|it| OffsetDateTime::from_unix_timestamp(it).ok());
            } else if series.strip_prefix(metrics::BUILD.name).is_some_and(|rest| rest.starts_with('{')) {
                page.is_of_meshca = true;
            }
        }
        page
    }

    /// What is wrong with what it tells at this moment, where the last tick that is known otherwise was then. `None`: the
    /// fleet is told of as it was at the last tick, or at one that is no more than two ticks ago.
    #[must_use]
    pub fn problem(
        &self,
        url: &str,
        mesh: &Mesh,
        last_tick: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Option<Problem> {
        let blind = |what: &str| Problem::new(Code::ExporterBlind, format!("the exporter at {url} {what}"));
        if !self.is_of_meshca {
            let what = format!("what answers at {url} is no exporter of meshca");
            return Some(
                Problem::new(Code::ExporterGone, what).hint(format!("curl -s {url} | grep {}", metrics::BUILD.name)),
            );
        }
        let Some(is_readable) = self.is_readable else {
            let hint = "ask the replica that holds the Lease";
            return Some(blind("tells of no fleet: it stands by while another replica works").hint(hint));
        };
        let (true, Some(at)) = (is_readable, self.status_at) else {
            let told = self.status_at.map_or_else(|| "nothing".to_owned(), |at| format!("what was so on {}", utc(at)));
            let hint = "look at what it writes to standard error, and at the rights of its account";
            return Some(blind("cannot read the status").fact(format!("it tells  {told}")).hint(hint));
        };
        // Where it tells of the last tick that there was, it is not the exporter that is late.
        if now - at > old_after(&mesh.rotation) && last_tick.is_some_and(|last| last > at) {
            let what = blind(&format!("tells of a status that is {} old", prose(now - at)));
            let last = last_tick.map_or_else(String::new, utc);
            return Some(
                what.fact(format!("it tells of    {}", utc(at)))
                    .fact(format!("the last tick  {last}"))
                    .hint("let it read the status that rotate writes (--status, --status-configmap)"),
            );
        }
        let names = mesh.clusters.iter().map(|cluster| cluster.name.as_str());
        let missing: Vec<&str> = names.filter(|name| !self.managed.contains(*name)).collect();
        if missing.is_empty() {
            return None;
        }
        let what = format!("does not tell of {}", few(&missing));
        Some(blind(&what).hint("none is needed if they are new: the next tick names them. Else it reads the status of another mesh, or calls the label otherwise (--cluster-label)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story};
    use crate::mesh::metrics::{Build, Told, Wording, render};
    use crate::mesh::report_document::ReportDocument;
    use crate::mesh::status::status;
    use time::Duration;

    fn present(status: &ReportDocument) -> Told<'_> {
        Told::Present(status)
    }

    fn past(status: &ReportDocument) -> Told<'_> {
        Told::Past(status)
    }

    const URL: &str = "http://watch:9949/metrics";

    fn page_by(story: &Story, told: fn(&ReportDocument) -> Told<'_>, label: &ClusterLabel) -> ExporterPage {
        let document = ReportDocument::of(&status(&story.mesh, &story.holdings, &story.observed, NOW));
        let build = Build { version: "1", revision: "" };
        ExporterPage::read(&render(told(&document), NOW, &Wording::text(label, build)), label)
    }

    fn page(story: &Story, told: fn(&ReportDocument) -> Told<'_>) -> ExporterPage {
        page_by(story, told, &ClusterLabel::USUAL)
    }

    fn wrong(
        page: &ExporterPage,
        story: &Story,
        last_tick: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> (Code, String) {
        let problem = page.problem(URL, &story.mesh, last_tick, now).unwrap();
        (problem.code(), problem.what().to_owned())
    }

    #[test]
    fn who_tells_of_the_fleet_as_the_last_tick_left_it_sees() {
        let story = Story::new();
        let page = page(&story, present);
        assert_eq!(page.status_at, Some(NOW));
        let later = NOW + Duration::days(400);
        for (last_tick, now) in [(Some(NOW), NOW), (None, NOW), (Some(NOW), later), (None, later)] {
            assert_eq!(page.problem(URL, &story.mesh, last_tick, now), None, "it is not the exporter that is late");
        }
        let label = ClusterLabel::parse("mesh_cluster").unwrap();
        assert_eq!(page_by(&story, present, &label), page, "whatever the label is called");
    }

    #[test]
    fn two_ticks_behind_is_no_trouble_and_a_second_more_is() {
        let mut story = Story::new();
        story.mesh.rotation.tick = Duration::hours(6);
        let page = page(&story, present);
        let edge = NOW + Duration::hours(12);
        assert_eq!(page.problem(URL, &story.mesh, Some(edge), edge), None);
        let (code, what) = wrong(&page, &story, Some(edge), edge + Duration::SECOND);
        assert_eq!(code, Code::ExporterBlind);
        assert!(what.starts_with("the exporter at http://watch:9949/metrics tells of a status that is 12 h"), "{what}");
    }

    #[test]
    fn one_that_stands_by_or_cannot_read_its_status_is_blind() {
        let story = Story::new();
        for (told, word) in [
            (page(&story, |_| Told::StandsBy), "stands by"),
            (page(&story, |_| Told::Nothing), "cannot read the status"),
            (page(&story, past), "cannot read the status"),
        ] {
            let (code, what) = wrong(&told, &story, Some(NOW), NOW);
            assert!(code == Code::ExporterBlind && what.contains(word), "{what}");
        }
    }

    #[test]
    fn one_that_does_not_tell_of_every_cluster_is_blind_for_those() {
        let mut story = Story::new();
        let page = page(&story, present);
        story.mesh.clusters[0].name = crate::mesh::fleet_story::name("new");
        let (code, what) = wrong(&page, &story, Some(NOW), NOW);
        assert!(code == Code::ExporterBlind && what.ends_with("does not tell of new"), "{what}");
        let text = "meshca_build_info{} 1\nmeshca_status_readable 1\nmeshca_status_timestamp_seconds 1795428000\n";
        let (_, what) = wrong(&ExporterPage::read(text, &ClusterLabel::USUAL), &story, Some(NOW), NOW);
        assert!(what.contains("does not tell of new, "), "of none at all: {what}");
    }

    #[test]
    fn what_is_no_page_of_an_exporter_is_told_apart_and_never_a_panic() {
        let story = Story::new();
        for text in ["", "up 1\n", "<html>", "# HELP meshca_build_info x\n", "meshca_build_info_other 1\n"] {
            let page = ExporterPage::read(text, &ClusterLabel::USUAL);
            assert_eq!(wrong(&page, &story, Some(NOW), NOW).0, Code::ExporterGone, "{text}");
        }
        let page = ExporterPage::read(
            "meshca_build_info{} 1\nmeshca_status_readable 1\nmeshca_status_timestamp_seconds 99999999999999999999\n",
            &ClusterLabel::USUAL,
        );
        assert_eq!(wrong(&page, &story, Some(NOW), NOW).0, Code::ExporterBlind);
    }
}
