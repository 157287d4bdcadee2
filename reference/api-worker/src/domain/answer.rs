//! The message of a model's answer, whole or put together from the chunks of a stream. Never reads what it says.

use serde_json::{Map, Value, json};

/// The message that an answer adds to a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerMessage {
    /// Text, parts or null.
    pub content: Value,
    /// An array that is not empty.
    pub tool_calls: Option<Value>,
}

impl AnswerMessage {
    /// The first choice's message of a completion; `None` if there is none.
    #[must_use]
    pub fn of_completion(completion: &Value) -> Option<Self> {
        let message = completion.pointer("/choices/0/message")?.as_object()?;
        let content = message.get("content").cloned().unwrap_or(Value::Null);
        let content = match content {
            Value::String(_) | Value::Array(_) | Value::Null => content,
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                Value::from(content.to_string())
            }
        };
        let calls = message
            .get("tool_calls")
            .filter(|calls| calls.as_array().is_some_and(|calls| !calls.is_empty()));
        Some(Self {
            content,
            tool_calls: calls.cloned(),
        })
    }
}

/// Puts the first choice of a stream together.
#[derive(Debug, Default)]
pub struct Assembly {
    content: Option<String>,
    /// By their index in the stream.
    calls: Vec<(u64, Map<String, Value>)>,
}

impl Assembly {
    /// Takes the next chunk.
    pub fn add(&mut self, chunk: &Value) {
        let choices = chunk.get("choices").and_then(Value::as_array);
        let first = choices
            .into_iter()
            .flatten()
            .find(|choice| choice.get("index").is_none_or(|index| index == 0));
        let Some(delta) = first.and_then(|choice| choice.get("delta")) else {
            return;
        };
        if let Some(text) = delta.get("content").and_then(Value::as_str) {
            self.content.get_or_insert_default().push_str(text);
        }
        for call in delta
            .get("tool_calls")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.add_call(call);
        }
    }

    fn add_call(&mut self, part: &Value) {
        let Some(part) = part.as_object() else { return };
        let index = part.get("index").and_then(Value::as_u64).unwrap_or(0);
        let at = self
            .calls
            .iter()
            .position(|(known, _)| *known == index)
            .unwrap_or_else(|| {
                self.calls.push((index, Map::new()));
                self.calls.len() - 1
            });
        let call = &mut self.calls[at].1;
        for (name, value) in part
            .iter()
            .filter(|(name, value)| *name != "index" && !value.is_null())
        {
            match (name.as_str(), value.as_object()) {
                ("function", Some(function)) => {
                    let whole = call.entry("function").or_insert_with(|| json!({}));
                    if let Some(whole) = whole.as_object_mut() {
                        add_function(whole, function);
                    }
                }
                _ => {
                    call.insert(name.clone(), value.clone());
                }
            }
        }
    }

    /// The message, when the stream has ended.
    #[must_use]
    pub fn finish(mut self) -> AnswerMessage {
        self.calls.sort_by_key(|(index, _)| *index);
        let calls: Vec<Value> = self
            .calls
            .into_iter()
            .map(|(_, call)| Value::Object(call))
            .collect();
        AnswerMessage {
            content: self.content.map_or(Value::Null, Value::from),
            tool_calls: (!calls.is_empty()).then_some(Value::Array(calls)),
        }
    }
}

/// Names come whole, arguments in pieces.
fn add_function(whole: &mut Map<String, Value>, part: &Map<String, Value>) {
    for (name, value) in part.iter().filter(|(_, value)| !value.is_null()) {
        let joined = match (
            name.as_str(),
            whole.get(name).and_then(Value::as_str),
            value.as_str(),
        ) {
            ("arguments", Some(before), Some(more)) => Value::from(format!("{before}{more}")),
            _ => value.clone(),
        };
        whole.insert(name.clone(), joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_gives_the_message_that_the_whole_answer_would_have() {
        let mut assembly = Assembly::default();
        for delta in [
            json!({"role": "assistant", "content": "Let "}),
            json!({"content": "me see."}),
            json!({"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "two", "arguments": ""}}]}),
            json!({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "one", "arguments": "{\"x\""}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
            json!({}),
        ] {
            assembly.add(&json!({"choices": [{"index": 0, "delta": delta}]}));
        }
        assembly.add(&json!({"choices": [{"index": 1, "delta": {"content": "another choice"}}]}));
        assembly.add(&json!({"choices": [], "usage": {}}));
        let whole = json!({"choices": [{"message": {"role": "assistant", "content": "Let me see.", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "one", "arguments": "{\"x\":1}"}},
            {"id": "b", "type": "function", "function": {"name": "two", "arguments": ""}},
        ]}}]});
        assert_eq!(
            Some(assembly.finish()),
            AnswerMessage::of_completion(&whole)
        );
    }

    #[test]
    fn an_answer_without_text_has_no_text() {
        assert_eq!(
            Assembly::default().finish(),
            AnswerMessage {
                content: Value::Null,
                tool_calls: None
            }
        );
        assert_eq!(AnswerMessage::of_completion(&json!({"choices": []})), None);
    }
}
