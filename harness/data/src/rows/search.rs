//! Looks for a row that the schema takes: the columns that a refusal is about are varied first, then chance is asked. Never runs without an end.

use super::attempt::{Kind, Mirror, Refused, insert};
use super::parent::{Bound, Choice};
use super::plan::Plan;
use super::value::values;
use rusqlite::Connection;
use rusqlite::types::Value;

/// Attempts for one row. Most rows take one; twelve columns in conditions that hang together take some hundreds.
const ATTEMPTS_MAX: usize = 4_000;

/// Attempts by chance, when varying ends without a row.
const CHANCES: usize = 600;

/// Conditions that are varied within each other.
const DEPTH_MAX: usize = 6;

/// A search for one row.
pub(super) struct Search<'s> {
    pub(super) connection: &'s Connection,
    pub(super) mirror: &'s mut Mirror,
    pub(super) plan: &'s Plan,
    pub(super) random: &'s mut fastrand::Rng,
    /// Attempts that are left.
    left: usize,
    /// Attempts by chance.
    chances: usize,
}

impl<'s> Search<'s> {
    pub(super) fn new(
        connection: &'s Connection,
        mirror: &'s mut Mirror,
        plan: &'s Plan,
        random: &'s mut fastrand::Rng,
    ) -> Self {
        Self {
            connection,
            mirror,
            plan,
            random,
            left: ATTEMPTS_MAX,
            chances: CHANCES,
        }
    }

    /// Makes it end sooner.
    pub(super) fn limit(&mut self, attempts: Option<usize>) {
        if let Some(attempts) = attempts {
            self.left = attempts;
            self.chances = attempts / 8;
        }
    }

    /// Inserts a row with one of these choices of parents; its values, for the columns that the table has now.
    pub(super) fn row(&mut self, number: usize, choices: &[Choice]) -> Result<Vec<Value>, Refused> {
        let pools: Vec<Vec<Value>> = self
            .plan
            .cells
            .iter()
            .map(|cell| values(&self.plan.name, cell, number))
            .collect();
        let mut last = Refused {
            message: "there is no row that it could refer to".to_owned(),
            kind: Kind::Hopeless,
        };
        for choice in choices {
            let mut row = Row::new(&pools, choice);
            last = match self.vary(&mut row, &mut Vec::new()) {
                Ok(()) => return Ok(self.own(&row)),
                Err(refused) => refused,
            };
            if last.kind == Kind::Hopeless || self.left == 0 {
                return Err(last);
            }
        }
        for choice in choices.iter().take(2) {
            if let Some(values) = self.by_chance(&pools, choice, number) {
                return Ok(values);
            }
        }
        Err(last)
    }

    fn own(&self, row: &Row<'_>) -> Vec<Value> {
        let mut values = row.values();
        values.truncate(self.plan.own);
        values
    }

    fn attempt(&mut self, row: &Row<'_>) -> Result<(), Refused> {
        self.left = self.left.saturating_sub(1);
        insert(self.connection, self.mirror, self.plan, &row.values())
    }

    /// Tries the row; while it is refused, varies what the refusal is about. What an outer call varies already must not be refused again.
    fn vary(&mut self, row: &mut Row<'_>, within: &mut Vec<String>) -> Result<(), Refused> {
        let refused = match self.attempt(row) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        let Kind::Columns(columns) = &refused.kind else {
            return Err(refused);
        };
        if within.len() >= DEPTH_MAX || within.contains(&refused.message) {
            return Err(refused);
        }
        let free: Vec<usize> = columns
            .iter()
            .copied()
            .filter(|at| row.is_free(*at))
            .collect();
        let before = row.picks.clone();
        within.push(refused.message.clone());
        while self.left > 0 && row.next(&free, &before) {
            match self.attempt(row) {
                Ok(()) => return Ok(()),
                Err(again) if within.contains(&again.message) => {}
                Err(other) if other.kind == Kind::Hopeless => return Err(other),
                Err(_) => {
                    if self.vary(row, within).is_ok() {
                        return Ok(());
                    }
                }
            }
        }
        within.pop();
        row.picks = before;
        Err(refused)
    }

    fn by_chance(
        &mut self,
        pools: &[Vec<Value>],
        choice: &Choice,
        number: usize,
    ) -> Option<Vec<Value>> {
        let mut row = Row::new(pools, choice);
        let wished: Vec<usize> = (0..pools.len())
            .filter(|at| row.is_free(*at) && !self.plan.cells[*at].wishes.is_empty())
            .collect();
        if wished.is_empty() {
            return None;
        }
        for _ in 0..self.chances {
            for at in &wished {
                row.picks[*at] = self.random.usize(..pools[*at].len().max(1));
                row.chance[*at] = (self.random.u8(..4) == 0).then(|| self.any(number));
            }
            if self.attempt(&row).is_ok() {
                return Some(self.own(&row));
            }
        }
        None
    }

    fn any(&mut self, number: usize) -> Value {
        match self.random.u8(..4) {
            0 => Value::Integer(self.random.i64(-1_000..1_000)),
            1 => Value::Integer(self.random.i64(..)),
            2 => Value::Real(self.random.f64() * 1000.0),
            _ => {
                let length = self.random.usize(1..24);
                let letters = (0..length).map(|_place| self.random.alphanumeric());
                Value::Text(letters.chain(number.to_string().chars()).collect())
            }
        }
    }
}

/// A row that is being looked for.
struct Row<'r> {
    pools: &'r [Vec<Value>],
    choice: &'r Choice,
    /// Which value of each pool is taken.
    picks: Vec<usize>,
    /// Values by chance, before those of the pool.
    chance: Vec<Option<Value>>,
}

impl<'r> Row<'r> {
    fn new(pools: &'r [Vec<Value>], choice: &'r Choice) -> Self {
        Self {
            pools,
            choice,
            picks: vec![0; pools.len()],
            chance: vec![None; pools.len()],
        }
    }

    fn is_free(&self, at: usize) -> bool {
        !self.choice.contains_key(&at)
    }

    /// The next combination of these columns, the first one counting fastest; false when all were there.
    fn next(&mut self, columns: &[usize], start: &[usize]) -> bool {
        for at in columns {
            let size = self.pools[*at].len().max(1);
            self.picks[*at] = (self.picks[*at] + 1) % size;
            if self.picks[*at] != start[*at] {
                return true;
            }
        }
        false
    }

    fn value(&self, at: usize) -> Value {
        match self.choice.get(&at) {
            Some(Bound::Value(value)) => return value.clone(),
            Some(Bound::Same(other)) if *other != at => return self.value(*other),
            Some(Bound::Same(_)) | None => {}
        }
        let pooled = || {
            self.pools[at]
                .get(self.picks[at])
                .cloned()
                .unwrap_or(Value::Null)
        };
        self.chance[at].clone().unwrap_or_else(pooled)
    }

    fn values(&self) -> Vec<Value> {
        (0..self.pools.len()).map(|at| self.value(at)).collect()
    }
}
