//! QRY-04: copies that put the name of a column into every row, because their source has no such column. Never takes a text for one that is meant: only a name that stands where the column of this name is filled.

use super::fails::{stands_for_no_column, unknown_name};
use crate::catalog::Name;
use crate::engine::{Act, Deed};
use crate::finding::{Finding, Level};
use crate::replay::{ObjectKind, Step};
use crate::rule::trial;
use crate::subject::Subject;
use crate::text::{FileId, Span, find_word};
use crate::tree::{self, Kind, Tree, Verb};

/// The copies of a file that do so, by the places of their statements.
pub(super) fn in_file(subject: &Subject, file: FileId) -> Vec<(usize, Finding)> {
    let steps = subject.replay.steps_of(file);
    steps
        .filter_map(|(place, step)| Some((place, told(subject, file, place, step)?)))
        .collect()
}

fn told(subject: &Subject, file: FileId, place: usize, step: &Step) -> Option<Finding> {
    let sql = &step.statement.sql;
    if step.failure.is_some() || !sql.contains('"') {
        return None;
    }
    let tree = tree::parse(sql).filter(|tree| tree.verb == Verb::Insert)?;
    let names = named_after_their_target(step, &tree);
    let source = source(subject, (file, place), &tree)?;
    let first = names.first()?;
    // SQLite itself says which name it does not know.
    let engine = subject.replay.before(place).ok()?;
    let unknown = unknown_name(&engine, sql)?;
    if !names.iter().any(|name| name.eq_ignore_ascii_case(&unknown)) {
        return None;
    }
    let texts: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    let into = step.deeds.iter().find_map(|deed| deed.table(Act::Insert))?;
    let file_name = subject
        .source
        .file(file)
        .map_or("", |file| file.name.as_str());
    let (text, column) = match texts.as_slice() {
        [one] => (format!("the text {one}"), "column of this name"),
        _ => (format!("the texts {}", texts.join(" and ")), "such columns"),
    };
    let message = format!(
        "`{file_name}` copies {text} into every row of `{into}`: `{source}` has no {column}, and SQLite takes an unknown name in double quotes for a text"
    );
    let object = format!("file {file_name}: table {into}, copied texts");
    let related = subject
        .replay
        .made_before(place, ObjectKind::Table, &source);
    Some(
        Finding::new("QRY-04", Level::Error, object, message)
            .at(Some(site(step, first)), "this is a text, not a column")
            .related(
                related.map(|step| step.statement.span.clone()),
                "has no such column",
            )
            .help("name the column that holds the values until now, or leave it out of both lists so that it gets its default; drizzle-kit writes such a copy where a column is renamed, or added, and its table rebuilt in one go")
            .proof(proof(step, &source, into, first)),
    )
}

/// The names in double quotes that fill the column that they name, though SQLite read no such column.
fn named_after_their_target(step: &Step, tree: &Tree) -> Vec<String> {
    let select = tree.parts.iter().find(|part| part.kind == Kind::Select);
    let Some(row) = select.and_then(|select| select.part(Kind::Columns)) else {
        return Vec::new();
    };
    if row.parts.len() != tree.columns.len() {
        return Vec::new();
    }
    let pairs = row.parts.iter().zip(&tree.columns);
    pairs
        .filter(|(value, column)| {
            let value = value.bare();
            value.kind == Kind::Quoted && value.text.eq_ignore_ascii_case(column)
        })
        .map(|(value, _)| value.bare().text.clone())
        .filter(|name| stands_for_no_column(step, tree, name))
        .collect()
}

/// The table that is copied, if it may hold rows: an earlier file made it, or the file only gave it another name.
fn source(subject: &Subject, (file, place): (FileId, usize), tree: &Tree) -> Option<Name> {
    let select = tree.parts.iter().find(|part| part.kind == Kind::Select)?;
    let from = select.part(Kind::From)?;
    let replay = &subject.replay;
    let first = replay.files.get(file.0)?.start;
    let is_older = |table: &Name| {
        let made = |place| replay.made_before(place, ObjectKind::Table, table);
        made(first).is_some()
            || made(place).is_some_and(|step| {
                let mut deeds = step.deeds.iter();
                deeds.any(|deed| deed.table(Act::Alter).is_some())
            })
    };
    let tables = from.parts.iter().filter(|part| part.kind == Kind::Table);
    tables.map(|table| Name::new(&table.text)).find(is_older)
}

/// The name behind SELECT.
fn site(step: &Step, name: &str) -> Span {
    let sql = &step.statement.sql;
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    let select = find_word(sql, "select", 0).map_or(0, |word| word.end);
    match sql[select..].find(&quoted) {
        Some(at) => step.statement.part(select + at..select + at + quoted.len()),
        None => step.statement.span.clone(),
    }
}

/// Two tables of one column in small, the copy, and what comes of it.
fn proof(step: &Step, source: &Name, into: &str, name: &str) -> Vec<String> {
    let into = Name::new(into);
    let column = Name::new(name).quoted();
    let other = if name.eq_ignore_ascii_case("id") {
        "name"
    } else {
        "id"
    };
    if !step
        .deeds
        .iter()
        .any(|deed| matches!(deed, Deed::Insert(..)))
        || into == *source
    {
        return Vec::new();
    }
    trial::answering(vec![
        format!("CREATE TABLE {} ({other});", source.quoted()),
        format!("INSERT INTO {} VALUES (1), (2);", source.quoted()),
        format!("CREATE TABLE {} ({column});", into.quoted()),
        format!(
            "INSERT INTO {} ({column}) SELECT {column} FROM {};",
            into.quoted(),
            source.quoted()
        ),
        format!("SELECT * FROM {};", into.quoted()),
    ])
}
