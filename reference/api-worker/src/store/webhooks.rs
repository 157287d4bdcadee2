//! Webhooks and the list of their deliveries. Never returns a secret but to the one who sends.

use super::audit::{self, Done};
use super::{Act, Refusal, Store, json_text, words_column};
use crate::domain::cursor::{Cursor, Page};
use crate::domain::records::{Delivery, Webhook};
use moltworker_reference::ports::StoreError;
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "id, url, events, state, created_at";

fn webhook(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    Ok(Webhook {
        id: row.get("id")?,
        url: row.get("url")?,
        events: words_column(row, "events")?,
        state: row.get("state")?,
        created_at: row.get("created_at")?,
    })
}

fn read(connection: &Connection, id: &str) -> rusqlite::Result<Option<Webhook>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM webhooks WHERE id = ?1"))?
        .query_row([id], webhook)
        .optional()
}

impl Store {
    /// Keeps a new webhook.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_webhook(
        &self,
        act: Act,
        new: Webhook,
        secret: String,
    ) -> Result<Webhook, StoreError> {
        self.change(move |connection| {
            connection
                .prepare_cached("INSERT INTO webhooks (id, url, secret, events, state, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![new.id, new.url, secret, json_text(&new.events)?, new.state, new.created_at])?;
            let after = Some(json_text(&new)?);
            audit::write(connection, &act, &Done { action: "webhook.create", resource: &new.id, before: None, after })?;
            Ok(new)
        })
        .await
    }

    /// Removes a webhook with its deliveries.
    ///
    /// # Errors
    /// [`StoreError`]; refused if there is none.
    pub async fn delete_webhook(
        &self,
        act: Act,
        id: String,
    ) -> Result<Result<(), Refusal>, StoreError> {
        self.try_change(move |connection| {
            let Some(old) = read(connection, &id)? else {
                return Ok(Err(Refusal::NotFound));
            };
            connection
                .prepare_cached("DELETE FROM webhooks WHERE id = ?1")?
                .execute([&id])?;
            let before = Some(json_text(&old)?);
            audit::write(
                connection,
                &act,
                &Done {
                    action: "webhook.delete",
                    resource: &id,
                    before,
                    after: None,
                },
            )?;
            Ok(Ok(()))
        })
        .await
    }

    /// One webhook.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn webhook(&self, id: &str) -> Result<Option<Webhook>, StoreError> {
        self.file.read_point(|connection| read(connection, id))
    }

    /// All webhooks, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        self.list(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM webhooks ORDER BY created_at, id");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([], webhook)?;
            rows.collect()
        })
        .await
    }

    /// Deliveries of a webhook, oldest first; `None` if there is no such webhook.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn deliveries(
        &self,
        webhook: String,
        cursor: Cursor,
        limit: u32,
    ) -> Result<Option<Page<Delivery>>, StoreError> {
        self.list(move |connection| {
            if read(connection, &webhook)?.is_none() {
                return Ok(None);
            }
            let mut statement = connection.prepare_cached(
                "SELECT webhook_deliveries.id, event_id, event, state, attempts, last_status, next_attempt_at, delivered_at,
                   webhook_deliveries.created_at
                 FROM webhook_deliveries CROSS JOIN webhook_events ON webhook_events.id = webhook_deliveries.event_id
                 WHERE webhook_id = ?1 AND (webhook_deliveries.created_at, webhook_deliveries.id) > (?2, ?3)
                 ORDER BY webhook_deliveries.created_at, webhook_deliveries.id LIMIT ?4",
            )?;
            let rows = statement.query_map(params![webhook, cursor.at, cursor.id, limit + 1], |row| {
                let delivery = Delivery {
                    id: row.get("id")?,
                    event_id: row.get("event_id")?,
                    event: row.get("event")?,
                    state: row.get("state")?,
                    attempts: row.get("attempts")?,
                    last_status: row.get("last_status")?,
                    next_attempt_at: row.get("next_attempt_at")?,
                    delivered_at: row.get("delivered_at")?,
                    created_at: row.get("created_at")?,
                };
                let cursor = Cursor { at: delivery.created_at, id: delivery.id.clone() };
                Ok((cursor, delivery))
            })?;
            Ok(Some(Page::of(rows.collect::<rusqlite::Result<_>>()?, limit)))
        })
        .await
    }
}
