//! Repairs that SQLite cannot make in place: what a table's text becomes. Never decides whether something is wrong.

mod added;
mod definition;
mod rebuild;
mod statement;

use super::new_index;
use crate::catalog::{Action, Column, ForeignKey, IndexOrigin, Name, Table};
use crate::finding::{Edit, Patch};
use crate::subject::Subject;
pub(super) use added::added_column;
use definition::Definitions;
pub(crate) use rebuild::rebuild;
pub(super) use statement::{Mended, by_elements, by_rowid, inserting, leaving_null_out};
use std::ops::Range;

fn edit(table: &Table, range: Range<usize>, with: String) -> Edit {
    Edit {
        table: table.name.clone(),
        range,
        with,
        value: None,
    }
}

fn patch(
    subject: &Subject,
    edits: Vec<Edit>,
    with: Vec<String>,
    mut shown: String,
) -> Option<Patch> {
    let sql = rebuild(subject, &edits, &with)?;
    for line in &with {
        shown = format!("{shown}\n{line}");
    }
    Some(Patch::Rebuild {
        edits,
        with,
        shown,
        sql,
    })
}

/// NOT NULL for columns of a key. A row that has no text for its key gets one that is as good as any, since nothing can refer to it.
pub(super) fn not_null(subject: &Subject, table: &Table, columns: &[&Column]) -> Option<Patch> {
    let definitions = Definitions::of(&table.sql)?;
    let mut shown = Vec::new();
    let mut edits = Vec::new();
    for column in columns {
        let whole = definitions.whole(&column.name)?;
        shown.push(format!("{} NOT NULL", &table.sql[whole.clone()]));
        let mut edit = edit(table, whole.end..whole.end, " NOT NULL".to_owned());
        if table.primary_key.len() == 1 {
            let value = format!(
                "coalesce({}, lower(hex(randomblob(16))))",
                column.name.quoted()
            );
            edit.value = Some((column.name.clone(), value));
        }
        edits.push(edit);
    }
    patch(subject, edits, Vec::new(), shown.join("\n"))
}

/// INTEGER for a key that is to be the rowid; none where something goes by the rowid that it has now.
pub(super) fn integer_key(subject: &Subject, table: &Table, column: &Column) -> Option<Patch> {
    if rebuild::is_followed_by_rowid(subject, table) {
        return None;
    }
    let (edit, shown) = retyped(table, column, "INTEGER")?;
    patch(subject, vec![edit], Vec::new(), shown)
}

/// TEXT for a column, and for those on the other side of its references that have the same type.
pub(super) fn text(subject: &Subject, table: &Table, column: &Column) -> Option<Patch> {
    let mut done = vec![(table, column)];
    let mut next = 0;
    while let Some((table, column)) = done.get(next).copied() {
        next += 1;
        for other in linked(subject, table, column) {
            let is_same = other
                .1
                .declared_type
                .eq_ignore_ascii_case(&column.declared_type);
            let is_done = done
                .iter()
                .any(|one| one.0.name == other.0.name && one.1.name == other.1.name);
            if is_same && !is_done {
                done.push(other);
            }
        }
    }
    let changed: Option<Vec<(Edit, String)>> = done
        .into_iter()
        .map(|(table, column)| retyped(table, column, "TEXT"))
        .collect();
    let (edits, shown): (Vec<Edit>, Vec<String>) = changed?.into_iter().unzip();
    patch(subject, edits, Vec::new(), shown.join("\n"))
}

fn retyped(table: &Table, column: &Column, wanted: &str) -> Option<(Edit, String)> {
    let definitions = Definitions::of(&table.sql)?;
    let old = definitions.type_of(&column.name)?;
    let whole = definitions.whole(&column.name)?;
    let shown = format!(
        "{}{wanted}{}",
        &table.sql[whole.start..old.start],
        &table.sql[old.end..whole.end]
    );
    Some((edit(table, old, wanted.to_owned()), shown))
}

/// The columns at the other ends of the references of a column.
fn linked<'s>(
    subject: &'s Subject,
    table: &'s Table,
    column: &'s Column,
) -> Vec<(&'s Table, &'s Column)> {
    let mut found = Vec::new();
    for key in &table.foreign_keys {
        let parent = subject.schema().tables.get(&key.parent);
        let place = key.columns.iter().position(|name| *name == column.name);
        if let (Some(parent), Some(place)) = (parent, place) {
            let name = key.parent_columns.get(place);
            found.extend(name.and_then(|name| Some((parent, parent.column(name)?))));
        }
    }
    for (child, key) in subject.children(&table.name) {
        let place = key
            .parent_columns
            .iter()
            .position(|name| *name == column.name);
        if let Some(name) = place.and_then(|place| key.columns.get(place)) {
            found.extend(child.column(name).map(|own| (child, own)));
        }
    }
    found
}

/// A CHECK that a column holds one of some words.
pub(super) fn one_of(
    subject: &Subject,
    table: &Table,
    column: &Column,
    words: &[String],
) -> Option<Patch> {
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', "''")))
        .collect();
    let check = format!(
        " CHECK ({} IN ({}))",
        column.name.quoted(),
        words.join(", ")
    );
    let definitions = Definitions::of(&table.sql)?;
    let whole = definitions.whole(&column.name)?;
    let shown = format!("{}{check}", &table.sql[whole.clone()]);
    patch(
        subject,
        vec![edit(table, whole.end..whole.end, check)],
        Vec::new(),
        shown,
    )
}

/// The comments on the lines above a column's own line, if the column stands at its head.
pub(super) fn comment_above(table: &Table, column: &Column) -> Option<String> {
    // Most tables have no comment at all, and taking a statement apart costs more than looking for one.
    if !table.sql.contains("--") {
        return None;
    }
    let whole = Definitions::of(&table.sql)?.whole(&column.name)?;
    let mut lines = table.sql[..whole.start]
        .lines()
        .rev()
        .map(str::trim)
        .peekable();
    if !table.sql[..whole.start].ends_with('\n') {
        lines.next().filter(|own| own.is_empty())?;
    }
    let above: Vec<&str> = lines.take_while(|line| line.starts_with("--")).collect();
    (!above.is_empty()).then(|| above.join(" "))
}

/// The comment behind the definition of a column, up to the end of its line.
pub(super) fn comment_of<'t>(table: &'t Table, column: &Column) -> Option<&'t str> {
    // Most tables have no comment at all, and taking a statement apart costs more than looking for one.
    if !["--", "/*"].iter().any(|start| table.sql.contains(start)) {
        return None;
    }
    let whole = Definitions::of(&table.sql)?.whole(&column.name)?;
    let line = table.sql[whole.end..].lines().next()?;
    let comment = line.trim_start_matches([' ', '\t', ',', ')']);
    let comment = comment
        .strip_prefix("--")
        .or_else(|| comment.strip_prefix("/*")?.split("*/").next())?;
    Some(comment.trim())
}

/// The column that a misspelt name in a CHECK means, or a text in single quotes. Where the CHECK has to have a column, no text will do.
pub(super) fn named_in_check(
    subject: &Subject,
    table: &Table,
    quoted: &str,
    is_column: bool,
) -> Option<Patch> {
    let range = Definitions::of(&table.sql)?.quoted_in_check(quoted)?;
    let with = match nearest(table, quoted) {
        Some(column) => column.name.quoted(),
        None if is_column => return None,
        None => format!("'{}'", quoted.replace('\'', "''")),
    };
    let shown = format!("{with} for \"{quoted}\"");
    patch(
        subject,
        vec![edit(table, range, with)],
        Vec::new(),
        format!("-- {shown}"),
    )
}

/// The only column whose name is but a slip away.
fn nearest<'t>(table: &'t Table, name: &str) -> Option<&'t Column> {
    let close = |column: &&Column| {
        let longest = column.name.as_str().len().max(name.len());
        slips(column.name.as_str(), name) <= (longest / 4).clamp(1, 2)
    };
    let mut close = table.columns.iter().filter(close);
    let first = close.next()?;
    close.next().is_none().then_some(first)
}

/// How many letters have to be added, left out, changed or swapped with their neighbour, whatever their case.
fn slips(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.to_lowercase().chars().collect();
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for (at, letter) in one.iter().enumerate() {
        let mut row = vec![at + 1];
        for (place, wanted) in other.iter().enumerate() {
            let changed = rows[at][place] + usize::from(letter != wanted);
            let mut least = changed.min(rows[at][place + 1] + 1).min(row[place] + 1);
            let is_swapped =
                at > 0 && place > 0 && one[at - 1] == *wanted && other[place - 1] == *letter;
            if is_swapped {
                least = least.min(rows[at - 1][place - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

/// References that follow a table which was renamed away, pointed at the one that took its place.
pub(super) fn other_parent(
    subject: &Subject,
    table: &Table,
    gone: &Name,
    there: &Name,
) -> Option<Patch> {
    let places = Definitions::of(&table.sql)?.parents(gone);
    let edits: Vec<Edit> = places
        .into_iter()
        .map(|range| edit(table, range, there.quoted()))
        .collect();
    let shown = format!("-- REFERENCES {} in `{}`", there.quoted(), table.name);
    (!edits.is_empty()).then(|| patch(subject, edits, Vec::new(), shown))?
}

/// A reference of one column that holds the tenant as well, with the indexes that it needs.
pub(super) fn with_tenant(
    subject: &Subject,
    table: &Table,
    key: &ForeignKey,
    parent: &Table,
    tenant: &Name,
) -> Option<Patch> {
    let ([own], [of_parent]) = (key.columns.as_slice(), key.parent_columns.as_slice()) else {
        return None;
    };
    let definitions = Definitions::of(&table.sql)?;
    let (sql, both) = (&table.sql, format!("{}, ", tenant.quoted()));
    let heads = format!(
        "FOREIGN KEY ({both}{}) REFERENCES {} ({both}{})",
        own.quoted(),
        parent.name.quoted(),
        of_parent.quoted()
    );
    let end = definitions.end()?;
    let add = |reference: &str| edit(table, end..end, format!(",\n  {reference}"));
    let (edits, shown) = if matches!(key.on_delete, Action::SetNull | Action::SetDefault) {
        // The action would overwrite the tenant as well: it stays with the reference of one column.
        let reference = format!("{heads} ON DELETE NO ACTION");
        (vec![add(&reference)], reference)
    } else if let Some((whole, tail)) = definitions.reference_of(own) {
        let reference = format!("{heads}{}", &sql[tail]);
        let start = sql[..whole.start].trim_end().len();
        let gone = edit(table, start..whole.end, String::new());
        (vec![gone, add(&reference)], reference)
    } else {
        let (list, parents) = definitions.reference_by(&key.columns)?;
        let before = edit(table, list.start..list.start, both.clone());
        let list = if parents.is_empty() {
            format!(" ({both}{})", of_parent.quoted())
        } else {
            both.clone()
        };
        let behind = edit(table, parents.start..parents.start, list);
        (vec![before, behind], heads)
    };
    let mut with = Vec::new();
    let pair = |table: &Table, name: &Name| {
        let is_alone = table.indexes.iter().any(|index| {
            index.columns.len() == 1 && index.columns[0].name.as_ref() == Some(tenant)
        });
        if is_alone {
            [name.clone(), tenant.clone()]
        } else {
            [tenant.clone(), name.clone()]
        }
    };
    if !parent.is_unique(&[tenant.clone(), of_parent.clone()]) {
        with.push(new_index(subject, parent, &pair(parent, of_parent), true));
    }
    if table.index_on(&[tenant.clone(), own.clone()]).is_none() {
        let columns = pair(table, own);
        // The longer index does the work of one on the first column alone.
        let covered = table.indexes.iter().filter(|index| {
            index.origin == IndexOrigin::Created
                && !index.unique
                && index.condition.is_none()
                && index.columns.len() == 1
                && index.columns[0].name.as_ref() == Some(&columns[0])
        });
        with.push(new_index(subject, table, &columns, false));
        with.extend(covered.map(|index| format!("DROP INDEX {};", index.name.quoted())));
    }
    patch(subject, edits, with, shown)
}

#[cfg(test)]
mod tests;
