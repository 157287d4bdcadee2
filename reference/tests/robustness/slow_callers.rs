//! Callers that send a byte a second. Never served for ever, never in the way of others.

use crate::stage::Stage;
use crate::wait::{now, until_by};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Slow callers at the same time; many times more than the backend has threads.
const CALLERS: usize = 64;
const SECOND: Duration = Duration::from_secs(1);

/// One connection, and what came back over it.
struct SlowCaller {
    socket: TcpStream,
    answer: Vec<u8>,
    ended_at: Option<Instant>,
}

impl SlowCaller {
    fn connect(stage: &Stage, start: &str) -> Self {
        let mut socket = TcpStream::connect(stage.server.address).unwrap();
        socket.write_all(start.as_bytes()).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            socket,
            answer: Vec::new(),
            ended_at: None,
        }
    }

    /// Sends a byte and takes what is there; after the end nothing more is sent.
    fn go_on(&mut self, byte: u8) {
        if self.ended_at.is_some() {
            return;
        }
        // Whether the server still listens shows when reading.
        drop(self.socket.write(&[byte]));
        self.look();
    }

    fn look(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(count) if count > 0 => self.answer.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {
                    self.ended_at.get_or_insert_with(now);
                    return;
                }
            }
        }
    }
}

/// Sends a byte a second on each, while others are served, until all are ended; gives the answers.
fn check(stage: &Stage, start: &str, byte: u8, deadline: Duration) -> Vec<String> {
    let started = now();
    let mut callers: Vec<_> = (0..CALLERS)
        .map(|_| SlowCaller::connect(stage, start))
        .collect();
    let mut next = started;
    let limit = deadline + Duration::from_secs(6);
    until_by(limit, "every slow caller is ended", || {
        if now() >= next {
            next += SECOND;
            for caller in &mut callers {
                caller.go_on(byte);
            }
            stage.expect_others_served();
        }
        callers
            .iter()
            .all(|caller| caller.ended_at.is_some())
            .then_some(())
    });
    let answer = |caller: SlowCaller| {
        let lasted = caller.ended_at.unwrap() - started;
        assert!(
            lasted + SECOND >= deadline,
            "ended after {lasted:?}, promised are {deadline:?}"
        );
        String::from_utf8(caller.answer).unwrap()
    };
    callers.into_iter().map(answer).collect()
}

/// Heads that never end.
pub(crate) fn heads_that_come_byte_by_byte_are_ended_after_fifteen_seconds() {
    let stage = Stage::start(|call| call.success(3, 4));
    let start = "GET /api/status HTTP/1.1\r\nhost: acme.app.test\r\nx-slow: ";
    for answer in check(&stage, start, b'x', Duration::from_secs(15)) {
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
}

/// Bodies that never end: refused like any bad body, and nothing goes upstream.
pub(crate) fn bodies_that_come_byte_by_byte_are_refused_after_thirty_seconds() {
    let stage = Stage::start(|call| call.success(3, 4));
    let start =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: acme.app.test\r\ncontent-length: 1000\r\n\r\n";
    for answer in check(&stage, start, b' ', Duration::from_secs(30)) {
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("\"INVALID_REQUEST\""), "{answer}");
    }
    stage.expect_rows(Vec::new());
}
