//! An option that would change nothing beside the others is refused with a sentence, never passed over. Never judges a database.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod program;

use program::run;
use std::fs;

/// A folder with a migration and a database.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("migrations")).unwrap();
    let sql = "CREATE TABLE users (id INTEGER PRIMARY KEY);";
    fs::write(place.path().join("migrations/0001_first.sql"), sql).unwrap();
    let database = rusqlite::Connection::open(place.path().join("app.sqlite")).unwrap();
    database.execute_batch(sql).unwrap();
    place
}

#[track_caller]
fn refused(arguments: &[&str], words: &[&str]) {
    let place = place();
    let ran = run(place.path(), arguments);
    assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
    assert_eq!(ran.out, "", "{arguments:?}");
    for word in words {
        assert!(ran.err.contains(word), "no `{word}` in: {}", ran.err);
    }
}

#[test]
fn what_leads_to_a_binding_needs_one() {
    for verb in ["lint", "check", "infer", "fix"] {
        for option in ["--env", "--config", "--persist-to"] {
            refused(
                &[verb, "migrations", option, "x"],
                &[
                    "error: ",
                    option,
                    "no binding is named",
                    "--wrangler BINDING",
                ],
            );
        }
    }
    refused(
        &["diff", "migrations", "migrations", "--env", "staging"],
        &["--env", "no binding is named", "wrangler:BINDING"],
    );
}

#[test]
fn a_level_is_for_the_text_alone() {
    refused(
        &["lint", "--level", "info", "--format", "json"],
        &["--level", "all levels"],
    );
}

#[test]
fn an_update_of_the_baseline_takes_all_findings_and_prints_none() {
    for others in [
        ["--format", "json"],
        ["--output", "lint.txt"],
        ["--level", "info"],
        ["--rule", "FK-03"],
        ["--since", "HEAD"],
    ] {
        let start = ["lint", "--baseline", "known.toml", "--update-baseline"];
        refused(
            &[&start[..], &others].concat(),
            &["--update-baseline", others[0]],
        );
    }
}

#[test]
fn a_database_has_no_revisions() {
    refused(
        &["lint", "app.sqlite", "--since", "HEAD"],
        &["--since", "database"],
    );
}

#[test]
fn one_rule_is_told_as_markdown_too() {
    let place = place();
    let ran = run(place.path(), &["explain", "MIG-02", "--format", "markdown"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("## MIG-02\n"), "{}", ran.out);
    assert_eq!(ran.out.matches("\n## ").count(), 0, "{}", ran.out);
}
