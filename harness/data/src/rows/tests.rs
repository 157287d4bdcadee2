//! Rows for schemas of every habit. Never counts a table as filled without looking into it.

use super::*;
use crate::catalog;

/// A database with these tables, filled with three rows each.
fn filled(sql: &str) -> (Connection, Vec<Unfilled>) {
    filled_for(sql, sql)
}

/// The same, where the schema will be another one.
fn filled_for(sql: &str, later: &str) -> (Connection, Vec<Unfilled>) {
    let connection = opened(sql);
    let schema = catalog::read(&connection).unwrap();
    let later = catalog::read(&opened(later)).unwrap();
    let tables: Vec<Name> = schema.tables.keys().cloned().collect();
    let unfilled = fill(&connection, &schema, &later, &tables, 3, 7).unwrap();
    assert_clean(&connection);
    (connection, unfilled)
}

fn opened(sql: &str) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .pragma_update(None, "foreign_keys", true)
        .unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

fn assert_clean(connection: &Connection) {
    let mut check = connection.prepare("PRAGMA foreign_key_check").unwrap();
    assert!(!check.exists([]).unwrap(), "no reference dangles");
    let quick: String = connection
        .query_row("PRAGMA quick_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(quick, "ok");
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Three rows in table `t`, and none that meets a condition that no row should meet.
#[track_caller]
fn check(sql: &str, holds: &str) {
    let (connection, unfilled) = filled(sql);
    assert_eq!(unfilled, [], "{sql}");
    let rows = number(
        &connection,
        &format!("SELECT count(*) FROM t WHERE {holds}"),
    );
    assert_eq!(rows, 3, "{sql}: {holds}");
}

#[test]
fn types_and_their_affinities_are_given_values_of_their_class() {
    check(
        "CREATE TABLE t (a TEXT NOT NULL, b INTEGER NOT NULL, c REAL NOT NULL, d BLOB NOT NULL, e NUMERIC NOT NULL)",
        "typeof(a) = 'text' AND typeof(b) = 'integer' AND typeof(c) = 'real' AND typeof(d) = 'blob' AND e > 0",
    );
    check(
        "CREATE TABLE t (a TEXT NOT NULL, b INT NOT NULL, c REAL NOT NULL, d BLOB NOT NULL, e ANY NOT NULL) STRICT",
        "typeof(d) = 'blob'",
    );
}

#[test]
fn texts_say_where_they_come_from_and_every_row_differs() {
    let (connection, _) = filled(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, size REAL NOT NULL)",
    );
    let name: String = connection
        .query_row("SELECT name FROM people WHERE id = 3", [], |row| row.get(0))
        .unwrap();
    assert_eq!(name, "people.name 3");
    assert_eq!(
        number(&connection, "SELECT count(DISTINCT size) FROM people"),
        3
    );
}

#[test]
fn generated_columns_are_left_to_the_database() {
    check(
        "CREATE TABLE t (a TEXT NOT NULL, b TEXT AS (upper(a)) STORED, c INTEGER AS (length(a)) VIRTUAL CHECK (c = 5))",
        "b = upper(a) AND c = 5",
    );
}

#[test]
fn one_row_in_three_shows_null_where_it_is_allowed() {
    let (connection, _) = filled("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)");
    assert_eq!(
        number(&connection, "SELECT count(*) FROM t WHERE a IS NULL"),
        1
    );
}

#[test]
fn parents_are_filled_first_and_composite_references_are_kept() {
    let (connection, unfilled) = filled(
        "CREATE TABLE a_child (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, item TEXT NOT NULL, FOREIGN KEY (owner, item) REFERENCES items (owner, id));
         CREATE TABLE items (id TEXT PRIMARY KEY, owner TEXT NOT NULL REFERENCES owners (id), UNIQUE (owner, id));
         CREATE TABLE owners (id TEXT PRIMARY KEY);",
    );
    assert_eq!(unfilled, []);
    assert_eq!(
        number(&connection, "SELECT count(DISTINCT owner) FROM a_child"),
        3
    );
}

#[test]
fn trees_have_a_root_and_a_required_reference_to_itself_is_kept() {
    check(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, up INTEGER REFERENCES t (id))",
        "up IS NULL OR up < id OR up >= id",
    );
    check(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, up INTEGER NOT NULL REFERENCES t (id))",
        "up IN (SELECT id FROM t)",
    );
}

#[test]
fn circles_are_closed_through_null_or_at_the_end() {
    check(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, o INTEGER NOT NULL REFERENCES o (id));
         CREATE TABLE o (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t (id));",
        "1",
    );
    check(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, o INTEGER NOT NULL REFERENCES o (id));
         CREATE TABLE o (id INTEGER PRIMARY KEY, t INTEGER NOT NULL REFERENCES t (id));",
        "1",
    );
}

#[test]
fn lists_ranges_lengths_and_classes_are_kept() {
    check(
        "CREATE TABLE t (a TEXT NOT NULL CHECK (a IN ('x', 'y')))",
        "a IN ('x', 'y')",
    );
    check(
        "CREATE TABLE t (a INTEGER NOT NULL CHECK (a BETWEEN 40 AND 42))",
        "a BETWEEN 40 AND 42",
    );
    check(
        "CREATE TABLE t (a INTEGER NOT NULL CHECK (a > 1000 AND a <= 2000))",
        "1",
    );
    check(
        "CREATE TABLE t (a TEXT PRIMARY KEY CHECK (length(a) = 36))",
        "length(a) = 36",
    );
    check(
        "CREATE TABLE t (a BLOB PRIMARY KEY CHECK (typeof(a) = 'blob' AND length(a) = 16)) STRICT",
        "1",
    );
    check("CREATE TABLE t (a CHECK (typeof(a) = 'real'))", "1");
}

#[test]
fn patterns_are_kept() {
    check(
        "CREATE TABLE t (a TEXT NOT NULL UNIQUE CHECK (a LIKE '%_@_%.__%'))",
        "1",
    );
    check(
        "CREATE TABLE t (a TEXT NOT NULL UNIQUE CHECK (a LIKE 'usr\\_%' ESCAPE '\\' OR a LIKE 'usr_%'))",
        "1",
    );
    check(
        "CREATE TABLE t (a TEXT NOT NULL UNIQUE CHECK (a GLOB '[a-z][0-9][0-9]-*'))",
        "1",
    );
    check(
        "CREATE TABLE t (a TEXT NOT NULL UNIQUE CHECK (length(a) = 32 AND a NOT GLOB '*[^0-9a-f]*'))",
        "length(a) = 32",
    );
    check(
        "CREATE TABLE t (a TEXT NOT NULL UNIQUE CHECK (a = lower(a) AND instr(a, '@') > 1))",
        "1",
    );
    check(
        "CREATE TABLE t (a TEXT NOT NULL CHECK (a GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]' AND date(a) IS a))",
        "1",
    );
}

#[test]
fn json_is_json_of_the_type_that_is_asked_for() {
    check(
        "CREATE TABLE t (a TEXT NOT NULL CHECK (json_valid(a)))",
        "json_valid(a)",
    );
    check(
        "CREATE TABLE t (a TEXT NOT NULL CHECK (json_valid(a) AND json_type(a) = 'array'))",
        "json_type(a) = 'array'",
    );
    check(
        "CREATE TABLE t (a TEXT CHECK (json_type(a, '$.kind') = 'text'))",
        "a IS NULL OR json_type(a, '$.kind') = 'text'",
    );
    check(
        "CREATE TABLE t (a TEXT NOT NULL DEFAULT '[]')",
        "json_type(a) = 'array'",
    );
    check(
        "CREATE TABLE t (metadata TEXT NOT NULL)",
        "json_type(metadata) = 'object'",
    );
    check(
        "CREATE TABLE t (a TEXT NOT NULL CHECK (a ->> '$.size' > 10))",
        "1",
    );
}

#[test]
fn times_are_of_the_kind_that_the_default_has() {
    check(
        "CREATE TABLE t (a TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        "a IS datetime(a)",
    );
    check(
        "CREATE TABLE t (a INTEGER NOT NULL DEFAULT (unixepoch()))",
        "date(a, 'unixepoch') >= '2026-01-01'",
    );
    check(
        "CREATE TABLE t (a INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)))",
        "date(a / 1000, 'unixepoch') >= '2026-01-01'",
    );
}

#[test]
fn columns_that_are_compared_with_each_other_are_found() {
    check(
        "CREATE TABLE t (starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, CHECK (ends_at > starts_at))",
        "ends_at > starts_at",
    );
    check(
        "CREATE TABLE t (a TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, b TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, CHECK (a < b))",
        "a < b",
    );
    check(
        "CREATE TABLE t (a INTEGER NOT NULL, b INTEGER NOT NULL, CHECK (b - a BETWEEN 500 AND 600))",
        "1",
    );
    check(
        "CREATE TABLE t (kind TEXT NOT NULL CHECK (kind IN ('card', 'cash')), digits TEXT, CHECK (kind = 'cash' AND digits IS NULL OR kind = 'card' AND length(digits) = 4))",
        "1",
    );
    check(
        "CREATE TABLE t (stage TEXT NOT NULL, closed INTEGER, CHECK (stage IN ('open', 'won')), CHECK ((stage = 'won') = (closed IS NOT NULL)))",
        "1",
    );
    check(
        "CREATE TABLE t (a TEXT, b TEXT, c TEXT, CHECK ((a IS NOT NULL) + (b IS NOT NULL) + (c IS NOT NULL) = 1))",
        "1",
    );
}

#[test]
fn unique_indexes_over_expressions_and_conditions_are_kept() {
    check(
        "CREATE TABLE t (email TEXT NOT NULL, active INTEGER NOT NULL CHECK (active IN (0, 1)));
         CREATE UNIQUE INDEX t_email ON t (lower(email)) WHERE active = 1;
         CREATE UNIQUE INDEX t_one ON t (active, substr(email, -1));",
        "1",
    );
    check(
        "CREATE TABLE t (a TEXT NOT NULL CHECK (a IN ('x', 'y')), b INTEGER NOT NULL CHECK (b IN (0, 1)), UNIQUE (a, b))",
        "1",
    );
}

#[test]
fn a_conflict_clause_of_the_schema_removes_no_row() {
    check(
        "CREATE TABLE t (a INTEGER PRIMARY KEY ON CONFLICT REPLACE, b TEXT NOT NULL UNIQUE ON CONFLICT IGNORE)",
        "1",
    );
}

#[test]
fn a_table_with_room_for_one_row_counts_as_filled() {
    let (connection, unfilled) =
        filled("CREATE TABLE t (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT)");
    assert_eq!(unfilled, []);
    assert_eq!(number(&connection, "SELECT count(*) FROM t"), 1);
}

#[test]
fn a_table_that_takes_no_row_says_which_constraint_refused() {
    let (_, unfilled) =
        filled("CREATE TABLE t (a INTEGER NOT NULL, CONSTRAINT never CHECK (a > 5 AND a < 5))");
    assert_eq!(
        unfilled[0].reason,
        "every row that was tried is refused (CHECK constraint failed: never)"
    );
    let connection = opened("CREATE TABLE t (a INTEGER NOT NULL REFERENCES nowhere (id))");
    let schema = catalog::read(&connection).unwrap();
    let unfilled = fill(&connection, &schema, &schema, &[Name::new("t")], 3, 7).unwrap();
    assert!(
        unfilled[0].reason.contains("no such table: main.nowhere"),
        "{}",
        unfilled[0].reason
    );
}

#[test]
fn what_triggers_refuse_is_looked_for_elsewhere() {
    check(
        "CREATE TABLE t (age INTEGER NOT NULL);
         CREATE TRIGGER adults BEFORE INSERT ON t WHEN NEW.age < 18 BEGIN SELECT RAISE(ABORT, 'too young'); END;",
        "age >= 18",
    );
    check(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE t (id INTEGER PRIMARY KEY, who TEXT NOT NULL);
         CREATE TRIGGER known BEFORE INSERT ON t WHEN NOT EXISTS (SELECT 1 FROM users WHERE name = NEW.who)
         BEGIN SELECT RAISE(ABORT, 'unknown'); END;",
        "who IN (SELECT name FROM users)",
    );
    let (_, unfilled) = filled(
        "CREATE TABLE t (a INTEGER NOT NULL);
         CREATE TRIGGER closed BEFORE INSERT ON t BEGIN SELECT RAISE(ABORT, 'nothing comes in'); END;",
    );
    assert_eq!(
        unfilled[0].reason,
        "every row that was tried is refused (nothing comes in)"
    );
}

#[test]
fn rows_are_such_that_a_later_file_takes_them() {
    let later = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL CHECK (a IN ('new', 'old')), b INTEGER NOT NULL CHECK (b > 100), c TEXT);
        CREATE UNIQUE INDEX t_b ON t (b);";
    let (connection, unfilled) = filled_for(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER)",
        later,
    );
    assert_eq!(unfilled, []);
    let good = "SELECT count(DISTINCT b) FROM t WHERE a IN ('new', 'old') AND b > 100";
    assert_eq!(number(&connection, good), 3);
}

#[test]
fn plans_are_kept_and_rows_that_are_there_stay() {
    let connection = opened(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE NOT NULL); INSERT INTO t VALUES (1, 't.a 2');",
    );
    let schema = catalog::read(&connection).unwrap();
    let mut filler = Filler::new(1).unwrap();
    for rows in [3, 5] {
        let unfilled = filler
            .fill(&connection, &schema, &schema, &[Name::new("t")], rows)
            .unwrap();
        assert_eq!(unfilled, []);
    }
    assert_eq!(number(&connection, "SELECT count(*) FROM t"), 5);
    assert_eq!(
        number(
            &connection,
            "SELECT count(*) FROM t WHERE id = 1 AND a = 't.a 2'"
        ),
        1
    );
    assert_eq!(filler.plans.len(), 1);
}

#[test]
fn every_table_of_the_healthy_schemas_takes_rows() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/data/correct");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let migrations = entry.unwrap().path().join("migrations");
        if !migrations.is_dir() {
            continue;
        }
        let source = crate::source::open(&migrations).unwrap();
        let replay = crate::replay::Replay::of(&source, 7).unwrap();
        let unfilled = replay.empty.ours(|connection| {
            let tables: Vec<Name> = replay.schema.tables.keys().cloned().collect();
            let unfilled = fill(connection, &replay.schema, &replay.schema, &tables, 3, 7).unwrap();
            assert_clean(connection);
            unfilled
        });
        assert_eq!(unfilled, [], "{}", migrations.display());
        seen += 1;
    }
    assert!(seen >= 19);
}
