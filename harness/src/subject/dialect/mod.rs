//! How a target spells what the contract leaves open: paths, bodies and fields. Never sends anything.
//!
//! The default is `fixtures/shapes.md`, and that is what steps speak: their requests are put into the target's words
//! ([`speak`]) and the target's answers are read in the words of `shapes.md` ([`reading`]).
//! A step never sees another target's fields, and what a target does not show at all is never compared with anything.

pub mod field;
pub mod furnish;
pub mod log;
pub mod operation;
mod path;
pub mod reading;
mod routes;
pub mod speak;
pub mod spelling;
mod template;

use crate::client::Request;
use crate::subject::Instance;
use field::Field;
use operation::Operation;
pub use routes::{AdminRoute, ListedRoute};
use schemars::JsonSchema;
use serde::Deserialize;
use spelling::Spelling;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
pub(crate) use template::OF_A_TENANT;

/// Paths, operations and JSON pointers of one target.
///
/// An empty path says that there is no such route, an empty pointer that the answer does not show the value:
/// what needs it is not verified, or proven by other means.
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
    /// First segments of the operators' console, whose paths `shapes.md` has below `/_admin`.
    pub console: String,
    /// The host on which operators act, where not every host will do: `{app_domain}`, and `{id}`, `{slug}`, `{host}` of the tenant.
    pub operator_host: String,
    /// Operations that the target does not have: nothing is asked of them.
    pub without: Vec<Operation>,
    /// The admin routes that must be closed, as `"GET /admin/plans"`; without it those of the operations above.
    pub closed: Vec<ListedRoute>,
    /// How a tenant is created, where it is not `POST` of [`Self::tenants`] with the default body.
    pub create_tenant: Option<Spelling>,
    /// How a tenant is read, where it is not `GET` of [`Self::tenant`].
    pub read_tenant: Option<Spelling>,
    /// How a tenant is changed, where it is not `PATCH` of [`Self::tenant`] with the default body.
    pub change_tenant: Option<Spelling>,
    /// How a tenant is deleted, where it is not `DELETE` of [`Self::tenant`].
    pub delete_tenant: Option<Spelling>,
    /// How a gateway is started, where it is not `POST` of [`Self::gateway_start`].
    pub start_gateway: Option<Spelling>,
    /// How a chat is asked for, where it is not `POST` of [`Self::chat`] with an OpenAI body.
    pub ask_model: Option<Spelling>,
    /// How the health is asked for, where it is not `GET` of [`Self::health`].
    pub read_health: Option<Spelling>,
    /// How the status is asked for, where it is not `GET` of [`Self::status`].
    pub read_status: Option<Spelling>,
    /// How tenants are listed, where it is not `GET` of [`Self::tenants`].
    pub list_tenants: Option<Spelling>,
    /// How the routing is read, where it is not `GET` of [`Self::routing`].
    pub read_routing: Option<Spelling>,
    /// How the usage is read, where it is not `GET` of [`Self::usage`].
    pub read_usage: Option<Spelling>,
    /// How a gateway is read, where it is not `GET` of [`Self::gateway`].
    pub read_gateway: Option<Spelling>,
    /// The target's names of the tiers, by the contract's names (`free`, `premium`, `enterprise`).
    pub tiers: BTreeMap<String, String>,
    /// The target's names of bindings and variables, by the contract's names: what a configuration error calls missing.
    pub variables: BTreeMap<String, String>,
    /// The target's words for the states of a gateway, by the contract's (`running`, …).
    pub gateway_states: BTreeMap<String, String>,
    /// Where an error has its code. Empty: errors have no code, and refusals are judged by their status.
    pub error_code: String,
    /// Where an error has its message.
    pub error_message: String,
    /// Where an error has its details.
    pub error_details: String,
    /// Where an error has the request id.
    pub error_request_id: String,
    /// Where an error has the time.
    pub error_timestamp: String,
    /// The target's error codes, by the contract's codes.
    pub error_codes: BTreeMap<String, String>,
    /// Where a chat's answer has the model's text.
    pub chat_text: String,
    /// Where a tenant has its id. The answer to the creating request decides when the target chooses the id.
    pub tenant_id: String,
    /// Where a tenant has its slug.
    pub tenant_slug: String,
    /// Where a tenant has its tier.
    pub tenant_tier: String,
    /// Where a tenant has its platform.
    pub tenant_platform: String,
    /// Where a tenant has its custom host names.
    pub tenant_domains: String,
    /// Key of `cf-aig-metadata` that names the tenant by id or slug: proof of who answered where no answer says it.
    pub metadata_tenant: String,
    /// Key of `cf-aig-metadata` that names the sandbox id.
    pub metadata_sandbox_id: String,
    /// Where the status answer has the tenant's slug. Empty: who answers shows in the AI Gateway's journal only.
    pub status_tenant: String,
    /// Where the status answer has the gateway's state.
    pub status_gateway_state: String,
    /// Where a tenant has its sandbox id.
    pub tenant_sandbox_id: String,
    /// Where a gateway answer has the gateway's state.
    pub gateway_state: String,
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
    /// KV key of a tenant's names; `{id}` stands for the tenant id, `{sandbox_id}` for its sandbox id.
    pub kv_names: String,
    /// Where a listing has the cursor of its next page.
    pub next_cursor: String,
    /// The query parameter of a listing that says how many are wanted.
    pub page_limit: String,
    /// The query parameter of a listing that names where its next page begins.
    pub page_cursor: String,
    /// Where a configuration error names what is missing.
    pub configuration_missing: String,
    /// How the log tells what the contract wants to be told there.
    pub log: log::LogDialect,
    /// Tenants are fixed: routes that alter them are not among those to be tried, open as they might be.
    #[serde(skip)]
    pub tenants_are_fixed: bool,
    /// Set as soon as every admin route there is was asked for: then no single one of them is needed.
    #[serde(skip)]
    pub sweeps: Arc<AtomicBool>,
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
            console: "/_admin".into(),
            operator_host: String::new(),
            without: Vec::new(),
            closed: Vec::new(),
            create_tenant: None,
            read_tenant: None,
            change_tenant: None,
            delete_tenant: None,
            start_gateway: None,
            ask_model: None,
            read_health: None,
            read_status: None,
            list_tenants: None,
            read_routing: None,
            read_usage: None,
            read_gateway: None,
            tiers: BTreeMap::new(),
            variables: BTreeMap::new(),
            gateway_states: BTreeMap::new(),
            error_code: "/error/code".into(),
            error_message: "/error/message".into(),
            error_details: "/error/details".into(),
            error_request_id: "/meta/request_id".into(),
            error_timestamp: "/meta/timestamp".into(),
            error_codes: BTreeMap::new(),
            chat_text: "/choices/0/message/content".into(),
            tenant_id: "/id".into(),
            tenant_slug: "/slug".into(),
            tenant_tier: "/tier".into(),
            tenant_platform: "/platform".into(),
            tenant_domains: "/domains".into(),
            metadata_tenant: "tenant_id".into(),
            metadata_sandbox_id: "sandbox_id".into(),
            status_tenant: "/tenant".into(),
            status_gateway_state: "/gateway/state".into(),
            tenant_sandbox_id: "/sandbox_id".into(),
            gateway_state: "/state".into(),
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
            page_limit: "limit".into(),
            page_cursor: "cursor".into(),
            configuration_missing: "/error/details/missing".into(),
            log: log::LogDialect::default(),
            tenants_are_fixed: false,
            sweeps: Arc::default(),
        }
    }
}

impl Dialect {
    /// The KV key of a tenant's names; empty where the registry keeps none.
    #[must_use]
    pub fn names_key(&self, id: &str, sandbox_id: &str) -> String {
        let key = self.kv_names.replace("{id}", id);
        key.replace("{sandbox_id}", sandbox_id)
    }

    /// Paths that are open to everybody.
    #[must_use]
    pub fn public_paths(&self) -> Vec<String> {
        vec![self.health.clone(), self.status.clone(), self.chat.clone()]
    }

    /// A request in the target's words, whose answer is read back into those of `shapes.md`.
    /// It is sent without what it wants in vain, such as the host of a tenant that nobody knows.
    #[must_use]
    pub fn spoken(&self, request: Request, instance: &Instance) -> Request {
        let mut spoken = self.speak(request);
        let about = spoken.about_new(instance);
        let _in_vain = self.furnish(&mut spoken, instance, &about);
        let mut request = spoken.request;
        request.reading = reading::Reading::of(self, spoken.operation, &std::sync::Arc::default());
        request
    }

    /// The same target as steps see it: its paths, and every field where `shapes.md` has it.
    #[must_use]
    pub fn in_shapes(&self) -> Self {
        let mut own = self.clone();
        for field in Field::ALL {
            field.canonical().clone_into(field.of_mut(&mut own));
        }
        own
    }

    /// Every operation, and how it is spelled.
    fn spellings(&self) -> [(Operation, &Option<Spelling>); 12] {
        [
            (Operation::CreateTenant, &self.create_tenant),
            (Operation::ReadTenant, &self.read_tenant),
            (Operation::ChangeTenant, &self.change_tenant),
            (Operation::DeleteTenant, &self.delete_tenant),
            (Operation::StartGateway, &self.start_gateway),
            (Operation::Chat, &self.ask_model),
            (Operation::Health, &self.read_health),
            (Operation::Status, &self.read_status),
            (Operation::ListTenants, &self.list_tenants),
            (Operation::Routing, &self.read_routing),
            (Operation::Usage, &self.read_usage),
            (Operation::Gateway, &self.read_gateway),
        ]
    }

    /// The target's name of a tier.
    #[must_use]
    pub fn tier<'a>(&'a self, name: &'a str) -> &'a str {
        self.tiers.get(name).map_or(name, String::as_str)
    }

    /// The target's name of an error code.
    #[must_use]
    pub fn code<'a>(&'a self, code: &'a str) -> &'a str {
        self.error_codes.get(code).map_or(code, String::as_str)
    }

    /// What types cannot say; `None` if the dialect can be used.
    #[must_use]
    pub fn flaw(&self) -> Option<String> {
        let known = |code: &String| {
            crate::contract::codes::CODES
                .iter()
                .any(|(name, _)| name == code)
        };
        if let Some(code) = self.error_codes.keys().find(|code| !known(code)) {
            return Some(format!(
                "[dialect] error_codes: `{code}` is no code of the contract"
            ));
        }
        let tier = self
            .tiers
            .keys()
            .find(|tier| !["free", "premium", "enterprise"].contains(&tier.as_str()));
        if let Some(tier) = tier {
            return Some(format!(
                "[dialect] tiers: `{tier}` is no tier of the contract"
            ));
        }
        let spelled = [
            (&self.create_tenant, "create_tenant", true),
            (&self.change_tenant, "change_tenant", false),
        ];
        let misspelt = spelled
            .into_iter()
            .find_map(|(spelling, key, needs_slug)| spelling.as_ref()?.flaw(key, needs_slug))
            .or_else(|| {
                let mut every = self.spellings().into_iter();
                every.find_map(|(operation, spelling)| {
                    spelling.as_ref()?.flaw_of_furniture(operation)
                })
            })
            .or_else(|| self.flaw_of_routes())
            .or_else(|| self.log.flaw());
        if misspelt.is_some() {
            return misspelt;
        }
        let mut own = self.clone();
        Field::ALL.into_iter().find_map(|field| {
            let pointer = field.of_mut(&mut own);
            (!pointer.is_empty() && !pointer.starts_with('/')).then(|| {
                format!(
                    "[dialect] {}: `{pointer}` is no JSON pointer: it must begin with `/`",
                    field.key()
                )
            })
        })
    }
}
