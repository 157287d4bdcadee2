//! The target's own tool, called on folders and databases that are made for it. Never on the target's own.

use super::{ENVIRONMENTS, Record, all_recorded, records, wanted};
use crate::criterion::workplace::{Workplace, on_a_thread};
use crate::outcome::{Judged, Stop};
use crate::scripts::trial::{Trial, sha256};
use crate::scripts::{Places, Scripts};
use crate::subject::Subject;

const ENVIRONMENT: &str = "staging";

/// Files that come after all of the target's, each of which builds on the one before.
const LATER: [(&str, &str); 3] = [
    (
        "9001_moltproof_first.sql",
        "CREATE TABLE moltproof_first (id INTEGER PRIMARY KEY NOT NULL, name TEXT);\n",
    ),
    (
        "9002_moltproof_second.sql",
        "ALTER TABLE moltproof_first ADD COLUMN second TEXT;\n",
    ),
    (
        "9003_moltproof_third.sql",
        "CREATE INDEX moltproof_third ON moltproof_first (second);\n",
    ),
];

/// Calls the tool, as a precondition of what follows.
fn begun(work: &Workplace) -> Result<Vec<Record>, Stop> {
    let records = records(&work.migrated(ENVIRONMENT)?)?;
    if records.is_empty() {
        return Err(Stop::unmet("API-007", "the tool records nothing"));
    }
    Ok(records)
}

/// What must be recorded of the files that are in the folder now.
fn due(work: &Workplace) -> Result<Vec<(String, i64, String)>, Stop> {
    let read = Scripts::read(&Places::below(&work.migrations()));
    let scripts = read.map_err(|error| Stop::Fault(error.to_string()))?;
    Ok(wanted(&scripts))
}

/// Whether a database has what a statement needs.
fn has(trial: &Trial, sql: &str) -> bool {
    trial.query(sql, &[]).is_ok()
}

/// How one sees that a later file has been applied.
const FIRST: &str = "SELECT name FROM moltproof_first";
const SECOND: &str = "SELECT second FROM moltproof_first";
const THIRD: &str =
    "SELECT second FROM moltproof_first INDEXED BY moltproof_third WHERE second = ''";

/// Before anything is judged: the tool applies the target's own migrations, and says so where it cannot apply one.
pub(crate) async fn tool_works(subject: &Subject) -> Judged {
    on_a_thread(subject, |work| {
        let records = begun(work)?.len();
        work.write("9001_moltproof_broken.sql", "CREATE TABLE;\n")?;
        let (has_succeeded, _) = work.migrate(ENVIRONMENT)?;
        if has_succeeded {
            return Err(Stop::Fault(
                "the tool says that it applied a file that is no SQL".to_owned(),
            ));
        }
        Ok(format!(
            "it applies and records {records} files, and says so where one is no SQL"
        ))
    })
    .await
}

pub(super) async fn first(subject: &Subject) -> Judged {
    on_a_thread(subject, |work| {
        for (name, text) in LATER.iter().rev() {
            work.write(name, text)?;
        }
        let (has_succeeded, trial) = work.migrate(ENVIRONMENT)?;
        if !has_succeeded || !has(&trial, THIRD) {
            let seen = if has_succeeded {
                "it said so, and left some out"
            } else {
                "it said that it failed"
            };
            return Err(Stop::breach("every migration applied in order", seen));
        }
        let records = records(&trial)?;
        let wanted = due(work)?;
        all_recorded(&records, &wanted)?;
        let other = records
            .iter()
            .find(|record| record.environment != ENVIRONMENT);
        if let Some(other) = other {
            let expected = format!(
                "the environment {ENVIRONMENT}, which is one of {}",
                ENVIRONMENTS.join(", ")
            );
            return Err(Stop::breach(
                expected,
                format!("{} for {}", other.environment, other.file),
            ));
        }
        if records.len() != wanted.len() {
            let seen = format!("{} rows of {} files", records.len(), wanted.len());
            return Err(Stop::breach("a row for each file that was applied", seen));
        }
        Ok(format!("{} files", wanted.len()))
    })
    .await
}

pub(super) async fn again(subject: &Subject) -> Judged {
    on_a_thread(subject, |work| {
        let before = begun(work)?;
        let (has_succeeded, trial) = work.migrate(ENVIRONMENT)?;
        let expected = "nothing to do where nothing is missing";
        if !has_succeeded {
            return Err(Stop::breach(expected, "it said that it failed"));
        }
        if records(&trial)? != before {
            return Err(Stop::breach(expected, "schema_metadata is not what it was"));
        }
        let (name, text) = LATER[0];
        work.write(name, text)?;
        let (has_succeeded, trial) = work.migrate(ENVIRONMENT)?;
        let after = records(&trial)?;
        if !has_succeeded || !has(&trial, FIRST) {
            return Err(Stop::breach("a new file to be applied", "it was not"));
        }
        all_recorded(&after, &due(work)?)?;
        if let Some(gone) = before.iter().find(|record| !after.contains(record)) {
            let seen = format!("the row of {} is not what it was", gone.file);
            return Err(Stop::breach("the rows of older files as they were", seen));
        }
        let (has_succeeded, trial) = work.migrate(ENVIRONMENT)?;
        if !has_succeeded || records(&trial)? != after {
            let seen = format!("{name} is not left as it was");
            return Err(Stop::breach(expected, seen));
        }
        let late = late(work, &after)?;
        Ok(format!("{} rows stayed, one came; {late}", before.len()))
    })
    .await
}

/// Files that come when one of a higher number, or of the same one, has been applied, as what was merged later does; and how one sees each.
const LATE: [(&str, &str, &str); 2] = [
    (
        "9000_moltproof_late.sql",
        "CREATE TABLE moltproof_late (id INTEGER PRIMARY KEY NOT NULL);\n",
        "SELECT id FROM moltproof_late",
    ),
    (
        "9001_moltproof_aside.sql",
        "CREATE TABLE moltproof_aside (id INTEGER PRIMARY KEY NOT NULL);\n",
        "SELECT id FROM moltproof_aside",
    ),
];

/// That what is missing below the newest file is applied, or refused, but never passed over in silence.
fn late(work: &Workplace, before: &[Record]) -> Judged {
    for (name, text, _) in LATE {
        work.write(name, text)?;
    }
    let (has_succeeded, trial) = work.migrate(ENVIRONMENT)?;
    let after = records(&trial)?;
    for (name, _, sees) in LATE {
        let is_applied = has(&trial, sees);
        let is_recorded = after.iter().any(|record| record.file == name);
        let expected = "a missing file of a number that is not the highest to be applied and recorded, or refused";
        let seen = match (is_applied, is_recorded) {
            (false, false) if has_succeeded => {
                "the tool said that it succeeded, and did not apply it"
            }
            (true, false) => "it was applied, and is not recorded",
            (false, true) => "it is recorded, and was not applied",
            (true, true) | (false, false) => continue,
        };
        return Err(Stop::breach(expected, format!("{name}: {seen}")));
    }
    if let Some(gone) = before.iter().find(|record| !after.contains(record)) {
        let seen = format!("the row of {} is not what it was", gone.file);
        return Err(Stop::breach("the rows of older files as they were", seen));
    }
    if has_succeeded {
        all_recorded(&after, &due(work)?)?;
        Ok("what came late was applied".to_owned())
    } else {
        Ok("what came late was refused".to_owned())
    }
}

pub(super) async fn edited(subject: &Subject) -> Judged {
    on_a_thread(subject, |work| {
        let (first, second) = (LATER[0], LATER[1]);
        work.write(first.0, first.1)?;
        let before = begun(work)?;
        // A comment more is another file: nobody knows any longer what was applied.
        let edited = |text: &str| format!("-- Edited.\n{text}");
        // So are other line ends: within a text they are data.
        let other_ends = |text: &str| text.replace('\n', "\r\n");
        let oldest = work.scripts.migrations.first();
        let oldest = oldest.map(|script| (script.name.as_str(), script.text.as_str()));
        // It is found as well where nothing else is to be done, of the newest file and of the oldest.
        let commented = [Some(first), oldest].into_iter().flatten();
        let commented = commented.map(|(name, text)| (name, text, edited(text), "a comment more"));
        let ended = (
            first.0,
            first.1,
            other_ends(first.1),
            "CR LF at each line's end",
        );
        for (name, text, edited, how) in commented.chain([ended]) {
            work.write(name, &edited)?;
            let (has_succeeded, trial) = work.migrate(ENVIRONMENT)?;
            let expected = "an edited file to be refused where nothing is missing";
            if has_succeeded {
                let seen = format!("the tool said that it succeeded, with {how} in {name}");
                return Err(Stop::breach(expected, seen));
            }
            if records(&trial)? != before {
                return Err(Stop::breach(expected, "schema_metadata is not what it was"));
            }
            work.write(name, text)?;
        }
        work.write(first.0, &edited(first.1))?;
        work.write(second.0, second.1)?;
        let (has_succeeded, trial) = work.migrate(ENVIRONMENT)?;
        let expected = "an edited file to be refused, and nothing to be applied after it";
        if has_succeeded {
            return Err(Stop::breach(expected, "the tool said that it succeeded"));
        }
        if has(&trial, SECOND) {
            return Err(Stop::breach(expected, format!("{} was applied", second.0)));
        }
        if records(&trial)? != before {
            return Err(Stop::breach(expected, "schema_metadata is not what it was"));
        }
        // As it was, it is no obstacle.
        work.write(first.0, first.1)?;
        let (has_succeeded, trial) = work.migrate(ENVIRONMENT)?;
        if !has_succeeded || !has(&trial, SECOND) {
            let seen = "the next file is not applied once the file is as it was";
            return Err(Stop::breach("what is missing to be applied", seen));
        }
        Ok(format!("{} was refused until it was as before", first.0))
    })
    .await
}

pub(super) async fn failed(subject: &Subject) -> Judged {
    on_a_thread(subject, |work| {
        let (first, second, third) = (LATER[0], LATER[1], LATER[2]);
        begun(work)?;
        work.write(first.0, first.1)?;
        work.write(second.0, "INSERT INTO moltproof_nowhere VALUES (1);\n")?;
        work.write(
            third.0,
            "CREATE TABLE moltproof_after (id INTEGER PRIMARY KEY NOT NULL);\n",
        )?;
        let (has_succeeded, trial) = work.migrate(ENVIRONMENT)?;
        let expected = "only what has been applied to be recorded";
        if has_succeeded {
            return Err(Stop::breach(
                expected,
                "the tool said that a file succeeded that cannot",
            ));
        }
        let after = records(&trial)?;
        let is_recorded = |name: &str| after.iter().any(|record| record.file == name);
        for (name, is_applied) in [
            (first.0, has(&trial, FIRST)),
            (second.0, false),
            (third.0, has(&trial, "SELECT id FROM moltproof_after")),
        ] {
            if is_recorded(name) && !is_applied {
                return Err(Stop::breach(
                    expected,
                    format!("{name} is recorded, and has not been applied"),
                ));
            }
            if is_applied && !is_recorded(name) {
                return Err(Stop::breach(
                    "each applied file to be recorded",
                    format!("{name} is not"),
                ));
            }
        }
        if is_recorded(third.0) {
            let seen = format!("{} was applied after a file that failed", third.0);
            return Err(Stop::breach("what is missing to be applied in order", seen));
        }
        work.write(second.0, second.1)?;
        work.write(third.0, third.1)?;
        let (has_succeeded, trial) = work.migrate(ENVIRONMENT)?;
        if !has_succeeded || !has(&trial, THIRD) {
            return Err(Stop::breach(
                "the mended file and the next to be applied",
                "they were not",
            ));
        }
        all_recorded(&records(&trial)?, &due(work)?)?;
        Ok(format!("{} was not recorded until it was mended", second.0))
    })
    .await
}

/// Before anything is judged: the tool applies the seed, and says so where it cannot.
pub(crate) async fn seeder_works(subject: &Subject) -> Judged {
    on_a_thread(subject, |work| {
        work.migrated(SEEDED)?;
        work.seeded(SEEDED)?;
        break_seed(work)?;
        let (has_succeeded, _) = work.seed(SEEDED)?;
        if has_succeeded {
            return Err(Stop::Fault(
                "the tool says that it applied a seed that cannot be applied".to_owned(),
            ));
        }
        Ok("it applies the development seed, and says so where one cannot be applied".to_owned())
    })
    .await
}

const SEEDED: &str = "development";

/// Puts a statement behind the development seed that no database takes.
fn break_seed(work: &Workplace) -> Result<(), Stop> {
    let seed = work.development()?;
    let broken = format!("{}\nINSERT INTO moltproof_nowhere VALUES (1);\n", seed.text);
    work.write(&format!("seeds/{}", seed.name), &broken)
}

pub(super) async fn seeds(subject: &Subject) -> Judged {
    on_a_thread(subject, |work| {
        let seed = work.development()?;
        let record_of = |trial: &Trial| -> Result<Option<Record>, Stop> {
            let records = records(trial)?;
            Ok(records.into_iter().find(|record| record.file == seed.name))
        };
        work.migrated(SEEDED)?;
        break_seed(work)?;
        let (has_succeeded, trial) = work.seed(SEEDED)?;
        let expected = "only what has been applied to be recorded";
        if has_succeeded {
            let seen = format!(
                "the tool said that {} succeeded, with a statement in it that cannot",
                seed.name
            );
            return Err(Stop::breach(expected, seen));
        }
        if record_of(&trial)?.is_some() {
            let seen = format!("{} is recorded, and has failed", seed.name);
            return Err(Stop::breach(expected, seen));
        }
        work.write(&format!("seeds/{}", seed.name), &seed.text)?;
        let (has_succeeded, trial) = work.seed(SEEDED)?;
        if !has_succeeded {
            let seen = "the tool said that it failed";
            return Err(Stop::breach("the mended seed to be applied", seen));
        }
        let expected = format!(
            "a row for {} of {SEEDED} with the SHA-256 of its text",
            seed.name
        );
        match record_of(&trial)? {
            None => Err(Stop::breach(expected, "no row of that file")),
            Some(record) if record.environment != SEEDED => Err(Stop::breach(
                expected,
                format!("one of {}", record.environment),
            )),
            Some(record) if record.sha256 != sha256(&seed.text) => Err(Stop::breach(
                expected,
                format!("one with {}", record.sha256),
            )),
            Some(_) => Ok(format!(
                "{} was not recorded until it was mended",
                seed.name
            )),
        }
    })
    .await
}
