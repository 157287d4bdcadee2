//! Host names of requests and what tenant name they carry. Never asks a registry.

use std::fmt;

/// Longest host name of DNS in text form (RFC 1035, without the trailing dot).
const HOST_LEN_MAX: usize = 253;
/// Longest label of DNS (RFC 1035).
const LABEL_LEN_MAX: usize = 63;

/// The text is no host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a host name")]
pub struct InvalidHost;

/// A host name in the form in which it is compared: lower-case, without port and trailing dot, Punycode left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// Parses a `Host` header or the authority of a request target (RES-006, RES-016, SEC-001).
    ///
    /// # Errors
    /// [`InvalidHost`] for anything that is neither a DNS name nor an IP literal, with an optional port.
    pub fn parse(authority: &[u8]) -> Result<Self, InvalidHost> {
        if authority.first() == Some(&b'[') {
            return Self::parse_ip_literal(authority);
        }
        let name = match authority.iter().position(|byte| *byte == b':') {
            Some(colon) => {
                check_port(&authority[colon + 1..])?;
                &authority[..colon]
            }
            None => authority,
        };
        let name = name.strip_suffix(b".").unwrap_or(name);
        if name.is_empty() || name.len() > HOST_LEN_MAX {
            return Err(InvalidHost);
        }
        let mut text = String::with_capacity(name.len());
        let mut label_len = 0;
        for byte in name {
            match byte {
                b'.' if label_len == 0 => return Err(InvalidHost),
                b'.' => label_len = 0,
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_'
                    if label_len < LABEL_LEN_MAX =>
                {
                    label_len += 1;
                }
                _ => return Err(InvalidHost),
            }
            text.push(char::from(byte.to_ascii_lowercase()));
        }
        if label_len == 0 {
            return Err(InvalidHost);
        }
        Ok(Self(text))
    }

    fn parse_ip_literal(authority: &[u8]) -> Result<Self, InvalidHost> {
        let text = std::str::from_utf8(authority).map_err(|_source| InvalidHost)?;
        let (literal, rest) = text[1..].split_once(']').ok_or(InvalidHost)?;
        if let Some(port) = rest.strip_prefix(':') {
            check_port(port.as_bytes())?;
        } else if !rest.is_empty() {
            return Err(InvalidHost);
        }
        let address: std::net::Ipv6Addr = literal.parse().map_err(|_source| InvalidHost)?;
        Ok(Self(format!("[{address}]")))
    }

    /// The comparable text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_port(port: &[u8]) -> Result<(), InvalidHost> {
    // RFC 3986 allows an empty port; anything else must fit a TCP port.
    if port.is_empty() {
        return Ok(());
    }
    let text = std::str::from_utf8(port).map_err(|_source| InvalidHost)?;
    let digits_only = port.iter().all(u8::is_ascii_digit);
    if digits_only && text.parse::<u16>().is_ok() {
        Ok(())
    } else {
        Err(InvalidHost)
    }
}

/// What a host name asks the registry for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostMeaning<'a> {
    /// Exactly one label below the app domain.
    Slug(&'a str),
    /// A host name elsewhere: a custom domain, if the registry knows it.
    Custom(&'a str),
    /// The app domain itself, or a deeper name below it: no tenant, whatever the registry says (RES-008).
    Nobody,
}

/// Reads a host name against the app domain. Without an app domain every host is a custom one.
#[must_use]
pub fn meaning<'a>(host: &'a HostName, app_domain: Option<&HostName>) -> HostMeaning<'a> {
    let host = host.as_str();
    let Some(app_domain) = app_domain else {
        return HostMeaning::Custom(host);
    };
    let Some(below) = host.strip_suffix(app_domain.as_str()) else {
        return HostMeaning::Custom(host);
    };
    match below.strip_suffix('.') {
        Some(label) if label.contains('.') => HostMeaning::Nobody,
        Some(label) => HostMeaning::Slug(label),
        None if below.is_empty() => HostMeaning::Nobody,
        // `tenant-a.evil<APP_DOMAIN>`: the suffix matches in the middle of a label (RES-009).
        None => HostMeaning::Custom(host),
    }
}

/// An `X-Tenant-Override` that is not letters, digits and hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a tenant override")]
pub struct MalformedOverride;

/// The slug that an `X-Tenant-Override` names, lower-case (RES-003, RES-007).
///
/// # Errors
/// [`MalformedOverride`] for an empty value, one longer than a label, or one with any other character.
pub fn override_slug(value: &[u8]) -> Result<String, MalformedOverride> {
    let allowed = value
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    if !allowed || value.is_empty() || value.len() > LABEL_LEN_MAX {
        return Err(MalformedOverride);
    }
    Ok(value
        .iter()
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, expected: HostMeaning<'_>) {
        let app_domain = HostName::parse(b"app.example.test").unwrap();
        let host = HostName::parse(host.as_bytes()).unwrap();
        assert_eq!(meaning(&host, Some(&app_domain)), expected, "{host}");
    }

    #[test]
    fn one_label_below_the_app_domain_is_a_slug() {
        check("tenant-a.app.example.test", HostMeaning::Slug("tenant-a"));
        check(
            "Tenant-A.APP.example.TEST:8443",
            HostMeaning::Slug("tenant-a"),
        );
        check("tenant-a.app.example.test.", HostMeaning::Slug("tenant-a"));
        check(
            "tenant-a.app.example.test.:80",
            HostMeaning::Slug("tenant-a"),
        );
    }

    #[test]
    fn the_app_domain_and_deeper_names_are_nobody() {
        check("app.example.test", HostMeaning::Nobody);
        check("a.b.app.example.test", HostMeaning::Nobody);
    }

    #[test]
    fn look_alikes_are_custom_hosts() {
        check(
            "tenant-a.evilapp.example.test",
            HostMeaning::Custom("tenant-a.evilapp.example.test"),
        );
        check(
            "app.example.test.evil.example",
            HostMeaning::Custom("app.example.test.evil.example"),
        );
        check(
            "xn--mnchen-3ya.de",
            HostMeaning::Custom("xn--mnchen-3ya.de"),
        );
        check("[::1]:80", HostMeaning::Custom("[::1]"));
    }

    #[test]
    fn hostile_hosts_are_refused() {
        let long_label = format!("{}.test", "a".repeat(64));
        let long_name = "a.".repeat(127) + "a";
        for host in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a.test..",
            ":80",
            "a.test:x",
            "a.test:65536",
            "a.test:80:80",
            "<script>alert(1)</script>.com",
            "a b",
            "a\u{0}b",
            "münchen.de",
            "user@a.test",
            "a.test/x",
            "[::1",
            "[zz]",
            "[::1]x",
            &long_label,
            &long_name,
        ] {
            assert_eq!(
                HostName::parse(host.as_bytes()),
                Err(InvalidHost),
                "{host:?}"
            );
        }
    }

    #[test]
    fn an_override_is_letters_digits_and_hyphens() {
        assert_eq!(override_slug(b"Tenant-B"), Ok("tenant-b".to_owned()));
        for value in ["", "a.b", "a_b", "a b", "../a", "a;b", "ä"] {
            assert_eq!(
                override_slug(value.as_bytes()),
                Err(MalformedOverride),
                "{value:?}"
            );
        }
    }
}
