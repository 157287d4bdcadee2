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
    objects: BTreeMap<(ObjectKind, Name), Object>,
}

#[derive(Debug, Clone)]
struct Object {
    table: Name,
    sql: Arc<str>,
    sites: Vec<Span>,
}

/// One row of `sqlite_schema`.
type Listed = ((ObjectKind, Name), Name, Arc<str>);

const LIST: &str = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

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
            changes.extend(listed.and_then(|listed| self.put(listed, span)));
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
        self.put(((kind, Name::new(name)), Name::new(table), sql), span)
    }

    /// Keeps the new statement of a table that got a column.
    pub(super) fn altered(&mut self, table: &Name, sql: &str, span: &Span) -> Option<Change> {
        let key = (ObjectKind::Table, table.clone());
        self.put((key, table.clone(), sql.into()), span)
    }

    /// A table as it is called, and its statement.
    pub(super) fn table(&self, name: &Name) -> Option<(&Name, &Arc<str>)> {
        let key = (ObjectKind::Table, name.clone());
        let ((_, name), object) = self.objects.get_key_value(&key)?;
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
        self.objects.contains_key(&(kind, name.clone()))
    }

    fn of_kind(&self, kind: ObjectKind) -> impl Iterator<Item = (&(ObjectKind, Name), &Object)> {
        let objects = self.objects.iter();
        objects.filter(move |((own, _), _)| *own == kind)
    }

    /// Brings the mirror up to date after a transaction was undone.
    pub(super) fn resume(&mut self, engine: &Engine, span: &Span) -> rusqlite::Result<()> {
        engine
            .ours(|connection| self.compare(connection, span))
            .map(|_undone| ())
    }

    /// The statements that made each object.
    pub(super) fn sites(&self) -> BTreeMap<(ObjectKind, Name), Vec<Span>> {
        let objects = self.objects.iter();
        objects
            .map(|(key, object)| (key.clone(), object.sites.clone()))
            .collect()
    }

    /// Compares all of `sqlite_schema` with the mirror.
    fn compare(&mut self, connection: &Connection, span: &Span) -> rusqlite::Result<Vec<Change>> {
        let mut statement = connection.prepare_cached(LIST)?;
        let listed = statement.query_map([], row)?;
        let listed: Vec<Listed> = listed.collect::<rusqlite::Result<_>>()?;
        let there: BTreeSet<&(ObjectKind, Name)> = listed.iter().map(|(key, ..)| key).collect();
        let gone: Vec<(ObjectKind, Name)> = self
            .objects
            .keys()
            .filter(|key| !there.contains(key))
            .cloned()
            .collect();
        let mut changes = Vec::new();
        let mut orphans = Vec::new();
        for key in gone {
            if let Some(object) = self.objects.remove(&key) {
                changes.push(change(&key, &object.table, Some(&object.sql), None));
                orphans.push((key, object));
            }
        }
        for listed in listed {
            let (key, ..) = &listed;
            let is_new = !self.objects.contains_key(key);
            let kind = key.0;
            let key = key.clone();
            if let Some(change) = self.put(listed, span) {
                changes.push(change);
                // A renamed table keeps the statements that made it.
                let old = orphans.iter().position(|(old, _)| old.0 == kind);
                if let (true, Some(old), Some(object)) = (
                    is_new && kind == ObjectKind::Table,
                    old,
                    self.objects.get_mut(&key),
                ) {
                    let (_, old) = orphans.remove(old);
                    object.sites.splice(0..0, old.sites);
                }
            }
        }
        Ok(changes)
    }

    fn put(&mut self, (key, table, sql): Listed, span: &Span) -> Option<Change> {
        let before = self.objects.get(&key);
        if before.is_some_and(|object| object.sql == sql && object.table == table) {
            return None;
        }
        let change = change(&key, &table, before.map(|object| &object.sql), Some(&sql));
        let mut sites = before
            .map(|object| object.sites.clone())
            .unwrap_or_default();
        sites.push(span.clone());
        self.objects.insert(key, Object { table, sql, sites });
        Some(change)
    }
}

fn makes_table(deed: &Deed) -> bool {
    matches!(deed, Deed::CreateTable(_))
}

fn change(
    key: &(ObjectKind, Name),
    table: &Name,
    before: Option<&Arc<str>>,
    after: Option<&Arc<str>>,
) -> Change {
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
         AND rowid > (SELECT max(rowid) FROM sqlite_schema) - 1000",
    )?;
    let mut found = statement.query_map([kind, name], row)?;
    found.next().transpose()
}

fn row(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let kind: String = row.get(0)?;
    let kind = match kind.as_str() {
        "table" => ObjectKind::Table,
        "index" => ObjectKind::Index,
        "trigger" => ObjectKind::Trigger,
        _ => ObjectKind::View,
    };
    let name: String = row.get(1)?;
    let table: String = row.get(2)?;
    let sql: String = row.get(3)?;
    Ok(((kind, Name::new(&name)), Name::new(&table), sql.into()))
}
