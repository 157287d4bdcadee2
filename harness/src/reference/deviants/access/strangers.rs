//! Checks that take a stranger for an operator. Never looks at a token.

use super::super::directory::Directory;
use super::super::layer::after;
use super::super::{Draft, deviant};
use super::{TOKEN, good_token, is_admin, opens};
use crate::doubles::AccessIssuer;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use std::sync::Arc;

type Rule = fn(&Ask) -> bool;

pub(super) fn all() -> Vec<Draft> {
    let mut all: Vec<Draft> = by_request()
        .into_iter()
        .map(|(id, breaks, expected, is_open)| {
            deviant(id, breaks, expected).parts(move |parts| {
                opens(parts, move |ask| is_admin(ask.route()) && is_open(ask));
            })
        })
        .collect();
    all.extend([
        deviant(
            "custom-hostnames-past-access",
            "Access stands before the hosts below the app domain: at a customer's own hostname the admin routes are open",
            &["ACC-017"],
        )
        .parts(|parts| {
            let app_domain = parts.config.app_domain.as_ref().map(ToString::to_string);
            opens(parts, move |ask| {
                let host = ask.host().split(':').next().unwrap_or_default();
                let is_own = app_domain.as_ref().is_some_and(|app| host.ends_with(app.as_str()));
                let is_name = host.contains('.') && host.contains(char::is_alphabetic);
                is_admin(ask.route()) && is_name && !is_own
            });
        }),
        deviant(
            "absent-tenant-told-before-access",
            "The tenant is looked up before Access is checked: an absent one is a 404 for anybody",
            &["ACC-019"],
        )
        .parts(|parts| {
            let access = parts.access.clone();
            parts.caller = access.map(|access| Arc::new(LooksFirst { access, at: "GET" }) as _);
        }),
        deviant(
            "login-of-a-known-host",
            "A refusal sends strangers to a login of the called host, where that is a tenant's",
            &["ACC-019"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            parts.caller = after(move |ask, told| {
                let host = ask.host();
                if told.status == 403 && is_admin(ask.route()) && directory.find(host).is_some() {
                    told.set("link", &format!("<https://{host}/login>; rel=login"));
                }
            });
        }),
        deviant(
            "taken-slug-told-before-access",
            "A new tenant's slug is looked up before Access is checked: a taken one is a 409 for anybody",
            &["ACC-019"],
        )
        .parts(|parts| {
            let access = parts.access.clone();
            parts.caller = access.map(|access| Arc::new(LooksFirst { access, at: "POST" }) as _);
        }),
    ]);
    all
}

fn has(ask: &Ask, header: &str, wanted: &str) -> bool {
    ask.header(header).is_some_and(|value| value == wanted)
}

fn by_request() -> Vec<(&'static str, &'static str, &'static [&'static str], Rule)> {
    vec![
        (
            "token-checked-only-when-there",
            "A token is checked if there is one",
            &["ACC-001"],
            |ask| !ask.headers.contains_key(TOKEN) && !ask.headers.contains_key("cookie"),
        ),
        (
            "email-header-trusted",
            "Cf-Access-Authenticated-User-Email is believed without a token",
            &["ACC-001"],
            |ask| {
                ask.headers
                    .contains_key("cf-access-authenticated-user-email")
            },
        ),
        (
            "client-id-header-trusted",
            "Cf-Access-Client-Id is believed without its secret or a token",
            &["ACC-001"],
            |ask| ask.headers.contains_key("cf-access-client-id"),
        ),
        (
            "forwarded-user-trusted",
            "X-Forwarded-User is believed without a token",
            &["ACC-001"],
            |ask| ask.headers.contains_key("x-forwarded-user"),
        ),
        (
            "basic-authorization-trusted",
            "Any name and password open admin routes",
            &["ACC-001"],
            |ask| {
                ask.header("authorization")
                    .is_some_and(|value| value.starts_with("Basic "))
            },
        ),
        (
            "debug-header-relaxes-access",
            "X-Debug relaxes Access in production too",
            &["ACC-020"],
            |ask| has(ask, "x-debug", "true"),
        ),
        (
            "localhost-relaxes-access",
            "A request for localhost is taken for local work",
            &["ACC-020"],
            |ask| ask.host().split(':').next() == Some("localhost"),
        ),
        (
            "loopback-ip-relaxes-access",
            "A request that says it comes from 127.0.0.1 is taken for local work",
            &["ACC-020"],
            |ask| {
                ["cf-connecting-ip", "x-forwarded-for"]
                    .iter()
                    .any(|name| has(ask, name, "127.0.0.1"))
            },
        ),
        (
            "dev-query-relaxes-access",
            "?dev=true relaxes Access in production too",
            &["ACC-020"],
            |ask| ask.path.contains("?dev=true"),
        ),
    ]
}

/// Answers a stranger as it would an operator where the answer is that there is nothing to do.
struct LooksFirst {
    access: Arc<AccessIssuer>,
    at: &'static str,
}

#[async_trait]
impl Tamper for LooksFirst {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let refused = upstream.send(&ask).await?;
        if refused.status != 403 || !is_admin(ask.route()) || ask.method != self.at {
            return Ok(refused);
        }
        let mut as_operator = ask.clone();
        as_operator.set(TOKEN, &good_token(&self.access));
        if self.at == "POST" {
            let slug = ask.json()["slug"].as_str().unwrap_or_default().to_owned();
            as_operator.method = hyper::Method::GET;
            "/api/admin/tenants?limit=1000".clone_into(&mut as_operator.path);
            as_operator.body = bytes::Bytes::new();
            let mut list = upstream.send(&as_operator).await?;
            let taken = list.whole().await?;
            let needle = format!("\"slug\":\"{slug}\"");
            if !slug.is_empty() && String::from_utf8_lossy(&taken).contains(&needle) {
                let mut told = refused;
                told.status = 409;
                return Ok(told);
            }
            return Ok(refused);
        }
        let answer = upstream.send(&as_operator).await?;
        Ok(if answer.status == 404 {
            answer
        } else {
            refused
        })
    }
}
