//! Names that an operator gives a tenant: slug, platform, custom domains. Never says whether a name is taken.

use super::hostname::HostName;

/// Labels that a tenant may not have, since the platform's own hosts and sandbox ids use them.
const RESERVED: [&str; 7] = [
    "www",
    "api",
    "admin",
    "root",
    "system",
    "cloudflare",
    "workers",
];
/// Most custom domains of one tenant.
const DOMAINS_MAX: usize = 20;
/// Longest platform name; also the longest metadata value.
const PLATFORM_LEN_MAX: usize = 64;

/// A field of an operator's request that breaks its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} is not valid")]
pub struct InvalidName {
    /// The field as it is called in the request.
    pub field: &'static str,
    /// What is asked for.
    pub rule: &'static str,
}

/// A tenant's subdomain label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug(String);

impl Slug {
    /// Parses `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`, not a reserved word.
    ///
    /// # Errors
    /// [`InvalidName`] for any other text.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let well_formed = (1..=63).contains(&text.len())
            && text.bytes().all(inner)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if !well_formed || RESERVED.contains(&text) {
            return Err(InvalidName {
                field: "slug",
                rule: "1 to 63 lower-case letters, digits and inner hyphens, not a reserved word",
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The label, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// The product surface a tenant belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform(String);

impl Platform {
    /// Parses `^[a-z0-9][a-z0-9._-]{0,63}$`.
    ///
    /// # Errors
    /// [`InvalidName`] for any other text.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let inner = |byte: u8| letter(byte) || matches!(byte, b'.' | b'_' | b'-');
        let well_formed = (1..=PLATFORM_LEN_MAX).contains(&text.len())
            && text.bytes().all(inner)
            && text.bytes().next().is_some_and(letter);
        if !well_formed {
            return Err(InvalidName {
                field: "platform",
                rule: "1 to 64 lower-case letters, digits, dots, underscores and hyphens, a letter or digit first",
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The name, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl Default for Platform {
    fn default() -> Self {
        Self("web".to_owned())
    }
}

/// The custom host names of one tenant: distinct, ASCII, none at or below the app domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomDomains(Vec<String>);

impl CustomDomains {
    /// Parses at most 20 host names and brings them into the form in which hosts are compared.
    ///
    /// # Errors
    /// [`InvalidName`] if there are too many, or one is malformed, given twice, or belongs to the platform.
    pub fn parse(texts: &[String], app_domain: Option<&HostName>) -> Result<Self, InvalidName> {
        let invalid = InvalidName {
            field: "domains",
            rule: "at most 20 distinct host names in ASCII of two labels or more, without port, outside the app domain",
        };
        if texts.len() > DOMAINS_MAX {
            return Err(invalid);
        }
        let mut domains: Vec<String> = Vec::with_capacity(texts.len());
        for text in texts {
            let domain = parse_domain(text).ok_or(invalid)?;
            let ours =
                app_domain.is_some_and(|app_domain| is_at_or_below(&domain, app_domain.as_str()));
            if ours || domains.contains(&domain) {
                return Err(invalid);
            }
            domains.push(domain);
        }
        Ok(Self(domains))
    }

    /// The names, owned.
    #[must_use]
    pub fn into_vec(self) -> Vec<String> {
        self.0
    }
}

fn parse_domain(text: &str) -> Option<String> {
    if text.contains([':', '[', '_']) {
        return None;
    }
    let host = HostName::parse(text.as_bytes()).ok()?;
    let labels: Vec<&str> = host.as_str().split('.').collect();
    let hyphens_inside = labels
        .iter()
        .all(|label| !label.starts_with('-') && !label.ends_with('-'));
    // A last label of digits would be an IPv4 address to every URL parser.
    let top_is_a_name = labels
        .last()
        .is_some_and(|top| !top.bytes().all(|byte| byte.is_ascii_digit()));
    (labels.len() >= 2 && hyphens_inside && top_is_a_name).then(|| host.as_str().to_owned())
}

fn is_at_or_below(domain: &str, app_domain: &str) -> bool {
    domain
        .strip_suffix(app_domain)
        .is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_one_dns_label_and_no_reserved_word() {
        for slug in ["a", "tenant-a", "0", &"a".repeat(63)] {
            assert!(Slug::parse(slug).is_ok(), "{slug}");
        }
        for slug in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a.b",
            "ä",
            "www",
            "admin",
            &"a".repeat(64),
        ] {
            assert!(Slug::parse(slug).is_err(), "{slug}");
        }
    }

    #[test]
    fn a_platform_may_be_a_domain() {
        for platform in ["web", "partner_api", "example.com", "0-a"] {
            assert!(Platform::parse(platform).is_ok(), "{platform}");
        }
        for platform in ["", ".a", "Web", "a b", &"a".repeat(65)] {
            assert!(Platform::parse(platform).is_err(), "{platform}");
        }
    }

    #[test]
    fn custom_domains_are_distinct_and_not_ours() {
        let app_domain = HostName::parse(b"app.test").unwrap();
        let parse = |domains: &[&str]| {
            let texts: Vec<String> = domains.iter().map(|&domain| domain.to_owned()).collect();
            CustomDomains::parse(&texts, Some(&app_domain))
        };
        assert_eq!(
            parse(&["Chat.Example.", "xn--mnchen-3ya.de"])
                .unwrap()
                .into_vec(),
            ["chat.example", "xn--mnchen-3ya.de"]
        );
        assert!(parse(&["evilapp.test"]).is_ok());
        for domains in [
            &["single"][..],
            &["a.test:80"],
            &["münchen.de"],
            &["app.test"],
            &["x.app.test"],
            &["127.0.0.1"],
            &["a.example", "A.example"],
            &["-a.example"],
            &["a_b.example"],
            &[""],
        ] {
            assert!(parse(domains).is_err(), "{domains:?}");
        }
        assert!(CustomDomains::parse(&vec!["a.example".to_owned(); 21], None).is_err());
    }
}
