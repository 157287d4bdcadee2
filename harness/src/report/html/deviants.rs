//! How well the check of a criterion is itself tested: backends that break it on purpose, and what was measured on them. Never counts for another contract than the built-in one.

use crate::contract::Contract;
use crate::report::Report;
use crate::teeth::{Catalogue, figures};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The figures between the marks hold for this commit: `.ci/run` measures them anew and fails when one differs.
const README: &str = include_str!("../../../../README.md");

/// The built-in contract by its digest, and how many deviants of the catalogue must turn each criterion red.
static BUILT_IN: LazyLock<(String, BTreeMap<String, usize>)> = LazyLock::new(|| {
    let Ok(contract) = Contract::embedded() else {
        return Default::default();
    };
    let mut counts = BTreeMap::new();
    let catalogue = Catalogue::built_in(&contract).ok();
    for deviant in catalogue.iter().flat_map(|catalogue| &catalogue.deviants) {
        for id in &deviant.expected {
            *counts.entry(id.clone()).or_default() += 1;
        }
    }
    (contract.digest(), counts)
});

/// What is known of the checks' own teeth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Teeth {
    same_contract: bool,
}

impl Teeth {
    /// For the contract of this report.
    pub(super) fn of(report: &Report) -> Self {
        Self {
            same_contract: report.contract_digest == BUILT_IN.0,
        }
    }

    /// How many deviants break a criterion; `None` if the report is of another contract than the built-in one.
    pub(super) fn of_criterion(self, id: &str) -> Option<usize> {
        self.same_contract
            .then(|| BUILT_IN.1.get(id).copied().unwrap_or_default())
    }

    /// What was measured when this version was built.
    pub(super) fn measured(self) -> Vec<&'static str> {
        if self.same_contract {
            figures::between(README)
        } else {
            Vec::new()
        }
    }
}
