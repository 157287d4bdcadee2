//! Where a request can name a tenant that is not the one it is for. Never says what must come of it.

use crate::client::Request;
use crate::subject::tenant::Tenant;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// One place in a request, and how an identifier stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Nowhere: the positive control.
    Nowhere,
    /// A header: name and value.
    Header(&'static str, &'static str),
    /// A header that holds a token with claims of another tenant: name, and what stands before the token.
    Claim(&'static str, &'static str),
    /// The query.
    Query(&'static str),
    /// Fields of a JSON body.
    Body(&'static str),
    /// Another path.
    Path(&'static str),
}

/// Every carrier. `{slug}`, `{id}`, `{sandbox}`, `{host}` and `{domain}` are the other tenant's.
pub(super) const CARRIERS: &[Carrier] = &[
    Carrier::Nowhere,
    Carrier::Header("X-Tenant-Override", "{slug}"),
    Carrier::Header("X-Tenant-Id", "{id}"),
    Carrier::Header("X-Tenant", "{slug}"),
    Carrier::Header("X-Tenant-Slug", "{slug}"),
    Carrier::Header("X-Account-Id", "{id}"),
    Carrier::Header("X-Sandbox-Id", "{sandbox}"),
    Carrier::Header("X-Customer-Host", "{domain}"),
    Carrier::Header("X-Forwarded-Host", "{host}"),
    Carrier::Header("X-Forwarded-Host", "{domain}"),
    Carrier::Header("X-Forwarded-Server", "{host}"),
    Carrier::Header("Forwarded", "host={host};proto=https"),
    Carrier::Header("Forwarded", "for=192.0.2.1;host=\"{domain}\""),
    Carrier::Header("X-Original-Host", "{host}"),
    Carrier::Header("X-Host", "{host}"),
    Carrier::Header("X-HTTP-Host-Override", "{host}"),
    Carrier::Header("X-Original-URL", "https://{host}/api/status"),
    Carrier::Header("Origin", "https://{host}"),
    Carrier::Header("Referer", "https://{domain}/"),
    Carrier::Header("X-User-Id", "{id}"),
    Carrier::Header("X-Platform", "{slug}"),
    Carrier::Header(
        "cf-aig-metadata",
        "{\"tenant_id\":\"{id}\",\"sandbox_id\":\"{sandbox}\"}",
    ),
    Carrier::Header("cf-aig-custom-cost", "{\"tenant_id\":\"{id}\"}"),
    Carrier::Header(
        "Cookie",
        "tenant={slug}; tenant_id={id}; sandbox_id={sandbox}",
    ),
    Carrier::Header("Authorization", "Bearer {id}"),
    Carrier::Claim("Authorization", "Bearer "),
    Carrier::Claim("Cf-Access-Jwt-Assertion", ""),
    Carrier::Claim("Cookie", "CF_Authorization="),
    Carrier::Query("tenant={slug}"),
    Carrier::Query("tenant_id={id}"),
    Carrier::Query("id={id}&sandbox_id={sandbox}"),
    Carrier::Query("host={host}"),
    Carrier::Query("X-Tenant-Override={slug}"),
    Carrier::Body(r#"{"tenant_id": "{id}"}"#),
    Carrier::Body(r#"{"tenant": "{slug}", "host": "{host}"}"#),
    Carrier::Body(r#"{"user": "{id}"}"#),
    Carrier::Body(r#"{"sandbox_id": "{sandbox}"}"#),
    Carrier::Body(r#"{"metadata": {"tenant_id": "{id}", "sandbox_id": "{sandbox}"}}"#),
    Carrier::Path("/api/status/{slug}"),
    Carrier::Path("/api/status/{id}"),
    Carrier::Path("/{slug}/api/status"),
    Carrier::Path("/{host}/api/status"),
    Carrier::Path("/tenants/{id}/api/status"),
    Carrier::Path("/api/usage/{id}"),
    Carrier::Path("/{slug}/v1/chat/completions"),
    Carrier::Path("/v1/{id}/chat/completions"),
    Carrier::Path("/{sandbox}/gateway/state.json"),
];

impl Carrier {
    /// For people, in the words of the other tenant's name.
    pub(super) fn words(self, other: &str) -> String {
        match self {
            Self::Nowhere => "naming nobody else".to_owned(),
            Self::Header(name, value) => format!("with header `{name}: {}`", of(value, other)),
            Self::Claim(name, before) => {
                format!("with header `{name}: {before}<unsigned token with claims of {other}>`")
            }
            Self::Query(query) => format!("with query `{}`", of(query, other)),
            Self::Body(body) => format!("with body fields `{}`", of(body, other)),
            Self::Path(path) => format!("at path `{}`", of(path, other)),
        }
    }

    /// Criteria that speak of this carrier by name, beside isolation as such.
    pub(super) fn criteria(self) -> Vec<&'static str> {
        let own = match self {
            Self::Header("X-Tenant-Override", _) => Some("RES-002"),
            Self::Header("X-Forwarded-Host" | "Forwarded" | "X-Original-Host", _) => {
                Some("RES-010")
            }
            Self::Header("cf-aig-metadata" | "cf-aig-custom-cost", _) => Some("AIG-008"),
            Self::Nowhere
            | Self::Header(..)
            | Self::Claim(..)
            | Self::Query(_)
            | Self::Body(_)
            | Self::Path(_) => None,
        };
        own.into_iter().chain(["ISO-001"]).collect()
    }

    /// The request with the other tenant named; `None` where it has no such place.
    pub(super) fn on(self, mut request: Request, other: &Tenant) -> Option<Request> {
        match self {
            Self::Nowhere => Some(request),
            Self::Header(name, value) => Some(request.header(name, filled(value, other))),
            Self::Claim(name, before) => {
                Some(request.header(name, format!("{before}{}", claims_of(other))))
            }
            Self::Query(query) => {
                request.path = format!("{}?{}", request.path, filled(query, other));
                Some(request)
            }
            Self::Path(path) => {
                request.path = filled(path, other);
                Some(request)
            }
            Self::Body(fields) => {
                let Ok(Value::Object(mut body)) = serde_json::from_slice(&request.body) else {
                    return None;
                };
                let Ok(Value::Object(more)) = serde_json::from_str(&filled(fields, other)) else {
                    return None;
                };
                body.extend(more);
                request.body = Value::Object(body).to_string().into();
                Some(request)
            }
        }
    }
}

/// A template in the words of a tenant's name: `{id of b}`.
fn of(template: &str, other: &str) -> String {
    ["slug", "id", "sandbox", "host", "domain"]
        .into_iter()
        .fold(template.to_owned(), |text, word| {
            text.replace(&format!("{{{word}}}"), &format!("<{word} of {other}>"))
        })
}

fn filled(template: &str, tenant: &Tenant) -> String {
    let domain = tenant.domains.first().unwrap_or(&tenant.host);
    template
        .replace("{slug}", &tenant.slug)
        .replace("{id}", &tenant.id)
        .replace("{sandbox}", &tenant.sandbox_id)
        .replace("{host}", &tenant.host)
        .replace("{domain}", domain)
}

/// A token that nobody signed, all of whose claims name a tenant.
fn claims_of(tenant: &Tenant) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = json!({ "alg": "none", "typ": "JWT" });
    let claims = json!({
        "sub": tenant.id, "tenant": tenant.slug, "tenant_id": tenant.id, "sandbox_id": tenant.sandbox_id,
        "custom": { "tenant_id": tenant.id }, "exp": 4_102_444_800_u64,
    });
    format!("{}.{}.", part(&head), part(&claims))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Tenant {
        Tenant {
            id: "6d70".to_owned(),
            slug: "b".to_owned(),
            host: "b.app.example".to_owned(),
            tier: "free".to_owned(),
            platform: "web".to_owned(),
            domains: vec!["b.customer.example".to_owned()],
            sandbox_id: "sk-1".to_owned(),
        }
    }

    #[test]
    fn every_carrier_but_the_control_names_the_other_tenant() {
        for carrier in CARRIERS {
            let request = Request::new("POST", "/v1/chat").json(&json!({ "messages": [] }));
            let request = carrier.on(request, &tenant()).unwrap();
            let said = format!("{} {:?} {:?}", request.path, request.headers, request.body);
            let named = [
                "6d70",
                "b.app",
                "sk-1",
                "/b/",
                "status/b",
                "=b",
                "\"b\"",
                "b.customer",
                "eyJ",
            ]
            .iter()
            .any(|name| said.contains(name));
            assert_eq!(named, *carrier != Carrier::Nowhere, "{carrier:?}: {said}");
            assert!(!said.contains("{id}") && !said.contains("{slug}"), "{said}");
        }
    }

    #[test]
    fn fields_have_no_place_in_a_request_without_a_body() {
        let carrier = Carrier::Body(r#"{"tenant_id": "{id}"}"#);
        assert!(carrier.on(Request::new("GET", "/"), &tenant()).is_none());
    }

    #[test]
    fn words_name_the_other_tenant_and_not_its_identifiers() {
        let words = Carrier::Header("X-Tenant-Id", "{id}").words("b");
        assert_eq!(words, "with header `X-Tenant-Id: <id of b>`");
    }
}
