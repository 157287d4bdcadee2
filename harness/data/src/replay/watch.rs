//! What a file takes out of tables that were there before it: counts of rows and references, before, between and after its statements.
//! Never runs a statement of the file.

use super::{Effect, EffectKind, Step};
use crate::catalog::{Action, Name, Schema, Table};
use crate::engine::{Deed, Engine};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// What is counted of a table: its rows, and the rows in which each referring column holds a value; nothing for a column that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Count {
    rows: u32,
    referring: Vec<Option<u32>>,
}

/// Counts of the watched tables before a file, and where they fell first.
pub(super) struct Watch {
    tables: Vec<Watched>,
    /// Tables that the file made, as they are before the statement that runs now.
    made: BTreeMap<Root, Made>,
    /// The statements that took rows out of tables that the file made.
    copies_fell_at: BTreeMap<Root, Fall>,
    /// Watched tables that are gone, so that what has their names from then on was made by the file.
    replaced: BTreeSet<Name>,
}

/// Defaults as SQL, by columns.
type Defaults = BTreeMap<Name, String>;

/// The page of a table: it stays when the table is renamed.
type Root = i64;

/// Where a table that the file made lost rows.
#[derive(Debug, Clone)]
struct Fall {
    step: usize,
    /// A referring column that lost values, and how many it had.
    column: Option<(Name, u32)>,
    /// Whether it had a name of its own then, and not yet the one of the table whose place it takes.
    is_of_copy: bool,
}

/// A table that the file made.
struct Made {
    /// The columns that refer to other tables.
    columns: Vec<Name>,
    count: Count,
}

struct Watched {
    name: Name,
    columns: Vec<Name>,
    /// The defaults of those that get them where their parents go, as SQL: a row that holds one does not count.
    defaults: Defaults,
    before: Count,
    fell_at: Option<usize>,
    /// How many rows it had then; none if it was gone itself.
    fell_to: Option<u32>,
}

impl Watch {
    pub(super) fn new(engine: &Engine, schema: &Schema, tables: Vec<Name>) -> Self {
        let watched = tables.into_iter().filter_map(|name| {
            let table = schema.tables.get(&name)?;
            let columns: BTreeSet<Name> = table
                .foreign_keys
                .iter()
                .flat_map(|key| key.columns.clone())
                .collect();
            let columns: Vec<Name> = columns.into_iter().collect();
            let defaults = defaults(table);
            let before = engine.ours(|connection| count(connection, &name, &columns, &defaults))?;
            Some(Watched {
                name,
                columns,
                defaults,
                before,
                fell_at: None,
                fell_to: None,
            })
        });
        Self {
            tables: watched.collect(),
            made: BTreeMap::new(),
            copies_fell_at: BTreeMap::new(),
            replaced: BTreeSet::new(),
        }
    }

    /// Counts the tables that the file made, before a statement that drops another one.
    pub(super) fn look_before(&mut self, engine: &Engine, step: &Step) {
        if drops_table(step) {
            self.made = self.count_made(engine);
        }
    }

    pub(super) fn look(&mut self, engine: &Engine, place: usize, step: &Step) {
        if drops_table(step) {
            let now = self.count_made(engine);
            let names = engine.ours(roots);
            for (root, before) in &self.made {
                let now = now.get(root).map(|made| &made.count);
                let now = now.filter(|now| fell(&before.count, now));
                if let Some(now) = now {
                    let mut names = names.iter().filter(|(_, of)| *of == root);
                    let is_of_copy = names.all(|(name, _)| !self.replaced.contains(name));
                    let fall = Fall {
                        step: place,
                        column: nulled(before, now),
                        is_of_copy,
                    };
                    self.copies_fell_at.entry(*root).or_insert(fall);
                }
            }
        }
        for table in &mut self.tables {
            if table.fell_at.is_none() {
                let now = engine.ours(|connection| table.count(connection));
                if now.is_none() {
                    self.replaced.insert(table.name.clone());
                }
                if now.as_ref().is_none_or(|now| fell(&table.before, now)) {
                    table.fell_at = Some(place);
                    table.fell_to = now.map(|now| now.rows);
                }
            }
        }
    }

    /// The tables that are not watched, or stand in the place of one that was, by their pages. References are those that they have themselves.
    fn count_made(&self, engine: &Engine) -> BTreeMap<Root, Made> {
        let roots = engine.ours(roots);
        let made = roots.into_iter().filter(|(name, _)| {
            self.replaced.contains(name) || self.tables.iter().all(|watched| watched.name != *name)
        });
        made.filter_map(|(name, root)| {
            let columns = engine.ours(|connection| referring(connection, &name));
            let none = Defaults::new();
            let count = engine.ours(|connection| count(connection, &name, &columns, &none))?;
            Some((root, Made { columns, count }))
        })
        .collect()
    }

    /// Tables that are gone, and whose rows another table took along before the file copied them.
    fn copied_too_late(
        &self,
        engine: &Engine,
        steps: &[(usize, &Step)],
    ) -> impl Iterator<Item = Effect> {
        let is_copied = |table: &Name, from: usize| {
            let mut behind = steps.iter().filter(|(place, _)| *place > from);
            behind.any(|(_, step)| {
                let reads = |deed: &Deed| matches!(deed, Deed::Read(of, _) if *table == **of);
                let fills = |deed: &Deed| matches!(deed, Deed::Insert(of, _) if *table != **of && !of.starts_with("sqlite_"));
                step.deeds.iter().any(reads) && step.deeds.iter().any(fills)
            })
        };
        let is_gone = |table: &Name| {
            let none = Defaults::new();
            engine.ours(|it| count(it, table, &[], &none)).is_none()
        };
        self.tables.iter().filter_map(move |table| {
            let (step, after) = (table.fell_at?, table.fell_to?);
            let before = table.before.rows;
            (after < before && is_gone(&table.name) && is_copied(&table.name, step)).then(|| {
                Effect {
                    table: table.name.clone(),
                    step,
                    kind: EffectKind::RowsGone { before, after },
                    is_of_copy: false,
                }
            })
        })
    }

    /// What a file that fails does before it fails, in tables that no later statement of it fills again.
    pub(super) fn effects_for_good(
        &self,
        engine: &Engine,
        steps: &[(usize, &Step)],
    ) -> Vec<Effect> {
        let mut effects = self.effects(engine, steps);
        effects.retain(|effect| {
            let mut later = steps.iter().filter(|(place, _)| *place > effect.step);
            later.all(|(_, step)| {
                let is_touched = step.changes.iter().any(|change| change.name == effect.table);
                let is_filled = step.deeds.iter().any(|deed| {
                    matches!(deed, Deed::Insert(table, _) | Deed::Update(table, ..) if effect.table == **table)
                });
                !is_touched && !is_filled
            })
        });
        effects
    }

    /// What is less after the file than before it, in tables that are still there, and what went before it was copied out of others.
    pub(super) fn effects(&self, engine: &Engine, steps: &[(usize, &Step)]) -> Vec<Effect> {
        let roots = engine.ours(roots);
        let mut effects: Vec<Effect> = self.copied_too_late(engine, steps).collect();
        for table in &self.tables {
            let (Some(step), Some(after)) = (
                table.fell_at,
                engine.ours(|connection| table.count(connection)),
            ) else {
                continue;
            };
            let root = roots.get(&table.name);
            let copy_fell_at = root.and_then(|root| self.copies_fell_at.get(root));
            let effect = |kind| Effect {
                table: table.name.clone(),
                step: copy_fell_at.map_or(step, |fall| fall.step),
                kind,
                is_of_copy: copy_fell_at.is_some_and(|fall| fall.is_of_copy),
            };
            if after.rows < table.before.rows {
                effects.push(effect(EffectKind::RowsGone {
                    before: table.before.rows,
                    after: after.rows,
                }));
                continue;
            }
            let columns = table.columns.iter().zip(&table.before.referring);
            for ((column, before), after) in columns.zip(&after.referring) {
                if let (Some(before), Some(after)) = (before, after)
                    && after < before
                {
                    let rows = before - after;
                    let (column, value) = (column.clone(), table.defaults.get(column).cloned());
                    effects.push(effect(if let Some(value) = value {
                        EffectKind::Defaulted {
                            column,
                            value,
                            rows,
                        }
                    } else {
                        EffectKind::Nulled { column, rows }
                    }));
                }
            }
            // A column that refers to a table from this file on.
            if let Some((column, before)) = copy_fell_at.and_then(|fall| fall.column.clone())
                && !table.columns.contains(&column)
            {
                let columns = std::slice::from_ref(&column);
                let none = Defaults::new();
                let now = engine.ours(|connection| count(connection, &table.name, columns, &none));
                let now = now.and_then(|now| now.referring.first().copied().flatten());
                if let Some(rows) =
                    now.and_then(|now| before.checked_sub(now).filter(|rows| *rows > 0))
                {
                    effects.push(effect(EffectKind::Nulled { column, rows }));
                }
            }
        }
        effects
    }
}

/// The first referring column that lost values while its rows stayed, and how many it had.
fn nulled(before: &Made, now: &Count) -> Option<(Name, u32)> {
    let pairs = before.count.referring.iter().zip(&now.referring);
    let mut columns = before.columns.iter().zip(pairs);
    let (column, (had, _)) = columns.find(|(_, (had, has))| has.is_some() && has < had)?;
    had.filter(|_| now.rows == before.count.rows)
        .map(|had| (column.clone(), had))
}

fn fell(before: &Count, now: &Count) -> bool {
    let mut columns = before.referring.iter().zip(&now.referring);
    now.rows < before.rows || columns.any(|(before, now)| now.is_some() && now < before)
}

impl Watched {
    fn count(&self, connection: &Connection) -> Option<Count> {
        count(connection, &self.name, &self.columns, &self.defaults)
    }
}

/// The defaults that a table's columns get where the rows that they refer to are deleted.
fn defaults(table: &Table) -> Defaults {
    let keys = table.foreign_keys.iter();
    let keys = keys.filter(|key| key.on_delete == Action::SetDefault);
    let columns = keys.flat_map(|key| &key.columns);
    columns
        .filter_map(|name| {
            let value = table.column(name)?.default.clone()?;
            (!value.eq_ignore_ascii_case("null")).then(|| (name.clone(), value.to_string()))
        })
        .collect()
}

/// Counts a table by the columns that it had; none where it is not there.
fn count(
    connection: &Connection,
    table: &Name,
    columns: &[Name],
    defaults: &Defaults,
) -> Option<Count> {
    if let Some(count) = count_whole(connection, table, columns, defaults) {
        return Some(count);
    }
    let rows = count_whole(connection, table, &[], defaults)?.rows;
    let one = |column: &Name| {
        let count = count_whole(connection, table, std::slice::from_ref(column), defaults)?;
        count.referring.into_iter().next().flatten()
    };
    let referring = columns.iter().map(one).collect();
    Some(Count { rows, referring })
}

/// The same where all of the columns are there.
fn count_whole(
    connection: &Connection,
    table: &Name,
    columns: &[Name],
    defaults: &Defaults,
) -> Option<Count> {
    let counted: Vec<String> = std::iter::once("count(*)".to_owned())
        .chain(columns.iter().map(|column| match defaults.get(column) {
            Some(value) => format!("count(nullif(t.{}, {value}))", column.quoted()),
            None => format!("count(t.{})", column.quoted()),
        }))
        .collect();
    let sql = format!(
        "SELECT {} FROM main.{} AS t",
        counted.join(", "),
        table.quoted()
    );
    let mut statement = connection.prepare_cached(&sql).ok()?;
    let count = statement.query_row([], |row| {
        Ok(Count {
            rows: row.get(0)?,
            referring: (1..=columns.len())
                .map(|at| row.get(at))
                .collect::<rusqlite::Result<_>>()?,
        })
    });
    count.ok()
}

/// The pages of the tables, by their names.
fn roots(connection: &Connection) -> BTreeMap<Name, Root> {
    let read = || -> rusqlite::Result<_> {
        let mut statement = connection.prepare_cached(
            "SELECT name, rootpage FROM main.sqlite_schema WHERE type = 'table' AND rootpage > 0",
        )?;
        let rows = statement.query_map([], |row| {
            Ok((Name::new(&row.get::<_, String>(0)?), row.get(1)?))
        })?;
        rows.collect()
    };
    read().unwrap_or_default()
}

/// The columns of a table that refer to others.
fn referring(connection: &Connection, table: &Name) -> Vec<Name> {
    let read = || -> rusqlite::Result<BTreeSet<Name>> {
        let mut statement =
            connection.prepare_cached("SELECT \"from\" FROM pragma_foreign_key_list(?1)")?;
        let rows = statement.query_map([table.as_str()], |row| {
            Ok(Name::new(&row.get::<_, String>(0)?))
        })?;
        rows.collect()
    };
    read().unwrap_or_default().into_iter().collect()
}

fn drops_table(step: &Step) -> bool {
    let drops = |deed: &Deed| matches!(deed, Deed::DropTable(_));
    step.deeds.iter().any(drops)
}

/// The step that drops the table of an effect by name, behind the statement that took its rows along, where nothing reads them in between:
/// then they would have gone in any case.
pub(super) fn dropped_unread(steps: &[(usize, &Step)], effect: &Effect) -> Option<usize> {
    if effect.is_of_copy || !matches!(effect.kind, EffectKind::RowsGone { .. }) {
        return None;
    }
    let is_dropped = |deed: &Deed| matches!(deed, Deed::DropTable(of) if effect.table == **of);
    let is_read = |deed: &Deed| matches!(deed, Deed::Read(of, _) if effect.table == **of);
    let mut behind = steps.iter().filter(|(place, _)| *place > effect.step);
    let (place, _) = behind.find(|(_, step)| {
        step.deeds
            .iter()
            .any(|deed| is_dropped(deed) || is_read(deed))
    })?;
    let step = steps.iter().find(|(at, _)| at == place)?.1;
    step.deeds.iter().any(is_dropped).then_some(*place)
}
