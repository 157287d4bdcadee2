//! Whether an address looks like staging. Never asks anybody: the name alone counts.

use std::net::IpAddr;

/// Words that say of a host that it is not production.
const STAGING_WORDS: [&str; 11] = [
    "staging",
    "stage",
    "stg",
    "preview",
    "dev",
    "develop",
    "development",
    "test",
    "testing",
    "qa",
    "sandbox",
];

/// Domains that nobody owns, or that never leave a local network (RFC 2606, RFC 6761, RFC 6762, RFC 8375).
const LOCAL_DOMAINS: [&str; 7] = [
    "test",
    "example",
    "invalid",
    "localhost",
    "local",
    "internal",
    "home.arpa",
];

/// Whether the host of an address is local, or its name says that it is not production.
pub(super) fn looks_like_staging(address: &str) -> bool {
    let Ok(url) = url::Url::parse(address) else {
        return false;
    };
    match url.host() {
        Some(url::Host::Ipv4(ip)) => is_local(IpAddr::V4(ip)),
        Some(url::Host::Ipv6(ip)) => is_local(IpAddr::V6(ip)),
        Some(url::Host::Domain(name)) => is_staging_name(name.trim_end_matches('.')),
        None => false,
    }
}

fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn is_staging_name(name: &str) -> bool {
    let local = |domain: &str| {
        name == domain
            || name
                .strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    let labels: Vec<&str> = name.split('.').collect();
    // A name without a dot is of a local network. The registered domain says nothing: somebody's production may be called `dev.example.dev`.
    if labels.len() == 1 || LOCAL_DOMAINS.into_iter().any(local) {
        return true;
    }
    labels[..labels.len() - 2]
        .iter()
        .flat_map(|label| label.split('-'))
        .any(|word| STAGING_WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, staging: bool) {
        assert_eq!(looks_like_staging(address), staging, "{address}");
    }

    #[test]
    fn local_addresses_and_names_that_say_staging_pass() {
        for address in [
            "http://127.0.0.1:8787",
            "http://localhost:8787",
            "http://[::1]:8787",
            "http://10.1.2.3",
            "http://192.168.1.2",
            "http://web:8787",
            "https://staging.acme.com",
            "https://api-staging.acme.com",
            "https://pr-12-preview.acme.com",
            "https://dev.acme.co",
            "https://worker-test.team.workers.dev",
            "https://app.moltworker.example",
            "https://app.acme.test",
            "http://box.local",
        ] {
            check(address, true);
        }
    }

    #[test]
    fn whatever_may_be_production_does_not_pass() {
        for address in [
            "https://acme.com",
            "https://www.acme.com",
            "https://api.acme.dev",
            "https://acme.team.workers.dev",
            "https://staging.com",
            "https://latest.acme.com",
            "https://devices.acme.com",
            "https://8.8.8.8",
            "https://[2606:4700::1111]",
            "https://acme.example.com",
            "https://contest.acme.com",
        ] {
            check(address, false);
        }
    }
}
