//! Exit codes, and which one a run has. Never tells two endings by one code that a pipeline must tell apart.

use super::{Tally, passed};

/// Exit codes: fixed, users and CI rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// No violation found. Without `--strict` some criteria may be unverified: the headline says so.
    Conforms = 0,
    /// A MUST is broken; with `--strict` also a SHOULD.
    Violation = 1,
    /// The command line or a file it names is wrong.
    Usage = 2,
    /// The target cannot be reached, or the harness is at fault.
    Fault = 3,
    /// Nothing could be verified, or with `--strict` not every MUST.
    NotVerified = 4,
    /// The baseline is stale: an entry was not met, is over, or says too little.
    StaleBaseline = 5,
    /// Ended from the keyboard before it was through, and no violation found until then.
    Interrupted = 130,
    /// Ended by SIGTERM before it was through, and no violation found until then.
    Terminated = 143,
}

/// The exit code of a run.
#[must_use]
pub fn exit_of(must: &Tally, should: &Tally, may: &Tally, strict: bool) -> Exit {
    let errors = must.error + should.error + may.error;
    let passed = passed(must, should, may);
    if must.failed + must.flaky > 0 || (strict && should.failed + should.flaky > 0) {
        Exit::Violation
    } else if errors > 0 {
        Exit::Fault
    } else if passed == 0 || (strict && must.not_verified > 0) {
        Exit::NotVerified
    } else {
        Exit::Conforms
    }
}
