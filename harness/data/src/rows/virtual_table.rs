//! Rows for virtual tables: full-text indexes that hold their own text. Never touches an index that triggers keep.

use crate::catalog::{Name, Table, TableKind};
use rusqlite::{Connection, params_from_iter};

/// Fills a virtual table; why it holds no row, if it should.
pub(super) fn fill(
    connection: &Connection,
    table: &Table,
    rows: usize,
) -> rusqlite::Result<Option<String>> {
    let TableKind::Virtual { module } = &table.kind else {
        return Ok(None);
    };
    if module != "fts5" {
        // Vocabularies and the like hold no rows of their own.
        return Ok(None);
    }
    let has_content = crate::text::find_word(&table.sql, "content", 0).is_some();
    if has_content {
        return Ok(None);
    }
    let there = super::state::count(connection, &table.name, None, rows)?.unwrap_or(rows);
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| column.name.quoted())
        .collect();
    let sql = format!(
        "INSERT INTO main.{} ({}) VALUES ({})",
        table.name.quoted(),
        columns.join(", "),
        vec!["?"; columns.len()].join(", ")
    );
    for number in there + 1..=rows {
        let text = |name: &Name| format!("{}.{name} {number}", table.name);
        let values = table.columns.iter().map(|column| text(&column.name));
        let outcome = connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.execute(params_from_iter(values)));
        if let Err(error) = outcome {
            return Ok(Some(error.to_string()));
        }
    }
    Ok(None)
}
