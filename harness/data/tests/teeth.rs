//! Every rule and every criterion is seen to fail on a database that breaks it, and to stay silent on one that breaks something else.
//! Never judges a database that is meant to be correct: that is `variants.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot set itself up has failed, and its figures are for whoever runs it"
)]

use moltproof_data::rule::book;
use moltproof_data::teeth::{Bench, Catalogue, Deviant, Judged, Sign};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows and searches are drawn by it; any other one must give the same verdicts.
const SEED: u64 = 1;

/// The texts of the catalogue as they lie in the repository.
fn catalogue() -> Catalogue {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/data");
    let mut texts = Vec::new();
    for folder in ["correct", "deviants", "not_found_yet"] {
        read(&root, &root.join(folder), &mut texts);
    }
    texts.sort();
    let texts: Vec<(&str, &str)> = texts
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    Catalogue::of(&texts).unwrap_or_else(|malformed| panic!("{malformed}"))
}

fn read(root: &Path, folder: &Path, texts: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, texts);
        } else {
            let name = path.strip_prefix(root).unwrap().to_string_lossy();
            texts.push((name.into_owned(), std::fs::read_to_string(&path).unwrap()));
        }
    }
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

/// Of how many deviants one is judged here, where nothing is optimised: `moltproof teeth --profile data` judges all of them.
const ONE_OF: usize = 5;

/// What became of each of these deviants.
fn judged<'c>(
    catalogue: &'c Catalogue,
    deviants: impl Iterator<Item = &'c Deviant>,
) -> Vec<(&'c Deviant, Judged)> {
    let deviants: Vec<&Deviant> = deviants.collect();
    if deviants.is_empty() {
        return Vec::new();
    }
    let bench = Bench::of(catalogue, SEED);
    let outcomes = side_by_side(&deviants, |deviant| bench.deviant(deviant).unwrap());
    deviants.into_iter().zip(outcomes).collect()
}

/// From how many databases each rule must be known: one could be known by chance.
const DEVIANTS_OF_A_RULE: usize = 2;

#[test]
fn every_rule_of_the_book_has_deviants() {
    let catalogue = catalogue();
    let states = |id: &str| {
        let deviants = catalogue.listed(false);
        deviants
            .filter(|deviant| deviant.rules.contains(id))
            .count()
    };
    let short: Vec<String> = book::rules()
        .iter()
        .filter(|rule| states(&rule.id) < DEVIANTS_OF_A_RULE)
        .map(|rule| format!("{} has {}", rule.id, states(&rule.id)))
        .collect();
    assert!(short.is_empty(), "{}", short.join(", "));
}

#[test]
fn what_is_not_found_yet_is_listed_only_as_long() {
    let catalogue = catalogue();
    let found: Vec<&str> = judged(&catalogue, catalogue.listed(true))
        .into_iter()
        .filter(|(_, judged)| judged.missed.is_empty() && judged.blamed.is_empty())
        .map(|(deviant, _)| deviant.id.as_str())
        .collect();
    assert!(
        found.is_empty(),
        "found by now; move them to ../deviants: {}",
        found.join(", ")
    );
}

#[test]
fn one_deviant_of_five_is_found_by_what_it_breaks_and_by_nothing_else() {
    let catalogue = catalogue();
    let all = judged(&catalogue, catalogue.listed(false).step_by(ONE_OF));
    let mut report = String::new();
    let (mut survived, mut falsely_blamed) = (0, 0);
    for (deviant, judged) in &all {
        survived += usize::from(!judged.missed.is_empty());
        falsely_blamed += usize::from(!judged.blamed.is_empty());
        if !judged.missed.is_empty() || !judged.blamed.is_empty() {
            let missed: Vec<String> = judged
                .missed
                .iter()
                .map(|(id, instead)| format!("{id} ({instead})"))
                .collect();
            let also: Vec<String> = judged.blamed.iter().map(told).collect();
            let _infallible = writeln!(
                report,
                "{} ({})\n  not found: {}\n  also said: {}",
                deviant.id,
                deviant.breaks,
                missed.join(", "),
                also.join(", ")
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

fn told(sign: &Sign) -> String {
    format!("{} ({}: {})", sign.id, sign.object, sign.saw)
}

/// A healthy database and one deviant of it, which states what is given here.
fn one_deviant(states: &str, change: &str) -> Result<Catalogue, String> {
    let deviant = format!(
        "[[deviant]]\nid = \"one\"\nsays = \"It breaks.\"\nbase = \"notes\"\n{states}\n{change}"
    );
    let sql = "CREATE TABLE users (id INTEGER PRIMARY KEY);
        CREATE TABLE notes (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE);
        CREATE INDEX notes_by_author ON notes (author);";
    let texts = [
        ("correct/README.md", "| `notes` | integer keys |"),
        ("correct/notes/data.toml", ""),
        ("correct/notes/migrations/0001_notes.sql", sql),
        ("deviants/one.toml", deviant.as_str()),
    ];
    Catalogue::of(&texts).map_err(|malformed| malformed.to_string())
}

/// The change that takes the index away.
const WITHOUT_INDEX: &str = "[[deviant.change]]\nfile = \"0001_notes.sql\"\nfrom = \"CREATE INDEX notes_by_author ON notes (author);\"\nto = \"\"";

#[test]
fn what_another_rule_says_does_not_count_as_found() {
    let catalogue = one_deviant("rules = [\"FK-02\"]", WITHOUT_INDEX).unwrap();
    let judged = &judged(&catalogue, catalogue.listed(false))[0].1;
    assert!(judged.found.is_empty());
    assert_eq!(judged.missed["FK-02"], "it finds nothing");
    let blamed: Vec<&str> = judged.blamed.iter().map(|sign| sign.id.as_str()).collect();
    assert_eq!(blamed, ["FK-03", "PAT-015"]);
    let sign = &judged.blamed[0];
    assert_eq!(sign.at.as_deref(), Some("0001_notes.sql:2"));
    assert!(!sign.sentence.is_empty() && !sign.saw.is_empty());
}

#[test]
fn a_deviant_is_found_when_all_that_it_states_is_said_and_nothing_else() {
    let states = "rules = [\"FK-03\"]\ncriteria = [\"PAT-015\"]";
    let catalogue = one_deviant(states, WITHOUT_INDEX).unwrap();
    let judged = &judged(&catalogue, catalogue.listed(false))[0].1;
    assert!(judged.missed.is_empty() && judged.blamed.is_empty());
    assert_eq!(judged.found.len(), 2);
}

#[test]
fn a_deviant_that_does_not_fit_its_base_is_a_mistake_of_the_catalogue() {
    let elsewhere = WITHOUT_INDEX.replace("notes_by_author", "notes_by_title");
    let why = one_deviant("rules = [\"FK-03\"]", &elsewhere).unwrap_err();
    assert!(why.contains("exactly once"), "{why}");
    let nothing = one_deviant("", WITHOUT_INDEX).unwrap_err();
    assert_eq!(nothing, "one: it must state a rule or a criterion");
}
