//! The fourteen tables in the database itself: keys, references, indexes, constraints. Anything is tried on a copy; never in the target's database.

use crate::aspect::{Aspect, aspect};
use crate::chat::Chat;
use crate::database::rows;
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::subject::Subject;
use crate::words::TABLES;
use rusqlite::Connection;
use serde_json::json;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-001",
        Beside,
        "the fourteen tables exist, each with a primary key",
        tables
    ),
    aspect!(
        "API-001",
        Beside,
        "no row can refer to what is not there: references hold and are indexed",
        references
    ),
    aspect!(
        "API-001",
        Beside,
        "the database itself refuses values that the contract does not know",
        constraints
    ),
];

async fn tables(subject: &Subject) -> Judged {
    let database = subject.own_database()?;
    let found = database
        .with_copy(|connection| {
            TABLES
                .iter()
                .map(|table| {
                    let columns = format!("SELECT pk FROM pragma_table_info('{table}')");
                    let columns = rows(connection, &columns, &[])?;
                    let has_key = columns.iter().any(|column| column["pk"] != json!(0));
                    Ok((*table, !columns.is_empty(), has_key))
                })
                .collect::<rusqlite::Result<Vec<_>>>()
        })
        .await?;
    let named = |wanted: fn(&(&str, bool, bool)) -> bool| {
        let names: Vec<&str> = found
            .iter()
            .filter(|one| wanted(one))
            .map(|one| one.0)
            .collect();
        names.join(", ")
    };
    let missing = named(|(_, exists, _)| !exists);
    if !missing.is_empty() {
        return Err(Stop::breach(
            "the fourteen tables of the criterion",
            format!("no table {missing}"),
        ));
    }
    let keyless = named(|(_, _, has_key)| !has_key);
    if !keyless.is_empty() {
        return Err(Stop::breach(
            "a primary key for each table",
            format!("none for {keyless}"),
        ));
    }
    Ok("all fourteen are there with their keys".to_owned())
}

/// Who must refer to whom: a message to its conversation, a session to its key.
pub(super) const REFERENCES: [(&str, &str); 2] =
    [("messages", "conversations"), ("user_sessions", "api_keys")];

async fn references(subject: &Subject) -> Judged {
    let database = subject.own_database()?;
    let (dangling, missing, scanned) = database.with_copy(|copy| looked_at(copy)).await?;
    if dangling > 0 {
        let seen = format!("{dangling} rows refer to what is not there");
        return Err(Stop::breach("every reference to hold", seen));
    }
    if !missing.is_empty() {
        let seen = format!("no reference: {}", missing.join(", "));
        return Err(Stop::breach(
            "messages refer to conversations, user_sessions to api_keys",
            seen,
        ));
    }
    if !scanned.is_empty() {
        let seen = format!("no index begins with {}", scanned.join(", "));
        return Err(Stop::breach("an index for each reference", seen));
    }
    Ok("references are declared, hold and are indexed".to_owned())
}

type Looked = (usize, Vec<String>, Vec<String>);

fn looked_at(connection: &Connection) -> rusqlite::Result<Looked> {
    let dangling = rows(connection, "PRAGMA foreign_key_check", &[])?.len();
    let (mut missing, mut scanned) = (Vec::new(), Vec::new());
    for (child, parent) in REFERENCES {
        let declared = format!("SELECT \"table\" FROM pragma_foreign_key_list('{child}')");
        let declared = rows(connection, &declared, &[])?;
        if !declared.iter().any(|one| one["table"] == json!(parent)) {
            missing.push(format!("{child} to {parent}"));
        }
    }
    for child in TABLES {
        let columns =
            format!("SELECT id, \"from\" FROM pragma_foreign_key_list('{child}') WHERE seq = 0");
        for column in rows(connection, &columns, &[])? {
            let column = column["from"].as_str().unwrap_or_default().to_owned();
            // The key of the table itself is as good as an index.
            let indexed = "SELECT 1 AS yes FROM pragma_index_list(?1) AS list, pragma_index_info(list.name) AS info WHERE info.name = ?2 \
                 UNION SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2 AND pk > 0";
            if rows(connection, indexed, &[json!(child), json!(column)])?.is_empty() {
                scanned.push(format!("{child}.{column}"));
            }
        }
    }
    Ok((dangling, missing, scanned))
}

/// What no row may say: table, what is changed, and what it is.
const FORBIDDEN: [(&str, &str, &str); 12] = [
    ("usage_logs", "input_tokens = -1", "negative tokens"),
    ("usage_logs", "output_tokens = 1.5", "a fraction of a token"),
    ("usage_logs", "cost_micros = -1", "a negative cost"),
    (
        "usage_logs",
        "cost_micros = 0.5",
        "a fraction of a micro-unit",
    ),
    ("usage_logs", "created_at = 'yesterday'", "a time in words"),
    ("usage_logs", "model = NULL", "a usage row without a model"),
    ("messages", "role = 'oracle'", "a role that does not exist"),
    ("messages", "position = -1", "a position before the first"),
    (
        "messages",
        "tool_calls = '{'",
        "tool calls that are no JSON",
    ),
    (
        "api_keys",
        "permissions = 'all'",
        "permissions that are no list",
    ),
    (
        "model_pricing",
        "input_micros_per_million = -1",
        "a negative price",
    ),
    (
        "conversations",
        "created_at = NULL",
        "a conversation without a time",
    ),
];

async fn constraints(subject: &Subject) -> Judged {
    let database = subject.own_database()?;
    let scene = Scene::at_present(subject);
    // A row in each table of the list, so that a change has something to change.
    let (key, model) = (scene.key("ada").await?, scene.model("small"));
    scene.price(&model, 1, 1).await?;
    let id = super::conversation(&scene, &key).await?;
    scene.chatted(&key, &Chat::with(&model).of(&id)).await?;
    let tried = database.with_copy(|copy| {
        FORBIDDEN
            .iter()
            .map(|one| tried(copy, *one))
            .collect::<rusqlite::Result<Vec<_>>>()
    });
    let tried = tried.await?;
    let taken: Vec<&str> = tried
        .iter()
        .filter(|(_, how)| *how == Tried::Taken)
        .map(|(what, _)| *what)
        .collect();
    if !taken.is_empty() {
        return Err(Stop::breach(
            "the database to refuse what no row may say",
            format!("it takes {}", taken.join(", ")),
        ));
    }
    let refused = tried
        .iter()
        .filter(|(_, how)| *how == Tried::Refused)
        .count();
    if refused == 0 {
        return Err(Stop::Fault(
            "none of the columns that could be tried exists".to_owned(),
        ));
    }
    Ok(format!(
        "{refused} of {} values were refused; the other columns do not exist",
        FORBIDDEN.len()
    ))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    /// The row was changed so.
    Taken,
    /// A constraint refused it.
    Refused,
    /// There is no such column.
    Absent,
}

/// Changes one row so that it says what no row may.
fn tried(
    copy: &mut Connection,
    one: (&str, &str, &'static str),
) -> rusqlite::Result<(&'static str, Tried)> {
    let (table, change, what) = one;
    let column = change.split(' ').next().unwrap_or_default();
    let exists = "SELECT 1 AS yes FROM pragma_table_info(?1) WHERE name = ?2";
    if rows(copy, exists, &[json!(table), json!(column)])?.is_empty() {
        return Ok((what, Tried::Absent));
    }
    // A trigger that guards history would hide whether the column itself is guarded.
    let triggers = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1";
    for trigger in rows(copy, triggers, &[json!(table)])? {
        let name = trigger["name"]
            .as_str()
            .unwrap_or_default()
            .replace('"', "\"\"");
        copy.execute(&format!("DROP TRIGGER \"{name}\""), [])?;
    }
    let first = format!("SELECT count(*) AS rows FROM {table}");
    let count = rows(copy, &first, &[])?
        .first()
        .and_then(|row| row["rows"].as_i64());
    if count.unwrap_or_default() == 0 {
        return Ok((what, Tried::Absent));
    }
    let attempt = copy.transaction()?;
    let done = attempt.execute(&format!("UPDATE {table} SET {change}"), []);
    drop(attempt);
    Ok((
        what,
        if done.is_ok() {
            Tried::Taken
        } else {
            Tried::Refused
        },
    ))
}
