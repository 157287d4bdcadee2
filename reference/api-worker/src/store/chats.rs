//! What an answered chat leaves: its usage with its cost, and its messages. Never leaves a part of it.

use super::audit::Range;
use super::conversations::{NewMessage, append};
use super::keys::Told;
use super::{Store, deliveries, prices};
use crate::domain::cursor::{Cursor, Page};
use crate::domain::fields::EventKind;
use crate::domain::money::cost_micros;
use crate::domain::records::{ModelPrice, Usage};
use moltworker_reference::ports::StoreError;
use rusqlite::{Connection, params};

const COLUMNS: &str = "id, request_id, user_id, api_key_id, conversation_id, model, input_tokens, output_tokens, cost_micros, latency_ms, created_at";

/// A chat that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its usage; the cost is not known yet.
    pub usage: Usage,
    /// What its conversation is to keep.
    pub messages: Vec<NewMessage>,
}

impl Store {
    /// Writes the usage of an answered chat, its cost by the price of that moment, and its messages.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing is written.
    pub async fn complete_chat(&self, chat: Answered) -> Result<Told<Usage>, StoreError> {
        let Answered { usage, messages } = chat;
        if usage.conversation_id.is_none() {
            return self.keep_usage(usage).await;
        }
        self.change(move |connection| keep(connection, usage, &messages))
            .await
    }

    /// Rows of usage, oldest first, of one user or of all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn usage(
        &self,
        user: Option<String>,
        range: Range,
    ) -> Result<Page<Usage>, StoreError> {
        self.list(move |connection| {
            let (at, id) = range.start();
            let of_user = if user.is_some() { "user_id = ?5 AND" } else { "?5 IS NULL AND" };
            let sql = format!(
                "SELECT {COLUMNS} FROM usage_logs WHERE {of_user} (created_at, id) > (?1, ?2) AND created_at < ?3
                 ORDER BY created_at, id LIMIT ?4"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![at, id, range.to, range.limit + 1, user], |row| {
                let usage = Usage {
                    id: row.get("id")?,
                    request_id: row.get("request_id")?,
                    user_id: row.get("user_id")?,
                    api_key_id: row.get("api_key_id")?,
                    conversation_id: row.get("conversation_id")?,
                    model: row.get("model")?,
                    input_tokens: row.get("input_tokens")?,
                    output_tokens: row.get("output_tokens")?,
                    cost_micros: row.get("cost_micros")?,
                    latency_ms: row.get("latency_ms")?,
                    created_at: row.get("created_at")?,
                };
                let cursor = Cursor { at: usage.created_at, id: usage.id.clone() };
                Ok((cursor, usage))
            })?;
            Ok(Page::of(rows.collect::<rusqlite::Result<_>>()?, range.limit))
        })
        .await
    }
}

/// Writes what a chat leaves, and its event.
pub(super) fn keep(
    connection: &Connection,
    mut usage: Usage,
    messages: &[NewMessage],
) -> rusqlite::Result<Told<Usage>> {
    let price = prices::at(connection, &usage.model, usage.created_at)?;
    usage.cost_micros = cost_of(&usage, price.as_ref());
    insert(connection, &usage)?;
    let now = usage.created_at;
    if let Some(conversation) = &usage.conversation_id {
        // One that was deleted meanwhile takes nothing more.
        append(connection, &usage.user_id, conversation, messages, now)?;
    }
    let deliveries = deliveries::announce(connection, EventKind::ChatCompleted, &usage, now)?;
    Ok(Told {
        value: usage,
        deliveries,
    })
}

/// What usage costs by this price; unknown where tokens or price are.
pub(super) fn cost_of(usage: &Usage, price: Option<&ModelPrice>) -> Option<i64> {
    let (price, input, output) = (price?, usage.input_tokens?, usage.output_tokens?);
    let tokens = |count: i64| u32::try_from(count).unwrap_or_default();
    let micros = |price: i64| u64::try_from(price).unwrap_or_default();
    Some(cost_micros(
        (tokens(input), micros(price.input_micros_per_million)),
        (tokens(output), micros(price.output_micros_per_million)),
    ))
}

pub(super) fn insert(connection: &Connection, usage: &Usage) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO usage_logs
               (id, request_id, user_id, api_key_id, conversation_id, model, input_tokens, output_tokens, cost_micros, latency_ms, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            usage.id, usage.request_id, usage.user_id, usage.api_key_id, usage.conversation_id, usage.model, usage.input_tokens,
            usage.output_tokens, usage.cost_micros, usage.latency_ms, usage.created_at
        ])?;
    Ok(())
}
