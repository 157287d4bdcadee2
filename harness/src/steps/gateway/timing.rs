//! Timeouts that really pass: the upstream hangs, the backend must give up by itself. Never used where virtual time will do.

use super::calls::calls;
use super::prompts::{chat_body, prompt};
use crate::clock;
use crate::doubles::{Reply, Script};
use crate::lag;
use crate::run::scene::{Scene, describe};
use crate::steps::book::{Args, Book};
use crate::verdict::{Check, Stop};
use std::time::Duration;

/// How far a real timeout may be off. Evidence: the back-off between retries takes less than a second.
const OFF_MAX: Duration = Duration::from_millis(1_500);

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"the upstream fails at once and hangs on the last try of tenant "([^"]+)""#,
        |s, a| Box::pin(hangs_on_last_try(s, a)),
    );
    book.step(r"the answer took (\d+) s, give or take 1\.5 s", |s, a| {
        Box::pin(took(s, a))
    });
}

/// How often a tier is tried again is the backend's choice within bounds: it is asked first.
async fn hangs_on_last_try(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
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
    let replies = (0..failures)
        .map(|_try| Reply::status(500))
        .chain([Reply::default().hang()]);
    gateway.script(&marker, Script::sequence(replies));
    Ok(())
}

async fn took(s: &mut Scene, a: Args) -> Check {
    let answer = s.last()?;
    let expected: u64 = a.number(1)?;
    let (promised, off) = (Duration::from_secs(expected), OFF_MAX);
    let seen = format!(
        "{:.0} ms, {}",
        clock::ms(answer.done_after),
        describe(&answer)
    );
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
