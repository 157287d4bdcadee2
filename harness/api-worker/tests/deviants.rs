//! Every deviant of the data layer is blamed on its criterion and on no other, and what keeps the criteria raises no alarm. Never starts an API worker.
//!
//! Each is judged by its own criteria, and one of five by all others as well.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use moltproof_api_worker::teeth::Said;
use moltproof_api_worker::teeth::layers::{Bench, By, CRITERIA, Catalogue, Layer};
use moltproof_api_worker::{Cause, Stop};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many deviants each of them must have.
const DEVIANTS_MIN: usize = 8;

/// One of how many deviants is judged by the criteria of others as well.
const BLAMED_ONE_OF: usize = 5;

/// The texts in a folder of the repository with this ending, by name, each after `below`.
fn texts(folder: &str, below: &str, ending: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let entries = fs::read_dir(root.join(folder).join(below)).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (format!("{below}{name}"), fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn pairs(texts: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    let texts = texts.iter();
    texts
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect()
}

fn catalogue() -> Catalogue {
    let mut own = BTreeMap::new();
    for below in ["", "seeds/", "queries/"] {
        own.append(&mut texts("migrations/api-worker", below, "sql"));
    }
    let lists = texts("fixtures/api-worker-deviants", "", "toml");
    Catalogue::of(&pairs(&own), &pairs(&lists)).unwrap()
}

/// Judges all layers by their own criteria, and one of so many by all, as many at once as there are processors.
fn judged(layers: &[Layer], in_full_one_of: usize) -> Vec<(&Layer, Vec<Said>)> {
    let bench = Bench::start().unwrap();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _thread in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(layer) = layers.get(number) else {
                        break;
                    };
                    let by = if number % in_full_one_of == 0 {
                        By::All
                    } else {
                        By::Own
                    };
                    let said = bench.judge(layer, by).unwrap();
                    done.lock().unwrap().push((layer, said));
                }
            });
        }
    });
    done.into_inner().unwrap()
}

/// The sentences that ended so, with what was seen, by criterion.
fn ended(said: &[Said], is_so: impl Fn(&Stop) -> bool) -> BTreeMap<&str, String> {
    let stops = said.iter().filter_map(|one| {
        let stop = one.outcome.as_ref().err().filter(|stop| is_so(stop))?;
        Some((
            one.aspect.criterion,
            format!("{}: {stop}", one.aspect.sentence),
        ))
    });
    stops.collect()
}

fn blamed(said: &[Said]) -> BTreeMap<&str, String> {
    ended(said, |stop| matches!(stop, Stop::Violated(_)))
}

fn faults(said: &[Said]) -> BTreeMap<&str, String> {
    ended(said, |stop| matches!(stop, Stop::Fault(_)))
}

#[test]
fn every_deviant_is_blamed_on_its_criterion_and_on_no_other() {
    let catalogue = catalogue();
    let mut wrong = Vec::new();
    for (deviant, said) in judged(&catalogue.deviants, BLAMED_ONE_OF) {
        let blamed = blamed(&said);
        let red: BTreeSet<&str> = blamed.keys().copied().collect();
        let wanted: BTreeSet<&str> = deviant.criteria.iter().map(String::as_str).collect();
        if red != wanted || !faults(&said).is_empty() {
            wrong.push(format!("{}: wanted {wanted:?}: {said:#?}", deviant.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Of API-004 a layer has the guard of its prices alone: what else breaks it stands between callers and a worker.
    for criterion in CRITERIA.into_iter().filter(|id| *id != "API-004") {
        let own = catalogue
            .deviants
            .iter()
            .filter(|deviant| deviant.criteria.contains(criterion));
        assert!(
            own.count() >= DEVIANTS_MIN,
            "too few deviants of {criterion}"
        );
    }
}

#[test]
fn what_keeps_the_criteria_raises_no_alarm() {
    let catalogue = catalogue();
    assert!(catalogue.variants.len() >= 2, "too few variants");
    let mut wrong = Vec::new();
    for (variant, said) in judged(&catalogue.variants, 1) {
        // What a layer does not offer is not judged; what a criterion at fault hides is suspect.
        let unmet = ended(&said, |stop| {
            matches!(
                stop,
                Stop::Unmet {
                    cause: Cause::Criterion(_),
                    ..
                }
            )
        });
        let is_silent = blamed(&said).is_empty() && faults(&said).is_empty() && unmet.is_empty();
        let held: BTreeSet<&str> = said
            .iter()
            .filter(|one| one.outcome.is_ok())
            .map(|one| one.aspect.criterion)
            .collect();
        if !is_silent || held.len() + 1 < CRITERIA.len() {
            wrong.push(format!("{}: {said:#?}", variant.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
