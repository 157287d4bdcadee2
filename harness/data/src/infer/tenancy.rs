//! Whose rows they are: the table of tenants, the key by which others name it, the table of users, and tables of nobody. Never declares a table as nobody's.

use super::{guess, quoted};
use crate::catalog::{Name, Schema, Table};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What tables of tenants are called, in the singular; the more certain ones first.
const TENANTS: [&str; 9] = [
    "tenant",
    "organization",
    "organisation",
    "org",
    "workspace",
    "company",
    "team",
    "account",
    "project",
];

/// The table of tenants and the column by which others name it.
pub(super) fn tenants(text: &mut String, schema: &Schema) -> Option<(Name, Name)> {
    let table = TENANTS.iter().find_map(|name| {
        let table = named(schema, &[name])?;
        let is_parent = schema.references_to(&table.name).next().is_some();
        (is_parent && table.primary_key.len() == 1).then_some(table)
    });
    let Some(table) = table else {
        text.push_str(
            "# No table looks like one of tenants: where one is, declare it as `tenants`;\n\
             # without it the database belongs to one owner.\n",
        );
        return None;
    };
    let mut counts: BTreeMap<Name, usize> = BTreeMap::new();
    for (_, key) in schema.references_to(&table.name) {
        let pairs = key.columns.iter().zip(&key.parent_columns);
        for (column, _) in pairs.filter(|(_, parent)| table.primary_key.contains(parent)) {
            *counts.entry(column.clone()).or_default() += 1;
        }
    }
    let (key, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    guess(
        text,
        "the name of the table, and that other tables refer to it",
        "tenants",
        table.name.as_str(),
    );
    let why = match count {
        1 => "1 reference to that table is by this column".to_owned(),
        count => format!("{count} references to that table are by this column"),
    };
    guess(text, &why, "tenant_key", key.as_str());
    Some((table.name.clone(), key))
}

/// The table of users.
pub(super) fn users(text: &mut String, schema: &Schema) {
    if let Some(users) = named(schema, &["user", "member"]) {
        guess(text, "the name of the table", "users", users.name.as_str());
    }
}

/// Tables from which no reference leads to a tenant: asked about, not declared.
pub(super) fn global(text: &mut String, schema: &Schema, tenants: &Name, key: &Name) {
    let mut owned: Vec<&Name> = vec![tenants];
    loop {
        let more: Vec<&Name> = schema
            .tables
            .values()
            .filter(|table| !owned.contains(&&table.name))
            .filter(|table| {
                table.column(key).is_some()
                    || table
                        .foreign_keys
                        .iter()
                        .any(|reference| owned.contains(&&reference.parent))
            })
            .map(|table| &table.name)
            .collect();
        if more.is_empty() {
            break;
        }
        owned.extend(more);
    }
    let strangers = schema
        .tables
        .values()
        .filter(|table| table.is_ordinary() && !owned.contains(&&table.name));
    let strangers: Vec<&str> = strangers.map(|table| table.name.as_str()).collect();
    if !strangers.is_empty() {
        text.push_str("\n# Nothing leads from these tables to a tenant. Where that is meant, take the #\n# away and say why:\n# [data.global]\n");
        for name in strangers {
            let _infallible = writeln!(text, "# {} = \"why\"", quoted(name));
        }
    }
}

/// A table by what its rows are, in the singular or plural.
fn named<'s>(schema: &'s Schema, singulars: &[&str]) -> Option<&'s Table> {
    singulars.iter().find_map(|wanted| {
        let is_it = |table: &&Table| {
            let name = table.name.as_str().to_ascii_lowercase();
            let plain = name.strip_suffix("ies").map(|stem| format!("{stem}y"));
            let plain = plain.unwrap_or_else(|| name.trim_end_matches('s').to_owned());
            table.is_ordinary() && plain == *wanted
        };
        schema.tables.values().find(is_it)
    })
}
