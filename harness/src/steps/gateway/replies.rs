//! What the AI Gateway double answers, in the words of the features. Never sends a request.
//!
//! A reply is a status (`500`), or a kind with token counts (`answer 11/5`), with endings such as `after 9 s` or `cut after 1`.

use super::TEXT;
use crate::doubles::{ErrorDialect, Reply, Script, StreamDialect};
use crate::oracle::usage::Tokens;
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::verdict::{Check, Stop};
use serde_json::Value;
use std::time::Duration;

/// The pieces in which [`TEXT`] is streamed.
pub(super) const PIECES: [&str; 3] = ["He", "llo", "."];
/// Virtual time that is longer than every timeout.
const TOO_LONG: Duration = Duration::from_secs(3600);

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r#"the upstream replies "([^"]+)""#, |s, a| {
        Box::pin(replies(s, a))
    });
    book.step(
        r"the upstream redirects with (\d+) to (another provider|itself)",
        |s, a| Box::pin(redirects(s, a)),
    );
    book.step("the upstream streams these frames:", |s, a| {
        Box::pin(frames(s, a))
    });
    book.step(
        r"the upstream reports (\d+)/(\d+) tokens and (\{.*\}) (beside them|in a stream beside them|in a stream behind them)",
        |s, a| Box::pin(reports_beside(s, a)),
    );
    book.step("the upstream answers with this body:", |s, a| {
        Box::pin(body(s, a))
    });
}

/// Frames with text in a long stream.
const LONG: usize = 120;

async fn replies(s: &mut Scene, a: Args) -> Check {
    let replies = a
        .text(1)
        .split(", ")
        .map(parse_reply)
        .collect::<Result<Vec<_>, _>>()?;
    let marker = s.marker();
    s.gateway()
        .await?
        .script(&marker, Script::sequence(replies));
    Ok(())
}

async fn redirects(s: &mut Scene, a: Args) -> Check {
    let (marker, gateway) = (s.marker(), s.gateway().await?);
    let place = match a.text(2) {
        "itself" => gateway.base_url(),
        _ => format!("{}/{marker}", gateway.trap_url()),
    };
    let location = format!("{place}/workers-ai/v1/chat/completions");
    let reply = Reply::redirect(&location).with_status(a.number(1)?);
    gateway.script(&marker, Script::always(reply));
    Ok(())
}

async fn frames(s: &mut Scene, a: Args) -> Check {
    let text = a.docstring.as_deref().unwrap_or_default();
    let frames = text.lines().map(json).collect::<Result<Vec<_>, _>>()?;
    let marker = s.marker();
    s.gateway()
        .await?
        .script(&marker, Script::always(Reply::events(frames)));
    Ok(())
}

async fn body(s: &mut Scene, a: Args) -> Check {
    let body = json(a.docstring.as_deref().unwrap_or_default())?;
    let marker = s.marker();
    s.gateway()
        .await?
        .script(&marker, Script::always(Reply::body(200, body)));
    Ok(())
}

/// An answer with its counts and further fields: in one body, in one frame with the usage, or in a frame behind it.
async fn reports_beside(s: &mut Scene, a: Args) -> Check {
    let usage = serde_json::json!({ "prompt_tokens": a.number::<u64>(1)?, "completion_tokens": a.number::<u64>(2)? });
    let beside = json(a.text(3))?;
    let with = |mut body: Value| {
        if let (Some(body), Some(beside)) = (body.as_object_mut(), beside.as_object()) {
            body.extend(beside.clone());
        }
        body
    };
    let text = serde_json::json!({ "choices": [{ "index": 0, "delta": { "role": "assistant", "content": TEXT }, "finish_reason": "stop" }] });
    let last = serde_json::json!({ "choices": [], "usage": usage });
    let reply = match a.text(4) {
        "in a stream beside them" => Reply::events([text, with(last)]),
        "in a stream behind them" => Reply::events([text, last, beside.clone()]),
        _ => {
            let message = serde_json::json!({ "role": "assistant", "content": TEXT });
            let choices =
                serde_json::json!([{ "index": 0, "message": message, "finish_reason": "stop" }]);
            Reply::body(
                200,
                with(
                    serde_json::json!({ "object": "chat.completion", "choices": choices, "usage": usage }),
                ),
            )
        }
    };
    let marker = s.marker();
    s.gateway().await?.script(&marker, Script::always(reply));
    Ok(())
}

fn json(text: &str) -> Result<Value, Stop> {
    serde_json::from_str(text)
        .map_err(|error| Stop::Fault(format!("the feature's `{text}` is no JSON: {error}")))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Stop> {
    text.parse()
        .map_err(|_unparsable| Stop::Fault(format!("`{text}` is no number that fits here")))
}

/// One reply in the words of the features.
fn parse_reply(text: &str) -> Result<Reply, Stop> {
    if let Some((rest, chunks)) = text.rsplit_once(" held after ") {
        return Ok(parse_reply(rest)?.hold_after(number(chunks)?));
    }
    if let Some((rest, chunks)) = text.rsplit_once(" cut after ") {
        return Ok(parse_reply(rest)?.cut_after(number(chunks)?));
    }
    if let Some((rest, seconds)) = text
        .strip_suffix(" s")
        .and_then(|text| text.rsplit_once(" after "))
    {
        return Ok(parse_reply(rest)?.took(Duration::from_secs(number(seconds)?)));
    }
    if let Some((rest, late_ms)) = text
        .strip_suffix(" ms")
        .and_then(|text| text.rsplit_once(" late by "))
    {
        return Ok(parse_reply(rest)?.delayed(Duration::from_millis(number(late_ms)?)));
    }
    if let Some((rest, status)) = text.rsplit_once(" as ") {
        return Ok(parse_reply(rest)?.with_status(number(status)?));
    }
    if let Some((rest, step)) = text.rsplit_once(" claiming step ") {
        return Ok(parse_reply(rest)?.header("cf-aig-step", step));
    }
    if let Some((rest, seconds)) = text.rsplit_once(" with Retry-After ") {
        return Ok(parse_reply(rest)?.header("retry-after", seconds));
    }
    if let Some(rest) = text.strip_suffix(" with a cookie") {
        return Ok(parse_reply(rest)?.set_cookie());
    }
    if let Some(rest) = text.strip_suffix(" without [DONE]") {
        return Ok(parse_reply(rest)?.without_done());
    }
    if let Some(rest) = text.strip_suffix(" without a space") {
        return Ok(parse_reply(rest)?.without_space());
    }
    if let Some(rest) = text.strip_suffix(" with other fields") {
        return Ok(parse_reply(rest)?.with_other_fields());
    }
    if let Some(rest) = text.strip_suffix(" with CR LF") {
        return Ok(parse_reply(rest)?.line_end("\r\n"));
    }
    if let Some(rest) = text.strip_suffix(" with CR") {
        return Ok(parse_reply(rest)?.line_end("\r"));
    }
    if let Some(rest) = text.strip_suffix(" with a head alone") {
        return Ok(parse_reply(rest)?.stall_after(0));
    }
    if let Some(rest) = text.strip_suffix(" hanging") {
        return Ok(parse_reply(rest)?.hang());
    }
    parse_kind(text)
}

fn parse_kind(text: &str) -> Result<Reply, Stop> {
    if let Ok(status) = text.parse() {
        return Ok(Reply::status(status));
    }
    Ok(match text {
        "answer" => Reply::answer(TEXT, 7, 3),
        "stream" => Reply::stream(StreamDialect::OpenAi, &PIECES, 7, 3),
        "timeout" => Reply::answer(TEXT, 7, 3).took(TOO_LONG),
        "reset" => Reply::default().reset(),
        "garbled" => Reply::default().garbled(),
        "garbage" => Reply::garbage(),
        "no usage" => Reply::without_usage(),
        "null usage" => Reply::usage_null(),
        "success false" => Reply::success_false(),
        "error object" => Reply::error_payload(ErrorDialect::ErrorObject),
        "error array" => Reply::error_payload(ErrorDialect::ErrorArray),
        "errors array" => Reply::error_payload(ErrorDialect::Errors),
        _ => parse_counted(text)?,
    })
}

fn parse_counted(text: &str) -> Result<Reply, Stop> {
    let unknown = || Stop::Fault(format!("`{text}` is no reply of the upstream"));
    let (kind, counts) = text.rsplit_once(' ').ok_or_else(unknown)?;
    let (tokens_in, tokens_out) = parse_tokens(counts)?;
    let count = |tokens: i64| u64::try_from(tokens).map_err(|_negative| unknown());
    let (tokens_in, tokens_out) = (count(tokens_in)?, count(tokens_out)?);
    let stream = |dialect| Reply::stream(dialect, &PIECES, tokens_in, tokens_out);
    let long = |dialect| Reply::stream(dialect, &[PIECES[0]; LONG], tokens_in, tokens_out);
    match kind {
        "answer" => Ok(Reply::answer(TEXT, tokens_in, tokens_out)),
        "chat" => Ok(Reply::chat(TEXT, tokens_in, tokens_out)),
        "native" => Ok(Reply::native(TEXT, tokens_in, tokens_out)),
        "root usage" => Ok(Reply::root_usage(TEXT, tokens_in, tokens_out)),
        "content filtered" => Ok(Reply::content_filtered(tokens_in, tokens_out)),
        "cache hit" => Ok(Reply::answer(TEXT, tokens_in, tokens_out).cache_hit()),
        "openai stream" => Ok(stream(StreamDialect::OpenAi)),
        "binding stream" => Ok(stream(StreamDialect::OpenAiBinding)),
        "native stream" => Ok(stream(StreamDialect::Native)),
        "long openai stream" => Ok(long(StreamDialect::OpenAi)),
        "long native stream" => Ok(long(StreamDialect::Native)),
        _ => Err(unknown()),
    }
}

/// Token counts as the features write them: `11/5`.
pub(in crate::steps) fn parse_tokens(text: &str) -> Result<Tokens, Stop> {
    let (tokens_in, tokens_out) = text
        .split_once('/')
        .ok_or_else(|| Stop::Fault(format!("`{text}` are no token counts such as 11/5")))?;
    Ok((number(tokens_in)?, number(tokens_out)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_stack_on_any_kind() {
        let expected = Reply::stream(StreamDialect::Native, &PIECES, 11, 5).cut_after(2);
        assert_eq!(
            parse_reply("native stream 11/5 cut after 2").unwrap(),
            expected
        );
        let expected = Reply::answer(TEXT, 7, 3)
            .took(Duration::from_secs(9))
            .set_cookie();
        assert_eq!(
            parse_reply("answer after 9 s with a cookie").unwrap(),
            expected
        );
        assert_eq!(parse_reply("500").unwrap(), Reply::status(500));
        assert_eq!(
            parse_reply("chat 9/2 as 500").unwrap(),
            Reply::chat(TEXT, 9, 2).with_status(500)
        );
    }

    #[test]
    fn what_is_no_reply_is_a_fault_of_the_feature() {
        for text in [
            "",
            "answer 11",
            "nothing 1/2",
            "answer x/y",
            "answer after x s",
        ] {
            assert!(matches!(parse_reply(text), Err(Stop::Fault(_))), "{text}");
        }
    }
}
