//! Plays a sequence on the model alone, to see what would happen in it. Never asks a target.

use super::model::{Answer, Key, Model};
use super::operation::{Operation, Upstream};
use crate::oracle::cost::Price;
use crate::oracle::dates::{DAY, HOUR, MINUTE};
use std::collections::BTreeMap;

/// What happens, by a word for each, and how often.
pub(super) type Happened = BTreeMap<&'static str, usize>;

pub(super) fn rehearsed(operations: &[Operation]) -> Happened {
    let mut model = Model::at(10 * DAY + 10 * HOUR);
    let mut happened = Happened::new();
    for operation in operations {
        perform(&mut model, operation, &mut |what| {
            *happened.entry(what).or_default() += 1;
        });
    }
    happened.insert("rows left", model.rows.len());
    happened.insert("days summed", model.sums.len());
    let priced = model
        .rows
        .iter()
        .filter(|row| row.cost.is_some_and(|cost| cost > 0));
    happened.insert("costs left", priced.count());
    happened
}

fn perform(model: &mut Model, operation: &Operation, count: &mut impl FnMut(&'static str)) {
    let of = |key: usize| key % model.keys.len().max(1);
    match *operation {
        Operation::MakeKey {
            user,
            permissions,
            quota,
            minutes,
        } => model.made(Key {
            user,
            permissions,
            quota,
            used: 0,
            expires_at: minutes.map(|minutes| model.now + minutes * MINUTE),
            is_revoked: false,
        }),
        Operation::Rotate(key) => {
            let key = of(key);
            count(if model.rotate(key) {
                "rotated"
            } else {
                "not rotated"
            });
        }
        Operation::Revoke(key) => model.revoke(of(key)),
        Operation::Chat {
            key,
            model: name,
            is_stream,
            is_of_conversation,
            upstream,
        } => {
            let key = of(key);
            let answer = model.request(key, true);
            count(told(answer));
            if answer == Answer::Served {
                count(match (upstream, is_stream) {
                    (Upstream::Answers(..), true) => "streams",
                    (Upstream::Answers(..), false) => "chats",
                    (Upstream::TellsNoTokens, _) => "chats without tokens",
                    (Upstream::Refuses | Upstream::Breaks, _) => "failures",
                });
                if let Upstream::Answers(tokens_in, tokens_out) = upstream {
                    model.chatted(
                        (key, name),
                        is_of_conversation,
                        Some((tokens_in, tokens_out)),
                    );
                }
            }
        }
        Operation::ChatsAtOnce { key, count: chats } => {
            let key = of(key);
            for _ in 0..chats {
                let answer = model.request(key, true);
                count(told(answer));
            }
        }
        Operation::Read(key) => {
            let answer = model.request(of(key), false);
            count(if answer == Answer::Served {
                "read"
            } else {
                told(answer)
            });
        }
        Operation::Price {
            model: name,
            input,
            output,
        } => {
            let is_taken = model.price(name, Price { input, output });
            count(if is_taken { "priced" } else { "not priced" });
        }
        Operation::Limit { user, kind, limit } => model.limit(user, kind, limit),
        Operation::Later(ms) => model.now += ms,
        Operation::Back(ms) => {
            let before = model.now;
            model.back(ms);
            if model.now < before {
                count("back");
            }
        }
        Operation::Keep { days } => model.days_kept = days,
        Operation::Sum => model.sum(),
        Operation::Retain { .. } => {
            for _row in 0..model.retain() {
                count("removed");
            }
        }
    }
}

fn told(answer: Answer) -> &'static str {
    match answer {
        Answer::Unauthenticated => "unauthenticated",
        Answer::Limited(_) => "limited",
        Answer::Forbidden => "forbidden",
        Answer::QuotaExceeded => "quota exceeded",
        Answer::Served => "served",
    }
}
