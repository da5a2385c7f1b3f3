//! No core dump of a process that holds private keys.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Switches core dumps off for this process. Where the system refuses, nothing happens: keys are then as safe as the
/// system's own setting.
pub fn switch_off() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
