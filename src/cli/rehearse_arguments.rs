//! What may be typed after `rehearse`.

use clap::Args;
use time::{Duration, OffsetDateTime};

use crate::cli::typed_values::length;
use crate::cli::typed_values::moment;
use crate::mesh::fleet::Mesh;
use crate::mesh::rehearsal::fault::Fault;
use crate::mesh::rehearsal::script::Script;

/// The script of a rehearsal.
#[derive(Debug, Args)]
pub struct RehearseArguments {
    /// How many years, of 365 days.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=50), conflicts_with = "length")]
    years: u8,
    /// How long, instead of years.
    #[arg(long = "for", value_name = "DURATION", value_parser = length)]
    length: Option<Duration>,
    /// How often `rotate` runs. Without it, as rotation.tick says.
    #[arg(long, value_name = "DURATION", value_parser = length)]
    tick: Option<Duration>,
    /// What goes wrong; may be given many times. down:CLUSTER:DATE:LENGTH cannot be reached; late:WHAT:LENGTH people come later to
    /// a ceremony, an approval or a restart; drift:CLUSTER:DATE somebody breaks cacerts by hand; restore:CLUSTER:DATE:AGE comes
    /// back from a backup; paused:DATE:LENGTH rotation is paused.
    #[arg(long = "fault", value_name = "FAULT", value_parser = Fault::parse)]
    faults: Vec<Fault>,
    /// Begin with the CAs in the material folder and the intermediates in the clusters, as long as each of them lasts, instead of
    /// a founding ceremony. Looks at every target, as `report` does.
    #[arg(long)]
    pub(in crate::cli) as_it_stands: bool,
    /// The day on which people make the next root, although none is due.
    #[arg(long, value_name = "DATE", value_parser = moment)]
    change_root: Option<OffsetDateTime>,
}

impl RehearseArguments {
    /// The script, from this moment on.
    pub(in crate::cli) fn script(self, mesh: &Mesh, now: OffsetDateTime) -> Script {
        let length = self.length.unwrap_or(Duration::days(365) * i32::from(self.years));
        let tick = self.tick.unwrap_or(mesh.rotation.tick);
        let begins = now.replace_nanosecond(0).unwrap_or(now);
        Script { begins, ends: begins + length, tick, faults: self.faults, change_root: self.change_root }
    }
}
