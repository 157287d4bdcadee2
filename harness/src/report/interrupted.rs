//! What is told of a run that somebody ended before it was through. Never lets one pass for whole.

use super::Report;
use crate::verdict::{Exit, RunVerdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who ended a run before it was through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Interruption {
    /// Ctrl-C.
    #[serde(rename = "SIGINT")]
    Interrupt,
    /// Whoever ends programs: a CI system whose job was cancelled or has run out of time, a container that is stopped.
    #[serde(rename = "SIGTERM")]
    Terminate,
}

impl Interruption {
    /// Who ended a run with this exit code, if somebody did.
    #[must_use]
    pub fn behind(exit: Exit) -> Option<Self> {
        [Self::Interrupt, Self::Terminate]
            .into_iter()
            .find(|by| Exit::of(*by) == exit)
    }

    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Interrupt => "Ctrl-C (SIGINT)",
            Self::Terminate => "SIGTERM",
        }
    }

    /// Why a scenario was not seen through.
    #[must_use]
    pub fn reason(self) -> String {
        format!(
            "the run was ended by {} before this was seen through; run it again",
            self.words()
        )
    }
}

impl Exit {
    /// The code of a run that was ended before it was through and has found no violation: 128 and the number of the signal, as shells have it.
    #[must_use]
    pub fn of(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Interrupt => Self::Interrupted,
            Interruption::Terminate => Self::Terminated,
        }
    }
}

impl Report {
    /// The report of a run that was ended before it was through; whatever it says, it is not green.
    #[must_use]
    pub fn cut_short(mut self, by: Option<Interruption>) -> Self {
        self.interrupted = by;
        self.count();
        self
    }

    /// That the run was ended before it was through, in a sentence; `None` if it was not, or if nothing was judged by then: that is why
    /// there is no verdict, and stands there.
    #[must_use]
    pub fn incomplete(&self) -> Option<String> {
        let by = self.interrupted.filter(|_| self.no_verdict.is_none())?;
        let summary = &self.summary;
        Some(format!(
            "incomplete: the run was ended by {} when {} of {} scenarios had come to an end; what was not seen through counts as not verified",
            by.words(),
            summary.scenarios_run,
            summary.scenarios_selected
        ))
    }

    /// A verdict that leaves open what an interrupted run did not see.
    pub(super) fn unless_cut_short(&self, verdict: RunVerdict) -> RunVerdict {
        match (self.interrupted, verdict) {
            (None, verdict) => verdict,
            (Some(_), RunVerdict::Violates) => RunVerdict::Violates,
            (Some(_), RunVerdict::Conforms | RunVerdict::Known | RunVerdict::Inconclusive) => {
                RunVerdict::Inconclusive
            }
        }
    }

    /// The exit code of a run that may have been cut short: a violation that was found is told whatever came after it.
    pub(super) fn exit_unless_cut_short(&self, found: Exit) -> Exit {
        match (self.interrupted, found) {
            (None, found) | (Some(_), found @ (Exit::Violation | Exit::Usage)) => found,
            (
                Some(by),
                Exit::Conforms
                | Exit::Fault
                | Exit::NotVerified
                | Exit::StaleBaseline
                | Exit::Interrupted
                | Exit::Terminated,
            ) => Exit::of(by),
        }
    }
}
