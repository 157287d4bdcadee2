//! The migration that makes tables anew: every row, index and trigger is kept, those of the children as well. Never runs anything.

use crate::catalog::{Action, Name, Table};
use crate::finding::Edit;
use crate::rule::trial::list;
use crate::subject::Subject;
use crate::text::{find_word, literal};
use rusqlite::types::ValueRef;
use std::collections::{BTreeMap, BTreeSet};

/// The rowid in a copy.
const ROWID: &str = "\"moltproof_rowid\"";

/// What is done to a database.
struct Rebuild<'s> {
    subject: &'s Subject,
    /// The tables that are made anew, parents first, with their new text.
    anew: Vec<(&'s Table, String)>,
    /// Children that D1 would empty, the nearest first.
    emptied: Vec<&'s Table>,
    /// Children whose references D1 would overwrite, with the columns.
    overwritten: Vec<(&'s Table, Vec<Name>)>,
    values: Vec<(&'s Name, &'s (Name, String))>,
}

/// The statements that change tables in these places, and `with` what their rows need; none if a place is not there.
pub(crate) fn rebuild(subject: &Subject, edits: &[Edit], with: &[String]) -> Option<String> {
    let schema = subject.schema();
    let mut texts: BTreeMap<&Name, Vec<&Edit>> = BTreeMap::new();
    for edit in edits {
        texts.entry(&edit.table).or_default().push(edit);
    }
    let mut anew = Vec::new();
    for (name, edits) in texts {
        let table = schema
            .tables
            .get(name)
            .filter(|table| table.is_ordinary())?;
        anew.push((table, edited(&table.sql, edits)?));
    }
    let anew = parents_first(anew);
    let (emptied, overwritten) = hit(subject, &anew);
    let values = edits
        .iter()
        .filter_map(|edit| Some((&edit.table, edit.value.as_ref()?)));
    let rebuild = Rebuild {
        subject,
        anew,
        emptied,
        overwritten,
        values: values.collect(),
    };
    Some(rebuild.statements(with))
}

/// A text with other pieces in some places; the same change twice counts once, and of two that overlap the first.
fn edited(sql: &str, mut edits: Vec<&Edit>) -> Option<String> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut text = String::new();
    let mut from = 0;
    let mut done: Vec<&Edit> = Vec::new();
    for edit in edits {
        let is_done = done
            .iter()
            .any(|other| other.range == edit.range && other.with == edit.with);
        if is_done || edit.range.start < from {
            continue;
        }
        text.push_str(sql.get(from..edit.range.start)?);
        text.push_str(&edit.with);
        from = edit.range.end;
        done.push(edit);
    }
    text.push_str(sql.get(from..)?);
    Some(text)
}

fn parents_first(mut left: Vec<(&Table, String)>) -> Vec<(&Table, String)> {
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let free = left.iter().position(|(table, _)| {
            let mut keys = table.foreign_keys.iter();
            keys.all(|key| {
                key.parent == table.name || left.iter().all(|(other, _)| other.name != key.parent)
            })
        });
        // In a circle any may be the first: the references are checked at the end.
        ordered.push(left.remove(free.unwrap_or(0)));
    }
    ordered
}

type Hit<'s> = (Vec<&'s Table>, Vec<(&'s Table, Vec<Name>)>);

/// The children that lose rows or references when tables are dropped.
fn hit<'s>(subject: &'s Subject, anew: &[(&'s Table, String)]) -> Hit<'s> {
    let mut gone: Vec<&Table> = anew.iter().map(|(table, _)| *table).collect();
    let mut overwritten: BTreeMap<&Name, (&Table, BTreeSet<&Name>)> = BTreeMap::new();
    let mut next = 0;
    while let Some(parent) = gone.get(next).copied() {
        next += 1;
        for (child, key) in subject.children(&parent.name) {
            let is_gone = gone.iter().any(|table| table.name == child.name);
            match key.on_delete {
                Action::Cascade if !is_gone => gone.push(child),
                Action::SetNull | Action::SetDefault => {
                    let (_, columns) = overwritten
                        .entry(&child.name)
                        .or_insert_with(|| (child, BTreeSet::new()));
                    columns.extend(&key.columns);
                }
                Action::Cascade | Action::NoAction | Action::Restrict => {}
            }
        }
    }
    let is_gone = |name: &Name| gone.iter().any(|table| table.name == *name);
    let overwritten = overwritten.into_values();
    let overwritten = overwritten
        .filter(|(table, _)| !is_gone(&table.name))
        .map(|(table, columns)| (table, columns.into_iter().cloned().collect()));
    let overwritten = overwritten.collect();
    (gone.split_off(anew.len()), overwritten)
}

impl Rebuild<'_> {
    fn statements(&self, with: &[String]) -> String {
        let mut lines = vec!["PRAGMA defer_foreign_keys = ON".to_owned()];
        self.out(&mut lines);
        self.anew(with, &mut lines);
        self.in_again(&mut lines);
        // SQLite keeps a comment before the semicolon as part of an index's text.
        let end = |line: String| {
            let last = line.lines().next_back().unwrap_or_default();
            let end = if last.contains("--") { "\n;" } else { ";" };
            line + end
        };
        let lines: Vec<String> = lines.into_iter().map(end).collect();
        lines.join("\n")
    }

    /// The tables that are made anew.
    fn own(&self) -> impl Iterator<Item = &Table> {
        self.anew.iter().map(|(table, _)| *table)
    }

    /// Those that lose rows or references meanwhile.
    fn children(&self) -> impl Iterator<Item = &Table> {
        let overwritten = self.overwritten.iter().map(|(table, _)| *table);
        self.emptied.iter().copied().chain(overwritten)
    }

    /// Copies, and the way free for what is dropped.
    fn out(&self, lines: &mut Vec<String>) {
        for table in self.own().chain(self.emptied.iter().copied()) {
            lines.push(self.copy(table, &columns(table)));
        }
        for (table, columns) in &self.overwritten {
            let mut all = key_columns(table);
            let others = columns.iter().filter(|name| !all.contains(name));
            let others: Vec<Name> = others.cloned().collect();
            all.extend(others);
            lines.push(self.copy(table, &all));
        }
        for table in self.own().filter(|table| table.autoincrement) {
            lines.push(format!(
                "CREATE TABLE {} AS SELECT name, seq FROM sqlite_sequence WHERE name = {}",
                self.free(&table.name, "_sequence").quoted(),
                literal(ValueRef::Text(table.name.as_str().as_bytes()))
            ));
        }
        for trigger in self
            .children()
            .flat_map(|table| self.subject.triggers(&table.name))
        {
            lines.push(format!("DROP TRIGGER {}", trigger.name.quoted()));
        }
        for table in self.emptied.iter().rev() {
            lines.push(format!("DELETE FROM {}", table.name.quoted()));
        }
    }

    /// The new tables in the place of the old ones.
    fn anew(&self, with: &[String], lines: &mut Vec<String>) {
        for (table, _) in self.anew.iter().rev() {
            lines.push(format!("DROP TABLE {}", table.name.quoted()));
        }
        for (table, sql) in &self.anew {
            lines.push(sql.clone());
            let indexes = table.indexes.iter();
            let made = indexes.filter_map(|index| index.sql.as_deref());
            lines.extend(made.map(str::to_owned));
        }
        let with = with.iter().map(|line| line.trim_end_matches(';'));
        lines.extend(with.map(str::to_owned));
    }

    /// Rows, references and triggers as they were.
    fn in_again(&self, lines: &mut Vec<String>) {
        for table in self.own().chain(self.emptied.iter().copied()) {
            lines.push(self.back(table));
        }
        for (table, columns) in &self.overwritten {
            lines.push(self.restored(table, columns));
        }
        for table in self.own().filter(|table| table.autoincrement) {
            let copy = self.free(&table.name, "_sequence").quoted();
            let name = literal(ValueRef::Text(table.name.as_str().as_bytes()));
            lines.push(format!("DELETE FROM sqlite_sequence WHERE name = {name}"));
            lines.push(format!(
                "INSERT INTO sqlite_sequence (name, seq) SELECT name, seq FROM {copy}"
            ));
            lines.push(format!("DROP TABLE {copy}"));
        }
        for table in self.own().chain(self.children()) {
            let copy = self.free(&table.name, "_kept");
            lines.push(format!("DROP TABLE {}", copy.quoted()));
        }
        let all = self.own().chain(self.children());
        for trigger in all.flat_map(|table| self.subject.triggers(&table.name)) {
            lines.push(trigger.sql.to_string());
        }
    }

    /// A name that nothing has yet.
    fn free(&self, table: &Name, ending: &str) -> Name {
        let schema = self.subject.schema();
        let numbered = (2..).map(|number| format!("{table}{ending}_{number}"));
        let mut names = std::iter::once(format!("{table}{ending}")).chain(numbered);
        let found = names.find(|name| {
            let name = Name::new(name);
            !schema.tables.contains_key(&name) && !schema.views.contains_key(&name)
        });
        Name::new(&found.unwrap_or_default())
    }

    /// Whether the rowid is more than an accident: a full-text index or a trigger goes by it.
    fn keeps_rowid(&self, table: &Table) -> bool {
        has_hidden_rowid(table)
            && (is_followed_by_rowid(self.subject, table)
                || self
                    .overwritten
                    .iter()
                    .any(|(other, _)| other.name == table.name))
    }

    fn copy(&self, table: &Table, columns: &[Name]) -> String {
        let rowid = if self.keeps_rowid(table) {
            format!("rowid AS {ROWID}, ")
        } else {
            String::new()
        };
        format!(
            "CREATE TABLE {} AS SELECT {rowid}{} FROM {}",
            self.free(&table.name, "_kept").quoted(),
            list(columns),
            table.name.quoted()
        )
    }

    fn back(&self, table: &Table) -> String {
        let columns = columns(table);
        let (into, from) = if self.keeps_rowid(table) {
            ("rowid, ".to_owned(), format!("{ROWID}, "))
        } else {
            (String::new(), String::new())
        };
        let values: Vec<String> = columns
            .iter()
            .map(|column| {
                let mut given = self.values.iter();
                let given = given.find(|(name, (one, _))| **name == table.name && one == column);
                given.map_or_else(|| column.quoted(), |(_, (_, value))| value.clone())
            })
            .collect();
        format!(
            "INSERT INTO {} ({into}{}) SELECT {from}{} FROM {}",
            table.name.quoted(),
            list(&columns),
            values.join(", "),
            self.free(&table.name, "_kept").quoted()
        )
    }

    /// References as they were.
    fn restored(&self, table: &Table, columns: &[Name]) -> String {
        let set: Vec<String> = columns
            .iter()
            .map(|column| format!("{0} = kept.{0}", column.quoted()))
            .collect();
        let own = table.name.quoted();
        let same: Vec<String> = if has_hidden_rowid(table) {
            vec![format!("kept.{ROWID} = {own}.rowid")]
        } else {
            let keys = key_columns(table).into_iter();
            keys.map(|key| format!("kept.{0} = {own}.{0}", key.quoted()))
                .collect()
        };
        format!(
            "UPDATE {own} SET {} FROM {} AS kept WHERE {}",
            set.join(", "),
            self.free(&table.name, "_kept").quoted(),
            same.join(" AND ")
        )
    }
}

/// The columns that can be written.
fn columns(table: &Table) -> Vec<Name> {
    let stored = table.columns.iter();
    let stored = stored.filter(|column| column.generated.is_none());
    stored.map(|column| column.name.clone()).collect()
}

/// The columns by which a row is found again; none where that is the rowid.
fn key_columns(table: &Table) -> Vec<Name> {
    if has_hidden_rowid(table) {
        Vec::new()
    } else {
        table.primary_key.clone()
    }
}

/// Whether rows have a rowid that no column shows.
fn has_hidden_rowid(table: &Table) -> bool {
    !table.without_rowid
        && table.rowid_alias().is_none()
        && table.columns.iter().all(|column| column.name != "rowid")
}

/// Whether a full-text index or a trigger goes by the rowid of a table.
pub(super) fn is_followed_by_rowid(subject: &Subject, table: &Table) -> bool {
    let mut indexes = subject.virtual_tables();
    let mut triggers = subject.triggers(&table.name);
    indexes.any(|index| find_word(&index.sql, table.name.as_str(), 0).is_some())
        || triggers.any(|trigger| find_word(&trigger.sql, "rowid", 0).is_some())
}
