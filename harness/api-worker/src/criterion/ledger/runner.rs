//! The target's own tool, called on folders and databases that are made for it. Never on the target's own.

use super::recorded::read;
use super::{ENVIRONMENTS, Record, all_recorded, records, wanted};
use crate::outcome::{Judged, Need, Stop};
use crate::scripts::trial::Trial;
use crate::scripts::{Places, Scripts};
use crate::subject::{Applied, Runner, Subject};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

const ENVIRONMENT: &str = "staging";

/// A workplace for the tool: migrations to apply, and where it keeps its database.
struct Workplace {
    runner: Runner,
    scripts: Arc<Scripts>,
    folder: TempDir,
}

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

impl Workplace {
    fn of(subject: &Subject) -> Result<Self, Stop> {
        let runner = subject.runner.clone().ok_or(Stop::lacking(Need::Runner))?;
        let scripts = subject.scripts()?;
        let work = Self {
            runner,
            scripts,
            folder: TempDir::new().map_err(|error| unusable(&error))?,
        };
        for folder in [work.migrations(), work.folder.path().join("database")] {
            fs::create_dir(folder).map_err(|error| unusable(&error))?;
        }
        // Backwards: whoever takes them as the file system has them takes them wrongly.
        for script in work.scripts.migrations.iter().rev() {
            work.write(&script.name, &script.text)?;
        }
        Ok(work)
    }

    fn migrations(&self) -> PathBuf {
        self.folder.path().join("migrations")
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Stop> {
        fs::write(self.migrations().join(name), text).map_err(|error| unusable(&error))
    }

    /// Calls the tool. What it said, and what it left.
    fn call(&self) -> Result<(bool, Trial), Stop> {
        let database = self.folder.path().join("database");
        let called = (self.runner)(&self.migrations(), &database, ENVIRONMENT);
        let Applied {
            has_succeeded,
            database,
        } = called
            .map_err(|error| Stop::Fault(format!("the target's tool cannot be called: {error}")))?;
        if !database.exists() && !has_succeeded {
            return Ok((false, Trial::empty()?));
        }
        Ok((has_succeeded, read(&database)?))
    }

    /// Calls the tool, as a precondition of what follows.
    fn begun(&self) -> Result<Vec<Record>, Stop> {
        let (has_succeeded, trial) = self.call()?;
        if !has_succeeded {
            return Err(Stop::unmet(
                "API-007",
                "the tool does not apply the target's own migrations",
            ));
        }
        let records = records(&trial)?;
        if records.is_empty() {
            return Err(Stop::unmet("API-007", "the tool records nothing"));
        }
        Ok(records)
    }

    /// What must be recorded of the files that are in the folder now.
    fn wanted(&self) -> Result<Vec<(String, i64, String)>, Stop> {
        let read = Scripts::read(&Places::below(&self.migrations()));
        let scripts = read.map_err(|error| Stop::Fault(error.to_string()))?;
        Ok(wanted(&scripts))
    }
}

fn unusable(error: &std::io::Error) -> Stop {
    Stop::Fault(format!(
        "no folder could be made for the target's tool: {error}"
    ))
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

async fn on_a_thread(
    subject: &Subject,
    work: impl FnOnce(&Workplace) -> Judged + Send + 'static,
) -> Judged {
    let workplace = Workplace::of(subject)?;
    tokio::task::spawn_blocking(move || work(&workplace))
        .await
        .map_err(|error| Stop::Fault(format!("the judge of the tool failed: {error}")))?
}

/// Before anything is judged: the tool applies the target's own migrations, and says so where it cannot apply one.
pub(crate) async fn tool_works(subject: &Subject) -> Judged {
    on_a_thread(subject, |work| {
        let records = work.begun()?.len();
        work.write("9001_moltproof_broken.sql", "CREATE TABLE;\n")?;
        let (has_succeeded, _) = work.call()?;
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
        let (has_succeeded, trial) = work.call()?;
        if !has_succeeded || !has(&trial, THIRD) {
            let seen = if has_succeeded {
                "it said so, and left some out"
            } else {
                "it said that it failed"
            };
            return Err(Stop::breach("every migration applied in order", seen));
        }
        let records = records(&trial)?;
        let wanted = work.wanted()?;
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
        let before = work.begun()?;
        let (has_succeeded, trial) = work.call()?;
        let expected = "nothing to do where nothing is missing";
        if !has_succeeded {
            return Err(Stop::breach(expected, "it said that it failed"));
        }
        if records(&trial)? != before {
            return Err(Stop::breach(expected, "schema_metadata is not what it was"));
        }
        let (name, text) = LATER[0];
        work.write(name, text)?;
        let (has_succeeded, trial) = work.call()?;
        let after = records(&trial)?;
        if !has_succeeded || !has(&trial, FIRST) {
            return Err(Stop::breach("a new file to be applied", "it was not"));
        }
        all_recorded(&after, &work.wanted()?)?;
        if let Some(gone) = before.iter().find(|record| !after.contains(record)) {
            let seen = format!("the row of {} is not what it was", gone.file);
            return Err(Stop::breach("the rows of older files as they were", seen));
        }
        let (has_succeeded, trial) = work.call()?;
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
    let (has_succeeded, trial) = work.call()?;
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
        all_recorded(&after, &work.wanted()?)?;
        Ok("what came late was applied".to_owned())
    } else {
        Ok("what came late was refused".to_owned())
    }
}

pub(super) async fn edited(subject: &Subject) -> Judged {
    on_a_thread(subject, |work| {
        let (first, second) = (LATER[0], LATER[1]);
        work.write(first.0, first.1)?;
        let before = work.begun()?;
        // A comment more is another file: nobody knows any longer what was applied.
        let edited = |text: &str| format!("-- Edited.\n{text}");
        let oldest = work.scripts.migrations.first();
        let oldest = oldest.map(|script| (script.name.as_str(), script.text.as_str()));
        // It is found as well where nothing else is to be done, of the newest file and of the oldest.
        for (name, text) in [Some(first), oldest].into_iter().flatten() {
            work.write(name, &edited(text))?;
            let (has_succeeded, trial) = work.call()?;
            let expected = "an edited file to be refused where nothing is missing";
            if has_succeeded {
                let seen = format!("the tool said that it succeeded, with {name} edited");
                return Err(Stop::breach(expected, seen));
            }
            if records(&trial)? != before {
                return Err(Stop::breach(expected, "schema_metadata is not what it was"));
            }
            work.write(name, text)?;
        }
        work.write(first.0, &edited(first.1))?;
        work.write(second.0, second.1)?;
        let (has_succeeded, trial) = work.call()?;
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
        let (has_succeeded, trial) = work.call()?;
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
        work.begun()?;
        work.write(first.0, first.1)?;
        work.write(second.0, "INSERT INTO moltproof_nowhere VALUES (1);\n")?;
        work.write(
            third.0,
            "CREATE TABLE moltproof_after (id INTEGER PRIMARY KEY NOT NULL);\n",
        )?;
        let (has_succeeded, trial) = work.call()?;
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
        let (has_succeeded, trial) = work.call()?;
        if !has_succeeded || !has(&trial, THIRD) {
            return Err(Stop::breach(
                "the mended file and the next to be applied",
                "they were not",
            ));
        }
        all_recorded(&records(&trial)?, &work.wanted()?)?;
        Ok(format!("{} was not recorded until it was mended", second.0))
    })
    .await
}
