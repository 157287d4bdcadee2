//! Progress of long work on standard error: a bar on a terminal, a plain line now and then elsewhere.
//! Never writes to standard output, and nothing at all about short work.

use crate::progress::{Progress, Work};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::OnceCell;
use std::io::{IsTerminal as _, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long work lasts before a bar is worth a look.
const BAR_AFTER: Duration = Duration::from_millis(500);

/// How often the bar is drawn: its clock goes on while a single rule takes long.
const BAR_EVERY: Duration = Duration::from_millis(200);

/// How often a plain line is written; work that is done before has none.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Whether progress is shown.
#[derive(Debug, clap::Args)]
pub(super) struct ProgressArgs {
    /// No progress on standard error.
    #[arg(long, short, env = "MOLTPROOF_QUIET")]
    quiet: bool,
}

impl ProgressArgs {
    /// A display that begins with the first work it hears of.
    pub(super) fn shown(&self) -> Shown {
        Shown {
            is_quiet: self.quiet,
            display: OnceCell::new(),
        }
    }
}

/// Shows progress until it is dropped; nothing of a bar is left behind.
pub(super) struct Shown {
    is_quiet: bool,
    display: OnceCell<Display>,
}

impl Progress for Shown {
    fn hear(&self, work: Work, done: usize, all: usize) {
        if !self.is_quiet {
            let display = self.display.get_or_init(Display::begin);
            set(&display.bar, work, done, all);
        }
    }
}

/// A thread that shows how far a bar is.
struct Display {
    bar: ProgressBar,
    /// The thread ends when this is dropped.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Display {
    fn begin() -> Self {
        let bar = ProgressBar::hidden();
        let (end, ended) = mpsc::channel();
        let shown = bar.clone();
        let thread = thread::spawn(move || {
            if std::io::stderr().is_terminal() {
                draw(&shown, &ended);
            } else {
                write_lines(&shown, &ended, LINE_EVERY, &mut anstream::stderr());
            }
        });
        Self {
            bar,
            end: Some(end),
            thread: Some(thread),
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A display that broke is no reason to keep the report from anybody.
            let _broken = thread.join();
        }
        self.bar.finish_and_clear();
    }
}

/// Sets the position first, so that at no moment a work is shown with what was done of the one before it.
fn set(bar: &ProgressBar, work: Work, done: usize, all: usize) {
    bar.set_position(done as u64);
    if done == 0 {
        bar.set_length(all as u64);
        bar.set_message(words(work));
    }
}

fn words(work: Work) -> &'static str {
    match work {
        Work::Files => "files applied",
        Work::FilesWithRows => "files applied with rows",
        Work::Rules => "rules judged",
        Work::Aspects => "aspects judged",
        Work::Tables => "tables filled with many rows",
    }
}

/// Draws the bar once the work has lasted for a while.
fn draw(bar: &ProgressBar, ended: &Receiver<()>) {
    if is_over(ended, BAR_AFTER) {
        return;
    }
    if let Ok(style) = ProgressStyle::with_template("{bar:32} {pos}/{len} {msg}  {elapsed}") {
        bar.set_style(style);
    }
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.enable_steady_tick(BAR_EVERY);
}

/// Writes a line each time so long has passed.
fn write_lines(bar: &ProgressBar, ended: &Receiver<()>, every: Duration, to: &mut dyn Write) {
    while !is_over(ended, every) {
        let all = bar.length().unwrap_or_default();
        // Nobody is left to be told where standard error is closed.
        let _closed = writeln!(to, "[{}/{all}] {}", bar.position(), bar.message());
    }
}

/// Whether the work ends within this time.
fn is_over(ended: &Receiver<()>, within: Duration) -> bool {
    ended.recv_timeout(within) != Err(RecvTimeoutError::Timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes on what is written, line by line.
    struct Lines(Sender<String>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.0.send(text).map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn long_work_has_plain_lines_until_it_ends() {
        let bar = ProgressBar::hidden();
        set(&bar, Work::FilesWithRows, 0, 500);
        set(&bar, Work::FilesWithRows, 500, 500);
        set(&bar, Work::Rules, 0, 70);
        set(&bar, Work::Rules, 12, 70);
        let (end, ended) = mpsc::channel();
        let (lines, written) = mpsc::channel();
        let thread = thread::spawn(move || {
            let every = Duration::from_millis(1);
            write_lines(&bar, &ended, every, &mut Lines(lines));
        });
        let mut line = String::new();
        while !line.ends_with('\n') {
            line.push_str(&written.recv().unwrap());
        }
        assert_eq!(line, "[12/70] rules judged\n");
        drop(end);
        thread.join().unwrap();
    }

    #[test]
    fn work_that_is_over_has_no_line() {
        let (end, ended) = mpsc::channel();
        drop(end);
        let mut written = Vec::new();
        let bar = ProgressBar::hidden();
        write_lines(&bar, &ended, Duration::ZERO, &mut written);
        assert_eq!(written, b"");
    }

    #[test]
    fn nothing_is_begun_where_nobody_wants_to_see_it() {
        for quiet in [true, false] {
            let shown = ProgressArgs { quiet }.shown();
            shown.hear(Work::Files, 0, 1);
            assert_eq!(shown.display.get().is_none(), quiet);
        }
    }
}
