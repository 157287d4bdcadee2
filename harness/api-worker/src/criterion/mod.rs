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
mod workplace;

use crate::aspect::Aspect;
use crate::generate;
use std::sync::OnceLock;

pub(crate) use ledger::{seeder_works, tool_works};
pub(crate) use webhooks::{delivered, lives_on, looked_up};

/// Every aspect, by criterion.
pub fn aspects() -> &'static [Aspect] {
    static ALL: OnceLock<Vec<Aspect>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: Vec<Aspect> = families().flatten().copied().collect();
        all.sort_by_key(|aspect| aspect.criterion);
        all
    })
}

/// Every family of aspects, criterion by criterion.
pub(crate) fn families() -> impl Iterator<Item = &'static [Aspect]> {
    let of_several = [
        &tables::FAMILIES[..],
        &keys::FAMILIES,
        &limits::FAMILIES,
        &cost::FAMILIES,
        &retention::FAMILIES,
        &administration::FAMILIES,
        &webhooks::FAMILIES,
    ];
    let of_one = [
        views::ASPECTS,
        setup::ASPECTS,
        ledger::ASPECTS,
        monitoring::ASPECTS,
        files::ASPECTS,
        history::ASPECTS,
        formats::ASPECTS,
        generate::ASPECTS,
    ];
    of_several.into_iter().flatten().copied().chain(of_one)
}
