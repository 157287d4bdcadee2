//! Migrations applied by the target's own tool and by wrangler's rules. Never applies anything to the target's database.

use super::{described, unreadable};
use crate::contract::need::Need;
use crate::oracle::d1_migrations::{self, NotApplied};
use crate::oracle::schema::{self, Schema};
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach};
use crate::said::said;
use crate::subject::Migrated;
use crate::verdict::{Check, Stop};
use regex::Regex;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"the migrations recorded in the target's database are those of its folder, in order",
        |s, _a| Box::pin(target_is_recorded(s)),
    );
    book.step(r"a folder of migrations", |s, a| {
        Box::pin(write_files(s, a))
    });
    book.step(r"a migration is added to the folder", |s, a| {
        Box::pin(write_files(s, a))
    });
    book.step(
        r#"the migration "([^"]+)" (?:in it|in a folder of its own|is mended)"#,
        |s, a| Box::pin(write_file(s, a)),
    );
    book.step(
        r"the migrations are applied (?:to a fresh database|again)",
        |s, _a| Box::pin(apply(s)),
    );
    book.step(r"the tool reports success", |s, _a| Box::pin(succeeded(s)));
    book.step(r#"the tool reports failure and names "([^"]+)""#, |s, a| {
        Box::pin(failed_in(s, a))
    });
    book.step(r"it names line (\d+)", |s, a| Box::pin(failed_at(s, a)));
    book.step(
        r#"the migrations "([^"]+)" are recorded in this order, each once"#,
        |s, a| Box::pin(are_recorded(s, a)),
    );
    book.step(r#"the steps done are "([^"]+)""#, |s, a| {
        Box::pin(steps_done(s, a))
    });
    book.step(r"nothing in the database has changed", |s, _a| {
        Box::pin(unchanged(s))
    });
    book.step(r#"table "([^"]+)" is not there"#, |s, a| {
        Box::pin(is_not_there(s, a))
    });
    book.asserting(
        &["SCH-005"],
        r"the target's migrations are applied by wrangler's rules and within D1's limits",
        |s, _a| Box::pin(apply_by_rules(s)),
    );
    book.step(
        r"the schema they give is the one of the target's database",
        |s, _a| Box::pin(same_as_target(s)),
    );
    book.step(
        r"the target's own tool applies them to a fresh database",
        |s, _a| Box::pin(apply_own(s)),
    );
    book.step(r"both have given the same schema", |s, _a| {
        Box::pin(both_same(s))
    });
}

fn files(s: &mut Scene) -> Result<PathBuf, Stop> {
    Ok(s.own_folder()?.join("migrations"))
}

fn database(s: &mut Scene) -> Result<PathBuf, Stop> {
    Ok(s.own_folder()?.join("database.sqlite"))
}

fn cannot(error: &dyn std::error::Error) -> Stop {
    Stop::Fault(format!("the scenario's own files: {error}"))
}

fn write(folder: &Path, name: &str, text: &str) -> Check {
    let path = folder.join(name);
    let parent = path.parent().unwrap_or(folder);
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(&path, text))
        .map_err(|error| cannot(&error))
}

async fn write_files(s: &mut Scene, a: Args) -> Check {
    let folder = files(s)?;
    for row in &a.table {
        let [name, text] = row.as_slice() else {
            return Err(Stop::Fault("a row needs name and text".to_owned()));
        };
        write(&folder, name, text)?;
    }
    Ok(())
}

async fn write_file(s: &mut Scene, a: Args) -> Check {
    let folder = files(s)?;
    write(
        &folder,
        a.text(1),
        a.docstring.as_deref().unwrap_or_default(),
    )
}

/// Applies the files as the target's own tool does.
async fn by_own_tool(s: &Scene, folder: &Path, database: &Path) -> Result<Migrated, Stop> {
    let target = &s.run.target;
    if let Some(missing) = target.lacks_migration_tool() {
        return Err(Stop::NotVerified(missing));
    }
    Ok(target.migrate(folder, database).await?)
}

async fn apply(s: &mut Scene) -> Check {
    let (folder, database) = (files(s)?, database(s)?);
    if database.exists() {
        let before = dump(&database)?;
        s.notes.insert("dump".to_owned(), before);
    }
    let Migrated { ok, said } = by_own_tool(s, &folder, &database).await?;
    s.notes
        .insert("migrated".to_owned(), json!({ "ok": ok, "said": said }));
    Ok(())
}

fn migrated(s: &Scene) -> Result<(bool, String), Stop> {
    let note = s.notes.get("migrated");
    let ok = note.and_then(|note| note["ok"].as_bool());
    let said = note.and_then(|note| note["said"].as_str());
    ok.zip(said)
        .map(|(ok, said)| (ok, said.to_owned()))
        .ok_or_else(|| Stop::Fault("no migrations were applied".to_owned()))
}

async fn succeeded(s: &mut Scene) -> Check {
    let (ok, said) = migrated(s)?;
    s.expect(ok, "migrations applied with success", || said.clone())
}

/// The name must stand where the failure is told: a list of all files names the failing one too.
async fn failed_in(s: &mut Scene, a: Args) -> Check {
    let (ok, said) = migrated(s)?;
    let told = said.lines().any(|line| {
        let line = line.to_lowercase();
        line.contains(a.text(1)) && (line.contains("fail") || line.contains("error"))
    });
    s.expect(
        !ok && told,
        format!("a failure that names {}", a.text(1)),
        || format!("success: {ok}; it said: {said}"),
    )
}

async fn failed_at(s: &mut Scene, a: Args) -> Check {
    let (ok, said) = migrated(s)?;
    let line = format!(r"(?i)(\bline\s*:?\s*{0}\b|\.sql:{0}\b)", a.text(1));
    let line = Regex::new(&line).map_err(|error| cannot(&error))?;
    s.expect(
        !ok && line.is_match(&said),
        format!("a failure at line {}", a.text(1)),
        || format!("success: {ok}; it said: {said}"),
    )
}

/// The database that the tool wrote, read only.
fn open(database: &Path) -> Result<Connection, Stop> {
    Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| cannot(&error))
}

/// The texts of a one-column query.
fn texts(database: &Path, sql: &str) -> Result<Vec<String>, Stop> {
    let look = || -> rusqlite::Result<Vec<String>> {
        let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.collect()
    };
    look().map_err(|error| breach(format!("an answer to `{sql}`"), error.to_string()))
}

/// Every entry of the schema and every row that migrations wrote.
fn dump(database: &Path) -> Result<Value, Stop> {
    let schema = texts(
        database,
        "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master ORDER BY 1",
    )?;
    let recorded = texts(
        database,
        "SELECT id || ' ' || name || ' ' || applied_at FROM d1_migrations ORDER BY id",
    )?;
    let steps = texts(
        database,
        "SELECT rowid || ' ' || name || ' ' || position FROM steps ORDER BY rowid",
    )?;
    Ok(json!({ "schema": schema, "recorded": recorded, "steps": steps }))
}

async fn unchanged(s: &mut Scene) -> Check {
    let before = s.notes.get("dump").cloned().unwrap_or_default();
    let after = dump(&database(s)?)?;
    s.expect_eq("the database:", &before, &after)
}

async fn are_recorded(s: &mut Scene, a: Args) -> Check {
    let wanted: Vec<String> = a.text(1).split(", ").map(str::to_owned).collect();
    let seen = texts(&database(s)?, "SELECT name FROM d1_migrations ORDER BY id")?;
    s.expect_eq("recorded migrations", &wanted, &seen)
}

async fn steps_done(s: &mut Scene, a: Args) -> Check {
    let wanted: Vec<String> = a.text(1).split(", ").map(str::to_owned).collect();
    let sql = "SELECT name || ' ' || position FROM steps ORDER BY rowid";
    let seen = texts(&database(s)?, sql)?;
    s.expect_eq("steps done", &wanted, &seen)
}

async fn is_not_there(s: &mut Scene, a: Args) -> Check {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table'";
    let seen = texts(&database(s)?, sql)?;
    s.expect(
        !seen.iter().any(|name| name == a.text(1)),
        format!("no table `{}`", a.text(1)),
        || said(&seen),
    )
}

/// The folder with the target's own migrations.
fn own_migrations(s: &Scene) -> Result<PathBuf, Stop> {
    s.run
        .target
        .migrations()
        .ok_or_else(|| Stop::NotVerified(Need::Migrations.remedy()))
}

async fn target_is_recorded(s: &mut Scene) -> Check {
    let folder = own_migrations(s)?;
    let wanted: Vec<String> = d1_migrations::in_order(&folder)
        .map_err(|error| cannot(&error))?
        .iter()
        .map(|path| d1_migrations::name(path))
        .collect();
    let sql = "SELECT name FROM d1_migrations ORDER BY id";
    let rows = s.d1().await?.query(sql, &[]).await?;
    let seen: Vec<String> = rows
        .iter()
        .filter_map(|row| row["name"].as_str().map(str::to_owned))
        .collect();
    s.expect(!wanted.is_empty(), "a folder with migrations", || {
        "an empty one".to_owned()
    })?;
    s.expect_eq("recorded migrations", &wanted, &seen)
}

/// The schema that wrangler's rules make of the target's migrations.
fn by_rules(s: &Scene) -> Result<Schema, Stop> {
    let folder = own_migrations(s)?;
    let applied = d1_migrations::apply(&folder).map_err(|error| match error {
        NotApplied::Refused { .. } => breach("migrations that D1 takes", error.to_string()),
        NotApplied::Unreadable { .. } => cannot(&error),
    })?;
    schema::describe(&applied).map_err(|error| unreadable(&error))
}

async fn apply_by_rules(s: &mut Scene) -> Check {
    let tables = by_rules(s)?.tables.len();
    s.expect(tables > 0, "migrations that make tables", || {
        "none".to_owned()
    })
}

async fn same_as_target(s: &mut Scene) -> Check {
    let (wanted, seen) = (by_rules(s)?, described(s).await?);
    expect_same(s, &wanted, &seen)
}

async fn apply_own(s: &mut Scene) -> Check {
    let (folder, database) = (own_migrations(s)?, database(s)?);
    let Migrated { ok, said } = by_own_tool(s, &folder, &database).await?;
    s.expect(ok, "the target's own migrations applied", || said.clone())
}

async fn both_same(s: &mut Scene) -> Check {
    let wanted = by_rules(s)?;
    let connection = open(&database(s)?)?;
    let seen = schema::describe(&connection).map_err(|error| unreadable(&error))?;
    expect_same(s, &wanted, &seen)
}

fn expect_same(s: &mut Scene, wanted: &Schema, seen: &Schema) -> Check {
    let differences = schema::differences(wanted, seen);
    s.expect(
        differences.is_empty() && wanted == seen,
        "the schema that wrangler's rules make of the same files",
        || differences.join("; "),
    )
}
