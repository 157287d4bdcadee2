//! `db lint`, `db check` and `db explain` as a user starts them: exit codes, forms, suppressions, baselines, what a change brought. Never judges single rules.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod program;

use program::{Ran, run};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const FIRST: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE posts (
  id INTEGER PRIMARY KEY,
  author_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE
);
CREATE INDEX posts_by_author ON posts (author_id);
";

/// Empties `posts` where it is applied to tables with rows.
const REBUILD: &str =
    "CREATE TABLE users_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT);
INSERT INTO users_new (id, name) SELECT id, name FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
";

fn migrations() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("migrations")).unwrap();
    write(&place, "migrations/0001_first.sql", FIRST);
    write(&place, "migrations/0002_email.sql", REBUILD);
    place
}

fn write(place: &tempfile::TempDir, name: &str, text: &str) {
    fs::write(place.path().join(name), text).unwrap();
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[test]
fn an_error_is_shown_with_its_statement_what_it_hits_and_a_proof() {
    let place = migrations();
    let ran = run(place.path(), &["lint"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in [
        "error[MIG-02]",
        "migrations/0002_email.sql:3:1",
        "DROP TABLE users;",
        "migrations/0001_first.sql:4:",
        "SELECT count(*) FROM \"posts\"; -- 0",
        "1 error and 0 warnings in 2 files",
    ] {
        assert!(ran.out.contains(part), "no `{part}` in:\n{}", ran.out);
    }
    assert!(!ran.out.contains('\u{1b}'), "colours go to terminals only");
    for line in ran.out.lines() {
        assert!(line.chars().count() <= 80, "wider than 80 columns: {line}");
    }
}

#[test]
fn short_work_says_nothing_of_its_progress_and_quiet_changes_no_report() {
    let place = migrations();
    for verb in ["lint", "check"] {
        let ran = run(place.path(), &[verb]);
        assert_eq!(ran.err, "");
        for option in ["-q", "--quiet"] {
            let quiet = run(place.path(), &[verb, option]);
            assert_eq!(quiet.err, "");
            assert_eq!((quiet.code, &quiet.out), (ran.code, &ran.out), "{verb}");
        }
    }
}

#[test]
fn where_nothing_is_found_it_is_said_what_was_judged() {
    let place = migrations();
    fs::remove_file(place.path().join("migrations/0002_email.sql")).unwrap();
    let ran = run(place.path(), &["lint", "--strict"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out
            .starts_with("nothing found in 1 file and 2 tables, by "),
        "{}",
        ran.out
    );
}

#[test]
fn a_comment_with_a_reason_allows_a_finding_and_one_without_does_not() {
    let place = migrations();
    let allowing = |reason: &str| {
        let drop = format!("-- moltproof: allow MIG-02{reason}\nDROP TABLE");
        REBUILD.replace("DROP TABLE", &drop)
    };
    write(
        &place,
        "migrations/0002_email.sql",
        &allowing(" the table has no rows yet"),
    );
    let allowed = run(place.path(), &["lint", "--strict"]);
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    assert!(
        allowed.out.contains("1 allowed by a comment or a claim"),
        "{}",
        allowed.out
    );
    write(&place, "migrations/0002_email.sql", &allowing(""));
    let bare = run(place.path(), &["lint"]);
    assert_eq!(bare.code, Some(1), "{bare:?}");
    assert!(bare.out.contains("SUP-01"), "{}", bare.out);
    write(
        &place,
        "migrations/0002_email.sql",
        "-- moltproof: allow MIG-02 it was there once\nSELECT 1;\n",
    );
    let unused = run(place.path(), &["lint", "--strict"]);
    assert_eq!(unused.code, Some(1), "{unused:?}");
    assert!(unused.out.contains("SUP-02"), "{}", unused.out);
}

#[test]
fn a_baseline_knows_findings_by_a_reason_and_fails_when_it_knows_nothing() {
    let place = migrations();
    let known = ["lint", "--baseline", "known.toml"];
    let made = run(
        place.path(),
        &["lint", "--baseline", "known.toml", "--update-baseline"],
    );
    assert_eq!(made.code, Some(0), "{made:?}");
    let text = fs::read_to_string(place.path().join("known.toml")).unwrap();
    assert_eq!(
        run(place.path(), &known).code,
        Some(1),
        "an entry without a reason knows nothing"
    );
    write(
        &place,
        "known.toml",
        &text.replace("reason = \"\"", "reason = \"released with empty tables\""),
    );
    let ran = run(place.path(), &known);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("1 known by the baseline"), "{}", ran.out);
    fs::remove_file(place.path().join("migrations/0002_email.sql")).unwrap();
    let stale = run(place.path(), &known);
    assert_eq!(stale.code, Some(5), "{stale:?}");
    assert!(
        stale.out.contains("matches no finding any more"),
        "{}",
        stale.out
    );
}

fn git(folder: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn since_a_revision_only_what_changed_files_bring_counts() {
    let place = migrations();
    git(place.path(), &["init", "-q"]);
    git(place.path(), &["add", "."]);
    git(place.path(), &["commit", "-q", "-m", "first"]);
    let none = run(place.path(), &["lint", "--since", "HEAD"]);
    assert_eq!(none.code, Some(0), "{none:?}");
    write(
        &place,
        "migrations/0003_more.sql",
        "CREATE TABLE pages (id INTEGER PRIMARY KEY, author REFERENCES authors(id));\n",
    );
    let new = json(&run(
        place.path(),
        &["lint", "--since", "HEAD", "--format", "json"],
    ));
    let rules: Vec<&str> = new["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["rule"].as_str().unwrap())
        .collect();
    assert!(
        rules.contains(&"FK-01") && !rules.contains(&"MIG-02"),
        "{rules:?}"
    );
    write(
        &place,
        "migrations/0001_first.sql",
        &FIRST.replace("name TEXT NOT NULL", "name TEXT"),
    );
    let edited = run(place.path(), &["lint", "--since", "HEAD"]);
    assert!(edited.out.contains("error[MIG-11]"), "{}", edited.out);
    let unknown = run(place.path(), &["lint", "--since", "v9"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.err.contains("fetch-depth: 0"), "{}", unknown.err);
}

#[test]
fn sarif_names_the_rule_the_place_and_what_it_is_known_again_by() {
    let place = migrations();
    let log = json(&run(place.path(), &["lint", "--format", "sarif"]));
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "MIG-02");
    let location = &result["locations"][0]["physicalLocation"];
    assert_eq!(
        location["artifactLocation"]["uri"],
        "migrations/0002_email.sql"
    );
    assert_eq!(location["region"]["startLine"], 3);
    let fingerprint = result["partialFingerprints"]["moltproofRuleAndObject/v1"].clone();
    write(
        &place,
        "migrations/0002_email.sql",
        &format!("\n\n{REBUILD}"),
    );
    let moved = json(&run(place.path(), &["lint", "--format", "sarif"]));
    let moved = &moved["runs"][0]["results"][0];
    assert_eq!(
        moved["locations"][0]["physicalLocation"]["region"]["startLine"],
        5
    );
    assert_eq!(
        moved["partialFingerprints"]["moltproofRuleAndObject/v1"],
        fingerprint
    );
}

#[test]
fn annotations_and_junit_point_at_the_line() {
    let place = migrations();
    let github = run(place.path(), &["lint", "--format", "github"]);
    assert!(
        github
            .out
            .starts_with("::error file=migrations/0002_email.sql,line=3,col=1,title=MIG-02::"),
        "{}",
        github.out
    );
    let junit = run(place.path(), &["lint", "--format", "junit"]);
    assert!(
        junit.out.contains("migrations/0002_email.sql:3:1"),
        "{}",
        junit.out
    );
}

#[test]
fn a_rebuild_that_empties_children_breaks_the_contract_too() {
    let place = migrations();
    let ran = run(place.path(), &["check", "--criterion", "PAT-016"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("BROKEN"), "{}", ran.out);
    let prose = ran.out.lines().filter(|line| !line.contains(" | "));
    for line in prose.skip(1) {
        assert!(line.chars().count() <= 80, "wider than 80 columns: {line}");
    }
    let junit = run(place.path(), &["check", "--format", "junit"]);
    assert_eq!(junit.code, Some(1), "{junit:?}");
    for part in ["<testcase name=\"PAT-016\"", "<failure", "<skipped"] {
        assert!(junit.out.contains(part), "no `{part}` in:\n{}", junit.out);
    }
}

#[test]
fn a_rule_that_does_not_exist_is_refused_and_each_that_does_is_explained() {
    let place = tempfile::tempdir().unwrap();
    let unknown = run(place.path(), &["explain", "XYZ-99"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    let known = run(place.path(), &["explain", "mig-02"]);
    for part in ["MIG-02", "Broken:", "error[MIG-02]", "Repair:", "Mended:"] {
        assert!(known.out.contains(part), "no `{part}` in:\n{}", known.out);
    }
}
