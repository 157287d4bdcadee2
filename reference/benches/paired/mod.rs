//! Two measurements that alternate in one run, and their ratio. Never compares figures of different runs.
//!
//! Absolute times on a shared machine drift by a factor of two within minutes; the median of ratios of neighbours does not.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures real time and prints what it found"
)]

use std::time::{Duration, Instant};

/// Rounds of each measurement; odd, so that there is a middle one.
const ROUNDS: usize = 31;

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Prints both medians per operation and the median of the ratios `measured / floor`, next to its goal.
pub(crate) fn compare(
    name: &str,
    ratio_max: f64,
    operations: u32,
    (floor_name, mut floor): (&str, impl FnMut()),
    (measured_name, mut measured): (&str, impl FnMut()),
) {
    floor();
    measured();
    let pairs: Vec<(f64, f64)> = (0..ROUNDS)
        .map(|_| {
            let [floor, measured] = [time(&mut floor), time(&mut measured)]
                .map(|total| total.as_secs_f64() * 1e9 / f64::from(operations));
            (floor, measured)
        })
        .collect();
    let floor_ns = median(pairs.iter().map(|(floor, _)| *floor));
    let measured_ns = median(pairs.iter().map(|(_, measured)| *measured));
    let ratio = median(pairs.iter().map(|(floor, measured)| measured / floor));
    println!("{floor_name}: {floor_ns:.1} ns");
    println!("{measured_name}: {measured_ns:.1} ns");
    println!("{name}: {ratio:.2} (goal at most {ratio_max})");
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
