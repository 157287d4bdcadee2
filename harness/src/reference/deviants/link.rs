//! Ties a caller's chat to the model calls that are made for it, so that things can cross over that the backend keeps apart.
//! Never changes anything by itself.

use super::Draft;
use crate::tamper::{Ask, Content, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// Carries the chat's number through the backend, which sends fields of the body on as they are.
const MARK: &str = "\"x_chat\":\"";
/// Where chats are sent.
const CHATS: &str = "/v1/chat/completions";
/// Length of a number.
const NUMBER_LEN: usize = uuid::fmt::Hyphenated::LENGTH;

/// A chat of a caller.
pub(super) struct Chat {
    /// What the caller sent.
    pub(super) asked: Ask,
    /// What the AI Gateway has answered so far.
    pub(super) replies: Vec<Reply>,
}

/// An answer of the AI Gateway.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// Empty for a stream.
    pub(super) body: Bytes,
}

type Calls = Arc<dyn Fn(&Chat, &mut Ask) + Send + Sync>;
type Answers = Arc<dyn Fn(&Chat, &mut Told) + Send + Sync>;

impl Draft {
    /// Changes each model call by what its caller sent.
    pub(super) fn calls(self, call: impl Fn(&Chat, &mut Ask) + Send + Sync + 'static) -> Self {
        self.linked(Arc::new(call), Arc::new(|_, _| ()))
    }

    /// Changes each answer by what the AI Gateway said.
    pub(super) fn answers(self, answer: impl Fn(&Chat, &mut Told) + Send + Sync + 'static) -> Self {
        self.linked(Arc::new(|_, _| ()), Arc::new(answer))
    }

    fn linked(self, call: Calls, answer: Answers) -> Self {
        let chats = Chats::default();
        let behind = chats.clone();
        self.parts(move |parts| {
            parts.caller = Some(Arc::new(Callers {
                chats: chats.clone(),
                answer: Arc::clone(&answer),
            }));
        })
        .upstream(move || {
            Some(Arc::new(Models {
                chats: behind.clone(),
                call: Arc::clone(&call),
            }))
        })
    }
}

#[derive(Clone, Default)]
struct Chats(Arc<Mutex<HashMap<String, Chat>>>);

impl Chats {
    fn with<R>(&self, number: &str, act: impl FnOnce(&mut Chat) -> R) -> Option<R> {
        let mut chats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chats.get_mut(number).map(act)
    }

    fn open(&self, chat: Chat) -> String {
        let number = Uuid::new_v4().to_string();
        let mut chats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chats.insert(number.clone(), chat);
        number
    }

    fn close(&self, number: &str) -> Option<Chat> {
        let mut chats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chats.remove(number)
    }
}

/// Between callers and the backend.
struct Callers {
    chats: Chats,
    answer: Answers,
}

#[async_trait]
impl Tamper for Callers {
    async fn pass(&self, mut ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let fields: Result<Map<String, Value>, _> = serde_json::from_slice(&ask.body);
        let has_room = fields.is_ok_and(|fields| !fields.is_empty());
        if ask.route() != CHATS || !has_room {
            return upstream.send(&ask).await;
        }
        let number = self.chats.open(Chat {
            asked: ask.clone(),
            replies: Vec::new(),
        });
        let body = String::from_utf8_lossy(&ask.body);
        let marked = body.replacen('{', &format!("{{{MARK}{number}\","), 1);
        ask.body = marked.into();
        let told = upstream.send(&ask).await;
        let chat = self.chats.close(&number);
        let mut told = told?;
        if let Some(chat) = chat {
            (self.answer)(&chat, &mut told);
        }
        Ok(told)
    }
}

/// Between the backend and the AI Gateway.
struct Models {
    chats: Chats,
    call: Calls,
}

#[async_trait]
impl Tamper for Models {
    async fn pass(&self, mut ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let Some(number) = unmark(&mut ask) else {
            return upstream.send(&ask).await;
        };
        self.chats.with(&number, |chat| (self.call)(chat, &mut ask));
        let told = upstream.send(&ask).await?;
        let body = match &told.content {
            Content::Whole(bytes) => bytes.clone(),
            Content::Stream(_) => Bytes::new(),
        };
        let reply = Reply {
            status: told.status,
            headers: told.headers.clone(),
            body,
        };
        self.chats.with(&number, |chat| chat.replies.push(reply));
        Ok(told)
    }
}

/// Takes the number out of a body; `None` if there is none.
fn unmark(ask: &mut Ask) -> Option<String> {
    let body = String::from_utf8_lossy(&ask.body).into_owned();
    let (before, rest) = body.split_once(MARK)?;
    let number = rest.get(..NUMBER_LEN)?.to_owned();
    let after = rest.get(NUMBER_LEN..)?.strip_prefix("\",")?;
    ask.body = format!("{before}{after}").into();
    Some(number)
}
