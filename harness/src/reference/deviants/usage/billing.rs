//! Rows that a deviant writes by its own idea of what an answer costs. Never decides what that is.

use super::super::calls::{self, OtherCalls, Purpose, is_stream, whole};
use super::super::stores::{self, OtherUsage};
use crate::reference::altered::Parts;
use crate::{clock, wait};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream;
use moltworker_reference::domain::sse::{Piece, Splitter, frame_data};
use moltworker_reference::domain::tenant::TenantId;
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{
    AiGateway, Level, LogSink, StoreError, UpstreamAnswer, UpstreamCall, UpstreamError, UsageStore,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Tokens of prompt and answer.
pub(super) type Tokens = (i64, i64);

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// In order.
    Whole,
    /// The upstream broke off.
    Cut,
    /// The caller went away.
    Left,
}

/// What there is to be billed.
pub(super) struct Seen {
    pub(super) status: u16,
    /// The body, or the frames of a stream.
    pub(super) bodies: Vec<Value>,
    pub(super) streamed: bool,
    pub(super) end: End,
    /// Whether a stream said `[DONE]`.
    pub(super) done: bool,
}

impl Seen {
    /// The body of an answer that is no stream, or its last frame.
    pub(super) fn last(&self) -> &Value {
        self.bodies.last().unwrap_or(&Value::Null)
    }

    /// Whether any body says that it failed.
    pub(super) fn failed(&self) -> bool {
        let failed = |body: &Value| {
            let errors = &body["errors"];
            let is_empty = errors.is_null() || errors.as_array().is_some_and(Vec::is_empty);
            body["success"] == false || !body["error"].is_null() || !is_empty
        };
        self.bodies.iter().any(failed)
    }

    /// The last counts that are there, zeros or not.
    pub(super) fn tokens(&self) -> Option<Tokens> {
        self.bodies.iter().rev().find_map(tokens)
    }
}

pub(super) fn has_errors(body: &Value) -> bool {
    body["errors"]
        .as_array()
        .is_some_and(|errors| !errors.is_empty())
}

/// The counts of a body or a frame.
pub(super) fn tokens(body: &Value) -> Option<Tokens> {
    let usage = [&body["usage"], &body["result"]["usage"]];
    let usage = usage.into_iter().find(|usage| usage.is_object())?;
    let count = |name: &str| usage[name].as_i64();
    Some((count("prompt_tokens")?, count("completion_tokens")?))
}

/// What an answer costs; `None` if nothing.
pub(super) type Price = fn(&Seen) -> Option<Tokens>;

/// Writes rows beside those of the reference: where it writes none.
pub(super) fn bills_too(parts: &mut Parts, price: Price) {
    if let Some(usage) = parts.ports.usage.clone() {
        let bill = Bill {
            usage,
            log: Arc::clone(&parts.ports.log),
            price,
            waits: |_streamed| false,
            part_by_part: false,
        };
        calls::calls(&mut parts.ports, bill);
    }
}

/// Writes all rows in the place of the reference.
pub(super) fn bills_itself(parts: &mut Parts, price: Price) {
    bills_too(parts, price);
    stores::usage(&mut parts.ports, Nothing);
}

/// As [`bills_itself`], and callers of streams or of others wait until their row is written.
pub(super) fn bills_first(parts: &mut Parts, price: Price, waits: fn(bool) -> bool) {
    if let Some(usage) = parts.ports.usage.clone() {
        let bill = Bill {
            usage,
            log: Arc::clone(&parts.ports.log),
            price,
            waits,
            part_by_part: false,
        };
        calls::calls(&mut parts.ports, bill);
    }
    stores::usage(&mut parts.ports, Nothing);
}

/// As [`bills_itself`], and an event that arrives in two parts is not read.
pub(super) fn bills_part_by_part(parts: &mut Parts, price: Price) {
    if let Some(usage) = parts.ports.usage.clone() {
        let bill = Bill {
            usage,
            log: Arc::clone(&parts.ports.log),
            price,
            waits: |_streamed| false,
            part_by_part: true,
        };
        calls::calls(&mut parts.ports, bill);
    }
    stores::usage(&mut parts.ports, Nothing);
}

struct Nothing;

#[async_trait]
impl OtherUsage for Nothing {
    async fn insert(&self, _inner: &dyn UsageStore, _row: &UsageRow) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Bill {
    usage: Arc<dyn UsageStore>,
    log: Arc<dyn LogSink>,
    price: Price,
    /// Whether a caller waits for its row, by whether its answer is a stream.
    waits: fn(bool) -> bool,
    /// Whether each part of a stream is read for itself.
    part_by_part: bool,
}

#[async_trait]
impl OtherCalls for Bill {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let purpose = Purpose::of(&call);
        let mut account = Account {
            usage: Arc::clone(&self.usage),
            log: Arc::clone(&self.log),
            price: self.price,
            tenant: purpose.tenant,
            model: purpose.model,
            called_at: clock::now(),
            seen: Some(Seen {
                status: 0,
                bodies: Vec::new(),
                streamed: false,
                end: End::Left,
                done: false,
            }),
            splitter: Splitter::default(),
            part_by_part: self.part_by_part,
        };
        let mut answer = inner.call(call).await.inspect_err(|_no_answer| {
            // Nothing was seen, so there is nothing that could be billed.
        });
        if let Ok(answer) = &mut answer {
            account.status(answer.status);
            if is_stream(answer) {
                watch(answer, account, (self.waits)(true));
            } else {
                let bytes = whole(answer).await;
                account.body(&bytes);
                account.close(End::Whole, (self.waits)(false)).await;
            }
        } else {
            account.seen = None;
        }
        answer
    }
}

/// Reads the frames of a stream on their way.
fn watch(answer: &mut UpstreamAnswer, mut account: Account, waits: bool) {
    if let Some(seen) = &mut account.seen {
        seen.streamed = true;
    }
    let body = calls::take_body(answer);
    answer.body = stream::unfold((body, account), move |(mut body, mut account)| async move {
        let part = body.next().await;
        match &part {
            Some(Ok(bytes)) => account.frames(bytes),
            Some(Err(_cut)) => account.close(End::Cut, waits).await,
            None => account.close(End::Whole, waits).await,
        }
        part.map(|part| (part, (body, account)))
    })
    .boxed();
}

/// What one call costs, until it is written down.
struct Account {
    usage: Arc<dyn UsageStore>,
    log: Arc<dyn LogSink>,
    price: Price,
    tenant: Option<TenantId>,
    model: String,
    called_at: Instant,
    /// `None` once it is closed.
    seen: Option<Seen>,
    splitter: Splitter,
    part_by_part: bool,
}

impl Account {
    fn status(&mut self, status: u16) {
        if let Some(seen) = &mut self.seen {
            seen.status = status;
        }
    }

    fn body(&mut self, bytes: &[u8]) {
        if let (Some(seen), Ok(body)) = (&mut self.seen, serde_json::from_slice(bytes)) {
            seen.bodies.push(body);
        }
    }

    fn frames(&mut self, bytes: &[u8]) {
        if self.part_by_part {
            self.splitter = Splitter::default();
        }
        for piece in self.splitter.push(bytes) {
            let Piece::Frame(frame) = piece else { continue };
            let data = frame_data(&frame).map(std::borrow::Cow::into_owned);
            if let (Some(seen), Some(b"[DONE]")) = (&mut self.seen, data.as_deref()) {
                seen.done = true;
            }
            self.body(&data.unwrap_or_default());
        }
    }

    /// The row that is due.
    fn row(&mut self, end: End) -> Option<UsageRow> {
        let mut seen = self.seen.take()?;
        seen.end = end;
        let (tokens_in, tokens_out) = (self.price)(&seen)?;
        Some(UsageRow {
            id: Uuid::new_v4(),
            tenant_id: self.tenant?,
            model: self.model.clone(),
            tokens_in,
            tokens_out,
            latency_ms: i64::try_from(self.called_at.elapsed().as_millis()).unwrap_or_default(),
            created_at: clock::epoch_ms(),
        })
    }

    async fn close(&mut self, end: End, waits: bool) {
        let Some(row) = self.row(end) else { return };
        let writing = written(Arc::clone(&self.usage), Arc::clone(&self.log), row);
        if waits {
            writing.await;
        } else {
            drop(tokio::spawn(writing));
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let (Some(row), Ok(runtime)) = (self.row(End::Left), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let (usage, log) = (Arc::clone(&self.usage), Arc::clone(&self.log));
        drop(runtime.spawn(written(usage, log, row)));
    }
}

/// Pauses before a busy database is asked again, as the contract has them.
const PAUSES_MS: [u64; 3] = [100, 200, 400];

/// Writes a row as the contract has rows written: how often that is tried is no deviant's part here.
async fn written(usage: Arc<dyn UsageStore>, log: Arc<dyn LogSink>, row: UsageRow) {
    let mut pauses = PAUSES_MS.into_iter();
    while let Err(error) = usage.insert(&row).await {
        let is_over = !matches!(error, StoreError::Busy(_) | StoreError::Unavailable(_));
        let Some(pause) = pauses.next().filter(|_| !is_over) else {
            let tenant = row.tenant_id.to_string();
            let line = json!({ "level": "error", "event": "usage_lost", "tenant_id": tenant });
            log.line(Level::Error, &line.to_string());
            return;
        };
        wait::pass(Duration::from_millis(pause)).await;
    }
}
