//! `cf-aig-metadata` of the calls that the AI Gateway saw, held against the contract's rules. Never asserts what the platform adds.

use super::calls::{seen_words, some_calls, some_seen_calls};
use crate::doubles::{Attempt, Endpoint};
use crate::observe::model_calls::ModelCall;
use crate::oracle::{metadata, routing};
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach};
use crate::said::said;
use crate::steps::identity::unless_derived_otherwise;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::Value;
use std::collections::BTreeMap;

/// Note: the platform of a tenant before its record was altered.
pub(super) const PLATFORM_BEFORE: &str = "platform before the alteration";
/// Tiers whose name in the metadata is fixed.
const KNOWN_TIERS: [&str; 3] = ["free", "premium", "enterprise"];
/// Fewest calls that a judgement over the whole run rests on: those of its own scenario.
const WHOLE_RUN_MIN: usize = 4;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.asserting(
        &["AIG-001", "AIG-006", "AIG-008", "AIG-016", "AIG-022"],
        r#"every upstream call carried the metadata of tenant "([^"]+)" and workload "([^"]+)""#,
        |s, a| Box::pin(carried(s, a)),
    );
    book.asserting(
        &["AIG-002"],
        "the metadata of every upstream call kept within the limits",
        |s, a| Box::pin(within_limits(s, a)),
    );
    book.asserting(&["AIG-003"], 
        r#"the metadata of every upstream call named tenant "([^"]+)" and its sandbox and nothing else"#,
        |s, a| Box::pin(names_tenant_and_sandbox(s, a)),
    );
    book.asserting(
        &["AIG-003"],
        r#"the metadata of no upstream call showed the caller's ip, "([^"]+)" or "([^"]+)""#,
        |s, a| Box::pin(nothing_personal(s, a)),
    );
    book.asserting(
        &["AIG-020"],
        "every upstream call of the whole run carried complete metadata",
        |s, a| Box::pin(whole_run(s, a)),
    );
}

fn entries(call: &ModelCall) -> Result<BTreeMap<String, String>, Stop> {
    metadata::entries(call.metadata.as_deref()).map_err(|why| {
        breach(
            "cf-aig-metadata on every upstream call: a flat JSON object with string values for platform, tier, workload",
            format!("{why} on the call to {}", call.model),
        )
    })
}

fn is_tier_of(tenant: &Tenant, seen: &str) -> bool {
    // What a tier is called that is none is left open: it routes as free.
    !KNOWN_TIERS.contains(&tenant.tier.as_str())
        || routing::rubric(&tenant.tier).tiers.contains(&seen)
}

/// Which values of the metadata a scenario is about: AIG-016 the workload, AIG-006 and AIG-022 the tier, AIG-008 each of them.
fn is_about(s: &Scene, key: &str) -> bool {
    let own = |id: &str| s.planned.criteria.iter().any(|known| known == id);
    if own("AIG-008") {
        return true;
    }
    match key {
        "workload" => own("AIG-016"),
        "tier" => own("AIG-001") || own("AIG-006") || own("AIG-022"),
        _ => own("AIG-001"),
    }
}

/// Whether the first call tells another tier than its tenant's, and was made with that tier's model: who is routed as another tier is not
/// named wrongly.
fn tells_what_it_gets(call: &ModelCall, tenant: &Tenant) -> bool {
    let told = entries(call).ok().and_then(|mut told| told.remove("tier"));
    told.is_some_and(|tier| {
        !is_tier_of(tenant, &tier)
            && KNOWN_TIERS.contains(&tier.as_str())
            && routing::rubric(&tier).model == call.model
    })
}

async fn carried(s: &mut Scene, a: Args) -> Check {
    let (tenant, workload) = (s.tenant(a.text(1))?, a.text(2));
    let calls = some_seen_calls(s).await?;
    let own = |id: &str| s.planned.criteria.iter().any(|known| known == id);
    let carries = own("AIG-001");
    if !carries {
        s.relies_on("AIG-001");
    }
    let is_about_tiers = own("AIG-006") || own("AIG-022");
    let is_about_callers = own("AIG-008");
    let routes_otherwise = calls
        .first()
        .is_some_and(|first| tells_what_it_gets(first, &tenant));
    for (at, call) in calls.iter().enumerate() {
        // Of what a caller put in, only what is there tells: that something is missing is AIG-001's.
        let seen = if is_about_callers {
            pairs(call)
        } else {
            entries(call)
        };
        let seen = if carries || is_about_callers {
            seen
        } else {
            seen.or_unmet("AIG-001")
        }?;
        let value = |key: &str| seen.get(key).map_or("", String::as_str);
        let number = at + 1;
        let right = [
            ("platform", value("platform") == tenant.platform),
            ("tier", is_tier_of(&tenant, value("tier"))),
            ("workload", value("workload") == workload),
        ];
        if carries && !is_about_tiers && !right[1].1 && routes_otherwise {
            return Err(breach(format!("tier {}", tenant.tier), value("tier")).or_unmet("AIG-006"));
        }
        let is_left_out = |key: &str| is_about_callers && !seen.contains_key(key);
        let mut wrong = right.iter();
        let wrong = wrong.find(|(key, right)| !right && is_about(s, key) && !is_left_out(key));
        s.expect(
            wrong.is_none(),
            format!(
                "metadata of call {number}: platform {}, tier {}, workload {workload}",
                tenant.platform, tenant.tier
            ),
            || {
                format!(
                    "{seen} among calls {}",
                    seen_words(&calls),
                    seen = said(&seen)
                )
            },
        )?;
    }
    Ok(())
}

/// As [`entries`], whichever keys there are: what lacks, or is no JSON object, is AIG-001's.
fn pairs(call: &ModelCall) -> Result<BTreeMap<String, String>, Stop> {
    if call.metadata.is_none() {
        return Err(breach("cf-aig-metadata on every upstream call", "none").or_unmet("AIG-001"));
    }
    let is_object = call
        .metadata
        .as_deref()
        .and_then(|text| serde_json::from_str::<Value>(text).ok())
        .is_some_and(|json| json.is_object());
    metadata::pairs(call.metadata.as_deref()).map_err(|why| {
        let found = breach("flat metadata without null", why);
        if is_object {
            found
        } else {
            found.or_unmet("AIG-001")
        }
    })
}

/// An altered record shows nothing before a call was made with it.
fn arrived(s: &Scene, calls: &[ModelCall]) -> Check {
    let Some(before) = s.notes.get(PLATFORM_BEFORE).and_then(Value::as_str) else {
        return Ok(());
    };
    let platforms = calls.iter().filter_map(|call| {
        let pairs = metadata::pairs(call.metadata.as_deref());
        // What cannot be read is not what it was.
        pairs.map_or(Some(String::new()), |mut pairs| pairs.remove("platform"))
    });
    if platforms.clone().any(|platform| platform != before) {
        return Ok(());
    }
    let seen: Vec<String> = platforms.collect();
    let stop = breach("a call that shows the altered platform", said(&seen));
    Err(stop.or_unmet("a record that is altered and not read"))
}

async fn within_limits(s: &mut Scene, _a: Args) -> Check {
    let source = s.model_calls().await?;
    let seen = source.of(&s.whose(), 1).await?;
    if let Some(why) = source.blind_spot() {
        s.cannot_prove(why);
    }
    if seen.calls.is_empty() && source.blind_spot().is_some() {
        return Err(Stop::NotVerified(
            "the gateway's log shows no call of this scenario".to_owned(),
        ));
    }
    if seen.calls.is_empty() {
        return Err(breach("an upstream call", "none").or_unmet("a chat that reaches no model"));
    }
    arrived(s, &seen.calls)?;
    for call in &seen.calls {
        let seen = pairs(call)?;
        let judged = metadata::within_limits(&seen);
        s.expect(
            judged.is_ok(),
            "at most 5 keys, each value at most 64 characters, no key starting cf.",
            || judged.err().unwrap_or_default(),
        )?;
        // The platform drops silently: what it would have kept must be what was sent.
        s.expect(
            call.kept == seen.len(),
            "metadata that the platform keeps whole",
            || format!("it keeps {} of {seen}", call.kept, seen = said(&seen)),
        )?;
    }
    Ok(())
}

async fn names_tenant_and_sandbox(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let expected: Vec<&str> = metadata::REQUIRED
        .into_iter()
        .chain(metadata::FURTHER)
        .collect();
    for call in some_calls(s).await? {
        let raw = call.metadata_raw.unwrap_or_default();
        let Ok(Value::Object(seen)) = serde_json::from_str::<Value>(&raw) else {
            return Err(breach("metadata that is an object", raw).or_unmet("AIG-001"));
        };
        // Whether the required ones are all there is AIG-001's.
        s.expect(
            seen.keys().all(|key| expected.contains(&key.as_str())),
            format!(
                "the keys {expected} and no other",
                expected = said(&expected)
            ),
            || said(&seen),
        )?;
        let is = |key: &str, value: &str| seen.get(key).and_then(Value::as_str) == Some(value);
        let check = s.expect(
            is("tenant_id", &tenant.id) && is("sandbox_id", &tenant.sandbox_id),
            format!(
                "tenant_id {} and sandbox_id {}",
                tenant.id, tenant.sandbox_id
            ),
            || said(&seen),
        );
        unless_derived_otherwise(s, check).await?;
    }
    Ok(())
}

async fn nothing_personal(s: &mut Scene, a: Args) -> Check {
    let personal = [
        s.client_ip().to_owned(),
        a.text(1).to_owned(),
        a.text(2).to_owned(),
    ];
    for call in some_calls(s).await? {
        let raw = call.metadata_raw.unwrap_or_default();
        s.expect(
            !personal.iter().any(|text| raw.contains(text.as_str())),
            format!(
                "none of {personal} in cf-aig-metadata",
                personal = said(&personal)
            ),
            || raw.clone(),
        )?;
    }
    Ok(())
}

async fn whole_run(s: &mut Scene, _a: Args) -> Check {
    // Every token of this run begins with the run's id: another run's calls are not ours to judge.
    let run = s.run.id.clone();
    let calls: Vec<Attempt> = s
        .gateway()
        .await?
        .journal_all()
        .into_iter()
        .filter(|call| call.marker.starts_with(&run) && call.endpoint != Endpoint::Unknown)
        .collect();
    s.expect(
        calls.len() >= WHOLE_RUN_MIN,
        format!("at least {WHOLE_RUN_MIN} upstream calls in the run"),
        || calls.len().to_string(),
    )?;
    let bare: Vec<String> = calls
        .iter()
        .filter_map(|call| {
            let why = metadata::entries(call.metadata_raw.as_deref()).err()?;
            Some(format!("{} ({}): {why}", call.marker, call.model))
        })
        .collect();
    s.expect(
        bare.is_empty(),
        format!(
            "complete metadata on each of {} upstream calls",
            calls.len()
        ),
        || {
            format!(
                "{} without: {}",
                bare.len(),
                bare.iter().take(5).cloned().collect::<Vec<_>>().join("; ")
            )
        },
    )
}
