//! Progress of a run or a measurement on standard error: a bar on a terminal, plain lines elsewhere. Never writes to standard output.

use super::say;
use crate::run::{Ended, Progress};
use crate::teeth::measure::Watch;
use crate::verdict::Outcome;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One plain line in this many that ended well: enough to see that it goes on. Whatever did not pass gets its own line.
const LINE_EVERY: usize = 25;

/// Shows how far something long is.
pub(super) struct Shown {
    bar: Option<ProgressBar>,
    total: usize,
    done: AtomicUsize,
    failed: AtomicUsize,
    quiet: bool,
}

impl Shown {
    /// Progress over `total` of `what`, in the plural.
    pub(super) fn new(total: usize, what: &str, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            let template = format!("{{bar:32}} {{pos}}/{{len}} {what}  {{elapsed}}  {{msg}}");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(std::time::Duration::from_millis(200));
            bar
        });
        Self {
            bar,
            total,
            done: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            quiet,
        }
    }

    /// One more has ended: `line` says which and how, in a few words.
    fn one(&self, bad: bool, word: &str, line: impl FnOnce() -> String) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let failed = self.failed.fetch_add(usize::from(bad), Ordering::Relaxed) + usize::from(bad);
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            if bad {
                bar.set_message(format!("{failed} {word}"));
            }
        } else if !self.quiet && (bad || done.is_multiple_of(LINE_EVERY) || done == self.total) {
            say(&format!("[{done}/{}] {}", self.total, line()));
        }
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
        let bad = matches!(ended.outcome, Outcome::Failed(_) | Outcome::Error(_));
        self.one(bad, "not passed", || {
            let word = if bad { "FAILED" } else { "ok" };
            let criteria = ended.planned.criteria.join(" ");
            format!("{word} {criteria} {}", ended.planned.name)
        });
    }
}

impl Watch for Shown {
    fn tried(&self, id: &str, how: &str, as_wanted: bool) {
        self.one(!as_wanted, "not as they should be", || {
            format!("{id}: {how}")
        });
    }
}
