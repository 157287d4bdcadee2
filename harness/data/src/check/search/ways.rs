//! PAT-003: the ways of writing that a searched table can take. Never runs one of them.

use super::super::populated::Row;
use super::Case;
use crate::catalog::Name;

/// A way of writing: what it is called, and its statements for a row that holds the text `?1` afterwards.
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) sql: Vec<String>,
    pub(super) after: After,
    /// The batch is meant to be refused and undone.
    pub(super) is_undone: bool,
}

/// What a row holds in its searched column after a way of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The new text.
    New,
    /// What it held before; nothing may be found of the new text.
    Same,
    /// NULL.
    Nothing,
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
    let way = |name, sql: Vec<String>, after| Way {
        name,
        sql,
        after,
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
    let mut ways = emptying(case, row);
    ways.extend([
        way(
            "UPDATE",
            vec![format!("UPDATE {table} SET {column} = ?1 WHERE {this}")],
            After::New,
        ),
        way(
            "UPDATE OR REPLACE",
            vec![format!(
                "UPDATE OR REPLACE {table} SET {column} = ?1 WHERE {this}"
            )],
            After::New,
        ),
    ]);
    if !key.is_empty() {
        ways.push(way("REPLACE", vec![replace], After::New));
        ways.push(way("UPSERT", vec![upsert], After::New));
        ways.push(way("INSERT OR IGNORE", vec![ignore], After::Same));
    }
    let update = format!("UPDATE {table} SET {column} = ?1 WHERE {this}");
    ways.push(Way {
        name: "a batch that is rolled back",
        sql: vec![update, "INSERT INTO no_such_table VALUES (1)".to_owned()],
        after: After::Same,
        is_undone: true,
    });
    ways
}

/// Searched columns that hold NULL: what is put together of them must not be NULL as a whole, and no trigger may take NULL for no change.
fn emptying(case: &Case<'_>, row: &Row) -> Vec<Way> {
    let (table, this) = (case.table.name.quoted(), row.found());
    let is_nullable = |name: &Name| {
        let column = case.table.column(name);
        column.is_some_and(|column| case.table.is_nullable(column))
    };
    let update = |name: &Name, to: &str| {
        let name = name.quoted();
        format!("UPDATE {table} SET {name} = {to} WHERE {this}")
    };
    let searched = case.claim.columns.iter().map(|name| Name::new(name));
    let mut ways: Vec<Way> = searched
        .filter(|name| *name != case.column && is_nullable(name))
        .map(|other| Way {
            name: "an UPDATE beside a searched column that is NULL",
            sql: vec![update(&other, "NULL"), update(&case.column, "?1")],
            after: After::New,
            is_undone: false,
        })
        .collect();
    if is_nullable(&case.column) {
        ways.push(Way {
            name: "an UPDATE to NULL",
            sql: vec![update(&case.column, "NULL")],
            after: After::Nothing,
            is_undone: false,
        });
    }
    ways
}
