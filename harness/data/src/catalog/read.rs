//! Reads a schema through `sqlite_schema` and pragmas. Never reads a row of the user's.

use super::texts::{Known, Texts, index_texts, statement};
use super::{
    Action, Column, ForeignKey, Generated, Index, IndexColumn, IndexOrigin, Name, Schema, Table,
    TableKind, Trigger, View,
};
use rusqlite::{Connection, OptionalExtension};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Tables from which on it costs less to look at all of them once than at each by its name.
pub(super) const TOGETHER: usize = 8;

/// Tables that are D1's or wrangler's, not the user's.
pub(super) fn is_foreign(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.starts_with("sqlite_") || lower.starts_with("_cf_") || lower == "d1_migrations"
}

/// The schema of a database.
///
/// # Errors
/// Whatever SQLite says, for example that the file is no database.
pub fn read(connection: &Connection) -> rusqlite::Result<Schema> {
    read_knowing(connection, &Known::default())
}

/// The same, of which these statements are kept already.
pub(crate) fn read_knowing(connection: &Connection, known: &Known) -> rusqlite::Result<Schema> {
    let mut schema = Schema::default();
    let kinds = table_kinds(connection, None)?;
    let texts = index_texts(connection, None, known)?;
    let mut list = connection.prepare(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE type IN ('table', 'view', 'trigger') AND sql IS NOT NULL",
    )?;
    let mut rows = list.query([])?;
    while let Some(row) = rows.next()? {
        let kind: String = row.get(0)?;
        let name: String = row.get(1)?;
        if is_foreign(&name) {
            continue;
        }
        let Some(sql) = statement(row, 3, known)? else {
            continue;
        };
        let key = Name::new(&name);
        match kind.as_str() {
            "table" => {
                if let Some(kind) = kinds.get(&key) {
                    let table = table(connection, &key, kind, sql, &texts)?;
                    schema.tables.insert(key, table);
                }
            }
            "view" => {
                schema.views.insert(key.clone(), View { name: key, sql });
            }
            _ => {
                let table = Name::new(&row.get::<_, String>(2)?);
                let trigger = Trigger {
                    name: key.clone(),
                    table,
                    sql,
                };
                schema.triggers.insert(key, trigger);
            }
        }
    }
    resolve_implicit_parents(&mut schema);
    Ok(schema)
}

/// All tables of the user's whose names are among these. What SQLite tells of one table takes it a walk over all of them.
pub(super) fn tables_of(
    connection: &Connection,
    names: &BTreeSet<Name>,
) -> rusqlite::Result<Vec<Table>> {
    if names.len() < TOGETHER {
        let tables = names.iter().filter(|name| !is_foreign(name.as_str()));
        let tables = tables.filter_map(|name| table_of(connection, name).transpose());
        return tables.collect();
    }
    let kinds = table_kinds(connection, None)?;
    let texts = index_texts(connection, None, &Known::default())?;
    let mut list = connection.prepare_cached(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql IS NOT NULL",
    )?;
    let mut rows = list.query([])?;
    let mut tables = Vec::new();
    while let Some(row) = rows.next()? {
        let name = Name::new(&row.get::<_, String>(0)?);
        let wanted = names.contains(&name) && !is_foreign(name.as_str());
        if let Some(kind) = kinds.get(&name).filter(|_kind| wanted) {
            let sql = Arc::from(row.get::<_, String>(1)?);
            tables.push(table(connection, &name, kind, sql, &texts)?);
        }
    }
    Ok(tables)
}

/// One table; none if it is not there, or not the user's.
fn table_of(connection: &Connection, name: &Name) -> rusqlite::Result<Option<Table>> {
    let kinds = table_kinds(connection, Some(name))?;
    let Some((name, kind)) = kinds.into_iter().next() else {
        return Ok(None);
    };
    let sql = connection
        .prepare_cached("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1")?
        .query_row([name.as_str()], |row| row.get::<_, Option<String>>(0))?;
    let texts = index_texts(connection, Some(&name), &Known::default())?;
    sql.map(|sql| table(connection, &name, &kind, Arc::from(sql), &texts))
        .transpose()
}

/// One trigger; none if it is not there.
pub(super) fn trigger(connection: &Connection, name: &Name) -> rusqlite::Result<Option<Trigger>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?1 COLLATE NOCASE AND sql IS NOT NULL",
    )?;
    let found = statement.query_row([name.as_str()], |row| {
        Ok(Trigger {
            name: Name::new(&row.get::<_, String>(0)?),
            table: Name::new(&row.get::<_, String>(1)?),
            sql: Arc::from(row.get::<_, String>(2)?),
        })
    });
    found.optional()
}

/// One view; none if it is not there.
pub(super) fn view(connection: &Connection, name: &Name) -> rusqlite::Result<Option<View>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'view' AND name = ?1 COLLATE NOCASE AND sql IS NOT NULL",
    )?;
    let found = statement.query_row([name.as_str()], |row| {
        Ok(View {
            name: Name::new(&row.get::<_, String>(0)?),
            sql: Arc::from(row.get::<_, String>(1)?),
        })
    });
    found.optional()
}

/// The statement in `sqlite_schema` of an object of any type, if it is there.
///
/// # Errors
/// Whatever SQLite says.
pub fn object(connection: &Connection, name: &Name) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT sql FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE")?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()
        .map(Option::flatten)
}

/// What `PRAGMA table_list` says of one table.
struct Listed {
    kind: TableKind,
    without_rowid: bool,
    strict: bool,
}

/// Of all tables, or of one.
fn table_kinds(
    connection: &Connection,
    of: Option<&Name>,
) -> rusqlite::Result<BTreeMap<Name, Listed>> {
    const LISTED: &str = "SELECT l.name, l.type, l.wr, l.strict, m.sql FROM";
    const OWN: &str = "JOIN sqlite_schema AS m ON m.name = l.name AND m.type = 'table' WHERE l.schema = 'main' AND l.type IN ('table', 'virtual')";
    let list = of.map_or("pragma_table_list", |_one| "pragma_table_list(?1)");
    let mut statement = connection.prepare_cached(&format!("{LISTED} {list} AS l {OWN}"))?;
    let mut rows = match of {
        Some(name) => statement.query([name.as_str()])?,
        None => statement.query([])?,
    };
    let mut kinds = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let kind: String = row.get(1)?;
        let sql: Option<String> = row.get(4)?;
        let kind = if kind == "virtual" {
            TableKind::Virtual {
                module: module(sql.as_deref().unwrap_or_default()),
            }
        } else {
            TableKind::Ordinary
        };
        let listed = Listed {
            kind,
            without_rowid: row.get(2)?,
            strict: row.get(3)?,
        };
        kinds.insert(Name::new(&name), listed);
    }
    Ok(kinds)
}

/// The module in `CREATE VIRTUAL TABLE x USING module(…)`.
fn module(sql: &str) -> String {
    let using = crate::text::find_word(sql, "using", 0).map_or(sql.len(), |word| word.end);
    let rest = sql[using..].trim_start();
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    rest[..end.unwrap_or(rest.len())].to_ascii_lowercase()
}

fn table(
    connection: &Connection,
    name: &Name,
    listed: &Listed,
    sql: Arc<str>,
    texts: &Texts,
) -> rusqlite::Result<Table> {
    let is_virtual = listed.kind != TableKind::Ordinary;
    let (columns, primary_key) = columns(connection, name, texts)?;
    Ok(Table {
        name: name.clone(),
        autoincrement: !is_virtual && crate::text::find_word(&sql, "autoincrement", 0).is_some(),
        sql,
        kind: listed.kind.clone(),
        columns,
        primary_key,
        foreign_keys: if is_virtual {
            Vec::new()
        } else {
            foreign_keys(connection, name, texts)?
        },
        indexes: if is_virtual {
            Vec::new()
        } else {
            indexes(connection, name, texts)?
        },
        strict: listed.strict,
        without_rowid: listed.without_rowid,
    })
}

fn columns(
    connection: &Connection,
    table: &Name,
    texts: &Texts,
) -> rusqlite::Result<(Vec<Column>, Vec<Name>)> {
    let mut statement = connection.prepare_cached(
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1)",
    )?;
    let mut rows = statement.query([table.as_str()])?;
    let mut columns = Vec::new();
    let mut key: Vec<(u32, Name)> = Vec::new();
    while let Some(row) = rows.next()? {
        let name = texts.name(row, 0)?;
        let place: u32 = row.get(4)?;
        if place > 0 {
            key.push((place, name.clone()));
        }
        let hidden: u32 = row.get(5)?;
        if hidden == 1 {
            continue;
        }
        columns.push(Column {
            name,
            declared_type: texts.text(row, 1)?.unwrap_or_default(),
            not_null: row.get(2)?,
            default: texts.text(row, 3)?,
            generated: match hidden {
                2 => Some(Generated::Virtual),
                3 => Some(Generated::Stored),
                _ => None,
            },
        });
    }
    key.sort();
    columns.shrink_to_fit();
    Ok((columns, key.into_iter().map(|(_, name)| name).collect()))
}

fn foreign_keys(
    connection: &Connection,
    table: &Name,
    texts: &Texts,
) -> rusqlite::Result<Vec<ForeignKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete FROM pragma_foreign_key_list(?1) ORDER BY id DESC, seq",
    )?;
    let mut rows = statement.query([table.as_str()])?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let column = texts.name(row, 2)?;
        let parent_column = texts.optional_name(row, 3)?;
        if let Some((_, key)) = keys.last_mut().filter(|(last, _)| *last == id) {
            key.columns.push(column);
            key.parent_columns.extend(parent_column);
            continue;
        }
        let key = ForeignKey {
            columns: vec![column],
            parent: texts.name(row, 1)?,
            parent_columns: parent_column.into_iter().collect(),
            on_update: action(&row.get::<_, String>(4)?),
            on_delete: action(&row.get::<_, String>(5)?),
        };
        keys.push((id, key));
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

fn action(text: &str) -> Action {
    match text {
        "CASCADE" => Action::Cascade,
        "SET NULL" => Action::SetNull,
        "SET DEFAULT" => Action::SetDefault,
        "RESTRICT" => Action::Restrict,
        _ => Action::NoAction,
    }
}

fn indexes(connection: &Connection, table: &Name, texts: &Texts) -> rusqlite::Result<Vec<Index>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, \"unique\", origin, partial FROM pragma_index_list(?1) ORDER BY seq DESC",
    )?;
    let mut rows = statement.query([table.as_str()])?;
    let mut indexes = Vec::new();
    while let Some(row) = rows.next()? {
        let name = Name::new(&row.get::<_, String>(0)?);
        let origin: String = row.get(2)?;
        let partial: bool = row.get(3)?;
        let sql = texts.indexes.get(&name);
        indexes.push(Index {
            unique: row.get(1)?,
            origin: match origin.as_str() {
                "pk" => IndexOrigin::PrimaryKey,
                "u" => IndexOrigin::Unique,
                _ => IndexOrigin::Created,
            },
            columns: index_columns(connection, &name, texts)?,
            condition: sql.filter(|_sql| partial).and_then(|sql| condition(sql)),
            sql: sql.cloned(),
            name,
        });
    }
    indexes.shrink_to_fit();
    Ok(indexes)
}

/// What stands behind the last `WHERE` of a `CREATE INDEX`.
fn condition(sql: &str) -> Option<String> {
    let mut from = 0;
    let mut last = None;
    while let Some(word) = crate::text::find_word(sql, "where", from) {
        from = word.end;
        last.get_or_insert(word.end);
    }
    last.map(|start| sql[start..].trim().to_owned())
}

fn index_columns(
    connection: &Connection,
    index: &Name,
    texts: &Texts,
) -> rusqlite::Result<Vec<IndexColumn>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, \"desc\", coll FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno",
    )?;
    let rows = statement.query_map([index.as_str()], |row| {
        Ok(IndexColumn {
            name: texts.optional_name(row, 0)?,
            descending: row.get(1)?,
            collation: texts.text(row, 2)?.unwrap_or_default(),
        })
    })?;
    rows.collect()
}

/// `REFERENCES parent` without columns means the parent's primary key.
pub(super) fn resolve_implicit_parents(schema: &mut Schema) {
    let keys: BTreeMap<Name, Vec<Name>> = schema
        .tables
        .iter()
        .map(|(name, table)| (name.clone(), table.primary_key.clone()))
        .collect();
    for table in schema.tables.values_mut() {
        for key in &mut table.foreign_keys {
            if key.parent_columns.is_empty() {
                key.parent_columns = keys.get(&key.parent).cloned().unwrap_or_default();
            }
        }
    }
}
