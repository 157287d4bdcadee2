//! Sandboxes inside this process. Never runs a tenant's code.

use crate::domain::sandbox_id::SandboxId;
use crate::ports::{Clock, GatewayStatus, SandboxBucket, SandboxRuntime, StoreError};
use async_trait::async_trait;
use std::sync::Arc;
use uuid::Uuid;

/// Called once for every real start, with the sandbox and the run's instance id.
pub type Started = Arc<dyn Fn(SandboxId, Uuid) + Send + Sync>;

/// One gateway per sandbox, as a state kept in the bucket.
pub struct InProcessRuntime {
    _started: Started,
}

impl InProcessRuntime {
    /// A runtime whose gateways are all stopped. Without a bucket (development) nothing is saved.
    #[must_use]
    pub fn new(
        _bucket: Option<Arc<dyn SandboxBucket>>,
        _clock: Arc<dyn Clock>,
        started: Started,
    ) -> Self {
        Self { _started: started }
    }
}

#[async_trait]
impl SandboxRuntime for InProcessRuntime {
    async fn start(&self, _sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        unimplemented!("follows")
    }
    async fn status(&self, _sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        unimplemented!("follows")
    }
    async fn destroy(&self, _sandbox: SandboxId) -> Result<(), StoreError> {
        unimplemented!("follows")
    }
}
