//! What the rules of migrations say of a few files. Never reads a file of a disk.

use crate::claims::Data;
use crate::finding::{Finding, Level};
use crate::rule::Judge;
use crate::source::{Kind, Source};
use crate::subject::Subject;
use crate::text::File;
use std::path::PathBuf;
use std::sync::Arc;

/// What a judge finds in these files, each a name and a text.
pub(super) fn findings(judge: Judge, files: &[(&str, &str)]) -> Vec<Finding> {
    let file = |(name, text): &(&str, &str)| File {
        name: (*name).to_owned(),
        path: PathBuf::from(name),
        text: Arc::from(*text),
    };
    let source = Source {
        files: files.iter().map(file).collect(),
        kind: Kind::Migrations,
        ..Source::default()
    };
    let subject = Subject::of(source, Data::default(), 1).expect("the copy can be used");
    let mut findings = Vec::new();
    judge(&subject, &mut findings);
    findings
}

/// The ids of what a judge finds in these files.
pub(super) fn found(judge: Judge, files: &[(&str, &str)]) -> Vec<&'static str> {
    let findings = findings(judge, files);
    findings.into_iter().map(|finding| finding.rule).collect()
}

/// The objects of the errors among what a judge finds.
fn errors(judge: Judge, files: &[(&str, &str)]) -> Vec<String> {
    let findings = findings(judge, files).into_iter();
    let errors = findings.filter(|finding| finding.level == Level::Error);
    errors.map(|finding| finding.object).collect()
}

#[test]
fn a_name_that_is_taken_is_told_in_every_file_that_nothing_before_it_would_mend() {
    let files = [
        (
            "1.sql",
            "CREATE TABLE calls (id INTEGER PRIMARY KEY, kind TEXT, model TEXT);",
        ),
        (
            "2.sql",
            "ALTER TABLE calls ADD COLUMN kind TEXT; ALTER TABLE calls ADD COLUMN model TEXT;",
        ),
        ("3.sql", "ALTER TABLE calls ADD COLUMN kind TEXT;"),
        ("4.sql", "CREATE TABLE calls (id INTEGER);"),
        ("5.sql", "UPDATE lines SET size = 1;"),
    ];
    let told = errors(super::applying::does_not_apply, &files);
    assert_eq!(told, ["file 2.sql", "file 3.sql", "file 4.sql"]);
}
