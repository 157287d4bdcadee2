//! Who an entry of an audit log names. Never decides which of several people did something: it is enough that somebody is named.

use super::audit_log::{Log, is_of};
use super::populated::{Populated, Row};
use crate::catalog::{ForeignKey, Name, Table};
use rusqlite::types::Value;

/// Why new entries do not tell who did it, if one of them names nobody although its row names people, all of whom are still there.
pub(super) fn nobody(
    populated: &Populated<'_>,
    log: &Log<'_>,
    removed: &[&Row],
    made: &[&Row],
    new: &[Row],
) -> Option<String> {
    let actor = Name::new(log.claim.actor.as_deref()?);
    let users = users(populated, log, &actor)?;
    let nameless = new
        .iter()
        .filter(|entry| entry.value(&actor) == Value::Null);
    for entry in nameless {
        let mut rows = made
            .iter()
            .chain(removed)
            .filter(|row| is_of(log, entry, row));
        if rows.clone().next().is_some() && rows.all(|row| names_somebody(populated, users, row)) {
            return Some(format!(
                "its entry names nobody in `{actor}`, although all whom the row names are there"
            ));
        }
    }
    None
}

/// The table of those who can be named: the one that the log refers to, or the declared one.
fn users<'s>(populated: &Populated<'s>, log: &Log<'_>, actor: &Name) -> Option<&'s Table> {
    let mut keys = log.table.foreign_keys.iter();
    match keys.find(|key| key.columns.last() == Some(actor)) {
        Some(key) => populated.schema.tables.get(&key.parent),
        None => populated.schema.table(populated.claims.users.as_deref()?),
    }
}

/// Whether a row names users, everywhere it can, and all of them are there.
fn names_somebody(populated: &Populated<'_>, users: &Table, row: &Row) -> bool {
    let Some(table) = populated.schema.tables.get(&row.table) else {
        return false;
    };
    let mut keys = table
        .foreign_keys
        .iter()
        .filter(|key| key.parent == users.name)
        .peekable();
    if keys.peek().is_some() {
        keys.all(|key| is_there(populated, users, key, row))
    } else {
        // Nobody can be read from it, unless a column that is empty would have told, or it is somebody's own row.
        table.name != users.name && !row.values.values().any(|value| *value == Value::Null)
    }
}

fn is_there(populated: &Populated<'_>, users: &Table, key: &ForeignKey, row: &Row) -> bool {
    let wanted = row.values_of(&key.columns);
    let people = populated.rows_where(users, "1");
    let mut people = people.iter();
    !wanted.contains(&Value::Null)
        && people.any(|person| person.values_of(&key.parent_columns) == wanted)
}
