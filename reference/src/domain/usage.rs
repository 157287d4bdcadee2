//! Usage rows, and what of an upstream answer counts as success. Never writes.

use super::tenant::TenantId;

/// One row of `usage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Primary key; made once per answer, so that a retried write leaves one row (USG-010). Version 7: time-ordered keys append to the index.
    pub id: uuid::Uuid,
    /// Who called.
    pub tenant_id: TenantId,
    /// The model that answered.
    pub model: String,
    /// Prompt tokens.
    pub tokens_in: i64,
    /// Completion tokens.
    pub tokens_out: i64,
    /// Time from the upstream call that answered to its last byte, milliseconds.
    pub latency_ms: i64,
    /// Epoch milliseconds.
    pub created_at: i64,
}
