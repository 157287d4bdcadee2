//! What a refusal says, and whether it is true. Never waits longer than the refusal itself says.

use super::at_once::expect_times;
use super::used_up::{kept_the_limit, use_up, use_up_from};
use super::{Asker, answered_at, expect_limited, free_quota, ms_since, too_slow};
use crate::clock;
use crate::evidence::Exchange;
use crate::oracle::retry_after;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::steps::operating::expect_status_first;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait;
use serde_json::Value;
use std::time::Duration;

/// Timers of two machines differ a little: a place that is free this much later is in time.
const TIMER_MS: u64 = 50;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"tenant "([^"]+)" has used up its quota(, the last of it late in the period)?"#,
        |s, a| Box::pin(tenant_uses_up(s, a)),
    );
    book.step(
        r"the client ip has used up its quota( by asking for unknown hosts)?",
        |s, a| Box::pin(ip_uses_up(s, a)),
    );
    book.step(r"the refusal states when to come back", |s, a| {
        Box::pin(states_time(s, a))
    });
    book.step(
        r"the answer, if refused, states when to come back",
        |s, a| Box::pin(states_time_if_refused(s, a)),
    );
    book.step(
        r"the refusal, if it is of the tenant's quota, tells the period in seconds",
        |s, _a| Box::pin(states_period(s)),
    );
    book.step(
        r"the refusal says in numbers that the (tenant|client ip)'s quota is used up",
        |s, a| Box::pin(states_numbers(s, a)),
    );
    book.step(r#"tenant "([^"]+)" asks again for its status"#, |s, a| {
        Box::pin(asks_again(s, a))
    });
    book.step(r"nine tenths of the period have passed since", |s, a| {
        Box::pin(late_in_window(s, a))
    });
    book.step(r"the time that the refusal stated has passed", |s, a| {
        Box::pin(stated_time_passes(s, a))
    });
    book.step(r#"tenant "([^"]+)" is admitted again"#, |s, a| {
        Box::pin(tenant_again(s, a))
    });
    book.step(
        r"a fresh free tenant that goes on asking after its refusal is admitted again when that refusal said",
        |s, _a| Box::pin(impatient_again(s)),
    );
    book.step(
        r"a fresh (free tenant|client ip) is told one time in header and details, at every fraction of a second",
        |s, a| Box::pin(one_time(s, a)),
    );
    book.step(r"the client ip is admitted again", |s, a| {
        Box::pin(ip_again(s, a))
    });
}

async fn tenant_uses_up(s: &mut Scene, a: Args) -> Check {
    let who = Asker::Tenant(s.tenant(a.text(1))?);
    if !a.text(2).is_empty() {
        let ((limit, period), begun) = (free_quota(s).await?, clock::now());
        let most = (1..limit as usize).map(|at| who.request(s, at)).collect();
        s.send_all(most).await?;
        wait::pass_until(begun + period.mul_f64(LATE_IN_PERIOD)).await;
        return use_up_from(s, &who, 1).await;
    }
    use_up(s, &who).await
}

/// When the last requests of a quota come, as a part of its period.
const LATE_IN_PERIOD: f64 = 0.6;

async fn ip_uses_up(s: &mut Scene, a: Args) -> Check {
    let who = if a.text(1).is_empty() {
        Asker::ClientIp
    } else {
        Asker::Stranger(s.instance().await?.app_domain.clone())
    };
    use_up(s, &who).await
}

async fn asks_again(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let request = s.status_request(&host);
    s.send(request).await.map(drop)
}

async fn states_time(s: &mut Scene, _a: Args) -> Check {
    let (refusal, period) = (s.last()?, free_quota(s).await?.1);
    expect_limited(s, &refusal)?;
    expect_times(s, &refusal, period)
}

/// Looks in the second after a refusal: half a second, in which two ways to round differ, holds five of them.
const LOOKS_IN_A_SECOND: u32 = 10;

async fn one_time(s: &mut Scene, a: Args) -> Check {
    let who = if a.text(1) == "client ip" {
        Asker::ClientIp
    } else {
        let tenant = s.new_tenant("fractions", "free").await?;
        Asker::Tenant(s.make_tenant("fractions", tenant).await?)
    };
    let period = free_quota(s).await?.1;
    use_up(s, &who).await?;
    let mut refusal = s.last()?;
    let from = answered_at(&refusal);
    expect_times(s, &refusal, period)?;
    for look in 1..=LOOKS_IN_A_SECOND {
        wait::pass_until(from + Duration::from_secs(1) / LOOKS_IN_A_SECOND * look).await;
        refusal = s.send(who.request(s, look as usize)).await?;
        // A window that does not slide may end at any time.
        if who.is_admitted(&refusal)? {
            use_up(s, &who).await?;
            refusal = s.last()?;
        }
        expect_times(s, &refusal, period)?;
    }
    Ok(())
}

async fn states_time_if_refused(s: &mut Scene, _a: Args) -> Check {
    let (answer, period) = (s.last()?, free_quota(s).await?.1);
    match answer.status {
        200 => Ok(()),
        429 => expect_times(s, &answer, period),
        _ => expect_status_first(s, &answer, 200),
    }
}

async fn states_numbers(s: &mut Scene, _a: Args) -> Check {
    let (refusal, period) = (s.last()?, free_quota(s).await?.1);
    expect_limited(s, &refusal)?;
    // Which limit it is stands in RL-003; another criterion's refusal says enough by its status.
    if s.planned.criteria.iter().any(|id| id == "RL-003") {
        expect_numbers(s, &refusal, period)
    } else {
        Ok(())
    }
}

/// Where a client ip's limit is no higher than the tenant's, it may be the one that refuses: of its period nothing is known.
async fn states_period(s: &mut Scene) -> Check {
    let (refusal, period) = (s.last()?, free_quota(s).await?.1);
    expect_limited(s, &refusal)?;
    let details = refusal.at("/error/details").unwrap_or_default();
    if details["limit_type"] == "client_ip" {
        return Err(Stop::NotApplicable(
            "the client ip's limit refuses before the tenant's".to_owned(),
        ));
    }
    let period = format!("{}s", period.as_secs());
    s.expect(
        details["period"] == *period,
        format!("details.period \"{period}\""),
        || format!("details {details}"),
    )
}

/// Asserts type, limit, period and time in a refusal's details. Which ones is in the scenario's notes since the quota was used up.
pub(super) fn expect_numbers(s: &mut Scene, refusal: &Exchange, period: Duration) -> Check {
    let note = |s: &Scene, name: &str| s.notes.get(name).cloned().unwrap_or_default();
    let limit_type = note(s, "limit type");
    // A client ip's limit is not in the contract: it is the one that admitted answers state.
    let limit = note(s, "limit");
    let period = Value::from(format!("{}s", period.as_secs()));
    let details = refusal.at("/error/details").unwrap_or_default();
    kept_the_limit(s, &details["limit"])?;
    let wanted = [
        ("limit_type", limit_type),
        ("period", period),
        ("limit", limit),
    ];
    for (name, value) in wanted {
        s.expect(
            details.get(name) == Some(&value),
            format!("details.{name} {value}"),
            || format!("details {details}"),
        )?;
    }
    // That it is the time of the header is RL-002's.
    let seconds = details.get("retry_after_seconds").and_then(Value::as_u64);
    s.expect(
        seconds.is_some(),
        "details.retry_after_seconds in whole seconds",
        || format!("details {details}"),
    )
}

async fn late_in_window(s: &mut Scene, _a: Args) -> Check {
    let (refusal, period) = (s.last()?, free_quota(s).await?.1);
    wait::pass_until(refusal.sent_at + period.mul_f64(0.9)).await;
    Ok(())
}

async fn stated_time_passes(s: &mut Scene, _a: Args) -> Check {
    wait_as_stated(s).await
}

async fn wait_as_stated(s: &mut Scene) -> Check {
    let (refusal, period) = (s.last()?, free_quota(s).await?.1);
    let seconds = retry_after::stated(&refusal, period.as_secs())
        .map_err(|why| breach("a refusal that states when to come back", why))
        .or_unmet("RL-002")?;
    let back = answered_at(&refusal) + Duration::from_secs(seconds);
    wait::pass_until(back + Duration::from_millis(TIMER_MS)).await;
    Ok(())
}

async fn tenant_again(s: &mut Scene, a: Args) -> Check {
    let who = Asker::Tenant(s.tenant(a.text(1))?);
    expect_admitted_again(s, &who).await
}

async fn ip_again(s: &mut Scene, _a: Args) -> Check {
    expect_admitted_again(s, &Asker::ClientIp).await
}

/// When somebody asks again although refused, as part of a period, round by round: late enough to lie in the window that the stated time
/// begins; and later still, for an answer that comes after what was refused would be forgotten anyway tells nothing.
const ASKS_AGAIN: [f64; 5] = [0.2, 0.6, 0.8, 0.2, 0.7];

async fn impatient_again(s: &mut Scene) -> Check {
    let mut last = Stop::NotVerified(
        "a window began between refusal and next request, each time: run the variant with a longer period and state it".to_owned(),
    );
    for (round, asks_again) in ASKS_AGAIN.into_iter().enumerate() {
        let name = format!("impatient{round}");
        let tenant = s.new_tenant(&name, "free").await?;
        let who = Asker::Tenant(s.make_tenant(&name, tenant).await?);
        use_up(s, &who).await.or_unmet("RL-001")?;
        let (refusal, (limit, period)) = (s.last()?, free_quota(s).await?);
        let seconds = retry_after::stated(&refusal, period.as_secs())
            .map_err(|why| breach("a refusal that states when to come back", why))
            .or_unmet("RL-002")?;
        wait::pass_until(refusal.sent_at + period.mul_f64(asks_again)).await;
        let requests = (0..=limit as usize).map(|at| who.request(s, at)).collect();
        let meanwhile = s.send_all(requests).await?;
        let back = answered_at(&refusal) + Duration::from_secs(seconds);
        wait::pass_until(back + Duration::from_millis(TIMER_MS)).await;
        let answer = s.send(who.request(s, 0)).await?;
        if who.is_admitted(&answer)? {
            // Had refused requests used the quota, the first of them would still have done so when the answer was given.
            let asked = meanwhile.iter().map(|refused| refused.sent_at).min();
            let until = asked.unwrap_or(refusal.sent_at) + period;
            if answered_at(&answer) < until {
                s.checks += 1;
                return Ok(());
            }
            last = too_slow(
                answered_at(&answer) - asked.unwrap_or(refusal.sent_at),
                period,
            );
            continue;
        }
        // What was let in meanwhile has rightly used the places that were promised.
        let mut refused = true;
        for answer in &meanwhile {
            refused &= !who.is_admitted(answer)?;
        }
        if refused {
            return Err(breach(
                format!(
                    "a request admitted {seconds} s after the first refusal, as it said: refused requests use no quota"
                ),
                describe(&answer),
            ));
        }
    }
    Err(last)
}

/// How late somebody may come back, and how often he tries: who is admitted much later than he was told shows nothing of the time.
const LATE_MS: u64 = 200;
const RETURNS_MAX: usize = 4;

async fn expect_admitted_again(s: &mut Scene, who: &Asker) -> Check {
    let mut last = Ok(());
    for _return in 0..RETURNS_MAX {
        let (refusal, period) = (s.last()?, free_quota(s).await?.1);
        let answer = s.send(who.request(s, 0)).await?;
        let seconds = retry_after::stated(&refusal, period.as_secs())
            .map_err(|why| breach("a refusal that states when to come back", why))
            .or_unmet("RL-002")?;
        let back = answered_at(&refusal) + Duration::from_secs(seconds);
        let late = answer.sent_at.saturating_duration_since(back);
        last = judge_return(s, who, &refusal, &answer);
        if last.is_err() || late <= Duration::from_millis(TIMER_MS + LATE_MS) {
            return last;
        }
        last = Err(too_slow(period + late, period));
        use_up(s, who).await.or_unmet("RL-001")?;
        wait_as_stated(s).await?;
    }
    last
}

fn judge_return(s: &mut Scene, who: &Asker, refusal: &Exchange, answer: &Exchange) -> Check {
    let admitted = who.is_admitted(answer)?;
    let waited = ms_since(answered_at(refusal));
    s.expect(
        admitted,
        format!(
            "a request admitted after Retry-After ({}) has passed",
            refusal.header("retry-after").unwrap_or("none")
        ),
        || format!("{} after {waited} ms", describe(answer)),
    )
}
