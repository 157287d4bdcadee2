//! TYP-02, TYP-03, TYP-06: times that are kept in more than one form. Never decides which form is the right one.

use crate::catalog::{Affinity, Column, Table};
use crate::claims::TimeFormat;
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::object_of_column;
use crate::rule::words::is_time;
use crate::subject::Subject;
use crate::text::find_word;

/// How a column keeps times, as far as its type tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Number,
    Text,
}

fn form(column: &Column) -> Option<Form> {
    let default = column
        .default
        .as_deref()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let writes_text = default.contains("current_timestamp")
        || default.contains("datetime(")
        || default.contains("strftime('%y");
    let writes_number = default.contains("unixepoch") || default.contains("'%s'");
    match column.affinity() {
        Affinity::Integer | Affinity::Real => Some(Form::Number),
        Affinity::Text => Some(Form::Text),
        Affinity::Numeric if writes_text => Some(Form::Text),
        Affinity::Numeric if writes_number => Some(Form::Number),
        Affinity::Numeric | Affinity::Blob => None,
    }
}

fn times(table: &Table) -> impl Iterator<Item = &Column> {
    let columns = table.columns.iter();
    columns.filter(|column| is_time(column.name.as_str()) && column.generated.is_none())
}

pub(in crate::rule) fn of_two_formats(subject: &Subject, findings: &mut Vec<Finding>) {
    let claimed = subject.claims.time.map(|time| match time {
        TimeFormat::EpochMs | TimeFormat::EpochS => Form::Number,
        TimeFormat::Iso => Form::Text,
    });
    for table in subject
        .schema()
        .tables
        .values()
        .filter(|table| table.is_ordinary())
    {
        let mut formed = times(table).filter_map(|column| Some((column, form(column)?)));
        let Some((first, usual)) = formed.next() else {
            continue;
        };
        let usual = claimed.unwrap_or(usual);
        let others = std::iter::once((first, form(first).unwrap_or(usual))).chain(formed);
        for (column, own) in others {
            if own == usual {
                continue;
            }
            let told = |form: Form| match form {
                Form::Number => "numbers",
                Form::Text => "texts",
            };
            let beside = if claimed.is_some() {
                "the `[data]` section says that times are".to_owned()
            } else {
                format!("`{}.{}` keeps", table.name, first.name)
            };
            let message = format!(
                "`{}.{}` keeps times as {}, and {beside} {}: a comparison of the two is never true, and nothing says so",
                table.name,
                column.name,
                told(own),
                told(usual)
            );
            findings.push(
                Finding::new(
                    "TYP-02",
                    Level::Warning,
                    object_of_column(table, column),
                    message,
                )
                .at(
                    subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()),
                    told(own),
                )
                .related(
                    subject
                        .site_of(ObjectKind::Table, &table.name, first.name.as_str())
                        .filter(|_| first.name != column.name),
                    told(form(first).unwrap_or(usual)),
                )
                .help("keep all times in one form"),
            );
        }
    }
}

/// Where times are declared to be of one form, the columns that take anything else: one finding for all of them.
pub(in crate::rule) fn unchecked(subject: &Subject, findings: &mut Vec<Finding>) {
    if subject.claims.time.is_none() {
        return;
    }
    let tables = subject.schema().tables.values();
    let tables = tables.filter(|table| table.is_ordinary() && !table.strict);
    let free: Vec<(&Table, &Column)> = tables
        .flat_map(|table| times(table).map(move |column| (table, column)))
        .filter(|(table, column)| !is_checked(table, column))
        .collect();
    let Some((table, first)) = free.first().copied() else {
        return;
    };
    let others = match free.len() - 1 {
        0 => " takes".to_owned(),
        1 => " and one more time column take".to_owned(),
        more => format!(" and {more} more time columns take"),
    };
    let message = format!(
        "`{}.{}`{others} any text for a time, 'yesterday' too: the table is not STRICT, and no CHECK looks at it",
        table.name, first.name
    );
    let mut finding = Finding::new(
        "TYP-06",
        Level::Info,
        object_of_column(table, first),
        message,
    )
    .at(
        subject.site_of(ObjectKind::Table, &table.name, first.name.as_str()),
        "unchecked",
    )
    .help("make the tables STRICT, or add CHECK (typeof(column) = 'integer')");
    for (table, column) in free.iter().skip(1).take(4) {
        let site = subject.site_of(ObjectKind::Table, &table.name, column.name.as_str());
        finding = finding.related(site, "unchecked as well");
    }
    findings.push(finding);
}

fn is_checked(table: &Table, column: &Column) -> bool {
    let mut from = 0;
    while let Some(word) = find_word(&table.sql, "check", from) {
        from = word.end;
        let rest = &table.sql[from..];
        let end = rest.find(',').unwrap_or(rest.len());
        if find_word(&rest[..end], column.name.as_str(), 0).is_some() {
            return true;
        }
    }
    false
}
