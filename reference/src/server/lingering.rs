//! A socket that closes without resetting an answer under way. Never waits for a peer that has nothing to lose.

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

/// A TCP stream that, if asked to linger, takes in and forgets what the peer still sends after the answer.
///
/// The kernel resets a connection that is closed with unread data, and the reset may overtake the answer.
pub(super) struct LingeringStream {
    stream: TcpStream,
    linger: Linger,
    deadline: Option<Pin<Box<Sleep>>>,
    discarded: usize,
}

impl LingeringStream {
    pub(super) fn new(stream: TcpStream, linger: Linger) -> Self {
        Self {
            stream,
            linger,
            deadline: None,
            discarded: 0,
        }
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

impl AsyncRead for LingeringStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for LingeringStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
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
