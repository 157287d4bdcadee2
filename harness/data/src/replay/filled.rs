//! The second pass: every file on a database whose tables hold rows. Never looks at files that rows cannot matter to, beyond applying them.

mod beyond;
mod loose;
mod running;

use running::{Ran, dropped_parent};

use super::bare::{self, drops_a_parent};
use super::needs::Needs;
use super::touched::{follow, touched, with_children, writes_rows};
use super::watch::{Watch, dropped_unread};
use super::{
    Effect, ObjectKind, Replay, Step, Tightened, WithRows, collisions, empty,
    fails_for_its_own_reference, json, replaced, swept, tightened,
};
use crate::catalog::{self, Changed, Name, Schema};
use crate::engine::{Deed, Engine, Failure};
use crate::progress::{Progress, Work};
use crate::rows::Filler;
use crate::text::FileId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rows that each table holds before a file is applied: enough that a filter, a join and a key each have something to tell apart.
const ROWS: usize = 3;

/// Applies all files of a replay again, with rows in the tables that a file touches and in those that refer to them.
pub(super) fn replay(
    replay: &Replay,
    seed: u64,
    progress: &dyn Progress,
) -> rusqlite::Result<Vec<Option<WithRows>>> {
    let needs = Arc::new(Needs::of(replay));
    replay_on(replay, seed, progress, &|| Database::that_forgets(&needs))
}

/// The same on databases that are made so.
pub(super) fn replay_on(
    replay: &Replay,
    seed: u64,
    progress: &dyn Progress,
    new: &dyn Fn() -> rusqlite::Result<Database>,
) -> rusqlite::Result<Vec<Option<WithRows>>> {
    let mut database = new()?;
    let texts = Arc::new(json::columns_read(replay));
    let new_filler = || Filler::new(seed).map(|filler| filler.with_json(&texts));
    let mut filler = new_filler()?;
    // Reading the schema costs by its size; which tables there are is known from what the first pass saw.
    let mut tables: BTreeSet<Name> = BTreeSet::new();
    let mut all = Vec::with_capacity(replay.files.len());
    for number in 0..replay.files.len() {
        progress.hear(Work::FilesWithRows, number, replay.files.len());
        let file = FileId(number);
        let steps: Vec<(usize, &Step)> = replay.steps_of(file).collect();
        let touched = if beyond::is_beyond_repair(&steps) {
            BTreeSet::new()
        } else {
            touched(&steps, &tables)
        };
        follow(&mut tables, &steps);
        if touched.is_empty() {
            all.push(None);
            continue;
        }
        database.catch_up(replay, number)?;
        let mut outcome =
            database.apply_with_rows(&steps, touched.clone(), &replay.schema, &mut filler)?;
        let may_miss = database.needs.is_some() || !database.carries_out;
        if may_miss
            && outcome
                .failure
                .as_ref()
                .is_some_and(beyond::misses_an_object)
        {
            // The file builds on one that D1 undoes. Nothing else that is needed is dropped; if it were, a healthy file would be blamed.
            database = Database::new()?;
            database.carries_out = true;
            database.catch_up(replay, number)?;
            filler = new_filler()?;
            outcome = database.apply_with_rows(&steps, touched, &replay.schema, &mut filler)?;
        }
        database.drop_what_ended(number)?;
        let is_of_another =
            |(_, failure): &(usize, Failure)| empty::is_a_mismatch(&failure.message);
        if outcome.failure.as_ref().is_some_and(is_of_another) {
            database = new()?;
            all.push(None);
            continue;
        }
        if outcome.failure.is_some() || !outcome.effects.is_empty() || database.is_unchecked {
            // D1 would stop here, or has lost rows. Those that come after it are judged as if it had been mended.
            database = new()?;
        }
        all.push(Some(outcome));
    }
    progress.hear(Work::FilesWithRows, all.len(), replay.files.len());
    Ok(all)
}

/// The place of a step that failed, and why.
type Failed = (usize, Failure);

/// A database that gets rows before the files that they can matter to.
pub(super) struct Database {
    engine: Engine,
    /// What it was made of when it was looked at last.
    schema: Arc<Schema>,
    /// What may have changed since.
    changed: Changed,
    /// How many files were applied to it.
    applied: usize,
    /// Whether it holds rows that its CHECKs forbid.
    is_unchecked: bool,
    /// What it may drop behind which file; none if it keeps everything.
    needs: Option<Arc<Needs>>,
    /// Whether files that fail for references alone are carried out nevertheless; else they leave nothing behind, as under D1.
    carries_out: bool,
}

impl Database {
    /// An empty database.
    pub(super) fn new() -> rusqlite::Result<Self> {
        Ok(Self {
            engine: Engine::in_memory()?,
            schema: Arc::default(),
            changed: Changed::default(),
            applied: 0,
            is_unchecked: false,
            needs: None,
            carries_out: false,
        })
    }

    /// An empty database that drops what no later file needs.
    fn that_forgets(needs: &Arc<Needs>) -> rusqlite::Result<Self> {
        let mut database = Self::new()?;
        database.needs = Some(Arc::clone(needs));
        Ok(database)
    }

    /// Applies the files before this one that it has not seen. Where rows matter to none, no file is applied twice.
    pub(super) fn catch_up(&mut self, replay: &Replay, file: usize) -> rusqlite::Result<()> {
        for file in self.applied..file {
            let steps: Vec<_> = replay.steps_of(FileId(file)).collect();
            let own = steps.iter().map(|(_, step)| *step);
            if self.carries_out || !fails_for_its_own_reference(&own) {
                self.apply_plainly(&steps)?;
            }
            self.drop_what_ended(file)?;
        }
        self.applied = file + 1;
        Ok(())
    }

    /// Drops what no file behind this one needs.
    fn drop_what_ended(&mut self, file: usize) -> rusqlite::Result<()> {
        let Some(needs) = self.needs.clone() else {
            return Ok(());
        };
        let mut ended = needs.ended_by(file).peekable();
        if ended.peek().is_none() {
            return Ok(());
        }
        let set = |on: bool| {
            self.engine
                .ours(|connection| connection.pragma_update(None, "foreign_keys", on))
        };
        // No row of another table may go along.
        set(false)?;
        for (kind, name) in ended {
            let word = match kind {
                ObjectKind::Table => "TABLE",
                ObjectKind::Trigger => "TRIGGER",
                ObjectKind::View => "VIEW",
                ObjectKind::Index => continue,
            };
            let sql = format!("DROP {word} IF EXISTS main.{}", name.quoted());
            // What cannot be dropped, because another object has taken the name, costs its time and no more.
            let _kept = self
                .engine
                .ours(|connection| connection.execute_batch(&sql));
            match kind {
                ObjectKind::Table => self.changed.tables.insert(name.clone()),
                ObjectKind::Trigger | ObjectKind::View | ObjectKind::Index => {
                    self.changed.others.insert(name.clone())
                }
            };
        }
        set(true)
    }

    /// The same database once more.
    pub(super) fn copy(&self) -> rusqlite::Result<Engine> {
        self.engine.copy()
    }

    /// What it is made of. Reading a whole schema costs by its size, so that only what changed is read.
    fn schema(&mut self) -> rusqlite::Result<Arc<Schema>> {
        let changed = std::mem::take(&mut self.changed);
        let schema = Arc::make_mut(&mut self.schema);
        self.engine
            .ours(|connection| catalog::refresh(connection, schema, &changed))?;
        Ok(Arc::clone(&self.schema))
    }

    /// Applies a file; what fails was told by the first pass, or concerns rows that it is not judged by.
    fn apply_plainly(&mut self, steps: &[(usize, &Step)]) -> rusqlite::Result<()> {
        self.begin()?;
        for (_, step) in steps {
            if step.is_carried_out() {
                let _told_by_the_first_pass = step.run(&self.engine);
            }
        }
        let _told_by_the_first_pass = empty::commit(&self.engine);
        self.forget(steps);
        Ok(())
    }

    pub(super) fn apply_with_rows(
        &mut self,
        steps: &[(usize, &Step)],
        touched: BTreeSet<Name>,
        later: &Schema,
        filler: &mut Filler,
    ) -> rusqlite::Result<WithRows> {
        let schema = self.schema()?;
        let watched = with_children(touched, steps, &schema);
        let tables: Vec<Name> = watched.iter().cloned().collect();
        let mut unfilled = self
            .engine
            .ours(|connection| filler.fill(connection, &schema, later, &tables, ROWS))?;
        let mismatched = self.fill_mismatched(&schema, &tables, &mut unfilled, filler)?;
        self.fill_unchecked(&schema, &unfilled, filler)?;
        swept::make(&self.engine, steps, &schema);
        let made_up = replaced::make(&self.engine, steps, &schema);
        let may_fail =
            tightened::may_tighten(steps, &schema) || collisions::may_collide(steps, &schema);
        let before = (may_fail && !self.is_unchecked)
            .then(|| self.engine.copy())
            .transpose()?;
        let mut watch = Watch::new(&self.engine, &schema, tables);
        self.begin()?;
        let Ran {
            mut failures,
            mended,
            is_certain,
        } = self.run(steps, &mut watch);
        let is_whole = failures.len() == mended.len();
        let more_failures = failures.split_off(failures.len().min(1));
        let mut failure = failures.pop();
        let mut effects;
        let to_blame = bare::dropped_for_good(&self.engine, &schema, steps);
        if failure.is_some() {
            effects = if is_whole {
                watch.effects(&self.engine, steps)
            } else {
                watch.effects_for_good(&self.engine, steps)
            };
            self.engine
                .ours(|connection| connection.execute_batch("ROLLBACK"))?;
        } else if let Err(why) = empty::commit(&self.engine) {
            let last = steps.last().map(|(place, _)| *place);
            failure = to_blame.or(last).map(|place| (place, why));
            effects = Vec::new();
        } else {
            effects = watch.effects(&self.engine, steps);
        }
        for effect in &mut effects {
            if let Some(place) = dropped_unread(steps, effect) {
                effect.step = place;
            }
        }
        self.forget(steps);
        let mut more_failures = more_failures;
        let dropped = failure.iter().chain(&more_failures);
        let dropped = dropped_parent(steps, dropped);
        if let (Some(before), Some(parent)) = (&before, &dropped) {
            let others = bare::look(before, &schema, steps, parent)?;
            let is_new = |one: &Effect| effects.iter().all(|known| known.table != one.table);
            let new: Vec<Effect> = others.effects.into_iter().filter(is_new).collect();
            effects.extend(new);
            let is_known = |place: usize| {
                let mut known = failure.iter().chain(&more_failures);
                known.any(|(at, _)| *at == place)
            };
            let unknown = others.failures.into_iter().filter(|(at, _)| !is_known(*at));
            let unknown: Vec<Failed> = unknown.collect();
            more_failures.extend(unknown);
        }
        let tightened = match before {
            Some(before) => {
                let failed = (failure.as_ref(), more_failures.as_slice());
                self.tightened((&before, &schema), steps, failed, &mended, filler)?
            }
            None => Vec::new(),
        };
        Ok(WithRows {
            failure,
            is_certain,
            more_failures,
            effects,
            tightened,
            unfilled,
            mismatched,
            made_up,
        })
    }

    /// What the file brings to the tables that were there, where nothing but children that keep a table, and copies that were mended, stops it.
    fn tightened(
        &mut self,
        (before, schema): (&Engine, &Schema),
        steps: &[(usize, &Step)],
        (failure, more): (Option<&Failed>, &[Failed]),
        mended: &BTreeMap<usize, String>,
        filler: &mut Filler,
    ) -> rusqlite::Result<Vec<Tightened>> {
        let failed = || failure.into_iter().chain(more);
        // Children that keep a table from being dropped are told; what else the file brings does not hang on them.
        let is_kept = |(at, why): &(usize, Failure)| {
            let step = steps.iter().find(|(place, _)| place == at);
            step.is_some_and(|(_, step)| drops_a_parent(step, why))
        };
        if !failed().all(|one| mended.contains_key(&one.0) || is_kept(one)) {
            return Ok(Vec::new());
        }
        let with_rows = tightened::Before {
            engine: before,
            schema,
            keeps_references: !failed().any(is_kept),
            mended,
        };
        let after = if failure.is_some() {
            Arc::new(with_rows.after(steps)?)
        } else {
            self.schema()?
        };
        tightened::look(&with_rows, steps, &after, filler)
    }

    fn begin(&self) -> rusqlite::Result<()> {
        self.engine
            .ours(|connection| connection.execute_batch("BEGIN"))
    }

    fn forget(&mut self, steps: &[(usize, &Step)]) {
        self.engine.take_deeds();
        for change in steps.iter().flat_map(|(_, step)| &step.changes) {
            match change.kind {
                ObjectKind::Table => self.changed.tables.insert(change.name.clone()),
                ObjectKind::Index => self.changed.tables.insert(change.table.clone()),
                ObjectKind::Trigger | ObjectKind::View => {
                    self.changed.others.insert(change.name.clone())
                }
            };
        }
    }
}

pub(super) fn may_remove(deed: &Deed) -> bool {
    matches!(deed, Deed::DropTable(_)) || writes_rows(deed)
}
