//! Rows that are told apart today and are the same in a key once a file has copied or changed them. Never looks at a key that the file brings to a
//! table that was there, unless an UPDATE of the file fills its columns.

use super::called;
use super::tightened::{Before, fails_on_a_key};
use super::typed::targets;
use super::{Step, Tightened};
use crate::catalog::{Name, Schema, Table};
use crate::engine::{Act, Deed};
use crate::rows::Filler;
use crate::tree::{self, Kind, Node, Tree, Verb};
use rusqlite::Connection;

/// Keys of one file that are tried.
const TRIED_MAX: usize = 6;

/// Forms of a text that other people take for the same, `?1` being the text.
const ALIKE: [&str; 4] = ["upper(?1)", "?1 || ' '", "' ' || ?1", "?1 || '-'"];

/// Whether a file may make rows equal that are not: it copies rows of an old table, or changes a column that a key is about.
pub(super) fn may_collide(steps: &[(usize, &Step)], before: &Schema) -> bool {
    let old = |table: &str| before.tables.get(&Name::new(table));
    steps.iter().any(|(place, step)| {
        let deeds = || step.deeds.iter().filter(|deed| deed.trigger().is_none());
        let fills = deeds().any(|deed| {
            let into = deed.table(Act::Insert);
            into.is_some_and(|into| !into.starts_with("sqlite_"))
        });
        let was_there = |table: &str| {
            let name = called::at_the_start(steps, *place, table);
            before.tables.contains_key(&name)
        };
        let reads = || deeds().any(|deed| deed.table(Act::Read).is_some_and(was_there));
        let changes = deeds().any(|deed| {
            let table = deed.table(Act::Update).and_then(old);
            let column = deed.column().map(Name::new);
            table.zip(column).is_some_and(|(table, column)| {
                table.column(&column).is_none()
                    || keys(table).iter().any(|key| key.columns.contains(&column))
            })
        });
        fills && reads() || changes
    })
}

/// Applies a file once for each key that its copies and changes may run into, to a copy of the database with such rows.
pub(super) fn look(
    with_rows: &Before<'_>,
    steps: &[(usize, &Step)],
    after: &Schema,
    filler: &mut Filler,
) -> rusqlite::Result<Vec<Tightened>> {
    let mut found: Vec<Tightened> = Vec::new();
    let mut tried = 0;
    for (_, step) in steps.iter().filter(|(_, step)| step.is_carried_out()) {
        for risk in risks(step, with_rows.schema, after) {
            let is_known = found.iter().any(|one| one.table == risk.table.name);
            if tried == TRIED_MAX || is_known {
                continue;
            }
            tried += 1;
            if let Some(failure) = risk.try_out(with_rows, steps, filler)? {
                found.push(Tightened {
                    table: risk.table.name.clone(),
                    columns: risk.same,
                    is_first_check: false,
                    is_first_type: false,
                    leaves_orphans: false,
                    key: risk.key.name.filter(|_index| risk.fills),
                    failure: Some(failure),
                });
            }
        }
    }
    Ok(found)
}

/// A key of a table.
#[derive(Clone)]
struct Key {
    /// The index that keeps it; nothing for an INTEGER PRIMARY KEY.
    name: Option<Name>,
    columns: Vec<Name>,
}

/// What a statement may make equal.
struct Risk<'s> {
    /// The table whose rows it reads.
    table: &'s Table,
    /// The key that they come into.
    key: Key,
    /// The columns of the table that decide what comes into the key.
    same: Vec<Name>,
    /// The column that the statement changes by its own value, if it does so.
    own: Option<Name>,
    /// The column that the statement changes by other ones.
    filled: Option<Name>,
    /// Whether that column is one that the file adds.
    fills: bool,
}

fn risks<'s>(step: &Step, before: &'s Schema, after: &Schema) -> Vec<Risk<'s>> {
    let writes = |deed: &Deed| matches!(deed, Deed::Insert(_, None) | Deed::Update(_, _, None));
    if !step.deeds.iter().any(writes) {
        return Vec::new();
    }
    let Some(tree) = tree::parse(&step.statement.sql).filter(|tree| !tree.replaces) else {
        return Vec::new();
    };
    match tree.verb {
        Verb::Insert => copied(&tree, before, after),
        Verb::Update => changed(&tree, before, after),
        Verb::Select | Verb::Delete | Verb::Index | Verb::Trigger | Verb::View | Verb::Table => {
            Vec::new()
        }
    }
}

/// `INSERT INTO other (…) SELECT … FROM table`.
fn copied<'s>(tree: &Tree, before: &'s Schema, after: &Schema) -> Vec<Risk<'s>> {
    let parts = || -> Option<(&Node, &Table, &Table)> {
        let select = tree.parts.iter().find(|part| part.kind == Kind::Select)?;
        let [from] = select.part(Kind::From)?.parts.as_slice() else {
            return None;
        };
        let table = before.tables.get(&Name::new(&from.text))?;
        let into = after.tables.get(&Name::new(tree.table.as_deref()?))?;
        let is_plain = from.kind == Kind::Table && into.name != table.name;
        let is_alone = select.part(Kind::Select).is_none() && select.part(Kind::With).is_none();
        (is_plain && is_alone).then_some((select.part(Kind::Columns)?, table, into))
    };
    let Some((row, table, into)) = parts() else {
        return Vec::new();
    };
    let targets = targets(&tree.columns, into);
    if targets.len() != row.parts.len() {
        return Vec::new();
    }
    let comes_from = |name: &Name| {
        let place = targets.iter().position(|target| target == name)?;
        read_by(table, &row.parts[place])
    };
    let risks = keys(into).into_iter().filter_map(|key| {
        let mut same: Vec<Name> = Vec::new();
        for name in &key.columns {
            same.extend(comes_from(name)?);
        }
        same.sort();
        same.dedup();
        (!same.is_empty()).then_some(Risk {
            table,
            key,
            same,
            own: None,
            filled: None,
            fills: false,
        })
    });
    risks.collect()
}

/// `UPDATE table SET column = …`, the column being part of a key.
fn changed<'s>(tree: &Tree, before: &'s Schema, after: &Schema) -> Vec<Risk<'s>> {
    let name = tree.table.as_deref().map(Name::new);
    let tables = name.and_then(|name| Some((before.tables.get(&name)?, after.tables.get(&name)?)));
    let Some((table, later)) =
        tables.filter(|_| tree.parts.iter().all(|part| part.kind != Kind::From))
    else {
        return Vec::new();
    };
    let mut risks = Vec::new();
    for (column, value) in &tree.sets {
        let column = Name::new(column);
        for key in keys(later) {
            if !key.columns.contains(&column) {
                continue;
            }
            let Some(read) = read_by(table, value) else {
                continue;
            };
            let others = key.columns.iter().filter(|name| **name != column);
            let others: Vec<Name> = others.cloned().collect();
            let is_set = |name: &Name| tree.sets.iter().any(|(set, _)| *name == set.as_str());
            let is_own = read == [column.clone()];
            let is_there = others.iter().all(|name| table.column(name).is_some());
            if read.is_empty() || !is_own && read.contains(&column) || !is_there {
                continue;
            }
            if others.iter().any(is_set) {
                continue;
            }
            let is_bare = value.column().is_some();
            if is_own && (is_bare || table.without_rowid) {
                continue;
            }
            let mut same = others;
            if !is_own {
                same.extend(read);
                same.sort();
                same.dedup();
            }
            risks.push(Risk {
                table,
                key,
                same,
                own: is_own.then(|| column.clone()),
                filled: (!is_own).then(|| column.clone()),
                fills: table.column(&column).is_none(),
            });
        }
    }
    risks
}

/// The columns of a table that decide a value; none if it is another one at each call, or cannot be told.
fn read_by(table: &Table, value: &Node) -> Option<Vec<Name>> {
    let nodes = value.all();
    let is_new = |node: &&Node| {
        node.kind == Kind::Star
            || node.kind == Kind::Call && ["random", "randomblob"].contains(&node.text.as_str())
    };
    if nodes.iter().any(is_new) {
        return None;
    }
    let mut names: Vec<Name> = nodes
        .into_iter()
        .filter(|node| matches!(node.kind, Kind::Column | Kind::Quoted))
        .map(|node| Name::new(&node.text))
        .filter(|name| table.column(name).is_some() || *name == "rowid")
        .collect();
    names.sort();
    names.dedup();
    names
        .iter()
        .all(|name| table.column(name).is_some())
        .then_some(names)
}

/// The keys over columns alone that hold for every row.
fn keys(table: &Table) -> Vec<Key> {
    let alias = table.rowid_alias().map(|alias| Key {
        name: None,
        columns: vec![alias.name.clone()],
    });
    let indexes = table
        .indexes
        .iter()
        .filter(|index| index.unique && index.condition.is_none());
    let indexes = indexes.filter_map(|index| {
        let parts = index.columns.iter().map(|part| part.name.clone());
        Some(Key {
            name: Some(index.name.clone()),
            columns: parts.collect::<Option<Vec<Name>>>()?,
        })
    });
    alias.into_iter().chain(indexes).collect()
}

impl Risk<'_> {
    fn try_out(
        &self,
        with_rows: &Before<'_>,
        steps: &[(usize, &Step)],
        filler: &mut Filler,
    ) -> rusqlite::Result<Option<super::tightened::Failed>> {
        let Some(own) = &self.own else {
            let engine = with_rows.copy()?;
            let is_made = engine.ours(|connection| self.twin(connection, with_rows, filler))?;
            return if is_made {
                fails_on_a_key(with_rows, &engine, steps)
            } else {
                Ok(None)
            };
        };
        for alike in ALIKE {
            let engine = with_rows.copy()?;
            let is_made = engine.ours(|connection| {
                let is_there = self.same.is_empty() || self.twin(connection, with_rows, filler)?;
                Ok::<_, rusqlite::Error>(is_there && self.likened(connection, own, alike))
            })?;
            if !is_made {
                continue;
            }
            if let Some(failure) = fails_on_a_key(with_rows, &engine, steps)? {
                return Ok(Some(failure));
            }
        }
        Ok(None)
    }

    fn twin(
        &self,
        connection: &Connection,
        with_rows: &Before<'_>,
        filler: &mut Filler,
    ) -> rusqlite::Result<bool> {
        let (schema, table) = (with_rows.schema, self.table);
        let is_made = filler.twin(connection, schema, table, &self.same, None)?;
        // Whoever fills a column for the first time asks whether it is empty.
        let filled = self.filled.as_ref().and_then(|name| table.column(name));
        if let Some(filled) = filled.filter(|filled| table.is_nullable(filled)) {
            let (table, filled) = (table.name.quoted(), filled.name.quoted());
            let empty = format!("UPDATE main.{table} SET {filled} = NULL");
            let _left_as_it_is = connection.execute(&empty, []);
        }
        Ok(is_made)
    }

    /// Gives one of two rows a text that is alike to the other's; whether the table took it.
    fn likened(&self, connection: &Connection, own: &Name, alike: &str) -> bool {
        let (table, own) = (self.table.name.quoted(), own.quoted());
        let agree: String = self
            .same
            .iter()
            .flat_map(|name| [" AND a.", "", " IS b.", ""].map(|part| (part, name)))
            .map(|(part, name)| {
                if part.is_empty() {
                    name.quoted()
                } else {
                    part.to_owned()
                }
            })
            .collect();
        let pair = format!(
            "SELECT b.rowid, a.{own} FROM main.{table} a JOIN main.{table} b ON a.rowid < b.rowid{agree} WHERE typeof(a.{own}) = 'text' LIMIT 1"
        );
        let row = connection.query_row(&pair, [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        });
        let Ok((rowid, text)) = row else { return false };
        let update = format!("UPDATE main.{table} SET {own} = {alike} WHERE rowid = ?2");
        let written = connection.execute(&update, (text, rowid));
        written.is_ok_and(|rows| rows > 0)
    }
}
