//! How well the check of a criterion is itself tested: backends that break it on purpose, and what was measured on them. Never counts for another contract than the built-in one.

use crate::catalogue::figures::Marks;
use crate::catalogue::{Catalogue, databases};
use crate::contract::Contract;
use crate::contract::profile::Profile;
use crate::report::Report;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The figures between the marks hold for this commit: `.ci/run` measures them anew and fails when one differs.
const README: &str = include_str!("../../../../README.md");

static CONTRACT: LazyLock<Option<Contract>> = LazyLock::new(|| Contract::embedded().ok());

/// Deviants of the built-in catalogues by the criteria they must turn red.
static BY_CRITERION: LazyLock<BTreeMap<String, usize>> = LazyLock::new(|| {
    let mut counts = BTreeMap::new();
    let contract = CONTRACT.as_ref();
    let catalogue = contract.and_then(|contract| Catalogue::built_in(contract).ok());
    for deviant in catalogue.iter().flat_map(|catalogue| &catalogue.deviants) {
        for id in &deviant.expected {
            *counts.entry(id.clone()).or_default() += 1;
        }
    }
    let databases = databases::built_in();
    for deviant in databases
        .iter()
        .flat_map(|catalogue| catalogue.listed(false))
    {
        for id in &deviant.criteria {
            *counts.entry(id.clone()).or_default() += 1;
        }
    }
    counts
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
            same_contract: CONTRACT
                .as_ref()
                .is_some_and(|contract| report.contract_digest == contract.digest()),
        }
    }

    /// How many deviants break a criterion; `None` if the report is of another contract than the built-in one.
    pub(super) fn of_criterion(self, id: &str) -> Option<usize> {
        self.same_contract
            .then(|| BY_CRITERION.get(id).copied().unwrap_or_default())
    }

    /// What was measured when this version was built.
    pub(super) fn measured(self) -> Vec<&'static str> {
        if self.same_contract {
            Marks::of(Profile::Core).between(README)
        } else {
            Vec::new()
        }
    }
}
