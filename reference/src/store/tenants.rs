//! SQL of `tenants`. Never reads a row without its key, but for the paged listing.

use super::Database;
use crate::domain::sandbox_id::SandboxId;
use crate::domain::tenant::{TenantId, TenantRecord};
use crate::ports::{Page, StoreError, TenantChange, TenantStore};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// A tenant by its id.
pub const BY_ID: &str =
    "SELECT id, platform, tier, sandbox_id, created_at, updated_at FROM tenants WHERE id = ?1";
pub(super) const BY_SANDBOX_ID: &str = "SELECT id, platform, tier, sandbox_id, created_at, updated_at FROM tenants WHERE sandbox_id = ?1";
pub(super) const LIST: &str = "SELECT id, platform, tier, sandbox_id, created_at, updated_at FROM tenants WHERE id > ?1 ORDER BY id LIMIT ?2";
pub(super) const UPDATE: &str = "UPDATE tenants SET platform = coalesce(?2, platform), tier = coalesce(?3, tier), updated_at = ?4 WHERE id = ?1 RETURNING id, platform, tier, sandbox_id, created_at, updated_at";
pub(super) const DELETE: &str = "DELETE FROM tenants WHERE id = ?1";
const INSERT: &str = "INSERT INTO tenants (id, platform, tier, sandbox_id, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// A row holds an id that is no canonical UUID: somebody else wrote it, and no request can name it.
#[derive(Debug, thiserror::Error)]
#[error("tenant row with a malformed id")]
struct MalformedId;

#[async_trait]
impl TenantStore for Database {
    async fn by_id(&self, id: TenantId) -> Result<Option<TenantRecord>, StoreError> {
        let canonical = id.canonical();
        let key = std::str::from_utf8(&canonical).unwrap_or_default();
        self.file.read_point(|connection| {
            connection
                .prepare_cached(BY_ID)?
                .query_row([key], |row| read(row, id))
                .optional()
        })
    }

    async fn by_sandbox_id(&self, id: SandboxId) -> Result<Option<TenantRecord>, StoreError> {
        let found = self.file.read_point(|connection| {
            connection
                .prepare_cached(BY_SANDBOX_ID)?
                .query_row([id.as_str()], read_any)
                .optional()
        })?;
        // A row that holds the id is never "none", even if it cannot be shown: the id is taken.
        found
            .map(|row| {
                row.record
                    .ok_or_else(|| StoreError::Unavailable(Box::new(MalformedId)))
            })
            .transpose()
    }

    async fn insert(&self, record: &TenantRecord) -> Result<(), StoreError> {
        let record = record.clone();
        let id = record.id.to_string();
        let key = id.clone();
        let inserted = self
            .file
            .write(move |connection| insert(connection, &key, &record))
            .await;
        match inserted {
            // Which of two violated columns SQLite names is its own affair. An id that exists is the id's conflict.
            Err(StoreError::Conflict { column }) if column != "tenants.id" => {
                let exists = self
                    .file
                    .read_point(|connection| connection.prepare_cached(BY_ID)?.exists([id]))?;
                let column = if exists {
                    "tenants.id".to_owned()
                } else {
                    column
                };
                Err(StoreError::Conflict { column })
            }
            other => other,
        }
    }

    async fn update(
        &self,
        id: TenantId,
        change: &TenantChange,
    ) -> Result<Option<TenantRecord>, StoreError> {
        let TenantChange {
            platform,
            tier,
            updated_at,
        } = change.clone();
        self.file
            .write(move |connection| {
                connection
                    .prepare_cached(UPDATE)?
                    .query_row(params![id.to_string(), platform, tier, updated_at], |row| {
                        read(row, id)
                    })
                    .optional()
            })
            .await
    }

    async fn delete(&self, id: TenantId) -> Result<bool, StoreError> {
        self.file
            .write(move |connection| {
                let rows = connection
                    .prepare_cached(DELETE)?
                    .execute([id.to_string()])?;
                Ok(rows > 0)
            })
            .await
    }

    /// Rows whose id is no canonical UUID are left out: no request can name them.
    async fn list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<TenantRecord>, StoreError> {
        let after = cursor.unwrap_or_default().to_owned();
        self.file
            .read_list(move |connection| list(connection, &after, limit))
            .await
    }
}

fn insert(connection: &Connection, id: &str, record: &TenantRecord) -> rusqlite::Result<()> {
    let TenantRecord {
        id: _,
        platform,
        tier,
        sandbox_id,
        created_at,
        updated_at,
    } = record;
    let values = params![id, platform, tier, sandbox_id, created_at, updated_at];
    connection
        .prepare_cached(INSERT)?
        .execute(values)
        .map(|_one_row| ())
}

fn list(connection: &Connection, after: &str, limit: u32) -> rusqlite::Result<Page<TenantRecord>> {
    let mut statement = connection.prepare_cached(LIST)?;
    // One row more than asked for tells whether there is a next page.
    let mut rows: Vec<AnyRow> = statement
        .query_map(params![after, i64::from(limit) + 1], read_any)?
        .collect::<Result<_, _>>()?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > wanted;
    rows.truncate(wanted);
    let next_cursor = rows
        .last()
        .filter(|_last| has_more)
        .map(|last| last.id.clone());
    let items = rows.into_iter().filter_map(|row| row.record).collect();
    Ok(Page { items, next_cursor })
}

/// A row as it is, and the record if its id is one.
struct AnyRow {
    id: String,
    record: Option<TenantRecord>,
}

fn read_any(row: &Row<'_>) -> rusqlite::Result<AnyRow> {
    let id: String = row.get(0)?;
    let parsed = TenantId::parse(&id)
        .ok()
        .filter(|parsed| parsed.to_string() == id);
    let record = parsed.map(|parsed| read(row, parsed)).transpose()?;
    Ok(AnyRow { id, record })
}

fn read(row: &Row<'_>, id: TenantId) -> rusqlite::Result<TenantRecord> {
    Ok(TenantRecord {
        id,
        platform: row.get(1)?,
        tier: row.get(2)?,
        sandbox_id: row.get(3)?,
        created_at: row.get(4)?,
        updated_at: row.get(5)?,
    })
}
