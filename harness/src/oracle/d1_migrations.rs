//! What `wrangler d1 migrations apply` makes of a folder, on a fresh database, with D1's limits and refusals. Never calls wrangler.
//!
//! Evidence: measured with wrangler 4.86 and its local D1: order by leading integer, sub-folders and other endings ignored,
//! each file one transaction, foreign keys on. What D1 refuses is `d1-platform`'s to say.

use d1_platform::Line;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Why a folder does not apply.
#[derive(Debug, thiserror::Error)]
pub enum NotApplied {
    /// The folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// File or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// D1 refuses a file.
    #[error("{file}: {reason}")]
    Refused {
        /// File name.
        file: String,
        /// What SQLite says, or which rule of D1 it breaks.
        reason: String,
    },
}

/// The files of a folder that are migrations, in the order in which they apply.
///
/// # Errors
/// [`NotApplied::Unreadable`].
pub fn in_order(folder: &Path) -> Result<Vec<PathBuf>, NotApplied> {
    let unreadable = |source| NotApplied::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() && path.extension().is_some_and(|ending| ending == "sql") {
            files.push(path);
        }
    }
    files.sort_by(|a, b| {
        let (a, b) = (name(a), name(b));
        d1_platform::migration_order(&a).cmp(&d1_platform::migration_order(&b))
    });
    Ok(files)
}

/// The name under which a migration is recorded.
#[must_use]
pub fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// A fresh database in memory with every migration of the folder applied.
///
/// # Errors
/// [`NotApplied`] with the first file that D1 would refuse.
pub fn apply(folder: &Path) -> Result<Connection, NotApplied> {
    let refused = |file: &str, reason: String| NotApplied::Refused {
        file: file.to_owned(),
        reason,
    };
    let connection = fresh().map_err(|error| refused("a fresh database", error.to_string()))?;
    let longest = usize::try_from(d1_platform::limits().sql_bytes.used).unwrap_or(usize::MAX);
    for path in in_order(folder)? {
        let file = name(&path);
        let sql = fs::read_to_string(&path).map_err(|source| NotApplied::Unreadable {
            path: path.clone(),
            source,
        })?;
        if sql.len() > longest {
            return Err(refused(
                &file,
                format!(
                    "{} bytes; keep each file below {longest}, the longest statement of D1",
                    sql.len()
                ),
            ));
        }
        one(&connection, &sql).map_err(|error| refused(&file, error.to_string()))?;
    }
    Ok(connection)
}

fn fresh() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    d1_platform::constrain(&connection)?;
    Ok(connection)
}

fn one(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    d1_platform::authorize(connection, Line::Current)?;
    let done = d1_platform::run(connection, sql);
    d1_platform::release(connection)?;
    done?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn files_apply_by_their_leading_number() {
        let folder = folder(&[
            ("0010_b.sql", "ALTER TABLE a ADD COLUMN y"),
            ("9_a.sql", "CREATE TABLE a (x)"),
            ("100_c.sql", "ALTER TABLE a ADD COLUMN z"),
            ("sub/0001_no.sql", "no sql"),
            ("README.md", "no sql"),
        ]);
        let names: Vec<String> = in_order(folder.path())
            .unwrap()
            .iter()
            .map(|path| name(path))
            .collect();
        assert_eq!(names, ["9_a.sql", "0010_b.sql", "100_c.sql"]);
        assert!(apply(folder.path()).is_ok());
    }

    #[test]
    fn what_d1_refuses_is_refused_with_the_file_name() {
        for sql in [
            "BEGIN; CREATE TABLE a (x); COMMIT;",
            "SAVEPOINT s",
            "PRAGMA journal_mode = WAL",
            "CREATE TEMP TABLE a (x)",
            "ATTACH ':memory:' AS other",
            "SELECT json_pretty(json_array(1))",
            "SELECT sqlite_version()",
            "CREATE TABLE _cf_x (a); DROP TABLE _cf_x",
            "SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6",
            "CREATE TABLE a (x",
        ] {
            let folder = folder(&[("0001_a.sql", sql)]);
            let error = apply(folder.path()).unwrap_err().to_string();
            assert!(error.starts_with("0001_a.sql: "), "{sql}: {error}");
        }
    }

    #[test]
    fn what_d1_takes_is_taken() {
        for sql in [
            "PRAGMA foreign_key_check",
            "PRAGMA legacy_alter_table = ON",
            "CREATE TABLE tenants (id); PRAGMA index_list(tenants)",
            "CREATE VIRTUAL TABLE places USING rtree(id, low, high)",
        ] {
            let folder = folder(&[("0001_a.sql", sql)]);
            assert!(apply(folder.path()).is_ok(), "{sql}");
        }
    }

    #[test]
    fn triggers_and_semicolons_in_strings_apply() {
        let sql = "CREATE TABLE a (x DEFAULT ';'); -- ; \n\
                   CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET x = 1; END; PRAGMA defer_foreign_keys = ON;";
        let folder = folder(&[("0001_a.sql", sql)]);
        apply(folder.path()).unwrap();
    }
}
