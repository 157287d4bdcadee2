//! Who asks this program to end, and how its exit code says so. Never ends anything itself.

use super::Failure;
use crate::report::Interruption;
use crate::verdict::Exit;
use rustix::process::{getpid, kill_process};
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from the moment it is made: no request to end is lost between two questions.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens. From here on neither signal ends this program by itself.
    ///
    /// # Errors
    /// Exit 3 where the system does not let it.
    pub(super) fn heard() -> Result<Self, Failure> {
        let cannot = |error| Failure::fault(format!("cannot listen for signals: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(cannot)?,
            terminate: signal(SignalKind::terminate()).map_err(cannot)?,
        })
    }

    /// The next request to end.
    pub(super) async fn next(&mut self) -> Interruption {
        tokio::select! {
            _signal = self.interrupt.recv() => Interruption::Interrupt,
            _signal = self.terminate.recv() => Interruption::Terminate,
        }
    }
}

/// From now on the end of standard input asks this program to end, as SIGTERM does.
pub(super) fn end_with_input() {
    std::thread::spawn(|| {
        // Broken or at its end: either way nobody is there any more.
        drop(io::copy(&mut io::stdin().lock(), &mut io::sink()));
        kill_process(getpid(), rustix::process::Signal::TERM).unwrap_or_default();
    });
}

/// The end of a run that has judged nothing yet.
pub(super) fn nothing_judged(asked: Interruption) -> Failure {
    Failure {
        exit: Exit::of(asked),
        message: format!("ended by {} before anything was judged", asked.words()),
    }
}
