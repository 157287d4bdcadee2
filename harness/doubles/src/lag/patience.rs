//! Deadlines of which only that time counts in which everybody came to his turn. Never ends a wait early because others were late.

use super::{HeldUp, TooSlow, progress};
use crate::clock;
use std::future::Future;
use std::time::{Duration, Instant};

/// However late everybody is, one of so many parts of each time counts, so that every wait ends.
const SOME: u32 = 8;

/// A time that somebody is given.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    began: Instant,
    given: Duration,
    excuses: Excuses,
}

/// Whether time in which somebody was late counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excuses {
    /// It does not.
    Taken,
    /// It does: whoever leaves, leaves by the clock.
    Refused,
}

/// What there was of a time.
#[derive(Debug, Clone, Copy)]
struct Spent {
    elapsed: Duration,
    held_up: HeldUp,
}

impl Spent {
    /// The part that was certainly the target's to use.
    fn own(self) -> Duration {
        self.elapsed.saturating_sub(self.held_up.excuse())
    }

    /// The part that counts towards the end of a wait.
    fn counted(self) -> Duration {
        self.own().max(self.elapsed / SOME)
    }
}

impl Patience {
    /// So much, from now on.
    #[must_use]
    pub fn of(given: Duration) -> Self {
        Self {
            began: clock::now(),
            given,
            excuses: Excuses::Taken,
        }
    }

    /// So much by the clock, from now on, whatever the machine does: for somebody who leaves then, on purpose.
    #[must_use]
    pub fn by_the_clock(given: Duration) -> Self {
        Self {
            excuses: Excuses::Refused,
            ..Self::of(given)
        }
    }

    fn spent(&self) -> Spent {
        let now = clock::now();
        let held_up = match self.excuses {
            Excuses::Taken => super::between(self.began, now),
            Excuses::Refused => HeldUp::default(),
        };
        Spent {
            elapsed: now.saturating_duration_since(self.began),
            held_up,
        }
    }

    /// How much was given.
    #[must_use]
    pub fn given(&self) -> Duration {
        self.given
    }

    /// Real time since it began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// What is left; zero when it is over. More is left after it if somebody is late by then.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.given.saturating_sub(self.spent().counted())
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// Whether whoever has not done by now what was waited for has had the time for it. `seen` tells what was seen instead.
    ///
    /// # Errors
    /// [`TooSlow`] when the machine took it.
    pub fn blame(&self, seen: impl FnOnce() -> String) -> Result<(), TooSlow> {
        had_time(self.spent(), self.given, seen)
    }

    /// Waits for `work` until the patience is over.
    pub async fn with<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = std::pin::pin!(work);
        loop {
            if let Ok(done) = tokio::time::timeout(self.left(), work.as_mut()).await {
                return Some(done);
            }
            if self.is_over() {
                return None;
            }
        }
    }
}

fn had_time(spent: Spent, given: Duration, seen: impl FnOnce() -> String) -> Result<(), TooSlow> {
    if spent.own() >= given {
        progress::timed();
        return Ok(());
    }
    Err(TooSlow {
        seen: seen(),
        held_up: spent.held_up,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(elapsed_ms: u64, held_up_ms: u64) -> Spent {
        Spent {
            elapsed: Duration::from_millis(elapsed_ms),
            held_up: HeldUp {
                total: Duration::from_millis(held_up_ms),
                longest: Duration::ZERO,
                queued: Duration::ZERO,
            },
        }
    }

    #[test]
    fn only_time_in_which_nobody_was_late_counts() {
        let ms = Duration::from_millis;
        assert_eq!(spent(2_000, 0).counted(), ms(2_000));
        assert_eq!(spent(2_000, 300).counted(), ms(1_400));
    }

    #[test]
    fn every_wait_ends_however_late_everybody_is() {
        let spent = spent(16_000, 16_000);
        assert_eq!(spent.own(), Duration::ZERO);
        assert_eq!(spent.counted(), Duration::from_secs(2));
    }

    #[test]
    fn who_had_no_time_of_his_own_is_not_to_blame() {
        let given = Duration::from_secs(2);
        let seen = || "no row".to_owned();
        assert!(had_time(spent(2_000, 0), given, seen).is_ok());
        assert!(had_time(spent(2_600, 300), given, seen).is_ok());
        let excused = had_time(spent(16_000, 9_000), given, seen).unwrap_err();
        assert!(excused.to_string().contains("no row"), "{excused}");
        assert!(excused.to_string().contains("9000 ms"), "{excused}");
    }
}
