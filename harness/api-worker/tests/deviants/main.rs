//! Every deviant of the data layer is blamed on its criterion and on no other, and what keeps the criteria raises no alarm. Never starts an API worker.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod catalogue;
mod target;

use catalogue::{Catalogue, Entry};
use moltproof_api_worker::{Cause, Stop, aspects};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use target::Bench;

/// The criteria that are judged here: by the files and by a database that was made of them.
const CRITERIA: [&str; 3] = ["API-005", "API-006", "API-012"];

/// How many deviants each of them must have.
const DEVIANTS_MIN: usize = 8;

/// What was said of a target: by criterion the first sentence that does not hold, with what was seen.
#[derive(Debug, Default)]
struct Said {
    held: BTreeSet<&'static str>,
    blamed: BTreeMap<&'static str, String>,
    faults: Vec<String>,
    unmet: Vec<String>,
}

fn judged(bench: &Bench, entry: &Entry) -> Said {
    let target = bench.target(entry);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut said = Said::default();
    let mine = aspects()
        .iter()
        .filter(|aspect| CRITERIA.contains(&aspect.criterion));
    for aspect in mine {
        let sentence = |what: &dyn std::fmt::Display| format!("{}: {what}", aspect.sentence);
        match runtime.block_on(aspect.judge(&target.subject)) {
            Ok(_saw) => {
                said.held.insert(aspect.sentence);
            }
            Err(Stop::Violated(violation)) => {
                said.blamed
                    .entry(aspect.criterion)
                    .or_insert_with(|| sentence(&violation));
            }
            Err(Stop::Unmet {
                cause: Cause::Capability(_),
                ..
            }) => {}
            Err(stop @ Stop::Unmet { .. }) => said.unmet.push(sentence(&stop)),
            Err(Stop::Fault(why)) => said.faults.push(sentence(&why)),
        }
    }
    said
}

/// Judges all entries, as many at once as there are processors.
fn all(entries: &[Entry]) -> Vec<(&Entry, Said)> {
    let bench = Bench::start();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _thread in 0..threads {
            scope.spawn(|| {
                while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let said = judged(&bench, entry);
                    done.lock().unwrap().push((entry, said));
                }
            });
        }
    });
    done.into_inner().unwrap()
}

#[test]
fn every_deviant_is_blamed_on_its_criterion_and_on_no_other() {
    let catalogue = Catalogue::read();
    let mut wrong = Vec::new();
    for (deviant, said) in all(&catalogue.deviants) {
        let blamed: BTreeSet<&str> = said.blamed.keys().copied().collect();
        let wanted: BTreeSet<&str> = deviant.criteria.iter().map(String::as_str).collect();
        if blamed != wanted || !said.faults.is_empty() {
            wrong.push(format!(
                "{}: wanted {wanted:?}, blamed {:#?}, faults {:?}, unmet {:?}",
                deviant.id, said.blamed, said.faults, said.unmet
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for criterion in CRITERIA {
        let own = catalogue
            .deviants
            .iter()
            .filter(|deviant| deviant.criteria.iter().any(|id| id == criterion));
        assert!(
            own.count() >= DEVIANTS_MIN,
            "too few deviants of {criterion}"
        );
    }
}

#[test]
fn what_keeps_the_criteria_raises_no_alarm() {
    let catalogue = Catalogue::read();
    assert!(catalogue.variants.len() >= 2, "too few variants");
    let mut wrong = Vec::new();
    for (variant, said) in all(&catalogue.variants) {
        let is_silent = said.blamed.is_empty() && said.faults.is_empty() && said.unmet.is_empty();
        let judged: BTreeSet<&str> = aspects()
            .iter()
            .filter(|aspect| said.held.contains(aspect.sentence))
            .map(|aspect| aspect.criterion)
            .collect();
        if !is_silent || judged.len() < CRITERIA.len() {
            wrong.push(format!("{}: {said:#?}", variant.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
