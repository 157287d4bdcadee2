//! Usage rows from end to end. Never judges a cost.

use super::conversation;
use crate::aspect::{Aspect, aspect};
use crate::call::{Answer, Call};
use crate::chat::Chat;
use crate::oracle::dates::MINUTE;
use crate::outcome::{Judged, Stop};
use crate::scene::{Key, Scene};
use crate::subject::Subject;
use futures_util::future::join_all;
use moltproof_doubles::{Reply, StreamDialect};
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-001",
        Beside,
        "each successful chat leaves exactly one usage row that names its request, key, user, conversation, model and tokens",
        one_row
    ),
    aspect!(
        "API-001",
        Beside,
        "chats at once leave one usage row each",
        at_once
    ),
    aspect!(
        "API-001",
        Beside,
        "usage is listed oldest first from an instant on and before another, to its own user only",
        ranges
    ),
];

fn has(row: &Value, field: &str, wanted: &Value) -> Result<(), Stop> {
    if row[field] == *wanted {
        Ok(())
    } else {
        let seen = format!("{field} {}", row[field]);
        Err(Stop::breach(
            format!("a usage row with {field} {wanted}"),
            seen,
        ))
    }
}

/// Streams that tell their usage more than once, and what each has used: the last that they tell, unless that is nothing.
fn told_again() -> [(&'static str, Reply, (u64, u64)); 4] {
    let chunk = |choices: Value| json!({"id": "chatcmpl-again", "object": "chat.completion.chunk", "created": 1, "model": "", "choices": choices});
    let says = |text: &str, finish: Option<&str>| {
        chunk(
            json!([{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}]),
        )
    };
    let uses = |mut frame: Value, tokens_in: u64, tokens_out: u64| {
        frame["usage"] = json!({"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out});
        frame
    };
    let end = || says("", Some("stop"));
    let usage = |tokens_in, tokens_out| uses(chunk(json!([])), tokens_in, tokens_out);
    [
        (
            "nothing first and then the counts in the provider's own form",
            Reply::stream(StreamDialect::OpenAiBinding, &["Hel", "lo."], 29, 31),
            (29, 31),
        ),
        (
            "growing counts with each piece",
            Reply::events([
                uses(says("Hel", None), 30, 1),
                uses(says("lo", None), 30, 2),
                uses(says(".", Some("stop")), 30, 3),
            ]),
            (30, 3),
        ),
        (
            "counts so far and then those of all",
            Reply::events([uses(says("Hello.", None), 41, 0), end(), usage(41, 17)]),
            (41, 17),
        ),
        (
            "the counts and then nothing",
            Reply::events([says("Hello.", None), end(), usage(44, 12), usage(0, 0)]),
            (44, 12),
        ),
    ]
}

async fn told_more_than_once(scene: &Scene<'_>, key: &Key) -> Result<usize, Stop> {
    let (model, streams) = (scene.model("small"), told_again());
    let count = streams.len();
    for (what, reply, (tokens_in, tokens_out)) in streams {
        let chat = Chat::with(&model).streamed();
        scene.script(&chat, reply);
        let answer = scene
            .chat(key, &chat)
            .await?
            .expect(200, |seen| Stop::breach("a chat to be answered", seen))?;
        let id = answer.header("x-request-id").unwrap_or_default();
        let rows = scene.usage(&key.user).await?;
        let mut own = rows.iter().filter(|row| row["request_id"] == id);
        let (Some(row), None) = (own.next(), own.next()) else {
            let expected = format!("one usage row of a stream that tells {what}");
            return Err(Stop::breach(
                expected,
                format!("{} rows in all", rows.len()),
            ));
        };
        let (wanted, seen) = (
            [json!(tokens_in), json!(tokens_out)],
            [&row["input_tokens"], &row["output_tokens"]],
        );
        if seen != [&wanted[0], &wanted[1]] {
            let expected =
                format!("{tokens_in} and {tokens_out} tokens of a stream that tells {what}");
            return Err(Stop::breach(
                expected,
                format!("{} and {}", seen[0], seen[1]),
            ));
        }
    }
    Ok(count)
}

async fn one_row(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let (id, model) = (conversation(&scene, &key).await?, scene.model("small"));
    let usual = Chat::with(&model);
    scene.script(&usual, Reply::chat("Hello.", 1_234, 56));
    let of_conversation = Chat::with(&model).of(&id);
    scene.script(&of_conversation, Reply::chat("Hello.", 77, 0));
    let stream = Chat::with(&model).streamed();
    scene.script(
        &stream,
        Reply::stream(StreamDialect::OpenAi, &["Hel", "lo."], 19, 23),
    );
    let chats = [
        (usual, Value::Null, (1_234, 56)),
        (of_conversation, json!(id), (77, 0)),
        (stream, Value::Null, (19, 23)),
    ];
    for (nth, (chat, conversation, (tokens_in, tokens_out))) in chats.iter().enumerate() {
        let answer = scene
            .chat(&key, chat)
            .await?
            .expect(200, |seen| Stop::breach("a chat to be answered", seen))?;
        let rows = scene.usage(&key.user).await?;
        if rows.len() != nth + 1 {
            let seen = format!("{} usage rows", rows.len());
            return Err(Stop::breach(
                format!("{} usage rows after as many chats", nth + 1),
                seen,
            ));
        }
        let id = answer.header("x-request-id").unwrap_or_default();
        let row = rows.iter().find(|row| row["request_id"] == id);
        let row = row.ok_or_else(|| {
            let seen = json!(
                rows.iter()
                    .map(|row| &row["request_id"])
                    .collect::<Vec<_>>()
            );
            Stop::breach(
                format!("a usage row of the request {id}"),
                format!("rows of {seen}"),
            )
        })?;
        for (field, wanted) in [
            ("user_id", json!(key.user)),
            ("api_key_id", json!(key.id)),
            ("conversation_id", conversation.clone()),
            ("model", json!(model)),
            ("input_tokens", json!(tokens_in)),
            ("output_tokens", json!(tokens_out)),
        ] {
            has(row, field, &wanted)?;
        }
    }
    let more = told_more_than_once(&scene, &key).await?;
    Ok(format!(
        "three chats, one of a conversation and one streamed, left a row each, and {more} streams that tell their usage more than once"
    ))
}

/// Chats at once.
const AT_ONCE: usize = 30;

async fn at_once(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, model) = (scene.key("ada").await?, scene.model("small"));
    scene.unlimit(&key.user).await?;
    let chats: Vec<Chat> = (0..AT_ONCE).map(|_| Chat::with(&model)).collect();
    let answers = join_all(chats.iter().map(|chat| scene.chat(&key, chat))).await;
    let answers: Vec<Answer> = answers.into_iter().collect::<Result<_, _>>()?;
    if let Some(answer) = answers.iter().find(|answer| answer.status != 200) {
        return Err(Stop::breach(
            "chats at once to be answered",
            answer.to_string(),
        ));
    }
    let mut wanted: Vec<&str> = answers
        .iter()
        .filter_map(|answer| answer.header("x-request-id"))
        .collect();
    let rows = scene.usage(&key.user).await?;
    let mut seen: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["request_id"].as_str())
        .collect();
    wanted.sort_unstable();
    seen.sort_unstable();
    if wanted == seen && rows.len() == AT_ONCE {
        return Ok(format!("{AT_ONCE} chats at once left a row each"));
    }
    let told = format!(
        "{} rows, {} of other requests",
        rows.len(),
        seen.iter().filter(|id| !wanted.contains(id)).count()
    );
    Err(Stop::breach(
        format!("{AT_ONCE} rows, one of each request"),
        told,
    ))
}

async fn ranges(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let (ada, bob) = (scene.key("ada").await?, scene.key("bob").await?);
    let begin = scene.now();
    for _ in 0..5 {
        for key in [&ada, &bob] {
            scene
                .chatted(key, &Chat::with(&scene.model("small")))
                .await?;
        }
        scene.pass(MINUTE);
    }
    let (from, to) = (begin + MINUTE, begin + 4 * MINUTE);
    let own = Call::get(format!("/v1/usage?from={from}&to={to}")).by(&ada.credential);
    let admin = Call::get(format!(
        "/api/admin/usage?user_id={}&from={from}&to={to}",
        ada.user
    ));
    let wanted: Vec<i64> = (1..4).map(|nth| begin + nth * MINUTE).collect();
    for answer in [scene.send(own).await?, scene.operate(admin).await?] {
        let rows = answer.list("/usage");
        let times: Vec<i64> = rows
            .iter()
            .filter_map(|row| row["created_at"].as_i64())
            .collect();
        if times != wanted {
            let expected = format!(
                "rows of {}, the first instant included and the last one not",
                json!(wanted)
            );
            return Err(Stop::breach(
                expected,
                format!("{}: rows of {}", answer.named(), json!(times)),
            ));
        }
        if let Some(row) = rows.iter().find(|row| row["user_id"] != json!(ada.user)) {
            return Err(Stop::breach(
                "rows of one user",
                format!("a row of {}", row["user_id"]),
            ));
        }
    }
    Ok("three of five rows lay between the instants, none of another user".to_owned())
}
