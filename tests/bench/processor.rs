//! What a job took of the machine: time on a processor, and memory. What is measured so waits for nothing, so what else goes on
//! at the machine is left out.

#![expect(clippy::disallowed_methods, reason = "what the kernel says of a process stands in files")]

use std::fs;

/// How long this thread was on a processor so far, in nanoseconds. It is not exact to the millisecond.
pub(crate) fn busy() -> f64 {
    let times = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    times.split_whitespace().next().unwrap().parse().unwrap()
}

/// What the process holds now, in MiB.
pub(crate) fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1024
}
