//! What lasts of a text from one run to the next, so that a finding is known again. Never lets another status, code or name pass for the same.
//!
//! What is new in every run is put in the form of a word:
//!
//! | in the text | becomes |
//! |---|---|
//! | a UUID | `<uuid-1>`, `<uuid-2>`: numbered as they come, so that equal ones stay equal and others other |
//! | the harness's part of a slug, marker or custom host | `<run-1>` in the same way |
//! | a port after a scheme and host, or after loopback | `<port>` |
//! | RFC 3339 time, HTTP date, epoch seconds or milliseconds of 2017 to 2033 | `<time>` |
//! | in what was seen: milliseconds after the words after, within, takes, took | `<n>` |

use regex::{Captures, Regex};
use std::sync::LazyLock;

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap_or_else(|_invalid| unreachable!("a constant pattern"))
}

static NEW_IN_EVERY_RUN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?P<uuid>\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b)",
        r"|mp-(?P<slug>[a-z]{6}[0-9a-z]{4})",
        r"|(?P<custom>[a-z]{6}[0-9a-z]{4})\.customer\.example",
        r"|(?P<host>(?:https?|wss?)://(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)|\b127\.0\.0\.1|\blocalhost|\[::1\]):[0-9]{1,5}\b",
        r"|(?P<time>\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:?[0-9]{2}\b)?",
        r"|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
        r"|\b(?:1[5-9][0-9]{8}|1[5-9][0-9]{11})\b)",
    ))
});

static MEASURED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(after|within|takes|took) [0-9]+(?:\.[0-9]+)? ms\b"));

/// The text without the times that were measured in what was seen.
pub(crate) fn without_times(seen: &str) -> String {
    MEASURED.replace_all(seen, "$1 <n> ms").into_owned()
}

/// The text with what is new in every run as words, numbered through all texts of a finding.
pub(crate) fn lasting(text: &str, numbered: &mut Vec<String>) -> String {
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
