//! A conversation from end to end: what is sent, what is kept, what goes upstream. Never takes a message from the target as the expected one.

use super::{conversation, holds, messages, said};
use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::chat::Chat;
use crate::outcome::{Judged, Stop};
use crate::scene::{Key, Scene, unique};
use crate::subject::Subject;
use moltproof_doubles::Reply;
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-001",
        Beside,
        "a chat of a conversation appends its messages and the answer in order, tool calls included",
        appends
    ),
    aspect!(
        "API-001",
        Beside,
        "a model is sent the stored messages of the conversation in order before the new ones",
        history_goes_upstream
    ),
    aspect!(
        "API-001",
        Beside,
        "a stream's answer is put together from its chunks and appended, tool calls included",
        appends_streams
    ),
    aspect!(
        "API-001",
        Beside,
        "a chat that fails appends nothing and has no usage row",
        failure_appends_nothing
    ),
];

fn called() -> Value {
    json!([{
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": "{\"city\":\"Zürich\"}"},
    }])
}

/// An answer that calls a tool.
fn calling() -> Reply {
    let body = json!({
        "id": "chatcmpl-tool", "object": "chat.completion", "created": 1, "model": "",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": null, "tool_calls": called()},
            "finish_reason": "tool_calls",
        }],
        "usage": {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9},
    });
    Reply::body(200, body)
}

/// Three chats of one conversation: a question, a call of a tool, and its result; and all that was said in them.
async fn three_chats(scene: &Scene<'_>, key: &Key, id: &str) -> Result<(Chat, Vec<Value>), Stop> {
    let (marker, model) = (unique(16), scene.model("small"));
    let turns = [
        (
            json!([
                {"role": "system", "content": format!("Be brief. [[mp-{marker}]]")},
                {"role": "user", "content": "Grüezi 👋"},
            ]),
            Reply::chat("Hello \"you\"\n", 7, 3),
            json!({"role": "assistant", "content": "Hello \"you\"\n"}),
        ),
        (
            json!([{"role": "user", "content": "What is the weather?"}]),
            calling(),
            json!({"role": "assistant", "content": null, "tool_calls": called()}),
        ),
        (
            json!([{"role": "tool", "tool_call_id": "call_1", "content": "{\"sun\":true}"}]),
            Reply::chat("Sunny.", 7, 3),
            json!({"role": "assistant", "content": "Sunny."}),
        ),
    ];
    let mut all = Vec::new();
    let mut last = Chat::marked(&marker, &model).of(id);
    for (own, reply, answer) in turns {
        let chat = Chat::marked(&marker, &model).messages(own.clone()).of(id);
        scene.script(&chat, reply);
        scene.chat(key, &chat).await?.expect(200, |seen| {
            Stop::breach("a chat of a conversation to be answered", seen)
        })?;
        all.extend(own.as_array().into_iter().flatten().cloned());
        all.push(answer);
        last = chat;
    }
    Ok((last, all))
}

async fn appends(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let id = conversation(&scene, &key).await?;
    holds(
        &messages(&scene, &key, &id).await?,
        &[],
        "in a new conversation",
    )?;
    let (_last, all) = three_chats(&scene, &key, &id).await?;
    holds(
        &messages(&scene, &key, &id).await?,
        &all,
        "after three chats",
    )?;
    let read = scene
        .send(Call::get(format!("/v1/conversations/{id}")).by(&key.credential))
        .await?;
    if read.at("/message_count") != json!(all.len()) {
        return Err(Stop::breach(
            format!("message_count {}", all.len()),
            read.to_string(),
        ));
    }
    Ok(format!(
        "{} messages of three chats are there in order",
        all.len()
    ))
}

async fn history_goes_upstream(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let id = conversation(&scene, &key).await?;
    let (last, all) = three_chats(&scene, &key, &id).await?;
    let attempts = scene.seen_upstream(&last);
    let Some(attempt) = attempts.last() else {
        let seen = "the model was sent no chat that holds the first message's marker";
        return Err(Stop::breach(
            "the stored messages before the new ones",
            seen,
        ));
    };
    let sent = attempt.body["messages"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let sent: Vec<Value> = sent.iter().map(said).collect();
    // All but the answer to it.
    let wanted: Vec<Value> = all.iter().take(all.len() - 1).map(said).collect();
    if sent != wanted {
        return Err(Stop::breach(
            format!("the model to be sent {}", json!(wanted)),
            json!(sent).to_string(),
        ));
    }
    if !attempt.body["conversation_id"].is_null() {
        let seen = "conversation_id went upstream";
        return Err(Stop::shape("no conversation_id for the model", seen));
    }
    Ok(format!(
        "the third chat went upstream with {} messages",
        wanted.len()
    ))
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-stream", "object": "chat.completion.chunk", "created": 1, "model": "",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    })
}

/// A stream that says something and calls a tool, both in pieces.
fn streamed_call() -> Reply {
    let call = |arguments: &str| json!({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]});
    let begin = json!({"tool_calls": [{
        "index": 0, "id": "call_1", "type": "function",
        "function": {"name": "weather", "arguments": ""},
    }]});
    let usage = json!({
        "id": "chatcmpl-stream", "object": "chat.completion.chunk", "created": 1, "model": "", "choices": [],
        "usage": {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9},
    });
    Reply::events([
        chunk(&json!({"role": "assistant", "content": "Let me "}), None),
        chunk(&json!({"content": "look: ☀"}), None),
        chunk(&begin, None),
        chunk(&call("{\"city\":"), None),
        chunk(&call("\"Zürich\"}"), None),
        chunk(&json!({}), Some("tool_calls")),
        usage,
    ])
}

async fn appends_streams(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let id = conversation(&scene, &key).await?;
    let chat = Chat::with(&scene.model("small")).of(&id).streamed();
    scene.script(&chat, streamed_call());
    scene.chat(&key, &chat).await?.expect(200, |seen| {
        Stop::breach("a stream of a conversation to be answered", seen)
    })?;
    let own = chat.body["messages"][0].clone();
    let answer = json!({"role": "assistant", "content": "Let me look: ☀", "tool_calls": called()});
    let stored = messages(&scene, &key, &id).await?;
    holds(&stored, &[own, answer], "after a stream")?;
    Ok("text and tool call were put together from seven chunks".to_owned())
}

/// A stream that ends as streams end, but for this in its midst.
fn failing_stream(error: Value) -> Reply {
    Reply::events([
        chunk(&json!({"role": "assistant", "content": "Let me "}), None),
        error,
    ])
}

async fn failure_appends_nothing(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let id = conversation(&scene, &key).await?;
    let model = scene.model("small");
    let good = Chat::with(&model).of(&id);
    scene.chatted(&key, &good).await?;
    let before = messages(&scene, &key, &id).await?;
    let failing = [
        ("an upstream error", Reply::status(400), false),
        ("an answer that is none", Reply::garbage(), false),
        (
            "a stream without an end",
            streamed_call().cut_after(3),
            true,
        ),
        (
            "a stream that tells an error as a text",
            failing_stream(json!({"error": "The model is gone."})),
            true,
        ),
        (
            "a stream that lists its errors",
            failing_stream(json!({"errors": [{"message": "The model is gone."}]})),
            true,
        ),
    ];
    for (what, reply, is_stream) in failing {
        // The marker of the first message leads to the script.
        let chat = Chat::marked(&good.marker, &model).of(&id);
        let chat = if is_stream { chat.streamed() } else { chat };
        scene.script(&chat, reply);
        let call = chat.call().by(&key.credential);
        let answer = scene.send(call).await;
        if let Ok(answer) = &answer
            && !is_stream
            && answer.status == 200
        {
            return Err(Stop::unmet("AIG-012", format!("{what}: {answer}")));
        }
        let after = messages(&scene, &key, &id).await?;
        if after != before {
            let seen = format!("{} messages after {what}", after.len());
            return Err(Stop::breach(
                format!("the {} messages of before", before.len()),
                seen,
            ));
        }
    }
    let rows = scene.usage(&key.user).await?;
    if rows.len() != 1 {
        let seen = format!("{} usage rows", rows.len());
        return Err(Stop::breach(
            "one usage row, for the one chat that succeeded",
            seen,
        ));
    }
    // And it goes on as if nothing had been.
    scene.script(&good, Reply::chat("Again.", 7, 3));
    scene.chatted(&key, &good).await?;
    let after = messages(&scene, &key, &id).await?;
    if after.len() != before.len() + 2 {
        let seen = format!("{} messages", after.len());
        return Err(Stop::breach(
            format!("{} messages after another chat", before.len() + 2),
            seen,
        ));
    }
    let rows = scene.usage(&key.user).await?;
    if rows.len() != 2 {
        let seen = format!("{} usage rows", rows.len());
        return Err(Stop::breach(
            "two usage rows, for the two chats that succeeded",
            seen,
        ));
    }
    Ok("five failures left neither messages nor usage".to_owned())
}
