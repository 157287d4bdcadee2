//! The words by which a person asks for faults, in a header or in a prompt. It never acts on them unless the double runs alone.
//!
//! `x-moltproof-fault: 503` or `[[fault:503,200]]` in the last user message: replies in order, the last repeats.
//! `+` joins words into one reply (`[[fault:slow=2s+503]]`); `@text` at the end restricts them to models that contain the text.

use std::time::Duration;

use serde_json::Value;

use super::{
    bodies,
    reply::{ErrorDialect, Reply},
    request::Call,
};

/// The header that asks for faults. A Worker passes it on only if it was written to.
pub(super) const HEADER: &str = "x-moltproof-fault";
const OPEN: &str = "[[fault:";
const CLOSE: &str = "]]";
/// Longest real wait that can be asked for: the longest that Cloudflare's edge waits for an answer is 100 s.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// Status of the gateway's own timeout; see `reply.rs`.
const TIMEOUT_STATUS: u16 = 524;

/// One word and what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultWord {
    /// How it is written.
    pub form: &'static str,
    /// What happens.
    pub meaning: &'static str,
}

const fn word(form: &'static str, meaning: &'static str) -> FaultWord {
    FaultWord { form, meaning }
}

/// Every word there is.
pub const FAULT_WORDS: [FaultWord; 18] = [
    word("200…599 or status=N", "an answer of this status"),
    word("timeout", "the gateway's own timeout answer (524), at once"),
    word(
        "took=TIME",
        "the model took so long, in virtual time: beyond the timeout that the request states, as `timeout`",
    ),
    word("slow=TIME", "waits really before the first byte"),
    word("pace=TIME", "waits really before each event of a stream"),
    word("hang", "no byte until the caller goes away"),
    word(
        "stall, stall=N",
        "N events of a stream (1), or the head alone, then silence",
    ),
    word(
        "cut, cut=N",
        "closes the connection after N events, or in the middle of the body",
    ),
    word("reset", "resets the connection before the head"),
    word("garbled", "bytes that are no HTTP"),
    word("garbage", "200, said to be JSON, that is none"),
    word("error-in-200", "200 whose body is an error"),
    word("success-false", "200 whose body says `success: false`"),
    word("no-usage", "a good answer without token counts"),
    word("rate-limited", "the gateway's 429, code 2003"),
    word("unauthorized", "the gateway's 401, code 2009"),
    word("blocked", "the gateway's 424, code 2016: prompt blocked"),
    word("cached", "an answer from the gateway's cache"),
];

/// What a caller asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AskedFor {
    /// As written.
    pub(super) text: String,
    /// The replies in order, or why there are none.
    pub(super) replies: Result<Vec<Reply>, String>,
}

/// The faults that a call asks for, if it does. The header stands before the prompt.
pub(super) fn of(call: &Call) -> Option<AskedFor> {
    let asked = |text: String| {
        let (words, only) = text.split_once('@').unwrap_or((&text, ""));
        let applies = call.model.contains(only.trim());
        applies.then(|| AskedFor {
            replies: sequence(words, call.stream),
            text: text.clone(),
        })
    };
    match call.header(HEADER) {
        Some(text) => asked(text),
        None => marked(&prompt(&call.body)).into_iter().find_map(asked),
    }
}

/// The last user message: those before it, with their markers, come again with every turn of a conversation.
fn prompt(body: &Value) -> String {
    let messages = body["messages"].as_array().or(body["input"].as_array());
    let last = messages.and_then(|list| {
        list.iter()
            .rev()
            .find(|message| message["role"] == "user")
            .map(|message| &message["content"])
    });
    match last {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => body.to_string(),
    }
}

fn marked(text: &str) -> Vec<String> {
    text.split(OPEN)
        .skip(1)
        .filter_map(|rest| rest.split_once(CLOSE))
        .map(|(inside, _)| inside.to_owned())
        .collect()
}

fn sequence(words: &str, is_stream: bool) -> Result<Vec<Reply>, String> {
    words
        .split(',')
        .map(|step| {
            step.split('+').try_fold(Reply::default(), |reply, word| {
                apply(reply, word.trim(), is_stream)
            })
        })
        .collect()
}

fn apply(reply: Reply, word: &str, is_stream: bool) -> Result<Reply, String> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
    let whole = |default: usize| match value {
        "" => Ok(default),
        number => number.parse().map_err(|_invalid| unknown(word)),
    };
    Ok(match (name.as_str(), value) {
        ("status", number) | (number, "") if number.parse::<u16>().is_ok() => {
            let status = number.parse().map_err(|_invalid| unknown(word))?;
            if !(200..600).contains(&status) {
                return Err(unknown(word));
            }
            reply.in_place(Reply::status(status))
        }
        ("timeout", "") => {
            let code = u32::from(TIMEOUT_STATUS);
            let body = bodies::gateway_error(code, TIMEOUT_STATUS, "Request timed out");
            reply.in_place(Reply::body(TIMEOUT_STATUS, body))
        }
        ("took", time) => reply.took(duration(time).ok_or_else(|| unknown(word))?),
        ("slow", time) => reply.delayed(duration(time).ok_or_else(|| unknown(word))?),
        ("pace", time) => reply.paced(duration(time).ok_or_else(|| unknown(word))?),
        ("hang", "") => reply.hang(),
        ("stall", _) => reply.stall_after(whole(usize::from(is_stream))?),
        ("cut", "") => reply.cut_inside(usize::from(is_stream)),
        ("cut", _) => reply.cut_after(whole(1)?),
        ("reset", "") => reply.reset(),
        ("garbled", "") => reply.garbled(),
        ("garbage", "") => reply.in_place(Reply::garbage()),
        ("error-in-200", "") => reply.in_place(Reply::error_payload(ErrorDialect::ErrorObject)),
        ("success-false", "") => reply.in_place(Reply::success_false()),
        ("no-usage", "") => reply.in_place(Reply::answer_without_usage("Hello.")),
        ("rate-limited", "") => reply.in_place(Reply::gateway_error(2003, 429, "Rate limited")),
        ("unauthorized", "") => reply.in_place(Reply::gateway_error(2009, 401, "Unauthorized")),
        ("blocked", "") => reply.in_place(Reply::gateway_error(
            2016,
            424,
            "Prompt blocked due to security configurations",
        )),
        ("cached", "") => reply.cache_hit(),
        _ => return Err(unknown(word)),
    })
}

fn unknown(word: &str) -> String {
    let known: Vec<&str> = FAULT_WORDS.iter().map(|known| known.form).collect();
    format!(
        "no fault is written `{word}`; there are: {}",
        known.join("; ")
    )
}

/// `250ms`, `2s`, `1m`.
fn duration(text: &str) -> Option<Duration> {
    let at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().ok()?;
    let time = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        _ => return None,
    };
    (time <= WAIT_MAX).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(words: &str) -> Vec<u16> {
        let replies = sequence(words, false).unwrap();
        replies.iter().map(|reply| reply.status).collect()
    }

    #[test]
    fn commas_make_a_sequence_and_plus_signs_one_reply() {
        assert_eq!(statuses("503, status=429,200"), [503, 429, 200]);
        assert_eq!(statuses("timeout"), [524]);
        let replies = sequence("slow=2s + 503", false).unwrap();
        assert_eq!(
            replies,
            [Reply::status(503).delayed(Duration::from_secs(2))]
        );
        assert_eq!(replies, sequence("503+slow=2s", false).unwrap());
    }

    #[test]
    fn an_unknown_word_is_told_with_the_known_ones() {
        for word in [
            "no-such",
            "",
            "999",
            "99999",
            "100",
            "slow",
            "slow=2",
            "slow=9h",
            "slow=121s",
            "cut=x",
            "hang=1",
            "503=1",
        ] {
            let why = sequence(word, false).unwrap_err();
            assert!(
                why.contains(&format!("`{word}`")) && why.contains("error-in-200"),
                "{word}: {why}"
            );
        }
    }

    #[test]
    fn only_the_last_user_message_counts() {
        let body = serde_json::json!({"messages": [
            {"role": "user", "content": "[[fault:503]]"},
            {"role": "assistant", "content": "[[fault:500]]"},
            {"role": "user", "content": [{"type": "text", "text": "[[fault:429]] and [[fault:200]]"}]},
        ]});
        assert_eq!(marked(&prompt(&body)), ["429", "200"]);
        assert_eq!(
            marked(&prompt(&serde_json::json!({"prompt": "[[fault:cut]]"}))),
            ["cut"]
        );
        assert!(marked("[[fault:503").is_empty());
    }
}
