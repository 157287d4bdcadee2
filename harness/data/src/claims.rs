//! The `[data]` section: what a database claims of itself, and what its patterns apply to. Never guesses: what is not declared is not judged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// What a database claims. Every name is as the schema has it, ASCII case ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Where the schema comes from. `moltproof db` takes its own path instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<From>,
    /// The table of tenants; its primary key identifies a tenant. Without it the database is nobody's but one owner's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenants: Option<String>,
    /// The column by which a tenant-scoped table names its tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_key: Option<String>,
    /// The table of users, where there is one; its rows belong to tenants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<String>,
    /// Tables that belong to no tenant, each with the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub global: BTreeMap<String, String>,
    /// Tables whose rows stay when their tenant is deleted, each with the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outlives_tenant: BTreeMap<String, String>,
    /// Unique keys (`table(column, column)`) that are meant for all tenants together, each with the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unique_for_all: BTreeMap<String, String>,
    /// How times are kept: `epoch-ms`, `epoch-s` or `iso`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeFormat>,
    /// How money is kept: `cents`, `micro-units`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub money: Option<String>,
    /// Statements that read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<Query>,
    /// Tables whose rows are marked as deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub soft_delete: Vec<SoftDelete>,
    /// Full-text searches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<Search>,
    /// JSON kept in text columns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub json: Vec<Json>,
    /// Audit logs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audit: Vec<Audit>,
    /// Tables of sessions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub session: Vec<Session>,
    /// Constraints that the schema is meant to hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraint: Vec<Constraint>,
    /// Statements that write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<Write>,
    /// Findings that are accepted: rule id, or rule id and object (`"FK-04 table users"`), and the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub accept: BTreeMap<String, String>,
}

/// Where a schema comes from; exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum From {
    /// A folder of numbered migrations, relative to the manifest.
    Migrations(PathBuf),
    /// A file: SQL, or a SQLite database.
    File(PathBuf),
    /// The local state of a D1 binding in wrangler's configuration.
    Wrangler(String),
    /// A remote D1 database through Cloudflare's REST API.
    Rest(Rest),
}

/// A remote D1 database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rest {
    /// The account's id.
    pub account: String,
    /// The database's id.
    pub database: String,
    /// An API token that may read D1: `${NAME}` or `${file:PATH}` only.
    pub token: String,
    /// Another address of the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

/// How times are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeFormat {
    /// Integer milliseconds since 1970.
    EpochMs,
    /// Integer seconds since 1970.
    EpochS,
    /// ISO 8601 text in UTC.
    Iso,
}

/// A statement that reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// What it is for, in a few words.
    pub name: String,
    /// The statement, with `?1` to `?100`.
    pub sql: String,
    /// What each parameter is, in order: `tenant` (the tenant's key), `user`, `now`, `limit`, `offset`, `text` (what a user typed), `tag`, `id`, or
    /// `table.column` (a value that a row of the caller's tenant holds there), or a literal: in single quotes, digits, or `null`.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// It runs often: an index must serve it.
    #[serde(default)]
    pub hot: bool,
    /// It is meant to show soft-deleted rows too, as a list of what can be restored does.
    #[serde(default)]
    pub shows_deleted: bool,
    /// How many rows it is meant to return.
    #[serde(default)]
    pub rows: Rows,
}

/// How many rows a query is meant to return.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rows {
    /// At most one.
    One,
    /// A page.
    #[default]
    Page,
    /// All that match.
    All,
}

/// A table whose rows are marked as deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftDelete {
    /// The table.
    pub table: String,
    /// The column that marks a row.
    pub column: String,
    /// The condition that active rows meet; `COLUMN IS NULL` if it is not told.
    pub active: Option<String>,
}

/// A full-text search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The table whose rows are searched.
    pub table: String,
    /// Its columns that are searched.
    pub columns: Vec<String>,
    /// The FTS5 table.
    pub index: String,
    /// The statement: it returns the key of `table` as its first column.
    pub sql: String,
    /// What each parameter is: `text` and `tenant` among them (see `query.parameters`).
    pub parameters: Vec<String>,
    /// How the application makes what a user typed harmless: `quoted` (each word in double quotes, the default) or `raw` (as it is).
    #[serde(default)]
    pub typed: Typed,
}

/// How a user's text comes into `MATCH`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Typed {
    /// Each word in double quotes, double quotes doubled.
    #[default]
    Quoted,
    /// As it is.
    Raw,
}

/// JSON in a text column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Json {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// What it holds.
    #[serde(default)]
    pub shape: Shape,
    /// Finds rows by a whole tag; returns the table's key as its first column.
    pub find: Option<String>,
    /// What each parameter of `find` is: `tag`, `tenant`.
    #[serde(default)]
    pub find_parameters: Vec<String>,
    /// Adds a tag to one row.
    pub add: Option<String>,
    /// What each parameter of `add` is: `tag`, `id`, `tenant`.
    #[serde(default)]
    pub add_parameters: Vec<String>,
}

/// What a JSON column holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// An array.
    Array,
    /// An object.
    Object,
    /// Any JSON.
    #[default]
    Any,
}

/// An audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// The table of entries.
    pub log: String,
    /// The tables whose changes are recorded.
    pub tracks: Vec<String>,
    /// Its column for who did it.
    pub actor: Option<String>,
    /// Its column for what was done.
    pub action: String,
    /// How the three actions are written there.
    #[serde(default)]
    pub actions: Actions,
    /// Its column for the kind of the resource, where one log tracks several tables.
    pub resource_type: Option<String>,
    /// Its column for the resource's key.
    pub resource: String,
    /// Its column for the values before, as JSON.
    pub old: Option<String>,
    /// Its column for the values after, as JSON.
    pub new: Option<String>,
    /// Who writes entries: triggers (`database`, the default), or the application by declared writes.
    #[serde(default)]
    pub writer: Writer,
}

/// The words for what was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Actions {
    /// A row was made.
    pub create: String,
    /// A row was changed.
    pub update: String,
    /// A row was removed.
    pub delete: String,
}

impl Default for Actions {
    fn default() -> Self {
        Self {
            create: "create".to_owned(),
            update: "update".to_owned(),
            delete: "delete".to_owned(),
        }
    }
}

/// Who writes entries of an audit log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Writer {
    /// Triggers.
    #[default]
    Database,
    /// The application: entries can only be judged by declared writes.
    Application,
}

/// A table of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The table.
    pub table: String,
    /// The column that says when a session ends.
    pub expires: String,
    /// Reads a live session; returns no row for one that is not.
    pub valid: String,
    /// What each parameter of `valid` is: `id`, `now`.
    pub valid_parameters: Vec<String>,
    /// Extends a live session.
    pub touch: Option<String>,
    /// What each parameter of `touch` is: `id`, `now`, `until` (the new end).
    #[serde(default)]
    pub touch_parameters: Vec<String>,
    /// Removes ended sessions.
    pub purge: Option<String>,
    /// What each parameter of `purge` is: `now`, `limit`.
    #[serde(default)]
    pub purge_parameters: Vec<String>,
}

/// A constraint that the schema is meant to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// The table.
    pub table: String,
    /// The column; for a condition over several columns, the one that is varied.
    pub column: String,
    /// The only values it may have.
    #[serde(default)]
    pub one_of: Vec<String>,
    /// Its least and greatest whole number.
    pub between: Option<(i64, i64)>,
    /// A condition as SQL that every row must meet, NULL counting as broken.
    pub holds: Option<String>,
    /// NULL is meant to be allowed.
    #[serde(default)]
    pub nullable: bool,
}

/// A statement, or a batch of them, that writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// What it is for, in a few words.
    pub name: String,
    /// The statements of one batch, in order.
    pub sql: Vec<String>,
    /// What each parameter is, per statement (see `query.parameters`); `new` is a fresh key, `item` the items of a statement that takes many.
    #[serde(default)]
    pub parameters: Vec<Vec<String>>,
    /// How a statement takes many items at once.
    #[serde(default)]
    pub items: Items,
    /// What an item of a JSON array holds, by names or in order, each as in `query.parameters`; a fresh key if it is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
    /// How much it may write with one item, as D1 bills it: rows of all its statements, and entries of indexes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_written: Option<NonZeroU32>,
}

/// An item of a JSON array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Item {
    /// One value.
    Plain(String),
    /// An object.
    Named(BTreeMap<String, String>),
    /// An array.
    InOrder(Vec<String>),
}

/// How a write takes many items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Items {
    /// One item a batch.
    #[default]
    One,
    /// One statement an item, all in one batch.
    Batch,
    /// One statement: the item's list of parameters is repeated where `/*items*/` stands, or is one JSON array.
    Json,
}

impl Data {
    /// Reads a file that holds a `[data]` section, or nothing but its content.
    ///
    /// # Errors
    /// What the TOML parser says, with line and column.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        #[derive(Deserialize)]
        struct Whole {
            data: Option<Data>,
        }
        // A manifest holds more than this section; a file of its own holds nothing else.
        match toml::from_str::<Whole>(text)?.data {
            Some(data) => Ok(data),
            None => toml::from_str(text),
        }
    }
}
