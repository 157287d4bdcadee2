//! Sequences that are drawn from a seed, done at the target, and held against a model; one that does not hold is made small (`GEN-API`).
//! Never takes an expected value from anywhere but the model.

mod chats;
mod compare;
mod gates;
mod model;
mod operation;
mod play;
#[cfg(test)]
mod rehearsal;
mod small;

use crate::aspect::{Aspect, aspect};
use crate::outcome::{Judged, Need, Stop};
pub use crate::played::Finding;
use crate::played::Outcome;
use crate::subject::Subject;
use crate::witness::Tape;
use operation::{Operation, sequences};
use play::{Broken, Halt, Played, play};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// One sentence for each criterion that a sequence may break.
pub(crate) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-001",
        Jobs,
        "a drawn sequence of keys, chats, failures and clock steps leaves the usage and the messages that a model has",
        usage
    ),
    aspect!(
        "API-002",
        Jobs,
        "in a drawn sequence each key is let in, refused and counted as a model has it",
        keys
    ),
    aspect!(
        "API-003",
        Jobs,
        "in a drawn sequence each request is limited and counted as a model has it, whichever way the clock goes",
        limits
    ),
    aspect!(
        "API-004",
        Jobs,
        "in a drawn sequence of prices and chats each row costs what a model has",
        costs
    ),
    aspect!(
        "API-005",
        Jobs,
        "after a drawn sequence the summary of each user equals a model's rows",
        views
    ),
    aspect!(
        "API-008",
        Jobs,
        "in a drawn sequence the jobs sum and remove what a model has",
        jobs
    ),
    aspect!(
        "API-009",
        Jobs,
        "after a drawn sequence the audit has one entry for each change that a model has",
        entries
    ),
];

/// The seed of the sequence of every run, and how many operations it has.
const SEED: u64 = 358;
const OPERATIONS: usize = 96;

/// How many operations each sequence of a search has.
const SEARCHED: Range<usize> = 8..48;

/// What a search came to.
#[derive(Debug, Default)]
pub struct Searched {
    /// Sequences that were played to their end.
    pub cases: usize,
    /// Comparisons that were made and held.
    pub checks: usize,
    /// Requests that were answered.
    pub exchanges: usize,
    /// The first sequence that does not hold.
    pub found: Option<Finding>,
    /// Why no further one could be played, if none could.
    pub stopped: Option<Stop>,
}

/// A sequence that depends on nothing but a seed and a number.
fn drawn(seed: u64, number: usize, operations: Range<usize>) -> Result<Vec<Operation>, Stop> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&(number as u64).to_le_bytes());
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let tree = sequences(operations).new_tree(&mut TestRunner::new_with_rng(config, rng));
    let tree = tree.map_err(|why| Stop::Fault(format!("cannot draw a sequence: {why}")))?;
    Ok(tree.current())
}

/// Plays a sequence, and makes it small where it does not hold.
async fn judged(subject: &Subject, operations: Vec<Operation>) -> Outcome {
    let drawn = operations.len();
    let tape = Arc::new(Tape::before(subject.witness.clone()));
    let subject = &subject.witnessed(Arc::clone(&tape) as _);
    match play(subject, &operations).await {
        Err(stop)
        | Ok(Played {
            halted: Some((_, Halt::Stopped(stop))),
            ..
        }) => Outcome::Stopped(stop),
        Ok(Played {
            checks,
            exchanges,
            halted: None,
        }) => Outcome::Held {
            operations: drawn,
            checks,
            exchanges,
        },
        Ok(Played {
            halted: Some((at, Halt::Broken(broken))),
            ..
        }) => {
            let found = (broken, tape.take());
            let (operations, found) =
                small::smallest(subject, &tape, &operations[..at], found).await;
            let (broken, exchanged) = found;
            let Broken {
                criterion,
                expected,
                seen,
                ..
            } = broken;
            Outcome::Broken(Finding {
                criterion,
                expected,
                seen,
                operations: operations.iter().map(Operation::words).collect(),
                drawn,
                exchanged,
            })
        }
    }
}

/// Plays so many sequences of a seed, one after another, up to the first that does not hold.
pub async fn search(subject: &Subject, seed: u64, cases: usize) -> Searched {
    let _one = subject.turns.jobs.lock().await;
    let _shared = subject.turns.whole.read().await;
    let mut searched = Searched::default();
    for number in 0..cases {
        let outcome = match drawn(seed, number, SEARCHED) {
            Ok(operations) => judged(subject, operations).await,
            Err(stop) => Outcome::Stopped(stop),
        };
        match outcome {
            Outcome::Held {
                checks, exchanges, ..
            } => {
                searched.cases += 1;
                searched.checks += checks;
                searched.exchanges += exchanges;
            }
            Outcome::Broken(finding) => {
                searched.cases += 1;
                searched.found = Some(finding);
                break;
            }
            Outcome::Stopped(stop) => {
                searched.stopped = Some(stop);
                break;
            }
        }
    }
    searched
}

/// What the sequence of every run says of a criterion.
async fn said(subject: &Subject, criterion: &'static str) -> Judged {
    let mut mixed = subject.turns.mixed.0.lock().await;
    let is_known = mixed
        .as_mut()
        .is_some_and(|(_, looked)| looked.insert(criterion));
    if !is_known {
        let operations = drawn(SEED, 0, OPERATIONS..OPERATIONS + 1)?;
        let outcome = judged(subject, operations).await;
        *mixed = Some((outcome, BTreeSet::from([criterion])));
    }
    let outcome = mixed.as_ref().map(|(outcome, _)| outcome.clone());
    match outcome {
        Some(Outcome::Held {
            operations, checks, ..
        }) => Ok(format!(
            "{operations} operations of the seed {SEED} held in {checks} comparisons"
        )),
        Some(Outcome::Broken(finding)) if finding.criterion == criterion => {
            for exchanged in &finding.exchanged {
                if let Some(witness) = &subject.witness {
                    witness.keep(exchanged.clone());
                }
            }
            Err(Stop::breach(finding.expected.clone(), finding.to_string()))
        }
        Some(Outcome::Broken(finding)) => Err(Stop::unmet(finding.criterion, finding.to_string())),
        Some(Outcome::Stopped(stop)) => Err(stop),
        None => Err(Stop::Fault("no sequence was drawn".to_owned())),
    }
}

async fn usage(subject: &Subject) -> Judged {
    said(subject, "API-001").await
}

async fn keys(subject: &Subject) -> Judged {
    said(subject, "API-002").await
}

async fn limits(subject: &Subject) -> Judged {
    said(subject, "API-003").await
}

async fn costs(subject: &Subject) -> Judged {
    said(subject, "API-004").await
}

async fn views(subject: &Subject) -> Judged {
    if subject.database.is_none() {
        return Err(Stop::lacking(Need::Database));
    }
    said(subject, "API-005").await
}

async fn jobs(subject: &Subject) -> Judged {
    said(subject, "API-008").await
}

async fn entries(subject: &Subject) -> Judged {
    said(subject, "API-009").await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What has to happen in the sequence of every run, and how often at least.
    const HAPPENS: [(&str, usize); 19] = [
        ("rotated", 1),
        ("not rotated", 1),
        ("chats", 5),
        ("streams", 3),
        ("chats without tokens", 1),
        ("failures", 2),
        ("read", 2),
        ("unauthenticated", 2),
        ("limited", 2),
        ("forbidden", 1),
        ("quota exceeded", 1),
        ("priced", 2),
        ("not priced", 1),
        ("back", 1),
        ("removed", 2),
        ("days summed", 3),
        ("rows left", 6),
        ("costs left", 3),
        ("served", 12),
    ];

    fn lacks(seed: u64) -> Vec<String> {
        let operations = drawn(seed, 0, OPERATIONS..OPERATIONS + 1).unwrap();
        let happened = rehearsal::rehearsed(&operations);
        let lacking = HAPPENS.iter().filter_map(|(what, least)| {
            let count = happened.get(what).copied().unwrap_or_default();
            (count < *least).then(|| format!("{what}: {count} of {least}"))
        });
        lacking.collect()
    }

    #[test]
    fn in_the_sequence_of_every_run_everything_happens() {
        let lacking = lacks(SEED);
        let better = || (0..5_000).find(|seed| lacks(*seed).is_empty());
        assert!(
            lacking.is_empty(),
            "{lacking:?}; the seed {:?} has all",
            better()
        );
    }

    #[test]
    fn a_sequence_depends_on_its_seed_and_number_alone() {
        let of = |seed, number| drawn(seed, number, SEARCHED).unwrap();
        assert_eq!(of(SEED, 0), of(SEED, 0));
        assert_ne!(of(SEED, 0), of(SEED, 1));
        assert_ne!(of(SEED, 0), of(SEED + 1, 0));
    }
}
