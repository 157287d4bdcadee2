//! The server: sockets in, answers out, and an orderly end. Never looks into a request.

use crate::http::Peer;
use crate::ports::Clock;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use socket::{Linger, Socket};

pub use socket::Refuse;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

mod socket;

/// Time for a request head, and for a connection to stay idle; a slow sender must not hold a connection for ever.
const HEAD_DEADLINE: Duration = Duration::from_secs(15);
/// What hyper buffers of a head at most. It parses 100 header lines at most: room for more would be made with every request.
const HEAD_BYTES_MAX: usize = 256 * 1024;
/// Requests in flight may take this long after shutdown began.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);
/// Pending usage rows may take this long after the last request; three retries take less than one second.
const SETTLE_DEADLINE: Duration = Duration::from_secs(10);
/// After a failed accept (too many open files), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why serving ended early.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Requests or usage rows were still under way when the deadline for an orderly end had passed.
    #[error("shutdown took too long; some work was given up")]
    ShutdownTimedOut,
}

/// What is served: how a request is answered, what cannot be parsed, and what is left to do when the last request has ended.
pub struct Service<A, S> {
    /// Answers one request.
    pub answer: A,
    /// The whole answer to a request that cannot even be parsed.
    pub refuse: Refuse,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Done once everything that outlives its request is.
    pub settled: S,
}

/// Serves until `shutdown` is done and everything under way has ended.
///
/// # Errors
/// [`ServeError::ShutdownTimedOut`].
pub async fn serve<A, F, S>(
    service: Service<A, S>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError>
where
    A: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
    S: Future<Output = ()>,
{
    let Service {
        answer,
        refuse,
        clock,
        settled,
    } = service;
    let connections = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => serve_connection(&answer, &refuse, &connections, stream, peer),
                Err(_transient) => clock.sleep(ACCEPT_PAUSE).await,
            },
            () = &mut shutdown => break,
        }
    }
    drop(listener);
    let drained = tokio::time::timeout(DRAIN_DEADLINE, connections.shutdown()).await;
    let settled = tokio::time::timeout(SETTLE_DEADLINE, settled).await;
    drained
        .and(settled)
        .map_err(|_elapsed| ServeError::ShutdownTimedOut)
}

fn serve_connection<A, F>(
    answer: &A,
    refuse: &Refuse,
    connections: &GracefulShutdown,
    stream: TcpStream,
    peer: SocketAddr,
) where
    A: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    // Answers are small: waiting for more to send would only delay them. A socket that refuses works all the same.
    drop(stream.set_nodelay(true));
    let linger = Linger::default();
    let io = TokioIo::new(Socket::new(stream, linger.clone(), Arc::clone(refuse)));
    let answer = answer.clone();
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        let has_body = !request.body().is_end_stream();
        let answered = answer(request.map(Body::new));
        let linger = linger.clone();
        async move {
            let mut response = answered.await;
            // A refusal may leave the body unread; closing at once would reset the connection under the answer.
            let left_unread = has_body && !response.status().is_success();
            linger.set(left_unread);
            if left_unread {
                // Said, so that the caller does not send its next request into a connection that is being closed.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD_BYTES_MAX)
        // Answers are small: one buffer is cheaper to send than two.
        .writev(false)
        .serve_connection(io, service);
    let connection = connections.watch(connection);
    // A connection that breaks concerns its caller alone.
    tokio::spawn(async move { drop(connection.await) });
}
