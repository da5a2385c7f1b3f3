//! One part of a fleet, for one of several runs that share the work: an Indexed Job, say.

use std::fmt;

use crate::mesh::fleet::{Cluster, ClusterName, Mesh};
use crate::mesh::plan::Plan;
use crate::mesh::step::Act;

/// Part `index` of `count`, counted from 0. Every control plane belongs to exactly one part, in turn and in the order of
/// the mesh file; a remote belongs where the control plane does that signs its workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// `None`: there is no such part.
    ///
    /// ```
    /// use meshca::mesh::shard::Shard;
    /// assert!(Shard::new(3, 4).is_some());
    /// assert!(Shard::new(4, 4).is_none());
    /// ```
    #[must_use]
    pub const fn new(index: usize, count: usize) -> Option<Self> {
        if index < count { Some(Self { index, count }) } else { None }
    }

    /// Whether this part works on that cluster.
    #[must_use]
    pub fn has(self, mesh: &Mesh, cluster: &Cluster) -> bool {
        let signer = mesh.signer_of(cluster).unwrap_or(cluster);
        let mut signing = mesh.clusters.iter().filter(|it| it.role.has_cacerts());
        signing.position(|it| it.name == signer.name).unwrap_or(0) % self.count == self.index
    }

    /// The mesh as this part sees it: its own clusters, and the canary, which every part has to wait for.
    #[must_use]
    pub fn of(self, mesh: &Mesh) -> Mesh {
        let is_canary = |cluster: &Cluster| mesh.rotation.canary.as_ref() == Some(&cluster.name);
        let clusters = mesh.clusters.iter().filter(|it| self.has(mesh, it) || is_canary(it)).cloned().collect();
        Mesh { clusters, ..mesh.clone() }
    }

    /// The clusters of the mesh that this part works on.
    #[must_use]
    pub fn names(self, mesh: &Mesh) -> Vec<ClusterName> {
        mesh.clusters.iter().filter(|it| self.has(mesh, it)).map(|it| it.name.clone()).collect()
    }
}

/// The plan without what others work on, and without the steps of a root change: who sees a part cannot know whether the
/// whole fleet is ready. While the canary is due, and somebody else's, whatever is due here waits.
#[must_use]
pub fn narrowed(mut plan: Plan, canary: Option<&ClusterName>, own: &[ClusterName]) -> Plan {
    let is_own = |name: &ClusterName| own.contains(name);
    let awaited = plan.steps.iter().find(|step| Some(&step.cluster) == canary && step.act.writes());
    let awaited = awaited.filter(|step| !is_own(&step.cluster)).map(|step| step.cluster.clone());
    plan.steps.retain(|step| is_own(&step.cluster));
    // Nor can they know that a leaked key reaches nobody any more.
    plan.leaks.clear();
    for step in plan.steps.iter_mut().filter(|step| step.stage.is_some() && step.act.writes()) {
        (step.act, step.bundle, step.mark) = (Act::Wait, None, None);
        step.reason = format!("a root change goes on in a run over the whole fleet, without --shard; {}", step.reason);
    }
    if let Some(canary) = awaited {
        for step in plan.steps.iter_mut().filter(|step| step.act.writes()) {
            step.act = Act::Wait;
            step.reason = format!("the canary {canary} comes first; {}", step.reason);
        }
    }
    plan
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet::Role;
    use crate::mesh::fleet_story::{Story, cluster, name};
    use crate::mesh::step::Step;

    fn mesh() -> Mesh {
        let mut mesh = Story::new().mesh;
        let more = ["a", "b", "c"].map(|it| cluster(it, Role::Primary));
        let near = cluster("near-b", Role::Remote { primary: name("b") });
        mesh.clusters = mesh.clusters.iter().cloned().chain(more).chain([near]).collect();
        mesh.rotation.canary = None;
        mesh
    }

    fn names(shard: Shard, mesh: &Mesh) -> Vec<String> {
        shard.names(mesh).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_cluster_is_in_exactly_one_part_and_a_remote_where_its_primary_is() {
        let mesh = mesh();
        for count in 1..=7 {
            let parts = (0..count).map(|index| Shard::new(index, count).unwrap());
            let mut all: Vec<String> = parts.flat_map(|shard| names(shard, &mesh)).collect();
            all.sort();
            let mut wanted: Vec<String> = mesh.clusters.iter().map(|it| it.name.to_string()).collect();
            wanted.sort();
            assert_eq!(all, wanted, "{count} parts");
        }
        let half = Shard::new(1, 2).unwrap();
        assert_eq!(names(half, &mesh), ["west", "b", "near-b"]);
    }

    #[test]
    fn every_part_sees_the_canary_and_only_one_works_on_it() {
        let mut mesh = mesh();
        mesh.rotation.canary = Some(name("east"));
        let seen = |index| {
            let part = Shard::new(index, 2).unwrap().of(&mesh);
            part.clusters.iter().map(|it| it.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(seen(0), ["east", "far", "a", "c"]);
        assert_eq!(seen(1), ["east", "west", "b", "near-b"]);
        assert!(!Shard::new(1, 2).unwrap().has(&mesh, mesh.cluster(&name("east")).unwrap()));
    }

    #[test]
    fn what_is_due_waits_while_the_canary_of_another_part_is_due_and_no_longer() {
        let plan = |canary| {
            let step = |text, act| Step {
                cluster: name(text),
                act,
                reason: "30 d left".to_owned(),
                stage: None,
                bundle: None,
                mark: None,
                taints: false,
            };
            let due = Act::Mint { issuing: 1, generation: 2 };
            Plan {
                steps: vec![step("east", canary), step("west", due), step("b", Act::Leave)],
                ceremonies: Vec::new(),
                root_change: None,
                leaks: Vec::new(),
            }
        };
        let own = [name("west"), name("b")];
        let east = name("east");
        let acts = |canary| {
            let plan = narrowed(plan(canary), Some(&east), &own);
            plan.steps.into_iter().map(|step| (step.cluster.to_string(), step.act)).collect::<Vec<_>>()
        };
        let due = Act::Mint { issuing: 1, generation: 2 };
        let with = |act| vec![("west".to_owned(), act), ("b".to_owned(), Act::Leave)];
        assert_eq!(acts(due.clone()), with(Act::Wait));
        assert_eq!(acts(Act::Leave), with(due));
    }
}
