//! An AI Gateway that stalls, dribbles, cuts and answers garbage. Never hands a caller anything but the contract's answer.

use crate::stage::{Stage, chat_body};
use crate::stream::Stream;
use crate::upstream::{Call, completion, delta, stall, stream_end};
use crate::wait::{PROMPT, now, pass, until, within};
use serde_json::json;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// A free tenant's three attempts of 8 s.
const ATTEMPTS_MIN: Duration = Duration::from_secs(24);
const ATTEMPTS_MAX: Duration = Duration::from_secs(30);

/// An answer that has begun may pause this long (`PAUSE_MAX` of the reference's client), give or take.
const PAUSE_MIN: Duration = Duration::from_secs(19);
const PAUSE_MAX: Duration = Duration::from_secs(26);

/// Pause between the bytes of an answer that dribbles.
const DRIBBLE: Duration = Duration::from_millis(5);

/// Not a byte comes: three attempts, then 504, while others are served.
pub(crate) fn a_gateway_that_says_nothing_gives_a_timeout_after_three_attempts() {
    let stage = Stage::start(stall);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let started = now();
            let details = stage
                .chat("x")
                .ask()
                .expect_error(504, "AI_UPSTREAM_TIMEOUT");
            (started.elapsed(), details)
        });
        while !waiting.is_finished() {
            stage.expect_others_served();
            pass(Duration::from_millis(500));
        }
        let (waited, details) = waiting.join().unwrap();
        assert_eq!(details, json!({"attempts": 3}));
        assert!((ATTEMPTS_MIN..ATTEMPTS_MAX).contains(&waited), "{waited:?}");
    });
    stage.expect_rows(Vec::new());
}

/// An answer that stops half-way ends like one that was cut, and its call is given up.
pub(crate) fn an_answer_that_stops_half_way_is_given_up() {
    let stage = Stage::start(|mut call| {
        if call.prompt == "json" {
            call.head(JSON)?;
            call.chunk(br#"{"id":"#)?;
        } else {
            call.head(EVENTS)?;
            call.chunk(delta("half").as_bytes())?;
        }
        stall(call)
    });
    let started = now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let details = stage
                .chat("json")
                .ask()
                .expect_error(502, "AI_UPSTREAM_FAILED");
            assert_eq!(details, json!({"attempts": 1}));
            assert!((PAUSE_MIN..PAUSE_MAX).contains(&started.elapsed()));
        });
        let mut stream = Stream::open(&stage, "events");
        stream.read_until("half");
        assert!(
            !stream.read_to_end(),
            "a stream that stopped looks complete"
        );
        assert!((PAUSE_MIN..PAUSE_MAX).contains(&started.elapsed()));
    });
    stage.expect_rows(Vec::new());
    stage.expect_others_served();
}

/// Byte by byte, with a pause before each: late, and whole.
pub(crate) fn an_answer_that_dribbles_arrives_whole_and_as_it_comes() {
    let one_arrived = Arc::new(AtomicBool::new(false));
    let arrived = Arc::clone(&one_arrived);
    let stage = Stage::start(move |mut call| {
        let events = call.prompt == "events";
        let (content_type, body) = if events {
            (EVENTS, delta("one") + &delta("two") + &stream_end(5, 6))
        } else {
            (JSON, completion(3, 4).to_string())
        };
        call.head(content_type)?;
        for (at, byte) in body.bytes().enumerate() {
            if events && at == delta("one").len() {
                until("the caller has the first event", || {
                    arrived.load(Ordering::Relaxed).then_some(())
                });
            }
            call.chunk(&[byte])?;
            pass(DRIBBLE);
        }
        call.chunk(&[])
    });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let answer = stage.chat("json").ask().expect(200);
            assert_eq!(answer.json(), completion(3, 4));
        });
        let mut stream = Stream::open(&stage, "events");
        stream.read_until(&delta("one"));
        one_arrived.store(true, Ordering::Relaxed);
        assert!(stream.read_to_end());
        assert_eq!(
            stream.text(),
            delta("one") + &delta("two") + &stream_end(5, 6)
        );
    });
    stage.expect_rows(vec![(3, 4), (5, 6)]);
}

/// Nothing, or half of something, and then the connection is closed.
pub(crate) fn a_cut_connection_is_a_failed_call_and_no_row() {
    check_failures(&[
        ("at once", |call| call.cut()),
        ("in the head", |call| {
            write!(call.socket, "HTTP/1.1 200 OK\r\ncontent-ty")?;
            call.cut()
        }),
        ("after the head", |mut call| {
            call.head(JSON)?;
            call.cut()
        }),
        ("in the body", |mut call| {
            let body = completion(3, 4).to_string();
            call.head(JSON)?;
            call.chunk(&body.as_bytes()[..100])?;
            call.cut()
        }),
        ("before the last chunk's end", |mut call| {
            call.head(JSON)?;
            call.chunk(completion(3, 4).to_string().as_bytes())?;
            call.cut()
        }),
        ("short of its length", |call| {
            let body = completion(3, 4);
            write!(
                call.socket,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n{body}"
            )?;
            call.cut()
        }),
    ]);
}

/// Whatever comes with status 200 and is no answer.
pub(crate) fn garbage_is_a_failed_call_and_no_row() {
    check_failures(&[
        ("another protocol", |call| {
            call.socket
                .write_all(b"SSH-2.0-OpenSSH_9.9\r\n\0\0\x03\xfc\x0a\x14")?;
            call.cut()
        }),
        ("a page", |mut call| {
            text(&mut call, "<html>502 Bad Gateway</html>")
        }),
        ("nothing", |mut call| text(&mut call, "")),
        ("null", |mut call| text(&mut call, "null")),
        ("a list", |mut call| text(&mut call, "[]")),
        ("a word", |mut call| text(&mut call, "\"usage\"")),
        ("two answers", |mut call| {
            text(&mut call, &completion(3, 4).to_string().repeat(2))
        }),
        ("half an object", |mut call| {
            text(&mut call, "{\"usage\":{\"prompt_tokens\":3")
        }),
        ("a hundred thousand brackets", |mut call| {
            text(&mut call, &"[".repeat(100_000))
        }),
        ("an error", |mut call| {
            text(
                &mut call,
                r#"{"error":"secret","usage":{"prompt_tokens":3}}"#,
            )
        }),
        ("no text", |mut call| {
            call.head(JSON)?;
            call.chunk(b"{\"id\":\"\xff\xfe\"}")?;
            call.chunk(&[])
        }),
        ("broken chunks", |mut call| {
            call.head(JSON)?;
            call.socket.write_all(b"zzz\r\n{}\r\n0\r\n\r\n")?;
            call.cut()
        }),
        ("an endless head", |call| {
            write!(call.socket, "HTTP/1.1 200 OK\r\n")?;
            loop {
                write!(call.socket, "x-filler: {}\r\n", "x".repeat(1000))?;
            }
        }),
    ]);
}

/// Streams that break off or make no sense: the caller gets what came, sees a cut as a cut, and no row is written.
pub(crate) fn a_stream_that_is_cut_or_garbage_counts_nothing() {
    let stage = Stage::start(|mut call| {
        call.head(EVENTS)?;
        call.chunk(delta("one").as_bytes())?;
        if call.prompt == "cut" {
            return call.cut();
        }
        call.chunk(b"data: {\"usage\": {\"prompt_tokens\"\n\n")?;
        call.chunk(b"\xff\xfe\0 no event at all\n\ndata: [DONE]\n\n")?;
        call.chunk(&[])
    });
    let mut cut = Stream::open(&stage, "cut");
    assert!(!cut.read_to_end(), "a stream that was cut looks complete");
    assert_eq!(cut.text(), delta("one"));
    let mut garbage = Stream::open(&stage, "garbage");
    assert!(garbage.read_to_end());
    assert!(
        garbage.text().ends_with("data: [DONE]\n\n"),
        "{}",
        garbage.text()
    );
    stage.expect_others_served();
    stage.expect_rows(Vec::new());
}

fn text(call: &mut Call<'_>, body: &str) -> io::Result<()> {
    write!(
        call.socket,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

type Script = fn(Call<'_>) -> io::Result<()>;

/// Each script's call fails at once, without another attempt and without a row.
fn check_failures(scripts: &'static [(&str, Script)]) {
    let stage = Stage::start(move |call| {
        let script = scripts.iter().find(|(name, _)| *name == call.prompt);
        match script {
            Some((_, script)) => script(call),
            None => call.success(7, 8),
        }
    });
    stage.chat("positive control").ask().expect(200);
    for (name, _) in scripts {
        let chat = stage.public("POST", "/v1/chat/completions", "acme");
        let chat = chat.body(chat_body(name, false));
        let details = within(PROMPT, name, || {
            chat.ask().expect_error(502, "AI_UPSTREAM_FAILED")
        });
        assert_eq!(details, json!({"attempts": 1}), "{name}");
    }
    stage.chat("positive control").ask().expect(200);
    stage.expect_rows(vec![(7, 8), (7, 8)]);
    stage.expect_others_served();
}
