//! PAT-009: what the migrations make of an empty database, once and again. Never applies anything to the database that is judged.

use super::{Aspect, Broken, Outcome, surviving};
use crate::source::Kind;
use crate::subject::Subject;
use crate::text::counted;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-009",
        sentence: "the migrations apply to an empty database, file by file",
        judge: apply_from_empty,
    },
    Aspect {
        criterion: "PAT-009",
        sentence: "the statements declared for the version before still work after each file",
        judge: old_statements_work,
    },
];

fn apply_from_empty(subject: &Subject) -> Outcome {
    if subject.source.kind == Kind::Database {
        return Outcome::undeclared(
            "the database tells its schema, not its migrations",
            "[data] from = { migrations = … }",
        );
    }
    let broken = subject.replay.failed.and_then(|(file, place)| {
        let step = &subject.replay.steps[place];
        Some(Broken {
            object: format!("file {}", subject.source.file(file)?.name),
            expected: "a file that applies to what the files before it make".to_owned(),
            saw: step.failure.as_ref()?.message.clone(),
            repeat: vec![format!("{};", step.statement.sql)],
        })
    });
    let saw = format!("{} applied", counted(subject.source.files.len(), "file"));
    Outcome::of(broken.into_iter().collect(), saw)
}

fn old_statements_work(subject: &Subject) -> Outcome {
    let count = subject.declared_statements().len();
    if count == 0 {
        return Outcome::undeclared("no statement is declared", "[[data.query]], [[data.write]]");
    }
    let (broken, never) = match subject.broken_statements() {
        Ok(outcome) => outcome,
        Err(error) => return Outcome::not_judged(&error),
    };
    // Behind a file that breaks a statement for good, rows tell nothing more of it.
    let ended = if broken.is_empty() {
        surviving::ended(subject)
    } else {
        Ok(Vec::new())
    };
    let ended = match ended {
        Ok(ended) => ended,
        Err(error) => return Outcome::not_judged(&error),
    };
    if let (Some(name), true, true) = (never.first(), broken.is_empty(), ended.is_empty()) {
        return Outcome::NotVerified {
            reason: format!("the statement \"{name}\" cannot be prepared after any file"),
            key: Some("[[data.query]] sql, [[data.write]] sql".to_owned()),
        };
    }
    let broken = broken.into_iter().map(|statement| Broken {
        object: format!("statement {}", statement.name),
        expected: "works after each file, until a file says otherwise".to_owned(),
        saw: format!(
            "after `{}`: {}",
            subject.source.files[statement.file.0].name, statement.error
        ),
        repeat: vec![format!("{};", statement.sql.trim_end_matches(';'))],
    });
    Outcome::of(
        broken.chain(ended).collect(),
        format!(
            "{}, each prepared after each file, and writes tried before and after each file that restricts the rows of their tables",
            counted(count, "statement")
        ),
    )
}
