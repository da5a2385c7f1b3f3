//! What goes wrong in a rehearsal: written in the script, and never by chance.

use std::fmt;

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::mesh::fleet::ClusterName;
use crate::mesh::span;
use crate::pki::moment::day;

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// meshca cannot reach a cluster; its istiod and its workloads go on with what they have.
    Down {
        /// Which one.
        cluster: ClusterName,
        /// From when.
        from: OffsetDateTime,
        /// Until when.
        until: OffsetDateTime,
    },
    /// People come later than they are expected.
    Late {
        /// To what.
        errand: Errand,
        /// By how much.
        by: Duration,
    },
    /// Somebody takes `cert-chain.pem` out of a cluster's `cacerts` by hand.
    Drift {
        /// In which one.
        cluster: ClusterName,
        /// When.
        at: OffsetDateTime,
    },
    /// A cluster comes back from a backup, with the set that it had then, and its istiod starts anew.
    Restore {
        /// Which one.
        cluster: ClusterName,
        /// When.
        at: OffsetDateTime,
        /// How old the backup is.
        age: Duration,
    },
    /// Rotation is paused in the mesh file.
    Paused {
        /// From when.
        from: OffsetDateTime,
        /// Until when.
        until: OffsetDateTime,
    },
}

/// What people are sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Errand {
    /// A ceremony with the root key.
    Ceremony,
    /// Saying that the old root may go.
    Approval,
    /// A restart of istiod, or a file to apply.
    Restart,
}

impl Errand {
    const ALL: [(&'static str, Self); 3] =
        [("ceremony", Self::Ceremony), ("approval", Self::Approval), ("restart", Self::Restart)];

    const fn as_str(self) -> &'static str {
        match self {
            Errand::Ceremony => "ceremony",
            Errand::Approval => "approval",
            Errand::Restart => "restart",
        }
    }
}

/// How a fault is written.
pub const FORMS: &str = "a fault is down:CLUSTER:DATE:LENGTH, late:ceremony|approval|restart:LENGTH, drift:CLUSTER:DATE, \
                         restore:CLUSTER:DATE:AGE or paused:DATE:LENGTH, such as down:east:2027-03-01:21d";

impl Fault {
    /// The fault that this text means. A day begins at midnight UTC.
    ///
    /// # Errors
    /// How a fault is written, and which part is not.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["down", cluster, date, length] => {
                let from = date_of(date)?;
                Ok(Self::Down { cluster: cluster_of(cluster)?, from, until: from + length_of(length)? })
            }
            ["late", errand, length] => {
                let errand = Errand::ALL.iter().find(|(word, _)| word == errand);
                let (_, errand) =
                    errand.ok_or_else(|| format!("people are late for a ceremony, approval or restart; {FORMS}"))?;
                Ok(Self::Late { errand: *errand, by: length_of(length)? })
            }
            ["drift", cluster, date] => Ok(Self::Drift { cluster: cluster_of(cluster)?, at: date_of(date)? }),
            ["restore", cluster, date, age] => {
                Ok(Self::Restore { cluster: cluster_of(cluster)?, at: date_of(date)?, age: length_of(age)? })
            }
            ["paused", date, length] => {
                let from = date_of(date)?;
                Ok(Self::Paused { from, until: from + length_of(length)? })
            }
            _ => Err(FORMS.to_owned()),
        }
    }

    /// The cluster that it befalls; `None`: no single one.
    #[must_use]
    pub const fn cluster(&self) -> Option<&ClusterName> {
        match self {
            Fault::Down { cluster, .. } | Fault::Drift { cluster, .. } | Fault::Restore { cluster, .. } => {
                Some(cluster)
            }
            Fault::Late { .. } | Fault::Paused { .. } => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |from: &OffsetDateTime, until: &OffsetDateTime| span::format(*until - *from);
        match self {
            Fault::Down { cluster, from, until } => write!(f, "down:{cluster}:{}:{}", day(*from), length(from, until)),
            Fault::Late { errand, by } => write!(f, "late:{}:{}", errand.as_str(), span::format(*by)),
            Fault::Drift { cluster, at } => write!(f, "drift:{cluster}:{}", day(*at)),
            Fault::Restore { cluster, at, age } => {
                write!(f, "restore:{cluster}:{}:{}", day(*at), span::format(*age))
            }
            Fault::Paused { from, until } => write!(f, "paused:{}:{}", day(*from), length(from, until)),
        }
    }
}

fn cluster_of(text: &str) -> Result<ClusterName, String> {
    ClusterName::parse(text).ok_or_else(|| format!("`{text}` is not the name of a cluster; {FORMS}"))
}

fn date_of(text: &str) -> Result<OffsetDateTime, String> {
    let is_day = text.len() == 10;
    let moment = OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339).ok().filter(|_| is_day);
    let known = moment.filter(|moment| (1970..=2500).contains(&moment.year()));
    known.ok_or_else(|| format!("`{text}` is not a day like 2027-03-01; {FORMS}"))
}

fn length_of(text: &str) -> Result<Duration, String> {
    span::parse(text).map_err(|bad| format!("`{text}` {bad}; {}", bad.advice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in [
            "down:east:2027-03-01:21d",
            "late:ceremony:5d",
            "late:approval:1d12h",
            "late:restart:1h",
            "drift:west:2027-04-01",
            "restore:west:2027-04-01:40d",
            "paused:2027-03-01:10d",
        ] {
            assert_eq!(Fault::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused_and_says_how_a_fault_is_written() {
        for text in [
            "",
            "down",
            "down:east",
            "down:East:2027-03-01:21d",
            "down:east:2027-03-01",
            "down:east:2027-02-30:21d",
            "down:east:27-3-1:21d",
            "down:east:9999-01-01:21d",
            "drift:west:2027-04-01:5d",
            "restore:west:2027-04-01",
            "late:people:5d",
            "up:east:2027-03-01:21d",
            "paused:2027-03-01",
        ] {
            assert!(Fault::parse(text).unwrap_err().contains("down:CLUSTER:DATE:LENGTH"), "{text}");
        }
        assert!(Fault::parse("late:ceremony:soon").unwrap_err().contains("`soon` is not a length of time"));
    }
}
