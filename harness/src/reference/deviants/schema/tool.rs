//! Tools that apply migrations in another way, and databases that no migration made. Never breaks more than one thing at a time.

use super::{Draft, deviant};
use crate::reference::altered::Parts;
use crate::said::chain;
use crate::subject::Migrated;
use moltworker_reference::store::migrations::{self, Migration, MigrationError};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// A run over the files that apply: each in its turn, in its own way.
struct Tool {
    /// The files, in the order in which they apply.
    files: fn(&Path) -> Result<Vec<Migration>, MigrationError>,
    /// Before a file: the ledger or the file may be changed.
    before: fn(&Path, &mut Migration),
    /// After a file that failed.
    failed: fn(&Path, &Migration),
    /// After a file that applied.
    applied: fn(&Path, &Migration),
    /// Whether a failure ends the run.
    stops: bool,
    /// What is said of a failure.
    tells: fn(String) -> Migrated,
}

impl Default for Tool {
    fn default() -> Self {
        Self {
            files: migrations::from_dir,
            before: |_, _| (),
            failed: |_, _| (),
            applied: |_, _| (),
            stops: true,
            tells: |said| Migrated { ok: false, said },
        }
    }
}

impl Tool {
    fn run(&self, folder: &Path, database: &Path) -> Migrated {
        let files = match (self.files)(folder) {
            Ok(files) => files,
            Err(error) => return (self.tells)(chain(&error)),
        };
        let mut failure = None;
        for mut file in files {
            (self.before)(database, &mut file);
            match migrations::apply(database, std::slice::from_ref(&file)) {
                Ok(_applied) => (self.applied)(database, &file),
                Err(error) => {
                    (self.failed)(database, &file);
                    failure = Some(chain(&error));
                    if self.stops {
                        break;
                    }
                }
            }
        }
        match failure {
            Some(said) => (self.tells)(said),
            None => Migrated {
                ok: true,
                said: String::new(),
            },
        }
    }
}

/// Runs SQL without the tool; what fails leaves done what was done before it.
fn sql(database: &Path, text: &str) {
    let Ok(connection) = Connection::open(database) else {
        return;
    };
    // What is half done is meant to stay.
    drop(connection.execute_batch(text));
}

fn forget(database: &Path, file: &Migration) {
    let name = file.name.replace('\'', "''");
    sql(
        database,
        &format!("DELETE FROM d1_migrations WHERE name = '{name}'"),
    );
}

fn tool(id: &'static str, breaks: &'static str, tool: Tool) -> Draft {
    deviant(id, breaks, &["SCH-004"]).migrate(move |folder, database| tool.run(folder, database))
}

pub(super) fn all() -> Vec<Draft> {
    let mut all = orders();
    all.extend(repeats());
    all.extend(failures());
    all.extend(told());
    all.extend(by_hand());
    all
}

fn by_name(folder: &Path) -> Result<Vec<Migration>, MigrationError> {
    let mut files = migrations::from_dir(folder)?;
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

fn with_folders_below(folder: &Path) -> Result<Vec<Migration>, MigrationError> {
    let below = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let below: Vec<PathBuf> = below
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    let mut files = migrations::from_dir(folder)?;
    for folder in below {
        files.extend(migrations::from_dir(&folder)?);
    }
    Ok(files)
}

fn last_first(folder: &Path) -> Result<Vec<Migration>, MigrationError> {
    let mut files = migrations::from_dir(folder)?;
    files.reverse();
    Ok(files)
}

fn orders() -> Vec<Draft> {
    vec![
        tool(
            "migrations-in-order-of-name",
            "Migrations apply in the order of their names as text",
            Tool {
                files: by_name,
                ..Tool::default()
            },
        ),
        tool(
            "migrations-of-folders-below",
            "Migrations of folders below apply too",
            Tool {
                files: with_folders_below,
                ..Tool::default()
            },
        ),
        tool(
            "latest-migration-first",
            "The latest migration applies first",
            Tool {
                files: last_first,
                ..Tool::default()
            },
        ),
    ]
}

fn repeats() -> Vec<Draft> {
    vec![
        tool(
            "migrations-applied-again",
            "Every run applies every migration",
            Tool {
                before: |database, file| forget(database, file),
                ..Tool::default()
            },
        ),
        tool(
            "migrations-not-recorded",
            "What was applied is not recorded",
            Tool {
                applied: forget,
                ..Tool::default()
            },
        ),
        tool(
            "migrations-recorded-elsewhere",
            "What was applied is recorded in another table",
            Tool {
                before: |database, _| {
                    sql(
                        database,
                        "ALTER TABLE schema_migrations RENAME TO d1_migrations",
                    );
                },
                applied: |database, _| {
                    sql(
                        database,
                        "ALTER TABLE d1_migrations RENAME TO schema_migrations",
                    );
                },
                ..Tool::default()
            },
        ),
        tool(
            "ledger-touched-by-every-run",
            "Every run notes when it was, over the time at which a migration applied",
            Tool {
                applied: |database, _| {
                    sql(
                        database,
                        "UPDATE d1_migrations SET applied_at = applied_at || '+'",
                    );
                },
                ..Tool::default()
            },
        ),
        tool(
            "edited-migration-applied-again",
            "A migration that was edited after it was applied is applied again",
            Tool {
                before: forget_if_edited,
                ..Tool::default()
            },
        ),
    ]
}

/// Keeps beside the database what each file said when it was applied.
fn forget_if_edited(database: &Path, file: &mut Migration) {
    let seen = database.with_extension(format!("{}.seen", file.name));
    let former = std::fs::read_to_string(&seen);
    if former.is_ok_and(|former| former != file.sql) {
        forget(database, file);
    }
    // Where it cannot be kept nothing is known to be edited.
    drop(std::fs::write(&seen, &file.sql));
}

fn failures() -> Vec<Draft> {
    vec![
        tool(
            "migrations-without-transaction",
            "A failing migration leaves what it did before it failed",
            Tool {
                failed: |database, file| sql(database, &file.sql),
                ..Tool::default()
            },
        ),
        tool(
            "failing-migration-passed-over",
            "A failing migration is passed over, and later ones apply",
            Tool {
                stops: false,
                ..Tool::default()
            },
        ),
        tool(
            "failing-migration-recorded",
            "A failing migration is recorded as applied",
            Tool {
                failed: |database, file| {
                    let name = file.name.replace('\'', "''");
                    sql(
                        database,
                        &format!("INSERT INTO d1_migrations (name) VALUES ('{name}')"),
                    );
                },
                ..Tool::default()
            },
        ),
    ]
}

fn told() -> Vec<Draft> {
    vec![
        tool(
            "failing-migration-is-success",
            "A run that a migration stopped reports success",
            Tool {
                tells: |said| Migrated { ok: true, said },
                ..Tool::default()
            },
        ),
        tool(
            "failing-migration-unnamed",
            "A failure does not tell which migration it was",
            Tool {
                tells: |said| {
                    let (_, why) = said.split_once(": ").unwrap_or(("", &said));
                    let said = format!("a migration failed: {why}");
                    Migrated { ok: false, said }
                },
                ..Tool::default()
            },
        ),
        tool(
            "failing-line-not-told",
            "A failure does not tell the line",
            Tool {
                tells: |said| {
                    let said: Vec<_> = said.split(" at line ").collect();
                    let said = match said[..] {
                        [before, after, ..] => {
                            format!("{before}{}", after.trim_start_matches(char::is_numeric))
                        }
                        [_] | [] => said.concat(),
                    };
                    Migrated { ok: false, said }
                },
                ..Tool::default()
            },
        ),
        tool(
            "failing-line-counted-from-0",
            "The line of a failure is counted from zero",
            Tool {
                tells: |said| Migrated {
                    ok: false,
                    said: said.replace("line 3", "line 2").replace("line 4", "line 3"),
                },
                ..Tool::default()
            },
        ),
        tool(
            "failing-migration-undoes-the-ones-before",
            "All migrations of a run are undone when one fails",
            Tool {
                failed: |database, _| {
                    drop(std::fs::remove_file(database));
                    sql(
                        database,
                        "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL); CREATE TABLE steps (name TEXT, position INTEGER)",
                    );
                },
                ..Tool::default()
            },
        ),
        tool(
            "statements-split-at-every-semicolon",
            "A migration is cut at every semicolon, those in texts and triggers among them",
            Tool {
                before: |_, file| {
                    let pieces = file.sql.split(';').map(str::trim);
                    let broken = pieces.filter(|piece| !piece.is_empty()).find(|piece| {
                        let quotes = piece.matches('\'').count();
                        let opens = piece.contains("BEGIN") || piece.starts_with("END");
                        quotes % 2 == 1 || opens
                    });
                    if let Some(broken) = broken.map(str::to_owned) {
                        file.sql = broken;
                    }
                },
                ..Tool::default()
            },
        ),
    ]
}

/// Changes the backend's own database when it is opened.
fn changed(parts: &mut Parts, text: &str) {
    if let Some(database) = &parts.config.tenant_db {
        sql(database, text);
    }
}

fn by_hand() -> Vec<Draft> {
    vec![
        deviant(
            "schema-made-without-migrations",
            "The tables were made by hand: no migration is recorded",
            &["SCH-004"],
        )
        .parts(|parts| changed(parts, "DELETE FROM d1_migrations")),
        deviant(
            "migration-recorded-under-another-name",
            "A migration was renamed after it had been applied",
            &["SCH-004"],
        )
        .parts(|parts| changed(parts, "UPDATE d1_migrations SET name = '0001_init.sql'")),
        deviant(
            "index-made-by-hand",
            "The database has an index that no migration makes",
            &["SCH-005"],
        )
        .parts(|parts| {
            changed(
                parts,
                "CREATE INDEX IF NOT EXISTS usage_model ON usage (model)",
            );
        }),
        deviant(
            "column-made-by-hand",
            "The database has a column that no migration makes",
            &["SCH-005", "SCH-001"],
        )
        .parts(|parts| changed(parts, "ALTER TABLE tenants ADD COLUMN note TEXT")),
        deviant(
            "index-lost-by-the-tool",
            "The backend's own tool leaves indexes out, wrangler does not",
            &["SCH-005"],
        )
        .migrate(|folder, database| {
            let tool = Tool {
                applied: |database, _| sql(database, "DROP INDEX IF EXISTS usage_tenant_created"),
                ..Tool::default()
            };
            tool.run(folder, database)
        }),
    ]
}
