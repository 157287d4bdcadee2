//! Legal habits: answers as HTTP, JSON and server-sent events allow them, and as the reference does not write them.
//!
//! They are data (`fixtures/habits/legal.toml`), each put before the reference, which then keeps every promise as before.
//! Never changes what an answer says.

use super::Other;
use crate::digest::sha256;
use crate::reference::altered::Alteration;
use crate::tamper::wire::Spelling;
use crate::tamper::{Ask, Content, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hyper::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize as _};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

const LEGAL: &str = include_str!("../../../fixtures/habits/legal.toml");

/// How many of them are tried unless told otherwise.
pub const DRAWN: u16 = 8;

/// A byte order mark.
const MARK: &[u8] = b"\xEF\xBB\xBF";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    habit: Vec<Habit>,
}

/// One way to write answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Habit {
    /// Its name: lower-case words with hyphens.
    id: String,
    /// What it does, as a sentence about the backend.
    does: String,
    /// The rule that allows it.
    allowed: String,
    #[serde(default)]
    answer: Answer,
    spelling: Option<Spelling>,
}

/// What is changed in answers before they are written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Answer {
    /// Headers set on every answer, in the place of those that are there.
    set: BTreeMap<String, String>,
    /// Headers added to every answer, beside those that are there; `{random}` is another text in each.
    add: Vec<(String, String)>,
    /// The content type of JSON.
    json_type: Option<String>,
    /// The content type of streams.
    stream_type: Option<String>,
    /// How JSON is written.
    json: Option<Json>,
    /// How events are written.
    events: Option<Events>,
}

/// How JSON is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Json {
    /// With a byte order mark before it.
    Mark,
    /// With white space around it.
    Padded,
    /// With `/` escaped.
    EscapedSlashes,
    /// With every character beyond ASCII escaped.
    EscapedBeyondAscii,
    /// With the members of objects in the order of their names.
    Sorted,
    /// With tabs and CRLF between its tokens.
    Tabs,
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Events {
    /// With a byte order mark before them.
    Mark,
    /// With CRLF line ends.
    Crlf,
    /// With CR line ends.
    Cr,
    /// With comments before and between them.
    Comments,
    /// Without the space behind the colon.
    NoSpace,
    /// With an id each, and their type named.
    Named,
    /// With the time after which to connect again.
    Retry,
    /// Each over two `data` lines.
    TwoLines,
    /// With fields of unknown names.
    Unknown,
    /// Byte by byte.
    Bytes,
}

/// Every legal habit.
///
/// # Errors
/// What is wrong in the table.
pub fn legal() -> Result<Vec<Other>, String> {
    let file: File = toml::from_str(LEGAL).map_err(|error| format!("legal.toml: {error}"))?;
    Ok(file.habit.into_iter().map(Habit::other).collect())
}

/// Leaves so many of the habits, the same ones for each seed.
pub fn draw(habits: &mut Vec<Other>, count: usize, seed: u64) {
    habits.sort_by_cached_key(|habit| sha256(format!("{seed} {}", habit.id).as_bytes()));
    habits.truncate(count);
}

impl Habit {
    fn other(self) -> Other {
        let does = format!("{} ({})", self.does, self.allowed);
        let spelling = self.spelling.map(Arc::new);
        let answer = self.answer;
        Other::new(
            &self.id,
            &does,
            Alteration {
                spelling,
                parts: Some(Arc::new(move |parts| {
                    parts.caller = Some(Arc::new(answer.clone()));
                })),
                ..Alteration::default()
            },
        )
    }
}

#[async_trait]
impl Tamper for Answer {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let mut told = upstream.send(&ask).await?;
        let kind = told.header("content-type").unwrap_or_default().to_owned();
        if kind.starts_with("application/json") {
            if let Some(media_type) = &self.json_type {
                told.set("content-type", media_type);
            }
            if let Some(json) = self.json {
                let body = told.whole().await?;
                told.put(json.written(&body));
            }
        }
        if kind.starts_with("text/event-stream") {
            if let Some(media_type) = &self.stream_type {
                told.set("content-type", media_type);
            }
            if let Some(events) = self.events {
                told.content = events.written(told.content);
            }
        }
        for (name, value) in &self.set {
            told.set(name, value);
        }
        for (name, value) in &self.add {
            let random = fastrand::u64(..).to_string();
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_bytes(value.replace("{random}", &random).as_bytes()),
            ) {
                told.headers.append(name, value);
            }
        }
        Ok(told)
    }
}

impl Json {
    fn written(self, body: &Bytes) -> Vec<u8> {
        let text = String::from_utf8_lossy(body);
        let value = || serde_json::from_slice::<Value>(body).unwrap_or_default();
        match self {
            Self::Mark => [MARK, body].concat(),
            Self::Padded => format!(" \n{text}\r\n\t").into_bytes(),
            // A solidus stands nowhere but in strings.
            Self::EscapedSlashes => text.replace('/', "\\/").into_bytes(),
            Self::EscapedBeyondAscii => escaped(&text).into_bytes(),
            Self::Sorted => value().to_string().into_bytes(),
            Self::Tabs => tabbed(&value()),
        }
    }
}

fn escaped(text: &str) -> String {
    let mut units = [0; 2];
    let mut all = String::new();
    for character in text.chars() {
        if character.is_ascii() {
            all.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut units) {
            let _infallible = write!(all, "\\u{unit:04x}");
        }
    }
    all
}

/// Indented with tabs, its lines ended by CRLF: a line end within a string is always escaped.
fn tabbed(value: &Value) -> Vec<u8> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, formatter);
    // Writing to memory does not fail.
    drop(value.serialize(&mut writer));
    let text = String::from_utf8_lossy(&text);
    text.replace('\n', "\r\n").into_bytes()
}

impl Events {
    fn written(self, content: Content) -> Content {
        let before: &[u8] = match self {
            Self::Mark => MARK,
            Self::Comments => b": here it comes\n\n:\n\n",
            Self::Retry => b"retry: 3000\n\n",
            Self::Crlf
            | Self::Cr
            | Self::NoSpace
            | Self::Named
            | Self::TwoLines
            | Self::Unknown
            | Self::Bytes => b"",
        };
        let before = Bytes::from_static(before);
        let parts = match content {
            Content::Whole(body) => stream::iter([Ok(body)]).boxed(),
            Content::Stream(parts) => parts,
        };
        let first = stream::iter((!before.is_empty()).then_some(Ok(before)));
        let rewritten = parts.flat_map(move |part| match part {
            Ok(part) => stream::iter(self.part(&part).into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        });
        Content::Stream(first.chain(rewritten).boxed())
    }

    /// A part of a stream, which ends between two events or in one of them.
    fn part(self, part: &Bytes) -> Vec<Bytes> {
        let text = String::from_utf8_lossy(part);
        let changed = match self {
            Self::Mark | Self::Retry => return vec![part.clone()],
            Self::Bytes => return part.chunks(1).map(Bytes::copy_from_slice).collect(),
            Self::Crlf => text.replace('\n', "\r\n"),
            Self::Cr => text.replace('\n', "\r"),
            Self::Comments => text.replace("\n\n", "\n\n: still here\n\n"),
            Self::NoSpace => each_event(&text, "data:"),
            Self::Named => each_event(&text, "id: 7\nevent: message\ndata: "),
            Self::Unknown => each_event(&text, "took: 12\ndata: "),
            Self::TwoLines => text.replace("data: {", "data: {\ndata: "),
        };
        vec![Bytes::from(changed)]
    }
}

/// The text with another beginning of each event.
fn each_event(text: &str, beginning: &str) -> String {
    let rest = text.strip_prefix("data: ");
    let first = rest.map_or(String::new(), |_rest| beginning.to_owned());
    first
        + &rest
            .unwrap_or(text)
            .replace("\ndata: ", &format!("\n{beginning}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_a_sample_hangs_on_the_seed() {
        let all = legal().expect("a table");
        assert!(all.len() >= 60, "{} habits", all.len());
        let ids = |seed| -> Vec<String> {
            let mut some = all.clone();
            draw(&mut some, 5, seed);
            some.into_iter().map(|other| other.id).collect()
        };
        assert_eq!(ids(1).len(), 5);
        assert_eq!(ids(1), ids(1));
        assert_ne!(ids(1), ids(2));
    }

    #[test]
    fn json_says_the_same_in_other_bytes() {
        let body = Bytes::from(r#"{"b":"x/é𝄞","a":[{"c":1,"d":"  "}]}"#);
        let value: Value = serde_json::from_slice(&body).expect("JSON");
        for json in [
            Json::Padded,
            Json::EscapedSlashes,
            Json::EscapedBeyondAscii,
            Json::Sorted,
            Json::Tabs,
        ] {
            let written = json.written(&body);
            assert_ne!(written, body);
            assert_eq!(
                serde_json::from_slice::<Value>(&written).ok(),
                Some(value.clone())
            );
        }
    }

    #[test]
    fn each_event_begins_in_another_way() {
        let text = "data: {\"a\":\"data: \"}\n\ndata: [DONE]\n\n";
        let without = "data:{\"a\":\"data: \"}\n\ndata:[DONE]\n\n";
        assert_eq!(each_event(text, "data:"), without);
        let split = Events::TwoLines.part(&Bytes::from(text));
        assert_eq!(
            split[0],
            "data: {\ndata: \"a\":\"data: \"}\n\ndata: [DONE]\n\n"
        );
    }
}
