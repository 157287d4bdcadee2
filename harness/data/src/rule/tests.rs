//! The book against the judges: each example breaks its rule, each mended one does not. Never looks at a judge's inside.

use super::book::{self, Rule};
use super::{FAMILIES, judge, trial};
use crate::claims::Data;
use crate::finding::{Finding, Level, Patch};
use crate::source::{Kind, Source};
use crate::subject::Subject;
use crate::text::File;
use rusqlite::Connection;
use std::collections::BTreeSet;

/// A subject made of files by name and text.
pub(super) fn subject(files: &[(String, String)], claims: &str, kind: Kind) -> Subject {
    let files = files.iter().map(|(name, text)| File {
        name: name.clone(),
        path: name.into(),
        text: text.as_str().into(),
    });
    let source = Source {
        files: files.collect(),
        kind,
        ..Source::default()
    };
    let claims = Data::parse(claims).unwrap();
    Subject::of(source, claims, 7).unwrap()
}

/// What the rules find in one file.
pub(super) fn lint(sql: &str) -> Vec<Finding> {
    let files = [("0001.sql".to_owned(), sql.to_owned())];
    judge(&subject(&files, "", Kind::Migrations))
}

/// The ids of what was found, without those that only inform.
#[track_caller]
pub(super) fn check(sql: &str, expected: &[&str]) {
    let found = lint(sql);
    let ids: Vec<&str> = found
        .iter()
        .filter(|finding| finding.level > Level::Info)
        .map(|finding| finding.rule)
        .collect();
    assert_eq!(ids, expected, "{found:#?}");
}

fn example(rule: &Rule, sql: &str, claims: &str) -> Vec<Finding> {
    let claims = Data::parse(claims).unwrap();
    judge(&Subject::of(book::source(rule, sql), claims, 7).unwrap())
}

fn broken(rule: &Rule) -> Vec<Finding> {
    example(rule, &rule.broken, &rule.claims)
}

fn mended(rule: &Rule) -> Vec<Finding> {
    let claims = rule.mended_claims.as_ref().unwrap_or(&rule.claims);
    example(rule, &rule.mended, claims)
}

#[test]
fn every_judge_has_an_entry_in_the_book_and_every_entry_a_judge() {
    let judges: Vec<&str> = FAMILIES
        .iter()
        .copied()
        .flatten()
        .map(|(id, _)| *id)
        .collect();
    let entries: Vec<&str> = book::rules().iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(judges, entries);
}

#[test]
fn every_broken_example_breaks_its_rule_and_no_other_than_those_listed() {
    let mut wrong = Vec::new();
    for rule in book::rules() {
        let found = broken(rule);
        let ids: BTreeSet<&str> = found.iter().map(|finding| finding.rule).collect();
        let mut expected: BTreeSet<&str> = rule.also.iter().map(String::as_str).collect();
        expected.insert(&rule.id);
        if ids != expected {
            wrong.push(format!("{}: found {ids:?}, {found:#?}", rule.id));
        }
        let worst = found
            .iter()
            .filter(|finding| finding.rule == rule.id)
            .map(|finding| finding.level)
            .max();
        if worst != Some(rule.level) {
            wrong.push(format!("{}: level {worst:?}", rule.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_mended_example_breaks_its_rule_or_has_an_error() {
    let mut wrong = Vec::new();
    for rule in book::rules() {
        for finding in mended(rule) {
            if finding.rule == rule.id || finding.level == Level::Error {
                wrong.push(format!("{}: {finding:#?}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A statement of 100,000 bytes would be pasted by nobody, what D1 refuses a plain sqlite3 takes, and an edit is seen by git.
const PROVES_ITSELF: [&str; 3] = ["LIM-02", "MIG-07", "MIG-11"];

#[test]
fn every_finding_of_an_example_has_a_place_and_every_error_of_a_schema_a_proof() {
    let mut wrong = Vec::new();
    for rule in book::rules() {
        for finding in broken(rule)
            .iter()
            .filter(|finding| finding.rule == rule.id)
        {
            let needs_proof = finding.level == Level::Error && !PROVES_ITSELF.contains(&&*rule.id);
            if needs_proof && finding.proof.is_empty() {
                wrong.push(format!("{} has no proof", rule.id));
            }
            // What is declared stands in no file of SQL.
            if finding.at.is_none() && !finding.object.starts_with("query ") {
                wrong.push(format!("{} has no place", rule.id));
            }
            if rule.fix != finding.patch.is_some() {
                wrong.push(format!("{}: fix is {}", rule.id, rule.fix));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A database as the sqlite3 shell opens it, and a line as the shell runs it.
fn run_line(connection: &Connection, line: &str) -> rusqlite::Result<()> {
    if let Some((limit, number)) = trial::shell_limit(line) {
        connection.set_limit(limit, number)?;
        return Ok(());
    }
    if line.starts_with(".dbconfig ") {
        return Ok(());
    }
    connection.execute_batch(line)
}

#[test]
fn the_proof_of_an_error_fails_at_its_last_line_or_answers_what_it_says() {
    let mut proofs = 0;
    for rule in book::rules() {
        for finding in broken(rule)
            .iter()
            .filter(|finding| finding.rule == rule.id)
        {
            let Some((last, before)) = finding.proof.split_last() else {
                continue;
            };
            let connection = Connection::open_in_memory().unwrap();
            connection
                .pragma_update(None, "foreign_keys", true)
                .unwrap();
            for line in before {
                run_line(&connection, line)
                    .unwrap_or_else(|why| panic!("{}: {line}: {why}", rule.id));
            }
            if last.contains("; -- ") {
                run_line(&connection, last)
                    .unwrap_or_else(|why| panic!("{}: {last}: {why}", rule.id));
            } else {
                assert!(run_line(&connection, last).is_err(), "{}: {last}", rule.id);
            }
            proofs += 1;
        }
    }
    assert!(proofs > 5);
}

#[test]
fn a_patch_of_a_schema_applies_behind_the_files_and_mends_the_finding() {
    for rule in book::rules() {
        for finding in broken(rule)
            .iter()
            .filter(|finding| finding.rule == rule.id)
        {
            let Some(Patch::Migration { sql }) = &finding.patch else {
                continue;
            };
            let mut files = book::files(&rule.broken);
            files.push(("9999_patch.sql".to_owned(), sql.clone()));
            let kind = book::source(rule, &rule.broken).kind;
            let subject = subject(&files, &rule.claims, kind);
            let failed: Vec<_> = subject
                .replay
                .steps
                .iter()
                .filter_map(|step| step.failure.as_ref())
                .collect();
            assert!(failed.is_empty(), "{}: {sql}\n{failed:?}", rule.id);
            let again = judge(&subject);
            assert!(
                !again
                    .iter()
                    .any(|other| other.rule == rule.id && other.object == finding.object),
                "{}: {sql}\n{again:#?}",
                rule.id
            );
        }
    }
}

#[test]
fn a_serial_key_of_postgresql_is_no_rowid() {
    check(
        "CREATE TABLE notes (id serial PRIMARY KEY NOT NULL, body TEXT NOT NULL);",
        &["KEY-03"],
    );
    check(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, position serial, body TEXT NOT NULL);",
        &[],
    );
}
