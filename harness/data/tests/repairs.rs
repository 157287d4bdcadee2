//! `db fix`, `db infer` and `db diff` as a user starts them. Never judges single rules.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod program;

use moltproof_data::claims::Data;
use moltproof_data::finding::{Finding, Level, Patch};
use moltproof_data::fix::fix;
use moltproof_data::rule::{book, judge};
use moltproof_data::source::{self, Kind, Source};
use moltproof_data::subject::Subject;
use moltproof_data::text::File;
use program::run;
use std::collections::BTreeSet;
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
fn a_repair_has_a_folder_of_its_own_where_migrations_have_one() {
    let place = tempfile::tempdir().unwrap();
    let first = place.path().join("migrations/20250914_first");
    fs::create_dir_all(&first).unwrap();
    fs::write(first.join("migration.sql"), FIRST).unwrap();
    let written = run(place.path(), &["fix", "--write", "--name", "indexes"]);
    assert_eq!(written.code, Some(0), "{written:?}");
    let second = read(place.path(), "migrations/20250915_indexes/migration.sql");
    assert!(second.contains("CREATE INDEX"), "{second}");
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

/// Files by name, as a source.
fn source(files: &[(String, String)], kind: Kind) -> Source {
    let files = files.iter().map(|(name, text)| File {
        name: name.clone(),
        path: name.into(),
        text: text.as_str().into(),
    });
    Source {
        files: files.collect(),
        kind,
        ..Source::default()
    }
}

fn subject(files: &[(String, String)], claims: &str, kind: Kind) -> Subject {
    Subject::of(source(files, kind), Data::parse(claims).unwrap(), 7).unwrap()
}

/// Findings by what they are known again by.
fn known(findings: &[Finding]) -> BTreeSet<(&'static str, String)> {
    findings
        .iter()
        .map(|finding| (finding.rule, finding.object.clone()))
        .collect()
}

/// What a repair cannot help: rows that are there already may be equal in what is to be unique from now on.
const UNAVOIDABLE: [(&str, &str); 1] = [("FK-02", "MIG-16")];

/// What is said once a repair was made that was not said before; and the finding itself, if it is still there.
fn left_over(finding: &Finding, before: &[Finding], after: &[Finding]) -> Vec<String> {
    let known = known(before);
    let is_left = |other: &&Finding| {
        (other.rule, &other.object) == (finding.rule, &finding.object)
            || !known.contains(&(other.rule, other.object.clone()))
    };
    let is_unavoidable = |other: &&Finding| !UNAVOIDABLE.contains(&(finding.rule, other.rule));
    let left = after.iter().filter(is_left).filter(is_unavoidable);
    let left = left.filter(|other| !is_told_of_a_check(other));
    left.map(|other| format!("{} {}: {}", other.rule, other.object, other.message))
        .collect()
}

/// The files with a repair in them or behind them, and the claims with a statement mended, in each way in which that can be.
fn mended(
    subject: &Subject,
    finding: &Finding,
    files: &[(String, String)],
    claims: &str,
) -> Vec<(Vec<(String, String)>, String)> {
    let mut files = files.to_vec();
    match finding.patch.as_ref().unwrap() {
        Patch::Replace { span, with } => {
            files[span.file.0].1.replace_range(span.range(), with);
            vec![(files, claims.to_owned())]
        }
        Patch::Migration { .. } | Patch::Rebuild { .. } => {
            let fix = fix(subject, std::slice::from_ref(finding), true);
            files.push(("9999_fix.sql".to_owned(), fix.migration));
            vec![(files, claims.to_owned())]
        }
        Patch::Statement { sql } => {
            let table: toml::Table = toml::from_str(claims).unwrap();
            let mut ways = Vec::new();
            for (section, entries) in &table {
                for place in 0..entries.as_array().map_or(0, Vec::len) {
                    for key in ["sql", "find", "add"] {
                        let mut changed = table.clone();
                        let Some(old) = changed[section][place].get_mut(key) else {
                            continue;
                        };
                        *old = if old.is_array() {
                            vec![sql.clone()].into()
                        } else {
                            sql.clone().into()
                        };
                        ways.push((files.clone(), toml::to_string(&changed).unwrap()));
                    }
                }
            }
            ways
        }
    }
}

#[test]
fn every_repair_of_a_rule_mends_its_example_and_breaks_nothing() {
    let mut wrong = Vec::new();
    let mut repairs = 0;
    for rule in book::rules().iter().filter(|rule| rule.fix) {
        let kind = if rule.script {
            Kind::Script
        } else {
            Kind::Migrations
        };
        let files = book::files(&rule.broken);
        let subject = self::subject(&files, &rule.claims, kind);
        let before = judge(&subject);
        let own = before.iter().filter(|finding| finding.rule == rule.id);
        for finding in own.filter(|finding| finding.patch.is_some()) {
            repairs += 1;
            let ways = mended(&subject, finding, &files, &rule.claims);
            let tried: Vec<Vec<String>> = ways
                .iter()
                .map(|(files, claims)| {
                    let after = judge(&self::subject(files, claims, kind));
                    left_over(finding, &before, &after)
                })
                .collect();
            if !tried.iter().any(Vec::is_empty) {
                let patch = finding.patch.as_ref().unwrap().sql();
                wrong.push(format!("{}: {tried:#?}\n{patch}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(repairs > 25, "only {repairs} repairs");
}

/// A repair that gives a column its first CHECK has to be told of rows that do not keep it, and of nothing else.
fn is_told_of_a_check(finding: &Finding) -> bool {
    finding.rule == "MIG-17" && finding.level == Level::Info
}

#[test]
fn all_repairs_of_a_healthy_schema_or_a_document_are_one_migration_that_loses_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/data");
    let mut wrong = Vec::new();
    let mut mended = 0;
    let mut folders: Vec<_> = ["correct", "documents"]
        .iter()
        .flat_map(|name| fs::read_dir(root.join(name)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("migrations").is_dir())
        .collect();
    folders.sort();
    for folder in folders {
        let claims = read(&folder, "data.toml");
        let source = source::folder(&folder.join("migrations")).unwrap();
        let mut files: Vec<(String, String)> = source
            .files
            .iter()
            .map(|file| (file.name.clone(), file.text.to_string()))
            .collect();
        let subject = self::subject(&files, &claims, Kind::Migrations);
        let before = judge(&subject);
        let fix = fix(&subject, &before, true);
        mended += fix.mended;
        files.push(("9999_fix.sql".to_owned(), fix.migration.clone()));
        let after = judge(&self::subject(&files, &claims, Kind::Migrations));
        let known = known(&before);
        let new: Vec<String> = after
            .iter()
            .filter(|finding| !known.contains(&(finding.rule, finding.object.clone())))
            .filter(|finding| !is_told_of_a_check(finding))
            .map(|finding| format!("{} {}: {}", finding.rule, finding.object, finding.message))
            .collect();
        if !new.is_empty() {
            wrong.push(format!("{}: {new:#?}\n{}", folder.display(), fix.migration));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(mended > 50, "only {mended} findings are mended");
}
