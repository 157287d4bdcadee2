//! The criteria, a module each. What two of them need stands in `scene`, `database` or `oracle`. Never one criterion judged in another's module.

mod administration;
mod cost;
mod files;
mod formats;
mod history;
mod keys;
mod ledger;
mod limits;
mod monitoring;
mod retention;
mod setup;
mod tables;
mod views;
mod webhooks;

use crate::aspect::Aspect;

/// Every family of aspects.
pub(crate) const FAMILIES: &[&[Aspect]] = &[
    tables::ASPECTS,
    keys::FAMILIES[0],
    keys::FAMILIES[1],
    keys::FAMILIES[2],
    limits::ASPECTS,
    cost::ASPECTS,
    views::ASPECTS,
    setup::ASPECTS,
    ledger::ASPECTS,
    retention::ASPECTS,
    administration::ASPECTS,
    webhooks::ASPECTS,
    monitoring::ASPECTS,
    files::ASPECTS,
    history::ASPECTS,
    formats::ASPECTS,
];
