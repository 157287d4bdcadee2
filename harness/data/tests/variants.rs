//! Healthy schemas of other habits: nothing of them fails, and no rule says more of them than is fair. Never holds a schema that breaks something.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use moltproof_data::catalog::Name;
use moltproof_data::check::{Outcome, aspects};
use moltproof_data::claims::Data;
use moltproof_data::finding::Level;
use moltproof_data::rows;
use moltproof_data::rule::judge;
use moltproof_data::source::folder;
use moltproof_data::subject::Subject;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The seed of rows: any other must do as well.
const SEED: u64 = 7;

/// The folders, by name.
fn variants() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/data/correct");
    let mut folders: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(folders.len() >= 14, "only {} variants", folders.len());
    folders
}

/// A variant with what it claims, applied.
fn subject(variant: &Path) -> Subject {
    let manifest = fs::read_to_string(variant.join("data.toml")).unwrap();
    let claims = Data::parse(&manifest)
        .unwrap_or_else(|error| panic!("{}: {error}", variant.join("data.toml").display()));
    let source = folder(&variant.join("migrations")).unwrap();
    Subject::of(source, claims, SEED).unwrap()
}

/// What every variant gets wrong, one line each; nothing if all is well.
fn complaints(find: impl Fn(&Path, &Subject, &mut String)) -> String {
    let mut all = String::new();
    for variant in variants() {
        let mut found = String::new();
        find(&variant, &subject(&variant), &mut found);
        if !found.is_empty() {
            let name = variant.file_name().unwrap().to_string_lossy();
            writeln!(all, "{name}\n{found}").unwrap();
        }
    }
    all
}

#[test]
fn every_file_applies_to_an_empty_database_and_to_one_with_rows() {
    let wrong = complaints(|_, subject, out| {
        let replay = &subject.replay;
        if let Some((file, step)) = replay.failed {
            let name = &subject.source.file(file).unwrap().name;
            writeln!(out, "  {name} fails: {:?}", replay.steps[step].failure).unwrap();
        }
        for (place, rows) in replay.with_rows.iter().enumerate() {
            let name = &subject.source.files[place].name;
            let Some(rows) = rows else { continue };
            for table in &rows.unfilled {
                writeln!(out, "  {name}: no rows for {table:?}").unwrap();
            }
            if let Some((step, failure)) = &rows.failure {
                writeln!(out, "  {name} fails with rows at {step}: {failure:?}").unwrap();
            }
            for effect in &rows.effects {
                writeln!(out, "  {name} takes rows: {effect:?}").unwrap();
            }
        }
    });
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_table_takes_rows() {
    let wrong = complaints(|_, subject, out| {
        let schema = subject.schema();
        let tables: Vec<Name> = schema
            .tables
            .values()
            .filter(|table| table.is_ordinary())
            .map(|table| table.name.clone())
            .collect();
        for seed in [1, 2] {
            let fill =
                |connection: &Connection| rows::fill(connection, schema, schema, &tables, 5, seed);
            for unfilled in subject.replay.empty.ours(fill).unwrap() {
                writeln!(out, "  {}: {}", unfilled.table, unfilled.reason).unwrap();
            }
        }
    });
    assert!(wrong.is_empty(), "{wrong}");
}

/// The lines of `expected.tsv`: rule and object.
fn expected(variant: &Path) -> BTreeSet<(String, String)> {
    let path = variant.join("expected.tsv");
    let text = fs::read_to_string(&path).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let [rule, object, why] = cells[..] else {
                panic!("{}: not three cells: {line}", path.display());
            };
            assert!(!why.is_empty(), "{}: no reason: {line}", path.display());
            (rule.to_owned(), object.to_owned())
        })
        .collect()
}

#[test]
fn no_rule_says_more_or_less_than_is_fair() {
    let wrong = complaints(|variant, subject, out| {
        let findings = judge(subject);
        let mut left = expected(variant);
        for finding in &findings {
            let known = left.remove(&(finding.rule.to_owned(), finding.object.clone()));
            if !known || finding.level == Level::Error {
                let (level, rule, object) = (finding.level, finding.rule, &finding.object);
                writeln!(out, "  {level} {rule} {object}: {}", finding.message).unwrap();
            }
        }
        for (rule, object) in left {
            writeln!(out, "  not found: {rule} {object}").unwrap();
        }
    });
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn no_criterion_is_broken() {
    let wrong = complaints(|_, subject, out| {
        for aspect in aspects() {
            if let Outcome::Broken(ways) = (aspect.judge)(subject) {
                for way in ways {
                    let (id, object) = (aspect.criterion, &way.object);
                    writeln!(out, "  {id} {object}: {} / {}", way.expected, way.saw).unwrap();
                    for line in &way.repeat {
                        writeln!(out, "      {line}").unwrap();
                    }
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn whatever_is_declared_is_judged() {
    let mut wrong = String::new();
    for variant in variants() {
        let name = variant.file_name().unwrap().to_string_lossy();
        let subject = subject(&variant);
        for aspect in aspects() {
            if let Outcome::NotVerified { reason, .. } = (aspect.judge)(&subject)
                && !reason.contains(" is declared")
            {
                writeln!(wrong, "{name} {}: {reason}", aspect.criterion).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
