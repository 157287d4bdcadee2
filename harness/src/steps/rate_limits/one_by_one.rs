//! Quotas used up by one request after the other. Never judges a single count that a window boundary may explain.

use super::used_up::note_refusal;
use super::{
    Asker, IP_LIMIT_MAX, LIMITED, must_be_told, other_ip, quota, quota_of, span, too_slow,
};
use crate::evidence::Exchange;
use crate::run::scene::{Scene, breach};
use crate::steps::book::{Args, Book};
use crate::verdict::{Check, Stop};
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

/// Rounds in all: those that took too long to tell are repeated.
const ROUNDS_MAX: usize = 5;

async fn fresh_tenant(s: &mut Scene, a: Args) -> Check {
    let mut rounds = Rounds::default();
    while rounds.go_on()? {
        let who = fresh(s, a.text(1)).await?;
        let counted = count(s, &who).await?;
        rounds.note(counted);
    }
    rounds.end(s)
}

async fn fresh_ip(s: &mut Scene, _a: Args) -> Check {
    from_fresh_ips(s, &Asker::ClientIp).await
}

async fn fresh_stranger(s: &mut Scene, _a: Args) -> Check {
    let who = Asker::Stranger(s.instance().await?.app_domain.clone());
    from_fresh_ips(s, &who).await
}

async fn from_fresh_ips(s: &mut Scene, who: &Asker) -> Check {
    let own = s.client_ip().to_owned();
    let mut rounds = Rounds::default();
    while rounds.go_on()? {
        s.set_client_ip(&own);
        let ip = other_ip(s, rounds.played);
        s.set_client_ip(&ip);
        let counted = count(s, who).await?;
        rounds.note(counted);
    }
    rounds.end(s)
}

/// How one round of asking until refused ended.
enum Counted {
    /// Exactly the quota was admitted.
    Exactly,
    /// More than that (limit and count), but not more than one window boundary on the way explains.
    More(u32, usize),
    /// It took a period or longer: nothing can be told.
    TooSlow(Stop),
}

/// Rounds so far. Two counts above the quota have no excuse: boundaries are a period apart, rounds are not.
#[derive(Default)]
struct Rounds {
    played: usize,
    exact: bool,
    more: Vec<(u32, usize)>,
    slow: Option<Stop>,
}

impl Rounds {
    fn go_on(&self) -> Result<bool, Stop> {
        if self.more.len() > 1 {
            return Err(more_than_the_quota(&self.more));
        }
        Ok(!self.exact && self.played < ROUNDS_MAX)
    }

    fn note(&mut self, counted: Counted) {
        self.played += 1;
        match counted {
            Counted::Exactly => self.exact = true,
            Counted::More(limit, admitted) => self.more.push((limit, admitted)),
            Counted::TooSlow(stop) => self.slow = Some(stop),
        }
    }

    fn end(self, s: &mut Scene) -> Check {
        if self.exact {
            s.checks += 1;
            return Ok(());
        }
        Err(self.slow.unwrap_or_else(|| more_than_the_quota(&self.more)))
    }
}

fn more_than_the_quota(counts: &[(u32, usize)]) -> Stop {
    let (limit, _) = counts.first().copied().unwrap_or_default();
    let seen: Vec<_> = counts
        .iter()
        .map(|(_, admitted)| admitted.to_string())
        .collect();
    breach(
        format!("{limit} requests admitted in a fresh window, the next refused with 429 {LIMITED}"),
        format!(
            "{} admitted before the first refusal",
            seen.join(" and then ")
        ),
    )
}

/// Asks until refused.
async fn count(s: &mut Scene, who: &Asker) -> Result<Counted, Stop> {
    let (quota, period) = quota_of(s, who).await?;
    let mut limit = matches!(who, Asker::Tenant(_)).then_some(quota);
    let mut answers: Vec<Arc<Exchange>> = Vec::new();
    let refusal = loop {
        let answer = s.send(who.request(s, answers.len())).await?;
        if !who.is_admitted(&answer)? {
            break answer;
        }
        answers.push(answer);
        if matches!(who, Asker::ClientIp) {
            limit = Some(must_be_told(&answers)?);
        }
        if answers.len() > limit.unwrap_or(IP_LIMIT_MAX) as usize * 2 {
            let span = span(&answers);
            if span >= period {
                return Ok(Counted::TooSlow(too_slow(span, period)));
            }
            return Err(more_than_the_quota(&[(
                limit.unwrap_or(quota),
                answers.len(),
            )]));
        }
    };
    s.expect_error(&refusal, 429, LIMITED)?;
    let limit = match limit {
        Some(limit) => limit,
        None => must_be_told(&[Arc::clone(&refusal)])?,
    };
    let admitted = answers.len();
    answers.push(refusal);
    let span = span(&answers);
    note_refusal(s, who, limit);
    if admitted < limit as usize {
        return Err(breach(
            format!("{limit} requests admitted in a fresh window"),
            format!("a refusal after {admitted}"),
        ));
    }
    Ok(if span >= period {
        Counted::TooSlow(too_slow(span, period))
    } else if admitted == limit as usize {
        Counted::Exactly
    } else {
        Counted::More(limit, admitted)
    })
}

async fn rest_falls(s: &mut Scene, _a: Args) -> Check {
    let (limit, period) = quota(s, "free").await?;
    let wanted: Vec<u32> = (0..limit).rev().collect();
    let (mut told, mut slow) = (Vec::new(), None);
    for _round in 0..ROUNDS_MAX {
        let who = fresh(s, "free").await?;
        let from = s.exchanges.len();
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
        let took = span(&s.exchanges[from..]);
        if took < period {
            told.push(rests);
        } else {
            slow = Some(too_slow(took, period));
        }
        // A window boundary on the way gives some of the rest back: not twice in a row.
        if told.len() > 1 {
            break;
        }
    }
    Err(slow.filter(|_| told.len() < 2).unwrap_or_else(|| {
        breach(
            format!("X-RateLimit-Remaining {wanted:?} in that order"),
            format!("{told:?}"),
        )
    }))
}
