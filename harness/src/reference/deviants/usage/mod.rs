//! Backends that count usage wrongly. Never breaks more than one thing at a time.

mod billing;
mod bills;
mod durability;
mod endings;
mod gates;
mod rows;
mod streams;

use super::{Draft, deviant};

pub(super) fn all() -> Vec<Draft> {
    let parts = [
        rows::all(),
        bills::all(),
        streams::all(),
        durability::all(),
        endings::all(),
        gates::all(),
    ];
    parts.into_iter().flatten().collect()
}
