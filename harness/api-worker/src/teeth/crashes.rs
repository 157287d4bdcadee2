//! Workers that find something else in their database when they are started again than what they had left there when they were killed:
//! deviants, and habits that the contract lets pass. Never changes a database that runs.

use crate::own::{OwnInstance, OwnInstances};
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What such a worker does between its death and its next start.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    /// Its name, as a sentence.
    pub name: &'static str,
    /// The criterion that it breaks; none if it keeps them all.
    pub breaks: Option<&'static str>,
    /// What its database is told before it starts again.
    sql: &'static str,
}

const fn deviant(name: &'static str, sql: &'static str) -> Crash {
    Crash {
        name,
        breaks: Some("API-010"),
        sql,
    }
}

/// All of them.
pub const CRASHES: [Crash; 8] = [
    deviant(
        "what was under way at a crash is never tried again",
        "UPDATE webhook_deliveries SET claimed_until = 253402300799999 WHERE claim IS NOT NULL",
    ),
    deviant(
        "what was under way at a crash counts as delivered",
        "UPDATE webhook_deliveries SET state = 'delivered', delivered_at = claimed_until, next_attempt_at = NULL,
           claim = NULL, claimed_until = NULL
         WHERE claim IS NOT NULL",
    ),
    deviant(
        "what was under way at a crash has failed",
        "UPDATE webhook_deliveries SET state = 'failed', next_attempt_at = NULL, claim = NULL, claimed_until = NULL
         WHERE claim IS NOT NULL",
    ),
    deviant(
        "what was under way at a crash is forgotten",
        "DELETE FROM webhook_deliveries WHERE claim IS NOT NULL",
    ),
    deviant(
        "an attempt that a crash broke off was none",
        "DROP TRIGGER webhook_deliveries_keep_their_history;
         UPDATE webhook_deliveries SET attempts = attempts - 1 WHERE claim IS NOT NULL",
    ),
    deviant(
        "after a crash an event has another id",
        "PRAGMA foreign_keys = OFF;
         DROP TRIGGER webhook_events_are_not_changed;
         DROP TRIGGER webhook_deliveries_keep_their_history;
         UPDATE webhook_events SET id = id || '-again' WHERE id IN (SELECT event_id FROM webhook_deliveries WHERE claim IS NOT NULL);
         UPDATE webhook_deliveries SET event_id = event_id || '-again' WHERE claim IS NOT NULL",
    ),
    deviant(
        "after a crash what had been delivered is sent again",
        "DROP TRIGGER webhook_deliveries_keep_their_history;
         UPDATE webhook_deliveries SET state = 'pending', next_attempt_at = delivered_at, delivered_at = NULL WHERE state = 'delivered'",
    ),
    Crash {
        name: "what was under way at a crash is planned as any attempt that failed",
        breaks: None,
        sql: "UPDATE webhook_deliveries SET next_attempt_at = claimed_until - 30000, claim = NULL, claimed_until = NULL
              WHERE claim IS NOT NULL",
    },
];

impl Crash {
    /// The instances of a target that does this.
    #[must_use]
    pub fn of(self, instances: OwnInstances) -> OwnInstances {
        Arc::new(move || {
            let begun = instances();
            Box::pin(async move {
                let inner = begun.await?;
                let sql = self.sql;
                Ok(Box::new(Told { inner, sql }) as Box<dyn OwnInstance>)
            })
        })
    }
}

/// An instance whose database is told something before it starts again.
struct Told {
    inner: Box<dyn OwnInstance>,
    sql: &'static str,
}

fn tell(database: Option<&Path>, sql: &str) -> Result<(), String> {
    let database = database.ok_or("its database cannot be seen")?;
    let connection = Connection::open(database).map_err(|error| error.to_string())?;
    let told = connection.execute_batch(sql);
    told.map_err(|error| error.to_string())
}

impl OwnInstance for Told {
    fn base(&self) -> String {
        self.inner.base()
    }

    fn database(&self) -> Option<PathBuf> {
        self.inner.database()
    }

    fn kill(&mut self) -> BoxFuture<'_, Result<(), String>> {
        self.inner.kill()
    }

    fn start(&mut self) -> BoxFuture<'_, Result<(), String>> {
        match tell(self.database().as_deref(), self.sql) {
            Ok(()) => self.inner.start(),
            Err(why) => Box::pin(std::future::ready(Err(why))),
        }
    }
}
