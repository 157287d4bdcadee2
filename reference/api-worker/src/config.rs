//! Configuration from named variables, checked as a whole. Never shows a value, since some are secrets.

use crate::domain::address::Allowed;
use crate::domain::environment::Environment;
use moltworker_reference::config::{
    AccessConfig, AiGatewayConfig, Config as Shared, Misconfiguration, Problem, Variable,
};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Variables whose meaning the backend of Phase 1 shares.
const SHARED: [&str; 8] = [
    "CF_ACCESS_TEAM_DOMAIN",
    "CF_ACCESS_AUD",
    "CF_ACCESS_KEYS_CACHE_SECONDS",
    "CF_ACCESS_KEYS_COOLDOWN_SECONDS",
    "AI_GATEWAY_BASE_URL",
    "CF_AI_GATEWAY_ACCOUNT_ID",
    "CF_AI_GATEWAY_GATEWAY_ID",
    "CLOUDFLARE_AI_GATEWAY_API_KEY",
];

/// How long an endpoint may take unless it is said.
const WEBHOOK_TIMEOUT_MS: u64 = 10_000;

/// The variables that only the API worker has, in the order in which help lists them.
pub const VARIABLES: [Variable; 6] = [
    Variable {
        name: "API_DB",
        meaning: "SQLite file for D1",
        default: "required",
    },
    Variable {
        name: "ENVIRONMENT",
        meaning: "development, staging or production: whose values apply between a user's and the default",
        default: "production",
    },
    Variable {
        name: "TEST_CLOCK",
        meaning: "\"true\" only in tests: the header X-Test-Now is the present of its request, and no timer runs a job",
        default: "off",
    },
    Variable {
        name: "WEBHOOK_ALLOWED_ADDRESSES",
        meaning: "host:port list, separated by commas: private addresses that webhooks may go to, in tests",
        default: "none",
    },
    Variable {
        name: "WEBHOOK_TIMEOUT_MS",
        meaning: "how long an endpoint may take",
        default: "10000",
    },
    Variable {
        name: "WEBHOOK_RESOLVER_URL",
        meaning: "a resolver over HTTPS, asked in JSON, for the names of webhooks",
        default: "the system's resolver",
    },
];

/// Every variable that is read, in the order in which help lists them.
pub fn variables() -> impl Iterator<Item = Variable> {
    let shared = moltworker_reference::config::VARIABLES;
    let shared = shared
        .into_iter()
        .filter(|variable| SHARED.contains(&variable.name));
    VARIABLES.into_iter().chain(shared)
}

/// The worker's configuration. What is required and missing is no error here: the worker answers 503 and names it.
#[derive(Debug, Clone)]
pub struct Config {
    /// SQLite file for D1.
    pub api_db: Option<PathBuf>,
    /// Where it runs.
    pub environment: Environment,
    /// Whether requests may say what time it is.
    pub test_clock: bool,
    /// Private addresses that webhooks may go to.
    pub webhook_allowed: Allowed,
    /// How long an endpoint may take.
    pub webhook_timeout: Duration,
    /// The resolver that is asked for the names of webhooks in place of the system's.
    pub webhook_resolver: Option<Url>,
    /// Cloudflare Access.
    pub access: AccessConfig,
    /// Cloudflare AI Gateway.
    pub ai_gateway: AiGatewayConfig,
}

impl Config {
    /// Reads the variables that `lookup` knows; an empty value counts as unset.
    ///
    /// # Errors
    /// [`Misconfiguration`] with every malformed variable.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Misconfiguration> {
        let shared =
            Shared::from_vars(|name| SHARED.contains(&name).then(|| lookup(name)).flatten());
        let (shared, mut problems) = match shared {
            Ok(shared) => (Some(shared), Vec::new()),
            Err(malformed) => (None, malformed.problems),
        };
        let text = |name: &str| {
            let value = lookup(name).map(|value| value.trim().to_owned());
            value.filter(|value| !value.is_empty())
        };
        let environment = text("ENVIRONMENT").map_or(Some(Environment::Production), |name| {
            Environment::parse(&name)
        });
        let allowed = text("WEBHOOK_ALLOWED_ADDRESSES")
            .map_or(Some(Allowed::default()), |list| Allowed::parse(&list));
        let timeout_ms = text("WEBHOOK_TIMEOUT_MS").map_or(Some(WEBHOOK_TIMEOUT_MS), |ms| {
            ms.parse().ok().filter(|ms| (1..=60_000).contains(ms))
        });
        let resolver =
            text("WEBHOOK_RESOLVER_URL").map_or(Some(None), |url| resolver_address(&url).map(Some));
        let checks = [
            (
                environment.is_some(),
                "ENVIRONMENT",
                "development, staging or production",
            ),
            (
                allowed.is_some(),
                "WEBHOOK_ALLOWED_ADDRESSES",
                "host:port pairs, separated by commas",
            ),
            (
                timeout_ms.is_some(),
                "WEBHOOK_TIMEOUT_MS",
                "a whole number of milliseconds, 1 to 60000",
            ),
            (
                resolver.is_some(),
                "WEBHOOK_RESOLVER_URL",
                "an http or https URL",
            ),
        ];
        let malformed = checks.iter().filter(|(holds, _, _)| !holds);
        problems.extend(malformed.map(|(_, name, expected)| Problem { name, expected }));
        match (shared, environment, allowed, timeout_ms, resolver) {
            (
                Some(shared),
                Some(environment),
                Some(webhook_allowed),
                Some(timeout_ms),
                Some(webhook_resolver),
            ) => Ok(Self {
                api_db: text("API_DB").map(PathBuf::from),
                environment,
                test_clock: text("TEST_CLOCK").as_deref() == Some("true"),
                webhook_allowed,
                webhook_timeout: Duration::from_millis(timeout_ms),
                webhook_resolver,
                access: shared.access,
                ai_gateway: shared.ai_gateway,
            }),
            _ => Err(Misconfiguration { problems }),
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

/// The address of a resolver, if it is one.
fn resolver_address(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
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
        let config = read(&[
            ("TEST_CLOCK", "1"),
            ("PUBLIC_RATE_LIMIT_MAX", "none of ours"),
        ])
        .unwrap();
        assert!(config.api_db.is_none() && !config.test_clock);
        assert_eq!(config.environment, Environment::Production);
        assert_eq!(config.webhook_timeout, Duration::from_secs(10));
    }

    #[test]
    fn every_malformed_value_is_reported_at_once() {
        let error = read(&[
            ("ENVIRONMENT", "prod"),
            ("WEBHOOK_ALLOWED_ADDRESSES", "127.0.0.1"),
            ("WEBHOOK_TIMEOUT_MS", "0"),
            ("WEBHOOK_RESOLVER_URL", "resolver.example"),
            ("AI_GATEWAY_BASE_URL", "ftp://x"),
        ])
        .unwrap_err();
        assert_eq!(error.problems.len(), 5, "{error}");
    }
}
