//! TYP-07: defaults that are the word null as a text. Never judges columns that hold JSON, where the word is a value.

use super::defaults::written_out;
use crate::catalog::{Affinity, Column, Table};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::{jsn, object_of_column, trial};
use crate::subject::Subject;

pub(in crate::rule) fn as_texts(subject: &Subject, findings: &mut Vec<Finding>) {
    let tables = subject.schema().tables.values();
    for table in tables.filter(|table| table.is_ordinary()) {
        for column in &table.columns {
            let text = column.default.as_deref().and_then(written_out);
            let Some(text) = text.filter(|text| text.eq_ignore_ascii_case("null")) else {
                continue;
            };
            let is_text = column.affinity() == Affinity::Text;
            let is_json =
                jsn::is_json(subject, table, column) || jsn::is_checked(subject, table, column);
            if is_text && is_json {
                continue;
            }
            findings.push(finding(subject, table, column, &text));
        }
    }
}

fn finding(subject: &Subject, table: &Table, column: &Column, text: &str) -> Finding {
    let name = format!("`{}.{}`", table.name, column.name);
    let parent = table.foreign_keys.iter().find(|key| {
        let columns = key.columns.as_slice();
        columns.len() == 1 && columns[0] == column.name
    });
    let message = match parent {
        Some(key) => format!(
            "an INSERT that leaves {name} out is refused: its default is the text '{text}', and no row of `{}` has that key",
            key.parent
        ),
        None => format!(
            "each row that leaves {name} out holds the text '{text}' and not NULL, so IS NULL does not find it"
        ),
    };
    Finding::new("TYP-07", Level::Warning, object_of_column(table, column), message)
        .at(
            subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()),
            "a text, not NULL",
        )
        .help("leave the default out: a column without one holds NULL; rows that are there are mended by an UPDATE")
        .proof(trial::answering(vec![
            trial::sketch(table, &[&column.name], &[], &[]),
            format!("INSERT INTO {} DEFAULT VALUES;", table.name.quoted()),
            format!(
                "SELECT {} IS NULL FROM {};",
                column.name.quoted(),
                table.name.quoted()
            ),
        ]))
}
