//! Every rule and every criterion is seen to fail on a database that breaks it, and to stay silent on one that breaks something else.
//! Never judges a database that is meant to be correct: that is `variants.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot set itself up has failed, and its figures are for whoever runs it"
)]

use moltproof_data::check::{self, Outcome};
use moltproof_data::claims::Data;
use moltproof_data::rule;
use moltproof_data::source::{Kind, Source};
use moltproof_data::subject::Subject;
use moltproof_data::text::File;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows and searches are drawn by it; any other one must give the same verdicts.
const SEED: u64 = 1;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    deviant: Vec<Deviant>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviant {
    id: String,
    says: String,
    base: Option<String>,
    #[serde(default)]
    rules: BTreeSet<String>,
    #[serde(default)]
    criteria: BTreeSet<String>,
    #[serde(default)]
    change: Vec<Change>,
    #[serde(default)]
    add: Vec<Added>,
    #[serde(default)]
    remove: Vec<String>,
    claims: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    file: String,
    from: String,
    to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    file: String,
    sql: String,
}

/// What is said of a database: findings by rule and object, and criteria that are broken.
#[derive(Debug, Default, Clone)]
struct Said {
    findings: BTreeSet<(String, String)>,
    broken: BTreeMap<String, String>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/data")
}

fn deviants(folder: &str) -> Vec<Deviant> {
    let mut all = Vec::new();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(fixtures().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let catalogue: Catalogue =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        all.extend(catalogue.deviant);
    }
    all
}

/// The files and claims of a base.
fn base(name: &str) -> (BTreeMap<String, String>, String) {
    let folder = fixtures().join("correct").join(name);
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join("migrations")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        files.insert(name, std::fs::read_to_string(path).unwrap());
    }
    (
        files,
        std::fs::read_to_string(folder.join("data.toml")).unwrap(),
    )
}

/// The files and claims of a deviant.
fn build(deviant: &Deviant) -> (BTreeMap<String, String>, String) {
    let (mut files, mut claims) = deviant.base.as_deref().map(base).unwrap_or_default();
    for change in &deviant.change {
        let text = if change.file == "data.toml" {
            &mut claims
        } else {
            files
                .get_mut(&change.file)
                .unwrap_or_else(|| panic!("{}: its base has no file {}", deviant.id, change.file))
        };
        assert_eq!(
            text.matches(&change.from).count(),
            1,
            "{}: `{}` must stand in {} exactly once",
            deviant.id,
            change.from,
            change.file
        );
        *text = text.replace(&change.from, &change.to);
    }
    for name in &deviant.remove {
        assert!(
            files.remove(name).is_some(),
            "{}: its base has no file {name}",
            deviant.id
        );
    }
    for added in &deviant.add {
        files.insert(added.file.clone(), added.sql.clone());
    }
    (files, deviant.claims.clone().unwrap_or(claims))
}

fn judge((files, claims): (BTreeMap<String, String>, String)) -> Said {
    let mut source = Source {
        shown: "migrations".to_owned(),
        kind: Kind::Migrations,
        ..Source::default()
    };
    for (name, text) in files {
        source.files.push(File {
            path: name.clone().into(),
            text: text.trim_start_matches('\u{feff}').into(),
            name,
        });
    }
    let subject = Subject::of(source, Data::parse(&claims).unwrap(), SEED).unwrap();
    let findings = rule::judge(&subject)
        .into_iter()
        .map(|finding| (finding.rule.to_owned(), finding.object))
        .collect();
    let mut said = Said {
        findings,
        ..Said::default()
    };
    for aspect in check::aspects() {
        if let Outcome::Broken(broken) = (aspect.judge)(&subject) {
            let first = broken
                .first()
                .map(|one| format!("{}: {}", one.object, one.saw));
            said.broken
                .insert(aspect.criterion.to_owned(), first.unwrap_or_default());
        }
    }
    said
}

/// What is said of a deviant and not of its base, held against what it states.
fn differences(deviant: &Deviant, bases: &BTreeMap<String, Said>) -> (Vec<String>, Vec<String>) {
    let before = deviant
        .base
        .as_ref()
        .and_then(|name| bases.get(name))
        .cloned()
        .unwrap_or_default();
    let said = judge(build(deviant));
    let rules: BTreeSet<String> = said
        .findings
        .difference(&before.findings)
        .map(|(rule, _)| rule.clone())
        .collect();
    let criteria: BTreeSet<String> = said
        .broken
        .keys()
        .filter(|id| !before.broken.contains_key(*id))
        .cloned()
        .collect();
    let survived = deviant
        .rules
        .difference(&rules)
        .chain(deviant.criteria.difference(&criteria))
        .cloned()
        .collect();
    let blamed = rules
        .difference(&deviant.rules)
        .chain(criteria.difference(&deviant.criteria))
        .map(|id| {
            said.broken
                .get(id)
                .map_or_else(|| id.clone(), |saw| format!("{id} ({saw})"))
        })
        .collect();
    (survived, blamed)
}

/// Runs work on all items by as many threads as there are processors.
fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((place, item)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    items.get(place).map(|item| (place, item))
                } {
                    let outcome = work(item);
                    done.lock().unwrap().push((place, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// The deviants of a folder, with what was missed and what was said too much of each.
fn judged(folder: &str) -> Vec<(Deviant, Vec<String>, Vec<String>)> {
    let deviants = deviants(folder);
    let ids: BTreeSet<&str> = deviants.iter().map(|deviant| deviant.id.as_str()).collect();
    assert_eq!(ids.len(), deviants.len(), "two deviants have one id");
    let names: Vec<String> = deviants
        .iter()
        .filter_map(|deviant| deviant.base.clone())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let said = side_by_side(&names, |name| judge(base(name)));
    let bases: BTreeMap<String, Said> = names.into_iter().zip(said).collect();
    let outcomes = side_by_side(&deviants, |deviant| differences(deviant, &bases));
    let both = deviants.into_iter().zip(outcomes);
    both.map(|(deviant, (missed, blamed))| (deviant, missed, blamed))
        .collect()
}

#[test]
fn what_is_not_found_yet_is_listed_only_as_long() {
    let found: Vec<String> = judged("not_found_yet")
        .into_iter()
        .filter(|(_, missed, blamed)| missed.is_empty() && blamed.is_empty())
        .map(|(deviant, ..)| deviant.id)
        .collect();
    assert!(
        found.is_empty(),
        "found by now; move them to ../deviants: {}",
        found.join(", ")
    );
}

#[test]
fn every_deviant_is_found_by_what_it_breaks_and_by_nothing_else() {
    let all = judged("deviants");
    let mut report = String::new();
    let (mut survived, mut falsely_blamed) = (0, 0);
    for (deviant, missed, blamed) in &all {
        survived += usize::from(!missed.is_empty());
        falsely_blamed += usize::from(!blamed.is_empty());
        if !missed.is_empty() || !blamed.is_empty() {
            let _infallible = writeln!(
                report,
                "{} ({})\n  not found: {}\n  also said: {}",
                deviant.id,
                deviant.says,
                missed.join(", "),
                blamed.join(", ")
            );
        }
    }
    let count = all.len();
    println!(
        "{} of {count} deviants found by name, {} of {count} with no false blame",
        count - survived,
        count - falsely_blamed
    );
    assert!(count > 0, "there are no deviants");
    assert!(report.is_empty(), "\n{report}");
}
