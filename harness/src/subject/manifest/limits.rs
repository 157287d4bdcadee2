//! Times and sizes that a described target states of itself. Never measures one.

use crate::subject::Limits;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// Longest window that can be waited for. Evidence: the slowest scenario waits for five of them within one step, which has ten minutes.
const WAIT_S_MAX: u64 = 100;

/// Whose requests a quota counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LimitKey {
    /// A tenant's, as the contract has it.
    #[default]
    Tenant,
    /// A client ip's: whose tenant it is does not matter.
    Ip,
}

/// When another tier of a tenant is in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TierChange {
    /// With the next request.
    #[default]
    AtOnce,
    /// After the target was started again: scenarios that change a tier are not verified.
    Restart,
}

/// How rows state times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Timestamps {
    /// Whole epoch milliseconds, as the contract has it.
    #[default]
    EpochMs,
    /// RFC 3339 text: SCH and USG criteria about the column find it, all else copes.
    Text,
}

/// Times and sizes, each with a default.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsEntry {
    /// Free tier, production: requests and seconds.
    pub quota: Option<(u32, u64)>,
    /// Free tier, `small-limits`: requests and seconds.
    pub small_quota: Option<(u32, u64)>,
    /// Limits are exact.
    #[serde(default)]
    pub exact: bool,
    /// Whose requests a quota counts: `tenant` or `ip`.
    #[serde(default)]
    pub key: LimitKey,
    /// How long a tenant that was asked for is kept in memory, milliseconds; changes are not seen before.
    pub tenant_cache_ms: Option<u64>,
    /// When another tier is in force: `at-once` or `restart`.
    #[serde(default)]
    pub tier_change: TierChange,
    /// How rows state times: `epoch-ms` or `text`.
    #[serde(default)]
    pub timestamps: Timestamps,
    /// Until resolution sees an operator's change, milliseconds.
    pub registry_delay_ms: Option<u64>,
    /// `key-rotation`: how long a key set is trusted, milliseconds.
    pub keys_cache_ms: Option<u64>,
    /// `key-rotation`: cooldown of unknown keys, milliseconds.
    pub keys_cooldown_ms: Option<u64>,
    /// Largest request body, bytes.
    pub body_max: Option<usize>,
    /// Until a usage row is there, milliseconds.
    pub usage_visible_ms: Option<u64>,
    /// Scenarios side by side, where `--concurrency` does not say otherwise; 64 by default.
    pub concurrency: Option<usize>,
    /// The longest window of a quota, in seconds, that scenarios wait for; 22 by default. With 60 a run takes some minutes longer.
    pub wait_seconds: Option<u64>,
    /// The runtime is workerd on this machine: it answers malformed `Host` headers and unknown methods itself, and tells the Worker only in
    /// the midst of an answer that its caller has gone. Without it the launch command says whether it is.
    pub runtime_answers_malformed_requests: Option<bool>,
}

impl LimitsEntry {
    /// What types cannot say; `None` if the limits can be used.
    #[must_use]
    pub fn flaw(&self) -> Option<String> {
        if self.wait_seconds.is_some_and(|wait| wait > WAIT_S_MAX) {
            return Some(format!(
                "[limits] wait_seconds: nobody waits for windows of more than {WAIT_S_MAX} s; run a variant with a shorter one"
            ));
        }
        let quotas = [("quota", self.quota), ("small_quota", self.small_quota)];
        quotas.into_iter().find_map(|(name, quota)| {
            let (requests, seconds) = quota?;
            (requests == 0 || seconds == 0)
                .then(|| format!("[limits] {name}: requests and seconds are both more than 0"))
        })
    }

    /// The times and sizes, defaults filled in.
    #[must_use]
    pub fn of(&self, app_domain: &str) -> Limits {
        let (entry, default) = (self, Limits::default());
        let ms = |given: Option<u64>, otherwise: Duration| {
            given.map_or(otherwise, Duration::from_millis)
        };
        Limits {
            app_domain: app_domain.to_owned(),
            quota: entry.quota.unwrap_or(default.quota),
            small_quota: entry.small_quota.unwrap_or(default.small_quota),
            registry_delay: ms(entry.registry_delay_ms, default.registry_delay)
                .max(ms(entry.tenant_cache_ms, Duration::ZERO)),
            key: entry.key,
            tier_change: entry.tier_change,
            timestamps: entry.timestamps,
            keys_cache: ms(entry.keys_cache_ms, default.keys_cache),
            keys_cooldown: ms(entry.keys_cooldown_ms, default.keys_cooldown),
            body_max: entry.body_max.unwrap_or(default.body_max),
            usage_visible: ms(entry.usage_visible_ms, default.usage_visible),
            concurrency: entry.concurrency.unwrap_or(default.concurrency),
            wait: entry.wait_seconds.map_or(default.wait, Duration::from_secs),
            runtime_answers_malformed_requests: entry
                .runtime_answers_malformed_requests
                .unwrap_or(default.runtime_answers_malformed_requests),
        }
    }
}
