//! Stores that note down what was asked of them and what was there. Never changes what it hands on, and never keeps a secret.

use super::{Bucket, CannotObserve, D1, Kv, Row, WritesHeld};
use crate::clock;
use crate::evidence::cut;
use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Looks that are kept of a scenario: the first half of them and the last. Evidence: the longest scenario looks 70 times at something that
/// has changed since; waiting for a condition folds into one look.
const LOOKS_MAX: usize = 100;

/// Bytes kept of a question. Evidence: the longest statement of the contract has 400.
const ASKED_MAX: usize = 1024;

/// Bytes kept of what was there. Evidence: the rows of one tenant, which most looks are about, have less than 1 KiB.
const SAW_MAX: usize = 2048;

/// One look at a store, or several in a row that saw the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When it was first seen so.
    pub at: Instant,
    /// `D1`, `KV` or `R2`.
    pub store: &'static str,
    /// Statement, key or prefix.
    pub asked: String,
    /// What was there, as JSON, cut.
    pub saw: String,
    /// How often in a row.
    pub times: usize,
    question: u64,
    answer: u64,
}

/// What one scenario has looked at. Clones write into the same book.
#[derive(Debug, Clone, Default)]
pub struct Looks(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    looks: Vec<Look>,
    left_out: usize,
}

impl Looks {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen, and how many further looks were not kept.
    #[must_use]
    pub fn take(&self) -> (Vec<Look>, usize) {
        let mut book = self.book();
        (std::mem::take(&mut book.looks), book.left_out)
    }

    fn note<T: Serialize>(&self, store: &'static str, asked: &str, saw: &Result<T, CannotObserve>) {
        let saw = match saw {
            Ok(saw) => serde_json::to_string(saw).unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        let (question, answer) = (hash(&[store, asked]), hash(&[&saw]));
        let mut book = self.book();
        let before = book.looks.iter_mut().rev();
        if let Some(same) = before
            .into_iter()
            .find(|look| look.question == question)
            .filter(|look| look.answer == answer)
        {
            same.times += 1;
            return;
        }
        if book.looks.len() == LOOKS_MAX {
            book.looks.remove(LOOKS_MAX / 2);
            book.left_out += 1;
        }
        book.looks.push(Look {
            at: clock::now(),
            store,
            asked: cut(asked, ASKED_MAX),
            saw: cut(&saw, SAW_MAX),
            times: 1,
            question,
            answer,
        });
    }
}

fn hash(texts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    hasher.finish()
}

/// A statement with its values.
fn statement(sql: &str, params: &[Value]) -> String {
    if params.is_empty() {
        return sql.to_owned();
    }
    let values: Vec<String> = params.iter().map(Value::to_string).collect();
    format!("{sql} -- {}", values.join(", "))
}

/// A D1 database whose looks are noted.
pub struct RecordedD1(pub Arc<dyn D1>, pub Looks);

#[async_trait]
impl D1 for RecordedD1 {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, CannotObserve> {
        let rows = self.0.query(sql, params).await;
        let sql = self.0.own_words(sql);
        self.1.note("D1", &statement(&sql, params), &rows);
        rows
    }

    async fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, CannotObserve> {
        let changed = self.0.execute(sql, params).await;
        let sql = self.0.own_words(sql);
        let told = changed
            .as_ref()
            .map(|count| format!("{count} rows changed"));
        self.1
            .note("D1", &statement(&sql, params), &told.map_err(Clone::clone));
        changed
    }

    async fn execute_own(&self, sql: &str, params: &[Value]) -> Result<usize, CannotObserve> {
        let changed = self.0.execute_own(sql, params).await;
        let told = changed
            .as_ref()
            .map(|count| format!("{count} rows changed"));
        self.1
            .note("D1", &statement(sql, params), &told.map_err(Clone::clone));
        changed
    }

    fn own_words(&self, sql: &str) -> String {
        self.0.own_words(sql)
    }

    async fn hold_writes(&self) -> Result<Option<WritesHeld>, CannotObserve> {
        self.0.hold_writes().await
    }
}

/// A KV namespace whose looks are noted.
pub struct RecordedKv(pub Arc<dyn Kv>, pub Looks);

#[async_trait]
impl Kv for RecordedKv {
    async fn get(&self, key: &str) -> Result<Option<String>, CannotObserve> {
        let value = self.0.get(key).await;
        self.1.note("KV", &format!("get {key}"), &value);
        value
    }

    async fn metadata(&self, key: &str) -> Result<Option<Value>, CannotObserve> {
        let metadata = self.0.metadata(key).await;
        self.1.note("KV", &format!("metadata of {key}"), &metadata);
        metadata
    }

    async fn put_with_metadata(
        &self,
        key: &str,
        value: &str,
        metadata: &Value,
    ) -> Result<(), CannotObserve> {
        let done = self.0.put_with_metadata(key, value, metadata).await;
        let told = done
            .as_ref()
            .map(|()| format!("put {value}, metadata {metadata}"));
        self.1
            .note("KV", &format!("put {key}"), &told.map_err(Clone::clone));
        done
    }

    async fn put(&self, key: &str, value: &str) -> Result<(), CannotObserve> {
        let done = self.0.put(key, value).await;
        let told = done.as_ref().map(|()| format!("put {value}"));
        self.1
            .note("KV", &format!("put {key}"), &told.map_err(Clone::clone));
        done
    }

    async fn delete(&self, key: &str) -> Result<(), CannotObserve> {
        let done = self.0.delete(key).await;
        let told = done.as_ref().map(|()| "deleted");
        self.1
            .note("KV", &format!("delete {key}"), &told.map_err(Clone::clone));
        done
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve> {
        let keys = self.0.keys(prefix).await;
        self.1.note("KV", &format!("keys of {prefix}"), &keys);
        keys
    }
}

/// An R2 bucket whose looks are noted.
pub struct RecordedBucket(pub Arc<dyn Bucket>, pub Looks);

#[async_trait]
impl Bucket for RecordedBucket {
    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve> {
        let keys = self.0.keys(prefix).await;
        self.1.note("R2", &format!("keys of {prefix}"), &keys);
        keys
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CannotObserve> {
        let bytes = self.0.get(key).await;
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let told = bytes.as_ref().map(|bytes| bytes.as_ref().map(text));
        self.1
            .note("R2", &format!("get {key}"), &told.map_err(Clone::clone));
        bytes
    }

    async fn put(&self, key: &str, bytes: &[u8]) -> Result<(), CannotObserve> {
        let done = self.0.put(key, bytes).await;
        let told = done.as_ref().map(|()| format!("put {} bytes", bytes.len()));
        self.1
            .note("R2", &format!("put {key}"), &told.map_err(Clone::clone));
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(looks: &Looks, key: &str, value: &str) {
        looks.note("KV", key, &Ok(value));
    }

    #[test]
    fn what_is_seen_again_unchanged_is_one_look() {
        let looks = Looks::default();
        for (key, value) in [("a", "1"), ("b", "9"), ("a", "1"), ("a", "2"), ("a", "1")] {
            seen(&looks, key, value);
        }
        let told = looks.take().0;
        let told: Vec<_> = told
            .iter()
            .map(|look| (look.asked.as_str(), look.saw.as_str(), look.times))
            .collect();
        assert_eq!(
            told,
            [
                ("a", "\"1\"", 2),
                ("b", "\"9\"", 1),
                ("a", "\"2\"", 1),
                ("a", "\"1\"", 1)
            ]
        );
    }

    #[test]
    fn a_secret_in_a_question_or_a_row_is_not_kept() {
        let secret = "row-canary-58213377";
        crate::scrub::remember(secret);
        let looks = Looks::default();
        looks.note(
            "D1",
            &statement("SELECT ?1", &[Value::from(secret)]),
            &Ok(vec![secret]),
        );
        let failed = CannotObserve {
            what: "KV",
            why: format!("401 for {secret}"),
        };
        looks.note::<()>("KV", "get", &Err(failed));
        let told = format!("{:?}", looks.take());
        assert!(
            !told.contains("58213377") && told.contains("[redacted]"),
            "{told}"
        );
    }

    #[test]
    fn too_many_looks_leave_the_first_and_the_last() {
        let looks = Looks::default();
        for number in 0..LOOKS_MAX + 7 {
            seen(&looks, "a", &number.to_string());
        }
        let (told, left_out) = looks.take();
        assert_eq!((told.len(), left_out), (LOOKS_MAX, 7));
        assert_eq!(told[0].saw, "\"0\"");
        assert_eq!(told[LOOKS_MAX - 1].saw, format!("\"{}\"", LOOKS_MAX + 6));
    }
}
