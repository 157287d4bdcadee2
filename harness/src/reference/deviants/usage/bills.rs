//! Backends that bill what failed, or guess what was not told. Never breaks more than one thing at a time.

use super::billing::{End, Price, Seen, bills_too, has_errors, tokens};
use super::{Draft, deviant};
use serde_json::Value;

/// Bills what the reference does not.
fn billing(
    id: &'static str,
    breaks: &'static str,
    expected: &'static [&'static str],
    price: Price,
) -> Draft {
    deviant(id, breaks, expected).parts(move |parts| bills_too(parts, price))
}

pub(super) fn all() -> Vec<Draft> {
    let mut all = failures();
    all.extend(odd_errors());
    all.extend(guesses());
    all
}

fn is_whole_200(seen: &Seen) -> bool {
    seen.status == 200 && seen.end == End::Whole
}

fn failures() -> Vec<Draft> {
    vec![
        billing(
            "failures-billed-as-zero",
            "A failed call writes a row without tokens",
            &["USG-002"],
            |seen| (seen.status != 200 && seen.end == End::Whole).then_some((0, 0)),
        ),
        billing(
            "counts-of-failures-billed",
            "A failure that reports tokens is billed",
            &["USG-002"],
            |seen| (seen.status != 200).then(|| seen.tokens()).flatten(),
        ),
        billing(
            "counts-of-client-errors-billed",
            "A 4xx that reports tokens is billed",
            &["USG-002"],
            |seen| {
                (400..500)
                    .contains(&seen.status)
                    .then(|| seen.tokens())
                    .flatten()
            },
        ),
        billing(
            "counts-of-blocked-answers-billed",
            "An answer that a guardrail has blocked (424) is billed by the tokens that it reports",
            &["USG-002"],
            |seen| (seen.status == 424).then(|| seen.tokens()).flatten(),
        ),
        billing(
            "long-cut-streams-billed-by-guess",
            "A stream that broke off after ten frames is billed with a token for each",
            &["USG-007"],
            |seen| {
                let frames = i64::try_from(seen.bodies.len()).ok()?;
                let is_cut = seen.streamed && seen.end == End::Cut && seen.tokens().is_none();
                (is_cut && frames >= 10).then_some((0, frames))
            },
        ),
        billing(
            "success-flag-not-read",
            "A 200 with success false is billed",
            &["USG-003"],
            |seen| {
                let failed = is_whole_200(seen) && seen.last()["success"] == false;
                failed.then(|| seen.tokens()).flatten()
            },
        ),
        billing(
            "error-object-not-read",
            "A 200 with an error object is billed",
            &["USG-003"],
            |seen| {
                let failed =
                    is_whole_200(seen) && !seen.streamed && seen.last()["error"].is_object();
                failed.then(|| seen.tokens()).flatten()
            },
        ),
        billing(
            "error-array-not-read",
            "A 200 with an error in the AI Gateway's own form is billed",
            &["USG-003"],
            |seen| {
                let failed = is_whole_200(seen) && seen.last()["error"].is_array();
                failed.then(|| seen.tokens()).flatten()
            },
        ),
        billing(
            "errors-of-workers-ai-not-read",
            "A 200 with errors in Workers AI's form is billed",
            &["USG-003"],
            |seen| {
                let failed = is_whole_200(seen) && has_errors(seen.last());
                failed.then(|| seen.tokens()).flatten()
            },
        ),
        billing(
            "error-in-a-stream-not-read",
            "A stream with an error in it is billed by the frames that came",
            &["USG-003"],
            |seen| {
                let frames = i64::try_from(seen.bodies.len()).ok()?;
                (seen.streamed && seen.failed()).then_some((1, frames))
            },
        ),
    ]
}

fn odd_errors() -> Vec<Draft> {
    vec![
        billing(
            "error-text-not-read",
            "A 200 whose error is a text is billed",
            &["USG-003"],
            |seen| {
                let failed = is_whole_200(seen) && seen.last()["error"].is_string();
                failed.then(|| seen.tokens()).flatten()
            },
        ),
        billing(
            "error-number-not-read",
            "A 200 whose error is a number is billed",
            &["USG-003"],
            |seen| {
                let failed = is_whole_200(seen) && seen.last()["error"].is_number();
                failed.then(|| seen.tokens()).flatten()
            },
        ),
        billing(
            "errors-read-as-a-list-only",
            "A 200 whose errors are no list is billed",
            &["USG-003"],
            |seen| {
                let errors = &seen.last()["errors"];
                let failed = is_whole_200(seen) && (errors.is_object() || errors.is_string());
                failed.then(|| seen.tokens()).flatten()
            },
        ),
        billing(
            "error-behind-the-usage-billed",
            "A stream that fails after it has told its usage is billed",
            &["USG-003"],
            |seen| {
                let failed = seen.streamed && seen.failed();
                let (_error, before) = seen.bodies.split_last().filter(|_| failed)?;
                before.iter().rev().find_map(tokens)
            },
        ),
        billing(
            "success-flag-of-a-stream-not-read",
            "A stream that says success false is billed",
            &["USG-003"],
            |seen| {
                let flagged = seen.bodies.iter().any(|frame| frame["success"] == false);
                let failed = seen.streamed && flagged;
                failed.then(|| seen.tokens()).flatten()
            },
        ),
    ]
}

fn text_of(body: &Value) -> Option<&str> {
    body["choices"][0]["message"]["content"].as_str()
}

fn guesses() -> Vec<Draft> {
    vec![
        billing(
            "missing-usage-billed-as-zero",
            "An answer without usage writes a row without tokens",
            &["USG-004"],
            |seen| {
                let missing = is_whole_200(seen) && !seen.streamed && !seen.failed();
                (missing && seen.tokens().is_none()).then_some((0, 0))
            },
        ),
        billing(
            "missing-usage-guessed",
            "Tokens that are not reported are guessed by the length of the text",
            &["USG-004"],
            |seen| {
                let missing = is_whole_200(seen) && seen.tokens().is_none();
                let text = text_of(seen.last()).filter(|_| missing)?;
                i64::try_from(text.len() / 4)
                    .ok()
                    .map(|guess| (guess, guess))
            },
        ),
        billing(
            "usage-without-counts-billed",
            "Usage that holds no counts is billed as zero",
            &["USG-004"],
            |seen| {
                let usage = &seen.last()["usage"];
                let empty = usage.is_object() && tokens(seen.last()).is_none();
                (is_whole_200(seen) && empty).then_some((0, 0))
            },
        ),
        billing(
            "garbage-billed",
            "A 200 that cannot be read writes a row without tokens",
            &["USG-004"],
            |seen| (is_whole_200(seen) && seen.bodies.is_empty()).then_some((0, 0)),
        ),
        billing(
            "streams-without-usage-billed-by-frame",
            "A stream that reports no usage is billed by its frames",
            &["USG-004"],
            |seen| {
                let missing = is_whole_200(seen) && seen.streamed && seen.tokens().is_none();
                let frames = i64::try_from(seen.bodies.len()).ok().filter(|_| missing)?;
                Some((1, frames))
            },
        ),
        billing(
            "cut-streams-billed",
            "A stream that breaks off is billed by the frames that came",
            &["USG-007"],
            |seen| {
                let frames = i64::try_from(seen.bodies.len()).ok()?;
                (seen.end == End::Cut).then_some((1, frames))
            },
        ),
        billing(
            "streams-left-by-their-caller-billed",
            "A stream whose caller has left is billed by the frames that came",
            &["USG-007"],
            |seen| {
                let frames = i64::try_from(seen.bodies.len()).ok()?;
                (seen.streamed && seen.end == End::Left).then_some((1, frames))
            },
        ),
    ]
}
