//! A copy that leaves out a column which must hold a value, run as its author will mend it, so that what stands behind it is judged as well. Never hides its failure.

use super::Step;
use crate::catalog::{self, Affinity, Column, Name, Table};
use crate::engine::{Deed, Engine, Failure};
use crate::text::find_word;

/// Columns that one copy is mended by.
const COLUMNS_MAX: usize = 8;

/// Runs a copy that failed with a value for each column that it leaves out; the statement that went through, if one did.
pub(super) fn run(engine: &Engine, step: &Step, failure: &Failure) -> Option<String> {
    let schema = engine.ours(catalog::read).ok()?;
    let mut failure = failure.clone();
    let mut sql = step.statement.sql.to_string();
    for _ in 0..COLUMNS_MAX {
        let missing = failure
            .message
            .strip_prefix("NOT NULL constraint failed: ")?;
        let (table, column) = missing.split_once('.')?;
        let table = schema.table(table)?;
        let column = table.column(&Name::new(column))?;
        sql = with_column(&sql, table, column)?;
        match engine.run(&sql) {
            Ok(()) => return Some(sql),
            Err(why) => failure = why,
        }
    }
    None
}

/// `INSERT INTO table (…) SELECT …` with one column more.
fn with_column(sql: &str, table: &Table, column: &Column) -> Option<String> {
    let into = find_word(sql, "into", 0)?;
    let open = into.end + sql[into.end..].find('(')?;
    let close = open + sql[open..].find(')')?;
    let (list, query) = (&sql[open + 1..close], sql[close + 1..].trim());
    let is_query = ["select", "with"].iter().any(|word| {
        let word = find_word(query, word, 0);
        word.is_some_and(|word| word.start == 0)
    });
    let is_list = find_word(&sql[into.end..open], "select", 0).is_none();
    let mut names = list
        .split(',')
        .map(|name| name.trim().trim_matches(['"', '`', '[', ']']));
    if !is_query || !is_list || names.any(|name| column.name == *name) {
        return None;
    }
    Some(format!(
        "{}, {}) SELECT moltproof.*, {} FROM ({query}) AS moltproof",
        &sql[..close],
        column.name.quoted(),
        value(table, column)
    ))
}

/// A value of the column's type, another one in each row; for a reference the key of a row that is there.
fn value(table: &Table, column: &Column) -> String {
    let mut keys = table.foreign_keys.iter();
    let key = keys.find(|key| key.columns == [column.name.clone()]);
    match (key, column.affinity()) {
        (Some(key), _) if key.parent_columns.len() == 1 => format!(
            "(SELECT min({}) FROM {})",
            key.parent_columns[0].quoted(),
            key.parent.quoted()
        ),
        (_, Affinity::Text) => "'moltproof-' || row_number() OVER ()".to_owned(),
        _ => "row_number() OVER ()".to_owned(),
    }
}

/// Whether the step at a place does nothing but insert rows, so that without it no table has fewer of them.
pub(super) fn is_a_copy(steps: &[(usize, &Step)], place: usize) -> bool {
    let step = steps.iter().find(|(at, _)| *at == place);
    step.is_some_and(|(_, step)| {
        let inserts = |deed: &Deed| matches!(deed, Deed::Insert(..));
        let harmless =
            |deed: &Deed| matches!(deed, Deed::Insert(..) | Deed::Read(..) | Deed::Function(_));
        step.deeds.iter().any(inserts) && step.deeds.iter().all(harmless)
    })
}

/// Whether a row was refused because a table that it must refer to holds none at all: then every row is refused.
pub(super) fn has_no_parent(engine: &Engine, step: &Step, failure: &Failure) -> bool {
    if failure.code != rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY {
        return false;
    }
    let Ok(schema) = engine.ours(catalog::read) else {
        return false;
    };
    let is_empty = |name: &Name| {
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM main.{})", name.quoted());
        let row = engine.ours(|connection| connection.query_row(&sql, [], |row| row.get(0)));
        row.unwrap_or(false)
    };
    let inserted = step.deeds.iter().filter_map(|deed| {
        if let Deed::Insert(table, None) = deed {
            schema.tables.get(&Name::new(table))
        } else {
            None
        }
    });
    inserted
        .flat_map(|table| table.foreign_keys.iter().map(move |key| (table, key)))
        .any(|(table, key)| {
            let must = |column: &Name| table.column(column).is_some_and(|column| column.not_null);
            key.parent != table.name && key.columns.iter().all(must) && is_empty(&key.parent)
        })
}
