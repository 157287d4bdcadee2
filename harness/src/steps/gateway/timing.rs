//! Timeouts that really pass: the upstream hangs, the backend must give up by itself. Never used where virtual time will do.

use super::calls::calls;
use super::prompts::{chat_body, prompt};
use crate::clock;
use crate::doubles::{Reply, Script};
use crate::lag;
use crate::run::book::{Args, Book};
use crate::run::scene::{COMPLETE_ANSWER, Scene, breach, describe};
use crate::verdict::{Check, Stop};
use std::time::Duration;

/// How far a real timeout may be off. Evidence: the back-off between retries takes less than a second.
const OFF_MAX: Duration = Duration::from_millis(1_500);

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"the upstream fails at once and (?:hangs|sends a (head alone)) on the last try of tenant "([^"]+)""#,
        |s, a| Box::pin(hangs_on_last_try(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" prompts the model and waits for (\d+) s at most"#,
        |s, a| Box::pin(waits_at_most(s, a)),
    );
    book.asserting(
        &["AIG-009"],
        r"the answer took (\d+) s, give or take 1\.5 s",
        |s, a| Box::pin(took(s, a)),
    );
}

/// How often a tier is tried again is the backend's choice within bounds: it is asked first.
async fn hangs_on_last_try(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(2))?.host;
    let last = if a.text(1).is_empty() {
        Reply::default().hang()
    } else {
        Reply::default().stall_after(0)
    };
    let marker = s.marker();
    let gateway = s.gateway().await?;
    gateway.script(&marker, Script::always(Reply::status(500)));
    let request = s.chat_request_with(&host, &chat_body(&marker, false));
    prompt(s, request, false).await?;
    let tries = calls(s).await?.len();
    let Some(failures) = tries.checked_sub(1) else {
        let answer = s.last()?;
        return Err(Stop::Fault(format!(
            "the upstream is never asked: {}",
            describe(&answer)
        )));
    };
    let replies = (0..failures).map(|_try| Reply::status(500)).chain([last]);
    gateway.script(&marker, Script::sequence(replies));
    Ok(())
}

/// A backend that waits for ever is told from one that has died: by how long its caller waited.
async fn waits_at_most(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let patience = Duration::from_secs(a.number(2)?);
    let request = s.chat_request_with(&host, &chat_body(&s.marker(), false));
    let asked_at = clock::now();
    match prompt(s, request.within(patience), false).await {
        Err(Stop::Violation(finding))
            if finding.expected == COMPLETE_ANSWER && asked_at.elapsed() >= patience =>
        {
            lag::blame(asked_at, clock::now(), patience / 2, || {
                finding.seen.clone()
            })?;
            let expected = format!("{COMPLETE_ANSWER} within {} s", patience.as_secs());
            Err(breach(expected, finding.seen))
        }
        other => other,
    }
}

async fn took(s: &mut Scene, a: Args) -> Check {
    let answer = s.last()?;
    let expected: u64 = a.number(1)?;
    let (promised, off) = (Duration::from_secs(expected), OFF_MAX);
    let mut seen = format!(
        "{:.0} ms, {}",
        clock::ms(answer.done_after),
        describe(&answer)
    );
    // By the gateway's own clock, which no delay on the way to the caller moves.
    let marker = s.marker();
    let gateway = s.instance().await?.gateway.clone();
    let call = gateway.and_then(|gateway| gateway.journal(&marker).pop());
    if let Some((call, end)) = call.and_then(|call| Some((call.at, call.finished_at?))) {
        let lasted = clock::ms(end.saturating_sub(call));
        seen = format!("{seen}; the last upstream call ended {lasted:.0} ms after it came");
    }
    let over = answer.done_after.saturating_sub(promised + off);
    if !over.is_zero() {
        let (sent, done) = (answer.sent_at, answer.sent_at + answer.done_after);
        lag::blame(sent, done, over, || seen.clone())?;
    }
    s.expect(
        over.is_zero() && answer.done_after + off >= promised,
        format!("an answer after {expected} s, give or take 1.5 s"),
        || seen,
    )
}
