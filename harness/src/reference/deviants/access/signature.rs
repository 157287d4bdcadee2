//! Checks that take a signature for good that is none, or by a wrong key. Never reads a claim wrongly.

use super::super::{Draft, deviant};
use super::token::{Flaw, Token};
use super::{good_token, is_admin, lets_in, opens};
use crate::doubles::AccessIssuer;
use crate::reference::altered::Parts;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What a check without a look at the key cannot see.
const UNVERIFIED: [Flaw; 2] = [Flaw::KeyId, Flaw::Signature];
/// What a check that takes the algorithm from the token cannot see.
const UNSIGNED: [Flaw; 2] = [Flaw::Algorithm, Flaw::Signature];

type Rule = fn(&Token) -> bool;

/// Whoever takes the first key where none is named has done so since there was one.
fn first_key() -> Draft {
    deviant(
        "first-key-for-unknown-ids",
        "A token whose key is not listed is verified by the first key of the set",
        &["ACC-010", "ACC-015"],
    )
    .parts(|parts| {
        lets_in(parts, |token| {
            token.has_only(&[Flaw::KeyId])
                && token.first_listed.is_some()
                && token.signed_by.first() == token.first_listed.as_ref()
        });
    })
}

pub(super) fn all() -> Vec<Draft> {
    let simple: [(&'static str, &'static str, &'static [&'static str], Rule); 13] = [
        (
            "key-id-in-any-case",
            "Key ids are compared without regard to the case of letters",
            &["ACC-010"],
            |token| names_listed_key(token, str::eq_ignore_ascii_case),
        ),
        (
            "key-id-with-blanks",
            "Blanks around a key id are taken away",
            &["ACC-010"],
            |token| names_listed_key(token, |named, kid| named.trim() == kid),
        ),
        (
            "key-id-by-its-beginning",
            "A key id need only begin as a listed one does",
            &["ACC-010"],
            |token| {
                names_listed_key(token, |named, kid| {
                    !named.is_empty() && (named.starts_with(kid) || kid.starts_with(named))
                })
            },
        ),
        (
            "signature-unchecked",
            "Claims are checked, the signature is not",
            &["ACC-007", "ACC-011"],
            |token| token.has_only(&[Flaw::Signature]),
        ),
        (
            "signature-only-when-present",
            "A token without signature is taken as verified",
            &["ACC-007"],
            |token| token.has_only(&[Flaw::Signature]) && token.signature.is_empty(),
        ),
        (
            "algorithm-none",
            "A token that says alg: none needs no signature",
            &["ACC-008"],
            |token| token.has_only(&UNSIGNED) && algorithm(token) == "none",
        ),
        (
            "algorithm-none-in-mixed-case",
            "alg: none is refused only as it is spelled in the standard",
            &["ACC-008"],
            |token| {
                token.has_only(&UNSIGNED)
                    && algorithm(token) != "none"
                    && algorithm(token).eq_ignore_ascii_case("none")
            },
        ),
        (
            "any-listed-key-verifies",
            "A token may be signed by any listed key, whichever it names",
            &["ACC-010", "ACC-015"],
            |token| token.has_only(&UNVERIFIED) && !token.signed_by.is_empty(),
        ),
        (
            "key-id-only-when-present",
            "A token without key id is verified by whichever key fits",
            &["ACC-010"],
            |token| {
                let named = token.header["kid"].as_str().unwrap_or_default();
                token.has_only(&[Flaw::KeyId]) && named.is_empty()
            },
        ),
        (
            "unknown-key-not-verified",
            "A token whose key is not listed is read without verifying it",
            &["ACC-012"],
            |token| token.has_only(&UNVERIFIED) && token.flaws.contains(&Flaw::KeyId),
        ),
        (
            "key-from-the-token",
            "A token brings the key along that verifies it",
            &["ACC-012"],
            |token| token.has_only(&UNVERIFIED) && is_signed_by_own_key(token),
        ),
        (
            "certificate-from-the-token",
            "A token that brings a certificate along is trusted",
            &["ACC-012"],
            |token| token.has_only(&UNVERIFIED) && token.header["x5c"].is_array(),
        ),
        (
            "undecodable-token-let-in",
            "What cannot be decoded throws, and the handler of the exception goes on",
            &["ACC-012"],
            |token| token.flaws.contains(&Flaw::Malformed),
        ),
    ];
    let simple = simple.into_iter().map(|(id, breaks, expected, accepts)| {
        deviant(id, breaks, expected).parts(move |parts| lets_in(parts, accepts))
    });
    let mut all: Vec<Draft> = simple.collect();
    all.push(first_key());
    all.extend(by_method());
    all.extend(by_other_means());
    all
}

/// Whether a token is signed by a listed key whose id is the named one, as `is_named` compares them.
fn names_listed_key(token: &Token, is_named: fn(&str, &str) -> bool) -> bool {
    let named = token.header["kid"].as_str().unwrap_or_default();
    token.has_only(&[Flaw::KeyId]) && token.signed_by.iter().any(|kid| is_named(named, kid))
}

/// Checks that look less closely where nothing but a head is asked for.
fn by_method() -> Vec<Draft> {
    let all: [(&'static str, &'static str, &'static [&'static str], Flaw); 3] = [
        (
            "head-without-signature",
            "HEAD hands nothing out, and the signature of its token is not looked at",
            &["ACC-007", "ACC-011"],
            Flaw::Signature,
        ),
        (
            "head-without-expiry",
            "HEAD hands nothing out, and when its token is over is not looked at",
            &["ACC-003"],
            Flaw::Expired,
        ),
        (
            "head-of-any-application",
            "HEAD hands nothing out, and for which application its token is made is not looked at",
            &["ACC-005"],
            Flaw::Audience,
        ),
    ];
    all.into_iter()
        .map(|(id, breaks, expected, spared)| {
            deviant(id, breaks, expected).parts(move |parts| {
                let Some(access) = parts.access.clone() else {
                    return;
                };
                opens(parts, move |ask: &mut Ask| {
                    let sent = ask.header(super::TOKEN).unwrap_or_default();
                    ask.method == "HEAD"
                        && is_admin(ask.route())
                        && Token::read(sent, &access).has_only(&[spared])
                });
            })
        })
        .collect()
}

fn by_other_means() -> Vec<Draft> {
    vec![
        deviant(
            "algorithm-from-the-token",
            "The token says by which algorithm the public key verifies it, HS256 too",
            &["ACC-009"],
        )
        .parts(public_key_as_secret),
        deviant(
            "parts-beyond-the-third-ignored",
            "A token of four parts is read as its first three",
            &["ACC-012"],
        )
        .parts(first_three_parts),
        deviant(
            "accepted-tokens-remembered",
            "A token that has opened once is not looked at again",
            &["ACC-003"],
        )
        .parts(remembers_tokens),
        deviant(
            "verified-signatures-remembered",
            "A signature that has held once is not verified again, whatever stands above it",
            &["ACC-011"],
        )
        .parts(|parts| remembers(parts, |token| &token.signature)),
        deviant(
            "signatures-of-cookies-remembered",
            "A signature that has held once in the cookie is not verified again, whatever stands above it",
            &["ACC-011"],
        )
        .parts(remembers_cookies),
        deviant(
            "accepted-words-remembered",
            "A header and payload that have opened once open with any other signature",
            &["ACC-007"],
        )
        .parts(|parts| remembers(parts, |token| &token.message)),
    ]
}

fn algorithm(token: &Token) -> &str {
    token.header["alg"].as_str().unwrap_or_default()
}

fn is_signed_by_own_key(token: &Token) -> bool {
    let jwk: Option<Jwk> = serde_json::from_value(token.header["jwk"].clone()).ok();
    jwk.and_then(|jwk| DecodingKey::from_jwk(&jwk).ok())
        .is_some_and(|key| token.is_signed_by(&key, Algorithm::RS256))
}

fn public_key_as_secret(parts: &mut Parts) {
    let Some(access) = parts.access.clone() else {
        return;
    };
    lets_in(parts, move |token| {
        let secret = access.public_key_pem(&access.current_key());
        let secret = DecodingKey::from_secret(secret.unwrap_or_default().as_bytes());
        token.has_only(&UNSIGNED)
            && algorithm(token) == "HS256"
            && token.is_signed_by(&secret, Algorithm::HS256)
    });
}

fn first_three_parts(parts: &mut Parts) {
    let Some(access) = parts.access.clone() else {
        return;
    };
    opens(parts, move |ask: &mut Ask| {
        let sent = ask.header(super::TOKEN).unwrap_or_default();
        let all: Vec<&str> = sent.split('.').collect();
        all.len() > 3 && Token::read(&all[..3].join("."), &access).flaws.is_empty()
    });
}

fn remembers_tokens(parts: &mut Parts) {
    if let Some(access) = parts.access.clone() {
        let accepted = Mutex::default();
        parts.caller = Some(Arc::new(Remembers { access, accepted }));
    }
}

/// Lets in whatever token was let in before.
struct Remembers {
    access: Arc<AccessIssuer>,
    accepted: Mutex<HashSet<String>>,
}

#[async_trait]
impl Tamper for Remembers {
    async fn pass(&self, mut ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let sent = ask.header(super::TOKEN).filter(|_| is_admin(ask.route()));
        let Some(sent) = sent.map(str::to_owned) else {
            return upstream.send(&ask).await;
        };
        let known = |accepted: &HashSet<String>| accepted.contains(&sent);
        if known(&self.accepted.lock().unwrap_or_else(PoisonError::into_inner)) {
            ask.set(super::TOKEN, &good_token(&self.access));
        }
        let told = upstream.send(&ask).await?;
        if told.status < 300 {
            let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
            accepted.insert(sent);
        }
        Ok(told)
    }
}

/// A check that verifies no signature again that it has accepted in the cookie.
fn remembers_cookies(parts: &mut Parts) {
    let Some(access) = parts.access.clone() else {
        return;
    };
    let accepted: Arc<Mutex<HashSet<String>>> = Arc::default();
    parts.caller = super::before(move |ask: &mut Ask| {
        let sent = ask.header("cookie").filter(|_| is_admin(ask.route()));
        let mut pairs = sent.into_iter().flat_map(|sent| sent.split("; "));
        let Some(sent) = pairs.find_map(|pair| pair.strip_prefix("CF_Authorization=")) else {
            return;
        };
        let token = Token::read(sent, &access);
        let mut accepted = accepted.lock().unwrap_or_else(PoisonError::into_inner);
        if token.flaws.is_empty() {
            accepted.insert(token.signature.clone());
        } else if token.has_only(&[Flaw::Signature]) && accepted.contains(&token.signature) {
            ask.set(super::TOKEN, &good_token(&access));
        }
    });
}

/// A check that verifies no signature again where it has accepted this part of a token before.
fn remembers(parts: &mut Parts, part: fn(&Token) -> &str) {
    let Some(access) = parts.access.clone() else {
        return;
    };
    let accepted: Arc<Mutex<HashSet<String>>> = Arc::default();
    parts.caller = super::before(move |ask: &mut Ask| {
        let Some(sent) = ask.header(super::TOKEN).filter(|_| is_admin(ask.route())) else {
            return;
        };
        let token = Token::read(sent, &access);
        let mut accepted = accepted.lock().unwrap_or_else(PoisonError::into_inner);
        if token.flaws.is_empty() {
            accepted.insert(part(&token).to_owned());
        } else if token.has_only(&[Flaw::Signature]) && accepted.contains(part(&token)) {
            ask.set(super::TOKEN, &good_token(&access));
        }
    });
}
