//! API keys. Never returns a hash.

use super::audit::{self, Done};
use super::{Act, Refusal, Store, deliveries, json_text, words_column};
use crate::domain::credential::Credential;
use crate::domain::cursor::{Cursor, Page};
use crate::domain::fields::EventKind;
use crate::domain::records::Key;
use moltworker_reference::ports::StoreError;
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "id, user_id, name, prefix, permissions, expires_at, quota_requests, requests_used, replaces, revoked_at, created_at";

/// A change with the deliveries that it caused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<T> {
    /// What it is now.
    pub value: T,
    /// Ids of deliveries that can be tried at once.
    pub deliveries: Vec<String>,
}

fn key(row: &Row<'_>) -> rusqlite::Result<Key> {
    Ok(Key {
        id: row.get("id")?,
        user_id: row.get("user_id")?,
        name: row.get("name")?,
        prefix: row.get("prefix")?,
        permissions: words_column(row, "permissions")?,
        expires_at: row.get("expires_at")?,
        quota_requests: row.get("quota_requests")?,
        requests_used: row.get("requests_used")?,
        replaces: row.get("replaces")?,
        revoked_at: row.get("revoked_at")?,
        created_at: row.get("created_at")?,
    })
}

fn read(connection: &Connection, id: &str) -> rusqlite::Result<Option<Key>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM api_keys WHERE id = ?1"))?
        .query_row([id], key)
        .optional()
}

fn insert(connection: &Connection, key: &Key, credential: &Credential) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO api_keys (id, user_id, name, prefix, hash, permissions, expires_at, quota_requests, replaces, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            key.id, key.user_id, key.name, key.prefix, credential.hash().as_str(), json_text(&key.permissions)?, key.expires_at,
            key.quota_requests, key.replaces, key.created_at
        ])?;
    Ok(())
}

fn revoke(connection: &Connection, key: &Key, now: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?
        .execute(params![key.id, now])?;
    connection
        .prepare_cached("UPDATE user_sessions SET revoked_at = ?3 WHERE user_id = ?1 AND api_key_id = ?2 AND revoked_at IS NULL")?
        .execute(params![key.user_id, key.id, now])?;
    Ok(())
}

impl Store {
    /// Keeps a new key, whose `prefix` is the credential's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_key(
        &self,
        act: Act,
        new: Key,
        credential: Credential,
    ) -> Result<Told<Key>, StoreError> {
        self.change(move |connection| {
            insert(connection, &new, &credential)?;
            let after = Some(json_text(&new)?);
            let done = Done {
                action: "key.create",
                resource: &new.id,
                before: None,
                after,
            };
            audit::write(connection, &act, &done)?;
            let deliveries =
                deliveries::announce(connection, EventKind::KeyCreated, &new, act.now)?;
            Ok(Told {
                value: new,
                deliveries,
            })
        })
        .await
    }

    /// One key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn key(&self, id: &str) -> Result<Option<Key>, StoreError> {
        self.file.read_point(|connection| read(connection, id))
    }

    /// Keys, oldest first, of one user or of all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keys(
        &self,
        user: Option<String>,
        cursor: Cursor,
        limit: u32,
    ) -> Result<Page<Key>, StoreError> {
        self.list(move |connection| {
            let (at, id) = (cursor.at, cursor.id);
            let of_user = if user.is_some() { "user_id = ?4 AND" } else { "?4 IS NULL AND" };
            let sql = format!(
                "SELECT {COLUMNS} FROM api_keys WHERE {of_user} (created_at, id) > (?1, ?2) ORDER BY created_at, id LIMIT ?3"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![at, id, limit + 1, user], |row| {
                let key = key(row)?;
                let cursor = Cursor { at: key.created_at, id: key.id.clone() };
                Ok((cursor, key))
            })?;
            Ok(Page::of(rows.collect::<rusqlite::Result<_>>()?, limit))
        })
        .await
    }

    /// Replaces a valid key by another one of the same user with what is left of the quota; the old one and its sessions end.
    ///
    /// # Errors
    /// [`StoreError`]; refused if there is no such key, or it is revoked or expired.
    pub async fn rotate_key(
        &self,
        act: Act,
        id: String,
        new_id: String,
        credential: Credential,
    ) -> Result<Result<Told<Key>, Refusal>, StoreError> {
        self.try_change(move |connection| {
            let Some(old) = read(connection, &id)? else {
                return Ok(Err(Refusal::NotFound));
            };
            if old.revoked_at.is_some() || old.expires_at.is_some_and(|end| end <= act.now) {
                return Ok(Err(Refusal::Conflict));
            }
            let new = Key {
                id: new_id,
                prefix: credential.prefix().to_owned(),
                quota_requests: old.quota_requests.map(|quota| quota - old.requests_used),
                requests_used: 0,
                replaces: Some(old.id.clone()),
                revoked_at: None,
                created_at: act.now,
                ..old.clone()
            };
            insert(connection, &new, &credential)?;
            revoke(connection, &old, act.now)?;
            let (before, after) = (Some(json_text(&old)?), Some(json_text(&new)?));
            audit::write(
                connection,
                &act,
                &Done {
                    action: "key.rotate",
                    resource: &old.id,
                    before,
                    after,
                },
            )?;
            let deliveries =
                deliveries::announce(connection, EventKind::KeyRotated, &new, act.now)?;
            Ok(Ok(Told {
                value: new,
                deliveries,
            }))
        })
        .await
    }

    /// Revokes a key and its sessions; of a revoked key nothing changes.
    ///
    /// # Errors
    /// [`StoreError`]; refused if there is no such key.
    pub async fn revoke_key(
        &self,
        act: Act,
        id: String,
    ) -> Result<Result<Vec<String>, Refusal>, StoreError> {
        self.try_change(move |connection| {
            let Some(old) = read(connection, &id)? else {
                return Ok(Err(Refusal::NotFound));
            };
            if old.revoked_at.is_some() {
                return Ok(Ok(Vec::new()));
            }
            revoke(connection, &old, act.now)?;
            let new = Key {
                revoked_at: Some(act.now),
                ..old.clone()
            };
            let (before, after) = (Some(json_text(&old)?), Some(json_text(&new)?));
            audit::write(
                connection,
                &act,
                &Done {
                    action: "key.revoke",
                    resource: &id,
                    before,
                    after,
                },
            )?;
            let deliveries =
                deliveries::announce(connection, EventKind::KeyRevoked, &new, act.now)?;
            Ok(Ok(deliveries))
        })
        .await
    }

    /// Counts a chat of a key, unless its quota is used up; whether it was counted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn use_quota(&self, key: String) -> Result<bool, StoreError> {
        self.count(move |connection| {
            let counted = connection
                .prepare_cached(
                    "UPDATE api_keys SET requests_used = requests_used + 1
                     WHERE id = ?1 AND (quota_requests IS NULL OR requests_used < quota_requests)",
                )?
                .execute([key])?;
            Ok(counted == 1)
        })
        .await
    }
}
