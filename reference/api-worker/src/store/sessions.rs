//! Sessions of users. Never keeps a token.

use super::{Refusal, Store};
use crate::domain::credential::Credential;
use moltworker_reference::ports::StoreError;
use rusqlite::{OptionalExtension, params};

/// A session that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// Its id.
    pub id: String,
    /// The user.
    pub user_id: String,
    /// The key by which it began.
    pub key_id: String,
    /// Epoch milliseconds.
    pub expires_at: i64,
    /// Epoch milliseconds.
    pub created_at: i64,
}

impl Store {
    /// Begins a session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_session(
        &self,
        new: NewSession,
        token: Credential,
    ) -> Result<(), StoreError> {
        self.change(move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO user_sessions (id, user_id, api_key_id, prefix, hash, expires_at, created_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    new.id, new.user_id, new.key_id, token.prefix(), token.hash().as_str(), new.expires_at, new.created_at
                ])?;
            Ok(())
        })
        .await
    }

    /// Ends a session of this user; of one that has ended nothing changes.
    ///
    /// # Errors
    /// [`StoreError`]; refused if the user has no such session.
    pub async fn end_session(
        &self,
        user: String,
        id: String,
        now: i64,
    ) -> Result<Result<(), Refusal>, StoreError> {
        self.try_change(move |connection| {
            let found = connection
                .prepare_cached("SELECT 1 FROM user_sessions WHERE id = ?1 AND user_id = ?2")?
                .query_row(params![id, user], |_row| Ok(()))
                .optional()?;
            if found.is_none() {
                return Ok(Err(Refusal::NotFound));
            }
            connection
                .prepare_cached(
                    "UPDATE user_sessions SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
                )?
                .execute(params![id, now])?;
            Ok(Ok(()))
        })
        .await
    }
}
