//! What `shapes.md` lets a caller do. Never says how a target spells it.

use schemars::JsonSchema;
use serde::Deserialize;

/// What `shapes.md` lets a caller do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `GET /sandbox-health`
    #[serde(rename = "read_health")]
    Health,
    /// `GET /api/status`
    #[serde(rename = "read_status")]
    Status,
    /// `POST /v1/chat/completions`
    #[serde(rename = "ask_model")]
    Chat,
    /// `POST /api/admin/tenants`
    CreateTenant,
    /// `GET /api/admin/tenants`
    ListTenants,
    /// `GET /api/admin/tenants/{id}`
    ReadTenant,
    /// `PATCH /api/admin/tenants/{id}`
    ChangeTenant,
    /// `DELETE /api/admin/tenants/{id}`
    DeleteTenant,
    /// `GET /api/admin/tenants/{id}/routing`
    #[serde(rename = "read_routing")]
    Routing,
    /// `GET /api/admin/tenants/{id}/usage`
    #[serde(rename = "read_usage")]
    Usage,
    /// `POST /api/admin/tenants/{id}/gateway/start`
    StartGateway,
    /// `GET /api/admin/tenants/{id}/gateway`
    #[serde(rename = "read_gateway")]
    Gateway,
}

impl Operation {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::Health,
        Self::Status,
        Self::Chat,
        Self::CreateTenant,
        Self::ListTenants,
        Self::ReadTenant,
        Self::ChangeTenant,
        Self::DeleteTenant,
        Self::Routing,
        Self::Usage,
        Self::StartGateway,
        Self::Gateway,
    ];

    /// Whether it makes, changes or removes a tenant.
    #[must_use]
    pub fn alters_tenants(self) -> bool {
        matches!(
            self,
            Self::CreateTenant | Self::ChangeTenant | Self::DeleteTenant
        )
    }

    /// The key under `[dialect]` that spells it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Health => "read_health",
            Self::Status => "read_status",
            Self::Chat => "ask_model",
            Self::CreateTenant => "create_tenant",
            Self::ListTenants => "list_tenants",
            Self::ReadTenant => "read_tenant",
            Self::ChangeTenant => "change_tenant",
            Self::DeleteTenant => "delete_tenant",
            Self::Routing => "read_routing",
            Self::Usage => "read_usage",
            Self::StartGateway => "start_gateway",
            Self::Gateway => "read_gateway",
        }
    }

    /// Whether it is the operator's.
    #[must_use]
    pub fn is_operators(self) -> bool {
        match self {
            Self::Health | Self::Status | Self::Chat => false,
            Self::CreateTenant
            | Self::ListTenants
            | Self::ReadTenant
            | Self::ChangeTenant
            | Self::DeleteTenant
            | Self::Routing
            | Self::Usage
            | Self::StartGateway
            | Self::Gateway => true,
        }
    }

    /// The status of its success.
    #[must_use]
    pub fn success(self) -> u16 {
        match self {
            Self::CreateTenant => 201,
            Self::DeleteTenant => 204,
            Self::Health
            | Self::Status
            | Self::Chat
            | Self::ListTenants
            | Self::ReadTenant
            | Self::ChangeTenant
            | Self::Routing
            | Self::Usage
            | Self::StartGateway
            | Self::Gateway => 200,
        }
    }

    pub(super) fn shows_a_gateway(self) -> bool {
        matches!(self, Self::Status | Self::StartGateway | Self::Gateway)
    }

    pub(super) fn shows_a_tier(self) -> bool {
        matches!(
            self,
            Self::CreateTenant | Self::ReadTenant | Self::ChangeTenant | Self::Routing
        )
    }
}
