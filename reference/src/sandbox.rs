//! Sandboxes inside this process, each with one gateway whose state is kept in the bucket. Never runs a tenant's code.

use crate::domain::sandbox_id::SandboxId;
use crate::ports::{Clock, GatewayState, GatewayStatus, SandboxBucket, SandboxRuntime, StoreError};
use async_trait::async_trait;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Key of the saved state below the sandbox's prefix.
const STATE_KEY: &str = "gateway/state.json";

/// Called once for every real start, with the sandbox and the run's instance id.
pub type Started = Arc<dyn Fn(SandboxId, Uuid) + Send + Sync>;

/// One gateway per sandbox, whatever the number of callers.
///
/// After a restart of the backend all gateways are stopped, and the next start of each counts on from its saved state.
pub struct InProcessRuntime {
    bucket: Option<Arc<dyn SandboxBucket>>,
    clock: Arc<dyn Clock>,
    started: Started,
    gateways: Mutex<HashMap<SandboxId, Arc<Gateway>>>,
}

/// What the next start needs of the state that the last one saved: `{"instance_id", "started_at", "starts"}`.
#[derive(Deserialize)]
struct History {
    /// Starts so far.
    starts: u64,
}

struct Gateway {
    /// Held by whoever changes the phase.
    change: tokio::sync::Mutex<()>,
    phase: Mutex<Phase>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Stopped,
    Starting,
    Running {
        instance_id: Uuid,
        started_at: i64,
    },
    /// Taken out of the table; whoever still holds it has to look there again.
    Destroyed,
}

impl InProcessRuntime {
    /// A runtime whose gateways are all stopped. Without a bucket (development) nothing is saved.
    #[must_use]
    pub fn new(
        bucket: Option<Arc<dyn SandboxBucket>>,
        clock: Arc<dyn Clock>,
        started: Started,
    ) -> Self {
        Self {
            bucket,
            clock,
            started,
            gateways: Mutex::new(HashMap::new()),
        }
    }

    fn gateways(&self) -> MutexGuard<'_, HashMap<SandboxId, Arc<Gateway>>> {
        self.gateways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gateway(&self, sandbox: SandboxId) -> Arc<Gateway> {
        Arc::clone(
            self.gateways()
                .entry(sandbox)
                .or_insert_with(|| Arc::new(Gateway::stopped())),
        )
    }
}

#[async_trait]
impl SandboxRuntime for InProcessRuntime {
    async fn start(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        loop {
            let gateway = self.gateway(sandbox);
            if let running @ Phase::Running { .. } = gateway.phase() {
                return Ok(running.status());
            }
            let start = Start {
                bucket: self.bucket.clone(),
                clock: Arc::clone(&self.clock),
                started: Arc::clone(&self.started),
                sandbox,
            };
            // On a task of its own, so that a caller who goes away leaves no start half done.
            let outcome = tokio::spawn(async move { start.join_or_run(&gateway).await })
                .await
                .map_err(|error| StoreError::Unavailable(Box::new(error)))??;
            match outcome {
                Phase::Running { .. } | Phase::Starting | Phase::Stopped => {
                    return Ok(outcome.status());
                }
                Phase::Destroyed => {}
            }
        }
    }

    async fn status(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        let gateway = self.gateways().get(&sandbox).map(Arc::clone);
        Ok(gateway
            .map_or(Phase::Stopped, |gateway| gateway.phase())
            .status())
    }

    /// Waits for a start under way. Removes every object of the sandbox, its saved state among them.
    async fn destroy(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        let gateway = self.gateway(sandbox);
        let _changing = gateway.change.lock().await;
        if let Some(bucket) = &self.bucket {
            bucket.clear(sandbox).await?;
        }
        // Two calls at once hold the same gateway, and only the first finds it in the table.
        if !matches!(gateway.phase(), Phase::Destroyed) {
            self.gateways().remove(&sandbox);
            gateway.set(Phase::Destroyed);
        }
        Ok(())
    }
}

/// What one start needs, apart from the runtime that may be gone before it ends.
struct Start {
    bucket: Option<Arc<dyn SandboxBucket>>,
    clock: Arc<dyn Clock>,
    started: Started,
    sandbox: SandboxId,
}

impl Start {
    /// Waits for its turn; the first one starts the gateway, the others find it running.
    async fn join_or_run(self, gateway: &Gateway) -> Result<Phase, StoreError> {
        let _changing = gateway.change.lock().await;
        match gateway.phase() {
            found @ (Phase::Running { .. } | Phase::Destroyed) => return Ok(found),
            Phase::Stopped | Phase::Starting => {}
        }
        let mut attempt = Attempt {
            gateway,
            outcome: Phase::Stopped,
        };
        gateway.set(Phase::Starting);
        let (instance_id, started_at) = (Uuid::new_v4(), self.clock.now_ms());
        self.save(instance_id, started_at).await?;
        attempt.outcome = Phase::Running {
            instance_id,
            started_at,
        };
        drop(attempt);
        (self.started)(self.sandbox, instance_id);
        Ok(Phase::Running {
            instance_id,
            started_at,
        })
    }

    /// Replaces the saved state by that of this run, whose number follows from the former one.
    async fn save(&self, instance_id: Uuid, started_at: i64) -> Result<(), StoreError> {
        let Some(bucket) = &self.bucket else {
            return Ok(());
        };
        let saved = bucket.get(self.sandbox, STATE_KEY).await?;
        // A state that cannot be read is no reason to leave the tenant without a gateway: it starts anew, as a first one.
        let history: Option<History> = saved.and_then(|json| serde_json::from_slice(&json).ok());
        let starts = history
            .map_or(0, |history| history.starts)
            .saturating_add(1);
        let state = serde_json::json!({
            "instance_id": instance_id.to_string(),
            "started_at": started_at,
            "starts": starts,
        });
        bucket
            .put(self.sandbox, STATE_KEY, state.to_string().as_bytes())
            .await
    }
}

/// Sets the phase in which an attempt ends, also when it ends by an error or a panic.
struct Attempt<'gateway> {
    gateway: &'gateway Gateway,
    outcome: Phase,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.gateway.set(self.outcome);
    }
}

impl Gateway {
    fn stopped() -> Self {
        Self {
            change: tokio::sync::Mutex::new(()),
            phase: Mutex::new(Phase::Stopped),
        }
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }
}

impl Phase {
    fn status(self) -> GatewayStatus {
        let resting = |state| GatewayStatus {
            state,
            instance_id: None,
            started_at: None,
        };
        match self {
            Self::Stopped | Self::Destroyed => resting(GatewayState::Stopped),
            Self::Starting => resting(GatewayState::Starting),
            Self::Running {
                instance_id,
                started_at,
            } => GatewayStatus {
                state: GatewayState::Running,
                instance_id: Some(instance_id),
                started_at: Some(started_at),
            },
        }
    }
}

#[cfg(test)]
#[path = "sandbox_tests.rs"]
mod tests;
