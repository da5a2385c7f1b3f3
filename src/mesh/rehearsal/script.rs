//! What a rehearsal is to show: from when to when, at which tick, and what goes wrong.

use time::{Duration, OffsetDateTime};

use crate::mesh::fleet::Mesh;
use crate::mesh::rehearsal::fault::{Errand, Fault};
use crate::problem::{Code, Problem};

/// The script of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// When it begins: with the founding ceremony, UTC.
    pub begins: OffsetDateTime,
    /// When it ends, UTC.
    pub ends: OffsetDateTime,
    /// How often `rotate` runs.
    pub tick: Duration,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// When people begin a change of root although none is due, UTC.
    pub change_root: Option<OffsetDateTime>,
}

/// More ticks than this are no rehearsal.
const MOST_TICKS: i64 = 1_000_000;

impl Script {
    /// Holds the script against the mesh file.
    ///
    /// # Errors
    /// `bad-argument`: it is so long that nobody waits for its end, or a fault lies outside of it; `unknown-cluster`.
    pub fn fits(&self, mesh: &Mesh) -> Result<(), Problem> {
        let seconds = (self.ends - self.begins).whole_seconds();
        if seconds / self.tick.whole_seconds().max(1) > MOST_TICKS {
            let what = format!("a rehearsal has at most {MOST_TICKS} ticks, and this one would have more");
            return Err(Problem::new(Code::BadArgument, what).hint("--tick 1h, or a shorter time"));
        }
        for fault in &self.faults {
            if let Some(name) = fault.cluster() {
                mesh.known_cluster(name)?;
            }
            let at = match fault {
                Fault::Down { from, .. } | Fault::Paused { from, .. } => *from,
                Fault::Drift { at, .. } | Fault::Restore { at, .. } => *at,
                Fault::Late { .. } => continue,
            };
            self.holds(at, &format!("--fault {fault}"))?;
        }
        self.change_root.map_or(Ok(()), |at| self.holds(at, "--change-root"))
    }

    fn holds(&self, at: OffsetDateTime, what: &str) -> Result<(), Problem> {
        if (self.begins..=self.ends).contains(&at) {
            return Ok(());
        }
        let day = crate::pki::moment::day;
        Err(Problem::new(Code::BadArgument, format!("{what} lies outside of the rehearsal"))
            .fact(format!("the rehearsal  {} to {}", day(self.begins), day(self.ends)))
            .fact(format!("it             {}", day(at)))
            .hint("choose a day in between, or a longer time: --years 3"))
    }

    /// How much later than expected people come to this.
    #[must_use]
    pub fn lateness(&self, errand: Errand) -> Duration {
        let late = self.faults.iter().filter_map(|fault| match fault {
            Fault::Late { errand: late, by } if *late == errand => Some(*by),
            _ => None,
        });
        late.sum()
    }
}
