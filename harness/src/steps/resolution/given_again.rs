//! Names that are asked for again: by several tenants at once, and after the tenant that had them is gone.
//! Never calls a refusal a finding before a creation with names of its own succeeded.

use super::hosts::is_tenant;
use crate::client::Request;
use crate::evidence::Exchange;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::steps::operating::{create, creation, presuppose, settle};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where a scenario keeps what came of each round: `[{"from", "to"}]`, places of its exchanges.
const ROUNDS: &str = "creations at once";
/// Where it keeps the place of the exchange that asked for names again.
const AGAIN: &str = "names asked for again";

/// How often tenants are created at once. Evidence: a look before the write lets two of eight through in most rounds, not in all.
const ROUNDS_PLAYED: usize = 3;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"the operator creates (\d+) tenants at once with one (slug|hostname)",
        |s, a| Box::pin(create_at_once(s, a)),
    );
    book.step(
        r"one tenant of them is told to be created, and the (slug|hostname) is that one's",
        |s, a| Box::pin(one_has_it(s, a)),
    );
    book.step(
        r#"the operator creates tenant "([^"]+)" with all names of tenant "([^"]+)""#,
        |s, a| Box::pin(create_with_names(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" is given all names of tenant "([^"]+)""#,
        |s, a| Box::pin(names_are_given(s, a)),
    );
}

/// The tenant of this number in a round.
fn name_of(round: usize, number: usize) -> String {
    format!("r{round}n{number}")
}

async fn create_at_once(s: &mut Scene, a: Args) -> Check {
    let count: usize = a.number(1)?;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS_PLAYED {
        let (slug, domain) = (
            s.slug(&format!("one{round}")),
            s.domain(&format!("one{round}")),
        );
        let mut requests = Vec::new();
        for number in 0..count {
            let name = name_of(round, number);
            let mut tenant = s.new_tenant(&name, "free").await?;
            if a.text(2) == "slug" {
                tenant.host = s.instance().await?.tenant_host(&slug);
                tenant.slug.clone_from(&slug);
            } else {
                tenant.domains.push(domain.clone());
            }
            requests.push(creation(s, &tenant.creation()).await?);
            s.know_tenant(&name, tenant);
        }
        let from = s.exchanges.len();
        s.send_all(requests).await?;
        rounds.push(json!({ "from": from, "to": s.exchanges.len() }));
    }
    s.notes.insert(ROUNDS.to_owned(), json!(rounds));
    Ok(())
}

/// The tenants of a round that were told to be created.
fn created(s: &Scene, round: usize, answers: &[Arc<Exchange>]) -> Vec<String> {
    let is_of = |answer: &Exchange, tenant: &Tenant| answer.request.body.contains(&tenant.id);
    let told = answers.iter().filter(|answer| answer.status == 201);
    let all: Vec<_> = (0..answers.len())
        .map(|number| name_of(round, number))
        .collect();
    told.filter_map(|answer| {
        let whose = |name: &&String| s.tenant(name).is_ok_and(|tenant| is_of(answer, &tenant));
        all.iter().find(whose).cloned()
    })
    .collect()
}

async fn one_has_it(s: &mut Scene, a: Args) -> Check {
    let rounds = s.notes.get(ROUNDS).and_then(Value::as_array).cloned();
    settle(s).await?;
    for (round, places) in rounds.unwrap_or_default().iter().enumerate() {
        let place = |name: &str| {
            let number = places[name].as_u64().unwrap_or(0);
            usize::try_from(number).unwrap_or(0)
        };
        let answers = s.exchanges[place("from")..place("to")].to_vec();
        let winners = created(s, round, &answers);
        let [winner] = &winners[..] else {
            let told = winners.len();
            let seen = format!("{told} of {} were told to be created", answers.len());
            return Err(if winners.is_empty() {
                let first = answers.first().map(|answer| describe(answer));
                Stop::NotVerified(format!(
                    "no creation succeeded, so nothing can be told of the others: {}",
                    first.unwrap_or_default()
                ))
            } else {
                breach(
                    format!(
                        "of the tenants created at once with one {}, one is created: no other can be found by it",
                        a.text(1)
                    ),
                    seen,
                )
            });
        };
        let tenant = s.tenant(winner)?;
        let host = tenant.domains.first().unwrap_or(&tenant.host).clone();
        let request = s.status_request(&host);
        let answer = s.send(request).await?;
        is_tenant(s, &answer, winner).await?;
    }
    Ok(())
}

async fn create_with_names(s: &mut Scene, a: Args) -> Check {
    let former = s.tenant(a.text(2))?;
    let next = Tenant {
        slug: former.slug,
        host: former.host,
        domains: former.domains,
        ..s.new_tenant(a.text(1), "free").await?
    };
    let request: Request = creation(s, &next.creation()).await?;
    s.notes.insert(AGAIN.to_owned(), json!(s.exchanges.len()));
    s.send(request).await?;
    s.know_tenant(a.text(1), next);
    Ok(())
}

async fn names_are_given(s: &mut Scene, a: Args) -> Check {
    let at = s.notes.get(AGAIN).and_then(Value::as_u64);
    let at = at.and_then(|at| usize::try_from(at).ok());
    let answer = at
        .and_then(|at| s.exchanges.get(at).cloned())
        .ok_or_else(|| Stop::Fault("no names were asked for again".to_owned()))?;
    if answer.status != 201 {
        // The control: with names that nobody has had, a tenant is created.
        let mut fresh = s.new_tenant("control", "free").await?;
        fresh.domains.push(s.domain("control"));
        let control = create(s, &fresh.creation()).await?;
        presuppose(&control, control.status == 201, "cannot create a tenant")?;
    }
    s.expect(
        answer.status == 201,
        format!(
            "the names of the deleted tenant `{}` given to another",
            s.tenant(a.text(2))?.slug
        ),
        || describe(&answer),
    )
}
