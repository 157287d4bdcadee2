//! What the AI Gateway saw: the calls of one prompt as (model, outcome), held against the rubric. Never asks who performed a retry.

use super::faults::{ends_otherwise_than_500, other_fault};
use crate::contract::need::Need;
use crate::doubles::{Attempt, Endpoint, Outcome};
use crate::observe::model_calls::ModelCall;
use crate::oracle::routing::{self, Call, Ended, FREE_MODEL, PREMIUM_MODEL, Told};
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait;
use serde_json::{Value, json};
use std::time::Duration;

/// The words of the features for the two models.
const MODELS: [(&str, &str); 2] = [("8b", FREE_MODEL), ("70b", PREMIUM_MODEL)];
/// Within this time after the caller's answer the double has written down how its calls ended.
const SETTLED_MAX: Duration = Duration::from_secs(2);
/// In this time after a refusal no call may come.
/// Evidence: a call made before the answer is journalled before it; this is for one that is made beside it.
const QUIET: Duration = Duration::from_millis(100);
/// Note: how many calls there were before the last prompt.
const BEFORE: &str = "upstream calls before the prompt";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.asserting(
        &[
            "AIG-004", "AIG-005", "AIG-006", "AIG-007", "AIG-009", "AIG-010", "AIG-011", "AIG-019",
            "AIG-022",
        ],
        r#"the upstream calls were "([^"]+)""#,
        |s, a| Box::pin(calls_were(s, a)),
    );
    book.asserting(
        &["AIG-009", "AIG-010", "AIG-017"],
        r"there (?:was|were) (\d+)(?: to (\d+))? upstream calls?",
        |s, a| Box::pin(count(s, a)),
    );
    book.asserting(
        &["AIG-016", "AIG-018"],
        "there was no upstream call",
        |s, a| Box::pin(none(s, a)),
    );
    book.asserting(
        &["AIG-006", "AIG-010", "AIG-011", "AIG-022"],
        r#"the upstream calls and the answer keep to the rubric of tenant "([^"]+)""#,
        |s, a| Box::pin(keep_to_rubric(s, a)),
    );
    book.asserting(
        &["AIG-004", "AIG-005", "AIG-006"],
        r#"every try asked for a model of the tier "(free|premium|enterprise)", in its order"#,
        |s, a| Box::pin(models_of_tier(s, a)),
    );
    book.asserting(
        &["AIG-006"],
        "the last prompt was routed as the one before it",
        |s, _a| Box::pin(routed_alike(s)),
    );
    book.asserting(
        &["AIG-014"],
        "every upstream call asked Workers AI through the AI Gateway",
        |s, a| Box::pin(through_gateway(s, a)),
    );
    book.asserting(
        &["AIG-014", "AIG-019"],
        "no other provider was called",
        |s, a| Box::pin(no_trap(s, a)),
    );
    book.asserting(
        &["AIG-006", "AIG-009", "AIG-010", "AIG-022"],
        r"every upstream call to the (8b|70b) model stated a timeout of (\d+) ms",
        |s, a| Box::pin(stated(s, a)),
    );
}

/// The model that a word of the features stands for.
pub(in crate::steps) fn model_word(word: &str) -> Result<&'static str, Stop> {
    MODELS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, model)| *model)
        .ok_or_else(|| Stop::Fault(format!("`{word}` is no model: 8b or 70b")))
}

/// From here on the calls of the next prompt are counted.
pub(super) async fn mark_calls(s: &mut Scene) -> Check {
    let instance = s.instance().await?;
    let earlier = s.notes.contains_key(BEFORE);
    let before = match (&instance.gateway, &instance.model_calls) {
        (Some(gateway), _) => gateway.journal(&s.marker()).len(),
        // The rows of an earlier prompt may still be on their way into the log: they are not the next one's.
        (None, Some(log)) if earlier && s.planned.needs.contains(&Need::AiGatewayLog) => {
            log.of(&s.whose(), counted(s) + 1).await?.calls.len()
        }
        // An instance whose upstream cannot be seen has no calls to count.
        (None, _) => 0,
    };
    s.notes.insert(BEFORE.to_owned(), json!(before));
    Ok(())
}

/// How many calls there were before the last prompt.
fn counted(s: &Scene) -> usize {
    let before = s.notes.get(BEFORE).and_then(Value::as_u64).unwrap_or(0);
    usize::try_from(before).unwrap_or(usize::MAX)
}

/// The calls of the last prompt, ended, as whoever sees them tells: the double, or the platform's own log.
pub(super) async fn seen_calls(s: &mut Scene) -> Result<Vec<ModelCall>, Stop> {
    let before = counted(s);
    let source = s.model_calls().await?;
    let mut seen = source.of(&s.whose(), before + 1).await?;
    if seen.unattributed > 0 {
        return Err(Stop::NotVerified(format!(
            "the gateway's log has {} calls that name no tenant and whose prompts it does not show: let it log payloads, or give the target a gateway of its own",
            seen.unattributed
        )));
    }
    let calls = seen.calls.split_off(before.min(seen.calls.len()));
    if let Some(dynamic) = calls.iter().find(|call| call.model.starts_with("dynamic/")) {
        return Err(hidden_models(&dynamic.model));
    }
    if calls.is_empty() && source.blind_spot().is_some() {
        return Err(Stop::NotVerified(
            "the gateway's log shows no call of this scenario: it may be off, or another gateway's"
                .to_owned(),
        ));
    }
    Ok(calls)
}

/// The calls of the last prompt, at least one, as whoever sees them tells.
pub(super) async fn some_seen_calls(s: &mut Scene) -> Result<Vec<ModelCall>, Stop> {
    let calls = seen_calls(s).await?;
    if calls.is_empty() {
        return Err(no_call(s)?);
    }
    Ok(calls)
}

/// The model of the last prompt's call that answered; `None` where there is none, or nobody sees it.
pub(in crate::steps) async fn last_answering(s: &mut Scene) -> Option<String> {
    let calls = calls(s).await.ok()?;
    let answered = |call: &&Attempt| call.outcome == Outcome::Answered(200);
    let last = calls.iter().rfind(answered)?;
    Some(last.model.clone())
}

/// What it means that the upstream was not asked. That a prompt was answered by something else is AIG-014's fault, and shows nothing of what
/// is promised of calls; nor does one that was not let through, unless one was before.
fn no_call(s: &Scene) -> Result<Stop, Stop> {
    let answer = s.last()?;
    let stop = breach(
        "a call to the AI Gateway",
        format!("none; {}", describe(&answer)),
    );
    if answer.status == 200 {
        let is_its_own = s.planned.criteria.iter().any(|id| id == "AIG-014");
        return Ok(if is_its_own {
            stop
        } else {
            stop.or_unmet("AIG-014")
        });
    }
    if was_answered_before(s) {
        return Ok(stop);
    }
    let because = format!("a chat that is answered with {}", answer.status);
    Ok(stop.or_unmet(&because))
}

/// Whether a prompt of this scenario was let through and answered before the last one.
fn was_answered_before(s: &Scene) -> bool {
    let chat = s.dialect().chat;
    let before = s
        .exchanges
        .split_last()
        .map_or(&[][..], |(_, before)| before);
    let mut prompts = before
        .iter()
        .filter(|exchange| exchange.request.path.starts_with(&chat));
    prompts.any(|exchange| exchange.status == 200)
}

fn hidden_models(route: &str) -> Stop {
    Stop::NotVerified(format!(
        "the target calls the route `{route}`, whose models only Cloudflare knows: let it name the models itself"
    ))
}

/// The calls of the last prompt, ended.
pub(super) async fn calls(s: &mut Scene) -> Result<Vec<Attempt>, Stop> {
    let marker = s.marker();
    let before = counted(s);
    let has_ended = |attempt: &Attempt| attempt.outcome != Outcome::InProgress;
    let mut calls = s
        .gateway()
        .await?
        .wait_until(&marker, SETTLED_MAX, |all| all.iter().all(has_ended))
        .await;
    calls.drain(..before.min(calls.len()));
    if let Some(dynamic) = calls.iter().find(|call| call.model.starts_with("dynamic/")) {
        return Err(hidden_models(&dynamic.model));
    }
    Ok(calls)
}

/// The calls of the last prompt, at least one.
pub(super) async fn some_calls(s: &mut Scene) -> Result<Vec<Attempt>, Stop> {
    let calls = calls(s).await?;
    if calls.is_empty() {
        return Err(no_call(s)?);
    }
    Ok(calls)
}

fn outcome_word(outcome: Outcome) -> String {
    match outcome {
        Outcome::Answered(status) => status.to_string(),
        Outcome::TimedOut => "timeout".to_owned(),
        Outcome::Hung => "hung".to_owned(),
        Outcome::Reset => "reset".to_owned(),
        Outcome::Cut => "cut".to_owned(),
        Outcome::InProgress => "unfinished".to_owned(),
    }
}

/// Calls as the features write them: `70b 500, 8b 200`.
pub(super) fn words(calls: &[Attempt]) -> String {
    seen_words(&calls.iter().map(ModelCall::from).collect::<Vec<_>>())
}

/// As [`words`].
pub(super) fn seen_words(calls: &[ModelCall]) -> String {
    let words: Vec<String> = calls
        .iter()
        .map(|call| {
            let known = MODELS.iter().find(|(_, model)| *model == call.model);
            let model = known.map_or(call.model.as_str(), |(name, _)| *name);
            format!("{model} {}", outcome_word(call.outcome))
        })
        .collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

async fn calls_were(s: &mut Scene, a: Args) -> Check {
    let calls = seen_calls(s).await?;
    let (seen, expected) = (seen_words(&calls), a.text(1));
    let scripted = s.instance().await?.gateway.is_some();
    if scripted && calls.is_empty() {
        return Err(no_call(s)?);
    }
    let failed = |call: &ModelCall| call.outcome != Outcome::Answered(200);
    if !scripted && calls.iter().any(failed) {
        return Err(Stop::NotVerified(format!(
            "the real upstream failed ({seen}): run it again"
        )));
    }
    let check = s.expect(
        seen == expected,
        format!("upstream calls: {expected}"),
        || format!("upstream calls: {seen}"),
    );
    other_fault(s, &seen, expected).map_or(check.clone(), |id| check.or_unmet(id))
}

async fn count(s: &mut Scene, a: Args) -> Check {
    let least: usize = a.number(1)?;
    let most = if a.text(2).is_empty() {
        least
    } else {
        a.number(2)?
    };
    let calls = calls(s).await?;
    let expected = if least == most {
        format!("{least} upstream calls")
    } else {
        format!("{least} to {most} upstream calls")
    };
    if calls.is_empty() && least > 0 {
        return Err(no_call(s)?);
    }
    let check = s.expect((least..=most).contains(&calls.len()), expected, || {
        format!("{}: {}", calls.len(), words(&calls))
    });
    if calls.len() < least && ends_otherwise_than_500(&calls) {
        return check.or_unmet("AIG-011");
    }
    check
}

async fn none(s: &mut Scene, _a: Args) -> Check {
    wait::quiet(QUIET).await;
    let calls = calls(s).await?;
    s.expect(calls.is_empty(), "no upstream call", || words(&calls))
}

fn ended(attempt: &Attempt) -> Ended {
    match attempt.outcome {
        Outcome::Answered(status) => Ended::with_status(status),
        Outcome::TimedOut | Outcome::Hung => Ended::Retryable,
        Outcome::Reset | Outcome::Cut | Outcome::InProgress => Ended::Unstated,
    }
}

/// Whose fault it is that a tier's first call asks for a strange model.
fn primary_fault(tier: &str) -> &'static str {
    if ["premium", "enterprise"].contains(&tier) {
        "AIG-005"
    } else {
        "AIG-004"
    }
}

async fn keep_to_rubric(s: &mut Scene, a: Args) -> Check {
    let tier = s.tenant(a.text(1))?.tier;
    let (answer, attempts) = (s.last()?, some_calls(s).await?);
    let list: Vec<Call> = attempts
        .iter()
        .map(|attempt| Call {
            model: attempt.model.clone(),
            ended: ended(attempt),
        })
        .collect();
    let told = routing::judge(&routing::rubric(&tier), &list).map_err(|why| {
        breach(
            format!("upstream calls as tier `{tier}` demands: {why}"),
            format!("upstream calls: {}", words(&attempts)),
        )
    });
    // Of a model that the contract does not have, in the place of the tier's own, no rubric tells anything.
    let is_strange = |call: &Attempt| MODELS.iter().all(|(_, model)| *model != call.model);
    let fault = primary_fault(&tier);
    let own = &s.planned.criteria;
    let is_own = own.iter().any(|id| id == fault || id == "AIG-006");
    let told = if attempts.first().is_some_and(is_strange) && !is_own {
        told.or_unmet(fault)
    } else {
        told
    };
    let is_of_statuses = s.planned.criteria.iter().any(|id| id == "AIG-011");
    let told = if attempts.len() == 1 && !is_of_statuses && ends_otherwise_than_500(&attempts) {
        told.or_unmet("AIG-011")?
    } else {
        told?
    };
    match told {
        Told::Step(step) => {
            s.expect_status(&answer, 200)
                .or_unmet("a chat whose model answered")?;
            let seen = answer.header("cf-aig-step").map(str::to_owned);
            s.expect_eq("cf-aig-step", &Some(step.to_string()), &seen)
                .or_unmet("AIG-012")
        }
        Told::Failed => s
            .expect(
                [502, 504].contains(&answer.status),
                "status 502 or 504, for every upstream call failed",
                || describe(&answer),
            )
            .or_unmet("AIG-013"),
    }
}

/// Whatever their number: the first try asks for the tier's own model, each later one for it or, after the last of these, for the fallback.
async fn models_of_tier(s: &mut Scene, a: Args) -> Check {
    let models = if a.text(1) == "free" {
        &[FREE_MODEL][..]
    } else {
        &[PREMIUM_MODEL, FREE_MODEL][..]
    };
    let calls = some_calls(s).await?;
    let mut places = calls
        .iter()
        .map(|call| models.iter().position(|model| *model == call.model));
    let is_first_own = places.next() == Some(Some(0));
    let mut at = 0;
    let is_in_order = places.all(|place| {
        let holds = place.is_some_and(|place| place >= at);
        at = place.unwrap_or(at);
        holds
    });
    s.expect(
        is_first_own && is_in_order,
        format!("upstream calls for {}, in this order", models.join(" and ")),
        || {
            let asked: Vec<&str> = calls.iter().map(|call| call.model.as_str()).collect();
            format!("upstream calls for {}", asked.join(", "))
        },
    )
}

async fn through_gateway(s: &mut Scene, _a: Args) -> Check {
    let base = s.gateway().await?.base_url();
    let path = base
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned()))
        .unwrap_or_default();
    for call in some_calls(s).await? {
        let known = match call.endpoint {
            Endpoint::WorkersAiNative
            | Endpoint::WorkersAiOpenAi
            | Endpoint::Compat
            | Endpoint::Universal => true,
            Endpoint::OtherProvider | Endpoint::Unknown => false,
        };
        s.expect(
            known && call.path.starts_with(&path) && call.model.starts_with("@cf/"),
            format!("a Workers AI model, asked at an endpoint of AI Gateway below {path}"),
            || format!("{} {} for model `{}`", call.method, call.path, call.model),
        )?;
    }
    Ok(())
}

async fn no_trap(s: &mut Scene, _a: Args) -> Check {
    // What this scenario named, or asked: other scenarios have their own names for the address.
    let marker = s.marker();
    let hits = s.gateway().await?.trap_hits_with(&marker);
    s.expect(hits == 0, "no call to any other provider", || {
        format!("another provider's address was called {hits} times")
    })
}

/// Of two prompts of a scenario: whom each try asked, how it ended, and with which timeout.
async fn routed_alike(s: &mut Scene) -> Check {
    let later = some_calls(s).await?;
    let before = counted(s);
    let mut earlier = s.gateway().await?.journal(&s.marker());
    earlier.truncate(before);
    let tries = |calls: &[Attempt]| -> Vec<String> {
        let told = calls.iter().map(|call| {
            let timeout = call
                .timeout_stated_ms
                .map_or("none".to_owned(), |ms| format!("{ms} ms"));
            format!(
                "{} {}, timeout {timeout}",
                call.model,
                outcome_word(call.outcome)
            )
        });
        told.collect()
    };
    let (expected, seen) = (tries(&earlier).join("; "), tries(&later).join("; "));
    s.expect(seen == expected, format!("the tries {expected}"), || {
        format!("the tries {seen}")
    })
}

async fn stated(s: &mut Scene, a: Args) -> Check {
    let (model, expected) = (model_word(a.text(1))?, a.number::<u64>(2)?);
    let mut calls = some_calls(s).await?;
    let states_nothing = calls.iter().all(|call| call.timeout_stated_ms.is_none());
    let is_fallback = model == FREE_MODEL && calls.iter().any(|call| call.model == PREMIUM_MODEL);
    calls.retain(|call| call.model == model);
    let check = s.expect(!calls.is_empty(), format!("a call to {model}"), || {
        "none".to_owned()
    });
    let only = |id: &str| s.planned.criteria.iter().all(|own| own == id);
    let (of_fallback, of_timeouts) = (only("AIG-010"), only("AIG-009"));
    let of_tiers = only("AIG-006") || only("AIG-022");
    // Which model is asked first presupposes AIG-004 and AIG-005.
    let is_primary = of_fallback && model == PREMIUM_MODEL;
    match (is_primary || of_timeouts, model) {
        (true, PREMIUM_MODEL) => check.or_unmet("AIG-005")?,
        (true, _) => check.or_unmet("AIG-004")?,
        (false, _) => check?,
    }
    for (at, call) in calls.iter().enumerate() {
        // Of retries and fallback it is the fallback's timeout that is promised (AIG-010); what a primary model states is AIG-009's, and so
        // is it that nothing is stated at all.
        let is_unstated = of_tiers && call.timeout_stated_ms.is_none();
        let promised_by = if of_tiers && is_fallback && !states_nothing {
            Some("AIG-010")
        } else if is_primary || is_unstated || of_fallback && states_nothing {
            Some("AIG-009")
        } else {
            None
        };
        let check = s.expect_eq(
            &format!("stated timeout in ms of call {} to {model}:", at + 1),
            &Some(expected),
            &call.timeout_stated_ms,
        );
        match promised_by {
            Some(id) => check.or_unmet(id)?,
            None => check?,
        }
    }
    Ok(())
}
