//! Configuration from named variables, checked as a whole. Never shows a value, since some are secrets.

mod variables;

pub use variables::{VARIABLES, Variable};

use crate::domain::hostname::HostName;
use secrecy::SecretString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// One malformed variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub name: &'static str,
    /// What it must be instead.
    pub expected: &'static str,
}

/// Every malformed variable, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Misconfiguration {
    /// In the order in which the variables are read.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Misconfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(
                f,
                "{separator}{}: set it to {}",
                problem.name, problem.expected
            )?;
        }
        Ok(())
    }
}

/// Requests per window and tier (RL-009).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Free tier, and every client ip without a tenant.
    pub free: u32,
    /// Premium tier.
    pub premium: u32,
    /// Enterprise tier.
    pub enterprise: u32,
    /// Length of the window.
    pub period: Duration,
}

/// Cloudflare Access.
#[derive(Debug, Clone, Default)]
pub struct AccessConfig {
    /// Origin of the team domain, which is also the tokens' issuer.
    pub team_origin: Option<Url>,
    /// Audience tag.
    pub audience: Option<String>,
    /// How long a key set is trusted.
    pub keys_cache: Duration,
    /// Least time between fetches that unknown key ids cause.
    pub keys_cooldown: Duration,
}

/// Cloudflare AI Gateway.
#[derive(Debug, Clone, Default)]
pub struct AiGatewayConfig {
    /// `AI_GATEWAY_BASE_URL`, or made of account and gateway id.
    pub base_url: Option<Url>,
    /// Shown as redacted by `Debug`.
    pub api_key: Option<SecretString>,
}

/// The backend's configuration. What is required and missing is no error here: the backend answers 503 and names it.
#[derive(Debug, Clone)]
pub struct Config {
    /// SQLite file for D1.
    pub tenant_db: Option<PathBuf>,
    /// SQLite file for KV.
    pub tenant_kv: Option<PathBuf>,
    /// Directory for R2.
    pub moltbot_bucket: Option<PathBuf>,
    /// Base domain of tenant subdomains.
    pub app_domain: Option<HostName>,
    /// Development.
    pub dev_mode: bool,
    /// Cloudflare Access.
    pub access: AccessConfig,
    /// Cloudflare AI Gateway.
    pub ai_gateway: AiGatewayConfig,
    /// Rate limits.
    pub quotas: Quotas,
}

impl Config {
    /// Reads the variables that `lookup` knows; an empty value counts as unset.
    ///
    /// # Errors
    /// [`Misconfiguration`] with every malformed variable.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Misconfiguration> {
        let mut vars = Reader {
            lookup: &lookup,
            problems: Vec::new(),
        };
        let config = Self {
            tenant_db: vars.text("TENANT_DB").map(PathBuf::from),
            tenant_kv: vars.text("TENANT_KV").map(PathBuf::from),
            moltbot_bucket: vars.text("MOLTBOT_BUCKET").map(PathBuf::from),
            app_domain: vars.parsed("APP_DOMAIN", "a host name without scheme and port", parse_app_domain),
            dev_mode: vars.text("DEV_MODE").as_deref() == Some("true"),
            access: AccessConfig {
                team_origin: vars.parsed(
                    "CF_ACCESS_TEAM_DOMAIN",
                    "a host (team.cloudflareaccess.com) or an origin (https://host[:port]) without path",
                    parse_origin,
                ),
                audience: vars.text("CF_ACCESS_AUD"),
                keys_cache: vars.seconds("CF_ACCESS_KEYS_CACHE_SECONDS", 300),
                keys_cooldown: vars.seconds("CF_ACCESS_KEYS_COOLDOWN_SECONDS", 30),
            },
            ai_gateway: vars.ai_gateway(),
            quotas: vars.quotas(),
        };
        if vars.problems.is_empty() {
            Ok(config)
        } else {
            Err(Misconfiguration {
                problems: vars.problems,
            })
        }
    }

    /// Reads the process environment.
    ///
    /// # Errors
    /// [`Misconfiguration`] with every malformed variable.
    pub fn from_env() -> Result<Self, Misconfiguration> {
        #[expect(
            clippy::disallowed_methods,
            reason = "config is the module that reads the environment"
        )]
        Self::from_vars(|name| std::env::var(name).ok())
    }
}

struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    fn parsed<T>(
        &mut self,
        name: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.problems.push(Problem { name, expected });
        }
        value
    }

    fn seconds(&mut self, name: &'static str, default: u64) -> Duration {
        let parse = |text: &str| text.parse().ok().filter(|seconds| *seconds <= 86_400);
        Duration::from_secs(
            self.parsed(name, "a whole number of seconds, 0 to 86400", parse)
                .unwrap_or(default),
        )
    }

    fn quotas(&mut self) -> Quotas {
        let count = |text: &str| {
            text.parse()
                .ok()
                .filter(|count| (1..=1_000_000).contains(count))
        };
        let expected = "a whole number of requests, 1 to 1000000";
        let free: u32 = self
            .parsed("PUBLIC_RATE_LIMIT_MAX", expected, count)
            .unwrap_or(60);
        let premium = self.parsed("PUBLIC_RATE_LIMIT_MAX_PREMIUM", expected, count);
        let enterprise = self.parsed("PUBLIC_RATE_LIMIT_MAX_ENTERPRISE", expected, count);
        let window = |text: &str| {
            text.parse()
                .ok()
                .filter(|seconds| (1..=86_400).contains(seconds))
        };
        let period = self.parsed(
            "PUBLIC_RATE_LIMIT_WINDOW_SECONDS",
            "a whole number of seconds, 1 to 86400",
            window,
        );
        Quotas {
            free,
            premium: premium.unwrap_or(free.saturating_mul(10)),
            enterprise: enterprise.unwrap_or(free.saturating_mul(20)),
            period: Duration::from_secs(period.unwrap_or(60)),
        }
    }

    fn ai_gateway(&mut self) -> AiGatewayConfig {
        let base_url = self.parsed(
            "AI_GATEWAY_BASE_URL",
            "an http or https address without query",
            parse_base_url,
        );
        let id = "letters, digits, hyphens and underscores, at most 64";
        let account = self.parsed("CF_AI_GATEWAY_ACCOUNT_ID", id, parse_id);
        let gateway = self.parsed("CF_AI_GATEWAY_GATEWAY_ID", id, parse_id);
        let from_ids = account.zip(gateway).and_then(|(account, gateway)| {
            Url::parse(&format!(
                "https://gateway.ai.cloudflare.com/v1/{account}/{gateway}"
            ))
            .ok()
        });
        let api_key = self.parsed(
            "CLOUDFLARE_AI_GATEWAY_API_KEY",
            "the key alone: visible ASCII, no blanks",
            |text| {
                text.bytes()
                    .all(|byte| byte.is_ascii_graphic())
                    .then(|| SecretString::from(text))
            },
        );
        AiGatewayConfig {
            base_url: base_url.or(from_ids),
            api_key,
        }
    }
}

fn parse_app_domain(text: &str) -> Option<HostName> {
    if text.contains([':', '[']) {
        None
    } else {
        HostName::parse(text.as_bytes()).ok()
    }
}

fn parse_origin(text: &str) -> Option<Url> {
    let address = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let url = parse_base_url(&address)?;
    (url.path() == "/").then_some(url)
}

fn parse_base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    (plain && url.has_host() && matches!(url.scheme(), "http" | "https")).then_some(url)
}

fn parse_id(text: &str) -> Option<String> {
    let allowed = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    (allowed && text.len() <= 64).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Config, Misconfiguration> {
        Config::from_vars(|name| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_is_required_and_defaults_hold() {
        let config = read(&[("TENANT_DB", ""), ("DEV_MODE", "TRUE")]).unwrap();
        assert!(config.tenant_db.is_none() && !config.dev_mode);
        let quotas = Quotas {
            free: 60,
            premium: 600,
            enterprise: 1200,
            period: Duration::from_secs(60),
        };
        assert_eq!(config.quotas, quotas);
        assert_eq!(config.access.keys_cache, Duration::from_secs(300));
    }

    #[test]
    fn every_malformed_value_is_reported_at_once_without_being_shown() {
        let error = read(&[
            ("APP_DOMAIN", "https://x"),
            ("CF_ACCESS_TEAM_DOMAIN", "https://t.example/path"),
            ("AI_GATEWAY_BASE_URL", "ftp://x"),
            ("CLOUDFLARE_AI_GATEWAY_API_KEY", "se cret"),
            ("PUBLIC_RATE_LIMIT_MAX", "0"),
            ("PUBLIC_RATE_LIMIT_WINDOW_SECONDS", "-1"),
        ])
        .unwrap_err();
        assert_eq!(error.problems.len(), 6, "{error}");
        assert!(!error.to_string().contains("se cret"));
    }

    #[test]
    fn the_ai_gateway_is_known_by_address_or_by_its_ids() {
        let config = read(&[
            ("CF_AI_GATEWAY_ACCOUNT_ID", "acc"),
            ("CF_AI_GATEWAY_GATEWAY_ID", "gw"),
        ])
        .unwrap();
        assert_eq!(
            config.ai_gateway.base_url.unwrap().as_str(),
            "https://gateway.ai.cloudflare.com/v1/acc/gw"
        );
        let one = read(&[("CF_AI_GATEWAY_ACCOUNT_ID", "acc")]).unwrap();
        assert!(one.ai_gateway.base_url.is_none());
    }

    #[test]
    fn a_team_domain_is_a_host_or_an_origin() {
        let origin = |text| {
            read(&[("CF_ACCESS_TEAM_DOMAIN", text)])
                .unwrap()
                .access
                .team_origin
                .unwrap()
                .origin()
                .ascii_serialization()
        };
        assert_eq!(
            origin("Team.cloudflareaccess.com"),
            "https://team.cloudflareaccess.com"
        );
        assert_eq!(origin("http://127.0.0.1:4711"), "http://127.0.0.1:4711");
    }

    #[test]
    fn debug_output_hides_the_key() {
        let config = read(&[("CLOUDFLARE_AI_GATEWAY_API_KEY", "hunter2")]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
