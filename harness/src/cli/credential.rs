//! Whether the operator's credential is good and the clocks agree, before a run and after it. Never judges the contract: what is refused for
//! want of either would look like the target's doing.

use super::Failure;
use super::target::Opened;
use crate::clock;
use crate::contract::Planned;
use crate::contract::need::{Need, Variant};
use crate::doctor::keys;
use crate::evidence::Exchange;
use crate::subject::Instance;
use crate::subject::operator::Operator;
use std::sync::Arc;

/// Tokens are minted with `nbf` now. Evidence: a Worker that checks to the second refuses them where its clock is a second behind; a clock
/// that is set by the network is off by less than one.
const SKEW_SECONDS_MAX: i64 = 5;

/// Refuses a run for which the operator's credential is not good, where the plan needs one.
///
/// # Errors
/// Exit 3 with the reason.
pub(super) async fn good(opened: &Opened, plan: &[Arc<Planned>]) -> Result<(), Failure> {
    let target = opened.target.as_ref();
    let operates = |planned: &Arc<Planned>| {
        let needs = &planned.needs;
        needs.contains(&Need::Admin) || needs.contains(&Need::Tenants)
    };
    // What the harness starts itself has this machine's clock, and tokens that it mints for it.
    if target.standing().is_empty() || !plan.iter().any(operates) {
        return Ok(());
    }
    let Ok(instance) = target.instance(Variant::Production).await else {
        return Ok(());
    };
    expired(&instance, "nothing was judged")?;
    let Some(answer) = knock(opened, &instance).await else {
        return Ok(());
    };
    let refused = matches!(answer.status, 401 | 403);
    let skew = answer
        .skew_seconds()
        .filter(|skew| refused && skew.abs() > SKEW_SECONDS_MAX);
    match skew {
        None => Ok(()),
        Some(skew) => Err(Failure::fault(format!(
            "the target's clock is {} s {} this machine's, and it refuses the operator's token with {}: set the clock that is wrong, for tokens are good from one time to another; nothing was judged",
            skew.abs(),
            if skew > 0 { "ahead of" } else { "behind" },
            answer.status
        ))),
    }
}

/// Refuses the verdict of a run during which the operator's token has expired.
///
/// # Errors
/// Exit 3 with the reason.
pub(super) async fn still_good(opened: &Opened, plan: &[Arc<Planned>]) -> Result<(), Failure> {
    if opened.target.standing().is_empty() || plan.is_empty() {
        return Ok(());
    }
    match opened.target.instance(Variant::Production).await {
        Ok(instance) => expired(&instance, "no verdict, for it expired while it was needed"),
        Err(_gone) => Ok(()),
    }
}

fn expired(instance: &Instance, so: &str) -> Result<(), Failure> {
    let Some(Operator::Token(token)) = instance.credential.as_ref() else {
        return Ok(());
    };
    let ago = keys::expiry_of(token).map(|exp| clock::epoch_ms() / 1000 - exp);
    match ago {
        Some(ago) if ago >= 0 => Err(Failure::fault(format!(
            "the operator's token ([operator] token) expired {ago} s ago: get a fresh one, as by `cloudflared access token --app=URL`; {so}"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// One look at the list of tenants, as operator.
async fn knock(opened: &Opened, instance: &Instance) -> Option<Exchange> {
    let dialect = opened.target.dialect();
    let path = dialect.tenants.clone();
    let operator = instance.operator().filter(|_| !path.is_empty())?;
    let asked = operator.on(crate::client::Request::new("GET", path));
    let mut spoken = dialect.speak(asked);
    let about = spoken.about_new(instance);
    dialect.furnish(&mut spoken, instance, &about).ok()?;
    let asked = opened.client.send(&instance.base, &spoken.request, 0);
    asked.await.ok()
}
