//! By what a finding is known again in another run: its step, what was expected, what was seen, without what is new in every run.
//! Never lets another status, code or name pass for the one that is known.
//!
//! What is new in every run is put in the form of a word, in the text of the baseline and in that of the finding alike:
//!
//! | in the text | becomes |
//! |---|---|
//! | a UUID | `<uuid-1>`, `<uuid-2>`: numbered as they come, so that equal ones stay equal and others other |
//! | the harness's part of a slug, marker or custom host | `<run-1>` in the same way |
//! | a port after a scheme and host, or after loopback | `<port>` |
//! | RFC 3339 time, HTTP date, epoch seconds or milliseconds of 2017 to 2033 | `<time>` |
//! | in what was seen: milliseconds after the words after, within, takes, took | `<n>` |

use crate::scrub;
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// Letters and digits that a text must have beside its wildcards: as many as a status code has.
const LITERAL_MIN: usize = 3;

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap_or_else(|_invalid| unreachable!("a constant pattern"))
}

static NEW_IN_EVERY_RUN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?P<uuid>\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b)",
        r"|mp-(?P<slug>[a-z]{6}[0-9]{4})",
        r"|(?P<custom>[a-z]{6}[0-9]{4})\.customer\.example",
        r"|(?P<host>(?:https?|wss?)://(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)|\b127\.0\.0\.1|\blocalhost|\[::1\]):[0-9]{1,5}\b",
        r"|(?P<time>\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:?[0-9]{2}\b)?",
        r"|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
        r"|\b(?:1[5-9][0-9]{8}|1[5-9][0-9]{11})\b)",
    ))
});

static MEASURED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(after|within|takes|took) [0-9]+(?:\.[0-9]+)? ms\b"));

/// What a `*` may stand for, before [`is_of_a_run`] looks at it: one word or value, no more.
const WILDCARD: &str = r#"([^\s"',;{}\[\]()]+)"#;

/// The three texts of a finding, each without what is new in every run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint {
    pub(super) step: String,
    pub(super) expected: String,
    pub(super) seen: String,
}

impl Fingerprint {
    pub(super) fn of(step: &str, expected: &str, seen: &str) -> Self {
        let mut numbered = Vec::new();
        let mut put = |text: &str| lasting(&scrub::clean_report(text), &mut numbered);
        Self {
            step: put(step),
            expected: put(expected),
            seen: MEASURED.replace_all(&put(seen), "$1 <n> ms").into_owned(),
        }
    }

    /// Whether `self`, which may have wildcards, knows a finding.
    pub(super) fn knows(&self, finding: &Self) -> bool {
        fits(&self.step, &finding.step)
            && fits(&self.expected, &finding.expected)
            && fits(&self.seen, &finding.seen)
    }
}

/// The text with what is new in every run as words, numbered through all texts of a finding.
fn lasting(text: &str, numbered: &mut Vec<String>) -> String {
    let mut number = |kind: &str, value: &str| {
        let value = format!("{kind} {}", value.to_lowercase());
        let of_kind = |one: &&String| one.starts_with(kind);
        if let Some(at) = numbered
            .iter()
            .filter(of_kind)
            .position(|one| *one == value)
        {
            return format!("<{kind}-{}>", at + 1);
        }
        numbered.push(value);
        format!("<{kind}-{}>", numbered.iter().filter(of_kind).count())
    };
    let word = |found: &Captures<'_>| {
        let part = |name| found.name(name).map(|part| part.as_str());
        if let Some(uuid) = part("uuid") {
            number("uuid", uuid)
        } else if let Some(run) = part("slug") {
            format!("mp-{}", number("run", run))
        } else if let Some(run) = part("custom") {
            format!("{}.customer.example", number("run", run))
        } else if let Some(host) = part("host") {
            format!("{host}:<port>")
        } else {
            "<time>".to_owned()
        }
    };
    NEW_IN_EVERY_RUN.replace_all(text, word).into_owned()
}

/// Whether a text of the baseline, in which `*` stands for something of a run, is this one.
fn fits(known: &str, text: &str) -> bool {
    let (form, has_wildcards) = form(known);
    if !has_wildcards {
        return plain(known) == text;
    }
    // A text that makes no pattern knows nothing.
    let Ok(form) = Regex::new(&form) else {
        return false;
    };
    form.captures(text).is_some_and(|found| {
        let mut parts = found.iter().skip(1).flatten();
        parts.all(|part| is_of_a_run(part.as_str()))
    })
}

/// Whether a word may be new in every run: it has a digit, and is no number as short as a status code or a count.
fn is_of_a_run(word: &str) -> bool {
    let is_short_number = word.len() <= 3 && word.bytes().all(|byte| byte.is_ascii_digit());
    word.bytes().any(|byte| byte.is_ascii_digit()) && !is_short_number
}

/// The pieces of a text: literal ones, and `None` for a wildcard. `\*` is a star and `\\` a backslash.
fn pieces(known: &str) -> Vec<Option<String>> {
    let mut pieces = vec![Some(String::new())];
    let mut letters = known.chars().peekable();
    while let Some(letter) = letters.next() {
        let literal = match (letter, letters.peek()) {
            ('\\', Some(&next @ ('*' | '\\'))) => {
                letters.next();
                Some(next)
            }
            ('*', _) => None,
            (other, _) => Some(other),
        };
        match (literal, pieces.last_mut()) {
            (Some(literal), Some(Some(piece))) => piece.push(literal),
            (Some(literal), _) => pieces.push(Some(literal.to_string())),
            // Two stars in a row are one.
            (None, Some(None)) => {}
            (None, _) => pieces.push(None),
        }
    }
    pieces
}

fn form(known: &str) -> (String, bool) {
    let pieces = pieces(known);
    let has_wildcards = pieces.iter().any(Option::is_none);
    let parts = pieces.iter().map(|piece| match piece {
        Some(literal) => regex::escape(literal),
        None => WILDCARD.to_owned(),
    });
    (
        format!("^(?s:{})$", parts.collect::<String>()),
        has_wildcards,
    )
}

fn plain(known: &str) -> String {
    pieces(known).into_iter().flatten().collect()
}

/// Whether a text of the baseline says too little: it is empty, or nearly nothing but wildcards.
pub(super) fn is_vague(known: &str) -> bool {
    let literal = plain(known);
    let count = literal
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .count();
    literal.trim().is_empty() || (form(known).1 && count < LITERAL_MIN)
}

/// The text as the baseline writes it: a star in it is no wildcard.
pub(super) fn written(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let would_escape = letter == '\\' && matches!(letters.peek(), Some('*' | '\\'));
        if letter == '*' || would_escape {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
#[path = "fingerprint_tests.rs"]
mod tests;
