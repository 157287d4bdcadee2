//! A target that is nothing but files and the database that they make. Never answers more than one route.

use super::catalogue::Layer;
use super::route::Route;
use super::runner;
use crate::scripts::Scripts;
use crate::subject::Subject;
use moltproof_doubles::AiGatewayDouble;
use rusqlite::{Connection, params};
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A target could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Unmade {
    /// For want of a file, a socket or a thread.
    #[error(transparent)]
    System(#[from] io::Error),
    /// Its database could not be made.
    #[error("{sql}: {source}")]
    Database {
        /// What was being done.
        sql: String,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// What all targets share.
#[derive(Debug)]
pub struct Bench {
    gateway: Arc<AiGatewayDouble>,
    client: reqwest::Client,
}

/// A target, and the folder of its database.
pub(super) struct Target {
    pub(super) subject: Subject,
    _route: Option<Route>,
    _folder: TempDir,
}

impl Bench {
    /// A bench for any number of targets.
    ///
    /// # Errors
    /// When a socket or a thread cannot be had.
    pub fn start() -> io::Result<Self> {
        Ok(Self {
            gateway: Arc::new(AiGatewayDouble::start()?),
            client: reqwest::Client::new(),
        })
    }

    pub(super) fn target(&self, layer: &Layer) -> Result<Target, Unmade> {
        let folder = TempDir::new()?;
        let database = folder.path().join("api.sqlite");
        make(&database, layer)?;
        let gateway = Arc::clone(&self.gateway);
        let mut subject = Subject::new("http://127.0.0.1:9", self.client.clone(), gateway);
        let texts = layer.files.iter();
        let scripts = Scripts::of(texts.map(|(path, text)| (path.as_str(), text.as_str())));
        subject.files = Some(Arc::new(scripts));
        subject.runner = layer.runner.map(runner::with);
        subject.seeder = layer.runner.map(runner::seeding);
        let route = layer.route.map(|habit| Route::start(&database, habit));
        let route = route.transpose()?;
        if let Some(route) = &route {
            subject.base = route.base();
            subject.operator = Some(Arc::new(|_email| "a token".to_owned()));
        }
        subject.database = Some(database);
        Ok(Target {
            subject,
            _route: route,
            _folder: folder,
        })
    }
}

/// The files that a production database is made of, in order.
fn applied(layer: &Layer) -> impl Iterator<Item = (&str, &str)> {
    let files = layer.files.iter();
    let migrations = files.filter(|(path, _)| !path.contains('/'));
    let setup = layer.files.get_key_value("seeds/prod_setup.sql");
    migrations
        .chain(setup)
        .map(|(path, text)| (path.as_str(), text.as_str()))
}

fn run(connection: &Connection, sql: &str) -> Result<(), Unmade> {
    let outcome = connection.execute_batch(sql);
    outcome.map_err(|source| Unmade::Database {
        sql: sql.to_owned(),
        source,
    })
}

/// Applies the files as they should be, and records each.
fn make(database: &Path, layer: &Layer) -> Result<(), Unmade> {
    let connection = Connection::open(database).map_err(|source| Unmade::Database {
        sql: "opening the database".to_owned(),
        source,
    })?;
    let settings = "PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON";
    run(&connection, settings)?;
    for ((path, text), time) in applied(layer).zip(1_790_000_000_000_i64..) {
        let name = path.rsplit('/').next().unwrap_or(path);
        run(&connection, "BEGIN")?;
        // What does not apply is judged by the files.
        if connection.execute_batch(text).is_err() {
            run(&connection, "ROLLBACK")?;
            continue;
        }
        let version: i64 = name
            .get(..4)
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(7);
        let row = "INSERT INTO schema_metadata (file, version, environment, sha256, applied_at) VALUES (?1, ?2, 'production', ?3, ?4)";
        drop(connection.execute(row, params![name, version, sha256(text), time]));
        run(&connection, "COMMIT")?;
    }
    if layer.database.is_empty() {
        Ok(())
    } else {
        past_guards(&connection, layer)
    }
}

/// Does to the database what no guard would let happen, and leaves the guards as they were.
fn past_guards(connection: &Connection, layer: &Layer) -> Result<(), Unmade> {
    let list = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'";
    let read = || {
        let mut statement = connection.prepare(list)?;
        let guards = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        guards.collect::<Result<Vec<(String, String)>, _>>()
    };
    let guards = read().map_err(|source| Unmade::Database {
        sql: list.to_owned(),
        source,
    })?;
    for (name, _) in &guards {
        run(connection, &format!("DROP TRIGGER {name}"))?;
    }
    for sql in &layer.database {
        run(connection, sql)?;
    }
    for (_, sql) in &guards {
        run(connection, sql)?;
    }
    Ok(())
}

pub(super) fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest
        .as_ref()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}
