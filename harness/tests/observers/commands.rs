//! Commands that are run here instead of in processes, and print what wrangler prints. Never a shell.

use async_trait::async_trait;
use moltproof::observe::command::{Commands, Said};
use moltproof::subject::manifest::placeholders::fill_all;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Stands in for `wrangler d1 execute --json` and `wrangler kv key`, on real SQLite.
pub(crate) struct Wrangler {
    database: PathBuf,
    entries: Mutex<BTreeMap<String, (String, Value)>>,
}

impl Wrangler {
    /// One with this file as its D1.
    pub(crate) fn new(database: &Path) -> Self {
        Self {
            database: database.to_owned(),
            entries: Mutex::default(),
        }
    }
}

fn said(ok: bool, output: String) -> Said {
    let errors = "npm warn something that is no output\n".to_owned();
    Said {
        ok,
        output: output.into_bytes(),
        errors,
    }
}

#[async_trait]
impl Commands for Wrangler {
    async fn run(
        &self,
        command: &[String],
        values: BTreeMap<&'static str, String>,
    ) -> Result<Said, String> {
        let command = fill_all(command, &values)?;
        // A command line ends at a NUL.
        assert!(
            command.iter().all(|word| !word.contains('\0')),
            "{command:?}"
        );
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut entries = self.entries.lock().unwrap();
        Ok(match words.as_slice() {
            ["d1", sql] => self.d1(sql),
            ["get", key] => said(
                true,
                format!(
                    "{}\n",
                    entries
                        .get(*key)
                        .map_or("Value not found", |(value, _)| value)
                ),
            ),
            ["put", key, value, metadata] => {
                let metadata = serde_json::from_str(metadata).unwrap();
                entries.insert((*key).to_owned(), ((*value).to_owned(), metadata));
                said(true, "Writing the value\n".to_owned())
            }
            ["delete", key] => {
                entries.remove(*key);
                said(true, "Deleting the key\n".to_owned())
            }
            ["list", prefix] => {
                let meant = entries.iter().filter(|(key, _)| key.starts_with(prefix));
                let names: Vec<Value> = meant
                    .map(|(name, (_, metadata))| {
                        if metadata.is_null() {
                            json!({ "name": name })
                        } else {
                            json!({ "name": name, "metadata": metadata })
                        }
                    })
                    .collect();
                said(true, format!("{:#}\n", json!(names)))
            }
            other => return Err(format!("no such command {other:?}")),
        })
    }
}

impl Wrangler {
    fn d1(&self, sql: &str) -> Said {
        match rows(&self.database, sql) {
            Ok(rows) => said(
                true,
                format!(
                    "{:#}\n",
                    json!([{ "results": rows, "success": true, "meta": { "duration": 1 } }])
                ),
            ),
            Err(error) => said(
                false,
                format!(
                    "\n{:#}\n",
                    json!({ "error": { "text": format!("{error}: SQLITE_ERROR") } })
                ),
            ),
        }
    }
}

fn rows(database: &Path, sql: &str) -> rusqlite::Result<Vec<Value>> {
    let database = Connection::open(database)?;
    database.pragma_update(None, "foreign_keys", true)?;
    let mut statement = database.prepare(sql)?;
    let names: Vec<String> = statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let found = statement.query_map([], |row| {
        let mut object = Map::new();
        for (at, name) in names.iter().enumerate() {
            let value = match row.get_ref(at)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => json!(number),
                ValueRef::Real(number) => json!(number),
                ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
                ValueRef::Blob(bytes) => json!(format!("{bytes:?}")),
            };
            object.insert(name.clone(), value);
        }
        Ok(Value::Object(object))
    })?;
    found.collect()
}
