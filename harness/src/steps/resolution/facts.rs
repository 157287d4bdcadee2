//! What a line of a log tells, in whatever words and form it is written. Never wants the contract's own names.

use crate::observe::LogLine;
use regex::Regex;
use std::sync::LazyLock;

/// What differs from line to line: ids, times and numbers.
static VARYING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|[0-9a-f]{16,}|[0-9]+").ok()
});

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
