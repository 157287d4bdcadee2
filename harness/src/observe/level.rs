//! How grave a line of a log is, as loggers say it: by a word, by a number, or in the text. Never asks for the contract's own words.

use super::LogLine;
use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

/// Where loggers put it, the contract's own name first: there the manifest and the decorations of tools put it too.
const LEVELS: [&str; 5] = ["level", "severity", "lvl", "loglevel", "levelname"];

/// From which number on it is so grave to loggers that count, and in which words it is told.
type Gravity = (u64, &'static [&'static str]);
const WARNING: Gravity = (
    40,
    &["warn", "error", "alert", "critical", "fatal", "emerg"],
);
const ERROR: Gravity = (50, &["error", "alert", "critical", "fatal", "emerg"]);

/// Short words for levels that are graver than a warning. They count as a whole level only: in a text they are part of many other words.
const GRAVE: [&str; 5] = ["crit", "err", "panic", "severe", "dpanic"];

/// A member that says that there is nothing of its name, such as `"error": null`.
static NOTHING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"["']?\w+["']?\s*:\s*(null|undefined|false|0|""|''|\[\s*\]|\{\s*\})"#).ok()
});

impl LogLine {
    /// Whether it is a warning, or graver.
    #[must_use]
    pub fn warns(&self) -> bool {
        self.is_as_grave_as(WARNING)
    }

    /// Whether it is an error, or graver.
    #[must_use]
    pub fn is_an_error(&self) -> bool {
        self.is_as_grave_as(ERROR)
    }

    /// The level that a logger has given it.
    fn level(&self) -> Option<String> {
        let json = self.json()?;
        let members = json.as_object()?;
        LEVELS.iter().find_map(|known| {
            let mut named = members
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case(known));
            named.find_map(|(_name, value)| match value {
                Value::String(word) => Some(word.to_lowercase()),
                Value::Number(number) => Some(number.to_string()),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
            })
        })
    }

    fn is_as_grave_as(&self, (least, words): Gravity) -> bool {
        let is_told = |text: &str| words.iter().any(|word| text.contains(word));
        let Some(level) = self.level() else {
            let text = self.text.to_lowercase();
            return match NOTHING.as_ref() {
                Some(nothing) => is_told(&nothing.replace_all(&text, "")),
                None => is_told(&text),
            };
        };
        level.parse::<u64>().map_or_else(
            |_word| is_told(&level) || GRAVE.contains(&level.as_str()),
            |number| number >= least,
        )
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
            r#"{"level":40,"msg":"override ignored"}"#,
            r#"{"level":50}"#,
            r#"{"level":"40"}"#,
            "▲ [WARNING] the override is ignored",
            "WARN override ignored",
            "{ level: 'warn', message: 'override' }",
        ] {
            assert!(line(text).warns(), "{text}");
        }
        for text in [
            r#"{"level":"info","message":"a warning"}"#,
            r#"{"level":30,"msg":"a warning"}"#,
            r#"{"msg":"skipped in dev mode","error":null,"warnings":[]}"#,
            "override ignored",
        ] {
            assert!(!line(text).warns(), "{text}");
        }
    }

    #[test]
    fn an_error_is_graver_than_a_warning() {
        for text in [
            r#"{"level":50}"#,
            r#"{"lvl":"ERROR"}"#,
            "✘ [ERROR] {\"a\":1}",
        ] {
            assert!(line(text).is_an_error(), "{text}");
        }
        for text in [r#"{"level":40}"#, r#"{"level":"warn","msg":"an error"}"#] {
            assert!(!line(text).is_an_error(), "{text}");
        }
    }
}
