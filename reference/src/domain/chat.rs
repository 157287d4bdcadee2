//! A chat request of a caller and the body that goes upstream for it. Never reads what the messages say.

use super::json::{InvalidJson, object_text};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;

const STREAM_OPTIONS: &str = "stream_options";

/// The body is no chat request.
#[derive(Debug, thiserror::Error)]
pub enum InvalidChat {
    /// Not a JSON object.
    #[error("the body is not a JSON object")]
    Json(#[from] InvalidJson),
    /// Not JSON, or a key is given twice.
    #[error("the body is not valid JSON")]
    Syntax(#[source] serde_json::Error),
    /// `messages` is missing or not a non-empty array of messages.
    #[error("messages is not a non-empty array of messages")]
    Messages,
    /// `stream` is not a boolean.
    #[error("stream is not a boolean")]
    Stream,
}

/// A valid chat request; its fields go upstream as they came, but for `model` (AIG-007),
/// and but for a stream's `include_usage`, which is not the caller's to refuse: without it nothing would be billed (USG-006).
#[derive(Debug)]
pub struct ChatRequest {
    fields: Vec<(String, Box<RawValue>)>,
}

impl ChatRequest {
    /// Parses a request body.
    ///
    /// # Errors
    /// [`InvalidChat`], see there.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidChat> {
        let fields: Fields =
            serde_json::from_str(object_text(body)?).map_err(InvalidChat::Syntax)?;
        let field = |name: &str| {
            fields
                .0
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.get())
        };
        if !field("messages").is_some_and(are_messages) {
            return Err(InvalidChat::Messages);
        }
        // Every answer is passed on as it is produced, whether or not the caller asks for that: upstream reads what it says.
        if !matches!(field("stream"), None | Some("true" | "false")) {
            return Err(InvalidChat::Stream);
        }
        Ok(Self { fields: fields.0 })
    }

    /// The JSON text of a field, as it came.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.get())
    }

    /// The same request without a field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(key, _)| key != name);
        self
    }

    /// The same request with another value of a field that it has.
    #[must_use]
    pub fn replaced(mut self, name: &str, value: &RawValue) -> Self {
        for (_, former) in self.fields.iter_mut().filter(|(key, _)| key == name) {
            *former = value.to_owned();
        }
        self
    }

    /// The caller's options of a stream, with its usage asked for; `None` where no stream is.
    fn stream_options(&self) -> Option<Value> {
        if self.field("stream") != Some("true") {
            return None;
        }
        let options = self.field(STREAM_OPTIONS);
        let mut options: serde_json::Map<String, Value> = options
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        options.insert("include_usage".to_owned(), Value::Bool(true));
        Some(Value::Object(options))
    }

    /// The body for one model.
    #[must_use]
    pub fn body_for(&self, model: &str) -> Vec<u8> {
        let size: usize = self
            .fields
            .iter()
            .map(|(key, value)| key.len() + value.get().len() + 6)
            .sum();
        let mut body = String::with_capacity(size + model.len() + 16);
        body.push_str("{\"model\":");
        body.push_str(&Value::from(model).to_string());
        let options = self.stream_options();
        let replaced = |key: &str| key == "model" || (key == STREAM_OPTIONS && options.is_some());
        for (key, value) in self.fields.iter().filter(|(key, _)| !replaced(key)) {
            push_field(&mut body, key, value.get());
        }
        if let Some(options) = &options {
            push_field(&mut body, STREAM_OPTIONS, &options.to_string());
        }
        body.push('}');
        body.into_bytes()
    }
}

fn push_field(body: &mut String, key: &str, value: &str) {
    body.push(',');
    body.push_str(&Value::from(key).to_string());
    body.push(':');
    body.push_str(value);
}

fn are_messages(raw: &str) -> bool {
    let Ok(messages) = serde_json::from_str::<Vec<serde_json::Map<String, Value>>>(raw) else {
        return false;
    };
    !messages.is_empty() && messages.iter().all(is_message)
}

fn is_message(message: &serde_json::Map<String, Value>) -> bool {
    let role = message.get("role").is_some_and(Value::is_string);
    let content = match message.get("content") {
        Some(Value::String(_) | Value::Null) => true,
        Some(Value::Array(parts)) => parts.iter().all(Value::is_object),
        None | Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => false,
    };
    role && content
}

/// The top level of a JSON object in the caller's order, each key once.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
                let mut seen = std::collections::HashSet::new();
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom("a key is given twice"));
                    }
                    fields.push((key, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#""messages":[{"role":"user","content":"hi"}]"#;

    #[test]
    fn the_model_is_replaced_and_the_rest_goes_as_it_came() {
        let body = format!(
            r#"{{"model":"gpt-9",{MESSAGES},"seed":123456789012345678901234567890,"x":{{"b":1,"a":2}}}}"#
        );
        let request = ChatRequest::parse(body.as_bytes()).unwrap();
        let upstream = String::from_utf8(request.body_for("@cf/m")).unwrap();
        assert_eq!(
            upstream,
            format!(
                r#"{{"model":"@cf/m",{MESSAGES},"seed":123456789012345678901234567890,"x":{{"b":1,"a":2}}}}"#
            )
        );
    }

    #[test]
    fn a_stream_is_asked_for_its_usage_whatever_the_caller_says() {
        let options = [
            (String::new(), r#"{"include_usage":true}"#),
            (
                r#","stream_options":{"include_usage":false,"chunk":1}"#.to_owned(),
                r#"{"chunk":1,"include_usage":true}"#,
            ),
            (
                r#","stream_options":null"#.to_owned(),
                r#"{"include_usage":true}"#,
            ),
        ];
        for (asked, sent) in options {
            let body = format!(r#"{{{MESSAGES},"stream":true{asked}}}"#);
            let request = ChatRequest::parse(body.as_bytes()).unwrap();
            let upstream: Value = serde_json::from_slice(&request.body_for("@cf/m")).unwrap();
            let sent: Value = serde_json::from_str(sent).unwrap();
            assert_eq!(upstream["stream_options"], sent, "{body}");
        }
        let body = format!(r#"{{{MESSAGES},"stream_options":{{"include_usage":false}}}}"#);
        let request = ChatRequest::parse(body.as_bytes()).unwrap();
        let upstream: Value = serde_json::from_slice(&request.body_for("@cf/m")).unwrap();
        assert_eq!(upstream["stream_options"]["include_usage"], false);
    }

    #[test]
    fn content_may_be_text_parts_or_null() {
        for content in [r#""x""#, "null", r#"[{"type":"text","text":"x"}]"#] {
            let body =
                format!(r#"{{"messages":[{{"role":"user","content":{content}}}],"stream":true}}"#);
            assert!(ChatRequest::parse(body.as_bytes()).is_ok(), "{content}");
        }
    }

    #[test]
    fn malformed_requests_are_refused() {
        let deep = format!(
            r#"{{{MESSAGES},"x":{}{}}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        );
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "{",
            r#"{"messages":[]}"#,
            r#"{"messages":{}}"#,
            r#"{"messages":[["user","hi"]]}"#,
            r#"{"messages":[{"role":1,"content":"x"}]}"#,
            r#"{"messages":[{"content":"x"}]}"#,
            r#"{"messages":[{"role":"user"}]}"#,
            r#"{"messages":[{"role":"user","content":5}]}"#,
            r#"{"messages":[{"role":"user","content":["x"]}]}"#,
            r#"{"messages":[{"role":"user","content":"x"}],"stream":"yes"}"#,
            r#"{"messages":[{"role":"user","content":"x"}],"stream":null}"#,
            r#"{"messages":[{"role":"user","content":"x"}],"a":1,"a":2}"#,
            r#"{"messages":[{"role":"user","content":"x"}]} x"#,
            &deep,
        ] {
            assert!(ChatRequest::parse(body.as_bytes()).is_err(), "{body:.80}");
        }
    }
}
