//! Turns a reply into status, headers and chunks for the call it answers. It never touches a socket.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    bodies,
    reply::{Framing, Reply, ReplyBody, Spelling, Split, StreamDialect, TokenCounts},
    request::{BodyDialect, Call},
};

/// A reply ready for the wire.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rendered {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) chunks: Vec<Bytes>,
    pub(super) is_stream: bool,
}

impl Rendered {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            chunks: vec![Bytes::from(body.to_string())],
            is_stream: false,
        }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// The reply as this call gets it.
pub(super) fn render(reply: &Reply, call: &Call) -> Rendered {
    let mut rendered = match &reply.body {
        ReplyBody::Answer { text, usage } => answer(text, *usage, reply.status, call),
        ReplyBody::Json(body) => Rendered::json(reply.status, &with_model(body, &call.model)),
        ReplyBody::Stream {
            dialect,
            pieces,
            usage,
        } => {
            let usage = wants_usage(call, *dialect).then_some(*usage);
            stream(*dialect, pieces, usage, reply.status, &call.model)
        }
        ReplyBody::Events(frames) => events(frames, reply.status),
        ReplyBody::Raw {
            bytes,
            content_type,
        } => Rendered {
            status: reply.status,
            headers: vec![("content-type".to_owned(), (*content_type).to_owned())],
            chunks: vec![bytes.clone()],
            is_stream: false,
        },
        ReplyBody::Huge(bytes) => {
            let body = bodies::chat(&"x".repeat(*bytes), "stop", 7, 3);
            Rendered::json(reply.status, &with_model(&body, &call.model))
        }
    };
    if rendered.is_stream {
        rendered.chunks = framed(rendered.chunks, reply.framing);
    }
    rendered.headers.extend(reply.headers.iter().cloned());
    rendered
}

/// The events as this reply writes them. Data is JSON on one line: a line feed in it is a line's end.
fn framed(mut chunks: Vec<Bytes>, framing: Framing) -> Vec<Bytes> {
    if !framing.done {
        chunks.pop();
    }
    for (number, chunk) in chunks.iter_mut().enumerate() {
        *chunk = spelled(chunk, number, framing.spelling);
    }
    if framing.line_end != "\n" {
        for chunk in &mut chunks {
            let text = String::from_utf8_lossy(chunk).replace('\n', framing.line_end);
            *chunk = Bytes::from(text);
        }
    }
    let Some(split) = framing.split else {
        return chunks;
    };
    let mut first = Bytes::from(chunks.concat());
    let split_at = match split {
        Split::At(bytes) => bytes.min(first.len()),
        Split::InsideACharacter => {
            let several = first.iter().position(|byte| !byte.is_ascii());
            several.map_or(first.len(), |first| first + 1)
        }
    };
    let second = first.split_off(split_at);
    vec![first, second]
}

/// An event in another spelling.
fn spelled(event: &Bytes, number: usize, spelling: Spelling) -> Bytes {
    let text = || String::from_utf8_lossy(event);
    match spelling {
        Spelling::Usual => event.clone(),
        Spelling::WithoutSpace => Bytes::from(text().replacen("data: ", "data:", 1)),
        Spelling::WithOtherFields => Bytes::from(format!(
            ": keep-alive\n\nevent: message\nid: {number}\nretry: 1000\n{}",
            text()
        )),
    }
}

fn answer(text: &str, usage: Option<TokenCounts>, status: u16, call: &Call) -> Rendered {
    if call.stream {
        let dialect = match call.dialect {
            BodyDialect::Native => StreamDialect::Native,
            BodyDialect::OpenAi => StreamDialect::OpenAi,
        };
        let words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
        let usage = usage.filter(|_| wants_usage(call, dialect));
        return stream(dialect, &words, usage, status, &call.model);
    }
    let TokenCounts {
        tokens_in,
        tokens_out,
    } = usage.unwrap_or(TokenCounts {
        tokens_in: 0,
        tokens_out: 0,
    });
    let mut body = match call.dialect {
        BodyDialect::Native => bodies::native(text, tokens_in, tokens_out),
        BodyDialect::OpenAi => bodies::chat(text, "stop", tokens_in, tokens_out),
    };
    if usage.is_none() {
        for place in ["", "/result"] {
            let holder = body.pointer_mut(place).and_then(Value::as_object_mut);
            if let Some(holder) = holder {
                holder.remove("usage");
            }
        }
    }
    Rendered::json(status, &with_model(&body, &call.model))
}

/// Whoever asks for no usage in an `OpenAI` stream gets none.
fn wants_usage(call: &Call, dialect: StreamDialect) -> bool {
    match dialect {
        StreamDialect::OpenAi | StreamDialect::OpenAiBinding => {
            call.body["stream_options"]["include_usage"] != Value::Bool(false)
        }
        StreamDialect::Native => true,
    }
}

fn with_model(body: &Value, model: &str) -> Value {
    let mut body = body.clone();
    if body["model"] == "" {
        body["model"] = model.into();
    }
    body
}

fn stream(
    dialect: StreamDialect,
    pieces: &[String],
    usage: Option<TokenCounts>,
    status: u16,
    model: &str,
) -> Rendered {
    let mut frames: Vec<Value> = match dialect {
        StreamDialect::OpenAi => openai_deltas(pieces, model),
        StreamDialect::OpenAiBinding => openai_deltas(pieces, model)
            .into_iter()
            .map(with_padding)
            .collect(),
        StreamDialect::Native => pieces
            .iter()
            .map(|piece| with_padding(json!({"response": piece})))
            .collect(),
    };
    if let Some(usage) = usage {
        frames.extend(usage_frames(dialect, usage, model));
    }
    events(&frames, status)
}

/// The frames that say how many tokens it took.
fn usage_frames(dialect: StreamDialect, usage: TokenCounts, model: &str) -> Vec<Value> {
    let openai = |tokens_in, tokens_out| {
        let mut chunk = openai_chunk(model, json!([]));
        chunk["usage"] = bodies::usage(tokens_in, tokens_out);
        chunk
    };
    let native = || bodies::native_result("", usage.tokens_in, usage.tokens_out);
    match dialect {
        StreamDialect::OpenAi => vec![openai(usage.tokens_in, usage.tokens_out)],
        StreamDialect::OpenAiBinding => vec![openai(0, 0), native()],
        StreamDialect::Native => vec![native()],
    }
}

fn events(frames: &[Value], status: u16) -> Rendered {
    let mut chunks: Vec<Bytes> = frames
        .iter()
        .map(|frame| Bytes::from(format!("data: {frame}\n\n")))
        .collect();
    chunks.push(Bytes::from_static(b"data: [DONE]\n\n"));
    Rendered {
        status,
        headers: vec![
            ("content-type".to_owned(), "text/event-stream".to_owned()),
            ("cache-control".to_owned(), "no-cache".to_owned()),
        ],
        chunks,
        is_stream: true,
    }
}

/// One chunk per piece, the first with the role, then the one with the finish reason.
fn openai_deltas(pieces: &[String], model: &str) -> Vec<Value> {
    let mut chunks: Vec<Value> = pieces
        .iter()
        .map(|piece| {
            let delta = json!([{"index": 0, "delta": {"content": piece}, "finish_reason": null}]);
            openai_chunk(model, delta)
        })
        .collect();
    if let Some(first) = chunks.first_mut() {
        first["choices"][0]["delta"]["role"] = "assistant".into();
    }
    let finish = json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]);
    chunks.push(openai_chunk(model, finish));
    chunks
}

fn openai_chunk(model: &str, choices: Value) -> Value {
    let mut chunk = json!({
        "id": "chatcmpl-double",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": model,
    });
    chunk["choices"] = choices;
    chunk
}

/// The padding against traffic analysis that Workers AI adds; its length varies with the frame.
fn with_padding(mut frame: Value) -> Value {
    let length = frame.to_string().len() % 17 + 1;
    frame["p"] = "abcdefghijklmnopq"[..length].into();
    frame
}
