//! What a line of a log tells, in whatever words and form it is written. Never wants the contract's own names.

use crate::observe::LogLine;
use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

/// Where loggers put how grave a line is.
const LEVELS: [&str; 5] = ["level", "severity", "lvl", "loglevel", "levelname"];

/// How grave warnings and errors are to loggers that count, and in which words they are told.
const WARNING: (u64, &[&str]) = (40, &["warn", "error", "alert", "critical", "fatal"]);
const ERROR: (u64, &[&str]) = (50, &["error", "alert", "critical", "fatal", "emerg"]);

/// What differs from line to line: ids, times and numbers.
static VARYING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|[0-9a-f]{16,}|[0-9]+").ok()
});

/// Whether a line is a warning, or graver.
pub(super) fn is_warning(line: &LogLine) -> bool {
    is_as_grave_as(line, WARNING)
}

/// Whether a line is an error, or graver.
pub(in crate::steps) fn is_an_error(line: &LogLine) -> bool {
    is_as_grave_as(line, ERROR)
}

fn is_as_grave_as(line: &LogLine, (least, words): (u64, &[&str])) -> bool {
    let is_grave = |text: &str| {
        let text = text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    let json = line.json();
    let mut members = json.iter().filter_map(Value::as_object).flatten();
    let level = members.find(|(name, _)| LEVELS.contains(&name.to_lowercase().as_str()));
    match level.map(|(_name, value)| value) {
        Some(Value::String(word)) => is_grave(word),
        Some(Value::Number(number)) => number.as_u64().is_some_and(|level| level >= least),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {
            is_grave(&line.text)
        }
    }
}

/// Whether a line holds this word, in any case.
pub(super) fn speaks_of(line: &LogLine, word: &str) -> bool {
    line.text.to_lowercase().contains(word)
}

/// Whether a line names this host or address, and not only a longer one that it is part of.
pub(super) fn names(line: &LogLine, name: &str) -> bool {
    let (text, name) = (line.whole().to_lowercase(), name.to_lowercase());
    let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    !name.is_empty()
        && text.match_indices(&name).any(|(at, found)| {
            let before = text[..at].chars().next_back();
            let mut after = text[at + found.len()..].chars();
            // A full stop may end a sentence.
            let ends = match (after.next(), after.next()) {
                (Some('.'), next) => !next.is_some_and(|next| next.is_ascii_alphanumeric()),
                (Some(next), _) => !goes_on(next),
                (None, _) => true,
            };
            !before.is_some_and(goes_on) && ends
        })
}

/// A line without what differs from request to request: lines that tell the same of two hosts have one skeleton.
pub(super) fn skeleton(line: &LogLine, host: &str) -> String {
    let text = line
        .text
        .to_lowercase()
        .replace(&host.to_lowercase(), "host");
    match VARYING.as_ref() {
        Some(varying) => varying.replace_all(&text, "0").into_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine::new(0, text)
    }

    #[test]
    fn a_warning_is_known_by_its_level_and_else_by_its_words() {
        for text in [
            r#"{"level":"warn","message":"override"}"#,
            r#"{"severity":"WARNING"}"#,
            r#"{"level":40}"#,
            "▲ [WARNING] the override is ignored",
            "WARN override ignored",
        ] {
            assert!(is_warning(&line(text)), "{text}");
        }
        for text in [
            r#"{"level":"info","message":"a warning"}"#,
            r#"{"level":30}"#,
            "override ignored",
        ] {
            assert!(!is_warning(&line(text)), "{text}");
        }
    }

    #[test]
    fn a_name_is_no_part_of_a_longer_one() {
        for text in [
            "no tenant at a.example.",
            r#"{"host":"A.example"}"#,
            "a.example:8080",
        ] {
            assert!(names(&line(text), "a.example"), "{text}");
        }
        for text in ["b.a.example", "a.example.org", "aa.example", "a.example-x"] {
            assert!(!names(&line(text), "a.example"), "{text}");
        }
        assert!(!names(&line("198.18.0.12"), "198.18.0.1"));
    }

    #[test]
    fn lines_of_one_kind_have_one_skeleton() {
        let one = skeleton(&line("GET a.example 200 in 3 ms"), "a.example");
        let other = skeleton(&line("GET b.example 404 in 12 ms"), "b.example");
        assert_eq!(one, other);
        assert_ne!(one, skeleton(&line("no tenant at b.example"), "b.example"));
    }
}
