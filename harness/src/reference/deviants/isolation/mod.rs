//! Backends that mix tenants up, or leave one's things to another. Never breaks more than one thing at a time.

mod browsers;
mod carriers;
mod concurrency;
mod state;
mod succession;

use super::Draft;

pub(super) fn all() -> Vec<Draft> {
    let made = [
        browsers::all(),
        carriers::all(),
        concurrency::all(),
        state::all(),
        succession::all(),
    ];
    made.into_iter().flatten().collect()
}
