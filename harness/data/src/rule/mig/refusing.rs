//! MIG-07: what D1 refuses in a file, and commands of a shell. Never judges what SQLite itself cannot carry out.

use super::applying::{Why, failures, first_words, why};
use super::{mended, object_of};
use crate::finding::{Finding, Level};
use crate::replay::{ObjectKind, Step};
use crate::rule::trial;
use crate::subject::Subject;
use crate::text::find_word;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn refused(subject: &Subject, findings: &mut Vec<Finding>) {
    refused_defaults(subject, findings);
    for (_, step, failure) in failures(subject) {
        if why(step, failure) == Why::Refused {
            let file = step.statement.span.file;
            let message = if changes_constraints(step) {
                "D1 refuses ALTER TABLE where it adds, changes or drops a constraint".to_owned()
            } else {
                mended::why_refused(failure)
            };
            let object = format!(
                "{}: {}",
                object_of(subject, file),
                first_words(&step.statement.sql)
            );
            findings.push(
                Finding::new("MIG-07", Level::Error, object, message)
                    .at(Some(step.statement.span.clone()), "")
                    .help(advice(&step.statement.sql))
                    .patched(mended::refused(subject, step)),
            );
        }
    }
    for step in subject.replay.steps.iter().filter(|step| step.is_trimmed) {
        if find_word(&step.statement.sql, "begin", 0).is_some() {
            let file = step.statement.span.file;
            let message = "wrangler takes this transaction out of the file by a search for its text; D1 itself refuses it";
            let object = format!("{}: transaction", object_of(subject, file));
            findings.push(
                Finding::new("MIG-07", Level::Warning, object, message)
                    .at(Some(step.statement.span.clone()), "")
                    .help("leave BEGIN TRANSACTION and COMMIT out: D1 runs every migration in a transaction of its own")
                    .patched(mended::refused(subject, step)),
            );
        }
    }
}

/// Defaults that call what D1 refuses: the table is made, and every INSERT that leaves the column out fails.
fn refused_defaults(subject: &Subject, findings: &mut Vec<Finding>) {
    // Most tables of a schema have the same few.
    let mut known: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for table in subject.schema().tables.values() {
        for column in &table.columns {
            let calls = |text: &&Arc<str>| text.contains('(') && column.generated.is_none();
            let Some(default) = column.default.as_ref().filter(calls) else {
                continue;
            };
            let why = known
                .entry(default)
                .or_insert_with(|| trial::refused(subject, &format!("SELECT {default}")));
            let Some(why) = why else { continue };
            let message = format!(
                "each INSERT into `{}` that leaves out `{}` fails: {why}",
                table.name, column.name
            );
            let object = format!("table {}: {}", table.name, column.name);
            findings.push(
                Finding::new("MIG-07", Level::Error, object, message)
                    .at(
                        subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()),
                        "its default calls what D1 has not",
                    )
                    .help("let the code give the value, or write the default with what D1 has"),
            );
        }
    }
}

/// Whether ALTER TABLE was refused for what SQLite does within it: newer versions check the rows by a function of their own.
fn changes_constraints(step: &Step) -> bool {
    let refusal = step
        .failure
        .as_ref()
        .and_then(|failure| failure.refusal.as_ref());
    let is_inner = |name: &str| name.starts_with("sqlite_");
    begins(&step.statement.sql, "alter")
        && matches!(refusal, Some(d1_platform::Refusal::Function(name)) if is_inner(name))
}

/// Whether a statement begins with a word, in whatever letters.
fn begins(sql: &str, word: &str) -> bool {
    let head = sql.get(..word.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(word))
}

fn advice(sql: &str) -> &'static str {
    if ["begin", "commit", "end", "rollback", "savepoint", "release"]
        .iter()
        .any(|word| begins(sql, word))
    {
        "leave it out: D1 runs every migration in a transaction of its own"
    } else if begins(sql, "pragma") {
        "leave it out: what it sets is D1's own business"
    } else if begins(sql, "alter") {
        "make the table anew with the constraint under another name, copy the rows, drop the old table and rename the new one"
    } else if sql.starts_with(['\\', '.']) {
        "write the statements of that file here, or make it a migration of its own"
    } else {
        "write it without what D1 refuses; `moltproof db explain MIG-07` tells what D1 has"
    }
}
