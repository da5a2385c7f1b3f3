//! Each deadline of a root change from both sides: one second before it nothing happens, and at it the step is taken.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
#![expect(clippy::disallowed_methods, reason = "tests make real keys")]

#[expect(dead_code, reason = "each test crate uses only some of this")]
#[path = "support/simulated/mod.rs"]
mod simulated;

use time::Duration;

use simulated::layout::{ASSUMED, Eyes, Layout, Site};
use simulated::pool::START;
use simulated::sight::Seen;
use simulated::tick::{planned, turned};
use simulated::world::{Deed, Pending, World};

use meshca::mesh::turn::Wish;

const DAY: u32 = 24 * 3600;

struct Fleet {
    layout: Layout,
    world: World,
}

impl Fleet {
    fn new(eyes: Eyes, roots: u8) -> Self {
        let layout = Layout::new(vec![Site::new(eyes); 2], vec![0], roots);
        let world = World::new(&layout);
        Self { layout, world }
    }

    fn plan(&self, removal: Option<u8>) -> Vec<Pending> {
        planned(&self.layout, &Seen::all(&self.world), removal.as_slice(), START)
    }

    /// A tick whose steps are all done, and whose sets are all loaded, in the same second.
    fn tick(&mut self, removal: Option<u8>) -> usize {
        let steps = self.plan(removal);
        let number = steps.len();
        self.take(steps);
        number
    }

    fn take(&mut self, steps: Vec<Pending>) {
        for step in steps {
            let cluster = usize::from(step.cluster);
            assert!(self.world.take(step));
            if self.world.lags(cluster, 0) {
                self.world.load(&self.layout, cluster, 0, false);
            }
        }
        self.world.sync(&self.layout, 0);
    }

    /// The steps of this kind come in this many seconds, all of them, and not one of them a second before.
    fn waits(&mut self, seconds: u32, removal: Option<u8>, is_due: fn(&Layout, &Pending) -> bool) {
        let due = |it: &Self| it.plan(removal).iter().filter(|step| is_due(&it.layout, step)).count();
        self.world.wait(seconds - 1);
        assert_eq!(due(self), 0, "a second before");
        self.world.wait(1);
        assert_eq!(due(self), 2, "at the second");
    }

    /// Ticks until nothing is left to note.
    fn settle(&mut self, removal: Option<u8>) {
        while self.tick(removal) > 0 {}
    }
}

fn is_signer_under_new(_: &Layout, step: &Pending) -> bool {
    matches!(&step.deed, Deed::Renew { signer, .. } if signer.root == 2)
}

fn is_without_old(layout: &Layout, step: &Pending) -> bool {
    matches!(&step.deed, Deed::Keep { bundle, .. } if *bundle == layout.pool.alone(2))
}

fn is_without_new(layout: &Layout, step: &Pending) -> bool {
    matches!(&step.deed, Deed::Keep { bundle, .. } if *bundle == layout.pool.alone(1))
}

fn is_with_third(layout: &Layout, step: &Pending) -> bool {
    matches!(&step.deed, Deed::Keep { bundle, .. } if layout.pool.trusts(*bundle, 3))
}

/// A workload certificate lives a day, and the margin is a second.
const BOUND: u32 = DAY + 1;

#[test]
fn a_new_signer_comes_when_each_workload_has_renewed() {
    for eyes in [Eyes::Chain, Eyes::Gauges, Eyes::FolderAndChain] {
        let mut fleet = Fleet::new(eyes, 2);
        fleet.settle(None);
        fleet.waits(BOUND, None, is_signer_under_new);
    }
    let mut fleet = Fleet::new(Eyes::Folder, 2);
    fleet.settle(None);
    fleet.waits(ASSUMED + BOUND, None, is_signer_under_new);
}

#[test]
fn the_old_root_goes_when_the_last_that_it_stands_above_has_ended() {
    for eyes in [Eyes::Chain, Eyes::Gauges, Eyes::FolderAndChain] {
        let mut fleet = Fleet::new(eyes, 2);
        fleet.settle(None);
        fleet.world.wait(BOUND);
        fleet.settle(Some(1));
        fleet.waits(BOUND, Some(1), is_without_old);
    }
    let mut fleet = Fleet::new(Eyes::Folder, 2);
    fleet.settle(None);
    fleet.world.wait(ASSUMED + BOUND);
    fleet.settle(Some(1));
    fleet.waits(ASSUMED + BOUND, Some(1), is_without_old);
}

#[test]
fn the_old_root_goes_by_itself_when_the_mesh_file_says_so() {
    let mut fleet = Fleet::new(Eyes::Chain, 2);
    fleet.layout.mesh.rotation.remove_after = Some(Duration::days(1));
    fleet.settle(None);
    fleet.world.wait(BOUND);
    fleet.settle(None);
    fleet.waits(BOUND + DAY, None, is_without_old);
}

#[test]
fn the_new_root_goes_again_when_the_last_that_it_stands_above_has_ended() {
    for eyes in [Eyes::Chain, Eyes::Gauges, Eyes::FolderAndChain] {
        let mut fleet = Fleet::new(eyes, 2);
        fleet.settle(None);
        fleet.world.wait(BOUND);
        fleet.settle(None);
        for _ in 0..2 {
            let notes = turned(&fleet.layout, &Seen::all(&fleet.world), Wish::Back);
            fleet.take(notes);
            fleet.tick(None);
        }
        fleet.settle(None);
        fleet.waits(BOUND, None, is_without_new);
    }
}

#[test]
fn the_next_walk_begins_when_the_removal_may_count_as_loaded() {
    let mut fleet = Fleet::new(Eyes::Folder, 3);
    fleet.settle(None);
    fleet.world.wait(ASSUMED + BOUND);
    fleet.settle(Some(1));
    fleet.world.wait(ASSUMED + BOUND);
    assert_eq!(fleet.tick(Some(1)), 2);
    fleet.waits(ASSUMED, Some(1), is_with_third);
}
