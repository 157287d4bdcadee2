//! PAT-013: unique keys that tenants can run into. Never judges a key that is declared to be meant for all tenants together.

use super::populated::{Populated, Row};
use super::references::given;
use super::{Aspect, Broken, Outcome, counted};
use crate::catalog::{Index, IndexOrigin, Name, Table};
use crate::claims::{SoftDelete, TimeFormat};
use crate::rows::{Owner, Statements};
use crate::subject::Subject;
use crate::text::written;
use rusqlite::types::Value;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-013",
        sentence: "what one tenant has used for a unique key another tenant may use as well",
        judge: for_each_tenant,
    },
    Aspect {
        criterion: "PAT-013",
        sentence: "a soft-deleted row does not block its successor",
        judge: successors,
    },
];

/// A unique key of a table by its columns.
struct Key {
    /// As it is told: `users(tenant_id, email)`.
    shown: String,
    columns: Vec<Name>,
}

/// The unique keys of a table beyond its primary key; one that only widens the primary key is no key of its own.
fn keys(table: &Table) -> Vec<Key> {
    let indexes = table
        .indexes
        .iter()
        .filter(|index| index.unique && index.origin != IndexOrigin::PrimaryKey);
    indexes
        .map(|index| columns_of(table, index))
        .filter(|columns| {
            let key = &table.primary_key;
            !columns.is_empty()
                && (key.is_empty() || !key.iter().all(|name| columns.contains(name)))
        })
        .map(|columns| Key {
            shown: shown(table, &columns),
            columns,
        })
        .collect()
}

fn shown(table: &Table, columns: &[Name]) -> String {
    let names: Vec<&str> = columns.iter().map(Name::as_str).collect();
    format!("{}({})", table.name, names.join(", "))
}

/// The columns of an index, those within its expressions too.
fn columns_of(table: &Table, index: &Index) -> Vec<Name> {
    let plain: Vec<Name> = index
        .columns
        .iter()
        .filter_map(|part| part.name.clone())
        .collect();
    if plain.len() == index.columns.len() {
        return plain;
    }
    let sql = index.sql.as_deref().unwrap_or_default();
    let text = sql.split_once('(').map_or("", |(_, rest)| rest);
    let end = index
        .condition
        .as_ref()
        .and_then(|condition| text.rfind(condition.as_str()));
    let text = &text[..end.unwrap_or(text.len())];
    let named = |name: &&Name| crate::text::find_word(text, name.as_str(), 0).is_some();
    table
        .columns
        .iter()
        .map(|column| &column.name)
        .filter(named)
        .cloned()
        .collect()
}

/// Whether a declared key (`table(column, column)`) is this one, blanks and case ignored.
fn is_declared(subject: &Subject, key: &Key) -> bool {
    let plain = |text: &str| {
        let letters = text
            .chars()
            .filter(|letter| !letter.is_whitespace() && !"\"`[]".contains(*letter));
        letters.collect::<String>().to_ascii_lowercase()
    };
    let wanted = plain(&key.shown);
    subject
        .claims
        .unique_for_all
        .keys()
        .any(|declared| plain(declared) == wanted)
}

fn for_each_tenant(subject: &Subject) -> Outcome {
    let populated = match Populated::new(subject) {
        Ok(populated) => populated,
        Err(outcome) => return outcome,
    };
    let (mut broken, mut unseen, mut seen) = (Vec::new(), None, 0);
    for table in populated.scoped() {
        for key in keys(table).iter().filter(|key| !is_declared(subject, key)) {
            let free = free_columns(&populated, table, &key.columns);
            if free.is_empty() {
                continue;
            }
            match same_values(&populated, table, &free, 0) {
                Tried::Accepted => seen += 1,
                Tried::Unique(message, repeat) => broken.push(Broken {
                    object: format!("table {}", table.name),
                    expected: format!(
                        "unique within a tenant, or declared for all tenants: {}",
                        key.shown
                    ),
                    saw: format!(
                        "a second tenant may not use what the first one has used ({message})"
                    ),
                    repeat,
                }),
                Tried::Unseen(why) => unseen = Some(format!("{}: {why}", key.shown)),
            }
        }
    }
    if let (true, Some(reason)) = (broken.is_empty(), unseen) {
        return Outcome::NotVerified { reason, key: None };
    }
    Outcome::of(
        broken,
        format!(
            "{}, each of which a second tenant could use with the same values",
            counted(seen, "unique key")
        ),
    )
}

/// The columns of a key that do not say themselves whose the row is: neither the tenant's key nor references to rows of tenants.
fn free_columns(populated: &Populated<'_>, table: &Table, columns: &[Name]) -> Vec<Name> {
    let tenancy = &populated.tenants.tenancy;
    let mut bound: Vec<&Name> = Vec::new();
    if let Some(Owner::Key(column)) = tenancy.scoped.get(&table.name) {
        bound.push(column);
    }
    let references = table.foreign_keys.iter();
    for key in references.filter(|key| tenancy.scoped.contains_key(&key.parent)) {
        bound.extend(&key.columns);
    }
    columns
        .iter()
        .filter(|column| !bound.contains(column))
        .cloned()
        .collect()
}

/// What became of a row with values of a unique key that are there already.
enum Tried {
    Accepted,
    Unique(String, Vec<String>),
    Unseen(String),
}

/// Another row of tenant 1 that has the values of a row of tenant `of` in these columns.
fn same_values(populated: &Populated<'_>, table: &Table, columns: &[Name], of: usize) -> Tried {
    let rows = populated.rows(table, of);
    let is_full = |row: &&Row| {
        columns
            .iter()
            .all(|column| row.value(column) != Value::Null)
    };
    let full: Vec<&Row> = rows.iter().filter(is_full).collect();
    let used: Vec<Vec<Value>> = populated
        .rows(table, 1)
        .iter()
        .map(|row| row.values_of(columns))
        .collect();
    if full
        .iter()
        .any(|row| used.contains(&row.values_of(columns)))
    {
        return Tried::Accepted;
    }
    let Some(there) = full.first() else {
        return Tried::Unseen("no row has values in all of its columns".to_owned());
    };
    let Some(mut spare) = populated.spare(&table.name, 1) else {
        return Tried::Unseen("no further row could be made".to_owned());
    };
    if let Err(refused) = populated.try_out(&spare) {
        return Tried::Unseen(format!(
            "a row with other values is refused ({})",
            refused.message
        ));
    }
    replace(&mut spare, table, columns, there);
    try_row(populated, table, &spare, &[])
}

fn replace(spare: &mut Statements, table: &Table, columns: &[Name], with: &Row) {
    let Some((_, values)) = spare.last_mut() else {
        return;
    };
    for column in columns {
        let place = given(table).position(|name| name == column);
        if let Some(value) = place.and_then(|place| values.get_mut(place)) {
            *value = with.value(column);
        }
    }
}

fn try_row(populated: &Populated<'_>, table: &Table, row: &Statements, before: &[String]) -> Tried {
    match populated.try_out(row) {
        Ok(()) => Tried::Accepted,
        Err(refused) if refused.message.starts_with("UNIQUE") => {
            let mut repeat = populated.script(&[&table.name]);
            repeat.extend_from_slice(before);
            repeat.extend(row.iter().map(|(sql, values)| written(sql, values)));
            Tried::Unique(refused.message, repeat)
        }
        Err(refused) => Tried::Unseen(format!(
            "the row is refused for another reason ({})",
            refused.message
        )),
    }
}

fn successors(subject: &Subject) -> Outcome {
    if subject.claims.soft_delete.is_empty() {
        return Outcome::undeclared("no soft deletion is declared", "data.soft_delete");
    }
    let (mut broken, mut unseen, mut seen) = (Vec::new(), None, 0);
    for claim in &subject.claims.soft_delete {
        let Some(table) = subject.schema().table(&claim.table) else {
            return Outcome::NotVerified {
                reason: format!("there is no table `{}`", claim.table),
                key: Some("data.soft_delete".to_owned()),
            };
        };
        for key in keys(table) {
            // Each key is looked at in a world of its own: what is marked as deleted stays so.
            let populated = match Populated::of_anybody(subject) {
                Ok(populated) => populated,
                Err(outcome) => return outcome,
            };
            match successor(&populated, table, claim, &key) {
                Tried::Accepted => seen += 1,
                Tried::Unique(message, repeat) => broken.push(Broken {
                    object: format!("table {}", table.name),
                    expected: format!("unique among active rows only: {}", key.shown),
                    saw: format!("the successor of a soft-deleted row is refused ({message})"),
                    repeat,
                }),
                Tried::Unseen(why) => unseen = Some(format!("{}: {why}", key.shown)),
            }
        }
    }
    if let (true, Some(reason)) = (broken.is_empty(), unseen) {
        return Outcome::NotVerified { reason, key: None };
    }
    Outcome::of(
        broken,
        format!(
            "{} of tables with soft deletion, each of which lets a successor in",
            counted(seen, "unique key")
        ),
    )
}

fn successor(populated: &Populated<'_>, table: &Table, claim: &SoftDelete, key: &Key) -> Tried {
    let rows = if populated.tenants.keys.is_empty() {
        populated.rows_where(table, "1")
    } else {
        populated.rows(table, 1)
    };
    let is_full = |row: &&Row| {
        key.columns
            .iter()
            .all(|column| row.value(column) != Value::Null)
    };
    let Some(there) = rows.iter().find(is_full) else {
        return Tried::Unseen("no row has values in all of its columns".to_owned());
    };
    let Some(mut spare) = populated.spare(&table.name, 1) else {
        return Tried::Unseen("no further row could be made".to_owned());
    };
    let column = Name::new(&claim.column);
    let Some(mark) = mark(table, &column, there, populated.claims.time) else {
        return Tried::Unseen(format!(
            "`{column}` has no value that is known to mark a row as deleted"
        ));
    };
    let update = format!(
        "UPDATE {} SET {} = ?1 WHERE {}",
        table.name.quoted(),
        column.quoted(),
        there.found()
    );
    let line = written(&update, std::slice::from_ref(&mark));
    if let Err(refused) = populated.world.run(&update, &[mark]) {
        return Tried::Unseen(format!(
            "no row can be marked as deleted ({})",
            refused.message
        ));
    }
    replace(&mut spare, table, &key.columns, there);
    try_row(populated, table, &spare, &[line])
}

/// A value that marks a row as deleted: a time where active rows have none, else the opposite of a flag.
fn mark(table: &Table, column: &Name, active: &Row, time: Option<TimeFormat>) -> Option<Value> {
    let declared = table.column(column)?;
    match active.value(column) {
        Value::Null => Some(match (time, declared.affinity()) {
            (Some(TimeFormat::EpochS), _) => Value::Integer(1_767_225_600),
            (Some(TimeFormat::Iso), _) | (None, crate::catalog::Affinity::Text) => {
                Value::Text("2026-01-01T00:00:00.000Z".to_owned())
            }
            (Some(TimeFormat::EpochMs) | None, _) => Value::Integer(1_767_225_600_000),
        }),
        Value::Integer(flag) if flag == 0 || flag == 1 => Some(Value::Integer(1 - flag)),
        Value::Integer(_) | Value::Real(_) | Value::Text(_) | Value::Blob(_) => None,
    }
}
