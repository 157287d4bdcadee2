//! Numbered migrations, applied as D1 applies them. Never changes or repeats a file that was applied.
//!
//! What `wrangler d1 migrations apply` does is done here too: order by leading integer, one transaction a file,
//! the ledger `d1_migrations`, and the statements that D1 refuses are refused.

use super::sqlite::{self, Dialect};
use super::statements;
use d1_platform::{Line, Order};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::path::{Path, PathBuf};

/// One migration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The file's name, as `d1_migrations` records it (`0001_tenants_and_usage.sql`).
    pub name: String,
    /// Its text.
    pub sql: String,
}

impl Migration {
    fn order(&self) -> Order<'_> {
        d1_platform::migration_order(&self.name)
    }
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Names of the migrations of this run, in order; those applied earlier are not among them.
    pub names: Vec<String>,
}

/// Why a run stopped. Files before the failing one stay applied, the failing one leaves nothing behind, those after it were not tried.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The directory or a file in it cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Of the directory or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be opened, or the ledger cannot be read or written.
    #[error("the ledger of migrations cannot be kept")]
    Ledger(#[source] rusqlite::Error),
    /// A statement failed.
    #[error("migration {file} failed at line {line}")]
    Statement {
        /// Name of the file.
        file: String,
        /// Line of the failing statement within the file, from 1.
        line: usize,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// All statements ran, but together they cannot be committed: a deferred constraint is violated.
    #[error("migration {file} could not be committed")]
    Commit {
        /// Name of the file.
        file: String,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
}

/// The migrations of this repository (`migrations/*.sql`), compiled in.
#[must_use]
pub fn embedded() -> Vec<Migration> {
    [(
        "0001_tenants_and_usage.sql",
        include_str!("../../../migrations/0001_tenants_and_usage.sql"),
    )]
    .map(|(name, sql)| Migration {
        name: name.to_owned(),
        sql: sql.to_owned(),
    })
    .into()
}

/// The migrations of a directory, in the order in which they apply. Sub-folders and files that do not end in `.sql` are ignored.
///
/// # Errors
/// [`MigrationError::Read`] if the directory or one of its `.sql` files cannot be read.
pub fn from_dir(dir: &Path) -> Result<Vec<Migration>, MigrationError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| MigrationError::Read { path, source }
    };
    let mut migrations = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable(dir))? {
        let path = entry.map_err(unreadable(dir))?.path();
        if path.is_file() && path.extension().is_some_and(|extension| extension == "sql") {
            let sql = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            migrations.push(Migration { name, sql });
        }
    }
    migrations.sort_by(|a, b| a.order().cmp(&b.order()));
    Ok(migrations)
}

/// Applies what is missing to the database file, creating it if need be.
///
/// # Errors
/// [`MigrationError`]; see there for what is left behind.
pub fn apply(path: &Path, migrations: &[Migration]) -> Result<Applied, MigrationError> {
    apply_recorded(path, migrations, |_connection, _migration| Ok(()))
}

/// Applies what is missing, and lets `record` write in each file's transaction, after the file's statements.
///
/// # Errors
/// As [`apply`]; [`MigrationError::Ledger`] if `record` fails.
pub fn apply_recorded(
    path: &Path,
    migrations: &[Migration],
    record: impl Fn(&Connection, &Migration) -> rusqlite::Result<()>,
) -> Result<Applied, MigrationError> {
    let mut connection = sqlite::open_writing(path, Dialect::D1).map_err(MigrationError::Ledger)?;
    d1_platform::constrain(&connection).map_err(MigrationError::Ledger)?;
    connection
        .execute_batch(d1_platform::LEDGER)
        .map_err(MigrationError::Ledger)?;
    let mut in_order: Vec<_> = migrations.iter().collect();
    in_order.sort_by(|a, b| a.order().cmp(&b.order()));
    let mut names = Vec::new();
    for migration in in_order {
        if apply_one(&mut connection, migration, &record)? {
            names.push(migration.name.clone());
        }
    }
    Ok(Applied { names })
}

/// Applies one file in one transaction; whether it was missing.
fn apply_one(
    connection: &mut Connection,
    migration: &Migration,
    record: &impl Fn(&Connection, &Migration) -> rusqlite::Result<()>,
) -> Result<bool, MigrationError> {
    // The write lock comes first, so that two runs at the same time apply each file once.
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(MigrationError::Ledger)?;
    if is_applied(&transaction, &migration.name).map_err(MigrationError::Ledger)? {
        return Ok(false);
    }
    d1_platform::authorize(&transaction, Line::Current).map_err(MigrationError::Ledger)?;
    let outcome = run(&transaction, migration);
    d1_platform::release(&transaction).map_err(MigrationError::Ledger)?;
    outcome?;
    record(&transaction, migration).map_err(MigrationError::Ledger)?;
    transaction
        .execute(
            "INSERT INTO d1_migrations (name) VALUES (?1)",
            [&migration.name],
        )
        .map_err(MigrationError::Ledger)?;
    transaction
        .commit()
        .map_err(|source| MigrationError::Commit {
            file: migration.name.clone(),
            source,
        })?;
    Ok(true)
}

fn is_applied(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection
        .query_row(
            "SELECT 1 FROM d1_migrations WHERE name = ?1",
            [name],
            |_row| Ok(()),
        )
        .optional()
        .map(|found| found.is_some())
}

/// Applies one file in one transaction whether or not it was applied before, with what `record` writes; the ledger of migrations is not kept.
///
/// # Errors
/// As [`apply_recorded`].
pub fn apply_again(
    path: &Path,
    file: &Migration,
    record: impl Fn(&Connection, &Migration) -> rusqlite::Result<()>,
) -> Result<(), MigrationError> {
    let mut connection = sqlite::open_writing(path, Dialect::D1).map_err(MigrationError::Ledger)?;
    d1_platform::constrain(&connection).map_err(MigrationError::Ledger)?;
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(MigrationError::Ledger)?;
    d1_platform::authorize(&transaction, Line::Current).map_err(MigrationError::Ledger)?;
    let outcome = run(&transaction, file);
    d1_platform::release(&transaction).map_err(MigrationError::Ledger)?;
    outcome?;
    record(&transaction, file).map_err(MigrationError::Ledger)?;
    let committed = transaction.commit();
    committed.map_err(|source| MigrationError::Commit {
        file: file.name.clone(),
        source,
    })
}

fn run(connection: &Connection, migration: &Migration) -> Result<(), MigrationError> {
    for statement in statements::split(&migration.sql) {
        d1_platform::run(connection, statement.sql).map_err(|source| {
            MigrationError::Statement {
                file: migration.name.clone(),
                line: statement.line,
                source,
            }
        })?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "migrations_tests.rs"]
mod tests;
