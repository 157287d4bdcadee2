//! HTTP/1.1 as the doubles speak it, on the bare socket, so that every byte can go wrong on purpose.
//!
//! It never interprets a request beyond its framing.

mod request;
mod response;

use std::{future::Future, io, net::TcpListener as StdListener, sync::Arc, time::Duration};

use bytes::BytesMut;
pub(super) use request::{Received, RequestFault};
pub(super) use response::Head;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Bytes a client may send ahead of its answer before it counts as misbehaving: one pipelined request.
const READ_AHEAD_BYTES_MAX: usize = 1 << 20;

/// A byte stream that can be reset.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    /// Makes closing send a reset.
    fn reset_on_close(&self) -> io::Result<()>;
}

impl Socket for TcpStream {
    fn reset_on_close(&self) -> io::Result<()> {
        self.set_zero_linger()
    }
}

impl Socket for TlsStream<TcpStream> {
    fn reset_on_close(&self) -> io::Result<()> {
        self.get_ref().0.set_zero_linger()
    }
}

/// One connection of a client.
pub(super) struct Connection {
    pub(super) reader: ConnectionReader,
    pub(super) writer: WriteHalf<Box<dyn Socket>>,
}

/// The reading side with what it has read ahead.
pub(super) struct ConnectionReader {
    half: ReadHalf<Box<dyn Socket>>,
    buffer: BytesMut,
}

impl Connection {
    pub(super) fn over(socket: impl Socket + 'static) -> Self {
        let socket: Box<dyn Socket> = Box::new(socket);
        let (half, writer) = tokio::io::split(socket);
        Self {
            reader: ConnectionReader {
                half,
                buffer: BytesMut::new(),
            },
            writer,
        }
    }

    /// The next request, or `None` when the client is done.
    pub(super) async fn next_request(&mut self) -> Result<Option<Received>, RequestFault> {
        request::read(&mut self.reader, &mut self.writer).await
    }

    /// Writes a whole answer at once.
    pub(super) async fn answer(&mut self, head: Head, body: &[u8]) -> io::Result<()> {
        let mut bytes = head.with_length(body.len());
        bytes.extend_from_slice(body);
        self.writer.write_all(&bytes).await?;
        self.writer.flush().await
    }

    /// Closes with a reset.
    pub(super) fn reset(self) -> io::Result<()> {
        self.reader.half.unsplit(self.writer).reset_on_close()
    }
}

impl ConnectionReader {
    /// More bytes into the buffer; 0 at the end.
    async fn fill(&mut self) -> io::Result<usize> {
        self.half.read_buf(&mut self.buffer).await
    }

    /// Resolves when the client has closed its side, or failed.
    pub(super) async fn closed(&mut self) {
        while self.buffer.len() < READ_AHEAD_BYTES_MAX {
            match self.fill().await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}

/// Accepting and connecting fail when the process has too many open files; trying again at once would burn a core.
#[expect(
    clippy::disallowed_methods,
    reason = "a full descriptor table announces nothing that could be waited for"
)]
pub(super) async fn let_descriptors_free() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// Serves every connection in a task of its own, over TLS if there is an acceptor.
pub(super) async fn serve<F, Fut>(
    listener: StdListener,
    acceptor: Option<TlsAcceptor>,
    on_connection: F,
) where
    F: Fn(Connection) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let on_connection = Arc::new(on_connection);
    loop {
        let Ok((stream, _peer)) = listener.accept().await else {
            let_descriptors_free().await;
            continue;
        };
        // Without it the kernel may keep a chunk back until the one before is acknowledged.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        match acceptor.clone() {
            None => {
                tokio::spawn(on_connection(Connection::over(stream)));
            }
            Some(acceptor) => {
                let on_connection = Arc::clone(&on_connection);
                tokio::spawn(async move {
                    // A client that does not trust us ends the handshake: it has said why on its side.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        on_connection(Connection::over(stream)).await;
                    }
                });
            }
        }
    }
}
