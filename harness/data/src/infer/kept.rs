//! How values are kept: times, marks of deleted rows, JSON. Never reads a row.

use super::{guess, quoted};
use crate::catalog::{Affinity, Schema, Table};
use crate::text::normal;
use std::fmt::Write as _;

/// Endings of the names of times.
const TIMES: [&str; 5] = [
    "created_at",
    "updated_at",
    "createdat",
    "updatedat",
    "created",
];

/// The format of times, by the first column that tells it.
pub(super) fn time(text: &mut String, schema: &Schema) {
    let tables = schema.tables.values().filter(|table| table.is_ordinary());
    let columns = tables.flat_map(|table| table.columns.iter().map(move |column| (table, column)));
    for (table, column) in columns {
        let name = column.name.as_str().to_ascii_lowercase();
        if !TIMES.contains(&name.as_str()) {
            continue;
        }
        let default = column.default.as_deref().map_or_else(String::new, normal);
        let is_number = matches!(
            column.affinity(),
            Affinity::Integer | Affinity::Numeric | Affinity::Real
        );
        let format = if default.contains("1000") {
            "epoch-ms"
        } else if default.contains("unixepoch") || default.contains("'%s'") {
            "epoch-s"
        } else if default.contains("current_timestamp")
            || default.contains("datetime")
            || !is_number
        {
            "iso"
        } else {
            // A number without a default says nothing of its unit.
            continue;
        };
        let of = format!("{}.{}", table.name, column.name);
        let why = match &column.default {
            Some(default) => format!("the default of {of}: {default}"),
            None => format!("the type of {of}"),
        };
        guess(text, &why, "time", format);
        return;
    }
}

/// Columns that mark a row as deleted.
pub(super) fn soft_delete(text: &mut String, table: &Table) {
    for column in &table.columns {
        let name = column.name.as_str().to_ascii_lowercase().replace('_', "");
        let active = match name.as_str() {
            "deletedat" | "deletedon" if table.is_nullable(column) => None,
            "isdeleted" | "deleted" => Some(format!("{} = 0", column.name.quoted())),
            _ => continue,
        };
        let _infallible = write!(
            text,
            "\n# the name of the column\n[[data.soft_delete]]\ntable = {}\ncolumn = {}\n",
            quoted(table.name.as_str()),
            quoted(column.name.as_str())
        );
        if let Some(active) = active {
            let _infallible = writeln!(text, "active = {}", quoted(&active));
        }
    }
}

/// Columns that hold JSON.
pub(super) fn json(text: &mut String, table: &Table) {
    let sql = normal(&table.sql);
    for column in &table.columns {
        let name = column.name.as_str().to_ascii_lowercase();
        let default = column.default.as_deref().unwrap_or_default();
        let why = if sql.contains(&format!("json_valid ( {name} )")) {
            "its CHECK with json_valid"
        } else if column
            .declared_type
            .to_ascii_uppercase()
            .starts_with("JSON")
        {
            "its type"
        } else if default == "'[]'" || default == "'{}'" {
            "its default"
        } else {
            continue;
        };
        let shape = match default {
            "'[]'" => "array",
            "'{}'" => "object",
            _ => "any",
        };
        let _infallible = write!(
            text,
            "\n# {why}\n[[data.json]]\ntable = {}\ncolumn = {}\nshape = \"{shape}\"\n",
            quoted(table.name.as_str()),
            quoted(column.name.as_str())
        );
    }
}
