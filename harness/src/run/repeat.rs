//! Repeats what failed, to tell a target that breaks its promise always from one that breaks it at times. Never makes a pass of a finding.

use super::{Ended, Options, Progress, run};
use crate::contract::Planned;
use crate::contract::profile::Profile;
use crate::run::book::Book;
use crate::run::scene::Run;
use crate::verdict::{Finding, Flaky, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often a failed scenario is run at most, the first time included.
/// Evidence: what breaks every second time is seen through with 94 % (1 - 1/2^4); each further time costs a live target requests.
pub const TIMES_MAX: usize = 5;

/// Numbers between a scenario and its next attempt. More than there are written scenarios, or an attempt would have another one's tenants.
pub const NUMBERS_APART: usize = 10_000;

/// What the attempts of one scenario showed, the first included, which failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repeats {
    /// Attempts that came to a finding or to their end.
    pub told: usize,
    /// Those that came to a finding.
    pub failed: usize,
    /// What each further attempt found, if it found something, and the text of the step.
    pub found: Vec<(String, Finding)>,
    /// Why other attempts told nothing, or were not made.
    pub untold: Vec<String>,
    /// Whether an attempt ended in error.
    pub in_error: bool,
}

impl Repeats {
    fn first() -> Self {
        Self {
            told: 1,
            failed: 1,
            ..Self::default()
        }
    }

    fn note(&mut self, step: &str, outcome: &Outcome) {
        match outcome {
            Outcome::Failed(finding) => {
                self.told += 1;
                self.failed += 1;
                self.found.push((step.to_owned(), finding.clone()));
            }
            Outcome::Passed | Outcome::Accepted(_) => self.told += 1,
            Outcome::Error(reason) => {
                self.in_error = true;
                self.untold
                    .push(format!("a repeat ended in error: {reason}"));
            }
            Outcome::Unmet(unmet) => self.untold.push(format!("a repeat was withheld: {unmet}")),
            Outcome::NotVerified(reason) | Outcome::NotApplicable(reason) => {
                self.untold.push(format!("a repeat was withheld: {reason}"));
            }
            // A single attempt is none of these.
            Outcome::Flaky(_) | Outcome::Known(_) | Outcome::NotSelected => {}
        }
    }

    /// The outcome of all attempts: mixed ones are flaky, and nothing makes a pass of a finding.
    fn outcome(&self, first: Finding) -> Outcome {
        if self.failed < self.told {
            Outcome::Flaky(Flaky {
                runs: self.told,
                failed: self.failed,
                finding: first,
            })
        } else {
            Outcome::Failed(first)
        }
    }

    /// For people, below the finding.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = format!("failed {} of {} times", self.failed, self.told);
        for reason in &self.untold {
            text.push_str("; ");
            text.push_str(reason);
        }
        text
    }
}

impl Planned {
    /// The same scenario once more, as another of its run: with tenants, a marker and a client ip of its own.
    #[must_use]
    pub fn again(&self, attempt: usize) -> Self {
        self.numbered(self.number + attempt * NUMBERS_APART)
    }

    /// The same scenario under another number.
    pub(super) fn numbered(&self, number: usize) -> Self {
        let mut alone = (*self.alone).clone();
        alone.tags.retain(|tag| !tag.starts_with("scenario."));
        alone.tags.push(format!("scenario.{number}"));
        Self {
            number,
            alone: Arc::new(alone),
            ..self.clone()
        }
    }
}

/// What hangs on time is run so often at least, whatever the target: what comes once only may be the machine's doing.
const TIMED_TIMES: usize = 2;

/// How often a failed scenario is to be run in all.
fn times_of(ended: &Ended, times: usize) -> usize {
    if ended.captured.timed {
        times.max(TIMED_TIMES)
    } else {
        times
    }
}

/// How many repeats are to be made of these at most.
#[must_use]
pub fn count(list: &[Ended], times: usize) -> usize {
    let failed = list.iter().filter(|ended| is_repeatable(ended));
    let repeats = failed.map(|ended| times_of(ended, times).saturating_sub(1));
    repeats.sum()
}

/// What looks through the whole run would see the same again, and so would what is judged on a copy in memory.
fn is_repeatable(ended: &Ended) -> bool {
    matches!(ended.outcome, Outcome::Failed(_))
        && !ended.planned.is_whole_run()
        && ended.planned.profile != Profile::Data
}

/// Runs each failed scenario until it has been run so many times, the first included, and says in `list` what that showed. One whose
/// finding hangs on time is run at least twice.
/// One round after the other, so that no attempt is disturbed by another one of the same scenario; within a round side by side.
pub async fn repeat(
    shared: &Arc<Run>,
    list: &mut [Ended],
    times: usize,
    book: &Arc<Book>,
    options: Options,
    progress: &Arc<dyn Progress>,
) {
    let mut shown: BTreeMap<usize, Repeats> = BTreeMap::new();
    for ended in list.iter().filter(|ended| is_repeatable(ended)) {
        shown.insert(ended.planned.number, Repeats::first());
    }
    for attempt in 1..times.max(TIMED_TIMES) {
        // Whoever was withheld once would be withheld again.
        let due: BTreeSet<usize> = shown
            .iter()
            .filter(|(_, repeats)| repeats.untold.is_empty())
            .map(|(number, _)| *number)
            .collect();
        let plan: Vec<Arc<Planned>> = list
            .iter()
            .filter(|ended| due.contains(&ended.planned.number))
            .filter(|ended| attempt < times_of(ended, times))
            .map(|ended| Arc::new(ended.planned.again(attempt)))
            .collect();
        if plan.is_empty() {
            break;
        }
        let round = run(
            Arc::clone(shared),
            plan,
            Arc::clone(book),
            options,
            Arc::clone(progress),
        );
        for ended in round.await {
            let first = ended.planned.number - attempt * NUMBERS_APART;
            if let Some(repeats) = shown.get_mut(&first) {
                let step = ended.step.as_ref().map_or("", |step| &step.text);
                repeats.note(step, &ended.outcome);
            }
        }
    }
    for ended in list {
        let (Some(repeats), Outcome::Failed(first)) =
            (shown.remove(&ended.planned.number), &ended.outcome)
        else {
            continue;
        };
        if times_of(ended, times) < TIMED_TIMES {
            continue;
        }
        ended.outcome = repeats.outcome(first.clone());
        ended.repeats = Some(repeats);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;
    use crate::verdict::Severity;

    fn finding() -> Finding {
        Finding {
            severity: Severity::Breach,
            expected: "403".to_owned(),
            seen: "200".to_owned(),
            only: BTreeSet::new(),
        }
    }

    fn after(outcomes: &[Outcome]) -> (Outcome, String) {
        let mut repeats = Repeats::first();
        for outcome in outcomes {
            repeats.note("Then", outcome);
        }
        (repeats.outcome(finding()), repeats.describe())
    }

    #[test]
    fn a_finding_that_comes_every_time_stays_failed_and_one_that_does_not_is_flaky() {
        let failed = || Outcome::Failed(finding());
        let (outcome, told) = after(&[failed(), failed(), failed(), failed()]);
        assert_eq!((outcome, told.as_str()), (failed(), "failed 5 of 5 times"));
        let (outcome, _) = after(&[Outcome::Passed, failed(), Outcome::Passed, Outcome::Passed]);
        assert!(
            matches!(&outcome, Outcome::Flaky(flaky) if flaky.rate() == "flaky: failed 2 of 5 times"),
            "{outcome:?}"
        );
    }

    #[test]
    fn repeats_that_tell_nothing_excuse_nothing_and_say_why() {
        let (outcome, told) = after(&[Outcome::NotVerified("budget spent".to_owned())]);
        assert_eq!(outcome, Outcome::Failed(finding()));
        assert!(
            told.contains("1 of 1") && told.contains("withheld: budget spent"),
            "{told}"
        );
        let (outcome, told) = after(&[Outcome::Error("gone".to_owned())]);
        assert_eq!(outcome, Outcome::Failed(finding()));
        assert!(told.contains("in error: gone"), "{told}");
    }

    #[test]
    fn no_attempt_has_the_number_of_another_scenario_or_attempt() {
        let contract = Contract::embedded().unwrap();
        assert!(contract.scenarios.len() < NUMBERS_APART);
        let last = contract.scenarios.last().unwrap();
        let again = last.again(TIMES_MAX - 1);
        // A slug has four characters for it, each of 36.
        assert!(again.number < 36_usize.pow(4), "{}", again.number);
        let tags = again.alone.tags.iter();
        let numbers: Vec<_> = tags.filter(|tag| tag.starts_with("scenario.")).collect();
        assert_eq!(numbers, [&format!("scenario.{}", again.number)]);
    }
}
