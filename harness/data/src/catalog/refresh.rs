//! Brings a schema up to date behind some statements: only what they may have changed is read again. Never reads a row of the user's.

use super::read::{tables_of, trigger, view};
use super::{Name, Schema, Table};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// What has to be read again.
#[derive(Debug, Default)]
pub struct Changed {
    /// Tables, by the names that they have and those that they had.
    pub tables: BTreeSet<Name>,
    /// Triggers and views, by the same.
    pub others: BTreeSet<Name>,
}

/// Reads what changed.
///
/// # Errors
/// Whatever SQLite says.
pub fn refresh(
    connection: &Connection,
    schema: &mut Schema,
    changed: &Changed,
) -> rusqlite::Result<()> {
    if changed.tables.is_empty() && changed.others.is_empty() {
        return Ok(());
    }
    let mut again: BTreeSet<Name> = BTreeSet::new();
    let mut read = tables_of(connection, &changed.tables)?;
    let after: BTreeMap<&Name, &Table> = read.iter().map(|table| (&table.name, table)).collect();
    for name in &changed.tables {
        let key = |table: Option<&Table>| table.map(|table| table.primary_key.clone());
        let before = schema.tables.remove(name);
        if key(before.as_ref()) != key(after.get(name).copied()) {
            // References that name no column mean the key of the parent.
            let children = children(schema, name);
            again.extend(
                children
                    .filter(|child| !changed.tables.contains(*child))
                    .cloned(),
            );
        }
    }
    read.extend(tables_of(connection, &again)?);
    schema
        .tables
        .extend(read.into_iter().map(|table| (table.name.clone(), table)));
    for name in &changed.others {
        schema.triggers.remove(name);
        schema.views.remove(name);
        if let Some(trigger) = trigger(connection, name)? {
            schema.triggers.insert(name.clone(), trigger);
        }
        if let Some(view) = view(connection, name)? {
            schema.views.insert(name.clone(), view);
        }
    }
    super::read::resolve_implicit_parents(schema);
    Ok(())
}

fn children<'s>(schema: &'s Schema, parent: &'s Name) -> impl Iterator<Item = &'s Name> {
    let tables = schema.tables.values();
    tables
        .filter(|table| table.foreign_keys.iter().any(|key| key.parent == *parent))
        .map(|table| &table.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::read;
    use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Statements, with the tables and the other objects that each of them changes.
    const STEPS: &[(&str, &[&str], &[&str])] = &[
        (
            "CREATE TABLE child (id INTEGER PRIMARY KEY, up REFERENCES Parent)",
            &["child"],
            &[],
        ),
        (
            "CREATE TABLE Parent (a TEXT, b TEXT, PRIMARY KEY (a))",
            &["parent"],
            &[],
        ),
        (
            "CREATE UNIQUE INDEX by_up ON child (up) WHERE up > 0",
            &["CHILD"],
            &[],
        ),
        ("CREATE VIEW seen AS SELECT up FROM child", &[], &["seen"]),
        (
            "CREATE TRIGGER kept AFTER DELETE ON child BEGIN SELECT 1; END",
            &[],
            &["kept"],
        ),
        (
            "ALTER TABLE child ADD COLUMN note TEXT NOT NULL DEFAULT ''",
            &["child"],
            &[],
        ),
        (
            "CREATE VIRTUAL TABLE words USING fts5 (note)",
            &[
                "words",
                "words_data",
                "words_idx",
                "words_content",
                "words_docsize",
                "words_config",
            ],
            &[],
        ),
        (
            "ALTER TABLE Parent RENAME TO elder",
            &["parent", "elder", "child"],
            &["seen", "kept"],
        ),
        (
            "ALTER TABLE elder RENAME COLUMN a TO key",
            &["elder", "child"],
            &["seen", "kept"],
        ),
        ("DROP TABLE elder", &["elder"], &[]),
        (
            "CREATE TABLE elder (c INTEGER PRIMARY KEY)",
            &["elder"],
            &[],
        ),
        ("DROP TRIGGER kept", &[], &["kept"]),
        ("DROP VIEW seen", &[], &["seen"]),
        (
            "DROP TABLE words",
            &[
                "words",
                "words_data",
                "words_idx",
                "words_content",
                "words_docsize",
                "words_config",
            ],
            &[],
        ),
        (
            "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY)",
            &["d1_migrations"],
            &[],
        ),
    ];

    #[test]
    fn what_is_brought_up_to_date_is_what_would_be_read() {
        let connection = Connection::open_in_memory().unwrap();
        let mut schema = Schema::default();
        for (sql, tables, others) in STEPS {
            connection.execute_batch(sql).unwrap();
            let names = |names: &[&str]| names.iter().map(|name| Name::new(name)).collect();
            let changed = Changed {
                tables: names(tables),
                others: names(others),
            };
            refresh(&connection, &mut schema, &changed).unwrap();
            assert_eq!(schema, read(&connection).unwrap(), "{sql}");
        }
    }

    #[test]
    fn many_tables_are_looked_at_together() {
        let connection = Connection::open_in_memory().unwrap();
        let mut changed = Changed::default();
        for number in 0..50 {
            let sql = format!(
                "CREATE TABLE t{number} (id INTEGER PRIMARY KEY, up REFERENCES t{}, UNIQUE (up)); CREATE INDEX i{number} ON t{number} (up)",
                number / 2
            );
            connection.execute_batch(&sql).unwrap();
            changed.tables.insert(Name::new(&format!("t{number}")));
        }
        changed.tables.insert(Name::new("gone"));
        let lists = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lists);
        let count = move |context: AuthContext<'_>| {
            if matches!(context.action, AuthAction::Pragma { pragma_name, .. } if pragma_name == "table_list")
            {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            Authorization::Allow
        };
        connection.authorizer(Some(count)).unwrap();
        let mut schema = Schema::default();
        refresh(&connection, &mut schema, &changed).unwrap();
        // SQLite walks over all tables for each: one by one, a thousand tables took it minutes.
        assert_eq!(lists.load(Ordering::Relaxed), 1);
        assert_eq!(schema, read(&connection).unwrap());
    }
}
