//! How a target's log tells the facts that the contract wants logged. Never changes the text of a line.

use crate::observe::{LogLine, Read};
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The contract's names of what a line may tell.
const FIELDS: [&str; 11] = [
    "level",
    "event",
    "message",
    "host",
    "client_ip",
    "request_id",
    "tenant_id",
    "sandbox_id",
    "instance_id",
    "step",
    "model",
];

/// The contract's events, each with the criterion that wants it.
const EVENTS: [&str; 7] = [
    "resolution_failure",
    "override_ignored",
    "upstream_step",
    "usage_lost",
    "access_relaxed",
    "security_alert",
    "binding_missing",
];

/// What ties a line of the log to a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Correlation {
    /// The id of the request, or of its tenant, its host or the marker in its prompt: whatever of it is in the line.
    #[default]
    Words,
    /// As `words`, and a marker that the harness puts into the query of the public paths that it asks for.
    Path,
    /// Nothing but the time: scenarios run one after the other (`[limits] concurrency = 1`), and every line since one began is its own.
    Time,
}

/// Where in a line a fact is: a JSON pointer, or a regular expression whose first group it is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Place(Found);

#[derive(Debug, Clone)]
enum Found {
    Pointer(String),
    Pattern(Regex),
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with('/') {
            return Ok(Self(Found::Pointer(text)));
        }
        let pattern = Regex::new(&text).map_err(|error| error.to_string())?;
        if pattern.captures_len() < 2 {
            return Err(format!(
                "`{text}` is neither a JSON pointer nor a regular expression with a group"
            ));
        }
        Ok(Self(Found::Pattern(pattern)))
    }
}

impl Place {
    fn in_line(&self, line: &LogLine) -> Option<Value> {
        match &self.0 {
            Found::Pointer(pointer) => line.json()?.pointer(pointer).cloned(),
            Found::Pattern(pattern) => {
                let found = pattern.captures(&line.text)?.get(1)?;
                Some(Value::String(found.as_str().to_owned()))
            }
        }
    }
}

/// What a line of an event looks like: a regular expression.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Look(Regex);

impl TryFrom<String> for Look {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Regex::new(&text)
            .map(Self)
            .map_err(|error| error.to_string())
    }
}

/// How the log tells what the contract wants to be told there. What is not said is looked for by its words.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogDialect {
    /// What ties a line to a request.
    pub correlation: Correlation,
    /// Where a line has what it shares with the other lines of its request: a JSON pointer, or a regular expression with a group.
    pub together: Option<Place>,
    /// Where a line has the facts, by the contract's names.
    pub fields: BTreeMap<String, Place>,
    /// What lines of the contract's events look like: regular expressions.
    pub events: BTreeMap<String, Look>,
}

impl LogDialect {
    /// What types cannot say; `None` if it can be used.
    pub(super) fn flaw(&self) -> Option<String> {
        let unknown = |kind: &str, name: &String, known: &[&str]| {
            let hint = crate::nearest::hint(name, known.iter().copied());
            format!(
                "[dialect.log] {kind}: there is no `{name}`{hint}; there are: {}",
                known.join(", ")
            )
        };
        let strange = |names: Vec<&String>, known: &[&str]| {
            let found = names
                .into_iter()
                .find(|name| !known.contains(&name.as_str()));
            found.cloned()
        };
        let field = strange(self.fields.keys().collect(), &FIELDS);
        let event = strange(self.events.keys().collect(), &EVENTS);
        field
            .map(|name| unknown("fields", &name, &FIELDS))
            .or_else(|| event.map(|name| unknown("events", &name, &EVENTS)))
    }

    /// Whether lines can be told apart as the manifest says.
    pub(in crate::subject) fn flaw_of_correlation(&self, one_at_a_time: bool) -> Option<String> {
        (self.correlation == Correlation::Time && !one_at_a_time).then(|| {
            "[dialect.log] correlation = \"time\" needs [limits] concurrency = 1: beside another scenario nobody could tell whose line it is".to_owned()
        })
    }

    fn says_nothing(&self) -> bool {
        self.correlation != Correlation::Time
            && self.together.is_none()
            && self.fields.is_empty()
            && self.events.is_empty()
    }

    /// Lines in the contract's words, where the manifest knows these; the texts stay.
    #[must_use]
    pub fn read(&self, lines: Vec<LogLine>) -> Vec<LogLine> {
        if self.says_nothing() {
            return lines;
        }
        let keys: Vec<Option<Value>> = lines
            .iter()
            .map(|line| self.together.as_ref()?.in_line(line))
            .collect();
        let mut by_key: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, key) in keys.iter().enumerate() {
            if let Some(key) = key {
                by_key.entry(key.to_string()).or_default().push(at);
            }
        }
        let others = |at: usize| -> Vec<String> {
            let key = keys[at].as_ref().map(Value::to_string);
            let all = key.and_then(|key| by_key.get(&key));
            let rest = all.into_iter().flatten().filter(|other| **other != at);
            rest.map(|other| lines[*other].text.clone()).collect()
        };
        lines
            .iter()
            .enumerate()
            .map(|(at, line)| self.read_one(line, others(at)))
            .collect()
    }

    fn read_one(&self, line: &LogLine, others: Vec<String>) -> LogLine {
        let found = |(name, place): (&String, &Place)| Some((name.clone(), place.in_line(line)?));
        let fields: Map<String, Value> = self.fields.iter().filter_map(found).collect();
        let events = self
            .events
            .iter()
            .map(|(name, look)| (name.clone(), look.0.is_match(&line.text)))
            .collect();
        let read = Read {
            fields,
            events,
            others,
            is_own: self.correlation == Correlation::Time,
        };
        LogLine {
            read: Some(Arc::new(read)),
            ..line.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(text: &str) -> Result<LogDialect, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    fn read(dialect: &str, lines: &[&str]) -> Vec<LogLine> {
        let lines = lines.iter().enumerate();
        let lines = lines.map(|(number, text)| LogLine::new(number, *text));
        self::dialect(dialect).unwrap().read(lines.collect())
    }

    #[test]
    fn facts_are_found_by_pointers_and_by_regular_expressions() {
        let lines = read(
            r"fields = { level = '/sev', step = 'hop=(\d)' }
              events = { usage_lost = 'ledger gave up' }",
            &[r#"{"sev":"WARNING"}"#, "hop=1 ledger gave up on t-1"],
        );
        assert_eq!(lines[0].field("level").unwrap(), "WARNING");
        assert_eq!(lines[1].field("step").unwrap(), "1");
        assert_eq!(lines[0].is_event("usage_lost"), Some(false));
        assert_eq!(lines[1].is_event("usage_lost"), Some(true));
        assert_eq!(lines[1].is_event("access_relaxed"), None);
    }

    #[test]
    fn lines_of_one_request_belong_together_and_to_no_other() {
        let lines = read(
            r"together = 'req=(\w+)'",
            &["req=a host=x.example", "req=b host=y.example", "req=a lost"],
        );
        assert!(lines[2].whole().contains("x.example"));
        assert!(!lines[2].whole().contains("y.example"));
        assert!(!lines[1].is_tied_to(&["x.example".to_owned()]));
    }

    #[test]
    fn without_a_word_about_the_log_lines_stay_as_they_are() {
        assert_eq!(read("", &["a"])[0].read, None);
    }

    #[test]
    fn time_ties_lines_only_where_scenarios_run_one_by_one() {
        let log = dialect("correlation = 'time'").unwrap();
        assert!(log.flaw_of_correlation(false).is_some());
        assert!(log.flaw_of_correlation(true).is_none());
        assert!(read("correlation = 'time'", &["a"])[0].is_tied_to(&["z".to_owned()]));
    }

    #[test]
    fn what_is_no_name_or_no_pattern_is_told() {
        assert!(
            dialect("fields = { step = 'hop=' }")
                .unwrap_err()
                .contains("group")
        );
        assert!(dialect("events = { usage_lost = '(' }").is_err());
        let flaw = dialect("events = { usage_los = 'x' }").unwrap().flaw();
        assert!(flaw.unwrap().contains("usage_lost"));
    }
}
