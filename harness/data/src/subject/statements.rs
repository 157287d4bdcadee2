//! The statements that a database claims to run, and the files behind which they cannot be prepared any more. Never runs one.

use super::Subject;
use crate::text::FileId;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::borrow::Cow;

/// A declared statement that a file breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenStatement<'s> {
    /// What it is for.
    pub name: Cow<'s, str>,
    /// The statement.
    pub sql: &'s str,
    /// The file.
    pub file: FileId,
    /// What SQLite says behind it.
    pub error: String,
}

impl Subject {
    /// The statements that are declared, by what they are for. Those that are written anew for many items are left out: they are no statements yet.
    #[must_use]
    pub fn declared_statements(&self) -> Vec<(Cow<'_, str>, &str)> {
        let claims = &self.claims;
        let mut all: Vec<(Cow<'_, str>, &str)> = Vec::new();
        for query in &claims.query {
            all.push((query.name.as_str().into(), &query.sql));
        }
        for search in &claims.search {
            all.push((format!("search of {}", search.table).into(), &search.sql));
        }
        for json in &claims.json {
            let statements = [("find in", &json.find), ("add to", &json.add)];
            for (what, sql) in statements {
                let name = || format!("{what} {}.{}", json.table, json.column);
                all.extend(sql.as_deref().map(|sql| (name().into(), sql)));
            }
        }
        for session in &claims.session {
            let others = [session.touch.as_deref(), session.purge.as_deref()];
            for sql in std::iter::once(session.valid.as_str()).chain(others.into_iter().flatten()) {
                all.push((format!("session {}", session.table).into(), sql));
            }
        }
        for write in &claims.write {
            let statements = write.sql.iter();
            all.extend(statements.map(|sql| (write.name.as_str().into(), sql.as_str())));
        }
        all.retain(|(_, sql)| !sql.contains("/*items*/"));
        all
    }

    /// The declared statements that a file breaks: they can be prepared before it and not behind it, or a column in double quotes is a text behind it.
    /// And those that can be prepared behind no file at all.
    ///
    /// # Errors
    /// What SQLite says where the copy in memory itself cannot be used.
    pub fn broken_statements(&self) -> rusqlite::Result<(Vec<BrokenStatement<'_>>, Vec<String>)> {
        let statements = self.declared_statements();
        if statements.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut works = vec![false; statements.len()];
        let mut is_plain = vec![false; statements.len()];
        let mut ever = vec![false; statements.len()];
        let mut broken = Vec::new();
        self.replay.after_each_file(|file, engine| {
            for (place, (name, sql)) in statements.iter().enumerate() {
                let outcome = engine.ours(|connection| prepared(connection, sql));
                let plain = match &outcome {
                    Ok(()) if sql.contains('"') => {
                        engine.ours(|connection| without_texts_in_quotes(connection, sql))
                    }
                    Ok(()) => Ok(()),
                    Err(why) => Err(why.clone()),
                };
                let why = match (&outcome, &plain) {
                    (Err(why), _) if works[place] => Some(why.clone()),
                    (Ok(()), Err(why)) if is_plain[place] => {
                        Some(format!("{why}, so SQLite takes it for a text"))
                    }
                    (Ok(()) | Err(_), _) => None,
                };
                broken.extend(why.map(|error| BrokenStatement {
                    name: name.clone(),
                    sql,
                    file,
                    error,
                }));
                works[place] = outcome.is_ok();
                is_plain[place] = plain.is_ok();
                ever[place] |= works[place];
            }
        })?;
        let never = statements.iter().zip(ever).filter(|(_, ever)| !ever);
        Ok((
            broken,
            never.map(|((name, _), _)| name.to_string()).collect(),
        ))
    }
}

fn prepared(connection: &Connection, sql: &str) -> Result<(), String> {
    let outcome = connection.prepare(sql).map(|_statement| ());
    outcome.map_err(|error| error.to_string())
}

/// The same where what stands in double quotes is a name and nothing else.
fn without_texts_in_quotes(connection: &Connection, sql: &str) -> Result<(), String> {
    let set = |on: bool| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, on);
    if set(false).is_err() {
        return Ok(());
    }
    let outcome = connection.prepare(sql).map(|_statement| ());
    let _kept = set(true);
    outcome.map_err(|error| {
        let message = error.to_string();
        let end = message
            .find(" - should this be")
            .or_else(|| message.find(" in SELECT"));
        message[..end.unwrap_or(message.len())].to_owned()
    })
}
