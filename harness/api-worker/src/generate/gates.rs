//! Answers of gates against the model: status, code and wait. Never says what a gate should have done.

use super::model::Answer;
use super::play::{Halt, Play, broken, refused};
use crate::call;

impl Play<'_> {
    pub(super) fn has_status(
        &mut self,
        answer: &call::Answer,
        status: u16,
        criterion: &'static str,
    ) -> Result<(), Halt> {
        self.checks += 1;
        if answer.status == status {
            return Ok(());
        }
        let (expected, seen) = (format!("status {status}"), answer.to_string());
        Err(match gate_of(answer) {
            Some(gate) => refused(gate, expected, seen),
            None => broken(criterion, expected, seen),
        })
    }

    /// That a request of a user was answered as the model says.
    pub(super) fn is_as_told(&mut self, answer: &call::Answer, wanted: Answer) -> Result<(), Halt> {
        self.checks += 1;
        let (status, code) = match wanted {
            Answer::Served => (200, ""),
            Answer::Unauthenticated => (401, "UNAUTHENTICATED"),
            Answer::Limited(_) => (429, "RATE_LIMIT_EXCEEDED"),
            Answer::Forbidden => (403, "ACCESS_DENIED"),
            Answer::QuotaExceeded => (429, "QUOTA_EXCEEDED"),
        };
        if !answer.is(status, code) {
            let expected = format!("{status} {code}").trim_end().to_owned();
            let seen = answer.to_string();
            return Err(match (wanted, gate_of(answer)) {
                (Answer::Served, Some(gate)) => refused(gate, expected, seen),
                (wanted, _) => broken(criterion_of(wanted), expected, seen),
            });
        }
        if let Answer::Limited(wait) = wanted {
            let told = answer.header("retry-after").unwrap_or("none");
            if told != wait.to_string() {
                let expected = format!("Retry-After: {wait}");
                return Err(broken("API-003", expected, format!("Retry-After: {told}")));
            }
        }
        Ok(())
    }
}

/// The criterion of the gate that has refused a request, if one has.
pub(super) fn gate_of(answer: &call::Answer) -> Option<&'static str> {
    match (answer.status, answer.code().as_str()) {
        (429, "RATE_LIMIT_EXCEEDED") => Some("API-003"),
        (401 | 403, _) | (429, "QUOTA_EXCEEDED") => Some("API-002"),
        _ => None,
    }
}

/// The criterion that a refusal belongs to.
pub(super) fn criterion_of(refused: Answer) -> &'static str {
    match refused {
        Answer::Limited(_) => "API-003",
        Answer::Unauthenticated | Answer::Forbidden | Answer::QuotaExceeded => "API-002",
        Answer::Served => "API-001",
    }
}
