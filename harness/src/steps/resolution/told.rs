//! What is told of a resolution, and to whom: the log, the bill, the body. Never reads another scenario's lines.

use super::facts;
use crate::observe::{D1, LogLine};
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach};
use crate::steps::words::filled;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use crate::wait::{self, Look};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Longest time until a line is in the log. Evidence: logs are written while the request is answered; a tail of a remote log takes longer.
const LOGGED: Duration = Duration::from_secs(2);

/// The event as the contract calls it; other names will do.
const FAILURE: &str = "resolution_failure";

/// Where a scenario keeps how long the log was when a failed resolution had been seen in it.
const FAILURE_SEEN: &str = "log up to the failure";
/// Where a scenario keeps how long the log was before a malformed override was sent.
pub(super) const LOG_BEFORE: &str = "log before the override";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r"the log warns of the ignored override", |s, a| {
        Box::pin(warns_of_override(s, a))
    });
    book.step(
        r#"the log has the resolution failure of host "([^"]*)" with the client ip"#,
        |s, a| Box::pin(has_failure(s, a)),
    );
    book.step(r#"whoever calls has the client ip "([^"]+)""#, |s, a| {
        Box::pin(calls_from(s, a))
    });
    book.step(
        r#"the log has the resolution failure of host "([^"]*)" a second time"#,
        |s, a| Box::pin(has_failure_again(s, a)),
    );
    book.step(
        r#"the log has no resolution failure of host "([^"]*)""#,
        |s, a| Box::pin(has_no_failure(s, a)),
    );
    book.step(
        r#"the answer names neither host "([^"]*)" nor the client ip"#,
        |s, a| Box::pin(names_neither(s, a)),
    );
    book.step(r#"the chat is billed to tenant "([^"]+)" alone"#, |s, a| {
        Box::pin(billed_to(s, a))
    });
    book.step(r"no model was called", |s, a| Box::pin(no_model(s, a)));
}

/// A warning that speaks of the override, in whatever words: of this very request, or else one that came with it, while no other
/// scenario sent one.
async fn warns_of_override(s: &mut Scene, _a: Args) -> Check {
    let answer = s.last()?;
    let mut own = vec![s.token.clone()];
    own.extend(answer.header("x-request-id").map(str::to_owned));
    own.extend(answer.text_at("/meta/request_id"));
    let mark = s.notes.get(LOG_BEFORE).and_then(Value::as_u64).unwrap_or(0);
    s.wait_for_log(
        "a warning of the ignored override in the log",
        LOGGED,
        |line| {
            let is_own = line.is_tied_to(&own);
            let is_new = u64::try_from(line.number).is_ok_and(|number| number >= mark);
            let is_it = line
                .is_event("override_ignored")
                .unwrap_or_else(|| facts::speaks_of(line, "override"));
            (is_own || is_new) && is_it && line.warns()
        },
    )
    .await
    .map(drop)
}

/// The skeletons of what is logged of hosts that were served: no line like these tells of a failure.
async fn usual(s: &mut Scene) -> Result<BTreeSet<String>, Stop> {
    let served: BTreeSet<String> = s
        .exchanges
        .iter()
        .filter(|answer| answer.status == 200)
        .map(|answer| answer.request.host.to_lowercase())
        .collect();
    let logs = s.instance().await?.logs.clone();
    let lines = logs.map(|logs| logs.since(0)).unwrap_or_default();
    let lines = s.run.target.dialect().log.read(lines);
    let of_served = |line: &LogLine| {
        let host = served.iter().find(|host| facts::names(line, host))?;
        Some(facts::skeleton(line, host))
    };
    Ok(lines.iter().filter_map(of_served).collect())
}

/// Whether a line tells that this host could not be resolved for this client.
fn tells_failure(line: &LogLine, host: &str, ip: &str, usual: &BTreeSet<String>) -> bool {
    let is_it = || line.text.contains(FAILURE) || !usual.contains(&facts::skeleton(line, host));
    facts::names(line, host)
        && facts::names(line, ip)
        && line.is_event(FAILURE).unwrap_or_else(is_it)
}

async fn calls_from(s: &mut Scene, a: Args) -> Check {
    let ip = s.client_ip_like(a.text(1));
    s.set_client_ip(&ip);
    Ok(())
}

async fn has_failure(s: &mut Scene, a: Args) -> Check {
    let (host, ip) = (filled(s, a.text(1)).await?, s.client_ip().to_owned());
    let usual = usual(s).await?;
    let expected =
        format!("a log line of the failed resolution, with host `{host}` and client ip {ip}");
    let line = s
        .wait_for_log(&expected, LOGGED, |line| {
            tells_failure(line, &host, &ip, &usual)
        })
        .await?;
    s.notes
        .insert(FAILURE.to_owned(), json!(facts::skeleton(&line, &host)));
    let logs = s.instance().await?.logs.clone();
    let lines = logs.map(|logs| logs.since(0)).unwrap_or_default();
    let last = lines.last().map_or(line.number, |last| last.number);
    s.notes.insert(FAILURE_SEEN.to_owned(), json!(last));
    Ok(())
}

/// Judges by lines that came after the first one had been seen.
async fn has_failure_again(s: &mut Scene, a: Args) -> Check {
    let (host, ip) = (filled(s, a.text(1)).await?, s.client_ip().to_owned());
    let usual = usual(s).await?;
    let seen = s.notes.get(FAILURE_SEEN).and_then(Value::as_u64);
    let is_new = |line: &LogLine| u64::try_from(line.number).ok() > seen;
    let expected = format!(
        "a second log line of the failed resolution, with host `{host}` and client ip {ip}"
    );
    s.wait_for_log(&expected, LOGGED, |line| {
        is_new(line) && tells_failure(line, &host, &ip, &usual)
    })
    .await
    .map(drop)
}

async fn has_no_failure(s: &mut Scene, a: Args) -> Check {
    let host = filled(s, a.text(1)).await?;
    let failure = s
        .notes
        .get(FAILURE)
        .and_then(Value::as_str)
        .map(str::to_owned);
    let lines = s.log_lines().await?;
    let stray = lines.iter().find(|line| {
        let tells = || failure.as_deref() == Some(facts::skeleton(line, &host).as_str());
        let is_it = line.is_event(FAILURE);
        facts::names(line, &host) && is_it.unwrap_or_else(|| line.text.contains(FAILURE) || tells())
    });
    s.expect(
        stray.is_none(),
        format!("no failed resolution of host `{host}`, which is a tenant's, in the log"),
        || stray.map_or(String::new(), |line| line.text.clone()),
    )
}

async fn names_neither(s: &mut Scene, a: Args) -> Check {
    let (host, ip) = (filled(s, a.text(1)).await?, s.client_ip().to_owned());
    let answer = s.last()?;
    for secret in [host, ip] {
        let shown = answer.text().to_lowercase();
        s.expect(
            !shown.contains(&secret.to_lowercase()),
            format!("a body that does not name `{secret}`"),
            || shown.clone(),
        )?;
    }
    Ok(())
}

/// Each tenant's usage rows: how many of the one that is meant, and of whom else there are some.
async fn bills(
    d1: &dyn D1,
    meant: &Tenant,
    others: &[Tenant],
) -> Result<(usize, Vec<String>), Stop> {
    let sql = "SELECT id FROM usage WHERE tenant_id = ?1";
    let own = d1.query(sql, &[json!(meant.id)]).await?.len();
    let mut wrong = Vec::new();
    for other in others {
        if !d1.query(sql, &[json!(other.id)]).await?.is_empty() {
            wrong.push(other.slug.clone());
        }
    }
    Ok((own, wrong))
}

/// Judges whose bill the chat is on, and nothing else of the row.
async fn billed_to(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let others: Vec<Tenant> = ["a", "b"]
        .iter()
        .filter_map(|name| s.tenant(name).ok())
        .filter(|other| other.id != tenant.id)
        .collect();
    let (d1, within) = (s.d1().await?, s.run.target.limits().usage_visible);
    let seen = wait::until::<_, Stop, _, _>(within, || {
        let (d1, tenant, others) = (Arc::clone(&d1), tenant.clone(), others.clone());
        async move {
            let (own, wrong) = bills(&*d1, &tenant, &others).await?;
            Ok(if own > 0 || !wrong.is_empty() {
                Look::Done(wrong)
            } else {
                Look::NotYet("no row of any of the tenants".to_owned())
            })
        }
    })
    .await?;
    let expected = format!("the chat billed to tenant `{}`", tenant.slug);
    match seen {
        Ok(wrong) => s.expect(wrong.is_empty(), expected, || {
            format!("a usage row of tenant `{}`", wrong.join("` and `"))
        }),
        Err(timed_out) => Err(breach(expected, timed_out.to_string()).or_unmet("USG-001")),
    }
}

async fn no_model(s: &mut Scene, _a: Args) -> Check {
    let marker = s.marker();
    let calls = s.gateway().await?.journal(&marker);
    s.expect(calls.is_empty(), "no call to a model", || {
        let models: Vec<Value> = calls.iter().map(|call| json!(call.model)).collect();
        format!("{} calls: {}", calls.len(), json!(models))
    })
}
