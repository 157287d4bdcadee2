//! Fills tables in order, and keeps what it worked out about each. Never makes a row that the schema refuses.

use super::attempt::{Kind, Mirror};
use super::parent;
use super::plan::Plan;
use super::reference::Reference;
use super::state::{childless, count, fingerprint, greatest_key, is_dangling, refers};
use super::world::{Scope, World, guessed_key};
use super::{Unfilled, order, search, virtual_table};
use crate::catalog::{Name, Schema};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Fills tables again and again, and keeps what it worked out about each.
#[derive(Debug)]
pub struct Filler {
    mirror: Mirror,
    random: fastrand::Rng,
    pub(super) plans: Plans,
    /// The same of tables that are not filled, whose keys are guessed.
    guessed: RefCell<Plans>,
    /// Why no row could be made, by plan; it is not tried again.
    refused: BTreeMap<(Name, u64), String>,
    /// How many rows a table takes at most, by plan, where that is fewer than were asked for: its only key may be 1.
    full: BTreeMap<(Name, u64), usize>,
    /// Tables that are being filled because a trigger looks into them.
    within: BTreeSet<Name>,
    /// Columns, by their tables, whose texts are to be JSON, whatever their names and types say.
    json: Arc<BTreeSet<(Name, Name)>>,
    /// The statements that made rows since it was taken last, with their parameters.
    journal: Vec<(String, Vec<Value>)>,
}

/// What was worked out about tables, by their names and by what that hangs on.
pub(super) type Plans = BTreeMap<(Name, u64), Arc<Plan>>;

/// Attempts for a row that only adds to those that are there.
pub(super) const ATTEMPTS_FOR_A_CHILD: usize = 60;

impl Filler {
    /// A filler without plans; the same seed makes the same rows.
    ///
    /// # Errors
    /// What SQLite says, for example that there is no memory.
    pub fn new(seed: u64) -> rusqlite::Result<Self> {
        Ok(Self {
            mirror: Mirror::new()?,
            random: fastrand::Rng::with_seed(seed),
            plans: BTreeMap::new(),
            guessed: RefCell::default(),
            refused: BTreeMap::new(),
            full: BTreeMap::new(),
            within: BTreeSet::new(),
            json: Arc::default(),
            journal: Vec::new(),
        })
    }

    /// The same, knowing columns whose texts are JSON.
    #[must_use]
    pub fn with_json(mut self, columns: &Arc<BTreeSet<(Name, Name)>>) -> Self {
        self.json = Arc::clone(columns);
        self
    }

    /// Fills tables as [`super::fill`] does.
    ///
    /// # Errors
    /// What SQLite says where the database itself cannot be used.
    pub fn fill(
        &mut self,
        connection: &Connection,
        schema: &Schema,
        later: &Schema,
        tables: &[Name],
        rows: usize,
    ) -> rusqlite::Result<Vec<Unfilled>> {
        connection.set_prepared_statement_cache_capacity(512);
        let ordered = order::parents_first(schema, tables);
        let mut wanting = Vec::new();
        for name in &ordered {
            if count(connection, name, None, rows)?.is_some_and(|count| count < rows) {
                wanting.push(name.clone());
            }
        }
        let world = World {
            connection,
            schema,
            later,
            rows,
            scope: &Scope::default(),
        };
        self.mirror.clear()?;
        let unfilled = if wanting.is_empty() {
            Vec::new()
        } else {
            self.fill_in_order(&world, &wanting)?
        };
        for name in &ordered {
            if !unfilled.iter().any(|unfilled| unfilled.table == *name) {
                self.add_missing_children(&world, name)?;
                self.add_twins(&world, name)?;
            }
        }
        self.journal.clear();
        Ok(unfilled)
    }

    /// Adds rows for parents that came by other ways, such as a file's own INSERT, and have no child, and for a reference that no row makes use of
    /// because it came later than they did: what happens to the parents would hit nothing.
    fn add_missing_children(&mut self, world: &World<'_>, name: &Name) -> rusqlite::Result<()> {
        let Some(table) = world.schema.tables.get(name) else {
            return Ok(());
        };
        let connection = world.connection;
        for key in table.foreign_keys.iter().filter(|key| key.parent != *name) {
            let parents = count(connection, &key.parent, None, world.rows + 1)?;
            let is_unused = parents.is_some_and(|parents| parents > 0)
                && count(connection, name, Some(&refers(key)), 1)? == Some(0);
            let childless = match parents {
                Some(parents) if is_unused || parents > world.rows => {
                    childless(connection, name, key)?
                }
                Some(_) | None => continue,
            };
            let wanted = if is_unused { 1 } else { childless.len() };
            for values in childless.into_iter().take(wanted) {
                let there = count(connection, name, None, 2 * world.rows)?.unwrap_or(0);
                let mut pinned = BTreeMap::new();
                pinned.insert(
                    name.clone(),
                    key.columns.iter().cloned().zip(values).collect(),
                );
                let scope = Scope {
                    pinned,
                    attempts: Some(ATTEMPTS_FOR_A_CHILD),
                    ..Scope::default()
                };
                if there < 2 * world.rows {
                    let world = World {
                        rows: there + 1,
                        scope: &scope,
                        ..*world
                    };
                    let _none_if_refused = self.fill_one(&world, name)?;
                }
            }
        }
        Ok(())
    }

    /// The statements that made rows since this was called last, with their parameters.
    pub(super) fn take_journal(&mut self) -> Vec<(String, Vec<Value>)> {
        std::mem::take(&mut self.journal)
    }

    /// Fills these tables in this order; circles of references are closed before the end.
    pub(super) fn fill_in_order(
        &mut self,
        world: &World<'_>,
        tables: &[Name],
    ) -> rusqlite::Result<Vec<Unfilled>> {
        let circle = order::circle(world.schema, tables);
        if circle.is_empty() {
            return self.fill_all(world, tables);
        }
        let connection = world.connection;
        connection.execute_batch("SAVEPOINT rows_in_a_circle; PRAGMA defer_foreign_keys = ON")?;
        let made_before = self.journal.len();
        let mut unfilled = self.fill_all(world, tables)?;
        if is_dangling(connection, &circle)? {
            connection.execute_batch("ROLLBACK TO rows_in_a_circle; RELEASE rows_in_a_circle")?;
            self.mirror.clear()?;
            self.journal.truncate(made_before);
            let rest: Vec<Name> = tables
                .iter()
                .filter(|name| !circle.contains(name))
                .cloned()
                .collect();
            unfilled = self.fill_all(world, &rest)?;
            unfilled.extend(circle.into_iter().map(|table| Unfilled {
                table,
                reason: "its references form a circle that no row could be the first of".to_owned(),
            }));
        } else {
            connection.execute_batch("RELEASE rows_in_a_circle")?;
        }
        Ok(unfilled)
    }

    fn fill_all(&mut self, world: &World<'_>, tables: &[Name]) -> rusqlite::Result<Vec<Unfilled>> {
        let mut left = tables.to_vec();
        // A table that could not be filled may be filled once others are: by triggers, or because it looks for rows of theirs.
        for _pass in 0..2 {
            let mut unfilled = Vec::new();
            for name in &left {
                if let Some(reason) = self.fill_one(world, name)? {
                    unfilled.push(Unfilled {
                        table: name.clone(),
                        reason,
                    });
                }
            }
            if unfilled.is_empty() || unfilled.len() == left.len() {
                return Ok(unfilled);
            }
            left = unfilled
                .into_iter()
                .map(|unfilled| unfilled.table)
                .collect();
        }
        let mut unfilled = Vec::new();
        for name in left {
            let reason = self.fill_one(world, &name)?;
            unfilled.extend(reason.map(|reason| Unfilled {
                table: name,
                reason,
            }));
        }
        Ok(unfilled)
    }

    /// Fills one table; why it holds no row, if it does not.
    pub(super) fn fill_one(
        &mut self,
        world: &World<'_>,
        name: &Name,
    ) -> rusqlite::Result<Option<String>> {
        let Some(table) = world.schema.tables.get(name) else {
            return Ok(None);
        };
        let connection = world.connection;
        if !table.is_ordinary() {
            return virtual_table::fill(connection, table, world.rows);
        }
        let condition = world.scope.conditions.get(name).map(String::as_str);
        let there = count(connection, name, condition, world.rows)?.unwrap_or(0);
        if there >= world.rows {
            return Ok(None);
        }
        let key = (name.clone(), fingerprint(table, world));
        if let Some(reason) = self.refused.get(&key) {
            return Ok((there == 0).then(|| reason.clone()));
        }
        if condition.is_none() && self.full.get(&key) == Some(&there) {
            return Ok(None);
        }
        let plan = Arc::clone(self.plans.entry(key.clone()).or_insert_with(|| {
            let mut plan = Plan::of(table, world.schema, world.later);
            plan.hold_json(&self.json);
            Arc::new(plan)
        }));
        self.fill_looked_for(world, &plan)?;
        let refused = self.insert_rows(world, &plan, there)?;
        let there = count(connection, name, condition, world.rows)?.unwrap_or(0);
        let is_of_its_own = plan.guarded.is_empty() && world.scope.pinned.is_empty();
        let Some((kind, message)) = refused else {
            return Ok(None);
        };
        let is_about_columns = matches!(kind, Kind::Columns(_));
        if there > 0 {
            let is_free = plan.references.is_empty() && world.scope.attempts.is_none();
            if is_about_columns && is_of_its_own && is_free && condition.is_none() {
                self.full.insert(key, there);
            }
            return Ok(None);
        }
        let reason = match kind {
            Kind::Columns(_) => format!("every row that was tried is refused ({message})"),
            Kind::Reference => format!("there is no row that it could refer to ({message})"),
            Kind::Hopeless => message,
        };
        if is_about_columns && is_of_its_own {
            self.refused.insert(key, reason.clone());
        }
        Ok(Some(reason))
    }

    /// Fills the tables that triggers of this one look into, where they are empty.
    fn fill_looked_for(&mut self, world: &World<'_>, plan: &Plan) -> rusqlite::Result<()> {
        let soft = plan.references.iter().filter(|reference| reference.is_soft);
        for reference in soft {
            let parent = &reference.parent;
            if count(world.connection, parent, None, 1)? != Some(0)
                || !self.within.insert(parent.clone())
            {
                continue;
            }
            let tables = order::parents_first(world.schema, std::slice::from_ref(parent));
            // Whether it can be filled is told when it is asked for itself.
            let _unfilled = self.fill_all(world, &tables)?;
            self.within.remove(parent);
        }
        Ok(())
    }

    /// Inserts the rows that are missing; the last refusal, if one ended it.
    fn insert_rows(
        &mut self,
        world: &World<'_>,
        plan: &Plan,
        there: usize,
    ) -> rusqlite::Result<Option<(Kind, String)>> {
        let connection = world.connection;
        let all = count(connection, &plan.name, None, usize::MAX >> 1)?.unwrap_or(0);
        let mut number = all.max(greatest_key(connection, world.schema, plan)?);
        let limit = world.rows.saturating_add(8);
        let mut keys = parent::keys(connection, plan, &world.scope.conditions, limit)?;
        let refers_to_itself = plan
            .references
            .iter()
            .any(|reference| reference.parent == plan.name);
        let pinned = world.pinned(plan);
        let whole = world.known_whole(plan, limit)?;
        for _missing in there..world.rows {
            let mut refused = None;
            // Another number gives other values, where a row with these is there already.
            for _other in 0..6 {
                number += 1;
                let plans = &self.plans;
                let guessed = &self.guessed;
                let guess =
                    |reference: &Reference| guessed_key(world, plans, guessed, reference, number);
                let choices = parent::choices(plan, &keys, number, &pinned, &guess);
                if choices
                    .iter()
                    .all(|choice| parent::misses_a_parent(plan, &keys, &whole, choice))
                {
                    let message = "there is no row that it could refer to".to_owned();
                    return Ok(Some((Kind::Reference, message)));
                }
                let mut search =
                    search::Search::new(connection, &mut self.mirror, plan, &mut self.random);
                search.limit(world.scope.attempts);
                match search.row(number, &choices) {
                    Ok(values) => {
                        self.journal.push((plan.insert.clone(), values));
                        refused = None;
                        break;
                    }
                    Err(why) => {
                        let is_there = why.message.starts_with("UNIQUE");
                        refused = Some(why);
                        if !is_there {
                            break;
                        }
                    }
                }
            }
            if let Some(why) = refused {
                return Ok(Some((why.kind, why.message)));
            }
            if refers_to_itself {
                keys = parent::keys(connection, plan, &world.scope.conditions, limit)?;
            }
        }
        Ok(None)
    }
}
