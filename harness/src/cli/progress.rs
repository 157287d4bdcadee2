//! Progress of a run on standard error: a bar on a terminal, plain lines elsewhere. Never writes to standard output.

use super::say;
use crate::run::{Ended, Progress};
use crate::verdict::Outcome;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One plain line in this many passed scenarios: enough to see that it goes on. Whatever did not pass gets its own line.
const LINE_EVERY: usize = 25;

/// Shows how far a run is.
pub(super) struct Shown {
    bar: Option<ProgressBar>,
    total: usize,
    done: AtomicUsize,
    failed: AtomicUsize,
    quiet: bool,
}

impl Shown {
    /// Progress over `total` scenarios.
    pub(super) fn new(total: usize, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            if let Ok(style) =
                ProgressStyle::with_template("{bar:32} {pos}/{len} scenarios  {elapsed}  {msg}")
            {
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

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Shown {
    fn ended(&self, ended: &Ended) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let bad = matches!(ended.outcome, Outcome::Failed(_) | Outcome::Error(_));
        let failed = self.failed.fetch_add(usize::from(bad), Ordering::Relaxed) + usize::from(bad);
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            if bad {
                bar.set_message(format!("{failed} not passed"));
            }
        } else if !self.quiet && (bad || done.is_multiple_of(LINE_EVERY) || done == self.total) {
            let word = if bad { "FAILED" } else { "ok" };
            say(&format!(
                "[{done}/{}] {word} {} {}",
                self.total,
                ended.planned.criteria.join(" "),
                ended.planned.name
            ));
        }
    }
}
