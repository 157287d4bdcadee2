//! Backends whose rows say something else than what happened. Never breaks more than one thing at a time.

use super::super::calls::{self, LARGE, OtherCalls, Purpose};
use super::super::layer::after;
use super::super::stores::{self, OtherUsage};
use super::{Draft, deviant};
use crate::reference::altered::Parts;
use crate::tamper::{Ask, Content, Tamper, Told, Unanswered, Upstream};
use crate::{clock, wait};
use async_trait::async_trait;
use bytes::Bytes;
use hyper::HeaderMap;
use moltworker_reference::domain::tenant::TenantId;
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{
    AiGateway, StoreError, TenantStore, UpstreamAnswer, UpstreamCall, UpstreamError, UsageStore,
};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

pub(super) fn all() -> Vec<Draft> {
    let mut all = changed();
    all.extend(counted());
    all.extend(whose());
    all
}

/// Changes every row before it is written.
fn changing(
    id: &'static str,
    breaks: &'static str,
    expected: &'static [&'static str],
    change: fn(&mut UsageRow),
) -> Draft {
    deviant(id, breaks, expected)
        .parts(move |parts| stores::usage(&mut parts.ports, Changed(change)))
}

struct Changed(fn(&mut UsageRow));

#[async_trait]
impl OtherUsage for Changed {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let mut row = row.clone();
        (self.0)(&mut row);
        inner.insert(&row).await
    }
}

fn changed() -> Vec<Draft> {
    vec![
        changing(
            "created-at-in-seconds",
            "The time of a row is in seconds",
            &["USG-001", "SCH-001"],
            |row| row.created_at /= 1_000,
        ),
        changing(
            "created-at-in-microseconds",
            "The time of a row is in microseconds",
            &["USG-001", "SCH-001"],
            |row| row.created_at *= 1_000,
        ),
        changing(
            "created-at-of-another-zone",
            "The time of a row is that of another time zone",
            &["USG-001"],
            |row| row.created_at += 2 * 3_600_000,
        ),
        changing(
            "tokens-swapped",
            "Tokens of the prompt stand in the column for those of the answer",
            &["USG-001"],
            |row| std::mem::swap(&mut row.tokens_in, &mut row.tokens_out),
        ),
        changing(
            "tokens-in-one-column",
            "All tokens of an answer stand in one column",
            &["USG-001"],
            |row| {
                row.tokens_in += row.tokens_out;
                row.tokens_out = 0;
            },
        ),
        changing(
            "model-without-its-vendor",
            "A row names the model without its vendor",
            &["USG-001", "USG-011"],
            |row| row.model = row.model.rsplit('/').next().unwrap_or_default().to_owned(),
        ),
        changing(
            "latency-in-seconds",
            "The latency of a row is in seconds",
            &["USG-014"],
            |row| row.latency_ms /= 1_000,
        ),
        changing(
            "latency-in-microseconds",
            "The latency of a row is in microseconds",
            &["USG-014"],
            |row| row.latency_ms *= 1_000,
        ),
        changing(
            "latency-always-zero",
            "The latency of a row is zero",
            &["USG-014"],
            |row| row.latency_ms = 0,
        ),
        changing(
            "latency-with-a-flat-surcharge",
            "The latency of a row includes a start of the container that did not happen",
            &["USG-014"],
            |row| row.latency_ms += 60_000,
        ),
        deviant(
            "latency-taken-anew-at-each-try",
            "A row that D1 refused has the latency of the try that wrote it",
            &["USG-014"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, TakenAnew::default())),
        deviant(
            "retries-after-twice-the-pause",
            "A row is tried again after 200, 400 and 800 ms",
            &["USG-009"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, TwiceAsSlow::default())),
        changing(
            "rows-of-equal-counts-are-one",
            "The id of a row is made of what it says, so two equal answers are one row",
            &["USG-001"],
            |row| {
                let mut hasher = DefaultHasher::new();
                (row.tenant_id, row.tokens_in, row.tokens_out).hash(&mut hasher);
                row.id = Uuid::from_u64_pair(hasher.finish(), 0);
            },
        ),
    ]
}

/// When each row was first to be written.
#[derive(Default)]
struct TakenAnew(Mutex<HashMap<Uuid, Instant>>);

#[async_trait]
impl OtherUsage for TakenAnew {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let mut row = row.clone();
        let since = {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.entry(row.id).or_insert_with(clock::now).elapsed()
        };
        row.latency_ms += i64::try_from(since.as_millis()).unwrap_or_default();
        inner.insert(&row).await
    }
}

/// How often each row was tried.
#[derive(Default)]
struct TwiceAsSlow(Mutex<HashMap<Uuid, u32>>);

#[async_trait]
impl OtherUsage for TwiceAsSlow {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let tried = {
            let mut tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let tried = tried.entry(row.id).or_default();
            *tried += 1;
            *tried
        };
        if let Some(doublings) = tried.checked_sub(2) {
            // The same pause again.
            wait::pass(Duration::from_millis(100 << doublings)).await;
        }
        inner.insert(row).await
    }
}

struct NeverWritten;

#[async_trait]
impl OtherUsage for NeverWritten {
    async fn insert(&self, _inner: &dyn UsageStore, _row: &UsageRow) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Twice;

#[async_trait]
impl OtherUsage for Twice {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        inner.insert(row).await?;
        let mut again = row.clone();
        again.id = Uuid::new_v4();
        inner.insert(&again).await
    }
}

/// Leaves out rows that `without` names.
struct Without(fn(&UsageRow) -> bool);

#[async_trait]
impl OtherUsage for Without {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        if (self.0)(row) {
            return Ok(());
        }
        inner.insert(row).await
    }
}

fn counted() -> Vec<Draft> {
    vec![
        deviant(
            "usage-never-written",
            "No usage row is written",
            &["USG-001"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, NeverWritten)),
        deviant(
            "usage-written-twice",
            "Every answer writes two rows",
            &["USG-001"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, Twice)),
        deviant(
            "empty-answers-not-billed",
            "An answer without tokens of its own is not billed",
            &["USG-005"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, Without(|row| row.tokens_out == 0))),
        deviant(
            "cache-hits-not-billed",
            "An answer from the AI Gateway's cache is not billed",
            &["USG-017"],
        )
        .upstream(|| {
            after(|_ask, told| {
                if told.header("cf-aig-cache-status") == Some("HIT") {
                    remove_usage(told);
                }
            })
        }),
        deviant(
            "answers-from-a-cache",
            "The same prompt of a tenant is answered from memory, without a call and without a row",
            &["USG-001"],
        )
        .parts(|parts| parts.caller = Some(Arc::new(Remembers::default()))),
    ]
}

fn remove_usage(told: &mut Told) {
    if let Content::Whole(bytes) = &told.content {
        let mut body: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
        if let Some(fields) = body.as_object_mut() {
            fields.remove("usage");
            fields.remove("result");
            told.put(body.to_string());
        }
    }
}

type Remembered = (HeaderMap, Bytes);

#[derive(Default)]
struct Remembers(Mutex<HashMap<(String, Bytes), Remembered>>);

#[async_trait]
impl Tamper for Remembers {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        if ask.route() != "/v1/chat/completions" {
            return upstream.send(&ask).await;
        }
        let key = (ask.host().to_owned(), ask.body.clone());
        let known = {
            let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            remembered.get(&key).cloned()
        };
        if let Some((headers, body)) = known {
            let mut told = Told::new(200, "application/json", body);
            told.headers = headers;
            return Ok(told);
        }
        let told = upstream.send(&ask).await?;
        if let (200, Content::Whole(body)) = (told.status, &told.content) {
            let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            remembered.insert(key, (told.headers.clone(), body.clone()));
        }
        Ok(told)
    }
}

fn whose() -> Vec<Draft> {
    vec![
        deviant(
            "primary-billed-after-fallback",
            "A row names the tier's first model, whoever answered",
            &["USG-011"],
        )
        .parts(|parts| {
            if let Some(tenants) = parts.ports.tenants.clone() {
                stores::usage(&mut parts.ports, FirstModel(tenants));
            }
        }),
        deviant(
            "usage-of-whoever-called-last",
            "The tenant to be billed is kept for the whole backend, so a row goes to whoever called last",
            &["USG-012"],
        )
        .parts(whoever_called_last),
        deviant(
            "usage-overwritten-in-a-crowd",
            "One row at a time waits to be written, and the next one takes its place",
            &["USG-012"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, OnePlace::default())),
    ]
}

struct FirstModel(Arc<dyn TenantStore>);

#[async_trait]
impl OtherUsage for FirstModel {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let mut row = row.clone();
        let record = self.0.by_id(row.tenant_id).await?;
        if record.is_some_and(|record| ["premium", "enterprise"].contains(&record.tier.as_str())) {
            LARGE.0.clone_into(&mut row.model);
        }
        inner.insert(&row).await
    }
}

type LastCaller = Arc<Mutex<Option<TenantId>>>;

fn whoever_called_last(parts: &mut Parts) {
    let last = LastCaller::default();
    calls::calls(&mut parts.ports, Notes(Arc::clone(&last)));
    stores::usage(&mut parts.ports, Billed(last));
}

struct Notes(LastCaller);

#[async_trait]
impl OtherCalls for Notes {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Purpose::of(&call).tenant;
        inner.call(call).await
    }
}

struct Billed(LastCaller);

#[async_trait]
impl OtherUsage for Billed {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let mut row = row.clone();
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        row.tenant_id = last.unwrap_or(row.tenant_id);
        inner.insert(&row).await
    }
}

#[derive(Default)]
struct OnePlace(Mutex<Option<UsageRow>>);

#[async_trait]
impl OtherUsage for OnePlace {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(row.clone());
        // Others get their turn, as they do while a database is asked.
        tokio::task::yield_now().await;
        crate::wait::pass(std::time::Duration::from_millis(5)).await;
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match waiting {
            Some(row) => inner.insert(&row).await,
            None => Ok(()),
        }
    }
}
