//! Backends that find another usage in a stream, or none. Never breaks more than one thing at a time.

use super::super::calls::{self, OtherCalls};
use super::super::stores::{self, OtherUsage};
use super::billing::{End, Seen, Tokens, bills_first, bills_itself, bills_part_by_part, tokens};
use super::{Draft, deviant};
use async_trait::async_trait;
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{
    AiGateway, StoreError, UpstreamAnswer, UpstreamCall, UpstreamError, UsageStore,
};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) fn all() -> Vec<Draft> {
    let mut all = read_otherwise();
    all.push(
        deviant(
            "streams-without-a-word-not-billed",
            "Usage of a stream counts only with a token of the answer: what the filter ended before its first word is not billed",
            &["USG-005"],
        )
        .parts(|parts| {
            bills_itself(parts, |seen| {
                stream_or_contract(seen, |frames| counts(frames).filter(|tokens| tokens.1 > 0).last())
            });
        }),
    );
    all.extend(waited_for());
    all
}

fn read_otherwise() -> Vec<Draft> {
    let price = |id, breaks, price: fn(&Seen) -> Option<Tokens>| {
        deviant(id, breaks, &["USG-006"]).parts(move |parts| bills_itself(parts, price))
    };
    vec![
        price(
            "streams-billed-as-zero",
            "Every stream writes a row without tokens",
            |seen| stream_or_contract(seen, |_frames| Some((0, 0))),
        ),
        price("streams-not-billed", "No stream is billed", |seen| {
            stream_or_contract(seen, |_frames| None)
        }),
        price(
            "first-usage-of-a-stream",
            "The first usage of a stream is billed",
            |seen| stream_or_contract(seen, |frames| counts(frames).next()),
        ),
        price(
            "sum-of-a-streams-usage",
            "All usage frames of a stream are added up",
            |seen| {
                stream_or_contract(seen, |frames| {
                    counts(frames).reduce(|sum, next| (sum.0 + next.0, sum.1 + next.1))
                })
            },
        ),
        price(
            "last-usage-though-zero",
            "The last usage of a stream is billed, though it is zero",
            |seen| stream_or_contract(seen, |frames| counts(frames).last()),
        ),
        price(
            "native-frames-not-read",
            "Only frames with choices are read for usage",
            |seen| {
                stream_or_contract(seen, |frames| {
                    let openai = frames.iter().filter(|frame| frame.get("choices").is_some());
                    openai.filter_map(tokens).rfind(|tokens| *tokens != (0, 0))
                })
            },
        ),
        price(
            "openai-frames-not-read",
            "Only frames without choices are read for usage",
            |seen| {
                stream_or_contract(seen, |frames| {
                    let native = frames.iter().filter(|frame| frame.get("choices").is_none());
                    native.filter_map(tokens).rfind(|tokens| *tokens != (0, 0))
                })
            },
        ),
        price(
            "openai-counts-before-native-ones",
            "Once a stream has had counts in a frame with choices, a native frame's are passed over",
            |seen| {
                stream_or_contract(seen, |frames| {
                    let openai = frames.iter().filter(|frame| frame.get("choices").is_some());
                    let counted = openai.filter_map(tokens).rfind(|tokens| *tokens != (0, 0));
                    counted.or_else(|| counts(frames).last())
                })
            },
        ),
        price(
            "usage-of-the-finish-frame-alone",
            "Usage is read from the frame that has the finish reason",
            |seen| {
                stream_or_contract(seen, |frames| {
                    let finish = |frame: &&Value| frame["choices"][0]["finish_reason"].is_string();
                    frames.iter().find(finish).and_then(tokens)
                })
            },
        ),
        price(
            "streams-without-done-not-billed",
            "A stream that ends without [DONE] is not billed",
            |seen| contract(seen).filter(|_| !seen.streamed || seen.done),
        ),
        deviant(
            "split-usage-frame-not-read",
            "A usage frame that arrives in two parts is not read",
            &["USG-006"],
        )
        .parts(|parts| bills_part_by_part(parts, contract)),
        deviant(
            "callers-refusal-of-usage-wins",
            "A caller that wants no usage in its stream is not billed",
            &["USG-006"],
        )
        .calls(|chat, ask| {
            let asked = chat.asked.json();
            if asked["stream_options"]["include_usage"] == false {
                let mut body = ask.json();
                body["stream_options"] = asked["stream_options"].clone();
                ask.body = body.to_string().into();
            }
        }),
    ]
}

fn waited_for() -> Vec<Draft> {
    vec![
        deviant(
            "usage-written-before-the-answer",
            "A caller waits for its usage row",
            &["USG-008", "USG-009"],
        )
        .parts(|parts| bills_first(parts, contract, |_streamed| true)),
        deviant(
            "next-chat-waits-for-the-row",
            "A chat begins when the rows of the tenant's earlier answers are written",
            &["USG-008"],
        )
        .parts(|parts| {
            let writing = Writing::default();
            stores::usage(&mut parts.ports, writing.clone());
            calls::calls(&mut parts.ports, writing);
        }),
        deviant(
            "usage-written-before-the-end-of-a-stream",
            "A stream ends when its usage row is written",
            &["USG-008"],
        )
        .parts(|parts| bills_first(parts, contract, |streamed| streamed)),
        deviant(
            "usage-written-before-a-whole-answer",
            "A caller that asks for no stream waits for its usage row",
            &["USG-008"],
        )
        .parts(|parts| bills_first(parts, contract, |streamed| !streamed)),
    ]
}

/// A turn for each tenant, held while a row of it is written.
#[derive(Clone, Default)]
struct Writing(Arc<Mutex<HashMap<String, Turn>>>);

type Turn = Arc<tokio::sync::Mutex<()>>;

impl Writing {
    fn turn(&self, tenant: &str) -> Turn {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(tenant.to_owned()).or_default())
    }
}

#[async_trait]
impl OtherUsage for Writing {
    async fn insert(&self, inner: &dyn UsageStore, row: &UsageRow) -> Result<(), StoreError> {
        let turn = self.turn(&row.tenant_id.to_string());
        let _held = turn.lock().await;
        inner.insert(row).await
    }
}

#[async_trait]
impl OtherCalls for Writing {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let metadata: Value = serde_json::from_str(&call.metadata_json).unwrap_or_default();
        let turn = self.turn(metadata["tenant_id"].as_str().unwrap_or_default());
        drop(turn.lock().await);
        inner.call(call).await
    }
}

fn counts(frames: &[Value]) -> impl Iterator<Item = Tokens> {
    frames.iter().filter_map(tokens)
}

/// As the contract has it.
fn contract(seen: &Seen) -> Option<Tokens> {
    stream_or_contract(seen, |frames| {
        counts(frames).filter(|tokens| *tokens != (0, 0)).last()
    })
}

/// What `stream` finds in the frames of a stream; of a body what the contract has.
fn stream_or_contract(seen: &Seen, stream: impl Fn(&[Value]) -> Option<Tokens>) -> Option<Tokens> {
    if seen.status != 200 || seen.end != End::Whole || seen.failed() {
        return None;
    }
    if seen.streamed {
        stream(&seen.bodies)
    } else {
        seen.tokens()
    }
}
