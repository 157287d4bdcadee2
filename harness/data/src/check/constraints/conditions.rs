//! PAT-008: declared conditions over one column or several. Never counts a row for which the condition was broken before.

use super::super::populated::Populated;
use super::super::references::given;
use super::super::{Broken, Outcome};
use super::{accepted, changes, expected, judge};
use crate::catalog::{Name, Table};
use crate::claims::Constraint;
use crate::rows::{Statements, candidates};
use crate::subject::Subject;
use rusqlite::Connection;
use rusqlite::types::Value;

/// Combinations of values that are tried against a condition.
const COMBINATIONS: usize = 400;
/// Accepted rows that are changed then.
const KEPT: usize = 12;

pub(super) fn conditions(subject: &Subject) -> Outcome {
    judge(
        subject,
        "condition",
        |claim| claim.holds.is_some(),
        condition,
    )
}

fn condition(
    populated: &Populated<'_>,
    table: &Table,
    claim: &Constraint,
) -> Result<Option<Broken>, String> {
    let holds = claim.holds.as_deref().unwrap_or("1");
    let pools = candidates(populated.schema, table, holds);
    let Some(base) = populated.spare(&table.name, 0) else {
        return Err(format!("no further row of `{}` could be made", table.name));
    };
    let columns: Vec<&Name> = given(table).collect();
    let places: Vec<usize> = pools
        .iter()
        .filter_map(|(name, _)| columns.iter().position(|column| *column == name))
        .collect();
    if places.len() != pools.len() || pools.is_empty() {
        return Err(format!(
            "the condition `{holds}` names no column of `{}` that can be written",
            table.name
        ));
    }
    let engine = populated.world.engine();
    let breaks =
        |attempt: &Statements| engine.ours(|connection| breaks(connection, table, holds, attempt));
    let told = |how: &str, attempt: &Statements| {
        let column = Name::new(&claim.column);
        accepted(populated, table, &column, how, &expected(claim), attempt)
    };
    let mut kept = Vec::new();
    for values in combinations(&pools, COMBINATIONS) {
        let mut attempt = base.clone();
        if let Some((_, row)) = attempt.last_mut() {
            for (place, value) in places.iter().zip(values) {
                row[*place] = value.clone();
            }
        }
        match breaks(&attempt) {
            Some(true) => {
                let saw = "a row for which this is not true is accepted";
                return Ok(Some(told(saw, &attempt)));
            }
            Some(false) => kept.push(attempt),
            None => {}
        }
    }
    if kept.is_empty() {
        return Err(format!(
            "no row of `{}` is accepted for which `{holds}` is true",
            table.name
        ));
    }
    let changed = changed(table, &kept, &pools);
    let found = changed
        .into_iter()
        .find(|attempt| breaks(attempt) == Some(true));
    Ok(found.map(|attempt| {
        let saw = "a row for which it is true can be changed so that it is not";
        told(saw, &attempt)
    }))
}

/// Values of each column in every combination, the first column's values fastest.
fn combinations(pools: &[(Name, Vec<Value>)], most: usize) -> Vec<Vec<&Value>> {
    let mut all = Vec::new();
    for combination in 0..most {
        let mut rest = combination;
        let mut values = Vec::with_capacity(pools.len());
        for (_, pool) in pools {
            values.push(&pool[rest % pool.len()]);
            rest /= pool.len();
        }
        if rest > 0 {
            break;
        }
        all.push(values);
    }
    all
}

/// Rows that are there and then changed: each column alone, for a trigger may watch the others, and all of them.
fn changed(table: &Table, kept: &[Statements], pools: &[(Name, Vec<Value>)]) -> Vec<Statements> {
    let mut all = Vec::new();
    let mut add = |made: &Statements, set: Vec<(&Name, &Value)>| {
        let mut attempt = made.clone();
        attempt.push(changes::update(table, made, &set));
        all.push(attempt);
    };
    for made in kept.iter().take(KEPT) {
        for (column, values) in pools {
            for value in values {
                add(made, vec![(column, value)]);
            }
        }
    }
    let columns = || pools.iter().map(|(column, _)| column);
    for made in kept.iter().take(KEPT / 4) {
        for values in combinations(pools, COMBINATIONS / 4) {
            add(made, columns().zip(values).collect());
        }
    }
    all
}

/// Whether statements make a row for which a condition is not true; none if they are refused. Nothing of them stays.
fn breaks(connection: &Connection, table: &Table, holds: &str, made: &Statements) -> Option<bool> {
    let count = format!(
        "SELECT count(*) FROM {} WHERE NOT coalesce(({holds}), 0)",
        table.name.quoted()
    );
    let number = || {
        connection
            .query_row(&count, [], |row| row.get::<_, i64>(0))
            .ok()
    };
    let before = number()?;
    connection.execute_batch("SAVEPOINT a_condition").ok()?;
    let is_made = made.iter().all(|(sql, values)| {
        let values = rusqlite::params_from_iter(values);
        connection.execute(sql, values).is_ok()
    });
    let after = number();
    connection
        .execute_batch("ROLLBACK TO a_condition; RELEASE a_condition")
        .ok()?;
    is_made.then_some(after? > before)
}
