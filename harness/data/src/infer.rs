//! A first `[data]` section, guessed from a schema: each guess with the reason beside it. Never judges by its own guesses.

use crate::catalog::{Affinity, Name, Schema, Table, TableKind};
use crate::text::{find_word, normal};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What tables of tenants are called, in the singular; the more certain ones first.
const TENANTS: [&str; 9] = [
    "tenant",
    "organization",
    "organisation",
    "org",
    "workspace",
    "company",
    "team",
    "account",
    "project",
];

/// Endings of the names of times.
const TIMES: [&str; 5] = [
    "created_at",
    "updated_at",
    "createdat",
    "updatedat",
    "created",
];

/// The section as TOML, with a comment above each guess.
#[must_use]
pub fn infer(schema: &Schema) -> String {
    let mut text = String::from(
        "# Guessed from the schema by `moltproof db infer`: read each line, and take out what is wrong.\n\
         # Statements are what an application would write; put your own in their place, and declare your hot queries with [[data.query]].\n\n[data]\n",
    );
    let key = tenants(&mut text, schema);
    if let Some(users) = named(schema, &["user", "member"]) {
        guess(&mut text, "the name says so", "users", users.name.as_str());
    }
    time(&mut text, schema);
    if let Some((tenants, key)) = &key {
        global(&mut text, schema, tenants, key);
    }
    for table in schema.tables.values().filter(|table| table.is_ordinary()) {
        soft_delete(&mut text, table);
    }
    for table in schema.tables.values() {
        search(&mut text, schema, table, key.as_ref().map(|(_, key)| key));
    }
    for table in schema.tables.values().filter(|table| table.is_ordinary()) {
        json(&mut text, table);
        audit(&mut text, schema, table);
        session(&mut text, table);
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

fn list(values: &[&str]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", values.join(", "))
}

/// A table by what its rows are, in the singular or plural.
fn named<'s>(schema: &'s Schema, singulars: &[&str]) -> Option<&'s Table> {
    singulars.iter().find_map(|wanted| {
        let is_it = |table: &&Table| {
            let name = table.name.as_str().to_ascii_lowercase();
            let plain = name.strip_suffix("ies").map(|stem| format!("{stem}y"));
            let plain = plain.unwrap_or_else(|| name.trim_end_matches('s').to_owned());
            table.is_ordinary() && plain == *wanted
        };
        schema.tables.values().find(is_it)
    })
}

/// The table of tenants and the column by which others name it.
fn tenants(text: &mut String, schema: &Schema) -> Option<(Name, Name)> {
    let table = TENANTS.iter().find_map(|name| {
        let table = named(schema, &[name])?;
        let is_parent = schema.references_to(&table.name).next().is_some();
        (is_parent && table.primary_key.len() == 1).then_some(table)
    });
    let Some(table) = table else {
        text.push_str(
            "# no table looks like one of tenants: without `tenants` the database is one owner's\n",
        );
        return None;
    };
    let mut counts: BTreeMap<Name, usize> = BTreeMap::new();
    for (_, key) in schema.references_to(&table.name) {
        let pairs = key.columns.iter().zip(&key.parent_columns);
        for (column, _) in pairs.filter(|(_, parent)| table.primary_key.contains(parent)) {
            *counts.entry(column.clone()).or_default() += 1;
        }
    }
    let (key, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    guess(
        text,
        "its name, and others refer to it",
        "tenants",
        table.name.as_str(),
    );
    let why = format!("references to it by this column: {count}");
    guess(text, &why, "tenant_key", key.as_str());
    Some((table.name.clone(), key))
}

fn time(text: &mut String, schema: &Schema) {
    let tables = schema.tables.values().filter(|table| table.is_ordinary());
    let columns = tables.flat_map(|table| table.columns.iter().map(move |column| (table, column)));
    for (table, column) in columns {
        let name = column.name.as_str().to_ascii_lowercase();
        if !TIMES.contains(&name.as_str()) {
            continue;
        }
        let default = column.default.as_deref().map_or_else(String::new, normal);
        let is_number = matches!(
            column.affinity(),
            Affinity::Integer | Affinity::Numeric | Affinity::Real
        );
        let format = if default.contains("1000") {
            "epoch-ms"
        } else if default.contains("unixepoch") || default.contains("'%s'") {
            "epoch-s"
        } else if default.contains("current_timestamp")
            || default.contains("datetime")
            || !is_number
        {
            "iso"
        } else {
            // A number without a default says nothing of its unit.
            continue;
        };
        let why = format!(
            "{}.{} is {}",
            table.name,
            column.name,
            if default.is_empty() { "text" } else { &default }
        );
        guess(text, &why, "time", format);
        return;
    }
}

/// Tables from which no reference leads to a tenant: asked about, not declared.
fn global(text: &mut String, schema: &Schema, tenants: &Name, key: &Name) {
    let mut owned: Vec<&Name> = vec![tenants];
    loop {
        let more: Vec<&Name> = schema
            .tables
            .values()
            .filter(|table| !owned.contains(&&table.name))
            .filter(|table| {
                table.column(key).is_some()
                    || table
                        .foreign_keys
                        .iter()
                        .any(|reference| owned.contains(&&reference.parent))
            })
            .map(|table| &table.name)
            .collect();
        if more.is_empty() {
            break;
        }
        owned.extend(more);
    }
    let strangers = schema
        .tables
        .values()
        .filter(|table| table.is_ordinary() && !owned.contains(&&table.name));
    let strangers: Vec<&str> = strangers.map(|table| table.name.as_str()).collect();
    if !strangers.is_empty() {
        text.push_str("\n# Nothing leads from these tables to a tenant. Where that is meant, take the # away and say why:\n# [data.global]\n");
        for name in strangers {
            let _infallible = writeln!(text, "# {} = \"why\"", quoted(name));
        }
    }
}

fn soft_delete(text: &mut String, table: &Table) {
    for column in &table.columns {
        let name = column.name.as_str().to_ascii_lowercase().replace('_', "");
        let active = match name.as_str() {
            "deletedat" | "deletedon" if table.is_nullable(column) => None,
            "isdeleted" | "deleted" => Some(format!("{} = 0", column.name.quoted())),
            _ => continue,
        };
        let _infallible = write!(
            text,
            "\n# the name of the column\n[[data.soft_delete]]\ntable = {}\ncolumn = {}\n",
            quoted(table.name.as_str()),
            quoted(column.name.as_str())
        );
        if let Some(active) = active {
            let _infallible = writeln!(text, "active = {}", quoted(&active));
        }
    }
}

fn search(text: &mut String, schema: &Schema, index: &Table, key: Option<&Name>) {
    let TableKind::Virtual { module } = &index.kind else {
        return;
    };
    let sql = normal(&index.sql);
    let words: Vec<&str> = sql.split(' ').collect();
    let option = |name: &str| {
        let at = words
            .windows(2)
            .position(|pair| pair[0] == name && pair[1] == "=")?;
        words.get(at + 2).map(|value| value.trim_matches('\''))
    };
    let Some(table) = option("content")
        .and_then(|name| schema.table(name))
        .filter(|_table| module == "fts5")
    else {
        return;
    };
    let rowid = option("content_rowid").unwrap_or("rowid");
    let columns: Vec<&str> = index
        .columns
        .iter()
        .filter(|column| {
            table
                .column(&column.name)
                .is_some_and(|own| own.name != rowid)
        })
        .map(|column| column.name.as_str())
        .filter(|name| key.is_none_or(|key| key != name))
        .collect();
    let (fts, own) = (index.name.quoted(), table.name.quoted());
    let id = table
        .primary_key
        .first()
        .map_or_else(|| "rowid".to_owned(), Name::quoted);
    let mut sql = format!(
        "SELECT {own}.{id} FROM {fts} JOIN {own} ON {own}.{} = {fts}.rowid WHERE {fts} MATCH ?1",
        Name::new(rowid).quoted()
    );
    let mut parameters = vec!["text"];
    if let Some(key) = key.filter(|key| table.column(key).is_some()) {
        let _infallible = write!(sql, " AND {own}.{} = ?2", key.quoted());
        parameters.push("tenant");
    }
    let _infallible = write!(
        text,
        "\n# an FTS5 table over another one's rows; the statement is ours\n[[data.search]]\ntable = {}\ncolumns = {}\nindex = {}\nsql = {}\nparameters = {}\n",
        quoted(table.name.as_str()),
        list(&columns),
        quoted(index.name.as_str()),
        quoted(&sql),
        list(&parameters)
    );
}

fn json(text: &mut String, table: &Table) {
    let sql = normal(&table.sql);
    for column in &table.columns {
        let name = column.name.as_str().to_ascii_lowercase();
        let default = column.default.as_deref().unwrap_or_default();
        let why = if sql.contains(&format!("json_valid ( {name} )")) {
            "a CHECK with json_valid"
        } else if column
            .declared_type
            .to_ascii_uppercase()
            .starts_with("JSON")
        {
            "the type"
        } else if default == "'[]'" || default == "'{}'" {
            "the default"
        } else {
            continue;
        };
        let shape = match default {
            "'[]'" => "array",
            "'{}'" => "object",
            _ => "any",
        };
        let _infallible = write!(
            text,
            "\n# {why}\n[[data.json]]\ntable = {}\ncolumn = {}\nshape = \"{shape}\"\n",
            quoted(table.name.as_str()),
            quoted(column.name.as_str())
        );
    }
}

fn column<'t>(table: &'t Table, names: &[&str]) -> Option<&'t str> {
    names.iter().find_map(|name| {
        table
            .column(&Name::new(name))
            .map(|column| column.name.as_str())
    })
}

fn audit(text: &mut String, schema: &Schema, table: &Table) {
    let action = column(table, &["action", "operation", "event", "event_type"]);
    let resource = column(
        table,
        &[
            "resource_id",
            "entity_id",
            "record_id",
            "row_id",
            "target_id",
            "resourceId",
            "entityId",
        ],
    );
    let (Some(action), Some(resource)) = (action, resource) else {
        return;
    };
    if !table.name.as_str().to_ascii_lowercase().contains("audit") {
        return;
    }
    let mut tracks: Vec<&str> = schema
        .triggers
        .values()
        .filter(|trigger| {
            trigger.table != table.name && find_word(&trigger.sql, table.name.as_str(), 0).is_some()
        })
        .map(|trigger| trigger.table.as_str())
        .collect();
    tracks.sort_unstable();
    tracks.dedup();
    let writer = if tracks.is_empty() {
        "application"
    } else {
        "database"
    };
    let _infallible = write!(
        text,
        "\n# its name and columns; triggers that write into it tell what it tracks\n[[data.audit]]\nlog = {}\ntracks = {}\naction = {}\nresource = {}\nwriter = \"{writer}\"\n",
        quoted(table.name.as_str()),
        list(&tracks),
        quoted(action),
        quoted(resource)
    );
    for (key, names) in [
        ("actor", ["actor", "actor_id", "user_id"]),
        (
            "resource_type",
            ["resource_type", "entity_type", "table_name"],
        ),
        ("old", ["old_values", "old_value", "old_data"]),
        ("new", ["new_values", "new_value", "new_data"]),
    ] {
        if let Some(name) = column(table, &names) {
            let _infallible = writeln!(text, "{key} = {}", quoted(name));
        }
    }
}

fn session(text: &mut String, table: &Table) {
    let name = table.name.as_str().to_ascii_lowercase();
    let expires = column(table, &["expires_at", "expiresAt", "expires", "expiry"]);
    let (Some(expires), [id]) = (
        expires.filter(|_column| name.contains("session")),
        table.primary_key.as_slice(),
    ) else {
        return;
    };
    let (own, id, ends) = (
        table.name.quoted(),
        id.quoted(),
        Name::new(expires).quoted(),
    );
    let _infallible = write!(
        text,
        "\n# its name and a column of its end; the statements are ours\n[[data.session]]\ntable = {}\nexpires = {}\nvalid = {}\nvalid_parameters = [\"id\", \"now\"]\npurge = {}\npurge_parameters = [\"now\"]\n",
        quoted(table.name.as_str()),
        quoted(expires),
        quoted(&format!(
            "SELECT {id} FROM {own} WHERE {id} = ?1 AND {ends} > ?2"
        )),
        quoted(&format!("DELETE FROM {own} WHERE {ends} <= ?1"))
    );
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
