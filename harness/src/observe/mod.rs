//! What can be seen of a target beside its answers: rows, entries, objects, log lines. Never interprets what it sees.

pub mod ai_gateway_logs;
mod api;
pub mod bucket_dir;
pub mod budget;
pub mod command;
pub mod explorer;
mod inspected;
mod level;
mod log_line;
pub mod log_lines;
pub mod model_calls;
mod printed;
pub mod read_only;
pub mod recorded;
pub mod rest;
pub mod sql_text;
pub mod sqlite_file;
pub mod tail;
pub mod who;

pub use api::CLOUDFLARE;
pub use log_line::{LogLine, Read};

use async_trait::async_trait;
use serde_json::Value;
use std::collections::BTreeMap;

/// One row: column name to value. Blobs are given as lower-case hexadecimal text.
pub type Row = BTreeMap<String, Value>;

/// A look failed: no finding about the contract.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot observe {what}: {why}")]
pub struct CannotObserve {
    /// `D1`, `KV`, `R2`, `log` or `AI Gateway`.
    pub what: &'static str,
    /// The reason.
    pub why: String,
}

impl CannotObserve {
    /// Whether Cloudflare's API says that there is no such store. Source: its codes 10013 (KV namespace) and 10006 (R2 bucket).
    #[must_use]
    pub fn is_of_a_store_that_is_not_bound(&self) -> bool {
        let says = |code: &str, words: &str| self.why.contains(code) && self.why.contains(words);
        says("10013", "namespace not found") || says("10006", "bucket not found")
    }
}

/// Dropping it lets the other writers go on.
pub type WritesHeld = Box<dyn std::any::Any + Send>;

/// A D1 database.
#[async_trait]
pub trait D1: Send + Sync {
    /// Runs one reading statement.
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, CannotObserve>;
    /// Runs one writing statement behind the target's back; returns the number of changed rows.
    async fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, CannotObserve>;
    /// Runs one writing statement in the target's own tables and columns, whatever its layout.
    async fn execute_own(&self, sql: &str, params: &[Value]) -> Result<usize, CannotObserve> {
        self.execute(sql, params).await
    }
    /// A statement as it is run: in the words of the target's layout.
    fn own_words(&self, sql: &str) -> String {
        sql.to_owned()
    }
    /// Keeps every other writer waiting until what is returned is dropped; `None` where that cannot be done.
    async fn hold_writes(&self) -> Result<Option<WritesHeld>, CannotObserve> {
        Ok(None)
    }
}

/// A KV namespace.
#[async_trait]
pub trait Kv: Send + Sync {
    /// The value of a key.
    async fn get(&self, key: &str) -> Result<Option<String>, CannotObserve>;
    /// The metadata beside the value of a key; `None` where there are none.
    async fn metadata(&self, key: &str) -> Result<Option<Value>, CannotObserve>;
    /// Stores an entry behind the target's back.
    async fn put(&self, key: &str, value: &str) -> Result<(), CannotObserve>;
    /// Stores an entry with metadata behind the target's back; an error where that cannot be done in this way.
    async fn put_with_metadata(
        &self,
        key: &str,
        value: &str,
        metadata: &Value,
    ) -> Result<(), CannotObserve>;
    /// Removes an entry behind the target's back.
    async fn delete(&self, key: &str) -> Result<(), CannotObserve>;
    /// Every key with this prefix, in order.
    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve>;
}

/// The metadata of a key in a list of KV's entries, as the REST API, the local explorer and wrangler give it.
fn listed_metadata(entries: &[Value], key: &str) -> Option<Value> {
    let own = entries.iter().find(|entry| entry["name"] == key)?;
    own.get("metadata")
        .filter(|metadata| !metadata.is_null())
        .cloned()
}

/// An R2 bucket.
#[async_trait]
pub trait Bucket: Send + Sync {
    /// Every key with this prefix, in order.
    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve>;
    /// The bytes of an object.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CannotObserve>;
    /// Stores an object.
    async fn put(&self, key: &str, bytes: &[u8]) -> Result<(), CannotObserve>;
}

/// A log that is being written.
pub trait Logs: Send + Sync {
    /// How many lines there are so far: the number of the next line.
    fn mark(&self) -> usize;
    /// Every line from this number on.
    fn since(&self, mark: usize) -> Vec<LogLine>;
    /// Why lines may be missing; `None` where every line is here. With gaps nothing follows from a line that is not there.
    fn gaps(&self) -> Option<String> {
        None
    }
}
