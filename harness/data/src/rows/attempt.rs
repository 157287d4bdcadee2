//! One attempt to insert a row, and which columns a refusal is about. Never leaves a row behind that was refused.

use super::plan::{Later, Plan, columns_of};
use super::term;
use crate::catalog::Name;
use rusqlite::types::Value;
use rusqlite::{Connection, ffi, params_from_iter};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

/// Why a row was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// What SQLite says; the same constraint says the same.
    pub(super) message: String,
    /// What kind of refusal it is.
    pub(super) kind: Kind,
}

/// Kinds of refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Other values in these columns may help.
    Columns(Vec<usize>),
    /// Other parents may help.
    Reference,
    /// No value helps: the statement itself cannot be prepared.
    Hopeless,
}

/// Tables as they will be, in a database of their own without references: what is refused there would make a later file fail.
#[derive(Debug)]
pub(super) struct Mirror {
    connection: Connection,
    /// Whether each table could be made.
    tables: BTreeMap<Name, bool>,
    /// The tables that may hold rows.
    holding: BTreeSet<Name>,
}

impl Mirror {
    pub(super) fn new() -> rusqlite::Result<Self> {
        let connection = Connection::open_in_memory()?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.set_prepared_statement_cache_capacity(256);
        Ok(Self {
            connection,
            tables: BTreeMap::new(),
            holding: BTreeSet::new(),
        })
    }

    /// Forgets its rows: those of an earlier call may be gone from the database by now, and new ones are numbered on from what is there.
    pub(super) fn clear(&mut self) -> rusqlite::Result<()> {
        for table in std::mem::take(&mut self.holding) {
            let sql = format!("DELETE FROM main.{}", table.quoted());
            self.connection.prepare_cached(&sql)?.execute([])?;
        }
        Ok(())
    }

    /// Makes the table if it is not there; false if it cannot be made alone.
    fn has(&mut self, table: &Name, later: &Later) -> bool {
        if let Some(made) = self.tables.get(table) {
            return *made;
        }
        let made = later
            .make
            .iter()
            .all(|sql| self.connection.execute_batch(sql).is_ok());
        self.tables.insert(table.clone(), made);
        made
    }
}

/// Inserts a row. Nothing is left where it is refused.
pub(super) fn insert(
    connection: &Connection,
    mirror: &mut Mirror,
    plan: &Plan,
    values: &[Value],
) -> Result<(), Refused> {
    let later = plan
        .later
        .as_ref()
        .filter(|later| mirror.has(&plan.name, later));
    let Some(later) = later else {
        return run(connection, plan, &plan.insert, values[..plan.own].iter());
    };
    if !mirror.holding.contains(&plan.name) {
        mirror.holding.insert(plan.name.clone());
    }
    let mirrored = &mirror.connection;
    step(mirrored, "SAVEPOINT later_row");
    let cells = later.cells.iter().filter_map(|at| values.get(*at));
    let outcome = run(mirrored, plan, &later.insert, cells)
        .and_then(|()| run(connection, plan, &plan.insert, values[..plan.own].iter()));
    if outcome.is_err() {
        step(mirrored, "ROLLBACK TO later_row");
    }
    step(mirrored, "RELEASE later_row");
    outcome
}

fn step(mirrored: &Connection, sql: &str) {
    let outcome = mirrored
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]));
    debug_assert!(outcome.is_ok(), "savepoints of the mirror work");
}

fn run<'v>(
    connection: &Connection,
    plan: &Plan,
    sql: &str,
    values: impl Iterator<Item = &'v Value>,
) -> Result<(), Refused> {
    let mut statement = connection.prepare_cached(sql).map_err(|error| Refused {
        message: message(&error),
        kind: Kind::Hopeless,
    })?;
    match statement.execute(params_from_iter(values)) {
        Ok(0) => Err(Refused {
            message: "a trigger ignores the row".to_owned(),
            kind: Kind::Columns(plan.guarded.clone()),
        }),
        Ok(_) => Ok(()),
        Err(error) => Err(refused(plan, &error)),
    }
}

fn message(error: &rusqlite::Error) -> String {
    if let rusqlite::Error::SqliteFailure(_, Some(message)) = error {
        message.clone()
    } else if let rusqlite::Error::SqlInputError { msg, .. } = error {
        msg.clone()
    } else {
        error.to_string()
    }
}

/// Which columns a refusal is about.
fn refused(plan: &Plan, error: &rusqlite::Error) -> Refused {
    let message = message(error);
    let behind = message.split_once(": ").map_or("", |(_, rest)| rest);
    let code = error.sqlite_error().map_or(0, |code| code.extended_code);
    let columns = match code {
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => {
            return Refused {
                message,
                kind: Kind::Reference,
            };
        }
        ffi::SQLITE_CONSTRAINT_CHECK => of_check(plan, behind),
        ffi::SQLITE_CONSTRAINT_UNIQUE => of_unique(plan, behind),
        ffi::SQLITE_CONSTRAINT_NOTNULL
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID => listed(plan, behind),
        ffi::SQLITE_CONSTRAINT_DATATYPE => {
            let name = message.rsplit('.').next().unwrap_or_default();
            plan.places(&[Name::new(name)])
        }
        ffi::SQLITE_CONSTRAINT_TRIGGER => plan.guarded.clone(),
        _ => Vec::new(),
    };
    let columns = if columns.is_empty() {
        // A trigger's own statement, or a function within an index: whatever is looked at may matter.
        let wished = |at: &usize| !plan.cells[*at].wishes.is_empty();
        (0..plan.cells.len()).filter(wished).collect()
    } else {
        columns
    };
    Refused {
        message,
        kind: Kind::Columns(columns),
    }
}

fn of_check(plan: &Plan, what: &str) -> Vec<usize> {
    let mut checks = plan.checks.iter();
    let named = checks.find(|(name, _)| name.as_ref().is_some_and(|name| *name == what));
    if let Some((_, columns)) = named {
        return columns.clone();
    }
    // A condition that begins with a quoted name is told by that name alone.
    if let Some(at) = plan.cells.iter().position(|cell| cell.name == what) {
        let checks = plan
            .checks
            .iter()
            .filter(|(_, columns)| columns.contains(&at));
        let columns: BTreeSet<usize> = checks.flat_map(|(_, columns)| columns).copied().collect();
        return columns.into_iter().collect();
    }
    let mut known = plan.refused.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(columns) = known.get(what) {
        return columns.clone();
    }
    let places = plan.cells.iter().enumerate();
    let places = places.map(|(at, cell)| (cell.name.clone(), at)).collect();
    let columns = term::expression(what).map_or_else(Vec::new, |term| columns_of(&term, &places));
    known.insert(what.to_owned(), columns.clone());
    columns
}

/// `t.a, t.b`, or `index 'name'`.
fn of_unique(plan: &Plan, what: &str) -> Vec<usize> {
    match what.strip_prefix("index '") {
        Some(rest) => {
            let name = rest.trim_end_matches('\'').to_ascii_lowercase();
            plan.indexes.get(&name).cloned().unwrap_or_default()
        }
        None => listed(plan, what),
    }
}

/// The columns of a list like `t.a, t.b`.
fn listed(plan: &Plan, list: &str) -> Vec<usize> {
    let names: Vec<Name> = list
        .split(", ")
        .filter_map(|part| part.rsplit_once('.'))
        .filter(|(table, _)| plan.name == *table)
        .map(|(_, column)| Name::new(column))
        .collect();
    plan.places(&names)
}
