//! Chats of a sequence, one by one and at once. Never asks the target what to expect.

use super::gates::{criterion_of, gate_of};
use super::model::Answer;
use super::operation::{MODELS, Upstream};
use super::play::{Halt, Play, broken, refused};
use crate::call::{self, Call};
use crate::chat::Chat;
use futures_util::future::join_all;
use moltproof_doubles::{Reply, StreamDialect};
use serde_json::{Value, json};

impl Play<'_> {
    pub(super) async fn chat(
        &mut self,
        key: usize,
        model: usize,
        (is_stream, is_of_conversation, upstream): (bool, bool, Upstream),
    ) -> Result<(), Halt> {
        let user = self.model.keys[key].user;
        let name = self.scene.model(MODELS[model]);
        let mut chat = match &self.conversations[user] {
            // The first message of a conversation leads the double to its script, whichever chat it is.
            Some(id) if is_of_conversation => {
                Chat::marked(&format!("{}{user}", self.scene.tag), &name).of(id)
            }
            _ => Chat::with(&name),
        };
        let is_of_conversation = !chat.body["conversation_id"].is_null();
        if is_stream {
            chat = chat.streamed();
        }
        self.scene.script(&chat, reply(upstream, is_stream));
        let counted = self.model.request(key, true);
        let sent = self.scene.chat(&self.keys[key], &chat).await;
        match (counted, upstream) {
            (Answer::Served, Upstream::Breaks) => {
                // A stream that breaks off is cut at the caller, too.
                if let Ok(answer) = sent {
                    self.has_failed(&answer, is_stream)?;
                }
                self.may_give_back(key).await
            }
            (Answer::Served, Upstream::Refuses) => {
                self.has_failed(&sent?, false)?;
                self.may_give_back(key).await
            }
            (Answer::Served, Upstream::Answers(..) | Upstream::TellsNoTokens) => {
                self.has_status(&sent?, 200, "API-001")?;
                let tokens = match upstream {
                    Upstream::Answers(tokens_in, tokens_out) => Some((tokens_in, tokens_out)),
                    Upstream::TellsNoTokens | Upstream::Refuses | Upstream::Breaks => None,
                };
                self.model.chatted((key, model), is_of_conversation, tokens);
                Ok(())
            }
            (other, _) => self.is_as_told(&sent?, other),
        }
    }

    /// A worker may give a chat that has failed back to the quota of its key, or not: the contract leaves it open.
    async fn may_give_back(&mut self, key: usize) -> Result<(), Halt> {
        let read = Call::get(format!("/api/admin/keys/{}", self.keys[key].id));
        let read = self.scene.operate(read).await?;
        let used = &mut self.model.keys[key].used;
        if read.at("/requests_used") == json!(used.saturating_sub(1)) {
            *used = used.saturating_sub(1);
        }
        Ok(())
    }

    fn has_failed(&mut self, answer: &call::Answer, is_cut: bool) -> Result<(), Halt> {
        self.checks += 1;
        let expected = |what: &str| format!("a chat that fails upstream {what}");
        if let Some(criterion) = gate_of(answer) {
            let expected = expected("to pass every gate before");
            return Err(refused(criterion, expected, answer.to_string()));
        }
        // A stream may have begun before it broke.
        if is_cut || answer.status != 200 {
            return Ok(());
        }
        Err(broken("API-001", expected("to fail"), answer.to_string()))
    }

    pub(super) async fn at_once(&mut self, key: usize, count: usize) -> Result<(), Halt> {
        let name = self.scene.model(MODELS[0]);
        let chats: Vec<Chat> = (0..count).map(|_| Chat::with(&name)).collect();
        let mut wanted: Vec<Answer> = Vec::new();
        for _ in 0..count {
            let counted = self.model.request(key, true);
            if counted == Answer::Served {
                // What the double tells where it has no script.
                self.model.chatted((key, 0), false, Some((7, 3)));
            }
            wanted.push(counted);
        }
        let sent = chats
            .iter()
            .map(|chat| self.scene.chat(&self.keys[key], chat));
        let answers: Vec<call::Answer> =
            join_all(sent).await.into_iter().collect::<Result<_, _>>()?;
        let (served, mut turned_away): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status == 200);
        wanted.sort_by_key(|answer| *answer != Answer::Served);
        let (passing, others) =
            wanted.split_at(wanted.partition_point(|answer| *answer == Answer::Served));
        if served.len() != passing.len() {
            let criterion = turned_away
                .first()
                .and_then(|answer| gate_of(answer))
                .or_else(|| others.first().map(|answer| criterion_of(*answer)))
                .unwrap_or("API-001");
            let halt = if served.len() < passing.len() {
                refused
            } else {
                broken
            };
            return Err(halt(
                criterion,
                format!("{} of {count} chats at once to be answered", passing.len()),
                format!("{} were", served.len()),
            ));
        }
        turned_away.sort_by_key(|answer| answer.code());
        for answer in turned_away {
            // They may come in any order, but each is one of those.
            let is_one = others
                .iter()
                .any(|one| self.is_as_told(answer, *one).is_ok());
            if !is_one {
                self.is_as_told(answer, others[0])?;
            }
        }
        Ok(())
    }
}

/// What the double answers.
fn reply(upstream: Upstream, is_stream: bool) -> Reply {
    let deltas = ["Hel", "lo."];
    match (upstream, is_stream) {
        (Upstream::Answers(tokens_in, tokens_out), false) => {
            Reply::chat("Hello.", tokens_in, tokens_out)
        }
        (Upstream::Answers(tokens_in, tokens_out), true) => {
            Reply::stream(StreamDialect::OpenAi, &deltas, tokens_in, tokens_out)
        }
        (Upstream::TellsNoTokens, false) => Reply::without_usage(),
        (Upstream::TellsNoTokens, true) => Reply::events([
            json!({"id": "chunk", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello."}, "finish_reason": Value::Null}]}),
            json!({"id": "chunk", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
        ]),
        (Upstream::Refuses, _) => Reply::status(400),
        (Upstream::Breaks, false) => Reply::garbage(),
        (Upstream::Breaks, true) => {
            Reply::stream(StreamDialect::OpenAi, &deltas, 7, 3).cut_after(1)
        }
    }
}
