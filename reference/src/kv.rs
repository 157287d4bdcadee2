//! Workers KV as an SQLite file: the tenant registry, and the entries of sandboxes. Never knows what a tenant's record holds.
//!
//! Registry entries are `slug:<slug>` and `host:<hostname>` (both to a tenant id) and `tenant:<tenant id>` (to the names, as JSON);
//! those of a sandbox are `<sandbox_id>/<key>`. No slug or host can name a sandbox's entry, since each kind has its own prefix.

use crate::domain::sandbox_id::SandboxId;
use crate::domain::tenant::{TenantId, TenantNames};
use crate::ports::{Clock, Registry, SandboxKv, StoreError};
use crate::store::{Dialect, OpenError, SqliteFile};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// `expires_at` is in epoch milliseconds; null means never. The index is there to find what has expired.
const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value TEXT, expires_at INTEGER);
CREATE INDEX IF NOT EXISTS kv_expires_at ON kv (expires_at) WHERE expires_at IS NOT NULL;";
const GET: &str = "SELECT value FROM kv WHERE key = ?1 AND (expires_at IS NULL OR expires_at > ?2)";
const PUT: &str = "INSERT INTO kv (key, value, expires_at) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at";
const DELETE: &str = "DELETE FROM kv WHERE key = ?1";
const DELETE_RANGE: &str = "DELETE FROM kv WHERE key >= ?1 AND key < ?2";
const DELETE_EXPIRED: &str = "DELETE FROM kv WHERE rowid IN (SELECT rowid FROM kv WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";

/// KV's least `expirationTtl` (Cloudflare's documentation; a local probe gives the same answer).
const TTL_MIN: Duration = Duration::from_secs(60);

/// KV's longest key, in bytes (Cloudflare's documentation; a local probe answers 414 above it).
const KEY_BYTES_MAX: usize = 512;

/// Expired entries that one write takes away: more than it can add, so they cannot pile up.
const EXPIRED_A_WRITE: i64 = 8;

/// What KV refuses to store. It reaches the caller as the source of [`StoreError::Unavailable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PutRefused {
    /// The time to live is under 60 s.
    #[error("expiration ttl must be at least 60 seconds")]
    TtlTooShort,
    /// The key, its prefix included, is over 512 bytes.
    #[error("key is over 512 bytes")]
    KeyTooLong,
}

/// A KV namespace. Clones share it; dropping the last one writes what is queued.
#[derive(Clone)]
pub struct Kv {
    file: SqliteFile,
    clock: Arc<dyn Clock>,
}

impl Kv {
    /// Opens the file, creating it if need be.
    ///
    /// # Errors
    /// [`OpenError`] if the file cannot be opened.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let file = SqliteFile::open(path, Dialect::Plain, |connection| {
            connection.execute_batch(SCHEMA)
        })?;
        Ok(Self { file, clock })
    }

    /// Writes what is queued and stops the writing thread, which blocks for as long as that takes. Later writes of other clones fail.
    pub fn close(self) {
        self.file.close();
    }

    fn read(&self, key: &str) -> Result<Option<String>, StoreError> {
        let now_ms = self.clock.now_ms();
        self.file
            .read_point(|connection| get(connection, key, now_ms))
    }

    fn owner(&self, key: &str) -> Result<Option<TenantId>, StoreError> {
        Ok(self
            .read(key)?
            .and_then(|value| TenantId::parse(&value).ok()))
    }
}

#[async_trait]
impl Registry for Kv {
    async fn by_slug(&self, slug: &str) -> Result<Option<TenantId>, StoreError> {
        self.owner(&slug_key(slug))
    }

    async fn by_host(&self, host: &str) -> Result<Option<TenantId>, StoreError> {
        self.owner(&host_key(host))
    }

    async fn names(&self, tenant: TenantId) -> Result<Option<TenantNames>, StoreError> {
        let value = self.read(&tenant_key(tenant))?;
        Ok(value.and_then(|json| serde_json::from_str(&json).ok()))
    }

    async fn claim(&self, tenant: TenantId, names: &TenantNames) -> Result<(), StoreError> {
        let names = names.clone();
        let json = serde_json::to_string(&names)
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let now_ms = self.clock.now_ms();
        let claimed = self
            .file
            .write(move |connection| claim(connection, tenant, &names, &json, now_ms))
            .await?;
        claimed.map_err(|taken| StoreError::Conflict {
            column: taken.column().to_owned(),
        })
    }

    async fn release(&self, tenant: TenantId) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        self.file
            .write(move |connection| release(connection, tenant, now_ms))
            .await
    }
}

#[async_trait]
impl SandboxKv for Kv {
    async fn get(&self, sandbox: SandboxId, key: &str) -> Result<Option<String>, StoreError> {
        self.read(&sandbox_key(sandbox, key))
    }

    async fn put(
        &self,
        sandbox: SandboxId,
        key: &str,
        value: &str,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        let key = sandbox_key(sandbox, key);
        let now_ms = self.clock.now_ms();
        let expires_at = check_put(&key, ttl)
            .map(|()| ttl.map(|ttl| now_ms.saturating_add(milliseconds(ttl))))
            .map_err(|refused| StoreError::Unavailable(Box::new(refused)))?;
        let value = value.to_owned();
        self.file
            .write(move |connection| {
                put(connection, &key, &value, expires_at)?;
                connection
                    .prepare_cached(DELETE_EXPIRED)?
                    .execute([now_ms, EXPIRED_A_WRITE])?;
                Ok(())
            })
            .await
    }

    async fn clear(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        // `0` follows `/`: the range holds every key that starts with `<sandbox_id>/` and no other.
        let (from, to) = (format!("{sandbox}/"), format!("{sandbox}0"));
        self.file
            .write(move |connection| {
                connection
                    .prepare_cached(DELETE_RANGE)?
                    .execute([from, to])?;
                Ok(())
            })
            .await
    }
}

fn slug_key(slug: &str) -> String {
    format!("slug:{slug}")
}

fn host_key(host: &str) -> String {
    format!("host:{host}")
}

fn tenant_key(tenant: TenantId) -> String {
    format!("tenant:{tenant}")
}

fn sandbox_key(sandbox: SandboxId, key: &str) -> String {
    format!("{sandbox}/{key}")
}

fn check_put(key: &str, ttl: Option<Duration>) -> Result<(), PutRefused> {
    if key.len() > KEY_BYTES_MAX {
        return Err(PutRefused::KeyTooLong);
    }
    if ttl.is_some_and(|ttl| ttl < TTL_MIN) {
        return Err(PutRefused::TtlTooShort);
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A name that another tenant holds.
#[derive(Debug, Clone, Copy)]
enum Taken {
    Slug,
    Domain,
}

impl Taken {
    fn column(self) -> &'static str {
        match self {
            Self::Slug => "slug",
            Self::Domain => "domain",
        }
    }
}

fn claim(
    connection: &mut Connection,
    tenant: TenantId,
    names: &TenantNames,
    json: &str,
    now_ms: i64,
) -> rusqlite::Result<Result<(), Taken>> {
    // Other writes share the transaction: a claim that fails halfway must undo itself and nothing else.
    let savepoint = connection.savepoint()?;
    let is_foreign = |key: &str| -> rusqlite::Result<bool> {
        let holder = owner(&savepoint, key, now_ms)?;
        Ok(holder.is_some_and(|holder| holder != tenant))
    };
    if is_foreign(&slug_key(&names.slug))? {
        return Ok(Err(Taken::Slug));
    }
    for domain in &names.domains {
        if is_foreign(&host_key(domain))? {
            return Ok(Err(Taken::Domain));
        }
    }
    release(&savepoint, tenant, now_ms)?;
    for key in entries(names) {
        put(&savepoint, &key, &tenant.to_string(), None)?;
    }
    put(&savepoint, &tenant_key(tenant), json, None)?;
    savepoint.commit()?;
    Ok(Ok(()))
}

/// Removes the tenant's names; a name that meanwhile leads to another tenant stays.
fn release(connection: &Connection, tenant: TenantId, now_ms: i64) -> rusqlite::Result<()> {
    let key = tenant_key(tenant);
    let former: Option<TenantNames> =
        get(connection, &key, now_ms)?.and_then(|json| serde_json::from_str(&json).ok());
    for entry in former.iter().flat_map(entries) {
        if owner(connection, &entry, now_ms)? == Some(tenant) {
            delete(connection, &entry)?;
        }
    }
    delete(connection, &key)
}

/// The keys that lead from a name to its tenant.
fn entries(names: &TenantNames) -> impl Iterator<Item = String> {
    std::iter::once(slug_key(&names.slug)).chain(names.domains.iter().map(|host| host_key(host)))
}

fn get(connection: &Connection, key: &str, now_ms: i64) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(GET)?
        .query_row(params![key, now_ms], |row| row.get(0))
        .optional()
        .map(Option::flatten)
}

fn owner(connection: &Connection, key: &str, now_ms: i64) -> rusqlite::Result<Option<TenantId>> {
    Ok(get(connection, key, now_ms)?.and_then(|value| TenantId::parse(&value).ok()))
}

fn put(
    connection: &Connection,
    key: &str,
    value: &str,
    expires_at: Option<i64>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(PUT)?
        .execute(params![key, value, expires_at])
        .map(|_one_row| ())
}

fn delete(connection: &Connection, key: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(DELETE)?
        .execute([key])
        .map(|_none_or_one_row| ())
}

#[cfg(test)]
#[path = "kv_tests.rs"]
mod tests;
