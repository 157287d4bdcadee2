//! The second pass: every file on a database whose tables hold rows. Never looks at files that rows cannot matter to, beyond applying them.

use super::{Effect, EffectKind, Replay, Step, WithRows, empty};
use crate::catalog::{self, Name, Schema};
use crate::engine::{Deed, Engine, Failure};
use crate::rows::Filler;
use crate::text::FileId;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// Rows that each table holds before a file is applied: enough that a filter, a join and a key each have something to tell apart.
const ROWS: usize = 3;

/// Applies all files of a replay again, with rows in the tables that a file touches and in those that refer to them.
pub(super) fn replay(replay: &Replay, seed: u64) -> rusqlite::Result<Vec<Option<WithRows>>> {
    let mut database = Database {
        engine: Engine::in_memory()?,
        schema: Some(Schema::default()),
    };
    let mut filler = Filler::new(seed)?;
    let mut all = Vec::with_capacity(replay.files.len());
    for number in 0..replay.files.len() {
        let file = FileId(number);
        let steps: Vec<(usize, &Step)> = replay.steps_of(file).collect();
        let failed = steps.iter().any(|(_, step)| step.failure.is_some());
        let touched = if failed {
            BTreeSet::new()
        } else {
            touched(&steps, database.schema()?)
        };
        if touched.is_empty() {
            database.apply_plainly(&steps)?;
            all.push(None);
            continue;
        }
        let outcome = database.apply_with_rows(&steps, touched, &replay.schema, &mut filler)?;
        if outcome.failure.is_some() {
            // D1 would stop here. Those that come after it are judged as if it had been mended.
            database = Database::at(replay, number)?;
        }
        all.push(Some(outcome));
    }
    Ok(all)
}

struct Database {
    engine: Engine,
    /// What it is made of; none where that has to be read anew.
    schema: Option<Schema>,
}

impl Database {
    /// The empty database after a file.
    fn at(replay: &Replay, file: usize) -> rusqlite::Result<Self> {
        let mut database = Self {
            engine: Engine::in_memory()?,
            schema: None,
        };
        for file in 0..=file {
            let steps: Vec<_> = replay.steps_of(FileId(file)).collect();
            database.apply_plainly(&steps)?;
        }
        Ok(database)
    }

    fn schema(&mut self) -> rusqlite::Result<&Schema> {
        let read = match self.schema.take() {
            Some(schema) => schema,
            None => self.engine.ours(catalog::read)?,
        };
        Ok(self.schema.insert(read))
    }

    /// Applies a file; what fails was told by the first pass, or concerns rows that it is not judged by.
    fn apply_plainly(&mut self, steps: &[(usize, &Step)]) -> rusqlite::Result<()> {
        self.begin()?;
        for (_, step) in steps {
            if step.failure.is_none() && !step.is_trimmed {
                let _told_by_the_first_pass = self.engine.run(&step.statement.sql);
            }
        }
        let _told_by_the_first_pass = empty::commit(&self.engine);
        self.forget(steps);
        Ok(())
    }

    fn apply_with_rows(
        &mut self,
        steps: &[(usize, &Step)],
        touched: BTreeSet<Name>,
        later: &Schema,
        filler: &mut Filler,
    ) -> rusqlite::Result<WithRows> {
        let schema = self.schema()?.clone();
        let watched = with_children(touched, &schema);
        let tables: Vec<Name> = watched.iter().cloned().collect();
        let unfilled = self
            .engine
            .ours(|connection| filler.fill(connection, &schema, later, &tables, ROWS))?;
        let mut watch = Watch::new(&self.engine, &schema, tables);
        self.begin()?;
        let mut failures: Vec<(usize, Failure)> = Vec::new();
        for (place, step) in steps.iter().filter(|(_, step)| !step.is_trimmed) {
            match self.engine.run(&step.statement.sql) {
                Ok(()) if failures.is_empty() && step.deeds.iter().any(may_remove) => {
                    watch.look(&self.engine, *place);
                }
                Ok(()) => {}
                // What follows a failure may fail for it; a column that cannot be added fails for itself.
                Err(why) if failures.is_empty() || why.message.starts_with("Cannot add a") => {
                    failures.push((*place, why));
                }
                Err(_follows) => {}
            }
        }
        let more_failures = failures.split_off(failures.len().min(1));
        let mut failure = failures.pop();
        if failure.is_some() {
            self.engine
                .ours(|connection| connection.execute_batch("ROLLBACK"))?;
        } else if let Err(why) = empty::commit(&self.engine) {
            failure = steps.last().map(|(place, _)| (*place, why));
        }
        self.forget(steps);
        let effects = if failure.is_none() {
            watch.effects(&self.engine)
        } else {
            Vec::new()
        };
        Ok(WithRows {
            failure,
            more_failures,
            effects,
            unfilled,
        })
    }

    fn begin(&self) -> rusqlite::Result<()> {
        self.engine
            .ours(|connection| connection.execute_batch("BEGIN"))
    }

    fn forget(&mut self, steps: &[(usize, &Step)]) {
        self.engine.take_deeds();
        if steps.iter().any(|(_, step)| !step.changes.is_empty()) {
            self.schema = None;
        }
    }
}

/// The tables that are there before the file and whose rows it can fail on, change or read for a change.
fn touched(steps: &[(usize, &Step)], before: &Schema) -> BTreeSet<Name> {
    let mut names = BTreeSet::new();
    for (_, step) in steps {
        let writes = step.deeds.iter().any(writes_rows);
        for deed in &step.deeds {
            match deed {
                Deed::DropTable(table)
                | Deed::AlterTable(table)
                | Deed::CreateIndex(_, table)
                | Deed::Insert(table, _)
                | Deed::Update(table, ..)
                | Deed::Delete(table, _) => {
                    names.insert(Name::new(table));
                }
                Deed::Read(table, _) if writes => {
                    names.insert(Name::new(table));
                }
                Deed::Read(..)
                | Deed::CreateTable(_)
                | Deed::DropIndex(..)
                | Deed::CreateTrigger(..)
                | Deed::DropTrigger(..)
                | Deed::CreateView(_)
                | Deed::DropView(_)
                | Deed::Pragma(..)
                | Deed::Function(_) => {}
            }
        }
    }
    names.retain(|name| before.tables.contains_key(name));
    names
}

/// Whether the statement writes rows of the user's. Every change of the schema writes `sqlite_schema`, which does not count.
fn writes_rows(deed: &Deed) -> bool {
    match deed {
        Deed::Insert(table, _) | Deed::Update(table, ..) | Deed::Delete(table, _) => {
            !table.starts_with("sqlite_")
        }
        Deed::CreateTable(_)
        | Deed::DropTable(_)
        | Deed::AlterTable(_)
        | Deed::CreateIndex(..)
        | Deed::DropIndex(..)
        | Deed::CreateTrigger(..)
        | Deed::DropTrigger(..)
        | Deed::CreateView(_)
        | Deed::DropView(_)
        | Deed::Read(..)
        | Deed::Pragma(..)
        | Deed::Function(_) => false,
    }
}

fn may_remove(deed: &Deed) -> bool {
    matches!(deed, Deed::DropTable(_)) || writes_rows(deed)
}

/// The tables, and all that refer to them, directly or through others: what they hold can go with them.
fn with_children(mut tables: BTreeSet<Name>, schema: &Schema) -> BTreeSet<Name> {
    let mut children: BTreeMap<&Name, Vec<&Name>> = BTreeMap::new();
    for table in schema.tables.values() {
        for key in &table.foreign_keys {
            children.entry(&key.parent).or_default().push(&table.name);
        }
    }
    let mut waiting: Vec<Name> = tables.iter().cloned().collect();
    while let Some(parent) = waiting.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if tables.insert((*child).clone()) {
                waiting.push((*child).clone());
            }
        }
    }
    tables
}

/// What is counted of a table: its rows, and the rows in which each referring column holds a value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Count {
    rows: u32,
    referring: Vec<u32>,
}

/// Counts of the watched tables before a file, and where they fell first.
struct Watch {
    tables: Vec<Watched>,
}

struct Watched {
    name: Name,
    columns: Vec<Name>,
    before: Count,
    fell_at: Option<usize>,
}

impl Watch {
    fn new(engine: &Engine, schema: &Schema, tables: Vec<Name>) -> Self {
        let watched = tables.into_iter().filter_map(|name| {
            let table = schema.tables.get(&name)?;
            let columns: BTreeSet<Name> = table
                .foreign_keys
                .iter()
                .flat_map(|key| key.columns.clone())
                .collect();
            let columns: Vec<Name> = columns.into_iter().collect();
            let before = engine.ours(|connection| count(connection, &name, &columns))?;
            Some(Watched {
                name,
                columns,
                before,
                fell_at: None,
            })
        });
        Self {
            tables: watched.collect(),
        }
    }

    fn look(&mut self, engine: &Engine, place: usize) {
        for table in &mut self.tables {
            if table.fell_at.is_none() {
                let now = engine.ours(|connection| count(connection, &table.name, &table.columns));
                if now.is_none_or(|now| fell(&table.before, &now)) {
                    table.fell_at = Some(place);
                }
            }
        }
    }

    /// What is less after the file than before it, in tables that are still there.
    fn effects(&self, engine: &Engine) -> Vec<Effect> {
        let mut effects = Vec::new();
        for table in &self.tables {
            let (Some(step), Some(after)) = (
                table.fell_at,
                engine.ours(|connection| count(connection, &table.name, &table.columns)),
            ) else {
                continue;
            };
            let effect = |kind| Effect {
                table: table.name.clone(),
                step,
                kind,
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
                if after < before {
                    effects.push(effect(EffectKind::Nulled {
                        column: column.clone(),
                        rows: before - after,
                    }));
                }
            }
        }
        effects
    }
}

fn fell(before: &Count, now: &Count) -> bool {
    let columns = before.referring.iter().zip(&now.referring);
    now.rows < before.rows || columns.into_iter().any(|(before, now)| now < before)
}

/// Counts a table by the columns that it had; none where it, or one of them, is not there.
fn count(connection: &Connection, table: &Name, columns: &[Name]) -> Option<Count> {
    let counted: Vec<String> = std::iter::once("count(*)".to_owned())
        .chain(
            columns
                .iter()
                .map(|column| format!("count(t.{})", column.quoted())),
        )
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
