//! Steps of the smoke test: from nothing to an answer, and what each step took. Never seeds a tenant: the backend makes it.

use super::operating::{
    QUIET, at, authorised, create, delete, expect_first, expect_status_first, expect_usage_count,
    gateway, presuppose, settle, start_gateway, worst,
};
use crate::client::Request;
use crate::clock;
use crate::evidence::Exchange;
use crate::lag;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::said::said;
use crate::subject::dialect::Dialect;
use crate::subject::dialect::operation::Operation;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

/// Where the smoke test keeps its steps: `[{"step", "took_ms", "status", "ok", "exchange"}]`.
const SMOKE: &str = "smoke";

/// So many times as long as promised a scenario looks on a machine that is late.
const LONGER_MAX: u32 = 7;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"the smoke test creates tenant "([^"]+)"(?: with (a|\d+) custom domains?)?"#,
        |s, a| Box::pin(create_tenant(s, a)),
    );
    book.step(
        r#"the smoke test creates tenant "([^"]+)" with the (id and )?names of tenant "([^"]+)""#,
        |s, a| Box::pin(create_with_names_of(s, a)),
    );
    book.step(r"the operator removes it", |s, _a| {
        Box::pin(remove_created(s))
    });
    book.step(
        r#"the smoke test starts the gateway of tenant "([^"]+)""#,
        |s, a| Box::pin(start(s, a)),
    );
    book.step(
        r#"the gateway of tenant "([^"]+)" is said to run, to operator and tenant alike"#,
        |s, a| Box::pin(runs(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" receives the model's response"#,
        |s, a| Box::pin(receives(s, a)),
    );
    book.asserting(
        &["USG-001"],
        r"the usage row of that response is there",
        |s, _a| Box::pin(row_is_there(s)),
    );
    book.step(r"all of it took less than (\d+) s", |s, a| {
        Box::pin(took_less(s, a))
    });
    book.step(
        r#"subdomain and custom domain of tenant "([^"]+)" answer as tenant "([^"]+)" within (\d+) s of the creating request"#,
        |s, a| Box::pin(mapped_within(s, a)),
    );
    book.step(
        r"each of these (\d+) steps has left its time, its result and a line for the report",
        |s, a| Box::pin(all_recorded(s, a)),
    );
    book.step(r#"the gateway of tenant "([^"]+)" is stopped"#, |s, a| {
        Box::pin(is_stopped(s, a))
    });
    book.step(
        r#"(\d+) starts of the gateway of tenant "([^"]+)" and (\d+) cold chats are sent at once"#,
        |s, a| Box::pin(start_at_once(s, a)),
    );
    book.step(
        r"(?:the gateway has run for (\d+) s|(\d+) s have passed)",
        |_s, a| Box::pin(has_run_for(a)),
    );
    book.step(r"all of them are answered with (\d+)", |s, a| {
        Box::pin(all_answered(s, a))
    });
    book.step(
        r"all starts and a later look name one run of the gateway",
        |s, _a| Box::pin(one_run(s)),
    );
    book.step(r"its start was logged once", |s, _a| {
        Box::pin(logged_once(s))
    });
}

/// Lets time pass, which is what the sentence is about.
async fn has_run_for(a: Args) -> Check {
    let place = if a.text(1).is_empty() { 2 } else { 1 };
    wait::pass(Duration::from_secs(a.number(place)?)).await;
    Ok(())
}

/// Records a step of the smoke test: what it took and how it ended.
fn record(s: &mut Scene, step: &str, answer: &Exchange) {
    let entry = json!({
        "step": step,
        "took_ms": clock::ms(answer.done_after),
        "status": answer.status,
        "ok": (200..300).contains(&answer.status),
        "exchange": answer.number,
        "line": answer.line(),
    });
    s.told = Some(format!("{step}: {}", answer.line()));
    let list = s.notes.entry(SMOKE.to_owned()).or_insert_with(|| json!([]));
    if let Value::Array(list) = list {
        list.push(entry);
    }
}

/// Where the smoke test keeps what went wrong while it acted: `{"expected", "seen"}`.
const BROKEN: &str = "smoke broken";

/// What goes wrong while the smoke test acts is judged by its assertions: it is what SMK-001 promises. The steps in between have nothing to
/// act on.
fn judged_later(s: &mut Scene, check: Check) -> Check {
    match check {
        Err(Stop::Violation(finding)) => {
            let broken = json!({ "expected": finding.expected, "seen": finding.seen });
            s.notes.insert(BROKEN.to_owned(), broken);
            Ok(())
        }
        Ok(()) | Err(_) => check,
    }
}

fn is_broken(s: &Scene) -> bool {
    s.notes.contains_key(BROKEN)
}

/// Judges what went wrong before: what SMK-001 promises, and a result that SMK-003 wants told. Elsewhere it is why nothing can be judged.
fn judge_before(s: &Scene) -> Check {
    let Some(broken) = s.notes.get(BROKEN) else {
        return Ok(());
    };
    let text = |name: &str| broken[name].as_str().unwrap_or_default().to_owned();
    let stop = breach(text("expected"), text("seen"));
    let own = ["SMK-001", "SMK-003"];
    if s.planned
        .criteria
        .iter()
        .any(|id| own.contains(&id.as_str()))
    {
        return Err(stop);
    }
    Err(stop.or_unmet("SMK-001"))
}

async fn create_tenant(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.new_tenant(a.text(1), "free").await?;
    match a.text(2) {
        "" => {}
        "a" => tenant.domains = vec![s.domain(a.text(1))],
        _ => {
            let names = 1..=a.number(2)?;
            tenant.domains = names
                .map(|number: u32| s.domain(&format!("{}{number}", a.text(1))))
                .collect();
        }
    }
    created(s, a.text(1), tenant).await
}

/// What a tenant that is gone was called.
async fn create_with_names_of(s: &mut Scene, a: Args) -> Check {
    judge_before(s).or_unmet("SMK-001")?;
    let gone = s.tenant(a.text(3))?;
    if a.text(2).is_empty() {
        let mut tenant = s.new_tenant(a.text(1), "free").await?;
        tenant.slug = gone.slug;
        tenant.host = gone.host;
        tenant.domains = gone.domains;
        return created(s, a.text(1), tenant).await;
    }
    // Nobody promises that an id may be used again: who refuses it has created no tenant.
    let answer = create(s, &gone.creation()).await?;
    if (400..500).contains(&answer.status) || answer.status == 501 {
        return Err(Stop::NotApplicable(format!(
            "the id of a tenant that is gone is refused with {}",
            answer.status
        )));
    }
    made(s, a.text(1), gone, &answer)
}

/// The tenant that was created last is removed, so that its names are free.
async fn remove_created(s: &mut Scene) -> Check {
    judge_before(s).or_unmet("SMK-001")?;
    let name = s
        .notes
        .get("tenant")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let id = s.tenant(&name)?.id;
    let answer = delete(s, &id).await?;
    presuppose(&answer, answer.status < 300, "a tenant cannot be deleted")
}

/// Creates a tenant as one step of the smoke test.
async fn created(s: &mut Scene, name: &str, tenant: Tenant) -> Check {
    let answer = create(s, &tenant.creation()).await?;
    if tenant.domains.len() > 1 && answer.status == 400 {
        return Err(Stop::NotApplicable(format!(
            "a tenant with {} custom hostnames is refused with 400",
            tenant.domains.len()
        )));
    }
    made(s, name, tenant, &answer)
}

/// Records a creation and what it made.
fn made(s: &mut Scene, name: &str, tenant: Tenant, answer: &Exchange) -> Check {
    record(s, "create tenant", answer);
    let check = s.expect(
        answer.status == 201,
        format!("tenant `{}` created with 201", tenant.slug),
        || describe(answer),
    );
    s.notes.insert("tenant".to_owned(), json!(name));
    s.know_tenant(name, tenant);
    judged_later(s, check)
}

async fn start(s: &mut Scene, a: Args) -> Check {
    if is_broken(s) {
        return Ok(());
    }
    let id = s.tenant(a.text(1))?.id;
    let answer = start_gateway(s, &id).await?;
    record(s, "start gateway", &answer);
    let check = s.expect(answer.status == 200, "a gateway started with 200", || {
        describe(&answer)
    });
    judged_later(s, check)
}

async fn runs(s: &mut Scene, a: Args) -> Check {
    if is_broken(s) {
        return Ok(());
    }
    let check = said_to_run(s, a).await;
    judged_later(s, check)
}

async fn said_to_run(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let answer = gateway(s, &tenant.id).await?;
    expect_status_first(s, &answer, 200)?;
    let pointer = s.dialect().gateway_state;
    let state = answer.text_at(&pointer);
    if state.is_none() {
        return Err(Stop::NotVerified(format!(
            "a gateway answer has no state at `{pointer}` of `shapes.md` (manifest: dialect.gateway_state; empty where it shows none)"
        )));
    }
    s.expect(
        state.as_deref() == Some("running"),
        "a running gateway, as the operator sees it",
        || describe(&answer),
    )?;
    settle(s).await?;
    let request = s.status_request(&tenant.host);
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 200)?;
    let state = answer.text_at(&s.dialect().status_gateway_state);
    s.expect(
        state.as_deref() == Some("running"),
        "a running gateway, as the tenant sees it",
        || describe(&answer),
    )
}

async fn receives(s: &mut Scene, a: Args) -> Check {
    if is_broken(s) {
        return Ok(());
    }
    let tenant = s.tenant(a.text(1))?;
    settle(s).await?;
    let request = s.chat_request(&tenant.host);
    let answer = s.send(request).await?;
    record(s, "receive model response", &answer);
    let text = answer.text_at("/choices/0/message/content");
    let check = s.expect(
        answer.status == 200 && text.is_some_and(|text| !text.is_empty()),
        "a chat completion with text",
        || describe(&answer),
    );
    judged_later(s, check)?;
    if is_broken(s) {
        return Ok(());
    }
    let called = !s.gateway().await?.journal(&s.marker()).is_empty();
    let check = s.expect(called, "a response of the model, which was called", || {
        format!("no model call, and {}", describe(&answer))
    });
    judged_later(s, check)
}

/// That there is a row is promised elsewhere: here it is the last step of the test, and its absence is told as what it is.
async fn row_is_there(s: &mut Scene) -> Check {
    if is_broken(s) {
        return Ok(());
    }
    let name = s.notes.get("tenant").and_then(Value::as_str);
    let tenant = s.tenant(name.unwrap_or_default())?;
    expect_usage_count(s, &tenant, 1).await
}

async fn took_less(s: &mut Scene, a: Args) -> Check {
    judge_before(s)?;
    let limit = Duration::from_secs(a.number(1)?);
    let began = s.exchanges.first().map(|first| first.sent_at);
    let took = began.map_or(limit, |began| began.elapsed());
    let seen = format!("{:.1} s", took.as_secs_f64());
    if let Some(began) = began.filter(|_began| took >= limit) {
        let over = took.saturating_sub(limit);
        lag::blame(began, began + took, over, || seen.clone())?;
    }
    s.expect(
        took < limit,
        format!("less than {} s from the creating request", limit.as_secs()),
        || seen,
    )
}

async fn mapped_within(s: &mut Scene, a: Args) -> Check {
    judge_before(s)?;
    let tenant = s.tenant(a.text(1))?;
    let limit = Duration::from_secs(a.number(3)?);
    // What the target took, not what this process waited for its turn between two requests.
    let creating = s.last()?;
    let mut took = creating.done_after;
    for host in iter::once(&tenant.host)
        .chain(tenant.domains.first())
        .chain(tenant.domains.last())
    {
        let request = s.status_request(host);
        let answer = loop {
            let answer = s.send(request.clone()).await?;
            took += answer.done_after;
            // On a target that states a delay the first looks may come too early; the limit is the same, but for what the machine took.
            let excuse = lag::between(creating.sent_at, clock::now()).excuse();
            if answer.status == 200 || took >= limit + excuse.min(limit * LONGER_MAX) {
                break answer;
            }
            wait::pass(QUIET).await;
            took += QUIET;
        };
        let is_quota = answer.status == 429;
        expect_first(s, &answer, !is_quota, "an answer within the quota")?;
        let seen = s.who_answered(&answer).await?;
        if took >= limit {
            let until = answer.sent_at + answer.done_after;
            let over = took.saturating_sub(limit);
            lag::blame(creating.sent_at, until, over, || {
                format!("after {:.1} s: {}", took.as_secs_f64(), describe(&answer))
            })?;
        }
        s.expect(
            answer.status == 200 && seen.as_deref() == Some(tenant.slug.as_str()) && took < limit,
            format!(
                "tenant `{}` created and found on {host} in less than {} s",
                tenant.slug,
                limit.as_secs()
            ),
            || format!("after {:.1} s: {}", took.as_secs_f64(), describe(&answer)),
        )?;
    }
    Ok(())
}

async fn all_recorded(s: &mut Scene, a: Args) -> Check {
    judge_before(s)?;
    let steps = s.notes.get(SMOKE).and_then(Value::as_array).cloned();
    let steps = steps.unwrap_or_default();
    s.expect_eq("steps recorded:", &a.number::<usize>(1)?, &steps.len())?;
    let mut until = None;
    for step in &steps {
        let number = step["exchange"].as_u64();
        let kept: Option<Arc<Exchange>> = s
            .exchanges
            .iter()
            .find(|kept| Some(kept.number as u64) == number)
            .cloned();
        let kept = kept.ok_or_else(|| Stop::Fault(format!("no exchange of {step}")))?;
        let in_order = until.is_none_or(|until| kept.sent_at >= until);
        until = Some(kept.sent_at + kept.done_after);
        let line = kept.line();
        s.expect(
            in_order
                && kept.sent_at_ms > 0
                && kept.head_after > Duration::ZERO
                && kept.done_after >= kept.head_after
                && step["took_ms"].as_f64().is_some_and(|took| took > 0.0)
                && step["ok"] == json!(true)
                && line.contains(&kept.status.to_string())
                && line.contains(" ms"),
            "a step with its time, its result and a line, in the order of the steps",
            || format!("{step} {line}"),
        )?;
    }
    Ok(())
}

async fn is_stopped(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    s.notes.insert("tenant".to_owned(), json!(a.text(1)));
    let answer = gateway(s, &tenant.id).await?;
    let pointer = s.dialect().gateway_instance;
    s.expect(
        answer.status == 200 && answer.at(&pointer).is_none_or(|value| value.is_null()),
        "a gateway that does not run yet",
        || describe(&answer),
    )
}

async fn start_at_once(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(2))?;
    let (starts, chats): (usize, usize) = (a.number(1)?, a.number(3)?);
    let path = at(&s.dialect().gateway_start, &tenant.id);
    let start = authorised(s, Request::new("POST", path)).await?;
    let mut requests = Vec::new();
    for number in 0..starts.max(chats) {
        if number < starts {
            requests.push(start.clone());
        }
        if number < chats {
            // By each of its names in turn.
            let names = iter::once(&tenant.host).chain(&tenant.domains);
            let name = names.cycle().nth(number).unwrap_or(&tenant.host);
            requests.push(s.chat_request(name));
        }
    }
    s.send_all(requests).await.map(drop)
}

/// A start and a look may have one path.
fn is_start(dialect: &Dialect, answer: &Exchange) -> bool {
    dialect
        .operation_sent(&answer.request.method, &answer.request.path)
        .is_some_and(|(what, _id)| what == Operation::StartGateway)
}

/// A start that fails because another one is under way is what must not be; that a chat is answered is promised elsewhere.
async fn all_answered(s: &mut Scene, a: Args) -> Check {
    let (status, dialect) = (a.number(1)?, s.dialect());
    let answers = s.exchanges.clone();
    worst(answers.iter().map(|answer| {
        if is_start(&dialect, answer) && answer.status != 429 {
            s.expect_status(answer, status)
        } else {
            expect_status_first(s, answer, status)
        }
    }))
}

async fn one_run(s: &mut Scene) -> Check {
    let name = s.notes.get("tenant").and_then(Value::as_str);
    let tenant = s.tenant(name.unwrap_or_default())?;
    let pointer = s.dialect().gateway_instance;
    let later = [
        gateway(s, &tenant.id).await?,
        start_gateway(s, &tenant.id).await?,
    ];
    let dialect = s.dialect();
    let starts = s.exchanges.iter().filter(|one| is_start(&dialect, one));
    let runs: BTreeSet<Option<String>> = starts
        .chain(&later)
        .map(|answer| answer.text_at(&pointer))
        .collect();
    s.expect(
        runs.len() == 1 && runs.iter().all(Option::is_some),
        "one run named by every start and by a later look",
        || said(&runs),
    )
}

/// What was started shows in the log by the runs that it names, however often a line says so.
async fn logged_once(s: &mut Scene) -> Check {
    let name = s.notes.get("tenant").and_then(Value::as_str);
    let sandbox_id = s.tenant(name.unwrap_or_default())?.sandbox_id;
    wait::quiet(QUIET).await;
    let lines = s.log_lines().await?;
    let runs: BTreeSet<String> = lines
        .iter()
        .filter(|line| line.text.contains(&sandbox_id) && line.text.contains("started"))
        .filter_map(|line| line.field("instance_id"))
        .collect();
    s.expect(
        runs.len() <= 1,
        format!("one run of the gateway of sandbox {sandbox_id} in the log"),
        || said(&runs),
    )
}
