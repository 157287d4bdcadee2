//! Deviants that take a webhook to one kind of private address, or to one spelling of them. Never more than that kind.

use super::{Answered, Asked, Deviant, Instead, Memory};

/// What is taken, and whether a host is of it.
type Kind = (&'static str, fn(&str) -> bool);

const KINDS: [Kind; 18] = [
    ("a webhook to the loopback network is taken", |host| {
        host.starts_with("127.")
    }),
    (
        "a webhook to the largest private network is taken",
        |host| host.starts_with("10."),
    ),
    ("a webhook to the second private network is taken", |host| {
        host.starts_with("172.")
    }),
    ("a webhook to a link-local address is taken", |host| {
        host.starts_with("169.254.")
    }),
    ("a webhook to a shared address is taken", |host| {
        host.starts_with("100.")
    }),
    ("a webhook to the unspecified address is taken", |host| {
        ["0", "0.0.0.0", "0.0.0.0."].contains(&host)
    }),
    ("a webhook to a multicast address is taken", |host| {
        host.starts_with("224.") || host.starts_with("239.")
    }),
    ("a webhook to a shortened address is taken", |host| {
        is_dotted(host) && host.split('.').count() < 4
    }),
    ("a webhook to an address as one number is taken", |host| {
        host.len() > 1 && host.bytes().all(|byte| byte.is_ascii_digit())
    }),
    ("a webhook to an octal address is taken", |host| {
        let is_octal = |part: &str| part.len() > 1 && part.starts_with('0');
        is_dotted(host) && host.split('.').any(is_octal)
    }),
    ("a webhook to a hexadecimal address is taken", |host| {
        host.to_ascii_lowercase().contains("0x")
    }),
    ("a webhook to an address in other digits is taken", |host| {
        host.contains('%') || !host.is_ascii()
    }),
    ("a webhook to a name of this host is taken", |host| {
        host.trim_end_matches('.')
            .to_ascii_lowercase()
            .ends_with("localhost")
    }),
    ("a webhook to the loopback of IPv6 is taken", |host| {
        ["[::1]", "[0:0:0:0:0:0:0:1]"].contains(&host)
    }),
    (
        "a webhook to a link-local address of IPv6 is taken",
        |host| host.starts_with("[fe"),
    ),
    ("a webhook to a unique local address is taken", |host| {
        host.starts_with("[fc") || host.starts_with("[fd")
    }),
    (
        "a webhook to a multicast address of IPv6 is taken",
        |host| host.starts_with("[ff"),
    ),
    ("a webhook to a mapped address is taken", |host| {
        host.starts_with('[')
            && host.to_ascii_lowercase().contains(":ffff:")
            && !host.starts_with("[fd")
    }),
];

/// Whether a host is numbers with dots between them.
fn is_dotted(host: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    host.contains('.') && host.split('.').all(is_number)
}

/// The path of a URL.
fn path_of(url: &str) -> Option<&str> {
    let (_, behind) = url.split_once("://")?;
    behind.split_once('/').map(|(_, path)| path)
}

/// Where each path was taken.
fn remember_endpoints(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    let body = answered.json();
    let path = body["url"].as_str().and_then(path_of);
    if let Some(path) = path.filter(|_| asked.is("POST", "/api/admin/webhooks")) {
        memory.put(format!("endpoint {path}"), body["url"].clone());
    }
}

/// Puts an endpoint that was taken in the place of such an address with the same path.
fn taken<const KIND: usize>(asked: &mut Asked, memory: &Memory) -> Instead {
    let (_, is_of_it) = KINDS[KIND];
    if asked.is("POST", "/api/admin/webhooks") {
        asked.change(|body| {
            let url = body["url"].as_str().unwrap_or_default();
            let host = url
                .strip_prefix("https://")
                .and_then(|url| url.split('/').next());
            let endpoint = memory.get(&format!("endpoint {}", path_of(url).unwrap_or_default()));
            if host.is_some_and(is_of_it) && endpoint.is_string() {
                body["url"] = endpoint;
            }
        });
    }
    Instead::Forward
}

const fn deviant<const KIND: usize>() -> Deviant {
    Deviant {
        breaks: "API-010",
        name: KINDS[KIND].0,
        on_request: taken::<KIND>,
        on_answer: remember_endpoints,
    }
}

/// One for each kind.
pub(super) const DEVIANTS: [Deviant; KINDS.len()] = [
    deviant::<0>(),
    deviant::<1>(),
    deviant::<2>(),
    deviant::<3>(),
    deviant::<4>(),
    deviant::<5>(),
    deviant::<6>(),
    deviant::<7>(),
    deviant::<8>(),
    deviant::<9>(),
    deviant::<10>(),
    deviant::<11>(),
    deviant::<12>(),
    deviant::<13>(),
    deviant::<14>(),
    deviant::<15>(),
    deviant::<16>(),
    deviant::<17>(),
];
