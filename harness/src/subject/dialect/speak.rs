//! A request in the words of `shapes.md`, put into the target's. Never sends it.

use super::Dialect;
use super::operation::Operation;
use super::path::{id_in_path, one_query, with_parameter};
use super::spelling::Spelling;
use crate::client::Request;
use crate::evidence::Exchange;
use serde_json::{Map, Value};

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

fn text_of(fields: Option<&Map<String, Value>>, name: &str) -> Option<String> {
    fields?.get(name)?.as_str().map(str::to_owned)
}

fn object(body: &bytes::Bytes) -> Option<Map<String, Value>> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Some(fields),
        Ok(_) | Err(_) => None,
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
    fn a_creation_by_its_id_names_one_whether_the_scenario_does_or_not() {
        let mut dialect = dialect();
        dialect.create_tenant = Some(Spelling {
            method: Some("PUT".into()),
            path: Some("/ops/customers/{id}".into()),
            ..Spelling::default()
        });
        let asked = |creation: Value| {
            let request = Request::new("POST", "/ops/customers").json(&creation);
            dialect.speak(request).request.path
        };
        let named = json!({ "slug": "a", "id": "u-1" });
        assert_eq!(asked(named), "/ops/customers/u-1");
        let chosen = asked(json!({ "slug": "a" }));
        let id = chosen.strip_prefix("/ops/customers/").unwrap();
        assert!(uuid::Uuid::try_parse(id).is_ok(), "{chosen}");
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
