//! Each phase of a call and each status: streams cut at many bytes, callers that leave early, every failure that an upstream can name.
//! Never looks at one prompt alone but for its caller's leaving.

use super::TEXT;
use super::calls::{mark_calls, words};
use super::prompts::chat_body;
use crate::client::stream::StreamedAnswer;
use crate::counted::counted;
use crate::doubles::{Attempt, Outcome, Reply, Script, StreamDialect};
use crate::oracle::completion;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::verdict::{Check, Stop};
use crate::wait;
use futures_util::future::{Either, select};
use serde_json::{Value, json};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// What may be tried again (AIG-011).
const RETRYABLE: [u16; 4] = [429, 500, 503, 524];
/// Statuses that are asked for both plainly and in a stream: those that somebody might take for passing troubles.
const LIKELY: [u16; 16] = [
    408, 409, 421, 423, 425, 501, 502, 504, 507, 509, 520, 521, 522, 523, 527, 530,
];
/// The failures that the register of HTTP statuses or the CDN in front of a provider has a name for, but for those that may be tried again.
const NAMED: [u16; 46] = [
    400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421,
    422, 423, 424, 425, 426, 428, 431, 451, 498, 499, 501, 502, 504, 505, 506, 507, 508, 510, 511,
    520, 521, 522, 523, 525, 526, 527, 530,
];
/// Within this time a prompt is at the upstream. Evidence: `usage/timing.rs`.
const ASKED_MAX: Duration = Duration::from_secs(10);
/// In this time after a caller has gone nobody may call a model for it. The pause before a retry is shorter in any backend that was seen.
const QUIET: Duration = Duration::from_millis(300);
/// Between the two parts of a stream, so that they do not arrive as one.
const BETWEEN_PARTS: Duration = Duration::from_millis(20);
/// Note: statuses that were asked for, with the marker of each prompt.
const SWEPT: &str = "statuses that were asked for";
/// Pieces of a streamed answer: together the text that every answer has.
const PIECES: [&str; 3] = super::replies::PIECES;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"tenant "([^"]+)" opens a streamed prompt and leaves while the upstream is silent"#,
        |s, a| Box::pin(leaves_early(s, a)),
    );
    book.asserting(
        &["AIG-017"],
        "nobody calls a model for the caller that has gone",
        |s, a| Box::pin(nobody_calls(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" prompts the model once for each status from 400 to 599 that is final, and the upstream replies with it"#,
        |s, a| Box::pin(sweeps(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" prompts the model once for each failure that has a name and is final, and the upstream reports (\d+)/(\d+) tokens with it"#,
        |s, a| Box::pin(fails_with_counts(s, a)),
    );
    book.asserting(
        &["AIG-011"],
        "each of these statuses ended its prompt at once",
        |s, a| Box::pin(each_was_final(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" prompts the model (\d+) times in a stream of (openai|native) events that arrives in two parts, each time parted elsewhere"#,
        |s, a| Box::pin(parted(s, a)),
    );
    book.asserting(
        &["AIG-017"],
        "each of these callers gets the model's text",
        |s, a| Box::pin(each_gets_text(s, a)),
    );
    book.asserting(
        &["AIG-017"],
        "each of these answers has status 200",
        |s, a| Box::pin(each_is_200(s, a)),
    );
}

async fn leaves_early(s: &mut Scene, a: Args) -> Check {
    // Seen on workerd with `enable_request_signal`: whether its caller closed or reset the connection, a Worker that had read the whole
    // request was told of neither within 5 s.
    if s.run.target.limits().runtime_answers_malformed_requests {
        return Err(Stop::NotVerified(
            "workerd tells a Worker only in the midst of an answer that its caller has gone: ask the deployed Worker (manifest: [limits] runtime_answers_malformed_requests)".to_owned(),
        ));
    }
    let host = s.tenant(a.text(1))?.host;
    let marker = s.marker();
    let request = s.chat_request_with(&host, &chat_body(&marker, true));
    mark_calls(s).await?;
    let (instance, gateway) = (s.instance().await?, s.gateway().await?);
    let request = s.addressed(request)?;
    let client = s.run.client.clone();
    let number = s.exchanges.len() + 1;
    let is_silent = |calls: &[Attempt]| calls.iter().any(|call| call.outcome == Outcome::Hung);
    let silence = gateway.wait_until(&marker, ASKED_MAX, is_silent);
    let opening = StreamedAnswer::open(&client, &instance.base, &request, number);
    let calls = match select(pin!(opening), pin!(silence)).await {
        // A head of its own before the upstream's is the backend's choice.
        Either::Left((Ok(answer), silence)) if answer.status() == 200 => {
            let calls = silence.await;
            drop(answer);
            calls
        }
        Either::Left((Ok(answer), _silence)) => {
            let answer = Arc::new(answer.close());
            s.keep(&answer);
            return Err(Stop::NotVerified(format!(
                "the prompt was answered while the upstream was to be silent: {}",
                describe(&answer)
            )));
        }
        Either::Left((Err(why), _silence)) => return Err(why.into()),
        // Dropping the request closes its connection.
        Either::Right((calls, _opening)) => calls,
    };
    if is_silent(&calls) {
        return Ok(());
    }
    Err(Stop::NotVerified(format!(
        "the prompt did not reach the upstream that was to be silent: {}",
        words(&calls)
    )))
}

async fn nobody_calls(s: &mut Scene, _a: Args) -> Check {
    let (marker, gateway) = (s.marker(), s.gateway().await?);
    let before = gateway.journal(&marker).len();
    wait::quiet(QUIET).await;
    let calls = gateway.journal(&marker);
    s.expect(
        calls.len() == before,
        "no further upstream call for a caller that has gone",
        || words(&calls),
    )
}

/// A marker of the scenario's own for one prompt of many.
fn marker_of(s: &Scene, number: usize) -> String {
    format!("{}p{number}", s.token)
}

async fn sweeps(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let gateway = s.gateway().await?;
    let statuses = (400..600).filter(|status| !RETRYABLE.contains(status));
    let ways = statuses.flat_map(|status| {
        let both = LIKELY.contains(&status);
        [false, true]
            .into_iter()
            .filter(move |streamed| both || *streamed == (status % 2 == 1))
            .map(move |streamed| (status, streamed))
    });
    let (mut requests, mut swept) = (Vec::new(), Vec::new());
    for (number, (status, streamed)) in ways.enumerate() {
        let marker = marker_of(s, number);
        let replies = [Reply::status(status), Reply::answer(TEXT, 7, 3)];
        gateway.script(&marker, Script::sequence(replies));
        requests.push(s.chat_request_with(&host, &chat_body(&marker, streamed)));
        swept.push(json!([status, marker]));
    }
    s.notes.insert(SWEPT.to_owned(), Value::Array(swept));
    s.send_all(requests).await.map(drop)
}

/// A failure's body with counts wherever one dialect or the other has them: with an error in it, or as if nothing were wrong.
fn with_counts(tokens_in: u64, tokens_out: u64, has_error: bool) -> Value {
    let usage = json!({
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
    });
    let mut body = json!({
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": TEXT }, "finish_reason": "stop" }],
        "usage": usage.clone(),
        "result": { "response": TEXT, "usage": usage },
        "success": !has_error,
    });
    if has_error {
        body["errors"] = json!([{ "code": 2017, "message": "Response blocked" }]);
    }
    body
}

/// Each of the statuses twice, plain and streamed, with an error in the body and without.
async fn fails_with_counts(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let (tokens_in, tokens_out) = (a.number(2)?, a.number(3)?);
    let gateway = s.gateway().await?;
    let ways = NAMED
        .into_iter()
        .flat_map(|status| [(status, false), (status, true)]);
    let (mut requests, mut asked) = (Vec::new(), Vec::new());
    for (number, (status, has_error)) in ways.enumerate() {
        let marker = marker_of(s, number);
        let reply = Reply::body(status, with_counts(tokens_in, tokens_out, has_error));
        gateway.script(&marker, Script::always(reply));
        let streamed = has_error == (status % 2 == 0);
        requests.push(s.chat_request_with(&host, &chat_body(&marker, streamed)));
        asked.push((status, marker));
    }
    s.send_all(requests).await?;
    let unseen = asked
        .iter()
        .find(|(_, marker)| gateway.journal(marker).is_empty());
    match unseen {
        Some((status, _)) => Err(Stop::NotVerified(format!(
            "the prompt for {status} did not reach the upstream"
        ))),
        None => Ok(()),
    }
}

async fn each_was_final(s: &mut Scene, _a: Args) -> Check {
    let swept = s.notes.get(SWEPT).cloned().unwrap_or_default();
    let swept: Vec<(u16, String)> = serde_json::from_value(swept)
        .map_err(|error| Stop::Fault(format!("no statuses are noted: {error}")))?;
    let gateway = s.gateway().await?;
    let mut again = Vec::new();
    for (status, marker) in &swept {
        let calls = gateway.journal(marker);
        if calls.is_empty() {
            return Err(Stop::NotVerified(format!(
                "the prompt for {status} did not reach the upstream"
            )));
        }
        if calls.len() > 1 {
            again.push(format!("{status}: {}", words(&calls)));
        }
    }
    s.expect(
        again.is_empty(),
        format!(
            "one upstream call for each of {}",
            counted(swept.len(), "final failure")
        ),
        || again.join("; "),
    )
}

/// The events that the double sends: what is parted is known to the byte.
fn events_len(dialect: StreamDialect) -> usize {
    // A native frame is short, an OpenAI chunk has its head each time; beyond the end nothing is parted.
    match dialect {
        StreamDialect::OpenAi | StreamDialect::OpenAiBinding => 1_150,
        StreamDialect::Native => 260,
    }
}

async fn parted(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let times: usize = a.number(2)?;
    let dialect = match a.text(3) {
        "native" => StreamDialect::Native,
        _ => StreamDialect::OpenAi,
    };
    let gateway = s.gateway().await?;
    let mut requests = Vec::with_capacity(times);
    for number in 0..times {
        let marker = marker_of(s, number);
        let at = 1 + number * events_len(dialect) / times;
        let reply = Reply::stream(dialect, &PIECES, 345, 67)
            .split_at(at)
            .paced(BETWEEN_PARTS);
        gateway.script(&marker, Script::always(reply));
        requests.push(s.chat_request_with(&host, &chat_body(&marker, true)));
    }
    s.send_all(requests).await.map(drop)
}

async fn each_gets_text(s: &mut Scene, _a: Args) -> Check {
    for answer in s.exchanges.clone() {
        let read = completion::streamed(&answer.text());
        s.expect(
            answer.status == 200 && read.text == TEXT && read.done,
            format!("a stream that says \"{TEXT}\" and ends with [DONE]"),
            || format!("{read} from {}", describe(&answer)),
        )?;
    }
    Ok(())
}

async fn each_is_200(s: &mut Scene, _a: Args) -> Check {
    for answer in s.exchanges.clone() {
        s.expect_status(&answer, 200)?;
    }
    Ok(())
}
