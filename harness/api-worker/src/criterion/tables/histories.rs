//! Conversations that are long, that are answered in the native dialect, or that are deleted while a model answers. Never judges one of the usual kind.

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
        "a native stream's answer is put together and appended as well",
        appends_native_streams
    ),
    aspect!(
        "API-001",
        Beside,
        "a stream whose every frame tells the usage so far is put together whole",
        appends_streams_with_running_usage
    ),
    aspect!(
        "API-001",
        Beside,
        "a model is sent the whole of a long conversation",
        long_history_goes_upstream
    ),
    aspect!(
        "API-001",
        Beside,
        "a chat whose conversation is deleted while the model answers has its usage row",
        deleted_meanwhile
    ),
];

/// A key, a conversation of its user, and a chat of it that is to be streamed.
async fn streamed_chat(scene: &Scene<'_>) -> Result<(Key, String, Chat), Stop> {
    let key = scene.key("ada").await?;
    let id = conversation(scene, &key).await?;
    let chat = Chat::with(&scene.model("small")).of(&id).streamed();
    Ok((key, id, chat))
}

async fn appends_native_streams(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, id, chat) = streamed_chat(&scene).await?;
    scene.script(
        &chat,
        Reply::events([
            json!({"response": "Let me "}),
            json!({"response": "look: ☀"}),
            json!({"response": "", "usage": {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}}),
        ]),
    );
    let answer = scene.chat(&key, &chat).await?;
    if answer.status != 200 {
        return Err(Stop::unmet("AIG-017", answer.to_string()));
    }
    let own = chat.body["messages"][0].clone();
    let answer = json!({"role": "assistant", "content": "Let me look: ☀"});
    let stored = messages(&scene, &key, &id).await?;
    holds(&stored, &[own, answer], "after a native stream")?;
    Ok("the text was put together from three frames".to_owned())
}

/// A piece of a stream that tells the tokens of the output so far.
fn so_far(is_native: bool, text: &str, output: u64) -> Value {
    let usage =
        json!({"prompt_tokens": 5, "completion_tokens": output, "total_tokens": 5 + output});
    if is_native {
        return json!({"response": text, "usage": usage});
    }
    json!({
        "id": "chatcmpl-stream", "object": "chat.completion.chunk", "created": 1, "model": "",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}],
        "usage": usage,
    })
}

async fn appends_streams_with_running_usage(subject: &Subject) -> Judged {
    let pieces = ["Let me ", "look: ", "☀"];
    for (what, is_native) in [("chunks", false), ("native frames", true)] {
        let scene = Scene::at_present(subject);
        let (key, id, chat) = streamed_chat(&scene).await?;
        let frames = pieces.into_iter().zip(1..);
        let frames = frames.map(|(text, output)| so_far(is_native, text, output));
        scene.script(&chat, Reply::events(frames));
        let answer = scene.chat(&key, &chat).await?;
        if answer.status != 200 {
            return Err(Stop::unmet("AIG-017", answer.to_string()));
        }
        let own = chat.body["messages"][0].clone();
        let answer = json!({"role": "assistant", "content": pieces.concat()});
        let stored = messages(&scene, &key, &id).await?;
        let when = format!("after a stream of {what} that each tell the usage so far");
        holds(&stored, &[own, answer], &when)?;
    }
    Ok("chunks and native frames were put together whole".to_owned())
}

/// Messages of a long conversation. Evidence: lists end at 100 or 50 where nobody states an end.
const MANY: usize = 120;

async fn long_history_goes_upstream(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let id = conversation(&scene, &key).await?;
    let (marker, model) = (unique(16), scene.model("small"));
    let first = json!({"role": "system", "content": format!("Be brief. [[mp-{marker}]]")});
    let others =
        (1..MANY).map(|number| json!({"role": "user", "content": format!("Line {number}.")}));
    let all: Vec<Value> = std::iter::once(first).chain(others).collect();
    let long = Chat::marked(&marker, &model).messages(json!(all)).of(&id);
    scene.chatted(&key, &long).await?;
    let next = Chat::marked(&marker, &model)
        .messages(json!([{"role": "user", "content": "And now?"}]))
        .of(&id);
    scene.chatted(&key, &next).await?;
    let attempts = scene.seen_upstream(&long);
    let sent = attempts
        .last()
        .and_then(|attempt| attempt.body["messages"].as_array().cloned())
        .unwrap_or_default();
    let expected = format!("all {} messages for the model", MANY + 2);
    if sent.len() != MANY + 2 {
        let seen = format!("{} messages", sent.len());
        return Err(Stop::breach(expected, seen));
    }
    let differs = sent
        .iter()
        .zip(&all)
        .find(|(sent, own)| said(sent) != said(own));
    if let Some((sent, own)) = differs {
        return Err(Stop::breach(said(own).to_string(), said(sent).to_string()));
    }
    Ok(format!("{} messages went upstream in order", sent.len()))
}

async fn deleted_meanwhile(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, id, chat) = streamed_chat(&scene).await?;
    let deletion = Call::delete(format!("/v1/conversations/{id}")).by(&key.credential);
    let (_answer, deleted) = scene
        .chat_meanwhile(&key, &chat, scene.send(deletion))
        .await?;
    if deleted.status != 204 && deleted.status != 200 {
        return Err(Stop::unmet("API-001", deleted.to_string()));
    }
    let rows = scene.usage(&key.user).await?;
    if rows.len() != 1 {
        return Err(Stop::breach(
            "one usage row of a chat that was answered",
            format!(
                "{} usage rows, where its conversation was deleted meanwhile",
                rows.len()
            ),
        ));
    }
    Ok("its usage row is there".to_owned())
}
