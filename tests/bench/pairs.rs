//! Contestants in turns, so that a ratio compares neighbours in time and holds on a machine whose speed drifts.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, SamplingMode, Throughput};

/// One that does the same job as the others.
pub(crate) struct Contestant<'a> {
    /// Its name in the table.
    pub(crate) name: &'a str,
    /// Does the job once and says how long it took.
    pub(crate) job: Box<dyn FnMut() -> Duration + 'a>,
}

impl<'a> Contestant<'a> {
    /// One whose job is timed here.
    pub(crate) fn timed(name: &'a str, job: impl Fn() + 'a) -> Self {
        let job = move || {
            let start = Instant::now();
            job();
            start.elapsed()
        };
        Self { name, job: Box::new(job) }
    }
}

/// Lets the contestants take turns until criterion has enough rounds of the first one. Criterion's own figure is the
/// first one's; the table compares all, each by the median over the rounds. A job counts for `elements` operations.
pub(crate) fn run(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    elements: u32,
    mut contestants: Vec<Contestant<'_>>,
) {
    let mut rounds: Vec<Vec<f64>> = Vec::new();
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(u64::from(elements)));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|wanted| {
            let mut first = Duration::ZERO;
            for _ in 0..wanted {
                let times: Vec<Duration> = contestants.iter_mut().map(|it| (it.job)()).collect();
                first += times.first().copied().unwrap_or_default();
                rounds.push(times.iter().map(|time| f64::from(elements) / time.as_secs_f64()).collect());
            }
            first
        });
    });
    // The warm-up's rounds count as well; without any, another benchmark was asked for.
    let Some(count) = (!rounds.is_empty()).then_some(rounds.len()) else { return };
    println!("\n{name}: {count} rounds, medians; the ratio is {} / other, round by round", contestants[0].name);
    println!("  {:<28} {:>12} {:>8} {:>8} {:>8}", "", "per second", "ratio", "lowest", "highest");
    for (index, contestant) in contestants.iter().enumerate() {
        let rates = sorted(rounds.iter().map(|round| round[index]));
        let ratios = sorted(rounds.iter().map(|round| round[0] / round[index]));
        println!(
            "  {:<28} {:>12.0} {:>8.2} {:>8.2} {:>8.2}",
            contestant.name,
            rates[count / 2],
            ratios[count / 2],
            ratios[0],
            ratios[count - 1]
        );
    }
    println!();
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
