//! The repair of MIG-02: what refers to a table is put aside while the table is rebuilt. Never offers a repair that was not run with rows in the tables.

use super::rows_lost::dropped;
use crate::catalog::{self, Action, Name, Schema, Table};
use crate::engine::Deed;
use crate::finding::Patch;
use crate::replay::{Effect, ObjectKind, Step};
use crate::subject::Subject;
use crate::text::{File, Span, tokens};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Any seed shows the same.
const SEED: u64 = 1;

/// The rebuild of a table with everything that refers to it put aside before the DROP at this place, and put back when the table is there again.
pub(super) fn aside(subject: &Subject, place: usize) -> Option<Patch> {
    let step = subject.replay.steps.get(place)?;
    let parent = dropped(step)?;
    let file = step.statement.span.file;
    let last = subject
        .replay
        .steps_of(file)
        .filter(|(at, step)| *at > place && brings_back(step, &parent))
        .last()?
        .1;
    let span = Span {
        end: last.statement.span.end,
        ..step.statement.span.clone()
    };
    let schema = schema_before(subject, place)?;
    let referring = referring(&schema, &parent);
    let between = subject.source.file(file)?.text.get(span.range())?;
    let with = around(&schema, &parent, &referring, between)?;
    holds(subject, &span, &with, &parent).then_some(Patch::Replace { span, with })
}

/// The statement that makes the copy of a table, referring to the copy itself where it referred to the table: the rename carries that along.
pub(super) fn of_copy(subject: &Subject, place: usize) -> Option<Patch> {
    let parent = dropped(subject.replay.steps.get(place)?)?;
    let file = subject.replay.steps[place].statement.span.file;
    let tables = |step: &'_ Step| -> Vec<(Name, bool)> {
        let changes = step.changes.iter();
        changes
            .filter(|change| change.kind == ObjectKind::Table)
            .map(|change| (change.name.clone(), change.after.is_some()))
            .collect()
    };
    let mut steps = subject.replay.steps_of(file);
    let copy = steps.find_map(|(at, step)| {
        let changed = tables(step);
        let is_back = at > place && changed.contains(&(parent.clone(), true));
        let gone = changed
            .iter()
            .find(|(name, is_there)| !is_there && *name != parent);
        gone.filter(|_copy| is_back).map(|(name, _)| name.clone())
    })?;
    let (_, made) = subject
        .replay
        .steps_of(file)
        .find(|(at, step)| *at < place && tables(step).contains(&(copy.clone(), true)))?;
    let sql: &str = &made.statement.sql;
    let mut with = String::new();
    let mut from = 0;
    for pair in tokens(sql).windows(2) {
        if pair[0].form == "references" && parent == pair[1].form.as_str() {
            with.push_str(&sql[from..pair[1].range.start]);
            with.push_str(&copy.quoted());
            from = pair[1].range.end;
        }
    }
    with.push_str(&sql[from..]);
    let span = made.statement.span.clone();
    holds(subject, &span, &with, &parent).then_some(Patch::Replace { span, with })
}

/// Whether a step makes the table anew, gives it its name back or fills it.
fn brings_back(step: &Step, table: &Name) -> bool {
    let is_made = |change: &crate::replay::Change| {
        change.kind == ObjectKind::Table && change.name == *table && change.after.is_some()
    };
    let is_filled = |deed: &Deed| matches!(deed, Deed::Insert(of, None) if *table == **of);
    step.changes.iter().any(is_made) || step.deeds.iter().any(is_filled)
}

fn schema_before(subject: &Subject, place: usize) -> Option<Schema> {
    let engine = subject.replay.before(place).ok()?;
    engine.ours(catalog::read).ok()
}

/// What a deletion of all rows does to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hit {
    /// Its rows go, or stand in the way.
    Rows,
    /// These columns lose what they hold.
    Columns(Vec<Name>),
}

/// The tables that a deletion of all rows of a table hits, through others as well; parents first.
fn referring<'s>(schema: &'s Schema, parent: &Name) -> Vec<(&'s Table, Hit)> {
    let mut hits: BTreeMap<&Name, Hit> = BTreeMap::new();
    let mut order: Vec<&Table> = Vec::new();
    let mut emptied = vec![parent];
    while let Some(gone) = emptied.pop() {
        for table in schema.tables.values().filter(|table| table.name != *parent) {
            for key in table.foreign_keys.iter().filter(|key| key.parent == *gone) {
                let hit = match key.on_delete {
                    Action::SetNull => Hit::Columns(key.columns.clone()),
                    Action::Cascade | Action::SetDefault | Action::Restrict | Action::NoAction => {
                        Hit::Rows
                    }
                };
                let known = hits.get(&table.name).cloned();
                let all = match (known, hit) {
                    (Some(Hit::Rows), _) => continue,
                    (_, Hit::Rows) => {
                        order.retain(|other| other.name != table.name);
                        order.push(table);
                        emptied.push(&table.name);
                        Hit::Rows
                    }
                    (Some(Hit::Columns(mut columns)), Hit::Columns(more)) => {
                        columns.extend(more);
                        columns.sort();
                        columns.dedup();
                        Hit::Columns(columns)
                    }
                    (None, hit) => {
                        order.push(table);
                        hit
                    }
                };
                hits.insert(&table.name, all);
            }
        }
    }
    let ordered = order.into_iter();
    ordered
        .filter_map(|table| Some((table, hits.remove(&table.name)?)))
        .collect()
}

/// The statements of a rebuild with those around them that put aside and put back what refers to the table. No semicolon behind the last one.
fn around(
    schema: &Schema,
    parent: &Name,
    referring: &[(&Table, Hit)],
    between: &str,
) -> Option<String> {
    if referring.is_empty() {
        return None;
    }
    let mut before = vec!["PRAGMA defer_foreign_keys = ON".to_owned()];
    let mut after = Vec::new();
    let mut removed = Vec::new();
    let mut kept = Vec::new();
    for (table, hit) in referring {
        let aside = free_name(schema, &format!("kept_{}", table.name)).quoted();
        let name = table.name.quoted();
        let columns = match hit {
            Hit::Rows => whole(table),
            Hit::Columns(columns) => [known_by(table), columns.clone()].concat(),
        };
        let columns = list(&columns);
        before.push(format!(
            "CREATE TABLE {aside} AS SELECT {columns} FROM {name}"
        ));
        let columns_aside = columns.replace("rowid AS ", "");
        match hit {
            Hit::Rows => {
                removed.push(format!("DELETE FROM {name}"));
                let own = columns.replace(ROWID, "rowid");
                after.push(format!(
                    "INSERT INTO {name} ({own}) SELECT {columns_aside} FROM {aside}"
                ));
            }
            Hit::Columns(columns) => {
                let same: Vec<String> = known_by(table)
                    .iter()
                    .map(|key| pair(key, &name, &aside))
                    .collect();
                let held = list(columns);
                after.push(format!(
                    "UPDATE {name} SET ({held}) = (SELECT {held} FROM {aside} WHERE {})",
                    same.join(" AND ")
                ));
            }
        }
        kept.push(format!("DROP TABLE {aside}"));
    }
    for trigger in schema.triggers.values() {
        if referring
            .iter()
            .any(|(table, _)| table.name == trigger.table)
        {
            before.push(format!("DROP TRIGGER {}", trigger.name.quoted()));
            after.push(trigger.sql.to_string());
        }
    }
    before.extend(removed.into_iter().rev());
    after.extend(kept);
    Some(format!(
        "-- {parent} is dropped with nothing that refers to it: the rows go first.\n{};\n{between};\n{}",
        before.join(";\n"),
        after.join(";\n")
    ))
}

/// A rowid that nobody declared, among the columns of a table that was put aside.
const ROWID: &str = "rowid AS kept_rowid";

/// All that has to be kept of a table: its columns, and the rowid where it is no column.
fn whole(table: &Table) -> Vec<Name> {
    let given = table
        .columns
        .iter()
        .filter(|column| column.generated.is_none());
    let columns: Vec<Name> = given.map(|column| column.name.clone()).collect();
    if table.without_rowid || table.rowid_alias().is_some() {
        columns
    } else {
        [vec![Name::new("rowid")], columns].concat()
    }
}

/// The columns by which a row is found again.
fn known_by(table: &Table) -> Vec<Name> {
    if table.primary_key.is_empty() || !table.without_rowid && table.rowid_alias().is_none() {
        vec![Name::new("rowid")]
    } else {
        table.primary_key.clone()
    }
}

fn list(columns: &[Name]) -> String {
    let names: Vec<String> = columns
        .iter()
        .map(|name| {
            if *name == "rowid" {
                ROWID.to_owned()
            } else {
                name.quoted()
            }
        })
        .collect();
    names.join(", ")
}

/// `table.key = aside.key`.
fn pair(key: &Name, table: &str, aside: &str) -> String {
    if *key == "rowid" {
        format!("{aside}.kept_rowid = {table}.rowid")
    } else {
        let key = key.quoted();
        format!("{aside}.{key} = {table}.{key}")
    }
}

fn free_name(schema: &Schema, wanted: &str) -> Name {
    let numbered = (2..).map(|number| Name::new(&format!("{wanted}_{number}")));
    let mut names = std::iter::once(Name::new(wanted)).chain(numbered);
    let is_free =
        |name: &Name| !schema.tables.contains_key(name) && !schema.views.contains_key(name);
    names.find(is_free).unwrap_or_else(|| Name::new(wanted))
}

/// Whether a file with other text in a place applies with rows in its tables, keeps them when the table is dropped, and makes the schema that it made.
fn holds(subject: &Subject, span: &Span, with: &str, table: &Name) -> bool {
    let tried = || -> Option<bool> {
        let file = subject.source.file(span.file)?;
        let mut text = file.text.to_string();
        text.replace_range(span.range(), with);
        let repaired = File {
            text: Arc::from(text),
            ..file.clone()
        };
        let again = subject.replay.again(span.file, &repaired, SEED).ok()?;
        let hurts = |effect: &Effect| dropped(&again.steps[effect.step]).as_ref() == Some(table);
        let is_kept = again.steps.iter().all(|step| step.failure.is_none())
            && again.rows.failure.is_none()
            && again.rows.unfilled.is_empty()
            && !again.rows.effects.iter().any(hurts);
        let end = subject.replay.files.get(span.file.0)?.end;
        Some(is_kept && same(&schema_before(subject, end)?, &again.schema))
    };
    tried().unwrap_or(false)
}

/// Whether two schemas have the same tables, with the same columns, references, indexes, triggers and views.
fn same(one: &Schema, other: &Schema) -> bool {
    let table = |table: &Table| {
        let mut indexes = table.indexes.clone();
        indexes.sort_by(|a, b| a.name.cmp(&b.name));
        (table.columns.clone(), table.foreign_keys.clone(), indexes)
    };
    let tables = |schema: &Schema| -> BTreeMap<Name, _> {
        let tables = schema.tables.values();
        tables.map(|it| (it.name.clone(), table(it))).collect()
    };
    one.triggers == other.triggers && one.views == other.views && tables(one) == tables(other)
}
