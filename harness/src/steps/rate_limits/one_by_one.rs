//! Quotas used up by one request after the other. Never judges a single count that a window boundary may explain.

use super::used_up::note_refusal;
use super::{
    Asker, Failure, IP_LIMIT_MAX, LIMITED, expect_limited, must_be_told, other_ip, quota, quota_of,
    span, told_limit, too_slow,
};
use crate::doubles::{Reply, Script};
use crate::evidence::Exchange;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach};
use crate::said::said;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"a fresh (free|premium|enterprise) tenant is admitted exactly its quota, one request after the other",
        |s, a| Box::pin(fresh_tenant(s, a)),
    );
    book.step(
        r"a fresh (free|premium|enterprise) tenant (whose chats all fail|whose chats are all malformed|that asks for routes that there are not) is admitted exactly its quota, one request after the other",
        |s, a| Box::pin(fresh_failing_tenant(s, a)),
    );
    book.step(
        r"a fresh client ip that asks for the health is admitted exactly the limit that it is told",
        |s, a| Box::pin(fresh_ip(s, a)),
    );
    book.step(
        r"a fresh client ip that asks for ever other (unknown hosts|hosts two labels below the app domain) is admitted exactly the limit that it is told",
        |s, a| Box::pin(fresh_stranger(s, a)),
    );
    book.step(
        r"the rest that a fresh free tenant is told falls by one with each request, to nothing",
        |s, a| Box::pin(rest_falls(s, a)),
    );
}

/// A tenant that has sent nothing yet.
async fn fresh(s: &mut Scene, tier: &str) -> Result<Tenant, Stop> {
    let name = format!("fresh{}", s.exchanges.len());
    let tenant = s.new_tenant(&name, tier).await?;
    s.make_tenant(&name, tenant).await
}

/// Rounds in all: those that took too long to tell are repeated.
const ROUNDS_MAX: usize = 5;

async fn fresh_tenant(s: &mut Scene, a: Args) -> Check {
    let mut rounds = Rounds::default();
    while rounds.go_on()? {
        let who = Asker::Tenant(fresh(s, a.text(1)).await?);
        let counted = count(s, &who, None).await?;
        rounds.note(counted);
    }
    rounds.end(s)
}

async fn fresh_failing_tenant(s: &mut Scene, a: Args) -> Check {
    let failure = match a.text(2) {
        "whose chats all fail" => Failure::Upstream,
        "whose chats are all malformed" => Failure::Malformed,
        _ => Failure::NoRoute,
    };
    if matches!(failure, Failure::Upstream) {
        // What upstream refuses so is not tried again, and soon told.
        let script = Script::always(Reply::status(400));
        let marker = s.token.clone();
        s.gateway().await?.script(&marker, script);
    }
    let mut rounds = Rounds::default();
    while rounds.go_on()? {
        let tenant = fresh(s, a.text(1)).await?;
        let counted = count(s, &Asker::Failing(tenant, failure), None).await?;
        rounds.note(counted);
    }
    rounds.end(s)
}

async fn fresh_ip(s: &mut Scene, _a: Args) -> Check {
    from_fresh_ips(s, &Asker::ClientIp).await
}

async fn fresh_stranger(s: &mut Scene, a: Args) -> Check {
    let app_domain = s.instance().await?.app_domain.clone();
    let who = Asker::Stranger(match a.text(1) {
        "unknown hosts" => app_domain,
        _ => format!("below.{app_domain}"),
    });
    from_fresh_ips(s, &who).await
}

async fn from_fresh_ips(s: &mut Scene, who: &Asker) -> Check {
    let own = s.client_ip().to_owned();
    let most = match who {
        Asker::Stranger(_) => most_of_strangers(s).await?,
        Asker::Tenant(_) | Asker::Failing(..) | Asker::ClientIp => None,
    };
    let mut rounds = Rounds::default();
    while rounds.go_on()? {
        s.set_client_ip(&own);
        let ip = other_ip(s, rounds.played);
        s.set_client_ip(&ip);
        let counted = count(s, who, most).await?;
        rounds.note(counted);
    }
    rounds.end(s)
}

/// How one round of asking until refused ended.
enum Counted {
    /// Exactly the quota was admitted.
    Exactly,
    /// More than that, but not more than one window boundary on the way explains.
    More(Over),
    /// It took a period or longer: nothing can be told.
    TooSlow(Stop),
}

/// A count above the quota.
#[derive(Debug, Clone, Copy)]
struct Over {
    limit: u32,
    admitted: usize,
    within: Within,
}

/// When a round's requests were under way.
#[derive(Debug, Clone, Copy)]
struct Within {
    from: Instant,
    took: Duration,
    period: Duration,
}

impl Within {
    fn of(answers: &[Arc<Exchange>], period: Duration) -> Option<Self> {
        let from = answers.iter().map(|answer| answer.sent_at).min()?;
        let took = span(answers);
        Some(Self { from, took, period })
    }

    /// Whether a boundary at this moment, or whole periods before or after it, lies within the round.
    fn holds(&self, boundary: Instant) -> bool {
        let period = self.period.as_nanos().max(1);
        let after = match boundary.checked_duration_since(self.from) {
            Some(after) => after.as_nanos() % period,
            None => (period - self.from.duration_since(boundary).as_nanos() % period) % period,
        };
        after <= self.took.as_nanos()
    }
}

/// Whether windows that begin at fixed moments, a period apart, explain that every one of these rounds met a new window.
/// Rounds that do not overlap in the course of a period have no such excuse, however slow the machine.
fn one_clock_explains(rounds: &[Within]) -> bool {
    // If some moment lies within all of them, the beginning of one of them does.
    rounds
        .iter()
        .any(|one| rounds.iter().all(|other| other.holds(one.from)))
}

/// Rounds so far.
#[derive(Default)]
struct Rounds {
    played: usize,
    exact: bool,
    more: Vec<Over>,
    slow: Option<Stop>,
}

impl Rounds {
    fn go_on(&self) -> Result<bool, Stop> {
        let rounds: Vec<Within> = self.more.iter().map(|over| over.within).collect();
        if !rounds.is_empty() && !one_clock_explains(&rounds) {
            return Err(more_than_the_quota(&self.more));
        }
        Ok(!self.exact && self.played < ROUNDS_MAX)
    }

    fn note(&mut self, counted: Counted) {
        self.played += 1;
        match counted {
            Counted::Exactly => self.exact = true,
            Counted::More(over) => self.more.push(over),
            Counted::TooSlow(stop) => self.slow = Some(stop),
        }
    }

    fn end(self, s: &mut Scene) -> Check {
        if self.exact {
            s.checks += 1;
            return Ok(());
        }
        // Every round met a new window, or took too long.
        let met = self.more.last().map(|over| over.within);
        Err(self
            .slow
            .or(met.map(|met| too_slow(met.took, met.period)))
            .unwrap_or_else(|| more_than_the_quota(&self.more)))
    }
}

fn more_than_the_quota(counts: &[Over]) -> Stop {
    let limit = counts.first().map_or(0, |over| over.limit);
    let seen: Vec<_> = counts
        .iter()
        .map(|over| over.admitted.to_string())
        .collect();
    let stop = breach(
        format!("{limit} requests admitted in a fresh window, the next refused with 429 {LIMITED}"),
        format!(
            "{} admitted before the first refusal",
            seen.join(" and then ")
        ),
    );
    // Nobody has a quota of nothing: then the limit is told wrongly, and nothing can be counted by it.
    if limit == 0 {
        stop.or_unmet("RL-003")
    } else {
        stop
    }
}

fn nothing_counted() -> Stop {
    Stop::Fault("no request was counted".to_owned())
}

/// Answers to unknown hosts tell no limit. Who admits so many times the limit that a health answer tells does not count them.
const STRANGERS_TO_HEALTH: u32 = 8;

/// How many requests for unknown hosts are sent at most, if the health tells its limit: health and unknown hosts share a client's quota.
async fn most_of_strangers(s: &mut Scene) -> Result<Option<u32>, Stop> {
    let own = s.client_ip().to_owned();
    let ip = other_ip(s, ROUNDS_MAX + 1);
    s.set_client_ip(&ip);
    let answer = s.send(Asker::ClientIp.request(s, 0)).await?;
    s.set_client_ip(&own);
    let told = told_limit(&[answer]).ok().flatten();
    Ok(told.map(|limit| {
        limit
            .saturating_mul(STRANGERS_TO_HEALTH)
            .min(2 * IP_LIMIT_MAX)
    }))
}

/// Asks until refused, `most` times at most where the limit is not told.
async fn count(s: &mut Scene, who: &Asker, most: Option<u32>) -> Result<Counted, Stop> {
    let (quota, period) = quota_of(s, who).await?;
    let mut limit = matches!(who, Asker::Tenant(_)).then_some(quota);
    let mut answers: Vec<Arc<Exchange>> = Vec::new();
    let refusal = loop {
        let answer = s.send(who.request(s, answers.len())).await?;
        let admitted = match who.is_admitted(&answer) {
            // The quota is used up: this is the refusal, and it is no such one.
            Err(Stop::Unmet(_)) if limit.is_some_and(|limit| answers.len() >= limit as usize) => {
                expect_limited(s, &answer)?;
                false
            }
            admitted => admitted?,
        };
        if !admitted {
            break answer;
        }
        answers.push(answer);
        if matches!(who, Asker::ClientIp) {
            limit = Some(must_be_told(&answers)?);
        }
        let most = limit.map_or(most.unwrap_or(2 * IP_LIMIT_MAX), |limit| 2 * limit);
        if answers.len() > most as usize {
            let within = Within::of(&answers, period).ok_or_else(nothing_counted)?;
            if within.took >= period {
                return Ok(Counted::TooSlow(too_slow(within.took, period)));
            }
            return Err(more_than_the_quota(&[Over {
                limit: limit.unwrap_or(quota),
                admitted: answers.len(),
                within,
            }]));
        }
    };
    expect_limited(s, &refusal)?;
    let limit = match limit {
        Some(limit) => limit,
        None => must_be_told(&[Arc::clone(&refusal)])?,
    };
    let admitted = answers.len();
    answers.push(refusal);
    let within = Within::of(&answers, period).ok_or_else(nothing_counted)?;
    note_refusal(s, who, limit);
    if admitted < limit as usize {
        return Err(breach(
            format!("{limit} requests admitted in a fresh window"),
            format!("a refusal after {admitted}"),
        ));
    }
    Ok(if within.took >= period {
        Counted::TooSlow(too_slow(within.took, period))
    } else if admitted == limit as usize {
        Counted::Exactly
    } else {
        Counted::More(Over {
            limit,
            admitted,
            within,
        })
    })
}

async fn rest_falls(s: &mut Scene, _a: Args) -> Check {
    let (limit, period) = quota(s, "free").await?;
    let (mut told, mut met, mut slow) = (Vec::new(), Vec::new(), None);
    for _round in 0..ROUNDS_MAX {
        let who = Asker::Tenant(fresh(s, "free").await?);
        let from = s.exchanges.len();
        let (mut rests, mut wanted) = (Vec::new(), Vec::new());
        for at in 0..limit as usize {
            let answer = s.send(who.request(s, at)).await?;
            if !who.is_admitted(&answer)? {
                break;
            }
            super::answers::expect_stated(s, &answer, None).await?;
            if at == 0 {
                // As many as it is told to have, whether or not these are as many as it should.
                wanted = (0..super::number_in(&answer, "x-ratelimit-limit").unwrap_or(limit))
                    .rev()
                    .take(limit as usize)
                    .collect();
            }
            rests.extend(super::number_in(&answer, "x-ratelimit-remaining"));
        }
        if rests == wanted {
            s.checks += 1;
            return Ok(());
        }
        let within = Within::of(&s.exchanges[from..], period).ok_or_else(nothing_counted)?;
        if within.took < period {
            told.push(rests);
            met.push(within);
            // A window boundary on the way gives some of the rest back.
            if !one_clock_explains(&met) {
                return Err(breach(
                    format!(
                        "X-RateLimit-Remaining {wanted} in that order",
                        wanted = said(&wanted)
                    ),
                    said(&told),
                ));
            }
        }
        slow = Some(too_slow(within.took, period));
    }
    Err(slow.unwrap_or_else(nothing_counted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const PERIOD: Duration = Duration::from_secs(2);

    fn rounds(list: &[(u64, u64)]) -> Vec<Within> {
        let start = clock::now();
        let round = |&(from, took): &(u64, u64)| Within {
            from: start + Duration::from_millis(from),
            took: Duration::from_millis(took),
            period: PERIOD,
        };
        list.iter().map(round).collect()
    }

    #[test]
    fn quick_rounds_one_after_the_other_meet_no_common_boundary() {
        assert!(one_clock_explains(&rounds(&[(0, 10)])));
        assert!(!one_clock_explains(&rounds(&[(0, 10), (20, 10)])));
        assert!(!one_clock_explains(&rounds(&[
            (20, 10),
            (0, 10),
            (2_000, 10)
        ])));
    }

    #[test]
    fn slow_rounds_a_period_apart_may_all_meet_a_boundary() {
        // Boundaries at 1500, 3500 and 5500 ms lie within.
        let slow = [(200, 1_400), (1_700, 1_900), (3_700, 1_900)];
        assert!(one_clock_explains(&rounds(&slow)));
        // The second ends before the clock's next boundary.
        assert!(!one_clock_explains(&rounds(&[(0, 500), (600, 900)])));
    }
}
