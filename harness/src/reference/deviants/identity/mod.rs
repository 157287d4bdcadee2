//! Backends whose sandbox ids are wrong, shared or trusted too easily. Never breaks more than one thing at a time.

mod creation;
mod derivation;
mod gateways;
mod stored;

use super::Draft;

pub(super) fn all() -> Vec<Draft> {
    let made = [
        derivation::all(),
        creation::all(),
        gateways::all(),
        stored::all(),
    ];
    made.into_iter().flatten().collect()
}
