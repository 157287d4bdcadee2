//! What is judged, as the command line names it. Never guesses what it was not told.

use super::Failed;
use crate::claims::Data;
use crate::source::{self, Source};
use crate::subject::Subject;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The database and its claims.
#[derive(Debug, clap::Args)]
pub(super) struct Input {
    /// A folder of migrations, a file of SQL, or a SQLite database.
    #[arg(default_value = "migrations", value_name = "PATH")]
    path: PathBuf,
    /// A file with a `[data]` section; `data.toml` in the folder or beside it is taken by itself.
    #[arg(long, value_name = "FILE", env = "MOLTPROOF_DB_CLAIMS")]
    claims: Option<PathBuf>,
    /// Repeats the rows that are made up.
    #[arg(long, default_value_t = 1, env = "MOLTPROOF_DB_SEED")]
    seed: u64,
}

impl Input {
    /// Reads everything and applies the files.
    pub(super) fn subject(&self) -> Result<Subject, Failed> {
        let source = self.source()?;
        let claims = self.claims()?;
        Subject::of(source, claims, self.seed).map_err(Failed::fault)
    }

    fn source(&self) -> Result<Source, Failed> {
        source::open(&self.path).map_err(Failed::usage)
    }

    fn claims(&self) -> Result<Data, Failed> {
        let Some(file) = self.claims.clone().or_else(|| beside(&self.path)) else {
            return Ok(Data::default());
        };
        if self.claims.is_none() {
            let _closed = writeln!(
                anstream::stderr(),
                "note: the claims are read from {}",
                file.display()
            );
        }
        let text = std::fs::read_to_string(&file)
            .map_err(|error| Failed::usage(format!("cannot read {}: {error}", file.display())))?;
        Data::parse(&text).map_err(|error| Failed::usage(format!("{}: {error}", file.display())))
    }
}

/// `data.toml` in the folder, or beside it.
fn beside(path: &Path) -> Option<PathBuf> {
    let folders = [Some(path), path.parent()];
    let files = folders
        .into_iter()
        .flatten()
        .map(|folder| folder.join("data.toml"));
    files.into_iter().find(|file| file.is_file())
}
