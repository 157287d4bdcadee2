//! PAT-016: what files do to rows that were there before them. Never judges what a file names itself.

use super::{Aspect, Broken, Outcome};
use crate::catalog::Name;
use crate::engine::{Act, Deed};
use crate::replay::{Effect, EffectKind, Step, Tightened};
use crate::subject::Subject;
use crate::text::counted;
use crate::text::{FileId, find_word, suppressions};

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-016",
        sentence: "with rows in every table no migration fails that applies to the empty database",
        judge: applies_with_rows,
    },
    Aspect {
        criterion: "PAT-016",
        sentence: "no migration removes or nulls a row that it does not name",
        judge: keeps_rows,
    },
];

/// The rules of `db lint` about rows: a comment that allows one of them says that the rows may go, or that there are none.
const ABOUT_ROWS: [&str; 4] = ["MIG-02", "MIG-06", "MIG-16", "MIG-17"];

/// The name of a file.
pub(super) fn name_of(subject: &Subject, file: FileId) -> String {
    let file = subject.source.file(file);
    file.map_or_else(String::new, |file| file.name.clone())
}

/// Tables of which nothing is known, because no row could be made; the first one tells why.
fn unfilled(subject: &Subject) -> Option<Outcome> {
    let mut files = subject.replay.with_rows.iter().enumerate();
    files
        .find_map(|(number, rows)| Some((number, rows.as_ref()?.unfilled.first()?)))
        .map(|(number, unfilled)| Outcome::NotVerified {
            reason: format!(
                "`{}` was not tried with rows in `{}`, for which no row could be made: {}",
                name_of(subject, FileId(number)),
                unfilled.table,
                unfilled.reason
            ),
            key: None,
        })
}

fn applies_with_rows(subject: &Subject) -> Outcome {
    let mut broken = Vec::new();
    let mut seen = 0;
    for rows in subject.replay.with_rows.iter().flatten() {
        seen += 1;
        for (place, failure) in rows.failure.iter().chain(&rows.more_failures) {
            let step = &subject.replay.steps[*place];
            broken.push(Broken {
                object: format!("file {}", name_of(subject, step.statement.span.file)),
                expected: "it applies to tables with rows as it does to empty ones".to_owned(),
                saw: format!("with rows in the tables it fails: {}", failure.message),
                repeat: vec![format!("{};", step.statement.sql)],
            });
        }
        broken.extend(
            rows.tightened
                .iter()
                .filter_map(|one| refused(subject, one)),
        );
    }
    if let (true, Some(outcome)) = (broken.is_empty(), unfilled(subject)) {
        return outcome;
    }
    Outcome::of(
        broken,
        format!("{} applied to tables with rows", counted(seen, "file")),
    )
}

/// A file that fails with rows which its tables took until then, unless it says that there are none.
fn refused(subject: &Subject, one: &Tightened) -> Option<Broken> {
    let (place, failure) = one.failure.as_ref()?;
    let step = &subject.replay.steps[*place];
    // What a column without a CHECK holds is between the application and the CHECK, or the type, that it gets now.
    if one.is_first_check || one.is_first_type || is_acknowledged(subject, step) {
        return None;
    }
    let columns: Vec<&str> = one.columns.iter().map(Name::as_str).collect();
    Some(Broken {
        object: format!("file {}", name_of(subject, step.statement.span.file)),
        expected: "it applies whatever rows its tables took until then".to_owned(),
        saw: format!(
            "it fails with rows in `{}` that do not meet what it demands of {}: {}",
            one.table,
            columns.join(", "),
            failure.message
        ),
        repeat: vec![format!("{};", step.statement.sql)],
    })
}

/// Whether a comment on the statement says why what it does to rows, or asks of them, is all right.
fn is_acknowledged(subject: &Subject, step: &Step) -> bool {
    let id = step.statement.span.file;
    let Some(file) = subject.source.file(id) else {
        return false;
    };
    suppressions(id, file).iter().any(|one| {
        one.statement == step.statement.span
            && !one.reason.is_empty()
            && ABOUT_ROWS.contains(&one.rule.as_str())
    })
}

fn keeps_rows(subject: &Subject) -> Outcome {
    let mut broken = Vec::new();
    let mut seen = 0;
    for (number, rows) in subject.replay.with_rows.iter().enumerate() {
        let Some(rows) = rows else { continue };
        seen += 1;
        let unnamed = rows
            .effects
            .iter()
            .filter(|effect| !names_rows(subject, FileId(number), effect))
            .filter(|effect| !is_for_search(subject, effect));
        broken.extend(unnamed.map(|effect| lost(subject, FileId(number), effect)));
    }
    if let (true, Some(outcome)) = (broken.is_empty(), unfilled(subject)) {
        return outcome;
    }
    Outcome::of(
        broken,
        format!(
            "{} applied to tables with rows, and every row that none of them names stayed",
            counted(seen, "file")
        ),
    )
}

/// Whether the file says itself that rows of this table go or change: by DELETE, UPDATE, or DROP TABLE of it without a copy, or in a comment.
fn names_rows(subject: &Subject, file: FileId, effect: &Effect) -> bool {
    let table = &effect.table;
    let is_nulled = !matches!(effect.kind, EffectKind::RowsGone { .. });
    is_acknowledged(subject, &subject.replay.steps[effect.step])
        || subject.replay.steps_of(file).any(|(_, step)| {
            step.deeds.iter().any(|deed| {
                let is_of = |act| deed.table(act).is_some_and(|of| *table == of);
                // The actions of references are told as if the statement itself had done them; its text tells them apart.
                // The rows of a table that is dropped are deleted first; whoever copies it means to keep them.
                let removes = is_of(Act::Drop) || is_of(Act::Delete) && deed.trigger().is_none();
                removes
                    && !replaces(step)
                    && is_written(step, table)
                    && !(drops(step) && is_copied(subject, file, table))
                    || is_nulled && is_of(Act::Update) && is_own(step, deed)
            })
        })
}

/// Whether what goes is only there for a full-text search of rows that the statement deletes by name: the index, or the one row beside each that it reads.
fn is_for_search(subject: &Subject, effect: &Effect) -> bool {
    let step = &subject.replay.steps[effect.step];
    let deletes = |table: &Name| {
        let mut deeds = step.deeds.iter();
        is_written(step, table)
            && deeds.any(|deed| matches!(deed, Deed::Delete(of, None) if *table == **of))
    };
    let schema = subject.schema();
    let Some(table) = schema.tables.get(&effect.table) else {
        return false;
    };
    if drops(step) || !matches!(effect.kind, EffectKind::RowsGone { .. }) {
        return false;
    }
    let mut indexes = schema.tables.values().filter(|table| !table.is_ordinary());
    let is_read = indexes.any(|index| find_word(&index.sql, table.name.as_str(), 0).is_some());
    let mut keys = table.foreign_keys.iter();
    !table.is_ordinary()
        || is_read && keys.any(|key| table.is_unique(&key.columns) && deletes(&key.parent))
}

fn drops(step: &Step) -> bool {
    let mut deeds = step.deeds.iter();
    deeds.any(|deed| matches!(deed, Deed::DropTable(_)))
}

/// Whether the file fills another table with what it reads from this one.
fn is_copied(subject: &Subject, file: FileId, table: &Name) -> bool {
    subject.replay.steps_of(file).any(|(_, step)| {
        let any = |is: &dyn Fn(&Deed) -> bool| step.deeds.iter().any(is);
        any(&|deed| matches!(deed, Deed::Read(of, _) if *table == **of))
            && any(&|deed| {
                matches!(deed, Deed::Insert(of, None) | Deed::CreateTable(of) if *table != **of && !of.starts_with("sqlite_"))
            })
    })
}

fn is_written(step: &Step, table: &Name) -> bool {
    find_word(&step.statement.sql, table.as_str(), 0).is_some()
}

/// REPLACE deletes what is in its way without a word of it.
fn replaces(step: &Step) -> bool {
    let starts =
        |word: &str| find_word(&step.statement.sql, word, 0).is_some_and(|found| found.start == 0);
    starts("replace") || starts("insert")
}

/// Whether the statement itself does it, no trigger.
fn is_own(step: &Step, deed: &Deed) -> bool {
    matches!(deed, Deed::Update(_, _, None))
        && find_word(&step.statement.sql, "update", 0).is_some()
}

fn lost(subject: &Subject, file: FileId, effect: &Effect) -> Broken {
    let step = &subject.replay.steps[effect.step];
    let what = match &effect.kind {
        EffectKind::RowsGone { before, after: 0 } => {
            let rows = counted(*before as usize, "row");
            format!("`{}` loses all of its {rows}", effect.table)
        }
        EffectKind::RowsGone { before, after } => {
            let lost = before.saturating_sub(*after);
            let rows = counted(*before as usize, "row");
            format!("`{}` loses {lost} of its {rows}", effect.table)
        }
        EffectKind::Nulled { column, rows } => {
            format!(
                "`{}.{column}` is NULL in {} where it was not",
                effect.table,
                counted(*rows as usize, "row")
            )
        }
        EffectKind::Defaulted {
            column,
            value,
            rows,
        } => {
            format!(
                "`{}.{column}` is its default {value} in {} where it was not",
                effect.table,
                counted(*rows as usize, "row")
            )
        }
    };
    Broken {
        object: format!("file {}", name_of(subject, file)),
        expected: format!("the rows of `{}` stay as they are", effect.table),
        saw: what,
        repeat: vec![format!("{};", step.statement.sql)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Data;
    use crate::source::{Kind, Source};
    use crate::text::File;

    const NOTES: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL);";

    /// Whether a second file keeps both aspects.
    fn holds(second: &str) -> bool {
        holds_all(&[second])
    }

    /// Whether files behind the first one keep both aspects.
    fn holds_all(others: &[&str]) -> bool {
        let file = |name: &str, text: &str| File {
            name: name.to_owned(),
            path: name.into(),
            text: text.into(),
        };
        let source = Source {
            files: std::iter::once(&NOTES)
                .chain(others)
                .zip(1..)
                .map(|(text, number): (&&str, u8)| file(&format!("{number}.sql"), text))
                .collect(),
            kind: Kind::Migrations,
            ..Source::default()
        };
        let subject = Subject::of(source, Data::default(), 1).unwrap();
        ASPECTS
            .iter()
            .all(|aspect| matches!((aspect.judge)(&subject), Outcome::Held { .. }))
    }

    #[test]
    fn a_filtered_copy_loses_rows_unless_a_deletion_or_a_comment_names_them() {
        let rebuild = |before: &str, comment: &str| {
            format!(
                "{before} CREATE TABLE next (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
                INSERT INTO next SELECT * FROM notes WHERE id > 1;
                {comment}
                DROP TABLE notes; ALTER TABLE next RENAME TO notes;"
            )
        };
        assert!(!holds(&rebuild("", "")));
        assert!(holds(&rebuild("DELETE FROM notes WHERE id <= 1;", "")));
        assert!(holds(&rebuild(
            "",
            "-- moltproof: allow MIG-06 the first note was a test"
        )));
        assert!(!holds(&rebuild("", "-- moltproof: allow MIG-06")));
        assert!(
            holds(&format!("DROP TABLE notes; {NOTES}")),
            "nothing is copied"
        );
    }

    #[test]
    fn what_a_search_holds_of_deleted_rows_goes_with_them_and_other_children_do_not() {
        let with = |beside: &str| {
            format!(
                "CREATE TABLE side (number INTEGER PRIMARY KEY, note INTEGER NOT NULL {beside} REFERENCES notes (id) ON DELETE CASCADE, body TEXT NOT NULL);
                CREATE VIRTUAL TABLE note_fts USING fts5 (body, content = 'side', content_rowid = 'number');
                CREATE TRIGGER side_gone AFTER DELETE ON side BEGIN
                  INSERT INTO note_fts (note_fts, rowid, body) VALUES ('delete', old.number, old.body);
                END;
                CREATE TRIGGER side_new AFTER INSERT ON side BEGIN
                  INSERT INTO note_fts (rowid, body) VALUES (new.number, new.body);
                END;"
            )
        };
        let delete = "DELETE FROM notes WHERE body LIKE 'draft %';";
        assert!(holds_all(&[&with("UNIQUE"), delete]));
        assert!(!holds_all(&[&with(""), delete]));
    }

    #[test]
    fn a_key_that_older_rows_need_not_keep_is_told_of_unless_a_comment_says_why() {
        let index = "CREATE UNIQUE INDEX notes_body ON notes (body);";
        assert!(!holds(index));
        assert!(!holds(
            "CREATE UNIQUE INDEX notes_body ON notes (lower(body));"
        ));
        assert!(holds(&format!(
            "-- moltproof: allow MIG-16 nobody writes a note twice\n{index}"
        )));
    }
}
