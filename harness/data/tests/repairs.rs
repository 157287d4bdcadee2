//! `db fix`, `db infer` and `db diff` as a user starts them. Never judges single rules.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod program;

use program::run;
use std::fs;
use std::path::Path;

const FIRST: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE posts (id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE);
";

fn migrations() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("migrations")).unwrap();
    fs::write(place.path().join("migrations/0007_first.sql"), FIRST).unwrap();
    place
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn a_repair_is_a_new_migration_after_which_its_finding_is_gone() {
    let place = migrations();
    let printed = run(place.path(), &["fix"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(printed.out.contains("CREATE INDEX"), "{}", printed.out);
    assert_eq!(
        fs::read_dir(place.path().join("migrations"))
            .unwrap()
            .count(),
        1
    );
    let before = run(place.path(), &["lint", "--strict"]);
    assert_eq!(before.code, Some(1), "{before:?}");
    let written = run(place.path(), &["fix", "--write", "--name", "indexes"]);
    assert_eq!(written.code, Some(0), "{written:?}");
    assert_eq!(
        read(place.path(), "migrations/0008_indexes.sql"),
        printed.out
    );
    assert_eq!(read(place.path(), "migrations/0007_first.sql"), FIRST);
    let after = run(place.path(), &["lint", "--strict"]);
    assert_eq!(after.code, Some(0), "{after:?}");
}

#[test]
fn a_guessed_section_is_written_once() {
    let place = migrations();
    let first = run(place.path(), &["infer", "--output", "data.toml"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    let text = read(place.path(), "data.toml");
    assert!(text.contains("users = \"users\""), "{text}");
    let second = run(place.path(), &["infer", "--output", "data.toml"]);
    assert_eq!(second.code, Some(2));
    assert!(second.err.contains("--force"), "{}", second.err);
    let checked = run(place.path(), &["check"]);
    assert!(
        checked.err.contains("data.toml"),
        "the claims are not found: {checked:?}"
    );
}

#[test]
fn drift_is_told_and_ends_with_1() {
    let place = migrations();
    fs::write(
        place.path().join("now.sql"),
        FIRST.replace(" NOT NULL);", ");"),
    )
    .unwrap();
    let same = run(
        place.path(),
        &["diff", "migrations", "migrations/0007_first.sql"],
    );
    assert_eq!(same.code, Some(0), "{same:?}");
    let drift = run(place.path(), &["diff", "migrations", "now.sql"]);
    assert_eq!(drift.code, Some(1), "{drift:?}");
    assert!(
        drift.out.contains("~ column users.name differs"),
        "{}",
        drift.out
    );
    assert!(
        drift
            .out
            .ends_with("1 difference between migrations (-) and now.sql (+)\n"),
        "{}",
        drift.out
    );
    let json = run(
        place.path(),
        &["diff", "migrations", "now.sql", "--format", "json"],
    );
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["differences"][0]["object"], "column users.name");
}
