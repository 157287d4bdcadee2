//! The steps of tenant resolution. Never decides by an answer of the target what the answer should be.

pub(super) mod alike;
pub(super) mod ask;
pub(super) mod facts;
mod given_again;
mod hosts;
mod operator;
mod outage;
mod record;
mod speed;
mod told;

use crate::run::book::Book;
pub(super) use hosts::is_tenant;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    ask::register(book);
    hosts::register(book);
    alike::register(book);
    told::register(book);
    operator::register(book);
    given_again::register(book);
    record::register(book);
    outage::register(book);
    speed::register(book);
}
