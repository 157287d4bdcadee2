//! The run store: the reports of the last runs, and a line of history for every run. Never changes a verdict: what cannot be kept is told,
//! and the run goes on.

pub mod history;

use crate::report::{Report, json};
use crate::scrub;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// In place of a folder: keep nothing.
pub const NONE: &str = "none";

/// Reports that are kept. Evidence: that of a full run has 12 MiB, and nobody repeats a finding of twenty runs ago.
pub const RUNS_MAX: usize = 20;

/// A run as it is named on a command line: the newest.
pub const LAST: &str = "last";

/// A folder with runs.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// No run of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRun {
    /// There is no store, or it is empty.
    #[error(
        "no run is kept in {0}; `moltproof run` keeps its report there, unless --store or MOLTPROOF_STORE says otherwise"
    )]
    Empty(String),
    /// None of them.
    #[error("no kept run is called `{named}`; the last ones are {}; or give the path of a JSON report", .known.join(", "))]
    Unknown {
        /// What was asked for.
        named: String,
        /// The newest runs, the newest first.
        known: Vec<String>,
    },
    /// Several of them.
    #[error("`{named}` is the beginning of several runs: {}", .fitting.join(", "))]
    Ambiguous {
        /// What was asked for.
        named: String,
        /// Which.
        fitting: Vec<String>,
    },
}

/// Runs that a message names. Evidence: they fit into one line of a terminal.
const NAMED_MAX: usize = 5;

impl Store {
    /// The store in this folder, whether or not it is there already.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    /// Where the report of a run is kept.
    #[must_use]
    pub fn path_of(&self, run_id: &str) -> PathBuf {
        self.runs().join(format!("{run_id}.json"))
    }

    fn history(&self) -> PathBuf {
        self.folder.join("history.jsonl")
    }

    /// Keeps a report, whole or not at all, and its line of history; lets the oldest reports go.
    ///
    /// # Errors
    /// What the file system says.
    pub fn keep(&self, report: &Report) -> io::Result<()> {
        std::fs::create_dir_all(self.runs())?;
        let ignore = self.folder.join(".gitignore");
        if !ignore.exists() {
            // Reports of one machine's runs belong to nobody else.
            json::write_whole(&ignore, b"*\n")?;
        }
        let text = serde_json::to_string(report)?;
        let text = scrub::clean_report(&text);
        json::write_private(&self.path_of(&report.run_id), text.as_bytes())?;
        let mut line = scrub::clean_report(&serde_json::to_string(&history::Line::of(report))?);
        line.push('\n');
        // One write at the end of the file: another run that ends meanwhile loses nothing, and neither does this one.
        let history = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.history());
        history?.write_all(line.as_bytes())?;
        self.let_go()
    }

    fn let_go(&self) -> io::Result<()> {
        for (_, path) in self.kept()?.into_iter().skip(RUNS_MAX) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                // Another run was quicker.
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Ids and files of the kept runs, the newest first.
    ///
    /// # Errors
    /// What the file system says; a store that is not there holds nothing.
    pub fn kept(&self) -> io::Result<Vec<(String, PathBuf)>> {
        let entries = match std::fs::read_dir(self.runs()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut found: Vec<(SystemTime, String, PathBuf)> = Vec::new();
        for entry in entries {
            let (entry, path) = {
                let entry = entry?;
                let path = entry.path();
                (entry, path)
            };
            let id = path
                .file_name()
                .and_then(|name| name.to_str()?.strip_suffix(".json"));
            // What a run that was killed has left half-written has another name.
            if let Some(id) = id.filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
                let written = entry.metadata()?.modified()?;
                found.push((written, id.to_owned(), path));
            }
        }
        found.sort_by(|a, b| b.cmp(a));
        Ok(found.into_iter().map(|(_, id, path)| (id, path)).collect())
    }

    /// The file of a kept run: by its id, a beginning of it that no other has, or `last`.
    ///
    /// # Errors
    /// [`NoRun`], with what there is.
    pub fn find(&self, named: &str) -> Result<PathBuf, NoRun> {
        let kept = self.kept().unwrap_or_default();
        let Some((_, newest)) = kept.first() else {
            return Err(NoRun::Empty(self.folder.display().to_string()));
        };
        if named == LAST {
            return Ok(newest.clone());
        }
        if let Some((_, path)) = kept.iter().find(|(id, _)| id == named) {
            return Ok(path.clone());
        }
        let fitting: Vec<_> = kept
            .iter()
            .filter(|(id, _)| !named.is_empty() && id.starts_with(named))
            .collect();
        let ids = |list: &[&(String, PathBuf)]| {
            let ids = list.iter().take(NAMED_MAX).map(|(id, _)| id.clone());
            ids.collect::<Vec<_>>()
        };
        match fitting.as_slice() {
            [(_, path)] => Ok(path.clone()),
            [] => Err(NoRun::Unknown {
                named: named.to_owned(),
                known: ids(&kept.iter().collect::<Vec<_>>()),
            }),
            several => Err(NoRun::Ambiguous {
                named: named.to_owned(),
                fitting: ids(several),
            }),
        }
    }

    /// The lines of history, the oldest first, and how many could not be read.
    ///
    /// # Errors
    /// What the file system says; a store that is not there has none.
    pub fn lines(&self) -> io::Result<(Vec<history::Line>, usize)> {
        let text = match std::fs::read_to_string(self.history()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            other => other?,
        };
        let read = text.lines().map(serde_json::from_str::<history::Line>);
        let (lines, broken): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
        let mut lines: Vec<_> = lines.into_iter().flatten().collect();
        lines.sort_by_key(|line| line.started_at_ms);
        Ok((lines, broken.len()))
    }
}
