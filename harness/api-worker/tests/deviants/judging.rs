//! What every criterion says of an entry. Never decides whether that is right.

use crate::catalogue::Entry;
use crate::target::Bench;
use moltproof_api_worker::{Cause, Stop, aspects};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The criteria that are judged here: by the files and by a database that was made of them.
pub(crate) const CRITERIA: [&str; 8] = [
    "API-001", "API-005", "API-006", "API-007", "API-011", "API-012", "API-013", "API-014",
];

/// What was said of a target: by criterion the first sentence that does not hold, with what was seen.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) held: BTreeSet<&'static str>,
    pub(crate) blamed: BTreeMap<&'static str, String>,
    pub(crate) faults: Vec<String>,
    pub(crate) unmet: Vec<String>,
}

/// Whether a criterion may judge this entry otherwise than the repository's own files: whether anything differs that it looks at.
fn is_touched(criterion: &str, entry: &Entry) -> bool {
    let files = match criterion {
        "API-006" | "API-012" => ["", "seeds/"].as_slice(),
        "API-011" => &["", "queries/"],
        "API-014" => &["", "seeds/"],
        _ => &[""],
    };
    entry.criteria.is_empty()
        || entry.route.is_some()
        || !entry.database.is_empty()
        || entry.changed.iter().any(|path| {
            let folder = path.find('/').map_or("", |at| &path[..=at]);
            files.contains(&folder)
        })
}

fn judged(bench: &Bench, entry: &Entry, is_in_full: bool) -> Said {
    let target = bench.target(entry);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut said = Said::default();
    let mine = aspects()
        .iter()
        .filter(|aspect| CRITERIA.contains(&aspect.criterion))
        .filter(|aspect| {
            let is_own = entry.criteria.contains(aspect.criterion);
            is_own || (is_in_full && is_touched(aspect.criterion, entry))
        });
    for aspect in mine {
        // Once a criterion is blamed, its other sentences add nothing.
        if said.blamed.contains_key(aspect.criterion) {
            continue;
        }
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

/// Judges all entries by their own criteria, and one of so many by all, as many at once as there are processors.
pub(crate) fn all(entries: &[Entry], in_full_one_of: usize) -> Vec<(&Entry, Said)> {
    let bench = Bench::start();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _thread in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(entry) = entries.get(number) else {
                        break;
                    };
                    let said = judged(&bench, entry, number % in_full_one_of == 0);
                    done.lock().unwrap().push((entry, said));
                }
            });
        }
    });
    done.into_inner().unwrap()
}
