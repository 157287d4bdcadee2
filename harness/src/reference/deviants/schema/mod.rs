//! Backends that keep or migrate D1 in another way. Never breaks more than one thing at a time.

mod rows;
mod tool;

use super::{Draft, deviant};

pub(super) fn all() -> Vec<Draft> {
    let mut all = tool::all();
    all.extend(rows::all());
    all
}
