//! Every deviant of the data layer is blamed on its criterion and on no other, and what keeps the criteria raises no alarm. Never starts an API worker.
//!
//! Each is judged by its own criteria, and one of five by all others as well: `cargo run -p moltproof-api-worker --example deviants` judges all by all.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod catalogue;
mod judging;
mod route;
mod runner;
mod target;

use catalogue::Catalogue;
use judging::{CRITERIA, all};
use moltproof_api_worker::aspects;
use std::collections::BTreeSet;

/// How many deviants each of them must have.
const DEVIANTS_MIN: usize = 8;

/// One of how many deviants is judged by the criteria of others as well.
const BLAMED_ONE_OF: usize = 5;

#[test]
fn every_deviant_is_blamed_on_its_criterion_and_on_no_other() {
    let catalogue = Catalogue::read();
    let mut wrong = Vec::new();
    for (deviant, said) in all(&catalogue.deviants, BLAMED_ONE_OF) {
        let blamed: BTreeSet<&str> = said.blamed.keys().copied().collect();
        let wanted: BTreeSet<&str> = deviant.criteria.iter().map(String::as_str).collect();
        if blamed != wanted || !said.faults.is_empty() {
            wrong.push(format!(
                "{}: wanted {wanted:?}, blamed {:#?}, faults {:?}, unmet {:?}",
                deviant.id, said.blamed, said.faults, said.unmet
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for criterion in CRITERIA {
        let own = catalogue
            .deviants
            .iter()
            .filter(|deviant| deviant.criteria.iter().any(|id| id == criterion));
        assert!(
            own.count() >= DEVIANTS_MIN,
            "too few deviants of {criterion}"
        );
    }
}

#[test]
fn what_keeps_the_criteria_raises_no_alarm() {
    let catalogue = Catalogue::read();
    assert!(catalogue.variants.len() >= 2, "too few variants");
    let mut wrong = Vec::new();
    for (variant, said) in all(&catalogue.variants, 1) {
        // A target that answers but one route keeps nothing of what others ask by other routes.
        let is_met = said.unmet.is_empty() || variant.route.is_some();
        let is_silent = said.blamed.is_empty() && said.faults.is_empty() && is_met;
        let judged: BTreeSet<&str> = aspects()
            .iter()
            .filter(|aspect| said.held.contains(aspect.sentence))
            .map(|aspect| aspect.criterion)
            .collect();
        if !is_silent || judged.len() + 1 < CRITERIA.len() {
            wrong.push(format!("{}: {said:#?}", variant.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
