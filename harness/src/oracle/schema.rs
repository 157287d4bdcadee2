//! What a schema means, told by SQLite itself from the `CREATE` texts alone. Never opens a target's database.

use crate::said::said;
use rusqlite::{Connection, StatementStatus, params_from_iter};
use serde::Serialize;
use std::collections::BTreeMap;

/// One entry of `sqlite_schema`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `table`, `index`, `trigger` or `view`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The `CREATE` text; `None` for an index that a constraint made.
    pub sql: Option<String>,
}

/// What a database consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schema {
    /// By name.
    pub tables: BTreeMap<String, Table>,
    /// Names.
    pub triggers: Vec<String>,
    /// Names.
    pub views: Vec<String>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// In their order.
    pub columns: Vec<Column>,
    /// Sorted.
    pub indexes: Vec<Index>,
    /// Sorted.
    pub foreign_keys: Vec<ForeignKey>,
    /// The `CREATE` text without comments, white space folded, in lower case.
    pub text: String,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// `TEXT`, `INTEGER`, `REAL`, `BLOB` or `NUMERIC`.
    pub affinity: &'static str,
    /// Whether it is declared `NOT NULL`.
    pub not_null: bool,
    /// Whether it is (part of) the primary key.
    pub key: bool,
}

/// One index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Index {
    /// Columns in their order; an expression stands as `(expression)`.
    pub columns: Vec<String>,
    /// Whether it refuses duplicates.
    pub unique: bool,
    /// Whether it covers some rows only.
    pub partial: bool,
}

/// One reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ForeignKey {
    /// The referring column.
    pub column: String,
    /// The table referred to.
    pub table: String,
    /// The column referred to; empty means its primary key.
    pub to: String,
    /// `CASCADE`, `NO ACTION`, …
    pub on_delete: String,
}

/// Whether a table belongs to the database or to the migration tool, not to the contract.
#[must_use]
pub fn is_system(name: &str) -> bool {
    name.starts_with("sqlite_")
        || d1_platform::is_reserved_name(name, d1_platform::Line::Current)
        || name == "d1_migrations"
}

/// A database in memory with the same schema and no rows. System tables are left out.
///
/// # Errors
/// What SQLite says of the texts.
pub fn copy(entries: &[Entry]) -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "foreign_keys", true)?;
    for kind in ["table", "index", "view", "trigger"] {
        let wanted = |entry: &&Entry| entry.kind == kind && !is_system(&entry.name);
        for sql in entries
            .iter()
            .filter(wanted)
            .filter_map(|entry| entry.sql.as_deref())
        {
            if !sql.contains("d1_migrations") {
                connection.execute_batch(sql)?;
            }
        }
    }
    Ok(connection)
}

/// The entries of a database.
///
/// # Errors
/// What SQLite says.
pub fn entries(connection: &Connection) -> rusqlite::Result<Vec<Entry>> {
    let mut statement =
        connection.prepare("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")?;
    let found = statement.query_map([], |row| {
        Ok(Entry {
            kind: row.get(0)?,
            name: row.get(1)?,
            sql: row.get(2)?,
        })
    })?;
    found.collect()
}

/// Describes a database. System tables are left out.
///
/// # Errors
/// What SQLite says.
pub fn describe(connection: &Connection) -> rusqlite::Result<Schema> {
    let list = entries(connection)?;
    let names = |kind: &str| -> Vec<String> {
        list.iter()
            .filter(|entry| entry.kind == kind && !is_system(&entry.name))
            .map(|entry| entry.name.clone())
            .collect()
    };
    let mut tables = BTreeMap::new();
    for name in names("table") {
        let text = list
            .iter()
            .find(|entry| entry.kind == "table" && entry.name == name)
            .and_then(|entry| entry.sql.as_deref())
            .map(fold)
            .unwrap_or_default();
        tables.insert(
            name.clone(),
            Table {
                columns: columns(connection, &name)?,
                indexes: indexes(connection, &name)?,
                foreign_keys: foreign_keys(connection, &name)?,
                text,
            },
        );
    }
    Ok(Schema {
        tables,
        triggers: names("trigger"),
        views: names("view"),
    })
}

/// Where two schemas differ: one line for each table, with both of its texts, and one for triggers and views.
#[must_use]
pub fn differences(wanted: &Schema, seen: &Schema) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> =
        wanted.tables.keys().chain(seen.tables.keys()).collect();
    let tables = names.into_iter().filter_map(|name| {
        let (wanted, seen) = (wanted.tables.get(name), seen.tables.get(name));
        (wanted != seen).then(|| {
            format!(
                "table `{name}`: {wanted} against {seen}",
                wanted = said(&wanted),
                seen = said(&seen)
            )
        })
    });
    let others = [
        ("triggers", &wanted.triggers, &seen.triggers),
        ("views", &wanted.views, &seen.views),
    ];
    let others = others
        .into_iter()
        .filter(|(_, wanted, seen)| wanted != seen)
        .map(|(what, wanted, seen)| {
            format!(
                "{what}: {wanted} against {seen}",
                wanted = said(&wanted),
                seen = said(&seen)
            )
        });
    tables.chain(others).collect()
}

/// Generated columns are among them, which `table_info` leaves out.
fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    let sql = "SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo(?1) ORDER BY cid";
    connection
        .prepare(sql)?
        .query_map([table], |row| {
            Ok(Column {
                name: row.get(0)?,
                affinity: affinity(&row.get::<_, String>(1)?),
                not_null: row.get::<_, i64>(2)? != 0,
                key: row.get::<_, i64>(3)? > 0,
            })
        })?
        .collect()
}

fn indexes(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Index>> {
    let sql = "SELECT name, \"unique\", partial FROM pragma_index_list(?1)";
    let heads: Vec<(String, bool, bool)> = connection
        .prepare(sql)?
        .query_map([table], |row| {
            Ok((
                row.get(0)?,
                row.get::<_, i64>(1)? != 0,
                row.get::<_, i64>(2)? != 0,
            ))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut list = Vec::new();
    for (name, unique, partial) in heads {
        let columns = connection
            .prepare("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")?
            .query_map([&name], |row| row.get::<_, Option<String>>(0))?
            .map(|column| column.map(|name| name.unwrap_or_else(|| "(expression)".to_owned())))
            .collect::<rusqlite::Result<_>>()?;
        list.push(Index {
            columns,
            unique,
            partial,
        });
    }
    list.sort();
    Ok(list)
}

fn foreign_keys(connection: &Connection, table: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    let sql = "SELECT \"from\", \"table\", \"to\", on_delete FROM pragma_foreign_key_list(?1)";
    let mut list: Vec<ForeignKey> = connection
        .prepare(sql)?
        .query_map([table], |row| {
            Ok(ForeignKey {
                column: row.get(0)?,
                table: row.get(1)?,
                to: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
                on_delete: row.get(3)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    list.sort();
    Ok(list)
}

/// The affinity of a declared type, by the five rules of SQLite's documentation, in their order.
fn affinity(declared: &str) -> &'static str {
    let declared = declared.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
    if has(&["INT"]) {
        "INTEGER"
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        "TEXT"
    } else if declared.is_empty() || has(&["BLOB"]) {
        "BLOB"
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        "REAL"
    } else {
        "NUMERIC"
    }
}

/// A `CREATE` text without comments, white space folded, in lower case, quotes of names dropped.
#[must_use]
pub fn fold(sql: &str) -> String {
    let mut plain = String::with_capacity(sql.len());
    let mut rest = sql;
    while !rest.is_empty() {
        let comment_end = match rest.as_bytes() {
            [b'-', b'-', ..] => Some(rest.find('\n').unwrap_or(rest.len())),
            [b'/', b'*', ..] => Some(rest.find("*/").map_or(rest.len(), |at| at + 2)),
            _ => None,
        };
        if let Some(end) = comment_end {
            plain.push(' ');
            rest = &rest[end..];
        } else {
            let mut characters = rest.chars();
            plain.extend(characters.next());
            rest = characters.as_str();
        }
    }
    let spaced = plain
        .replace(['"', '`', '[', ']'], "")
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace(',', " , ");
    spaced
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_ascii_lowercase()
}

/// The steps of a query plan, one line each.
///
/// # Errors
/// What SQLite says.
pub fn plan(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let parameters = vec![rusqlite::types::Null; statement.parameter_count()];
    let mut found = statement.query(params_from_iter(parameters))?;
    let mut lines = Vec::new();
    while let Some(row) = found.next()? {
        lines.push(row.get(3)?);
    }
    Ok(lines)
}

/// What one run of a query cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Rows found.
    pub rows: usize,
    /// Instructions of SQLite's virtual machine.
    pub steps: u64,
    /// Steps forward in full table scans.
    pub scanned: u64,
}

/// Runs a query and counts its work.
///
/// # Errors
/// What SQLite says.
pub fn cost(connection: &Connection, sql: &str, parameter: &str) -> rusqlite::Result<Cost> {
    let mut statement = connection.prepare(sql)?;
    let mut found = statement.query([parameter])?;
    let mut rows = 0;
    while found.next()?.is_some() {
        rows += 1;
    }
    drop(found);
    let count = |status| u64::try_from(statement.get_status(status)).unwrap_or(0);
    Ok(Cost {
        rows,
        steps: count(StatementStatus::VmStep),
        scanned: count(StatementStatus::FullscanStep),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, name: &str, sql: &str) -> Entry {
        Entry {
            kind: kind.to_owned(),
            name: name.to_owned(),
            sql: Some(sql.to_owned()),
        }
    }

    fn sample() -> Connection {
        copy(&[
            entry("index", "b_a", "CREATE UNIQUE INDEX b_a ON b (a_id, n) WHERE n > 0"),
            entry("table", "a", "CREATE TABLE a (id TEXT PRIMARY KEY NOT NULL)"),
            entry("table", "sqlite_sequence", "CREATE TABLE sqlite_sequence(name,seq)"),
            entry(
                "table",
                "b",
                "CREATE TABLE b (n BIGINT, a_id varchar(36) NOT NULL REFERENCES a ON DELETE CASCADE)",
            ),
        ])
        .unwrap()
    }

    #[test]
    fn a_copy_is_described_as_it_was_made() {
        let schema = describe(&sample()).unwrap();
        assert_eq!(schema.tables.keys().collect::<Vec<_>>(), ["a", "b"]);
        let b = &schema.tables["b"];
        assert_eq!(b.columns[0].affinity, "INTEGER");
        assert_eq!(b.columns[1].affinity, "TEXT");
        assert!(b.columns[1].not_null && !b.columns[0].not_null);
        assert!(b.indexes[0].unique && b.indexes[0].partial);
        assert_eq!(b.indexes[0].columns, ["a_id", "n"]);
        assert_eq!(b.foreign_keys[0].on_delete, "CASCADE");
        assert!(schema.tables["a"].columns[0].key);
    }

    #[test]
    fn differences_name_the_table() {
        let one = describe(&sample()).unwrap();
        let connection = sample();
        connection
            .execute_batch("ALTER TABLE a ADD COLUMN x; CREATE VIEW v AS SELECT 1")
            .unwrap();
        let lines = differences(&one, &describe(&connection).unwrap());
        assert!(differences(&one, &one).is_empty());
        assert!(lines[0].starts_with("table `a`: ") && lines[1].starts_with("views: "));
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn folding_drops_what_does_not_matter() {
        let one = fold("CREATE TABLE \"a\" ( -- note; (\n  x INTEGER NOT NULL, /* y */ z TEXT\n)");
        assert_eq!(one, fold("create table a(x integer not null,z text)"));
        assert_ne!(one, fold("create table a(x integer,z text)"));
    }

    #[test]
    fn a_scan_costs_more_than_a_search() {
        let connection = sample();
        let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
                    INSERT INTO a SELECT 'a' || i FROM n";
        connection.execute_batch(fill).unwrap();
        let search = cost(&connection, "SELECT * FROM a WHERE id = ?1", "a7").unwrap();
        let scan = cost(&connection, "SELECT * FROM a WHERE id || '' = ?1", "a7").unwrap();
        assert_eq!((search.rows, search.scanned), (1, 0));
        assert!(scan.steps > 1000 && scan.scanned > 900);
        let lines = plan(&connection, "SELECT * FROM a WHERE id = ?1").unwrap();
        assert!(lines[0].starts_with("SEARCH"), "{lines:?}");
    }
}
