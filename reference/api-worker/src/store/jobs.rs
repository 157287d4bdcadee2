//! What the jobs of statistics and retention do in one transaction each. Never does more than one day or one batch at a time,
//! so that a job that breaks off goes on where it was.

use super::audit::{self, Done};
use super::{Act, Store, preferences};
use crate::domain::date::{DAY_MS, date_of};
use moltworker_reference::ports::{Clock, StoreError};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Pages that batches may leave in the log (4 MiB): brought into the file one by one, they would cost a flush each; all at once, they would
/// keep the disk, and whoever waits for it.
const SETTLED_PAGES: i64 = 1_000;

/// What a batch removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Rows.
    pub rows: u64,
    /// How long the writing thread was at it, the commit apart.
    pub took: Duration,
}

/// The tables that rows are removed from, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Usage of days that are summed.
    UsageLogs,
    /// Sessions by their end.
    UserSessions,
    /// Windows by their end.
    RateLimits,
}

impl Kept {
    /// All.
    pub const ALL: [Self; 3] = [Self::UsageLogs, Self::UserSessions, Self::RateLimits];

    /// The rows that go: everything of them lies before `?1`; at most `?2` of them.
    fn rows(self) -> &'static str {
        match self {
            Self::UsageLogs => {
                "SELECT id FROM usage_logs WHERE created_at < ?1
                   AND EXISTS (SELECT 1 FROM daily_usage_stats WHERE daily_usage_stats.date = usage_logs.date)
                 ORDER BY created_at, id LIMIT ?2"
            }
            Self::UserSessions => "SELECT id FROM user_sessions WHERE expires_at < ?1 ORDER BY expires_at, id LIMIT ?2",
            Self::RateLimits => {
                "SELECT subject_kind, subject, window_kind, window_start FROM rate_limits WHERE window_end < ?1 ORDER BY window_end LIMIT ?2"
            }
        }
    }

    fn removal(self) -> String {
        let rows = self.rows();
        match self {
            Self::UsageLogs => format!("DELETE FROM usage_logs WHERE id IN ({rows})"),
            Self::UserSessions => format!("DELETE FROM user_sessions WHERE id IN ({rows})"),
            Self::RateLimits => {
                format!(
                    "DELETE FROM rate_limits WHERE (subject_kind, subject, window_kind, window_start) IN ({rows})"
                )
            }
        }
    }

    fn boundary(self, connection: &Connection, now: i64) -> rusqlite::Result<i64> {
        let retention = preferences::retention(connection)?;
        let days = match self {
            Self::UsageLogs => retention.usage_logs_days,
            Self::UserSessions => retention.user_sessions_days,
            Self::RateLimits => retention.rate_limits_days,
        };
        Ok(now.saturating_sub(days * DAY_MS))
    }
}

impl Store {
    /// Sums the first whole day after `after` and before today that is not summed yet; its date. `act` is logged with it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sum_next_day(
        &self,
        after: String,
        now: i64,
        act: Option<Act>,
    ) -> Result<Option<String>, StoreError> {
        self.change(move |connection| {
            let Some(date) = next_day(connection, after, &date_of(now))? else {
                return Ok(None);
            };
            connection
                .prepare_cached(
                    "INSERT INTO daily_usage_stats (date, user_id, model, requests, input_tokens, output_tokens, cost_micros, created_at)
                     SELECT date, user_id, model, count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
                       coalesce(sum(cost_micros), 0), ?2
                     FROM usage_logs WHERE date = ?1 GROUP BY date, user_id, model",
                )?
                .execute(params![date, now])?;
            if let Some(act) = act {
                let after = Some(json!({"first_date": date}).to_string());
                audit::write(connection, &act, &Done { action: "job.statistics", resource: "statistics", before: None, after })?;
            }
            Ok(Some(date))
        })
        .await
    }

    /// Removes one batch of a table. `act` is logged with it if there are any rows. `clock` tells how long it keeps other writes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_batch(
        &self,
        kept: Kept,
        batch_size: i64,
        now: i64,
        act: Option<Act>,
        clock: Arc<dyn Clock>,
    ) -> Result<Removed, StoreError> {
        let is_logged = act.is_some();
        let removal = move |connection: &Connection| {
            let began = clock.monotonic();
            let boundary = kept.boundary(connection, now)?;
            let removed = connection
                .prepare_cached(&kept.removal())?
                .execute(params![boundary, batch_size])?;
            if let (Some(act), true) = (&act, removed > 0) {
                let after = Some(json!({"batch_size": batch_size}).to_string());
                audit::write(
                    connection,
                    act,
                    &Done {
                        action: "job.retention",
                        resource: "retention",
                        before: None,
                        after,
                    },
                )?;
            }
            Ok(Removed {
                rows: u64::try_from(removed).unwrap_or_default(),
                took: clock.monotonic().saturating_sub(began),
            })
        };
        if is_logged {
            self.change(removal).await
        } else {
            self.change_once(removal).await
        }
    }

    /// Takes what batches have changed out of the way of other writes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settle_batches(&self) -> Result<(), StoreError> {
        self.file.settle(SETTLED_PAGES).await
    }

    /// Whether nothing is left to remove.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_clean(&self, now: i64) -> Result<bool, StoreError> {
        self.list(move |connection| {
            for kept in Kept::ALL {
                let boundary = kept.boundary(connection, now)?;
                if connection
                    .prepare_cached(kept.rows())?
                    .exists(params![boundary, 1])?
                {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }
}

/// The dates that have usage are walked by the index, one look-up each.
fn next_day(
    connection: &Connection,
    mut after: String,
    today: &str,
) -> rusqlite::Result<Option<String>> {
    let mut next = connection.prepare_cached(
        "SELECT date FROM usage_logs WHERE date > ?1 AND date < ?2 ORDER BY date LIMIT 1",
    )?;
    let mut summed =
        connection.prepare_cached("SELECT 1 FROM daily_usage_stats WHERE date = ?1 LIMIT 1")?;
    loop {
        let date: Option<String> = next
            .query_row(params![after, today], |row| row.get(0))
            .optional()?;
        match date {
            Some(date) if summed.exists([&date])? => after = date,
            other => return Ok(other),
        }
    }
}
