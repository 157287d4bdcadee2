//! Backends that lose rows, double them, or let callers feel what D1 suffers. Never breaks more than one thing at a time.

use super::super::calls::{self, OtherCalls, Purpose};
use super::super::lines;
use super::super::stores::{self, OtherUsage};
use super::{Draft, deviant};
use crate::target::reference::altered::Parts;
use crate::{clock, wait};
use async_trait::async_trait;
use moltworker_reference::domain::tenant::TenantId;
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{
    AiGateway, Level, LogSink, StoreError, UpstreamAnswer, UpstreamCall, UpstreamError, UsageStore,
};
use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

pub(super) fn all() -> Vec<Draft> {
    let mut all = retries();
    all.extend(at_the_end());
    all
}

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

fn retries() -> Vec<Draft> {
    vec![
        retrying(
            "busy-database-not-asked-again",
            "A row that a busy D1 refuses is given up at once",
            &["USG-009", "USG-010"],
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

struct NewId;

#[async_trait]
impl OtherUsage for NewId {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let mut row = row.clone();
        row.id = Uuid::new_v4();
        inner.insert(&row).await
    }
}

fn at_the_end() -> Vec<Draft> {
    vec![
        deviant(
            "pending-rows-dropped-at-shutdown",
            "Rows are written by a task that a shutdown does not wait for",
            &["USG-015"],
        )
        .parts(|parts| {
            let usage = parts.ports.usage.clone();
            if let Some(usage) = usage {
                stores::usage(&mut parts.ports, Detached(usage));
            }
        }),
        deviant(
            "rows-written-in-two-steps",
            "A row is opened when a model is called, and filled some time after the answer",
            &["USG-015", "USG-002"],
        )
        .parts(in_two_steps),
        deviant(
            "rows-written-again-after-a-restart",
            "Rows are noted in a file that every start writes to D1 again, under new ids",
            &["USG-015"],
        )
        .parts(noted_in_a_file),
    ]
}

/// Longer than a shutdown takes, shorter than the 2 s after which a row is missed.
const LATER: Duration = Duration::from_secs(1);

struct Detached(Arc<dyn UsageStore>);

#[async_trait]
impl OtherUsage for Detached {
    async fn insert(&self, _inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let (usage, row) = (Arc::clone(&self.0), row.clone());
        // Rows that come together are to be written together.
        drop(tokio::spawn(async move {
            wait::pass(LATER).await;
            drop(usage.insert(&row).await);
        }));
        Ok(())
    }
}

/// Rows that are open: empty, and not filled yet.
type Open = Arc<Mutex<HashMap<TenantId, Vec<Uuid>>>>;

fn in_two_steps(parts: &mut Parts) {
    let (Some(database), Some(usage)) = (&parts.config.tenant_db, &parts.ports.usage) else {
        return;
    };
    let (open, database) = (Open::default(), database.clone());
    let opens = Opens {
        usage: Arc::clone(usage),
        open: Arc::clone(&open),
    };
    calls::calls(&mut parts.ports, opens);
    stores::usage(&mut parts.ports, Fills { database, open });
}

struct Opens {
    usage: Arc<dyn UsageStore>,
    open: Open,
}

#[async_trait]
impl OtherCalls for Opens {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let purpose = Purpose::of(&call);
        if let Some(tenant_id) = purpose.tenant {
            let row = UsageRow {
                id: Uuid::new_v4(),
                tenant_id,
                model: purpose.model,
                tokens_in: 0,
                tokens_out: 0,
                latency_ms: 0,
                created_at: clock::epoch_ms(),
            };
            // A row that cannot be opened is filled by nobody.
            if self.usage.insert(&row).await.is_ok() {
                let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
                open.entry(tenant_id).or_default().push(row.id);
            }
        }
        inner.call(call).await
    }
}

struct Fills {
    database: PathBuf,
    open: Open,
}

#[async_trait]
impl OtherUsage for Fills {
    async fn insert(&self, _inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let opened = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.get_mut(&row.tenant_id).and_then(Vec::pop)
        };
        let Some(opened) = opened else { return Ok(()) };
        wait::pass(LATER).await;
        let (path, row) = (self.database.clone(), row.clone());
        let filling =
            tokio::task::spawn_blocking(move || {
                let database = rusqlite::Connection::open(path)?;
                database.busy_timeout(LATER)?;
                database.execute(
                "UPDATE usage SET tokens_in = ?1, tokens_out = ?2, latency_ms = ?3 WHERE id = ?4",
                (row.tokens_in, row.tokens_out, row.latency_ms, opened.to_string()),
            )
            });
        match filling.await {
            Ok(Ok(_rows)) => Ok(()),
            Ok(Err(error)) => Err(StoreError::Unavailable(Box::new(error))),
            Err(error) => Err(StoreError::Unavailable(Box::new(error))),
        }
    }
}

/// The rows of the file, one a line: tenant, model, counts, latency, time.
fn noted_in_a_file(parts: &mut Parts) {
    let (Some(database), Some(usage)) = (&parts.config.tenant_db, parts.ports.usage.clone()) else {
        return;
    };
    let file = database.with_extension("usage-journal");
    let noted = std::fs::read_to_string(&file).unwrap_or_default();
    let rows: Vec<UsageRow> = noted.lines().filter_map(read).collect();
    if let (false, Ok(runtime)) = (rows.is_empty(), tokio::runtime::Handle::try_current()) {
        drop(runtime.spawn(async move {
            for row in rows {
                drop(usage.insert(&row).await);
            }
        }));
    }
    stores::usage(&mut parts.ports, Noted(file));
}

struct Noted(PathBuf);

#[async_trait]
impl OtherUsage for Noted {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let UsageRow {
            tenant_id,
            model,
            tokens_in,
            tokens_out,
            latency_ms,
            created_at,
            ..
        } = row;
        let line =
            format!("{tenant_id} {model} {tokens_in} {tokens_out} {latency_ms} {created_at}\n");
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.0);
        let noted = file.and_then(|mut file| file.write_all(line.as_bytes()));
        noted.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        inner.insert(row).await
    }
}

fn read(line: &str) -> Option<UsageRow> {
    let mut words = line.split(' ');
    let tenant_id = TenantId::parse(words.next()?).ok()?;
    let model = words.next()?.to_owned();
    let mut number = || words.next()?.parse::<i64>().ok();
    Some(UsageRow {
        id: Uuid::new_v4(),
        tenant_id,
        model,
        tokens_in: number()?,
        tokens_out: number()?,
        latency_ms: number()?,
        created_at: number()?,
    })
}
