//! The intermediates that one ceremony lays ready for a cluster, one after the other.

use time::OffsetDateTime;

use crate::mesh::deadline::renewal;
use crate::mesh::fleet::Mesh;
use crate::mesh::holdings::Prepared;

/// More generations than anybody lays ready for one cluster.
const MOST_GENERATIONS: usize = 400;

/// When each generation takes over: the first now (or when the newest in this stock is due), each next one when the one
/// before is due for renewal, until one reaches the wished moment.
#[must_use]
pub fn starts(
    mesh: &Mesh,
    stock: &[&Prepared],
    until: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Vec<OffsetDateTime> {
    let Some(until) = until else { return vec![now] };
    let newest = stock.iter().map(|it| it.signer.not_after()).max();
    let mut start = newest.map_or(now, |end| renewal(end, mesh.intermediate)).max(now);
    let mut reach = newest.unwrap_or(now);
    let mut starts = Vec::new();
    while reach < until && starts.len() < MOST_GENERATIONS {
        starts.push(start);
        reach = start + mesh.intermediate.lifetime;
        start = renewal(reach, mesh.intermediate);
    }
    starts
}
