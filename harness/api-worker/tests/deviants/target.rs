//! A target that is nothing but files and the database that they make. Never answers more than one route.

use crate::catalogue::Entry;
use crate::route::Route;
use crate::runner;
use moltproof_api_worker::{Scripts, Subject};
use moltproof_doubles::AiGatewayDouble;
use rusqlite::{Connection, params};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// What all targets share.
pub(crate) struct Bench {
    gateway: Arc<AiGatewayDouble>,
    client: reqwest::Client,
}

/// A target, and the folder of its database.
pub(crate) struct Target {
    pub(crate) subject: Subject,
    _route: Option<Route>,
    _folder: TempDir,
}

impl Bench {
    pub(crate) fn start() -> Self {
        Self {
            gateway: Arc::new(AiGatewayDouble::start().unwrap()),
            client: reqwest::Client::new(),
        }
    }

    pub(crate) fn target(&self, entry: &Entry) -> Target {
        let folder = TempDir::new().unwrap();
        let database = folder.path().join("api.sqlite");
        make(&database, entry);
        let gateway = Arc::clone(&self.gateway);
        let mut subject = Subject::new("http://127.0.0.1:9", self.client.clone(), gateway);
        let texts = entry.files.iter();
        let scripts = Scripts::of(texts.map(|(path, text)| (path.as_str(), text.as_str())));
        subject.files = Some(Arc::new(scripts));
        if let Some(habit) = &entry.runner {
            subject.runner = Some(runner::with(habit));
        }
        let route = entry
            .route
            .as_ref()
            .map(|habit| Route::start(&database, habit));
        if let Some(route) = &route {
            subject.base = route.base();
            subject.operator = Some(Arc::new(|_email| "a token".to_owned()));
        }
        subject.database = Some(database);
        Target {
            subject,
            _route: route,
            _folder: folder,
        }
    }
}

/// The files that a production database is made of, in order.
fn applied(entry: &Entry) -> impl Iterator<Item = (&str, &str)> {
    let files = entry.files.iter();
    let migrations = files.filter(|(path, _)| !path.contains('/'));
    let setup = entry.files.get_key_value("seeds/prod_setup.sql");
    migrations
        .chain(setup)
        .map(|(path, text)| (path.as_str(), text.as_str()))
}

/// Applies the files as they should be, and records each.
fn make(database: &Path, entry: &Entry) {
    let connection = Connection::open(database).unwrap();
    connection
        .execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON")
        .unwrap();
    for (number, (path, text)) in applied(entry).enumerate() {
        let name = path.rsplit('/').next().unwrap();
        connection.execute_batch("BEGIN").unwrap();
        // What does not apply is judged by the files.
        let outcome = connection.execute_batch(text);
        if outcome.is_err() {
            connection.execute_batch("ROLLBACK").unwrap();
            continue;
        }
        let version: i64 = name
            .get(..4)
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(7);
        let time = 1_790_000_000_000 + i64::try_from(number).unwrap();
        let row = "INSERT INTO schema_metadata (file, version, environment, sha256, applied_at) VALUES (?1, ?2, 'production', ?3, ?4)";
        drop(connection.execute(row, params![name, version, sha256(text), time]));
        connection.execute_batch("COMMIT").unwrap();
    }
    if !entry.database.is_empty() {
        past_guards(&connection, entry);
    }
}

/// Does to the database what no guard would let happen, and leaves the guards as they were.
fn past_guards(connection: &Connection, entry: &Entry) {
    let list = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'";
    let mut statement = connection.prepare(list).unwrap();
    let guards = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let guards: Vec<(String, String)> = guards.unwrap().map(Result::unwrap).collect();
    drop(statement);
    let run = |sql: &str| {
        connection
            .execute_batch(sql)
            .unwrap_or_else(|error| panic!("{}: {error}: {sql}", entry.id));
    };
    for (name, _) in &guards {
        run(&format!("DROP TRIGGER {name}"));
    }
    for sql in &entry.database {
        run(sql);
    }
    for (_, sql) in &guards {
        run(sql);
    }
}

pub(crate) fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let mut text = String::new();
    for byte in digest.as_ref() {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}
