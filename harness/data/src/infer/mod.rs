//! A first `[data]` section, guessed from a schema: each guess with the reason beside it. Never judges by its own guesses.

mod kept;
mod records;
mod search;
mod tenancy;

use crate::catalog::{Name, Schema, Table};
use std::fmt::Write as _;

/// The section as TOML, with a comment above each guess.
#[must_use]
pub fn infer(schema: &Schema) -> String {
    let mut text = String::from(
        "# Guessed from the schema by `moltproof db infer`.\n\
         # Read each line, and take out what is wrong. The comment above a line says\n\
         # what it was guessed by. Statements are what an application would write: put\n\
         # your own in their place, and declare your hot queries with [[data.query]].\n\n[data]\n",
    );
    let key = tenancy::tenants(&mut text, schema);
    tenancy::users(&mut text, schema);
    kept::time(&mut text, schema);
    if let Some((tenants, key)) = &key {
        tenancy::global(&mut text, schema, tenants, key);
    }
    for table in schema.tables.values().filter(|table| table.is_ordinary()) {
        kept::soft_delete(&mut text, table);
    }
    for table in schema.tables.values() {
        search::search(&mut text, schema, table, key.as_ref().map(|(_, key)| key));
    }
    for table in schema.tables.values().filter(|table| table.is_ordinary()) {
        kept::json(&mut text, table);
        records::audit(&mut text, schema, table);
        records::session(&mut text, table);
    }
    text
}

/// A key and a text, with the reason above it.
fn guess(text: &mut String, why: &str, key: &str, value: &str) {
    let _infallible = writeln!(text, "# {why}\n{key} = {}", quoted(value));
}

/// A text as TOML has it.
fn quoted(value: &str) -> String {
    toml::Value::from(value).to_string()
}

/// Texts as TOML has a list of them.
fn list(values: &[&str]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", values.join(", "))
}

/// A column by the first of these names that the table has.
fn column<'t>(table: &'t Table, names: &[&str]) -> Option<&'t str> {
    names.iter().find_map(|name| {
        table
            .column(&Name::new(name))
            .map(|column| column.name.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::infer;
    use crate::catalog::read;
    use crate::claims::{Data, Shape, TimeFormat};

    fn guessed(sql: &str) -> Data {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        let text = infer(&read(&connection).unwrap());
        Data::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn what_a_schema_tells_by_names_defaults_and_triggers_is_guessed() {
        let data = guessed(
            "CREATE TABLE workspaces (id TEXT PRIMARY KEY, created_at INTEGER NOT NULL DEFAULT (unixepoch() * 1000));
            CREATE TABLE users (id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL REFERENCES workspaces(id));
            CREATE TABLE notes (id INTEGER PRIMARY KEY, workspace_id TEXT NOT NULL REFERENCES workspaces(id), title TEXT,
              tags TEXT DEFAULT '[]' CHECK (json_valid(tags)), deleted_at INTEGER);
            CREATE VIRTUAL TABLE notes_fts USING fts5(title, content='notes', content_rowid='id');
            CREATE TABLE audit_log (id INTEGER PRIMARY KEY, action TEXT, entity_id TEXT, old_values TEXT);
            CREATE TRIGGER noted AFTER INSERT ON notes BEGIN INSERT INTO audit_log (action, entity_id) VALUES ('create', new.id); END;
            CREATE TABLE sessions (token TEXT PRIMARY KEY, expires_at INTEGER NOT NULL);
            CREATE TABLE countries (code TEXT PRIMARY KEY);",
        );
        assert_eq!(data.tenants.as_deref(), Some("workspaces"));
        assert_eq!(data.tenant_key.as_deref(), Some("workspace_id"));
        assert_eq!(data.users.as_deref(), Some("users"));
        assert_eq!(data.time, Some(TimeFormat::EpochMs));
        assert_eq!(data.soft_delete[0].table, "notes");
        assert_eq!(data.search[0].columns, ["title"]);
        assert_eq!(data.search[0].parameters, ["text", "tenant"]);
        assert_eq!(
            (data.json[0].column.as_str(), data.json[0].shape),
            ("tags", Shape::Array)
        );
        assert_eq!(data.audit[0].tracks, ["notes"]);
        assert_eq!(data.session[0].expires, "expires_at");
        assert!(
            data.global.is_empty(),
            "a table without a tenant is asked about"
        );
    }

    #[test]
    fn a_schema_of_one_owner_claims_no_tenants() {
        let data = guessed(
            "CREATE TABLE posts (id INTEGER PRIMARY KEY, created_at TEXT DEFAULT CURRENT_TIMESTAMP);",
        );
        assert_eq!((data.tenants, data.time), (None, Some(TimeFormat::Iso)));
    }
}
