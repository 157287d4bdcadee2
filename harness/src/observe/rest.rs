//! D1 and KV through Cloudflare's REST API, KV also through the local explorer, which speaks the same. Never repeats what writes.

use super::api::{Api, cell, segment};
use super::budget::Budget;
use super::explorer::changes;
use super::sql_text::texts_bound;
use super::{CannotObserve, D1, Kv, Row, listed_metadata};
use async_trait::async_trait;
use reqwest::multipart::Form;
use serde_json::{Value, json};
use std::sync::Arc;

/// There is no such key; 10013 would be: no such namespace.
const NO_SUCH_KEY: u64 = 10_009;

/// A D1 database of an account.
#[derive(Debug, Clone)]
pub struct RestD1(Api);

impl RestD1 {
    /// The database; `base_url` is the API's address, without trailing slash.
    #[must_use]
    pub fn new(
        http: &reqwest::Client,
        base_url: &str,
        account: &str,
        database: &str,
        api_token: &str,
    ) -> Self {
        let base = format!("{base_url}/accounts/{account}/d1/database/{database}");
        Self(Api::new("D1", http, base, Some(api_token.to_owned())))
    }

    /// Shares the requests that the account may make.
    #[must_use]
    pub fn sharing(self, budget: &Arc<Budget>) -> Self {
        Self(self.0.sharing(budget))
    }

    fn statement(
        &self,
        sql: &str,
        params: &[Value],
    ) -> Result<reqwest::RequestBuilder, CannotObserve> {
        let (sql, params) =
            texts_bound(sql, params).map_err(|error| self.0.cannot(error.to_string()))?;
        let body = json!({ "sql": sql, "params": params });
        Ok(self.0.http().post(self.0.url("query")).json(&body))
    }
}

#[async_trait]
impl D1 for RestD1 {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, CannotObserve> {
        let answer = self.0.look(&self.statement(sql, params)?).await?;
        let envelope = self.0.envelope(&answer)?;
        rows(&envelope["result"][0]["results"]).ok_or_else(|| self.0.refused(&answer))
    }

    async fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, CannotObserve> {
        let answer = self.0.send(self.statement(sql, params)?).await?;
        changes(&self.0, &answer)
    }
}

/// A list of rows, each an object; `None` if it is none.
pub(super) fn rows(results: &Value) -> Option<Vec<Row>> {
    let row = |row: &Value| {
        let cells = row.as_object()?.iter();
        Some(
            cells
                .map(|(name, value)| (name.clone(), cell(value)))
                .collect(),
        )
    };
    results.as_array()?.iter().map(row).collect()
}

/// A KV namespace, of an account or of a local explorer.
#[derive(Debug, Clone)]
pub struct RestKv(Api);

impl RestKv {
    /// The namespace of an account; `base_url` is the API's address, without trailing slash.
    #[must_use]
    pub fn new(
        http: &reqwest::Client,
        base_url: &str,
        account: &str,
        namespace: &str,
        api_token: &str,
    ) -> Self {
        let base = format!("{base_url}/accounts/{account}/storage/kv/namespaces/{namespace}");
        Self(Api::new("KV", http, base, Some(api_token.to_owned())))
    }

    /// Shares the requests that the account may make.
    #[must_use]
    pub fn sharing(self, budget: &Arc<Budget>) -> Self {
        Self(self.0.sharing(budget))
    }

    /// The namespace in a local explorer; `root` is the instance's address with the explorer's path.
    #[must_use]
    pub fn explorer(http: &reqwest::Client, root: &str, namespace: &str) -> Self {
        let base = format!("{root}/storage/kv/namespaces/{namespace}");
        Self(Api::new("KV", http, base, None))
    }

    fn value(&self, key: &str) -> String {
        self.0.url(&format!("values/{}", segment(key)))
    }
}

#[async_trait]
impl Kv for RestKv {
    async fn get(&self, key: &str) -> Result<Option<String>, CannotObserve> {
        let answer = self.0.look(&self.0.http().get(self.value(key))).await?;
        match (answer.status, answer.code()) {
            // The value stands bare, in no envelope.
            (200, _) => Ok(Some(String::from_utf8_lossy(&answer.body).into_owned())),
            (404, Some(NO_SUCH_KEY)) => Ok(None),
            _ => Err(self.0.refused(&answer)),
        }
    }

    async fn metadata(&self, key: &str) -> Result<Option<Value>, CannotObserve> {
        Ok(listed_metadata(
            &self.0.entries("keys", "name", key).await?,
            key,
        ))
    }

    async fn put_with_metadata(
        &self,
        key: &str,
        value: &str,
        metadata: &Value,
    ) -> Result<(), CannotObserve> {
        let form = Form::new()
            .text("value", value.to_owned())
            .text("metadata", metadata.to_string());
        let request = self.0.http().put(self.value(key)).multipart(form);
        let answer = self.0.send(request).await?;
        self.0.envelope(&answer).map(drop)
    }

    async fn put(&self, key: &str, value: &str) -> Result<(), CannotObserve> {
        let request = self
            .0
            .http()
            .put(self.value(key))
            .header("content-type", "application/octet-stream")
            .body(value.to_owned());
        let answer = self.0.send(request).await?;
        self.0.envelope(&answer).map(drop)
    }

    async fn delete(&self, key: &str) -> Result<(), CannotObserve> {
        let answer = self.0.send(self.0.http().delete(self.value(key))).await?;
        self.0.envelope(&answer).map(drop)
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve> {
        self.0.names("keys", "name", prefix).await
    }
}
