//! Ways to change a tracked table, each made in a world of its own. Never judges what the schema refuses.

use super::Broken;
use super::audit_actors::nobody;
use super::audit_log::{Log, complaint};
use super::audit_rows::{Rows, Set};
use super::populated::{Populated, Row};
use super::references::{given, key_in};
use crate::catalog::{Name, Table};
use crate::rows::Statements;
use crate::text::{literal, written};
use rusqlite::types::Value;

/// One way to change a table.
pub(super) struct Change {
    what: &'static str,
    /// What has to be there before.
    before: Statements,
    last: (String, Vec<Value>),
    /// Whether nothing is known of the log where it is refused; what may be refused needs no entry then.
    is_plain: bool,
}

impl Change {
    /// Every way to change a row of a table: an UPDATE of each column that can be changed, and rows with each value that a trigger may look at, among them.
    pub(super) fn all(populated: &Populated<'_>, tracked: &Table) -> Result<Vec<Self>, String> {
        let rows = Rows::of(populated, tracked)?;
        let mut all = plain(&rows)?;
        all.extend(of_other_rows(&rows));
        all.extend(of_the_key(&rows));
        all.extend(displacing(&rows));
        all.extend(by_number(&rows));
        all.extend(without_children(&rows));
        all.extend(by_parents(&rows));
        Ok(all)
    }

    /// One statement that is made as it stands.
    fn of(what: &'static str, change: (String, Vec<Value>), is_plain: bool) -> Self {
        Self {
            what,
            before: Vec::new(),
            last: change,
            is_plain,
        }
    }

    /// The last of these statements, behind the others.
    fn last_of(what: &'static str, mut statements: Statements, is_plain: bool) -> Option<Self> {
        let last = statements.pop()?;
        Some(Self {
            what,
            before: statements,
            last,
            is_plain,
        })
    }

    /// Makes the change in a world of its own; what is wrong with the entries that it leaves.
    pub(super) fn seen(
        &self,
        populated: &Populated<'_>,
        log: &Log<'_>,
        tracked: &Table,
    ) -> Result<Option<Broken>, String> {
        let refused = |message: &str| {
            let (what, table) = (self.what, &tracked.name);
            if self.is_plain {
                Err(format!("{what} of `{table}` is refused ({message})"))
            } else {
                Ok(None)
            }
        };
        // What comes first may leave entries of its own.
        if !self.before.is_empty()
            && let Err(why) = populated.batch(&self.before)
        {
            return refused(&why.message);
        }
        let entries = populated.rows_where(log.table, "1");
        let rows = populated.rows_where(tracked, "1");
        let (sql, values) = &self.last;
        if let Err(why) = populated.world.run(sql, values) {
            return refused(&why.message);
        }
        let now = populated.rows_where(tracked, "1");
        let known: Vec<String> = entries.iter().map(Row::found).collect();
        let mut new = populated.rows_where(log.table, "1");
        new.retain(|entry| !known.contains(&entry.found()));
        let removed: Vec<&Row> = rows.iter().filter(|row| !now.contains(row)).collect();
        let made: Vec<&Row> = now.iter().filter(|row| !rows.contains(row)).collect();
        if removed.is_empty() && made.is_empty() {
            return if self.is_plain {
                Err(format!(
                    "{} of `{}` changes nothing",
                    self.what, tracked.name
                ))
            } else {
                Ok(None)
            };
        }
        let complaint = complaint(log, &removed, &made, &new)
            .or_else(|| nobody(populated, log, &removed, &made, &new));
        let mut repeat = populated.script(&[&tracked.name, &log.table.name]);
        let all = self.before.iter().chain(std::iter::once(&self.last));
        repeat.extend(all.map(|(sql, values)| written(sql, values)));
        repeat.push(format!("SELECT * FROM {};", log.table.name.quoted()));
        Ok(complaint.map(|saw| Broken {
            object: format!("table {}", log.table.name),
            expected: format!(
                "{} of `{}` leaves one entry with its action, resource and values",
                self.what, tracked.name
            ),
            saw,
            repeat,
        }))
    }
}

/// The ways that every table takes, with the rows as they are.
fn plain(rows: &Rows<'_>) -> Result<Vec<Change>, String> {
    let missing = |what: &str| format!("{what} of `{}` could not be thought of", rows.table.name);
    let insert = rows.spare.clone();
    let insert = insert.and_then(|spare| Change::last_of("an INSERT", spare, true));
    let (column, value) = rows.changes.first().ok_or_else(|| missing("an UPDATE"))?;
    let mut again = rows.row.clone();
    again.values.insert(column.clone(), value.clone());
    let (into, values) = rows.filled(&again);
    let column = column.quoted();
    let upsert = format!("INSERT {into} ON CONFLICT DO UPDATE SET {column} = excluded.{column}");
    let mut all = vec![
        insert.ok_or_else(|| missing("an INSERT"))?,
        Change::of("a DELETE", rows.delete(&rows.row), true),
        Change::of(
            "a REPLACE",
            (format!("REPLACE {into}"), values.clone()),
            false,
        ),
        Change::of("an UPSERT", (upsert, values), false),
    ];
    let updates = rows.changes.iter();
    all.extend(updates.map(|set| Change::of("an UPDATE", rows.update(&rows.row, set), true)));
    Ok(all)
}

/// INSERT, UPDATE and DELETE of rows that hold other values, of which a trigger may make something depend.
fn of_other_rows(rows: &Rows<'_>) -> Vec<Change> {
    let mut all = Vec::new();
    for set in &rows.shapes {
        let inserts = rows
            .spare
            .iter()
            .filter_map(|spare| rows.holding(spare, set));
        all.extend(inserts.filter_map(|made| Change::last_of("an INSERT", made, false)));
        let shape = rows.update(&rows.row, set);
        let other = rows.changes.iter().find(|(column, _)| *column != set.0);
        let then = [
            Some(("a DELETE", rows.delete(&rows.row))),
            other.map(|other| ("an UPDATE", rows.update(&rows.row, other))),
        ];
        all.extend(then.into_iter().flatten().map(|(what, change)| Change {
            what,
            before: vec![shape.clone()],
            last: change,
            is_plain: false,
        }));
    }
    all
}

/// A row without children gets another key.
fn of_the_key(rows: &Rows<'_>) -> Option<Change> {
    let spare = rows.spare.clone()?;
    let keys = key_in(&spare, rows.table, &rows.table.primary_key)?;
    let key = rows.table.primary_key.last()?;
    let to = match keys.last()? {
        Value::Integer(number) => Value::Integer(number.checked_add(1_000_000)?),
        Value::Text(text) => Value::Text(format!("{text}-2")),
        Value::Null | Value::Real(_) | Value::Blob(_) => return None,
    };
    let last = (
        format!(
            "UPDATE {} SET {} = ?1 WHERE {}",
            rows.table.name.quoted(),
            key.quoted(),
            found(&rows.table.primary_key, &keys)
        ),
        vec![to],
    );
    Some(Change {
        what: "an UPDATE of the key",
        before: spare,
        last,
        is_plain: false,
    })
}

/// A row is displaced by another one that takes over a unique key of it.
fn displacing(rows: &Rows<'_>) -> Vec<Change> {
    let primary = &rows.table.primary_key;
    let mut keys: Vec<Vec<Name>> = vec![primary.clone()];
    keys.extend(rows.table.unique_keys().map(|(_, key)| key));
    keys.retain(|key| !key.is_empty());
    let mut all = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        let holds_primary = primary.iter().all(|name| key.contains(name));
        // A REPLACE by the primary key is among the plain ways.
        if !holds_primary || place == 0 {
            all.extend(rows.other.as_ref().map(|other| {
                let set = key.iter().map(|name| (name.clone(), rows.row.value(name)));
                let change = rows.update_or_replace(other, &set.collect::<Vec<Set>>());
                Change::of("an UPDATE OR REPLACE that displaces a row", change, false)
            }));
        }
        if !holds_primary {
            let made = rows.spare.clone().map(|mut spare| {
                if let Some((sql, values)) = spare.last_mut() {
                    *sql = sql.replacen("INSERT OR ABORT", "INSERT OR REPLACE", 1);
                    for (name, value) in given(rows.table).zip(values) {
                        if key.contains(name) {
                            *value = rows.row.value(name);
                        }
                    }
                }
                spare
            });
            let what = "a REPLACE that displaces a row";
            all.extend(made.and_then(|made| Change::last_of(what, made, false)));
        }
    }
    all
}

/// A row gets another number, or the number of another row, under each of the names that a number has beside that of a column:
/// triggers that watch a column by its name do not see it.
fn by_number(rows: &Rows<'_>) -> Vec<Change> {
    let table = rows.table.name.quoted();
    let taken = |rowid: &str| format!("(SELECT {rowid} FROM {table} WHERE {})", rows.row.found());
    let mut all = Vec::new();
    for rowid in rows.table.rowid_names() {
        all.extend(rows.other.as_ref().map(|other| {
            let sql = format!(
                "UPDATE OR REPLACE {table} SET {rowid} = {} WHERE {}",
                taken(rowid),
                other.found()
            );
            let what = "an UPDATE OR REPLACE of the row's number that displaces a row";
            Change::of(what, (sql, Vec::new()), false)
        }));
        // Under the name of a column it is a key like others.
        if rows.table.rowid_alias().is_some() {
            continue;
        }
        let displaced = rows.spare.clone().map(|mut spare| {
            if let Some((sql, _)) = spare.last_mut() {
                let into = sql.replacen("INSERT OR ABORT", "INSERT OR REPLACE", 1);
                let into = into.replacen(" (", &format!(" ({rowid}, "), 1);
                *sql = into.replacen("VALUES (", &format!("VALUES ({}, ", taken(rowid)), 1);
            }
            spare
        });
        let what = "a REPLACE by the row's number that displaces a row";
        all.extend(displaced.and_then(|made| Change::last_of(what, made, false)));
    }
    all
}

/// A row that nothing refers to is changed and removed: a trigger may mind its children.
fn without_children(rows: &Rows<'_>) -> Vec<Change> {
    let made = || {
        let spare = rows.spare.clone()?;
        let keys = key_in(&spare, rows.table, &rows.table.primary_key)?;
        Some((spare, found(&rows.table.primary_key, &keys)))
    };
    let Some((spare, found)) = made() else {
        return Vec::new();
    };
    let table = rows.table.name.quoted();
    let delete = (format!("DELETE FROM {table} WHERE {found}"), Vec::new());
    let update = rows.changes.first().map(|(column, value)| {
        let sql = format!("UPDATE {table} SET {} = ?1 WHERE {found}", column.quoted());
        (sql, vec![value.clone()])
    });
    let all = [
        Some(("a DELETE", delete)),
        update.map(|update| ("an UPDATE", update)),
    ];
    all.into_iter()
        .flatten()
        .map(|(what, last)| Change {
            what,
            before: spare.clone(),
            last,
            is_plain: false,
        })
        .collect()
}

/// The parents of a row are deleted: what that does to the row is a change of it as well.
fn by_parents(rows: &Rows<'_>) -> Vec<Change> {
    let keys = rows.table.foreign_keys.iter();
    let named = keys.filter(|key| {
        let values = rows.row.values_of(&key.columns);
        key.parent != rows.tenants && !values.contains(&Value::Null)
    });
    named
        .map(|key| {
            let delete = format!(
                "DELETE FROM {} WHERE {}",
                key.parent.quoted(),
                found(&key.parent_columns, &rows.row.values_of(&key.columns))
            );
            Change::of("a DELETE of the parent", (delete, Vec::new()), false)
        })
        .collect()
}

/// The condition that finds a row by its key.
fn found(key: &[Name], values: &[Value]) -> String {
    let parts: Vec<String> = key
        .iter()
        .zip(values)
        .map(|(column, value)| format!("{} IS {}", column.quoted(), literal(value.into())))
        .collect();
    parts.join(" AND ")
}
