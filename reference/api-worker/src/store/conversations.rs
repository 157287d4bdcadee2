//! Conversations and their messages. Never shows one of another user.

use super::{Refusal, Store, json_column, json_column_or_null};
use crate::domain::cursor::{Cursor, Page};
use crate::domain::records::{Conversation, Message};
use moltworker_reference::ports::StoreError;
use rusqlite::{Connection, OptionalExtension, Row, params};

// Positions have no gap: the largest one is how many there are.
const COLUMNS: &str = "id, title, created_at, updated_at, coalesce(
    (SELECT max(position) FROM messages WHERE messages.user_id = conversations.user_id AND messages.conversation_id = conversations.id), 0
  ) AS message_count";

fn conversation(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    Ok(Conversation {
        id: row.get("id")?,
        title: row.get("title")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        message_count: row.get("message_count")?,
    })
}

fn read(connection: &Connection, user: &str, id: &str) -> rusqlite::Result<Option<Conversation>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM conversations WHERE user_id = ?1 AND id = ?2"
        ))?
        .query_row([user, id], conversation)
        .optional()
}

/// A message that is to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// One of the contract's roles.
    pub role: String,
    /// Of a participant.
    pub name: Option<String>,
    /// JSON.
    pub content: String,
    /// A JSON array.
    pub tool_calls: Option<String>,
    /// What it answers.
    pub tool_call_id: Option<String>,
}

/// Appends messages in order; whether the user has the conversation.
pub(super) fn append(
    connection: &Connection,
    user: &str,
    id: &str,
    messages: &[NewMessage],
    now: i64,
) -> rusqlite::Result<bool> {
    let Some(conversation) = read(connection, user, id)? else {
        return Ok(false);
    };
    let mut insert = connection.prepare_cached(
        "INSERT INTO messages (id, conversation_id, user_id, position, role, name, content, tool_calls, tool_call_id, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for (message, position) in messages.iter().zip(conversation.message_count + 1..) {
        insert.execute(params![
            uuid::Uuid::now_v7().to_string(),
            id,
            user,
            position,
            message.role,
            message.name,
            message.content,
            message.tool_calls,
            message.tool_call_id,
            now
        ])?;
    }
    connection
        .prepare_cached("UPDATE conversations SET updated_at = max(updated_at, ?3) WHERE user_id = ?1 AND id = ?2")?
        .execute(params![user, id, now])?;
    Ok(true)
}

impl Store {
    /// Begins a conversation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_conversation(
        &self,
        user: String,
        new: Conversation,
    ) -> Result<Conversation, StoreError> {
        self.change(move |connection| {
            connection
                .prepare_cached("INSERT INTO conversations (id, user_id, title, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![new.id, user, new.title, new.created_at, new.updated_at])?;
            Ok(new)
        })
        .await
    }

    /// One conversation of a user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn conversation(&self, user: &str, id: &str) -> Result<Option<Conversation>, StoreError> {
        self.file
            .read_point(|connection| read(connection, user, id))
    }

    /// Conversations of a user, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn conversations(
        &self,
        user: String,
        cursor: Cursor,
        limit: u32,
    ) -> Result<Page<Conversation>, StoreError> {
        self.list(move |connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM conversations WHERE user_id = ?1 AND (created_at, id) < (?2, ?3)
                 ORDER BY created_at DESC, id DESC LIMIT ?4"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![user, cursor.at, cursor.id, limit + 1], |row| {
                let conversation = conversation(row)?;
                let cursor = Cursor { at: conversation.created_at, id: conversation.id.clone() };
                Ok((cursor, conversation))
            })?;
            Ok(Page::of(rows.collect::<rusqlite::Result<_>>()?, limit))
        })
        .await
    }

    /// Deletes a conversation with its messages.
    ///
    /// # Errors
    /// [`StoreError`]; refused if the user has none of this id.
    pub async fn delete_conversation(
        &self,
        user: String,
        id: String,
    ) -> Result<Result<(), Refusal>, StoreError> {
        self.try_change(move |connection| {
            let deleted = connection
                .prepare_cached("DELETE FROM conversations WHERE user_id = ?1 AND id = ?2")?
                .execute([user, id])?;
            Ok(if deleted == 1 {
                Ok(())
            } else {
                Err(Refusal::NotFound)
            })
        })
        .await
    }

    /// Messages of a conversation, in order; `None` if the user has none of this id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn messages(
        &self,
        user: String,
        id: String,
        cursor: Cursor,
        limit: u32,
    ) -> Result<Option<Page<Message>>, StoreError> {
        self.list(move |connection| {
            if read(connection, &user, &id)?.is_none() {
                return Ok(None);
            }
            let mut statement = connection.prepare_cached(
                "SELECT id, position, role, content, tool_calls, tool_call_id, created_at FROM messages
                 WHERE user_id = ?1 AND conversation_id = ?2 AND position > ?3 ORDER BY position LIMIT ?4",
            )?;
            let rows = statement.query_map(params![user, id, cursor.at, limit + 1], |row| {
                let message = Message {
                    id: row.get("id")?,
                    position: row.get("position")?,
                    role: row.get("role")?,
                    content: json_column(row, "content")?,
                    tool_calls: json_column_or_null(row, "tool_calls")?,
                    tool_call_id: row.get("tool_call_id")?,
                    created_at: row.get("created_at")?,
                };
                let cursor = Cursor { at: message.position, id: String::new() };
                Ok((cursor, message))
            })?;
            Ok(Some(Page::of(rows.collect::<rusqlite::Result<_>>()?, limit)))
        })
        .await
    }

    /// All messages of a conversation, as they go upstream; `None` if the user has none of this id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(
        &self,
        user: String,
        id: String,
    ) -> Result<Option<Vec<NewMessage>>, StoreError> {
        self.list(move |connection| {
            if read(connection, &user, &id)?.is_none() {
                return Ok(None);
            }
            let mut statement = connection.prepare_cached(
                "SELECT role, name, content, tool_calls, tool_call_id FROM messages
                 WHERE user_id = ?1 AND conversation_id = ?2 ORDER BY position",
            )?;
            let rows = statement.query_map([user, id], |row| {
                Ok(NewMessage {
                    role: row.get("role")?,
                    name: row.get("name")?,
                    content: row.get("content")?,
                    tool_calls: row.get("tool_calls")?,
                    tool_call_id: row.get("tool_call_id")?,
                })
            })?;
            rows.collect::<rusqlite::Result<_>>().map(Some)
        })
        .await
    }
}
