//! Time in a simulation: how many seconds ago something happened.
//!
//! The planner and the truth compare ages with a few thresholds and with other ages of the same cluster, and nothing else.
//! So an age may be moved, for a model check, as long as it stays on its side of each threshold and in its order among the
//! others of its cluster; that leaves finitely many states. Ages in the lower half between two thresholds are moved down to the lower one, those in
//! the upper half up to a second before the upper one: waiting for the next threshold goes on from there.

/// How many seconds ago.
pub(crate) type Age = u32;

/// Moves the ages of one cluster; `thresholds` in rising order. Equal ages stay equal, and 0 stays 0.
pub(crate) fn snapped(ages: &mut [&mut Age], thresholds: &[Age]) {
    let mut known: Vec<Age> = ages.iter().map(|age| **age).chain([0]).collect();
    known.sort_unstable();
    known.dedup();
    let floors: Vec<Age> = std::iter::once(0).chain(thresholds.iter().copied()).collect();
    let mut moved = Vec::with_capacity(known.len());
    for (at, floor) in floors.iter().enumerate() {
        let ceiling = floors.get(at + 1).copied();
        let half = ceiling.map_or(Age::MAX, |ceiling| floor + (ceiling - floor) / 2);
        let low = known.iter().filter(|age| **age >= *floor && **age < half);
        moved.extend(low.zip(0..).map(|(age, rank)| (*age, floor + rank)));
        if let Some(ceiling) = ceiling {
            let high = known.iter().rev().filter(|age| **age >= half && **age < ceiling);
            moved.extend(high.zip(1..).map(|(age, rank)| (*age, ceiling - rank)));
        }
    }
    for age in ages {
        let place = moved.iter().find(|(from, _)| from == *age);
        **age = place.map_or(**age, |(_, to)| *to);
    }
}

/// How long until the next age reaches its next threshold; `None`: all are past the last one.
pub(crate) fn next_deadline(ages: &[Age], thresholds: &[Age]) -> Option<Age> {
    let left = |age: &Age| thresholds.iter().find(|threshold| *threshold > age).map(|threshold| threshold - age);
    ages.iter().filter_map(left).min()
}
