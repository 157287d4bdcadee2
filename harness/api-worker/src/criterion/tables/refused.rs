//! Chats and conversations that break a rule. Never one whose answer the contract leaves open.

use super::conversation;
use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::chat::Chat;
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::subject::Subject;
use crate::wrong::{Right, Traces, told};
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[aspect!(
    "API-001",
    Beside,
    "a chat or a conversation that breaks a rule is refused, and neither a message nor usage is left of it",
    refused
)];

/// What a chat may not be.
fn broken_chats() -> Vec<(&'static str, Value)> {
    vec![
        ("model", json!("")),
        ("model", json!("m".repeat(201))),
        ("model", json!(5)),
        ("messages", json!([])),
        ("messages", json!("Hello.")),
        ("messages", json!([1])),
        ("messages", json!([{"content": "Hello."}])),
        ("messages", json!([{"role": 1, "content": "Hello."}])),
        ("messages", json!([{"role": "user", "content": 5}])),
        ("stream", json!("yes")),
        ("stream", json!(1)),
        ("conversation_id", json!(5)),
    ]
}

async fn refused(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    scene.unlimit(&key.user).await?;
    let id = conversation(&scene, &key).await?;
    let chat = Chat::with(&scene.model("small")).of(&id);
    let right = (200, chat.body.clone());
    let chats = Right::new("API-001", Call::post, "/v1/chat/completions", right);
    let chats = Right {
        required: &["model", "messages"],
        text: Some("user"),
        is_open: true,
        broken: broken_chats(),
        ..chats.by(&key)
    };
    let right = (201, json!({"title": scene.name("kept")}));
    let conversations = Right::new("API-001", Call::post, "/v1/conversations", right);
    let conversations = Right {
        text: Some("title"),
        broken: vec![
            ("title", json!("")),
            ("title", json!("t".repeat(201))),
            ("title", json!(5)),
            ("title", json!(["t"])),
        ],
        ..conversations.by(&key)
    };
    let mut count = 0;
    for right in [&chats, &conversations] {
        right.taken(&scene).await?;
    }
    let before = Traces::of(&scene).await?;
    for right in [&chats, &conversations] {
        count += right.refused(&scene).await?;
    }
    let upstream = scene.seen_upstream(&chat).len();
    if upstream != 1 {
        let seen = format!("{} further attempts upstream", upstream - 1);
        return Err(Stop::breach(
            "nothing to go upstream of a chat that is refused",
            seen,
        ));
    }
    before.unchanged(&scene).await?;
    Ok(told(count))
}
