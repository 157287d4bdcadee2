//! The rules of references: parents that are missing, actions that fail, children that no index serves. Never asks whether a reference is meant.

mod actions;
mod chains;
mod parents;
mod passing;
mod served;
#[cfg(test)]
mod tests;
mod wanted;

pub(super) use parents::was_to_be_made;

use super::Judge;
use crate::catalog::{ForeignKey, Name, Table};

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("FK-01", parents::missing),
    ("FK-02", parents::not_unique),
    ("FK-03", served::child_not_indexed),
    ("FK-04", wanted::no_action_stated),
    ("FK-05", actions::set_null_on_not_null),
    ("FK-06", actions::set_default_without_parent),
    ("FK-07", parents::other_affinity),
    ("FK-08", wanted::looks_like_a_reference),
    ("FK-09", chains::too_long),
    ("FK-10", chains::cycle_of_not_null),
];

/// The reference in words.
pub(super) fn shown(table: &Table, key: &ForeignKey) -> String {
    super::columns_of(&table.name, &key.columns)
}

/// What a finding about a reference is known again by.
pub(super) fn object(table: &Table, key: &ForeignKey) -> String {
    super::object_of_columns(&table.name, &key.columns)
}

/// The columns that a reference needs of its child: its own, and the primary key where that is not too long.
fn all<'a>(keys: &[&'a [Name]]) -> Vec<&'a Name> {
    let mut all: Vec<&Name> = Vec::new();
    for name in keys.iter().flat_map(|names| names.iter()) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}
