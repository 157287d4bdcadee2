//! The jobs of statistics and retention. Never holds the database for more than a day's sums or one batch.

use super::error::Error;
use super::{App, Present};
use crate::store::Act;
use crate::store::jobs::Kept;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Rows of a batch unless it is said.
pub const BATCH_SIZE: i64 = 500;
/// Between two runs of the jobs that nobody asked for.
const RUN_PAUSE: Duration = Duration::from_secs(3_600);

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
        batch_size: i64,
        batches_max: Option<i64>,
        act: Option<Act>,
    ) -> Result<Cleaned, Error> {
        let store = self.store()?;
        let mut left = batches_max.unwrap_or(i64::MAX);
        let mut removed = Removed::default();
        let mut act = act;
        for kept in Kept::ALL {
            while left > 0 {
                let rows = store
                    .remove_batch(kept, batch_size, now, act.clone())
                    .await?;
                if rows == 0 {
                    break;
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
                self.clean(present.now(), BATCH_SIZE, None, None).await
            };
            if let Err(error) = run.await {
                self.log_job_failure(&error);
            }
            self.ports.clock.sleep(RUN_PAUSE).await;
        }
    }
}
