//! What the caller of the chat route reads: the text of an OpenAI answer, plain or streamed. Never reads any other shape.

use crate::counted::counted;
use crate::said::said;
use serde_json::Value;
use std::fmt;

/// What a streamed answer says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streamed {
    /// The deltas, joined.
    pub text: String,
    /// How many events carried some of it.
    pub pieces: usize,
    /// Whether `[DONE]` came.
    pub done: bool,
}

impl fmt::Display for Streamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.done {
            "and [DONE]"
        } else {
            "and no [DONE]"
        };
        write!(
            f,
            "the text {} in {} {end}",
            said(&self.text),
            counted(self.pieces, "event")
        )
    }
}

/// The text of a chat completion; `None` if the body is none.
#[must_use]
pub fn text(body: &Value) -> Option<String> {
    body.pointer("/choices/0/message/content")?
        .as_str()
        .map(str::to_owned)
}

/// Reads server-sent events of chat completion chunks as the HTML standard reads them: any of its line ends, one byte order mark before them. Frames that are incomplete, comments or without text count for nothing.
#[must_use]
pub fn streamed(events: &str) -> Streamed {
    let mut read = Streamed::default();
    let events = events.strip_prefix('\u{feff}').unwrap_or(events);
    let events = events.replace("\r\n", "\n").replace('\r', "\n");
    let complete = events.rfind("\n\n").map_or("", |end| &events[..end]);
    for frame in complete.split("\n\n") {
        let data: Vec<&str> = frame
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| data.strip_prefix(' ').unwrap_or(data))
            .collect();
        let data = data.join("\n");
        if data.trim() == "[DONE]" {
            read.done = true;
            continue;
        }
        let piece = serde_json::from_str::<Value>(&data).ok().and_then(|chunk| {
            chunk
                .pointer("/choices/0/delta/content")?
                .as_str()
                .map(str::to_owned)
        });
        if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
            read.text.push_str(&piece);
            read.pieces += 1;
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_text_of_a_completion_is_read() {
        let body = json!({"choices": [{"message": {"content": "Hi"}}]});
        assert_eq!(text(&body).as_deref(), Some("Hi"));
        assert_eq!(text(&json!({"result": {"response": "Hi"}})), None);
    }

    #[test]
    fn deltas_are_joined_and_everything_else_is_passed_over() {
        let delta = |text: &str| {
            format!(
                "data: {}\n\n",
                json!({"choices": [{"delta": {"content": text}}]})
            )
        };
        let stream = format!(
            "{}: comment\n\ndata: {{\"choices\":[],\"usage\":{{}}}}\r\n\r\n{}data: [DONE]\n\n",
            delta("Hel"),
            delta("lo")
        );
        let expected = Streamed {
            text: "Hello".to_owned(),
            pieces: 2,
            done: true,
        };
        assert_eq!(streamed(&stream), expected);
        assert_eq!(streamed(&delta("Hel")[..20]), Streamed::default());
    }
}
