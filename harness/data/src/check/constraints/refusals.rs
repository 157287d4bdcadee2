//! PAT-008: values that are meant and that a CHECK on their column alone refuses. Never judges a CHECK that other columns have a say in.

use crate::catalog::{Column, Name, Table};
use crate::tree::{self, Node};
use rusqlite::Connection;
use rusqlite::types::Value;

/// The CHECK by which a column never takes a value, whatever else is in the row.
pub(super) fn refusing_check(table: &Table, column: &Name, value: &Value) -> Option<String> {
    let column = table.column(column)?;
    let tree = tree::parse(&table.sql)?;
    let checks = tree.parts.iter().zip(&tree.checks);
    let mut own = checks.filter(|(node, _)| is_alone(table, node, column));
    own.find_map(|(_, (_, text))| {
        let is_refused = is_false(column, text, value).unwrap_or(false);
        is_refused.then(|| text.trim().to_owned())
    })
}

/// Whether a condition reads this column and no other one.
fn is_alone(table: &Table, check: &Node, column: &Column) -> bool {
    let nodes = check.all();
    let mut named = nodes.iter().filter_map(|node| node.column()).peekable();
    let reads_any = named.peek().is_some();
    reads_any
        && named.all(|name| {
            column.name == name || !table.columns.iter().any(|other| other.name == name)
        })
}

fn is_false(column: &Column, text: &str, value: &Value) -> rusqlite::Result<bool> {
    let connection = Connection::open_in_memory()?;
    let name = column.name.quoted();
    connection.execute_batch(&format!(
        "CREATE TABLE one ({name} {})",
        column.declared_type
    ))?;
    connection.execute("INSERT INTO one VALUES (?1)", [value])?;
    connection.query_row(&format!("SELECT NOT ({text}) FROM one"), [], |row| {
        row.get::<_, Option<bool>>(0).map(|is| is.unwrap_or(false))
    })
}
