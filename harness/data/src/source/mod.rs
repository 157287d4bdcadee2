//! Where a database comes from: a folder of migrations, a file of SQL, a SQLite database, wrangler's local state, a remote D1. Never changes any of them.

mod database;
mod file;
mod folder;
mod local;
mod remote;
mod schema;

pub use folder::folder;
pub(crate) use folder::version;
pub use local::{Binding, local};
pub use remote::{BASE_URL, Remote, remote};

use crate::text::{File, FileId, quotes_shortened, shortened};
use std::collections::BTreeMap;
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
    /// The text that files had when they were released, of those that were.
    pub released: BTreeMap<FileId, String>,
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
    /// Nothing lies there.
    #[error("there is no `{}`; name a folder of migrations, a file of SQL or a SQLite database{}", path.display(), listed("; migrations are in ", below))]
    Missing {
        /// File or folder.
        path: PathBuf,
        /// Folders beside it that hold migrations.
        below: Vec<PathBuf>,
    },
    /// A folder without a file that is a migration.
    #[error("{} holds no migration (no .sql file){}", path.display(), named(below))]
    NoMigrations {
        /// The folder.
        path: PathBuf,
        /// Folders below it that hold some.
        below: Vec<PathBuf>,
    },
    /// Neither SQL nor a database; the reason says what it looks like.
    #[error("{} {}", path.display(), quotes_shortened(reason))]
    NotSql {
        /// The file.
        path: PathBuf,
        /// What it is instead, and what to do.
        reason: String,
    },
    /// Wrangler's configuration does not lead to a database; the reason says what to do.
    #[error("{reason}")]
    Wrangler {
        /// What is missing.
        reason: String,
    },
    /// Nobody answers.
    #[error("{base} cannot be reached: {reason}")]
    Unreachable {
        /// Where the API should answer.
        base: String,
        /// Why not.
        reason: String,
    },
    /// Cloudflare answers, but not with a schema.
    #[error(
        "Cloudflare does not give the schema of {database} ({reason}); are the ids right, and may the token in CLOUDFLARE_API_TOKEN read D1?"
    )]
    Refused {
        /// The database's id.
        database: String,
        /// What it says.
        reason: String,
    },
    /// Another process holds it.
    #[error("{} is locked by another process; end what writes to it (`wrangler dev`, a transaction), or judge a copy", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// SQLite does not read it.
    #[error("{} cannot be read as a SQLite database: {}; `sqlite3 FILE \"PRAGMA integrity_check\"` says what is wrong with it", path.display(), shortened(&source.to_string()))]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
}

/// The end of the sentence about a folder without migrations.
fn named(below: &[PathBuf]) -> String {
    if below.is_empty() {
        "; name the folder that wrangler's `migrations_dir` names".to_owned()
    } else {
        listed("; there are some in ", below)
    }
}

/// Paths behind some words; nothing without a path.
fn listed(words: &str, paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return String::new();
    }
    let names: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    format!("{words}{}", names.join(", "))
}

/// A source by its path: a folder is migrations, a SQLite database is read, anything else is SQL.
///
/// # Errors
/// [`Unusable`].
pub fn open(path: &Path) -> Result<Source, Unusable> {
    let metadata = path.metadata().map_err(|source| {
        let path = path.to_owned();
        if source.kind() == std::io::ErrorKind::NotFound {
            let beside = path.parent().unwrap_or(Path::new(""));
            let below = folder::below(beside);
            Unusable::Missing { path, below }
        } else {
            Unusable::Unreadable { path, source }
        }
    })?;
    if metadata.is_dir() {
        folder(path)
    } else {
        file::open(path, &metadata)
    }
}
