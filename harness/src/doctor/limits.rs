//! Whether the limits that a manifest states can be. Never measures one.

use super::Check;
use crate::contract::need::{Need, Variant};
use crate::subject::Target;
use std::time::Duration;

/// The periods that Cloudflare's rate-limit binding knows, seconds.
const BINDING_PERIODS: [u64; 2] = [10, 60];

/// How long KV may show what was. Evidence: Cloudflare's documentation, "60 seconds or more" at other locations.
const KV_DELAY: Duration = Duration::from_secs(60);

/// Largest request body that Cloudflare lets through on its smallest plans.
const BODY_MAX: usize = 100 * 1024 * 1024;

/// Looks at each limit.
pub(super) fn check(target: &dyn Target) -> Vec<Check> {
    let limits = target.limits();
    let exact = target.lacks(Need::ExactLimits).is_none();
    let stands = !target.standing().is_empty();
    let mut checks = Vec::new();
    let mut quotas = vec![("quota", limits.quota)];
    if target.lacks(Need::Variant(Variant::SmallLimits)).is_none() {
        quotas.push(("small_quota", limits.small_quota));
    }
    for (name, (count, period)) in quotas {
        if count == 0 || period == 0 {
            checks.push(
                Check::wrong(
                    "limits",
                    format!("{name} is {count} requests in {period} s"),
                )
                .remedy(format!(
                    "state what the target does: [limits] {name} = [requests, seconds]"
                )),
            );
        } else if !exact && !BINDING_PERIODS.contains(&period) {
            checks.push(
                Check::warning(
                    "limits",
                    format!("{name} has a period of {period} s, which Cloudflare's rate-limit binding does not have (10 or 60), and limits are not declared exact"),
                )
                .remedy(format!("correct [limits] {name}; or, for a limiter of your own that is exact, [limits] exact = true")),
            );
        }
    }
    if stands && limits.registry_delay < KV_DELAY && target.lacks(Need::Tenants).is_none() {
        checks.push(
            Check::warning(
                "limits",
                format!("registry_delay_ms is {}, and KV shows changes after up to 60 s at other locations", limits.registry_delay.as_millis()),
            )
            .remedy("if tenants are resolved by KV: [limits] registry_delay_ms = 60000"),
        );
    }
    if limits.body_max > BODY_MAX {
        checks.push(
            Check::warning("limits", format!("body_max is {} bytes, and Cloudflare refuses more than 100 MB before the Worker", limits.body_max))
                .remedy("correct [limits] body_max"),
        );
    }
    if checks.is_empty() {
        let (count, period) = limits.quota;
        checks.push(Check::ok(
            "limits",
            format!("plausible ({count} requests in {period} s for the free tier)"),
        ));
    }
    checks
}
