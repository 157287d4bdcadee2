//! Progress of a run or a measurement on standard error: a bar on a terminal, plain lines elsewhere. Never writes to standard output.

use super::say;
use crate::run::{Ended, Progress};
use crate::subject::Works;
use crate::teeth::measure::Watch;
use crate::verdict::OutcomeKind;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One plain line in this many: enough to see that it goes on. Whatever a reader must act on gets its own line.
const LINE_EVERY: usize = 25;

/// How long something may take before its end is told as well. Evidence: a server of this contract starts within a second, and installing
/// what it needs takes many.
const LONG: Duration = Duration::from_secs(2);

/// In which order outcomes are counted: what a reader must act on first.
const ORDER: [OutcomeKind; 10] = [
    OutcomeKind::Failed,
    OutcomeKind::Error,
    OutcomeKind::Flaky,
    OutcomeKind::Passed,
    OutcomeKind::Known,
    OutcomeKind::Accepted,
    OutcomeKind::Unmet,
    OutcomeKind::NotVerified,
    OutcomeKind::NotApplicable,
    OutcomeKind::NotSelected,
];

/// The one word of an outcome: that of the report, but short where all is well and loud where it is not.
pub(super) fn word(kind: OutcomeKind) -> &'static str {
    match kind {
        OutcomeKind::Passed => "ok",
        OutcomeKind::Failed => "FAILED",
        OutcomeKind::Flaky
        | OutcomeKind::Known
        | OutcomeKind::Accepted
        | OutcomeKind::Unmet
        | OutcomeKind::NotVerified
        | OutcomeKind::NotApplicable
        | OutcomeKind::Error
        | OutcomeKind::NotSelected => kind.word(),
    }
}

/// Outcomes by kind.
#[derive(Debug, Default)]
struct Counts(BTreeMap<OutcomeKind, usize>);

impl Counts {
    fn told(&self, wanted: impl Fn(OutcomeKind) -> bool) -> String {
        let counts = ORDER.into_iter().filter(|kind| wanted(*kind));
        let told = counts.filter_map(|kind| Some(format!("{} {}", self.0.get(&kind)?, word(kind))));
        told.collect::<Vec<_>>().join(", ")
    }
}

/// How many scenarios ended how, as the report has it.
pub(super) fn summed(ended: &[Ended]) -> String {
    let mut counts = Counts::default();
    for one in ended {
        *counts.0.entry(one.outcome.kind()).or_default() += 1;
    }
    let scenarios = if ended.len() == 1 {
        "scenario"
    } else {
        "scenarios"
    };
    format!("{} {scenarios}: {}", ended.len(), counts.told(|_any| true))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells in plain lines what a target does before it can be judged: each thing once, however often it is done.
#[derive(Default)]
pub(super) struct Lines {
    begun: Mutex<BTreeSet<String>>,
    over: Mutex<BTreeSet<String>>,
}

impl Works for Lines {
    fn begins(&self, what: &str) {
        if lock(&self.begun).insert(what.to_owned()) {
            say(&format!("[target] {what}"));
        }
    }

    fn over(&self, what: &str, took: Duration) {
        if took >= LONG && lock(&self.over).insert(what.to_owned()) {
            let seconds = took.as_secs_f64();
            say(&format!("[target] {what}: done in {seconds:.1} s"));
        }
    }
}

/// Shows how far something long is.
pub(super) struct Shown {
    bar: Option<ProgressBar>,
    total: usize,
    done: AtomicUsize,
    odd: AtomicUsize,
    counts: Mutex<Counts>,
    works: Mutex<Vec<String>>,
    lines: Lines,
    quiet: bool,
}

impl Shown {
    /// Progress over `total` of `what`, in the plural.
    pub(super) fn new(total: usize, what: &str, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            let template = format!("{{bar:20}} {{pos}}/{{len}} {what} {{elapsed}} {{wide_msg}}");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self {
            bar,
            total,
            done: AtomicUsize::new(0),
            odd: AtomicUsize::new(0),
            counts: Mutex::default(),
            works: Mutex::default(),
            lines: Lines::default(),
            quiet,
        }
    }

    /// One more has ended: whether a reader must know of it at once, and in a few words which and how.
    fn one(&self, is_odd: bool, line: impl FnOnce() -> String) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
        } else if !self.quiet && (is_odd || done.is_multiple_of(LINE_EVERY) || done == self.total) {
            say(&format!("[{done}/{}] {}", self.total, line()));
        }
    }

    /// Shows beside the bar what the target does before it can be judged, or else what did not just pass.
    fn beside(&self) {
        let Some(bar) = &self.bar else { return };
        let works = lock(&self.works).last().cloned();
        let odd = || lock(&self.counts).told(|kind| kind != OutcomeKind::Passed);
        bar.set_message(works.unwrap_or_else(odd));
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Shown {
    fn ended(&self, ended: &Ended) {
        let kind = ended.outcome.kind();
        *lock(&self.counts).0.entry(kind).or_default() += 1;
        self.beside();
        self.one(kind.is_red(), || {
            let criteria = ended.planned.criteria.join(" ");
            format!("{} {criteria} {}", word(kind), ended.planned.name)
        });
    }
}

impl Works for Shown {
    fn begins(&self, what: &str) {
        if self.bar.is_some() {
            lock(&self.works).push(what.to_owned());
            self.beside();
        } else if !self.quiet {
            self.lines.begins(what);
        }
    }

    fn over(&self, what: &str, took: Duration) {
        if self.bar.is_some() {
            let mut works = lock(&self.works);
            if let Some(at) = works.iter().position(|one| one == what) {
                works.remove(at);
            }
            drop(works);
            self.beside();
        } else if !self.quiet {
            self.lines.over(what, took);
        }
    }
}

impl Watch for Shown {
    fn tried(&self, id: &str, how: &str, as_wanted: bool) {
        if !as_wanted {
            let odd = self.odd.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(bar) = &self.bar {
                bar.set_message(format!("{odd} not as they should be"));
            }
        }
        self.one(!as_wanted, || format!("{id}: {how}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_word_of_its_own_and_is_counted() {
        let words: BTreeSet<&str> = ORDER.into_iter().map(word).collect();
        assert_eq!(words.len(), ORDER.len());
        let counts = Counts(ORDER.into_iter().zip(1..).collect());
        assert_eq!(
            counts.told(|_any| true),
            "1 FAILED, 2 error, 3 flaky, 4 ok, 5 known, 6 accepted deviation, 7 not judged, 8 not verified, 9 not applicable, 10 not selected"
        );
        assert_eq!(
            counts.told(OutcomeKind::is_red),
            "1 FAILED, 2 error, 3 flaky"
        );
    }
}
