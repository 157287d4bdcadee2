//! Backends that count usage wrongly. Never breaks more than one thing at a time.

use super::stores::{self, OtherUsage};
use super::{Draft, deviant};
use async_trait::async_trait;
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{StoreError, UsageStore};

pub(super) fn all() -> Vec<Draft> {
    vec![
        deviant(
            "usage-never-written",
            "No usage row is written",
            &["USG-001"],
        )
        .parts(|parts| stores::usage(&mut parts.ports, NeverWritten)),
    ]
}

struct NeverWritten;

#[async_trait]
impl OtherUsage for NeverWritten {
    async fn insert(&self, _inner: &dyn UsageStore, _row: &UsageRow) -> Result<(), StoreError> {
        Ok(())
    }
}
