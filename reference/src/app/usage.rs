//! Usage rows on their way to D1: off the response path, tried again, flushed on shutdown. Never delays or fails a caller.

use super::App;
use super::error::{Error, Store};
use crate::domain::tenant::TenantId;
use crate::domain::usage::{TokenUsage, UsageRow};
use crate::log::{Event, Log, causes};
use crate::ports::{Clock, Page, StoreError, UsageRange, UsageStore};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

use super::background::Background;

/// Pauses before the second, third and fourth attempt (USG-009).
const RETRY_PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

/// Takes note of what one model call cost, when its answer is complete.
#[derive(Clone)]
pub struct UsageRecorder {
    pub(super) store: Arc<dyn UsageStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) log: Log,
    pub(super) background: Background,
    pub(super) tenant: TenantId,
    pub(super) model: &'static str,
    /// On the clock's monotonic time: when the call that answered was made.
    pub(super) called_at: Duration,
}

impl UsageRecorder {
    /// Writes one row in the background. `ended_at` is when the last byte was here.
    pub fn record(&self, usage: TokenUsage, ended_at: Duration) {
        let latency = ended_at.saturating_sub(self.called_at);
        let row = UsageRow {
            id: Uuid::now_v7(),
            tenant_id: self.tenant,
            model: self.model.to_owned(),
            tokens_in: usage.tokens_in,
            tokens_out: usage.tokens_out,
            latency_ms: i64::try_from(latency.as_millis()).unwrap_or(i64::MAX),
            created_at: self.clock.now_ms(),
        };
        let (store, clock, log) = (
            Arc::clone(&self.store),
            Arc::clone(&self.clock),
            self.log.clone(),
        );
        // The handle is not needed: the task is counted, and reports its own failure.
        drop(
            self.background
                .spawn(async move { write(store.as_ref(), clock.as_ref(), &log, &row).await }),
        );
    }
}

async fn write(store: &dyn UsageStore, clock: &dyn Clock, log: &Log, row: &UsageRow) {
    let mut attempts = 0;
    let mut pauses = RETRY_PAUSES.iter();
    loop {
        attempts += 1;
        let error = match store.insert(row).await {
            Ok(()) => return,
            Err(error) => error,
        };
        let pause = match &error {
            StoreError::Busy(_) | StoreError::Unavailable(_) => pauses.next(),
            // The tenant is gone, or the row is refused: the same write would fail again.
            StoreError::Conflict { .. } | StoreError::MissingReference => None,
        };
        let Some(pause) = pause else {
            let cause = causes(&error);
            log.write(&Event::UsageLost {
                tenant_id: row.tenant_id,
                attempts,
                cause: log.scrub(&cause),
            });
            return;
        };
        clock.sleep(*pause).await;
    }
}

impl App {
    pub(super) fn usage_recorder(
        &self,
        tenant: TenantId,
        model: &'static str,
        called_at: Duration,
    ) -> Result<UsageRecorder, Error> {
        let store = self
            .ports
            .usage
            .as_ref()
            .ok_or_else(|| self.requirements.missing_bindings())?;
        Ok(UsageRecorder {
            store: Arc::clone(store),
            clock: Arc::clone(&self.ports.clock),
            log: self.log.clone(),
            background: self.background.clone(),
            tenant,
            model,
            called_at,
        })
    }

    /// One page of a tenant's usage, for the operator.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`], [`Error::Store`], in development [`Error::Configuration`].
    pub async fn usage(
        &self,
        tenant: TenantId,
        range: &UsageRange,
    ) -> Result<Page<UsageRow>, Error> {
        self.tenant_record(tenant).await?;
        let store = self
            .ports
            .usage
            .as_ref()
            .ok_or_else(|| self.requirements.missing_bindings())?;
        store
            .list(tenant, range)
            .await
            .map_err(Error::store(Store::D1))
    }
}
