//! The audit log. Never written but in the transaction of what it tells.

use super::{Act, Store, json_column_or_null};
use crate::domain::cursor::{Cursor, Page};
use crate::domain::records::AuditEntry;
use moltworker_reference::ports::StoreError;
use rusqlite::{Connection, params};

/// What an operator did.
pub(super) struct Done<'a> {
    pub(super) action: &'static str,
    pub(super) resource: &'a str,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// Writes one entry.
pub(super) fn write(connection: &Connection, act: &Act, done: &Done<'_>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO audit_logs (actor, action, resource, before, after, request_id, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![act.actor, done.action, done.resource, done.before, done.after, act.request_id, act.now])?;
    Ok(())
}

/// Which rows of a listing by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Inclusive.
    pub from: i64,
    /// Exclusive.
    pub to: i64,
    /// Where the last page ended.
    pub cursor: Cursor,
    /// 1 to 1000.
    pub limit: u32,
}

impl Range {
    /// The first instant, and the id after which rows of it count: the later one of `from` and the cursor.
    pub(super) fn start(&self) -> (i64, String) {
        if self.cursor.at < self.from {
            (self.from, String::new())
        } else {
            (self.cursor.at, self.cursor.id.clone())
        }
    }
}

impl Store {
    /// Entries, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit(&self, range: Range) -> Result<Page<AuditEntry>, StoreError> {
        self.list(move |connection| {
            let (at, id) = range.start();
            let id: i64 = id.parse().unwrap_or(0);
            let mut statement = connection.prepare_cached(
                "SELECT id, actor, action, resource, before, after, request_id, created_at FROM audit_logs
                 WHERE (created_at, id) > (?1, ?2) AND created_at < ?3 ORDER BY created_at, id LIMIT ?4",
            )?;
            let rows = statement.query_map(params![at, id, range.to, range.limit + 1], |row| {
                let entry = AuditEntry {
                    id: row.get("id")?,
                    actor: row.get("actor")?,
                    action: row.get("action")?,
                    resource: row.get("resource")?,
                    before: json_column_or_null(row, "before")?,
                    after: json_column_or_null(row, "after")?,
                    request_id: row.get("request_id")?,
                    created_at: row.get("created_at")?,
                };
                let cursor = Cursor {
                    at: entry.created_at,
                    id: entry.id.to_string(),
                };
                Ok((cursor, entry))
            })?;
            Ok(Page::of(rows.collect::<rusqlite::Result<_>>()?, range.limit))
        })
        .await
    }
}
