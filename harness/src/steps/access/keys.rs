//! Keys that come and go, and a key set out of reach. Never takes a key away that other scenarios sign with.

use super::{TOKEN_HEADER, token};
use crate::client::Request;
use crate::clock;
use crate::doubles::{AccessIssuer, KeyName, KeySetMode, TokenKind};
use crate::evidence::Exchange;
use crate::run::attempts::Attempt;
use crate::run::scene::{Scene, breach, describe};
use crate::steps::book::{Args, Book};
use crate::target::need::{Need, Variant};
use crate::verdict::{Check, Stop};
use crate::wait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks whether a key opens.
const LOOK_MS: u64 = 50;
/// What a fetch and a scheduler may add to the stated times.
const SLACK_MS: u64 = 2_000;
/// Longest stated times that a scenario waits for.
const TIMES_S_MAX: u64 = 60;
/// How long a request with an unknown key may wait for a key set that does not answer, before its sender leaves.
const PATIENCE_MS: u64 = 600;
/// Rounds before a cached key that opens late is called blocked: a busy machine is seldom so slow twice.
const CACHED_ROUNDS: usize = 2;
/// How long a request with a cached key may take while the key set is out of reach.
const CACHED_MS_MAX: u64 = 5_000;
/// Waves of a flood and requests in each. Waves, since one fetch may serve all who wait for it at once.
const FLOOD: (u64, usize) = (12, 4);
/// A client may try a fetch again by itself when the connection breaks: fetches that one refresh may cause.
const TRIES_MAX: u64 = 3;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"the backend runs as key-rotation for this scenario alone",
        |s, a| Box::pin(runs_alone(s, a)),
    );
    book.step(r#"a key "([^"]+)" is rotated in"#, |s, a| {
        Box::pin(rotate_in(s, a))
    });
    book.step(r#"key "([^"]+)" is rotated out"#, |s, a| {
        Box::pin(rotate_out(s, a))
    });
    book.step(
        r"the key set is (closed|unavailable|hanging|reachable again)",
        |s, a| Box::pin(set_mode(s, a)),
    );
    book.step(r"the key set has just been fetched", |s, a| {
        Box::pin(just_fetched(s, a))
    });
    book.step(
        r#"(?:the present key|key "([^"]+)") opens the list of tenants(?: in due time)?"#,
        |s, a| Box::pin(opens_in_time(s, a)),
    );
    book.step(
        r"the present key still opens the list of tenants",
        |s, a| Box::pin(still_opens(s, a)),
    );
    book.step(
        r#"the present key's token under the id of key "([^"]+)" opens nothing"#,
        |s, a| Box::pin(under_another_id(s, a)),
    );
    book.step(
        r#"key "([^"]+)" opens nothing once the cache time has passed"#,
        |s, a| Box::pin(refused_in_time(s, a)),
    );
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
    book.step(
        r"a flood of unknown key ids causes no more fetches than the cooldown allows",
        |s, a| Box::pin(flood(s, a)),
    );
}

/// The key that signs when the scenario begins.
const PRESENT: &str = "present";

async fn runs_alone(s: &mut Scene, _a: Args) -> Check {
    let limits = s.run.target.limits();
    if (limits.keys_cache + limits.keys_cooldown).as_secs() > TIMES_S_MAX {
        return Err(Stop::NotVerified(format!(
            "run variant `key-rotation` with a key set cache and cooldown of at most {TIMES_S_MAX} s together, and state them"
        )));
    }
    s.use_own(Variant::KeyRotation).await?;
    let access = s.access().await?;
    access.set_mode(KeySetMode::Reachable);
    remember(s, PRESENT, &access.current_key());
    Ok(())
}

fn remember(s: &mut Scene, name: &str, key: &KeyName) {
    s.notes.insert(format!("key {name}"), json!(key.as_str()));
}

fn key(s: &Scene, name: &str) -> Result<KeyName, Stop> {
    let name = if name.is_empty() { PRESENT } else { name };
    s.notes
        .get(&format!("key {name}"))
        .and_then(|kid| kid.as_str())
        .map(KeyName::of)
        .ok_or_else(|| Stop::Fault(format!("the scenario has no key \"{name}\"")))
}

/// Making and using a key takes the processor for a while: not on the thread that all scenarios share.
async fn aside<T: Send + 'static>(
    s: &mut Scene,
    work: impl FnOnce(&AccessIssuer) -> T + Send + 'static,
) -> Result<T, Stop> {
    let access = s.access().await?;
    tokio::task::spawn_blocking(move || work(&access))
        .await
        .map_err(|error| Stop::Fault(format!("the team domain double failed: {error}")))
}

async fn token_of(s: &mut Scene, name: &str) -> Result<String, Stop> {
    let key = key(s, name)?;
    aside(s, move |access| {
        access.token_signed_with(&key, TokenKind::Good)
    })
    .await
}

async fn rotate_in(s: &mut Scene, a: Args) -> Check {
    let key = aside(s, AccessIssuer::rotate_in).await?;
    remember(s, a.text(1), &key);
    Ok(())
}

async fn rotate_out(s: &mut Scene, a: Args) -> Check {
    let key = key(s, a.text(1))?;
    if s.access().await?.rotate_out(&key) {
        Ok(())
    } else {
        Err(Stop::Fault(format!("key \"{}\" was not listed", a.text(1))))
    }
}

async fn set_mode(s: &mut Scene, a: Args) -> Check {
    let mode = match a.text(1) {
        "closed" => KeySetMode::Closed,
        "unavailable" => KeySetMode::Unavailable,
        "hanging" => KeySetMode::Hanging,
        _ => KeySetMode::Reachable,
    };
    s.access().await?.set_mode(mode);
    Ok(())
}

/// `GET` of the list of tenants: it opens whether or not there is one.
fn list_request(s: &Scene, token: &str) -> Request {
    Request::new("GET", s.dialect().tenants).header(TOKEN_HEADER, token)
}

/// Whether an answer opened the route. Anything but open or refused (403, or 503 for want of a key set) is a finding.
fn opened(answer: &Exchange) -> Result<bool, Stop> {
    match answer.status {
        200 => Ok(true),
        403 | 503 => Ok(false),
        _ => Err(breach("status 200, 403 or 503", describe(answer))),
    }
}

/// How long a change of the key set may take to be seen.
fn due_time(s: &Scene) -> Duration {
    let limits = s.run.target.limits();
    limits.keys_cache + limits.keys_cooldown + Duration::from_millis(SLACK_MS)
}

/// Looks until the token opens, or opens no longer.
async fn look_until(
    s: &mut Scene,
    token: &str,
    wanted: bool,
    deadline: Duration,
) -> Result<Result<(), Arc<Exchange>>, Stop> {
    let started = clock::now();
    loop {
        let answer = s.send(list_request(s, token)).await?;
        if opened(&answer)? == wanted {
            return Ok(Ok(()));
        }
        if started.elapsed() >= deadline {
            return Ok(Err(answer));
        }
        wait::pass(Duration::from_millis(LOOK_MS)).await;
    }
}

async fn opens_in_time(s: &mut Scene, a: Args) -> Check {
    let (token, deadline) = (token_of(s, a.text(1)).await?, due_time(s));
    let now = json!(clock::epoch_ms());
    s.notes.entry("first asked".to_owned()).or_insert(now);
    let last = look_until(s, &token, true, deadline).await?;
    s.expect(
        last.is_ok(),
        format!(
            "a token by a listed key to open the list of tenants within {} ms",
            deadline.as_millis()
        ),
        || {
            last.err()
                .map(|answer| describe(&answer))
                .unwrap_or_default()
        },
    )
}

async fn still_opens(s: &mut Scene, _a: Args) -> Check {
    let token = token_of(s, PRESENT).await?;
    let answer = s.send(list_request(s, &token)).await?;
    s.expect_status(&answer, 200)
}

async fn under_another_id(s: &mut Scene, a: Args) -> Check {
    let (token, key) = (token_of(s, PRESENT).await?, key(s, a.text(1))?);
    let answer = s
        .send(list_request(s, &under_id(&token, key.as_str())))
        .await?;
    s.expect_error(&answer, 403, super::DENIED)
}

/// A token's payload and signature under the id of another key.
fn under_id(token: &str, kid: &str) -> String {
    let header = json!({ "alg": "RS256", "kid": kid, "typ": "JWT" }).to_string();
    let rest = token.split_once('.').map_or("", |(_header, rest)| rest);
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

async fn refused_in_time(s: &mut Scene, a: Args) -> Check {
    let token = token_of(s, a.text(1)).await?;
    let deadline = s.run.target.limits().keys_cache + Duration::from_millis(SLACK_MS);
    let last = look_until(s, &token, false, deadline).await?;
    s.expect(
        last.is_ok(),
        format!(
            "a token by a key that is listed no longer refused within the cache time and {SLACK_MS} ms more"
        ),
        || last.err().map(|answer| describe(&answer)).unwrap_or_default(),
    )?;
    let answer = s.send(list_request(s, &token)).await?;
    s.expect_error(&answer, 403, super::DENIED)
}

/// Sees to it that the backend's key set is young enough to be still cached during the next steps.
async fn just_fetched(s: &mut Scene, _a: Args) -> Check {
    if s.run.target.lacks(Need::Fresh).is_none() {
        // A fresh instance: its first fetch was for the first token of this scenario.
        let asked = s.notes.get("first asked").cloned().unwrap_or_default();
        s.notes.insert("fetched".to_owned(), asked);
        return Ok(());
    }
    let key = aside(s, AccessIssuer::rotate_in).await?;
    remember(s, "probe", &key);
    let (token, deadline) = (token_of(s, "probe").await?, due_time(s));
    let started = clock::now();
    while started.elapsed() < deadline {
        let before = clock::epoch_ms();
        let answer = s.send(list_request(s, &token)).await?;
        if opened(&answer)? {
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
    let fetched = s.notes.get("fetched").and_then(serde_json::Value::as_i64);
    let age = fetched.map_or(i64::MAX, |at| clock::epoch_ms() - at);
    let age = Duration::from_millis(u64::try_from(age).unwrap_or(u64::MAX));
    s.run.target.limits().keys_cache.saturating_sub(age)
}

async fn cached_goes_on(s: &mut Scene, a: Args) -> Check {
    let (late, present) = (token_of(s, a.text(1)).await?, token_of(s, PRESENT).await?);
    let late = list_request(s, &late).within(Duration::from_millis(PATIENCE_MS));
    let present = list_request(s, &present).within(Duration::from_millis(CACHED_MS_MAX));
    let pause = Duration::from_millis(PATIENCE_MS / 8);
    let mut waited = Vec::new();
    for _round in 0..CACHED_ROUNDS {
        let (unknown, cached) = s
            .attempt_while(late.clone(), pause, present.clone())
            .await?;
        if cache_left(s).is_zero() {
            return Err(Stop::NotVerified(
                "the cache time was over before the answer came: run variant `key-rotation` with a longer cache".to_owned(),
            ));
        }
        expect_closed(s, "a token by a key that was never fetched", &unknown)?;
        let took = expect_opened(s, &cached)?;
        // Answered while the other one still waits, or that one was answered too.
        if unknown.is_ok() || took + 2 * pause < Duration::from_millis(PATIENCE_MS) {
            return Ok(());
        }
        waited.push(took.as_millis());
    }
    Err(breach(
        "a token by a cached key to open without waiting for a key set that does not answer",
        format!(
            "answers after {waited:?} ms, when the request with the unknown key had been given up"
        ),
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
        Ok(answer) if answer.status == 403 => s.expect_error(answer, 403, super::DENIED),
        Ok(answer) => s.expect(
            answer.status == 503,
            format!("{what} refused with 403 or 503"),
            || describe(answer),
        ),
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
    let bad = token(s, a.text(1)).await?;
    let patience = Duration::from_millis(CACHED_MS_MAX);
    let bare = Request::new("GET", s.dialect().tenants).within(patience);
    let bad = list_request(s, &bad).within(patience);
    for outcome in s.attempt_all(vec![bare, bad]).await? {
        expect_closed(s, "a bad token and none", &outcome)?;
    }
    Ok(())
}

async fn flood(s: &mut Scene, _a: Args) -> Check {
    let (access, good) = (s.access().await?, token_of(s, PRESENT).await?);
    let (before, started) = (access.fetches(), clock::now());
    let (waves, width) = FLOOD;
    for _wave in 0..waves {
        let requests = (0..width)
            .map(|_| {
                let kid = format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..));
                list_request(s, &under_id(&good, &kid))
            })
            .collect();
        for answer in s.send_all(requests).await? {
            let refused = !opened(&answer)?;
            s.expect(refused, "a token under an unknown key id refused", || {
                describe(&answer)
            })?;
        }
    }
    let elapsed = started.elapsed();
    let allowed = allowed_fetches(s, elapsed);
    if allowed >= waves {
        return Err(Stop::NotVerified(format!(
            "{waves} waves took {} ms, in which {allowed} fetches are allowed: too slow to tell",
            elapsed.as_millis()
        )));
    }
    let fetches = access.fetches() - before;
    s.expect(
        fetches <= allowed,
        format!(
            "at most {allowed} fetches of the key set in {} ms",
            elapsed.as_millis()
        ),
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
        u64::try_from(elapsed.as_millis() / every).unwrap_or(u64::MAX / 4) + 1
    };
    let refreshes = times(limits.keys_cooldown) + times(limits.keys_cache);
    refreshes * TRIES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_under_another_id_keeps_payload_and_signature() {
        let changed = under_id("aGVhZA.cGF5.c2ln", "k1");
        let (header, rest) = changed.split_once('.').unwrap();
        assert_eq!(rest, "cGF5.c2ln");
        let header: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert_eq!(header["kid"], "k1");
        assert_eq!(header["alg"], "RS256");
    }
}
