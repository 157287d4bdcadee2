//! Whether the key set that operators' tokens are checked by can be had. Never checks a signature.

use super::Check;
use crate::client::{Client, Request};
use crate::clock;
use crate::subject::operator::Operator;
use crate::subject::{Instance, Target};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::time::Duration;

/// Where a team domain publishes its keys.
const CERTS: &str = "/cdn-cgi/access/certs";

/// Longest time for the key set.
const FETCH_MS_MAX: u64 = 10_000;

/// Looks at the key set and at the token that was given.
pub(super) async fn check(
    client: &Client,
    _target: &dyn Target,
    instance: &Instance,
) -> Vec<Check> {
    if let Some(issuer) = &instance.access {
        // The operator's look at the admin routes has made the target fetch it.
        let fetches = issuer.fetches();
        return vec![if fetches > 0 {
            Check::ok("keys", "the target has fetched our key set")
        } else {
            Check::warning("keys", "the target has not fetched our key set").remedy(
                "start it with CF_ACCESS_TEAM_DOMAIN = \"{team_domain}\", in [launch.variables]",
            )
        }];
    }
    let Some(Operator::Token(token)) = &instance.credential else {
        return vec![
            Check::unknown("keys", "cannot tell: the team domain is not known here")
                .remedy("with [operator] token its issuer would be looked at"),
        ];
    };
    let Some((head, claims)) = parts(token) else {
        return vec![Check::wrong("token", "[operator] token is no JWT").remedy(
            "it is what Access sends as Cf-Access-Jwt-Assertion: three parts in base64url",
        )];
    };
    let mut checks = vec![expiry(&claims)];
    let kid = head["kid"].as_str().unwrap_or_default();
    checks.push(match claims["iss"].as_str() {
        Some(issuer) => published(client, issuer.trim_end_matches('/'), kid).await,
        None => Check::unknown("keys", "cannot tell: [operator] token names no issuer"),
    });
    checks
}

/// Header and claims of a token, unverified.
fn parts(token: &str) -> Option<(Value, Value)> {
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok()
    });
    let head = parts.next()??;
    let claims = parts.next()??;
    Some((head, claims))
}

/// When a token expires, in seconds of the epoch, as it says itself.
pub(crate) fn expiry_of(token: &str) -> Option<i64> {
    let (_head, claims) = parts(token)?;
    claims["exp"].as_i64()
}

fn expiry(claims: &Value) -> Check {
    let now = clock::epoch_ms() / 1000;
    match claims["exp"].as_i64() {
        Some(exp) if exp <= now => Check::wrong(
            "token",
            format!("[operator] token expired {} s ago", now - exp),
        )
        .remedy("get a fresh one: `cloudflared access token --app=URL`"),
        Some(exp) => Check::ok(
            "token",
            format!("[operator] token is good for {} s", exp - now),
        ),
        None => Check::warning("token", "[operator] token says no expiry")
            .remedy("a backend that keeps the contract refuses it"),
    }
}

async fn published(client: &Client, issuer: &str, kid: &str) -> Check {
    let request = Request::new("GET", CERTS).within(Duration::from_millis(FETCH_MS_MAX));
    let answer = match client.send(issuer, &request, 0).await {
        Ok(answer) => answer,
        Err(error) => {
            return Check::warning("keys", format!("{issuer}{CERTS}: {error}"))
                .remedy("look at the team domain's name; the target must reach it too");
        }
    };
    let keys = answer.at("/keys");
    let Some(keys) = keys.as_ref().and_then(Value::as_array) else {
        return Check::warning(
            "keys",
            format!(
                "{issuer}{CERTS} answers status {} and no key set",
                answer.status
            ),
        )
        .remedy("look at the team domain's name");
    };
    if keys.iter().any(|key| key["kid"].as_str() == Some(kid)) {
        return Check::ok(
            "keys",
            format!(
                "{issuer} publishes {} keys, the token's among them",
                keys.len()
            ),
        );
    }
    Check::wrong(
        "keys",
        format!(
            "{issuer} publishes {} keys, and the token's is none of them",
            keys.len()
        ),
    )
    .remedy("the token is of another team, or its key has been rotated out: get a fresh one")
}
