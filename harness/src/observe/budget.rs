//! How many requests Cloudflare's API is asked in a time: it refuses everything for minutes once its limit is passed. Never sends one.

use crate::clock;
use crate::wait;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests that may go at once.
/// Evidence: the API allows a user 1200 in five minutes, everything else that the user does there included; with the pace below a run asks at most 1050.
const AT_ONCE: u32 = 600;
/// Time between further ones.
const PACE: Duration = Duration::from_millis(667);
/// Longest wait for a turn. Evidence: a step may take 90 s.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Requests that the looks of a run share.
#[derive(Debug)]
pub struct Budget {
    at_once: u32,
    pace: Duration,
    /// When all that was asked would have been asked at the even pace.
    due: Mutex<Option<Instant>>,
}

impl Default for Budget {
    /// Cloudflare's.
    fn default() -> Self {
        Self::new(AT_ONCE, PACE)
    }
}

/// The budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the API allows 1200 requests in five minutes, and this run would need more: run a part of it (--id, --tags, --shard), or let it look locally"
)]
pub struct Spent;

impl Budget {
    /// So many at once, and from then on one per `pace`.
    #[must_use]
    pub fn new(at_once: u32, pace: Duration) -> Self {
        Self {
            at_once,
            pace,
            due: Mutex::default(),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`Spent`] when that would take too long.
    pub async fn turn(&self) -> Result<(), Spent> {
        wait::pass(self.reserve(clock::now())?).await;
        Ok(())
    }

    /// Takes the next turn; returns how long it is until then.
    fn reserve(&self, now: Instant) -> Result<Duration, Spent> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let next = due.unwrap_or(now).max(now) + self.pace;
        let ahead = next.saturating_duration_since(now);
        let wait = ahead.saturating_sub(self.pace * self.at_once);
        if wait > WAIT_MAX {
            return Err(Spent);
        }
        *due = Some(next);
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_at_once_has_its_turn_at_once_and_the_rest_one_by_one() {
        let (budget, now) = (Budget::new(3, Duration::from_secs(1)), clock::now());
        let waits: Vec<u64> = (0..5)
            .map(|_| budget.reserve(now).unwrap().as_secs())
            .collect();
        assert_eq!(waits, [0, 0, 0, 1, 2]);
    }

    #[test]
    fn turns_come_back_with_time() {
        let (budget, now) = (Budget::new(2, Duration::from_secs(1)), clock::now());
        assert!((0..3).all(|_| budget.reserve(now).is_ok()));
        assert_eq!(
            budget.reserve(now + Duration::from_secs(2)),
            Ok(Duration::ZERO)
        );
    }

    #[test]
    fn a_turn_that_is_too_far_off_is_refused_and_not_taken() {
        let (budget, now) = (Budget::new(1, Duration::from_secs(40)), clock::now());
        assert_eq!(budget.reserve(now), Ok(Duration::ZERO));
        assert_eq!(budget.reserve(now), Ok(Duration::from_secs(40)));
        assert_eq!(budget.reserve(now), Err(Spent));
        assert_eq!(budget.reserve(now), Err(Spent));
        let later = now + Duration::from_secs(40);
        assert_eq!(budget.reserve(later), Ok(Duration::from_secs(40)));
    }

    #[test]
    fn no_five_minutes_hold_more_than_cloudflare_allows() {
        let (budget, began) = (Budget::default(), clock::now());
        let mut sent = Vec::new();
        let mut now = began;
        // Somebody who asks again as soon as he had his turn, for half an hour, with a rest after a quarter.
        while now < began + Duration::from_secs(1800) {
            now += budget.reserve(now).unwrap();
            sent.push(now);
            if sent.len() == 2000 {
                now += Duration::from_secs(500);
            }
        }
        for (first, at) in sent.iter().enumerate() {
            let window = &sent[first..];
            let held = window.partition_point(|turn| *turn < *at + Duration::from_secs(300));
            assert!(held <= 1200, "{held} within five minutes");
        }
    }
}
