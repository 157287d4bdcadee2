//! The documents' own SQL: each of its known mistakes is found, by the rule or the criterion that is there for it. Never holds SQL that nobody printed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use moltproof_data::check::{Outcome, aspects};
use moltproof_data::claims::{Data, From};
use moltproof_data::rule::judge;
use moltproof_data::source::{Kind, Source, folder};
use moltproof_data::subject::Subject;
use moltproof_data::text::File;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the documents.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/data/documents")
}

/// A mistake: its number, the folder that makes it, what it is about, and what must find it.
struct Mistake {
    number: String,
    fixture: String,
    object: String,
    finders: Vec<String>,
}

fn mistakes() -> Vec<Mistake> {
    let text = fs::read_to_string(root().join("expected.tsv")).unwrap();
    let lines = text.lines().skip(1).map(|line| {
        let cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let Ok([number, fixture, object, finders, _]) = <[String; 5]>::try_from(cells) else {
            panic!("not five cells: {line}");
        };
        let finders = finders.split(',').filter(|id| *id != "-");
        Mistake {
            number,
            fixture,
            object,
            finders: finders.map(str::to_owned).collect(),
        }
    });
    lines.collect()
}

/// One file of SQL.
fn script(path: &Path) -> Source {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap().into();
    let path = path.to_owned();
    Source {
        shown: name.clone(),
        files: vec![File { name, path, text }],
        kind: Kind::Script,
        ..Source::default()
    }
}

/// What was found in a folder: rule or criterion, and object.
fn found(fixture: &str) -> BTreeSet<(String, String)> {
    let folder_of = root().join(fixture);
    let manifest = fs::read_to_string(folder_of.join("data.toml")).unwrap();
    let claims = Data::parse(&manifest).unwrap_or_else(|error| panic!("{fixture}: {error}"));
    let source = match claims.from.as_ref().unwrap() {
        From::Migrations(path) => folder(&folder_of.join(path)).unwrap(),
        From::File(path) => script(&folder_of.join(path)),
        From::Wrangler(_) | From::Rest(_) => panic!("{fixture} is neither folder nor file"),
    };
    let subject = Subject::of(source, claims, 7).unwrap();
    let rules = judge(&subject)
        .into_iter()
        .map(|finding| (finding.rule.to_owned(), finding.object));
    let criteria = aspects().iter().flat_map(|aspect| {
        let Outcome::Broken(ways) = (aspect.judge)(&subject) else {
            return Vec::new();
        };
        let of_this =
            |way: &moltproof_data::check::Broken| (aspect.criterion.to_owned(), way.object.clone());
        ways.iter().map(of_this).collect()
    });
    rules.chain(criteria).collect()
}

#[test]
fn the_two_documents_make_28_mistakes_that_sql_can_show() {
    let numbers: BTreeSet<String> = mistakes().into_iter().map(|one| one.number).collect();
    assert_eq!(numbers.len(), 28);
}

#[test]
fn each_mistake_is_found_by_each_rule_and_criterion_that_is_there_for_it() {
    let mut all: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    let mut missed = String::new();
    for mistake in mistakes() {
        let found = all
            .entry(mistake.fixture.clone())
            .or_insert_with(|| found(&mistake.fixture));
        for id in &mistake.finders {
            let is_it = |(rule, object): &(String, String)| {
                let rest = object.strip_prefix(mistake.object.as_str());
                rule == id && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            };
            if !found.iter().any(is_it) {
                let elsewhere: Vec<&str> = found
                    .iter()
                    .filter(|(rule, _)| rule == id)
                    .map(|(_, object)| object.as_str())
                    .collect();
                let (number, fixture, object) =
                    (&mistake.number, &mistake.fixture, &mistake.object);
                let others = elsewhere.join(", ");
                writeln!(
                    missed,
                    "{number} {fixture}: {id} not on {object} (on: {others})"
                )
                .unwrap();
            }
        }
    }
    assert!(missed.is_empty(), "{missed}");
}
