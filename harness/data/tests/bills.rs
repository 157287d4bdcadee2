//! What `db check` says that declared writes cost, and what becomes of a bound. Never judges a criterion.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod program;

use program::{Ran, run};
use serde_json::{Value, json};
use std::fs;

const SCHEMA: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE);
CREATE TABLE lines (id INTEGER PRIMARY KEY, note INTEGER NOT NULL REFERENCES notes(id) ON DELETE CASCADE);
CREATE INDEX lines_by_note ON lines (note);
";

/// Runs `check` with these arguments on a folder whose `data.toml` declares one write with this bound.
fn check(bound: &str, arguments: &[&str]) -> Ran {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("migrations")).unwrap();
    fs::write(place.path().join("migrations/0001_all.sql"), SCHEMA).unwrap();
    let claims = format!(
        "[[write]]\nname = \"make a note of one line\"\nparameters = [[\"new\"], [\"new\"]]\n{bound}\n\
         sql = [\"INSERT INTO notes VALUES (?1, 'title ' || ?1)\", \"INSERT INTO lines VALUES (?1, ?1)\"]\n"
    );
    fs::write(place.path().join("data.toml"), claims).unwrap();
    run(
        place.path(),
        &[&["check", "--quiet", "migrations"], arguments].concat(),
    )
}

#[test]
fn a_write_is_told_with_what_it_writes_table_by_table() {
    let ran = check("", &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let said = "  make a note of one line: 4 rows written (`lines` 1 and 1 in its indexes,\n  `notes` 1 and 1 in its indexes)\n";
    assert!(ran.out.ends_with(said), "{}", ran.out);
}

#[test]
fn a_write_that_writes_more_than_it_declares_ends_with_exit_code_1_and_is_told_in_the_first_line() {
    let held = check("rows_written = 4", &[]);
    assert_eq!(held.code, Some(0), "{}", held.out);
    assert!(held.out.contains("  held    make a note"), "{}", held.out);
    let broken = check("rows_written = 3", &[]);
    assert_eq!(broken.code, Some(1), "{}", broken.out);
    let first = broken.out.lines().next().unwrap();
    let said = "not verified; 1 declared write writes more than declared";
    assert!(first.ends_with(said), "{first}");
    assert!(broken.out.contains("  BROKEN  make"), "{}", broken.out);
    assert!(broken.out.contains("rows_written = 3"), "{}", broken.out);
}

#[test]
fn programs_are_told_the_same() {
    let ran = check("rows_written = 3", &["--format", "json"]);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let one = json!({ "rows": 1, "index_entries": 1 });
    assert_eq!(
        told["writes"],
        json!([{
            "write": "make a note of one line", "rows_written": 4, "tables": { "lines": one, "notes": one },
            "reason": null, "allowed": 3, "outcome": "broken",
        }])
    );
    let junit = check("rows_written = 3", &["--format", "junit"]).out;
    let case = "<testcase name=\"rows_written of make a note of one line\"";
    assert!(junit.contains(case), "{junit}");
    assert!(junit.contains("failures=\"1\""), "{junit}");
}

#[test]
fn a_bound_that_is_no_number_of_rows_is_bad_input() {
    for bound in ["0", "-1", "\"few\"", "1.5", "5000000000"] {
        let ran = check(&format!("rows_written = {bound}"), &[]);
        assert_eq!(ran.code, Some(2), "{bound}: {}", ran.out);
        assert!(ran.err.contains("rows_written"), "{bound}: {}", ran.err);
    }
}
