//! Stores that fail for one tenant, and how that is told. Never lets a fault touch another scenario.

use crate::evidence::Exchange;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::steps::operating::settle;
use crate::steps::words::filled;
use crate::subject::faults::{Calls, StoreFault};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::{Value, json};
use std::time::Duration;

/// Where a scenario keeps what has failed: tenant ids, slugs and hostnames.
const FAILED: &str = "failed";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"D1 is (unavailable|busy) for tenant "([^"]+)""#,
        |s, a| Box::pin(d1_fails(s, a)),
    );
    book.step(r#"D1 is back for tenant "([^"]+)""#, |s, a| {
        Box::pin(d1_back(s, a))
    });
    book.step(
        r#"the registry is (unavailable|busy) for "([^"]+)""#,
        |s, a| Box::pin(registry_fails(s, a)),
    );
    book.step(r#"the registry is back for "([^"]+)""#, |s, a| {
        Box::pin(registry_back(s, a))
    });
    book.asserting(
        &["RES-017"],
        r#"it is told as an outage of D1 for tenant "([^"]+)""#,
        |s, a| Box::pin(told_of_d1(s, a)),
    );
    book.asserting(
        &["RES-017", "RES-005"],
        r#"it is told as an outage of the registry for "([^"]+)""#,
        |s, a| Box::pin(told_of_registry(s, a)),
    );
    book.step(
        r#"somebody asks host "([^"]*)" for the status (\d+) times"#,
        |s, a| Box::pin(asked_often(s, a)),
    );
    book.asserting(
        &["RES-017"],
        r#"each time it is told as an outage of (?:D1 for tenant "([^"]+)"|the registry for "([^"]+)")"#,
        |s, a| Box::pin(told_each_time(s, a)),
    );
    book.step(
        r#"the reads of tenant "([^"]+)"'s record are counted"#,
        |s, a| Box::pin(reads_counted(s, a)),
    );
    book.step(r#"no record of tenant "([^"]+)" was read"#, |s, a| {
        Box::pin(no_reads(s, a))
    });
}

fn fault(state: &str) -> StoreFault {
    if state == "busy" {
        StoreFault::Busy
    } else {
        StoreFault::Unavailable
    }
}

/// What the target may have kept of an answer, as long as it says to keep it: an outage is no reason to keep it longer.
async fn forgotten(s: &mut Scene) -> Check {
    if s.exchanges.is_empty() {
        return Ok(());
    }
    settle(s).await
}

/// Remembers what fails from now on.
fn note_failing(s: &mut Scene, what: &str) {
    let list = s
        .notes
        .entry(FAILED.to_owned())
        .or_insert_with(|| json!([]));
    if let Value::Array(list) = list {
        list.push(json!(what));
    }
}

/// What failed so far, the last one last.
fn failed(s: &Scene) -> Vec<String> {
    let list = s.notes.get(FAILED).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// Whether a store failed for this tenant at some time of the scenario.
pub(super) fn has_failed(s: &Scene, tenant: &Tenant) -> bool {
    failed(s)
        .iter()
        .any(|what| *what == tenant.id || *what == tenant.slug || tenant.domains.contains(what))
}

async fn d1_fails(s: &mut Scene, a: Args) -> Check {
    forgotten(s).await?;
    let id = s.tenant(a.text(2))?.id;
    note_failing(s, &id);
    s.faults()
        .await?
        .set(Calls::TenantRead, &id, fault(a.text(1)), None);
    Ok(())
}

async fn d1_back(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    s.faults().await?.clear(Calls::TenantRead, &id);
    Ok(())
}

async fn registry_fails(s: &mut Scene, a: Args) -> Check {
    forgotten(s).await?;
    let scope = filled(s, a.text(2)).await?;
    note_failing(s, &scope);
    s.faults()
        .await?
        .set(Calls::RegistryRead, &scope, fault(a.text(1)), None);
    Ok(())
}

async fn registry_back(s: &mut Scene, a: Args) -> Check {
    let scope = filled(s, a.text(1)).await?;
    s.faults().await?.clear(Calls::RegistryRead, &scope);
    Ok(())
}

async fn told_of_d1(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    told(s, Calls::TenantRead, &id).await
}

async fn told_of_registry(s: &mut Scene, a: Args) -> Check {
    let scope = filled(s, a.text(1)).await?;
    let own = &s.planned.criteria;
    let by_registry = own.iter().any(|id| id == "RES-005");
    let check = told(s, Calls::RegistryRead, &scope).await;
    // Whoever is served without the registry's answer was not found through it; how an outage is told is another promise.
    if by_registry && s.last()?.status >= 400 {
        check.or_unmet("RES-017")
    } else {
        check
    }
}

/// The note where requests that were sent one after the other begin.
const OFTEN_FROM: &str = "asked often from";

async fn asked_often(s: &mut Scene, a: Args) -> Check {
    let host = filled(s, a.text(1)).await?;
    let times: u32 = a.number(2)?;
    s.notes
        .insert(OFTEN_FROM.to_owned(), json!(s.exchanges.len()));
    for _time in 0..times {
        let request = s.status_request(&host);
        s.send(request).await?;
    }
    Ok(())
}

/// That the store was asked is seen of all of them together: a backend may stop asking one that fails, as long as it says so.
async fn told_each_time(s: &mut Scene, a: Args) -> Check {
    let (calls, scope) = if a.text(2).is_empty() {
        (Calls::TenantRead, s.tenant(a.text(1))?.id)
    } else {
        (Calls::RegistryRead, filled(s, a.text(2)).await?)
    };
    let from = s.notes.get(OFTEN_FROM).and_then(Value::as_u64);
    let from = from.and_then(|from| usize::try_from(from).ok());
    let answers = s.exchanges[from.unwrap_or(0)..].to_vec();
    for answer in answers {
        told_by(s, &answer, calls, &scope).await?;
    }
    Ok(())
}

/// Asserts 503. A right answer without asking the store is no finding: then the outage was not met. Whoever is refused as unknown is told
/// something else than an outage, in whatever words.
async fn told(s: &mut Scene, calls: Calls, scope: &str) -> Check {
    let answer = s.last()?;
    told_by(s, &answer, calls, scope).await
}

async fn told_by(s: &mut Scene, answer: &Exchange, calls: Calls, scope: &str) -> Check {
    let asked = s.faults().await?.asked(calls, scope);
    if asked == 0 && answer.status == 200 {
        return Err(Stop::NotVerified(
            "the target answered without asking the failing store: it keeps answers between scenarios, or asks past what [control] store_faults wraps, such as by `withSession` or the environment of a Durable Object".to_owned(),
        ));
    }
    if answer.status < 500 {
        return Err(breach(
            "an outage told with status 503 and error code STORE_UNAVAILABLE",
            describe(answer),
        ));
    }
    s.expect_error(answer, 503, "STORE_UNAVAILABLE")
}

async fn reads_counted(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    let nothing = StoreFault::Slow(Duration::ZERO);
    s.faults().await?.set(Calls::TenantRead, &id, nothing, None);
    Ok(())
}

async fn no_reads(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let asked = s.faults().await?.asked(Calls::TenantRead, &tenant.id);
    s.expect_eq(
        "reads of the tenant's record before the registry answered:",
        &0,
        &asked,
    )?;
    // None was seen: one that is made must be.
    let faults = s.faults().await?;
    let failing: Vec<String> = failed(s);
    for scope in &failing {
        faults.clear(Calls::RegistryRead, scope);
    }
    let request = match tenant.domains.first() {
        Some(host) => s.status_request(host),
        None => s.status_request(&tenant.host),
    };
    let answer = s.send(request).await;
    let seen = faults.asked(Calls::TenantRead, &tenant.id);
    for scope in &failing {
        faults.set(Calls::RegistryRead, scope, StoreFault::Unavailable, None);
    }
    if seen == 0 {
        let seen = describe(&*answer?);
        return Err(breach(
            "a read of the tenant's record, once the registry answers",
            seen,
        )
        .or_unmet("the reads of D1, which are not seen"));
    }
    answer.map(drop)
}
