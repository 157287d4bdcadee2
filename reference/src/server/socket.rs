//! A socket that puts right what the HTTP library does not: how it refuses and how it closes. Never parses a request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// A peer that still sends gets this long to read its answer.
const LINGER_DEADLINE: Duration = Duration::from_secs(2);
/// A peer may have this much under way; more and it is cut off.
const LINGER_BYTES_MAX: usize = 64 << 20;

/// Whether the connection's last request may have been left unread.
#[derive(Debug, Clone, Default)]
pub(super) struct Linger(Arc<AtomicBool>);

impl Linger {
    pub(super) fn set(&self, wanted: bool) {
        self.0.store(wanted, Ordering::Relaxed);
    }

    fn wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Gives the whole answer to a request that cannot be parsed.
pub type Refuse = Arc<dyn Fn() -> Vec<u8> + Send + Sync>;

/// A TCP stream with two amendments.
///
/// If asked to linger, it takes in and forgets what the peer still sends after the answer: the kernel resets a connection that is
/// closed with unread data, and the reset may overtake the answer.
/// What the HTTP library itself answers to a head that it cannot parse (a bare 4xx) is replaced by the contract's shape (ERR-001).
pub(super) struct Socket {
    stream: TcpStream,
    linger: Linger,
    deadline: Option<Pin<Box<Sleep>>>,
    discarded: usize,
    refuse: Refuse,
    /// What is left to be written of a replaced answer.
    replacement: Vec<u8>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, linger: Linger, refuse: Refuse) -> Self {
        Self {
            stream,
            linger,
            deadline: None,
            discarded: 0,
            refuse,
            replacement: Vec::new(),
        }
    }

    /// Writes the replacement; then the library may believe that its own bytes are out.
    fn poll_replacement(
        &mut self,
        cx: &mut Context<'_>,
        replaced: usize,
    ) -> Poll<io::Result<usize>> {
        while !self.replacement.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.replacement))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.replacement.drain(..count);
        }
        Poll::Ready(Ok(replaced))
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the server owns the waiting on sockets"
        )]
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER_DEADLINE)));
        let over = deadline.as_mut().poll(cx).is_ready();
        let mut scratch = [0; 16 * 1024];
        while !over && self.discarded < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                break;
            }
            self.discarded += buffer.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let refused = !self.replacement.is_empty();
        if !refused && !is_bare_refusal(bytes) {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        if !refused {
            // The peer may still be sending the head that was too large.
            self.linger.set(true);
            self.replacement = (self.refuse)();
        }
        self.poll_replacement(cx, bytes.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deadline.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        if self.linger.wanted() {
            self.poll_discard(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

/// Whether this is an answer of the HTTP library and not one of ours, which all have an id and, if refusals, a body.
fn is_bare_refusal(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.1 4")
        && bytes.ends_with(b"\r\n\r\n")
        && std::str::from_utf8(bytes).is_ok_and(|head| !head.contains("x-request-id"))
}
