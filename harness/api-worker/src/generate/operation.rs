//! What users, operators, the clock and the world do in a drawn sequence. Never does it.

use proptest::prelude::*;
use proptest::sample::select;

/// Users of a sequence.
pub(super) const USERS: [&str; 2] = ["ada", "bob"];
/// Models of a sequence.
pub(super) const MODELS: [&str; 2] = ["small", "large"];

/// What a key may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permissions {
    All,
    ChatOnly,
    ReadOnly,
}

/// How the model answers a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upstream {
    /// With these tokens.
    Answers(u64, u64),
    /// Without a word about tokens.
    TellsNoTokens,
    /// With an error that nobody repeats.
    Refuses,
    /// With something that is no answer; of a stream: it breaks off.
    Breaks,
}

/// One operation. Keys are counted from the first one made, and wrap around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// A key for a user, with a quota, that ends after so many minutes.
    MakeKey {
        user: usize,
        permissions: Permissions,
        quota: Option<u64>,
        minutes: Option<i64>,
    },
    Rotate(usize),
    Revoke(usize),
    Chat {
        key: usize,
        model: usize,
        is_stream: bool,
        is_of_conversation: bool,
        upstream: Upstream,
    },
    /// So many chats at once, each answered.
    ChatsAtOnce {
        key: usize,
        count: usize,
    },
    /// The user's own usage is read.
    Read(usize),
    Price {
        model: usize,
        input: u64,
        output: u64,
    },
    /// The user's limit in one kind of window; none: what holds where none is set.
    Limit {
        user: usize,
        kind: usize,
        limit: i64,
    },
    /// The clock goes on by so many milliseconds.
    Later(i64),
    /// The clock goes back, but not before the day of the last sum.
    Back(i64),
    Keep {
        days: i64,
    },
    Sum,
    Retain {
        batch: usize,
    },
}

const WINDOWS: [&str; 3] = ["minute", "hour", "day"];

impl Permissions {
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::All => &["chat", "read", "write"],
            Self::ChatOnly => &["chat"],
            Self::ReadOnly => &["read"],
        }
    }

    pub(super) fn may_chat(self) -> bool {
        self.names().contains(&"chat")
    }

    pub(super) fn may_read(self) -> bool {
        self.names().contains(&"read")
    }
}

impl Upstream {
    fn words(self) -> String {
        match self {
            Self::Answers(tokens_in, tokens_out) => {
                format!("is answered with {tokens_in} and {tokens_out} tokens")
            }
            Self::TellsNoTokens => "is answered without token counts".to_owned(),
            Self::Refuses => "is refused by the upstream".to_owned(),
            Self::Breaks => "gets an answer that breaks off".to_owned(),
        }
    }
}

impl Operation {
    /// For people.
    pub(super) fn words(&self) -> String {
        match *self {
            Self::MakeKey {
                user,
                permissions,
                quota,
                minutes,
            } => {
                let quota = quota.map_or(String::new(), |quota| format!(", for {quota} chats"));
                let minutes =
                    minutes.map_or(String::new(), |minutes| format!(", for {minutes} minutes"));
                format!(
                    "the operator makes a key of {} to {}{quota}{minutes}",
                    USERS[user],
                    permissions.names().join(", ")
                )
            }
            Self::Rotate(key) => format!("the operator rotates key {key}"),
            Self::Revoke(key) => format!("the operator revokes key {key}"),
            Self::Chat {
                key,
                model,
                is_stream,
                is_of_conversation,
                upstream,
            } => format!(
                "key {key} {} with the {} model{}, which {}",
                if is_stream { "streams" } else { "chats" },
                MODELS[model],
                if is_of_conversation {
                    " in its conversation"
                } else {
                    ""
                },
                upstream.words()
            ),
            Self::ChatsAtOnce { key, count } => format!("key {key} chats {count} times at once"),
            Self::Read(key) => format!("key {key} reads its user's usage"),
            Self::Price {
                model,
                input,
                output,
            } => format!(
                "the operator sets the {} model's price to {input} and {output}",
                MODELS[model]
            ),
            Self::Limit { user, kind, limit } => format!(
                "the operator limits {} to {limit} requests a {}",
                USERS[user], WINDOWS[kind]
            ),
            Self::Later(ms) => format!("{ms} ms pass"),
            Self::Back(ms) => format!("the clock goes back by {ms} ms"),
            Self::Keep { days } => format!("the operator lets usage be kept for {days} days"),
            Self::Sum => "the job of statistics runs".to_owned(),
            Self::Retain { batch } => {
                format!("the job of retention runs, in batches of {batch}")
            }
        }
    }
}

/// Keys that operations name.
const KEYS: usize = 5;

fn upstreams() -> impl Strategy<Value = Upstream> {
    prop_oneof![
        6 => (0..2_000_u64, 0..2_000_u64).prop_map(|(tokens_in, tokens_out)| Upstream::Answers(tokens_in, tokens_out)),
        1 => Just(Upstream::TellsNoTokens),
        1 => Just(Upstream::Refuses),
        1 => Just(Upstream::Breaks),
    ]
}

fn chats() -> impl Strategy<Value = Operation> {
    let how = (any::<bool>(), prop::bool::weighted(0.3));
    (0..KEYS, 0..MODELS.len(), how, upstreams()).prop_map(|(key, model, how, upstream)| {
        Operation::Chat {
            key,
            model,
            is_stream: how.0,
            is_of_conversation: how.1,
            upstream,
        }
    })
}

fn made_keys() -> impl Strategy<Value = Operation> {
    let permissions = prop_oneof![
        4 => Just(Permissions::All),
        1 => Just(Permissions::ChatOnly),
        1 => Just(Permissions::ReadOnly),
    ];
    let quota = prop::option::weighted(0.4, 0..4_u64);
    let minutes = prop::option::weighted(0.4, select(&[1_i64, 30, 600][..]));
    (0..USERS.len(), permissions, quota, minutes).prop_map(|(user, permissions, quota, minutes)| {
        Operation::MakeKey {
            user,
            permissions,
            quota,
            minutes,
        }
    })
}

fn one() -> impl Strategy<Value = Operation> {
    let key = || 0..KEYS;
    let price = || {
        select(
            &[
                0_u64,
                1,
                499_999,
                500_000,
                150_000,
                3_000_000,
                999_999_999_999,
            ][..],
        )
    };
    let later = select(
        &[
            1_i64, 999, 29_000, 60_000, 1_799_999, 3_600_000, 21_600_000, 86_399_999, 86_400_000,
        ][..],
    );
    let back = select(&[1_i64, 1_000, 60_000, 3_600_000][..]);
    prop_oneof![
        20 => chats(),
        2 => (key(), 2..6_usize).prop_map(|(key, count)| Operation::ChatsAtOnce { key, count }),
        4 => key().prop_map(Operation::Read),
        4 => made_keys(),
        1 => key().prop_map(Operation::Rotate),
        2 => key().prop_map(Operation::Revoke),
        4 => (0..MODELS.len(), price(), price()).prop_map(|(model, input, output)| Operation::Price { model, input, output }),
        3 => (0..USERS.len(), 0..3_usize, 0..9_i64).prop_map(|(user, kind, limit)| Operation::Limit { user, kind, limit }),
        5 => later.prop_map(Operation::Later),
        2 => back.prop_map(Operation::Back),
        1 => (1..4_i64).prop_map(|days| Operation::Keep { days }),
        2 => Just(Operation::Sum),
        2 => (1..5_usize).prop_map(|batch| Operation::Retain { batch }),
    ]
}

/// Sequences of so many operations, which begin with a key of each user.
pub(super) fn sequences(
    operations: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<Operation>> {
    let of = |user| Operation::MakeKey {
        user,
        permissions: Permissions::All,
        quota: None,
        minutes: None,
    };
    prop::collection::vec(one(), operations)
        .prop_map(move |rest| [of(0), of(1)].into_iter().chain(rest).collect())
}
