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
    tables::FAMILIES[0],
    tables::FAMILIES[1],
    tables::FAMILIES[2],
    tables::FAMILIES[3],
    tables::FAMILIES[4],
    keys::FAMILIES[0],
    keys::FAMILIES[1],
    keys::FAMILIES[2],
    limits::FAMILIES[0],
    limits::FAMILIES[1],
    limits::FAMILIES[2],
    cost::FAMILIES[0],
    cost::FAMILIES[1],
    cost::FAMILIES[2],
    views::ASPECTS,
    setup::ASPECTS,
    ledger::ASPECTS,
    retention::FAMILIES[0],
    retention::FAMILIES[1],
    administration::FAMILIES[0],
    administration::FAMILIES[1],
    administration::FAMILIES[2],
    administration::FAMILIES[3],
    webhooks::FAMILIES[0],
    webhooks::FAMILIES[1],
    webhooks::FAMILIES[2],
    monitoring::ASPECTS,
    files::ASPECTS,
    history::ASPECTS,
    formats::ASPECTS,
];
