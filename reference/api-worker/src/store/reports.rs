//! What operators look at: statistics, metrics, the schema's history. Never changes what it shows.

use super::Store;
use crate::domain::records::{AppliedFile, DayStatistics, Metric};
use moltworker_reference::ports::StoreError;
use rusqlite::params;

/// Most metrics in one answer.
const METRICS_MAX: i64 = 1_000;

impl Store {
    /// Daily sums between two dates, both included.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn statistics(
        &self,
        from: String,
        to: String,
        user: Option<String>,
    ) -> Result<Vec<DayStatistics>, StoreError> {
        self.list(move |connection| {
            let of_user = if user.is_some() { "user_id = ?3" } else { "?3 IS NULL" };
            let sql = format!(
                "SELECT date, user_id, model, requests, input_tokens, output_tokens, cost_micros FROM daily_usage_stats
                 WHERE {of_user} AND date >= ?1 AND date <= ?2 ORDER BY date, user_id, model"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![from, to, user], |row| {
                Ok(DayStatistics {
                    date: row.get("date")?,
                    user_id: row.get("user_id")?,
                    model: row.get("model")?,
                    requests: row.get("requests")?,
                    input_tokens: row.get("input_tokens")?,
                    output_tokens: row.get("output_tokens")?,
                    cost_micros: row.get("cost_micros")?,
                })
            })?;
            rows.collect()
        })
        .await
    }

    /// Metrics, oldest first, a thousand at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn metrics(
        &self,
        name: Option<String>,
        from: i64,
        to: i64,
    ) -> Result<Vec<Metric>, StoreError> {
        self.list(move |connection| {
            let of_name = if name.is_some() { "name = ?3" } else { "?3 IS NULL" };
            let sql = format!(
                "SELECT name, value, created_at FROM system_metrics WHERE {of_name} AND created_at >= ?1 AND created_at < ?2
                 ORDER BY created_at, id LIMIT ?4"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![from, to, name, METRICS_MAX], |row| {
                Ok(Metric {
                    name: row.get("name")?,
                    value: row.get("value")?,
                    created_at: row.get("created_at")?,
                })
            })?;
            rows.collect()
        })
        .await
    }

    /// Keeps a metric.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn measure(&self, metric: Metric) -> Result<(), StoreError> {
        self.change(move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO system_metrics (name, value, created_at) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![metric.name, metric.value, metric.created_at])?;
            Ok(())
        })
        .await
    }

    /// The files that were applied, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn applied_files(&self) -> Result<Vec<AppliedFile>, StoreError> {
        self.list(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT file, sha256, applied_at, version, environment FROM schema_metadata ORDER BY version, applied_at, file",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(AppliedFile {
                    file: row.get("file")?,
                    sha256: row.get("sha256")?,
                    applied_at: row.get("applied_at")?,
                    version: row.get("version")?,
                    environment: row.get("environment")?,
                })
            })?;
            rows.collect()
        })
        .await
    }
}
