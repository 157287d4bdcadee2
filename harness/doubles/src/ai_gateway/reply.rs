//! Scripted replies of the gateway: what is answered, how long the provider took, how the bytes leave.
//!
//! A reply never knows the request it will answer; rendering does.

mod modifiers;

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::bodies;

/// Status of the gateway's own timeout answer. Neither status nor body is published; 524 is what the contract names.
const TIMEOUT_STATUS: u16 = 524;

/// One scripted answer of the gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: ReplyBody,
    pub(super) took: Duration,
    pub(super) timeout_status: u16,
    pub(super) cache_hit: bool,
    pub(super) framing: Framing,
    pub(super) delivery: Delivery,
}

/// The body of a reply before it knows its request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ReplyBody {
    /// In the dialect of the endpoint asked, streamed when a stream was asked for.
    Answer {
        text: String,
        usage: Option<TokenCounts>,
    },
    /// JSON as it stands; an empty `model` takes the model asked for.
    Json(Value),
    /// Server-sent events.
    Stream {
        dialect: StreamDialect,
        pieces: Vec<String>,
        usage: TokenCounts,
    },
    /// Server-sent events of these frames and `[DONE]`.
    Events(Vec<Value>),
    /// Bytes of any kind.
    Raw {
        bytes: Bytes,
        content_type: &'static str,
    },
    /// A valid chat completion padded to about this many bytes.
    Huge(usize),
}

/// Tokens of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TokenCounts {
    pub(super) tokens_in: u64,
    pub(super) tokens_out: u64,
}

/// How the events of a stream are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framing {
    /// What ends a line.
    pub(super) line_end: &'static str,
    /// Whether `[DONE]` comes last.
    pub(super) done: bool,
    /// How an event is spelled.
    pub(super) spelling: Spelling,
    /// Where the whole stream is split into two chunks.
    pub(super) split: Option<Split>,
}

/// How an event is spelled: WHATWG's syntax leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `data: {…}`.
    Usual,
    /// `data:{…}`.
    WithoutSpace,
    /// A comment before each event, and the fields `event`, `id` and `retry` beside its data.
    WithOtherFields,
}

/// Where a stream is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    /// After so many bytes.
    At(usize),
    /// After the first byte of the first character that has several.
    InsideACharacter,
}

impl Framing {
    /// As the gateway does it.
    pub(super) const USUAL: Self = Self {
        line_end: "\n",
        done: true,
        spelling: Spelling::Usual,
        split: None,
    };
}

/// How the bytes leave the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) delay: Duration,
    pub(super) pace: Duration,
    pub(super) fault: Fault,
}

impl Delivery {
    /// At once and whole.
    pub(super) const PLAIN: Self = Self {
        delay: Duration::ZERO,
        pace: Duration::ZERO,
        fault: Fault::None,
    };
}

/// What goes wrong on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// No byte until released.
    Hang,
    /// Head and n chunks, the rest when released.
    HoldAfter(usize),
    /// Head and n chunks, then silence.
    StallAfter(usize),
    /// Head and n chunks, then the connection closes.
    CutAfter(usize),
    /// Head, n chunks and half of the next, then the connection closes.
    CutInside(usize),
    /// The connection is reset before the head.
    Reset,
    /// Bytes that are no HTTP, then the connection closes.
    Garbled,
}

/// Dialects of a streamed reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamDialect {
    /// `OpenAI` chunks; usage in one chunk with empty `choices`.
    OpenAi,
    /// `OpenAI` chunks as the binding sends them: a chunk with usage 0/0, then a native frame without `choices`.
    OpenAiBinding,
    /// Native Workers AI frames; usage in the last.
    Native,
}

/// How a 200 carries an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorDialect {
    /// `"error": {"message", "type", "code"}`, as `OpenAI` does.
    ErrorObject,
    /// `"error": [{"code", "message"}]`, as AI Gateway does.
    ErrorArray,
    /// `"errors": [{"code", "message"}]`, as Workers AI does.
    Errors,
}

impl Default for Reply {
    fn default() -> Self {
        Self::answer("Hello.", 7, 3)
    }
}

/// Constructors.
impl Reply {
    fn of(status: u16, body: ReplyBody) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
            took: Duration::ZERO,
            timeout_status: TIMEOUT_STATUS,
            cache_hit: false,
            framing: Framing::USUAL,
            delivery: Delivery::PLAIN,
        }
    }

    fn json(status: u16, body: Value) -> Self {
        Self::of(status, ReplyBody::Json(body))
    }

    /// A success in the dialect of the endpoint asked: native or `OpenAI`, streamed (word by word) when asked so.
    #[must_use]
    pub fn answer(text: &str, tokens_in: u64, tokens_out: u64) -> Self {
        Self::of(
            200,
            ReplyBody::Answer {
                text: text.to_owned(),
                usage: Some(TokenCounts {
                    tokens_in,
                    tokens_out,
                }),
            },
        )
    }

    /// As [`Self::answer`], without token counts.
    #[must_use]
    pub fn answer_without_usage(text: &str) -> Self {
        let (text, usage) = (text.to_owned(), None);
        Self::of(200, ReplyBody::Answer { text, usage })
    }

    /// An `OpenAI` chat completion.
    #[must_use]
    pub fn chat(text: &str, tokens_in: u64, tokens_out: u64) -> Self {
        Self::json(200, bodies::chat(text, "stop", tokens_in, tokens_out))
    }

    /// A native Workers AI body: `result` in its envelope.
    #[must_use]
    pub fn native(text: &str, tokens_in: u64, tokens_out: u64) -> Self {
        Self::json(200, bodies::native(text, tokens_in, tokens_out))
    }

    /// A native body without envelope: `usage` at the root, as the binding gives it.
    #[must_use]
    pub fn root_usage(text: &str, tokens_in: u64, tokens_out: u64) -> Self {
        Self::json(200, bodies::native_result(text, tokens_in, tokens_out))
    }

    /// A chat completion without `usage`.
    #[must_use]
    pub fn without_usage() -> Self {
        Self::json(200, bodies::chat_without_usage())
    }

    /// A chat completion with `"usage": null`.
    #[must_use]
    pub fn usage_null() -> Self {
        Self::json(200, bodies::chat_with_usage(Value::Null))
    }

    /// A chat completion ended by the content filter; its tokens are reported, so it counts.
    #[must_use]
    pub fn content_filtered(tokens_in: u64, tokens_out: u64) -> Self {
        Self::json(
            200,
            bodies::chat("", "content_filter", tokens_in, tokens_out),
        )
    }

    /// 200 with `"success": false`, tokens included: only the flag says that it failed.
    #[must_use]
    pub fn success_false() -> Self {
        Self::json(200, bodies::success_false())
    }

    /// 200 with an error, tokens included: only the error says that it failed.
    #[must_use]
    pub fn error_payload(dialect: ErrorDialect) -> Self {
        Self::json(200, bodies::error_payload(dialect))
    }

    /// The gateway's own error, all keys.
    #[must_use]
    pub fn gateway_error(code: u32, http: u16, message: &str) -> Self {
        Self::json(http, bodies::gateway_error(code, http, message))
    }

    /// The gateway's own error as captured in 2025: without `name`, `httpCode`, `internalCode`, `message`, `description`.
    #[must_use]
    pub fn gateway_error_short(code: u32, http: u16, message: &str) -> Self {
        Self::json(http, bodies::gateway_error_short(code, message))
    }

    /// An error of Workers AI, passed through in its own shape.
    #[must_use]
    pub fn provider_error(http: u16, code: u32, message: &str) -> Self {
        Self::json(http, bodies::provider_error(code, message))
    }

    /// A bare status: a plain answer for 2xx, otherwise an error of the provider that fits it.
    #[must_use]
    pub fn status(status: u16) -> Self {
        if (200..300).contains(&status) {
            return Self {
                status,
                ..Self::default()
            };
        }
        let (code, message) = bodies::provider_error_for(status);
        Self::provider_error(status, code, message)
    }

    /// 302 to another address.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::json(302, Value::Null).header("location", location)
    }

    /// Server-sent events, one chunk per piece, then the closing frames of the dialect, each a chunk:
    /// `OpenAi` finish, usage, `[DONE]`; `OpenAiBinding` finish, usage 0/0, native usage, `[DONE]`; `Native` usage, `[DONE]`.
    #[must_use]
    pub fn stream(
        dialect: StreamDialect,
        pieces: &[&str],
        tokens_in: u64,
        tokens_out: u64,
    ) -> Self {
        Self::of(
            200,
            ReplyBody::Stream {
                dialect,
                pieces: pieces.iter().map(|piece| (*piece).to_owned()).collect(),
                usage: TokenCounts {
                    tokens_in,
                    tokens_out,
                },
            },
        )
    }

    /// Server-sent events of just these frames, each a chunk, then `[DONE]`.
    #[must_use]
    pub fn events(frames: impl IntoIterator<Item = Value>) -> Self {
        Self::of(200, ReplyBody::Events(frames.into_iter().collect()))
    }

    /// Any JSON body; an empty `model` takes the model asked for.
    #[must_use]
    pub fn body(status: u16, body: Value) -> Self {
        Self::json(status, body)
    }

    /// 200, said to be JSON, that is none.
    #[must_use]
    pub fn garbage() -> Self {
        Self::of(
            200,
            ReplyBody::Raw {
                bytes: Bytes::from_static(b"{\"choices\":[{\"message\":\xff\xfe <html>"),
                content_type: "application/json",
            },
        )
    }

    /// A valid chat completion of about this many bytes.
    #[must_use]
    pub fn huge(bytes: usize) -> Self {
        Self::of(200, ReplyBody::Huge(bytes))
    }
}
