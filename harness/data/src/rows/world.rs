//! Where rows are made, and what they are bound to there. Never inserts a row.

use super::filler::Plans;
use super::parent::{self, Choice, Conditions};
use super::plan::Plan;
use super::reference::Reference;
use super::state::{count, fingerprint};
use super::value;
use crate::catalog::{Name, Schema};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What rows are bound to beyond the schema.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Parents have to meet these, and of a table that is filled only such rows count.
    pub(super) conditions: Conditions,
    /// Columns that hold a certain value, by table.
    pub(super) pinned: BTreeMap<Name, Vec<(Name, Value)>>,
    /// Attempts for a row, where fewer than usual are enough.
    pub(super) attempts: Option<usize>,
}

/// Where rows are made.
pub(super) struct World<'w> {
    pub(super) connection: &'w Connection,
    pub(super) schema: &'w Schema,
    pub(super) later: &'w Schema,
    pub(super) rows: usize,
    pub(super) scope: &'w Scope,
}

impl World<'_> {
    pub(super) fn pinned(&self, plan: &Plan) -> Choice {
        let pinned = self.scope.pinned.get(&plan.name).into_iter().flatten();
        let placed = pinned.filter_map(|(column, value)| {
            let place = plan.cells.iter().position(|cell| cell.name == *column)?;
            Some((place, parent::Bound::Value(value.clone())))
        });
        placed.collect()
    }

    /// The references of a plan of which all keys were read, up to a limit, and that refuse a row at once if its parent is not among them.
    /// None where somebody is told why a row is refused.
    pub(super) fn known_whole(&self, plan: &Plan, limit: usize) -> rusqlite::Result<Vec<usize>> {
        let connection = self.connection;
        let is_kept = connection.is_autocommit()
            && connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY)?;
        let mut whole = Vec::new();
        if !is_kept || self.scope.attempts.is_none() || !self.scope.conditions.is_empty() {
            return Ok(whole);
        }
        for at in &plan.immediate {
            let rows = count(connection, &plan.references[*at].parent, None, limit)?;
            if rows.is_some_and(|rows| rows < limit) {
                whole.push(*at);
            }
        }
        Ok(whole)
    }
}

/// The key that the parent's row of a number will have, for references that have to be kept at the end only.
pub(super) fn guessed_key(
    world: &World<'_>,
    plans: &Plans,
    guessed: &RefCell<Plans>,
    reference: &Reference,
    number: usize,
) -> Option<Vec<Value>> {
    let parent = world.schema.tables.get(&reference.parent)?;
    let key = (parent.name.clone(), fingerprint(parent, world));
    let mut guessed = guessed.borrow_mut();
    let plan = match plans.get(&key) {
        Some(plan) => Arc::clone(plan),
        None => Arc::clone(
            guessed
                .entry(key)
                .or_insert_with(|| Arc::new(Plan::of(parent, world.schema, world.later))),
        ),
    };
    let places = plan.places(&reference.parent_columns);
    let first = |at: &usize| {
        value::values(&plan.name, &plan.cells[*at], number)
            .into_iter()
            .next()
    };
    let key: Vec<Value> = places.iter().filter_map(first).collect();
    (key.len() == reference.columns.len() && !reference.is_soft).then_some(key)
}
