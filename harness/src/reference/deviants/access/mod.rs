//! Backends whose Access check has a hole. Each holds its own broken check before the backend: whom that lets in comes with a good token.

mod claims;
mod keys;
mod log;
mod paths;
mod signature;
mod strangers;
mod token;
mod unset;

use self::token::Token;
use super::Draft;
use super::layer::before;
use crate::doubles::{AccessIssuer, TokenKind};
use crate::reference::altered::Parts;
use crate::tamper::Ask;

/// The header in which Access hands a token to the backend.
const TOKEN: &str = "cf-access-jwt-assertion";

pub(super) fn all() -> Vec<Draft> {
    let modules = [
        strangers::all(),
        claims::all(),
        signature::all(),
        keys::all(),
        paths::all(),
        log::all(),
        unset::all(),
    ];
    modules.into_iter().flatten().collect()
}

/// A request whose token has flaws is let in if `accepts` says so.
fn lets_in(parts: &mut Parts, accepts: impl Fn(&Token) -> bool + Send + Sync + 'static) {
    let Some(access) = parts.access.clone() else {
        return;
    };
    parts.caller = before(move |ask: &mut Ask| {
        let Some(sent) = ask.header(TOKEN) else {
            return;
        };
        let token = Token::read(sent, &access);
        if !token.flaws.is_empty() && accepts(&token) {
            ask.set(TOKEN, &good_token(&access));
        }
    });
}

/// A request with a good token is turned away if `refuses` says so.
fn turns_away(parts: &mut Parts, refuses: impl Fn(&Ask, &Token) -> bool + Send + Sync + 'static) {
    let Some(access) = parts.access.clone() else {
        return;
    };
    parts.caller = before(move |ask: &mut Ask| {
        let token = ask.header(TOKEN).map(|sent| Token::read(sent, &access));
        if token.is_some_and(|token| token.flaws.is_empty() && refuses(ask, &token)) {
            ask.headers.remove(TOKEN);
        }
    });
}

/// A request of which `is_open` is true is let in, whatever it carries; `is_open` may change it, as the backend's own reading does.
fn opens(parts: &mut Parts, is_open: impl Fn(&mut Ask) -> bool + Send + Sync + 'static) {
    let Some(access) = parts.access.clone() else {
        return;
    };
    parts.caller = before(move |ask: &mut Ask| {
        if is_open(ask) {
            ask.set(TOKEN, &good_token(&access));
        }
    });
}

fn good_token(access: &AccessIssuer) -> String {
    access.token(TokenKind::Good)
}

/// Whether a path lies where admin routes are.
fn is_admin(route: &str) -> bool {
    route.starts_with("/api/admin") || route.starts_with("/_admin")
}
