//! Who shares a quota and who does not. Never lets one scenario use another's tenant.

use super::free_of_charge::no_admin_limited;
use super::used_up::{expect_still_refused, use_up};
use super::{Asker, answered_at, expect_whole_quota, free_quota, other_ip, quota, too_slow};
use crate::client::Request;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::steps::operating::{create, delete, expect_status_first, presuppose, settle};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait::Look;
use std::time::Duration;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r#"a free tenant "([^"]+)" with a custom domain"#, |s, a| {
        Box::pin(tenant_with_domain(s, a))
    });
    book.step(
        r#"tenant "([^"]+)" gets status 400 for a malformed chat"#,
        |s, a| Box::pin(malformed_chat(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" is refused wherever it comes from"#,
        |s, a| Box::pin(refused_everywhere(s, a)),
    );
    book.step(r#"tenant "([^"]+)" is admitted its whole quota"#, |s, a| {
        Box::pin(whole_quota(s, a))
    });
    book.step(
        r#"tenants "([^"]+)" and "([^"]+)" are admitted their whole quotas in turns"#,
        |s, a| Box::pin(in_turns(s, a)),
    );
    book.step(
        r"a tenant with the slug of a deleted one, whose quota is used up, is admitted its whole quota",
        |s, _a| Box::pin(successor_has_its_own(s)),
    );
}

/// How often a window may end before it is seen whose quota the successor has.
const SUCCESSORS_MAX: usize = 3;

async fn tenant_with_domain(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.new_tenant(a.text(1), "free").await?;
    let domain = s.domain(a.text(1));
    tenant.domains.push(domain.clone());
    s.make_tenant(a.text(1), tenant).await?;
    let base = s.instance().await?.base.clone();
    let (client, request) = (s.run.client.clone(), s.status_request(&domain));
    let deadline = s.run.target.limits().registry_delay + Duration::from_secs(1);
    s.expect_soon("the custom domain to resolve, status 200", deadline, || {
        let (client, base, request) = (client.clone(), base.clone(), request.clone());
        async move {
            let answer = client.send(&base, &request, 0).await?;
            Ok(if answer.status == 200 {
                Look::Done(())
            } else {
                Look::NotYet(describe(&answer))
            })
        }
    })
    .await
}

fn malformed(s: &Scene, tenant: &Tenant) -> Request {
    Request::new("POST", s.dialect().chat)
        .host(tenant.host.as_str())
        .header("content-type", "application/json")
        .bytes("{\"messages\":")
}

async fn malformed_chat(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let request = malformed(s, &tenant);
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 400)
}

async fn refused_everywhere(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let who = Asker::Tenant(tenant.clone());
    for row in a.rows() {
        let from = row.first().map_or("", String::as_str);
        let request = match from {
            "the chat route" => s.chat_request(&tenant.host),
            "its custom domain" => {
                let domain = tenant.domains.first().cloned().unwrap_or_default();
                s.status_request(&domain)
            }
            "another client ip" => s
                .status_request(&tenant.host)
                .header("cf-connecting-ip", other_ip(s, 0)),
            "another credential" => s
                .status_request(&tenant.host)
                .header("authorization", format!("Bearer {}", s.token)),
            "another user agent" => s
                .status_request(&tenant.host)
                .header("user-agent", format!("agent-{}", s.token)),
            "an unknown route" => Request::new("GET", "/nothing-here").host(tenant.host.as_str()),
            "a method that is not his" => {
                Request::new("DELETE", s.dialect().status).host(tenant.host.as_str())
            }
            "a malformed chat" => malformed(s, &tenant),
            _ => return Err(Stop::Fault(format!("a tenant cannot come from \"{from}\""))),
        };
        expect_still_refused(s, &who, from, request).await?;
    }
    Ok(())
}

async fn whole_quota(s: &mut Scene, a: Args) -> Check {
    no_admin_limited(s)?;
    let who = Asker::Tenant(s.tenant(a.text(1))?);
    expect_whole_quota(s, &who).await
}

async fn in_turns(s: &mut Scene, a: Args) -> Check {
    let (one, other) = (s.tenant(a.text(1))?, s.tenant(a.text(2))?);
    let (limit, _period) = quota(s, "free").await?;
    for _turn in 0..limit {
        for tenant in [&one, &other] {
            let answer = s.send(s.status_request(&tenant.host)).await?;
            if answer.status != 429 {
                expect_status_first(s, &answer, 200)?;
            }
            s.expect(
                answer.status == 200,
                format!("{limit} requests of each tenant admitted"),
                || describe(&answer),
            )?;
        }
    }
    Ok(())
}

/// What is admitted once the window of the former tenant has ended shows nothing: then it is tried again.
async fn successor_has_its_own(s: &mut Scene) -> Check {
    let mut last = Ok(());
    for round in 0..SUCCESSORS_MAX {
        let old = s.new_tenant(&format!("old{round}"), "free").await?;
        let old = s.make_tenant(&format!("old{round}"), old).await?;
        let mut new = s.new_tenant(&format!("new{round}"), "free").await?;
        new.slug.clone_from(&old.slug);
        new.host.clone_from(&old.host);
        let from = s.exchanges.len();
        use_up(s, &Asker::Tenant(old.clone()))
            .await
            .or_unmet("RL-001")?;
        // The place of its first request is the first to be free again.
        let began = s.exchanges[from..]
            .iter()
            .map(|answer| answer.sent_at)
            .min();
        let gone = delete(s, &old.id).await?;
        presuppose(&gone, gone.status < 300, "cannot delete the tenant")?;
        let made = create(s, &new.creation()).await?;
        presuppose(
            &made,
            made.status == 201,
            "cannot give its slug to another tenant",
        )?;
        s.know_tenant(&format!("new{round}"), new.clone());
        settle(s).await?;
        expect_whole_quota(s, &Asker::Tenant(new)).await?;
        let (answer, period) = (s.last()?, free_quota(s).await?.1);
        let span = answered_at(&answer) - began.unwrap_or(answer.sent_at);
        if span < period {
            return Ok(());
        }
        last = Err(too_slow(span, period));
    }
    last
}
