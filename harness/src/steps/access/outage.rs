//! A key set out of reach, and a backend that could be made to hammer it. Never leaves a set out of reach for others: scenarios end it, and begin in reach.

use super::keys::{
    LOOK_MS, PRESENT, aside, due_time, key, list_request, mode, opened, remember, token_of,
    under_id,
};
use super::kind;
use crate::client::Request;
use crate::clock;
use crate::contract::need::Need;
use crate::doubles::{AccessIssuer, KeySetMode};
use crate::lag::{self, Patience};
use crate::run::attempts::Attempt;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::said::said;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a request with an unknown key may wait for a key set that does not answer, before its sender leaves.
const PATIENCE_MS: u64 = 600;
/// Rounds before a cached key that opens late is called blocked: a busy machine is seldom so slow twice.
const CACHED_ROUNDS: usize = 2;
/// Outages tried when the cache time is over too soon.
const OUTAGES_MAX: usize = 4;
/// How long a request with a cached key may take while the key set is out of reach.
const CACHED_MS_MAX: u64 = 5_000;
/// Waves of a flood and requests in each. Waves, since one fetch may serve all who wait for it at once.
const FLOOD: (u64, usize) = (12, 4);
/// Waves after which a flood ends in any case.
const WAVES_MAX: u64 = 150;
/// A client may try a fetch again by itself when the connection breaks: fetches that one refresh may cause.
const TRIES_MAX: u64 = 2;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r"the key set has just been fetched", |s, a| {
        Box::pin(just_fetched(s, a))
    });
    book.step(
        r#"key "([^"]+)" opens nothing, and the present key goes on opening meanwhile"#,
        |s, a| Box::pin(cached_goes_on(s, a)),
    );
    book.step(r"the present key opens nothing yet", |s, a| {
        Box::pin(nothing_yet(s, a))
    });
    book.step(
        r#"nothing opens without a token or with an? "([^"]+)" token"#,
        |s, a| Box::pin(nothing_opens(s, a)),
    );
    book.step(r"the cooldown is over", |s, a| Box::pin(cooled_down(s, a)));
    book.step(
        r"unknown key ids are asked for (\d+) times more, each when the cooldown is over",
        |s, a| Box::pin(asked_for_in_vain(s, a)),
    );
    book.step(
        r"a flood of unknown key ids causes no more fetches than the cooldown allows",
        |s, a| Box::pin(flood(s, a)),
    );
}

/// Sees to it that the backend's key set is young enough to be still cached during the next steps.
async fn just_fetched(s: &mut Scene, _a: Args) -> Check {
    if s.run.target.lacks(Need::Fresh).is_none() {
        // A fresh instance: its first fetch was for the first token of this scenario.
        let asked = s.notes.get("first asked").cloned().unwrap_or_default();
        s.notes.insert("fetched".to_owned(), asked);
        return Ok(());
    }
    fetch_again(s).await
}

/// Makes the backend fetch the key set, by a key that it cannot know yet.
async fn fetch_again(s: &mut Scene) -> Check {
    let key = aside(s, AccessIssuer::rotate_in).await?;
    remember(s, "probe", &key);
    let (token, deadline) = (token_of(s, "probe").await?, due_time(s));
    let patience = Patience::of(deadline);
    while !patience.is_over() {
        let before = clock::epoch_ms();
        let answer = s.send(list_request(s, &token)).await?;
        if opened(s, &answer)? {
            s.notes.insert("fetched".to_owned(), json!(before));
            return Ok(());
        }
        wait::pass(Duration::from_millis(LOOK_MS)).await;
    }
    Err(Stop::NotVerified(
        "the key set was not fetched in due time, see ACC-015".to_owned(),
    ))
}

/// How much of the cache time is certainly left.
fn cache_left(s: &Scene) -> Duration {
    let fetched = s.notes.get("fetched").and_then(Value::as_i64);
    let age = fetched.map_or(i64::MAX, |at| clock::epoch_ms() - at);
    let age = Duration::from_millis(u64::try_from(age).unwrap_or(u64::MAX));
    s.run.target.limits().keys_cache.saturating_sub(age)
}

async fn cached_goes_on(s: &mut Scene, a: Args) -> Check {
    for _try in 0..OUTAGES_MAX {
        if cached_goes_on_once(s, a.text(1)).await? {
            return Ok(());
        }
        // The cache time was over before the answers came: the same once more, from a fresh fetch on.
        let (access, mode) = (s.access().await?, mode(s));
        access.set_mode(KeySetMode::Reachable);
        fetch_again(s).await?;
        access.set_mode(mode);
        let key = aside(s, AccessIssuer::rotate_in).await?;
        remember(s, a.text(1), &key);
    }
    Err(Stop::NotVerified(
        "the cache time was over before the answers came: run variant `key-rotation` with a longer cache".to_owned(),
    ))
}

/// False if the cache time was over meanwhile, so that nothing can be told.
async fn cached_goes_on_once(s: &mut Scene, late: &str) -> Result<bool, Stop> {
    let (late, present) = (token_of(s, late).await?, token_of(s, PRESENT).await?);
    let late = list_request(s, &late).leaving_after(Duration::from_millis(PATIENCE_MS));
    let present = list_request(s, &present).within(Duration::from_millis(CACHED_MS_MAX));
    let pause = Duration::from_millis(PATIENCE_MS / 8);
    let mut waited = Vec::new();
    let mut excused = Ok(());
    for _round in 0..CACHED_ROUNDS {
        let (unknown, cached) = s
            .attempt_while(late.clone(), pause, present.clone())
            .await?;
        if cache_left(s).is_zero() {
            return Ok(false);
        }
        expect_closed(s, "a token by a key that was never fetched", &unknown)?;
        let took = expect_opened(s, &cached)?;
        // Answered while the other one still waits, or that one was answered too.
        if unknown.is_ok() || took + 2 * pause < Duration::from_millis(PATIENCE_MS) {
            return Ok(true);
        }
        waited.push(took.as_millis());
        // Whoever does not wait answers at once: all of it must be the machine's doing, or none of it is.
        if let Ok(answer) = &cached {
            let seen = || format!("answers after {} ms", said(&waited));
            let own = lag::blame(answer.sent_at, answer.sent_at + took, took, seen);
            excused = excused.and(own);
        }
    }
    excused?;
    let seen = format!(
        "answers after {waited} ms, when the request with the unknown key had been given up",
        waited = said(&waited)
    );
    Err(breach(
        "a token by a cached key to open without waiting for a key set that does not answer",
        seen,
    ))
}

/// Asserts that a request with a cached key is let in; how long that took.
fn expect_opened(s: &mut Scene, cached: &Attempt) -> Result<Duration, Stop> {
    match cached {
        Ok(answer) => {
            s.expect(
                answer.status == 200,
                "a token by a cached key to go on opening, status 200",
                || describe(answer),
            )?;
            Ok(answer.done_after)
        }
        Err(why) => Err(breach(
            format!("a token by a cached key to go on opening within {CACHED_MS_MAX} ms"),
            why.clone(),
        )),
    }
}

/// Asserts a refusal as it is without a key set: 403 `ACCESS_DENIED` or 503, or no answer while the backend still waits.
fn expect_closed(s: &mut Scene, what: &str, outcome: &Attempt) -> Check {
    match outcome {
        Err(_none) => {
            s.checks += 1;
            Ok(())
        }
        Ok(answer) => {
            let is_open = opened(s, answer)?;
            s.expect(!is_open, format!("{what} refused with 403 or 503"), || {
                describe(answer)
            })
        }
    }
}

async fn nothing_yet(s: &mut Scene, _a: Args) -> Check {
    let token = token_of(s, PRESENT).await?;
    let requests = vec![list_request(s, &token); 2];
    for outcome in s.attempt_all(requests).await? {
        expect_closed(s, "a token while there is no key set", &outcome)?;
    }
    Ok(())
}

async fn nothing_opens(s: &mut Scene, a: Args) -> Check {
    // By the key that may be cached: refused for what it is, not for want of its key.
    let (key, kind) = (key(s, PRESENT)?, kind(a.text(1))?);
    let bad = aside(s, move |access| access.token_signed_with(&key, kind)).await?;
    let patience = Duration::from_millis(PATIENCE_MS);
    let bare = Request::new("GET", s.dialect().tenants).leaving_after(patience);
    let bad = list_request(s, &bad).leaving_after(patience);
    for outcome in s.attempt_all(vec![bare, bad]).await? {
        expect_closed(s, "a bad token and none", &outcome)?;
    }
    Ok(())
}

/// From here on an unknown key id may cause a fetch again: what happens when that one fails is the question.
async fn cooled_down(s: &mut Scene, _a: Args) -> Check {
    wait::pass(s.run.target.limits().keys_cooldown).await;
    Ok(())
}

/// Each may cause a fetch, which fails: how often it did so must not matter once the key set is back.
async fn asked_for_in_vain(s: &mut Scene, a: Args) -> Check {
    let good = token_of(s, PRESENT).await?;
    for _time in 0..a.number::<usize>(1)? {
        cooled_down(s, Args::default()).await?;
        let unknown = list_request(s, &under_id(&good, &unknown_id()));
        let unknown = unknown.leaving_after(Duration::from_millis(PATIENCE_MS));
        for outcome in s.attempt_all(vec![unknown]).await? {
            expect_closed(s, "a token under an unknown key id", &outcome).or_unmet("ACC-010")?;
        }
    }
    Ok(())
}

fn unknown_id() -> String {
    format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..))
}

async fn flood(s: &mut Scene, _a: Args) -> Check {
    let (access, good) = (s.access().await?, token_of(s, PRESENT).await?);
    let (before, started) = (access.fetches(), clock::now());
    let (enough, width) = FLOOD;
    let mut waves = 0;
    // A slow flood allows for more fetches: it goes on until there are clearly more waves than that.
    while waves < enough
        || (waves < WAVES_MAX && waves <= 2 * allowed_fetches(s, started.elapsed()))
    {
        waves += 1;
        let requests = (0..width)
            .map(|_| list_request(s, &under_id(&good, &unknown_id())))
            .collect();
        for answer in s.send_all(requests).await? {
            let refused = !opened(s, &answer)?;
            // The control: that such tokens are refused at all is promised elsewhere.
            s.expect(refused, "a token under an unknown key id refused", || {
                describe(&answer)
            })
            .or_unmet("ACC-010")?;
        }
    }
    let took = started.elapsed();
    let (allowed, took) = (allowed_fetches(s, took), took.as_millis());
    if waves <= allowed {
        let seen =
            || format!("{waves} waves took {took} ms, in which {allowed} fetches are allowed");
        lag::blame(started, clock::now(), Duration::from_millis(1), seen)?;
        return Err(Stop::NotVerified(format!(
            "{waves} waves took {took} ms, in which {allowed} fetches are allowed: too slow to tell"
        )));
    }
    let fetches = access.fetches() - before;
    s.expect(
        fetches <= allowed,
        format!("at most {allowed} fetches of the key set in {took} ms"),
        || {
            format!(
                "{fetches} fetches for {} tokens with unknown key ids",
                waves * width as u64
            )
        },
    )
}

/// Refreshes that cooldown and cache time allow within a time, each with its tries.
fn allowed_fetches(s: &Scene, elapsed: Duration) -> u64 {
    let limits = s.run.target.limits();
    let times = |every: Duration| {
        let every = every.as_millis().max(1);
        u64::try_from(elapsed.as_millis() / every).unwrap_or(u64::MAX / 16) + 1
    };
    (times(limits.keys_cooldown) + times(limits.keys_cache)) * TRIES_MAX
}
