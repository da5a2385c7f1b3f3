//! `rollback`: turns a root change back by a stage, or forward again. It only notes which way the walk goes, on the targets
//! themselves; a tick of `rotate` then takes the steps, and so does every later one.

use std::collections::BTreeMap;

use crate::jobs::courier::Courier;
use crate::mesh::change::Change;
use crate::mesh::fleet::ClusterName;
use crate::mesh::ledger::Act;
use crate::mesh::turn::{Turned, Wish, turned};
use crate::mesh::walk_mark::Goal;
use crate::problem::Problem;
use crate::world::ledger_file::About;
use crate::world::store::Store;

/// Which way a root change goes from now on.
#[derive(Debug)]
pub struct Rollback {
    /// Whereto.
    pub goal: Goal,
    /// On which targets that was noted, or why not; those that would be, where nothing was to be changed.
    pub noted: BTreeMap<ClusterName, Result<Change, Problem>>,
}

/// Notes it on every target that has a part in the walk. One target that carries it is enough for every later run.
///
/// # Errors
/// `no-root-change`, `removal-begun`, `no-usable-root`, `file-unreadable`; when it could be noted nowhere, why not on the
/// first target.
pub fn run(
    courier: &Courier<'_>,
    store: &Store,
    wish: Wish,
    reason: Option<&str>,
    dry_run: bool,
) -> Result<Rollback, Problem> {
    let mesh = courier.mesh;
    let observed = courier.targets.look_at_deployments(courier.targets.observe_all());
    let Turned { goal, notes } = turned(mesh, &store.holdings()?, &observed, wish, courier.now)?;
    if dry_run {
        return Ok(Rollback { goal, noted: notes.into_iter().map(|(name, ..)| (name, Ok(Change::Leave))).collect() });
    }
    let about = About { cluster: None, generation: None, certificate: None };
    courier.record(|ledger| ledger.remark(Act::TurnRootChange, about, &words(goal, reason)))?;
    let results = courier.targets.in_parallel(&notes, mesh.rotation.write, |(name, mark, bundle)| {
        let delivered = match (mesh.cluster(name), observed.get(name)) {
            (Some(cluster), Some(seen)) => courier.rebundle(cluster, seen, bundle, Some(mark.clone())),
            _ => return None,
        };
        Some((name.clone(), delivered.map(|delivered| delivered.change)))
    });
    let noted: BTreeMap<_, _> = results.into_iter().flatten().collect();
    match noted.values().find_map(|result| result.as_ref().err()) {
        Some(problem) if noted.values().all(Result::is_err) => Err(problem.clone()),
        _ => Ok(Rollback { goal, noted }),
    }
}

fn words(goal: Goal, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{}: {reason}", goal.as_str()),
        None => goal.as_str().to_owned(),
    }
}
