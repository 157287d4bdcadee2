//! Stores that fail for one tenant, and how that is told. Never lets a fault touch another scenario.

use crate::run::scene::Scene;
use crate::steps::book::{Args, Book};
use crate::steps::operating::settle;
use crate::steps::words::filled;
use crate::target::faults::{Calls, StoreFault};
use crate::verdict::{Check, Stop};
use std::time::Duration;

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
    book.step(
        r#"it is told as an outage of D1 for tenant "([^"]+)""#,
        |s, a| Box::pin(told_of_d1(s, a)),
    );
    book.step(
        r#"it is told as an outage of the registry for "([^"]+)""#,
        |s, a| Box::pin(told_of_registry(s, a)),
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

async fn d1_fails(s: &mut Scene, a: Args) -> Check {
    forgotten(s).await?;
    let id = s.tenant(a.text(2))?.id;
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
    told(s, Calls::RegistryRead, &scope).await
}

/// Asserts 503. A right answer without asking the store is no finding: then the outage was not met.
async fn told(s: &mut Scene, calls: Calls, scope: &str) -> Check {
    let answer = s.last()?;
    let asked = s.faults().await?.asked(calls, scope);
    if asked == 0 && answer.status == 200 {
        return Err(Stop::NotVerified(
            "the target answered without asking the failing store: let it keep nothing between scenarios".to_owned(),
        ));
    }
    s.expect_error(&answer, 503, "STORE_UNAVAILABLE")
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
    )
}
