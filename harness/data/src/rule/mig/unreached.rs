//! What stands behind a statement that fails, and so was not judged, or judged as if that statement were not there. Never a finding: it is nobody's mistake.

use super::applying::{failures, point};
use super::name_of;
use crate::replay::Step;
use crate::subject::Subject;
use crate::text::FileId;
use crate::text::{counted, line_of};
use std::collections::BTreeSet;

/// Files that are named one by one.
const NAMED_MAX: usize = 10;

/// Sentences about the files that could not be judged whole, because a statement of theirs or one before them fails.
pub(crate) fn unreached(subject: &Subject) -> Vec<String> {
    let Some((stop, at)) = subject.replay.failed else {
        return Vec::new();
    };
    let told: BTreeSet<usize> = failures(subject).map(|(place, ..)| place).collect();
    let mut named = Vec::new();
    let mut whole = 0;
    for number in stop.0..subject.replay.files.len() {
        let file = FileId(number);
        let name = name_of(subject, file);
        let steps = subject.replay.steps_of(file);
        let failed: Vec<(usize, &Step)> = steps.filter(|(_, step)| fails(step)).collect();
        let follows = failed.iter().find(|(place, _)| !told.contains(place));
        if let Some((_, step)) = follows {
            let why = step.failure.as_ref().map_or("", |why| &why.message);
            let line = line(subject, step);
            let cause = if file == stop {
                let first = self::line(subject, &subject.replay.steps[at]);
                format!("line {first} fails before it")
            } else {
                format!("`{}` fails before it", name_of(subject, stop))
            };
            named.push(format!(
                "`{name}` was not judged from line {line} on ({why}), because {cause}"
            ));
        } else if let Some((_, step)) = failed.first() {
            named.push(format!(
                "what `{name}` does to rows was not judged, because it fails at line {}",
                line(subject, step)
            ));
        } else if file != stop {
            whole += 1;
        }
    }
    let more = named.len().saturating_sub(NAMED_MAX);
    named.truncate(NAMED_MAX);
    if more > 0 {
        named.push(format!(
            "{} more were not judged whole",
            counted(more, "file")
        ));
    }
    if whole > 0 {
        let were = if whole == 1 { "was" } else { "were" };
        named.push(format!(
            "D1 stops at `{}`, line {}; {} behind it {were} judged as if the statement there were left out",
            name_of(subject, stop),
            line(subject, &subject.replay.steps[at]),
            counted(whole, "file"),
        ));
    }
    named
}

/// Whether a statement fails for a reason that only its author can mend. What D1 refuses can be left out.
fn fails(step: &Step) -> bool {
    step.failure
        .as_ref()
        .is_some_and(|failure| failure.refusal.is_none())
}

fn line(subject: &Subject, step: &Step) -> usize {
    let span = match &step.failure {
        Some(failure) => point(step, failure),
        None => step.statement.span.clone(),
    };
    let text = subject.source.file(span.file).map_or("", |file| &file.text);
    line_of(text, span.start).0
}

#[cfg(test)]
mod tests {
    use super::unreached;
    use crate::rule::mig::tests::subject;

    fn told(files: &[(&str, &str)]) -> Vec<String> {
        unreached(&subject(files))
    }

    #[test]
    fn files_that_all_apply_are_judged_whole() {
        let files = [
            ("1.sql", "CREATE TABLE a (x);"),
            ("2.sql", "INSERT INTO a VALUES (1);"),
        ];
        assert_eq!(told(&files), [] as [&str; 0]);
    }

    #[test]
    fn what_an_earlier_failure_hides_is_named_with_the_failure() {
        let files = [
            ("1.sql", "CREATE TABLE a (x);\nCREATE TABLE b (y,\n);"),
            ("2.sql", "CREATE TABLE c (z);\nALTER TABLE b ADD COLUMN v;"),
            ("3.sql", "CREATE TABLE d (z);"),
        ];
        assert_eq!(
            told(&files),
            [
                "what `1.sql` does to rows was not judged, because it fails at line 3",
                "`2.sql` was not judged from line 2 on (no such table: b), because `1.sql` fails before it",
                "D1 stops at `1.sql`, line 3; 1 file behind it was judged as if the statement there were left out",
            ]
        );
    }

    #[test]
    fn what_d1_refuses_can_be_left_out_and_hides_nothing_else() {
        let files = [
            ("1.sql", "CREATE TABLE a (x); VACUUM INTO 'b';"),
            ("2.sql", "INSERT INTO a VALUES (1);"),
        ];
        let told = told(&files);
        assert!(
            told.iter().all(|one| !one.contains("from line")),
            "{told:?}"
        );
    }
}
