//! One line of a log, with what tools put around it. Never changes the text: what was written stays the evidence.

use super::inspected;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest text that a tool puts before a line's JSON: a time, a level, a symbol.
const DECORATION_BYTES_MAX: usize = 80;

/// How grave a line is by what `wrangler dev` puts before the text of `console.warn` and `console.error`, colours aside.
const DECORATIONS: [(&str, &str); 4] = [
    ("▲ [WARNING]", "warn"),
    ("✘ [ERROR]", "error"),
    ("[wrangler:warn]", "warn"),
    ("[wrangler:error]", "error"),
];

/// What a manifest makes of a line: the contract's facts in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// The contract's fields that were found.
    pub fields: Map<String, Value>,
    /// Whether the line is one of the events that the manifest knows to tell; an event that is not here is known by its words.
    pub events: BTreeMap<String, bool>,
    /// The lines of the same request, where the log says which these are.
    pub others: Vec<String>,
    /// Nothing but this scenario has written since its log began.
    pub is_own: bool,
}

/// One line of the log, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Running number from 0.
    pub number: usize,
    /// The text.
    pub text: String,
    /// What the manifest makes of it; `None` where it says nothing of the log.
    pub read: Option<Arc<Read>>,
}

impl LogLine {
    /// A line as it was written.
    #[must_use]
    pub fn new(number: usize, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            number,
            text,
            read: None,
        }
    }

    /// The line as JSON object, in the contract's words where the manifest knows them; `None` if it is none.
    ///
    /// Colours, and what a tool has put before the object, do not count; the level that the tool states does, where the object states none.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        let plain = without_colours(&self.text);
        let facts = self.read.as_ref().map(|read| &read.fields);
        let mut object = match object_in(&plain) {
            Some(object) => object,
            None if facts.is_some_and(|facts| !facts.is_empty()) => Map::new(),
            None => return None,
        };
        if let Some(level) = decorated_level(&plain) {
            object.entry("level").or_insert_with(|| level.into());
        }
        if let Some(facts) = facts {
            object.extend(facts.clone());
        }
        Some(Value::Object(object))
    }

    /// The text of a field; a number is its digits.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        match self.json()?.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Whether it is an event of the contract; `None` where the manifest does not say how this log tells it.
    #[must_use]
    pub fn is_event(&self, name: &str) -> Option<bool> {
        self.read.as_ref()?.events.get(name).copied()
    }

    /// What is logged of the same request: this line, and those that the log ties to it.
    #[must_use]
    pub fn whole(&self) -> String {
        let others = self.read.iter().flat_map(|read| read.others.iter());
        let mut whole = self.text.clone();
        for other in others {
            whole.push('\n');
            whole.push_str(other);
        }
        whole
    }

    /// Whether it belongs to what one of these words names: an id of a request, a tenant, a marker.
    #[must_use]
    pub fn is_tied_to(&self, words: &[String]) -> bool {
        if self.read.as_ref().is_some_and(|read| read.is_own) {
            return true;
        }
        let whole = self.whole();
        words
            .iter()
            .any(|word| !word.is_empty() && whole.contains(word.as_str()))
    }
}

/// A text without the escape sequences by which terminals colour it.
#[must_use]
pub(crate) fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..at]);
        let tail = &rest[at + 2..];
        let end = tail.find(|c: char| ('@'..='~').contains(&c));
        rest = end.map_or("", |end| &tail[end + 1..]);
    }
    plain.push_str(rest);
    plain
}

/// The object that a line is, or ends with after what a tool has put before it.
fn object_in(plain: &str) -> Option<Map<String, Value>> {
    let at = plain.find('{').filter(|at| *at <= DECORATION_BYTES_MAX)?;
    if !plain[..at].split_whitespace().all(is_decoration) {
        return None;
    }
    match serde_json::from_str(plain[at..].trim_end()) {
        Ok(Value::Object(object)) => Some(object),
        Ok(_) | Err(_) => inspected::object_in(&plain[at..]),
    }
}

/// Whether a word before an object is a tool's: a symbol, a time, a level, and nothing that the line itself says.
fn is_decoration(word: &str) -> bool {
    const LEVELS: [&str; 9] = [
        "info", "log", "warn", "warning", "error", "debug", "trace", "notice", "fatal",
    ];
    let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let core = core.strip_prefix("wrangler:").unwrap_or(core);
    core.is_empty()
        || core.starts_with(|c: char| c.is_ascii_digit())
        || LEVELS.contains(&core.to_ascii_lowercase().as_str())
}

fn decorated_level(plain: &str) -> Option<&'static str> {
    let start = plain.trim_start();
    DECORATIONS
        .iter()
        .find(|(decoration, _)| start.starts_with(decoration))
        .map(|(_, level)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_that_wrangler_decorates_and_colours_is_the_json_in_it() {
        let line = LogLine::new(
            0,
            "\u{1b}[33m▲ \u{1b}[43;33m[\u{1b}[43;30mWARNING\u{1b}[43;33m]\u{1b}[0m \u{1b}[1m{\"event\":\"resolution_failure\",\"host\":\"a.example\"}\u{1b}[0m",
        );
        assert_eq!(line.field("event").unwrap(), "resolution_failure");
        assert_eq!(line.field("level").unwrap(), "warn");
    }

    #[test]
    fn a_time_and_a_level_before_an_object_are_no_part_of_it() {
        let line = LogLine::new(0, "2026-04-01T10:00:00.000Z [INFO] (log) {\"step\":\"1\"}");
        assert_eq!(line.field("step").unwrap(), "1");
    }

    #[test]
    fn a_level_of_the_lines_own_counts_before_the_tools() {
        let line = LogLine::new(0, r#"▲ [WARNING] {"level":"error"}"#);
        assert_eq!(line.field("level").unwrap(), "error");
    }

    #[test]
    fn a_number_is_the_text_of_its_digits() {
        let line = LogLine::new(0, r#"{"step":0,"instance_id":7,"host":null}"#);
        assert_eq!(line.field("step").unwrap(), "0");
        assert_eq!(line.field("instance_id").unwrap(), "7");
        assert_eq!(line.field("host"), None);
    }

    #[test]
    fn a_text_that_only_speaks_of_an_object_is_no_json() {
        for text in [
            "served {\"a\":1} to a.example",
            "step=1 {\"a\":1}",
            "WARN bindings are missing {\"a\":1}",
            "no object",
            "[{\"a\":1}]",
            "{id} is no tenant",
            "▲ [WARNING] host=a.example",
        ] {
            assert_eq!(LogLine::new(0, text).json(), None, "{text}");
        }
    }

    #[test]
    fn facts_that_the_manifest_finds_make_a_plain_text_an_object() {
        let read = Read {
            fields: json!({ "step": "1" }).as_object().unwrap().clone(),
            others: vec!["req=7 host=a.example".to_owned()],
            ..Read::default()
        };
        let line = LogLine {
            read: Some(Arc::new(read)),
            ..LogLine::new(0, "req=7 hop=1")
        };
        assert_eq!(line.field("step").unwrap(), "1");
        assert!(line.is_tied_to(&["a.example".to_owned()]));
        assert!(!line.is_tied_to(&["b.example".to_owned(), String::new()]));
    }
}
