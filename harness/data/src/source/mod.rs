//! Where a database comes from: a folder of migrations, a file of SQL, a SQLite database, wrangler's local state, a remote D1. Never changes any of them.

mod folder;

pub use folder::folder;

use crate::text::{File, FileId};
use std::path::{Path, PathBuf};

/// What is judged: files of SQL in the order in which they apply, or a schema that a database told.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// How the user named it, for reports.
    pub shown: String,
    /// The files, in the order in which wrangler applies them. A database gives one file, whose text its `sqlite_schema` makes.
    pub files: Vec<File>,
    /// Whether the files are migrations that build on each other, or one file of SQL, or a schema that a database told.
    pub kind: Kind,
    /// Names in `d1_migrations`, in order, if a database told them.
    pub applied: Option<Vec<String>>,
}

/// Of which kind a source is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// Files that build on each other.
    #[default]
    Migrations,
    /// One file of SQL.
    Script,
    /// What a database told of its schema.
    Database,
}

impl Source {
    /// A file of it.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&File> {
        self.files.get(id.0)
    }
}

/// A source that cannot be used; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Not there, or closed.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// File or folder.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A folder without a file that is a migration.
    #[error("{} holds no .sql file; name the folder that wrangler's `migrations_dir` names", path.display())]
    NoMigrations {
        /// The folder.
        path: PathBuf,
    },
    /// Neither SQL nor a database; the reason says what it looks like.
    #[error("{}: {reason}", path.display())]
    NotSql {
        /// The file.
        path: PathBuf,
        /// What it is instead, and what to do.
        reason: String,
    },
    /// SQLite does not open it.
    #[error("{} cannot be read as a SQLite database: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
}

/// A source by its path: a folder is migrations, a SQLite database is read, anything else is SQL.
///
/// # Errors
/// [`Unusable`].
pub fn open(path: &Path) -> Result<Source, Unusable> {
    folder(path)
}
