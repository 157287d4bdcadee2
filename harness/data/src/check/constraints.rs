//! PAT-008: declared lists, ranges and conditions. Never counts a refusal where no value is accepted.

use super::populated::Populated;
use super::{Aspect, Broken, Outcome, counted};
use crate::catalog::{Affinity, Name, Table};
use crate::claims::Constraint;
use crate::rows::{Effort, Statements, Wanted, candidates};
use crate::subject::Subject;
use crate::text::{literal, written};
use rusqlite::Connection;
use rusqlite::types::Value;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-008",
        sentence: "declared lists refuse every other value, other types, and NULL where it is not meant",
        judge: lists,
    },
    Aspect {
        criterion: "PAT-008",
        sentence: "declared ranges refuse what is just outside, fractions, other types, and NULL where it is not meant",
        judge: ranges,
    },
    Aspect {
        criterion: "PAT-008",
        sentence: "no row can be made that breaks a declared condition",
        judge: conditions,
    },
];

const KEY: &str = "[[data.constraint]]";

/// Combinations of values that are tried against a condition.
const COMBINATIONS: usize = 400;

fn judge(
    subject: &Subject,
    what: &str,
    is_of_this: impl Fn(&Constraint) -> bool,
    look: impl Fn(&Populated<'_>, &Table, &Constraint) -> Result<Option<Broken>, String>,
) -> Outcome {
    let claims: Vec<&Constraint> = subject
        .claims
        .constraint
        .iter()
        .filter(|claim| is_of_this(claim))
        .collect();
    if claims.is_empty() {
        let none = format!("no {what} is declared");
        return if subject.claims.constraint.is_empty() {
            Outcome::undeclared(&none, KEY)
        } else {
            Outcome::Held { saw: none }
        };
    }
    let (mut broken, mut unseen) = (Vec::new(), None);
    for claim in &claims {
        let column = Name::new(&claim.column);
        let table = subject.schema().table(&claim.table);
        let Some(table) = table.filter(|table| table.column(&column).is_some()) else {
            return Outcome::NotVerified {
                reason: format!("there is no column `{}.{column}`", claim.table),
                key: Some(KEY.to_owned()),
            };
        };
        let populated = match Populated::of_anybody(subject) {
            Ok(populated) => populated,
            Err(outcome) => return outcome,
        };
        match look(&populated, table, claim) {
            Ok(way) => broken.extend(way),
            Err(why) => unseen = Some(why),
        }
    }
    if let (true, Some(reason)) = (broken.is_empty(), unseen) {
        return Outcome::NotVerified { reason, key: None };
    }
    Outcome::of(
        broken,
        format!(
            "{}: what is meant is accepted, nothing else is",
            counted(claims.len(), what)
        ),
    )
}

fn lists(subject: &Subject) -> Outcome {
    judge(subject, "list", |claim| !claim.one_of.is_empty(), list)
}

fn list(
    populated: &Populated<'_>,
    table: &Table,
    claim: &Constraint,
) -> Result<Option<Broken>, String> {
    let column = Name::new(&claim.column);
    let is_text = matches!(affinity(table, &column), Affinity::Text | Affinity::Blob);
    let typed = |text: &String| match text.parse() {
        Ok(number) if !is_text => Value::Integer(number),
        Ok(_) | Err(_) => Value::Text(text.clone()),
    };
    let good: Vec<Value> = claim.one_of.iter().map(typed).collect();
    let mut bad: Vec<Value> = vec![
        Value::Text("moltproof".to_owned()),
        Value::Text(String::new()),
        Value::Integer(4_711),
        Value::Real(0.5),
        Value::Blob(vec![0]),
    ];
    for text in claim.one_of.iter().take(2) {
        bad.extend([text.to_uppercase(), format!("{text} "), format!(" {text}")].map(Value::Text));
    }
    refusing(populated, table, claim, &good, bad)
}

fn ranges(subject: &Subject) -> Outcome {
    judge(subject, "range", |claim| claim.between.is_some(), range)
}

fn range(
    populated: &Populated<'_>,
    table: &Table,
    claim: &Constraint,
) -> Result<Option<Broken>, String> {
    let (low, high) = claim.between.unwrap_or_default();
    let good = [Value::Integer(low), Value::Integer(high)];
    let mut bad = vec![
        Value::Integer(low.saturating_sub(1)),
        Value::Integer(high.saturating_add(1)),
        Value::Text("moltproof".to_owned()),
        Value::Text(String::new()),
        Value::Blob(vec![1]),
    ];
    if low < high {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a number between two whole ones is wanted, not an exact one"
        )]
        bad.push(Value::Real(low as f64 + 0.5));
    }
    refusing(populated, table, claim, &good, bad)
}

fn affinity(table: &Table, column: &Name) -> Affinity {
    table
        .column(column)
        .map_or(Affinity::Blob, crate::catalog::Column::affinity)
}

/// Whether good values are accepted and no row at all can be made with a bad one.
fn refusing(
    populated: &Populated<'_>,
    table: &Table,
    claim: &Constraint,
    good: &[Value],
    mut bad: Vec<Value>,
) -> Result<Option<Broken>, String> {
    if !claim.nullable {
        bad.push(Value::Null);
    }
    bad.retain(|value| !good.contains(value));
    let column = Name::new(&claim.column);
    let wanted = |value: &Value, effort: Effort| Wanted {
        pinned: vec![(column.clone(), value.clone())],
        effort,
        ..populated.wanted(&table.name, 0)
    };
    for value in good {
        let made = populated
            .spares(&[wanted(value, Effort::Full)])
            .pop()
            .flatten();
        let shown = literal(value.into());
        let Some(made) = made else {
            return Err(format!(
                "no row of `{}` could be made with {shown} in `{column}`",
                table.name
            ));
        };
        if let Err(refused) = populated.try_out(&made) {
            return Err(format!(
                "`{}.{column}` refuses {shown} ({})",
                table.name, refused.message
            ));
        }
    }
    for value in bad {
        let made = populated
            .spares(&[wanted(&value, Effort::Brief)])
            .pop()
            .flatten();
        // A value may be changed on its way in: 4711 becomes '4711' in a text, and that is what counts.
        let Some(made) = made.filter(|made| populated.try_out(made).is_ok()) else {
            continue;
        };
        let shown = literal((&value).into());
        return Ok(Some(accepted(
            populated,
            table,
            &column,
            &format!("{shown} is accepted"),
            &expected(claim),
            &made,
        )));
    }
    Ok(None)
}

fn expected(claim: &Constraint) -> String {
    let null = if claim.nullable {
        " or NULL"
    } else {
        ", never NULL"
    };
    match (&claim.between, &claim.holds) {
        (Some((low, high)), _) => format!("a whole number from {low} to {high}{null}"),
        (None, Some(condition)) => condition.clone(),
        (None, None) => format!("one of {}{null}", claim.one_of.join(", ")),
    }
}

fn accepted(
    populated: &Populated<'_>,
    table: &Table,
    column: &Name,
    saw: &str,
    expected: &str,
    made: &Statements,
) -> Broken {
    let mut repeat = populated.script(&[&table.name]);
    repeat.extend(made.iter().map(|(sql, values)| written(sql, values)));
    Broken {
        object: format!("table {}", table.name),
        expected: format!("`{column}`: {expected}"),
        saw: saw.to_owned(),
        repeat,
    }
}

fn conditions(subject: &Subject) -> Outcome {
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
    let columns: Vec<&Name> = super::references::given(table).collect();
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
    let mut seen = 0;
    for combination in 0..COMBINATIONS {
        let mut rest = combination;
        let mut attempt = base.clone();
        for (place, (_, values)) in places.iter().zip(&pools) {
            if let Some((_, row)) = attempt.last_mut() {
                row[*place] = values[rest % values.len()].clone();
            }
            rest /= values.len();
        }
        if rest > 0 {
            break;
        }
        match engine.ours(|connection| breaks(connection, table, holds, &attempt)) {
            Some(true) => {
                let column = Name::new(&claim.column);
                let saw = "a row for which this is not true is accepted";
                return Ok(Some(accepted(
                    populated,
                    table,
                    &column,
                    saw,
                    &expected(claim),
                    &attempt,
                )));
            }
            Some(false) => seen += 1,
            None => {}
        }
    }
    if seen == 0 {
        return Err(format!(
            "no row of `{}` is accepted for which `{holds}` is true",
            table.name
        ));
    }
    Ok(None)
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
