//! D1 and KV through commands such as `wrangler d1 execute --json`. Never hands a statement to a shell.

use super::printed::{text_in, value_in};
use super::rest::rows;
use super::sql_text::inlined;
use super::{CannotObserve, D1, Kv, Row, listed_metadata};
use crate::evidence::cut;
use async_trait::async_trait;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What a command that has ended said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Whether it reported success.
    pub ok: bool,
    /// Its standard output.
    pub output: Vec<u8>,
    /// Its standard error.
    pub errors: String,
}

/// Runs commands to their end.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Runs the command, each `{name}` in it replaced by its value; the reason if it cannot be run.
    async fn run(
        &self,
        command: &[String],
        values: BTreeMap<&'static str, String>,
    ) -> Result<Said, String>;
}

async fn said(
    commands: &dyn Commands,
    what: &'static str,
    command: &[String],
    values: BTreeMap<&'static str, String>,
) -> Result<Said, CannotObserve> {
    let ran = commands.run(command, values).await;
    let said = ran.map_err(|why| CannotObserve { what, why })?;
    if said.ok {
        Ok(said)
    } else {
        Err(failed(what, command, &said))
    }
}

fn failed(what: &'static str, command: &[String], said: &Said) -> CannotObserve {
    let output = String::from_utf8_lossy(&said.output);
    let why = wrangler_error(&output).unwrap_or_else(|| format!("{output}{}", said.errors));
    CannotObserve {
        what,
        why: format!("`{}` failed: {}", command.join(" "), cut(why.trim(), 400)),
    }
}

/// The text of `{"error":{"text":…}}`, which wrangler prints with `--json`.
fn wrangler_error(output: &str) -> Option<String> {
    let value = value_in(output, |value| value["error"]["text"].is_string())?;
    value["error"]["text"].as_str().map(str::to_owned)
}

/// A D1 database by a command with `{sql}`, which prints what `wrangler d1 execute --json` prints.
#[derive(Clone)]
pub struct CommandD1 {
    commands: Arc<dyn Commands>,
    run: Vec<String>,
}

impl fmt::Debug for CommandD1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandD1")
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

impl CommandD1 {
    /// The database that this command asks.
    #[must_use]
    pub fn new(commands: Arc<dyn Commands>, run: Vec<String>) -> Self {
        Self { commands, run }
    }

    async fn rows(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, CannotObserve> {
        let what = "D1";
        let sql = inlined(sql, params).map_err(|error| CannotObserve {
            what,
            why: error.to_string(),
        })?;
        let values = BTreeMap::from([("sql", sql)]);
        let said = said(self.commands.as_ref(), what, &self.run, values).await?;
        let text = String::from_utf8_lossy(&said.output);
        results(&text).ok_or_else(|| failed(what, &self.run, &said))
    }
}

/// The rows of the last statement in what `wrangler d1 execute --json` printed.
fn results(text: &str) -> Option<Vec<Row>> {
    let told = |value: &Value| {
        let all = value.as_array();
        all.is_some_and(|all| !all.is_empty() && all.iter().all(|one| one["success"].is_boolean()))
    };
    let value = value_in(text, told)?;
    let last = value.as_array()?.last()?;
    (last["success"] == Value::Bool(true))
        .then(|| rows(&last["results"]))
        .flatten()
}

#[async_trait]
impl D1 for CommandD1 {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, CannotObserve> {
        self.rows(sql, params).await
    }

    async fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, CannotObserve> {
        // The command does not tell how many rows it changed: each changed row is asked to tell of itself.
        let sql = format!(
            "{} RETURNING 1 AS changed",
            sql.trim_end().trim_end_matches(';')
        );
        Ok(self.rows(&sql, params).await?.len())
    }
}

/// The commands of a KV namespace.
#[derive(Debug, Clone)]
pub struct KvCommands {
    /// With `{key}`; prints the bare value and a line break.
    pub get: Vec<String>,
    /// With `{key}` and `{value}`, and `{metadata}` where entries have some; `None` where nothing may be written.
    pub put: Option<Vec<String>>,
    /// With `{key}`; `None` where nothing may be written.
    pub delete: Option<Vec<String>>,
    /// With `{prefix}`; prints a list of objects with `name`.
    pub list: Vec<String>,
}

/// A KV namespace by commands such as those of `wrangler kv key`.
#[derive(Clone)]
pub struct CommandKv {
    commands: Arc<dyn Commands>,
    texts: KvCommands,
}

impl fmt::Debug for CommandKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandKv")
            .field("texts", &self.texts)
            .finish_non_exhaustive()
    }
}

impl CommandKv {
    /// The namespace that these commands ask.
    #[must_use]
    pub fn new(commands: Arc<dyn Commands>, texts: KvCommands) -> Self {
        Self { commands, texts }
    }

    async fn ask(
        &self,
        command: Option<&Vec<String>>,
        values: BTreeMap<&'static str, String>,
    ) -> Result<Said, CannotObserve> {
        let what = "KV";
        let command = command.ok_or_else(|| CannotObserve {
            what,
            why: "the manifest names no command that writes".to_owned(),
        })?;
        said(self.commands.as_ref(), what, command, values).await
    }

    async fn store(&self, key: &str, value: &str, metadata: &Value) -> Result<(), CannotObserve> {
        let values = BTreeMap::from([
            ("key", key.to_owned()),
            ("value", value.to_owned()),
            ("metadata", metadata.to_string()),
        ]);
        self.ask(self.texts.put.as_ref(), values).await.map(drop)
    }

    /// What the command lists for this prefix: objects with `name`, and `metadata` where there are some.
    async fn listed(&self, prefix: &str) -> Result<Vec<Value>, CannotObserve> {
        let values = BTreeMap::from([("prefix", prefix.to_owned())]);
        let said = self.ask(Some(&self.texts.list), values).await?;
        let text = String::from_utf8_lossy(&said.output);
        // An empty list is a list as well, but of two the one that holds something is meant.
        let is_filled = |value: &Value| {
            let all = value.as_array();
            all.is_some_and(|all| !all.is_empty() && all.iter().all(|one| one["name"].is_string()))
        };
        let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
        let listed = value_in(&text, is_filled).or_else(|| value_in(&text, is_empty));
        let entries = listed.as_ref().and_then(Value::as_array);
        let entries = entries.ok_or_else(|| failed("KV", &self.texts.list, &said))?;
        Ok(entries.clone())
    }
}

#[async_trait]
impl Kv for CommandKv {
    async fn get(&self, key: &str) -> Result<Option<String>, CannotObserve> {
        // What the command prints for a key that is not there could be a value as well: the list tells them apart.
        if !self.keys(key).await?.iter().any(|known| known == key) {
            return Ok(None);
        }
        let values = BTreeMap::from([("key", key.to_owned())]);
        let said = self.ask(Some(&self.texts.get), values).await?;
        let text = String::from_utf8_lossy(&said.output);
        Ok(Some(text_in(&text)))
    }

    async fn metadata(&self, key: &str) -> Result<Option<Value>, CannotObserve> {
        Ok(listed_metadata(&self.listed(key).await?, key))
    }

    async fn put_with_metadata(
        &self,
        key: &str,
        value: &str,
        metadata: &Value,
    ) -> Result<(), CannotObserve> {
        let takes_it = |put: &Vec<String>| put.iter().any(|word| word.contains("{metadata}"));
        if self.texts.put.as_ref().is_some_and(|put| !takes_it(put)) {
            return Err(CannotObserve {
                what: "KV",
                why: "the command that writes takes no metadata: `{metadata}` in `[observe] kv.put` stands for them as JSON".to_owned(),
            });
        }
        self.store(key, value, metadata).await
    }

    async fn put(&self, key: &str, value: &str) -> Result<(), CannotObserve> {
        self.store(key, value, &Value::Null).await
    }

    async fn delete(&self, key: &str) -> Result<(), CannotObserve> {
        let values = BTreeMap::from([("key", key.to_owned())]);
        self.ask(self.texts.delete.as_ref(), values).await.map(drop)
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve> {
        let mut names: Vec<String> = self
            .listed(prefix)
            .await?
            .iter()
            .filter_map(|entry| entry["name"].as_str())
            .filter(|name| name.starts_with(prefix))
            .map(str::to_owned)
            .collect();
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What wrangler 4.86 really printed; see `fixtures/observers/README.md`.
    fn printed(name: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/observers");
        std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
    }

    #[test]
    fn rows_that_wrangler_printed_are_read_with_their_types() {
        let rows = results(&printed("d1-execute-select.json")).unwrap();
        let expected = json!({
            "id": "00000000-0000-4000-8000-000000000001",
            "platform": "it's;\n--x\u{0}y",
            "n": 9,
            "created_at": 5,
            "nix": null,
            "bytes": "[0, 255]",
            "half": 1.5,
            "three": 3,
        });
        assert_eq!(rows.len(), 1);
        assert_eq!(json!(rows[0]), expected);
    }

    #[test]
    fn banners_around_what_wrangler_printed_do_not_count() {
        let bare = printed("d1-execute-select.json");
        let around = format!("\n ⛅️ wrangler 4.86.0\n[WARNING] no login\n{bare}\nDone [1]\n");
        assert_eq!(results(&around), results(&bare));
        let error = printed("d1-execute-error.json");
        let around = format!("▲ [WARNING] old\n{error}\nbye\n");
        assert_eq!(results(&around), None);
        assert_eq!(wrangler_error(&around), wrangler_error(&error));
    }

    #[test]
    fn each_changed_row_tells_of_itself() {
        assert_eq!(
            results(&printed("d1-execute-returning.json"))
                .unwrap()
                .len(),
            1
        );
        assert_eq!(results(&printed("d1-execute-empty.json")).unwrap().len(), 0);
    }

    #[test]
    fn an_error_that_wrangler_printed_is_no_empty_result() {
        let text = printed("d1-execute-error.json");
        assert_eq!(results(&text), None);
        assert_eq!(
            wrangler_error(&text).unwrap(),
            "no such table: nowhere: SQLITE_ERROR"
        );
    }
}
