//! An object as `console.warn(object)` shows it to people: unquoted names, texts in single quotes, often over several lines. Never takes a
//! sentence for an object.

use serde_json::{Map, Value};

/// As deep as objects are shown within one another.
const DEPTH_MAX: u8 = 16;

/// The object that a text begins with; `None` if it is none.
pub(super) fn object_in(text: &str) -> Option<Map<String, Value>> {
    let mut reader = Reader { rest: text };
    let value = reader.value(0)?;
    // What was logged beside it stands behind a blank.
    let is_whole = reader.rest.is_empty() || reader.rest.starts_with(char::is_whitespace);
    value.as_object().filter(|_| is_whole).cloned()
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn takes(&mut self, character: char) -> bool {
        self.skip();
        let behind = self.rest.strip_prefix(character);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    fn value(&mut self, depth: u8) -> Option<Value> {
        self.skip();
        let mut first = self.rest.chars();
        let is_list = |next: Option<char>| next.is_some_and(|c| c.is_whitespace() || c == ']');
        match first.next()? {
            _ if depth == DEPTH_MAX => Some(self.bare()),
            '{' => self.object(depth),
            '[' if is_list(first.next()) => self.list(depth),
            '\'' | '"' | '`' => self.text().map(Value::String),
            _ => Some(self.bare()),
        }
    }

    fn object(&mut self, depth: u8) -> Option<Value> {
        let mut object = Map::new();
        self.takes('{');
        loop {
            if self.takes('}') {
                return Some(Value::Object(object));
            }
            let name = self.name()?;
            let value = self.value(depth + 1)?;
            object.insert(name, value);
            if !self.takes(',') && !self.rest.starts_with('}') {
                return None;
            }
        }
    }

    fn list(&mut self, depth: u8) -> Option<Value> {
        let mut list = Vec::new();
        self.takes('[');
        loop {
            if self.takes(']') {
                return Some(Value::Array(list));
            }
            list.push(self.value(depth + 1)?);
            if !self.takes(',') && !self.rest.starts_with(']') {
                return None;
            }
        }
    }

    /// The name of a member with its colon: a word, a text, or a symbol in brackets.
    fn name(&mut self) -> Option<String> {
        self.skip();
        let name = if self.rest.starts_with(['\'', '"', '`']) {
            self.text()?
        } else {
            let end = self.rest.find(|c: char| c == ':' || c.is_whitespace())?;
            let (name, rest) = self.rest.split_at(end);
            self.rest = rest;
            name.to_owned()
        };
        let is_name = !name.is_empty() && !name.contains(['{', '}', ',']);
        (is_name && self.takes(':')).then_some(name)
    }

    /// A text in quotes; a long one is several with `+` between them.
    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            self.skip();
            let quote = self.rest.chars().next().filter(|c| "'\"`".contains(*c))?;
            let mut letters = self.rest.char_indices();
            letters.next();
            loop {
                match letters.next()? {
                    (at, c) if c == quote => {
                        self.rest = &self.rest[at + c.len_utf8()..];
                        break;
                    }
                    (_, '\\') => text.push(match letters.next()?.1 {
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        other => other,
                    }),
                    (_, c) => text.push(c),
                }
            }
            if !self.takes('+') {
                return Some(text);
            }
        }
    }

    /// Anything else, such as a number, `null`, `[Function]` or `Map(1) { … }`, up to what ends it.
    fn bare(&mut self) -> Value {
        let mut depth = 0_usize;
        let end = self.rest.char_indices().find(|(_at, c)| {
            let ends = depth == 0 && matches!(c, ',' | '}' | ']');
            match c {
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            ends
        });
        let (bare, rest) = self
            .rest
            .split_at(end.map_or(self.rest.len(), |(at, _)| at));
        self.rest = rest;
        let bare = bare.trim();
        if bare == "undefined" {
            return Value::Null;
        }
        serde_json::from_str(bare).unwrap_or_else(|_word| bare.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        object_in(text).map_or(Value::Null, Value::Object)
    }

    #[test]
    fn an_object_is_read_as_people_are_shown_it() {
        let text = "{\n  event: 'resolution_failure',\n  'client-ip': \"it's\",\n  level: 40,\n  ok: true,\n  gone: undefined,\n  why: Error: no, {nothing}\n      at x (y.js:1),\n  list: [ 'a', { b: null } ],\n  f: [Function: f],\n  text: 'one\\n' +\n    'two'\n}";
        // What holds a comma and is no text ends the object's reading: nothing is made up.
        assert_eq!(read(text), Value::Null);
        let text = text.replace("no, {nothing}", "no {nothing}");
        assert_eq!(
            read(&text),
            json!({
                "event": "resolution_failure", "client-ip": "it's", "level": 40, "ok": true, "gone": null,
                "why": "Error: no {nothing}\n      at x (y.js:1)", "list": ["a", { "b": null }], "f": "[Function: f]", "text": "one\ntwo",
            })
        );
    }

    #[test]
    fn one_line_and_what_stands_behind_it_are_told_apart() {
        assert_eq!(
            read("{ a: 'x', b: {} } served"),
            json!({ "a": "x", "b": {} })
        );
    }

    #[test]
    fn what_is_no_object_is_none() {
        for text in [
            "{id} not found",
            "{",
            "{ a }",
            "{ a: 'x",
            "{ a: 1",
            "a: 1",
            "[ 1 ]",
            "{ not json }",
            "{ a: 1 }]",
        ] {
            assert_eq!(read(text), Value::Null, "{text}");
        }
    }
}
