//! Changes as data: when a rule applies, and what it does. Never holds more than the data says.

use super::Tamper;
use super::conversation::{Ask, Told, Unanswered, Upstream};
use super::template::Template;
use crate::wait;
use async_trait::async_trait;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// One rule: what it applies to and what it changes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which exchanges; all of them if empty.
    #[serde(default)]
    pub when: When,
    /// What is changed before the backend sees the request.
    #[serde(default)]
    pub request: Change,
    /// Answers in the backend's place.
    pub answer: Option<Answer>,
    /// What is changed before the caller sees the answer.
    #[serde(default)]
    pub response: Change,
}

/// Which exchanges a rule applies to: every condition that is given must hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Method.
    pub method: Option<Pattern>,
    /// Path and query.
    pub path: Option<Pattern>,
    /// `Host`.
    pub host: Option<Pattern>,
    /// Headers of the request that must be there, and match.
    pub headers: BTreeMap<String, Pattern>,
    /// Headers of the request that must not be there.
    pub without: Vec<String>,
    /// Body of the request.
    pub body: Option<Pattern>,
    /// Status of the answer, as text. It only decides what happens to the answer.
    pub status: Option<Pattern>,
    /// Body of the answer. It only decides what happens to the answer; a stream is read to its end for it.
    pub says: Option<Pattern>,
}

/// What is changed, in this order.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Change {
    /// Answer: the status.
    pub status: Option<u16>,
    /// Removes headers.
    pub remove: Vec<String>,
    /// Sets headers; a template that names what is not there leaves the header as it is.
    pub headers: BTreeMap<String, Template>,
    /// Replaces within headers.
    pub in_headers: BTreeMap<String, Replacement>,
    /// Replaces within path and query of the request.
    pub in_path: Vec<Replacement>,
    /// Replaces within the body.
    pub in_body: Vec<Replacement>,
    /// Sets fields of a JSON body, by pointer, where the parent is an object.
    pub json: BTreeMap<String, Value>,
    /// Removes fields of a JSON body, by pointer.
    pub json_remove: Vec<String>,
    /// The whole body.
    pub body: Option<Template>,
    /// Answer: waits first, milliseconds.
    pub delay_ms: u64,
}

/// An answer in the backend's place.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Header lines.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// Body.
    #[serde(default)]
    pub body: Template,
}

/// Replaces every match of a pattern; `$1` in `put` is its first group.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// What is looked for.
    pub find: Pattern,
    /// What comes in its place.
    pub put: String,
}

/// A regular expression.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = regex::Error;

    fn try_from(text: String) -> Result<Self, regex::Error> {
        Regex::new(&text).map(Self)
    }
}

impl Pattern {
    fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl Replacement {
    fn apply(&self, text: &str) -> String {
        self.find
            .0
            .replace_all(text, self.put.as_str())
            .into_owned()
    }
}

impl When {
    fn fits(&self, ask: &Ask) -> bool {
        let fits = |pattern: &Option<Pattern>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
        };
        fits(&self.method, ask.method.as_str())
            && fits(&self.path, &ask.path)
            && fits(&self.host, ask.host())
            && fits(&self.body, &String::from_utf8_lossy(&ask.body))
            && self
                .headers
                .iter()
                .all(|(name, pattern)| ask.header(name).is_some_and(|value| pattern.matches(value)))
            && self
                .without
                .iter()
                .all(|name| !ask.headers.contains_key(name))
    }

    async fn fits_answer(&self, told: &mut Told) -> Result<bool, Unanswered> {
        let status = self
            .status
            .as_ref()
            .is_none_or(|pattern| pattern.matches(&told.status.to_string()));
        let Some(says) = self.says.as_ref().filter(|_| status) else {
            return Ok(status);
        };
        Ok(says.matches(&String::from_utf8_lossy(&told.whole().await?)))
    }
}

impl Change {
    fn of_request(&self, ask: &mut Ask) {
        let seen = ask.clone();
        for replacement in &self.in_path {
            ask.path = replacement.apply(&ask.path);
        }
        self.of_headers(&seen, &mut ask.headers);
        if let Some(body) = self.of_body(&seen, &ask.body) {
            ask.body = body.into();
        }
    }

    async fn of_answer(&self, ask: &Ask, told: &mut Told) -> Result<(), Unanswered> {
        if self.delay_ms > 0 {
            wait::pass(Duration::from_millis(self.delay_ms)).await;
        }
        if let Some(status) = self.status {
            told.status = status;
        }
        self.of_headers(ask, &mut told.headers);
        if self.touches_body() {
            let body = told.whole().await?;
            if let Some(body) = self.of_body(ask, &body) {
                told.put(body);
            }
        }
        Ok(())
    }

    fn of_headers(&self, ask: &Ask, headers: &mut hyper::HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, template) in &self.headers {
            if let Some(value) = template.fill(ask) {
                super::conversation::set(headers, name, &value);
            }
        }
        for (name, replacement) in &self.in_headers {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            if let Some(value) = value.map(|value| replacement.apply(value)) {
                super::conversation::set(headers, name, &value);
            }
        }
    }

    /// Whether it does nothing but change fields of a JSON body.
    fn is_of_json_alone(&self) -> bool {
        let Self {
            status,
            remove,
            headers,
            in_headers,
            in_path: _,
            in_body,
            json: _,
            json_remove: _,
            body,
            delay_ms,
        } = self;
        let is_bare = status.is_none() && remove.is_empty() && headers.is_empty();
        let is_bare = is_bare && in_headers.is_empty() && in_body.is_empty() && body.is_none();
        is_bare && *delay_ms == 0 && self.touches_body()
    }

    fn touches_body(&self) -> bool {
        !(self.in_body.is_empty()
            && self.json.is_empty()
            && self.json_remove.is_empty()
            && self.body.is_none())
    }

    /// The changed body; `None` if it stays as it is.
    fn of_body(&self, ask: &Ask, body: &[u8]) -> Option<String> {
        if !self.touches_body() {
            return None;
        }
        if let Some(body) = self.body.as_ref().and_then(|body| body.fill(ask)) {
            return Some(body);
        }
        let mut text = String::from_utf8_lossy(body).into_owned();
        for replacement in &self.in_body {
            text = replacement.apply(&text);
        }
        if self.json.is_empty() && self.json_remove.is_empty() {
            return Some(text);
        }
        let Ok(mut value) = serde_json::from_str::<Value>(&text) else {
            return Some(text);
        };
        for (pointer, wanted) in &self.json {
            if let Some((parent, name)) = parent_of(&mut value, pointer) {
                parent.insert(name, wanted.clone());
            }
        }
        for pointer in &self.json_remove {
            if let Some((parent, name)) = parent_of(&mut value, pointer) {
                parent.remove(&name);
            }
        }
        Some(value.to_string())
    }
}

fn parent_of<'a>(
    value: &'a mut Value,
    pointer: &str,
) -> Option<(&'a mut serde_json::Map<String, Value>, String)> {
    let (parent, name) = pointer.rsplit_once('/')?;
    let parent = value.pointer_mut(parent)?.as_object_mut()?;
    Some((parent, name.to_owned()))
}

/// Applies rules to what passes, in their order.
pub struct Rules {
    rules: Vec<Rule>,
}

impl Rules {
    /// These rules.
    #[must_use]
    pub fn new(rules: &[Rule]) -> Self {
        Self {
            rules: rules.to_vec(),
        }
    }
}

#[async_trait]
impl Tamper for Rules {
    async fn pass(&self, mut ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let asked = ask.clone();
        let mut met = Vec::new();
        for rule in &self.rules {
            if rule.when.fits(&asked) {
                rule.request.of_request(&mut ask);
                met.push(rule);
            }
        }
        let own = met.iter().find_map(|rule| rule.answer.as_ref());
        let mut told = match own {
            Some(answer) => {
                let mut told = Told::new(
                    answer.status,
                    "application/json",
                    answer.body.fill(&asked).unwrap_or_default(),
                );
                for (name, template) in &answer.headers {
                    told.set(name, &template.fill(&asked).unwrap_or_default());
                }
                told
            }
            None => upstream.send(&ask).await?,
        };
        for rule in met {
            // What only changes fields of a JSON body lets a stream of events pass as it comes.
            if rule.response.is_of_json_alone() && told.is_of_events() {
                continue;
            }
            if rule.when.fits_answer(&mut told).await? {
                rule.response.of_answer(&asked, &mut told).await?;
            }
        }
        Ok(told)
    }
}
