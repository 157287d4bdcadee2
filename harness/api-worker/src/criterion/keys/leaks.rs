//! Where a plain key may be seen: in the answer that makes it, and nowhere else. Never takes an absence for proved where the search would have found nothing.

use crate::aspect::{Aspect, aspect};
use crate::call::{Answer, Call};
use crate::chat::Chat;
use crate::database::Cell;
use crate::outcome::{Judged, Stop};
use crate::scene::{Key, Scene};
use crate::secret::{Search, hashes};
use crate::subject::Subject;
use crate::wait;
use crate::words::is_id;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-002",
        Beside,
        "each new key is another random secret",
        is_random
    ),
    aspect!(
        "API-002",
        Beside,
        "a key is shown by the answer that makes it and by no other, errors and audit included",
        is_shown_once
    ),
    aspect!(
        "API-002",
        Beside,
        "the database holds the hash of a key",
        is_hashed
    ),
    aspect!(
        "API-002",
        Beside,
        "no cell of the database holds a key or a part of it in any encoding",
        is_in_no_cell
    ),
    aspect!(
        "API-002",
        Beside,
        "no byte of the database file and its log holds a key, so that no backup does",
        is_in_no_file
    ),
    aspect!(
        "API-002",
        Beside,
        "no log line holds a key or a part of it, on success and on error",
        is_in_no_line
    ),
];

/// Keys that are made to be compared.
const KEYS: usize = 8;

/// How long a log line may take to be seen. Evidence: it is written beside the answer, and passes a pipe.
const LINE_WITHIN: Duration = Duration::from_secs(5);

async fn is_random(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let mut keys = Vec::new();
    for _ in 0..KEYS {
        keys.push(scene.key("ada").await?.credential);
    }
    if keys.iter().all(|key| key.starts_with("mpk_")) {
        return in_every_place(&keys);
    }
    let bits = bits(&keys);
    if bits < BITS_MIN {
        let seen = format!("keys that differ in {bits} bits at most");
        return Err(Stop::breach(
            format!("keys of {BITS_MIN} random bits at least"),
            seen,
        ));
    }
    Ok(format!("{KEYS} keys of one user differ in {bits} bits"))
}

/// Random bits of a key at least, whatever form it has.
const BITS_MIN: usize = 128;

/// The places in which not all keys have the same character, and those characters.
fn varied(keys: &[String]) -> Vec<BTreeSet<char>> {
    let length = keys.iter().map(|key| key.chars().count()).min();
    let at = |place: usize| keys.iter().filter_map(move |key| key.chars().nth(place));
    let places = (0..length.unwrap_or_default()).map(|place| at(place).collect());
    // Eight random characters of 16 are all the same once in 16^7 draws.
    places
        .filter(|seen: &BTreeSet<char>| seen.len() > 1)
        .collect()
}

/// How many bits keys differ in at most, by the places that vary and the letters that stand there.
fn bits(keys: &[String]) -> usize {
    let places = varied(keys);
    let letters: BTreeSet<char> = places.iter().flatten().copied().collect();
    let of_letter = match letters.len() {
        0..=16 => 4,
        17..=36 => 5,
        _ => 6,
    };
    places.len() * of_letter
}

/// That keys in the form of the contract's default have 43 characters of base64url, which all vary.
fn in_every_place(keys: &[String]) -> Judged {
    for key in keys {
        let random = key.strip_prefix("mpk_").unwrap_or_default();
        let is_right = random.len() == 43
            && random
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !is_right {
            let seen = format!("{} characters that begin with mpk_", key.len());
            return Err(Stop::breach("mpk_ and 43 characters of base64url", seen));
        }
    }
    // The last character has four of the 256 bits.
    let places = varied(keys).len();
    if places < 42 {
        let seen = format!("{places} places in which {KEYS} keys differ");
        return Err(Stop::breach("keys of 256 random bits", seen));
    }
    Ok(format!("{KEYS} keys of one user differ in every place"))
}

/// What was done with two keys, of which the second replaced the first.
struct Used {
    /// The first of them.
    key: Key,
    /// Both, as they were shown.
    credentials: [String; 2],
    /// Every answer, with the credential that it may show, for it made it.
    answers: Vec<(Answer, Option<String>)>,
}

impl Used {
    /// What looks for each of them.
    fn searches(&self) -> [Search; 2] {
        self.credentials.each_ref().map(|one| Search::of(one))
    }
}

/// Two keys that were used in every way.
async fn used(scene: &Scene<'_>) -> Result<Used, Stop> {
    let key = scene.key("ada").await?;
    let model = scene.model("small");
    let mut answers = vec![scene.chatted(&key, &Chat::with(&model)).await?];
    let by = |call: Call| call.by(&key.credential);
    answers.push(
        scene
            .send(by(Call::post("/v1/chat/completions").raw("{")))
            .await?,
    );
    answers.push(scene.send(by(Call::get("/v1/usage"))).await?);
    answers.push(scene.send(by(Call::get("/v1/preferences"))).await?);
    answers.push(scene.send(by(Call::get("/v1/no-such-route"))).await?);
    answers.push(scene.send(by(Call::get("/v1/conversations/none"))).await?);
    let echo = json!({"title": key.credential, "unknown": key.credential});
    answers.push(
        scene
            .send(by(Call::post("/v1/sessions").json(&echo)))
            .await?,
    );
    // A key in the wrong place is a key all the same.
    let body = json!({"model": key.credential, "messages": key.credential});
    answers.push(
        scene
            .send(by(Call::post("/v1/chat/completions").json(&body)))
            .await?,
    );
    let other = Call::get("/v1/usage").header("authorization", format!("Basic {}", key.credential));
    answers.push(scene.send(other).await?);
    // As a client that knows of Basic alone sends it, and one that has a header for keys.
    let pair = STANDARD.encode(format!("{}:", key.credential));
    let other = Call::get("/v1/usage").header("authorization", format!("Basic {pair}"));
    answers.push(scene.send(other).await?);
    let other = Call::get("/v1/usage").header("x-api-key", key.credential.clone());
    answers.push(scene.send(other).await?);
    let broken = Call::get("/v1/usage").by(&format!("{}x", key.credential));
    answers.push(scene.send(broken).await?);
    for path in [
        format!("/api/admin/keys/{}", key.id),
        format!("/api/admin/keys?user_id={}", key.user),
        format!("/api/admin/usage?user_id={}", key.user),
        format!("/api/admin/audit?limit=1000&from={}", scene.began),
    ] {
        answers.push(scene.operate(Call::get(path)).await?);
    }
    let rotate = format!("/api/admin/keys/{}/rotate", key.id);
    let rotated = scene.operate(Call::post(rotate.clone())).await?;
    let rotated = rotated.expect(201, |seen| Stop::unmet("API-002", seen))?;
    let (new, id) = (rotated.text("/key"), rotated.text("/id"));
    answers.push(scene.operate(Call::post(rotate)).await?);
    answers.push(scene.send(by(Call::get("/v1/usage"))).await?);
    answers.push(scene.send(Call::get("/v1/usage").by(&new)).await?);
    answers.push(
        scene
            .send(Call::post("/v1/sessions").raw("{").by(&new))
            .await?,
    );
    for path in [
        format!("/api/admin/keys/{id}"),
        format!("/api/admin/keys?user_id={}", key.user),
        format!("/api/admin/audit?limit=1000&from={}", scene.began),
    ] {
        answers.push(scene.operate(Call::get(path)).await?);
    }
    for id in [&key.id, &id] {
        let revoked = format!("/api/admin/keys/{id}");
        answers.push(scene.operate(Call::delete(revoked)).await?);
    }
    answers.push(scene.send(Call::get("/v1/usage").by(&new)).await?);
    let mut answers: Vec<_> = answers.into_iter().map(|one| (one, None)).collect();
    answers.insert(0, (rotated, Some(new.clone())));
    Ok(Used {
        credentials: [key.credential.clone(), new],
        key,
        answers,
    })
}

async fn is_shown_once(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let used = used(&scene).await?;
    // The search would find them: it does in the answers that made them.
    let made = used.answers.iter().filter(|(_, own)| own.is_some());
    let made = made.map(|(answer, _)| answer.json().to_string());
    let made = std::iter::once(used.key.told.to_string()).chain(made);
    for (search, made) in used.searches().iter().zip(made) {
        if search.find(made.as_bytes()).is_none() {
            return Err(Stop::unmet(
                "API-002",
                "the key's own answer does not show it",
            ));
        }
    }
    let answers = || used.answers.iter().map(|(answer, _)| answer);
    let listed = answers()
        .filter(|answer| answer.asked.starts_with("GET /api/admin/keys?") && answer.status == 200);
    for answer in listed {
        let prefix = used.key.told["prefix"].as_str().unwrap_or_default();
        if prefix.is_empty() || !String::from_utf8_lossy(&answer.body).contains(prefix) {
            let seen = format!("{} does not name the prefix of the key", answer.named());
            return Err(Stop::unmet("API-002", seen));
        }
    }
    for (answer, own) in &used.answers {
        let mut all = answer.body.to_vec();
        for value in answer.headers.values() {
            all.push(b'\n');
            all.extend_from_slice(value.as_bytes());
        }
        for credential in &used.credentials {
            if own.as_ref() == Some(credential) {
                continue;
            }
            if let Some(encoding) = Search::of(credential).find(&all) {
                return Err(Stop::breach(
                    "a key in the answer that makes it only",
                    format!(
                        "{} answered {} with the key in {encoding}",
                        answer.named(),
                        answer.status
                    ),
                ));
            }
        }
    }
    Ok(format!(
        "{} other answers show neither of two keys",
        used.answers.len()
    ))
}

async fn is_hashed(subject: &Subject) -> Judged {
    let database = subject.own_database()?;
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let cells = database.cells().await?;
    let theirs = cells
        .iter()
        .filter(|cell| cell.place.starts_with("api_keys."));
    let theirs: Vec<_> = theirs.collect();
    let is_there = theirs.iter().any(|cell| cell.bytes == key.user.as_bytes());
    if !is_there {
        let seen = "no row of api_keys names the user of a new key";
        return Err(Stop::unmet("API-001", seen));
    }
    let wanted = hashes(&key.credential);
    let place = theirs.iter().find(|cell| wanted.contains(&cell.bytes));
    if let Some(cell) = place {
        return Ok(format!("its SHA-256 stands in {}", cell.place));
    }
    let of_parts = parts(&key.credential).flat_map(hashes);
    let of_parts: BTreeSet<Vec<u8>> = of_parts.collect();
    if let Some(cell) = theirs.iter().find(|cell| of_parts.contains(&cell.bytes)) {
        let seen = format!("{} holds that of a part of it", cell.place);
        return Err(Stop::breach("a hash of the whole key in api_keys", seen));
    }
    // Another hash, or one with a secret of the worker's, cannot be worked out here.
    let plain = Search::of(&key.credential);
    let mut digests = theirs.iter().filter(|cell| is_digest(cell));
    match digests.find(|cell| plain.find(&cell.bytes).is_none()) {
        Some(cell) => Ok(format!("{} holds a hash of another kind", cell.place)),
        None => Err(Stop::breach(
            "a hash of the whole key in api_keys",
            "no cell of api_keys holds one",
        )),
    }
}

/// The parts of a credential that leave out some of its beginning or of its end.
fn parts(credential: &str) -> impl Iterator<Item = &str> {
    let cuts = (1..credential.len()).filter_map(|at| credential.split_at_checked(at));
    cuts.flat_map(|(begin, end)| [begin, end])
}

/// Whether a cell may hold a hash: 20 bytes or more that are no text, or as many in hexadecimal or base64, in a column that is no id.
fn is_digest(cell: &Cell) -> bool {
    let Ok(text) = std::str::from_utf8(&cell.bytes) else {
        return cell.bytes.len() >= HASH_LENGTH_MIN;
    };
    let column = cell.place.rsplit('.').next().unwrap_or_default();
    let is_hex =
        text.len() >= 2 * HASH_LENGTH_MIN && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let decoded = STANDARD
        .decode(text)
        .or_else(|_other| URL_SAFE_NO_PAD.decode(text));
    let is_base64 = decoded.is_ok_and(|bytes| bytes.len() >= HASH_LENGTH_MIN);
    !is_id(column) && (is_hex || is_base64)
}

/// Bytes of a hash at least: those of SHA-1.
const HASH_LENGTH_MIN: usize = 20;

/// In which encoding a part of any of these stands there.
pub(super) fn found(searches: &[Search], bytes: &[u8]) -> Option<&'static str> {
    searches.iter().find_map(|search| search.find(bytes))
}

async fn is_in_no_cell(subject: &Subject) -> Judged {
    let database = subject.own_database()?;
    let scene = Scene::at_present(subject);
    let used = used(&scene).await?;
    let cells = database.cells().await?;
    let controlled = |cell: &&Cell| String::from_utf8_lossy(&cell.bytes).contains(&used.key.user);
    let Some(control) = cells.iter().find(controlled) else {
        let seen = "no cell holds the user's id, so nothing was written where the search looks";
        return Err(Stop::unmet("API-001", seen));
    };
    let searches = used.searches();
    let found = cells
        .iter()
        .find_map(|cell| Some((cell, found(&searches, &cell.bytes)?)));
    match found {
        Some((cell, encoding)) => Err(Stop::breach(
            "no plain key in any cell",
            format!("{} holds a part of it in {encoding}", cell.place),
        )),
        None => Ok(format!(
            "{} cells hold neither of two keys; the user's id stands in {}",
            cells.len(),
            control.place
        )),
    }
}

async fn is_in_no_file(subject: &Subject) -> Judged {
    let database = subject.own_database()?;
    let scene = Scene::at_present(subject);
    let used = used(&scene).await?;
    let files = database.bytes().await?;
    let is_there = |bytes: &[u8]| {
        bytes
            .windows(used.key.user.len())
            .any(|window| window == used.key.user.as_bytes())
    };
    if !files.iter().any(|(_, bytes)| is_there(bytes)) {
        let seen = "the file does not hold the user's id either";
        return Err(Stop::unmet("API-001", seen));
    }
    let searches = used.searches();
    for (name, bytes) in &files {
        if let Some(encoding) = found(&searches, bytes) {
            return Err(Stop::breach(
                "no plain key in the file of the database, its write-ahead log or whatever else is kept",
                format!("{name} holds a part of it in {encoding}"),
            ));
        }
    }
    Ok(format!(
        "{} files that hold the user's id hold neither of two keys",
        files.len()
    ))
}

async fn is_in_no_line(subject: &Subject) -> Judged {
    subject.lines()?;
    let scene = Scene::at_present(subject);
    let used = used(&scene).await?;
    let last = used
        .answers
        .iter()
        .rev()
        .find_map(|(answer, _)| answer.header("x-request-id"))
        .ok_or_else(|| Stop::unmet("ERR-002", "no answer has an X-Request-Id"))?;
    // The lines of these very requests have come: only then their silence says something.
    let lines = wait::until(LINE_WITHIN, || async {
        let lines = subject.lines()?;
        let is_there = lines.iter().any(|line| line.contains(last));
        Ok::<_, Stop>(is_there.then_some(lines))
    })
    .await?;
    let Some(lines) = lines else {
        let seen = format!("no line names the request {last}");
        return Err(Stop::unmet("SEC-003", seen));
    };
    let searches = used.searches();
    for line in &lines {
        if let Some(encoding) = found(&searches, line.as_bytes()) {
            let event = event(line);
            return Err(Stop::breach(
                "no plain key in any log line",
                format!("a line{event} holds a part of it in {encoding}"),
            ));
        }
    }
    Ok(format!("{} lines hold neither of two keys", lines.len()))
}

fn event(line: &str) -> String {
    let line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    let event = line["event"].as_str();
    event.map_or_else(String::new, |event| format!(" of the event {event}"))
}
