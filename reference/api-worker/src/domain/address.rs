//! Where webhooks may go: public addresses by https, and what is allowed by name. Never resolves a name.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// Longest URL.
const URL_CHARS_MAX: usize = 2_000;

/// `host:port` pairs that webhooks may go to although they are private: for tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(BTreeSet<(String, u16)>);

impl Allowed {
    /// Reads a list separated by commas; `None` if one of them is no `host:port`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let pair = |part: &str| {
            let url = Url::parse(&format!("http://{part}/")).ok()?;
            let (_, port) = part.rsplit_once(':')?;
            Some((url.host_str()?.to_owned(), port.parse().ok()?))
        };
        parts.map(pair).collect::<Option<_>>().map(Self)
    }

    fn has(&self, url: &Url) -> bool {
        let host = url.host_str().map(str::to_owned);
        host.zip(url.port_or_known_default())
            .is_some_and(|pair| self.0.contains(&pair))
    }
}

/// An address that a webhook may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// It.
    pub url: Url,
    /// Whether its addresses are checked: not of what is allowed by name.
    pub is_checked: bool,
}

impl Endpoint {
    /// Reads a URL; `None` if no webhook may go there, as far as its text tells.
    #[must_use]
    pub fn parse(text: &str, allowed: &Allowed) -> Option<Self> {
        if text.chars().count() > URL_CHARS_MAX {
            return None;
        }
        let url = Url::parse(text).ok()?;
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        if allowed.has(&url) && matches!(url.scheme(), "http" | "https") {
            return Some(Self {
                url,
                is_checked: false,
            });
        }
        let public = match url.host()? {
            Host::Ipv4(ip) => is_public(IpAddr::V4(ip)),
            Host::Ipv6(ip) => is_public(IpAddr::V6(ip)),
            Host::Domain(name) => is_public_name(name),
        };
        (url.scheme() == "https" && public).then_some(Self {
            url,
            is_checked: true,
        })
    }
}

fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let local = ["localhost", "local", "internal"];
    let is_local = |suffix: &&str| name == *suffix || name.ends_with(&format!(".{suffix}"));
    !name.is_empty() && !local.iter().any(is_local)
}

/// Whether an address is one that the public internet reaches.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    let shared = first == 100 && (64..128).contains(&second);
    // 0.0.0.0/8 is this host, 240.0.0.0/4 is reserved and holds the broadcast address.
    let special = first == 0 || first >= 240;
    !(ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || shared
        || special)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(inner) = embedded_v4(ip) {
        return is_public_v4(inner);
    }
    let first = ip.segments()[0];
    let unique_local = first & 0xfe00 == 0xfc00;
    let link_local = first & 0xffc0 == 0xfe80;
    let site_local = first & 0xffc0 == 0xfec0;
    !(ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || unique_local
        || link_local
        || site_local)
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, translated (`64:ff9b::/96`) or 6to4 (`2002::/16`).
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = ip.segments();
    let at = |place: usize| {
        let ([one, two], [three, four]) = (
            segments[place].to_be_bytes(),
            segments[place + 1].to_be_bytes(),
        );
        Some(Ipv4Addr::new(one, two, three, four))
    };
    match segments {
        // The unspecified address and the loopback are no compatible ones.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => at(6),
        [0x2002, ..] => at(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(text: &str, allowed: &str) -> bool {
        Endpoint::parse(text, &Allowed::parse(allowed).unwrap()).is_some()
    }

    #[test]
    fn public_addresses_by_https_are_allowed() {
        for text in [
            "https://example.com/hook",
            "https://8.8.8.8/",
            "https://[2606:4700::1]:8443/x?y=z",
            "https://172.32.0.1/",
            "https://100.128.0.1/",
        ] {
            assert!(may(text, ""), "{text}");
        }
    }

    #[test]
    fn private_addresses_are_refused_however_they_are_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[::7f00:1]",
            "[fc00::1]",
            "[fd12::1]",
            "[fe80::1]",
            "[ff02::1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
        ] {
            assert!(!may(&format!("https://{host}/hook"), ""), "{host}");
        }
    }

    #[test]
    fn other_schemes_and_credentials_are_refused() {
        for text in [
            "http://example.com/",
            "ftp://example.com/",
            "https://user@example.com/",
            "https://:pw@example.com/",
            "example.com",
            "https://",
            "javascript:1",
            "",
        ] {
            assert!(!may(text, ""), "{text}");
        }
        assert!(!may(
            &format!("https://example.com/{}", "x".repeat(2_000)),
            ""
        ));
    }

    #[test]
    fn what_is_allowed_by_name_is_allowed_on_that_port_only() {
        assert!(may("http://127.0.0.1:4711/hook", "127.0.0.1:4711"));
        assert!(may("http://localhost:80/hook", " localhost:80 , [::1]:5"));
        assert!(may("http://[::1]:5/hook", "localhost:80,[::1]:5"));
        assert!(!may("http://127.0.0.1:4712/hook", "127.0.0.1:4711"));
        assert!(!may("http://a:b@127.0.0.1:4711/hook", "127.0.0.1:4711"));
        assert_eq!(Allowed::parse("127.0.0.1"), None);
    }
}
