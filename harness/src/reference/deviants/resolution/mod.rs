//! Backends that find the wrong tenant, or one where there is none. Never breaks more than one thing at a time.

mod developers;
mod hosts;
mod memory;
mod names;
mod operators;
mod outages;
mod told;

use super::Draft;

pub(super) fn all() -> Vec<Draft> {
    let made = [
        hosts::all(),
        developers::all(),
        names::all(),
        memory::all(),
        operators::all(),
        outages::all(),
        told::all(),
    ];
    made.into_iter().flatten().collect()
}
