//! Ports that keep the contract in another way than the reference's own. Never breaks a MUST.

use super::altered::Parts;
use super::deviants::stores::{self, OtherUsage};
use crate::wait;
use async_trait::async_trait;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{
    Clock, RateDecision, RateLimiter, SandboxKv, StoreError, UsageStore,
};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Who is refused is told to come back after a whole period.
pub fn cautious_retry_after(parts: &mut Parts) {
    let inner = Arc::clone(&parts.ports.limiter);
    parts.ports.limiter = Arc::new(Cautious(inner));
}

/// Windows begin at fixed moments of the wall clock. That keeps every MUST, and not RL-010, a SHOULD.
pub fn fixed_window(parts: &mut Parts) {
    parts.ports.limiter = Arc::new(FixedWindow {
        clock: Arc::clone(&parts.ports.clock),
        counts: Mutex::default(),
    });
}

/// Usage rows come a second after their answer, well within the time that the contract leaves; what is tried again is tried at once.
pub fn late_usage(parts: &mut Parts) {
    stores::usage(&mut parts.ports, Late::default());
}

/// Nothing of a sandbox is kept in KV, and so nothing is taken away there with its tenant.
pub fn keeps_no_entries(parts: &mut Parts) {
    parts.ports.sandbox_kv = parts
        .ports
        .sandbox_kv
        .take()
        .map(|inner| Arc::new(NoEntries(inner)) as _);
}

struct NoEntries(Arc<dyn SandboxKv>);

#[async_trait]
impl SandboxKv for NoEntries {
    async fn get(&self, sandbox: SandboxId, key: &str) -> Result<Option<String>, StoreError> {
        self.0.get(sandbox, key).await
    }

    async fn put(
        &self,
        sandbox: SandboxId,
        key: &str,
        value: &str,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.0.put(sandbox, key, value, ttl).await
    }

    async fn clear(&self, _sandbox: SandboxId) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Cautious(Arc<dyn RateLimiter>);

impl RateLimiter for Cautious {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        let decision = self.0.admit(key, limit, period);
        if decision.admitted {
            return decision;
        }
        RateDecision {
            reset_seconds: period.as_secs(),
            ..decision
        }
    }
}

struct FixedWindow {
    clock: Arc<dyn Clock>,
    /// By key: which window, and how many were admitted in it.
    counts: Mutex<HashMap<String, (u64, u32)>>,
}

impl RateLimiter for FixedWindow {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        let (now, period) = (
            self.clock.now_ms().unsigned_abs(),
            u64::try_from(period.as_millis()).unwrap_or(u64::MAX).max(1),
        );
        let window = now / period;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.to_owned()).or_insert((window, 0));
        if count.0 != window {
            *count = (window, 0);
        }
        let admitted = count.1 < limit;
        count.1 += u32::from(admitted);
        RateDecision {
            admitted,
            limit,
            remaining: limit - count.1,
            reset_seconds: (period - now % period).div_ceil(1000),
        }
    }
}

/// Knows the rows that have waited.
#[derive(Default)]
struct Late(Mutex<HashSet<String>>);

#[async_trait]
impl OtherUsage for Late {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let is_first = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(row.id.to_string())
        };
        if is_first {
            wait::pass(Duration::from_secs(1)).await;
        }
        inner.insert(row).await
    }
}
