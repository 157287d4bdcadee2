//! What a manifest says of an API worker beside what it says of every Worker. Never starts one.

use moltproof_api_worker::Documented;
use moltproof_api_worker::words::{Columns, Times, Words};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The API worker of the profile `api-worker`: the variant `production` is what is judged.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiWorkerEntry {
    /// Its environment: `production`, `staging` or `development`.
    #[serde(default = "production")]
    pub environment: String,
    /// Whether it takes its present from the header `X-Test-Now`.
    #[serde(default)]
    pub clock: bool,
    /// Whether it may send webhooks to `{webhook_address}`.
    #[serde(default)]
    pub webhooks: bool,
    /// Whether it asks `{webhook_resolver_url}` where the names of webhooks lead to.
    #[serde(default)]
    pub resolver: bool,
    /// The folder of its migrations, with `seeds` and `queries` in it, relative to the manifest.
    pub migrations: Option<PathBuf>,
    /// Its own way of applying migrations, to a database of its own.
    pub migrate: Option<MigrateEntry>,
    /// Its routes, by those of the contract: `"GET /v1/usage" = "GET /v1/metering"`.
    #[serde(default)]
    pub routes: BTreeMap<String, String>,
    /// Where its requests and answers have the fields of the contract: a name or a JSON pointer for a field of every object, or a table of them for
    /// one kind of object.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldEntry>,
    /// Its words for the values of the contract: events, actions, states, scopes, sources, permissions, windows and environments.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// What stands around the objects of its answers.
    #[serde(default)]
    pub answers: AnswersEntry,
    /// How times stand in its requests and answers.
    #[serde(default)]
    pub times: TimesEntry,
    /// The columns of its tables and views, theirs by those of the contract; `queries` has what its monitoring queries call their results.
    #[serde(default)]
    pub columns: BTreeMap<String, BTreeMap<String, String>>,
    /// The files among its `queries` that answer a question of the documents under another name: `costs_of_the_last_day = "costs.sql"`.
    #[serde(default)]
    pub queries: BTreeMap<String, String>,
}

/// Where a field stands, or the fields of one kind of object.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FieldEntry {
    /// A name, or a JSON pointer.
    Everywhere(String),
    /// Those of the fields of one kind of object.
    Of(BTreeMap<String, String>),
}

/// What stands around the objects of answers, as JSON pointers.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswersEntry {
    /// Where an answer has the one object that it tells.
    #[serde(default)]
    pub object: String,
    /// Where a listing has its rows.
    #[serde(default)]
    pub items: String,
    /// Where a listing has the cursor of its next page.
    #[serde(default)]
    pub next_cursor: String,
}

/// How times stand in requests and answers.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimesEntry {
    /// Integers of epoch milliseconds.
    #[default]
    Milliseconds,
    /// Integers of epoch seconds.
    Seconds,
    /// RFC 3339, in UTC with milliseconds.
    Text,
}

/// A command that applies migrations, run in the launch folder.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrateEntry {
    /// Its words: `{migrations}` stands for a folder of migrations, `{folder}` for an empty folder for the database, `{environment}` for the environment.
    pub command: Vec<String>,
    /// The words of the command that applies the seed of an environment to the database that `command` has made: beside the same names
    /// `{seed}` stands for `dev_seed` or `prod_setup`, which lies in the folder `seeds` below `{migrations}`.
    pub seed: Option<Vec<String>>,
    /// Where in `{folder}` the SQLite file is then: the file, or a folder that holds no other one.
    pub database: String,
}

fn production() -> String {
    "production".to_owned()
}

impl Default for ApiWorkerEntry {
    fn default() -> Self {
        Self {
            environment: production(),
            clock: false,
            webhooks: false,
            resolver: false,
            migrations: None,
            migrate: None,
            routes: BTreeMap::new(),
            fields: BTreeMap::new(),
            values: BTreeMap::new(),
            answers: AnswersEntry::default(),
            times: TimesEntry::default(),
            columns: BTreeMap::new(),
            queries: BTreeMap::new(),
        }
    }
}

/// Whether a name of `queries` is that of this question: its file without the ending.
fn is_named(documented: Documented, name: &str) -> bool {
    documented.file().strip_suffix(".sql") == Some(name)
}

impl ApiWorkerEntry {
    /// What it calls what the judges speak of; how errors look is said of every Worker alike.
    #[must_use]
    pub fn words(&self) -> Words {
        let (mut fields, mut fields_of) = (BTreeMap::new(), BTreeMap::new());
        for (name, entry) in &self.fields {
            match entry {
                FieldEntry::Everywhere(place) => drop(fields.insert(name.clone(), place.clone())),
                FieldEntry::Of(places) => drop(fields_of.insert(name.clone(), places.clone())),
            }
        }
        Words {
            routes: self.routes.clone(),
            object: self.answers.object.clone(),
            items: self.answers.items.clone(),
            next_cursor: self.answers.next_cursor.clone(),
            fields,
            fields_of,
            values: self.values.clone(),
            times: match self.times {
                TimesEntry::Milliseconds => Times::Milliseconds,
                TimesEntry::Seconds => Times::Seconds,
                TimesEntry::Text => Times::Text,
            },
            ..Words::default()
        }
    }

    /// What its tables call their columns.
    #[must_use]
    pub fn columns(&self) -> Columns {
        Columns(self.columns.clone())
    }

    /// The files that answer questions of the documents under other names.
    #[must_use]
    pub fn documented(&self) -> BTreeMap<Documented, String> {
        let all = self.queries.iter().filter_map(|(name, file)| {
            let mut known = Documented::ALL.into_iter();
            let documented = known.find(|documented| is_named(*documented, name))?;
            Some((documented, file.clone()))
        });
        all.collect()
    }

    /// What is wrong with it.
    #[must_use]
    pub fn flaw(&self) -> Option<String> {
        if let Err(unknown) = self.words().check() {
            return Some(format!("[api_worker]: {unknown}"));
        }
        if let Some(name) = self.columns().unknown() {
            return Some(format!(
                "[api_worker.columns.{name}]: no table or view of the contract is called so (API-001, API-005); `queries` stands for the results of the monitoring queries"
            ));
        }
        let unknown = self.queries.keys().find(|name| {
            let mut known = Documented::ALL.into_iter();
            !known.any(|documented| is_named(documented, name))
        });
        let known = Documented::ALL.map(|documented| documented.file().trim_end_matches(".sql"));
        unknown.map(|name| {
            format!(
                "[api_worker.queries] `{name}` is no question of the documents; they are {}",
                known.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(text: &str) -> Option<String> {
        let entry = toml::from_str::<ApiWorkerEntry>(text);
        entry.unwrap_or_else(|error| panic!("{error}")).flaw()
    }

    #[test]
    fn words_that_nobody_knows_are_refused_with_those_that_there_are() {
        for (text, told) in [
            ("routes = { 'GET /v1/meter' = 'GET /x' }", "GET /v1/usage"),
            (
                "routes = { 'GET /v1/usage' = '/metering' }",
                "a method and a path",
            ),
            ("fields = { user = 'owner' }", "`user`"),
            ("fields = { keys = { name = 'label' } }", "conversation"),
            (
                "fields = { key = { label = 'name' } }",
                "`label` is no field of `key`",
            ),
            (
                "columns = { usage = { user_id = 'owner' } }",
                "[api_worker.columns.usage]",
            ),
            ("queries = { costs = 'costs.sql' }", "costs_of_the_last_day"),
        ] {
            let flaw = flaw(text).unwrap_or_default();
            assert!(flaw.contains(told), "{text}: {flaw}");
        }
    }

    #[test]
    fn a_field_has_a_place_everywhere_or_in_one_kind_of_object() {
        let text = "fields = { user_id = 'owner', key = { name = '/of/label' } }\n\
            columns = { usage_logs = { user_id = 'owner' }, queries = { requests = 'hits' } }\n\
            queries = { costs_of_the_last_day = 'costs.sql' }";
        assert_eq!(flaw(text), None);
        let words = toml::from_str::<ApiWorkerEntry>(text).map(|entry| entry.words());
        let words = words.unwrap_or_default();
        assert_eq!(
            words.fields.get("user_id").map(String::as_str),
            Some("owner")
        );
        let own = words.fields_of.get("key").and_then(|key| key.get("name"));
        assert_eq!(own.map(String::as_str), Some("/of/label"));
    }
}
