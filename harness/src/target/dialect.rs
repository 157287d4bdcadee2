//! How a target spells what the contract leaves open: paths and fields. Never sends anything.
//!
//! The default is `fixtures/shapes.md`.

use crate::client::Request;
use schemars::JsonSchema;
use serde::Deserialize;

/// Paths and JSON pointers of one target.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dialect {
    /// `GET`, needs no tenant.
    pub health: String,
    /// `GET`, the tenant's slug and its gateway's state.
    pub status: String,
    /// `POST`, OpenAI chat completions.
    pub chat: String,
    /// `POST` creates, `GET` lists.
    pub tenants: String,
    /// `GET`, `PATCH`, `DELETE`; `{id}` stands for the tenant id.
    pub tenant: String,
    /// `GET`.
    pub routing: String,
    /// `GET`.
    pub usage: String,
    /// `POST`.
    pub gateway_start: String,
    /// `GET`.
    pub gateway: String,
    /// Where the status answer has the tenant's slug.
    pub status_tenant: String,
    /// Where the status answer has the gateway's state.
    pub status_gateway_state: String,
    /// Where a tenant has its sandbox id.
    pub tenant_sandbox_id: String,
    /// Where a gateway answer names the run of the gateway.
    pub gateway_instance: String,
    /// Where the routing answer has the effective tier.
    pub routing_tier: String,
    /// Where the routing answer has the primary model.
    pub routing_model: String,
    /// Where the routing answer has the fallback model; null or nothing where there is none.
    pub routing_fallback_model: String,
    /// Where the routing answer has the primary's time to the first byte, milliseconds.
    pub routing_timeout_ms: String,
    /// Where the routing answer has the fallback's time to the first byte, milliseconds.
    pub routing_fallback_timeout_ms: String,
    /// Where a 502 or 504 of the chat route counts the attempts.
    pub error_attempts: String,
    /// KV key of a slug's registry entry; `{slug}` stands for the slug.
    pub kv_slug: String,
    /// KV key of a custom hostname's registry entry; `{host}` stands for it.
    pub kv_host: String,
    /// KV key of a tenant's names; `{id}` stands for the tenant id.
    pub kv_names: String,
    /// Where a listing has the cursor of its next page.
    pub next_cursor: String,
    /// Where a configuration error names what is missing.
    pub configuration_missing: String,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            health: "/sandbox-health".into(),
            status: "/api/status".into(),
            chat: "/v1/chat/completions".into(),
            tenants: "/api/admin/tenants".into(),
            tenant: "/api/admin/tenants/{id}".into(),
            routing: "/api/admin/tenants/{id}/routing".into(),
            usage: "/api/admin/tenants/{id}/usage".into(),
            gateway_start: "/api/admin/tenants/{id}/gateway/start".into(),
            gateway: "/api/admin/tenants/{id}/gateway".into(),
            status_tenant: "/tenant".into(),
            status_gateway_state: "/gateway/state".into(),
            tenant_sandbox_id: "/sandbox_id".into(),
            gateway_instance: "/instance_id".into(),
            routing_tier: "/tier".into(),
            routing_model: "/model".into(),
            routing_fallback_model: "/fallback_model".into(),
            routing_timeout_ms: "/timeout_ms".into(),
            routing_fallback_timeout_ms: "/fallback_timeout_ms".into(),
            error_attempts: "/error/details/attempts".into(),
            kv_slug: "slug:{slug}".into(),
            kv_host: "host:{host}".into(),
            kv_names: "tenant:{id}".into(),
            next_cursor: "/next_cursor".into(),
            configuration_missing: "/error/details/missing".into(),
        }
    }
}

/// One admin route: how to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminRoute {
    /// Method.
    pub method: &'static str,
    /// Path with `{id}` filled in.
    pub path: String,
    /// A body that the route accepts, if it takes one.
    pub body: Option<serde_json::Value>,
}

impl AdminRoute {
    /// The request, without token.
    #[must_use]
    pub fn request(&self) -> Request {
        let request = Request::new(self.method, self.path.clone());
        match &self.body {
            Some(body) => request.json(body),
            None => request,
        }
    }
}

impl Dialect {
    /// Paths that are open to everybody.
    #[must_use]
    pub fn public_paths(&self) -> Vec<String> {
        vec![self.health.clone(), self.status.clone(), self.chat.clone()]
    }

    /// Every admin route for a tenant; `fresh_slug` names the tenant that the creating route would make.
    /// The deleting route comes last.
    #[must_use]
    pub fn admin_routes(&self, tenant_id: &str, fresh_slug: &str) -> Vec<AdminRoute> {
        let at = |template: &str| template.replace("{id}", tenant_id);
        let route = |method, path: String, body| AdminRoute { method, path, body };
        vec![
            route(
                "POST",
                self.tenants.clone(),
                Some(serde_json::json!({ "slug": fresh_slug })),
            ),
            route("GET", self.tenants.clone(), None),
            route("GET", at(&self.tenant), None),
            route(
                "PATCH",
                at(&self.tenant),
                Some(serde_json::json!({ "tier": "premium" })),
            ),
            route("GET", at(&self.routing), None),
            route("GET", at(&self.usage), None),
            route("POST", at(&self.gateway_start), None),
            route("GET", at(&self.gateway), None),
            route("DELETE", at(&self.tenant), None),
        ]
    }
}
