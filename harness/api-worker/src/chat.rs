//! Chats: what is asked of a model, and what the AI Gateway double answers and saw. Never judges either.

use crate::call::{Answer, Call};
use crate::outcome::Stop;
use crate::scene::{Key, Scene, unique};
use crate::words::encoded;
use futures_util::future::join;
use moltproof_doubles::lag::Patience;
use moltproof_doubles::{Attempt, Reply, Script};
use serde_json::{Value, json};
use std::pin::pin;
use std::time::Duration;

/// How long a call may take to be seen upstream. Evidence: the double journals it as soon as it has come.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// How long the model is held back for what is done meanwhile. Evidence: it takes milliseconds where nothing is in its way.
const DONE_WITHIN: Duration = Duration::from_secs(5);

/// A chat that is being put together. Its marker leads the double to its script.
#[derive(Debug, Clone)]
pub(crate) struct Chat {
    pub(crate) marker: String,
    pub(crate) body: Value,
}

impl Chat {
    /// A chat of one message with this model.
    pub(crate) fn with(model: &str) -> Self {
        Self::marked(&unique(16), model)
    }

    /// The same under a marker that another chat has, as those of one conversation have.
    pub(crate) fn marked(marker: &str, model: &str) -> Self {
        let body = json!({
            "model": model,
            "messages": [{"role": "user", "content": format!("[[mp-{marker}]] Hello.")}],
        });
        Self {
            marker: marker.to_owned(),
            body,
        }
    }

    /// With other messages, of which the first text that holds a marker counts.
    pub(crate) fn messages(mut self, messages: Value) -> Self {
        self.body["messages"] = messages;
        self
    }

    pub(crate) fn of(mut self, conversation: &str) -> Self {
        self.body["conversation_id"] = conversation.into();
        self
    }

    pub(crate) fn streamed(mut self) -> Self {
        self.body["stream"] = true.into();
        self
    }

    /// The request.
    pub(crate) fn call(&self) -> Call {
        Call::post("/v1/chat/completions").json(&self.body)
    }
}

impl Scene<'_> {
    /// Sends a chat with a key, which the double answers as its script says: plainly, with 7 and 3 tokens, if it has none.
    pub(crate) async fn chat(&self, key: &Key, chat: &Chat) -> Result<Answer, Stop> {
        self.send(chat.call().by(&key.credential)).await
    }

    /// A chat that succeeds, as a precondition.
    pub(crate) async fn chatted(&self, key: &Key, chat: &Chat) -> Result<Answer, Stop> {
        self.chat(key, chat)
            .await?
            .expect(200, |seen| Stop::unmet("API-001", seen))
    }

    /// A streamed chat, and what is done when its model has told the beginning of its answer. The model goes on once that is done, or after five
    /// seconds, since a backend may let it wait until the chat has ended. The model tells 7 and 3 tokens.
    pub(crate) async fn chat_meanwhile<T>(
        &self,
        key: &Key,
        chat: &Chat,
        meanwhile: impl Future<Output = Result<T, Stop>>,
    ) -> Result<(Answer, T), Stop> {
        let events = Reply::events([
            json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello."}, "finish_reason": null}]}),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
            json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}),
        ]);
        self.script(chat, events.hold_after(1));
        let gateway = &self.subject.gateway;
        let meanwhile = async {
            let seen = gateway.wait_for_attempts(&chat.marker, 1, SEEN_WITHIN);
            let was_asked = !seen.await.is_empty();
            let mut meanwhile = pin!(meanwhile);
            let early = Patience::of(DONE_WITHIN).with(meanwhile.as_mut()).await;
            gateway.release(&chat.marker);
            let done = match early {
                Some(done) => done,
                None => meanwhile.await,
            };
            (was_asked, done)
        };
        let (answer, (was_asked, done)) = join(self.chat(key, chat), meanwhile).await;
        let answer = answer?;
        // Whether such a stream ends well is another promise.
        let has_ended = String::from_utf8_lossy(&answer.body).contains("[DONE]");
        if was_asked && answer.status == 200 && has_ended {
            Ok((answer, done?))
        } else {
            Err(Stop::unmet("AIG-017", answer.to_string()))
        }
    }

    /// Lets the double answer a chat so, once and ever after.
    pub(crate) fn script(&self, chat: &Chat, reply: Reply) {
        let script = Script::always(reply);
        self.subject.gateway.script(&chat.marker, script);
    }

    /// What the double saw of a chat.
    pub(crate) fn seen_upstream(&self, chat: &Chat) -> Vec<Attempt> {
        self.subject.gateway.journal(&chat.marker)
    }

    /// The usage rows of a user, as the operator sees them, oldest first.
    pub(crate) async fn usage(&self, user: &str) -> Result<Vec<Value>, Stop> {
        self.pages(&format!("/api/admin/usage?user_id={user}"), "usage")
            .await
    }

    /// Every element of a paged list that the operator may read.
    pub(crate) async fn pages(&self, path: &str, name: &str) -> Result<Vec<Value>, Stop> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        let joint = if path.contains('?') { '&' } else { '?' };
        for _page in 0..PAGES_MAX {
            let page = self
                .operate(Call::get(format!("{path}{joint}limit=1000{cursor}")))
                .await?
                .expect(200, |seen| Stop::unmet("API-001", seen))?;
            all.extend(page.list(&format!("/{name}")));
            let Some(next) = page.at("/next_cursor").as_str().map(encoded) else {
                return Ok(all);
            };
            cursor = format!("&cursor={next}");
        }
        Err(Stop::Fault(format!("{path} has no last page")))
    }
}

/// Pages of a list that are read at most. Evidence: no scene makes more than a few hundred rows of anything.
const PAGES_MAX: usize = 200;
