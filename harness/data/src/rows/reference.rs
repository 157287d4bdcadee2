//! The references that a new row has to keep: those of the schema, and those that triggers ask for. Never reads a row.

use super::value::Cell;
use super::wish::{Wish, Wishes};
use crate::catalog::{ForeignKey, Name, Schema, Table, Trigger};
use crate::text::find_word;
use std::collections::BTreeMap;

/// A reference, by places in [`Plan::cells`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// The columns.
    pub(super) columns: Vec<usize>,
    /// The parent table.
    pub(super) parent: Name,
    /// The parent's columns.
    pub(super) parent_columns: Vec<Name>,
    /// One of its columns can be NULL and is in no reference that cannot.
    pub(super) optional: Option<usize>,
    /// Nothing but a trigger asks for it.
    pub(super) is_soft: bool,
}

/// The references of the table and of what it will be, to tables that are there now.
pub(super) fn references(
    table: &Table,
    successor: Option<&Table>,
    schema: &Schema,
    cells: &[Cell],
    wishes: &Wishes,
) -> Vec<Reference> {
    let place = |name: &Name| cells.iter().position(|cell| cell.name == *name);
    let mut all: Vec<Reference> = Vec::new();
    let later = successor.into_iter().flat_map(|later| &later.foreign_keys);
    // Two columns of one parent rarely hold the same value, and whoever turns a reference from one to the other has rows that agree with the first.
    let is_turned = |key: &ForeignKey| {
        let mut own = table.foreign_keys.iter();
        own.any(|old| {
            old.columns == key.columns
                && old.parent == key.parent
                && old.parent_columns != key.parent_columns
        })
    };
    let later = later.filter(|key| has(schema, key) && !is_turned(key));
    for key in table.foreign_keys.iter().chain(later) {
        let columns: Option<Vec<usize>> = key.columns.iter().map(place).collect();
        let Some(columns) = columns else { continue };
        let reference = Reference {
            columns,
            parent: key.parent.clone(),
            parent_columns: key.parent_columns.clone(),
            optional: None,
            is_soft: false,
        };
        if !all.contains(&reference) {
            all.push(reference);
        }
    }
    all.sort_by_key(|reference| std::cmp::Reverse(reference.columns.len()));
    for at in 0..all.len() {
        all[at].optional = all[at].columns.iter().copied().find(|column| {
            cells[*column].is_nullable
                && all.iter().enumerate().all(|(other, reference)| {
                    other == at
                        || !reference.columns.contains(column)
                        || reference
                            .columns
                            .iter()
                            .any(|column| cells[*column].is_nullable)
                })
        });
    }
    all.extend(soft(&all, schema, cells, wishes));
    all
}

/// The places of those among the references whose parents have to be there as soon as a row is inserted.
pub(super) fn immediate(
    table: &Table,
    schema: &Schema,
    references: &[Reference],
    place: &BTreeMap<Name, usize>,
) -> Vec<usize> {
    let has_trigger = |trigger: &Trigger| trigger.table == table.name;
    if find_word(&table.sql, "deferrable", 0).is_some() || schema.triggers.values().any(has_trigger)
    {
        return Vec::new();
    }
    let is_now = |reference: &&Reference| {
        table.foreign_keys.iter().any(|key| {
            let places: Vec<Option<usize>> =
                key.columns.iter().map(|c| place.get(c).copied()).collect();
            let columns: Vec<Option<usize>> = reference.columns.iter().copied().map(Some).collect();
            key.parent == reference.parent
                && key.parent != table.name
                && key.parent_columns == reference.parent_columns
                && places == columns
        })
    };
    let kept = references.iter().enumerate();
    kept.filter(|(_, reference)| !reference.is_soft && is_now(reference))
        .map(|(at, _)| at)
        .collect()
}

fn has(schema: &Schema, key: &ForeignKey) -> bool {
    let parent = schema.tables.get(&key.parent);
    parent.is_some_and(|parent| {
        key.parent_columns
            .iter()
            .all(|name| parent.column(name).is_some())
    })
}

/// Rows of other tables that triggers look for.
fn soft(all: &[Reference], schema: &Schema, cells: &[Cell], wishes: &Wishes) -> Vec<Reference> {
    let mut by_table: BTreeMap<Name, Vec<(usize, Name)>> = BTreeMap::new();
    for (at, cell) in cells.iter().enumerate() {
        for wish in wishes.get(&cell.name).into_iter().flatten() {
            if let Wish::Found(table, column) = wish {
                by_table
                    .entry(table.clone())
                    .or_default()
                    .push((at, column.clone()));
            }
        }
    }
    let mut found = Vec::new();
    for (parent, pairs) in by_table {
        let columns: Vec<usize> = pairs.iter().map(|(at, _)| *at).collect();
        let is_there = schema.tables.get(&parent).is_some_and(|table| {
            pairs
                .iter()
                .all(|(_, column)| table.column(column).is_some())
        });
        let is_known = all.iter().any(|reference| {
            reference.parent == parent && columns.iter().all(|c| reference.columns.contains(c))
        });
        if is_there && !is_known {
            found.push(Reference {
                optional: columns.iter().copied().find(|at| cells[*at].is_nullable),
                columns,
                parent,
                parent_columns: pairs.into_iter().map(|(_, column)| column).collect(),
                is_soft: true,
            });
        }
    }
    found
}
