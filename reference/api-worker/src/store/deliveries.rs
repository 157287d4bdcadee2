//! Events and their deliveries: announced in the transaction of their cause, claimed before they are tried, closed once answered.
//! Never sends one.

use super::audit::{self, Done};
use super::{Act, Store, json_text};
use crate::domain::fields::EventKind;
use crate::domain::webhook::{ATTEMPTS_MAX, CLAIM_MS, pause_ms};
use moltworker_reference::ports::StoreError;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

/// Deliveries that one run of the job takes at a time.
const CLAIMED_AT_ONCE: u32 = 100;

/// A delivery that is this worker's to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The delivery.
    pub id: String,
    /// Under which it is claimed.
    pub claim: String,
    /// Where it goes.
    pub url: String,
    /// By which it is signed.
    pub secret: String,
    /// The event.
    pub event_id: String,
    /// What is sent.
    pub body: String,
    /// This attempt included.
    pub attempts: i64,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It will be tried again.
    Pending,
    /// It was answered 2xx.
    Delivered,
    /// It was given up.
    Failed,
}

/// The webhooks that name a kind of event, oldest first.
const NAMED: &str = "SELECT id FROM webhooks WHERE EXISTS (SELECT 1 FROM json_each(webhooks.events) WHERE value = ?1) ORDER BY created_at, id";

/// Whether anybody is told of such events.
pub(super) fn is_heard(connection: &Connection, kind: EventKind) -> rusqlite::Result<bool> {
    connection.prepare_cached(NAMED)?.exists([kind.name()])
}

/// Records an event, with a delivery for each webhook that names it; the ids of these. One that nobody is told of leaves nothing.
pub(super) fn announce(
    connection: &Connection,
    kind: EventKind,
    data: &impl Serialize,
    now: i64,
) -> rusqlite::Result<Vec<String>> {
    let mut named = connection.prepare_cached(NAMED)?;
    let webhooks = named.query_map([kind.name()], |row| row.get::<_, String>(0))?;
    let webhooks = webhooks.collect::<rusqlite::Result<Vec<_>>>()?;
    if webhooks.is_empty() {
        return Ok(Vec::new());
    }
    let event = format!("evt_{}", Uuid::now_v7().simple());
    connection
        .prepare_cached(
            "INSERT INTO webhook_events (id, event, data, created_at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![event, kind.name(), json_text(data)?, now])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO webhook_deliveries (id, webhook_id, event_id, next_attempt_at, created_at) VALUES (?1, ?2, ?3, ?4, ?4)",
    )?;
    let mut deliveries = Vec::new();
    for webhook in webhooks {
        let id = Uuid::now_v7().to_string();
        insert.execute(params![id, webhook, event, now])?;
        deliveries.push(id);
    }
    Ok(deliveries)
}

/// Claims one delivery, unless it is closed or somebody else's. One whose last attempt was left by a crash is given up.
fn claim(connection: &Connection, id: &str, now: i64) -> rusqlite::Result<Option<Claimed>> {
    let claim = Uuid::new_v4().to_string();
    let claimed = connection
        .prepare_cached(
            "UPDATE webhook_deliveries SET claim = ?2, claimed_until = ?3, attempts = attempts + 1
             WHERE id = ?1 AND state = 'pending' AND attempts < ?5 AND (claimed_until IS NULL OR claimed_until <= ?4)",
        )?
        .execute(params![id, claim, now.saturating_add(CLAIM_MS), now, ATTEMPTS_MAX])?;
    if claimed == 0 {
        let exhausted = connection
            .prepare_cached(
                "SELECT 1 FROM webhook_deliveries WHERE id = ?1 AND state = 'pending' AND attempts >= ?3 AND claimed_until <= ?2",
            )?
            .exists(params![id, now, ATTEMPTS_MAX])?;
        if exhausted {
            give_up(connection, id, None)?;
        }
        return Ok(None);
    }
    connection
        .prepare_cached(
            "SELECT url, secret, event_id, event, data, webhook_events.created_at AS happened_at, attempts
             FROM webhook_deliveries
             CROSS JOIN webhook_events ON webhook_events.id = webhook_deliveries.event_id
             CROSS JOIN webhooks ON webhooks.id = webhook_deliveries.webhook_id
             WHERE webhook_deliveries.id = ?1",
        )?
        .query_row([id], |row| {
            let (event_id, event): (String, String) = (row.get("event_id")?, row.get("event")?);
            let (happened_at, data): (i64, String) = (row.get("happened_at")?, row.get("data")?);
            // All but the data are our own words, which need no escaping.
            let body = format!(r#"{{"id":"{event_id}","type":"{event}","created_at":{happened_at},"data":{data}}}"#);
            Ok(Claimed {
                id: id.to_owned(),
                claim,
                url: row.get("url")?,
                secret: row.get("secret")?,
                event_id,
                body,
                attempts: row.get("attempts")?,
            })
        })
        .optional()
}

fn give_up(connection: &Connection, id: &str, status: Option<u16>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE webhook_deliveries SET state = 'failed', next_attempt_at = NULL, claim = NULL, claimed_until = NULL, last_status = ?2
             WHERE id = ?1 AND state = 'pending'",
        )?
        .execute(params![id, status])?;
    connection
        .prepare_cached(
            "UPDATE webhooks SET state = 'failing' WHERE id = (SELECT webhook_id FROM webhook_deliveries WHERE id = ?1) AND state = 'active'",
        )?
        .execute([id])?;
    Ok(())
}

impl Store {
    /// Claims these deliveries as far as they are free.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim(&self, ids: Vec<String>, now: i64) -> Result<Vec<Claimed>, StoreError> {
        self.change(move |connection| {
            let claimed = ids.iter().map(|id| claim(connection, id, now));
            claimed.filter_map(Result::transpose).collect()
        })
        .await
    }

    /// Claims what is due and not busy, up to a hundred. The first ones of an operator's run are logged with it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim_due(
        &self,
        now: i64,
        is_busy: impl Fn(&str) -> bool + Send + 'static,
        act: Option<Act>,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.change(move |connection| {
            let mut due = connection.prepare_cached(
                "SELECT id FROM webhook_deliveries
                 WHERE state = 'pending' AND next_attempt_at <= ?1 AND (claimed_until IS NULL OR claimed_until <= ?1)
                 ORDER BY next_attempt_at, id LIMIT ?2",
            )?;
            let due = due.query_map(params![now, CLAIMED_AT_ONCE], |row| row.get::<_, String>(0))?;
            let due = due.collect::<rusqlite::Result<Vec<_>>>()?;
            let free = due.iter().filter(|id| !is_busy(id));
            let claimed = free.map(|id| claim(connection, id, now));
            let claimed: Vec<Claimed> = claimed.filter_map(Result::transpose).collect::<rusqlite::Result<_>>()?;
            if let (Some(act), false) = (&act, claimed.is_empty()) {
                let after = Some(json!({"claimed": claimed.len()}).to_string());
                audit::write(connection, act, &Done { action: "job.deliveries", resource: "deliveries", before: None, after })?;
            }
            Ok(claimed)
        })
        .await
    }

    /// Writes what became of an attempt, and drops `sending` with it. What was answered 2xx is closed even if the claim had ended meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn conclude(
        &self,
        delivery: Claimed,
        status: Option<u16>,
        now: i64,
        sending: impl Send + 'static,
    ) -> Result<State, StoreError> {
        self.change(move |connection| {
            let _until_written = sending;
            if status.is_some_and(|status| (200..300).contains(&status)) {
                connection
                    .prepare_cached(
                        "UPDATE webhook_deliveries SET state = 'delivered', delivered_at = ?2, next_attempt_at = NULL, claim = NULL,
                           claimed_until = NULL, last_status = ?3
                         WHERE id = ?1 AND state = 'pending'",
                    )?
                    .execute(params![delivery.id, now, status])?;
                connection
                    .prepare_cached(
                        "UPDATE webhooks SET state = 'active'
                         WHERE id = (SELECT webhook_id FROM webhook_deliveries WHERE id = ?1) AND state = 'failing'",
                    )?
                    .execute([&delivery.id])?;
                return Ok(State::Delivered);
            }
            let Some(pause) = pause_ms(delivery.attempts) else {
                give_up(connection, &delivery.id, status)?;
                return Ok(State::Failed);
            };
            connection
                .prepare_cached(
                    "UPDATE webhook_deliveries SET next_attempt_at = ?3, claim = NULL, claimed_until = NULL, last_status = ?4
                     WHERE id = ?1 AND claim = ?2",
                )?
                .execute(params![delivery.id, delivery.claim, now.saturating_add(pause), status])?;
            Ok(State::Pending)
        })
        .await
    }
}
