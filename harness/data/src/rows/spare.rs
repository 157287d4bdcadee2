//! Rows that the schema would take beside those that are there. Never leaves one in the database.

use super::state::count;
use super::tenants::{active, scope_of};
use super::world::{Scope, World};
use super::{Filler, Tenants, order};
use crate::catalog::{Name, Schema};
use crate::claims::Data;
use rusqlite::Connection;
use rusqlite::types::Value;

/// Statements with their parameters, in order.
pub type Statements = Vec<(String, Vec<Value>)>;

/// A row that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The table.
    pub table: Name,
    /// The tenant to whom it belongs, by its place in [`Tenants::keys`]; nobody's for a table that belongs to nobody.
    pub tenant: Option<usize>,
    /// Columns that hold a certain value.
    pub pinned: Vec<(Name, Value)>,
    /// How hard it is looked for.
    pub effort: Effort,
}

/// How hard a row is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// As for any row: it should exist.
    Full,
    /// A few hundred attempts: it should not exist.
    Brief,
}

/// Attempts for a row that should not exist.
const BRIEF: usize = 400;

/// Looks for rows, one after the other, each beside those before it. For each the statements that make it, the last of which inserts the row itself
/// and those before it new parents; none if no such row was found.
///
/// # Errors
/// What SQLite says where the database itself cannot be used.
pub fn spares(
    connection: &Connection,
    schema: &Schema,
    claims: &Data,
    tenants: &Tenants,
    wanted: &[Wanted],
) -> rusqlite::Result<Vec<Option<Statements>>> {
    connection.execute_batch("SAVEPOINT spare_rows")?;
    let mut filler = Filler::new(2)?;
    let active = active(schema, claims);
    let mut found = Vec::new();
    for one in wanted {
        let key = one.tenant.and_then(|place| tenants.keys.get(place));
        let mut scope = match key {
            Some(key) => scope_of(&tenants.tenancy, key, &active),
            None => Scope {
                pinned: active.clone(),
                ..Scope::default()
            },
        };
        let parents: Scope = scope.clone();
        let pinned = scope.pinned.entry(one.table.clone()).or_default();
        pinned.extend(one.pinned.iter().cloned());
        scope.attempts = (one.effort == Effort::Brief).then_some(BRIEF);
        let search = Searching {
            connection,
            schema,
            scope: &scope,
            parents: &parents,
        };
        found.push(search.row(&mut filler, one)?);
    }
    connection.execute_batch("ROLLBACK TO spare_rows; RELEASE spare_rows")?;
    Ok(found)
}

struct Searching<'s> {
    connection: &'s Connection,
    schema: &'s Schema,
    scope: &'s Scope,
    /// The same without what the row itself is bound to.
    parents: &'s Scope,
}

impl Searching<'_> {
    fn row(&self, filler: &mut Filler, one: &Wanted) -> rusqlite::Result<Option<Statements>> {
        filler.take_journal();
        if self.add(filler, &one.table, self.scope)? {
            return Ok(Some(filler.take_journal()));
        }
        if one.effort == Effort::Brief {
            return Ok(None);
        }
        // Each parent may have a child of its own already: new parents are made first.
        filler.take_journal();
        let all = order::parents_first(self.schema, std::slice::from_ref(&one.table));
        for parent in all.iter().filter(|name| **name != one.table) {
            self.add(filler, parent, self.parents)?;
        }
        let made = self.add(filler, &one.table, self.scope)?;
        Ok(made.then(|| filler.take_journal()))
    }

    /// Adds one row; whether there is one more.
    fn add(&self, filler: &mut Filler, table: &Name, scope: &Scope) -> rusqlite::Result<bool> {
        let condition = scope.conditions.get(table).map(String::as_str);
        let before = count(self.connection, table, condition, usize::MAX >> 1)?.unwrap_or(0);
        let world = World {
            connection: self.connection,
            schema: self.schema,
            later: self.schema,
            rows: before + 1,
            scope,
        };
        filler.fill_in_order(&world, std::slice::from_ref(table))?;
        let after = count(self.connection, table, condition, usize::MAX >> 1)?.unwrap_or(0);
        Ok(after > before)
    }
}
