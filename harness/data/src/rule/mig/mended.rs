//! What a file that was not released says instead: columns that can be added to rows, and nothing where D1 refuses a statement. Never touches a file.

use crate::engine::Failure;
use crate::finding::Patch;
use crate::replay::Step;
use crate::rule::repair;
use crate::subject::Subject;
use crate::text::find_word;

/// An ADD COLUMN that rows do not mind; none where that hangs on what the column is for.
pub(super) fn added_column(step: &Step, table: &str, failure: &Failure) -> Option<Patch> {
    let sql = repair::added_column(&step.statement.sql, table, &failure.message)?;
    Some(Patch::Replace {
        span: step.statement.span.clone(),
        with: sql,
    })
}

/// Statements that D1 does not need.
const NEEDLESS: [&str; 9] = [
    "begin",
    "commit",
    "end",
    "rollback",
    "savepoint",
    "release",
    "pragma",
    "vacuum",
    "detach",
];

/// Whether SQLite refuses a VACUUM because D1 runs each migration in a transaction.
pub(super) fn is_vacuum(failure: &Failure) -> bool {
    failure.message.contains("VACUUM from within a transaction")
}

/// Why D1 does not run a statement.
pub(super) fn why_refused(failure: &Failure) -> String {
    if let Some(refusal) = &failure.refusal {
        format!("D1 refuses {refusal}")
    } else if is_vacuum(failure) {
        "D1 refuses VACUUM: it runs every migration in a transaction".to_owned()
    } else {
        "this is a command of a database shell, not SQL: D1 cannot run it".to_owned()
    }
}

/// The file without what D1 refuses, or with a table where it has a temporary one.
pub(super) fn refused(subject: &Subject, step: &Step) -> Option<Patch> {
    let sql = &step.statement.sql;
    let mut span = step.statement.span.clone();
    let is_needless = NEEDLESS
        .iter()
        .any(|word| find_word(sql, word, 0).is_some_and(|found| found.start == 0));
    if is_needless {
        // Its semicolon goes with it.
        let behind = subject.source.file(span.file)?.text.get(span.end..)?;
        if behind.trim_start().starts_with(';') {
            span.end += behind.find(';')? + 1;
        }
        return Some(Patch::Replace {
            span,
            with: String::new(),
        });
    }
    let create = find_word(sql, "create", 0).filter(|word| word.start == 0)?;
    let temporary = ["temporary", "temp"].into_iter().find_map(|word| {
        find_word(sql, word, create.end)
            .filter(|found| sql[create.end..found.start].trim().is_empty())
    })?;
    let rest = sql[temporary.end..].trim_start();
    Some(Patch::Replace {
        span,
        with: format!("{} {rest}", &sql[..create.end]),
    })
}
