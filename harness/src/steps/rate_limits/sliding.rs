//! Requests placed in time so that a window that does not slide gives itself away. Never judges by itself: the oracle does.

use super::{Asker, quota, seen};
use crate::client::{Client, Request};
use crate::clock;
use crate::evidence::Exchange;
use crate::oracle::rate_window::largest_crowd;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach};
use crate::subject::seeding;
use crate::verdict::{Check, Stop};
use crate::wait;
use futures_util::future::try_join_all;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two tenants, as part of a period: their windows, if anchored to a common clock, end at different times after their bursts.
const STAGGER: f64 = 0.075;
/// Between two requests of one who keeps asking, as part of a period.
const KEEP_ASKING: f64 = 0.025;
/// When the second and the third burst come, as parts of a period: just before and just after a window that began with the first request ends.
const BEFORE_AND_AFTER: (f64, f64) = (0.82, 1.03);

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"(\d+) tenants that use up their quota one after the other and keep asking are never admitted more than it in one period",
        |s, a| Box::pin(keep_asking(s, a)),
    );
    book.step(
        r"(\d+) tenants that ask once, and fully just before and just after a period, are never admitted more than their quota in one",
        |s, a| Box::pin(around_a_period(s, a)),
    );
}

/// Bursts: when, as part of a period, and of how many requests.
type Plan = Vec<(f64, u32)>;

async fn keep_asking(s: &mut Scene, a: Args) -> Check {
    let (limit, _period) = quota(s, "free").await?;
    let mut plan: Plan = vec![(0.0, limit)];
    let mut at = KEEP_ASKING;
    while at <= 1.0 {
        plan.push((at, 1));
        at += KEEP_ASKING;
    }
    play(s, a.number(1)?, &plan).await
}

async fn around_a_period(s: &mut Scene, a: Args) -> Check {
    let (limit, _period) = quota(s, "free").await?;
    let (before, after) = BEFORE_AND_AFTER;
    let plan = vec![(0.0, 1), (before, limit - 1), (after, limit)];
    play(s, a.number(1)?, &plan).await
}

/// Plays the plan for fresh tenants, each a little later than the one before, and asks the oracle about each.
async fn play(s: &mut Scene, tenants: usize, plan: &Plan) -> Check {
    let (limit, period) = quota(s, "free").await?;
    let askers = fresh_tenants(s, tenants).await?;
    let (client, base) = (s.run.client.clone(), s.instance().await?.base.clone());
    let (client, base, start) = (&client, base.as_str(), clock::now());
    let mut later = 0.0;
    let mut playing = Vec::with_capacity(tenants);
    for who in &askers {
        let request = who.request(s, 0);
        let start = start + period.mul_f64(later);
        playing.push(play_one(client, base, request, plan, start, period));
        later += STAGGER;
    }
    let played = try_join_all(playing).await?;
    for (who, answers) in askers.iter().zip(played) {
        for answer in &answers {
            s.keep(answer);
        }
        judge(s, who, &answers, limit, period)?;
    }
    Ok(())
}

/// Tenants made side by side: the time until the first request is no part of the plan.
async fn fresh_tenants(s: &mut Scene, count: usize) -> Result<Vec<Asker>, Stop> {
    let mut tenants = Vec::with_capacity(count);
    for at in 0..count {
        tenants.push(s.new_tenant(&format!("sliding{at}"), "free").await?);
    }
    let (instance, target) = (s.instance().await?, Arc::clone(&s.run.target));
    let making = tenants
        .iter()
        .map(|tenant| seeding::make(&s.run.client, target.as_ref(), &instance, tenant));
    let tenants = try_join_all(making).await?;
    Ok(tenants.into_iter().map(Asker::Tenant).collect())
}

async fn play_one(
    client: &Client,
    base: &str,
    request: Request,
    plan: &Plan,
    start: Instant,
    period: Duration,
) -> Result<Vec<Arc<Exchange>>, Stop> {
    let mut answers = Vec::new();
    for &(at, width) in plan {
        wait::pass_until(start + period.mul_f64(at)).await;
        let first = answers.len() + 1;
        let burst = (0..width as usize).map(|one| client.send(base, &request, first + one));
        answers.extend(try_join_all(burst).await?.into_iter().map(Arc::new));
    }
    Ok(answers)
}

fn judge(
    s: &mut Scene,
    who: &Asker,
    answers: &[Arc<Exchange>],
    limit: u32,
    period: Duration,
) -> Check {
    let seen = seen(who, answers)?;
    let admitted = seen.iter().filter(|one| one.admitted).count();
    if admitted < limit as usize {
        return Err(breach(
            format!("at least the quota of {limit} admitted in more than a period"),
            format!("{admitted} of {} requests", seen.len()),
        )
        .or_unmet("RL-001"));
    }
    let crowd = largest_crowd(&seen, period);
    s.expect(
        crowd.admitted <= limit as usize,
        format!(
            "at most {limit} requests admitted in any {} ms",
            period.as_millis()
        ),
        || {
            format!(
                "{} admitted within {} ms",
                crowd.admitted,
                crowd.within.as_millis()
            )
        },
    )
}
