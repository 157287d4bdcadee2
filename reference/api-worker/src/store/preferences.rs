//! Preferences of users, environments and everybody, and how long rows are kept. Never decides what a value means.

use super::audit::{self, Done};
use super::{Act, Refusal, Store};
use crate::domain::environment::Environment;
use crate::domain::fields::{Name, Scope};
use crate::domain::records::Retention;
use moltworker_reference::ports::StoreError;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What holds where nothing is set (the contract).
const RETENTION: [(&str, i64); 3] = [
    ("usage_logs", 90),
    ("user_sessions", 30),
    ("rate_limits", 7),
];

/// A preference that is set.
pub struct Setting {
    /// Whose.
    pub scope: Scope,
    /// Its name.
    pub name: Name,
    /// Any JSON.
    pub value: Box<RawValue>,
}

fn read(connection: &Connection, scope: &Scope, name: &Name) -> rusqlite::Result<Option<String>> {
    let (scope, subject) = scope.key();
    connection
        .prepare_cached(
            "SELECT value FROM user_preferences WHERE scope = ?1 AND subject = ?2 AND name = ?3",
        )?
        .query_row(params![scope, subject, name.as_str()], |row| row.get(0))
        .optional()
}

fn write(connection: &Connection, setting: &Setting, now: i64) -> rusqlite::Result<()> {
    let (scope, subject) = setting.scope.key();
    connection
        .prepare_cached(
            "INSERT INTO user_preferences (scope, subject, name, value, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
             ON CONFLICT (scope, subject, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
        )?
        .execute(params![scope, subject, setting.name.as_str(), setting.value.get(), now])?;
    Ok(())
}

fn delete(connection: &Connection, scope: &Scope, name: &Name) -> rusqlite::Result<bool> {
    let (scope, subject) = scope.key();
    let deleted = connection
        .prepare_cached(
            "DELETE FROM user_preferences WHERE scope = ?1 AND subject = ?2 AND name = ?3",
        )?
        .execute(params![scope, subject, name.as_str()])?;
    Ok(deleted == 1)
}

/// What the log tells of a preference; its value is JSON already.
fn told(scope: &Scope, name: &Name, value: &str) -> String {
    let (scope, subject) = scope.key();
    let head = json!({"scope": scope, "subject": subject, "name": name.as_str()}).to_string();
    let head = head.trim_end_matches('}');
    format!("{head},\"value\":{value}}}")
}

impl Store {
    /// Sets a preference of a user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prefer(&self, setting: Setting, now: i64) -> Result<(), StoreError> {
        self.change(move |connection| write(connection, &setting, now))
            .await
    }

    /// Removes a preference of a user.
    ///
    /// # Errors
    /// [`StoreError`]; refused if there is none.
    pub async fn forget(
        &self,
        scope: Scope,
        name: Name,
    ) -> Result<Result<(), Refusal>, StoreError> {
        self.try_change(move |connection| {
            Ok(if delete(connection, &scope, &name)? {
                Ok(())
            } else {
                Err(Refusal::NotFound)
            })
        })
        .await
    }

    /// Sets a preference as an operator; the same value again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_preference(&self, act: Act, setting: Setting) -> Result<(), StoreError> {
        self.change(move |connection| {
            let old = read(connection, &setting.scope, &setting.name)?;
            if old.as_deref() == Some(setting.value.get()) {
                return Ok(());
            }
            write(connection, &setting, act.now)?;
            let text = |value: &str| told(&setting.scope, &setting.name, value);
            let (before, after) = (old.as_deref().map(text), Some(text(setting.value.get())));
            audit::write(
                connection,
                &act,
                &Done {
                    action: "preference.set",
                    resource: setting.name.as_str(),
                    before,
                    after,
                },
            )
        })
        .await
    }

    /// Removes a preference as an operator.
    ///
    /// # Errors
    /// [`StoreError`]; refused if there is none.
    pub async fn delete_preference(
        &self,
        act: Act,
        scope: Scope,
        name: Name,
    ) -> Result<Result<(), Refusal>, StoreError> {
        self.try_change(move |connection| {
            let Some(old) = read(connection, &scope, &name)? else {
                return Ok(Err(Refusal::NotFound));
            };
            delete(connection, &scope, &name)?;
            let before = Some(told(&scope, &name, &old));
            audit::write(
                connection,
                &act,
                &Done {
                    action: "preference.delete",
                    resource: name.as_str(),
                    before,
                    after: None,
                },
            )?;
            Ok(Ok(()))
        })
        .await
    }

    /// Every preference of a user: the own value over the environment's over the default.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn preferences(
        &self,
        user: String,
        environment: Environment,
    ) -> Result<BTreeMap<String, Box<RawValue>>, StoreError> {
        self.list(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, value FROM user_preferences WHERE scope = ?1 AND subject = ?2",
            )?;
            let mut resolved = BTreeMap::new();
            for (scope, subject) in [
                ("default", "-"),
                ("environment", environment.name()),
                ("user", &user),
            ] {
                let mut rows = statement.query([scope, subject])?;
                while let Some(row) = rows.next()? {
                    resolved.insert(row.get("name")?, super::json_column(row, "value")?);
                }
            }
            Ok(resolved)
        })
        .await
    }

    /// Sets how many days rows are kept, of those that are named; all three. The same days again change nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_retention(
        &self,
        act: Act,
        days: [Option<i64>; 3],
    ) -> Result<Retention, StoreError> {
        self.change(move |connection| {
            let old = retention(connection)?;
            for ((subject, _), days) in RETENTION.iter().zip(days) {
                if let Some(days) = days {
                    connection
                        .prepare_cached(
                            "INSERT INTO retention_policies (subject, days, updated_at) VALUES (?1, ?2, ?3)
                             ON CONFLICT (subject) DO UPDATE SET days = excluded.days, updated_at = excluded.updated_at",
                        )?
                        .execute(params![subject, days, act.now])?;
                }
            }
            let new = retention(connection)?;
            if new != old {
                let (before, after) = (Some(super::json_text(&old)?), Some(super::json_text(&new)?));
                audit::write(connection, &act, &Done { action: "retention.set", resource: "retention", before, after })?;
            }
            Ok(new)
        })
        .await
    }
}

/// How many days rows are kept.
pub(super) fn retention(connection: &Connection) -> rusqlite::Result<Retention> {
    let mut statement =
        connection.prepare_cached("SELECT days FROM retention_policies WHERE subject = ?1")?;
    let mut days = RETENTION.map(|(_, days)| days);
    for ((subject, _), days) in RETENTION.iter().zip(&mut days) {
        if let Some(set) = statement
            .query_row([subject], |row| row.get(0))
            .optional()?
        {
            *days = set;
        }
    }
    let [usage_logs_days, user_sessions_days, rate_limits_days] = days;
    Ok(Retention {
        usage_logs_days,
        user_sessions_days,
        rate_limits_days,
    })
}
