//! Quotas used up by one request after the other. Never judges a single count that a window boundary may explain.

use super::{Asker, LIMITED, other_ip, quota, quota_of, span, told_limit, too_slow};
use crate::evidence::Exchange;
use crate::run::scene::{Scene, breach};
use crate::steps::book::{Args, Book};
use crate::verdict::{Check, Stop};
use serde_json::json;
use std::sync::Arc;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"a fresh (free|premium|enterprise) tenant is admitted exactly its quota, one request after the other",
        |s, a| Box::pin(fresh_tenant(s, a)),
    );
    book.step(
        r"a fresh client ip that asks for the health is admitted exactly the limit that it is told",
        |s, a| Box::pin(fresh_ip(s, a)),
    );
    book.step(
        r"a fresh client ip that asks for ever other unknown hosts is admitted exactly the limit that it is told",
        |s, a| Box::pin(fresh_stranger(s, a)),
    );
    book.step(
        r"the rest that a fresh free tenant is told falls by one with each request, to nothing",
        |s, a| Box::pin(rest_falls(s, a)),
    );
}

/// A tenant that has sent nothing yet.
async fn fresh(s: &mut Scene, tier: &str) -> Result<Asker, Stop> {
    let name = format!("fresh{}", s.exchanges.len());
    let tenant = s.new_tenant(&name, tier).await?;
    Ok(Asker::Tenant(s.make_tenant(&name, tenant).await?))
}

async fn fresh_tenant(s: &mut Scene, a: Args) -> Check {
    let mut counts = Vec::new();
    for _round in 0..2 {
        let who = fresh(s, a.text(1)).await?;
        if count(s, &who, &mut counts).await? {
            return Ok(());
        }
    }
    Err(more_than_the_quota(&counts))
}

async fn fresh_ip(s: &mut Scene, _a: Args) -> Check {
    let mut counts = Vec::new();
    for round in 0..2 {
        let ip = other_ip(s, round);
        s.set_client_ip(&ip);
        if count(s, &Asker::ClientIp, &mut counts).await? {
            return Ok(());
        }
    }
    Err(more_than_the_quota(&counts))
}

async fn fresh_stranger(s: &mut Scene, _a: Args) -> Check {
    let who = Asker::Stranger(s.instance().await?.app_domain.clone());
    let mut counts = Vec::new();
    for round in 0..2 {
        let ip = other_ip(s, round);
        s.set_client_ip(&ip);
        if count(s, &who, &mut counts).await? {
            return Ok(());
        }
    }
    Err(more_than_the_quota(&counts))
}

fn more_than_the_quota(counts: &[(u32, u32)]) -> Stop {
    let (limit, _) = counts.first().copied().unwrap_or_default();
    let seen: Vec<_> = counts.iter().map(|(_, admitted)| admitted.to_string()).collect();
    breach(
        format!("{limit} requests admitted in a fresh window, the next refused with 429 {LIMITED}"),
        format!("{} admitted before the first refusal", seen.join(" and then ")),
    )
}

/// Asks until refused. True if exactly the quota was admitted; false, with the count noted, if it was more than that
/// but not more than one window boundary on the way explains. Two such counts in a row have no such excuse:
/// boundaries are a period apart.
async fn count(
    s: &mut Scene,
    who: &Asker,
    counts: &mut Vec<(u32, u32)>,
) -> Result<bool, Stop> {
    let period = quota_of(s, who).await?.1;
    let mut answers: Vec<Arc<Exchange>> = Vec::new();
    let mut limit = match who {
        Asker::Tenant(_) => Some(quota_of(s, who).await?.0),
        Asker::ClientIp | Asker::Stranger(_) => None,
    };
    let refusal = loop {
        let answer = s.send(who.request(s, answers.len())).await?;
        if !who.is_admitted(&answer)? {
            break answer;
        }
        answers.push(answer);
        if limit.is_none() && matches!(who, Asker::ClientIp) {
            limit = Some(told_limit(&answers)?);
        }
        let most = limit.unwrap_or(super::IP_LIMIT_MAX) as usize * 2;
        if answers.len() > most {
            return Err(match limit {
                Some(limit) => more_than_the_quota(&[(limit, u32::try_from(answers.len()).unwrap_or(u32::MAX))]),
                None => breach(
                    format!("a refusal with 429 {LIMITED} of a client ip that asks for unknown hosts"),
                    format!("{} requests admitted, none refused", answers.len()),
                ),
            });
        }
    };
    s.expect_error(&refusal, 429, LIMITED)?;
    let limit = match limit {
        Some(limit) => limit,
        None => told_limit(&[Arc::clone(&refusal)])?,
    };
    let admitted = u32::try_from(answers.len()).unwrap_or(u32::MAX);
    answers.push(refusal);
    let span = span(&answers);
    if span >= period {
        return Err(too_slow(span, period));
    }
    s.notes.insert("limit".to_owned(), json!(limit));
    s.notes.insert("admitted".to_owned(), json!(admitted));
    s.notes
        .insert("limit type".to_owned(), json!(who.limit_type()));
    if admitted < limit {
        return Err(breach(
            format!("{limit} requests admitted in a fresh window"),
            format!("a refusal after {admitted}"),
        ));
    }
    counts.push((limit, admitted));
    if admitted == limit {
        s.checks += 1;
    }
    Ok(admitted == limit)
}

async fn rest_falls(s: &mut Scene, _a: Args) -> Check {
    let (limit, _period) = quota(s, "free").await?;
    let wanted: Vec<u32> = (0..limit).rev().collect();
    let mut told = Vec::new();
    // A window boundary on the way gives some of the rest back: not twice in a row.
    for _round in 0..2 {
        let who = fresh(s, "free").await?;
        let mut rests = Vec::new();
        for at in 0..limit as usize {
            let answer = s.send(who.request(s, at)).await?;
            super::answers::expect_stated(s, &answer, Some(limit)).await?;
            rests.extend(super::number_in(&answer, "x-ratelimit-remaining"));
        }
        if rests == wanted {
            s.checks += 1;
            return Ok(());
        }
        told.push(rests);
    }
    Err(breach(
        format!("X-RateLimit-Remaining {wanted:?} in that order"),
        format!("{told:?}"),
    ))
}
