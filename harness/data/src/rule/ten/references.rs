//! TEN-02, TEN-03: how rows hang on their tenant, and on each other. Never counts triggers as a reference.

use super::{Tenancy, recognised};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::{fk, repair};
use crate::subject::Subject;

pub(in crate::rule) fn without_tenant(subject: &Subject, findings: &mut Vec<Finding>) {
    let Some(tenancy) = Tenancy::of(subject) else {
        return;
    };
    let followers = tenancy.followers();
    for table in tenancy.tables() {
        let is_tied = tenancy.key_of(table).is_some()
            || followers.contains(&table.name)
            || tenancy.outlives(table);
        if is_tied {
            continue;
        }
        let message = format!(
            "nothing ties a row of `{}` to a tenant: it has no `{}`, and refers to nothing that goes with one",
            table.name, tenancy.key
        );
        findings.push(
            Finding::new("TEN-02", Level::Warning, format!("table {}", table.name), message)
                .at(subject.site_of(ObjectKind::Table, &table.name, table.name.as_str()), "whose is it?")
                .help(format!(
                    "add `{0}` NOT NULL REFERENCES `{1}` ON DELETE CASCADE; if the table is nobody's, say so: global = {{ \"{2}\" = \"why\" }}",
                    tenancy.key, tenancy.tenants, table.name
                )),
        );
    }
}

pub(in crate::rule) fn not_composite(subject: &Subject, findings: &mut Vec<Finding>) {
    let Some(tenancy) = Tenancy::of(subject) else {
        recognised::not_composite(subject, findings);
        return;
    };
    for table in tenancy.tables() {
        if tenancy.key_of(table).is_none() || tenancy.outlives(table) {
            continue;
        }
        for key in &table.foreign_keys {
            let parent = subject.schema().tables.get(&key.parent);
            let Some(parent) = parent.filter(|parent| tenancy.key_of(parent).is_some()) else {
                continue;
            };
            // One column may stand in two references, of which one holds the tenant as well.
            let is_held = table.foreign_keys.iter().any(|other| {
                other.parent == key.parent
                    && other.columns.contains(&tenancy.key)
                    && key.columns.iter().all(|name| other.columns.contains(name))
            });
            if is_held || key.columns.contains(&tenancy.key) {
                continue;
            }
            let shown = fk::shown(table, key);
            let message = format!(
                "a row of one tenant may refer to another tenant's row of `{}` by `{shown}`, and is then deleted or changed with it",
                parent.name
            );
            let own = &key.columns[0];
            findings.push(
                Finding::new("TEN-03", Level::Warning, fk::object(table, key), message)
                    .at(subject.site_of(ObjectKind::Table, &table.name, own.as_str()), format!("does not hold `{}`", tenancy.key))
                    .related(subject.site_of(ObjectKind::Table, &parent.name, tenancy.key.as_str()), "the parent has a tenant as well")
                    .help(format!(
                        "refer to both columns, FOREIGN KEY ({0}, {own}) REFERENCES {1} ({0}, …), which needs UNIQUE ({0}, …) there",
                        tenancy.key, parent.name
                    ))
                    .patched(repair::with_tenant(subject, table, key, parent, &tenancy.key)),
            );
        }
    }
}
