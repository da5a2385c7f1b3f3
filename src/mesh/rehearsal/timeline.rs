//! What happens in a rehearsal, in its order.

use std::fmt;

use time::{Duration, OffsetDateTime};

use crate::mesh::fleet::ClusterName;
use crate::mesh::stage::Stage;
use crate::pki::moment::utc;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When, UTC.
    pub at: OffsetDateTime,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// These clusters got their first intermediates.
    First(Vec<ClusterName>),
    /// These clusters got new intermediates.
    Renewed(Vec<ClusterName>),
    /// A cluster without a usable set got one, and why.
    Repaired(ClusterName, String),
    /// People made or did something.
    Done(String),
    /// A stage of a root change began.
    Stage(Stage, u32, u32),
    /// A root change ended: nothing shows the old root any more.
    Changed(u32, u32),
    /// istiod of this cluster was restarted, by meshca or by people.
    Restarted(ClusterName, &'static str),
    /// istiod of this cluster dropped an update, and why.
    Dropped(ClusterName, String),
    /// Something that the script wanted to go wrong.
    Fault(String),
    /// meshca refuses to touch a cluster, and why.
    Refused(ClusterName, String),
    /// The intermediate of a cluster has less than seven days left: the alert fires.
    Alert(ClusterName, OffsetDateTime),
    /// What istiod of this cluster signs with has ended.
    Expired(ClusterName, OffsetDateTime),
    /// Workloads of the first cluster are refused by those of the second; how many such pairs more.
    Broken(ClusterName, ClusterName, usize),
    /// As many pairs work again.
    Mended(usize),
    /// A root change has passed the last safe moment for its next stage.
    Late(Stage, OffsetDateTime),
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It belongs to the course of things.
    Usual,
    /// It is a cause, or should be looked at.
    Notable,
    /// It must not happen.
    Bad,
}

impl Event {
    /// How bad it is.
    #[must_use]
    pub const fn weight(&self) -> Weight {
        match self {
            Event::Broken(..) | Event::Expired(..) => Weight::Bad,
            Event::Alert(..) | Event::Late(..) | Event::Fault(_) | Event::Refused(..) | Event::Repaired(..) => {
                Weight::Notable
            }
            _ => Weight::Usual,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::First(clusters) => match clusters.as_slice() {
                [one] => write!(f, "{one} gets its first intermediate"),
                all => write!(f, "{} clusters get their first intermediates", all.len()),
            },
            Event::Renewed(clusters) => match clusters.as_slice() {
                [one] => write!(f, "{one} gets a new intermediate"),
                all => write!(f, "{} clusters get new intermediates", all.len()),
            },
            Event::Repaired(cluster, why) => write!(f, "{cluster} gets a set: {why}"),
            Event::Done(what) => f.write_str(what),
            Event::Stage(stage, from, to) => write!(f, "root change g{from} to g{to}: {} begins", stage.as_str()),
            Event::Changed(from, to) => write!(f, "root change g{from} to g{to} is complete"),
            Event::Restarted(cluster, by) => write!(f, "istiod in {cluster} is restarted by {by}"),
            Event::Dropped(cluster, why) => write!(f, "istiod in {cluster} drops an update: {why}"),
            Event::Fault(what) => f.write_str(what),
            Event::Refused(cluster, why) => write!(f, "{cluster} is refused: {why}"),
            Event::Alert(cluster, end) => {
                write!(f, "the 7-day alert fires for {cluster}, whose intermediate ends {}", utc(*end))
            }
            Event::Expired(cluster, end) => write!(f, "{cluster} has nothing to sign with since {}", utc(*end)),
            Event::Broken(from, to, 0) => write!(f, "workloads of {to} refuse those of {from}"),
            Event::Broken(from, to, more) => {
                write!(f, "workloads of {to} refuse those of {from}, and so in {more} pairs more")
            }
            Event::Mended(pairs) => write!(f, "{pairs} pairs work again"),
            Event::Late(stage, latest) => {
                write!(f, "the last safe moment for {} passes ({})", stage.as_str(), utc(*latest))
            }
        }
    }
}

/// A line of a timeline in which renewals that follow each other are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it began, UTC.
    pub from: OffsetDateTime,
    /// When it ended, UTC; the same where it was one moment.
    pub until: OffsetDateTime,
    /// What happened, in words.
    pub told: String,
    /// How bad it is.
    pub weight: Weight,
}

/// Renewals no further apart than this are one wave, if nothing else happens in between.
const WAVE: Duration = Duration::days(14);

/// A timeline in lines.
#[must_use]
pub fn lines(timeline: &[Happening]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut wave: Option<usize> = None;
    for it in timeline {
        match (&it.event, lines.last_mut(), wave) {
            (Event::Renewed(clusters), Some(last), Some(so_far)) if it.at - last.until <= WAVE => {
                let all = so_far + clusters.len();
                (last.until, last.told, wave) = (it.at, format!("{all} new intermediates"), Some(all));
            }
            (event, _, _) => {
                wave = if let Event::Renewed(clusters) = event { Some(clusters.len()) } else { None };
                lines.push(Line { from: it.at, until: it.at, told: event.to_string(), weight: event.weight() });
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, name};

    fn happening(days: i64, event: Event) -> Happening {
        Happening { at: NOW + Duration::days(days), event }
    }

    fn renewed(days: i64, names: &[&str]) -> Happening {
        happening(days, Event::Renewed(names.iter().map(|it| name(it)).collect()))
    }

    #[test]
    fn renewals_of_one_wave_are_one_line_and_anything_else_in_between_parts_them() {
        let told = |timeline: &[Happening]| lines(timeline).into_iter().map(|line| line.told).collect::<Vec<_>>();
        let wave = [renewed(0, &["a", "b"]), renewed(14, &["c"])];
        assert_eq!(told(&wave), ["3 new intermediates"]);
        assert_eq!(lines(&wave)[0].until, NOW + Duration::days(14));
        assert_eq!(told(&[renewed(0, &["a"]), renewed(15, &["b"])]).len(), 2);
        let parted = [renewed(0, &["a"]), happening(0, Event::Mended(2)), renewed(1, &["b"])];
        assert_eq!(told(&parted), ["a gets a new intermediate", "2 pairs work again", "b gets a new intermediate"]);
    }
}
