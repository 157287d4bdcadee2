//! Why a request is refused or fails. Never names an HTTP status.

use crate::domain::error_code::ErrorCode;
use crate::domain::names::InvalidName;
use crate::domain::tenant::TenantId;
use crate::ports::{RateDecision, StoreError};
use std::time::Duration;

/// A store, as operators know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// `TENANT_DB`.
    D1,
    /// `TENANT_KV`.
    Kv,
    /// `MOLTBOT_BUCKET`.
    R2,
}

impl Store {
    /// The name in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::D1 => "D1",
            Self::Kv => "KV",
            Self::R2 => "R2",
        }
    }
}

/// Whose quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitType {
    /// The tenant's.
    TenantQuota,
    /// That of the client ip, where there is no tenant.
    ClientIp,
}

impl LimitType {
    /// The name in `details.limit_type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TenantQuota => "tenant_quota",
            Self::ClientIp => "client_ip",
        }
    }
}

/// Why an admin request was refused; for the log alone (ACC-013).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenialReason(pub &'static str);

/// Why a request is refused or fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Required configuration is missing.
    #[error("configuration is missing")]
    Configuration {
        /// In alphabetical order.
        missing: Vec<&'static str>,
    },
    /// No valid Access token.
    #[error("access denied")]
    AccessDenied {
        /// Which check failed; never leaves the log.
        reason: DenialReason,
        /// Where an operator signs in.
        login_url: String,
    },
    /// The quota is used up.
    #[error("rate limit exceeded")]
    RateLimited {
        /// Whose quota.
        limit_type: LimitType,
        /// What the limiter said.
        decision: RateDecision,
        /// Length of the window.
        period: Duration,
    },
    /// Host or id of no tenant.
    #[error("no such tenant")]
    TenantNotFound,
    /// No such route.
    #[error("no such route")]
    NotFound,
    /// Not with this method.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// A malformed request.
    #[error("{message}")]
    Invalid {
        /// A whole sentence for the caller.
        message: &'static str,
        /// The field that is wrong, if it is one.
        field: Option<&'static str>,
    },
    /// No such workload.
    #[error("no such workload")]
    InvalidWorkload,
    /// More than the contract's 1 MiB.
    #[error("body too large")]
    PayloadTooLarge,
    /// A name is in use.
    #[error("{field} is in use")]
    Conflict {
        /// The field that holds the name.
        field: &'static str,
    },
    /// The derived sandbox id is in use by another tenant.
    #[error("sandbox id is in use")]
    SandboxIdConflict,
    /// A store failed.
    #[error("store failed")]
    Store {
        /// Which.
        store: Store,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// Every attempt failed, the last not by a timeout.
    #[error("model calls failed")]
    UpstreamFailed {
        /// Calls made.
        attempts: u32,
    },
    /// Every attempt failed, the last by a timeout.
    #[error("model calls timed out")]
    UpstreamTimeout {
        /// Calls made.
        attempts: u32,
    },
    /// The stored sandbox id is not the derived one.
    #[error("stored sandbox id is not trusted")]
    SandboxIdInvalid {
        /// Whose record it is.
        tenant: TenantId,
    },
    /// A defect.
    #[error("internal error")]
    Internal,
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Configuration { .. } => ErrorCode::ConfigurationError,
            Self::AccessDenied { .. } => ErrorCode::AccessDenied,
            Self::RateLimited { .. } => ErrorCode::RateLimitExceeded,
            Self::TenantNotFound => ErrorCode::TenantNotFound,
            Self::NotFound => ErrorCode::NotFound,
            Self::MethodNotAllowed => ErrorCode::MethodNotAllowed,
            Self::Invalid { .. } => ErrorCode::InvalidRequest,
            Self::InvalidWorkload => ErrorCode::InvalidWorkload,
            Self::PayloadTooLarge => ErrorCode::PayloadTooLarge,
            Self::Conflict { .. } => ErrorCode::Conflict,
            Self::SandboxIdConflict => ErrorCode::SandboxIdConflict,
            Self::Store { .. } => ErrorCode::StoreUnavailable,
            Self::UpstreamFailed { .. } => ErrorCode::AiUpstreamFailed,
            Self::UpstreamTimeout { .. } => ErrorCode::AiUpstreamTimeout,
            Self::SandboxIdInvalid { .. } => ErrorCode::SandboxIdInvalid,
            Self::Internal => ErrorCode::Internal,
        }
    }

    /// A malformed request that is no matter of one field.
    #[must_use]
    pub fn invalid(message: &'static str) -> Self {
        Self::Invalid {
            message,
            field: None,
        }
    }

    /// For `map_err` on a store call.
    pub fn store(store: Store) -> impl Fn(StoreError) -> Self {
        move |source| Self::Store { store, source }
    }
}

impl From<InvalidName> for Error {
    fn from(invalid: InvalidName) -> Self {
        Self::Invalid {
            message: invalid.rule,
            field: Some(invalid.field),
        }
    }
}
