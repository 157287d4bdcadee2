//! What a scenario asserts. Never sends anything.

#![expect(
    clippy::missing_errors_doc,
    reason = "every error here is a `Stop`, which ends the scenario and says why"
)]

use super::{Scene, breach, describe, late, misshapen};
use crate::evidence::Exchange;
use crate::said::said;
use crate::verdict::Check;
use crate::verdict::Stop;
use crate::wait;
use crate::wait::Look;
use std::time::Duration;

impl Scene {
    /// Notes that another criterion must hold, or this one cannot be judged.
    pub fn relies_on(&self, criterion: &str) {
        self.uses.note(format!("because.{criterion}"));
    }

    /// Asserts. `expected` is what the contract demands, `seen` what was there instead.
    pub fn expect(
        &mut self,
        holds: bool,
        expected: impl Into<String>,
        seen: impl FnOnce() -> String,
    ) -> Check {
        if holds {
            self.checks += 1;
            Ok(())
        } else {
            Err(breach(expected, seen()))
        }
    }

    /// Asserts that two values are equal; `what` names them.
    pub fn expect_eq<T: PartialEq + serde::Serialize>(
        &mut self,
        what: &str,
        expected: &T,
        seen: &T,
    ) -> Check {
        self.expect(
            expected == seen,
            format!("{what} {}", said(expected)),
            || format!("{what} {}", said(seen)),
        )
    }

    /// Asserts the status of an answer.
    pub fn expect_status(&mut self, answer: &Exchange, expected: u16) -> Check {
        self.expect(
            answer.status == expected,
            format!("status {expected}"),
            || describe(answer),
        )
    }

    /// Asserts a refusal: `status` and error `code` as the contract has them. Refused in another form is a finding of shape,
    /// unless somebody answers for that form: then the scenario goes on, and its criterion does not pass.
    pub fn expect_error(&mut self, answer: &Exchange, status: u16, code: &str) -> Check {
        let expected = format!("status {status} with error code {code}");
        if answer.status == status && answer.has_code(code) {
            self.checks += 1;
            return Ok(());
        }
        if self.accept_refusal(answer) {
            self.checks += 1;
            return Ok(());
        }
        if answer.status < 400 {
            return Err(breach(expected, describe(answer)));
        }
        // A crash or another gate's answer shows nothing about this refusal.
        if answer.status >= 500 && status < 500 {
            return Err(breach(expected, describe(answer)));
        }
        Err(misshapen(expected, describe(answer)))
    }

    /// As [`Self::expect_error`], of an answer without a body to say so: to `HEAD`.
    pub fn expect_refusal_status(&mut self, answer: &Exchange, status: u16) -> Check {
        if answer.status != status && self.accept_refusal(answer) {
            self.checks += 1;
            return Ok(());
        }
        self.expect_status(answer, status)
    }

    /// Waits until an assertion about observed things holds.
    pub async fn expect_soon<F, Fut>(
        &mut self,
        expected: &str,
        deadline: Duration,
        look: F,
    ) -> Check
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Look<()>, Stop>>,
    {
        match wait::until(deadline, look).await? {
            Ok(()) => {
                self.checks += 1;
                Ok(())
            }
            Err(timed_out) => Err(late(expected, timed_out)),
        }
    }
}
