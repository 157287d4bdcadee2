//! Where a plain key may be seen: in the answer that makes it, and nowhere else. Never takes an absence for proved where the search would have found nothing.

use crate::aspect::{Aspect, aspect};
use crate::call::{Answer, Call};
use crate::chat::Chat;
use crate::outcome::{Judged, Stop};
use crate::scene::{Key, Scene};
use crate::secret::{Search, hashes};
use crate::subject::Subject;
use crate::wait;
use serde_json::json;
use std::time::Duration;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-002",
        Beside,
        "each new key is another secret of 256 bits",
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
    for key in &keys {
        let random = key.strip_prefix("mpk_").unwrap_or_default();
        let is_right = random.len() == 43
            && random
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !is_right {
            let seen = format!("{} characters that begin with {}", key.len(), head(key));
            return Err(Stop::breach("mpk_ and 43 characters of base64url", seen));
        }
    }
    for at in 4..46 {
        let mut letters: Vec<&str> = keys.iter().filter_map(|key| key.get(at..=at)).collect();
        letters.sort_unstable();
        letters.dedup();
        // Eight random letters of 64 are all the same once in 64^7 draws.
        if letters.len() == 1 {
            let seen = format!("all {KEYS} have the same character at place {}", at + 1);
            return Err(Stop::breach("keys of 256 random bits", seen));
        }
    }
    Ok(format!("{KEYS} keys of one user differ in every place"))
}

fn head(key: &str) -> String {
    key.chars().take(4).collect()
}

/// A key that was used in every way, and every answer but the one that made it.
async fn used(scene: &Scene<'_>) -> Result<(Key, Vec<Answer>), Stop> {
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
    let rotated = format!("/api/admin/keys/{}/rotate", key.id);
    answers.push(scene.operate(Call::post(rotated)).await?);
    answers.push(scene.send(by(Call::get("/v1/usage"))).await?);
    let revoked = format!("/api/admin/keys/{}", key.id);
    answers.push(scene.operate(Call::delete(revoked)).await?);
    Ok((key, answers))
}

async fn is_shown_once(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, answers) = used(&scene).await?;
    let search = Search::of(&key.credential);
    // The search would find it: it does in the answer that made the key.
    if search.find(key.told.to_string().as_bytes()).is_none() {
        return Err(Stop::unmet(
            "API-002",
            "the key's own answer does not show it",
        ));
    }
    let listed = answers
        .iter()
        .filter(|answer| answer.what.starts_with("GET /api/admin/keys") && answer.status == 200);
    for answer in listed {
        let prefix = key.credential.get(..12).unwrap_or_default();
        if !String::from_utf8_lossy(&answer.body).contains(prefix) {
            let seen = format!("{} does not name the prefix of the key", answer.named());
            return Err(Stop::unmet("API-002", seen));
        }
    }
    for answer in &answers {
        let mut all = answer.body.to_vec();
        for value in answer.headers.values() {
            all.push(b'\n');
            all.extend_from_slice(value.as_bytes());
        }
        if let Some(encoding) = search.find(&all) {
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
    Ok(format!("{} other answers do not show it", answers.len()))
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
    match place {
        Some(cell) => Ok(format!("its SHA-256 stands in {}", cell.place)),
        None => Err(Stop::breach(
            "the SHA-256 of the whole key in api_keys",
            "no cell of api_keys holds it",
        )),
    }
}

async fn is_in_no_cell(subject: &Subject) -> Judged {
    let database = subject.own_database()?;
    let scene = Scene::at_present(subject);
    let (key, _answers) = used(&scene).await?;
    let cells = database.cells().await?;
    let controlled =
        |cell: &&crate::database::Cell| String::from_utf8_lossy(&cell.bytes).contains(&key.user);
    let Some(control) = cells.iter().find(controlled) else {
        let seen = "no cell holds the user's id, so nothing was written where the search looks";
        return Err(Stop::unmet("API-001", seen));
    };
    let search = Search::of(&key.credential);
    let found = cells
        .iter()
        .find_map(|cell| search.find(&cell.bytes).map(|encoding| (cell, encoding)));
    match found {
        Some((cell, encoding)) => Err(Stop::breach(
            "no plain key in any cell",
            format!("{} holds a part of it in {encoding}", cell.place),
        )),
        None => Ok(format!(
            "{} cells do not hold it; the user's id stands in {}",
            cells.len(),
            control.place
        )),
    }
}

async fn is_in_no_file(subject: &Subject) -> Judged {
    let database = subject.own_database()?;
    let scene = Scene::at_present(subject);
    let (key, _answers) = used(&scene).await?;
    let files = database.bytes().await?;
    let is_there = |bytes: &[u8]| {
        bytes
            .windows(key.user.len())
            .any(|window| window == key.user.as_bytes())
    };
    if !files.iter().any(|(_, bytes)| is_there(bytes)) {
        let seen = "the file does not hold the user's id either";
        return Err(Stop::unmet("API-001", seen));
    }
    let search = Search::of(&key.credential);
    for (name, bytes) in &files {
        if let Some(encoding) = search.find(bytes) {
            return Err(Stop::breach(
                "no plain key in the file of the database or its write-ahead log",
                format!("{name} holds a part of it in {encoding}"),
            ));
        }
    }
    Ok(format!(
        "{} files that hold the user's id do not hold it",
        files.len()
    ))
}

async fn is_in_no_line(subject: &Subject) -> Judged {
    subject.lines()?;
    let scene = Scene::at_present(subject);
    let (key, answers) = used(&scene).await?;
    let last = answers
        .iter()
        .rev()
        .find_map(|answer| answer.header("x-request-id"))
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
    let search = Search::of(&key.credential);
    for line in &lines {
        if let Some(encoding) = search.find(line.as_bytes()) {
            let event = event(line);
            return Err(Stop::breach(
                "no plain key in any log line",
                format!("a line{event} holds a part of it in {encoding}"),
            ));
        }
    }
    Ok(format!("{} lines do not hold it", lines.len()))
}

fn event(line: &str) -> String {
    let line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    let event = line["event"].as_str();
    event.map_or_else(String::new, |event| format!(" of the event {event}"))
}
