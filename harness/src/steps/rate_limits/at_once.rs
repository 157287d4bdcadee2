//! Quotas under parallel load. Never counts requests that do not certainly lie in one period.

use super::{
    Asker, LIMITED, expect_limited, free_quota, must_be_told, other_ip, quota, span, too_slow,
};
use crate::client::Request;
use crate::contract::need::Need;
use crate::evidence::Exchange;
use crate::oracle::retry_after;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach};
use crate::said::said;
use crate::steps::operating::{change, expect_status_first, settle};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Rounds of several tenants: a limiter that looks before it counts is not caught every time, least of all over new connections.
const ROUNDS: usize = 3;
/// Rounds in all once a count was such that one window boundary would explain it. Two such counts within one period have no such excuse.
const ROUNDS_MAX: usize = 6;
/// Rounds that took too long to tell and are played again.
const SLOW_ROUNDS_MAX: usize = 3;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"(\d+) fresh (free|premium|enterprise) tenants? that each send (\d+) times their quota at once are admitted exactly their quota",
        |s, a| Box::pin(exactly(s, a)),
    );
    book.step(
        r"a fresh client ip that asks for the health (\d+) times its limit at once is admitted exactly its limit",
        |s, a| Box::pin(exactly_from_an_ip(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" asks for its status, becomes (free|premium), and is admitted the quota of its new tier"#,
        |s, a| Box::pin(changes_its_tier(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" asks for its status and becomes (free|premium)"#,
        |s, a| Box::pin(asks_and_becomes(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" sends (\d+) times its quota at once"#,
        |s, a| Box::pin(sends_at_once(s, a)),
    );
    book.step(
        r"some were admitted, and every refusal is in the right form",
        |s, a| Box::pin(right_form(s, a)),
    );
}

/// Who asks at once in a round, all of them fresh.
enum Crowd<'a> {
    /// So many tenants of a tier.
    Tenants(usize, &'a str),
    /// One client ip, by the health route.
    ClientIp,
}

impl Crowd<'_> {
    /// Whose count it is.
    fn each(&self) -> &'static str {
        match self {
            Self::Tenants(..) => "tenant",
            Self::ClientIp => "client ip",
        }
    }
}

async fn exactly(s: &mut Scene, a: Args) -> Check {
    let quota = quota(s, a.text(2)).await?;
    let crowd = Crowd::Tenants(a.number(1)?, a.text(2));
    are_admitted_exactly(s, &crowd, quota, a.number(3)?).await
}

/// The number of the client ip that is asked what its limit is; those behind it are the rounds'.
const FIRST_IP: usize = 60;

async fn exactly_from_an_ip(s: &mut Scene, a: Args) -> Check {
    let period = free_quota(s).await?.1;
    let answer = s.send(from_ip(s, FIRST_IP)).await?;
    expect_status_first(s, &answer, 200)?;
    let limit = must_be_told(&[answer])?;
    are_admitted_exactly(s, &Crowd::ClientIp, (limit, period), a.number(1)?).await
}

/// A request for the health from another client ip.
fn from_ip(s: &Scene, number: usize) -> Request {
    let ip = other_ip(s, number);
    s.health_request().header("cf-connecting-ip", ip.as_str())
}

async fn are_admitted_exactly(
    s: &mut Scene,
    crowd: &Crowd<'_>,
    (limit, period): (u32, Duration),
    factor: u32,
) -> Check {
    let quota = limit as usize;
    let mut told: Vec<Arc<Exchange>> = Vec::new();
    let mut findings = Vec::new();
    let (mut rounds, mut slow) = (0, 0);
    let enough = match crowd {
        Crowd::Tenants(1, _) => 1,
        Crowd::Tenants(..) | Crowd::ClientIp => ROUNDS,
    };
    while rounds < ROUNDS_MAX {
        let each = limit * factor;
        let (answers, counts) = match crowd {
            Crowd::Tenants(tenants, tier) => one_round(s, *tenants, tier, each).await?,
            Crowd::ClientIp => one_round_from_an_ip(s, FIRST_IP + 1 + rounds + slow, each).await?,
        };
        // Fewer than the quota no boundary explains, and no delay either.
        if counts.iter().any(|count| *count < quota) {
            return Err(not_exactly(crowd, limit, &[counts]));
        }
        let took = span(&answers);
        if took >= period {
            slow += 1;
            if slow > SLOW_ROUNDS_MAX {
                return Err(too_slow(took, period));
            }
            continue;
        }
        rounds += 1;
        told.extend(answers);
        if counts.iter().any(|count| *count > 2 * quota) {
            return Err(not_exactly(crowd, limit, &[counts]));
        }
        if counts.iter().any(|count| *count != quota) {
            findings.push(counts);
        } else if findings.is_empty() && rounds >= enough {
            break;
        }
        if findings.len() > 1 {
            let took = span(&told);
            return Err(if took < period {
                not_exactly(crowd, limit, &findings)
            } else {
                too_slow(took, period)
            });
        }
    }
    s.checks += 1;
    Ok(())
}

fn not_exactly(crowd: &Crowd, limit: u32, findings: &[Vec<usize>]) -> Stop {
    let each = crowd.each();
    breach(
        format!(
            "exactly {limit} requests of each {each} admitted, all others refused with 429 {LIMITED}"
        ),
        format!(
            "admitted per {each}: {findings}",
            findings = said(&findings)
        ),
    )
}

/// Fresh tenants that send so many requests each, mixed; how many of each were admitted.
async fn one_round(
    s: &mut Scene,
    tenants: usize,
    tier: &str,
    each: u32,
) -> Result<(Vec<Arc<Exchange>>, Vec<usize>), Stop> {
    let mut askers = Vec::with_capacity(tenants);
    for _tenant in 0..tenants {
        let name = format!("atonce{}-{}", s.exchanges.len(), askers.len());
        let tenant = s.new_tenant(&name, tier).await?;
        askers.push(Asker::Tenant(s.make_tenant(&name, tenant).await?));
    }
    let requests: Vec<Request> = (0..each as usize)
        .flat_map(|at| askers.iter().map(move |who| (who, at)))
        .map(|(who, at)| who.request(s, at))
        .collect();
    let answers = s.send_all(requests).await?;
    let mut counts = vec![0; tenants];
    for (at, answer) in answers.iter().enumerate() {
        let of = at % tenants;
        if askers[of].is_admitted(answer)? {
            counts[of] += 1;
        } else {
            expect_limited(s, answer)?;
        }
    }
    Ok((answers, counts))
}

/// The same of one client ip that asks for the health.
async fn one_round_from_an_ip(
    s: &mut Scene,
    number: usize,
    each: u32,
) -> Result<(Vec<Arc<Exchange>>, Vec<usize>), Stop> {
    let request = from_ip(s, number);
    let answers = s.send_all(vec![request; each as usize]).await?;
    let mut count = 0;
    for answer in &answers {
        if Asker::ClientIp.is_admitted(answer)? {
            count += 1;
        } else {
            expect_limited(s, answer)?;
        }
    }
    Ok((answers, vec![count]))
}

/// A tenant that asked for something in its old tier and has a new one since.
async fn of_a_new_tier(s: &mut Scene, name: &str, tier: &str) -> Result<Tenant, Stop> {
    let mut tenant = s.tenant(name)?;
    let answer = s.send(s.status_request(&tenant.host)).await?;
    expect_status_first(s, &answer, 200)?;
    let answer = change(s, &tenant.id, &json!({ "tier": tier })).await?;
    expect_status_first(s, &answer, 200)?;
    settle(s).await?;
    tier.clone_into(&mut tenant.tier);
    s.know_tenant(name, tenant.clone());
    Ok(tenant)
}

async fn asks_and_becomes(s: &mut Scene, a: Args) -> Check {
    of_a_new_tier(s, a.text(1), a.text(2)).await.map(drop)
}

/// What the tenant asked for in its old tier may count against its new quota, or not.
async fn changes_its_tier(s: &mut Scene, a: Args) -> Check {
    let tier = a.text(2);
    let (old, _period) = quota(s, &s.tenant(a.text(1))?.tier).await?;
    let (new, period) = quota(s, tier).await?;
    let tenant = of_a_new_tier(s, a.text(1), tier).await?;
    let request = s.status_request(&tenant.host);
    let who = Asker::Tenant(tenant);
    // Whoever has risen is admitted as many as the new quota says. Of one that has fallen more are refused, of which a boundary between two
    // windows lets as many through once more.
    let has_risen = new > old;
    let count = if has_risen { new } else { 4 * new };
    let answers = s.send_all(vec![request; count as usize]).await?;
    let mut admitted = 0;
    for answer in &answers {
        admitted += u32::from(who.is_admitted(answer)?);
    }
    let took = span(&answers);
    if !has_risen && admitted > 2 * new && took >= period {
        return Err(too_slow(took, period));
    }
    s.expect(
        if has_risen {
            admitted + 1 >= new
        } else {
            admitted <= 2 * new
        },
        format!("the quota of tier {tier}, {new}, for a tenant that has just become {tier}"),
        || format!("{admitted} of {count} requests at once admitted"),
    )
}

async fn sends_at_once(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let (limit, _period) = quota(s, &tenant.tier).await?;
    let factor: u32 = a.number(2)?;
    let request = s.status_request(&tenant.host);
    s.send_all(vec![request; (limit * factor) as usize]).await?;
    s.notes.insert("limit".to_owned(), serde_json::json!(limit));
    s.notes
        .insert("limit type".to_owned(), serde_json::json!("tenant_quota"));
    Ok(())
}

async fn right_form(s: &mut Scene, _a: Args) -> Check {
    let answers = s.exchanges.clone();
    let admitted = answers.iter().filter(|answer| answer.status == 200).count();
    if admitted == 0
        && let Some(first) = answers.first()
    {
        expect_status_first(s, first, 200)?;
    }
    s.checks += 1;
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status != 200)
        .collect();
    if refused.is_empty() {
        let seen = format!("all {} requests admitted", answers.len());
        return Err(match s.run.target.lacks(Need::ExactLimits) {
            None => breach(format!("refusals with 429 {LIMITED}"), seen),
            Some(_) => Stop::NotVerified(format!(
                "{seen} by a permissive limiter: no refusal to look at"
            )),
        });
    }
    // When to come back and which limit it is are promises of their own.
    for refusal in refused {
        if refusal.status == 429 {
            s.expect_error(refusal, 429, LIMITED)?;
        } else {
            expect_status_first(s, refusal, 429)?;
        }
    }
    Ok(())
}

/// Asserts what a refusal says about coming back.
pub(super) fn expect_times(s: &mut Scene, refusal: &Exchange, period: Duration) -> Check {
    let stated = retry_after::stated(refusal, period.as_secs());
    s.expect(
        stated.is_ok(),
        format!(
            "one Retry-After of whole seconds from 1 to {}, equal to details.retry_after_seconds",
            period.as_secs()
        ),
        || stated.clone().err().unwrap_or_default(),
    )
}
