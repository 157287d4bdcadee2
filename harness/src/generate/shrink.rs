//! Draws cases from a seed, runs them, and makes the first that does not hold as small as it can be. Never decides what holds.

use super::stage::{Broken, Halt, Held};
use crate::clock;
use crate::evidence::Exchange;
use crate::verdict::Stop;
use futures_util::StreamExt as _;
use futures_util::stream;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// Most runs of smaller cases. Evidence: a sequence of 24 actions is down to its two or three that matter after 30 to 60.
const TRIES_MAX: usize = 300;

/// Longest time spent on making a case smaller: it is a convenience, and the case found stands without it.
const SHRINKING_MAX: Duration = Duration::from_secs(90);

/// A case as its reader sees it.
pub(super) trait Told {
    /// What is done, one line each, in order.
    fn lines(&self) -> Vec<String>;
}

/// Runs one case.
pub(super) trait Check<T> {
    /// Runs it from a fresh beginning.
    async fn check(&self, case: &T) -> Tried;
}

/// How one run of a case went.
pub(super) struct Tried {
    /// Whether it held.
    pub(super) held: Held,
    /// Assertions that were made and held.
    pub(super) checks: usize,
    /// What was exchanged.
    pub(super) exchanges: Vec<Arc<Exchange>>,
}

/// A case that does not hold, made small.
#[derive(Debug)]
pub(super) struct Smallest {
    /// What it breaks.
    pub(super) broken: Broken,
    /// What is done, one line each.
    pub(super) lines: Vec<String>,
    /// How many lines the case had as it was drawn.
    pub(super) drawn: usize,
    /// What was exchanged, in order.
    pub(super) exchanges: Vec<Arc<Exchange>>,
}

/// What became of all cases.
#[derive(Debug, Default)]
pub(super) struct Searched {
    /// Cases that were run to their end, smaller ones not counted.
    pub(super) cases: usize,
    /// Assertions that were made and held.
    pub(super) checks: usize,
    /// Exchanges with the target.
    pub(super) exchanges: usize,
    /// The first case that does not hold.
    pub(super) broken: Option<Smallest>,
    /// Why the others could not be judged, if one could not.
    pub(super) stopped: Option<Stop>,
}

/// How cases are drawn and run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawing {
    /// Seed of this kind of case.
    pub(super) seed: u64,
    /// How many.
    pub(super) cases: usize,
    /// How many are run side by side.
    pub(super) side_by_side: usize,
}

/// A tree of a drawn value.
type Tree<S> = <S as Strategy>::Tree;

/// A generator that depends on nothing but a seed and a number.
fn runner(seed: u64, number: usize) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&(number as u64).to_le_bytes());
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// The cases of a seed: the first `n` are the same however many are drawn.
fn draw<S: Strategy>(strategy: &S, drawing: Drawing) -> Result<Vec<Tree<S>>, Stop> {
    (0..drawing.cases)
        .map(|number| {
            strategy
                .new_tree(&mut runner(drawing.seed, number))
                .map_err(|why| Stop::Fault(format!("cannot draw a case: {why}")))
        })
        .collect()
}

/// Runs the drawn cases in their order, some side by side, up to the first that does not hold, and makes that one small.
pub(super) async fn search<S, C>(strategy: &S, drawing: Drawing, check: &C) -> Searched
where
    S: Strategy,
    S::Value: Told,
    C: Check<S::Value>,
{
    match draw(strategy, drawing) {
        Ok(trees) => run_all(trees, drawing.side_by_side, check).await,
        Err(stop) => Searched {
            stopped: Some(stop),
            ..Searched::default()
        },
    }
}

/// As [`search`], of trees that are already there.
pub(super) async fn run_all<V, C>(mut trees: Vec<V>, side_by_side: usize, check: &C) -> Searched
where
    V: ValueTree,
    V::Value: Told,
    C: Check<V::Value>,
{
    let mut searched = Searched::default();
    let values: Vec<V::Value> = trees.iter().map(ValueTree::current).collect();
    let mut first = None;
    {
        let enough = Cell::new(false);
        let enough = &enough;
        let running = values.iter().map(|value| async move {
            if enough.get() {
                None
            } else {
                Some(check.check(value).await)
            }
        });
        let mut running = stream::iter(running).buffered(side_by_side.max(1));
        // What has begun is brought to its end: a case that is dropped in the midst may leave keys half rotated.
        while let Some(tried) = running.next().await {
            let Some(tried) = tried.filter(|_| !enough.get()) else {
                continue;
            };
            let number = searched.cases;
            searched.cases += 1;
            searched.checks += tried.checks;
            searched.exchanges += tried.exchanges.len();
            match tried.held {
                Ok(()) => {}
                Err(Halt::Broken(broken)) => {
                    first = Some((number, broken, tried.exchanges));
                    enough.set(true);
                }
                Err(Halt::Stopped(stop @ Stop::Fault(_))) => {
                    searched.stopped = Some(stop);
                    enough.set(true);
                }
                Err(Halt::Stopped(stop)) => {
                    searched.stopped.get_or_insert(stop);
                }
            }
        }
    }
    if let Some((number, broken, exchanges)) = first {
        let lines = values[number].lines();
        let found = Smallest {
            broken,
            drawn: lines.len(),
            lines,
            exchanges,
        };
        searched.broken = Some(shrink(trees.swap_remove(number), found, check).await);
    }
    searched
}

/// Makes a case smaller as long as it goes on breaking the same.
async fn shrink<V, C>(mut tree: V, mut smallest: Smallest, check: &C) -> Smallest
where
    V: ValueTree,
    V::Value: Told,
    C: Check<V::Value>,
{
    let began = clock::now();
    let mut goes_on = tree.simplify();
    let mut tries = 0;
    while goes_on && tries < TRIES_MAX && began.elapsed() < SHRINKING_MAX {
        tries += 1;
        let case = tree.current();
        let tried = check.check(&case).await;
        goes_on = match tried.held {
            Err(Halt::Broken(broken)) if broken.is_like(&smallest.broken) => {
                smallest.broken = broken;
                smallest.lines = case.lines();
                smallest.exchanges = tried.exchanges;
                tree.simplify()
            }
            // What holds, breaks something else, or cannot be told is too small.
            Ok(()) | Err(Halt::Broken(_) | Halt::Stopped(_)) => tree.complicate(),
        };
    }
    smallest
}

/// A list that gets smaller by leaving out parts of it: halves first, then quarters, down to single ones.
#[derive(Debug, Clone)]
pub(super) struct Fewer<T> {
    kept: Vec<T>,
    /// What the last step has left out, and where it was.
    out: Option<(usize, Vec<T>)>,
    at: usize,
    size: usize,
}

impl<T> Fewer<T> {
    /// The whole list.
    pub(super) fn of(list: Vec<T>) -> Self {
        let size = list.len().div_ceil(2);
        Self {
            kept: list,
            out: None,
            at: 0,
            size,
        }
    }

    /// Leaves out the next part.
    fn leave_out(&mut self) -> bool {
        if self.kept.len() < 2 || self.size == 0 {
            return false;
        }
        if self.at >= self.kept.len() {
            if self.size == 1 {
                return false;
            }
            self.size = self.size.div_ceil(2);
            self.at = 0;
        }
        // Nothing at all is no case.
        while self.size >= self.kept.len() {
            self.size = self.size.div_ceil(2);
        }
        let end = (self.at + self.size).min(self.kept.len());
        self.out = Some((self.at, self.kept.drain(self.at..end).collect()));
        true
    }
}

impl<T: Clone + std::fmt::Debug> ValueTree for Fewer<T> {
    type Value = Vec<T>;

    fn current(&self) -> Vec<T> {
        self.kept.clone()
    }

    fn simplify(&mut self) -> bool {
        self.out = None;
        self.leave_out()
    }

    fn complicate(&mut self) -> bool {
        if let Some((at, part)) = self.out.take() {
            let len = part.len();
            self.kept.splice(at..at, part);
            self.at = at + len;
        }
        self.leave_out()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Finding, Severity};
    use proptest::collection::vec;

    impl Told for Vec<u32> {
        fn lines(&self) -> Vec<String> {
            self.iter().map(u32::to_string).collect()
        }
    }

    /// Holds unless a list has both a number above 90 and, behind it, one below 10.
    struct Toy;

    impl Check<Vec<u32>> for Toy {
        async fn check(&self, case: &Vec<u32>) -> Tried {
            let large = case.iter().position(|number| *number > 90);
            let breaks = large.is_some_and(|at| case[at..].iter().any(|number| *number < 10));
            let broken = Broken {
                criteria: vec!["ERR-001"],
                finding: Finding {
                    severity: Severity::Breach,
                    expected: "order".to_owned(),
                    seen: "none".to_owned(),
                    only: std::collections::BTreeSet::new(),
                },
                at: None,
            };
            Tried {
                held: if breaks {
                    Err(Halt::Broken(broken))
                } else {
                    Ok(())
                },
                checks: 1,
                exchanges: Vec::new(),
            }
        }
    }

    fn drawing(seed: u64) -> Drawing {
        Drawing {
            seed,
            cases: 100,
            side_by_side: 3,
        }
    }

    #[tokio::test]
    async fn the_first_case_that_does_not_hold_is_made_small_and_the_same_from_the_same_seed() {
        let strategy = vec(0_u32..100, 5..20);
        let one = search(&strategy, drawing(7), &Toy).await;
        let again = search(&strategy, drawing(7), &Toy).await;
        let small = one.broken.unwrap();
        assert!(small.drawn >= 5);
        // The least length that is drawn, and beside the two that matter the least numbers.
        assert!(small.lines.contains(&"91".to_owned()), "{small:?}");
        assert_eq!(small.lines.len(), 5, "{small:?}");
        assert_eq!(small.lines, again.broken.unwrap().lines);
        assert_eq!(one.cases, again.cases);
    }

    #[tokio::test]
    async fn the_first_cases_are_the_same_however_many_are_drawn() {
        let strategy = vec(0_u32..100, 5..20);
        let few = Drawing {
            cases: 3,
            ..drawing(5)
        };
        let draw = |drawing| -> Vec<Vec<u32>> {
            let trees = draw(&strategy, drawing).unwrap();
            trees.iter().map(ValueTree::current).collect()
        };
        assert_eq!(draw(few), draw(drawing(5))[..3]);
        assert_ne!(draw(few), draw(Drawing { seed: 6, ..few }));
    }

    #[tokio::test]
    async fn a_list_is_reduced_to_the_parts_that_matter() {
        let list: Vec<u32> = (20..60).chain([95]).chain(20..60).chain([3, 50]).collect();
        let searched = run_all(vec![Fewer::of(list)], 1, &Toy).await;
        assert_eq!(searched.broken.unwrap().lines, ["95", "3"]);
    }

    #[tokio::test]
    async fn a_list_is_reduced_to_one_part_wherever_it_stands() {
        /// Breaks by one number alone.
        struct One;
        impl Check<Vec<u32>> for One {
            async fn check(&self, case: &Vec<u32>) -> Tried {
                let both: Vec<u32> = case.iter().flat_map(|number| [*number, 0]).collect();
                Toy.check(&both).await
            }
        }
        for at in 0..17 {
            let mut list: Vec<u32> = (20..37).collect();
            list[at] = 95;
            let searched = run_all(vec![Fewer::of(list)], 1, &One).await;
            assert_eq!(searched.broken.unwrap().lines, ["95"], "{at}");
        }
    }

    #[tokio::test]
    async fn what_holds_is_not_made_smaller() {
        let searched = run_all(vec![Fewer::of(vec![1, 2, 3])], 1, &Toy).await;
        assert!(searched.broken.is_none() && searched.stopped.is_none());
        assert_eq!((searched.cases, searched.checks), (1, 1));
    }
}
