//! Values of a type that a STRICT table refuses, in a table that took them until a file copies it. Never blames a copy that casts, or a table whose CHECK asks for the type.

use super::called;
use super::tightened::{Before, Brings, failure};
use super::{Step, Tightened};
use crate::catalog::{Affinity, Column, Name, Schema, Table};
use crate::engine::Deed;
use crate::rows::put_value;
use crate::tree::{self, Kind, Node, Verb};
use rusqlite::types::Value;

/// Columns of one file that are tried.
const TRIED_MAX: usize = 8;

/// A column of a table that takes any value, and what it comes into.
struct Typed<'s> {
    table: &'s Table,
    column: Name,
    /// What the other column refuses.
    value: Value,
    /// Whether the column is declared to hold what the other one demands.
    is_usual: bool,
}

/// Applies a file to a database with such a value once for each column that it brings into a STRICT table, up to the first one of a table that stops it.
pub(super) fn look(
    with_rows: &Before<'_>,
    steps: &[(usize, &Step)],
    after: &Schema,
) -> rusqlite::Result<Vec<Tightened>> {
    let mut all = rebuilt(with_rows.schema, after);
    // Most files know no STRICT table, and trees cost.
    let is_any_strict = after.tables.values().any(|table| table.strict);
    let inserts = |step: &Step| {
        let mut deeds = step.deeds.iter();
        step.is_carried_out() && deeds.any(|deed| matches!(deed, Deed::Insert(_, None)))
    };
    for (place, step) in steps
        .iter()
        .filter(|(_, step)| is_any_strict && inserts(step))
    {
        all.extend(copied(with_rows.schema, after, steps, *place, step));
    }
    all.sort_by_key(|one| one.is_usual);
    let mut found: Vec<Tightened> = Vec::new();
    let mut tried = 0;
    for one in all {
        let is_known = found.iter().any(|known| known.table == one.table.name);
        if tried == TRIED_MAX || is_known {
            continue;
        }
        tried += 1;
        let engine = with_rows.copy()?;
        let is_put =
            engine.ours(|connection| put_value(connection, one.table, &one.column, &one.value));
        if !is_put {
            continue;
        }
        if let Some(failure) = failure(with_rows, &engine, steps, &Brings::Type)? {
            found.push(Tightened {
                table: one.table.name.clone(),
                columns: vec![one.column],
                is_first_check: false,
                is_first_type: one.is_usual,
                leaves_orphans: false,
                key: None,
                failure: Some(failure),
            });
        }
    }
    Ok(found)
}

/// The columns of tables that become STRICT.
fn rebuilt<'s>(before: &'s Schema, after: &Schema) -> Vec<Typed<'s>> {
    let tables = before.tables.values();
    let pairs = tables.filter_map(|table| Some((table, after.tables.get(&table.name)?)));
    pairs
        .filter(|(table, new)| table.is_ordinary() && new.strict && !table.strict)
        .flat_map(|(table, new)| {
            let columns = table.columns.iter();
            columns.filter_map(|column| typed(table, column, new.column(&column.name)?))
        })
        .collect()
}

/// The columns that a statement copies into a STRICT table, under whatever name.
fn copied<'s>(
    before: &'s Schema,
    after: &Schema,
    steps: &[(usize, &Step)],
    place: usize,
    step: &Step,
) -> Vec<Typed<'s>> {
    let parts = || -> Option<(&'s Table, &Table, Vec<Name>, Vec<Node>)> {
        let tree = tree::parse(&step.statement.sql).filter(|tree| tree.verb == Verb::Insert)?;
        let into = called::at_the_end(steps, place, tree.table.as_deref()?)?;
        let into = after.tables.get(&into).filter(|into| into.strict)?;
        let select = tree.parts.iter().find(|part| part.kind == Kind::Select)?;
        let [from] = select.part(Kind::From)?.parts.as_slice() else {
            return None;
        };
        let table = called::at_the_start(steps, place, &from.text);
        let table = before.tables.get(&table).filter(|table| !table.strict)?;
        let targets = targets(&tree.columns, into);
        let row = select.part(Kind::Columns)?.parts.clone();
        let is_plain = from.kind == Kind::Table && targets.len() == row.len();
        is_plain.then_some((table, into, targets, row))
    };
    let Some((table, into, targets, row)) = parts() else {
        return Vec::new();
    };
    let pairs = targets.iter().zip(&row).filter_map(|(target, value)| {
        let column = table.column(&Name::new(value.column()?))?;
        typed(table, column, into.column(target)?)
    });
    pairs.collect()
}

/// The columns that an INSERT fills.
pub(super) fn targets(named: &[String], into: &Table) -> Vec<Name> {
    if named.is_empty() {
        let columns = into.columns.iter();
        let plain = columns.filter(|column| column.generated.is_none());
        plain.map(|column| column.name.clone()).collect()
    } else {
        named.iter().map(|name| Name::new(name)).collect()
    }
}

/// A column that holds whatever it is given, if another one does not.
fn typed<'s>(table: &'s Table, column: &Column, later: &Column) -> Option<Typed<'s>> {
    let refers = table
        .foreign_keys
        .iter()
        .any(|key| key.columns.contains(&column.name));
    let is_given = column.generated.is_none() && later.generated.is_none();
    let takes_all = later.declared_type.eq_ignore_ascii_case("any");
    let (was, is) = (column.affinity(), later.affinity());
    let is_undeclared = column.declared_type.is_empty();
    // What is no text becomes one in a TEXT column, except for a BLOB, which nobody puts into a column that is declared for texts.
    let value = if is != Affinity::Text {
        Value::Text("moltproof outside".to_owned())
    } else if was == Affinity::Blob {
        Value::Blob(b"moltproof outside".to_vec())
    } else {
        return None;
    };
    (is_given && !refers && !takes_all).then(|| Typed {
        table,
        column: column.name.clone(),
        value,
        is_usual: was == is || is_undeclared,
    })
}
