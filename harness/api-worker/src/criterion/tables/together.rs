//! Conversations under parallel chats, and between users. Never judges an order that the contract leaves open.

use super::{conversation, counts, messages};
use crate::aspect::{Aspect, aspect};
use crate::call::{Answer, Call};
use crate::chat::Chat;
use crate::oracle::dates::MINUTE;
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::subject::Subject;
use futures_util::future::join_all;
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-001",
        Beside,
        "of chats of one conversation at once each appends its messages without another's between them",
        at_once
    ),
    aspect!(
        "API-001",
        Beside,
        "a conversation is its user's only: another's id answers as an unknown one and nothing is appended",
        of_one_user
    ),
    aspect!(
        "API-001",
        Beside,
        "conversations are listed newest first, each once, and one that was deleted is gone with its messages",
        listed
    ),
];

/// Chats at once.
const AT_ONCE: usize = 12;

fn text(message: &Value) -> &str {
    message["content"].as_str().unwrap_or_default()
}

async fn at_once(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let (id, model) = (conversation(&scene, &key).await?, scene.model("small"));
    let chats: Vec<Chat> = (0..AT_ONCE)
        .map(|nth| {
            let chat = Chat::with(&model).of(&id);
            let first = format!("[[mp-{}]] first of {nth}", chat.marker);
            chat.messages(json!([
                {"role": "user", "content": first},
                {"role": "user", "content": format!("second of {nth}")},
            ]))
        })
        .collect();
    let answers = join_all(chats.iter().map(|chat| scene.chat(&key, chat))).await;
    let answers: Vec<Answer> = answers.into_iter().collect::<Result<_, _>>()?;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    if let Some(answer) = answers.iter().find(|answer| answer.status != 200) {
        return Err(Stop::breach(
            "chats of one conversation at once to be answered",
            answer.to_string(),
        ));
    }
    let stored = messages(&scene, &key, &id).await?;
    if stored.len() != 3 * served {
        let seen = format!("{} messages", stored.len());
        return Err(Stop::breach(
            format!("{} messages of {served} chats", 3 * served),
            seen,
        ));
    }
    for three in stored.chunks(3) {
        let number = text(&three[0])
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .to_owned();
        let is_whole = text(&three[0]).contains("first of")
            && text(&three[1]) == format!("second of {number}")
            && three[2]["role"] == "assistant";
        if !is_whole {
            let wanted = "two messages of one chat, then its answer";
            return Err(Stop::breach(wanted, json!(three).to_string()));
        }
    }
    if !counts(&stored) {
        let seen: Vec<&Value> = stored.iter().map(|message| &message["position"]).collect();
        return Err(Stop::breach(
            "positions that count without a gap",
            json!(seen).to_string(),
        ));
    }
    Ok(format!(
        "{AT_ONCE} chats at once appended three messages each, one after another"
    ))
}

async fn of_one_user(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (ada, bob) = (scene.key("ada").await?, scene.key("bob").await?);
    let id = conversation(&scene, &ada).await?;
    let own = Chat::with(&scene.model("small")).of(&id);
    scene.chatted(&ada, &own).await?;
    let before = messages(&scene, &ada, &id).await?;
    let unknown = "00000000-0000-4000-8000-000000000000";
    let requests = |id: &str| {
        let chat = Chat::with(&scene.model("small")).of(id);
        [
            Call::get(format!("/v1/conversations/{id}")),
            Call::get(format!("/v1/conversations/{id}/messages")),
            Call::delete(format!("/v1/conversations/{id}")),
            chat.call(),
        ]
    };
    for (foreign, none) in requests(&id).into_iter().zip(requests(unknown)) {
        let none = scene.send(none.by(&bob.credential)).await?;
        none.refused(404, "NOT_FOUND", "for an unknown conversation")?;
        let foreign = scene.send(foreign.by(&bob.credential)).await?;
        foreign.refused(404, "NOT_FOUND", "for another user's conversation")?;
        let without_ids = |answer: &Answer| {
            let body = answer.json();
            body["error"]
                .to_string()
                .replace(&id, "")
                .replace(unknown, "")
        };
        if without_ids(&foreign) != without_ids(&none) {
            return Err(Stop::breach(
                format!("the answer to an unknown id: {none}"),
                foreign.to_string(),
            ));
        }
    }
    if messages(&scene, &ada, &id).await? != before {
        return Err(Stop::breach(
            "the conversation to stay as it was",
            "other messages",
        ));
    }
    if !scene.usage(&bob.user).await?.is_empty() {
        return Err(Stop::breach("no usage of the refused user", "a usage row"));
    }
    Ok("four requests of another user were answered as for an unknown id".to_owned())
}

async fn listed(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(conversation(&scene, &key).await?);
        scene.pass(MINUTE);
    }
    made.reverse();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for _page in 0..made.len() {
        let path = format!("/v1/conversations?limit=2{cursor}");
        let page = scene
            .send(Call::get(path).by(&key.credential))
            .await?
            .expect(200, |seen| Stop::breach("the list of conversations", seen))?;
        let ids = page.list("/conversations");
        seen.extend(
            ids.iter()
                .filter_map(|one| Some(one["id"].as_str()?.to_owned())),
        );
        match page.at("/next_cursor").as_str() {
            Some(next) => cursor = format!("&cursor={}", crate::words::encoded(next)),
            None => break,
        }
    }
    if seen != made {
        let (made, seen) = (json!(made), json!(seen));
        return Err(Stop::breach(
            format!("newest first, each once: {made}"),
            seen.to_string(),
        ));
    }
    scene
        .chatted(&key, &Chat::with(&scene.model("small")).of(&made[0]))
        .await?;
    let path = format!("/v1/conversations/{}", made[0]);
    let delete = Call::delete(path.clone()).by(&key.credential);
    scene.send(delete).await?.expect(204, |seen| {
        Stop::breach("a conversation to be deleted", seen)
    })?;
    for path in [path.clone(), format!("{path}/messages")] {
        let gone = scene.send(Call::get(path).by(&key.credential)).await?;
        gone.refused(404, "NOT_FOUND", "for a deleted conversation")?;
    }
    if scene.usage(&key.user).await?.len() != 1 {
        return Err(Stop::breach(
            "the usage row of a deleted conversation to stay",
            "no row",
        ));
    }
    Ok("five conversations came in three pages; a deleted one left only its usage".to_owned())
}
