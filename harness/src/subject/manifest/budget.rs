//! What a run may spend on a described target. Never counts.

use crate::client::meter::Budget;
use schemars::JsonSchema;
use serde::Deserialize;

/// What a run may spend; options of the command line come first.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetEntry {
    /// Requests to the target.
    pub requests: Option<usize>,
    /// Requests that may call a model.
    pub model_calls: Option<usize>,
    /// Requests to one host within a second; further ones wait.
    pub burst: Option<usize>,
}

impl BudgetEntry {
    /// The budget, with what is left open taken from another.
    #[must_use]
    pub fn or(self, other: Budget) -> Budget {
        Budget {
            requests: self.requests.or(other.requests),
            model_calls: self.model_calls.or(other.model_calls),
            burst: self.burst.or(other.burst),
        }
    }
}
