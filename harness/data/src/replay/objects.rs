//! A mirror of `sqlite_schema`, kept statement by statement, so that each statement's changes are known at little cost. Never interprets an object's text.

use super::{Change, ObjectKind};
use crate::catalog::Name;
use crate::engine::{Deed, Engine};
use crate::text::Span;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What stands in `sqlite_schema`, and the statements that made it so.
#[derive(Debug, Default)]
pub(super) struct Objects {
    all: BTreeMap<Key, Object>,
    /// What stood in `sqlite_schema` when all of it was read last, in its order, without what was put here since.
    read: Vec<Line>,
    /// What was put here since.
    put: BTreeSet<Key>,
}

type Key = (ObjectKind, Name);

/// A row of `sqlite_schema`, and its number.
#[derive(Debug)]
struct Line {
    number: i64,
    listed: Listed,
}

#[derive(Debug, Clone)]
struct Object {
    table: Name,
    sql: Arc<str>,
    sites: Vec<Span>,
}

/// One row of `sqlite_schema`.
type Listed = (Key, Name, Arc<str>);

const LIST: &str = "SELECT type, name, tbl_name, sql, rowid FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid";

impl Objects {
    /// Brings the mirror up to date after a statement; what changed.
    pub(super) fn follow(
        &mut self,
        engine: &Engine,
        deeds: &[Deed],
        span: &Span,
    ) -> rusqlite::Result<Vec<Change>> {
        let mut created = Vec::new();
        // The shadow tables of a virtual one come with it.
        let tables = deeds.iter().filter(|deed| makes_table(deed)).count();
        for deed in deeds {
            match deed.made() {
                Some(("table", ..)) if tables > 1 => {
                    return engine.ours(|connection| self.compare(connection, span));
                }
                Some((kind, name, _)) => created.push((kind, name)),
                None if deed.changes_objects() => {
                    return engine.ours(|connection| self.compare(connection, span));
                }
                None => {}
            }
        }
        let mut changes = Vec::new();
        for (kind, name) in created {
            let listed = engine.ours(|connection| one(connection, kind, name))?;
            changes.extend(listed.and_then(|listed| self.put_since(listed, span)));
        }
        Ok(changes)
    }

    /// Adds an object that is known to be new.
    pub(super) fn made(
        &mut self,
        kind: ObjectKind,
        name: &str,
        table: &str,
        sql: Arc<str>,
        span: &Span,
    ) -> Option<Change> {
        self.put_since(((kind, Name::new(name)), Name::new(table), sql), span)
    }

    /// Keeps the new statement of a table that got a column.
    pub(super) fn altered(&mut self, table: &Name, sql: &str, span: &Span) -> Option<Change> {
        let key = (ObjectKind::Table, table.clone());
        self.put_since((key, table.clone(), sql.into()), span)
    }

    /// A table as it is called, and its statement.
    pub(super) fn table(&self, name: &Name) -> Option<(&Name, &Arc<str>)> {
        let key = (ObjectKind::Table, name.clone());
        let ((_, name), object) = self.all.get_key_value(&key)?;
        Some((name, &object.sql))
    }

    /// The statements of a table's indexes, without those of its own constraints.
    pub(super) fn indexes_of(&self, table: &Name) -> impl Iterator<Item = &Arc<str>> {
        let indexes = self.of_kind(ObjectKind::Index);
        let own = indexes.filter(move |(_, object)| object.table == *table);
        own.map(|(_, object)| &object.sql)
    }

    /// The virtual tables.
    pub(super) fn virtual_tables(&self) -> Vec<&Name> {
        let tables = self.of_kind(ObjectKind::Table);
        // SQLite writes the beginning itself.
        let is_virtual = |object: &Object| object.sql.starts_with("CREATE VIRTUAL TABLE");
        tables
            .filter(|(_, object)| is_virtual(object))
            .map(|((_, name), _)| name)
            .collect()
    }

    /// The tables and views that have triggers.
    pub(super) fn triggered(&self) -> impl Iterator<Item = &Name> {
        let triggers = self.of_kind(ObjectKind::Trigger);
        triggers.map(|(_, object)| &object.table)
    }

    pub(super) fn is_there(&self, kind: ObjectKind, name: &Name) -> bool {
        self.all.contains_key(&(kind, name.clone()))
    }

    fn of_kind(&self, kind: ObjectKind) -> impl Iterator<Item = (&Key, &Object)> {
        let objects = self.all.iter();
        objects.filter(move |((own, _), _)| *own == kind)
    }

    /// Brings the mirror up to date after a transaction was undone.
    pub(super) fn resume(&mut self, engine: &Engine, span: &Span) -> rusqlite::Result<()> {
        engine
            .ours(|connection| self.compare(connection, span))
            .map(|_undone| ())
    }

    /// The statements that made each object.
    pub(super) fn sites(&self) -> BTreeMap<Key, Vec<Span>> {
        let objects = self.all.iter();
        objects
            .map(|(key, object)| (key.clone(), object.sites.clone()))
            .collect()
    }

    /// Compares all of `sqlite_schema` with the mirror.
    fn compare(&mut self, connection: &Connection, span: &Span) -> rusqlite::Result<Vec<Change>> {
        let (fresh, gone) = self.read_again(connection)?;
        let mut changes = Vec::new();
        let mut orphans = Vec::new();
        for key in gone {
            if let Some((key, object)) = self.all.remove_entry(&key) {
                changes.push(change(&key, &object.table, Some(&object.sql), None));
                orphans.push((key, object));
            }
        }
        for listed in fresh {
            let (key, ..) = &listed;
            let is_new = !self.all.contains_key(key);
            let kind = key.0;
            let key = key.clone();
            if let Some(change) = self.put(listed, span) {
                changes.push(change);
                // A renamed table keeps the statements that made it.
                let old = orphans.iter().position(|(old, _)| old.0 == kind);
                if let (true, Some(old), Some(object)) = (
                    is_new && kind == ObjectKind::Table,
                    old,
                    self.all.get_mut(&key),
                ) {
                    let (_, old) = orphans.remove(old);
                    object.sites.splice(0..0, old.sites);
                }
            }
        }
        Ok(changes)
    }

    /// Reads all of `sqlite_schema`: the rows that are new or not what they were, in its order, and what is gone. Most are as they were when it was
    /// read last, and are told by that at once.
    fn read_again(&mut self, connection: &Connection) -> rusqlite::Result<(Vec<Listed>, Vec<Key>)> {
        let mut statement = connection.prepare_cached(LIST)?;
        let mut rows = statement.query([])?;
        let mut before = std::mem::take(&mut self.read).into_iter().peekable();
        let mut gone = std::mem::take(&mut self.put);
        let mut fresh = Vec::new();
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(4)?;
            while let Some(line) = before.next_if(|line| line.number < number) {
                gone.insert(line.listed.0);
            }
            let line = match before.next_if(|line| line.number == number) {
                Some(line) if is_as_it_was(row, &line.listed)? => line,
                other => {
                    gone.extend(other.map(|line| line.listed.0));
                    let listed = self::row(row)?;
                    fresh.push(listed.clone());
                    Line { number, listed }
                }
            };
            self.read.push(line);
        }
        gone.extend(before.map(|line| line.listed.0));
        for (key, ..) in &fresh {
            gone.remove(key);
        }
        let gone = gone.into_iter().collect();
        Ok((fresh, gone))
    }

    /// Puts what a single statement made or changed.
    fn put_since(&mut self, listed: Listed, span: &Span) -> Option<Change> {
        let key = listed.0.clone();
        let change = self.put(listed, span)?;
        if change.before.is_some() {
            self.read.retain(|line| line.listed.0 != key);
        }
        self.put.insert(key);
        Some(change)
    }

    fn put(&mut self, (key, table, sql): Listed, span: &Span) -> Option<Change> {
        let before = self.all.get(&key);
        if before.is_some_and(|object| object.sql == sql && object.table == table) {
            return None;
        }
        let change = change(&key, &table, before.map(|object| &object.sql), Some(&sql));
        let mut sites = before
            .map(|object| object.sites.clone())
            .unwrap_or_default();
        sites.push(span.clone());
        self.all.insert(key, Object { table, sql, sites });
        Some(change)
    }
}

fn makes_table(deed: &Deed) -> bool {
    matches!(deed, Deed::CreateTable(_))
}

fn change(key: &Key, table: &Name, before: Option<&Arc<str>>, after: Option<&Arc<str>>) -> Change {
    Change {
        kind: key.0,
        name: key.1.clone(),
        table: table.clone(),
        before: before.cloned(),
        after: after.cloned(),
    }
}

/// An object that was just made, by its kind and name: a trigger may be called like a table. It is among the last rows: a table has no more
/// than a hundred columns, and so fewer indexes of its own behind it than are looked through.
fn one(connection: &Connection, kind: &str, name: &str) -> rusqlite::Result<Option<Listed>> {
    let mut statement = connection.prepare_cached(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE type = ?1 AND name = ?2 COLLATE NOCASE AND sql IS NOT NULL \
         AND rowid > (SELECT max(rowid) FROM sqlite_schema) - 1000 ORDER BY rowid DESC",
    )?;
    let mut found = statement.query_map([kind, name], row)?;
    found.next().transpose()
}

fn row(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let name = Name::new(row.get_ref(1)?.as_str()?);
    let table = row.get_ref(2)?.as_str()?;
    let table = if table == name.as_str() {
        name.clone()
    } else {
        Name::new(table)
    };
    let sql = Arc::from(row.get_ref(3)?.as_str()?);
    Ok(((kind(row)?, name), table, sql))
}

fn kind(row: &Row<'_>) -> rusqlite::Result<ObjectKind> {
    Ok(match row.get_ref(0)?.as_str()? {
        "table" => ObjectKind::Table,
        "index" => ObjectKind::Index,
        "trigger" => ObjectKind::Trigger,
        _ => ObjectKind::View,
    })
}

/// Whether a row holds, letter by letter, what it held.
fn is_as_it_was(row: &Row<'_>, (key, table, sql): &Listed) -> rusqlite::Result<bool> {
    Ok(kind(row)? == key.0
        && row.get_ref(1)?.as_str()? == key.1.as_str()
        && row.get_ref(2)?.as_str()? == table.as_str()
        && row.get_ref(3)?.as_str()? == &**sql)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::FileId;

    const STATEMENTS: [&str; 19] = [
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT UNIQUE)",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, owner REFERENCES users)",
        "CREATE INDEX by_owner ON notes (owner)",
        "CREATE VIEW owned AS SELECT owner FROM notes",
        "CREATE TRIGGER notes AFTER DELETE ON notes BEGIN SELECT 1; END",
        "ALTER TABLE notes ADD COLUMN text TEXT",
        "ALTER TABLE notes RENAME TO papers",
        "ALTER TABLE papers RENAME COLUMN text TO body",
        "DROP TRIGGER notes",
        "DROP INDEX by_owner",
        "CREATE INDEX by_owner ON papers (owner, body)",
        "CREATE TABLE IF NOT EXISTS papers (id)",
        "DROP VIEW owned",
        "CREATE VIRTUAL TABLE words USING fts5 (body)",
        "DROP TABLE words",
        "CREATE TABLE words (id INTEGER PRIMARY KEY)",
        "DROP TABLE papers",
        "CREATE TABLE papers (id INTEGER PRIMARY KEY)",
        "ALTER TABLE papers ADD COLUMN note TEXT",
    ];

    type Held = BTreeMap<Key, Arc<str>>;
    type Told = BTreeSet<(Key, Option<Arc<str>>, Option<Arc<str>>)>;

    fn held(engine: &Engine) -> Held {
        let all = engine.ours(|connection| {
            let mut statement = connection.prepare(LIST)?;
            let rows = statement.query_map([], row)?;
            rows.map(|row| row.map(|(key, _, sql)| (key, sql)))
                .collect::<rusqlite::Result<_>>()
        });
        all.unwrap()
    }

    /// What the mirror tells has to be what `sqlite_schema` held before and holds now.
    fn compare(told: &[Change], before: &Held, after: &Held) {
        let told: Told = told
            .iter()
            .map(|it| {
                (
                    (it.kind, it.name.clone()),
                    it.before.clone(),
                    it.after.clone(),
                )
            })
            .collect();
        let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
        let differ = keys
            .into_iter()
            .filter(|key| before.get(key) != after.get(key));
        let wanted: Told = differ
            .map(|key| {
                (
                    key.clone(),
                    before.get(key).cloned(),
                    after.get(key).cloned(),
                )
            })
            .collect();
        assert_eq!(told, wanted);
    }

    #[test]
    fn the_mirror_tells_what_each_statement_changed_and_what_is_undone() {
        let engine = Engine::in_memory().unwrap();
        let mut objects = Objects::default();
        let span = Span {
            file: FileId(0),
            start: 0,
            end: 0,
        };
        let run = |objects: &mut Objects, sql: &str| {
            let before = held(&engine);
            engine.run(sql).unwrap();
            let (deeds, _) = engine.take_deeds();
            let told = objects.follow(&engine, &deeds, &span).unwrap();
            compare(&told, &before, &held(&engine));
        };
        for sql in STATEMENTS {
            run(&mut objects, sql);
        }
        let ours = |sql: &str| {
            engine
                .ours(|connection| connection.execute_batch(sql))
                .unwrap();
        };
        ours("BEGIN");
        run(&mut objects, "CREATE TABLE late (id)");
        run(&mut objects, "ALTER TABLE users ADD COLUMN late TEXT");
        run(&mut objects, "DROP TABLE papers");
        run(&mut objects, "CREATE INDEX late_one ON users (late)");
        let before = held(&engine);
        ours("ROLLBACK");
        let told = engine
            .ours(|connection| objects.compare(connection, &span))
            .unwrap();
        compare(&told, &before, &held(&engine));
    }
}
