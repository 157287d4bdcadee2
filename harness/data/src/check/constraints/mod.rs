//! PAT-008: declared lists, ranges and conditions. Never counts a refusal where no value is accepted.

mod changes;
mod conditions;
mod nulls;
mod refusals;

use super::populated::Populated;
use super::{Aspect, Broken, Outcome};
use crate::catalog::{Affinity, Name, Table};
use crate::claims::Constraint;
use crate::rows::{Effort, Statements, Wanted};
use crate::subject::Subject;
use crate::text::counted;
use crate::text::{literal, written};
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
        judge: conditions::conditions,
    },
    Aspect {
        criterion: "PAT-008",
        sentence: "several rows without a value pass a unique column",
        judge: nulls::several,
    },
];

const KEY: &str = "[[data.constraint]]";

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
        let without_end: String = text.chars().take(text.chars().count() - 1).collect();
        let near = [
            text.to_uppercase(),
            text.to_lowercase(),
            format!("{text} "),
            format!(" {text}"),
            without_end,
        ];
        bad.extend(near.map(Value::Text));
    }
    // What looks for a word in a list finds two of them as well.
    bad.extend([" ", ",", ", "].map(|between| Value::Text(claim.one_of.join(between))));
    for number in good.iter().filter_map(whole) {
        bad.push(Value::Integer(number.saturating_add(1)));
        bad.push(Value::Integer(number.saturating_sub(1)));
        bad.push(between(number));
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
    let fractions = [low.saturating_sub(1), low, high.saturating_sub(1), high];
    bad.extend(fractions.map(between));
    // A cast reads the number at the beginning of a text.
    bad.extend([low, high].map(|end| Value::Text(format!("{end} and more"))));
    refusing(populated, table, claim, &good, bad)
}

/// The whole number that a value is.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Null | Value::Real(_) | Value::Text(_) | Value::Blob(_) => None,
    }
}

/// Half way from a number to the next one.
#[expect(
    clippy::cast_precision_loss,
    reason = "a number between two whole ones is wanted, not an exact one"
)]
fn between(number: i64) -> Value {
    Value::Real(number as f64 + 0.5)
}

/// Whether a stored value is one that the claim allows. A column may have made 1.0 or '1' of a 1.
fn is_meant(claim: &Constraint, value: &Value) -> bool {
    let text = match value {
        Value::Null => return claim.nullable,
        Value::Blob(_) => return false,
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    };
    match claim.between {
        Some((low, high)) => text
            .parse::<i64>()
            .is_ok_and(|number| (low..=high).contains(&number)),
        None => claim.one_of.contains(&text),
    }
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
    let mut kept = Vec::new();
    for value in good {
        if let Some(check) = refusals::refusing_check(table, &column, value) {
            let shown = literal(value.into());
            return Ok(Some(Broken {
                object: format!("table {}", table.name),
                expected: format!("`{column}`: {}", expected(claim)),
                saw: format!("{shown} is meant, and CHECK ({check}) refuses it"),
                repeat: vec![format!(
                    "SELECT NOT ({check}) AS is_refused FROM (SELECT {shown} AS {});",
                    column.quoted()
                )],
            }));
        }
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
        kept.push(made);
    }
    for value in &bad {
        let made = populated
            .spares(&[wanted(value, Effort::Brief)])
            .pop()
            .flatten();
        let Some(made) = made.filter(|made| changes::makes_bad(populated, table, claim, made))
        else {
            continue;
        };
        let shown = literal(value.into());
        return Ok(Some(accepted(
            populated,
            table,
            &column,
            &format!("{shown} is accepted"),
            &expected(claim),
            &made,
        )));
    }
    Ok(changes::changed(populated, table, claim, &kept, &bad))
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
