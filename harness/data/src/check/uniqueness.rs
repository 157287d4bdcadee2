//! PAT-013: unique keys that tenants can run into. Never judges a key that is declared to be meant for all tenants together.

use super::populated::{Populated, Row};
use super::references::given;
use super::{Aspect, Broken, Outcome};
use crate::catalog::{Index, IndexOrigin, Name, Table};
use crate::claims::{SoftDelete, TimeFormat};
use crate::rows::{Effort, Owner, Statements, Wanted, candidates};
use crate::subject::Subject;
use crate::text::counted;
use crate::text::written;
use crate::words::is_machine_made;
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

/// Combinations of values that are tried for a row in a partial index.
const COMBINATIONS: usize = 24;

/// A unique key of a table by its columns.
struct Key {
    /// As it is told: `users(tenant_id, email)`.
    shown: String,
    columns: Vec<Name>,
    /// The condition of a partial index, and the columns that it names.
    condition: Option<(String, Vec<Name>)>,
}

impl Key {
    fn new(table: &Table, columns: Vec<Name>, index: Option<&Index>) -> Self {
        let names: Vec<&str> = columns.iter().map(Name::as_str).collect();
        let condition = index.and_then(|index| {
            // drizzle writes the table before each column; here it has another name.
            let name = table.name.as_str();
            let qualified = [
                format!("\"{name}\"."),
                format!("`{name}`."),
                format!("{name}."),
            ];
            let text = index.condition.clone()?;
            let text = qualified
                .iter()
                .fold(text, |text, part| text.replace(part, ""));
            Some((text, index.condition_columns(table)))
        });
        Self {
            shown: format!("{}({})", table.name, names.join(", ")),
            columns,
            condition,
        }
    }

    /// The condition that rows in the index meet.
    fn condition(&self) -> &str {
        self.condition.as_ref().map_or("1", |(text, _)| text)
    }
}

/// The unique keys of a table beyond its primary key; one that only widens the primary key is no key of its own.
fn keys(table: &Table) -> Vec<Key> {
    let indexes = table
        .indexes
        .iter()
        .filter(|index| index.unique && index.origin != IndexOrigin::PrimaryKey);
    indexes
        .map(|index| (index, index.key_columns(table)))
        .filter(|(_, columns)| {
            let key = &table.primary_key;
            !columns.is_empty()
                && (key.is_empty() || !key.iter().all(|name| columns.contains(name)))
        })
        .map(|(index, columns)| Key::new(table, columns, Some(index)))
        .collect()
}

/// The primary key, where people or nature choose its values: a day, a name, a number of their own. Ids are drawn so that nobody meets another's.
fn natural_key(table: &Table) -> Option<Key> {
    let columns = &table.primary_key;
    let is_drawn = |name: &Name| is_machine_made(table.name.as_str(), name.as_str());
    let is_natural =
        !columns.is_empty() && table.rowid_alias().is_none() && !columns.iter().any(is_drawn);
    is_natural.then(|| Key::new(table, columns.clone(), None))
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
        let keys = natural_key(table).into_iter().chain(keys(table));
        for key in keys.filter(|key| !is_declared(subject, key)) {
            let free = free_columns(&populated, table, &key.columns);
            if free.is_empty() {
                continue;
            }
            match same_values(&populated, table, &key, free) {
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

/// Another row of tenant 1 that has the values of a row of tenant 0 in these columns of a key.
fn same_values(
    populated: &Populated<'_>,
    table: &Table,
    key: &Key,
    mut columns: Vec<Name>,
) -> Tried {
    let is_full = |row: &&Row| {
        columns
            .iter()
            .all(|column| row.value(column) != Value::Null)
    };
    let mut rows = populated.rows_that(table, 0, key.condition());
    let mut before = Vec::new();
    if rows.is_empty() {
        before = within(populated, table, key);
        rows = populated.rows_that(table, 0, key.condition());
    }
    let full: Vec<&Row> = rows.iter().filter(is_full).collect();
    let used: Vec<Vec<Value>> = populated
        .rows_that(table, 1, key.condition())
        .iter()
        .map(|row| row.values_of(&columns))
        .collect();
    if full
        .iter()
        .any(|row| used.contains(&row.values_of(&columns)))
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
    // The new row has to be in a partial index as well.
    if let Some((_, named)) = &key.condition {
        columns.extend(free_columns(populated, table, named));
    }
    replace(&mut spare, table, &columns, there);
    try_row(populated, table, &spare, &before)
}

/// Makes a row of tenant 0 that is in a partial index, if values that its condition speaks of give one; the lines that made it.
fn within(populated: &Populated<'_>, table: &Table, key: &Key) -> Vec<String> {
    let pools = candidates(populated.schema, table, key.condition());
    for combination in 0..COMBINATIONS {
        let mut rest = combination;
        let mut pinned = Vec::new();
        for (column, values) in &pools {
            pinned.push((column.clone(), values[rest % values.len()].clone()));
            rest /= values.len();
        }
        if rest > 0 {
            break;
        }
        let wanted = Wanted {
            pinned,
            effort: Effort::Brief,
            ..populated.wanted(&table.name, 0)
        };
        let Some(made) = populated.spares(&[wanted]).pop().flatten() else {
            continue;
        };
        let is_within = populated.batch(&made).is_ok()
            && !populated.rows_that(table, 0, key.condition()).is_empty();
        if is_within {
            return made
                .iter()
                .map(|(sql, values)| written(sql, values))
                .collect();
        }
    }
    Vec::new()
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
