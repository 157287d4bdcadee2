//! MIG-06: copies into a rebuilt table that choose rows by a condition which the rows that were made up happen to meet, or turn texts into numbers.
//! Never judges a condition that asks other tables: whether it leaves rows out is seen on the copy.

use super::copies::HELP;
use super::left_behind::Rebuilt;
use super::{name_of, object_of};
use crate::catalog::{Affinity, Column, Name, Table};
use crate::engine::Deed;
use crate::finding::{Finding, Level};
use crate::replay::{EffectKind, Step};
use crate::subject::Subject;
use crate::text::{FileId, find_word};
use crate::tree::{Kind, Node, Tree};

/// A copy with a condition, the only one of its table, where no statement before says what becomes of the other rows.
pub(super) fn by_condition(
    subject: &Subject,
    file: FileId,
    rebuilt: &Rebuilt<'_>,
    (step, tree): (&Step, &Tree),
) -> Option<Finding> {
    let select = tree.parts.iter().find(|part| part.kind == Kind::Select)?;
    let condition = select.part(Kind::Where)?.parts.first()?;
    let asks_others = |node: &&Node| {
        matches!(
            node.kind,
            Kind::InQuery | Kind::Exists | Kind::Select | Kind::Call
        ) && !(node.kind == Kind::Call && is_of_one_value(&node.text))
    };
    let is_one_table = select.part(Kind::From)?.parts.len() == 1;
    let mut terms = condition.chain("AND").into_iter();
    let chooses = terms.any(|term| may_be_false(&rebuilt.old, term));
    let columns: Vec<&str> = condition
        .all()
        .into_iter()
        .filter_map(Node::column)
        .collect();
    if !is_one_table
        || !chooses
        || condition.all().iter().any(asks_others)
        || is_seen(subject, file, &rebuilt.name)
        || is_said_before(subject, file, rebuilt, &columns)
    {
        return None;
    }
    let message = format!(
        "`{}` makes `{}` anew, but copies only the rows that its condition selects",
        name_of(subject, file),
        rebuilt.name
    );
    let object = format!("{}: table {}", object_of(subject, file), rebuilt.name);
    Some(
        Finding::new("MIG-06", Level::Warning, object, message)
            .at(
                Some(step.statement.span.clone()),
                "WHERE leaves the others out",
            )
            .help(HELP),
    )
}

/// Functions whose value hangs on nothing but the row.
fn is_of_one_value(name: &str) -> bool {
    [
        "length",
        "lower",
        "upper",
        "trim",
        "ltrim",
        "rtrim",
        "substr",
        "instr",
        "coalesce",
        "ifnull",
        "nullif",
        "abs",
        "typeof",
        "date",
        "datetime",
        "unixepoch",
        "strftime",
    ]
    .contains(&name)
}

/// Whether a term reads a column and is more than a question for NULL that the column answers itself.
fn may_be_false(table: &Table, term: &Node) -> bool {
    let column = |node: &Node| {
        node.column()
            .and_then(|name| table.column(&Name::new(name)))
    };
    let term = term.bare();
    let is_null = |part: &Node| part.kind == Kind::Constant && part.text == "NULL";
    let asks_for_null = term.kind == Kind::NotNull
        || term.kind == Kind::Binary && term.text == "IS NOT" && term.parts.iter().any(is_null);
    if asks_for_null {
        let of = term.parts.first().and_then(column);
        return of.is_some_and(|of| table.is_nullable(of));
    }
    term.all().into_iter().any(|node| column(node).is_some())
}

/// Whether rows were seen to go, which is told by their number.
fn is_seen(subject: &Subject, file: FileId, table: &Name) -> bool {
    let rows = subject.replay.with_rows.get(file.0);
    rows.and_then(Option::as_ref).is_some_and(|rows| {
        rows.effects.iter().any(|effect| {
            effect.table == *table && matches!(effect.kind, EffectKind::RowsGone { .. })
        })
    })
}

/// Whether a statement before the drop deletes rows of the table, copies it once more, or changes what the condition reads.
fn is_said_before(
    subject: &Subject,
    file: FileId,
    rebuilt: &Rebuilt<'_>,
    columns: &[&str],
) -> bool {
    let steps = subject.replay.steps_of(file);
    let before = steps.take_while(|(place, _)| *place < rebuilt.place);
    let mut copies = 0;
    for (_, step) in before {
        let is_own = |table: &str| rebuilt.name == *table;
        for deed in &step.deeds {
            let deletes = matches!(deed, Deed::Delete(table, None) if is_own(table));
            let changes = matches!(deed, Deed::Update(table, column, None)
                if is_own(table) && columns.iter().any(|name| column.eq_ignore_ascii_case(name)));
            let says = deletes || changes;
            if says {
                return true;
            }
        }
        let reads = |deed: &Deed| matches!(deed, Deed::Read(table, _) if is_own(table));
        let fills = |deed: &Deed| matches!(deed, Deed::Insert(table, _) if !is_own(table));
        let makes = |deed: &Deed| matches!(deed, Deed::CreateTable(_));
        let is_copy = step.deeds.iter().any(reads)
            && (step.deeds.iter().any(fills) || step.deeds.iter().any(makes));
        copies += usize::from(is_copy && find_word(&step.statement.sql, "select", 0).is_some());
    }
    copies > 1
}

/// A copy that puts the texts of a column into one that makes numbers of them.
pub(super) fn made_numbers(
    subject: &Subject,
    file: FileId,
    rebuilt: &Rebuilt<'_>,
    step: &Step,
    pairs: &[(Name, Name)],
) -> Option<Finding> {
    let (column, into) = pairs.iter().find_map(|(from, into)| {
        let old = rebuilt.old.column(from)?;
        let new = rebuilt.new.column(into)?;
        is_converted(rebuilt, old, new).then_some((old, new))
    })?;
    let message = format!(
        "`{}` copies the texts of `{}.{}` into a column of type {}: '007' comes back as 7, and a text that is no number stays a text",
        name_of(subject, file),
        rebuilt.name,
        column.name,
        into.declared_type
    );
    let object = format!(
        "{}: table {}, column {}",
        object_of(subject, file),
        rebuilt.name,
        column.name
    );
    Some(
        Finding::new("MIG-06", Level::Warning, object, message)
            .at(
                Some(step.statement.span.clone()),
                "the texts become numbers",
            )
            .help(format!(
                "keep the column TEXT, or write CAST({} AS {}) in the copy to say that it is meant",
                column.name, into.declared_type
            )),
    )
}

/// Whether a text may lose its form in the new column: it is free to hold any, and is nobody's key.
fn is_converted(rebuilt: &Rebuilt<'_>, old: &Column, new: &Column) -> bool {
    let refers = |table: &Table, name: &Name| {
        let mut keys = table.foreign_keys.iter();
        keys.any(|key| key.columns.contains(name))
    };
    let is_checked = find_word(&rebuilt.old.sql, "check", 0)
        .is_some_and(|word| find_word(&rebuilt.old.sql, old.name.as_str(), word.end).is_some());
    let alias = rebuilt.new.rowid_alias();
    let declared = new.declared_type.to_ascii_lowercase();
    // Types that nobody takes for a number, whatever SQLite makes of them.
    let is_meant = ["json", "date", "time"]
        .iter()
        .any(|word| declared.contains(word));
    !is_meant
        && old.affinity() == Affinity::Text
        && matches!(
            new.affinity(),
            Affinity::Integer | Affinity::Real | Affinity::Numeric
        )
        && old.generated.is_none()
        && !is_checked
        && alias.is_none_or(|alias| alias.name != new.name)
        && !refers(&rebuilt.old, &old.name)
        && !refers(&rebuilt.new, &new.name)
}
