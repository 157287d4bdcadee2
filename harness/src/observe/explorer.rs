//! D1, KV and R2 through the local explorer of `wrangler dev`. Never posts to a route it does not know: that makes the server hang.

use super::{Bucket, CannotObserve, D1, Kv, Row};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest time of one look. Evidence: a few milliseconds each; a look that takes seconds has met the explorer's hang.
const LOOK_MS_MAX: u64 = 10_000;

/// The explorer of one instance and one resource in it.
#[derive(Debug, Clone)]
pub struct Explorer {
    what: &'static str,
    http: reqwest::Client,
    /// Address of the resource: a database, a namespace or a bucket.
    base: String,
}

impl Explorer {
    /// A D1 database; `root` is the instance's address with the explorer's path.
    #[must_use]
    pub fn d1(http: &reqwest::Client, root: &str, database: &str) -> Self {
        Self {
            what: "D1",
            http: http.clone(),
            base: format!("{root}/d1/database/{database}"),
        }
    }

    /// A KV namespace.
    #[must_use]
    pub fn kv(http: &reqwest::Client, root: &str, namespace: &str) -> Self {
        Self {
            what: "KV",
            http: http.clone(),
            base: format!("{root}/storage/kv/namespaces/{namespace}"),
        }
    }

    /// An R2 bucket.
    #[must_use]
    pub fn r2(http: &reqwest::Client, root: &str, bucket: &str) -> Self {
        Self {
            what: "R2",
            http: http.clone(),
            base: format!("{root}/r2/buckets/{bucket}"),
        }
    }

    fn cannot(&self, why: impl Into<String>) -> CannotObserve {
        CannotObserve {
            what: self.what,
            why: why.into(),
        }
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<(u16, bytes::Bytes), CannotObserve> {
        let broken = |error: reqwest::Error| self.cannot(crate::client::chain(&error));
        let response = request
            .timeout(Duration::from_millis(LOOK_MS_MAX))
            .send()
            .await
            .map_err(broken)?;
        let status = response.status().as_u16();
        Ok((status, response.bytes().await.map_err(broken)?))
    }

    async fn json(&self, request: reqwest::RequestBuilder) -> Result<Value, CannotObserve> {
        let (status, body) = self.send(request).await?;
        let text = String::from_utf8_lossy(&body);
        let value: Value = serde_json::from_str(&text)
            .map_err(|_invalid| self.cannot(format!("status {status}: {text}")))?;
        if value["success"] == json!(true) {
            Ok(value)
        } else {
            Err(self.cannot(format!("status {status}: {text}")))
        }
    }

    /// Runs one statement; the explorer takes texts only as parameters, which the columns' affinities turn back.
    async fn raw(&self, sql: &str, params: &[Value]) -> Result<Value, CannotObserve> {
        let params: Vec<String> = params
            .iter()
            .map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            })
            .collect();
        let body = json!({ "sql": sql, "params": params });
        self.json(self.http.post(format!("{}/raw", self.base)).json(&body))
            .await
    }

    async fn all_keys(
        &self,
        list: &str,
        field: &str,
        prefix: &str,
    ) -> Result<Vec<String>, CannotObserve> {
        let mut keys = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut url = url::Url::parse(&format!("{}/{list}", self.base))
                .map_err(|error| self.cannot(error.to_string()))?;
            url.query_pairs_mut().append_pair("prefix", prefix);
            if !cursor.is_empty() {
                url.query_pairs_mut().append_pair("cursor", &cursor);
            }
            let page = self.json(self.http.get(url)).await?;
            let names = page["result"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|entry| entry[field].as_str());
            let before = keys.len();
            keys.extend(
                names
                    .filter(|key| key.starts_with(prefix))
                    .map(str::to_owned),
            );
            let next = page["result_info"]["cursor"].as_str().unwrap_or_default();
            if next.is_empty() || next == cursor || keys.len() == before {
                keys.sort();
                return Ok(keys);
            }
            next.clone_into(&mut cursor);
        }
    }
}

#[async_trait]
impl D1 for Explorer {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, CannotObserve> {
        let answer = self.raw(sql, params).await?;
        let results = &answer["result"][0]["results"];
        let columns: Vec<_> = results["columns"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let rows = results["rows"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_array);
        Ok(rows
            .map(|row| {
                columns
                    .iter()
                    .map(|name| (*name).to_owned())
                    .zip(row.iter().cloned())
                    .collect()
            })
            .collect())
    }

    async fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, CannotObserve> {
        let answer = self.raw(sql, params).await?;
        let changes = answer["result"][0]["meta"]["changes"]
            .as_u64()
            .unwrap_or_default();
        Ok(usize::try_from(changes).unwrap_or(usize::MAX))
    }
}

#[async_trait]
impl Kv for Explorer {
    async fn get(&self, key: &str) -> Result<Option<String>, CannotObserve> {
        let (status, body) = self.send(self.http.get(value_url(&self.base, key))).await?;
        match status {
            200 => Ok(Some(String::from_utf8_lossy(&body).into_owned())),
            404 => Ok(None),
            _ => Err(self.cannot(format!(
                "status {status}: {}",
                String::from_utf8_lossy(&body)
            ))),
        }
    }

    async fn put(&self, key: &str, value: &str) -> Result<(), CannotObserve> {
        self.json(
            self.http
                .put(value_url(&self.base, key))
                .body(value.to_owned()),
        )
        .await
        .map(drop)
    }

    async fn delete(&self, key: &str) -> Result<(), CannotObserve> {
        self.json(self.http.delete(value_url(&self.base, key)))
            .await
            .map(drop)
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve> {
        self.all_keys("keys", "name", prefix).await
    }
}

#[async_trait]
impl Bucket for Explorer {
    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve> {
        self.all_keys("objects", "key", prefix).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CannotObserve> {
        let url = format!("{}/objects/{}", self.base, encoded(key));
        let (status, body) = self.send(self.http.get(url)).await?;
        match status {
            200 => Ok(Some(body.to_vec())),
            404 => Ok(None),
            _ => Err(self.cannot(format!(
                "status {status}: {}",
                String::from_utf8_lossy(&body)
            ))),
        }
    }
}

fn value_url(base: &str, key: &str) -> String {
    format!("{base}/values/{}", encoded(key))
}

/// A key as one path segment.
fn encoded(key: &str) -> String {
    url::form_urlencoded::byte_serialize(key.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}
