//! A request in the words of `shapes.md`, put into the target's. Never sends it.

use super::Dialect;
use super::furnish::Credential;
use super::template::{OF_A_TENANT, fill, filled};
use crate::client::Request;
use crate::evidence::Exchange;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

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

/// One operation in a target's words. What is left out is as in `shapes.md`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Spelling {
    /// Another method, such as `PUT`.
    pub method: Option<String>,
    /// Another path; `{id}` and every field of the body of `shapes.md` that is text, such as `{slug}`, may stand in it.
    pub path: Option<String>,
    /// Another body: wherever `"{name}"` stands alone as a value, the field `name` of the body of `shapes.md` takes its place;
    /// a member whose field the request does not have is left out.
    pub body: Option<Value>,
    /// Statuses that mean success here, beside the one in `shapes.md`.
    pub success: Vec<u16>,
    /// The host that is asked, where the scenario names none: `{app_domain}`, `{id}`, `{slug}` and `{host}` stand for the tenant's.
    pub host: Option<String>,
    /// Further headers; the same words may stand in them.
    pub headers: BTreeMap<String, String>,
    /// Further cookies; the same words may stand in them.
    pub cookies: BTreeMap<String, String>,
    /// Who asks: `operator`, `user`, or a key as `{ header = "x-api-key", secret = "${NAME}" }`.
    pub credential: Option<Credential>,
}

/// A request in the target's words.
#[derive(Debug, Clone)]
pub struct Spoken {
    /// To be sent.
    pub request: Request,
    /// What it is, if it is an operation of `shapes.md`.
    pub operation: Option<Operation>,
    /// Fields that the target's body has no place for.
    pub unsaid: Vec<String>,
    /// The tenant id in its path.
    pub id: Option<String>,
    /// The slug in its body, in the words of `shapes.md`.
    pub slug: Option<String>,
}

impl Dialect {
    /// Which operation a method and a path of this target are, with the tenant id in the path.
    #[must_use]
    pub fn operation(&self, method: &str, path: &str) -> Option<(Operation, Option<String>)> {
        let routes = [
            ("GET", &self.health, Operation::Health),
            ("GET", &self.status, Operation::Status),
            ("POST", &self.chat, Operation::Chat),
            ("POST", &self.tenants, Operation::CreateTenant),
            ("GET", &self.tenants, Operation::ListTenants),
            ("GET", &self.routing, Operation::Routing),
            ("GET", &self.usage, Operation::Usage),
            ("POST", &self.gateway_start, Operation::StartGateway),
            ("GET", &self.gateway, Operation::Gateway),
            ("GET", &self.tenant, Operation::ReadTenant),
            ("PATCH", &self.tenant, Operation::ChangeTenant),
            ("DELETE", &self.tenant, Operation::DeleteTenant),
        ];
        routes
            .into_iter()
            .filter(|(own, template, _)| *own == method && !template.is_empty())
            .find_map(|(_, template, operation)| Some((operation, id_in_path(template, path)?)))
    }

    /// Which operation a request is that was sent in the target's words, with the tenant id in its path.
    #[must_use]
    pub fn operation_sent(&self, method: &str, path: &str) -> Option<(Operation, Option<String>)> {
        let spelled = |operation| Some((operation, self.spelled_so(operation, method, path)?));
        Operation::ALL
            .into_iter()
            .find_map(spelled)
            .or_else(|| self.operation(method, path))
    }

    /// The id of the tenant that a creation's `Location` names.
    #[must_use]
    pub fn id_in_location(&self, created: &Exchange) -> Option<String> {
        let location = created.header("location")?;
        let place = location.split(['?', '#']).next()?;
        let last = place.trim_end_matches('/').rsplit('/').next()?;
        (!last.is_empty()).then(|| last.to_owned())
    }

    /// Whether the target spells one of its operations by this method on a path of this form.
    #[must_use]
    pub fn offers(&self, method: &str, path: &str) -> bool {
        Operation::ALL
            .into_iter()
            .any(|operation| self.spelled_so(operation, method, path).is_some())
    }

    /// The tenant id in a path, if the target spells the operation by this method on a path of this form.
    #[expect(
        clippy::option_option,
        reason = "no match, a match without an id, a match with one"
    )]
    fn spelled_so(&self, operation: Operation, method: &str, path: &str) -> Option<Option<String>> {
        let spelling = self.spelling(operation)?;
        let own = self.path_of(operation);
        let template = spelling.path.as_ref().unwrap_or(own);
        let is_own = spelling.method.as_deref() == Some(method);
        is_own
            .then(|| id_in_path(&template.replace("{slug}", "{id}"), path))
            .flatten()
    }

    /// The path of an operation, unless its spelling has one of its own.
    pub(super) fn path_of(&self, operation: Operation) -> &String {
        match operation {
            Operation::Health => &self.health,
            Operation::Status => &self.status,
            Operation::Chat => &self.chat,
            Operation::CreateTenant | Operation::ListTenants => &self.tenants,
            Operation::ReadTenant | Operation::ChangeTenant | Operation::DeleteTenant => {
                &self.tenant
            }
            Operation::Routing => &self.routing,
            Operation::Usage => &self.usage,
            Operation::StartGateway => &self.gateway_start,
            Operation::Gateway => &self.gateway,
        }
    }

    /// The target's spelling of an operation, where it has one of its own.
    #[must_use]
    pub fn spelling(&self, operation: Operation) -> Option<&Spelling> {
        match operation {
            Operation::CreateTenant => self.create_tenant.as_ref(),
            Operation::ReadTenant => self.read_tenant.as_ref(),
            Operation::ChangeTenant => self.change_tenant.as_ref(),
            Operation::DeleteTenant => self.delete_tenant.as_ref(),
            Operation::StartGateway => self.start_gateway.as_ref(),
            Operation::Chat => self.ask_model.as_ref(),
            Operation::Health => self.read_health.as_ref(),
            Operation::Status => self.read_status.as_ref(),
            Operation::ListTenants => self.list_tenants.as_ref(),
            Operation::Routing => self.read_routing.as_ref(),
            Operation::Usage => self.read_usage.as_ref(),
            Operation::Gateway => self.read_gateway.as_ref(),
        }
    }

    /// A path that is written as in `shapes.md`, as this target has it; any other as it stands.
    fn own_path(&self, path: &str) -> String {
        let shapes = Self::default();
        let whole = [
            (&shapes.health, &self.health),
            (&shapes.status, &self.status),
            (&shapes.chat, &self.chat),
            (&shapes.tenants, &self.tenants),
        ];
        if let Some((_, own)) = whole.into_iter().find(|(shape, _)| *shape == path) {
            return own.clone();
        }
        let parent = |path: &str| path.rsplit_once('/').map(|(parent, _)| parent.to_owned());
        let own_operators = parent(&self.tenants).unwrap_or_default();
        let below = [
            (shapes.tenants.as_str(), self.tenants.as_str()),
            ("/api/admin", own_operators.as_str()),
            (shapes.console.as_str(), self.console.as_str()),
        ];
        below
            .into_iter()
            .find_map(|(shape, own)| {
                let rest = path.strip_prefix(shape)?;
                (rest.starts_with('/') && shape != own && !own.is_empty())
                    .then(|| format!("{own}{rest}"))
            })
            .unwrap_or_else(|| path.to_owned())
    }

    /// Puts a request into the target's words. What is no operation of `shapes.md` is sent as it stands.
    #[must_use]
    pub fn speak(&self, mut request: Request) -> Spoken {
        request.path = self.own_path(&request.path);
        let Some((operation, id)) = self.operation(&request.method, &request.path) else {
            return Spoken {
                request,
                operation: None,
                unsaid: Vec::new(),
                id: None,
                slug: None,
            };
        };
        let mut spoken = Spoken {
            request,
            operation: Some(operation),
            unsaid: Vec::new(),
            id,
            slug: None,
        };
        // Whatever else a scenario puts into a query is sent byte by byte.
        if self.path_of(operation).contains('?') {
            spoken.request.path = one_query(&spoken.request.path);
        }
        if matches!(operation, Operation::ListTenants | Operation::Usage) {
            for (usual, own) in [("limit", &self.page_limit), ("cursor", &self.page_cursor)] {
                if own != usual {
                    spoken.request.path = with_parameter(&spoken.request.path, usual, own);
                }
            }
        }
        let mut fields = object(&spoken.request.body);
        spoken.slug = text_of(fields.as_ref(), "slug");
        if let Some(fields) = &mut fields
            && operation.alters_tenants()
            && let Some(Value::String(tier)) = fields.get_mut("tier")
            && let Some(own) = self.tiers.get(tier.as_str())
        {
            tier.clone_from(own);
            spoken.request.body = Value::Object(fields.clone()).to_string().into();
        }
        if let Some(spelling) = self.spelling(operation) {
            let id = spoken.id.clone();
            spelling.put_on(
                &mut spoken,
                fields.as_ref(),
                id.as_deref(),
                self.tier("free"),
            );
        }
        spoken
    }
}

impl Spelling {
    fn put_on(
        &self,
        spoken: &mut Spoken,
        fields: Option<&Map<String, Value>>,
        id: Option<&str>,
        free: &str,
    ) {
        let request = &mut spoken.request;
        if let Some(method) = &self.method {
            request.method.clone_from(method);
        }
        if let Some(path) = &self.path {
            let mut path = path.replace("{id}", id.unwrap_or_default());
            for (name, value) in fields.into_iter().flatten() {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                path = path.replace(&format!("{{{name}}}"), &segment(&text));
            }
            request.path = path;
        }
        // A request without a body has no fields, and may have one here: what the template says by itself.
        let none = Map::new();
        let fields = fields.or(request.body.is_empty().then_some(&none));
        if let (Some(template), Some(fields)) = (&self.body, fields) {
            let (body, unsaid) = filled(template, &with_defaults(spoken.operation, fields, free));
            request.body = body.to_string().into();
            let is_type = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
            if !request.headers.iter().any(is_type) {
                let json = "application/json".to_owned();
                request.headers.push(("content-type".to_owned(), json));
            }
            // What stands in the path is said there.
            let in_path = |name: &String| {
                self.path
                    .as_ref()
                    .is_some_and(|path| path.contains(&format!("{{{name}}}")))
            };
            if !matches!(
                spoken.operation,
                Some(Operation::CreateTenant | Operation::ChangeTenant)
            ) {
                return;
            }
            let is_unsaid = |name: &String| fields.contains_key(name) && !in_path(name);
            spoken.unsaid = unsaid.into_iter().filter(is_unsaid).collect();
        }
    }
}

/// What a creation leaves out, and `shapes.md` has a default for: another body may need it said.
const PLATFORM: &str = "web";

/// The fields of a creation that names a tenant, with the defaults of those that it leaves out; any other fields as they are. `free` is the
/// target's name of the free tier.
fn with_defaults(
    operation: Option<Operation>,
    fields: &Map<String, Value>,
    free: &str,
) -> Map<String, Value> {
    let mut fields = fields.clone();
    if operation == Some(Operation::CreateTenant) && fields.contains_key("slug") {
        for (name, default) in [("platform", PLATFORM), ("tier", free)] {
            fields.entry(name).or_insert_with(|| default.into());
        }
    }
    fields
}

fn text_of(fields: Option<&Map<String, Value>>, name: &str) -> Option<String> {
    fields?.get(name)?.as_str().map(str::to_owned)
}

fn object(body: &bytes::Bytes) -> Option<Map<String, Value>> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Some(fields),
        Ok(_) | Err(_) => None,
    }
}

/// Text as one path segment.
fn segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// The path with one query: a listing's own path may have one already.
fn one_query(path: &str) -> String {
    match path.split_once('?') {
        Some((place, query)) => format!("{place}?{}", query.replace('?', "&")),
        None => path.to_owned(),
    }
}

/// The path with a parameter of its query under another name.
fn with_parameter(path: &str, usual: &str, own: &str) -> String {
    let Some((place, query)) = path.split_once('?') else {
        return path.to_owned();
    };
    let renamed = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if name == usual => format!("{own}={value}"),
        Some(_) | None => pair.to_owned(),
    });
    format!("{place}?{}", renamed.collect::<Vec<_>>().join("&"))
}

/// As [`id_in`]; where the template has a query, the path's query must begin with it.
#[expect(
    clippy::option_option,
    reason = "no match, a match without an id, a match with one"
)]
fn id_in_path(template: &str, path: &str) -> Option<Option<String>> {
    let path = one_query(path);
    let (place, query) = path.split_once('?').unwrap_or((path.as_str(), ""));
    let Some((own, parameters)) = template.split_once('?') else {
        return id_in(template, place);
    };
    let count = parameters.split('&').count();
    let first: Vec<&str> = query.split('&').take(count).collect();
    let first = first.join("&");
    match (id_in(own, place)?, id_in(parameters, &first)?) {
        (Some(id), _) | (None, Some(id)) => Some(Some(id)),
        (None, None) => Some(None),
    }
}

/// `Some(id)` when the path has the template's form.
#[expect(
    clippy::option_option,
    reason = "no match, a match without an id, a match with one"
)]
fn id_in(template: &str, path: &str) -> Option<Option<String>> {
    let Some((before, after)) = template.split_once("{id}") else {
        return (template == path).then_some(None);
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then(|| Some(id.to_owned()))
}

impl Spelling {
    /// Whether path or body has a place for a field.
    #[must_use]
    pub fn says(&self, field: &str) -> bool {
        let Some(body) = &self.body else { return true };
        let mut named = Vec::new();
        let _filled = fill(body, &Map::new(), &mut named);
        let place = format!("{{{field}}}");
        let in_path = self.path.as_ref().is_some_and(|path| path.contains(&place));
        in_path || named.iter().any(|name| name == field)
    }

    /// What a creating or changing request says that nobody can fill in, or leaves out that it needs; `None` if it can be used.
    #[must_use]
    pub fn flaw(&self, key: &str, needs_slug: bool) -> Option<String> {
        let mut named = Vec::new();
        if let Some(body) = &self.body {
            let _filled = fill(body, &Map::new(), &mut named);
        }
        if let Some(name) = named
            .iter()
            .find(|name| !OF_A_TENANT.contains(&name.as_str()))
        {
            return Some(format!(
                "[dialect] {key}: unknown placeholder {{{name}}}; there are: {}",
                OF_A_TENANT.join(", ")
            ));
        }
        let in_path = self
            .path
            .as_ref()
            .is_some_and(|path| path.contains("{slug}"));
        let says_slug = self.body.is_none() || in_path || named.iter().any(|name| name == "slug");
        (needs_slug && !says_slug).then(|| {
            format!("[dialect] {key}: neither body nor path has {{slug}}, by which a tenant's host is known")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn dialect() -> Dialect {
        Dialect {
            tenants: "/ops/customers".into(),
            tenant: "/ops/customers/{id}".into(),
            create_tenant: Some(Spelling {
                method: Some("PUT".into()),
                path: Some("/ops/customers/{slug}".into()),
                body: Some(json!({ "customer": { "plan": "{tier}", "hosts": "{domains}" } })),
                success: vec![200],
                ..Spelling::default()
            }),
            tiers: BTreeMap::from([("premium".into(), "pro".into())]),
            usage: String::new(),
            ..Dialect::default()
        }
    }

    fn body_of(request: &Request) -> Value {
        serde_json::from_slice(&request.body).unwrap()
    }

    #[test]
    fn an_operation_has_the_targets_method_path_and_body() {
        let creation = json!({ "slug": "a b", "tier": "premium", "id": "u-1" });
        let spoken = dialect().speak(Request::new("POST", "/ops/customers").json(&creation));
        assert_eq!(spoken.operation, Some(Operation::CreateTenant));
        assert_eq!(spoken.request.method, "PUT");
        assert_eq!(spoken.request.path, "/ops/customers/a%20b");
        assert_eq!(
            body_of(&spoken.request),
            json!({ "customer": { "plan": "pro" } })
        );
        assert_eq!(spoken.unsaid, ["id"]);
    }

    #[test]
    fn what_a_caller_smuggles_in_is_sent_where_the_target_looks() {
        let creation = json!({ "slug": "a", "tier": 7, "sandbox_id": "sk-0" });
        let spoken = dialect().speak(Request::new("POST", "/ops/customers").json(&creation));
        let wanted = json!({ "customer": { "plan": 7, "sandbox_id": "sk-0" } });
        assert_eq!(body_of(&spoken.request), wanted);
    }

    #[test]
    fn a_request_without_a_body_may_have_one_in_the_targets_words() {
        let dialect = Dialect {
            start_gateway: Some(Spelling {
                method: Some("PUT".into()),
                body: Some(json!({ "power": "on" })),
                ..Spelling::default()
            }),
            ..Dialect::default()
        };
        let path = "/api/admin/tenants/u-1/gateway/start";
        let spoken = dialect.speak(Request::new("POST", path));
        assert_eq!(body_of(&spoken.request), json!({ "power": "on" }));
        let sent = dialect.operation_sent("PUT", path);
        assert_eq!(sent, Some((Operation::StartGateway, Some("u-1".into()))));
        assert_eq!(dialect.operation("PUT", path), None);
    }

    #[test]
    fn a_listing_may_have_a_query_of_its_own_and_parameters_of_other_names() {
        let dialect = Dialect {
            usage: "/ledger?customer={id}".into(),
            page_limit: "max".into(),
            page_cursor: "after".into(),
            ..Dialect::default()
        };
        let spoken = dialect.speak(Request::new("GET", "/ledger?customer=u-1?limit=1&cursor=x"));
        assert_eq!(spoken.operation, Some(Operation::Usage));
        assert_eq!(spoken.id.as_deref(), Some("u-1"));
        assert_eq!(spoken.request.path, "/ledger?customer=u-1&max=1&after=x");
        let other = dialect.speak(Request::new("GET", "/ledger?limit=1"));
        assert_eq!(other.operation, None);
    }

    #[test]
    fn what_a_scenario_puts_into_a_query_is_sent_as_it_stands() {
        for path in [
            "/api/admin/tenants?cursor=x'?--&limit",
            "/api/status?/../?api/admin",
            "/api/admin/tenants/u-1/usage?limit=1;DELETE?x",
        ] {
            let spoken = Dialect::default().speak(Request::new("GET", path));
            assert_eq!(spoken.request.path, path);
        }
    }

    #[test]
    fn a_template_has_the_defaults_of_a_creation_and_a_media_type() {
        let own: Dialect = toml::from_str(
            r#"
            tiers = { free = "hobby" }
            create_tenant = { body = { name = "{slug}", plan = "{tier}", surface = "{platform}" } }
            delete_tenant = { method = "POST", path = "/t/{id}/end", body = { confirm = true } }
            "#,
        )
        .unwrap();
        let json_of =
            |request: &Request| -> Value { serde_json::from_slice(&request.body).unwrap() };
        let created = own.speak(Request::new("POST", &own.tenants).json(&json!({ "slug": "a" })));
        assert_eq!(
            json_of(&created.request),
            json!({ "name": "a", "plan": "hobby", "surface": "web" })
        );
        // What names no tenant is to be refused for what it is.
        let malformed = own.speak(Request::new("POST", &own.tenants).json(&json!({})));
        assert_eq!(json_of(&malformed.request), json!({}));
        let ended = own.speak(Request::new("DELETE", own.tenant.replace("{id}", "u-1")));
        assert_eq!(json_of(&ended.request), json!({ "confirm": true }));
        let json_type = ("content-type".to_owned(), "application/json".to_owned());
        assert_eq!(ended.request.headers, [json_type]);
    }

    #[test]
    fn what_is_no_operation_goes_as_it_stands() {
        for (method, path) in [
            ("GET", "/ops/../ops/customers"),
            ("PUT", "/ops/customers/u-1"),
            ("GET", ""),
        ] {
            let spoken = dialect().speak(Request::new(method, path).bytes("no json"));
            assert_eq!(
                (spoken.operation, spoken.request.path.as_str()),
                (None, path)
            );
        }
        let malformed = dialect().speak(Request::new("POST", "/ops/customers").bytes("no json"));
        assert_eq!(malformed.request.body, "no json");
    }

    #[test]
    fn paths_that_features_name_are_the_targets() {
        let of = |path: &str| dialect().speak(Request::new("GET", path)).request.path;
        assert_eq!(of("/api/admin/mp-none"), "/ops/mp-none");
        assert_eq!(of("/api/admin/tenants/u-1/x"), "/ops/customers/u-1/x");
        assert_eq!(of("/api/status"), "/api/status");
        assert_eq!(of("/api/administrator"), "/api/administrator");
        assert_eq!(of("/_admin/x"), "/_admin/x");
    }

    #[test]
    fn a_path_below_another_is_the_longer_ones() {
        let plain = Dialect::default();
        let of = |method: &str, path: &str| {
            plain
                .operation(method, path)
                .map(|(operation, _)| operation)
        };
        assert_eq!(
            of("GET", "/api/admin/tenants/u-1/usage?limit=1"),
            Some(Operation::Usage)
        );
        assert_eq!(
            of("GET", "/api/admin/tenants/u-1"),
            Some(Operation::ReadTenant)
        );
        assert_eq!(of("DELETE", "/api/admin/tenants"), None);
        assert_eq!(of("GET", "/api/admin/tenants/"), None);
    }
}
