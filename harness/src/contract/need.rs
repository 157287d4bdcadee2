//! What a scenario may need of a target, and how somebody provides it. Never probes anything.

use std::fmt;

/// One need, as a scenario's tag `@needs.<name>` states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// The harness can send a `Host` of its choice, and knows the app domain.
    Hosts,
    /// The harness can create tenants of its own.
    Tenants,
    /// The harness can act as operator: authorised admin requests.
    Admin,
    /// The harness owns the Access team domain: it makes tokens and rotates keys.
    Access,
    /// The harness is the AI Gateway: it scripts replies and keeps the journal.
    AiGateway,
    /// Somebody tells which calls reached the AI Gateway: the harness's own, or the Logs API of Cloudflare's.
    AiGatewayLog,
    /// Rows of D1 can be read.
    D1,
    /// Rows of D1 can be written behind the target's back.
    D1Write,
    /// Entries of KV can be read.
    Kv,
    /// Entries of KV can be written behind the target's back.
    KvWrite,
    /// Objects of R2 can be read.
    R2,
    /// Log lines can be read.
    Logs,
    /// D1 and KV can be made slow, busy or unavailable for one tenant.
    StoreFaults,
    /// An instance can be stopped, killed and started again on the same data.
    Restart,
    /// A variant can be started afresh for one scenario, with a team domain of its own.
    Fresh,
    /// Migrations can be applied from a folder to a fresh database.
    Migrations,
    /// The client ip can be chosen per request.
    ClientIp,
    /// Limits are exact, not permissive.
    ExactLimits,
    /// A variant of the target: the same code with other configuration.
    Variant(Variant),
}

/// The same backend with other configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// As in production, everything configured.
    Production,
    /// `DEV_MODE` is `"true"`.
    DevMode,
    /// No `TENANT_DB`.
    WithoutD1,
    /// No `TENANT_KV`.
    WithoutKv,
    /// No `MOLTBOT_BUCKET`.
    WithoutR2,
    /// Neither `TENANT_DB` nor `MOLTBOT_BUCKET`.
    WithoutD1AndR2,
    /// `DEV_MODE`, no `MOLTBOT_BUCKET`.
    DevModeWithoutR2,
    /// `DEV_MODE`, no `TENANT_DB`.
    DevModeWithoutD1,
    /// `DEV_MODE`, no `TENANT_KV`.
    DevModeWithoutKv,
    /// `DEV_MODE` is `"false"`.
    DevModeFalse,
    /// `DEV_MODE` is `"0"`.
    DevModeZero,
    /// `DEV_MODE` is `"TRUE"`.
    DevModeUpperCase,
    /// Whatever switches the target has of its own are on: none of them may relax a gate.
    OwnSwitches,
    /// No `CF_ACCESS_TEAM_DOMAIN`.
    WithoutAccessTeam,
    /// No `CF_ACCESS_AUD`.
    WithoutAccessAud,
    /// Neither `CF_ACCESS_TEAM_DOMAIN` nor `CF_ACCESS_AUD`.
    WithoutAccess,
    /// No AI Gateway address and key.
    WithoutAiGateway,
    /// No `AI_GATEWAY_BASE_URL`.
    WithoutAiGatewayUrl,
    /// No `CLOUDFLARE_AI_GATEWAY_API_KEY`.
    WithoutAiGatewayKey,
    /// No `APP_DOMAIN`.
    WithoutAppDomain,
    /// Five requests in two seconds.
    SmallLimits,
    /// A team domain of its own, whose key set is cached for a short time only.
    KeyRotation,
}

impl Variant {
    /// Every variant.
    pub const ALL: [Self; 22] = [
        Self::Production,
        Self::DevMode,
        Self::WithoutD1,
        Self::WithoutKv,
        Self::WithoutR2,
        Self::WithoutD1AndR2,
        Self::DevModeWithoutR2,
        Self::DevModeWithoutD1,
        Self::DevModeWithoutKv,
        Self::DevModeFalse,
        Self::DevModeZero,
        Self::DevModeUpperCase,
        Self::OwnSwitches,
        Self::WithoutAccessTeam,
        Self::WithoutAccessAud,
        Self::WithoutAccess,
        Self::WithoutAiGateway,
        Self::WithoutAiGatewayUrl,
        Self::WithoutAiGatewayKey,
        Self::WithoutAppDomain,
        Self::SmallLimits,
        Self::KeyRotation,
    ];

    /// The name in tags, steps and manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::DevMode => "dev-mode",
            Self::WithoutD1 => "without-d1",
            Self::WithoutKv => "without-kv",
            Self::WithoutR2 => "without-r2",
            Self::WithoutD1AndR2 => "without-d1-and-r2",
            Self::DevModeWithoutR2 => "dev-mode-without-r2",
            Self::DevModeWithoutD1 => "dev-mode-without-d1",
            Self::DevModeWithoutKv => "dev-mode-without-kv",
            Self::DevModeFalse => "dev-mode-false",
            Self::DevModeZero => "dev-mode-0",
            Self::DevModeUpperCase => "dev-mode-upper-case",
            Self::OwnSwitches => "own-switches",
            Self::WithoutAccessTeam => "without-access-team",
            Self::WithoutAccessAud => "without-access-aud",
            Self::WithoutAccess => "without-access",
            Self::WithoutAiGateway => "without-ai-gateway",
            Self::WithoutAiGatewayUrl => "without-ai-gateway-url",
            Self::WithoutAiGatewayKey => "without-ai-gateway-key",
            Self::WithoutAppDomain => "without-app-domain",
            Self::SmallLimits => "small-limits",
            Self::KeyRotation => "key-rotation",
        }
    }

    /// The variant of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| variant.name() == name)
    }
}

impl Need {
    /// The needs that are not variants.
    const PLAIN: [Self; 18] = [
        Self::Hosts,
        Self::Tenants,
        Self::Admin,
        Self::Access,
        Self::AiGateway,
        Self::AiGatewayLog,
        Self::D1,
        Self::D1Write,
        Self::Kv,
        Self::KvWrite,
        Self::R2,
        Self::Logs,
        Self::StoreFaults,
        Self::Restart,
        Self::Fresh,
        Self::Migrations,
        Self::ClientIp,
        Self::ExactLimits,
    ];

    /// Every need.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Self::PLAIN
            .into_iter()
            .chain(Variant::ALL.into_iter().map(Self::Variant))
            .collect()
    }

    /// The need of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name.strip_prefix("variant.") {
            Some(variant) => Variant::parse(variant).map(Self::Variant),
            None => Self::PLAIN.into_iter().find(|need| need.name() == name),
        }
    }

    /// The names of all needs, as a sentence gives them: variants by their pattern.
    #[must_use]
    pub fn names() -> String {
        let plain = Self::PLAIN.into_iter().map(Self::name);
        let all: Vec<String> = plain.chain(["variant.NAME".to_owned()]).collect();
        all.join(", ")
    }

    /// The name in tags, without `needs.`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Hosts => "hosts".to_owned(),
            Self::Tenants => "tenants".to_owned(),
            Self::Admin => "admin".to_owned(),
            Self::Access => "access".to_owned(),
            Self::AiGateway => "ai-gateway".to_owned(),
            Self::AiGatewayLog => "ai-gateway-log".to_owned(),
            Self::D1 => "d1".to_owned(),
            Self::D1Write => "d1-write".to_owned(),
            Self::Kv => "kv".to_owned(),
            Self::KvWrite => "kv-write".to_owned(),
            Self::R2 => "r2".to_owned(),
            Self::Logs => "logs".to_owned(),
            Self::StoreFaults => "store-faults".to_owned(),
            Self::Restart => "restart".to_owned(),
            Self::Fresh => "fresh".to_owned(),
            Self::Migrations => "migrations".to_owned(),
            Self::ClientIp => "client-ip".to_owned(),
            Self::ExactLimits => "exact-limits".to_owned(),
            Self::Variant(variant) => format!("variant.{}", variant.name()),
        }
    }

    /// What somebody does so that the target has it.
    #[must_use]
    pub fn remedy(self) -> String {
        let text = match self {
            Self::Hosts => "a bare address tells no app domain: name the target's APP_DOMAIN",
            Self::Tenants => {
                "give the harness a way to create tenants: an admin route with a token, or D1 and KV"
            }
            Self::Admin => "give the harness an operator's token for the admin routes",
            Self::Access => {
                "run the target with CF_ACCESS_TEAM_DOMAIN set to the harness's team domain"
            }
            Self::AiGateway => {
                "run the target with AI_GATEWAY_BASE_URL set to the harness's AI Gateway"
            }
            Self::AiGatewayLog => {
                "run the target with AI_GATEWAY_BASE_URL set to the harness's AI Gateway, or let the harness read the log of its own"
            }
            Self::D1 => "give the harness read access to the target's D1",
            Self::D1Write => "give the harness write access to the target's D1",
            Self::Kv => "give the harness read access to the target's KV",
            Self::KvWrite => "give the harness write access to the target's KV",
            Self::R2 => "give the harness read access to the target's R2 bucket",
            Self::Logs => "give the harness the target's log lines",
            Self::StoreFaults => "run the target with stores that the harness can make fail",
            Self::Restart => "let the harness start and stop the target",
            Self::Fresh => "let the harness start further instances of the target",
            Self::Migrations => "let the harness run the target's migrations on a fresh database",
            Self::ClientIp => {
                "let the harness choose CF-Connecting-IP: only possible where no edge sets it"
            }
            Self::ExactLimits => "declare that the target's limits are exact",
            Self::Variant(variant) => {
                return format!(
                    "run the target a second time as variant `{}` and give its address",
                    variant.name()
                );
            }
        };
        text.to_owned()
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
