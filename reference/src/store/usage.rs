//! SQL of `usage`. Never reads a row but by its tenant, never changes one.

use super::Database;
use crate::domain::tenant::TenantId;
use crate::domain::usage::UsageRow;
use crate::domain::usage_cursor::UsageCursor;
use crate::ports::{Page, StoreError, UsageRange, UsageStore};
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

const INSERT: &str = "INSERT INTO usage (id, tenant_id, model, tokens_in, tokens_out, latency_ms, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING";
/// Rows of one millisecond are in the order of their ids; the index brings the milliseconds in order.
/// A page of one tenant's usage in a time range.
pub const LIST: &str = "SELECT id, model, tokens_in, tokens_out, latency_ms, created_at FROM usage WHERE tenant_id = ?1 AND created_at >= ?2 AND created_at < ?3 AND (created_at, id) > (?2, ?4) ORDER BY created_at, id LIMIT ?5";

#[async_trait]
impl UsageStore for Database {
    async fn insert(&self, row: &UsageRow) -> Result<(), StoreError> {
        let row = row.clone();
        self.file
            .write(move |connection| insert(connection, &row))
            .await
    }

    /// A cursor that this store did not make lists nothing; [`UsageCursor::parse`] tells beforehand.
    /// Rows whose id is no UUID are left out.
    async fn list(
        &self,
        tenant: TenantId,
        range: &UsageRange,
    ) -> Result<Page<UsageRow>, StoreError> {
        let Some(start) = Start::of(range) else {
            return Ok(Page {
                items: Vec::new(),
                next_cursor: None,
            });
        };
        let (to_ms, limit) = (range.to_ms, range.limit);
        self.file
            .read_list(move |connection| list(connection, tenant, &start, to_ms, limit))
            .await
    }
}

fn insert(connection: &Connection, row: &UsageRow) -> rusqlite::Result<()> {
    let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
    let id = &*row.id.hyphenated().encode_lower(&mut id);
    let tenant_id = row.tenant_id.canonical();
    let tenant_id = std::str::from_utf8(&tenant_id).unwrap_or_default();
    let UsageRow {
        model,
        tokens_in,
        tokens_out,
        latency_ms,
        created_at,
        ..
    } = row;
    let values = params![
        id, tenant_id, model, tokens_in, tokens_out, latency_ms, created_at
    ];
    connection
        .prepare_cached(INSERT)?
        .execute(values)
        .map(|_none_or_one_row| ())
}

/// Where a page starts: after this id of this millisecond.
struct Start {
    from_ms: i64,
    after_id: String,
}

impl Start {
    fn of(range: &UsageRange) -> Option<Self> {
        let Some(cursor) = &range.cursor else {
            // No text sorts before the empty one, and no id is empty.
            return Some(Self {
                from_ms: range.from_ms,
                after_id: String::new(),
            });
        };
        let UsageCursor { created_at, id } = UsageCursor::parse(cursor)?;
        if created_at < range.from_ms {
            return Some(Self {
                from_ms: range.from_ms,
                after_id: String::new(),
            });
        }
        Some(Self {
            from_ms: created_at,
            after_id: id,
        })
    }
}

fn list(
    connection: &Connection,
    tenant: TenantId,
    start: &Start,
    to_ms: i64,
    limit: u32,
) -> rusqlite::Result<Page<UsageRow>> {
    let mut statement = connection.prepare_cached(LIST)?;
    let values = params![
        tenant.to_string(),
        start.from_ms,
        to_ms,
        start.after_id,
        i64::from(limit) + 1
    ];
    let mut rows: Vec<(UsageCursor, Option<UsageRow>)> = statement
        .query_map(values, |row| read(row, tenant))?
        .collect::<Result<_, _>>()?;
    // One row more than asked for tells whether there is a next page.
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > wanted;
    rows.truncate(wanted);
    let next_cursor = rows
        .last()
        .filter(|_last| has_more)
        .map(|(cursor, _)| cursor.to_string());
    let items = rows.into_iter().filter_map(|(_, row)| row).collect();
    Ok(Page { items, next_cursor })
}

fn read(row: &Row<'_>, tenant_id: TenantId) -> rusqlite::Result<(UsageCursor, Option<UsageRow>)> {
    let cursor = UsageCursor {
        id: row.get(0)?,
        created_at: row.get(5)?,
    };
    let Ok(id) = Uuid::try_parse(&cursor.id) else {
        return Ok((cursor, None));
    };
    let usage = UsageRow {
        id,
        tenant_id,
        model: row.get(1)?,
        tokens_in: row.get(2)?,
        tokens_out: row.get(3)?,
        latency_ms: row.get(4)?,
        created_at: cursor.created_at,
    };
    Ok((cursor, Some(usage)))
}
