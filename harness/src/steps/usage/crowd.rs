//! Many tenants at once, each call with token counts of its own. Never sends more than a tenant's quota.

use super::control::blamed_on_plain;
use super::rows::{self, words};
use crate::client::Request;
use crate::doubles::{Reply, Script};
use crate::oracle::usage::{self, Tokens};
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::steps::gateway::chat_body;
use crate::subject::tenant::Tenant;
use crate::verdict::Check;
use crate::wait::Look;
use std::sync::Arc;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"each of (\d+) tenants of all tiers prompts the model (\d+) times, all at once(, all with the same counts)?",
        |s, a| Box::pin(crowd_prompts(s, a)),
    );
    book.asserting(
        &["USG-012"],
        r"each of the (\d+) tenants has exactly the usage rows of its own (\d+) prompts(, all with the same counts)?",
        |s, a| Box::pin(crowd_is_billed(s, a)),
    );
}

fn name(tenant: usize) -> String {
    format!("t{tenant}")
}

/// Counts that no other call of the scenario has, neither of them nor their sums; or those that all have.
fn tokens(tenant: usize, call: usize, alike: bool) -> Tokens {
    if alike {
        return (1_000, 7);
    }
    let number = i64::try_from(tenant * 100 + call).unwrap_or_default();
    (1_000 + number, 7 + number * number)
}

/// A marker of the scenario's own for one more call.
pub(super) fn extra_marker(s: &Scene, number: usize) -> String {
    format!("{}x{number}", s.token)
}

/// Scripts an answer with these counts, and the request that gets it.
pub(super) async fn scripted(
    s: &mut Scene,
    tenant: &Tenant,
    marker: &str,
    tokens: Tokens,
    streamed: bool,
) -> Result<Request, crate::verdict::Stop> {
    let count = |tokens: i64| u64::try_from(tokens).unwrap_or_default();
    let reply = Reply::answer("Hello.", count(tokens.0), count(tokens.1));
    s.gateway().await?.script(marker, Script::always(reply));
    Ok(s.chat_request_with(&tenant.host, &chat_body(marker, streamed)))
}

async fn crowd_prompts(s: &mut Scene, a: Args) -> Check {
    let (tenants, calls): (usize, usize) = (a.number(1)?, a.number(2)?);
    let alike = !a.text(3).is_empty();
    let tiers = ["free", "premium", "enterprise"];
    let mut requests = Vec::with_capacity(tenants * calls);
    for tenant in 0..tenants {
        let made = s
            .new_tenant(&name(tenant), tiers[tenant % tiers.len()])
            .await?;
        s.make_tenant(&name(tenant), made).await?;
    }
    // Call by call, not tenant by tenant, so that neighbours on the wire belong to different tenants.
    for call in 0..calls {
        for tenant in 0..tenants {
            let owner = s.tenant(&name(tenant))?;
            let marker = extra_marker(s, tenant * calls + call);
            let streamed = (tenant + call) % 2 == 1;
            requests
                .push(scripted(s, &owner, &marker, tokens(tenant, call, alike), streamed).await?);
        }
    }
    let answers = s.send_all(requests).await?;
    let failed = answers.iter().find(|answer| answer.status != 200).cloned();
    s.expect(failed.is_none(), "status 200 for every prompt", || {
        failed.map(|answer| describe(&answer)).unwrap_or_default()
    })
}

async fn crowd_is_billed(s: &mut Scene, a: Args) -> Check {
    let check = each_has_its_own(s, &a).await;
    blamed_on_plain(s, check).await
}

async fn each_has_its_own(s: &mut Scene, a: &Args) -> Check {
    let (tenants, calls): (usize, usize) = (a.number(1)?, a.number(2)?);
    let alike = !a.text(3).is_empty();
    let d1 = s.d1().await?;
    // First all rows must be there, so that the exact look at each tenant comes after every write.
    for tenant in 0..tenants {
        let id = s.tenant(&name(tenant))?.id;
        let demand = format!("{calls} usage rows of tenant {id}");
        let deadline = rows::visible_max(s);
        s.expect_soon(&demand, deadline, || {
            let (d1, id) = (Arc::clone(&d1), id.clone());
            async move {
                let seen = rows::of_tenant(&d1, &id).await?.len();
                Ok(if seen >= calls {
                    Look::Done(())
                } else {
                    Look::NotYet(format!("{seen} rows"))
                })
            }
        })
        .await?;
    }
    for tenant in 0..tenants {
        let id = s.tenant(&name(tenant))?.id;
        let expected: Vec<_> = (0..calls)
            .map(|call| Some(tokens(tenant, call, alike)))
            .collect();
        let mut seen: Vec<_> = rows::of_tenant(&d1, &id)
            .await?
            .iter()
            .map(usage::tokens)
            .collect();
        seen.sort_unstable();
        s.expect(
            seen == expected,
            format!("usage rows of tenant {id}: {}", words(&expected)),
            || words(&seen),
        )?;
    }
    Ok(())
}
