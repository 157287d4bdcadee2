//! The database of the profile `data`. Never reaches a Worker.

use moltproof_data::claims::{Data, From};
use moltproof_data::source::{self, Binding, Remote};
use moltproof_data::subject::Subject;
use std::path::PathBuf;

/// A database as a target declares it.
#[derive(Debug, Clone)]
pub struct Database {
    /// Where it comes from, and what it claims of itself.
    pub claims: Data,
    /// Where relative paths in the claims start.
    pub folder: PathBuf,
}

impl Database {
    /// Where it comes from, for people.
    #[must_use]
    pub fn origin(&self) -> String {
        match &self.claims.from {
            None => "a database of which nothing says where it is".to_owned(),
            Some(From::Migrations(folder)) => format!("the migrations in {}", folder.display()),
            Some(From::File(file)) => format!("the file {}", file.display()),
            Some(From::Wrangler(binding)) => {
                format!("the local state of wrangler's binding {binding}")
            }
            Some(From::Rest(rest)) => format!("the remote D1 database {}", rest.database),
        }
    }
}

/// A declared database that cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum Unprepared {
    /// Where it comes from cannot be read.
    #[error(transparent)]
    Source(#[from] moltproof_data::source::Unusable),
    /// SQLite cannot hold the copy.
    #[error("the copy in memory cannot be made: {0}")]
    Copy(#[from] rusqlite::Error),
    /// Nothing says where it comes from.
    #[error(
        "{0} cannot be judged: declare its migrations, a file, a binding or a remote database (manifest: [data] from)"
    )]
    Origin(String),
}

impl Database {
    /// The database as it is judged: its files replayed in memory, with rows in every table. Reads files, and blocks while it works.
    ///
    /// # Errors
    /// [`Unprepared`], which says what to do.
    pub fn open(self, seed: u64) -> Result<Subject, Unprepared> {
        let source = match &self.claims.from {
            Some(From::Migrations(path) | From::File(path)) => {
                source::open(&self.folder.join(path))?
            }
            Some(From::Wrangler(name)) => {
                let binding = Binding {
                    name: name.clone(),
                    ..Binding::default()
                };
                source::local(&binding, &self.folder)?
            }
            Some(From::Rest(rest)) => source::remote(&Remote {
                base: rest
                    .base_url
                    .clone()
                    .unwrap_or_else(|| source::BASE_URL.to_owned()),
                account: rest.account.clone(),
                database: rest.database.clone(),
                token: rest.token.clone(),
            })?,
            None => return Err(Unprepared::Origin(self.origin())),
        };
        Ok(Subject::of(source, self.claims, seed)?)
    }
}
