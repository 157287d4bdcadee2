//! Whether a scenario can be run on a target at all. Never runs one.

use crate::contract::Planned;
use crate::contract::need::{Need, Variant};
use crate::subject::Target;
use crate::subject::manifest::{LimitKey, Seeding};
use crate::verdict::Outcome;

/// Why a scenario is not run: declared impossible, or a need that the target lacks.
pub fn gate(target: &dyn Target, planned: &Planned) -> Option<Outcome> {
    let declared = planned
        .criteria
        .iter()
        .find_map(|id| target.impossible(id, &planned.name));
    let unfit = || unfit(target, planned).map(Outcome::NotVerified);
    let lacking = || {
        planned.needs.iter().find_map(|&need| {
            target
                .lacks(need)
                .map(|reason| format!("needs {need}: {reason}"))
        })
    };
    declared
        .map(|reason| Outcome::NotApplicable(format!("declared: {reason}")))
        .or_else(|| lacking().map(Outcome::NotVerified))
        .or_else(|| {
            let beyond = |id: &String| target.beyond_runtime(id, &planned.name);
            let reason = planned.criteria.iter().find_map(beyond)?;
            Some(Outcome::NotApplicable(format!(
                "impossible on this runtime: {reason}"
            )))
        })
        .or_else(unfit)
}

/// Why a scenario could tell nothing true of this target's limits, though nothing that it needs is missing.
fn unfit(target: &dyn Target, planned: &Planned) -> Option<String> {
    let limits = target.limits();
    let about_quotas = planned.criteria.iter().any(|id| id.starts_with("RL-"));
    if !about_quotas {
        return None;
    }
    if matches!(target.seeding(), Some(Seeding::Fixed { .. }))
        && planned.needs.contains(&Need::Tenants)
    {
        return Some("the quota of a fixed tenant is shared by all scenarios: it shows nothing of one (manifest: [seeding])".to_owned());
    }
    if limits.key == LimitKey::Ip && target.lacks(Need::ClientIp).is_some() {
        return Some("the target counts the requests of a client ip, and all scenarios come from one (manifest: [control] client_ip)".to_owned());
    }
    let (_, window_s) = if planned.needs.contains(&Need::Variant(Variant::SmallLimits)) {
        limits.small_quota
    } else {
        limits.quota
    };
    let most = limits.wait.as_secs();
    (planned.waits() && window_s > most).then(|| {
        format!("it waits for windows of {window_s} s, and nobody is to wait for more than {most} s (manifest: [limits] wait_seconds = {window_s}; or a variant `small-limits` with a shorter window, said in [limits] small_quota)")
    })
}
