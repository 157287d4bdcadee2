//! The admin routes of a target, each with a request that it takes. Never sends one.

use super::Dialect;
use super::furnish::unknown_word;
use super::operation::Operation;
use crate::client::Request;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// One admin route: how to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminRoute {
    /// Method.
    pub method: String,
    /// Path with `{id}` filled in.
    pub path: String,
    /// A body that the route accepts, if it takes one.
    pub body: Option<Value>,
    /// Whether the manifest lists it: then it is known to be there, and not what it needs to succeed.
    pub is_listed: bool,
}

/// An admin route as a manifest lists it: `"GET /admin/plans"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ListedRoute(pub String);

impl ListedRoute {
    fn parts(&self) -> Option<(&str, &str)> {
        let (method, path) = self.0.split_once(' ')?;
        let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        (is_method && path.starts_with('/')).then_some((method, path))
    }
}

impl AdminRoute {
    /// The request, without token.
    #[must_use]
    pub fn request(&self) -> Request {
        let request = Request::new(&self.method, self.path.clone());
        match &self.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// Whether this answer shows that the route let its caller in: of a listed one, that it looked at the request.
    #[must_use]
    pub fn lets_in(&self, status: u16) -> bool {
        (200..300).contains(&status) || self.is_listed && [400, 409, 415, 422].contains(&status)
    }
}

impl Dialect {
    /// Every admin route for a tenant; `fresh_slug` names the tenant that the creating route would make.
    /// The deleting route comes last.
    #[must_use]
    pub fn admin_routes(&self, tenant_id: &str, fresh_slug: &str) -> Vec<AdminRoute> {
        self.sweeps.store(true, Ordering::Relaxed);
        if !self.closed.is_empty() {
            return self.listed(tenant_id, fresh_slug);
        }
        let at = |template: &str| template.replace("{id}", tenant_id);
        let route = |method: &str, path: String, body| AdminRoute {
            method: method.to_owned(),
            path,
            body,
            is_listed: false,
        };
        let all = [
            route(
                "POST",
                self.tenants.clone(),
                Some(json!({ "slug": fresh_slug })),
            ),
            route("GET", self.tenants.clone(), None),
            route("GET", at(&self.tenant), None),
            route(
                "PATCH",
                at(&self.tenant),
                Some(json!({ "tier": "premium" })),
            ),
            route("GET", at(&self.routing), None),
            route("GET", at(&self.usage), None),
            route("POST", at(&self.gateway_start), None),
            route("GET", at(&self.gateway), None),
            route("DELETE", at(&self.tenant), None),
        ];
        // A route that the target does not have is no door to try.
        let is_there = |route: &AdminRoute| {
            self.operation(&route.method, &route.path)
                .is_some_and(|(operation, _id)| {
                    let is_fixed = self.tenants_are_fixed && operation.alters_tenants();
                    !is_fixed && !self.without.contains(&operation)
                })
        };
        all.into_iter().filter(is_there).collect()
    }

    fn listed(&self, tenant_id: &str, fresh_slug: &str) -> Vec<AdminRoute> {
        let route = |listed: &ListedRoute| {
            let (method, path) = listed.parts()?;
            let path = path
                .replace("{id}", tenant_id)
                .replace("{slug}", fresh_slug);
            let takes_body = ["POST", "PUT", "PATCH"].contains(&method);
            Some(AdminRoute {
                method: method.to_owned(),
                body: takes_body.then(|| json!({ "slug": fresh_slug })),
                path,
                is_listed: true,
            })
        };
        self.closed.iter().filter_map(route).collect()
    }

    /// Whether the target has an operation.
    #[must_use]
    pub fn has(&self, operation: Operation) -> bool {
        !self.path_of(operation).is_empty() && !self.without.contains(&operation)
    }

    /// Whether a path lies where the operators' routes do.
    pub(super) fn is_below_operators(&self, path: &str) -> bool {
        let parent = self.tenants.rsplit_once('/').map(|(parent, _)| parent);
        let own = [parent.unwrap_or_default(), self.console.as_str()];
        let below = |place: &str| {
            let rest = path.strip_prefix(place);
            !place.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        own.into_iter().any(below)
            || self.closed.iter().any(|listed| {
                let own = listed.parts().map_or("", |(_method, path)| path);
                own.split_once('{')
                    .map_or(path == own, |(before, _)| path.starts_with(before))
            })
    }

    /// What types cannot say of the routes; `None` if they can be used.
    pub(super) fn flaw_of_routes(&self) -> Option<String> {
        let malformed = self.closed.iter().find(|listed| listed.parts().is_none());
        if let Some(ListedRoute(text)) = malformed {
            return Some(format!(
                "[dialect] closed: `{text}` is no route; write a method and a path, as \"GET /admin/plans\""
            ));
        }
        unknown_word("operator_host", &self.operator_host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(text: &str) -> Dialect {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_the_target_does_not_have_is_no_door_to_try() {
        let own = dialect("without = ['change_tenant', 'delete_tenant', 'read_routing']");
        let methods: Vec<_> = own
            .admin_routes("u-1", "a")
            .into_iter()
            .map(|route| route.method)
            .collect();
        assert_eq!(methods, ["POST", "GET", "GET", "GET", "POST", "GET"]);
        assert!(!own.has(Operation::Routing) && own.has(Operation::ReadTenant));
    }

    #[test]
    fn the_listed_routes_are_tried_and_no_others() {
        let own = dialect("closed = ['GET /admin/plans', 'POST /admin/t/{id}/hold']");
        let routes = own.admin_routes("u-1", "a");
        let shown: Vec<_> = routes
            .iter()
            .map(|route| (route.method.as_str(), route.path.as_str()))
            .collect();
        assert_eq!(
            shown,
            [("GET", "/admin/plans"), ("POST", "/admin/t/u-1/hold")]
        );
        assert!(routes[1].lets_in(422) && !routes[1].lets_in(403) && !routes[1].lets_in(404));
        assert!(own.is_below_operators("/admin/t/u-2/hold"));
        assert!(!own.is_below_operators("/admin/plan"));
    }

    #[test]
    fn a_listed_route_has_a_method_and_a_path() {
        for text in ["/admin", "get /admin", "GET admin"] {
            let own = dialect(&format!("closed = ['{text}']"));
            assert!(own.flaw().is_some_and(|flaw| flaw.contains(text)), "{text}");
        }
    }
}
