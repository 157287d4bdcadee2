//! `db check --deep`: hot queries on tables with many rows. Never fills a table with a million of them.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod program;

use program::{Ran, run};
use serde_json::Value;
use std::fs;
use std::path::Path;

const TABLES: &str =
    "CREATE TABLE authors (id TEXT PRIMARY KEY NOT NULL, email TEXT NOT NULL UNIQUE);
CREATE TABLE notes (
  id INTEGER PRIMARY KEY,
  author_id TEXT NOT NULL REFERENCES authors (id),
  kind TEXT NOT NULL CHECK (kind IN ('draft', 'final')),
  body TEXT NOT NULL,
  at INTEGER NOT NULL
);
CREATE INDEX notes_by_author ON notes (author_id, id);
CREATE INDEX notes_by_kind ON notes (kind, at);
";

/// Two kinds share all rows, so that it is the author by whom they are found, and then they are in no order.
const OF_A_KIND: &str = "[[data.query]]
name = \"of a kind\"
sql = \"SELECT id, body FROM notes WHERE kind = ?1 AND author_id = ?2 ORDER BY at LIMIT 20\"
parameters = [\"notes.kind\", \"notes.author_id\"]
hot = true
";

const OF_AN_AUTHOR: &str = "[[data.query]]
name = \"of an author\"
sql = \"SELECT notes.id, authors.email FROM notes JOIN authors ON authors.id = notes.author_id WHERE notes.author_id = ?1 ORDER BY notes.id LIMIT 20\"
parameters = [\"notes.author_id\"]
hot = true
";

fn check(tables: &str, claims: &str, more: &[&str]) -> Ran {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("migrations")).unwrap();
    fs::write(place.path().join("migrations/0001_first.sql"), tables).unwrap();
    fs::write(place.path().join("data.toml"), claims).unwrap();
    run(
        place.path(),
        &[&["check", "--claims", "data.toml"], more].concat(),
    )
}

const PAT_007: &[&str] = &["--criterion", "PAT-007"];
const DEEP: &[&str] = &["--criterion", "PAT-007", "--rows", "2000"];

#[test]
fn a_query_that_sorts_by_the_statistics_of_many_rows_is_found_with_many_rows_only() {
    let few = check(TABLES, OF_A_KIND, PAT_007);
    assert_eq!(few.code, Some(0), "{few:?}");
    let many = check(TABLES, OF_A_KIND, DEEP);
    assert_eq!(many.code, Some(1), "{many:?}");
    assert!(many.out.contains("USE TEMP B-TREE"), "{}", many.out);
}

#[test]
fn what_was_seen_with_many_rows_can_be_repeated_without_them() {
    let json = [DEEP, &["--format", "json"]].concat();
    let ran = check(TABLES, OF_A_KIND, &json);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let broken = &told["criteria"][0]["aspects"][1]["broken"][0];
    let repeat = broken["repeat"].as_array().unwrap();
    let (last, before) = repeat.split_last().unwrap();
    let database = rusqlite::Connection::open_in_memory().unwrap();
    database.execute_batch(TABLES).unwrap();
    for line in before {
        database.execute_batch(line.as_str().unwrap()).unwrap();
    }
    let mut statement = database.prepare(last.as_str().unwrap()).unwrap();
    let mut rows = statement.raw_query();
    let mut plan = String::new();
    while let Some(row) = rows.next().unwrap() {
        plan += &row.get::<_, String>(3).unwrap();
    }
    assert!(plan.contains("USE TEMP B-TREE"), "{plan}: {repeat:?}");
}

#[test]
fn a_healthy_query_passes_and_tells_how_many_rows_there_were() {
    let ran = check(
        TABLES,
        OF_AN_AUTHOR,
        &["--rows", "2000", "--format", "json"],
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let criteria = told["criteria"].as_array().unwrap();
    let hot = criteria
        .iter()
        .find(|criterion| criterion["id"] == "PAT-007");
    assert_eq!(hot.unwrap()["verdict"], "passed", "{}", ran.out);
    let cost = &told["costs"][0];
    for table in ["authors", "notes"] {
        let rows = cost["rows_held"][table].as_u64().unwrap();
        assert!((2_000..2_200).contains(&rows), "{cost}");
    }
    assert_eq!(cost["rows_scanned"], 0, "{cost}");
}

#[test]
fn a_query_that_reads_all_that_one_has_is_found() {
    let counts = "[data]
tenants = \"authors\"
tenant_key = \"author_id\"
[[data.query]]
name = \"how many\"
sql = \"SELECT count(*) FROM notes WHERE author_id = ?1\"
parameters = [\"tenant\"]
hot = true
";
    let ran = check(TABLES, counts, DEEP);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("with 2,000"), "{}", ran.out);
}

#[test]
fn a_table_that_takes_no_more_rows_is_not_verified_with_the_reason() {
    let tables = "CREATE TABLE plans (id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 3), name TEXT NOT NULL);";
    let one = "[[data.query]]
name = \"a plan\"
sql = \"SELECT name FROM plans WHERE id = ?1\"
parameters = [\"plans.id\"]
hot = true
";
    assert_eq!(check(tables, one, PAT_007).code, Some(0));
    let strict = [DEEP, &["--format", "json"]].concat();
    let ran = check(tables, one, &strict);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    for aspect in [1, 2] {
        let aspect = &told["criteria"][0]["aspects"][aspect];
        assert_eq!(aspect["outcome"], "not verified", "{aspect}");
        let reason = aspect["reason"].as_str().unwrap();
        assert!(
            reason.contains("`plans` does not hold 2,000 rows: CHECK"),
            "{reason}"
        );
    }
}

#[test]
fn tenants_keys_of_several_columns_and_long_keys_are_copied_with_their_references() {
    let tables = "CREATE TABLE tenants (id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36));
CREATE TABLE users (
  id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  UNIQUE (tenant_id, id)
);
CREATE TABLE members (
  tenant_id TEXT NOT NULL,
  user_id BLOB NOT NULL,
  chief_id BLOB,
  PRIMARY KEY (tenant_id, user_id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, chief_id) REFERENCES members (tenant_id, user_id)
) WITHOUT ROWID;
";
    let one = "[data]
tenants = \"tenants\"
tenant_key = \"tenant_id\"
[[data.query]]
name = \"a member\"
sql = \"SELECT chief_id FROM members WHERE tenant_id = ?1 AND user_id = ?2\"
parameters = [\"tenant\", \"members.user_id\"]
hot = true
";
    let ran = check(tables, one, &["--rows", "3000", "--format", "json"]);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let rows = told["costs"][0]["rows_held"]["members"].as_u64();
    assert!(rows.is_some_and(|rows| rows > 2_000), "{}", ran.out);
}

#[test]
fn numbers_of_rows_that_make_no_sense_are_refused() {
    for rows in ["0", "999", "-5", "many", "1e6", "10000001", ""] {
        let ran = check(TABLES, OF_AN_AUTHOR, &[&format!("--rows={rows}")]);
        assert_eq!(ran.code, Some(2), "{rows}: {ran:?}");
        assert_eq!(ran.out, "", "{rows}");
    }
}

#[test]
fn many_rows_without_the_criterion_that_they_are_for_are_refused() {
    for option in ["--deep", "--rows=2000"] {
        let ran = check(TABLES, OF_AN_AUTHOR, &["--criterion", "PAT-001", option]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains("PAT-007"), "{}", ran.err);
    }
}

#[test]
fn copies_stay_with_the_same_parents_where_a_trigger_ties_another_column_to_these() {
    let place =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/data/correct/entity_ledger");
    let ran = run(
        &place,
        &[&["check", "migrations", "--claims", "data.toml"], DEEP].concat(),
    );
    assert!(ran.out.contains("1 of 1 criteria hold"), "{ran:?}");
    assert!(!ran.out.contains("open "), "{}", ran.out);
}
