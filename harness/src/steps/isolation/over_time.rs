//! Isolation under load, and slugs exchanged while nothing is deleted. Never relies on the order in which answers come.

use super::matrix::{judge_caller, tokens_of};
use super::{chat_of, greet};
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::said::said;
use crate::steps::identity::unless_derived_otherwise;
use crate::steps::operating::{
    QUIET, change, expect_first, expect_status_first, expect_usage_count, gateway, settle,
    usage_rows, worst,
};
use crate::steps::words::filled;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"(\d+) tenants of mixed tiers, their gateways cold",
        |s, a| Box::pin(make(s, a)),
    );
    book.step(
        r"all of them ask for their status and chat (\d+) times at once, each naming the next one",
        |s, a| Box::pin(all_at_once(s, a)),
    );
    book.step(
        r"each was answered as itself, by its own model call, on its own bill",
        |s, _a| Box::pin(each_as_itself(s)),
    );
    book.step(
        r#"nothing at host "([^"]+)" is told of tenant "([^"]+)""#,
        |s, a| Box::pin(tells_nothing(s, a)),
    );
    book.step(r"each has a gateway of its own", |s, _a| {
        Box::pin(own_gateways(s))
    });
    book.step(
        r#"the operator exchanges the slugs of tenants "([^"]+)" and "([^"]+)""#,
        |s, a| Box::pin(exchange_slugs(s, a)),
    );
    book.step(
        r#"(\d+) chats are sent to the host that was of tenant "([^"]+)" and (\d+) to the one of tenant "([^"]+)""#,
        |s, a| Box::pin(chat_on_hosts(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" has (\d+) usage rows and tenant "([^"]+)" has (\d+)"#,
        |s, a| Box::pin(have_rows(s, a)),
    );
}

/// Judges what the status tells once the target has had the time that it states for a change to be seen.
async fn tells_nothing(s: &mut Scene, a: Args) -> Check {
    let (host, old) = (filled(s, a.text(1)).await?, s.tenant(a.text(2))?);
    settle(s).await?;
    let request = s.status_request(&host);
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 200)?;
    let told = answer.text();
    let names = [&old.slug, &old.id, &old.sandbox_id];
    let named = names.into_iter().find(|name| told.contains(name.as_str()));
    s.expect(
        named.is_none(),
        format!(
            "nothing of the deleted tenant `{}` at host `{host}`",
            old.slug
        ),
        || describe(&answer),
    )
}

/// The tenants of the scenario, in order.
fn crowd(s: &Scene) -> Result<Vec<(String, Tenant)>, Stop> {
    let count = s.notes.get("crowd").and_then(Value::as_u64).unwrap_or(0);
    (0..count)
        .map(|number| {
            let name = format!("t{number}");
            s.tenant(&name).map(|tenant| (name, tenant))
        })
        .collect()
}

async fn make(s: &mut Scene, a: Args) -> Check {
    let count: usize = a.number(1)?;
    for number in 0..count {
        let (name, tier) = (
            format!("t{number}"),
            ["free", "premium", "enterprise"][number % 3],
        );
        let tenant = s.new_tenant(&name, tier).await?;
        let tenant = s.make_tenant(&name, tenant).await?;
        greet(s, &name, &tenant, tokens_of(number)).await?;
    }
    s.notes.insert("crowd".to_owned(), json!(count));
    Ok(())
}

async fn all_at_once(s: &mut Scene, a: Args) -> Check {
    let (times, crowd) = (a.number::<usize>(1)?, crowd(s)?);
    let mut requests = Vec::new();
    for _ in 0..times {
        for (number, (name, tenant)) in crowd.iter().enumerate() {
            let (_, next) = &crowd[(number + 1) % crowd.len()];
            let body = chat_of(s, name, &json!({ "user": next.id }));
            for request in [
                s.status_request(&tenant.host),
                s.chat_request_with(&tenant.host, &body),
            ] {
                let request = request
                    .header("x-tenant-override", next.slug.clone())
                    .header("x-tenant-id", next.id.clone());
                requests.push(request);
            }
        }
    }
    for answer in s.send_all(requests).await? {
        expect_status_first(s, &answer, 200)?;
    }
    for (_name, tenant) in crowd {
        // Whose row is missing, and on whose bill it is, is judged below.
        match expect_usage_count(s, &tenant, times).await {
            Ok(()) | Err(Stop::Violation(_)) => {}
            Err(stop) => return Err(stop),
        }
    }
    wait::quiet(QUIET).await;
    Ok(())
}

async fn each_as_itself(s: &mut Scene) -> Check {
    let crowd = crowd(s)?;
    let all: Vec<Tenant> = crowd.iter().map(|(_, tenant)| tenant.clone()).collect();
    let mut checks = Vec::new();
    for (number, (name, tenant)) in crowd.iter().enumerate() {
        let answers: Vec<_> = s
            .exchanges
            .iter()
            .filter(|answer| answer.request.host == tenant.host)
            .cloned()
            .collect();
        checks.push(judge_caller(s, name, &all, &answers, tokens_of(number)).await);
    }
    // A row that one of them lacks may stand on the bill of another.
    worst(checks)
}

async fn own_gateways(s: &mut Scene) -> Check {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for (_name, tenant) in crowd(s)? {
        let answer = gateway(s, &tenant.id).await?;
        let sandbox = answer.text_at(&s.dialect().tenant_sandbox_id);
        let instance = answer.text_at(&s.dialect().gateway_instance);
        expect_first(
            s,
            &answer,
            instance.is_some(),
            format!("a running gateway of tenant `{}`", tenant.slug),
        )?;
        // An answer that tells of no sandbox is judged by its run alone.
        let is_own = sandbox
            .as_deref()
            .is_none_or(|told| told == tenant.sandbox_id);
        let check = s.expect(
            is_own,
            format!("a running gateway in sandbox `{}`", tenant.sandbox_id),
            || describe(&answer),
        );
        // An id that is none of the contract's is told wrongly by this route, whoever's gateway it is.
        let check = if sandbox
            .as_deref()
            .is_some_and(|told| !told.starts_with("sk-"))
        {
            check.or_unmet("ID-001")
        } else {
            check
        };
        unless_derived_otherwise(s, check).await?;
        let other = taken.insert(instance.unwrap_or_default(), tenant.slug.clone());
        s.expect(
            other.is_none(),
            format!("a gateway of its own for `{}`", tenant.slug),
            || {
                format!(
                    "the one of {other}: {}",
                    describe(&answer),
                    other = said(&other)
                )
            },
        )?;
    }
    Ok(())
}

async fn exchange_slugs(s: &mut Scene, a: Args) -> Check {
    let (one, other) = (s.tenant(a.text(1))?, s.tenant(a.text(2))?);
    let between = s.slug("between");
    for (id, slug) in [
        (&one.id, &between),
        (&other.id, &one.slug),
        (&one.id, &other.slug),
    ] {
        let answer = change(s, id, &json!({ "slug": slug })).await?;
        expect_status_first(s, &answer, 200)?;
    }
    settle(s).await?;
    Ok(())
}

async fn chat_on_hosts(s: &mut Scene, a: Args) -> Check {
    let mut requests = Vec::new();
    for (count, name) in [
        (a.number::<usize>(1)?, a.text(2)),
        (a.number(3)?, a.text(4)),
    ] {
        let host = s.tenant(name)?.host;
        let body = chat_of(s, name, &json!({}));
        requests.extend((0..count).map(|_| s.chat_request_with(&host, &body)));
    }
    for answer in s.send_all(requests).await? {
        expect_status_first(s, &answer, 200)?;
    }
    Ok(())
}

/// Judged by the bills: as many rows as chats in all, each under the tenant whose host it was.
async fn have_rows(s: &mut Scene, a: Args) -> Check {
    let wanted = [(a.text(1), a.number(2)?), (a.text(3), a.number(4)?)];
    let mut counts = Vec::new();
    let mut late = None;
    for (name, count) in wanted {
        let tenant = s.tenant(name)?;
        match expect_usage_count(s, &tenant, count).await {
            Ok(()) => {}
            Err(Stop::Violation(finding)) => late = Some(Stop::Violation(finding)),
            Err(stop) => return Err(stop),
        }
        counts.push(usage_rows(s, &tenant.id).await?.len());
    }
    let Some(late) = late else { return Ok(()) };
    let chats: usize = wanted.iter().map(|(_, count)| count).sum();
    if counts.iter().sum::<usize>() == chats {
        // All are there, and not where they belong.
        Err(late)
    } else {
        Err(late.or_unmet("USG-001"))
    }
}
