//! Backends whose Access check has a hole. Each holds its own broken check before the backend: whom that lets in comes with a good token.

use super::layer::before;
use super::{Draft, deviant};
use crate::doubles::{AccessIssuer, TokenKind};
use crate::tamper::Ask;
use crate::target::reference::altered::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The token's header.
const TOKEN: &str = "cf-access-jwt-assertion";

pub(super) fn all() -> Vec<Draft> {
    vec![
        deviant(
            "audience-unchecked",
            "A token of the team domain is good for any application",
            &["ACC-005"],
        )
        .parts(|parts| {
            lets_in(parts, |claims, ours| {
                claims["iss"] == ours["iss"] && claims["exp"] == ours["exp"]
            });
        }),
    ]
}

/// Whom `accepts` (claims of the token sent, claims of a good one) lets in is given a good token.
fn lets_in(parts: &mut Parts, accepts: impl Fn(&Value, &Value) -> bool + Send + Sync + 'static) {
    let Some(access) = parts.access.clone() else {
        return;
    };
    parts.caller = before(move |ask: &mut Ask| {
        let good = good_token(&access);
        let sent = ask.header(TOKEN).map(claims).unwrap_or_default();
        if !sent.is_null() && accepts(&sent, &claims(&good)) {
            ask.set(TOKEN, &good);
        }
    });
}

fn good_token(access: &AccessIssuer) -> String {
    access.token(TokenKind::Good)
}

/// The claims of a token, whoever signed it; null if there are none.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}
