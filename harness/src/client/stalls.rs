//! How long a target is waited for that stalls: what follows from the answers that it has not completed. Never judges an answer.
//!
//! One answer that never comes is waited for to the end and is a finding. A target that leaves one after the other must not hold up a run
//! for hours: after so much of it less is waited for, which proves nothing, and in the end nothing more is asked.

use super::NoAnswer;
use crate::clock;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many answers in a row that are not completed show a target that does not serve. Evidence: no honest target left one; one that
/// restarts leaves those under way, which end as lost connections.
const ROW_MAX: usize = 20;
/// So much of a run may be spent waiting for answers that never come to their end, as long as each is waited for to the end of its time:
/// once as long as the longest time of one.
const PATIENT_FOR: Duration = Duration::from_millis(super::ANSWER_MS_MAX);
/// From then on so much is waited for each. Evidence: the slowest answers of the contract beside those that a time-out delays on purpose
/// came after 2 s on a busy machine.
const THEN_EACH: Duration = Duration::from_secs(5);
/// So much of a run in all.
const IN_ALL: Duration = Duration::from_secs(70);

/// What came of the waits of one run.
#[derive(Debug, Default)]
pub(super) struct Stalls(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How many in a row were not completed.
    row: usize,
    /// When somebody waited in vain: spans that do not overlap, in order.
    spans: Vec<(Instant, Instant)>,
    /// Why nothing more is asked.
    over: Option<String>,
}

impl State {
    fn in_vain(&self) -> Duration {
        self.spans.iter().map(|(from, until)| *until - *from).sum()
    }

    /// Adds a span that ends now: waits for several answers at a time count once.
    fn add(&mut self, from: Instant, until: Instant) {
        let mut from = from;
        while let Some((began, ended)) = self.spans.last().copied() {
            if ended < from {
                break;
            }
            from = from.min(began);
            self.spans.pop();
        }
        self.spans.push((from, until));
    }

    fn weigh(&mut self) {
        let in_vain = self.in_vain();
        let why = if self.row >= ROW_MAX {
            format!("the target has not completed {ROW_MAX} answers in a row")
        } else if in_vain >= IN_ALL {
            format!(
                "{} s of the run have gone into waiting for answers that the target did not complete",
                in_vain.as_secs()
            )
        } else {
            return;
        };
        self.over
            .get_or_insert(format!("{why}: the run asks it no more"));
    }
}

impl Stalls {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request pass.
    ///
    /// # Errors
    /// [`NoAnswer::GivenUp`] when the target is asked no more.
    pub(super) fn admit(&self) -> Result<(), NoAnswer> {
        match &self.state().over {
            Some(why) => Err(NoAnswer::GivenUp(why.clone())),
            None => Ok(()),
        }
    }

    /// How long is waited where this much was meant.
    pub(super) fn deadline(&self, meant: Duration) -> Duration {
        if self.state().in_vain() >= PATIENT_FOR {
            meant.min(THEN_EACH)
        } else {
            meant
        }
    }

    /// An answer came whole.
    pub(super) fn completed(&self) {
        self.state().row = 0;
    }

    /// An answer did not come to its end, however long it would have been waited for.
    pub(super) fn endless(&self) {
        let mut state = self.state();
        state.row += 1;
        state.weigh();
    }

    /// An answer to a request of `from` was waited for in vain up to now.
    pub(super) fn waited(&self, from: Instant) {
        let mut state = self.state();
        state.row += 1;
        state.add(from, clock::now());
        state.weigh();
    }
}

/// That an answer was not waited for to the end of its time.
pub(super) fn cut_short() -> NoAnswer {
    NoAnswer::GivenUp(format!(
        "the target has left answers without an end for {} s of the run: this one was waited for {} s only",
        PATIENT_FOR.as_secs(),
        THEN_EACH.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: &[(u64, u64)]) -> State {
        let start = clock::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut state = State::default();
        for &(from, until) in seconds {
            state.add(at(from), at(until));
            state.weigh();
        }
        state
    }

    #[test]
    fn waits_at_the_same_time_count_once() {
        let in_vain = |seconds: &[(u64, u64)]| after(seconds).in_vain().as_secs();
        assert_eq!(in_vain(&[(0, 60), (1, 61), (30, 61)]), 61);
        assert_eq!(in_vain(&[(0, 10), (50, 60), (5, 60)]), 60);
        assert_eq!(in_vain(&[(0, 10), (50, 60)]), 20);
    }

    #[test]
    fn a_target_that_completes_nothing_is_asked_no_more() {
        let stalls = Stalls::default();
        for _ in 1..ROW_MAX {
            stalls.endless();
            assert!(stalls.admit().is_ok());
        }
        stalls.endless();
        let why = stalls.admit().unwrap_err().to_string();
        assert!(why.contains("20 answers in a row"), "{why}");
    }

    #[test]
    fn one_that_answers_now_and_again_is_asked_for_as_long_as_there_is_time() {
        let stalls = Stalls::default();
        for _ in 0..3 * ROW_MAX {
            stalls.endless();
            stalls.completed();
        }
        assert!(stalls.admit().is_ok());
        assert!(after(&[(0, 60), (60, 69)]).over.is_none());
        let why = after(&[(0, 60), (60, 70)]).over.unwrap();
        assert!(why.starts_with("70 s of the run"), "{why}");
    }

    #[test]
    fn a_wait_is_cut_only_after_one_was_waited_for_to_its_end() {
        let meant = Duration::from_millis(crate::client::ANSWER_MS_MAX);
        let of = |state| Stalls(Mutex::new(state)).deadline(meant);
        assert_eq!(of(after(&[(0, 59)])), meant);
        assert_eq!(of(after(&[(0, 60)])), THEN_EACH);
    }
}
