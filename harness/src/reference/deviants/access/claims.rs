//! Checks that read a claim wrongly, or not at all. Never lets a token in whose signature does not hold.

use super::super::{Draft, deviant};
use super::token::{Flaw, Token, now_seconds};
use super::{lets_in, turns_away};
use crate::tamper::Ask;

/// A day of leeway for clocks, for which a minute would do.
const LEEWAY_SECONDS: f64 = 86_400.0;

type Rule = fn(&Token) -> bool;
type Refuses = fn(&Ask, &Token) -> bool;

pub(super) fn all() -> Vec<Draft> {
    let mut all = times();
    all.extend(audiences());
    all.extend(issuers());
    all.extend(others());
    all.extend(of_services());
    all.extend(good_ones_refused());
    all
}

/// Checks that a service's token is spared.
fn of_services() -> Vec<Draft> {
    let all: [(
        &'static str,
        &'static str,
        &'static [&'static str],
        &'static [Flaw],
    ); 7] = [
        (
            "service-tokens-never-expire",
            "When a service's token is over is not looked at",
            &["ACC-003"],
            &[Flaw::Expired],
        ),
        (
            "service-tokens-before-their-time",
            "From when on a service's token is good is not looked at",
            &["ACC-004"],
            &[Flaw::NotYetValid],
        ),
        (
            "service-tokens-of-any-application",
            "For which application a service's token is made is not looked at",
            &["ACC-005"],
            &[Flaw::Audience],
        ),
        (
            "service-tokens-of-any-issuer",
            "By whom a service's token is issued is not looked at",
            &["ACC-006"],
            &[Flaw::Issuer],
        ),
        (
            "service-tokens-unsigned",
            "The signature of a service's token is not looked at",
            &["ACC-007", "ACC-011"],
            &[Flaw::Signature],
        ),
        (
            "service-tokens-of-any-key-id",
            "Which key a service's token names is not looked at",
            &["ACC-010"],
            &[Flaw::KeyId],
        ),
        (
            "service-tokens-without-expiry",
            "A service's token need not say when it is over",
            &["ACC-012"],
            &[Flaw::NoExpiry],
        ),
    ];
    all.into_iter()
        .map(|(id, breaks, expected, spared)| {
            deviant(id, breaks, expected).parts(move |parts| {
                lets_in(parts, move |token| {
                    token.claims["common_name"].is_string() && token.has_only(spared)
                });
            })
        })
        .collect()
}

/// A check that lets in what `accepts` accepts beside good tokens.
fn accepting(
    id: &'static str,
    breaks: &'static str,
    expected: &'static [&'static str],
    accepts: Rule,
) -> Draft {
    deviant(id, breaks, expected).parts(move |parts| lets_in(parts, accepts))
}

fn times() -> Vec<Draft> {
    vec![
        accepting(
            "expiry-unchecked",
            "A token is good for ever",
            &["ACC-003"],
            |token| token.has_only(&[Flaw::Expired]),
        ),
        accepting(
            "expiry-only-when-present",
            "A token without exp is good for ever",
            &["ACC-012"],
            |token| token.has_only(&[Flaw::NoExpiry]),
        ),
        accepting(
            "times-with-a-day-of-leeway",
            "Clocks may be a day apart",
            &["ACC-003", "ACC-004"],
            |token| {
                let seconds = |claim: &str| token.claims[claim].as_f64();
                let near = |at: f64| (at - now_seconds()).abs() < LEEWAY_SECONDS;
                token.has_only(&[Flaw::Expired, Flaw::NotYetValid])
                    && seconds("exp").is_some_and(|exp| exp > now_seconds() || near(exp))
                    && seconds("nbf").is_none_or(|nbf| nbf <= now_seconds() || near(nbf))
            },
        ),
        accepting(
            "times-with-five-minutes-of-leeway",
            "Clocks may be five minutes apart",
            &["ACC-003", "ACC-004"],
            |token| {
                let seconds = |claim: &str| token.claims[claim].as_f64();
                let near = |at: f64| (at - now_seconds()).abs() < 300.0;
                token.has_only(&[Flaw::Expired, Flaw::NotYetValid])
                    && seconds("exp").is_some_and(|exp| exp > now_seconds() || near(exp))
                    && seconds("nbf").is_none_or(|nbf| nbf <= now_seconds() || near(nbf))
            },
        ),
        accepting(
            "not-before-unchecked",
            "A token is good before its time",
            &["ACC-004"],
            |token| token.has_only(&[Flaw::NotYetValid]),
        ),
        accepting(
            "token-judged-at-its-issue",
            "A token is judged as of the time at which it was issued, where that lies ahead",
            &["ACC-004"],
            |token| {
                let issued = token.claims["iat"].as_f64();
                token.has_only(&[Flaw::NotYetValid]) && issued.is_some_and(|at| at > now_seconds())
            },
        ),
    ]
}

fn audiences() -> Vec<Draft> {
    let all: [(&'static str, &'static str, Rule); 5] = [
        (
            "audience-unchecked",
            "A token of the team domain is good for any application",
            |_token| true,
        ),
        (
            "audience-by-substring",
            "A token's audience need only contain ours, as includes() of a text does",
            |token| {
                let aud = token.claims["aud"].as_str();
                aud.is_some_and(|aud| aud.contains(&token.audience))
            },
        ),
        (
            "audience-part-is-enough",
            "A token's audience need only be a part of ours",
            |token| {
                let mut all = token.audiences().into_iter();
                all.any(|aud| !aud.is_empty() && token.audience.contains(aud))
            },
        ),
        (
            "audience-only-when-present",
            "A token without audience is good for every application",
            |token| token.claims["aud"].is_null(),
        ),
        (
            "audience-of-an-empty-list",
            "Every audience of a token must be ours, which holds of none at all",
            |token| token.claims["aud"].as_array().is_some_and(Vec::is_empty),
        ),
    ];
    all.into_iter()
        .map(|(id, breaks, accepts)| {
            deviant(id, breaks, &["ACC-005"]).parts(move |parts| {
                lets_in(parts, move |token| {
                    token.has_only(&[Flaw::Audience]) && accepts(token)
                });
            })
        })
        .collect()
}

fn issuers() -> Vec<Draft> {
    let all: [(&'static str, &'static str, Rule); 7] = [
        (
            "issuer-of-any-access-team",
            "Whatever team Access names as the issuer is taken for ours, whose domain may be a custom one",
            |token| {
                let host = token.claims["iss"]
                    .as_str()
                    .and_then(|iss| iss.strip_prefix("https://"));
                let team = host.and_then(|host| host.strip_suffix(".cloudflareaccess.com"));
                team.is_some_and(|team| !team.contains(['/', '.']))
            },
        ),
        (
            "issuer-by-its-ending",
            "A token's issuer need only end as ours does",
            |token| {
                let host = token.issuer.split_once("://").map(|(_, host)| host);
                let iss = token.claims["iss"].as_str();
                iss.zip(host).is_some_and(|(iss, host)| iss.ends_with(host))
            },
        ),
        (
            "issuer-at-any-port",
            "Of a token's issuer the port is not looked at",
            |token| {
                let address = |text: &str| {
                    let url = url::Url::parse(text).ok()?;
                    let plain = url.path() == "/" && url.query().is_none();
                    plain.then(|| (url.scheme().to_owned(), url.host_str().map(str::to_owned)))
                };
                let iss = token.claims["iss"].as_str();
                iss.is_some_and(|iss| {
                    address(iss).is_some() && address(iss) == address(&token.issuer)
                })
            },
        ),
        (
            "issuer-by-host",
            "Of a token's issuer the host is looked at, and nothing else",
            |token| {
                let host = |origin: &str| {
                    let rest = origin.split_once("://").map_or(origin, |(_, rest)| rest);
                    rest.split('/').next().map(str::to_owned)
                };
                let iss = token.claims["iss"].as_str();
                iss.is_some_and(|iss| host(iss) == host(&token.issuer))
            },
        ),
        (
            "issuer-unchecked",
            "A token may name any issuer",
            |_token| true,
        ),
        (
            "issuer-by-prefix",
            "A token's issuer need only begin with ours",
            |token| {
                let iss = token.claims["iss"].as_str();
                iss.is_some_and(|iss| iss.starts_with(&token.issuer))
            },
        ),
        (
            "issuer-only-when-present",
            "A token without issuer is taken for ours",
            |token| token.claims["iss"].is_null(),
        ),
    ];
    all.into_iter()
        .map(|(id, breaks, accepts)| {
            deviant(id, breaks, &["ACC-006"]).parts(move |parts| {
                lets_in(parts, move |token| {
                    token.has_only(&[Flaw::Issuer]) && accepts(token)
                });
            })
        })
        .collect()
}

fn others() -> Vec<Draft> {
    vec![
        accepting(
            "org-token-accepted",
            "The team's session token opens this application too",
            &["ACC-012"],
            |token| token.has_only(&[Flaw::Kind]),
        ),
        accepting(
            "token-of-any-size",
            "A token of any size is read and checked",
            &["ACC-012"],
            |token| token.has_only(&[Flaw::Size]),
        ),
        accepting(
            "token-of-64-kib",
            "A token is read and checked up to a length of 64 KiB, and refused beyond",
            &["ACC-012"],
            |token| token.has_only(&[Flaw::Size]) && token.length <= 64 * 1024,
        ),
    ]
}

fn good_ones_refused() -> Vec<Draft> {
    let all: [(_, _, &'static [&'static str], Refuses); 9] = [
        (
            "token-of-this-second-refused",
            "A token is refused in the second in which it was issued",
            &["ACC-002"],
            |_ask, token| {
                let not_before = token.claims["nbf"].as_f64();
                not_before.is_some_and(|at| at >= now_seconds().floor())
            },
        ),
        (
            "custom-claims-refused",
            "A token with claims of the team's identity provider is refused",
            &["ACC-002"],
            |_ask, token| !token.claims["custom"].is_null(),
        ),
        (
            "token-of-yesterday-refused",
            "A token that was issued more than a day ago is refused, however long its session is",
            &["ACC-002"],
            |_ask, token| {
                let issued_at = token.claims["iat"].as_f64();
                issued_at.is_some_and(|at| at < now_seconds() - LEEWAY_SECONDS)
            },
        ),
        (
            "audience-must-be-a-list",
            "A token whose audience is a text is refused",
            &["ACC-014"],
            |_ask, token| token.claims["aud"].is_string(),
        ),
        (
            "audience-first-of-list-only",
            "Only the first audience of a token is looked at",
            &["ACC-014"],
            |_ask, token| {
                let first = token.audiences().first().map(|aud| (*aud).to_owned());
                first.as_ref() != Some(&token.audience)
            },
        ),
        (
            "service-token-refused",
            "A token must name an email, which service tokens do not",
            &["ACC-014"],
            |_ask, token| token.claims["email"].is_null(),
        ),
        (
            "not-before-required",
            "A token must say from when on it is good, which service tokens do not",
            &["ACC-014"],
            |_ask, token| token.claims["nbf"].is_null(),
        ),
        (
            "operators-on-the-app-domain-only",
            "A good token is refused on hosts that are not below the app domain",
            &["ACC-002"],
            |ask, _token| {
                let host = ask.host();
                !host.contains("moltworker.example") && !host.starts_with("127.")
            },
        ),
        (
            "operators-may-not-patch",
            "A good token is refused for PATCH, which the check does not know",
            &["ACC-002"],
            |ask, _token| ask.method == "PATCH",
        ),
    ];
    all.into_iter()
        .map(|(id, breaks, expected, refuses)| {
            deviant(id, breaks, expected).parts(move |parts| turns_away(parts, refuses))
        })
        .collect()
}
