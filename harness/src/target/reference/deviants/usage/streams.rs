//! Backends that find another usage in a stream, or none. Never breaks more than one thing at a time.

use super::billing::{End, Seen, Tokens, bills_first, bills_itself, bills_part_by_part, tokens};
use super::{Draft, deviant};
use serde_json::Value;

pub(super) fn all() -> Vec<Draft> {
    let mut all = read_otherwise();
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
