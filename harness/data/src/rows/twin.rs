//! Rows that agree with another one in some of their columns. Never makes one that the schema refuses.

use super::Filler;
use super::filler::ATTEMPTS_FOR_A_CHILD;
use super::state::count;
use super::world::{Scope, World};
use crate::catalog::{Index, Name, Schema, Table};
use crate::text::find_word;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// Rows that are added to a table for its keys of several columns.
const TWINS_MAX: usize = 4;

type Pinned = Vec<(Name, Value)>;

impl Filler {
    /// Adds rows that agree with another one in all columns of a key but one, where no two do: whatever changes that one for all rows meets them.
    pub(super) fn add_twins(&mut self, world: &World<'_>, name: &Name) -> rusqlite::Result<()> {
        let Some(table) = world.schema.tables.get(name).filter(|it| it.is_ordinary()) else {
            return Ok(());
        };
        let mut added = 0;
        for index in table.indexes.iter().filter(|index| index.unique) {
            let columns = named(index);
            if columns.len() < 2 || columns.len() < index.columns.len() {
                continue;
            }
            for changed in &columns {
                let others: Vec<Name> = columns
                    .iter()
                    .filter(|it| *it != changed)
                    .cloned()
                    .collect();
                let condition = index.condition.as_deref();
                if added < TWINS_MAX
                    && !holds_key(table, &others)
                    && has_twins(world.connection, table, &others, condition)? == Some(false)
                {
                    added += usize::from(self.add_twin(world, table, &others, condition)?);
                }
            }
        }
        Ok(())
    }

    /// Adds a row that agrees with one that is there in these columns and meets the condition as it does; whether there are two such rows now.
    ///
    /// # Errors
    /// What SQLite says where the database itself cannot be used.
    pub fn twin(
        &mut self,
        connection: &Connection,
        schema: &Schema,
        table: &Table,
        columns: &[Name],
        condition: Option<&str>,
    ) -> rusqlite::Result<bool> {
        let world = as_it_is(connection, schema);
        let are_there = || has_twins(connection, table, columns, condition);
        if are_there()? == Some(false) {
            self.add_twin(&world, table, columns, condition)?;
        }
        Ok(are_there()? == Some(true))
    }

    /// Adds a row in which a column is NULL; whether there is one now.
    ///
    /// # Errors
    /// What SQLite says where the database itself cannot be used.
    pub fn null(
        &mut self,
        connection: &Connection,
        schema: &Schema,
        table: &Table,
        column: &Name,
    ) -> rusqlite::Result<bool> {
        let condition = format!("t.{} IS NULL", column.quoted());
        let is_there = || count(connection, &table.name, Some(&condition), 1);
        if is_there()? == Some(0) {
            let world = as_it_is(connection, schema);
            self.add(&world, table, vec![(column.clone(), Value::Null)])?;
        }
        Ok(is_there()?.is_some_and(|count| count > 0))
    }

    fn add_twin(
        &mut self,
        world: &World<'_>,
        table: &Table,
        columns: &[Name],
        condition: Option<&str>,
    ) -> rusqlite::Result<bool> {
        let Some(pinned) = first(world.connection, table, columns, condition)? else {
            return Ok(false);
        };
        if self.add(world, table, pinned.clone())? {
            return Ok(true);
        }
        // Each parent may have a child of its own already that another key allows only once: new ones are made, within what is bound.
        for key in &table.foreign_keys {
            let Some(parent) = world.schema.tables.get(&key.parent) else {
                continue;
            };
            let pairs = key.columns.iter().zip(&key.parent_columns);
            let bound = pairs.filter_map(|(column, of)| {
                let (_, value) = pinned.iter().find(|(name, _)| name == column)?;
                Some((of.clone(), value.clone()))
            });
            if !holds_key(
                parent,
                &bound.clone().map(|(name, _)| name).collect::<Vec<_>>(),
            ) {
                self.add(world, parent, bound.collect())?;
            }
        }
        self.add(world, table, pinned)
    }

    /// Adds one row; whether there is one more.
    fn add(&mut self, world: &World<'_>, table: &Table, pinned: Pinned) -> rusqlite::Result<bool> {
        let all = || count(world.connection, &table.name, None, usize::MAX >> 1);
        let before = all()?.unwrap_or(0);
        let scope = Scope {
            pinned: BTreeMap::from([(table.name.clone(), pinned)]),
            attempts: Some(ATTEMPTS_FOR_A_CHILD),
            ..Scope::default()
        };
        let world = World {
            rows: before + 1,
            scope: &scope,
            ..*world
        };
        let _none_if_refused = self.fill_one(&world, &table.name)?;
        Ok(all()?.unwrap_or(0) > before)
    }
}

/// A world that heeds nothing but the schema as it is.
fn as_it_is<'w>(connection: &'w Connection, schema: &'w Schema) -> World<'w> {
    static NOTHING: Scope = Scope {
        conditions: BTreeMap::new(),
        pinned: BTreeMap::new(),
        attempts: None,
    };
    World {
        connection,
        schema,
        later: schema,
        rows: 0,
        scope: &NOTHING,
    }
}

fn named(index: &Index) -> Vec<Name> {
    let parts = index.columns.iter();
    parts.filter_map(|part| part.name.clone()).collect()
}

/// Whether no two rows can agree in these columns, because they hold a key.
fn holds_key(table: &Table, columns: &[Name]) -> bool {
    let alias = table.rowid_alias();
    alias.is_some_and(|alias| columns.contains(&alias.name))
        || table.indexes.iter().any(|index| {
            let parts = &index.columns;
            index.unique
                && index.condition.is_none()
                && parts.iter().all(|part| {
                    part.name
                        .as_ref()
                        .is_some_and(|name| columns.contains(name))
                })
        })
}

/// The rows that count: those that hold a value in each of these columns and meet the condition.
fn counted(columns: &[Name], condition: Option<&str>) -> String {
    let held = columns
        .iter()
        .map(|name| format!("{} IS NOT NULL", name.quoted()));
    let condition = condition.map(|condition| format!("({condition})"));
    held.chain(condition).collect::<Vec<_>>().join(" AND ")
}

fn list(columns: &[Name]) -> String {
    let names: Vec<String> = columns.iter().map(Name::quoted).collect();
    names.join(", ")
}

/// Whether two rows agree in these columns; none where that cannot be asked.
fn has_twins(
    connection: &Connection,
    table: &Table,
    columns: &[Name],
    condition: Option<&str>,
) -> rusqlite::Result<Option<bool>> {
    let sql = format!(
        "SELECT 1 FROM main.{} WHERE {} GROUP BY {} HAVING count(*) > 1",
        table.name.quoted(),
        counted(columns, condition),
        list(columns)
    );
    match connection.prepare_cached(&sql) {
        Ok(mut statement) => statement.exists([]).map(Some),
        Err(_condition_that_stands_for_no_column_alone) => Ok(None),
    }
}

/// What the first row that counts holds in these columns, and in those that the condition looks at.
fn first(
    connection: &Connection,
    table: &Table,
    columns: &[Name],
    condition: Option<&str>,
) -> rusqlite::Result<Option<Pinned>> {
    let is_asked =
        |name: &Name| condition.is_some_and(|text| find_word(text, name.as_str(), 0).is_some());
    let given = table
        .columns
        .iter()
        .filter(|column| column.generated.is_none());
    let all: Vec<Name> = given
        .map(|column| column.name.clone())
        .filter(|name| columns.contains(name) || is_asked(name))
        .collect();
    let sql = format!(
        "SELECT {} FROM main.{} WHERE {} LIMIT 1",
        list(&all),
        table.name.quoted(),
        counted(columns, condition)
    );
    let Ok(mut statement) = connection.prepare_cached(&sql) else {
        return Ok(None);
    };
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let pairs = all.into_iter().enumerate();
    pairs
        .map(|(at, name)| Ok((name, row.get(at)?)))
        .collect::<rusqlite::Result<Pinned>>()
        .map(Some)
}
