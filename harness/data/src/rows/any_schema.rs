//! Schemas by chance: whatever is reported as filled really holds rows that keep every constraint. Never looks at one schema only.

use super::fill;
use crate::catalog::{self, Name};
use proptest::prelude::*;
use rusqlite::Connection;

/// A column of a random table: its type and what stands behind it.
fn column() -> impl Strategy<Value = (&'static str, &'static str)> {
    let types = prop::sample::select(vec!["TEXT", "INTEGER", "REAL", "BLOB"]);
    let constraints = prop::sample::select(vec![
        "",
        "NOT NULL",
        "UNIQUE",
        "NOT NULL UNIQUE",
        "NOT NULL CHECK (# IN ('a', 'b', 3, 4))",
        "CHECK (# > 10)",
        "NOT NULL CHECK (# BETWEEN 5 AND 50)",
        "CHECK (length(#) = 12)",
        "CHECK (# IS NULL OR typeof(#) = 'text')",
        "DEFAULT 7",
        "NOT NULL CHECK (# <> '')",
        "CHECK (# > 5 AND # < 5)",
        "REFERENCES p (id)",
        "NOT NULL REFERENCES p (id) ON DELETE CASCADE",
        "REFERENCES t (id)",
    ]);
    (types, constraints)
}

fn statement(columns: &[(&str, &str)], strict: bool) -> String {
    let columns = columns.iter().enumerate().map(|(at, (kind, behind))| {
        let name = format!("c{at}");
        format!("{name} {kind} {}", behind.replace('#', &name))
    });
    let columns: Vec<String> = std::iter::once("id INTEGER PRIMARY KEY".to_owned())
        .chain(columns)
        .collect();
    let strict = if strict { " STRICT" } else { "" };
    format!(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t ({}){strict};",
        columns.join(", ")
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_counts_as_filled_holds_rows_that_keep_every_constraint(
        columns in prop::collection::vec(column(), 1..7),
        strict in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        let sql = statement(&columns, strict);
        connection.execute_batch(&sql).unwrap();
        let schema = catalog::read(&connection).unwrap();
        let unfilled = fill(&connection, &schema, &schema, &[Name::new("t")], 3, seed).unwrap();
        let rows: i64 = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        let is_filled = unfilled.iter().all(|one| one.table != "t");
        prop_assert_eq!(is_filled, rows > 0, "{}: {:?}", sql, unfilled);
        let dangles = connection.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
        let quick: String = connection.query_row("PRAGMA quick_check", [], |row| row.get(0)).unwrap();
        prop_assert!(!dangles && quick == "ok", "{}: {}", sql, quick);
    }
}
