//! Why a scenario ends, from whatever went otherwise than expected. Never decides whose fault it is.

use super::COMPLETE_ANSWER;
use crate::client::NoAnswer;
use crate::lag::TooSlow;
use crate::observe::CannotObserve;
use crate::subject::{Fault, layout, read_only};
use crate::verdict::{Finding, Severity, Stop};
use crate::wait::TimedOut;
use std::collections::BTreeSet;

/// A violation.
#[must_use]
pub fn breach(expected: impl Into<String>, seen: impl Into<String>) -> Stop {
    Stop::Violation(Finding {
        severity: Severity::Breach,
        expected: expected.into(),
        seen: seen.into(),
        only: BTreeSet::new(),
    })
}

/// Something did not come in time: a violation, unless the machine took the time.
#[must_use]
pub fn late(expected: impl Into<String>, timed_out: TimedOut) -> Stop {
    let seen = timed_out.to_string();
    timed_out
        .excuse
        .map_or_else(|| breach(expected, seen), Stop::from)
}

/// The promise is kept in another form than the contract's.
#[must_use]
pub fn misshapen(expected: impl Into<String>, seen: impl Into<String>) -> Stop {
    Stop::Violation(Finding {
        severity: Severity::Shape,
        expected: expected.into(),
        seen: seen.into(),
        only: BTreeSet::new(),
    })
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault.0)
    }
}

impl From<TooSlow> for Stop {
    fn from(slow: TooSlow) -> Self {
        Self::Fault(slow.to_string())
    }
}

impl From<CannotObserve> for Stop {
    fn from(error: CannotObserve) -> Self {
        if error.why == read_only::REFUSED || layout::is_of_the_layout(&error) {
            return Self::NotVerified(error.to_string());
        }
        if error.is_of_a_store_that_is_not_bound() {
            return Self::NotVerified(format!(
                "{error} (wrangler's explorer shows only stores that are bound: bind the same id under another name in this variant's environment)"
            ));
        }
        Self::Fault(error.to_string())
    }
}

impl From<NoAnswer> for Stop {
    fn from(error: NoAnswer) -> Self {
        match error {
            NoAnswer::Unreachable { .. } | NoAnswer::Unsendable(_) | NoAnswer::NotTheWorker(_) => {
                Self::Fault(error.to_string())
            }
            NoAnswer::Withheld(_) | NoAnswer::GivenUp(_) | NoAnswer::LockedAtTheEdge(_) => {
                Self::NotVerified(error.to_string())
            }
            NoAnswer::TooSlow(slow) => Self::from(slow),
            NoAnswer::Broken(why) => breach(COMPLETE_ANSWER, why),
        }
    }
}
