//! PAT-003: rows that come beside those that are there, get another key, and are displaced by others. Never blames what the schema refuses.

use super::super::populated::Row;
use super::super::references::given;
use super::super::{Broken, Outcome};
use super::{Case, word};
use crate::catalog::Name;
use crate::rows::Statements;
use crate::text::written;
use rusqlite::types::Value;

/// Where the words of new rows begin.
const NEW: usize = 900;

/// A new row, the word that it holds, and what was done so far.
struct Fresh<'c, 's> {
    case: &'c Case<'s>,
    row: Row,
    held: String,
    /// How many words were given.
    words: usize,
    repeat: Vec<String>,
}

type Judged = Result<Option<Broken>, Outcome>;

/// A new row is entered, is given another key, and is displaced by another one through each unique key.
pub(super) fn out_of_step(case: &Case<'_>, row: &Row, mut repeat: Vec<String>) -> Judged {
    let ways = [
        beside(case, row),
        case.settled
            .spare(case.table, 0)
            .map(|made| holding(case, made, &word(NEW))),
    ];
    for way in ways.into_iter().flatten() {
        let Some(new) = added(case, &way) else {
            continue;
        };
        repeat.extend(way.iter().map(|(sql, values)| written(sql, values)));
        let mut fresh = Fresh {
            case,
            row: new,
            held: word(NEW),
            words: 1,
            repeat,
        };
        if let Some(broken) = fresh.not_entered("a new row is found by a word that it holds")? {
            return Ok(Some(broken));
        }
        if let Some(broken) = fresh.several()? {
            return Ok(Some(broken));
        }
        if let Some(broken) = fresh.moved()? {
            return Ok(Some(broken));
        }
        return fresh.displaced();
    }
    Ok(None)
}

/// Statements for a row like this one, with another key and a word of its own.
fn beside(case: &Case<'_>, row: &Row) -> Option<Statements> {
    let key = case.table.primary_key.last()?;
    let mut copy = row.clone();
    copy.values.insert(key.clone(), another(&row.value(key))?);
    Some(vec![inserting(case, &copy, &word(NEW), "INSERT")])
}

/// Another value of the same kind.
pub(super) fn another(value: &Value) -> Option<Value> {
    match value {
        Value::Integer(number) => Some(Value::Integer(number.checked_add(1_000_000)?)),
        Value::Text(text) => Some(Value::Text(format!("{text}-2"))),
        Value::Null | Value::Real(_) | Value::Blob(_) => None,
    }
}

/// The statement that makes a row, with a word in the searched column.
fn inserting(case: &Case<'_>, row: &Row, word: &str, verb: &str) -> (String, Vec<Value>) {
    let columns: Vec<&Name> = given(case.table).collect();
    let names: Vec<String> = columns.iter().map(|name| name.quoted()).collect();
    let marks: Vec<String> = (1..=names.len()).map(|place| format!("?{place}")).collect();
    let sql = format!(
        "{verb} INTO {} ({}) VALUES ({})",
        case.table.name.quoted(),
        names.join(", "),
        marks.join(", ")
    );
    let values = columns.iter().map(|name| {
        if **name == case.column {
            Value::Text(word.to_owned())
        } else {
            row.value(name)
        }
    });
    (sql, values.collect())
}

/// The statements, the last of which makes a row that holds this word.
fn holding(case: &Case<'_>, mut made: Statements, word: &str) -> Statements {
    let place = given(case.table).position(|name| *name == case.column);
    if let (Some(place), Some((_, values))) = (place, made.last_mut())
        && let Some(value) = values.get_mut(place)
    {
        *value = Value::Text(word.to_owned());
    }
    made
}

/// Runs statements as one batch; the row that is there afterwards and was not before.
fn added(case: &Case<'_>, statements: &Statements) -> Option<Row> {
    let before = case.settled.rows(case.table, 0);
    let all: Vec<(&str, Vec<Value>)> = statements
        .iter()
        .map(|(sql, values)| (sql.as_str(), values.clone()))
        .collect();
    case.settled.world().batch(&all).ok()?;
    let after = case.settled.rows(case.table, 0);
    let is_new = |row: &Row| before.iter().all(|old| old.key != row.key);
    after.into_iter().find(is_new)
}

impl Fresh<'_, '_> {
    fn next_word(&mut self) -> String {
        self.words += 1;
        word(NEW + self.words)
    }

    fn broken(&self, expected: &str, saw: impl Into<String>, asked: String) -> Broken {
        let mut repeat = self.repeat.clone();
        repeat.push(asked);
        self.case.broken(expected, saw, repeat)
    }

    /// The check that FTS5 makes of itself.
    fn unsound(&self, expected: &str) -> Option<Broken> {
        let index = &self.case.claim.index;
        let check = format!("INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1);");
        let message = self.case.integrity()?;
        Some(self.broken(expected, message, check))
    }

    fn not_entered(&self, expected: &str) -> Judged {
        if let Some(broken) = self.unsound(expected) {
            return Ok(Some(broken));
        }
        let (found, asked) = self.case.found(&self.held, 0)?;
        let is_missing = found.is_empty();
        Ok(is_missing.then(|| self.broken(expected, "it is not found", asked)))
    }

    /// Two rows more by one statement, the one with the greater key first.
    fn several(&mut self) -> Judged {
        let case = self.case;
        let Some(key) = case.table.primary_key.last() else {
            return Ok(None);
        };
        let (mut sql, mut values, mut words) = (String::new(), Vec::new(), Vec::new());
        // The next key is the one that the row gets afterwards.
        for times in [3, 2] {
            let mut copy = self.row.clone();
            let Some(value) = (0..times).try_fold(self.row.value(key), |value, _| another(&value))
            else {
                return Ok(None);
            };
            copy.values.insert(key.clone(), value.clone());
            let text = self.next_word();
            let (one, given) = inserting(case, &copy, &text, "INSERT");
            let marks = vec!["?"; given.len()].join(", ");
            sql = if sql.is_empty() {
                let (into, _) = one.split_once(" VALUES ").unwrap_or((&one, ""));
                format!("{into} VALUES ({marks})")
            } else {
                format!("{sql}, ({marks})")
            };
            values.extend(given);
            words.push((text, value));
        }
        if case.settled.world().run(&sql, &values).is_err() {
            return Ok(None);
        }
        self.repeat.push(written(&sql, &values));
        let expected = "each row of an INSERT of several is found by a word that it holds";
        if let Some(broken) = self.unsound(expected) {
            return Ok(Some(broken));
        }
        for (text, value) in words {
            let (found, asked) = case.found(&text, 0)?;
            if !found.contains(&value) {
                return Ok(Some(self.broken(expected, "it is not found", asked)));
            }
        }
        Ok(None)
    }

    /// The row gets another key.
    fn moved(&mut self) -> Judged {
        let case = self.case;
        let Some(key) = case.table.primary_key.last() else {
            return Ok(None);
        };
        let Some(to) = another(&self.row.value(key)) else {
            return Ok(None);
        };
        if case.settled.set(&self.row, &[(key, to.clone())]).is_err() {
            return Ok(None);
        }
        let update = format!(
            "UPDATE {} SET {} = ?1 WHERE {}",
            case.table.name.quoted(),
            key.quoted(),
            self.row.found()
        );
        self.repeat
            .push(written(&update, std::slice::from_ref(&to)));
        let old = self.row.clone();
        let rows = case.settled.rows(case.table, 0);
        let Some(new) = rows.into_iter().find(|row| row.value(key) == to) else {
            return Ok(None);
        };
        self.row = new;
        let expected = "a row whose key changes is found under its new key by a word that it holds";
        if let Some(broken) = self.unsound(expected) {
            return Ok(Some(broken));
        }
        let (found, asked) = case.found(&self.held, 0)?;
        if !found.contains(&to) {
            return Ok(Some(self.broken(expected, "it is not found", asked)));
        }
        if found.contains(&old.value(key)) {
            return Ok(Some(self.broken(
                "a row whose key changes is not found under its old key",
                "it is found",
                asked,
            )));
        }
        Ok(None)
    }

    /// The row is displaced through each unique key, by an INSERT and by an UPDATE that replace it.
    fn displaced(&mut self) -> Judged {
        let table = self.case.table;
        let primary = &table.primary_key;
        let mut keys: Vec<Vec<Name>> = vec![primary.clone()];
        keys.extend(table.unique_keys().map(|(_, key)| key));
        keys.retain(|key| !key.is_empty());
        for (place, key) in keys.iter().enumerate() {
            let holds_primary = primary.iter().all(|name| key.contains(name));
            for by_update in [false, true] {
                // A REPLACE by the primary key is one of the ways of writing.
                if holds_primary && (place > 0 || !by_update) {
                    continue;
                }
                if let Some(broken) = self.displaced_by(key, by_update)? {
                    return Ok(Some(broken));
                }
            }
        }
        Ok(None)
    }

    fn displaced_by(&mut self, key: &[Name], by_update: bool) -> Judged {
        let case = self.case;
        let text = self.next_word();
        let Some(spare) = case.settled.spare(case.table, 0) else {
            return Ok(None);
        };
        let spare = holding(case, spare, &text);
        let (lines, other) = if by_update {
            self.by_update(&spare, key)
        } else {
            self.by_insert(spare, key)
        };
        let rows = case.settled.rows(case.table, 0);
        let is_there = |row: &Row| rows.iter().any(|one| one.key == row.key);
        let now = rows.iter().find(|one| one.key == self.row.key);
        let is_displaced = now.is_none();
        // Where the key is the primary one, the other row stands in the place of this one.
        let replaced = now.filter(|now| now.value(&case.column) == Value::Text(text.clone()));
        if is_displaced || replaced.is_some() {
            self.repeat.extend(lines);
            let columns: Vec<&str> = key.iter().map(Name::as_str).collect();
            let expected = format!(
                "an index in step with its rows after {} that displaces a row by {}",
                if by_update {
                    "an UPDATE OR REPLACE"
                } else {
                    "a REPLACE"
                },
                columns.join(" and ")
            );
            if let Some(broken) = self.unsound(&expected) {
                return Ok(Some(broken));
            }
        }
        if let Some(replaced) = replaced {
            self.row = replaced.clone();
            let gone = std::mem::replace(&mut self.held, text);
            return self.came_instead(&gone);
        }
        if is_displaced {
            let (is_found, asked) = case.is_found(&self.row, &self.held)?;
            if is_found {
                let expected = "nothing is found of a displaced row";
                return Ok(Some(self.broken(expected, "it is still found", asked)));
            }
        }
        // What displaced it goes, so that it can come back, and the next key be tried.
        if let Some(other) = other.filter(|other| is_there(other)) {
            let delete = format!(
                "DELETE FROM {} WHERE {}",
                case.table.name.quoted(),
                other.found()
            );
            if case.settled.world().run(&delete, &[]).is_ok() && is_displaced {
                self.repeat.push(format!("{delete};"));
            }
        }
        if is_displaced { self.back() } else { Ok(None) }
    }

    /// Another row with the same values in a key, by REPLACE: what was done, and the other row.
    fn by_insert(&self, mut spare: Statements, key: &[Name]) -> (Vec<String>, Option<Row>) {
        let Some((sql, values)) = spare.last_mut() else {
            return (Vec::new(), None);
        };
        *sql = sql.replacen("INSERT OR ABORT", "INSERT OR REPLACE", 1);
        for (place, name) in given(self.case.table).enumerate() {
            if let (true, Some(value)) = (key.contains(name), values.get_mut(place)) {
                *value = self.row.value(name);
            }
        }
        let other = added(self.case, &spare);
        let lines = spare.iter().map(|(sql, values)| written(sql, values));
        (lines.collect(), other)
    }

    /// Another row that takes over the values of a key by UPDATE OR REPLACE: what was done, and the other row.
    fn by_update(&self, spare: &Statements, key: &[Name]) -> (Vec<String>, Option<Row>) {
        let Some(other) = added(self.case, spare) else {
            return (Vec::new(), None);
        };
        let sets: Vec<String> = key
            .iter()
            .enumerate()
            .map(|(place, name)| format!("{} = ?{}", name.quoted(), place + 1))
            .collect();
        let update = format!(
            "UPDATE OR REPLACE {} SET {} WHERE {}",
            self.case.table.name.quoted(),
            sets.join(", "),
            other.found()
        );
        let values = self.row.values_of(key);
        let mut lines: Vec<String> = spare
            .iter()
            .map(|(sql, values)| written(sql, values))
            .collect();
        lines.push(written(&update, &values));
        let _kept_where_refused = self.case.settled.world().run(&update, &values);
        (lines, Some(other))
    }

    /// The displaced row comes back with another word: nothing may be left of the old one.
    fn back(&mut self) -> Judged {
        let gone = std::mem::take(&mut self.held);
        self.held = self.next_word();
        let insert = inserting(self.case, &self.row, &self.held, "INSERT");
        if self.case.settled.world().run(&insert.0, &insert.1).is_err() {
            return Ok(None);
        }
        self.repeat.push(written(&insert.0, &insert.1));
        self.came_instead(&gone)
    }

    /// The row has the key of one that was displaced, which held this word.
    fn came_instead(&self, gone: &str) -> Judged {
        let (is_found, asked) = self.case.is_found(&self.row, &self.held)?;
        if !is_found {
            let expected =
                "a row that comes in the place of another is found by a word that it holds";
            return Ok(Some(self.broken(expected, "it is not found", asked)));
        }
        let (is_found, asked) = self.case.is_found(&self.row, gone)?;
        let expected = "a row is not found by a word of the one that was displaced before it";
        Ok(is_found.then(|| self.broken(expected, "it is found", asked)))
    }
}
