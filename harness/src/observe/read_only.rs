//! Stores that may be read and not written, because their manifest says so. Never writes.

use super::{CannotObserve, D1, Kv, Row};
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

fn refused(what: &'static str) -> CannotObserve {
    CannotObserve {
        what,
        why: "it may not be written: the manifest does not say `writable = true`".to_owned(),
    }
}

/// A D1 database that is only read.
pub struct ReadOnlyD1(pub Arc<dyn D1>);

#[async_trait]
impl D1 for ReadOnlyD1 {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, CannotObserve> {
        self.0.query(sql, params).await
    }

    async fn execute(&self, _sql: &str, _params: &[Value]) -> Result<usize, CannotObserve> {
        Err(refused("D1"))
    }
}

/// A KV namespace that is only read.
pub struct ReadOnlyKv(pub Arc<dyn Kv>);

#[async_trait]
impl Kv for ReadOnlyKv {
    async fn get(&self, key: &str) -> Result<Option<String>, CannotObserve> {
        self.0.get(key).await
    }

    async fn metadata(&self, key: &str) -> Result<Option<Value>, CannotObserve> {
        self.0.metadata(key).await
    }

    async fn put(&self, _key: &str, _value: &str) -> Result<(), CannotObserve> {
        Err(refused("KV"))
    }

    async fn put_with_metadata(
        &self,
        _key: &str,
        _value: &str,
        _metadata: &Value,
    ) -> Result<(), CannotObserve> {
        Err(refused("KV"))
    }

    async fn delete(&self, _key: &str) -> Result<(), CannotObserve> {
        Err(refused("KV"))
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve> {
        self.0.keys(prefix).await
    }
}
