//! Log lines out of `wrangler tail --format json`: a stream of trace events, on one line each or on many. Never claims to have every line.

use super::log_lines::LogLines;
use super::{LogLine, Logs};
use serde_json::Value;
use std::sync::{Mutex, PoisonError};

/// Longest text of one event. Evidence: a trace event holds at most 256 KiB of log messages.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Why nothing can be proven from what is not there.
const GAPS: &str = "`wrangler tail` may begin late, samples under load and may lose events: a line that is not there proves nothing";

/// The log that a tail shows.
#[derive(Debug, Default)]
pub struct TailLog {
    lines: LogLines,
    unread: Mutex<String>,
    chatter: LogLines,
}

impl TailLog {
    /// Takes one line of the tail's standard output.
    pub fn take(&self, line: &str) {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        // Between events wrangler talks to people.
        if unread.is_empty() && !line.trim_start().starts_with('{') {
            self.chatter.push(line);
            return;
        }
        unread.push_str(line);
        unread.push('\n');
        if !line.trim_end().ends_with('}') {
            if unread.len() > EVENT_BYTES_MAX {
                unread.clear();
            }
            return;
        }
        let mut events = serde_json::Deserializer::from_str(&unread).into_iter::<Value>();
        let mut read = 0;
        let mut broken = false;
        loop {
            match events.next() {
                Some(Ok(event)) => {
                    for text in texts(&event) {
                        self.lines.push(text);
                    }
                    read = events.byte_offset();
                }
                Some(Err(error)) if error.is_eof() => break,
                Some(Err(_no_json)) => {
                    broken = true;
                    break;
                }
                None => break,
            }
        }
        if broken {
            unread.clear();
        } else {
            unread.drain(..read);
        }
        if unread.trim().is_empty() {
            unread.clear();
        }
    }

    /// Takes one line of the tail's standard error.
    pub fn take_chatter(&self, line: &str) {
        self.chatter.push(line);
    }

    /// What the tail said beside events, for complaints.
    #[must_use]
    pub fn chatter(&self) -> String {
        let lines = self.chatter.since(0).into_iter().map(|line| line.text);
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// What one trace event logged: a text per call of the console, and one per uncaught exception.
fn texts(event: &Value) -> Vec<String> {
    let list = |name: &str| event[name].as_array().into_iter().flatten();
    let logs = list("logs").map(|log| match log["message"].as_array() {
        Some(parts) => parts.iter().map(shown).collect::<Vec<_>>().join(" "),
        None => shown(&log["message"]),
    });
    let exceptions = list("exceptions").map(|thrown| {
        let mut text = format!("{}: {}", shown(&thrown["name"]), shown(&thrown["message"]));
        if let Some(stack) = thrown["stack"].as_str() {
            text.push('\n');
            text.push_str(stack);
        }
        text
    });
    logs.chain(exceptions).collect()
}

/// A part as the console would show it.
fn shown(part: &Value) -> String {
    part.as_str()
        .map_or_else(|| part.to_string(), str::to_owned)
}

impl Logs for TailLog {
    fn mark(&self) -> usize {
        self.lines.mark()
    }

    fn since(&self, mark: usize) -> Vec<LogLine> {
        self.lines.since(mark)
    }

    fn gaps(&self) -> Option<String> {
        Some(GAPS.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event() -> Value {
        json!({
            "wallTime": 3, "cpuTime": 1, "truncated": false, "executionModel": "stateless", "outcome": "exception",
            "scriptName": "moltworker", "scriptVersion": { "id": "3c2a" }, "diagnosticsChannelEvents": [],
            "exceptions": [{ "name": "TypeError", "message": "no", "timestamp": 1, "stack": "    at fetch (index.js:1:1)" }],
            "logs": [
                { "message": ["{\"event\":\"ai_answered\",\"step\":0}"], "level": "log", "timestamp": 1 },
                { "message": ["a }\n{ b", { "n": 1 }, null, 2], "level": "warn", "timestamp": 2 },
            ],
            "eventTimestamp": 1,
            "event": { "request": { "url": "https://a.example/", "method": "GET", "headers": {}, "cf": {} }, "response": { "status": 500 } },
        })
    }

    const EXPECTED: [&str; 3] = [
        "{\"event\":\"ai_answered\",\"step\":0}",
        "a }\n{ b {\"n\":1} null 2",
        "TypeError: no\n    at fetch (index.js:1:1)",
    ];

    fn check(text: &str, expected: &[&str]) {
        let log = TailLog::default();
        for line in text.lines() {
            log.take(line);
        }
        let seen: Vec<String> = log.since(0).into_iter().map(|line| line.text).collect();
        assert_eq!(seen, expected, "{text}");
    }

    #[test]
    fn one_event_per_line_gives_its_log_lines() {
        check(&event().to_string(), &EXPECTED);
    }

    #[test]
    fn an_event_over_many_lines_gives_the_same() {
        check(&format!("{:#}", event()), &EXPECTED);
    }

    #[test]
    fn several_events_on_a_line_and_what_wrangler_says_between_are_told_apart() {
        let text = format!(
            "⛅️ wrangler 4.86.0\nConnected to moltworker, waiting for logs...\n{0}{0}\n\nreconnecting\n{0:#}\n",
            event()
        );
        check(&text, &EXPECTED.repeat(3));
    }

    #[test]
    fn what_is_no_json_spoils_no_later_event() {
        check(&format!("{{ not json }}\n{}", event()), &EXPECTED);
    }

    #[test]
    fn the_fields_of_a_line_can_be_read() {
        let log = TailLog::default();
        log.take(&event().to_string());
        assert_eq!(
            log.since(0)[0].field("event").as_deref(),
            Some("ai_answered")
        );
        assert_eq!(log.mark(), 3);
    }

    #[test]
    fn a_tail_never_claims_to_be_whole() {
        assert!(TailLog::default().gaps().is_some());
        assert!(LogLines::default().gaps().is_none());
    }
}
