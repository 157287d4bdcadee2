//! The target's own tool, called on folders and databases that are made for it. Never on the target's own, and never judged here.

use crate::outcome::{Judged, Need, Stop};
use crate::scripts::trial::Trial;
use crate::scripts::{Script, Scripts};
use crate::subject::{Applied, Runner, Subject};
use crate::words::Columns;
use moltproof_doubles::lag::progress;
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::mpsc::{self, UnboundedSender};

/// A workplace for the tool: migrations and seeds to apply, and where it keeps its database.
pub(super) struct Workplace {
    runner: Runner,
    seeder: Option<Runner>,
    pub(super) scripts: Arc<Scripts>,
    /// Is told of every call that has ended.
    called: UnboundedSender<()>,
    folder: TempDir,
}

/// A copy of the database in this file.
pub(super) fn read(path: &Path, columns: &Arc<Columns>) -> Result<Trial, Stop> {
    let opened = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let connection = opened
        .map_err(|error| Stop::Fault(format!("the tool's database cannot be opened: {error}")))?;
    Trial::holding(&connection, columns)
}

/// Works in a workplace of its own on a thread that may block.
pub(super) async fn on_a_thread(
    subject: &Subject,
    work: impl FnOnce(&Workplace) -> Judged + Send + 'static,
) -> Judged {
    let (called, mut calls) = mpsc::unbounded_channel();
    let workplace = Workplace::of(subject, called)?;
    let mut working = tokio::task::spawn_blocking(move || work(&workplace));
    loop {
        tokio::select! {
            judged = &mut working => {
                return judged.map_err(|error| Stop::Fault(format!("the judge of the tool failed: {error}")))?;
            }
            Some(()) = calls.recv() => progress::moved(),
        }
    }
}

impl Workplace {
    fn of(subject: &Subject, called: UnboundedSender<()>) -> Result<Self, Stop> {
        let runner = subject.runner.clone().ok_or(Stop::lacking(Need::Runner))?;
        let scripts = subject.scripts()?;
        let work = Self {
            runner,
            seeder: subject.seeder.clone(),
            scripts,
            called,
            folder: TempDir::new().map_err(|error| unusable(&error))?,
        };
        let seeds = work.migrations().join("seeds");
        for folder in [seeds, work.folder.path().join("database")] {
            fs::create_dir_all(folder).map_err(|error| unusable(&error))?;
        }
        // Backwards: whoever takes them as the file system has them takes them wrongly.
        for script in work.scripts.migrations.iter().rev() {
            work.write(&script.name, &script.text)?;
        }
        for Script { name, text } in work.scripts.seeds() {
            work.write(&format!("seeds/{name}"), text)?;
        }
        Ok(work)
    }

    pub(super) fn migrations(&self) -> PathBuf {
        self.folder.path().join("migrations")
    }

    /// Writes a file below the folder of the migrations.
    pub(super) fn write(&self, path: &str, text: &str) -> Result<(), Stop> {
        fs::write(self.migrations().join(path), text).map_err(|error| unusable(&error))
    }

    /// The development seed, as a precondition of what follows.
    pub(super) fn development(&self) -> Result<&Script, Stop> {
        let seed = self.scripts.development();
        seed.map_err(|_none| Stop::unmet("API-006", "there is no development seed"))
    }

    fn call(&self, tool: &Runner, environment: &str) -> Result<(bool, Trial), Stop> {
        let database = self.folder.path().join("database");
        let called = tool(&self.migrations(), &database, environment);
        // Nobody listens any more where the step has been ended.
        let _ended = self.called.send(());
        let Applied {
            has_succeeded,
            database,
        } = called
            .map_err(|error| Stop::Fault(format!("the target's tool cannot be called: {error}")))?;
        if !database.exists() && !has_succeeded {
            return Ok((false, Trial::empty(&self.scripts.columns)?));
        }
        Ok((has_succeeded, read(&database, &self.scripts.columns)?))
    }

    /// Applies the migrations. Whether the tool said that it succeeded, and what it left.
    pub(super) fn migrate(&self, environment: &str) -> Result<(bool, Trial), Stop> {
        self.call(&self.runner, environment)
    }

    /// Applies the seed of an environment. Whether the tool said that it succeeded, and what it left.
    pub(super) fn seed(&self, environment: &str) -> Result<(bool, Trial), Stop> {
        let seeder = self.seeder.as_ref().ok_or(Stop::lacking(Need::Seeder))?;
        self.call(seeder, environment)
    }

    /// Applies the migrations, as a precondition of what follows.
    pub(super) fn migrated(&self, environment: &str) -> Result<Trial, Stop> {
        match self.migrate(environment)? {
            (true, trial) => Ok(trial),
            (false, _) => Err(Stop::unmet(
                "API-007",
                "the tool does not apply the target's own migrations",
            )),
        }
    }

    /// Applies the seed of an environment, as a precondition of what follows.
    pub(super) fn seeded(&self, environment: &str) -> Result<Trial, Stop> {
        match self.seed(environment)? {
            (true, trial) => Ok(trial),
            (false, _) => Err(Stop::unmet(
                "API-012",
                format!("the tool does not apply the target's own file of {environment}"),
            )),
        }
    }
}

fn unusable(error: &std::io::Error) -> Stop {
    Stop::Fault(format!(
        "no folder could be made for the target's tool: {error}"
    ))
}
