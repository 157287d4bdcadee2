//! TRG-02: triggers that wait for a change of columns that their table does not have. Never judges what a trigger does when it fires.

use crate::catalog::Name;
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::trial;
use crate::subject::Subject;
use crate::tree;

/// The names that every table with rowids has beside its columns.
fn is_rowid(name: &Name) -> bool {
    ["rowid", "oid", "_rowid_"].iter().any(|one| *name == **one)
}

pub(in crate::rule) fn to_their_columns(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    for trigger in schema.triggers.values() {
        let (Some(table), Some(tree)) =
            (schema.tables.get(&trigger.table), tree::parse(&trigger.sql))
        else {
            continue;
        };
        let named: Vec<Name> = tree.columns.iter().map(|name| Name::new(name)).collect();
        let (there, missing): (Vec<&Name>, Vec<&Name>) = named
            .iter()
            .partition(|name| table.column(name).is_some() || is_rowid(name));
        let Some(first) = missing.first() else {
            continue;
        };
        let list = |names: &[&Name]| {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        };
        let left = if there.is_empty() {
            "so it never fires".to_owned()
        } else {
            format!("so it fires for {} alone", list(&there))
        };
        let message = format!(
            "the trigger `{}` waits for an UPDATE of {}, and `{}` has no such column, {left}; SQLite says nothing of it",
            trigger.name,
            list(&missing),
            table.name
        );
        let columns: Vec<&Name> = table.columns.iter().map(|column| &column.name).collect();
        findings.push(
            Finding::new(
                "TRG-02",
                Level::Warning,
                format!("trigger {}", trigger.name),
                message,
            )
            .at(
                subject.site_of(ObjectKind::Trigger, &trigger.name, first.as_str()),
                "is no column of the table",
            )
            .related(
                subject.site(ObjectKind::Table, &table.name),
                "has no such column",
            )
            .help("name the columns that it is to watch, or leave OF and its list out so that it fires for each UPDATE")
            .proof(trial::answering(vec![
                trial::sketch(table, &columns, &[], &[]),
                format!("{};", trigger.sql),
                format!(
                    "SELECT count(*) FROM pragma_table_info('{}') WHERE name = '{first}';",
                    table.name.as_str().replace('\'', "''")
                ),
            ])),
        );
    }
}
