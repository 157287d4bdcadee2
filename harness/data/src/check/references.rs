//! PAT-012: references between rows of tenants. Never judges a reference to what belongs to nobody.

use super::populated::{Populated, Row};
use super::world::RefusedBy;
use super::{Aspect, Broken, Outcome, moves};
use crate::catalog::{ForeignKey, Name, Table};
use crate::rows::{Owner, Statements};
use crate::subject::Subject;
use crate::text::counted;
use crate::text::written;
use rusqlite::types::Value;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-012",
        sentence: "no row can be inserted that refers to a row of another tenant",
        judge: inserts,
    },
    Aspect {
        criterion: "PAT-012",
        sentence: "no row can be changed so that it refers to a row of another tenant",
        judge: updates,
    },
];

/// A reference between scoped tables, and the columns of it that choose the parent within the tenant.
struct Between<'s> {
    child: &'s Table,
    parent: &'s Table,
    key: &'s ForeignKey,
    choosing: Vec<usize>,
}

/// References by which a row of one tenant could name a row of another: not the one that says whose the row is.
fn between<'s>(populated: &Populated<'s>) -> Vec<Between<'s>> {
    let tenancy = &populated.tenants.tenancy;
    let mut all = Vec::new();
    for child in populated.scoped() {
        let owning: Vec<Name> = match tenancy.scoped.get(&child.name) {
            Some(Owner::Key(column)) => vec![column.clone()],
            Some(Owner::Through(key)) => key.columns.clone(),
            Some(Owner::Tenant) | None => continue,
        };
        for key in &child.foreign_keys {
            let is_scoped = tenancy.scoped.contains_key(&key.parent);
            let Some(parent) = populated
                .schema
                .tables
                .get(&key.parent)
                .filter(|_parent| is_scoped)
            else {
                continue;
            };
            let choosing: Vec<usize> = (0..key.columns.len())
                .filter(|at| !owning.contains(&key.columns[*at]))
                .collect();
            if parent.name != tenancy.tenants && !choosing.is_empty() {
                all.push(Between {
                    child,
                    parent,
                    key,
                    choosing,
                });
            }
        }
    }
    all
}

/// What was seen of one reference.
enum Seen {
    Refused,
    Accepted(Broken),
    /// The own pair is not accepted either, so the refusal of the foreign one says nothing.
    Unclear(String),
}

fn judge(
    subject: &Subject,
    look: impl Fn(&Populated<'_>, &Between<'_>) -> Seen,
    done: &str,
) -> Outcome {
    let populated = match Populated::new(subject) {
        Ok(populated) => populated,
        Err(outcome) => return outcome,
    };
    let all = between(&populated);
    let mut broken = Vec::new();
    let mut unseen = Vec::new();
    let mut refused = 0;
    for one in &all {
        match look(&populated, one) {
            Seen::Refused => refused += 1,
            Seen::Accepted(way) => broken.push(way),
            Seen::Unclear(why) => unseen.push(format!(
                "the reference of `{}` to `{}`: {why}",
                one.child.name, one.parent.name
            )),
        }
    }
    if let (true, Some(first)) = (broken.is_empty(), unseen.first()) {
        return Outcome::NotVerified {
            reason: first.clone(),
            key: None,
        };
    }
    Outcome::of(
        broken,
        format!(
            "{} between tables of tenants: {done}",
            counted(refused, "reference")
        ),
    )
}

fn inserts(subject: &Subject) -> Outcome {
    judge(
        subject,
        insert,
        "each accepts the own row and refuses the other tenant's",
    )
}

fn insert(populated: &Populated<'_>, one: &Between<'_>) -> Seen {
    // A parent of the other tenant that nobody refers to yet, so that no UNIQUE refuses in the reference's place.
    let wanted = [
        populated.wanted(&one.parent.name, 1),
        populated.wanted(&one.child.name, 0),
    ];
    let mut spares = populated.spares(&wanted).into_iter();
    let (strange, own) = (spares.next().flatten(), spares.next().flatten());
    // A table that triggers keep takes no further row: one that is there is taken out and put in again.
    let Some(own) = own.or_else(|| anew(populated, one.child)) else {
        return Seen::Unclear("no further row of the tenant could be made".to_owned());
    };
    let mut before = strange.clone().unwrap_or_default();
    before.extend(own.iter().cloned());
    if let Err(refused) = populated.try_out(&before) {
        return Seen::Unclear(format!("the own row is refused ({})", refused.message));
    }
    let foreign_key = strange
        .as_ref()
        .and_then(|made| key_in(made, one.parent, &one.key.parent_columns))
        .or_else(|| {
            populated
                .rows(one.parent, 1)
                .first()
                .map(|row| row.values_of(&one.key.parent_columns))
        });
    let Some(foreign_key) = foreign_key else {
        return Seen::Unclear("the other tenant has no row to refer to".to_owned());
    };
    let mut attack = before;
    let last = attack.len() - 1;
    for at in &one.choosing {
        let place = given(one.child).position(|name| *name == one.key.columns[*at]);
        if let Some(value) = place.and_then(|place| attack[last].1.get_mut(place)) {
            *value = foreign_key[*at].clone();
        }
    }
    verdict(populated, one, &attack)
}

fn verdict(populated: &Populated<'_>, one: &Between<'_>, attack: &Statements) -> Seen {
    match populated.batch(attack) {
        Err(refused) if matches!(refused.kind, RefusedBy::Constraint | RefusedBy::Trigger) => {
            Seen::Refused
        }
        Err(refused) => Seen::Unclear(format!(
            "the foreign row is refused for another reason ({})",
            refused.message
        )),
        Ok(_) => {
            let mut repeat = populated.script(&[&one.child.name, &one.parent.name]);
            repeat.extend(attack.iter().map(|(sql, values)| written(sql, values)));
            Seen::Accepted(Broken {
                object: format!("table {}", one.child.name),
                expected: format!(
                    "a row of one tenant refers to rows of `{}` of the same tenant only",
                    one.parent.name
                ),
                saw: format!(
                    "a row of one tenant that refers to another tenant's row of `{}` is accepted",
                    one.parent.name
                ),
                repeat,
            })
        }
    }
}

fn updates(subject: &Subject) -> Outcome {
    let done = "none can be moved to another tenant's row, and no row moves to another tenant without what belongs to it";
    let outcome = judge(subject, update, done);
    if matches!(outcome, Outcome::Broken(_)) {
        return outcome;
    }
    match moves::left_behind(subject) {
        Ok(broken) if broken.is_empty() => outcome,
        Ok(broken) => Outcome::Broken(broken),
        Err(unmet) => unmet,
    }
}

fn update(populated: &Populated<'_>, one: &Between<'_>) -> Seen {
    let Some(row) = populated.rows(one.child, 0).into_iter().next() else {
        return Seen::Unclear("the tenant has no row".to_owned());
    };
    let foreign = populated.spare(&one.parent.name, 1);
    let mut attack = foreign.clone().unwrap_or_default();
    let foreign_key = foreign
        .as_ref()
        .and_then(|made| key_in(made, one.parent, &one.key.parent_columns))
        .or_else(|| {
            populated
                .rows(one.parent, 1)
                .first()
                .map(|row| row.values_of(&one.key.parent_columns))
        });
    let Some(foreign_key) = foreign_key else {
        return Seen::Unclear("the other tenant has no row to refer to".to_owned());
    };
    // A trigger may let nobody move such a row at all; then there is nothing to attack, and the refusal is right.
    attack.push((
        moved(one, &row),
        one.choosing
            .iter()
            .map(|at| foreign_key[*at].clone())
            .collect(),
    ));
    verdict(populated, one, &attack)
}

fn moved(one: &Between<'_>, row: &Row) -> String {
    let set: Vec<String> = one
        .choosing
        .iter()
        .enumerate()
        .map(|(place, at)| format!("{} = ?{}", one.key.columns[*at].quoted(), place + 1))
        .collect();
    format!(
        "UPDATE {} SET {} WHERE {}",
        one.child.name.quoted(),
        set.join(", "),
        row.found()
    )
}

/// The columns that are given values, in the order of a row's statement.
pub(super) fn given(table: &Table) -> impl Iterator<Item = &Name> {
    let columns = table
        .columns
        .iter()
        .filter(|column| column.generated.is_none());
    columns.map(|column| &column.name)
}

/// Values of columns in the row that the last statement makes.
pub(super) fn key_in(made: &Statements, table: &Table, columns: &[Name]) -> Option<Vec<Value>> {
    let (_, values) = made.last()?;
    columns
        .iter()
        .map(|column| {
            let place = given(table).position(|name| name == column)?;
            values
                .get(place)
                .filter(|value| **value != Value::Null)
                .cloned()
        })
        .collect()
}

/// Statements that take a row of the first tenant out and put the same row in again.
fn anew(populated: &Populated<'_>, table: &Table) -> Option<Statements> {
    let row = populated.rows(table, 0).into_iter().next()?;
    let columns: Vec<&Name> = given(table).collect();
    let quoted: Vec<String> = columns.iter().map(|name| name.quoted()).collect();
    let insert = format!(
        "INSERT OR ABORT INTO main.{} ({}) VALUES ({})",
        table.name.quoted(),
        quoted.join(", "),
        vec!["?"; columns.len()].join(", ")
    );
    let values = columns.iter().map(|name| row.value(name)).collect();
    let delete = format!("DELETE FROM {} WHERE {}", table.name.quoted(), row.found());
    Some(vec![(delete, Vec::new()), (insert, values)])
}
