//! What answers show, where `shapes.md` has it, and the key that says where a target has it. Never reads an answer.

use super::Dialect;
use super::operation::Operation;

/// What an answer of some operation shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The slug in a status answer.
    StatusTenant,
    /// The gateway's state in a status answer.
    StatusGatewayState,
    /// The model's text.
    ChatText,
    /// A tenant's id.
    TenantId,
    /// A tenant's slug.
    TenantSlug,
    /// A tenant's tier.
    TenantTier,
    /// A tenant's platform.
    TenantPlatform,
    /// A tenant's custom host names.
    TenantDomains,
    /// A tenant's sandbox id.
    TenantSandboxId,
    /// The gateway's state in a gateway answer.
    GatewayState,
    /// One run of a gateway.
    GatewayInstance,
    /// The effective tier.
    RoutingTier,
    /// The primary model.
    RoutingModel,
    /// The fallback model.
    RoutingFallbackModel,
    /// The primary's timeout.
    RoutingTimeoutMs,
    /// The fallback's timeout.
    RoutingFallbackTimeoutMs,
    /// The cursor of the next page.
    NextCursor,
    /// An error's code.
    ErrorCode,
    /// An error's message.
    ErrorMessage,
    /// An error's details.
    ErrorDetails,
    /// An error's request id.
    ErrorRequestId,
    /// When an error was answered.
    ErrorTimestamp,
    /// How often a failed chat was attempted.
    ErrorAttempts,
    /// What a configuration error misses.
    ConfigurationMissing,
}

impl Field {
    /// Every field; details before what is inside them.
    pub const ALL: [Self; 24] = [
        Self::StatusTenant,
        Self::StatusGatewayState,
        Self::ChatText,
        Self::TenantId,
        Self::TenantSlug,
        Self::TenantTier,
        Self::TenantPlatform,
        Self::TenantDomains,
        Self::TenantSandboxId,
        Self::GatewayState,
        Self::GatewayInstance,
        Self::RoutingTier,
        Self::RoutingModel,
        Self::RoutingFallbackModel,
        Self::RoutingTimeoutMs,
        Self::RoutingFallbackTimeoutMs,
        Self::NextCursor,
        Self::ErrorCode,
        Self::ErrorMessage,
        Self::ErrorDetails,
        Self::ErrorRequestId,
        Self::ErrorTimestamp,
        Self::ErrorAttempts,
        Self::ConfigurationMissing,
    ];

    /// The key under `[dialect]`, and where `shapes.md` has the field.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::StatusTenant => ("status_tenant", "/tenant"),
            Self::StatusGatewayState => ("status_gateway_state", "/gateway/state"),
            Self::ChatText => ("chat_text", "/choices/0/message/content"),
            Self::TenantId => ("tenant_id", "/id"),
            Self::TenantSlug => ("tenant_slug", "/slug"),
            Self::TenantTier => ("tenant_tier", "/tier"),
            Self::TenantPlatform => ("tenant_platform", "/platform"),
            Self::TenantDomains => ("tenant_domains", "/domains"),
            Self::TenantSandboxId => ("tenant_sandbox_id", "/sandbox_id"),
            Self::GatewayState => ("gateway_state", "/state"),
            Self::GatewayInstance => ("gateway_instance", "/instance_id"),
            Self::RoutingTier => ("routing_tier", "/tier"),
            Self::RoutingModel => ("routing_model", "/model"),
            Self::RoutingFallbackModel => ("routing_fallback_model", "/fallback_model"),
            Self::RoutingTimeoutMs => ("routing_timeout_ms", "/timeout_ms"),
            Self::RoutingFallbackTimeoutMs => {
                ("routing_fallback_timeout_ms", "/fallback_timeout_ms")
            }
            Self::NextCursor => ("next_cursor", "/next_cursor"),
            Self::ErrorCode => ("error_code", "/error/code"),
            Self::ErrorMessage => ("error_message", "/error/message"),
            Self::ErrorDetails => ("error_details", "/error/details"),
            Self::ErrorRequestId => ("error_request_id", "/meta/request_id"),
            Self::ErrorTimestamp => ("error_timestamp", "/meta/timestamp"),
            Self::ErrorAttempts => ("error_attempts", "/error/details/attempts"),
            Self::ConfigurationMissing => ("configuration_missing", "/error/details/missing"),
        }
    }

    /// The key under `[dialect]`.
    #[must_use]
    pub fn key(self) -> &'static str {
        self.names().0
    }

    /// Where `shapes.md` has it.
    #[must_use]
    pub fn canonical(self) -> &'static str {
        self.names().1
    }

    /// Where a target has it.
    pub fn of_mut(self, dialect: &mut Dialect) -> &mut String {
        match self {
            Self::StatusTenant => &mut dialect.status_tenant,
            Self::StatusGatewayState => &mut dialect.status_gateway_state,
            Self::ChatText => &mut dialect.chat_text,
            Self::TenantId => &mut dialect.tenant_id,
            Self::TenantSlug => &mut dialect.tenant_slug,
            Self::TenantTier => &mut dialect.tenant_tier,
            Self::TenantPlatform => &mut dialect.tenant_platform,
            Self::TenantDomains => &mut dialect.tenant_domains,
            Self::TenantSandboxId => &mut dialect.tenant_sandbox_id,
            Self::GatewayState => &mut dialect.gateway_state,
            Self::GatewayInstance => &mut dialect.gateway_instance,
            Self::RoutingTier => &mut dialect.routing_tier,
            Self::RoutingModel => &mut dialect.routing_model,
            Self::RoutingFallbackModel => &mut dialect.routing_fallback_model,
            Self::RoutingTimeoutMs => &mut dialect.routing_timeout_ms,
            Self::RoutingFallbackTimeoutMs => &mut dialect.routing_fallback_timeout_ms,
            Self::NextCursor => &mut dialect.next_cursor,
            Self::ErrorCode => &mut dialect.error_code,
            Self::ErrorMessage => &mut dialect.error_message,
            Self::ErrorDetails => &mut dialect.error_details,
            Self::ErrorRequestId => &mut dialect.error_request_id,
            Self::ErrorTimestamp => &mut dialect.error_timestamp,
            Self::ErrorAttempts => &mut dialect.error_attempts,
            Self::ConfigurationMissing => &mut dialect.configuration_missing,
        }
    }

    pub(super) fn is_of_errors(self) -> bool {
        self.key().starts_with("error_") || self == Self::ConfigurationMissing
    }

    /// Whether successful answers of an operation show it.
    pub(super) fn is_of(self, operation: Operation) -> bool {
        match operation {
            Operation::Status => self.key().starts_with("status_"),
            Operation::Chat => self == Self::ChatText,
            Operation::CreateTenant | Operation::ReadTenant | Operation::ChangeTenant => {
                self.key().starts_with("tenant_")
            }
            Operation::StartGateway | Operation::Gateway => {
                matches!(
                    self,
                    Self::TenantSandboxId | Self::GatewayState | Self::GatewayInstance
                )
            }
            Operation::Routing => self.key().starts_with("routing_"),
            Operation::ListTenants | Operation::Usage => self == Self::NextCursor,
            Operation::Health | Operation::DeleteTenant => false,
        }
    }
}
