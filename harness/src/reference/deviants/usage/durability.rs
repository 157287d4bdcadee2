//! Backends that lose rows or double them when D1 is in trouble. Never breaks more than one thing at a time.

use super::super::stores::{self, OtherUsage};
use super::super::{held, lines};
use super::{Draft, deviant};
use crate::wait;
use async_trait::async_trait;
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{Level, LogSink, StoreError, UsageStore};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// Pauses between tries of a deviant's own, in milliseconds; then the row is given up.
fn retrying(
    id: &'static str,
    breaks: &'static str,
    expected: &'static [&'static str],
    pauses_ms: &'static [u64],
) -> Draft {
    deviant(id, breaks, expected)
        .parts(move |parts| stores::usage(&mut parts.ports, Pauses(pauses_ms)))
}

pub(super) fn all() -> Vec<Draft> {
    vec![
        retrying(
            "busy-database-not-asked-again",
            "A row that a busy D1 refuses is given up at once",
            &["USG-009"],
            &[],
        ),
        retrying(
            "retries-without-pause",
            "A busy D1 is asked again at once",
            &["USG-009"],
            &[0, 0, 0],
        ),
        retrying(
            "retries-after-equal-pauses",
            "A busy D1 is asked again after 100 ms each time",
            &["USG-009"],
            &[100, 100, 100],
        ),
        retrying(
            "two-retries-of-a-write",
            "A busy D1 is asked again twice",
            &["USG-009"],
            &[100, 200],
        ),
        retrying(
            "four-retries-of-a-write",
            "A busy D1 is asked again four times",
            &["USG-009"],
            &[100, 200, 400, 800],
        ),
        deviant(
            "locked-database-not-asked-again",
            "An overloaded D1 is asked again, a locked one is not",
            &["USG-009"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, Unlocked("locked"))),
        deviant(
            "queued-writes-not-asked-again",
            "A D1 that has too many requests in its queue is not asked again",
            &["USG-009"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, Unlocked("Too many requests queued"))),
        deviant(
            "loss-not-logged",
            "A row that is given up leaves no log line",
            &["USG-009"],
        )
        .parts(|parts| lines::without(parts, "usage_lost")),
        deviant(
            "loss-logged-with-every-try",
            "Each failed write is logged as a loss",
            &["USG-009"],
        )
        .parts(|parts| {
            let log = Arc::clone(&parts.ports.log);
            stores::usage(&mut parts.ports, Loud(log));
        }),
        deviant(
            "retry-under-a-new-id",
            "A write that is tried again makes a new row",
            &["USG-010"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, NewId)),
        deviant(
            "equal-rows-at-once-are-one",
            "A row that says what another one says that is being written is taken for that one",
            &["USG-012"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, EqualIsOne::default())),
        deviant(
            "new-id-after-a-reset",
            "A write after which D1 was reset is tried again as another row",
            &["USG-010"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, NewIdAfterReset::default())),
        deviant(
            "lost-rows-written-again",
            "A row that was given up is written again under a new id with the tenant's next one",
            &["USG-010"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, KeepsLost::default())),
    ]
}

/// Tells the reference that another try is in vain.
fn in_vain() -> StoreError {
    StoreError::MissingReference
}

struct Pauses(&'static [u64]);

#[async_trait]
impl OtherUsage for Pauses {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let mut done = inner.insert(row).await;
        for pause in self.0 {
            if done.is_ok() {
                break;
            }
            wait::pass(Duration::from_millis(*pause)).await;
            done = inner.insert(row).await;
        }
        done.map_err(|_busy| in_vain())
    }
}

/// Gives a row up where D1 says this.
struct Unlocked(&'static str);

#[async_trait]
impl OtherUsage for Unlocked {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let done = inner.insert(row).await;
        match &done {
            Err(StoreError::Busy(why)) if why.to_string().contains(self.0) => Err(in_vain()),
            Ok(()) | Err(_) => done,
        }
    }
}

struct Loud(Arc<dyn LogSink>);

#[async_trait]
impl OtherUsage for Loud {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let done = inner.insert(row).await;
        if let Err(error) = &done {
            let line = serde_json::json!({
                "level": "error", "event": "usage_lost",
                "tenant_id": row.tenant_id.to_string(), "cause": error.to_string(),
            });
            self.0.line(Level::Error, &line.to_string());
        }
        done
    }
}

/// How often the reference tries a write.
const TRIES: usize = 4;

/// How often each row was refused.
#[derive(Default)]
struct KeepsLost(Mutex<HashMap<Uuid, (UsageRow, usize)>>);

#[async_trait]
impl OtherUsage for KeepsLost {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let done = inner.insert(row).await;
        let mut again = Vec::new();
        {
            let mut refused = held(&self.0);
            if done.is_err() {
                refused.entry(row.id).or_insert_with(|| (row.clone(), 0)).1 += 1;
            } else {
                refused.remove(&row.id);
                refused.retain(|_, (lost, times)| {
                    let is_due = *times >= TRIES && lost.tenant_id == row.tenant_id;
                    if is_due {
                        again.push(lost.clone());
                    }
                    !is_due
                });
            }
        }
        for mut lost in again {
            lost.id = Uuid::new_v4();
            // One that is lost again stays so.
            drop(inner.insert(&lost).await);
        }
        done
    }
}

/// What the rows say that are being written: tenant, model and tokens.
#[derive(Default)]
struct EqualIsOne(Mutex<HashSet<(String, String, i64, i64)>>);

#[async_trait]
impl OtherUsage for EqualIsOne {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let says = (
            row.tenant_id.to_string(),
            row.model.clone(),
            row.tokens_in,
            row.tokens_out,
        );
        if !held(&self.0).insert(says.clone()) {
            return Ok(());
        }
        let done = inner.insert(row).await;
        held(&self.0).remove(&says);
        done
    }
}

/// The rows after whose write D1 was reset.
#[derive(Default)]
struct NewIdAfterReset(Mutex<HashSet<Uuid>>);

#[async_trait]
impl OtherUsage for NewIdAfterReset {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let mut own = row.clone();
        if held(&self.0).contains(&row.id) {
            own.id = Uuid::new_v4();
        }
        let done = inner.insert(&own).await;
        if let Err(StoreError::Busy(why)) = &done
            && why.to_string().contains("reset")
        {
            held(&self.0).insert(row.id);
        }
        done
    }
}

struct NewId;

#[async_trait]
impl OtherUsage for NewId {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let mut row = row.clone();
        row.id = Uuid::new_v4();
        inner.insert(&row).await
    }
}
