//! How much of the contract was judged, and whether that is as much as was demanded. Never counts what was not seen through.

use super::Report;
use crate::verdict::{Exit, RunVerdict};

impl Report {
    /// MUST criteria on which there is a verdict, whichever it is.
    #[must_use]
    pub fn judged(&self) -> usize {
        let must = &self.summary.must;
        must.passed + must.failed + must.flaky + must.known + must.accepted
    }

    /// The report with the number of MUST criteria that have to be judged.
    #[must_use]
    pub fn with_floor(mut self, floor: Option<usize>) -> Self {
        self.min_verified = floor;
        self.count();
        self
    }

    /// That fewer MUST criteria were judged than was demanded, in a sentence; `None` if they were not.
    #[must_use]
    pub fn below_floor(&self) -> Option<String> {
        let floor = self.min_verified.filter(|floor| self.judged() < *floor)?;
        Some(format!(
            "{}, and --min-verified demands {floor}",
            self.judged_words()
        ))
    }

    /// What a green run says first where it has left something open.
    #[must_use]
    pub fn judged_in_part(&self) -> Option<String> {
        let left_open = self.summary.verdict == RunVerdict::Inconclusive;
        let is_green = self.exit(false) == Exit::Conforms && self.summary.must.total > 0;
        (left_open && is_green)
            .then(|| format!("{}; the rest is not verified", self.judged_words()))
    }

    fn judged_words(&self) -> String {
        let (judged, total) = (self.judged(), self.summary.must.total);
        let plural = if total == 1 { "MUST" } else { "MUSTs" };
        format!("{judged} of {total} {plural} could be judged")
    }
}
