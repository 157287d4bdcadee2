//! The list of variables, for help texts. Never reads one.

/// A variable that the backend reads.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What holds when it is unset.
    pub default: &'static str,
}

const fn variable(name: &'static str, meaning: &'static str, default: &'static str) -> Variable {
    Variable {
        name,
        meaning,
        default,
    }
}

/// Every variable, in the order in which help lists them.
pub const VARIABLES: [Variable; 16] = [
    variable(
        "TENANT_DB",
        "SQLite file for D1: tenants and usage",
        "required",
    ),
    variable(
        "TENANT_KV",
        "SQLite file for KV: tenant registry",
        "required",
    ),
    variable(
        "MOLTBOT_BUCKET",
        "directory for R2: sandbox state",
        "required",
    ),
    variable(
        "APP_DOMAIN",
        "base domain of tenant subdomains",
        "required by public routes",
    ),
    variable(
        "DEV_MODE",
        "\"true\" only in development: overrides, relaxed Access",
        "off",
    ),
    variable(
        "CF_ACCESS_TEAM_DOMAIN",
        "Access team domain: a host, or an origin with scheme",
        "required by admin routes",
    ),
    variable(
        "CF_ACCESS_AUD",
        "Access application audience tag",
        "required by admin routes",
    ),
    variable(
        "CF_ACCESS_KEYS_CACHE_SECONDS",
        "how long a fetched key set is trusted",
        "300",
    ),
    variable(
        "CF_ACCESS_KEYS_COOLDOWN_SECONDS",
        "least time between fetches for unknown keys",
        "30",
    ),
    variable(
        "AI_GATEWAY_BASE_URL",
        "where model calls go",
        "made of the two ids below",
    ),
    variable(
        "CF_AI_GATEWAY_ACCOUNT_ID",
        "account of the AI Gateway",
        "none",
    ),
    variable("CF_AI_GATEWAY_GATEWAY_ID", "id of the AI Gateway", "none"),
    variable(
        "CLOUDFLARE_AI_GATEWAY_API_KEY",
        "secret sent as cf-aig-authorization",
        "required by the chat route",
    ),
    variable(
        "PUBLIC_RATE_LIMIT_MAX",
        "requests of a free tenant per window",
        "60",
    ),
    variable(
        "PUBLIC_RATE_LIMIT_MAX_PREMIUM, PUBLIC_RATE_LIMIT_MAX_ENTERPRISE",
        "the same of the other tiers",
        "10 x, 20 x the free one",
    ),
    variable(
        "PUBLIC_RATE_LIMIT_WINDOW_SECONDS",
        "length of the window",
        "60",
    ),
];
