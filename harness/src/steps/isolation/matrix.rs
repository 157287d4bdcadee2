//! The matrix of ISO-001: each tenant calls, naming each other one; then every answer, store and bill is judged. Never judges by the answer alone.

use super::carriers::Carrier;
use super::{chat_of, greet, greeting, identifiers, marker_of, whole};
use crate::client::Request;
use crate::evidence::Exchange;
use crate::observe::Row;
use crate::oracle::usage;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::said::said;
use crate::steps::operating::{
    QUIET, difference, expect_first, expect_usage_count, presuppose, start_gateway, usage_rows,
    worst,
};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait;
use serde_json::{Value, json};
use std::sync::Arc;

/// The callers, with their tiers.
pub(super) const TENANTS: [(&str, &str); 3] =
    [("a", "free"), ("b", "premium"), ("c", "enterprise")];

/// Where a scenario keeps who called what: `[{"caller", "from", "to"}]`.
const ROUNDS: &str = "rounds";
/// Where it keeps what changed of those who did not call.
const CHANGED: &str = "changed meanwhile";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"three tenants of every tier, one with a running gateway",
        |s, _a| Box::pin(three(s)),
    );
    book.step(
        r"the status of that one tells of a gateway, and the status of the others of none",
        |s, _a| Box::pin(one_gateway(s)),
    );
    book.step(
        r"every answer is the caller's own, and no other tenant was read, changed or billed",
        |s, _a| Box::pin(all_own(s)),
    );
    book.step(
        r#"each of these calls is refused with (\d+) "([A-Z_]+)""#,
        |s, a| Box::pin(each_refused(s, a)),
    );
}

/// The tokens that a caller's chats report: different for each, so that a row on the wrong bill shows; and no one's are another's twice,
/// turned round or added up, so that tokens counted wrongly do not look like another's.
pub(super) fn tokens_of(number: usize) -> (u64, u64) {
    let number = number as u64;
    (1_009 + 97 * number, 211 + 13 * number)
}

/// Whether the tokens of a row are those of a chat of somebody else among so many callers.
fn is_anothers(row: &Row, tokens: (u64, u64), callers: usize) -> bool {
    let (Some(tokens_in), Some(tokens_out)) = usage::counted(row) else {
        return false;
    };
    let mut others = (0..callers)
        .map(tokens_of)
        .filter(|others| *others != tokens);
    others.any(|(other_in, other_out)| tokens_in == other_in || tokens_out == other_out)
}

async fn three(s: &mut Scene) -> Check {
    for (number, (name, tier)) in TENANTS.into_iter().enumerate() {
        let mut tenant = s.new_tenant(name, tier).await?;
        tenant.domains = vec![s.domain(name)];
        let tenant = s.make_tenant(name, tenant).await?;
        greet(s, name, &tenant, tokens_of(number)).await?;
    }
    let running = s.tenant(TENANTS[1].0)?;
    let answer = start_gateway(s, &running.id).await?;
    presuppose(&answer, answer.status == 200, "cannot start the gateway")
}

async fn one_gateway(s: &mut Scene) -> Check {
    for (name, _tier) in TENANTS {
        let tenant = s.tenant(name)?;
        let request = s.status_request(&tenant.host);
        let answer = s.send(request).await?;
        let state = answer.text_at(&s.dialect().status_gateway_state);
        let is_stopped = state.as_deref() == Some("stopped");
        let started = name == TENANTS[1].0;
        expect_first(
            s,
            &answer,
            answer.status == 200 && state.is_some(),
            "status 200 with the state of the gateway",
        )?;
        let check = s.expect(
            is_stopped != started,
            format!(
                "the gateway of tenant `{}` {}",
                tenant.slug,
                if started { "started" } else { "stopped" }
            ),
            || describe(&answer),
        );
        // That one runs is a precondition: the others' state shows whether it is told to them.
        if started {
            check.or_unmet("SMK-001")?;
        } else {
            check?;
        }
    }
    Ok(())
}

/// Lets each tenant call in turn, and keeps what changed meanwhile of the others.
pub(super) async fn rounds(s: &mut Scene, carrier: Carrier, lines: &[String]) -> Check {
    let mut list = Vec::new();
    let mut changed = Vec::new();
    for (name, _tier) in TENANTS {
        let caller = s.tenant(name)?;
        let mut others = Vec::new();
        for (other, _tier) in TENANTS {
            if other != name {
                let other = s.tenant(other)?;
                let before = whole(s, &other).await?;
                others.push((other, before));
            }
        }
        let requests = calls(s, name, &caller, &others, carrier, lines)?;
        let from = s.exchanges.len();
        let answers = s.send_all(requests).await?;
        list.push(json!({ "caller": name, "from": from, "to": s.exchanges.len() }));
        // The rows of one round are there before the next one begins, so that each round's changes are its own.
        // If they do not come, the judgement below says why better than their number would.
        match expect_usage_count(s, &caller, chats(&answers)).await {
            Ok(()) | Err(Stop::Violation(_)) => {}
            Err(stop) => return Err(stop),
        }
        for (other, before) in others {
            let lines = changed_by_others(s, &other, &before).await?;
            changed.extend(
                lines
                    .iter()
                    .map(|line| format!("by `{name}`: {}: {line}", other.slug)),
            );
        }
    }
    s.notes.insert(ROUNDS.to_owned(), json!(list));
    s.notes.insert(CHANGED.to_owned(), json!(changed));
    Ok(())
}

/// What has changed of a tenant that it did not do itself: a late row of a chat of its own is none, nor is what changes while nobody calls.
async fn changed_by_others(
    s: &mut Scene,
    tenant: &Tenant,
    before: &Value,
) -> Result<Vec<String>, Stop> {
    let own = TENANTS
        .iter()
        .position(|(name, _)| s.tenant(name).is_ok_and(|known| known.id == tenant.id))
        .map(tokens_of);
    let without_own = |all: &Value| {
        let mut all = all.clone();
        let is_own = |row: &Value| {
            let tokens = (row["tokens_in"].as_u64(), row["tokens_out"].as_u64());
            own.is_some_and(|own| tokens == (Some(own.0), Some(own.1)))
        };
        if let Some(rows) = all["usage"].as_array_mut() {
            rows.retain(|row| !is_own(row));
        }
        all
    };
    let before = without_own(before);
    let after = whole(s, tenant).await?;
    if difference(&before, &without_own(&after)).is_empty() {
        return Ok(Vec::new());
    }
    let later = whole(s, tenant).await?;
    let by_itself = difference(&without_own(&after), &without_own(&later));
    let place = |line: &String| line.rsplit_once(": ").map(|(place, _)| place.to_owned());
    let changing: Vec<_> = by_itself.iter().map(place).collect();
    let lines = difference(&before, &without_own(&after));
    Ok(lines
        .into_iter()
        .filter(|line| !changing.contains(&place(line)))
        .collect())
}

fn calls(
    s: &Scene,
    name: &str,
    caller: &Tenant,
    others: &[(Tenant, Value)],
    carrier: Carrier,
    lines: &[String],
) -> Result<Vec<Request>, Stop> {
    let mut requests = Vec::new();
    for (other, _before) in others {
        for line in lines {
            requests.extend(carrier.requests(s, name, caller, other, line)?);
        }
    }
    if lines.is_empty() {
        for host in [&caller.host, &caller.domains[0]] {
            requests.push(s.status_request(host));
            requests.push(s.chat_request_with(host, &chat_of(s, name, &json!({}))));
        }
    }
    Ok(requests)
}

/// How many chats were answered by a model.
fn chats(answers: &[Arc<Exchange>]) -> usize {
    answers
        .iter()
        .filter(|answer| is_chat(answer) && answer.status == 200)
        .count()
}

fn is_chat(answer: &Exchange) -> bool {
    answer.request.method == "POST" && answer.request.body.contains("[[mp-")
}

async fn all_own(s: &mut Scene) -> Check {
    let all: Vec<Tenant> = TENANTS
        .into_iter()
        .map(|(name, _)| s.tenant(name))
        .collect::<Result<_, _>>()?;
    let rounds = s.notes.get(ROUNDS).and_then(Value::as_array).cloned();
    let rounds = rounds.ok_or_else(|| Stop::Fault("nobody has called".to_owned()))?;
    let changed = s.notes.get(CHANGED).cloned().unwrap_or_default();
    s.expect(
        changed == json!([]),
        "nothing of another tenant changed by a call",
        || changed.to_string(),
    )?;
    // What would be on a wrong bill comes a little later than the answer.
    wait::quiet(QUIET).await;
    for (number, round) in rounds.iter().enumerate() {
        let name = round["caller"].as_str().unwrap_or_default().to_owned();
        let answers = of_round(s, round);
        judge_caller(s, &name, &all, &answers, tokens_of(number)).await?;
    }
    Ok(())
}

fn of_round(s: &Scene, round: &Value) -> Vec<Arc<Exchange>> {
    let place = |name: &str| {
        let number = round[name].as_u64().unwrap_or(0);
        usize::try_from(number).unwrap_or(0)
    };
    s.exchanges[place("from")..place("to")].to_vec()
}

/// Judges all that one tenant was answered, and its bill: nothing of another's may be in it. What is missing of its own is promised elsewhere.
pub(super) async fn judge_caller(
    s: &mut Scene,
    name: &str,
    all: &[Tenant],
    answers: &[Arc<Exchange>],
    tokens: (u64, u64),
) -> Check {
    let caller = s.tenant(name)?;
    let others: Vec<String> = all
        .iter()
        .filter(|tenant| tenant.id != caller.id)
        .flat_map(identifiers)
        .collect();
    for answer in answers {
        judge_answer(s, &caller, &others, answer)?;
    }
    judge_calls(s, name, &caller, &others, chats(answers)).await?;
    let rows = usage_rows(s, &caller.id).await?;
    // A row with the tokens of no chat at all is nobody's: who counts wrongly has no say about whose it is.
    let foreign = rows.iter().find(|row| is_anothers(row, tokens, all.len()));
    s.expect(
        foreign.is_none(),
        format!(
            "no row of another's chat on the bill of tenant `{}`",
            caller.slug
        ),
        || said(&foreign),
    )?;
    let count = chats(answers);
    let wanted = vec![(Some(tokens.0), Some(tokens.1)); count];
    let seen: Vec<_> = rows.iter().map(usage::counted).collect();
    s.expect_eq(
        &format!("tokens in and out of tenant `{}`, row by row:", caller.slug),
        &wanted,
        &seen,
    )
    .or_unmet("USG-001")
}

fn judge_answer(s: &mut Scene, caller: &Tenant, others: &[String], answer: &Exchange) -> Check {
    let sent = format!("{:?}", answer.request);
    let received = format!("{} {}", said(&answer.headers), answer.text());
    // What the caller said itself may come back; what it could not know may not.
    let foreign = others
        .iter()
        .find(|name| received.contains(name.as_str()) && !sent.contains(name.as_str()));
    s.expect(
        foreign.is_none(),
        format!("an answer to `{}` that names no other tenant", caller.slug),
        || format!("{foreign} in {received}", foreign = said(&foreign)),
    )?;
    if answer.status >= 300 {
        let is_no_crash = answer.status < 500;
        return expect_first(s, answer, is_no_crash, "an answer, be it a refusal");
    }
    if is_chat(answer) {
        let is_own = answer.text().contains(&greeting(caller));
        let wanted = format!("the model's answer to `{}`", caller.slug);
        return s
            .expect(is_own, wanted, || describe(answer))
            .or_unmet("AIG-017");
    }
    let dialect = s.dialect();
    let route = answer.request.path.split('?').next().unwrap_or_default();
    let seen = answer.text_at(&dialect.status_tenant);
    if route != dialect.status && seen.is_none() {
        // Whatever a path of no contract's says, it is nothing of another tenant.
        s.checks += 1;
        return Ok(());
    }
    let check = s.expect(
        seen.as_deref() == Some(caller.slug.as_str()),
        format!("status of tenant `{}`", caller.slug),
        || describe(answer),
    );
    if seen.is_none() {
        check.or_unmet("RES-001")
    } else {
        check
    }
}

/// The keys of metadata that say whose call it is. Source: AIG-001 and AIG-003.
const OWN_KEYS: [&str; 5] = ["platform", "tier", "workload", "tenant_id", "sandbox_id"];

/// Judges the model calls of one tenant: none may name another in its metadata.
async fn judge_calls(
    s: &mut Scene,
    name: &str,
    caller: &Tenant,
    others: &[String],
    chats: usize,
) -> Check {
    let marker = marker_of(s, name);
    let calls = s.gateway().await?.journal(&marker);
    let seen = calls.len();
    for call in calls {
        let raw = call.metadata_raw.unwrap_or_default();
        let kept = call.metadata_kept.unwrap_or_default();
        let is_own = |key: &str, own: &str| {
            kept.get(key)
                .is_none_or(|value| value.as_str() == Some(own))
        };
        // What else a backend tells of its caller is not whose call it is.
        let names = |other: &str| {
            let said = OWN_KEYS.iter().filter_map(|key| kept.get(*key));
            said.filter_map(|value| value.as_str())
                .any(|value| value.contains(other))
        };
        s.expect(
            !others.iter().any(|other| names(other)) && is_own("tenant_id", &caller.id),
            format!("metadata of tenant `{}` ({})", caller.slug, caller.id),
            || raw.clone(),
        )?;
    }
    s.expect(
        seen >= chats,
        format!(
            "a model call for each of the {chats} chats of `{}`",
            caller.slug
        ),
        || format!("{seen}"),
    )
}

/// That a call is refused is what isolates; in which words is promised elsewhere.
async fn each_refused(s: &mut Scene, a: Args) -> Check {
    let (status, code) = (a.number(1)?, a.text(2));
    let rounds = s.notes.get(ROUNDS).and_then(Value::as_array).cloned();
    let answers: Vec<_> = rounds
        .iter()
        .flatten()
        .flat_map(|round| of_round(s, round))
        .collect();
    worst(answers.iter().map(|answer| {
        // A login page opens nothing; a route that opens to anybody is ACC-001's.
        if answer.status < 300 {
            s.expect_error(answer, status, code).or_unmet("ACC-001")
        } else {
            s.checks += 1;
            Ok(())
        }
    }))
}
