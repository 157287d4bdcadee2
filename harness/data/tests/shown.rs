//! What `moltproof db` shows at 80 columns, as snapshots that are reviewed like code. Never judges single rules.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod program;

use program::run;
use std::fs;
use std::path::{Path, PathBuf};

fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/data/guide")
}

/// A folder of migrations: names and texts.
fn migrations(files: &[(&str, &str)]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("migrations")).unwrap();
    for (name, text) in files {
        fs::write(place.path().join("migrations").join(name), text).unwrap();
    }
    place
}

const USERS: (&str, &str) = (
    "0001_users.sql",
    "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL);\n",
);

/// What comes without a count that grows with the book of rules.
fn lint(folder: &Path, more: &[&str]) -> String {
    let ran = run(folder, &[&["lint"], more].concat());
    let rules = moltproof_data::rule::book::rules().len();
    let out = ran
        .out
        .replace(&format!("by {rules} rules"), "by [all] rules");
    format!("{out}{}ends with {}\n", ran.err, ran.code.unwrap())
}

#[test]
fn an_error_that_hits_another_file_and_a_warning_with_a_patch() {
    insta::assert_snapshot!(lint(&guide(), &[]));
}

#[test]
fn nothing_found() {
    insta::assert_snapshot!(lint(migrations(&[USERS]).path(), &["--strict"]));
}

#[test]
fn an_entry_of_the_baseline_that_matches_nothing_and_one_without_a_reason() {
    let place = migrations(&[USERS]);
    let baseline = "[[known]]\nrule = \"MIG-02\"\nobject = \"table posts\"\nreason = \"it was empty\"\n\n\
        [[known]]\nrule = \"FK-03\"\nobject = \"orders.user_id\"\nreason = \"\"\n";
    fs::write(place.path().join("known.toml"), baseline).unwrap();
    insta::assert_snapshot!(lint(place.path(), &["--baseline", "known.toml"]));
}

#[test]
fn a_comment_that_allows_a_finding_without_a_reason() {
    let pragma = "-- moltproof: allow MIG-08\nPRAGMA foreign_keys = OFF;\n";
    let place = migrations(&[USERS, ("0002_none.sql", pragma)]);
    insta::assert_snapshot!(lint(place.path(), &[]));
}

#[test]
fn a_check_with_something_broken_something_open_and_something_that_holds() {
    let ran = run(
        &guide(),
        &["check", "--criterion", "PAT-001,PAT-009,PAT-016"],
    );
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!(ran.out);
}

#[test]
fn a_rule_explained() {
    insta::assert_snapshot!(run(&guide(), &["explain", "MIG-02"]).out);
}

#[test]
fn the_help_of_every_verb() {
    let verbs = ["lint", "check", "diff", "infer", "fix", "explain"];
    for verb in verbs {
        let ran = run(&guide(), &[verb, "--help"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        insta::assert_snapshot!(format!("help_of_{verb}"), ran.out);
    }
}
