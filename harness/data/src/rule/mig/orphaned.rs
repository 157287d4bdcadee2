//! MIG-17: a file that turns a reference to another table or column, and leaves older rows behind whose parents it does not find. Never judges a file that fails with them.

use super::{name_of, object_of};
use crate::finding::{Finding, Level};
use crate::replay::{ObjectKind, Step};
use crate::subject::Subject;
use crate::text::{FileId, find_word};

pub(super) fn left(subject: &Subject, findings: &mut Vec<Finding>) {
    for (number, rows) in subject.replay.with_rows.iter().enumerate() {
        let file = FileId(number);
        for one in rows.iter().flat_map(|rows| &rows.tightened) {
            let Some(column) = one.columns.first().filter(|_| one.leaves_orphans) else {
                continue;
            };
            // Whose rows are lost or lose their parents by the file has a worse thing to mend, and mends this by the way.
            let mut effects = rows.iter().flat_map(|rows| &rows.effects);
            if effects.any(|effect| effect.table == one.table) {
                continue;
            }
            let (table, steps) = (&one.table, || subject.replay.steps_of(file));
            // It sets the count of what is broken to nothing, so that the end of the file finds nothing broken.
            let switch = steps().find(|(_, step)| switches_off(step));
            let site = switch.or_else(|| steps().last());
            let how = if switch.is_some() {
                ", because PRAGMA defer_foreign_keys = OFF lets D1 forget what it has found broken"
            } else {
                ""
            };
            let message = format!(
                "`{}` goes through with older rows of `{table}` whose `{column}` refers to nothing from then on{how}",
                name_of(subject, file)
            );
            let object = format!("{}: {table}.{column}", object_of(subject, file));
            findings.push(
                Finding::new("MIG-17", Level::Warning, object, message)
                    .at(
                        site.map(|(_, step)| step.statement.span.clone()),
                        "such rows are not noticed",
                    )
                    .related(
                        subject.site_of(ObjectKind::Table, table, column.as_str()),
                        "refers to another row than before",
                    )
                    .help("give the column the value that the new parent knows while the rows are copied, and leave PRAGMA defer_foreign_keys = OFF out: the deferral ends with the file"),
            );
        }
    }
}

/// Whether a statement is `PRAGMA defer_foreign_keys = OFF`, in whichever spelling.
fn switches_off(step: &Step) -> bool {
    let sql = &step.statement.sql;
    let Some(name) = find_word(sql, "defer_foreign_keys", 0) else {
        return false;
    };
    let value = sql[name.end..].trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
    find_word(sql, "pragma", 0).is_some_and(|word| word.start == 0)
        && ["off", "0", "false", "no"]
            .iter()
            .any(|off| value.eq_ignore_ascii_case(off))
}
