//! What the runtime of a described target makes impossible. Never hides it: it is reported as declared, with its reason.

use crate::contract::Contract;
use schemars::JsonSchema;
use serde::Deserialize;

/// A criterion, or one scenario of it, that no Worker could keep on this runtime.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Impossible {
    /// The criterion, such as `SCH-004`.
    pub criterion: String,
    /// The scenario's name; without it the whole criterion is meant.
    pub scenario: Option<String>,
    /// Why no Worker could keep it there.
    pub reason: String,
}

impl Impossible {
    /// Whether it is about this scenario of this criterion.
    #[must_use]
    pub fn covers(&self, criterion: &str, scenario: &str) -> bool {
        self.criterion == criterion && self.scenario.as_ref().is_none_or(|own| own == scenario)
    }

    /// That it names something of the contract, and says why.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, contract: &Contract) -> Result<(), String> {
        let Self {
            criterion,
            scenario,
            reason,
        } = self;
        if reason.trim().is_empty() {
            return Err(format!("[[impossible]] {criterion} gives no reason"));
        }
        if !contract.criteria.contains_key(criterion) {
            return Err(format!(
                "[[impossible]] {criterion} is no criterion; `moltproof list` shows them all"
            ));
        }
        let known = contract.scenarios.iter().any(|planned| {
            self.covers(criterion, &planned.name) && planned.criteria.contains(criterion)
        });
        match scenario {
            Some(scenario) if !known => Err(format!(
                "[[impossible]] {criterion} has no scenario `{scenario}`; `moltproof explain {criterion}` shows them"
            )),
            Some(_) | None => Ok(()),
        }
    }
}
