//! D1 and R2 through the local explorer of `wrangler dev`. Never posts to a route it does not know: that makes the server hang.

use super::api::{Answer, Api, cell, segment};
use super::sql_text::texts_bound;
use super::{Bucket, CannotObserve, D1, Row};
use async_trait::async_trait;
use serde_json::{Value, json};

/// The explorer of one instance and one resource in it.
#[derive(Debug, Clone)]
pub struct Explorer(Api);

impl Explorer {
    /// A D1 database; `root` is the instance's address with the explorer's path.
    #[must_use]
    pub fn d1(http: &reqwest::Client, root: &str, database: &str) -> Self {
        Self(Api::new(
            "D1",
            http,
            format!("{root}/d1/database/{database}"),
            None,
        ))
    }

    /// An R2 bucket.
    #[must_use]
    pub fn r2(http: &reqwest::Client, root: &str, bucket: &str) -> Self {
        Self(Api::new(
            "R2",
            http,
            format!("{root}/r2/buckets/{bucket}"),
            None,
        ))
    }

    /// The request for one statement; the explorer takes nothing but texts as parameters.
    fn raw(&self, sql: &str, params: &[Value]) -> Result<reqwest::RequestBuilder, CannotObserve> {
        let (sql, params) =
            texts_bound(sql, params).map_err(|error| self.0.cannot(error.to_string()))?;
        let body = json!({ "sql": sql, "params": params });
        Ok(self.0.http().post(self.0.url("raw")).json(&body))
    }
}

#[async_trait]
impl D1 for Explorer {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, CannotObserve> {
        let answer = self.0.look(&self.raw(sql, params)?).await?;
        let envelope = self.0.envelope(&answer)?;
        let results = &envelope["result"][0]["results"];
        let lists = results["columns"]
            .as_array()
            .zip(results["rows"].as_array());
        let (columns, rows) = lists.ok_or_else(|| self.0.refused(&answer))?;
        let names = || {
            columns
                .iter()
                .map(|name| name.as_str().unwrap_or_default().to_owned())
        };
        Ok(rows
            .iter()
            .filter_map(Value::as_array)
            .map(|row| names().zip(row.iter().map(cell)).collect())
            .collect())
    }

    async fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, CannotObserve> {
        let answer = self.0.send(self.raw(sql, params)?).await?;
        changes(&self.0, &answer)
    }
}

/// How many rows a statement changed.
pub(super) fn changes(api: &Api, answer: &Answer) -> Result<usize, CannotObserve> {
    let envelope = api.envelope(answer)?;
    envelope["result"][0]["meta"]["changes"]
        .as_u64()
        .and_then(|changes| usize::try_from(changes).ok())
        .ok_or_else(|| api.refused(answer))
}

#[async_trait]
impl Bucket for Explorer {
    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve> {
        self.0.names("objects", "key", prefix).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CannotObserve> {
        let url = self.0.url(&format!("objects/{}", segment(key)));
        let answer = self.0.look(&self.0.http().get(url)).await?;
        match answer.status {
            200 => Ok(Some(answer.body.to_vec())),
            404 => Ok(None),
            _ => Err(self.0.refused(&answer)),
        }
    }

    async fn put(&self, key: &str, bytes: &[u8]) -> Result<(), CannotObserve> {
        let url = self.0.url(&format!("objects/{}", segment(key)));
        let request = self.0.http().put(url).body(bytes.to_owned());
        let answer = self.0.send(request).await?;
        match answer.status {
            200..=299 => Ok(()),
            _ => Err(self.0.refused(&answer)),
        }
    }
}
