//! By what a finding is known again in another run: its step, what was expected, what was seen, without what is new in every run.
//! Never lets another status, code or name pass for the one that is known.
//!
//! What is new in every run is put in the form of a word, in the text of the baseline and in that of the finding alike: see [`crate::lasting`].

use crate::lasting::{lasting, without_times};
use crate::scrub;
use regex::Regex;

/// Letters and digits that a text must have beside its wildcards: as many as a status code has.
const LITERAL_MIN: usize = 3;

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
            seen: without_times(&put(seen)),
        }
    }

    /// Whether `self`, which may have wildcards, knows a finding.
    pub(super) fn knows(&self, finding: &Self) -> bool {
        fits(&self.step, &finding.step)
            && fits(&self.expected, &finding.expected)
            && fits(&self.seen, &finding.seen)
    }
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
