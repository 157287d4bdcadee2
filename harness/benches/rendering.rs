//! What reports cost: every kind of one run of 10,000 exchanges, and the difference of two reports of 10,000 criteria.
//! Never judges: it prints each figure beside its goal.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot set itself up has failed; printing is its purpose"
)]

#[path = "../src/report/samples.rs"]
mod samples;

use moltproof::clock;
use moltproof::report::{Kind, Report, diff};
use samples::Sample;

/// Rounds of which the fastest counts: the others tell of the machine.
const ROUNDS: usize = 5;

/// 714 scenarios of 14 exchanges each, every 50th with a finding.
const RUN: Sample = Sample {
    criteria: 119,
    scenarios: 6,
    exchanges: 14,
    finding_every: 50,
    alike: false,
    text: "some words of a body that are <escaped> & \"quoted\" ",
    times: 8,
};

/// 10,000 criteria of one scenario without evidence worth the name.
const CRITERIA: Sample = Sample {
    criteria: 10_000,
    scenarios: 1,
    exchanges: 1,
    finding_every: 0,
    alike: false,
    text: "plain",
    times: 1,
};

/// The fastest of some rounds, milliseconds, and what it made.
fn fastest<T>(work: impl Fn() -> T) -> (f64, T) {
    let timed = || {
        let began = clock::now();
        let made = work();
        (clock::ms(began.elapsed()), made)
    };
    let rounds = std::iter::repeat_with(timed).take(ROUNDS);
    rounds.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

/// The most memory this process has had, MiB; `None` where the system does not tell.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

fn main() {
    let report: Report = serde_json::from_value(RUN.json()).unwrap();
    let before = peak_mib();
    let mut sum = 0.0;
    for kind in Kind::ALL {
        let (ms, bytes) = fastest(|| kind.render(&report, &[]).unwrap());
        sum += ms;
        println!("{:<9} {ms:>8.1} ms {:>12} bytes", kind.word(), bytes.len());
    }
    println!(
        "all kinds of a run of {} exchanges: {sum:.0} ms (goal 1000 ms; {:.2} of it)",
        report.summary.exchanges,
        sum / 1000.0
    );
    if let (Some(before), Some(after)) = (before, peak_mib()) {
        println!(
            "memory: {after} MiB at most, {before} MiB of them before the first was rendered (goal 200 MiB)"
        );
    }
    drop(report);
    let old: diff::Judged = serde_json::from_value(CRITERIA.json()).unwrap();
    let sample = Sample {
        finding_every: 100,
        ..CRITERIA
    };
    let new: diff::Judged = serde_json::from_value(sample.json()).unwrap();
    let (ms, found) = fastest(|| diff::differences(&old, &new));
    println!(
        "difference of two reports of 10,000 criteria, {} of them moved: {ms:.1} ms (goal 200 ms; {:.2} of it)",
        found.len(),
        ms / 200.0
    );
}
