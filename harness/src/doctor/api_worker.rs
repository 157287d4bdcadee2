//! Tries once what an API worker is judged by, and says what mends what does not work. Never judges the contract.

use super::tries::Tried;
use super::{Capability, Check, node, reach};
use crate::contract::Criterion;
use crate::contract::profile::Profile;
use crate::subject::Target;
use moltproof_api_worker::Need;
use moltproof_api_worker::look::{Look, Saw, look};
use moltproof_api_worker::needs::{Needs, Standing};

/// What a run asks for first of all.
const CHAT: &str = "[control] ai_gateway, and where [launch.variables] hands over {ai_gateway_base_url} and {ai_gateway_key}";

/// Looks at the API worker that a target claims.
pub(super) async fn worker(target: &dyn Target, tried: &mut Tried) {
    if !target.profiles().contains(&Profile::Core) {
        tried.checks.extend(node::check(target).await);
        let Some(instance) = reach::instance(target, &mut tried.checks).await else {
            return lack_all(tried);
        };
        let told = format!("{} is started or reached", instance.base);
        tried.checks.push(Check::ok("address", told));
    }
    if !target.standing().is_empty() {
        let what =
            "keys, chats, jobs and webhooks: the target lives on, and a look changes nothing there";
        let remedy = "what hangs on them is counted as if they worked; a run shows it";
        let check = Check::unknown("untried", what).remedy(remedy);
        tried.checks.push(check);
        return;
    }
    match target.api_worker().await {
        Ok(Some(worker)) => {
            for one in look(&worker.subject).await {
                put(tried, &one);
            }
        }
        Ok(None) => {
            let check = Check::wrong("api-worker", "the target offers none that may be changed");
            tried.checks.push(check.remedy("mend [launch]"));
            lack_all(tried);
        }
        Err(fault) => {
            let check = Check::wrong("api-worker", fault.to_string());
            tried.checks.push(check.remedy("mend [api_worker]"));
            lack_all(tried);
        }
    }
}

/// Nothing can be used, because of what was found last.
fn lack_all(tried: &mut Tried) {
    let last = tried.checks.last();
    let why = last.map_or_else(String::new, |check| format!("{}: {}", check.id, check.saw));
    for need in Need::ALL {
        tried.lacking.entry(need).or_insert_with(|| why.clone());
    }
}

/// A try as a check, and what cannot be used because of it.
fn put(tried: &mut Tried, one: &Look) {
    let remedy = one.need.map(Need::remedy);
    let key = remedy.map_or_else(|| CHAT.to_owned(), |(_, key)| in_manifest(key));
    let check = match &one.saw {
        Saw::Works(saw) => Check::ok(one.name, saw),
        Saw::Fails(saw) => Check::wrong(one.name, saw).remedy(key),
        Saw::NotOffered => {
            let (what, _) = remedy.unwrap_or_default();
            Check::unknown(one.name, format!("nothing states {what}")).remedy(key)
        }
        Saw::Untried => Check::unknown(one.name, "not tried, for no key could be made"),
    };
    let why = match &one.saw {
        Saw::Works(_) | Saw::Untried => None,
        Saw::Fails(saw) => Some(format!("{}: {saw}", one.name)),
        Saw::NotOffered => remedy.map(|(what, key)| format!("needs {what} (manifest: {key})")),
    };
    if let Some(why) = why {
        match one.need {
            Some(need) => {
                tried.lacking.entry(need).or_insert(why);
            }
            // Without a chat nearly nothing is left.
            None => {
                tried.lacking.insert(Need::Operator, why);
            }
        }
    }
    tried.checks.push(check);
}

/// A key as a diagnosis names it: by its section.
fn in_manifest(key: &str) -> String {
    match key.split_once('.') {
        Some((section, key)) => format!("mend [{section}] {key}"),
        None => format!("mend [{key}]"),
    }
}

/// How much of a criterion can be judged, and why no more of it; `None` if it is none of an API worker.
pub(super) fn standing(
    criterion: &Criterion,
    tried: &Tried,
) -> Option<Result<Option<String>, String>> {
    let needs = Needs::of(&criterion.id)?;
    let why = |need| tried.lacking.get(&need).cloned().unwrap_or_default();
    Some(
        match needs.standing(|need| !tried.lacking.contains_key(&need)) {
            Standing::Whole => Ok(None),
            Standing::InPart(need) => Ok(Some(why(need))),
            Standing::Not(need) => Err(why(need)),
        },
    )
}

/// Every need of the profile, and whether it is met.
pub(super) fn capabilities(tried: &Tried) -> Vec<Capability> {
    let all = Need::ALL.into_iter();
    all.map(|need| Capability {
        need: format!("api-worker.{}", need.name()),
        met: !tried.lacking.contains_key(&need),
        reason: tried.lacking.get(&need).cloned().unwrap_or_default(),
    })
    .collect()
}
