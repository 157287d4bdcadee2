//! What errors must not tell, held against upstreams and stores that fail talkatively. Never holds a secret that is worth anything.

use super::envelope::refusals_since_begin;
use crate::doubles::{Reply, Script};
use crate::evidence::Exchange;
use crate::oracle::leaks::signs;
use crate::run::book::{Args, Book};
use crate::run::capture::point_at;
use crate::run::scene::{Scene, describe};
use crate::steps::operating::{expect_first, worst};
use crate::steps::security::canaries::{Detector, one_in, own};
use crate::steps::words::canary;
use crate::verdict::{Check, Stop};

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"the AI Gateway answers with (a gateway's error|a provider's error|a page of HTML|a stack trace|an error of its SQL|a body that is no JSON)",
        |s, a| Box::pin(gateway_answers(s, a)),
    );
    book.asserting(
        &["ERR-004"],
        r"the answer is a 502 or 504 that tells nothing of the inside",
        |s, _a| Box::pin(upstream_error(s)),
    );
    book.step(r"the answer has nothing of the upstream's body", |s, _a| {
        Box::pin(nothing_of_upstream(s))
    });
    book.step(r"the answer tells nothing of the inside", |s, _a| {
        Box::pin(last_tells_nothing(s))
    });
    book.step(r"no error holds a secret", |s, _a| {
        Box::pin(no_error_holds_a_secret(s))
    });
    book.step(
        r"all of them are errors that tell nothing of the inside",
        |s, _a| Box::pin(all_tell_nothing(s)),
    );
}

async fn gateway_answers(s: &mut Scene, a: Args) -> Check {
    let own = canary(s);
    let said = match a.text(1) {
        "a page of HTML" => format!("<html><title>502 Bad Gateway</title>{own}</html>"),
        "a stack trace" => {
            format!("TypeError: {own}\n    at fetch (file:///srv/src/index.ts:12:7)")
        }
        "an error of its SQL" => {
            format!("SELECT key FROM keys WHERE owner = '{own}': no such table")
        }
        _ => own,
    };
    let reply = match a.text(1) {
        "a gateway's error" => Reply::gateway_error(2002, 500, &said),
        "a body that is no JSON" => Reply::garbage().with_status(500),
        _ => Reply::provider_error(500, 5000, &said),
    };
    let reply = reply.header("x-upstream-said", &canary(s));
    let marker = s.marker();
    s.gateway().await?.script(&marker, Script::always(reply));
    Ok(())
}

/// That it is 502 or 504 is promised elsewhere (AIG-013): what any error tells of the inside is judged here.
async fn upstream_error(s: &mut Scene) -> Check {
    let answer = s.last()?;
    tells_nothing(s, &answer)
}

async fn nothing_of_upstream(s: &mut Scene) -> Check {
    let (answer, canary) = (s.last()?, canary(s));
    let shown = answer.shown();
    let words = [canary.as_str(), "<html>", "AiGatewayError", "internalCode"];
    for word in words {
        s.expect(
            !shown.contains(word),
            format!("nothing of the upstream's answer, such as `{word}`"),
            || shown.clone(),
        )?;
    }
    Ok(())
}

/// Asserts that an error tells nothing of the inside. What is answered as if nothing were wrong is no error to judge.
pub(super) fn tells_nothing(s: &mut Scene, answer: &Exchange) -> Check {
    let what = format!("{} {}", answer.request.method, answer.request.path);
    if answer.status < 400 && s.accept_refusal(answer) {
        s.checks += 1;
        return Ok(());
    }
    let is_refused = answer.status >= 400;
    expect_first(s, answer, is_refused, format!("an error for {what}"))?;
    let found = signs(answer);
    s.expect(
        found.is_empty(),
        format!("an error that tells nothing of the inside for {what}"),
        || format!("{}; {}", found.join("; "), describe(answer)),
    )
}

async fn last_tells_nothing(s: &mut Scene) -> Result<(), Stop> {
    let answer = s.last()?;
    tells_nothing(s, &answer)
}

async fn all_tell_nothing(s: &mut Scene) -> Check {
    let answers = refusals_since_begin(s);
    worst(answers.iter().map(|answer| tells_nothing(s, answer)))
}

async fn no_error_holds_a_secret(s: &mut Scene) -> Check {
    let mut secrets = own(s);
    secrets.extend(s.instance().await?.ai_gateway_key.clone());
    let detector = Detector::of(&secrets);
    let errors = s.exchanges.iter().filter(|answer| answer.status >= 400);
    let held = errors.cloned().find_map(|answer| {
        let place = detector.place_in(&answer)?;
        Some((one_in(&place, &answer), answer))
    });
    if let Some((_seen, answer)) = &held {
        point_at(answer);
    }
    s.expect(held.is_none(), "no secret in an error", || {
        held.map(|(seen, _answer)| seen).unwrap_or_default()
    })
}
