//! An AI Gateway that answers far too much, or in far too many parts. Never lets the backend's memory grow with it.

use crate::stage::Stage;
use crate::stream::Stream;
use crate::upstream::{Call, completion, delta, stream_end};
use crate::wait::{PROMPT, cores, until, within};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// 100 MB, in parts of 64 KiB.
const LARGE: usize = 100_000_000;
const PART: usize = 64 * 1024;
/// Callers at the same time: one that takes it all in would hold 800 MB for them.
const CALLERS: usize = 8;
/// What the backend may hold at the most: it takes in 8 MiB of an answer, twice that while its buffer grows, for each of the callers.
/// 66 MiB were seen; one that took in the whole answers had 582.
const MEMORY_MIB_MAX: u64 = 256;
const TINY_CHUNKS: usize = 10_000;

/// Each call fails as soon as the answer is too large, and meanwhile others are served.
pub(crate) fn answers_of_a_hundred_megabytes_are_refused_in_bounded_memory() {
    let _cores = cores();
    let stage = Stage::start(|mut call| {
        call.head("application/json")?;
        call.chunk(br#"{"choices":[{"message":{"content":""#)?;
        fill(&mut call, &AtomicUsize::new(0))?;
        call.chunk(br#""}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#)?;
        call.chunk(&[])
    });
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                stage
                    .chat("x")
                    .ask()
                    .expect_error(502, "AI_UPSTREAM_FAILED")
            });
        }
        stage.expect_others_served();
    });
    let memory = stage.server.memory_peak_mib();
    assert!(memory < MEMORY_MIB_MAX, "{memory} MiB at the most");
    stage.expect_rows(Vec::new());
    stage.expect_others_served();
}

/// Callers who do not read on hold their streams back to the AI Gateway, and their memory is bounded.
pub(crate) fn streams_of_a_hundred_megabytes_wait_for_slow_readers() {
    let _cores = cores();
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let stage = Stage::start(move |mut call| {
        call.head("text/event-stream")?;
        call.chunk(b"data: ")?;
        fill(&mut call, &counted)?;
        call.chunk(stream_end(3, 4).as_bytes())
    });
    let mut streams: Vec<_> = (0..CALLERS).map(|_| Stream::open(&stage, "x")).collect();
    for stream in &mut streams {
        within(PROMPT, "the first megabyte", || stream.read_some(1_000_000));
    }
    stage.expect_others_served();
    // No more is sent than what the callers took and what sockets hold: wait until that stands still.
    let mut former = 0;
    until("the AI Gateway is held back", || {
        let now = sent.load(Ordering::Relaxed);
        let stands = now == former;
        former = now;
        stage.expect_others_served();
        stands.then_some(())
    });
    assert!(
        former < CALLERS * LARGE / 4,
        "{former} bytes were sent to callers who do not read"
    );
    let memory = stage.server.memory_peak_mib();
    assert!(memory < MEMORY_MIB_MAX, "{memory} MiB at the most");
    drop(streams);
    stage.expect_others_served();
    stage.expect_rows(Vec::new());
}

/// In as many parts as it has events, and as many as it has bytes.
pub(crate) fn ten_thousand_tiny_chunks_arrive_whole() {
    let stage = Stage::start(|mut call| {
        if call.prompt == "events" {
            call.head("text/event-stream")?;
            for _ in 0..TINY_CHUNKS {
                call.chunk(b": \n\n")?;
            }
            call.chunk(delta("end").as_bytes())?;
            call.chunk(stream_end(5, 6).as_bytes())?;
        } else {
            call.head("application/json")?;
            for _ in 0..TINY_CHUNKS {
                call.chunk(b" ")?;
            }
            for byte in completion(3, 4).to_string().bytes() {
                call.chunk(&[byte])?;
            }
        }
        call.chunk(&[])
    });
    let answer = stage.chat("json").ask().expect(200);
    assert_eq!(answer.json(), completion(3, 4));
    let mut stream = Stream::open(&stage, "events");
    assert!(stream.read_to_end());
    let expected = ": \n\n".repeat(TINY_CHUNKS) + &delta("end") + &stream_end(5, 6);
    assert!(stream.text() == expected, "{} bytes", stream.text().len());
    stage.expect_rows(vec![(3, 4), (5, 6)]);
    stage.expect_others_served();
}

/// Sends as many letters as a large answer has, and counts them.
fn fill(call: &mut Call<'_>, sent: &AtomicUsize) -> io::Result<()> {
    let part = vec![b'x'; PART];
    for _ in 0..LARGE / PART {
        call.chunk(&part)?;
        sent.fetch_add(PART, Ordering::Relaxed);
    }
    Ok(())
}
