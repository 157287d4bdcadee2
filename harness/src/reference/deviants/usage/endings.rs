//! Backends that lose or double rows when they end. Never breaks more than one thing at a time.

use super::super::calls::{self, OtherCalls, Purpose};
use super::super::stores::{self, OtherUsage};
use super::billing::tokens;
use super::{Draft, deviant};
use crate::reference::altered::Parts;
use crate::{clock, wait};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use moltworker_reference::domain::tenant::TenantId;
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{
    AiGateway, StoreError, UpstreamAnswer, UpstreamCall, UpstreamError, UsageStore,
};
use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

pub(super) fn all() -> Vec<Draft> {
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
            "rows-of-streams-dropped-at-shutdown",
            "Rows of streams are written by a task that a shutdown does not wait for",
            &["USG-015"],
        )
        .parts(|parts| {
            let usage = parts.ports.usage.clone();
            if let Some(usage) = usage {
                let streamed = Streamed::default();
                calls::calls(&mut parts.ports, Notes(Arc::clone(&streamed)));
                stores::usage(&mut parts.ports, DetachedStreams(usage, streamed));
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

/// Counts that streams have told.
type Streamed = Arc<Mutex<HashSet<(i64, i64)>>>;

/// Notes what streams cost, so that their rows are known again.
struct Notes(Streamed);

#[async_trait]
impl OtherCalls for Notes {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let mut answer = inner.call(call).await?;
        if !calls::is_stream(&answer) {
            return Ok(answer);
        }
        let streamed = Arc::clone(&self.0);
        let body = calls::take_body(&mut answer);
        answer.body = body
            .inspect(move |part| {
                let Ok(bytes) = part else { return };
                let events = String::from_utf8_lossy(bytes);
                let frames = events
                    .lines()
                    .filter_map(|line| line.strip_prefix("data: "));
                let counts = frames
                    .filter_map(|frame| serde_json::from_str(frame).ok())
                    .filter_map(|frame| tokens(&frame));
                let mut streamed = streamed.lock().unwrap_or_else(PoisonError::into_inner);
                streamed.extend(counts);
            })
            .boxed();
        Ok(answer)
    }
}

struct DetachedStreams(Arc<dyn UsageStore>, Streamed);

#[async_trait]
impl OtherUsage for DetachedStreams {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let is_streams = {
            let streamed = self.1.lock().unwrap_or_else(PoisonError::into_inner);
            streamed.contains(&(row.tokens_in, row.tokens_out))
        };
        if is_streams {
            Detached(Arc::clone(&self.0)).insert(inner, row).await
        } else {
            inner.insert(row).await
        }
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
