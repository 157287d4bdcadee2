//! The stable codes of the error interface (ERR-003). Never names an HTTP status.

/// What went wrong, as a caller may rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// An admin route without a valid Access token.
    AccessDenied,
    /// The quota of this window is used up.
    RateLimitExceeded,
    /// The host, or the id in an admin path, is of no tenant.
    TenantNotFound,
    /// No such route.
    NotFound,
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// The request itself is malformed.
    InvalidRequest,
    /// `X-Workload` names no workload.
    InvalidWorkload,
    /// The body is larger than the contract allows.
    PayloadTooLarge,
    /// A slug, domain or id is already in use.
    Conflict,
    /// Another tenant holds the derived sandbox id.
    SandboxIdConflict,
    /// A required binding or variable is missing.
    ConfigurationError,
    /// A store failed.
    StoreUnavailable,
    /// Every attempt at the AI Gateway failed.
    AiUpstreamFailed,
    /// The last attempt at the AI Gateway timed out.
    AiUpstreamTimeout,
    /// The stored sandbox id cannot be trusted.
    SandboxIdInvalid,
    /// A defect of the backend.
    Internal,
}

impl ErrorCode {
    /// Every code, so that a test can prove that each has a status.
    pub const ALL: [Self; 16] = [
        Self::AccessDenied,
        Self::RateLimitExceeded,
        Self::TenantNotFound,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::InvalidRequest,
        Self::InvalidWorkload,
        Self::PayloadTooLarge,
        Self::Conflict,
        Self::SandboxIdConflict,
        Self::ConfigurationError,
        Self::StoreUnavailable,
        Self::AiUpstreamFailed,
        Self::AiUpstreamTimeout,
        Self::SandboxIdInvalid,
        Self::Internal,
    ];

    /// The code as it stands in `error.code`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "ACCESS_DENIED",
            Self::RateLimitExceeded => "RATE_LIMIT_EXCEEDED",
            Self::TenantNotFound => "TENANT_NOT_FOUND",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::InvalidWorkload => "INVALID_WORKLOAD",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::Conflict => "CONFLICT",
            Self::SandboxIdConflict => "SANDBOX_ID_CONFLICT",
            Self::ConfigurationError => "CONFIGURATION_ERROR",
            Self::StoreUnavailable => "STORE_UNAVAILABLE",
            Self::AiUpstreamFailed => "AI_UPSTREAM_FAILED",
            Self::AiUpstreamTimeout => "AI_UPSTREAM_TIMEOUT",
            Self::SandboxIdInvalid => "SANDBOX_ID_INVALID",
            Self::Internal => "INTERNAL",
        }
    }
}
