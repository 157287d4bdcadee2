//! Feature flags with what they say for environments and users. Never decides one.

use super::audit::{self, Done};
use super::{Act, Refusal, Store, json_text};
use crate::domain::environment::Environment;
use crate::domain::flag::Flag;
use crate::domain::records::FlagRecord;
use moltworker_reference::ports::StoreError;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

fn read(connection: &Connection, name: &str) -> rusqlite::Result<Option<FlagRecord>> {
    let found = connection
        .prepare_cached("SELECT enabled, rollout_percent FROM feature_flags WHERE name = ?1")?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((enabled, rollout_percent)) = found else {
        return Ok(None);
    };
    let mut statement = connection.prepare_cached(
        "SELECT subject, enabled FROM feature_flag_overrides WHERE flag = ?1 AND scope = ?2",
    )?;
    let mut overrides = |scope: &str| -> rusqlite::Result<BTreeMap<String, bool>> {
        let rows = statement.query_map([name, scope], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    };
    Ok(Some(FlagRecord {
        name: name.to_owned(),
        enabled,
        rollout_percent,
        environments: overrides("environment")?,
        users: overrides("user")?,
    }))
}

fn write(connection: &Connection, flag: &FlagRecord, now: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO feature_flags (name, enabled, rollout_percent, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)
             ON CONFLICT (name) DO UPDATE SET enabled = excluded.enabled, rollout_percent = excluded.rollout_percent, updated_at = excluded.updated_at",
        )?
        .execute(params![flag.name, flag.enabled, flag.rollout_percent, now])?;
    connection
        .prepare_cached("DELETE FROM feature_flag_overrides WHERE flag = ?1")?
        .execute([&flag.name])?;
    let mut insert =
        connection.prepare_cached("INSERT INTO feature_flag_overrides (flag, scope, subject, enabled) VALUES (?1, ?2, ?3, ?4)")?;
    for (scope, overrides) in [("environment", &flag.environments), ("user", &flag.users)] {
        for (subject, enabled) in overrides {
            insert.execute(params![flag.name, scope, subject, enabled])?;
        }
    }
    Ok(())
}

/// A flag as it stands for one user.
fn for_user(
    connection: &Connection,
    name: &str,
    user: &str,
    environment: Environment,
) -> rusqlite::Result<Option<Flag>> {
    let overridden = "SELECT enabled FROM feature_flag_overrides WHERE flag = ?1 AND scope = ?2 AND subject = ?3";
    let overridden = |scope: &str, subject: &str| -> rusqlite::Result<Option<bool>> {
        connection
            .prepare_cached(overridden)?
            .query_row([name, scope, subject], |row| row.get(0))
            .optional()
    };
    let found = connection
        .prepare_cached("SELECT enabled, rollout_percent FROM feature_flags WHERE name = ?1")?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((enabled, rollout_percent)) = found else {
        return Ok(None);
    };
    Ok(Some(Flag {
        enabled,
        rollout_percent,
        environment: overridden("environment", environment.name())?,
        user: overridden("user", user)?,
    }))
}

impl Store {
    /// Replaces a flag, or makes it; the same again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_flag(&self, act: Act, new: FlagRecord) -> Result<FlagRecord, StoreError> {
        self.change(move |connection| {
            let old = read(connection, &new.name)?;
            if old.as_ref() == Some(&new) {
                return Ok(new);
            }
            write(connection, &new, act.now)?;
            let (before, after) = (
                old.as_ref().map(json_text).transpose()?,
                Some(json_text(&new)?),
            );
            audit::write(
                connection,
                &act,
                &Done {
                    action: "flag.set",
                    resource: &new.name,
                    before,
                    after,
                },
            )?;
            Ok(new)
        })
        .await
    }

    /// Removes a flag.
    ///
    /// # Errors
    /// [`StoreError`]; refused if there is none.
    pub async fn delete_flag(
        &self,
        act: Act,
        name: String,
    ) -> Result<Result<(), Refusal>, StoreError> {
        self.try_change(move |connection| {
            let Some(old) = read(connection, &name)? else {
                return Ok(Err(Refusal::NotFound));
            };
            connection
                .prepare_cached("DELETE FROM feature_flags WHERE name = ?1")?
                .execute([&name])?;
            let before = Some(json_text(&old)?);
            audit::write(
                connection,
                &act,
                &Done {
                    action: "flag.delete",
                    resource: &name,
                    before,
                    after: None,
                },
            )?;
            Ok(Ok(()))
        })
        .await
    }

    /// All flags, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn flags(&self) -> Result<Vec<FlagRecord>, StoreError> {
        self.list(|connection| {
            let flags = names(connection)?
                .into_iter()
                .map(|name| read(connection, &name));
            flags.filter_map(Result::transpose).collect()
        })
        .await
    }

    /// One flag as it stands for a user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn flag_for(
        &self,
        name: &str,
        user: &str,
        environment: Environment,
    ) -> Result<Option<Flag>, StoreError> {
        self.file
            .read_point(|connection| for_user(connection, name, user, environment))
    }

    /// All flags as they stand for a user, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn flags_for(
        &self,
        user: String,
        environment: Environment,
    ) -> Result<Vec<(String, Flag)>, StoreError> {
        self.list(move |connection| {
            let mut flags = Vec::new();
            for name in names(connection)? {
                if let Some(flag) = for_user(connection, &name, &user, environment)? {
                    flags.push((name, flag));
                }
            }
            Ok(flags)
        })
        .await
    }
}

fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare_cached("SELECT name FROM feature_flags ORDER BY name")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}
