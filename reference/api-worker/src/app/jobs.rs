//! The jobs of statistics and retention. Never holds the database for more than a day's sums or one batch.

use super::error::Error;
use super::{App, Present};
use crate::store::jobs::Kept;
use crate::store::{self, Act};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Rows of a batch at most, unless it is said.
pub const BATCH_SIZE: i64 = 500;
/// Rows of a batch at least, and of the first one, where its size follows from the time that batches take.
const BATCH_SIZE_MIN: i64 = 50;
/// How long the writing thread may be at such a batch. What it changes has to be written out and flushed besides, which takes twice as long:
/// all of it is to stay well below the 50 ms that the goal of speed has, on a processor that others want too.
const BATCH_TIME: Duration = Duration::from_millis(5);
/// Between two runs of the jobs that nobody asked for.
const RUN_PAUSE: Duration = Duration::from_secs(3_600);

/// How much a run of retention removes at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batches {
    /// So many rows, and so many batches at most.
    Stated {
        /// Rows of a batch.
        size: i64,
        /// Batches of all tables together.
        most: Option<i64>,
    },
    /// As many rows as go in the time that others can wait, up to [`BATCH_SIZE`], and as many batches as it takes.
    Measured,
}

impl Batches {
    fn first_size(self) -> i64 {
        match self {
            Self::Stated { size, .. } => size,
            Self::Measured => BATCH_SIZE_MIN,
        }
    }

    fn most(self) -> i64 {
        match self {
            Self::Stated { most, .. } => most.unwrap_or(i64::MAX),
            Self::Measured => i64::MAX,
        }
    }

    /// The size after a batch of `size` that took `took`: never more than twice as large, for one quick batch says little.
    fn next_size(self, size: i64, took: Duration) -> i64 {
        match self {
            Self::Stated { .. } => size,
            Self::Measured => {
                let took_us = i64::try_from(took.as_micros()).unwrap_or(i64::MAX).max(1);
                let time_us = i64::try_from(BATCH_TIME.as_micros()).unwrap_or(i64::MAX);
                let fitting = size.saturating_mul(time_us) / took_us;
                fitting.min(2 * size).clamp(BATCH_SIZE_MIN, BATCH_SIZE)
            }
        }
    }
}

/// What a run of retention removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Rows.
    pub usage_logs: u64,
    /// Rows.
    pub user_sessions: u64,
    /// Rows.
    pub rate_limits: u64,
}

/// How a run of retention ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// What is gone.
    pub removed: Removed,
    /// Whether nothing is left to remove.
    pub done: bool,
}

impl App {
    /// Sums every whole day before today that is not summed yet; how many these were.
    ///
    /// # Errors
    /// [`Error::Store`]; the days before the one that failed stay summed.
    pub async fn sum_days(&self, now: i64, act: Option<Act>) -> Result<u64, Error> {
        let (mut days, mut after, mut act) = (0, String::new(), act);
        while let Some(date) = self.store()?.sum_next_day(after, now, act.take()).await? {
            days += 1;
            after = date;
        }
        Ok(days)
    }

    /// Removes what is older than it is kept, batch by batch.
    ///
    /// # Errors
    /// [`Error::Store`]; the batches before the one that failed stay removed.
    pub async fn clean(
        &self,
        now: i64,
        batches: Batches,
        act: Option<Act>,
    ) -> Result<Cleaned, Error> {
        let store = self.store()?;
        let (mut size, mut left) = (batches.first_size(), batches.most());
        let mut removed = Removed::default();
        let mut act = act;
        for kept in Kept::ALL {
            while left > 0 {
                let clock = Arc::clone(&self.ports.clock);
                let batch = store.remove_batch(kept, size, now, act.clone(), clock);
                let store::jobs::Removed { rows, took } = batch.await?;
                size = batches.next_size(size, took);
                if rows == 0 {
                    break;
                }
                if batches == Batches::Measured {
                    store.settle_batches().await?;
                }
                // Logged with the first batch.
                act = None;
                left -= 1;
                match kept {
                    Kept::UsageLogs => removed.usage_logs += rows,
                    Kept::UserSessions => removed.user_sessions += rows,
                    Kept::RateLimits => removed.rate_limits += rows,
                }
            }
        }
        let done = store.is_clean(now).await?;
        Ok(Cleaned { removed, done })
    }

    /// Runs both for ever.
    pub async fn keep_house(&self) {
        let present = Present::Clock(Arc::clone(&self.ports.clock));
        loop {
            let run = async {
                self.sum_days(present.now(), None).await?;
                self.clean(present.now(), Batches::Measured, None).await
            };
            if let Err(error) = run.await {
                self.log_job_failure(&error);
            }
            self.ports.clock.sleep(RUN_PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measured_batch_follows_the_time_that_the_last_one_took_within_its_bounds() {
        let next =
            |size, took_ms| Batches::Measured.next_size(size, Duration::from_millis(took_ms));
        assert_eq!(next(50, 0), 100);
        assert_eq!(next(400, 0), 500);
        assert_eq!(next(400, 5), 400);
        assert_eq!(next(400, 10), 200);
        assert_eq!(next(400, 3_000), 50);
        let stated = Batches::Stated {
            size: 7,
            most: None,
        };
        assert_eq!(stated.next_size(7, Duration::from_secs(1)), 7);
    }
}
