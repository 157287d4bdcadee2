//! MIG-10, MIG-13, MIG-14, MIG-15: the files as files: their order, and what happens when one runs twice or late. Never judges a single statement's SQL.

use super::{name_of, object_of};
use crate::finding::{Finding, Level};
use crate::replay::Step;
use crate::rule::qry;
use crate::source::{Kind, version};
use crate::subject::Subject;
use crate::text::{FileId, Span, find_word};
use std::collections::BTreeMap;

pub(super) fn order(subject: &Subject, findings: &mut Vec<Finding>) {
    if subject.source.kind != Kind::Migrations {
        return;
    }
    if versioned(subject, findings) {
        return;
    }
    let mut numbers: BTreeMap<u128, Vec<FileId>> = BTreeMap::new();
    for number in 0..subject.source.files.len() {
        let file = FileId(number);
        let name = name_of(subject, file);
        if is_dated(&name) {
            continue;
        }
        let digits = name.bytes().take_while(u8::is_ascii_digit).count();
        if let Ok(leading) = name[..digits].parse() {
            numbers.entry(leading).or_default().push(file);
        } else if subject.source.files.len() > 1 {
            let message = format!(
                "`{name}` has no number: wrangler applies it after all that have one, in the order of the names"
            );
            findings.push(
                Finding::new("MIG-10", Level::Warning, object_of(subject, file), message)
                    .at(Some(head(file)), "")
                    .help("give it the next number, or move it out of the folder if it is no migration"),
            );
        }
    }
    missing(
        subject,
        numbers.iter().map(|(number, files)| (*number, files[0])),
        findings,
    );
    for (number, files) in numbers {
        let [.., before, last] = files.as_slice() else {
            continue;
        };
        let message = format!(
            "`{}` and `{}` have the same number {number}: which comes first is decided by the rest of their names",
            name_of(subject, *before),
            name_of(subject, *last)
        );
        findings.push(
            Finding::new("MIG-10", Level::Warning, object_of(subject, *last), message)
                .at(Some(head(*last)), "")
                .help("give each migration a number of its own"),
        );
    }
}

/// Numbers beyond this are dates.
const COUNTED_MAX: u128 = 100_000;

/// Files from which on a folder is known to count without a gap.
const COUNTED_FILES: usize = 12;

/// Numbers that no file has, between two that have theirs: a file that was taken out again, or was never handed in.
fn missing(
    subject: &Subject,
    numbers: impl Iterator<Item = (u128, FileId)>,
    findings: &mut Vec<Finding>,
) {
    let numbers: Vec<(u128, FileId)> = numbers.collect();
    if numbers.len() < COUNTED_FILES {
        return;
    }
    for pair in numbers.windows(2) {
        let [(before, _), (after, file)] = *pair else {
            continue;
        };
        // Where the steps are wide, they are meant to be.
        let is_counted = after < COUNTED_MAX && numbers[0].0 < 2;
        if !is_counted || after <= before + 1 || after - before > 9 {
            continue;
        }
        let message = format!(
            "no file has the number {} that would come before `{}`: whoever applied one has another database than this folder makes",
            before + 1,
            name_of(subject, file)
        );
        findings.push(
            Finding::new("MIG-10", Level::Info, object_of(subject, file), message)
                .at(Some(head(file)), "")
                .help("if it was applied anywhere, bring it back; if it never was, nothing is to be done"),
        );
    }
}

/// Whether all files are numbered as refinery and Flyway do; what becomes of them under wrangler is told once.
fn versioned(subject: &Subject, findings: &mut Vec<Finding>) -> bool {
    let names: Vec<&str> = subject
        .source
        .files
        .iter()
        .map(|file| &*file.name)
        .collect();
    if names.is_empty() || !names.iter().all(|name| version(name).is_some()) {
        return false;
    }
    let early = names.windows(2).position(|pair| pair[0] > pair[1]);
    if let Some(early) = early {
        let (file, other) = (FileId(early + 1), FileId(early));
        let message = format!(
            "wrangler would apply `{}` before `{}`: to it these names have no number, and it goes by their letters; refinery and Flyway go by the numbers, as is done here",
            name_of(subject, file),
            name_of(subject, other)
        );
        findings.push(
            Finding::new("MIG-10", Level::Warning, object_of(subject, file), message)
                .at(Some(head(file)), "")
                .help("under wrangler, let each name begin with a number of four digits: 0001_name.sql"),
        );
    }
    let numbered = names.iter().enumerate().filter_map(|(at, name)| {
        let [number] = *version(name)?.as_slice() else {
            return None;
        };
        Some((u128::from(number), FileId(at)))
    });
    missing(subject, numbered, findings);
    let mut twice = (1..names.len()).filter(|at| version(names[at - 1]) == version(names[*at]));
    if let Some(at) = twice.next() {
        let message = format!(
            "`{}` and `{}` have the same number",
            names[at - 1],
            names[at]
        );
        let file = FileId(at);
        findings.push(
            Finding::new("MIG-10", Level::Warning, object_of(subject, file), message)
                .at(Some(head(file)), "")
                .help("give each migration a number of its own"),
        );
    }
    true
}

/// Whether a name begins with a date (`2026-11-28-x`): its leading integer is a year then, and the order of the names is that of the days.
fn is_dated(name: &str) -> bool {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    let mut behind = name[digits..].bytes();
    digits == 4
        && behind.next() == Some(b'-')
        && behind.next().is_some_and(|byte| byte.is_ascii_digit())
}

/// The beginning of a file.
fn head(file: FileId) -> Span {
    Span {
        file,
        start: 0,
        end: 0,
    }
}

pub(super) fn drops_first(subject: &Subject, findings: &mut Vec<Finding>) {
    for step in &subject.replay.steps {
        if !may_run_again(subject, step.statement.span.file) {
            continue;
        }
        let sql = &step.statement.sql;
        let Some(table) = drop_if_exists(sql) else {
            continue;
        };
        let is_made_again = subject.schema().table(&table).is_some();
        if !is_made_again {
            continue;
        }
        let message = format!("run a second time, this file deletes every row of `{table}`");
        findings.push(
            Finding::new("MIG-13", Level::Error, format!("table {table}"), message)
                .at(Some(step.statement.span.clone()), "empties it at the second run")
                .help("leave the DROP out and write CREATE TABLE IF NOT EXISTS, or make the file a numbered migration, which runs once")
                .proof(vec![
                    format!("{};", subject.schema().table(&table).map_or("", |table| &*table.sql)),
                    format!("{sql}; -- as the file does when it runs again"),
                    format!("SELECT count(*) FROM sqlite_schema WHERE name = '{}'; -- 0: the rows went with the table", table.replace('\'', "''")),
                ]),
        );
    }
}

/// Whether a file is run by hand, as `wrangler d1 execute --file` does: a script, or a file without a number in its name (`schema.sql`).
fn may_run_again(subject: &Subject, file: FileId) -> bool {
    match subject.source.kind {
        Kind::Script => true,
        Kind::Migrations => !name_of(subject, file)
            .bytes()
            .any(|byte| byte.is_ascii_digit()),
        Kind::Database => false,
    }
}

/// The table of `DROP TABLE IF EXISTS name`.
fn drop_if_exists(sql: &str) -> Option<String> {
    find_word(sql, "drop", 0).filter(|word| word.start == 0)?;
    find_word(sql, "table", 0)?;
    let exists = find_word(sql, "exists", 0)?;
    let name = sql[exists.end..].trim();
    Some(name.trim_matches(['"', '`', '[', ']', '\'']).to_owned())
}

pub(super) fn repeated_update(subject: &Subject, findings: &mut Vec<Finding>) {
    if subject.source.kind != Kind::Script {
        return;
    }
    for step in &subject.replay.steps {
        let Some(column) = updates_itself(step) else {
            continue;
        };
        let message = format!("each run of this file changes `{column}` once more");
        findings.push(
            Finding::new("MIG-14", Level::Warning, format!("column {column}"), message)
                .at(Some(step.statement.span.clone()), "not the same the second time")
                .help("set the value that is meant, or make the file a numbered migration, which runs once"),
        );
    }
}

/// The column of `UPDATE … SET column = column * …`.
fn updates_itself(step: &Step) -> Option<String> {
    let sql = &step.statement.sql;
    find_word(sql, "update", 0).filter(|word| word.start == 0)?;
    let set = find_word(sql, "set", 0)?;
    let (column, value) = sql[set.end..].split_once('=')?;
    let column = column.trim().trim_matches(['"', '`', '[', ']']);
    let value = value.trim_start();
    let again = find_word(value, column, 0).filter(|word| word.start <= 1)?;
    let operator = value[again.end..]
        .trim_start_matches(['"', '`', ']'])
        .trim_start();
    operator
        .starts_with(['+', '-', '*', '/', '|'])
        .then(|| column.to_owned())
}

pub(super) fn breaks_declared_statements(subject: &Subject, findings: &mut Vec<Finding>) {
    let Ok((broken, _)) = subject.broken_statements() else {
        return;
    };
    for statement in broken {
        let message = format!(
            "after `{}` the declared statement \"{}\" fails in the code that still runs: {}",
            name_of(subject, statement.file),
            statement.name,
            statement.error
        );
        let object = format!(
            "{}: statement {}",
            object_of(subject, statement.file),
            statement.name
        );
        let steps = subject.replay.steps_of(statement.file);
        let last = steps.filter(|(_, step)| !step.changes.is_empty()).last();
        findings.push(
            Finding::new("MIG-15", Level::Error, object, message)
                .at(last.map(|(_, step)| step.statement.span.clone()), "breaks it")
                .help("add the new name beside the old one, deploy the code, and remove the old one in a later migration")
                .proof(qry::proof(subject, statement.sql, "")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;

    #[test]
    fn dates_with_dashes_are_no_numbers_that_repeat() {
        let one = "CREATE TABLE one (id INTEGER PRIMARY KEY);";
        let two = "CREATE TABLE two (id INTEGER PRIMARY KEY);";
        let dated = [("2026-09-18-x/up.sql", one), ("2026-10-02-y/up.sql", two)];
        assert_eq!(found(super::order, &dated), [] as [&str; 0]);
        let twice = [("0001_x.sql", one), ("0001_y.sql", two)];
        assert_eq!(found(super::order, &twice), ["MIG-10"]);
    }

    #[test]
    fn a_schema_that_is_run_by_hand_may_not_drop_what_it_makes() {
        let text =
            "DROP TABLE IF EXISTS sites; CREATE TABLE sites (url TEXT PRIMARY KEY NOT NULL);";
        assert_eq!(
            found(super::drops_first, &[("schema.sql", text)]),
            ["MIG-13"]
        );
        let numbered = [("0001_sites.sql", text)];
        assert_eq!(found(super::drops_first, &numbered), [] as [&str; 0]);
    }
}
