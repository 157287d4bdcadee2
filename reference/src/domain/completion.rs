//! Answers of Workers AI in the shape that callers of the `OpenAI` interface expect. Never touches a body that has it already.

use super::sse::{Piece, frame_data};
use super::usage::{TokenUsage, says_failure};
use serde_json::{Value, json};
use std::borrow::Cow;

/// What marks every completion made from a native answer.
#[derive(Debug, Clone)]
pub struct CompletionHead {
    /// `id` of the completion.
    pub id: String,
    /// Epoch seconds.
    pub created: i64,
    /// The model that answered.
    pub model: Cow<'static, str>,
}

/// The `OpenAI` form of a native answer (`{"result":{"response",…}}`, or the bare result); `None` if it is none.
#[must_use]
pub fn from_native(answer: &Value, head: &CompletionHead) -> Option<Value> {
    if answer.get("choices").is_some() {
        return None;
    }
    let result = match answer.get("result") {
        Some(result) if result.is_object() => result,
        _ => answer,
    };
    if result.get("choices").is_some() {
        return Some(result.clone());
    }
    let response = result.get("response")?;
    let content = match response {
        Value::String(_) | Value::Null => response.clone(),
        // JSON mode answers with the value itself; OpenAI callers expect its text.
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Value::from(response.to_string())
        }
    };
    let mut message = json!({"role": "assistant", "content": content});
    let tool_calls = result
        .get("tool_calls")
        .filter(|calls| calls.as_array().is_some_and(|calls| !calls.is_empty()));
    if let Some(calls) = tool_calls {
        message["tool_calls"] = calls.clone();
    }
    let finish_reason = if tool_calls.is_some() {
        "tool_calls"
    } else {
        "stop"
    };
    let mut completion = json!({
        "id": head.id, "object": "chat.completion", "created": head.created, "model": head.model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
    });
    if let Some(usage) = result
        .get("usage")
        .or_else(|| answer.get("usage"))
        .filter(|usage| !usage.is_null())
    {
        completion["usage"] = usage.clone();
    }
    Some(completion)
}

/// Brings a stream into the `OpenAI` form, frame by frame, and remembers what it said.
#[derive(Debug)]
pub struct StreamReader {
    head: CompletionHead,
    usage: Option<TokenUsage>,
    failed: bool,
    native_open: bool,
}

impl StreamReader {
    /// For the answer of one call.
    #[must_use]
    pub fn new(head: CompletionHead) -> Self {
        Self {
            head,
            usage: None,
            failed: false,
            native_open: false,
        }
    }

    /// The last usage that counts anything, unless the stream reported a failure (USG-006).
    #[must_use]
    pub fn usage(&self) -> Option<TokenUsage> {
        self.usage.filter(|_| !self.failed)
    }

    /// Whether the stream said that it failed; nothing after that is worth passing on.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// What the caller gets for a piece.
    pub fn read(&mut self, piece: Piece) -> Vec<u8> {
        let frame = match piece {
            Piece::Unread(bytes) => return bytes,
            Piece::Frame(frame) => frame,
        };
        let Some(data) = frame_data(&frame) else {
            return frame;
        };
        if data.trim_ascii() == b"[DONE]" {
            let mut last = self.close_native();
            last.extend_from_slice(&frame);
            return last;
        }
        let Ok(value) = serde_json::from_slice::<Value>(&data) else {
            return frame;
        };
        if says_failure(&value) {
            self.failed = true;
            return event(
                &json!({"error": {"code": "AI_UPSTREAM_FAILED", "message": "The model's answer broke off."}}),
            );
        }
        if let Some(usage) = TokenUsage::from_answer(&value).filter(|usage| !usage.is_zero()) {
            self.usage = Some(usage);
        }
        if value.get("choices").is_some() {
            frame
        } else {
            self.translate(&value).unwrap_or(frame)
        }
    }

    /// A native frame as `OpenAI` chunks: text as a delta, usage as a chunk without choices.
    fn translate(&mut self, frame: &Value) -> Option<Vec<u8>> {
        let result = frame
            .get("result")
            .filter(|result| result.is_object())
            .unwrap_or(frame);
        let text = result
            .get("response")
            .map(|response| response.as_str().unwrap_or_default());
        let usage = result.get("usage").filter(|usage| !usage.is_null());
        if text.is_none() && usage.is_none() {
            return None;
        }
        let mut events = Vec::new();
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            let delta = if self.native_open {
                json!({"content": text})
            } else {
                json!({"role": "assistant", "content": text})
            };
            self.native_open = true;
            events.extend(self.chunk(
                &json!([{"index": 0, "delta": delta, "finish_reason": null}]),
                None,
            ));
        }
        if let Some(usage) = usage {
            events.extend(self.close_native());
            events.extend(self.chunk(&json!([]), Some(usage)));
        }
        Some(events)
    }

    /// Native streams have no finishing frame of their own.
    fn close_native(&mut self) -> Vec<u8> {
        if !std::mem::take(&mut self.native_open) {
            return Vec::new();
        }
        self.chunk(
            &json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]),
            None,
        )
    }

    fn chunk(&self, choices: &Value, usage: Option<&Value>) -> Vec<u8> {
        let mut chunk = json!({
            "id": self.head.id, "object": "chat.completion.chunk", "created": self.head.created,
            "model": self.head.model, "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage.clone();
        }
        event(&chunk)
    }
}

fn event(data: &Value) -> Vec<u8> {
    format!("data: {data}\n\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::sse::Splitter;
    use super::*;
    use proptest::prelude::*;

    fn head() -> CompletionHead {
        CompletionHead {
            id: "chatcmpl-1".to_owned(),
            created: 1,
            model: "@cf/m".into(),
        }
    }

    fn read(chunks: &[&[u8]]) -> (String, StreamReader) {
        let mut splitter = Splitter::default();
        let mut reader = StreamReader::new(head());
        let mut pieces: Vec<Piece> = chunks
            .iter()
            .flat_map(|chunk| splitter.push(chunk))
            .collect();
        pieces.extend(splitter.finish());
        let out: Vec<u8> = pieces
            .into_iter()
            .flat_map(|piece| reader.read(piece))
            .collect();
        (String::from_utf8_lossy(&out).into_owned(), reader)
    }

    #[test]
    fn a_native_body_becomes_a_chat_completion() {
        let native = json!({"result": {"response": "hi", "usage": {"prompt_tokens": 1}}, "success": true, "errors": []});
        let completion = from_native(&native, &head()).unwrap();
        assert_eq!(completion["object"], "chat.completion");
        assert_eq!(
            completion["choices"][0]["message"],
            json!({"role": "assistant", "content": "hi"})
        );
        assert_eq!(completion["usage"], json!({"prompt_tokens": 1}));
        assert_eq!(from_native(&json!({"choices": []}), &head()), None);
        assert_eq!(from_native(&json!({"other": 1}), &head()), None);
    }

    #[test]
    fn a_native_stream_becomes_chunks_with_a_finish_and_the_usage() {
        let stream = b"data: {\"response\":\"Hel\",\"p\":\"x\"}\n\ndata: {\"response\":\"lo\"}\n\ndata: {\"response\":\"\",\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n";
        let (out, reader) = read(&[stream]);
        assert_eq!(
            reader.usage(),
            Some(TokenUsage {
                tokens_in: 2,
                tokens_out: 3
            })
        );
        let chunks: Vec<Value> = out
            .split("\n\n")
            .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok())
            .collect();
        assert_eq!(chunks.len(), 4, "{out}");
        assert_eq!(
            chunks[0]["choices"][0]["delta"],
            json!({"role": "assistant", "content": "Hel"})
        );
        assert_eq!(chunks[1]["choices"][0]["delta"], json!({"content": "lo"}));
        assert_eq!(chunks[2]["choices"][0]["finish_reason"], "stop");
        assert_eq!(chunks[3]["choices"], json!([]));
        assert!(out.ends_with("data: [DONE]\n\n"));
    }

    #[test]
    fn the_last_usage_that_counts_anything_wins() {
        let stream = b"data: {\"choices\":[{}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}\n\ndata: {\"response\":\"\",\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9}}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}\n\n";
        assert_eq!(
            read(&[stream]).1.usage(),
            Some(TokenUsage {
                tokens_in: 7,
                tokens_out: 9
            })
        );
    }

    #[test]
    fn a_failure_frame_is_replaced_and_counts_nothing() {
        let stream = b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\ndata: {\"error\":{\"message\":\"secret\"}}\n\n";
        let (out, reader) = read(&[stream]);
        assert!(reader.failed() && reader.usage().is_none());
        assert!(!out.contains("secret") && out.contains("AI_UPSTREAM_FAILED"));
    }

    proptest! {
        #[test]
        fn usage_is_the_same_under_any_chunking(
            frames in proptest::collection::vec(
                prop_oneof![
                    (0_u32..9, 0_u32..9).prop_map(|(a, b)| format!("{{\"choices\":[],\"usage\":{{\"prompt_tokens\":{a},\"completion_tokens\":{b}}}}}")),
                    (0_u32..9).prop_map(|a| format!("{{\"response\":\"é\",\"usage\":{{\"prompt_tokens\":{a}}}}}")),
                    Just("{\"choices\":[{\"delta\":{\"content\":\"x\"}}]}".to_owned()),
                    Just("[DONE]".to_owned()),
                    Just("{broken".to_owned()),
                ], 0..10),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let stream: Vec<u8> = frames.iter().flat_map(|frame| format!("data: {frame}\n\n").into_bytes()).collect();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            at.extend([0, stream.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            let (whole_out, whole) = read(&[&stream]);
            let (cut_out, cut) = read(&chunks);
            prop_assert_eq!(cut.usage(), whole.usage());
            prop_assert_eq!(cut_out, whole_out);
        }
    }
}
