//! PAT-003: the ways of writing that a searched table can take. Never runs one of them.

use super::super::populated::Row;
use super::Case;
use crate::catalog::Name;

/// A way of writing: what it is called, and its statements for a row that holds the text `?1` afterwards.
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) sql: Vec<String>,
    /// The row holds the text afterwards; otherwise nothing may be found of it.
    pub(super) holds: bool,
    /// The batch is meant to be refused and undone.
    pub(super) is_undone: bool,
}

/// The ways of writing that the table can take.
pub(super) fn ways(case: &Case<'_>, row: &Row) -> Vec<Way> {
    let table = case.table.name.quoted();
    let column = case.column.quoted();
    let columns: Vec<&Name> = case
        .table
        .columns
        .iter()
        .filter(|column| column.generated.is_none())
        .map(|column| &column.name)
        .collect();
    let listed: Vec<String> = columns.iter().map(|name| name.quoted()).collect();
    let copied: Vec<String> = columns
        .iter()
        .map(|name| {
            if **name == case.column {
                "?1".to_owned()
            } else {
                name.quoted()
            }
        })
        .collect();
    let (listed, copied) = (listed.join(", "), copied.join(", "));
    let key: Vec<String> = case.table.primary_key.iter().map(Name::quoted).collect();
    let key = key.join(", ");
    let this = row.found();
    let way = |name, sql: Vec<String>, holds| Way {
        name,
        sql,
        holds,
        is_undone: false,
    };
    let replace =
        format!("REPLACE INTO {table} ({listed}) SELECT {copied} FROM {table} WHERE {this}");
    let upsert = format!(
        "INSERT INTO {table} ({listed}) SELECT {copied} FROM {table} WHERE {this} ON CONFLICT ({key}) DO UPDATE SET {column} = excluded.{column}"
    );
    let ignore = format!(
        "INSERT OR IGNORE INTO {table} ({listed}) SELECT {copied} FROM {table} WHERE {this}"
    );
    let mut ways = vec![
        way(
            "UPDATE",
            vec![format!("UPDATE {table} SET {column} = ?1 WHERE {this}")],
            true,
        ),
        way(
            "UPDATE OR REPLACE",
            vec![format!(
                "UPDATE OR REPLACE {table} SET {column} = ?1 WHERE {this}"
            )],
            true,
        ),
    ];
    if !key.is_empty() {
        ways.push(way("REPLACE", vec![replace], true));
        ways.push(way("UPSERT", vec![upsert], true));
        ways.push(way("INSERT OR IGNORE", vec![ignore], false));
    }
    let update = format!("UPDATE {table} SET {column} = ?1 WHERE {this}");
    ways.push(Way {
        name: "a batch that is rolled back",
        sql: vec![update, "INSERT INTO no_such_table VALUES (1)".to_owned()],
        holds: false,
        is_undone: true,
    });
    ways
}
