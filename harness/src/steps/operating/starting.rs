//! A gateway that is started in the background: the start is answered while it comes up. Never waits for one that says nothing of it.

use super::{at, gateway, objects};
use crate::evidence::Exchange;
use crate::oracle::sandbox_id::expected;
use crate::run::scene::Scene;
use crate::verdict::Stop;
use crate::wait;
use serde_json::{Value, json};
use std::time::Duration;

/// So often it is looked whether it has come up, at these intervals: ten seconds in all, a third of what SMK-001 has.
const LOOKS: usize = 100;
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The contract's word for a gateway that comes up.
const STARTING: &str = "starting";

/// What a gateway answer says of its state; `None` where the target shows none.
fn state(s: &Scene, answer: &Exchange) -> Option<String> {
    let shown = &s.run.target.dialect().gateway_state;
    let is_told = !shown.is_empty() && (200..300).contains(&answer.status);
    is_told
        .then(|| answer.text_at(&s.dialect().gateway_state))
        .flatten()
}

/// Where a start is answered with `starting`, or without a state, waits until the gateway has another one and what it keeps stays as it is:
/// a scenario compares what there is before and after. Whether it runs then is judged elsewhere.
pub(super) async fn let_it_come_up(s: &mut Scene, id: &str, start: &Exchange) -> Result<(), Stop> {
    let is_done = (200..300).contains(&start.status);
    let shows_states = !s.run.target.dialect().gateway_state.is_empty();
    if !is_done || !shows_states || at(&s.dialect().gateway, id).is_empty() {
        return Ok(());
    }
    let told = state(s, start);
    if told.as_ref().is_some_and(|state| state != STARTING) {
        return Ok(());
    }
    let mut kept: Option<Value> = None;
    for look in 0..LOOKS {
        let answer = gateway(s, id).await?;
        if state(s, &answer).as_deref() != Some(STARTING) {
            // What does not come up in the background is looked at once.
            let now = stored(s, id).await;
            if (look == 0 && told.is_none()) || kept.as_ref() == Some(&now) {
                return Ok(());
            }
            kept = Some(now);
        }
        wait::pass(LOOK_EVERY).await;
    }
    Ok(())
}

/// Whether an answer says that the gateway is coming up.
pub(super) fn is_coming_up(s: &Scene, answer: &Exchange) -> bool {
    state(s, answer).as_deref() == Some(STARTING)
}

/// The keys below a tenant's sandbox, as far as they can be seen.
async fn stored(s: &mut Scene, id: &str) -> Value {
    let prefix = format!("{}/", expected(id));
    let entries = match s.kv().await {
        Ok(kv) => kv.keys(&prefix).await.unwrap_or_default(),
        Err(_unseen) => Vec::new(),
    };
    let objects = objects(s, &prefix).await.unwrap_or_default();
    json!({ "kv": entries, "r2": objects })
}
