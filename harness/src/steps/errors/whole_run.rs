//! Errors of the whole run, judged at its end. Never judges what HTTP itself refused before any route was asked.

use crate::contract::codes::CODES;
use crate::evidence::Exchange;
use crate::oracle::error_shape::{code_flaw, flaws, is_error};
use crate::oracle::http_form::answered_before_the_backend;
use crate::oracle::leaks::signs;
use crate::run::book::Book;
use crate::run::capture::point_at;
use crate::run::scene::{Scene, breach};
use crate::steps::security::canaries::Detector;
use crate::verdict::{Check, Finding, OrUnmet as _, Severity, Stop};
use std::collections::HashMap;
use std::sync::Arc;

/// So many are named in a finding.
const SHOWN_MAX: usize = 3;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"every error of the whole run has the contract's shape",
        |s, _a| Box::pin(all_shaped(s)),
    );
    book.step(
        r"no request id of the whole run was given twice",
        |s, _a| Box::pin(ids_unique(s)),
    );
    book.step(
        r"every error code of the whole run is listed and has its status",
        |s, _a| Box::pin(codes_listed(s)),
    );
    book.step(
        r"no error of the whole run tells anything of the inside",
        |s, _a| Box::pin(nothing_told(s)),
    );
}

/// Every error that a backend gave in this run.
fn errors(s: &Scene) -> Vec<Arc<Exchange>> {
    let runtime_answers = s.run.target.limits().runtime_answers_malformed_requests;
    s.run
        .all_exchanges()
        .into_iter()
        .filter(|answer| {
            is_error(answer)
                && is_whole(answer)
                && !answered_before_the_backend(answer, runtime_answers)
        })
        .collect()
}

/// Whether the caller stayed until the end of the answer: one that goes away early sees no whole body.
fn is_whole(answer: &Exchange) -> bool {
    answer
        .header("content-length")
        .and_then(|text| text.parse::<usize>().ok())
        .is_none_or(|announced| announced == answer.body_len)
}

/// Asserts that no error has a flaw; a finding names the first few.
fn none_has(s: &mut Scene, expected: &str, flaws_of: impl Fn(&Exchange) -> Vec<String>) -> Check {
    let errors = errors(s);
    s.expect(!errors.is_empty(), "errors in the run", || {
        "none".to_owned()
    })
    .or_unmet("the refusal of an unknown route")?;
    let flawed: Vec<String> = errors
        .iter()
        .filter_map(|answer| {
            let flaws = flaws_of(answer);
            (!flaws.is_empty()).then(|| format!("{}: {}", answer.line(), flaws.join("; ")))
        })
        .collect();
    if let Some(first) = errors.iter().find(|one| !flaws_of(one).is_empty()) {
        point_at(first);
    }
    s.expect(
        flawed.is_empty(),
        format!("{expected}, all {} of the run", errors.len()),
        || {
            let shown = flawed.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>();
            format!("{} are not: {}", flawed.len(), shown.join(" | "))
        },
    )?;
    seen_to_work(s)
}

/// What is true of all errors shows nothing on a server that does nothing but refuse, or knows the contract in nothing: somebody was served,
/// and somebody was refused as the contract has it.
fn seen_to_work(s: &mut Scene) -> Check {
    let all = s.run.all_exchanges();
    let served = all
        .iter()
        .any(|answer| answer.status < 300 && answer.sent_json().is_some());
    let refused = errors(s).iter().any(|answer| {
        CODES
            .iter()
            .any(|(code, status)| *status == answer.status && answer.has_code(code))
    });
    s.expect(
        served && refused,
        "an answer with JSON and a refusal with a code of the contract, somewhere in the run",
        || {
            let seen = |is: bool| if is { "one" } else { "none" };
            format!(
                "{} of the first and {} of the second",
                seen(served),
                seen(refused)
            )
        },
    )
    .or_unmet("a target that was not seen to work")
}

/// An error that is one, in another form than the contract's: a finding of shape.
pub(super) fn in_another_form(check: Check) -> Check {
    check.map_err(|stop| match stop {
        Stop::Violation(finding) => Stop::Violation(Finding {
            severity: Severity::Shape,
            ..finding
        }),
        other @ (Stop::Unmet(_)
        | Stop::NotVerified(_)
        | Stop::NotApplicable(_)
        | Stop::Fault(_)) => other,
    })
}

async fn all_shaped(s: &mut Scene) -> Check {
    let check = none_has(s, "errors in the contract's shape", flaws);
    in_another_form(check)
}

async fn codes_listed(s: &mut Scene) -> Check {
    let check = none_has(s, "errors with a listed code and its status", |answer| {
        code_flaw(answer).into_iter().collect()
    });
    in_another_form(check)
}

async fn nothing_told(s: &mut Scene) -> Check {
    let detector = Detector::of(&s.run.all_secrets());
    none_has(s, "errors that tell nothing of the inside", |answer| {
        let held = detector.place_in(answer);
        let held = held.map(|place| format!("a secret that was sent, in the {place}"));
        signs(answer).into_iter().chain(held).collect()
    })
}

async fn ids_unique(s: &mut Scene) -> Check {
    let health = s.dialect().health;
    let all = s.run.all_exchanges();
    let mut seen: HashMap<&str, &Exchange> = HashMap::new();
    for answer in &all {
        // A healthy answer may come from a cache, id and all (RL-013).
        if answer.status == 200 && answer.request.route() == health {
            continue;
        }
        let Some(id) = answer.header("x-request-id") else {
            continue;
        };
        if let Some(earlier) = seen.insert(id, answer) {
            point_at(answer);
            return Err(breach(
                "a request id of its own for each request",
                format!("`{id}` for {} and for {}", earlier.line(), answer.line()),
            ));
        }
    }
    let (with_id, errors) = (seen.len(), errors(s).len());
    s.expect(errors > 0, "errors in the run", || "none".to_owned())
        .or_unmet("the refusal of an unknown route")?;
    s.expect(with_id >= errors, "an X-Request-Id on every error", || {
        format!("{with_id} ids in {errors} errors")
    })?;
    seen_to_work(s)
}
