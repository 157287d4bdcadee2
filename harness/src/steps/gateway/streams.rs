//! Streamed answers while they are produced: the upstream holds back, the caller looks or leaves. Never reads an answer that is already whole.

use super::TEXT;
use super::calls::{calls, mark_calls, words};
use super::prompts::chat_body;
use crate::client::stream::{Next, StreamedAnswer};
use crate::counted::counted;
use crate::doubles::{Attempt, Outcome, Reply, Script, StreamDialect};
use crate::lag::{self, Patience};
use crate::oracle::completion::{self, Streamed};
use crate::oracle::routing::FREE_TIMEOUT_MS;
use crate::run::book::{Args, Book};
use crate::run::scene::{COMPLETE_ANSWER, Scene, breach, describe};
use crate::verdict::{Check, Finding, OrUnmet as _, Stop};
use crate::{clock, wait};
use std::time::Duration;

/// Name of the stream under way.
const HELD: &str = "held";
/// Within this time an event that has been sent upstream is with the caller, and a caller's leaving is seen upstream.
/// Evidence: both take a few milliseconds on one machine; a busy one, with a single-threaded runtime, took more than 5 s.
/// It is below the least timeout of the contract, 8 s: after that a backend lets go of a call by itself, which would look like either.
const PROMPTLY: Duration = Duration::from_secs(7);

/// After this time a backend may let go of a call by itself.
const TIMES_OUT: Duration = Duration::from_millis(FREE_TIMEOUT_MS);

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r#"tenant "([^"]+)" opens a streamed prompt"#, |s, a| {
        Box::pin(opens(s, a))
    });
    book.asserting(
        &["AIG-017"],
        "the caller has the first event while the upstream holds back the rest",
        |s, a| Box::pin(has_first_event(s, a)),
    );
    book.step(
        r"the upstream sends (openai|native) events (\d+) ms apart for (\d+) s",
        |s, a| Box::pin(sends_events(s, a)),
    );
    book.asserting(
        &["AIG-017"],
        "the caller has the first event while the upstream sends on",
        |s, a| Box::pin(has_first_event(s, a)),
    );
    book.step(r"the upstream goes on(?: after (\d+) s)?", |s, a| {
        Box::pin(goes_on(s, a))
    });
    book.asserting(
        &["AIG-009", "AIG-017"],
        "the rest of the stream reaches the caller",
        |s, a| Box::pin(rest_comes(s, a)),
    );
    book.asserting(&["AIG-017"], "the answer is a stream of events", |s, a| {
        Box::pin(is_stream(s, a))
    });
    book.asserting(
        &["AIG-017"],
        "the caller is not told that the answer is whole",
        |s, a| Box::pin(is_not_whole(s, a)),
    );
    book.step("the caller goes away", |s, a| Box::pin(goes_away(s, a)));
    book.asserting(&["AIG-017"], "the upstream call is cancelled", |s, a| {
        Box::pin(is_cancelled(s, a))
    });
}

async fn opens(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let request = s.chat_request_with(&host, &chat_body(&s.marker(), true));
    mark_calls(s).await?;
    // A backend that waits for the whole answer sends no head while the upstream holds back.
    let (patience, clock) = (Patience::of(PROMPTLY), Patience::by_the_clock(PROMPTLY));
    let opened = s.open_stream(HELD, request.within(PROMPTLY)).await;
    match opened {
        Err(Stop::Violation(finding)) if finding.expected == COMPLETE_ANSWER && clock.is_over() => {
            patience.blame(|| finding.seen.clone())?;
            Err(silent(s, finding).await?)
        }
        other => other,
    }
}

/// What the silence of a backend is, whose upstream may have begun to answer.
async fn silent(s: &mut Scene, finding: Finding) -> Result<Stop, Stop> {
    let sent = held_call(s).await?.chunks_sent;
    if sent == 0 {
        return Ok(Stop::Violation(finding).or_unmet("a chat that is not answered"));
    }
    Ok(breach(
        format!("{COMPLETE_ANSWER}, its first event while the upstream holds back the rest"),
        format!("{}; the upstream had sent {sent} events", finding.seen),
    ))
}

async fn is_stream(s: &mut Scene, _a: Args) -> Check {
    let answer = s.last()?;
    let kind = answer.header("content-type").unwrap_or_default().to_owned();
    let is_stream = answer.media_type() == "text/event-stream";
    s.expect(is_stream, "an answer of type text/event-stream", || {
        format!("`{kind}`; {}", describe(&answer))
    })
}

/// Whether the connection breaks or an event tells of the failure is the backend's choice.
async fn is_not_whole(s: &mut Scene, _a: Args) -> Check {
    let answer = s.last()?;
    let calls = calls(s).await?;
    if !calls.iter().any(|call| call.outcome == Outcome::Cut) {
        return Err(Stop::Fault(format!(
            "the upstream did not break off: {}",
            words(&calls)
        )));
    }
    let read = completion::streamed(&answer.text());
    s.expect(
        !read.done,
        "no [DONE] behind a stream that broke off upstream",
        || read.to_string(),
    )
}

/// Reads the stream until `enough` or its end.
async fn read(s: &mut Scene, enough: fn(&Streamed) -> bool) -> Result<(Streamed, Next), Stop> {
    let stream = s
        .streams
        .get_mut(HELD)
        .ok_or_else(|| Stop::Fault("no stream is open".to_owned()))?;
    let patience = Patience::of(PROMPTLY);
    loop {
        let read = completion::streamed(&stream.text());
        if enough(&read) {
            return Ok((read, Next::Nothing));
        }
        match stream.next(&patience).await {
            Next::Bytes(_) => {}
            last @ (Next::End | Next::Cut(_)) => {
                return Ok((completion::streamed(&stream.text()), last));
            }
            Next::Nothing => {
                let read = completion::streamed(&stream.text());
                patience.blame(|| format!("{read}, then {}", Next::Nothing))?;
                return Ok((read, Next::Nothing));
            }
        }
    }
}

async fn held_call(s: &mut Scene) -> Result<Attempt, Stop> {
    let marker = s.marker();
    let call = s.gateway().await?.journal(&marker).pop();
    call.ok_or_else(|| {
        breach("a call to the AI Gateway", "none").or_unmet("a chat that reaches no model")
    })
}

async fn has_first_event(s: &mut Scene, _a: Args) -> Check {
    let (read, last) = read(s, |read| read.pieces > 0).await?;
    let call = held_call(s).await?;
    let status = s.streams.get(HELD).map_or(0, StreamedAnswer::status);
    s.expect(status == 200, "status 200", || format!("status {status}"))
        .or_unmet("a chat that is refused")?;
    s.expect(
        read.pieces > 0 && !read.done,
        "the first event with the caller before the last was sent upstream",
        || {
            format!(
                "{read}, then {last}; the upstream had sent {}",
                counted(call.chunks_sent, "event")
            )
        },
    )?;
    // Otherwise nothing was held back, and the first event proves nothing.
    if call.outcome == Outcome::InProgress {
        Ok(())
    } else {
        Err(Stop::Fault(format!(
            "the upstream did not hold back: {}",
            words(&[call])
        )))
    }
}

/// The note that the upstream of the scenario does not hold its stream back.
const EVENTS_GO_ON: &str = "events go on";

async fn sends_events(s: &mut Scene, a: Args) -> Check {
    let (apart_ms, seconds): (u64, u64) = (a.number(2)?, a.number(3)?);
    let dialect = match a.text(1) {
        "native" => StreamDialect::Native,
        _ => StreamDialect::OpenAi,
    };
    let count = usize::try_from(seconds * 1000 / apart_ms.max(1)).unwrap_or(1);
    let reply = Reply::stream(dialect, &vec!["on "; count], 7, 3);
    let reply = reply.paced(Duration::from_millis(apart_ms));
    let marker = s.marker();
    s.gateway().await?.script(&marker, Script::always(reply));
    s.notes.insert(EVENTS_GO_ON.to_owned(), true.into());
    Ok(())
}

async fn goes_on(s: &mut Scene, a: Args) -> Check {
    if !a.text(1).is_empty() {
        wait::pass(Duration::from_secs(a.number(1)?)).await;
    }
    let marker = s.marker();
    s.gateway().await?.release(&marker);
    Ok(())
}

async fn rest_comes(s: &mut Scene, _a: Args) -> Check {
    let (read, last) = read(s, |_read| false).await?;
    let answer = s.close_stream(HELD)?;
    s.expect_status(&answer, 200)
        .or_unmet("a chat that is refused")?;
    s.expect(
        last == Next::End && read.text == TEXT && read.done,
        format!("the rest of \"{TEXT}\", [DONE] and an orderly end"),
        || format!("{read}, then {last}"),
    )
}

async fn goes_away(s: &mut Scene, _a: Args) -> Check {
    s.close_stream(HELD).map(drop)
}

/// From a call's arrival to its end, by the double's clock.
fn lasted(call: &Attempt) -> Duration {
    let end = call.finished_at.unwrap_or(call.at);
    end.saturating_sub(call.at)
}

/// How many streams a caller leaves on workerd before nobody is said to notice. Evidence: of some 80 streams with an event each 100 ms two went
/// on though their caller had gone, on a quiet machine, and once three of one tenant in a row. A Worker that does not notice lets every one go on.
const LEAVES_ON_WORKERD: usize = 5;

async fn is_cancelled(s: &mut Scene, _a: Args) -> Check {
    let on_workerd = s.run.target.limits().runtime_answers_malformed_requests;
    let times = if on_workerd && s.notes.contains_key(EVENTS_GO_ON) {
        LEAVES_ON_WORKERD
    } else {
        1
    };
    let mut check = cancelled(s).await;
    for time in 1..times {
        if !matches!(check, Err(Stop::Violation(_))) {
            break;
        }
        let host = another_host(s, time).await?;
        let request = s.chat_request_with(&host, &chat_body(&s.marker(), true));
        mark_calls(s).await?;
        s.open_stream(HELD, request.within(PROMPTLY)).await?;
        read(s, |read| read.pieces > 0).await?;
        s.close_stream(HELD)?;
        check = cancelled(s).await;
    }
    check
}

/// A host of another tenant where one can be made, so that what went on for one says nothing of the next; the same one elsewhere.
async fn another_host(s: &mut Scene, time: usize) -> Result<String, Stop> {
    let (same, name) = (s.last()?.request.host.clone(), format!("leaver{time}"));
    let tenant = s.new_tenant(&name, "premium").await?;
    match s.make_tenant(&name, tenant).await {
        Ok(tenant) => Ok(tenant.host),
        Err(Stop::NotVerified(_)) => Ok(same),
        Err(stop) => Err(stop),
    }
}

async fn cancelled(s: &mut Scene) -> Check {
    let marker = s.marker();
    // Of the last call, for an earlier caller may have left as well.
    let is_gone = |calls: &[Attempt]| calls.last().is_some_and(|call| call.client_gone);
    let gateway = s.gateway().await?;
    let (patience, began) = (Patience::of(PROMPTLY), clock::now());
    let calls = gateway.wait_until(&marker, PROMPTLY, is_gone).await;
    if !is_gone(&calls) {
        patience.blame(|| words(&calls))?;
        let is_held = !s.notes.contains_key(EVENTS_GO_ON);
        if is_held && s.run.target.limits().runtime_answers_malformed_requests {
            return Err(Stop::NotVerified(
                "workerd tells a Worker that its caller has gone when it writes to it, and while the upstream is silent nothing may be written: ask the deployed Worker".to_owned(),
            ));
        }
    }
    // By the double's clock: a call that is let go of only now may have been given up for its own time-out.
    let late = calls
        .last()
        .filter(|call| call.client_gone && lasted(call) >= TIMES_OUT);
    if let Some(late) = late {
        let seen = format!(
            "a call that was let go of {} ms after it came",
            lasted(late).as_millis()
        );
        return Err(lag::too_slow(began, clock::now(), seen).into());
    }
    s.expect(
        is_gone(&calls),
        "the upstream call cancelled when its caller has gone",
        || {
            format!(
                "still open after {} ms: {}",
                PROMPTLY.as_millis(),
                words(&calls)
            )
        },
    )
}
