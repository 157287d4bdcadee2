//! Why a request is refused or fails. Never an HTTP status: that is `http::error`'s.

use crate::domain::window::Exceeded;
use crate::store::Refusal;
use moltworker_reference::app::error::{DenialReason, Error as SharedError};
use moltworker_reference::ports::StoreError;

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
    /// The credential may not do this.
    #[error("permission denied")]
    Forbidden {
        /// The permission that is missing, if it is one.
        permission: Option<&'static str>,
    },
    /// No valid credential.
    #[error("no valid credential")]
    Unauthenticated,
    /// A limit is reached.
    #[error("rate limit exceeded")]
    RateLimited(Exceeded),
    /// The key's quota is used up.
    #[error("quota exceeded")]
    QuotaExceeded,
    /// No such route or thing.
    #[error("not found")]
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
    /// The body is too large.
    #[error("body too large")]
    PayloadTooLarge,
    /// In the way of something else.
    #[error("conflict")]
    Conflict,
    /// The store failed.
    #[error("store failed")]
    Store(#[from] StoreError),
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
    /// A defect.
    #[error("internal error")]
    Internal,
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Configuration { .. } => "CONFIGURATION_ERROR",
            Self::AccessDenied { .. } | Self::Forbidden { .. } => "ACCESS_DENIED",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::RateLimited(_) => "RATE_LIMIT_EXCEEDED",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::Invalid { .. } => "INVALID_REQUEST",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::Conflict => "CONFLICT",
            Self::Store(_) => "STORE_UNAVAILABLE",
            Self::UpstreamFailed { .. } => "AI_UPSTREAM_FAILED",
            Self::UpstreamTimeout { .. } => "AI_UPSTREAM_TIMEOUT",
            Self::Internal => "INTERNAL",
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

    /// A field that breaks its rule.
    #[must_use]
    pub fn field(field: &'static str, message: &'static str) -> Self {
        Self::Invalid {
            message,
            field: Some(field),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::NotFound,
            Refusal::Conflict => Self::Conflict,
        }
    }
}

/// Errors of what is shared with the backend of Phase 1: reading a body.
impl From<SharedError> for Error {
    fn from(error: SharedError) -> Self {
        match error {
            SharedError::PayloadTooLarge => Self::PayloadTooLarge,
            SharedError::Invalid { message, field } => Self::Invalid { message, field },
            SharedError::Configuration { .. }
            | SharedError::AccessDenied { .. }
            | SharedError::RateLimited { .. }
            | SharedError::TenantNotFound
            | SharedError::NotFound
            | SharedError::MethodNotAllowed
            | SharedError::InvalidWorkload
            | SharedError::Conflict { .. }
            | SharedError::SandboxIdConflict
            | SharedError::Store { .. }
            | SharedError::UpstreamFailed { .. }
            | SharedError::UpstreamTimeout { .. }
            | SharedError::SandboxIdInvalid { .. }
            | SharedError::Internal => Self::Internal,
        }
    }
}
