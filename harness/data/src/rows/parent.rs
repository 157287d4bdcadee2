//! Which rows of its parents a new row refers to. Never makes a parent.

use super::plan::Plan;
use super::reference::Reference;
use crate::catalog::Name;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// Choices of parents that are tried for one row.
const CHOICES_MAX: usize = 24;

/// What a column is bound to by a choice of parents.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bound {
    /// This value.
    Value(Value),
    /// What another column of the same row holds: the row refers to itself.
    Same(usize),
}

/// Columns that a choice of parents binds.
pub(super) type Choice = BTreeMap<usize, Bound>;

/// The keys of parents, per reference of a plan.
pub(super) type Keys = Vec<Vec<Vec<Value>>>;

/// Conditions that parents have to meet, by table, with the table as `t`.
pub(super) type Conditions = BTreeMap<Name, String>;

/// Reads the keys that rows may refer to.
pub(super) fn keys(
    connection: &Connection,
    plan: &Plan,
    conditions: &Conditions,
    limit: usize,
) -> rusqlite::Result<Keys> {
    let all = plan.references.iter();
    all.map(|reference| keys_of(connection, reference, conditions, limit))
        .collect()
}

fn keys_of(
    connection: &Connection,
    reference: &Reference,
    conditions: &Conditions,
    limit: usize,
) -> rusqlite::Result<Vec<Vec<Value>>> {
    let columns: Vec<String> = reference
        .parent_columns
        .iter()
        .map(|name| format!("t.{}", name.quoted()))
        .collect();
    let condition = conditions
        .get(&reference.parent)
        .map_or("1", String::as_str);
    let sql = format!(
        "SELECT {} FROM main.{} AS t WHERE {condition} LIMIT {limit}",
        columns.join(", "),
        reference.parent.quoted()
    );
    // A parent that is missing, or has no such column: no row can refer to it.
    let Ok(mut statement) = connection.prepare_cached(&sql) else {
        return Ok(Vec::new());
    };
    let rows = statement.query_map([], |row| {
        (0..columns.len())
            .map(|at| row.get(at))
            .collect::<rusqlite::Result<Vec<Value>>>()
    })?;
    let keys: Vec<Vec<Value>> = rows.collect::<rusqlite::Result<_>>()?;
    Ok(keys
        .into_iter()
        .filter(|key| !key.contains(&Value::Null))
        .collect())
}

/// The choices for the row of a number, the likeliest first. `guess` tells the key of a parent that will be made later.
pub(super) fn choices(
    plan: &Plan,
    keys: &Keys,
    number: usize,
    pinned: &Choice,
    guess: &dyn Fn(&Reference) -> Option<Vec<Value>>,
) -> Vec<Choice> {
    let mut chooser = Chooser {
        plan,
        keys,
        number,
        guess,
        with_soft: false,
        found: Vec::new(),
    };
    chooser.choose(0, pinned.clone());
    if plan.references.iter().any(|reference| reference.is_soft) {
        chooser.with_soft = true;
        chooser.choose(0, pinned.clone());
    }
    if chooser.found.is_empty() {
        // No row will do; the database says why.
        chooser.found.push(pinned.clone());
    }
    chooser.found
}

/// Whether a choice refers to a parent that is surely not there, so that the row is refused whatever else it holds.
/// `whole` are the references of which all keys are known. What SQLite might take for the same key counts as the same.
pub(super) fn misses_a_parent(plan: &Plan, keys: &Keys, whole: &[usize], choice: &Choice) -> bool {
    whole.iter().any(|at| {
        let bound: Option<Vec<&Value>> = plan.references[*at]
            .columns
            .iter()
            .map(|column| match choice.get(column) {
                Some(Bound::Value(value)) if *value != Value::Null => Some(value),
                Some(Bound::Value(_) | Bound::Same(_)) | None => None,
            })
            .collect();
        bound.is_some_and(|bound| {
            let is_there = |key: &Vec<Value>| {
                let mut pairs = key.iter().zip(&bound);
                pairs.all(|(key, bound)| may_be_same(key, bound))
            };
            !keys[*at].iter().any(is_there)
        })
    })
}

/// Whether two values may be one key under any collation and affinity.
fn may_be_same(one: &Value, other: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.trim().to_lowercase(),
        Value::Blob(bytes) => String::from_utf8_lossy(bytes).trim().to_lowercase(),
    };
    let (one, other) = (text(one), text(other));
    let number = |text: &str| text.parse::<f64>().ok();
    let are_near = || {
        number(&one)
            .zip(number(&other))
            .is_some_and(|(one, other)| (one - other).abs() < 1.0)
    };
    one == other || are_near()
}

struct Chooser<'c> {
    plan: &'c Plan,
    keys: &'c Keys,
    number: usize,
    guess: &'c dyn Fn(&Reference) -> Option<Vec<Value>>,
    with_soft: bool,
    found: Vec<Choice>,
}

impl Chooser<'_> {
    fn choose(&mut self, at: usize, bound: Choice) {
        if self.found.len() >= CHOICES_MAX {
            return;
        }
        let plan = self.plan;
        let Some(reference) = plan.references.get(at) else {
            if !self.found.contains(&bound) {
                self.found.push(bound);
            }
            return;
        };
        if reference.is_soft && !self.with_soft {
            return self.choose(at + 1, bound);
        }
        for option in self.options(at, reference, &bound) {
            let mut next = bound.clone();
            next.extend(option);
            self.choose(at + 1, next);
        }
    }

    fn options(&self, at: usize, reference: &Reference, bound: &Choice) -> Vec<Choice> {
        let is_null = |column: &usize| bound.get(column) == Some(&Bound::Value(Value::Null));
        if reference.columns.iter().any(is_null) {
            return vec![Choice::new()];
        }
        let fits = |key: &&Vec<Value>| {
            reference
                .columns
                .iter()
                .zip(key.iter())
                .all(|(column, value)| match bound.get(column) {
                    Some(Bound::Value(there)) => there == value,
                    Some(Bound::Same(_)) => false,
                    None => true,
                })
        };
        let fitting: Vec<&Vec<Value>> = self.keys[at].iter().filter(fits).collect();
        let first = (self.number - 1) % fitting.len().max(1);
        let mut options: Vec<Choice> = (0..fitting.len())
            .map(|more| bind(reference, fitting[(first + more) % fitting.len()]))
            .collect();
        let optional = reference
            .optional
            .filter(|column| !bound.contains_key(column));
        if let Some(column) = optional {
            let null = Choice::from([(column, Bound::Value(Value::Null))]);
            // One row in three refers to nothing, where that is allowed.
            let place = if self.number.is_multiple_of(3) {
                0
            } else {
                options.len()
            };
            options.insert(place, null);
        }
        if reference.parent == self.plan.name && !reference.is_soft {
            let own = self.plan.places(&reference.parent_columns);
            let pairs = reference.columns.iter().copied().zip(own);
            let itself: Choice = pairs
                .filter(|(column, own)| column != own && !bound.contains_key(column))
                .map(|(column, own)| (column, Bound::Same(own)))
                .collect();
            options.push(itself);
        }
        if options.is_empty() {
            options.extend((self.guess)(reference).map(|key| bind(reference, &key)));
        }
        if options.is_empty() && reference.is_soft {
            options.push(Choice::new());
        }
        options
    }
}

fn bind(reference: &Reference, key: &[Value]) -> Choice {
    let columns = reference.columns.iter().copied();
    columns.zip(key.iter().cloned().map(Bound::Value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqlite_takes_for_the_key_of_a_parent_is_never_called_another_one() {
        let text = |text: &str| Value::Text(text.to_owned());
        let values = [
            text("a"),
            text("A"),
            text("a  "),
            text("1"),
            text("1.0"),
            text(" 1"),
            text("1e0"),
            text(""),
            Value::Integer(1),
            Value::Integer(0),
            Value::Real(1.0),
            Value::Real(1.5),
            Value::Blob(b"a".to_vec()),
            Value::Blob(b"1".to_vec()),
        ];
        let types = [
            "TEXT",
            "INTEGER",
            "REAL",
            "NUMERIC",
            "BLOB",
            "TEXT COLLATE NOCASE",
            "TEXT COLLATE RTRIM",
        ];
        let (mut same, mut others) = (0, 0);
        for (parent, child) in types
            .iter()
            .flat_map(|parent| types.map(|child| (parent, child)))
        {
            let connection = Connection::open_in_memory().unwrap();
            let sql = format!(
                "PRAGMA foreign_keys = ON; CREATE TABLE p (k {parent} UNIQUE); CREATE TABLE c (k {child} REFERENCES p (k))"
            );
            connection.execute_batch(&sql).unwrap();
            for there in &values {
                connection
                    .execute("INSERT INTO p VALUES (?1)", [there])
                    .unwrap();
                let key: Value = connection
                    .query_row("SELECT k FROM p", [], |row| row.get(0))
                    .unwrap();
                for bound in &values {
                    let is_taken = connection
                        .execute("INSERT INTO c VALUES (?1)", [bound])
                        .is_ok();
                    assert!(
                        !is_taken || may_be_same(&key, bound),
                        "{parent} {key:?}, {child} {bound:?}"
                    );
                    same += usize::from(is_taken);
                    others += usize::from(!may_be_same(&key, bound));
                }
                connection
                    .execute_batch("DELETE FROM c; DELETE FROM p")
                    .unwrap();
            }
        }
        assert!(
            same > 500 && others > 500,
            "{same} are the same, {others} are not"
        );
    }
}
