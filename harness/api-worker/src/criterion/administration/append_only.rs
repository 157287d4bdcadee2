//! Entries that stay: whatever statement is tried on a copy of the database. Never on the target's own.

use crate::aspect::{Aspect, aspect};
use crate::database::rows;
use crate::outcome::{Judged, Need, Stop};
use crate::scene::Scene;
use crate::subject::Subject;
use rusqlite::Connection;
use serde_json::json;

pub(super) const ASPECTS: &[Aspect] = &[aspect!(
    "API-009",
    Beside,
    "no statement changes, removes or replaces an entry",
    append_only
)];

/// Ways of changing, removing or replacing what was logged, for the columns of any table.
fn attacks(columns: &[String]) -> Vec<String> {
    let all = columns
        .iter()
        .map(|column| format!("\"{column}\""))
        .collect::<Vec<_>>()
        .join(", ");
    let first = columns.first().cloned().unwrap_or_default();
    let mut attacks = vec![
        "DELETE FROM audit_logs".to_owned(),
        "DELETE FROM audit_logs WHERE rowid = (SELECT max(rowid) FROM audit_logs)".to_owned(),
        format!("REPLACE INTO audit_logs ({all}) SELECT {all} FROM audit_logs"),
        format!(
            "INSERT INTO audit_logs ({all}) SELECT {all} FROM audit_logs WHERE true ON CONFLICT DO UPDATE SET \"{first}\" = \"{first}\""
        ),
        format!("REPLACE INTO audit_logs (rowid, {all}) SELECT rowid, {all} FROM audit_logs"),
    ];
    for column in columns {
        attacks.push(format!("UPDATE audit_logs SET \"{column}\" = \"{column}\""));
        attacks.push(format!("UPDATE OR REPLACE audit_logs SET \"{column}\" = (SELECT \"{column}\" FROM audit_logs LIMIT 1)"));
    }
    attacks
}

/// The attacks that were taken, of how many.
fn taken(copy: &mut Connection) -> rusqlite::Result<(Vec<String>, usize)> {
    let columns = rows(
        copy,
        "SELECT name FROM pragma_table_info('audit_logs')",
        &[],
    )?;
    let columns: Vec<String> = columns
        .iter()
        .filter_map(|one| Some(one["name"].as_str()?.to_owned()))
        .collect();
    let attacks = attacks(&columns);
    let mut taken = Vec::new();
    for attack in &attacks {
        let attempt = copy.transaction()?;
        let before = rows(&attempt, "SELECT count(*) AS entries FROM audit_logs", &[])?;
        let done = attempt.execute(attack, []);
        let after = rows(&attempt, "SELECT count(*) AS entries FROM audit_logs", &[])?;
        // One that finds nothing to do, as where a key's conflict ignores it, has changed nothing.
        if done.is_ok_and(|changed| changed > 0) || before != after {
            taken.push(attack.clone());
        }
    }
    Ok((taken, attacks.len()))
}

async fn append_only(subject: &Subject) -> Judged {
    subject
        .database
        .as_ref()
        .ok_or(Stop::lacking(Need::Database))?;
    let scene = Scene::at_present(subject);
    scene.key("ada").await?;
    let database = subject.own_database()?;
    let there = database
        .rows("SELECT count(*) AS entries FROM audit_logs", Vec::new())
        .await?;
    if there[0]["entries"] == json!(0) {
        return Err(Stop::breach(
            "an entry of a new key in audit_logs",
            "an empty table",
        ));
    }
    let (taken, all) = database.with_copy(taken).await?;
    match taken.first() {
        None => Ok(format!("{all} statements were refused or changed nothing")),
        Some(attack) => Err(Stop::breach(
            "entries that no statement changes, removes or replaces",
            format!(
                "{} of {all} statements do, the first of which is {attack}",
                taken.len()
            ),
        )),
    }
}
