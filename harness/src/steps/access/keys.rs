//! Keys that come and go. Never takes a key away that other scenarios sign with.

use super::TOKEN_HEADER;
use crate::client::Request;
use crate::clock;
use crate::contract::need::Variant;
use crate::doubles::{AccessIssuer, KeyName, KeySetMode, TokenKind};
use crate::evidence::Exchange;
use crate::lag::Patience;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe, misshapen};
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks whether a key opens.
pub(super) const LOOK_MS: u64 = 50;
/// What a fetch and a scheduler may add to the stated times.
const SLACK_MS: u64 = 2_000;
/// Longest stated times that a scenario waits for.
const TIMES_S_MAX: u64 = 60;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"the backend runs as key-rotation for this scenario alone",
        |s, a| Box::pin(runs_alone(s, a)),
    );
    book.step(r#"a key "([^"]+)" is rotated in"#, |s, a| {
        Box::pin(rotate_in(s, a))
    });
    book.step(
        r#"a token of key "([^"]+)", which the key set does not list yet, opens nothing"#,
        |s, a| Box::pin(shown_too_early(s, a)),
    );
    book.step(r#"the key set begins to list key "([^"]+)""#, |s, a| {
        Box::pin(publish(s, a))
    });
    book.step(r#"key "([^"]+)" is rotated out"#, |s, a| {
        Box::pin(rotate_out(s, a))
    });
    book.step(
        r"the key set is (closed|unavailable|hanging|reachable again)",
        |s, a| Box::pin(set_mode(s, a)),
    );
    book.step(
        r#"(?:the present key|key "([^"]+)") opens the list of tenants(?: in due time)?"#,
        |s, a| Box::pin(opens_in_time(s, a)),
    );
    book.asserting(
        &["ACC-002"],
        r"(\d+) requests at once with the present key's token all open the list of tenants",
        |s, a| Box::pin(all_open(s, a)),
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
        r#"key "([^"]+)" opens nothing once the cache time has passed(, while unknown key ids are asked for again and again)?"#,
        |s, a| Box::pin(refused_in_time(s, a)),
    );
    book.step(
        r"a token under an unknown, an empty or no key id opens nothing, whichever listed key has signed it",
        |s, _a| Box::pin(none_by_place(s)),
    );
    book.step(
        r#"a token under an unknown, an empty or no key id does not open the record of tenant "([^"]+)", whichever listed key has signed it"#,
        |s, a| Box::pin(no_record_by_place(s, a)),
    );
}

/// The key that signs when the scenario begins.
pub(super) const PRESENT: &str = "present";

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

pub(super) fn remember(s: &mut Scene, name: &str, key: &KeyName) {
    s.notes.insert(format!("key {name}"), json!(key.as_str()));
}

pub(super) fn key(s: &Scene, name: &str) -> Result<KeyName, Stop> {
    let name = if name.is_empty() { PRESENT } else { name };
    s.notes
        .get(&format!("key {name}"))
        .and_then(|kid| kid.as_str())
        .map(KeyName::of)
        .ok_or_else(|| Stop::Fault(format!("the scenario has no key \"{name}\"")))
}

/// Making and using a key takes the processor for a while: not on the thread that all scenarios share.
pub(super) async fn aside<T: Send + 'static>(
    s: &mut Scene,
    work: impl FnOnce(&AccessIssuer) -> T + Send + 'static,
) -> Result<T, Stop> {
    let access = s.access().await?;
    tokio::task::spawn_blocking(move || work(&access))
        .await
        .map_err(|error| Stop::Fault(format!("the team domain double failed: {error}")))
}

pub(super) async fn token_of(s: &mut Scene, name: &str) -> Result<String, Stop> {
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

async fn shown_too_early(s: &mut Scene, a: Args) -> Check {
    let key = aside(s, AccessIssuer::unpublished_key).await?;
    remember(s, a.text(1), &key);
    let token = token_of(s, a.text(1)).await?;
    let answer = s.send(list_request(s, &token)).await?;
    let is_open = opened(s, &answer)?;
    s.expect(
        !is_open,
        "a token refused whose key the key set does not list",
        || describe(&answer),
    )
    .or_unmet("ACC-010")
}

async fn publish(s: &mut Scene, a: Args) -> Check {
    let key = key(s, a.text(1))?;
    if s.access().await?.publish(&key) {
        Ok(())
    } else {
        Err(Stop::Fault(format!(
            "key \"{}\" was listed before",
            a.text(1)
        )))
    }
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
    s.notes.insert("mode".to_owned(), json!(a.text(1)));
    let mode = mode(s);
    s.access().await?.set_mode(mode);
    Ok(())
}

/// The mode that the scenario has set.
pub(super) fn mode(s: &Scene) -> KeySetMode {
    match s.notes.get("mode").and_then(Value::as_str) {
        Some("closed") => KeySetMode::Closed,
        Some("unavailable") => KeySetMode::Unavailable,
        Some("hanging") => KeySetMode::Hanging,
        Some(_) | None => KeySetMode::Reachable,
    }
}

/// `GET` of the list of tenants: it opens whether or not there is one.
pub(super) fn list_request(s: &Scene, token: &str) -> Request {
    Request::new("GET", s.dialect().tenants).header(TOKEN_HEADER, token)
}

/// Whether an answer opened the route. Anything but open or refused (403, or 503 for want of a key set) is a finding; so is another form of
/// refusal, unless somebody answers for it.
pub(super) fn opened(s: &mut Scene, answer: &Exchange) -> Result<bool, Stop> {
    let expected = "status 200, 403 or 503";
    match answer.status {
        200 => Ok(true),
        403 | 503 => Ok(false),
        _ if s.accept_refusal(answer) => Ok(false),
        // How a refusal looks is promised elsewhere (ACC-001); without a key set it is 403 or 503.
        status
            if super::is_refusal(status) && s.planned.criteria.iter().all(|id| id == "ACC-015") =>
        {
            Ok(false)
        }
        401 | 407 => Err(misshapen(expected, describe(answer))),
        _ => Err(breach(expected, describe(answer))),
    }
}

/// How long a change of the key set may take to be seen.
pub(super) fn due_time(s: &Scene) -> Duration {
    let limits = s.run.target.limits();
    limits.keys_cache + limits.keys_cooldown + Duration::from_millis(SLACK_MS)
}

/// What else is asked between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    /// A token of a key id that nobody has, which makes a backend look for it in the key set.
    UnknownKeyIds,
}

/// Looks until the token opens, or opens no longer.
async fn look_until(
    s: &mut Scene,
    token: &str,
    wanted: bool,
    deadline: Duration,
    meanwhile: Meanwhile,
) -> Result<Result<(), Arc<Exchange>>, Stop> {
    let patience = Patience::of(deadline);
    loop {
        if meanwhile == Meanwhile::UnknownKeyIds {
            let unknown = s.access().await?.token(TokenKind::UnknownKid);
            s.send(list_request(s, &unknown)).await?;
        }
        let answer = s.send(list_request(s, token)).await?;
        if opened(s, &answer)? == wanted {
            return Ok(Ok(()));
        }
        if patience.is_over() {
            patience.blame(|| describe(&answer))?;
            return Ok(Err(answer));
        }
        wait::pass(Duration::from_millis(LOOK_MS)).await;
    }
}

async fn opens_in_time(s: &mut Scene, a: Args) -> Check {
    let (token, deadline) = (token_of(s, a.text(1)).await?, due_time(s));
    let now = json!(clock::epoch_ms());
    s.notes.entry("first asked".to_owned()).or_insert(now);
    let last = look_until(s, &token, true, deadline, Meanwhile::Nothing).await?;
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

/// Whoever fetches the key set for the first of them has to let the others wait for it.
async fn all_open(s: &mut Scene, a: Args) -> Check {
    let token = token_of(s, PRESENT).await?;
    let requests = (0..a.number(1)?)
        .map(|_one: u32| list_request(s, &token))
        .collect();
    for answer in s.send_all(requests).await? {
        s.expect_status(&answer, 200)?;
    }
    Ok(())
}

async fn still_opens(s: &mut Scene, _a: Args) -> Check {
    let token = token_of(s, PRESENT).await?;
    let answer = s.send(list_request(s, &token)).await?;
    s.expect_status(&answer, 200)
}

async fn under_another_id(s: &mut Scene, a: Args) -> Check {
    let (present, other) = (key(s, PRESENT)?, key(s, a.text(1))?);
    // Signed with the other id in its header: what does not hold is the key, not the text that was signed.
    let token = aside(s, move |access| {
        access.token_under_another_name(&present, &other)
    });
    let token = token.await?;
    let answer = s.send(list_request(s, &token)).await?;
    super::expect_denied(s, &answer)
}

/// What names no key of the set.
const NAMELESS: [TokenKind; 3] = [TokenKind::UnknownKid, TokenKind::NoKid, TokenKind::EmptyKid];

async fn none_by_place(s: &mut Scene) -> Check {
    let request = Request::new("GET", s.dialect().tenants);
    refused_by_place(s, &request).await
}

async fn no_record_by_place(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let request = super::record_request(s, &tenant);
    refused_by_place(s, &request).await
}

/// Whoever falls back to a key by its place in the set takes the first, the last, the newest or any: each has signed one.
async fn refused_by_place(s: &mut Scene, request: &Request) -> Check {
    let keys = s.access().await?.listed_keys();
    for (place, key) in keys.iter().enumerate() {
        for kind in NAMELESS {
            let signer = key.clone();
            let token = aside(s, move |access| access.token_signed_with(&signer, kind)).await?;
            let answer = s.send(request.clone().header(TOKEN_HEADER, token)).await?;
            let what = format!(
                "a token of the kind {kind} by key {} of the {} listed",
                place + 1,
                keys.len()
            );
            super::expect_denied(s, &answer).map_err(|stop| super::with_request(stop, &what))?;
        }
    }
    Ok(())
}

/// A token's payload and signature under the id of another key.
pub(super) fn under_id(token: &str, kid: &str) -> String {
    let header = json!({ "alg": "RS256", "kid": kid, "typ": "JWT" }).to_string();
    let rest = token.split_once('.').map_or("", |(_header, rest)| rest);
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

async fn refused_in_time(s: &mut Scene, a: Args) -> Check {
    let token = token_of(s, a.text(1)).await?;
    let deadline = s.run.target.limits().keys_cache + Duration::from_millis(SLACK_MS);
    let meanwhile = if a.text(2).is_empty() {
        Meanwhile::Nothing
    } else {
        Meanwhile::UnknownKeyIds
    };
    let last = look_until(s, &token, false, deadline, meanwhile).await?;
    s.expect(
        last.is_ok(),
        format!(
            "a token by a key that is listed no longer refused within the cache time and {SLACK_MS} ms more"
        ),
        || last.err().map(|answer| describe(&answer)).unwrap_or_default(),
    )?;
    let answer = s.send(list_request(s, &token)).await?;
    super::expect_denied(s, &answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_under_another_id_keeps_payload_and_signature() {
        let changed = under_id("aGVhZA.cGF5.c2ln", "k1");
        let (header, rest) = changed.split_once('.').unwrap();
        assert_eq!(rest, "cGF5.c2ln");
        let header: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert_eq!(header["kid"], "k1");
        assert_eq!(header["alg"], "RS256");
    }
}
